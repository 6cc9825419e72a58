"""The class probabilities of one block, window by window or by one pass over the whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from landuse import sensors
from landuse.mapping import map_blocks, methods
from landuse.networks import engines


def ahead(items: Iterable[Any]) -> Generator[Any]:
    """Yield the items, each made in a thread while the one before it is in use."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, iterator, end)
            yield item


def window_batches(
    pixels: np.ndarray,
    chosen: np.ndarray,
    stride: int,
    batch_size: int,
    window: int = sensors.PATCH_SIZE,
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the windows of the chosen cells in batches of one size.

    The windows are looked at in place; only the batch is copied. The last batch is filled up with
    zeros, so that a network sees one shape only and is compiled once.

    Parameters
    ----------
    pixels : ndarray of shape (rows, columns, bands)
        The block with its margin of half a window.
    chosen : ndarray of shape (cell rows, cell columns), bool
        Cells to classify.
    stride : int
        Distance between windows in pixels.
    batch_size : int
        Windows in a batch.
    window : int
        Side of a window in pixels.

    Yields
    ------
    batch : ndarray of shape (batch_size, window, window, bands), dtype of the pixels
    count : int
        How many of them are windows; the rest is filling.
    """
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (window, window), (0, 1))
    windows = np.moveaxis(windows, 2, -1)[::stride, ::stride]
    rows, columns = np.nonzero(chosen)
    for first in range(0, len(rows), batch_size):
        part = slice(first, first + batch_size)
        batch = windows[rows[part], columns[part]]
        count = len(batch)
        if count < batch_size:
            filling = np.zeros((batch_size - count, *batch.shape[1:]), batch.dtype)
            batch = np.concatenate([batch, filling])
        yield batch, count


def classify_windows(
    data: map_blocks.BlockData,
    predict: engines.Predict,
    stride: int,
    batch_size: int,
    report: Callable[[int], Any] = lambda count: None,
    window: int = sensors.PATCH_SIZE,
) -> np.ndarray:
    """Give the class probabilities of the chosen cells of a block, window by window.

    Parameters
    ----------
    data : BlockData
        Pixels and cells.
    predict : callable
        (batch_size, window, window, bands) pixels -> (batch_size, classes) probabilities.
    stride, batch_size : int
        Distance between windows in pixels, windows in a batch.
    report : callable
        Is told after each batch how many windows are done.
    window : int
        Side of a window in pixels.

    Returns
    -------
    ndarray of shape (chosen cells, classes), float32
        In the order of ``numpy.nonzero(data.chosen)``.
    """
    parts = []
    with contextlib.closing(
        ahead(window_batches(data.pixels, data.chosen, stride, batch_size, window))
    ) as batches:
        for batch, count in batches:
            parts.append(np.array(predict(batch)[:count], np.float32))
            report(count)
    return np.concatenate(parts)


def classify_densely(
    data: map_blocks.BlockData,
    predict: engines.Predict,
    stride: int,
    margin: int = methods.DENSE_MARGIN,
) -> np.ndarray:
    """Give the class probabilities of the chosen cells of a block by one pass over the whole.

    Parameters
    ----------
    data : BlockData
        Pixels with a margin, and cells.
    predict : callable
        (1, rows, columns, bands) pixels -> (1, cell rows, cell columns, classes), the windows
        starting at rows 0, stride, 2*stride... of the pixels.
    stride, margin : int
        Distance between windows, and margin around them, in pixels.

    Returns
    -------
    ndarray of shape (chosen cells, classes), float32
    """
    cells = np.asarray(predict(data.pixels[np.newaxis])[0], np.float32)
    skipped = margin // stride
    rows, columns = data.chosen.shape
    return cells[skipped : skipped + rows, skipped : skipped + columns][data.chosen]

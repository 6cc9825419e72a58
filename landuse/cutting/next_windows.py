"""Which windows of a map to label next: in doubt, spread over the scene and over the classes."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from landuse import map_values, sensors

SIZE = sensors.PATCH_SIZE


def doubt_of(bands: np.ndarray, names: list[str], class_names: list[str]) -> np.ndarray:
    """Return how much a map is in doubt, cell by cell, from what its probability image holds.

    Parameters
    ----------
    bands : ndarray of shape (rows, columns) or (rows, columns, bands)
        Percent as uint8, or 0..1; the first is the probability of the label.
    names : list of str
        Of the bands.
    class_names : list of str

    Returns
    -------
    ndarray of shape (rows, columns), float32
        1 minus the margin between the two most probable classes where the image has it (DOUBT or
        ALL_PROBABILITIES of script 06), else 1 minus the probability of the label.
    """
    values = bands if bands.ndim == 3 else bands[..., None]
    full = 100.0 if values.dtype == np.uint8 else 1.0
    own = [names.index(name) for name in class_names if name in names[1:]]
    if map_values.MARGIN in names:
        leads = values[..., names.index(map_values.MARGIN)].astype(np.float32)
    elif len(own) == len(class_names) > 1:
        second, best = np.moveaxis(np.partition(values[..., own], -2, axis=2)[..., -2:], 2, 0)
        leads = best.astype(np.float32) - second
    else:
        leads = values[..., 0].astype(np.float32)
    return (1 - leads / full).clip(0, 1)


def choose_cells(
    labels: np.ndarray,
    doubt: np.ndarray,
    cell: float,
    count: int,
    known: np.ndarray,
    known_counts: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose cells whose windows to label.

    From each class (as the map has it) in turn, the one with the fewest labels first, comes the
    cell of most doubt that is far enough from what is chosen. How far that is comes from the size
    of the map and the number of windows, and shrinks to a window's side where no cell is left. Of
    windows with a label, it is half a side.

    For the labels, this is uncertainty sampling with a quota for each class (Lewis and Gale 1994,
    https://doi.org/10.1007/978-1-4471-2099-5_1), kept from choosing the same place many times.

    Parameters
    ----------
    labels : ndarray of shape (rows, columns), uint8
        Class index, 255 where there is none.
    doubt : ndarray of shape (rows, columns)
    cell : float
        Width of a cell in pixels.
    count : int
        How many windows.
    known : ndarray of shape (N, 2)
        Row and column, in cells, of the middles of windows that have a label.
    known_counts : ndarray of shape (classes,), int
        How many windows of each class have a label.

    Returns
    -------
    rows, columns : ndarray of shape (M,), int64
        At most `count`: fewer where the map has no room for more windows side by side.
    """
    side = SIZE / cell  # of a window, in cells
    rows, columns = np.indices(labels.shape)
    margin = side / 2 - 0.5
    free = (labels < len(known_counts)) & (rows >= margin) & (columns >= margin)
    free &= (rows <= labels.shape[0] - 1 - margin) & (columns <= labels.shape[1] - 1 - margin)
    free &= ~_near(known, side / 2, labels.shape)
    spacing = max(math.sqrt(free.sum() / max(count, 1)) / 2, side)
    rarity = np.argsort(np.argsort(known_counts, kind="stable"))
    turns = np.zeros(len(known_counts), np.int64)
    chosen: list[tuple[int, int]] = []
    near = np.zeros(labels.shape, bool)
    while len(chosen) < count:
        open_cells = free & ~near
        present = np.unique(labels[open_cells])
        if not len(present):
            if spacing <= side:
                break
            spacing = max(spacing / 2, side)
            near = _near(chosen, spacing, labels.shape)
            continue
        own = present[np.lexsort((rarity[present], turns[present]))[0]]
        among = np.flatnonzero((open_cells & (labels == own)).ravel())
        best = int(among[np.argmax(doubt.ravel()[among])])
        place = best // labels.shape[1], best % labels.shape[1]
        chosen.append(place)
        turns[own] += 1
        near |= _near([place], spacing, labels.shape)
    places = np.array(chosen, np.int64).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _near(places: Iterable[Sequence[float]], spacing: float, shape: tuple[int, ...]) -> np.ndarray:
    """Tell which cells are nearer than `spacing` to places, along rows and columns."""
    near = np.zeros(shape, bool)
    for place in places:
        firsts = [max(math.floor(at - spacing) + 1, 0) for at in place]
        lasts = [max(math.ceil(at + spacing), 0) for at in place]
        near[firsts[0] : lasts[0], firsts[1] : lasts[1]] = True
    return near

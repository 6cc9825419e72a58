"""An exported file against Keras: what differs, how large it is, how fast it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landuse.exporting import export_types

LARGEST_DIFFERENCE = {  # of a probability from that of Keras, above which an export fails
    "float32": 0.001,
    "float16": 0.02,
    "int8": None,  # there, labels count
}
MOST_OTHER_LABELS = {  # share of the answers whose most probable class may differ
    "float32": 0.01,
    "float16": 0.01,
    "int8": 0.05,
}
BATCH = 32  # images per call where the batch is free
_SECONDS = 2.0  # that each of the two is timed for, at least once over all images


@dataclass(frozen=True)
class Comparison:
    """How an exported file does beside the model it was made from.

    Attributes
    ----------
    answers : int
        Patches, or windows of mosaics, that both classified.
    largest_difference : float
        Of a probability.
    other_labels : int
        Answers whose most probable class differs.
    bytes, keras_bytes : int
    milliseconds, keras_milliseconds : float
        For one image.
    """

    answers: int
    largest_difference: float
    other_labels: int
    bytes: int
    keras_bytes: int
    milliseconds: float
    keras_milliseconds: float

    def lines(self, runtime: str) -> list[str]:
        """Say it, for people to read."""
        size, keras_size = self.bytes / 1e6, self.keras_bytes / 1e6
        share = 100 * self.other_labels / self.answers
        return [
            f"compared with Keras on {self.answers:,} answers: largest difference of a "
            f"probability {self.largest_difference:.2g}, {self.other_labels} other labels "
            f"({share:.1f} %)",
            f"size: {size:.1f} MB (the .keras file: {keras_size:.1f} MB)",
            f"time for one image here: {self.milliseconds:.1f} ms by {runtime} (Keras: "
            f"{self.keras_milliseconds:.1f} ms)",
        ]


def compare(
    predict: export_types.Predict,
    keras_predict: export_types.Predict,
    images: NDArray,
    batch: int | None,
) -> Comparison:
    """Run both over images.

    Parameters
    ----------
    predict, keras_predict : callable
        Raw pixels (batch, rows, columns, bands) to probabilities (batch, ..., classes).
    images : ndarray of shape (N, rows, columns, bands), float32
    batch : int or None
        Images of each call, if only so many can be given.

    Returns
    -------
    Comparison
        Without the sizes.
    """
    size = batch or min(BATCH, len(images))
    answers, seconds = _timed(predict, images, size)
    expected, keras_seconds = _timed(keras_predict, images, size)
    if answers.shape != expected.shape:
        raise ValueError(
            f"the exported model gives answers of the shape {answers.shape}, Keras of "
            f"{expected.shape}; nothing was written"
        )
    difference = np.abs(answers - expected)
    if not np.isfinite(difference).all():
        raise ValueError(
            "the exported model gives answers that are no numbers; nothing was written"
        )
    return Comparison(
        answers=int(np.prod(answers.shape[:-1])),
        largest_difference=float(difference.max()),
        other_labels=int((answers.argmax(-1) != expected.argmax(-1)).sum()),
        bytes=0,
        keras_bytes=0,
        milliseconds=1000 * seconds,
        keras_milliseconds=1000 * keras_seconds,
    )


def _timed(predict: export_types.Predict, images: NDArray, size: int) -> tuple[NDArray, float]:
    """Answers to all images, and the seconds for one, in the fastest run over all."""
    predict(next(_batches(images, size))[0])  # compiles
    best, until = np.inf, time.perf_counter() + _SECONDS
    while True:
        start = time.perf_counter()
        answers = [predict(pixels)[:count] for pixels, count in _batches(images, size)]
        end = time.perf_counter()
        best = min(best, (end - start) / len(images))
        if end > until:
            return np.concatenate(answers).astype(np.float32), best


def _batches(images: NDArray, size: int) -> Iterator[tuple[NDArray, int]]:
    """All batches of one size, the last filled up, and how many images count in each."""
    for first in range(0, len(images), size):
        pixels = images[first : first + size]
        filled = np.concatenate([pixels, np.repeat(pixels[-1:], size - len(pixels), axis=0)])
        yield filled, len(pixels)


def check(
    comparison: Comparison,
    precision: str,
    largest_difference: float | None = None,
    most_other_labels: float | None = None,
) -> None:
    """Raise a ValueError when an exported file says something else than Keras.

    Parameters
    ----------
    comparison : Comparison
    precision : str
    largest_difference : float, optional
        Of a probability. Both are by default those of the precision.
    most_other_labels : float, optional
        Share of the answers, 0 to 1.
    """
    limit = largest_difference or LARGEST_DIFFERENCE[precision]
    most = MOST_OTHER_LABELS[precision] if most_other_labels is None else most_other_labels
    share = comparison.other_labels / comparison.answers
    if limit is not None and comparison.largest_difference > limit:
        raise ValueError(
            f"the exported model differs from Keras by {comparison.largest_difference:.3g} in a "
            f"probability, and {limit:g} is allowed (LARGEST_DIFFERENCE); nothing was written"
        )
    if share > most:
        raise ValueError(
            f"the exported model gives other labels than Keras to {100 * share:.1f} % of the "
            f"patches, and {100 * most:g} % is allowed (MOST_OTHER_LABELS); nothing "
            f"was written"
            + (". Give PRECISION = 'float16', or more patches" if precision == "int8" else "")
        )


def size_of(path: Path) -> int:
    """Give the bytes of a file with those of the same name beside it (.bin), or of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}.*"))

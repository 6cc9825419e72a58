"""How well maps agree with the truth, pixel by pixel: intersection over union, boundaries.

Pixels beside each other are alike, so intervals come from blocks drawn again and again, not from
pixels. They are about places like these.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from landuse.segmentation import labelled_scenes

NO_LABEL = labelled_scenes.NO_LABEL
RESAMPLES = 1000
TOLERANCE = 2  # px that a boundary may lie off
LEAST_BLOCKS = 8  # for an interval


def confusion(truth: np.ndarray, found: np.ndarray, class_count: int) -> np.ndarray:
    """Count pixels by their true class (rows) and what the map says (columns).

    Parameters
    ----------
    truth, found : ndarray of one shape, uint8
        Class index; pixels with `NO_LABEL` in one of them do not count.
    class_count : int

    Returns
    -------
    ndarray of shape (classes, classes), int64
    """
    known = (truth != NO_LABEL) & (found != NO_LABEL)
    pairs = truth[known].astype(np.int64) * class_count + found[known]
    return np.bincount(pairs, minlength=class_count**2).reshape(class_count, class_count)


def block_confusions(
    truth: np.ndarray, found: np.ndarray, class_count: int, block_size: int
) -> np.ndarray:
    """Count as `confusion` does, in each square block that has labels: (blocks, C, C)."""
    matrices = [
        confusion(
            truth[row : row + block_size, column : column + block_size],
            found[row : row + block_size, column : column + block_size],
            class_count,
        )
        for row in range(0, truth.shape[0], block_size)
        for column in range(0, truth.shape[1], block_size)
    ]
    return np.stack([matrix for matrix in matrices if matrix.any()] or [matrices[0]])


def intersection_over_union(matrix: np.ndarray) -> np.ndarray:
    """Give for each class the pixels where map and truth have it over those where one does.

    Parameters
    ----------
    matrix : ndarray of shape (..., classes, classes)

    Returns
    -------
    ndarray of shape (..., classes)
        NaN for classes that are nowhere.
    """
    both = np.diagonal(matrix, axis1=-2, axis2=-1).astype(float)
    either = matrix.sum(-1) + matrix.sum(-2) - both
    with np.errstate(invalid="ignore", divide="ignore"):
        return both / either


def mean_iou(matrix: np.ndarray) -> np.ndarray:
    """Give the mean over the classes that the truth has (a class that it lacks has no IoU)."""
    iou = intersection_over_union(matrix)
    known = (matrix.sum(-1) > 0) & ~np.isnan(iou)
    return np.where(known, iou, 0).sum(-1) / np.maximum(known.sum(-1), 1)


def boundary_counts(truth: np.ndarray, found: np.ndarray, class_count: int) -> np.ndarray:
    """Count boundary pixels of each class, and those that lie where the other has some.

    A pixel is of the boundary of its class when one of its four neighbours has another; where there
    is no label there is no boundary (Csurka et al. 2013, "What is a good evaluation measure for
    semantic segmentation?").

    Returns
    -------
    ndarray of shape (classes, 4), int64
        In the map, of these near the truth's; in the truth, of these near the map's.
    """
    from scipy import ndimage

    known = (truth != NO_LABEL) & (found != NO_LABEL)
    true_edges, found_edges = _edges(truth, known), _edges(found, known)
    row, column = np.indices((2 * TOLERANCE + 1,) * 2) - TOLERANCE
    disk = row**2 + column**2 <= TOLERANCE**2
    counts = np.zeros((class_count, 4), np.int64)
    for index in range(class_count):
        in_truth, in_map = true_edges & (truth == index), found_edges & (found == index)
        near_truth = ndimage.binary_dilation(in_truth, disk)
        near_map = ndimage.binary_dilation(in_map, disk)
        counts[index] = (
            in_map.sum(),
            (in_map & near_truth).sum(),
            in_truth.sum(),
            (in_truth & near_map).sum(),
        )
    return counts


def _edges(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    edges = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        one, other = [slice(None)] * 2, [slice(None)] * 2
        one[axis], other[axis] = slice(None, -1), slice(1, None)
        first, second = tuple(one), tuple(other)
        differ = (labels[first] != labels[second]) & known[first] & known[second]
        edges[first] |= differ
        edges[second] |= differ
    return edges


def boundary_f1(counts: np.ndarray) -> np.ndarray:
    """Give the harmonic mean of both shares of `boundary_counts`: (classes,), NaN for none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = counts[:, 1] / counts[:, 0], counts[:, 3] / counts[:, 2]
        both = 2 * precision * recall / (precision + recall)
    # a class with boundaries on one side only, or without a match, has none right
    return np.where(np.isnan(both) & (counts[:, [0, 2]].sum(1) > 0), 0.0, both)


def measure(
    matrices: np.ndarray, boundaries: np.ndarray, class_names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Give all figures of maps against their truth.

    Parameters
    ----------
    matrices : ndarray of shape (blocks, classes, classes)
    boundaries : ndarray of shape (classes, 4)
        Of `boundary_counts`.
    class_names : sequence of str
    seed : int
        Of the blocks drawn again.

    Returns
    -------
    dict
        "pixels", "blocks", "accuracy", "mean_iou" (each "value", "low", "high"), "boundary_f1"
        (mean over the classes that the truth has), "confusion_matrix", and "per_class" with "iou",
        "recall", "precision", "boundary_f1" and "pixels".
    """
    whole = matrices.sum(0)
    if not whole.any():
        raise ValueError("no pixel with a label was mapped, so nothing can be measured")
    iou, edges = intersection_over_union(whole), boundary_f1(boundaries)
    in_truth, in_map, right = whole.sum(1), whole.sum(0), np.diagonal(whole)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(matrices), size=(RESAMPLES, len(matrices)))
    again = np.stack([matrices[chosen].sum(0) for chosen in drawn])
    accuracies = np.trace(again, axis1=1, axis2=2) / np.maximum(again.sum((1, 2)), 1)
    enough = len(matrices) >= LEAST_BLOCKS
    known = in_truth > 0
    return {
        "pixels": int(whole.sum()),
        "blocks": len(matrices),
        "accuracy": _interval(right.sum() / whole.sum(), accuracies, enough),
        "mean_iou": _interval(mean_iou(whole), mean_iou(again), enough),
        "boundary_f1": float(np.nanmean(edges[known]))
        if not np.isnan(edges[known]).all()
        else None,
        "confusion_matrix": whole.tolist(),
        "per_class": {
            name: {
                "iou": _known(iou[i]) if known[i] else None,
                "recall": _share(right[i], in_truth[i]),
                "precision": _share(right[i], in_map[i]),
                "boundary_f1": _known(edges[i]) if known[i] else None,
                "pixels": int(in_truth[i]),
            }
            for i, name in enumerate(class_names)
        },
    }


def _interval(value: Any, drawn: np.ndarray, enough: bool) -> dict[str, float | None]:
    low, high = np.percentile(drawn, (2.5, 97.5)) if enough else (None, None)
    return {
        "value": float(value),
        "low": None if low is None else float(low),
        "high": None if high is None else float(high),
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None

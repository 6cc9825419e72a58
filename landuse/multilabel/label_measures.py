"""How right several labels are: F1, average precision, thresholds, which classes come together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics

RESAMPLES = 1000
LEAST_TILES = 8  # for an interval: patches of a tile are alike, so tiles are drawn again
HALF = 0.5


def best_thresholds(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Find for each class the threshold with the highest F1.

    Parameters
    ----------
    truth : ndarray of shape (n, classes), bool
    probabilities : ndarray of shape (n, classes)
        Of patches that nothing else is measured on.

    Returns
    -------
    ndarray of shape (classes,)
        A probability from which on the class is a label; 0.5 for one that no patch has, or all.
    """
    found = np.full(truth.shape[1], HALF)
    for index in np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0)):
        precision, recall, thresholds = metrics.precision_recall_curve(
            truth[:, index], probabilities[:, index]
        )
        both = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(np.argmax(both[:-1]))
        # halfway to the next lower probability, so that rounding does not decide
        lower = thresholds[best - 1] if best else 0.0
        found[index] = (thresholds[best] + lower) / 2
    return found


def counts(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Count right, false and missed labels of each class: (3, classes)."""
    return np.stack(
        [(truth & said).sum(axis=0), (~truth & said).sum(axis=0), (truth & ~said).sum(axis=0)]
    )


def f1(right: np.ndarray, false: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """Give the harmonic mean of precision and recall from counts; 0 where nothing is right."""
    return 2 * right / np.maximum(2 * right + false + missed, 1)


def micro_and_macro(table: np.ndarray, known: np.ndarray) -> tuple[Any, Any]:
    """Give F1 of all labels together, and its mean over classes, from (..., 3, classes) counts."""
    sums = table.sum(axis=-1)
    micro = f1(sums[..., 0], sums[..., 1], sums[..., 2])
    classes = f1(table[..., 0, :], table[..., 1, :], table[..., 2, :])
    return micro, classes[..., known].mean(axis=-1)


def measure(
    truth: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    class_names: Sequence[str],
    tiles: Sequence[str],
    seed: int = 0,
) -> dict[str, Any]:
    """Give all figures of several labels against the truth.

    Parameters
    ----------
    truth : ndarray of shape (n, classes), bool
    probabilities : ndarray of shape (n, classes)
    thresholds : ndarray of shape (classes,)
    class_names, tiles : sequence of str
    seed : int
        Of the tiles that are drawn again.

    Returns
    -------
    dict
        "patches", "tiles", "micro_f1" and "macro_f1" (each "value", "low", "high"), the same at
        thresholds of 0.5 as "at_half", "mean_average_precision" and "micro_average_precision",
        "guessing" (what the same labels for all patches reach at best), "per_class" with "f1",
        "precision", "recall", "average_precision", "threshold" and "patches", and "together"
        (`together` of the truth and of the answers). Means are over the classes that the truth has.
    """
    said = probabilities >= thresholds
    known = np.asarray(truth.any(axis=0))
    table = counts(truth, said)
    micro, macro = micro_and_macro(table, known)
    by_tile = _by_tile(truth, said, tiles)
    drawn = np.random.default_rng(seed).integers(len(by_tile), size=(RESAMPLES, len(by_tile)))
    again = micro_and_macro(np.stack([by_tile[chosen].sum(axis=0) for chosen in drawn]), known)
    enough = len(by_tile) >= LEAST_TILES
    of_class = [
        float(metrics.average_precision_score(truth[:, i], probabilities[:, i]))
        if known[i]
        else None
        for i in range(truth.shape[1])
    ]
    at_half = micro_and_macro(counts(truth, probabilities >= HALF), known)
    return {
        "patches": len(truth),
        "tiles": len(by_tile),
        "micro_f1": _interval(micro, again[0], enough),
        "macro_f1": _interval(macro, again[1], enough),
        "at_half": {"micro_f1": float(at_half[0]), "macro_f1": float(at_half[1])},
        "mean_average_precision": float(
            np.mean([value for value in of_class if value is not None])
        ),
        "micro_average_precision": float(
            metrics.average_precision_score(
                truth[:, known].ravel(), probabilities[:, known].ravel()
            )
        ),
        "guessing": guessing(truth),
        "per_class": {
            name: {
                "f1": float(f1(*table[:, i])) if known[i] else None,
                "precision": _share(table[0, i], table[0, i] + table[1, i]),
                "recall": _share(table[0, i], table[0, i] + table[2, i]),
                "average_precision": of_class[i],
                "threshold": float(thresholds[i]),
                "patches": int(truth[:, i].sum()),
            }
            for i, name in enumerate(class_names)
        },
        "together": {"truth": together(truth).tolist(), "answers": together(said).tolist()},
    }


def guessing(truth: np.ndarray) -> dict[str, float]:
    """Give what one who does not look at the patches reaches, with the same labels for all.

    Parameters
    ----------
    truth : ndarray of shape (n, classes), bool

    Returns
    -------
    dict
        "micro_f1" with the frequent classes that give the highest, "macro_f1" with all classes,
        "mean_average_precision".
    """
    shares = truth.mean(axis=0)
    frequent = np.sort(shares)[::-1]
    named = np.arange(1, len(frequent) + 1)
    micro = 2 * np.cumsum(frequent) / (named + frequent.sum())
    known = shares[shares > 0]
    return {
        "micro_f1": float(micro.max()),
        "macro_f1": float((2 * known / (1 + known)).mean()),
        "mean_average_precision": float(known.mean()),
    }


def together(labels: np.ndarray) -> np.ndarray:
    """Give the share of the patches with one class (rows) that have another one (columns), too.

    Returns
    -------
    ndarray of shape (classes, classes)
        NaN in the rows of classes that no patch has.
    """
    numbers = labels.astype(np.float64)
    both = numbers.T @ numbers
    with np.errstate(invalid="ignore", divide="ignore"):
        return both / np.diagonal(both)[:, np.newaxis]


def _by_tile(truth: np.ndarray, said: np.ndarray, tiles: Sequence[str]) -> np.ndarray:
    """Count as `counts` does in each tile: (tiles, 3, classes)."""
    names, member = np.unique(np.asarray(tiles), return_inverse=True)
    return np.stack([counts(truth[member == i], said[member == i]) for i in range(len(names))])


def _interval(value: Any, drawn: np.ndarray, enough: bool) -> dict[str, float | None]:
    low, high = np.percentile(drawn, (2.5, 97.5)) if enough else (None, None)
    return {
        "value": float(value),
        "low": None if low is None else float(low),
        "high": None if high is None else float(high),
    }


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None

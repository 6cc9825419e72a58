"""Classes that a scene cannot have: the user knows, the network does not."""

from collections.abc import Sequence

import numpy as np


def numbers(names: Sequence[str] | None, class_names: Sequence[str]) -> list[int]:
    """Give the numbers of the classes that a scene is said not to have.

    Parameters
    ----------
    names : sequence of str, optional
        ABSENT_CLASSES of script 06.
    class_names : sequence of str
        Of the model.

    Raises
    ------
    ValueError
        For a class that the model does not have or that comes twice, and when fewer than two are
        left.
    """
    found: list[int] = []
    for name in names or ():
        if name not in class_names:
            raise ValueError(
                f"ABSENT_CLASSES: {name!r} is no class of the model; its classes are "
                f"{', '.join(class_names)}"
            )
        if class_names.index(name) in found:
            raise ValueError(f"ABSENT_CLASSES: {name} is given twice: give each class once")
        found.append(class_names.index(name))
    if found and len(class_names) - len(found) < 2:
        raise ValueError(
            f"ABSENT_CLASSES leaves {len(class_names) - len(found)} of {len(class_names)} classes: "
            "a map needs two to choose from"
        )
    return sorted(found)


def leave_out(probabilities: np.ndarray, absent: Sequence[int]) -> np.ndarray:
    """Give the probabilities of those who know that some classes are absent.

    By the rule of Bayes with a prior of 0 for those: the others keep their ratios, and add up to 1.

    Parameters
    ----------
    probabilities : ndarray of shape (..., classes), float32
        0..1; not changed.
    absent : sequence of int
        Numbers of classes.

    Returns
    -------
    ndarray of the same shape, float32
        Where the network gave all of its probability to absent classes, the others have equal
        ones.
    """
    left = np.array(probabilities, np.float32)
    left[..., list(absent)] = 0
    total = left.sum(axis=-1, keepdims=True, dtype=np.float64)
    equal = np.ones(left.shape[-1])
    equal[list(absent)] = 0
    shared = np.where(total > 0, left / np.where(total > 0, total, 1), equal / equal.sum())
    return shared.astype(np.float32)

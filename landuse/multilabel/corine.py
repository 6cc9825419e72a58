"""The classes of BigEarthNet: 43 of CORINE Land Cover, and the 19 that they are put together to.

The table beside this file is that of Sumbul et al. 2021 (arXiv 2105.07921); eleven of the 43 have
no class among the 19, because pictures of one moment do not tell them or they are rare.
"""

import csv
import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

COUNTS = (43, 19)
TABLE = Path(__file__).with_name("corine_classes.csv")


@functools.cache
def mapping() -> dict[str, str]:
    """Give the 43 classes in their order, and for each its class of the 19, "" for none."""
    with open(TABLE, encoding="utf-8", newline="") as file:
        return {row["class"]: row["class of 19"] for row in csv.DictReader(file)}


def class_names(count: int) -> list[str]:
    """Give the names of the 43 or the 19 classes, in the official order.

    Raises
    ------
    ValueError
        For another number.
    """
    if count not in COUNTS:
        raise ValueError(f"CLASSES = {count}: expected 43 or 19")
    if count == 43:
        return list(mapping())
    found = [name for name in mapping().values() if name]
    return list(dict.fromkeys(found))


@functools.cache
def _positions(count: int) -> dict[str, int]:
    """Position among so many classes of every name of either list; -1 for one that is dropped."""
    names = class_names(count)
    if count == 43:
        return {name: i for i, name in enumerate(names)}
    of_43 = {name: names.index(other) if other else -1 for name, other in mapping().items()}
    return {**of_43, **{name: i for i, name in enumerate(names)}}


def as_row(labels: Iterable[str], count: int, whose: str) -> np.ndarray:
    """Turn the names of a patch's classes into a row of yes and no.

    Parameters
    ----------
    labels : iterable of str
        Of the 43 or of the 19.
    count : {43, 19}
        Classes that are wanted.
    whose : str
        For messages.

    Returns
    -------
    ndarray of shape (count,), bool

    Raises
    ------
    ValueError
        For a name that is no class, or one of the 19 where the 43 are wanted.
    """
    row = np.zeros(count, bool)
    known = _positions(count)
    for label in labels:
        position = known.get(label)
        if position is None:
            hint = (
                "; it is one of the 19, which do not tell the 43: set CLASSES = 19"
                if count == 43 and label in class_names(19)
                else ""
            )
            raise ValueError(f"{whose}: {label!r} is no class of BigEarthNet{hint}")
        if position >= 0:
            row[position] = True
    return row

"""What tells whether files still hold what they held, without reading all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

MOST_COMPARED = 1000  # pairs of files that are compared byte by byte

_Item = TypeVar("_Item")


def _evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """Take some of the items, spread over all of them."""
    count = min(len(items), most)
    return [items[len(items) * index // count] for index in range(count)]


def changed(pairs: Iterable[tuple[Path, Path]]) -> list[Path]:
    """Find files that do not hold what their links or copies hold.

    A link to the very file, or a copy of the same size and time, holds the same, and another size
    tells that it does not. Of the other pairs, up to `MOST_COMPARED` are read.

    Parameters
    ----------
    pairs : iterable of (Path, Path)
        A file, and what was linked or copied from it.

    Returns
    -------
    list of Path
        The files that differ.
    """
    differ: list[Path] = []
    unsure: list[tuple[Path, Path]] = []
    for source, copy in pairs:
        one, other = source.stat(), copy.stat()
        if one.st_size != other.st_size:
            differ.append(source)
        elif not os.path.samestat(one, other) and one.st_mtime_ns != other.st_mtime_ns:
            unsure.append((source, copy))
    for source, copy in _evenly(unsure, MOST_COMPARED):
        if source.read_bytes() != copy.read_bytes():
            differ.append(source)
    return differ

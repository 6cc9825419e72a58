"""What tells whether files still hold what they held, without reading all of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

SAMPLE = 64  # files that are read for a digest
MOST_COMPARED = 1000  # pairs of files that are compared byte by byte

_Item = TypeVar("_Item")


def digest(files: Sequence[str | os.PathLike[str]]) -> str:
    """Return what tells files from others, and from themselves with other contents.

    It is made of the names and sizes of all files, and of all bytes of up to `SAMPLE` of them,
    which are evenly spaced. So it is the same for a copy, on any machine: the times of the files,
    which a clone or a plain copy loses, do not count. A change that keeps the size of a file, as
    one of pixels without compression does, is noticed where that file is in the sample; up to
    `SAMPLE` files, all are.

    Parameters
    ----------
    files : sequence of paths
        In an order that does not change. The last two parts of a path are its name. A file that is
        not there counts by its name alone.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    paths = [Path(file) for file in files]
    listed = [(path.parent.name, path.name, _size(path)) for path in paths]
    found = hashlib.sha256(json.dumps(listed).encode())
    for path, (_, _, size) in _evenly(list(zip(paths, listed, strict=True)), SAMPLE):
        if size is not None:
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


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

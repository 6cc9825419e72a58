"""Changes as numbers: from which class to which, their names, colours, areas and pieces."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from landuse import map_values
from landuse.changes import comparing
from landuse.outputs import class_colours

NO_CHANGE = 0  # in the raster of changes
NO_CHANGE_NAME = "no change"
NO_CHANGE_COLOUR = (222, 224, 226)
MOST_CLASSES_IN_A_BYTE = 15  # 15 * 15 + 1 numbers, and 255 for no data
SHARE_OF_THE_NEW = 0.7  # of the colour of a change; the rest is the old class's


def code_of(before: int, after: int, class_count: int) -> int:
    """Give the number of a change in the raster, from 1 on."""
    return 1 + before * class_count + after


def nodata_of(class_count: int) -> int:
    """Give the number of no data in the raster of changes."""
    return 255 if class_count <= MOST_CLASSES_IN_A_BYTE else 65535


def encode(
    before: np.ndarray, after: np.ndarray, changed: np.ndarray, class_count: int
) -> np.ndarray:
    """Make the raster of changes.

    Parameters
    ----------
    before, after : ndarray of shape (rows, columns), uint8
        Classes, 255: no data.
    changed : ndarray of shape (rows, columns), bool
        What counts as change.
    class_count : int

    Returns
    -------
    ndarray of the same shape, uint8 or from 16 classes on uint16
        0: no change; 1 + before * class_count + after; 255 or 65535: no data.
    """
    nodata = nodata_of(class_count)
    dtype = np.uint8 if nodata == 255 else np.uint16
    codes = 1 + before.astype(np.int32) * class_count + after
    codes = np.where(changed, codes, NO_CHANGE)
    missing = (before == map_values.NODATA) | (after == map_values.NODATA)
    return np.where(missing, nodata, codes).astype(dtype)


class Change(NamedTuple):
    """One kind of change, or of no change where both classes are one."""

    before: int
    after: int
    cells: int  # whose labels are these two
    hectares: float | None  # None: map units are not metres
    changed_cells: int  # of them that count as changed
    changed_hectares: float | None

    def code(self, class_count: int) -> int:
        """Give its number in the raster."""
        return code_of(self.before, self.after, class_count)


def count_changes(comparison: comparing.Comparison, class_count: int) -> list[Change]:
    """Count every pair of classes that occurs, the unchanged ones too, class by class."""
    pair, hectares = comparison.pair, comparison.hectares
    valid = pair.valid
    codes = pair.before[valid].astype(np.int64) * class_count + pair.after[valid]
    size = class_count**2
    all_cells = np.bincount(codes, minlength=size)
    changed = comparison.changed[valid]
    changed_cells = np.bincount(codes[changed], minlength=size)
    areas: tuple[np.ndarray, np.ndarray] | None = None
    if hectares is not None:
        weights = hectares[valid].astype(np.float64)
        areas = (
            np.bincount(codes, weights, minlength=size),
            np.bincount(codes[changed], weights[changed], minlength=size),
        )
    return [
        Change(
            int(code) // class_count,
            int(code) % class_count,
            int(all_cells[code]),
            float(areas[0][code]) if areas else None,
            int(changed_cells[code]),
            float(areas[1][code]) if areas else None,
        )
        for code in np.flatnonzero(all_cells)
    ]


def of_change(changes: Sequence[Change]) -> list[Change]:
    """Keep what counts as change, the largest first."""
    found = [change for change in changes if change.changed_cells]
    return sorted(found, key=lambda change: -change.changed_cells)


def colour_of(change: Change, colours: Sequence[class_colours.Colour]) -> class_colours.Colour:
    """Blend the colours of both classes, mostly the new one's."""
    new, old = np.array(colours[change.after]), np.array(colours[change.before])
    red, green, blue = np.rint(SHARE_OF_THE_NEW * new + (1 - SHARE_OF_THE_NEW) * old).astype(int)
    return int(red), int(green), int(blue)


def name_of(change: Change, class_names: Sequence[str]) -> str:
    """Name a change: "Forest to Residential"."""
    return f"{class_names[change.before]} to {class_names[change.after]}"


class Piece(NamedTuple):
    """One connected change from one class to one other."""

    before: str
    after: str
    cells: int
    hectares: float | None
    probability: float  # mean of its cells


def pieces_of(
    comparison: comparing.Comparison, changes: Sequence[Change], class_names: Sequence[str]
) -> tuple[np.ndarray, list[Piece]]:
    """Give each connected change from one class to one other a number.

    Returns
    -------
    numbers : ndarray of shape (rows, columns), int32
        From 1; 0 where nothing changed.
    pieces : list of Piece
        In the order of their numbers.
    """
    from scipy import ndimage

    pair = comparison.pair
    numbers = np.zeros(pair.before.shape, np.int32)
    kinds: list[Change] = []
    for change in of_change(changes):
        own = comparison.changed & (pair.before == change.before) & (pair.after == change.after)
        parts, count = ndimage.label(own)
        numbers[own] = parts[own] + len(kinds)
        kinds += [change] * count
    inside = numbers > 0
    which = numbers[inside]
    size = len(kinds) + 1
    cells = np.bincount(which, minlength=size)
    sums = np.bincount(which, pair.probability[inside].astype(np.float64), minlength=size)
    hectares = comparison.hectares
    areas = None
    if hectares is not None:
        areas = np.bincount(which, hectares[inside].astype(np.float64), minlength=size)
    return numbers, [
        Piece(
            class_names[change.before],
            class_names[change.after],
            int(cells[number]),
            float(areas[number]) if areas is not None else None,
            float(sums[number] / cells[number]),
        )
        for number, change in enumerate(kinds, start=1)
    ]

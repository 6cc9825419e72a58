"""The cells that two rasters have in common, by their georeference."""

from collections.abc import Sequence
from dataclasses import dataclass

Geotransform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Overlap:
    """The part that two rasters with cells of one size have in common.

    Attributes
    ----------
    before, after : tuple of slice
        Its rows and columns in each of them.
    geotransform : tuple of 6 floats
        Of the part, on the grid of the first.
    residual : tuple of float
        Cells (rows, columns) by which the second raster's cells lie off those of the first, -0.5
        to 0.5 each: nothing is resampled, each cell meets the nearest.
    """

    before: tuple[slice, slice]
    after: tuple[slice, slice]
    geotransform: Geotransform
    residual: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the part."""
        rows, columns = self.before
        return rows.stop - rows.start, columns.stop - columns.start


def same_cells(before: Sequence[float], after: Sequence[float]) -> bool:
    """Tell whether two geotransforms have cells of one size, to a millionth, and are north up."""
    sizes = [(g[1], g[2], g[4], g[5]) for g in (before, after)]
    limit = 1e-6 * abs(before[1])
    return all(abs(one - other) <= limit for one, other in zip(*sizes, strict=True)) and not (
        before[2] or before[4]
    )


def overlap(
    before: Sequence[float],
    before_shape: tuple[int, int],
    after: Sequence[float],
    after_shape: tuple[int, int],
) -> Overlap | None:
    """Find the cells that two rasters have in common.

    Parameters
    ----------
    before, after : six floats
        Geotransforms with cells of one size (`same_cells`).
    before_shape, after_shape : tuple of int
        Rows and columns.

    Returns
    -------
    Overlap or None
        None where they have no cell in common.
    """
    columns_off = (after[0] - before[0]) / before[1]
    rows_off = (after[3] - before[3]) / before[5]
    row, column = round(rows_off), round(columns_off)
    rows = _common(before_shape[0], after_shape[0], row)
    columns = _common(before_shape[1], after_shape[1], column)
    if rows is None or columns is None:
        return None
    left = before[0] + columns[0].start * before[1]
    top = before[3] + rows[0].start * before[5]
    return Overlap(
        (rows[0], columns[0]),
        (rows[1], columns[1]),
        (left, before[1], 0.0, top, 0.0, before[5]),
        (rows_off - row, columns_off - column),
    )


def _common(first: int, second: int, shift: int) -> tuple[slice, slice] | None:
    """Find where `second` cells that begin `shift` cells later lie on `first` cells."""
    start, stop = max(0, shift), min(first, second + shift)
    if start >= stop:
        return None
    return slice(start, stop), slice(start - shift, stop - shift)

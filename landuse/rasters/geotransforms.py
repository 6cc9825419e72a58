"""Where pixels lie on the ground: geotransforms as GDAL has them, and what they span."""

from collections.abc import Sequence
from typing import NamedTuple

Geotransform = tuple[float, float, float, float, float, float]
SixFloats = Sequence[float]  # a geotransform as arguments take it

Bounds = tuple[float, float, float, float]


class MapUnit(NamedTuple):
    """What one unit of a map measures on the ground."""

    metres: float  # along a row
    square_metres: float  # one by one


METRE = MapUnit(1.0, 1.0)


def extent(geotransform: SixFloats, shape: Sequence[int]) -> Bounds:
    """Return (left, bottom, right, top) of a north-up raster of `shape` (rows, columns)."""
    left, width, _, top, _, height = geotransform
    return left, top + shape[0] * height, left + shape[1] * width, top

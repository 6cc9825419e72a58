"""The grid of a mosaic, and the place of each map on it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from landuse.mosaics import joined_maps
from landuse.rasters import geotransforms, ground, reading, reference_systems, warped

MOST_CELLS = 2**31
TINY = 1e-6  # of a cell


@dataclass(frozen=True)
class MosaicGrid:
    """Cells of one size, north up.

    Attributes
    ----------
    crs : str
        EPSG code or WKT.
    geotransform : six floats
    shape : (rows, columns)
    places : tuple of (left, bottom, right, top)
        What each map covers, in units of `crs`.
    """

    crs: str
    geotransform: geotransforms.Geotransform
    shape: tuple[int, int]
    places: tuple[geotransforms.Bounds, ...]

    def blocks(self, size: int) -> list[tuple[int, int, int, int]]:
        """Give row, column, rows and columns of blocks that cover the grid."""
        rows, columns = self.shape
        return [
            (row, column, min(size, rows - row), min(size, columns - column))
            for row in range(0, rows, size)
            for column in range(0, columns, size)
        ]

    def geotransform_of(self, row: int, column: int) -> geotransforms.Geotransform:
        """Give the geotransform of a block that begins there."""
        left, width, _, top, _, height = self.geotransform
        return left + column * width, width, 0.0, top + row * height, 0.0, height

    def maps_in(self, block: tuple[int, int, int, int]) -> Iterator[int]:
        """Give the numbers of the maps that reach into a block."""
        place = self.geotransform_of(block[0], block[1])
        left, bottom, right, top = geotransforms.extent(place, block[2:])
        for number, (west, south, east, north) in enumerate(self.places):
            if west < right and east > left and south < top and north > bottom:
                yield number


def choose(
    maps: Sequence[joined_maps.JoinedMap], crs: str | None, cell: float | None
) -> MosaicGrid:
    """Choose the grid of the mosaic.

    Parameters
    ----------
    maps : sequence of JoinedMap
    crs : str or None
        What the user wants; None: that of the maps.
    cell : float or None
        Side of a cell in units of the reference system; None: that of the finest map.

    Raises
    ------
    ValueError
        When the maps lie in several reference systems and none was chosen, or the mosaic would be
        too large.
    """
    if crs is None:
        others = [m for m in maps if not reference_systems.same_crs(m.crs, maps[0].crs)]
        if others:
            names = [reference_systems.crs_name(one.crs) for one in (maps[0], others[0])]
            raise ValueError(
                f"MOSAIC_CRS: {maps[0].label} is in {names[0]} and {others[0].label} in "
                f"{names[1]}: choose one reference system for all, such as EPSG:3035 (Europe, "
                "equal areas)"
            )
    chosen = maps[0].crs if crs is None else crs
    if "://" in chosen:
        raise ValueError(
            f"MOSAIC_CRS: {chosen} is a web address; expected a code such as EPSG:3035"
        )
    reference_systems.spatial_reference(chosen)  # an error before the work
    found = [warped.place_in(one.label, chosen) for one in maps]
    size = cell if cell is not None else _finest(maps, chosen, [size for _, size in found])
    places = tuple(bounds for bounds, _ in found)
    start_x, start_y = _phase(maps[0], chosen, size)
    left, right = _snapped([p[0] for p in places], [p[2] for p in places], start_x, size)
    bottom, top = _snapped([p[1] for p in places], [p[3] for p in places], start_y, size)
    shape = round((top - bottom) / size), round((right - left) / size)
    if shape[0] * shape[1] > MOST_CELLS:
        raise ValueError(
            f"CELL: the mosaic would have {shape[0]:,}x{shape[1]:,} cells: choose larger cells "
            f"than {size:g}, or fewer maps"
        )
    return MosaicGrid(chosen, (left, size, 0.0, top, 0.0, -size), shape, places)


def _finest(maps: Sequence[joined_maps.JoinedMap], crs: str, guesses: Sequence[float]) -> float:
    """Give the side of the smallest cell; metres stay metres, as they are in the maps."""
    if all(reference_systems.in_metres(one) for one in (crs, *(m.crs for m in maps))):
        infos = [reading.read_info(one.label) for one in maps]
        return min(abs(info.geotransform[5]) for info in infos if info.geotransform is not None)
    return min(guesses)


def _phase(first: joined_maps.JoinedMap, crs: str, size: float) -> tuple[float, float]:
    """Give where cells begin: as in the first map, if it stays as it is, else at whole sizes."""
    info = reading.read_info(first.label)
    assert info.geotransform is not None
    stays = reference_systems.same_crs(first.crs, crs) and info.geotransform[1] == size
    return (info.geotransform[0], info.geotransform[3]) if stays else (0.0, 0.0)


def _snapped(
    lows: Sequence[float], highs: Sequence[float], start: float, size: float
) -> tuple[float, float]:
    low = math.floor((min(lows) - start) / size + TINY)
    high = math.ceil((max(highs) - start) / size - TINY)
    return start + low * size, start + high * size


def unit_of(grid: MosaicGrid, block: tuple[int, int, int, int]) -> geotransforms.MapUnit | None:
    """Give what a unit of the map measures on the ground in the middle of a block."""
    place = grid.geotransform_of(block[0], block[1])
    measured = ground.measure(place, grid.crs, block[2:])
    return None if measured is None else measured.unit

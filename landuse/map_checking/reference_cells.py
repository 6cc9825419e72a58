"""What a reference says of every cell of a map: another raster, polygons, or OpenStreetMap.

Each is burnt into small pixels, and a cell gets a class where that covers enough of its unit: of
the window that the map's class is about, or of the cell alone. The work goes strip by strip.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from landuse import map_values, sensors
from landuse.evaluation import class_tables, osm_tables, unit_classes
from landuse.rasters import (
    geotransforms,
    label_maps,
    labelled_features,
    osm_features,
    reference_grids,
    reference_systems,
)

NO_CLASS = unit_classes.NO_CLASS
RASTER_SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2", ".png")
LEAST_SHARE = 0.5  # of a unit, for it to be a class's
SMALL_PIXEL = 10.0  # metres, where the map does not tell the pixels that it was made from
LARGEST_RATIO = 64
STRIP_PIXELS = 8_000_000  # small pixels held at once


class Units(NamedTuple):
    """How the cells of a map are cut into small pixels.

    Attributes
    ----------
    ratio : int
        Small pixels on a side of a cell.
    size : int
        Small pixels on a side of the unit, a square around the middle of the cell.
    """

    ratio: int
    size: int


class CellReference(NamedTuple):
    """Classes that a reference gives to the cells of a map.

    Attributes
    ----------
    cells : ndarray of shape (rows, columns), uint8
        Index into `names`, `NO_CLASS` where the reference says nothing.
    names : list of str
    members : list of tuple of str
        Classes of the map that agree with each name.
    messages : list of str
        What was assumed or left out.
    """

    cells: np.ndarray
    names: list[str]
    members: list[tuple[str, ...]]
    messages: list[str]


def stride_of(label_map: label_maps.LabelMap) -> int | None:
    """Return how many pixels of the scene lie on a side of a cell, None where nobody says it."""
    text = label_map.metadata.get("STRIDE", "")
    return int(text) if text.isdigit() and int(text) > 0 else None


def units_of(label_map: label_maps.LabelMap, unit: str, pixel: float | None = None) -> Units:
    """Decide on the small pixels of a map, and how many make its unit.

    Parameters
    ----------
    label_map : LabelMap
    unit : {"window", "cell"}
        "window" where script 06 made the map; on another, there is only the cell.
    pixel : float, optional
        Of the reference in the map's units, for maps that do not tell their own.
    """
    stride = stride_of(label_map)
    if stride is not None:
        return Units(stride, sensors.PATCH_SIZE if unit == "window" else stride)
    height = abs(label_map.geotransform[5])
    ground = label_map.ground
    small = pixel or (SMALL_PIXEL / ground.metres_per_unit if ground else height)
    ratio = min(max(1, round(height / small)), LARGEST_RATIO)
    return Units(ratio, ratio)


def _strips(
    label_map: label_maps.LabelMap, units: Units
) -> Iterator[tuple[slice, geotransforms.Geotransform, int, int]]:
    """Yield rows of cells, and the grid of small pixels around them (place, rows, columns)."""
    rows, columns = label_map.labels.shape
    margin = unit_classes.margin_of(*units)
    wide = columns * units.ratio + 2 * margin
    step = max(1, STRIP_PIXELS // wide // units.ratio)
    left, width, _, top, _, height = label_map.geotransform
    across, down = width / units.ratio, height / units.ratio
    for first in range(0, rows, step):
        last = min(first + step, rows)
        corner = (
            *(left - margin * across, across, 0.0),
            *(top + (first * units.ratio - margin) * down, 0.0, down),
        )
        yield slice(first, last), corner, (last - first) * units.ratio + 2 * margin, wide


def _cells(
    label_map: label_maps.LabelMap,
    units: Units,
    least_shares: Sequence[float],
    read: Callable[[geotransforms.Geotransform, int, int], np.ndarray],
    what: str,
) -> np.ndarray:
    """Read small pixels strip by strip and give each cell its class."""
    if any(label_map.geotransform[i] for i in (2, 4)):
        raise ValueError(f"{label_map.path}: is not north up; warp it first (gdalwarp)")
    cells = np.full(label_map.labels.shape, NO_CLASS, np.uint8)
    strips = list(_strips(label_map, units))
    for rows, *grid in tqdm(strips, desc=what, unit="strip", disable=len(strips) < 2):
        cells[rows] = unit_classes.dominant(read(*grid), least_shares, *units)
    return np.where(label_map.labels == map_values.NODATA, NO_CLASS, cells).astype(np.uint8)


def from_raster(
    label_map: label_maps.LabelMap, path: str | Path, unit: str, table: Mapping[str, str] | None
) -> CellReference:
    """Lay another raster on the map.

    Parameters
    ----------
    label_map : LabelMap
    path : str or Path
        One band of whole numbers; named by CLASS_... or categories, or by a table of the numbers.
    unit : {"window", "cell"}
    table : mapping, optional
        Name or number in the raster to class of the map.

    Raises
    ------
    OSError, ValueError
        Also where the two do not overlap.
    """
    raster = reference_grids.ReferenceRaster(path)
    units = units_of(label_map, unit, raster.pixel_size(label_map.crs))
    own_names = dict(enumerate(label_maps.class_names_of(raster.info)))
    values = _values_on(label_map, raster)
    names = [own_names.get(value, str(value)) for value in values]
    merged, members, indices = _targets(label_map, names, table, str(path))
    lookup = dict(zip(values, indices, strict=True))

    def read(geotransform: geotransforms.Geotransform, rows: int, columns: int) -> np.ndarray:
        found = raster.read_on(geotransform, label_map.crs, rows, columns)
        fine = np.full(found.shape, NO_CLASS, np.uint8)
        for value, index in lookup.items():
            if index >= 0:
                fine[found == value] = index
        return fine

    cells = _cells(label_map, units, [LEAST_SHARE] * len(merged), read, "reference")
    return CellReference(cells, merged, members, [_say_unit(label_map, units)])


def _values_on(
    label_map: label_maps.LabelMap, raster: reference_grids.ReferenceRaster
) -> list[int]:
    """Return the values that a raster has where the map is."""
    found: set[int] = set()
    for _, place, rows, columns in _strips(label_map, Units(1, 1)):
        found |= set(np.unique(raster.read_on(place, label_map.crs, rows, columns)).tolist())
    found.discard(reference_grids.NO_VALUE)
    if not found:
        raise ValueError(f"{raster.path}: does not lie on the map {label_map.path}")
    if len(found) > 100:
        raise ValueError(
            f"{raster.path}: has more than 100 values on the map; a reference raster has classes"
        )
    return sorted(found)


def _targets(
    label_map: label_maps.LabelMap,
    names: Sequence[str],
    table: Mapping[str, str] | None,
    source: str,
) -> tuple[list[str], list[tuple[str, ...]], np.ndarray]:
    """Return the classes to compare, the map's classes in each, and where each name belongs."""
    merged, index, renamed = class_tables.merged_classes(names, label_map.class_names, table)
    indices = class_tables.indices_of(names, merged, renamed, source)
    members = [
        tuple(name for name, i in zip(label_map.class_names, index, strict=True) if i == number)
        for number in range(len(merged))
    ]
    return merged, members, indices


def from_polygons(
    label_map: label_maps.LabelMap,
    features: labelled_features.LabelledFeatures,
    unit: str,
    table: Mapping[str, str] | None,
) -> CellReference:
    """Lay labelled polygons on the map.

    Parameters
    ----------
    label_map : LabelMap
    features : LabelledFeatures
        In the map's reference system; points among them are left to others.
    unit : {"window", "cell"}
    table : mapping, optional
    """
    chosen = np.flatnonzero(~features.is_point)
    names = [features.names[i] for i in chosen]
    polygons = [features.geometries[i] for i in chosen]
    units = units_of(label_map, unit)
    merged, members, indices = _targets(label_map, names, table, features.path)
    conflicts = 0

    def read(geotransform: geotransforms.Geotransform, rows: int, columns: int) -> np.ndarray:
        nonlocal conflicts
        fine, more = labelled_features.burn_classes(
            polygons, indices, geotransform, label_map.crs, rows, columns
        )
        conflicts += more
        return fine

    cells = _cells(label_map, units, [LEAST_SHARE] * len(merged), read, "polygons")
    messages = [_say_unit(label_map, units)]
    if conflicts:
        messages.append(f"{conflicts} small pixels lie in polygons of two classes: left out")
    return CellReference(cells, merged, members, messages)


def from_osm(
    label_map: label_maps.LabelMap, path: str | Path, unit: str, table: osm_tables.OsmTable
) -> CellReference:
    """Lay OpenStreetMap on the map.

    Parameters
    ----------
    label_map : LabelMap
    path : str or Path
        .osm.pbf, .osm or GeoJSON.
    unit : {"window", "cell"}
    table : OsmTable
    """
    ground = label_map.ground
    if ground is None or not ground.is_true_to_scale:
        raise ValueError(
            "OpenStreetMap is compared in metres, but the map is in "
            f"{reference_systems.crs_name(label_map.crs)}; warp it first (gdalwarp -t_srs "
            f"{ground.utm if ground else 'EPSG:...'} -r near)"
        )
    shapes, others = osm_features.read_shapes(path, label_map.crs, table.rule_of, table.buffers)
    shapes.sort(key=lambda shape: -shape.rule)  # the first rule comes last and lies above
    polygons = [shape.polygon for shape in shapes]
    targets = [table.rules[shape.rule].target for shape in shapes]
    units = units_of(label_map, unit)

    def read(geotransform: geotransforms.Geotransform, rows: int, columns: int) -> np.ndarray:
        return reference_grids.burn_in_order(
            polygons, targets, geotransform, label_map.crs, rows, columns
        )

    cells = _cells(label_map, units, table.least_shares, read, "OpenStreetMap")
    if (cells == NO_CLASS).all():
        raise ValueError(
            f"{path}: gives no cell of {label_map.path} a class: it lies elsewhere, or covers too "
            f"little of every {'window' if units.size > units.ratio else 'cell'}"
        )
    messages = [
        f"{len(shapes)} features of OpenStreetMap fit the table, {others} do not",
        _say_unit(label_map, units, "so much as the table asks (share)"),
    ]
    return CellReference(cells, table.targets, table.members, messages)


def _say_unit(label_map: label_maps.LabelMap, units: Units, share: str = "half or more") -> str:
    """Say what a reference is counted over."""
    ground = label_map.ground
    side = abs(label_map.geotransform[1]) / units.ratio * units.size
    side *= ground.metres_per_unit if ground else 1
    kind = "window" if units.size > units.ratio else "cell"
    return (
        f"a cell is given the class that covers {share} of its {kind}, "
        f"{side:.3g} {'m' if ground else 'map units'} wide"
    )

"""Labels of a scene's pixels: a raster of classes or polygons, laid on the scene's own grid."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landuse import map_values
from landuse.evaluation import class_tables
from landuse.rasters import geotransforms, label_maps, labelled_features, reference_grids

NO_LABEL = map_values.NODATA
RASTER_SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2", ".png")
STRIP = 1024  # rows that are read at once
TABLES = {  # that come along, by their names
    "urban_atlas": Path(__file__).with_name("urban_atlas_eurosat.csv"),
}


class Grid(NamedTuple):
    """Pixels of a scene, and where they lie."""

    geotransform: geotransforms.Geotransform
    crs: str
    rows: int
    columns: int


class LabelGrid(NamedTuple):
    """What labels say of each pixel.

    Attributes
    ----------
    values : ndarray of shape (rows, columns), uint8
        Index into `names`, `NO_LABEL` where nothing is said.
    names : list of str
    messages : list of str
        What was assumed, for the user to read.
    """

    values: np.ndarray
    names: list[str]
    messages: list[str]


def read_table(path: str | None) -> dict[str, str] | None:
    """Read a table of what labels call a class to the class; "urban_atlas" comes along."""
    return None if path is None else class_tables.read_class_table(TABLES.get(path, Path(path)))


def read_labels(
    path: str | Path,
    grid: Grid,
    table: Mapping[str, str] | None = None,
    attribute: str | None = None,
) -> LabelGrid:
    """Lay labels on the pixels of a scene.

    Parameters
    ----------
    path : str or Path
        A raster of classes, or labelled polygons (GeoPackage, GeoJSON, shapefile).
    grid : Grid
        Of the scene.
    table : mapping, optional
        What the labels call a class (a number or a name) to the class; "" leaves it out. Where
        polygons lie on each other, the class that stands first in it counts.
    attribute : str, optional
        Of the polygons, that holds the class.

    Raises
    ------
    OSError, ValueError
        Also when no pixel of the scene gets a class.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"PATH_TO_LABELS: {path} does not exist")
    if not grid.crs:
        raise ValueError(
            "the scene has no georeference, so labels cannot be laid on it: give it one "
            "(gdal_edit.py -a_srs EPSG:... -a_ullr ...)"
        )
    is_raster = Path(path).suffix.lower() in RASTER_SUFFIXES
    found = _from_raster(path, grid, table) if is_raster else _burnt(path, grid, table, attribute)
    if (found.values == NO_LABEL).all():
        raise ValueError(f"{path}: gives no pixel of the scene a class; does it lie elsewhere?")
    return found


def _from_raster(path: str | Path, grid: Grid, table: Mapping[str, str] | None) -> LabelGrid:
    raster = reference_grids.ReferenceRaster(path)
    own_names = dict(enumerate(label_maps.class_names_of(raster.info)))
    messages = []
    if not own_names and table is None:
        messages.append(
            f"{path} names no classes, so each of its values is one; CLASS_TABLE would name them, "
            "and IGNORE leave some out"
        )
    values = np.full((grid.rows, grid.columns), NO_LABEL, np.uint8)
    names: list[str] = []
    codes: dict[int, int] = {}
    left, width, turn, top, tilt, height = grid.geotransform
    for first in range(0, grid.rows, STRIP):
        rows = min(STRIP, grid.rows - first)
        corner = (left + first * turn, width, turn, top + first * height, tilt, height)
        strip = raster.read_on(corner, grid.crs, rows, grid.columns)
        for value in np.unique(strip).tolist():
            if value == reference_grids.NO_VALUE:
                continue
            if value not in codes:
                codes[value] = _code_of(path, value, own_names, table, names)
            values[first : first + rows][strip == value] = codes[value]
    return LabelGrid(values, names, messages)


def _code_of(
    path: str | Path,
    value: int,
    own_names: Mapping[int, str],
    table: Mapping[str, str] | None,
    names: list[str],
) -> int:
    """Give the index of a raster's value among the names, which grow with it."""
    own = own_names.get(value, str(value))
    if table is None:
        name = own_names.get(value, f"class {value}")
    else:
        known = next((key for key in (own, str(value)) if key in table), None)
        if known is None:
            raise ValueError(
                f"{path}: holds {own!r}, which CLASS_TABLE does not name; an empty class there "
                "leaves it out"
            )
        name = table[known]
    return _index_of(path, name, names)


def _index_of(path: str | Path, name: str, names: list[str]) -> int:
    if not name:
        return NO_LABEL
    if name not in names:
        if len(names) == 100:
            raise ValueError(f"{path}: has more than 100 classes; are its values labels?")
        names.append(name)
    return names.index(name)


def _burnt(
    path: str | Path, grid: Grid, table: Mapping[str, str] | None, attribute: str | None
) -> LabelGrid:
    features = labelled_features.read_labelled_features(path, grid.crs, attribute)
    areas = np.flatnonzero(~features.is_point)
    if not len(areas):
        raise ValueError(f"{path}: holds points; every pixel needs a class, so give polygons")
    unknown = [] if table is None else sorted({features.names[i] for i in areas} - set(table))
    if unknown:
        raise ValueError(
            f"{path}: {features.attribute} holds {', '.join(map(repr, unknown[:8]))}, which "
            "CLASS_TABLE does not name; an empty class there leaves it out"
        )
    names: list[str] = []
    targets = dict(table) if table is not None else {name: name for name in features.names}
    order = _from_below(targets)
    drawn = sorted(areas, key=lambda area: order[targets[features.names[area]]])
    codes = [_index_of(path, targets[features.names[area]], names) for area in drawn]
    values = reference_grids.burn_in_order(
        [features.geometries[area] for area in drawn],
        codes,
        grid.geotransform,
        grid.crs,
        grid.rows,
        grid.columns,
        empty=NO_LABEL,
    )
    return LabelGrid(values, names, list(features.messages))


def _from_below(targets: Mapping[str, str]) -> dict[str, int]:
    """Order in which classes are drawn: the first of the table last, so that it lies above."""
    return {name: -place for place, name in enumerate(dict.fromkeys(targets.values()))}


def merge_classes(
    grids: Sequence[LabelGrid], ignore: Sequence[str]
) -> tuple[list[np.ndarray], list[str]]:
    """Give all labels the numbers of one list of classes, in alphabetical order.

    Parameters
    ----------
    grids : sequence of LabelGrid
    ignore : sequence of str
        Classes that are not learned.

    Returns
    -------
    values : list of ndarray of shape (rows, columns), uint8
    class_names : list of str

    Raises
    ------
    ValueError
        When a class to ignore is none of theirs, or fewer than two are left.
    """
    present = sorted({name for grid in grids for name in grid.names})
    foreign = [name for name in ignore if name not in present]
    if foreign:
        raise ValueError(f"IGNORE names {', '.join(foreign)}; the labels have {', '.join(present)}")
    class_names = [name for name in present if name not in ignore]
    if len(class_names) < 2:
        raise ValueError(
            f"the labels have {len(class_names)} class to learn "
            f"({', '.join(class_names) or 'none'}); at least two are needed"
        )
    return [_renumbered(grid, class_names) for grid in grids], class_names


def _renumbered(grid: LabelGrid, class_names: Sequence[str]) -> np.ndarray:
    table = np.full(256, NO_LABEL, np.uint8)
    for index, name in enumerate(grid.names):
        if name in class_names:
            table[index] = class_names.index(name)
    return table[grid.values]


def on_classes(grid: LabelGrid, class_names: Sequence[str]) -> np.ndarray:
    """Give labels of another place the numbers of these classes; others are no label."""
    return _renumbered(grid, class_names)

"""Label maps read back from disk, with the names of their classes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landuse import map_values
from landuse.rasters import descriptions, geotransforms, ground, reading

SQUARE_METRES_PER_HECTARE = 10_000.0


@dataclass(frozen=True)
class LabelMap:
    """A map of classes.

    Attributes
    ----------
    path : str
    labels : ndarray of shape (rows, columns), uint8
        Class index, 255 (`map_values.NODATA`) where there is none.
    class_names : list of str
    geotransform : tuple of 6 floats
    crs : str
        WKT.
    metadata : dict of str
        Of the file: model, product, stride and more in maps of script 06.
    """

    path: str
    labels: np.ndarray
    class_names: list[str]
    geotransform: geotransforms.Geotransform
    crs: str
    metadata: dict[str, str]

    @property
    def ground(self) -> ground.Ground | None:
        """What its cells measure on the ground, None where nobody can tell."""
        return ground.measure(self.geotransform, self.crs, self.labels.shape)

    @property
    def hectares_per_cell(self) -> float | None:
        """Area of a cell on the ground, None where nobody can tell."""
        measured = self.ground
        if measured is None:
            return None
        _, width, turn, _, tilt, height = self.geotransform
        units = abs(width * height - turn * tilt)
        return units * measured.square_metres_per_unit / SQUARE_METRES_PER_HECTARE

    @property
    def counts(self) -> np.ndarray:
        """Cells of each class, shape (class_names,)."""
        return np.bincount(self.labels.ravel(), minlength=256)[: len(self.class_names)]

    def centres(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return x and y of the middle of cells, shape (cells, 2)."""
        left, width, turn, top, tilt, height = self.geotransform
        right, down = np.asarray(columns) + 0.5, np.asarray(rows) + 0.5
        x = left + right * width + down * turn
        return np.stack([x, top + right * tilt + down * height], axis=1)

    def cells_at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of the cells that places (points, 2) lie in, also outside."""
        left, width, turn, top, tilt, height = self.geotransform
        determinant = width * height - turn * tilt
        x, y = places[:, 0] - left, places[:, 1] - top
        columns = np.floor((x * height - y * turn) / determinant)
        rows = np.floor((y * width - x * tilt) / determinant)
        return rows.astype(np.int64), columns.astype(np.int64)

    def classes_at(self, places: np.ndarray) -> np.ndarray:
        """Return the class at places (points, 2); -1 outside the map and where it has no data."""
        rows, columns = self.cells_at(places)
        size = self.labels.shape
        inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
        found = np.full(len(places), -1)
        found[inside] = self.labels[rows[inside], columns[inside]]
        return np.where(found == map_values.NODATA, -1, found)


def read_label_map(path: str | Path) -> LabelMap:
    """Read a label map of script 06, or another one that names its classes.

    Parameters
    ----------
    path : str or Path
        A GeoTIFF of one band whose classes are named by CLASS_0, CLASS_1, ... in its metadata or
        by category names.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no label map with a georeference, or has no data at all.
    """
    labels, info = reading.read_raster(path)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(
            f"{path}: is no label map: one band of uint8 expected, found "
            f"{info.bands} of {info.dtype}"
        )
    names = class_names_of(info)
    if not names:
        raise ValueError(
            f"{path}: names no classes (CLASS_0, CLASS_1, ... in its metadata, or category names);"
            " is it the label image of script 06?"
        )
    if info.geotransform is None or not info.crs:
        raise ValueError(f"{path}: has no georeference, so nothing else can be laid on it")
    if info.nodata is not None and info.nodata != map_values.NODATA:
        labels = np.where(labels == info.nodata, map_values.NODATA, labels).astype(np.uint8)
    map_values.check_labels(labels, names)
    if (labels == map_values.NODATA).all():
        raise ValueError(f"{path}: is all nodata")
    return LabelMap(str(path), labels, names, info.geotransform, info.crs, info.metadata)


def class_names_of(info: descriptions.RasterInfo) -> list[str]:
    """Return the names of a raster's values 0, 1, ...; empty where it has none."""
    numbered = {
        int(found[1]): text
        for key, text in info.metadata.items()
        if (found := re.fullmatch(r"CLASS_(\d+)", key))
    }
    if numbered and sorted(numbered) == list(range(len(numbered))):
        return [numbered[number] for number in range(len(numbered))]
    return list(info.category_names)


def judged_classes(class_names: Sequence[str]) -> list[str]:
    """Return the classes that land can have: all but "uncertain"."""
    return [name for name in class_names if name != map_values.UNCERTAIN]

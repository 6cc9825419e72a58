"""A label map with the probabilities of all classes, as script 06 wrote it."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files, map_values
from landuse.changes import alignment, change_probability
from landuse.mapping import plans
from landuse.rasters import descriptions, reading

ROWS_AT_ONCE = 256
SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class DatedMap:
    """What a map says about itself, and where its probabilities are.

    Attributes
    ----------
    path, probability_path : Path
    class_names : tuple of str
        Without "uncertain", in the order of the labels.
    bands : tuple of int
        Of each class in the probability image, from 0.
    shape : tuple of int
        Rows and columns.
    geotransform : six floats
    crs : str
        WKT, "" for none.
    tags : dict of str
        What script 06 wrote into the map: MODEL_SHA256, PRODUCT_NAME, SENSING_TIME, STRIDE, ...
    settings : dict
        The constants of script 06, where its _settings.json lies beside the map; empty without.
    """

    path: Path
    probability_path: Path
    class_names: tuple[str, ...]
    bands: tuple[int, ...]
    shape: tuple[int, int]
    geotransform: alignment.Geotransform
    crs: str
    tags: Mapping[str, str]
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the product, or of the file."""
        return self.tags.get("PRODUCT_NAME") or self.path.stem.removesuffix("_label")

    @property
    def time(self) -> datetime.datetime | None:
        """When the scene was taken, if the product said so."""
        try:
            time = datetime.datetime.fromisoformat(self.tags.get("SENSING_TIME", ""))
        except ValueError:
            return None
        return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)

    @property
    def stride(self) -> int:
        """Pixels of the scene from one cell to the next; 8, script 06's own, where no tag tells."""
        given = self.tags.get("STRIDE", "")
        return int(given) if given.isdigit() and int(given) else 8

    @property
    def title(self) -> str:
        """The day, or where that is not known the name."""
        return f"{self.time:%d %B %Y}".lstrip("0") if self.time else self.name

    @property
    def opening(self) -> dict[str, Any]:
        """How script 06 opened the scene: options of `opening.open_scene`."""
        names = {
            "radiometric_offset": "RADIOMETRIC_OFFSET",
            "granule": "GRANULE",
            "order": "BAND_NAMES",
            "reflectance_scale": "REFLECTANCE_SCALE",
        }
        return {
            option: self.settings[name] for option, name in names.items() if name in self.settings
        }

    @property
    def scene(self) -> Path | None:
        """The scene that it was made from, where its settings tell and it still lies there."""
        images = self.settings.get("PATH_TO_IMAGE") or []
        for image in [images] if isinstance(images, str) else images:
            path = Path(image)
            if path.exists() and _product_name(path) == self.name:
                return path
        return None


def _product_name(path: Path) -> str:
    """Name what a scene is called in maps: its file or folder without the endings."""
    name = path.name if path.suffix.lower() != ".xml" else path.resolve().parent.name
    for ending in (".zip", ".SAFE", ".tif", ".tiff", ".vrt", ".jp2"):
        name = name[: -len(ending)] if name.lower().endswith(ending.lower()) else name
    return name


def is_map(path: str | Path) -> bool:
    """Tell whether a file is a label map of script 06, and no scene.

    Raises
    ------
    OSError, ValueError
        When it is neither there nor readable.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    info = reading.read_info(path)
    if "CHANGE_0" in info.metadata:
        raise ValueError(f"{path}: is a map of change; name a label map of script 06, or a scene")
    return info.bands == 1 and info.dtype == np.uint8 and bool(_class_names(info))


def _class_names(info: descriptions.RasterInfo) -> tuple[str, ...]:
    named = {
        int(key.removeprefix("CLASS_")): name
        for key, name in info.metadata.items()
        if key.startswith("CLASS_") and key.removeprefix("CLASS_").isdigit()
    }
    if named and sorted(named) == list(range(len(named))):
        return tuple(named[index] for index in range(len(named)))
    return tuple(info.category_names)


def open_map(path: str | Path, probability_path: str | Path | None = None) -> DatedMap:
    """Read what a label map says, and find the probabilities of all its classes.

    Parameters
    ----------
    path : str or Path
        The label map.
    probability_path : str or Path, optional
        Its probabilities; by default where script 06 put them.

    Raises
    ------
    ValueError
        When it is no map of script 06, or there are no probabilities of all classes on its grid.
    OSError
        When a file is missing or damaged.
    """
    path = Path(path)
    info = reading.read_info(path)
    names = _class_names(info)
    if not names or info.dtype != np.uint8 or info.bands != 1:
        raise ValueError(
            f"{path}: is no label map of script 06 (one band of uint8 with class names); it has "
            f"{info.bands} bands of {info.dtype}"
        )
    if info.geotransform is None:
        raise ValueError(f"{path}: has no georeference, so nothing says where its cells lie")
    settings = _settings_beside(path)
    own = [name for name in names if name != map_values.UNCERTAIN]
    found = Path(probability_path) if probability_path else _probability_beside(path, settings)
    bands = _bands_of(found, own, info)
    return DatedMap(
        path,
        found,
        tuple(own),
        bands,
        (info.rows, info.columns),
        info.geotransform,
        info.crs,
        info.metadata,
        settings,
    )


def planned_map(plan: plans.Plan) -> DatedMap:
    """Give what a map will say about itself, so that it can be checked before it is made."""
    scene = plan.scene
    tags = {"PRODUCT_NAME": scene.name, "SENSING_TIME": scene.sensing_time or ""}
    return DatedMap(
        plan.image,
        plan.probability,
        tuple(plan.record["class_names"]),
        tuple(range(len(plan.record["class_names"]))),
        plan.grid.shape,
        plan.geotransform,
        scene.crs,
        {**tags, "STRIDE": str(plan.grid.stride)},
        {},
    )


def _settings_beside(path: Path) -> Mapping[str, Any]:
    beside = path.with_name(path.stem.removesuffix("_label") + "_settings.json")
    if not beside.is_file():
        return {}
    record = files.read_json(beside)
    settings = record.get("settings") if isinstance(record, dict) else None
    return settings if isinstance(settings, dict) else {}


def _probability_beside(path: Path, settings: Mapping[str, Any]) -> Path:
    beside = path.with_name(f"{path.stem.removesuffix('_label')}_probability{path.suffix}")
    template = settings.get("PATH_TO_PROB_IMAGE")
    if not beside.exists() and isinstance(template, str):
        named = Path(template.replace("{product}", path.stem.removesuffix("_label")))
        return named if named.exists() else beside
    return beside


def _bands_of(
    path: Path, class_names: Sequence[str], labels: descriptions.RasterInfo
) -> tuple[int, ...]:
    again = "make the map again with script 06 and ALL_PROBABILITIES = True (--all-probabilities)"
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file, and {labels.path} needs the probabilities of all classes: "
            f"{again}"
        )
    info = reading.read_info(path)
    missing = [name for name in class_names if name not in info.band_names]
    if missing:
        raise ValueError(f"{path}: has no probability of {', '.join(missing)}: {again}")
    if (info.rows, info.columns) != (labels.rows, labels.columns) or (
        info.geotransform != labels.geotransform
    ):
        raise ValueError(f"{path}: lies on another grid than {labels.path}: {again}")
    return tuple(info.band_names.index(name) for name in class_names)


def read_labels(dated: DatedMap, part: tuple[slice, slice]) -> np.ndarray:
    """Read labels; what is "uncertain" or no data is 255.

    Parameters
    ----------
    dated : DatedMap
        Its labels come in the order of its `class_names`, whatever that in the file.
    part : tuple of slice
        Rows and columns that are wanted.

    Returns
    -------
    ndarray of shape (rows, columns), uint8
    """
    rows, columns = part
    with reading.Raster(dated.path) as raster:
        names = _class_names(raster.info)
        table = np.full(256, map_values.NODATA, np.uint8)
        for value, name in enumerate(names):
            if name in dated.class_names:
                table[value] = dated.class_names.index(name)
        labels = raster.read(0, *_window(rows, columns))
    return table[labels]


def _window(rows: slice, columns: slice) -> tuple[int, int, int, int]:
    return rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start


def probabilities_in_strips(
    dated: DatedMap, part: tuple[slice, slice], rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[np.ndarray]:
    """Read the probabilities of all classes, some rows at a time.

    Yields
    ------
    ndarray of shape (classes, rows, columns), float32
        Adding up to 1; NaN: no data.
    """
    rows, columns = part
    with reading.Raster(dated.probability_path) as raster:
        percent = raster.info.dtype == np.uint8
        for first in range(rows.start, rows.stop, rows_at_once):
            strip = slice(first, min(first + rows_at_once, rows.stop))
            bands = [raster.read(band, *_window(strip, columns)) for band in dated.bands]
            values = np.stack(bands).astype(np.float32)
            if percent:
                values[values == map_values.NODATA] = np.nan
            yield change_probability.normalised(values)

"""The maps that become one: what each says, and whether they belong together."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from landuse import map_values
from landuse.evaluation import map_trust, trust
from landuse.mapping import plans, several_labels
from landuse.rasters import descriptions, label_maps, reading

IS_MOSAIC = "MOSAIC"  # tag of what this makes
OF_ONE_FILE = ("AREA_OR_POINT", "TIFFTAG_IMAGEDESCRIPTION", "WARNINGS", IS_MOSAIC)


@dataclass(frozen=True)
class JoinedMap:
    """One of the maps.

    Attributes
    ----------
    label, probability : Path
    class_names : tuple of str
    crs : str
        WKT.
    dtype : numpy.dtype
        Of the probabilities: uint8 percent, or float32 0..1.
    tags : dict of str
        What script 06 wrote into it.
    """

    label: Path
    probability: Path
    class_names: tuple[str, ...]
    crs: str
    dtype: np.dtype
    tags: dict[str, str]

    @property
    def name(self) -> str:
        """Of the product, or of the file."""
        return self.tags.get("PRODUCT_NAME") or self.label.stem.removesuffix("_label")


def check_paths(paths: Sequence[Path]) -> list[Path]:
    """Return the maps in the order of their names; none, or one that is not there, is an error."""
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"PATH_TO_MAPS: {path} is no file")
    if not paths:
        raise ValueError("PATH_TO_MAPS names no map")
    if len({path.resolve() for path in paths}) < len(paths):
        raise ValueError("PATH_TO_MAPS names a map twice")
    return sorted(paths)


def open_maps(labels: Sequence[Path]) -> list[JoinedMap]:
    """Read what each map says; all must have the same classes.

    Parameters
    ----------
    labels : sequence of Path
        Label maps of script 06, each with its probabilities beside it.

    Raises
    ------
    OSError
        When one is missing or damaged.
    ValueError
        When one is no map, or has other classes than the first.
    """
    maps = [_open_map(path) for path in labels]
    first = maps[0]
    for other in maps[1:]:
        if other.class_names != first.class_names:
            raise ValueError(
                f"{other.label} has the classes {', '.join(other.class_names)}, but {first.label} "
                f"has {', '.join(first.class_names)}: only maps of the same classes in the same "
                "order become one"
            )
    return maps


def _open_map(path: Path) -> JoinedMap:
    info = reading.read_info(path)
    names = label_maps.class_names_of(info)
    if several_labels.is_map_of_several(info.metadata):
        raise ValueError(
            f"{path}: is a map of several labels, which do not exclude each other: where such maps "
            "overlap, no label is the one to take. gdalbuildvrt lays one over the other, band by "
            f"band: gdalbuildvrt mosaic.vrt {path} ..."
        )
    if not names or info.dtype != np.uint8 or info.bands != 1 or info.nodata != map_values.NODATA:
        raise ValueError(
            f"{path}: is no label map of script 06 (one band of uint8, nodata 255, with class "
            f"names); found {info.bands} of {info.dtype}"
        )
    _check_place(path, info)
    probability = plans.beside(path, f"_probability{path.suffix}")
    if not probability.is_file():
        raise FileNotFoundError(
            f"{path}: its probabilities are missing ({probability}): where maps overlap, the more "
            "probable label is taken"
        )
    beside = reading.read_info(probability)
    same_grid = (beside.rows, beside.columns) == (info.rows, info.columns)
    if not same_grid or beside.geotransform != info.geotransform:
        raise ValueError(f"{probability}: lies on another grid than {path}")
    if beside.dtype not in (np.dtype(np.uint8), np.dtype(np.float32)):
        raise ValueError(f"{probability}: holds {beside.dtype}, expected uint8 or float32")
    return JoinedMap(path, probability, tuple(names), info.crs, beside.dtype, info.metadata)


def _check_place(path: Path, info: descriptions.RasterInfo) -> None:
    if info.geotransform is None or not info.crs:
        raise ValueError(f"{path}: has no georeference, so nothing says where its cells lie")
    if info.geotransform[2] or info.geotransform[4]:
        raise ValueError(f"{path}: is turned against its reference system")


def common_tags(maps: Sequence[JoinedMap]) -> dict[str, str]:
    """Give what all maps say alike: model, method, stride, how right the model is."""
    first = maps[0].tags
    return {
        name: value
        for name, value in first.items()
        if not name.startswith("CLASS_")
        and name not in OF_ONE_FILE
        and all(other.tags.get(name) == value for other in maps)
    }


def trust_of(maps: Sequence[JoinedMap]) -> trust.Trust | None:
    """Put together how far the mosaic can be trusted.

    The accuracy is that of the model, if one made all; warnings say of how many maps they are.
    """
    told = [map_trust.of_tags(one.tags) for one in maps]
    counts = Counter(text for one in told if one is not None for text in set(one.warnings))
    warnings = [
        text if count == len(maps) else f"in {count} of {len(maps)} maps: {text}"
        for text, count in counts.items()
    ]
    if len({one.tags.get("ABSENT_CLASSES") for one in maps}) > 1:
        warnings.append("the maps were made with other ABSENT_CLASSES: their classes may differ")
    models = {one.tags.get("MODEL_SHA256") for one in maps}
    if len(models) > 1:
        warnings.insert(0, f"the maps were made by {len(models)} models: their classes may differ")
        return trust.Trust(model=f"{len(models)} models", warnings=warnings)
    common = map_trust.of_tags(common_tags(maps))
    return None if common is None else replace(common, warnings=warnings)


def sensing_times(maps: Sequence[JoinedMap]) -> str:
    """Give the first and the last day that the scenes show, "" where a map does not say."""
    days = sorted(json_text(one.tags.get("SENSING_TIME", ""))[:10] for one in maps)
    if not days[0]:
        return ""
    return days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def json_text(tag: str) -> str:
    """Return a tag that may be JSON as plain text."""
    try:
        value = json.loads(tag)
    except ValueError:
        return tag
    return value if isinstance(value, str) else tag

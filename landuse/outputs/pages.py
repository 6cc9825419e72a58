"""A page to walk around in a map; it loads nothing from anywhere."""

import base64
import html
import io
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landuse import files, map_values
from landuse.outputs import area_tables, class_colours, map_layers
from landuse.rasters import geotransforms

_TEMPLATE = Path(__file__).with_name("viewer.html")


class PagePoint(NamedTuple):
    """A point that was checked: where it is, whether the map is right there, and what is true."""

    x: float
    y: float
    right: bool
    text: str


def _packed(array: np.ndarray) -> str:
    """Return the bytes of a uint8 array, row by row, deflated and in base64."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()


def _as_data_uri(rgb: np.ndarray) -> str:
    """Return the scene as JPEG data URI, nodata in the page's dark grey."""
    from PIL import Image

    shown = np.where(rgb.any(axis=2, keepdims=True), rgb, np.uint8(44)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _page_data(
    scene: map_layers.Layer,
    land_use: map_layers.Layer,
    probability: np.ndarray | None,
    areas: Sequence[area_tables.Area],
    colours: Sequence[class_colours.Colour],
) -> dict[str, Any]:
    """Return what the page's script reads."""
    whole = sum(area.hectares for area in areas)
    shape = ("rows", "columns")
    return {
        "scene": {
            "image": _as_data_uri(scene.pixels),
            "bounds": scene.bounds,
            **dict(zip(shape, scene.pixels.shape[:2], strict=True)),
        },
        "map": {
            "labels": _packed(land_use.pixels),
            "probability": None if probability is None else _packed(probability),
            "bounds": land_use.bounds,
            **dict(zip(shape, land_use.pixels.shape, strict=True)),
        },
        "classes": [
            {"name": a.class_name, "colour": c, "percent": a.percent, "hectares": a.hectares}
            for a, c in zip(areas, colours, strict=False)
        ],
        "nodata": map_values.NODATA,
        "nodata_percent": 100 * areas[-1].hectares / whole if whole else 0.0,
    }


def _fill_template(texts: dict[str, str], data: dict[str, Any]) -> str:
    """Return the page; no name can end the script or the element that it stands in."""
    as_json = json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    values = {f"{{{{{name}}}}}": html.escape(text) for name, text in texts.items()}
    # Long product names may break after their underscores.
    values["{{heading}}"] = values["{{title}}"].replace("_", "_<wbr>")
    values["{{data}}"] = as_json
    template = _TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"{{\w+}}", lambda found: values[found[0]], template)  # one pass: values stay


def write_html(
    path: str | Path,
    rgb: np.ndarray,
    labels: np.ndarray,
    probability: np.ndarray | None,
    class_names: Sequence[str],
    geotransform: geotransforms.SixFloats,
    title: str,
    *,
    rgb_geotransform: geotransforms.SixFloats | None = None,
    crs_name: str = "",
    subtitle: str = "",
    caption: str = "",
    colours: Sequence[class_colours.Colour] | None = None,
    metric: bool = True,
    unit: geotransforms.MapUnit | None = geotransforms.METRE,
    points: Sequence[PagePoint] | None = None,
) -> None:
    """Write a page to look at the map in a browser; it loads nothing from anywhere.

    Parameters
    ----------
    path : str or Path
        The .html to write; the same arguments give the same bytes.
    rgb, labels, class_names, geotransform, title, rgb_geotransform, subtitle, caption, colours
        As in `write_quicklook`.
    probability : ndarray of shape (rows, columns) or None
        Of the labels: uint8 percent with nodata 255, or float32 0..1 with nodata -1.
    crs_name : str
        Stands beside the coordinates, e.g. "WGS 84 / UTM zone 32N".
    metric : bool
        Whether the units of the map are called metres; coordinates are written as such.
    unit : MapUnit or None
        What a unit of the map measures on the ground. None: nobody knows, and there are no scale
        bar and no areas.
    points : sequence of PagePoint, optional
        Shown on top of scene and map, in map coordinates.
    """
    map_layers.check_scene(rgb)
    if probability is not None and probability.shape != labels.shape:
        raise ValueError(
            f"labels and probability must have one shape, got {labels.shape} and "
            f"{probability.shape}"
        )
    scene = map_layers.layer_of(
        rgb,
        rgb_geotransform or map_layers.scene_transform(rgb, labels, geotransform),
        map_layers.LARGEST_PAGE,
    )
    percent = None
    if probability is not None:
        percent = map_values.to_percent(map_layers.thin(probability, map_layers.LARGEST_PAGE)[0])
    data = _page_data(
        scene,
        map_layers.layer_of(labels, geotransform, map_layers.LARGEST_PAGE),
        percent,
        area_tables.areas(labels, geotransform, class_names, scene.bounds, unit),
        colours or class_colours.colours_of(class_names),
    )
    texts = {"title": title, "subtitle": subtitle, "caption": caption}
    if points is not None:
        data["points"] = [point._asdict() for point in points]
    page = _fill_template(
        texts, {**data, "crs": crs_name, "metric": metric, "unit": unit and unit.metres}
    )
    with files.atomic_path(path) as temporary:
        Path(temporary).write_text(page, encoding="utf-8", newline="")

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
from landuse.evaluation import trust
from landuse.outputs import class_colours, land_use_map, map_layers
from landuse.rasters import reference_systems

_TEMPLATE = Path(__file__).with_name("viewer.html")
_DATA = re.compile(r'(?<=<script type="application/json" id="data">).*?(?=</script>)', re.DOTALL)
_STYLE = Path(__file__).with_name("map_page.css")  # of all pages with a map to walk around in


class PagePoint(NamedTuple):
    """A point that was checked: where it is, whether the map is right there, and what is true."""

    x: float
    y: float
    right: bool
    text: str


def packed(array: np.ndarray) -> str:
    """Return the bytes of a uint8 array, row by row, deflated and in base64."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()


def as_data_uri(rgb: np.ndarray) -> str:
    """Return the scene as JPEG data URI, nodata in the page's dark grey."""
    from PIL import Image

    shown = np.where(rgb.any(axis=2, keepdims=True), rgb, np.uint8(44)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _page_data(scene: map_layers.Layer, land_use: land_use_map.LandUseMap) -> dict[str, Any]:
    """Return what the page's script reads."""
    told = land_use.trust
    labels = map_layers.layer_of(land_use.labels, land_use.geotransform, map_layers.LARGEST_PAGE)
    percent = None
    if land_use.probability is not None:
        thinned, _ = map_layers.thin(land_use.probability, map_layers.LARGEST_PAGE)
        percent = packed(map_values.to_percent(thinned))
    shape = ("rows", "columns")
    sizes = land_use.doubt.get(map_values.SET_SIZE)
    if sizes is not None:
        sizes = np.where(land_use.labels == map_values.NODATA, map_values.NODATA, sizes)
        sizes = map_layers.thin(sizes.astype(np.uint8), map_layers.LARGEST_PAGE)[0]
    return {
        "scene": {
            "image": as_data_uri(scene.pixels),
            "bounds": scene.bounds,
            **dict(zip(shape, scene.pixels.shape[:2], strict=True)),
        },
        "map": {
            "labels": packed(labels.pixels),
            "probability": percent,
            "sizes": None if sizes is None else packed(sizes),
            "coverage": None if land_use.coverage is None else 100 * land_use.coverage,
            "bounds": labels.bounds,
            **dict(zip(shape, labels.pixels.shape, strict=True)),
        },
        "classes": [
            _class_data(land_use, area, colour)
            for area, colour in zip(land_use.areas, land_use.colours, strict=False)
        ],
        "nodata": map_values.NODATA,
        "nodata_percent": 100 * land_use.areas[-1].share,
        "trust": None if told is None else _trust_data(told),
        "crs": reference_systems.crs_name(land_use.crs),
        "metric": reference_systems.in_metres(land_use.crs),
        "unit": land_use.unit and land_use.unit.metres,
    }


def _class_data(
    land_use: land_use_map.LandUseMap, area: land_use_map.Area, colour: class_colours.Colour
) -> dict[str, Any]:
    percent = area.percent or 0.0
    told = land_use.trust
    hectares = land_use.hectares_of(area)
    return {
        "name": area.class_name,
        "colour": colour,
        "percent": percent,
        "share": land_use.share_text(percent) if percent else "–",
        "hectares": f"{hectares:,.1f}".removesuffix(".0") + " ha",
        "right": (told.right_in_what(area.class_name) or None) if told is not None else None,
    }


def _trust_data(told: trust.Trust) -> dict[str, Any]:
    return {
        "model": told.model,
        "warnings": list(told.warnings),
        "lines": told.lines(),
        "right_of": told.precision_of,
    }


def _as_json(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def tell_anew(path: Path, told: trust.Trust) -> bool:
    """Let the page of a map say something else of how far to trust it, and of each class.

    Parameters
    ----------
    path : Path
        That `write_html` wrote.
    told : Trust

    Returns
    -------
    bool
        False for a page of another kind, which is left as it is.
    """
    page = path.read_text(encoding="utf-8")
    found = _DATA.search(page)
    if found is None:
        return False
    try:
        data = json.loads(found[0])
    except ValueError:
        return False
    if not isinstance(data, dict) or not {"trust", "classes"} <= set(data):
        return False
    data["trust"] = _trust_data(told)
    for entry in data["classes"]:
        entry["right"] = told.right_in_what(entry["name"]) or None
    files.write_text(path, page[: found.start()] + _as_json(data) + page[found.end() :])
    return True


def fill_template(template: Path, texts: dict[str, str], data: dict[str, Any]) -> str:
    """Return the page; no name can end the script or the element that it stands in."""
    as_json = _as_json(data)
    values = {f"{{{{{name}}}}}": html.escape(text) for name, text in texts.items()}
    # Long product names may break after their underscores.
    values["{{heading}}"] = values["{{title}}"].replace("_", "_<wbr>")
    values["{{data}}"] = as_json
    values["{{style}}"] = _STYLE.read_text(encoding="utf-8").rstrip()
    page = template.read_text(encoding="utf-8")
    return re.sub(r"{{\w+}}", lambda found: values[found[0]], page)  # one pass: values stay


def write_html(
    path: str | Path,
    land_use: land_use_map.LandUseMap,
    picture: map_layers.Picture,
    *,
    points: Sequence[PagePoint] | None = None,
    left: str = "Scene",
) -> None:
    """Write a page to look at the map in a browser; it loads nothing from anywhere.

    Parameters
    ----------
    path : str or Path
        The .html to write; the same map gives the same bytes.
    land_use : LandUseMap
        Without a unit, there are no scale bar and no areas.
    picture : Picture
        Of the scene.
    points : sequence of PagePoint, optional
        Shown on top of scene and map, in map coordinates.
    left : str
        What the picture is, in a word.
    """
    scene = map_layers.scene_layer(picture, map_layers.LARGEST_PAGE)
    texts = {
        "title": land_use.name,
        "subtitle": land_use.sensing_time,
        "caption": land_use.caption,
        "left": left,
    }
    data = _page_data(scene, land_use)
    if points is not None:
        data["points"] = [point._asdict() for point in points]
    files.write_text(path, fill_template(_TEMPLATE, texts, data))

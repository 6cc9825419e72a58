"""Show a land-use map: a picture for the first look, and a page to walk around in it.

Both show the scene and the map in map coordinates, so neither has to have the pixels of the other.
"""

import base64
import html
import io
import json
import re
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import files, maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEUTRAL = (229, 231, 233)  # where there is no data: a grey that no class has
LARGEST_PICTURE = 1500  # pixels a side of a panel's data; larger arrays are thinned
LARGEST_PAGE = 2000  # pixels a side of what the page carries
_TEMPLATE = Path(__file__).with_name("viewer.html")


def natural_colour(rgb: np.ndarray, units: str = "DN") -> np.ndarray:
    """Return a scene stretched for the eye.

    The range is that of most of the scene, so that a few clouds or roofs do not darken the rest;
    haze, which lifts the dark end of the blue band most, is taken off band by band.

    Parameters
    ----------
    rgb : ndarray of shape (rows, columns, 3)
        Red, green, blue (B04, B03, B02): uint16 DN or uint8 0..255. 0 in all bands is nodata.
    units : {"DN", "rgb8"}
        Of `rgb`. Both look the same after the stretch.

    Returns
    -------
    ndarray of shape (rows, columns, 3), uint8
        1..255, and 0 where there is no data.
    """
    if units not in ("DN", "rgb8") or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(
            'a scene in natural colour needs the units "DN" or "rgb8" and shape (rows, columns, 3);'
            f" got {units!r} and {rgb.shape}"
        )
    valid = np.asarray(rgb.any(axis=2))
    if not valid.any():
        return np.zeros(rgb.shape, dtype=np.uint8)
    step = max(1, int(np.sqrt(valid.size / 1e6)))  # about a million pixels tell the percentiles
    sample = rgb[::step, ::step][valid[::step, ::step]]
    sample = sample if len(sample) else rgb[valid]
    low = np.percentile(sample, 0.5, axis=0)
    least = 600 if units == "DN" else 600 / 2750 * 255  # keeps the noise of an all-water scene calm
    spans = np.maximum(np.percentile(sample, 98.5, axis=0) - low, least)
    spans = np.sqrt(spans * spans.max())  # halfway to equal bands: white stays white, soil brown
    shares = ((rgb.astype(np.float32) - low) / spans).clip(0, 1) ** (1 / 1.5)
    stretched = 1 + np.rint(254 * shares)
    return np.where(valid[..., None], stretched, 0).astype(np.uint8)


def _thin(array: np.ndarray, largest: int) -> tuple[np.ndarray, int]:
    """Return every n-th pixel of `array` (the middle one of each n x n) and n."""
    step = -(-max(array.shape[:2]) // largest)
    if step == 1:
        return array, 1
    rows, columns = (
        np.minimum(np.arange(0, size, step) + step // 2, size - 1) for size in array.shape[:2]
    )
    return array[rows[:, None], columns], step


@dataclass(frozen=True)
class _Layer:
    """Pixels and what they cover, (left, bottom, right, top)."""

    pixels: np.ndarray
    bounds: maps.Bounds


def _layer(array: np.ndarray, geotransform: maps.Geotransform, largest: int) -> _Layer:
    pixels, step = _thin(array, largest)
    left, width, _, top, _, height = geotransform
    thinned = (left, width * step, 0.0, top, 0.0, height * step)
    return _Layer(pixels, maps.extent(thinned, pixels.shape))


def _scene_transform(
    rgb: np.ndarray, labels: np.ndarray, geotransform: maps.Geotransform
) -> maps.Geotransform:
    """Return the geotransform of a scene that covers just what its labels cover."""
    left, bottom, right, top = maps.extent(geotransform, labels.shape)
    return left, (right - left) / rgb.shape[1], 0.0, top, 0.0, (bottom - top) / rgb.shape[0]


def _check_scene(rgb: np.ndarray) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(
            "the scene must be uint8 of shape (rows, columns, 3), as natural_colour returns it; "
            f"got {rgb.dtype} {rgb.shape}"
        )


def _paint(labels: np.ndarray, colours: Sequence[maps.Colour]) -> np.ndarray:
    """Return labels as (rows, columns, 3) colours, nodata neutral."""
    table = np.full((256, 3), NEUTRAL, dtype=np.uint8)
    table[: len(colours)] = np.reshape(colours, (-1, 3))
    return table[labels]


# ---- the picture


_INK = "#1f262d"
_SOFT_INK = "#5f6b76"
_PANEL_INCHES = 5.6
_MARGIN = 0.35
_BAR_INCHES = 0.3  # from the top of the legend to its first row
_ROW_INCHES = 0.3
_NAME_INCHES = 1.17  # from the left of a column to the name
_LONGEST_NAME = 44  # letters
_DOTS_PER_INCH = 150


def _nice_length(widest: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, 50, ... that is not above `widest`."""
    power = 10.0 ** np.floor(np.log10(widest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= widest))


def _draw_scale_bar(axes: "Axes", bounds: maps.Bounds) -> None:
    """Draw a bar of a round length on a white plate in the lower left corner."""
    from matplotlib.patches import Rectangle

    left, bottom, right, top = bounds
    unit = max(right - left, top - bottom) / 100
    length = _nice_length(0.3 * (right - left))
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    plate = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "zorder": 3}
    start, base = left + 2 * unit, bottom + 2 * unit
    axes.add_patch(Rectangle((start, base), length + 3 * unit, 6.6 * unit, **plate))  # type: ignore[arg-type]
    ends = [start + 1.5 * unit, start + 1.5 * unit + length]
    axes.plot(
        [ends[0], ends[0], ends[1], ends[1]],
        [base + 2.2 * unit, base + 1.2 * unit, base + 1.2 * unit, base + 2.2 * unit],
        color=_INK,
        linewidth=1.6,
        solid_joinstyle="miter",
        zorder=4,
    )
    axes.text(
        sum(ends) / 2, base + 2.5 * unit, text, ha="center", va="bottom", color=_INK, zorder=4
    )


def _draw_panel(axes: "Axes", title: str, layer: _Layer, frame: maps.Bounds, above: Any) -> None:
    """Draw one raster, and what lies `above` it, cut to the scene's frame."""
    left, bottom, right, top = layer.bounds
    # "auto" smooths only where pixels are made smaller than the picture's dots.
    axes.imshow(layer.pixels, extent=(left, right, bottom, top), interpolation="auto")
    if above is not None:
        left, bottom, right, top = above.bounds
        axes.imshow(above.pixels, extent=(left, right, bottom, top), interpolation="nearest")
    axes.set(xlim=(frame[0], frame[2]), ylim=(frame[1], frame[3]), xticks=[], yticks=[])
    axes.set_title(title, loc="left", fontsize=12, color=_INK, pad=6)
    for spine in axes.spines.values():
        spine.set(color="#9aa5af", linewidth=0.8)


def _share_text(percent: float) -> str:
    return f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _legend_columns(names: Sequence[str], width: float) -> int:
    """Return into how many columns names of this length fit on `width` inches."""
    longest = min(max((len(name) for name in names), default=0), _LONGEST_NAME)
    return max(1, int(width // (_NAME_INCHES + 0.092 * longest + 0.2)))


def _draw_legend(
    axes: "Axes", present: Sequence[tuple[maps.Area, maps.Colour]], rows: int, width: float
) -> None:
    """Draw a bar divided like the area, and below it shares and names; units are inches."""
    from matplotlib.patches import Rectangle

    columns = max(1, -(-len(present) // rows))
    axes.set(xlim=(0, width), ylim=(_BAR_INCHES + rows * _ROW_INCHES, 0))
    axes.axis("off")
    frame: dict[str, Any] = {"edgecolor": "#6b7680", "linewidth": 0.6}
    style: dict[str, Any] = {"va": "center", "color": _INK, "fontsize": 11.5}
    begin = 0.0
    for position, (area, colour) in enumerate(present):
        shade, percent = np.array(colour) / 255, area.percent or 0.0
        end = begin + percent / 100 * width
        axes.add_patch(Rectangle((begin, 0), end - begin, 0.18, facecolor=shade))
        begin = end
        left = position // rows * width / columns
        middle = _BAR_INCHES + (position % rows + 0.5) * _ROW_INCHES
        axes.add_patch(Rectangle((left, middle - 0.09), 0.3, 0.18, facecolor=shade, **frame))
        axes.text(left + 1.03, middle, _share_text(percent), ha="right", **style)
        name = _shortened(area.class_name, _LONGEST_NAME)
        axes.text(left + _NAME_INCHES, middle, name, **style)
    axes.add_patch(Rectangle((0, 0), width, 0.18, fill=False, **frame))


def _legend_note(areas: Sequence[maps.Area], caption: str) -> str:
    """Return the small print: what was not found, how much is nodata, the caption."""
    absent = [area.class_name for area in areas[:-1] if area.pixels == 0]
    parts = ["Shares of the classified area."]
    if absent:
        more = f" and {len(absent) - 6} more" if len(absent) > 6 else ""
        parts.append(f"Not found: {', '.join(absent[:6])}{more}.")
    whole = sum(area.hectares for area in areas)
    if areas[-1].pixels and whole > 0:
        part = _share_text(100 * areas[-1].hectares / whole)
        parts.append(f"No data (light grey): {part} of the scene.")
    return "  ".join([*parts, caption]).strip()


def _save_png(path: str | Path, figure: "Figure") -> None:
    """Save without the program's version, so that the same picture is the same file."""
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def write_quicklook(
    path: str | Path,
    rgb: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    geotransform: maps.Geotransform,
    title: str,
    *,
    rgb_geotransform: maps.Geotransform | None = None,
    subtitle: str = "",
    caption: str = "",
    colours: Sequence[maps.Colour] | None = None,
    metric: bool = True,
) -> None:
    """Write a picture of the scene, the map, and the map over the scene, with their legend.

    Parameters
    ----------
    path : str or Path
        The .png to write; the same arguments give the same bytes.
    rgb : ndarray of shape (rows, columns, 3), uint8
        The scene as `natural_colour` returns it; 0 in all bands is nodata.
    labels : ndarray of shape (rows, columns), uint8
        Class index, or 255 for nodata.
    class_names : sequence of str
        Names in the order of the labels.
    geotransform : six floats
        Of the labels.
    title, subtitle, caption : str
        Above the panels, e.g. the product and its date, and below the legend.
    rgb_geotransform : six floats, optional
        Of `rgb`. Without it, the scene covers just what the labels cover.
    colours : sequence of (red, green, blue), optional
        Of the classes; default: `maps.colours_of(class_names)`.
    metric : bool
        Whether map units are metres; without, there is no scale bar.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _check_scene(rgb)
    colours = colours or maps.colours_of(class_names)
    scene = _layer(
        rgb, rgb_geotransform or _scene_transform(rgb, labels, geotransform), LARGEST_PICTURE
    )
    areas = maps.areas(labels, geotransform, class_names, scene.bounds)
    land_use = _layer(labels, geotransform, LARGEST_PICTURE)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 11, "text.parse_math": False}):
        figure = Figure(facecolor="white")
        FigureCanvasAgg(figure)
        _compose(figure, scene, land_use, areas, colours, (title, subtitle, caption), metric)
        _save_png(path, figure)


def _compose(
    figure: "Figure",
    scene: _Layer,
    land_use: _Layer,
    areas: Sequence[maps.Area],
    colours: Sequence[maps.Colour],
    texts: tuple[str, str, str],
    metric: bool,
) -> None:
    """Lay out title, panels and legend in inches from the top."""
    left, bottom, right, top = frame = scene.bounds
    panel_height = min(max(_PANEL_INCHES * (top - bottom) / (right - left), 1.0), 9.0)
    panel_width = min(_PANEL_INCHES, max(panel_height * (right - left) / (top - bottom), 4.2))
    width = 3 * panel_width + 4 * _MARGIN
    inner = width - 2 * _MARGIN
    present = [(a, c) for a, c in zip(areas, colours, strict=False) if a.pixels]
    present.sort(key=lambda entry: -entry[0].hectares)
    columns = _legend_columns([area.class_name for area, _ in present], inner)
    rows = max(1, -(-len(present) // columns))
    note = textwrap.wrap(_legend_note(areas, texts[2]), int(inner / 0.078))
    head = 1.25 if texts[1] else 0.98  # inches from the top to the panels
    below = head + panel_height + 0.25
    small_print = below + _BAR_INCHES + rows * _ROW_INCHES + 0.08
    height = small_print + 0.18 * len(note) + 0.25
    figure.set_size_inches(width, height)

    def axes_at(from_left: float, from_top: float, wide: float, high: float) -> "Axes":
        place = (from_left / width, 1 - (from_top + high) / height, wide / width, high / height)
        return figure.add_axes(place)

    def write(from_top: float, text: str, size: float, **style: Any) -> None:
        figure.text(_MARGIN / width, 1 - from_top / height, text, fontsize=size, **style)

    size = min(17, inner / (0.0102 * max(len(texts[0]), 1)))  # long names get smaller letters
    write(0.5, texts[0], size, weight="bold", color=_INK)
    write(0.8, texts[1], 11.5, color=_SOFT_INK)
    for index, (name, layer, above) in enumerate(_panels(scene, land_use, colours)):
        from_left = _MARGIN + index * (panel_width + _MARGIN)
        axes = axes_at(from_left, head, panel_width, panel_height)
        _draw_panel(axes, name, layer, frame, above)
        if index == 0 and metric:
            _draw_scale_bar(axes, frame)
    legend = axes_at(_MARGIN, below, inner, small_print - 0.08 - below)
    _draw_legend(legend, present, rows, inner)
    write(small_print, "\n".join(note), 9.5, color=_SOFT_INK, va="top")


def _panels(
    scene: _Layer, land_use: _Layer, colours: Sequence[maps.Colour]
) -> list[tuple[str, _Layer, _Layer | None]]:
    """Return title, raster and what lies over it for each panel."""
    neutral = np.where(scene.pixels.any(axis=2, keepdims=True), scene.pixels, NEUTRAL)
    natural = _Layer(neutral.astype(np.uint8), scene.bounds)
    painted = _Layer(_paint(land_use.pixels, colours), land_use.bounds)
    opacity = np.where(land_use.pixels == maps.NODATA, 0, 130).astype(np.uint8)
    veil = _Layer(np.dstack([painted.pixels, opacity]), land_use.bounds)
    # The scene's own colours would mix with those of the classes, so most of them go.
    grey = neutral @ np.array([0.299, 0.587, 0.114])
    pale = _Layer((40 + 0.15 * neutral + 0.69 * grey[..., None]).astype(np.uint8), scene.bounds)
    return [
        ("Scene in natural colour", natural, None),
        ("Land use", painted, None),
        ("Land use over the scene", pale, veil),
    ]


# ---- the page


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
    scene: _Layer,
    land_use: _Layer,
    probability: np.ndarray | None,
    areas: Sequence[maps.Area],
    colours: Sequence[maps.Colour],
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
        "nodata": maps.NODATA,
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
    geotransform: maps.Geotransform,
    title: str,
    *,
    rgb_geotransform: maps.Geotransform | None = None,
    crs_name: str = "",
    subtitle: str = "",
    caption: str = "",
    colours: Sequence[maps.Colour] | None = None,
    metric: bool = True,
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
        Whether map units are metres; without, there is no scale bar.
    """
    _check_scene(rgb)
    if probability is not None and probability.shape != labels.shape:
        raise ValueError(
            f"labels and probability must have one shape, got {labels.shape} and "
            f"{probability.shape}"
        )
    scene = _layer(
        rgb, rgb_geotransform or _scene_transform(rgb, labels, geotransform), LARGEST_PAGE
    )
    percent = None
    if probability is not None:
        percent = maps.to_percent(_thin(probability, LARGEST_PAGE)[0])
    data = _page_data(
        scene,
        _layer(labels, geotransform, LARGEST_PAGE),
        percent,
        maps.areas(labels, geotransform, class_names, scene.bounds),
        colours or maps.colours_of(class_names),
    )
    texts = {"title": title, "subtitle": subtitle, "caption": caption}
    page = _fill_template(texts, {**data, "crs": crs_name, "metric": metric})
    with files.atomic_path(path) as temporary:
        Path(temporary).write_text(page, encoding="utf-8", newline="")

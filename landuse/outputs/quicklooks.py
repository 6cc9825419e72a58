"""A picture for the first look: the scene, the map, and the map over the scene."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import files, map_values
from landuse.evaluation import report_figures
from landuse.outputs import class_colours, land_use_map, map_layers
from landuse.rasters import geotransforms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


def draw_scale_bar(
    axes: "Axes", bounds: geotransforms.Bounds, metres_per_unit: float = 1.0
) -> None:
    """Draw a bar of a round length on a white plate in the lower left corner."""
    from matplotlib.patches import Rectangle

    left, bottom, right, top = bounds
    unit = max(right - left, top - bottom) / 100
    metres = _nice_length(0.3 * (right - left) * metres_per_unit)
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    length = metres / metres_per_unit
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


def _draw_panel(
    axes: "Axes", title: str, layer: map_layers.Layer, frame: geotransforms.Bounds, above: Any
) -> None:
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


def _legend_texts(
    land_use: land_use_map.LandUseMap, areas: Sequence[land_use_map.Area]
) -> list[tuple[str, str]]:
    """Return share and name of classes, the name with how often it is right."""
    texts = []
    for area in areas:
        name = _shortened(area.class_name, _LONGEST_NAME)
        if land_use.trust is not None and (right := land_use.trust.right_in_what(area.class_name)):
            name += f" (right in {right})"
        texts.append((land_use.share_text(area.percent or 0.0), name))
    return texts


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _legend_columns(names: Sequence[str], width: float) -> int:
    """Return into how many columns names of this length fit on `width` inches."""
    longest = max((len(name) for name in names), default=0)
    return max(1, int(width // (_NAME_INCHES + 0.092 * longest + 0.2)))


def _draw_legend(
    axes: "Axes",
    present: Sequence[tuple[land_use_map.Area, class_colours.Colour]],
    texts: Sequence[tuple[str, str]],
    rows: int,
    width: float,
) -> None:
    """Draw a bar divided like the area, and below it shares and names; units are inches.

    The texts are share and name of each class.
    """
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
        share, name = texts[position]
        axes.text(left + 1.03, middle, share, ha="right", **style)
        axes.text(left + _NAME_INCHES, middle, name, **style)
    axes.add_patch(Rectangle((0, 0), width, 0.18, fill=False, **frame))


def _legend_note(land_use: land_use_map.LandUseMap) -> str:
    """Return the small print: what was not found, how much is nodata, the caption, how right."""
    areas = land_use.areas
    left_out = str(land_use.facts.get("absent_classes", "")).split(", ")
    absent = [
        area.class_name
        for area in areas[:-1]
        if area.pixels == 0 and area.class_name not in left_out
    ]
    parts = ["Shares of the classified area."]
    if absent:
        more = f" and {len(absent) - 6} more" if len(absent) > 6 else ""
        parts.append(f"Not found: {', '.join(absent[:6])}{more}.")
    if areas[-1].pixels and areas[-1].share > 0:
        part = land_use.share_text(100 * areas[-1].share)
        parts.append(f"No data (light grey): {part} of the scene.")
    trust = [] if land_use.trust is None else land_use.trust.lines()
    if land_use.trust is not None and land_use.trust.precision:
        of = land_use.trust.precision_of
        trust.append(f"In brackets: of the {of} that were called so, so many were so.")
    return "  ".join([*parts, land_use.caption, *trust]).strip()


def save_png(path: str | Path, figure: "Figure") -> None:
    """Save without the program's version, so that the same picture is the same file."""
    with files.atomic_path(path) as temporary, report_figures.letters_may_lack():
        figure.savefig(temporary, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def write_quicklook(
    path: str | Path, land_use: land_use_map.LandUseMap, picture: map_layers.Picture
) -> None:
    """Write a picture of the scene, the map, and the map over the scene, with their legend.

    Parameters
    ----------
    path : str or Path
        The .png to write; the same map gives the same bytes.
    land_use : LandUseMap
        Without a unit, there is no scale bar.
    picture : Picture
        Of the scene.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scene = map_layers.scene_layer(picture, map_layers.LARGEST_PICTURE)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 11, "text.parse_math": False}):
        figure = Figure(facecolor="white")
        FigureCanvasAgg(figure)
        _compose(figure, scene, land_use)
        save_png(path, figure)


def _compose(figure: "Figure", scene: map_layers.Layer, land_use: land_use_map.LandUseMap) -> None:
    """Lay out title, panels and legend in inches from the top."""
    title, subtitle = land_use.name, land_use.sensing_time
    left, bottom, right, top = frame = scene.bounds
    panel_height = min(max(_PANEL_INCHES * (top - bottom) / (right - left), 1.0), 9.0)
    panel_width = min(_PANEL_INCHES, max(panel_height * (right - left) / (top - bottom), 4.2))
    width = 3 * panel_width + 4 * _MARGIN
    inner = width - 2 * _MARGIN
    present = [(a, c) for a, c in zip(land_use.areas, land_use.colours, strict=False) if a.pixels]
    present.sort(key=lambda entry: -entry[0].share)
    texts = _legend_texts(land_use, [area for area, _ in present])
    columns = _legend_columns([name for _, name in texts], inner)
    rows = max(1, -(-len(present) // columns))
    note = textwrap.wrap(_legend_note(land_use), int(inner / 0.078))
    warnings = _warning_lines(land_use, int(inner / 0.092))
    strip = 1.0 if subtitle else 0.72  # inches from the top to the warnings
    head = strip + (0.21 * len(warnings) + 0.47 if warnings else 0.25)  # and to the panels
    below = head + panel_height + 0.25
    small_print = below + _BAR_INCHES + rows * _ROW_INCHES + 0.08
    height = small_print + 0.18 * len(note) + 0.25
    figure.set_size_inches(width, height)

    def axes_at(from_left: float, from_top: float, wide: float, high: float) -> "Axes":
        place = (from_left / width, 1 - (from_top + high) / height, wide / width, high / height)
        return figure.add_axes(place)

    def write(from_top: float, text: str, size: float, **style: Any) -> None:
        figure.text(_MARGIN / width, 1 - from_top / height, text, fontsize=size, **style)

    size = min(17, inner / (0.0102 * max(len(title), 1)))  # long names get smaller letters
    write(0.5, title, size, weight="bold", color=_INK)
    write(0.8, subtitle, 11.5, color=_SOFT_INK)
    if warnings:
        _draw_warnings(axes_at(_MARGIN, strip, inner, head - strip - 0.33), warnings)
    for index, (name, layer, above) in enumerate(_panels(scene, land_use)):
        from_left = _MARGIN + index * (panel_width + _MARGIN)
        axes = axes_at(from_left, head, panel_width, panel_height)
        _draw_panel(axes, name, layer, frame, above)
        if index == 0 and land_use.unit is not None:
            draw_scale_bar(axes, frame, land_use.unit.metres)
    legend = axes_at(_MARGIN, below, inner, small_print - 0.08 - below)
    _draw_legend(legend, present, texts, rows, inner)
    write(small_print, "\n".join(note), 9.5, color=_SOFT_INK, va="top")


def _warning_lines(land_use: land_use_map.LandUseMap, letters: int) -> list[str]:
    """Return what speaks against the map, in lines of so many letters."""
    told = [] if land_use.trust is None else land_use.trust.warnings
    return [line for text in told for line in textwrap.wrap(f"Warning: {text}.", letters)]


def _draw_warnings(axes: "Axes", lines: Sequence[str]) -> None:
    """Fill the axes with what speaks against the map, so that it goes where the picture goes."""
    axes.set(xticks=[], yticks=[], facecolor="#fff1de")
    for spine in axes.spines.values():
        spine.set(color="#e08a1e", linewidth=1)
    style: dict[str, Any] = {"fontsize": 11, "color": "#7a3e00", "va": "center"}
    axes.text(0.008, 0.5, "\n".join(lines), transform=axes.transAxes, **style)


def _panels(
    scene: map_layers.Layer, land_use: land_use_map.LandUseMap
) -> list[tuple[str, map_layers.Layer, map_layers.Layer | None]]:
    """Return title, raster and what lies over it for each panel."""
    neutral = np.where(scene.pixels.any(axis=2, keepdims=True), scene.pixels, map_layers.NEUTRAL)
    natural = map_layers.Layer(neutral.astype(np.uint8), scene.bounds)
    labels = map_layers.layer_of(land_use.labels, land_use.geotransform, map_layers.LARGEST_PICTURE)
    painted = map_layers.Layer(map_layers.paint(labels.pixels, land_use.colours), labels.bounds)
    opacity = np.where(labels.pixels == map_values.NODATA, 0, 130).astype(np.uint8)
    veil = map_layers.Layer(np.dstack([painted.pixels, opacity]), labels.bounds)
    # The scene's own colours would mix with those of the classes, so most of them go.
    grey = neutral @ np.array([0.299, 0.587, 0.114])
    pale = map_layers.Layer(
        (40 + 0.15 * neutral + 0.69 * grey[..., None]).astype(np.uint8), scene.bounds
    )
    return [
        ("Scene in natural colour", natural, None),
        ("Land use", painted, None),
        ("Land use over the scene", pale, veil),
    ]

"""A picture of a comparison: both scenes, both maps, the change and its probability."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse.changes import comparing, from_to
from landuse.outputs import class_colours, map_layers, quicklooks
from landuse.rasters import geotransforms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT_INK = "#1f262d", "#5f6b76"
PANEL = 4.6  # inches, width of a panel
MARGIN = 0.35  # inches
ROW = 0.27  # inches, of the legend
MOST_ROWS = 12  # of changes in the legend


def write_picture(
    path: str | Path,
    pictures: tuple[np.ndarray, np.ndarray] | None,
    picture_geotransform: Sequence[float] | None,
    comparison: comparing.Comparison,
    changes: Sequence[from_to.Change],
    class_names: Sequence[str],
    titles: tuple[str, str],
    caption: str,
) -> None:
    """Write the picture (.png); the same arguments give the same bytes.

    Parameters
    ----------
    path : str or Path
    pictures : tuple of ndarray of shape (rows, columns, 3), uint8, or None
        Both scenes in natural colour; without them there is one row of panels less.
    picture_geotransform : six floats or None
        Of those.
    comparison : comparing.Comparison
    changes : sequence of from_to.Change
    class_names : sequence of str
    titles : tuple of str
        What each date is called.
    caption : str
        Below the legend.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = _panels(pictures, picture_geotransform, comparison, changes, class_names, titles)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 11, "text.parse_math": False}):
        figure = Figure(facecolor="white")
        FigureCanvasAgg(figure)
        _compose(figure, rows, comparison, changes, class_names, titles, caption)
        quicklooks.save_png(path, figure)


Panel = tuple[str, np.ndarray, geotransforms.Bounds]


def _panels(
    pictures: tuple[np.ndarray, np.ndarray] | None,
    picture_geotransform: Sequence[float] | None,
    comparison: comparing.Comparison,
    changes: Sequence[from_to.Change],
    class_names: Sequence[str],
    titles: tuple[str, str],
) -> list[list[Panel]]:
    """Give title, pixels and bounds of each panel, row by row."""
    pair = comparison.pair
    colours = class_colours.colours_of(class_names)
    bounds = geotransforms.extent(pair.overlap.geotransform, pair.before.shape)
    painted = [map_layers.paint(labels, colours) for labels in (pair.before, pair.after)]
    change = paint_changes(comparison, changes, class_names)
    below = [
        (f"Map, {titles[0]}", painted[0], bounds),
        (f"Map, {titles[1]}", painted[1], bounds),
        ("Probability of change", paint_probability(pair.probability), bounds),
    ]
    if pictures is None or picture_geotransform is None:
        return [[*below, ("Change", change, bounds)]]
    frame = geotransforms.extent(picture_geotransform, pictures[0].shape)
    scenes = [np.where(p.any(axis=2, keepdims=True), p, map_layers.NEUTRAL) for p in pictures]
    above = [
        (f"Scene, {titles[0]}", scenes[0].astype(np.uint8), frame),
        (f"Scene, {titles[1]}", scenes[1].astype(np.uint8), frame),
        ("Change", change, bounds),
    ]
    return [above, below]


def paint_changes(
    comparison: comparing.Comparison, changes: Sequence[from_to.Change], class_names: Sequence[str]
) -> np.ndarray:
    """Paint what changed in its colours, the rest light grey: (rows, columns, 3) uint8."""
    pair, palette = comparison.pair, class_colours.colours_of(class_names)
    painted = np.empty((*pair.before.shape, 3), np.uint8)
    painted[:] = from_to.NO_CHANGE_COLOUR
    painted[~pair.valid] = 255
    for change in from_to.of_change(changes):
        own = comparison.changed & (pair.before == change.before) & (pair.after == change.after)
        painted[own] = from_to.colour_of(change, palette)
    return painted


def paint_probability(probability: np.ndarray) -> np.ndarray:
    """Paint probabilities from light (0) to dark (1), nodata white: (rows, columns, 3) uint8."""
    share = np.nan_to_num(probability)[..., None]
    light, dark = np.array(from_to.NO_CHANGE_COLOUR), np.array((120, 20, 60))
    painted = light + (dark - light) * share
    return np.where(np.isfinite(probability)[..., None], painted, 255).astype(np.uint8)


def _compose(
    figure: "Figure",
    rows: list[list[Panel]],
    comparison: comparing.Comparison,
    changes: Sequence[from_to.Change],
    class_names: Sequence[str],
    titles: tuple[str, str],
    caption: str,
) -> None:
    """Lay out title, panels and legends in inches from the top."""
    bounds = rows[0][0][2]
    wide, high = bounds[2] - bounds[0], bounds[3] - bounds[1]
    panel_height = min(max(PANEL * high / wide, 1.0), 7.0)
    panel_width = min(PANEL, panel_height * wide / high)
    width = max(len(rows[0]) * (panel_width + MARGIN) + MARGIN, 11.0)
    found = from_to.of_change(changes)
    classes = _classes_there(comparison, class_names)
    legend_rows = max(min(len(found), MOST_ROWS + 1), -(-len(classes) // 2), 1)
    note = textwrap.wrap(caption, int((width - 2 * MARGIN) / 0.078))
    head, step = 1.15, panel_height + 0.42
    below = head + len(rows) * step + 0.3
    height = below + legend_rows * ROW + 0.2 + 0.18 * len(note) + 0.2
    figure.set_size_inches(width, height)

    def write(left: float, top: float, text: str, size: float, **style: Any) -> None:
        figure.text(left / width, 1 - top / height, text, fontsize=size, **style)

    title = f"Change of land use, {titles[0]} to {titles[1]}"
    largest = min(17.0, (width - 2 * MARGIN) / (0.0102 * len(title)))
    write(MARGIN, 0.5, title, largest, weight="bold", color=INK)
    write(MARGIN, 0.8, _headline(comparison), 11.5, color=SOFT_INK)
    for number, row in enumerate(rows):
        for column, (name, pixels, where) in enumerate(row):
            left, top = MARGIN + column * (panel_width + MARGIN), head + number * step
            place = left / width, 1 - (top + panel_height) / height
            axes = figure.add_axes((*place, panel_width / width, panel_height / height))
            _draw_panel(axes, name, pixels, where, bounds)
            if comparison.unit is not None and not (number or column):
                quicklooks.draw_scale_bar(axes, bounds, comparison.unit.metres)
    middle = width / 2
    write(MARGIN, below - 0.12, "Change", 11, weight="bold", color=INK)
    write(middle, below - 0.12, "Classes", 11, weight="bold", color=INK)
    palette = class_colours.colours_of(class_names)
    for number, (text, colour) in enumerate(_change_lines(found, class_names, palette)):
        _entry(figure, (MARGIN, below + (number + 0.5) * ROW), colour, text, (width, height))
    for number, index in enumerate(classes):
        left = middle + (number % 2) * (middle - MARGIN) / 2
        top = below + (number // 2 + 0.5) * ROW
        _entry(figure, (left, top), palette[index], class_names[index], (width, height))
    bottom = below + legend_rows * ROW + 0.3
    write(MARGIN, bottom, "\n".join(note), 9.5, color=SOFT_INK, va="top")


def _headline(comparison: comparing.Comparison) -> str:
    share = f"{100 * comparison.share_changed:.2f} % of the area counts as change"
    false = comparison.threshold.false_share
    if comparison.threshold.value is None:
        return "No difference of the maps is sure enough to count as change"
    if false is None:
        return f"{share}; how much of it is false is not known"
    if comparison.expects_more_false:
        return f"{share}; {100 * false:.0f} % of it or more is expected to be false"
    return f"{share}; about {100 * false:.0f} % of it is expected to be false"


def _classes_there(comparison: comparing.Comparison, class_names: Sequence[str]) -> list[int]:
    there = np.union1d(comparison.pair.before, comparison.pair.after)
    return [index for index in range(len(class_names)) if index in there]


def _change_lines(
    found: Sequence[from_to.Change],
    class_names: Sequence[str],
    palette: Sequence[class_colours.Colour],
) -> list[tuple[str, class_colours.Colour]]:
    lines = []
    for change in found[:MOST_ROWS]:
        area = change.changed_hectares
        amount = f"{change.changed_cells:,} cells" if area is None else f"{area:,.1f} ha"
        text = f"{amount}  {from_to.name_of(change, class_names)}"
        lines.append((text, from_to.colour_of(change, palette)))
    if len(found) > MOST_ROWS:
        more = f"{len(found) - MOST_ROWS} more, in the table"
        lines.append((more, from_to.NO_CHANGE_COLOUR))
    return lines or [("none", from_to.NO_CHANGE_COLOUR)]


def _entry(
    figure: "Figure",
    place: tuple[float, float],
    colour: class_colours.Colour,
    text: str,
    size: tuple[float, float],
) -> None:
    """Draw a coloured box and its text; places in inches from the upper left."""
    from matplotlib.patches import Rectangle

    left, top = place
    width, height = size
    figure.add_artist(
        Rectangle(
            (left / width, 1 - (top + 0.08) / height),
            0.26 / width,
            0.16 / height,
            facecolor=np.array(colour) / 255,
            edgecolor="#6b7680",
            linewidth=0.6,
            transform=figure.transFigure,
        )
    )
    where = (left + 0.36) / width, 1 - top / height
    figure.text(*where, text, va="center", fontsize=11, color=INK)


def _draw_panel(
    axes: "Axes",
    name: str,
    pixels: np.ndarray,
    where: geotransforms.Bounds,
    frame: geotransforms.Bounds,
) -> None:
    left, bottom, right, top = where
    axes.imshow(pixels, extent=(left, right, bottom, top), interpolation="auto")
    axes.set(xlim=(frame[0], frame[2]), ylim=(frame[1], frame[3]), xticks=[], yticks=[])
    axes.set_title(name, loc="left", fontsize=11.5, color=INK, pad=5)
    for spine in axes.spines.values():
        spine.set(color="#9aa5af", linewidth=0.8)

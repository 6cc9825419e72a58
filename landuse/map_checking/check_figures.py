"""The picture of a check: confusion matrix, accuracy of each class, and areas."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse.evaluation import report_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = report_figures.BLUE, report_figures.ORANGE, report_figures.GREY


def draw_check(figures: dict[str, Any]) -> "Figure":
    """Draw what a report says.

    Parameters
    ----------
    figures : dict
        Of `check_reports.figures_of`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    counts = np.array(figures["confusion_matrix"])
    rows = [i for i, name in enumerate(figures["map_classes"]) if figures["mapped_cells"][name]]
    rows = sorted({*rows, *np.flatnonzero(counts.sum(axis=1)).tolist()})
    with_areas = "area_hectares" in figures
    height = max(4.5, 1.8 + 0.42 * max(len(rows), 4))
    figure = report_figures.new_figure(16 if with_areas else 12, height)
    panels = figure.subplots(
        1, 3 if with_areas else 2, width_ratios=[1.25, 1, 1][: 3 if with_areas else 2]
    )
    _draw_matrix(panels[0], figures, counts, rows)
    _draw_accuracies(panels[1], figures)
    if with_areas:
        _draw_areas(panels[2], figures)
    overall = figures["overall_accuracy"]
    what = "overall accuracy" if "area_shares" in figures else "agreement"
    text = f"{Path(figures['map']).name}: {what} {100 * overall['value']:.1f} %"
    if overall["low"] is not None:
        text += f" ({100 * overall['low']:.1f} to {100 * overall['high']:.1f})"
    figure.suptitle(text, x=0.01, ha="left", fontsize=14, weight="bold")
    return figure


def _draw_matrix(
    axes: "Axes", figures: dict[str, Any], counts: np.ndarray, rows: list[int]
) -> None:
    """Draw the counts, shaded by their share of the row."""
    shown = counts[rows]
    shares = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(shown):
        if count:
            colour = "white" if shares[row, column] > 0.55 else "0.15"
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=9)
    columns = figures["reference_classes"]
    axes.set_xticks(range(len(columns)), columns, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [figures["map_classes"][row] for row in rows])
    unit = "points" if "points" in figures else "cells"
    axes.set(xlabel="reference", ylabel="map", title=f"Confusion matrix ({unit})")


def _draw_accuracies(axes: "Axes", figures: dict[str, Any]) -> None:
    """Draw user's and producer's accuracy with their intervals, class by class."""
    users, producers = figures["users_accuracy"], figures["producers_accuracy"]
    names = [
        name
        for name in dict.fromkeys([*users, *producers])
        if any(part.get(name, {}).get("value") is not None for part in (users, producers))
    ]
    for shift, colour, title, part in (
        (-0.13, BLUE, "user's", users),
        (0.13, ORANGE, "producer's", producers),
    ):
        for row, name in enumerate(names):
            figure = part.get(name, {})
            if figure.get("value") is None:
                continue
            if figure["low"] is not None:
                ends = [100 * figure["low"], 100 * figure["high"]]
                axes.plot(ends, [row + shift] * 2, color=colour, linewidth=2, alpha=0.6)
            axes.plot(100 * figure["value"], row + shift, "o", color=colour, label=title)
    _finish_rows(axes, names)
    axes.set(xlim=(-2, 102), xlabel="%", title="Accuracy of each class")


def _draw_areas(axes: "Axes", figures: dict[str, Any]) -> None:
    """Draw mapped and estimated areas with the intervals of these."""
    areas, mapped = figures["area_hectares"], figures["mapped_hectares"]
    names = [name for name in areas if mapped[name] or areas[name]["value"]]
    for row, name in enumerate(names):
        axes.barh(row, mapped[name], height=0.55, color="0.85", label="mapped")
        area = areas[name]
        axes.plot([area["low"], area["high"]], [row] * 2, color=BLUE, linewidth=2, alpha=0.6)
        axes.plot(area["value"], row, "o", color=BLUE, label="estimated, with 95 %")
    _finish_rows(axes, names)
    axes.set(xlabel="hectares", title="Areas")
    axes.set_xlim(left=0)


def _finish_rows(axes: "Axes", names: list[str]) -> None:
    from matplotlib import transforms

    report_figures.tidy(axes)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    handles, titles = axes.get_legend_handles_labels()
    first = dict(zip(titles, handles, strict=True))
    inches = transforms.ScaledTranslation(0, -0.6, axes.figure.dpi_scale_trans)
    axes.legend(  # below the axes and their label, where it hides nothing
        list(first.values()),
        list(first),
        fontsize=9,
        ncols=2,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=axes.transAxes + inches,
    )


def write_picture(path: Path, figures: dict[str, Any]) -> None:
    """Write the picture as PNG; the same figures give the same bytes."""
    from matplotlib import rc_context

    with rc_context({"font.family": "DejaVu Sans", "text.parse_math": False}):
        report_figures.save_figure(draw_check(figures), path)

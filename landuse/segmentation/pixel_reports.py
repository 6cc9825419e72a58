"""The report on maps per pixel: figures, a confusion matrix, and pictures of map beside truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from landuse import files
from landuse.evaluation import report_figures, reports
from landuse.outputs import class_colours, map_layers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 640  # px, side of a picture's data
MOST_SCENES = 4  # rows of the picture
NOTES = {
    "validation": "The best epoch was chosen by these pixels, which flatters the model a little. "
    "They lie beside those that it learned from.",
    "test blocks": "Nothing was learned from these pixels or chosen by them, but they lie beside "
    "those that the model learned from.",
    "other places": "Nothing was learned at these places or chosen by them.",
}


class Shown(NamedTuple):
    """A scene, its truth and its map, for a picture."""

    name: str
    rgb: np.ndarray  # (rows, columns, 3) uint8
    truth: np.ndarray  # (rows, columns) uint8
    found: np.ndarray


def write_report(
    folder: Path,
    figures: Mapping[str, Any],
    class_names: Sequence[str],
    shown: Sequence[Shown],
    history: Sequence[Mapping[str, Any]],
    title: str,
) -> None:
    """Write report.md, report.json and pictures into a folder.

    Parameters
    ----------
    folder : Path
        That is there.
    figures : mapping
        Of `pixel_measures.measure`, with "part" beside.
    class_names : sequence of str
    shown : sequence of Shown
    history : sequence of mapping
        Of the epochs; none: no curves.
    title : str
    """
    pictures = {
        "maps.png": draw_maps(shown[:MOST_SCENES], class_names),
        "confusion_matrix.png": report_figures.draw_confusion_matrix(
            np.array(figures["confusion_matrix"]), class_names
        ),
    }
    if history:
        pictures["learning_curves.png"] = report_figures.draw_learning_curves(history)
    for name, figure in pictures.items():
        report_figures.save_figure(figure, folder / name)
    files.write_json(folder / "report.json", dict(figures))
    files.write_text(folder / "report.md", report_text(figures, title, list(pictures)))


def report_text(figures: Mapping[str, Any], title: str, pictures: Sequence[str]) -> str:
    """Write the report as Markdown."""
    percent = reports._percent
    lines = [
        f"# {title}",
        "",
        f"Measured on {figures['pixels']:,} labelled pixels in {figures['blocks']} blocks, "
        f"{figures['part']}. {NOTES[figures['part']]}",
        "",
        "| figure | % (95 % interval, from drawing blocks again) |",
        "|---|---|",
        f"| mean intersection over union (mIoU) | {percent(figures['mean_iou'])} |",
        f"| pixels that are right | {percent(figures['accuracy'])} |",
        f"| boundaries within 2 px (F1, mean over classes) | {_hundred(figures['boundary_f1'])} |",
        "",
        "| class | pixels | IoU % | found (recall) % | right (precision) % | boundary F1 % |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['pixels']:,} | {_hundred(row['iou'])} | {_hundred(row['recall'])} | "
        f"{_hundred(row['precision'])} | {_hundred(row['boundary_f1'])} |"
        for name, row in figures["per_class"].items()
    ]
    missing = [name for name, row in figures["per_class"].items() if not row["pixels"]]
    if missing:
        lines += ["", f"The truth has no pixel of {', '.join(missing)} there."]
    return "\n".join([*lines, "", *(f"![]({name})" for name in pictures), ""])


def _hundred(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def draw_maps(shown: Sequence[Shown], class_names: Sequence[str]) -> "Figure":
    """Draw scenes, their truth and their maps side by side, with a legend."""
    from matplotlib.patches import Patch

    colours = class_colours.colours_of(class_names)
    figure = report_figures.new_figure(11, 0.9 + 3.6 * len(shown))
    panels = figure.subplots(len(shown), 3, squeeze=False)
    for row, scene in zip(panels, shown, strict=True):
        step = -(-max(scene.truth.shape) // LARGEST)
        images = (
            scene.rgb[::step, ::step],
            map_layers.paint(scene.truth[::step, ::step], colours),
            map_layers.paint(scene.found[::step, ::step], colours),
        )
        for axes, image, what in zip(row, images, (scene.name, "labels", "map"), strict=True):
            axes.imshow(image, interpolation="nearest")
            axes.set_title(what, fontsize=10)
            axes.set_axis_off()
    entries = [
        Patch(color=class_colours.hexadecimal(colour), label=name)
        for name, colour in zip(class_names, colours, strict=True)
    ]
    entries.append(Patch(color=class_colours.hexadecimal(map_layers.NEUTRAL), label="no label"))
    figure.legend(
        handles=entries, loc="outside lower center", ncols=min(6, len(entries)), frameon=False
    )
    return figure

"""The report on several labels: figures, a table of the classes, and which come together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import files
from landuse.evaluation import report_figures, reports

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {"truth": "labels", "answers": "answers"}
NOTES = {
    "validation": "The best epoch and the thresholds were chosen by these patches, which flatters.",
    "test": "Nothing was learned from these patches or chosen by them.",
    "train": "The model was trained on these patches, which flatters it much.",
}


def write_report(
    folder: Path,
    figures: Mapping[str, Any],
    class_names: Sequence[str],
    title: str,
    history: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write report.md, report.json and pictures into a folder that is there.

    Parameters
    ----------
    folder : Path
    figures : mapping
        Of `label_measures.measure`, with "part" beside.
    class_names : sequence of str
    title : str
    history : sequence of mapping
        Of the epochs; none: no curves.
    """
    seen = [i for i, name in enumerate(class_names) if figures["per_class"][name]["patches"]]
    shares = [np.array(figures["together"][what])[np.ix_(seen, seen)] for what in PANELS]
    pictures = {"together.png": draw_together(shares, [class_names[i] for i in seen])}
    if history:
        pictures["learning_curves.png"] = report_figures.draw_learning_curves(history)
    for name, figure in pictures.items():
        report_figures.save_figure(figure, folder / name)
    files.write_json(folder / "report.json", _without_nan(dict(figures)))
    files.write_text(folder / "report.md", report_text(figures, title, list(pictures)))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_nan(member) for member in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def report_text(figures: Mapping[str, Any], title: str, pictures: Sequence[str]) -> str:
    """Write the report as Markdown."""
    guess, half = figures["guessing"], figures["at_half"]
    lines = [
        f"# {title}",
        "",
        f"Measured on {figures['patches']:,} patches of {figures['tiles']} tiles, "
        f"{figures['part']} part. {NOTES.get(figures['part'], '')}".rstrip(),
        "",
        "| figure | % (95 % interval, from drawing tiles again) | at 0.5 | without looking |",
        "|---|---|---|---|",
        f"| micro F1 (all labels together) | {reports._percent(figures['micro_f1'])} | "
        f"{_hundred(half['micro_f1'])} | {_hundred(guess['micro_f1'])} |",
        f"| macro F1 (mean over classes) | {reports._percent(figures['macro_f1'])} | "
        f"{_hundred(half['macro_f1'])} | {_hundred(guess['macro_f1'])} |",
        f"| mAP (mean average precision) | {_hundred(figures['mean_average_precision'])} | | "
        f"{_hundred(guess['mean_average_precision'])} |",
        f"| micro average precision | {_hundred(figures['micro_average_precision'])} | | |",
        "",
        'The thresholds are those with the highest F1 on the validation part; "at 0.5" is with 0.5 '
        'for all classes, "without looking" what the same labels for all patches reach at best.',
        "",
        "| class | patches | F1 % | found (recall) % | right (precision) % | average precision % | "
        "threshold |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['patches']:,} | {_hundred(row['f1'])} | {_hundred(row['recall'])} | "
        f"{_hundred(row['precision'])} | {_hundred(row['average_precision'])} | "
        f"{row['threshold']:.2f} |"
        for name, row in figures["per_class"].items()
        if row["patches"]
    ]
    missing = [name for name, row in figures["per_class"].items() if not row["patches"]]
    if missing:
        lines += ["", f"No patch has {'; '.join(missing)}."]
    lines += [
        "",
        "Of the patches with the class of a row, the share that also have that of the column: in "
        "the labels, and in the answers of the model.",
    ]
    return "\n".join([*lines, "", *(f"![]({name})" for name in pictures), ""])


def _hundred(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def draw_together(shares: Sequence[np.ndarray], class_names: Sequence[str]) -> "Figure":
    """Draw which classes come together, in the labels and in the answers.

    Parameters
    ----------
    shares : two ndarrays of shape (classes, classes)
        Of `label_measures.together`.
    class_names : sequence of str
    """
    side = 1.5 + 0.24 * len(class_names)
    figure = report_figures.new_figure(2 * side + 4.0, side + 2.5)
    panels = figure.subplots(1, 2)
    ticks = range(len(class_names))
    names = [name if len(name) <= 30 else f"{name[:27]} ..." for name in class_names]
    for axes, panel, title in zip(panels, shares, PANELS.values(), strict=True):
        image = axes.imshow(np.asarray(panel, float), vmin=0, vmax=1, cmap="viridis")
        axes.set_title(title, fontsize=10)
        axes.set_xticks(ticks, names, rotation=60, ha="right", fontsize=7)
        axes.set_yticks(ticks, names if axes is panels[0] else [""] * len(names), fontsize=7)
    figure.colorbar(image, ax=panels, label="share that have it, too", shrink=0.7)
    return figure

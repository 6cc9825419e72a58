"""Reports on how well a model classifies patches: text, tables and pictures in a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import files
from landuse.evaluation import measures, prediction_sets, report_figures, verdicts
from landuse.networks import catalogue
from landuse.patches import image_files, patch_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PART_NOTES = {
    "training": "The model was trained on these images: expect less on others.",
    "validation": "The best epoch was chosen by these images, which flatters the model a little.",
    "test": "Neither training nor the choice of the best epoch saw these images.",
}
NOTE_WITHOUT_EPOCHS = "Nothing of the model was learned from these images or chosen by them."


def note_of(part: str, network: str) -> str | None:
    """Give the note for a model that has no epochs to choose from, None for others."""
    is_baseline = network == catalogue.BASELINE and part in ("validation", "test")
    return NOTE_WITHOUT_EPOCHS if is_baseline else None


def _percent(interval: measures.Interval) -> str:
    if interval["value"] is None:
        return "–"
    value = f"{100 * interval['value']:.2f}"
    if interval["low"] is None or interval["high"] is None:
        return value
    return f"{value} ({100 * interval['low']:.2f} to {100 * interval['high']:.2f})"


def _number(interval: measures.Interval) -> str:
    value, low, high = interval["value"], interval["low"], interval["high"]
    if value is None or low is None or high is None:
        return "–" if value is None else f"{value:.4f}"
    return f"{value:.4f} ({low:.4f} to {high:.4f})"


def report_text(report: Mapping[str, Any], title: str, pictures: Sequence[str] = ()) -> str:
    """Write the report as Markdown.

    Parameters
    ----------
    report : dict
        What `write_report` returns.
    title : str
        Heading.
    pictures : sequence of str
        File names of the pictures beside it.

    Returns
    -------
    str
    """
    part = report["part"]
    calibrated = report["calibration"]
    error = 100 * calibrated["expected_calibration_error"]
    sure, right = 100 * calibrated["mean_probability"], 100 * report["accuracy"]["value"]
    lines = [
        f"# {title}",
        "",
        *_verdict_lines(report),
        f"Measured on the {report['images']:,} images of the **{part}** part. "
        f"{report.get('note', '')}".rstrip(),
        "",
        "| | value (95 % interval) |",
        "|---|---|",
        f"| Accuracy, % | {_percent(report['accuracy'])} |",
        *_yardstick_rows(report),
        f"| Balanced accuracy (mean recall), % | {_percent(report['balanced_accuracy'])} |",
        f"| Macro F1, % | {_percent(report['macro_f1'])} |",
        f"| Cohen's kappa | {_number(report['kappa'])} |",
        f"| Expected calibration error, % | {error:.2f} |",
        "",
        f"On average the model was {sure:.1f} % sure of its class and right in {right:.1f} %.",
        "",
        "## Classes",
        "",
        "| class | images | precision, % | recall, % | F1, % |",
        "|---|---:|---|---|---|",
        *(_class_row(name, row) for name, row in report["per_class"].items()),
        "",
        *_confusion_lines(report),
        *_set_lines(report),
        "Intervals: Wilson's for accuracy, precision and recall; percentiles of "
        f"{measures.RESAMPLES:,} bootstrap resamples (seed {report['seed']}) for the others. "
        "They assume independent images; neighbouring patches are not quite.",
        "",
        *(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in pictures),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _verdict_lines(report: Mapping[str, Any]) -> list[str]:
    found = report.get("verdict")
    if found is None:
        return []
    words = verdicts.words_of(found)
    steps = [f"- {step[0].upper()}{step[1:]}." for step in found["next_steps"]]
    heading = ["What would help:", "", *steps, ""] if steps else []
    return [f"**{words[0].upper()}{words[1:]}**: {found['rule']}.", "", *heading]


def _yardstick_rows(report: Mapping[str, Any]) -> list[str]:
    yardstick = report.get("yardstick")
    if not yardstick:
        return []
    return [
        "| Accuracy of the yardstick (linear classifier on fixed measurements, script "
        f"03_train_baseline), % | {_percent(yardstick)} |"
    ]


def _class_row(name: str, row: Mapping[str, Any]) -> str:
    scores = " | ".join(_percent(row[score]) for score in ("precision", "recall", "f1"))
    return f"| {name} | {row['images']:,} | {scores} |"


def _confusion_lines(report: Mapping[str, Any]) -> list[str]:
    pairs = report["most_frequent_confusions"]
    if not pairs:
        return []
    rows = [f"| {pair['true']} | {pair['predicted']} | {pair['images']:,} |" for pair in pairs]
    heading = ["## Most frequent confusions", "", "| true | taken for | images |", "|---|---|---:|"]
    return [*heading, *rows, ""]


def _set_lines(report: Mapping[str, Any]) -> list[str]:
    told = report.get("prediction_sets")
    if told is None:
        return []
    rows = [
        f"| {100 * float(wished):.0f} | {_percent(row['measured'])} | {row['mean_size']:.2f} | "
        f"{100 * row['share_of_one']:.1f} |"
        for wished, row in told["coverage"].items()
    ]
    how = f"by the answers to the {told['calibrated_on']} part"
    if told["by_halves"]:
        how = "by the answers to one half of these images, and measured on the other half"
    return [
        "## Prediction sets",
        "",
        "A set holds the label and all classes that are as probable as a threshold, found "
        f"{how}. So often it shall hold the right class, and so often it did. In other places, "
        "seasons or sensors it holds it less often.",
        "",
        "| wished, % | held the right class, % | classes in a set | sets of one class, % |",
        "|---:|---|---:|---:|",
        *rows,
        "",
    ]


def write_report(
    folder: str | Path,
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    history: report_figures.History | None = None,
    files: Sequence[str | Path] | None = None,
    part: str = "validation",
    patches: Any = None,
    *,
    band_names: Sequence[str] | None = None,
    title: str = "How well the model classifies",
    note: str | None = None,
    yardstick: measures.Interval | None = None,
    seed: int = 0,
    conformal: Mapping[str, Any] | None = None,
    condition: str | None = None,
    learned: bool = False,
) -> dict[str, Any]:
    """Measure a model's answers and write the report.

    Writes report.md, report.json, confusion_matrix.png and reliability.png; learning_curves.png
    when there is a history, worst_confusions.png when there are patches or files. The same input
    gives the same bytes.

    Parameters
    ----------
    folder : str or Path
        Where to write; made when it is missing.
    probabilities : ndarray of shape (N, classes)
        Class probabilities.
    labels : ndarray of shape (N,), int
        True classes.
    class_names : sequence of str
        Names of the classes.
    history : mapping, sequence of mappings or path of a CSV file, optional
        Per epoch "accuracy", "val_accuracy", "loss", "val_loss" and, if any, "phase".
    files : sequence of paths, optional
        File of each image.
    part : str
        What the images are: "training", "validation", "test", or other words.
    patches : array-like of shape (N, rows, columns, bands), optional
        The images; without them, those to be shown are read from `files`.
    band_names : sequence of str, optional
        Bands of `patches`.
    title : str
        Heading of the report.
    note : str, optional
        What the part says of the figures; None: that of `PART_NOTES`.
    yardstick : dict, optional
        Accuracy on these images of a linear classifier that learned from the same training images.
    seed : int
        Of the bootstrap.
    conformal : mapping, optional
        The thresholds of prediction sets in the model's record; their coverage is measured.
    condition, learned : str, bool
        Of the verdict; see `verdicts.verdict`.

    Returns
    -------
    dict
        What `measure` gives, and "title", "part", "note", "seed", "yardstick",
        "most_frequent_confusions", "verdict"; the content of report.json.

    Raises
    ------
    ValueError
        When shapes do not fit, labels are out of range or probabilities are not finite.
    OSError
        When the folder cannot be written.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    note = PART_NOTES.get(part, "") if note is None else note
    report: dict[str, Any] = {"title": title, "part": part, "note": note, "seed": seed}
    report["yardstick"] = yardstick
    report |= measures.measure(probabilities, labels, class_names, seed=seed)
    if conformal is not None:
        told = prediction_sets.tell(probabilities, labels, conformal, part)
        for row in told["coverage"].values():
            row["measured"] = measures.wilson_interval(row["covered"], row["images"])
        report["prediction_sets"] = told
    matrix = np.array(report["confusion_matrix"])
    report["most_frequent_confusions"] = [
        {"true": class_names[true], "predicted": class_names[taken_for], "images": count}
        for true, taken_for, count in measures.confused_pairs(matrix)
    ]
    columns = {} if history is None else report_figures.history_columns(history)
    report["verdict"] = verdicts.verdict(
        report, columns, report_figures.phases_of(history), condition=condition, learned=learned
    )
    accuracy = 100 * report["accuracy"]["value"]
    heading = f"{part} part: {len(labels):,} images, {accuracy:.2f} % right"
    figures = {
        "confusion_matrix.png": report_figures.draw_confusion_matrix(matrix, class_names, heading),
        "reliability.png": report_figures.draw_reliability(report["calibration"], heading),
    }
    if history is not None and columns:
        figures["learning_curves.png"] = report_figures.draw_learning_curves(history)
    if patches is not None or files is not None:
        pictures, names = _pictures_of_worst(probabilities, labels, files, patches, band_names)
        figures["worst_confusions.png"] = report_figures.draw_worst_confusions(
            probabilities, labels, class_names, pictures, names
        )
    _write_files(Path(folder), report, figures, title)
    return report


def _pictures_of_worst(
    probabilities: np.ndarray,
    labels: np.ndarray,
    files: Sequence[str | Path] | None,
    patches: Any,
    band_names: Sequence[str] | None,
) -> tuple[dict[int, np.ndarray], dict[int, str]]:
    images = [
        image for group in measures.worst_confusions(probabilities, labels) for image in group[3]
    ]
    pictures, names = {}, {}
    for image in images:
        if patches is not None:
            pictures[image] = patch_pictures.patch_in_colours(patches[image], band_names)
        elif files is not None:
            pictures[image] = patch_pictures.patch_in_colours(image_files.read_patch(files[image]))
        if files is not None:
            names[image] = Path(files[image]).stem
    return pictures, names


def make_folder(folder: str | Path) -> Path:
    """Make the folder of a report, and those above it, where they are missing.

    Raises
    ------
    OSError
        When there is a file of that name, or the folder cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"cannot write a report to {folder}: it, or a part of the path, is a file"
        ) from error
    files.check_can_write(folder / "report.md")
    return folder


def _write_files(
    folder: Path, report: Mapping[str, Any], figures: Mapping[str, "Figure"], title: str
) -> None:
    make_folder(folder)
    for name, figure in figures.items():
        report_figures.save_figure(figure, folder / name)
    files.write_json(folder / "report.json", report)
    with files.atomic_path(folder / "report.md") as temporary:
        temporary.write_text(report_text(report, title, sorted(figures)), encoding="utf-8")

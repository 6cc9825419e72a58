"""Pictures of how well a model classifies: curves, confusion matrix, calibration, examples."""

import contextlib
import csv
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import files
from landuse.evaluation import measures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESOLUTION = 120  # dots per inch of the pictures

ANNOTATED_CLASSES = 20  # a matrix of more classes has no room for numbers

BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#8a8a8a"

History = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | str | Path


def history_columns(history: History) -> dict[str, np.ndarray]:
    """Bring a training history into columns of numbers.

    Parameters
    ----------
    history : mapping of lists, sequence of mappings, or path of a CSV file
        Per epoch, as `keras.callbacks.History.history` or `csv.DictReader` give it.

    Returns
    -------
    dict
        Name -> float array, one number per epoch; NaN where there is none. Phases are numbered
        in their order, other columns of text are left out.
    """
    if isinstance(history, str | Path):
        with open(history, newline="", encoding="utf-8") as file:
            history = list(csv.DictReader(file))
    if not isinstance(history, Mapping):
        names = list(dict.fromkeys(name for row in history for name in row))
        history = {name: [row.get(name) for row in history] for name in names}
    columns = {name: _numbers(values) for name, values in history.items()}
    if "phase" in history:
        order = list(dict.fromkeys(history["phase"]))
        columns["phase"] = np.array([float(order.index(phase)) for phase in history["phase"]])
    return {name: values for name, values in columns.items() if np.isfinite(values).any()}


def phases_of(history: History | None) -> list[str]:
    """Name the phases of a training history in their order; none where it does not say."""
    if isinstance(history, str | Path):
        with open(history, newline="", encoding="utf-8") as file:
            history = list(csv.DictReader(file))
    if history is None:
        return []
    if isinstance(history, Mapping):
        return list(dict.fromkeys(map(str, history.get("phase", ()))))
    return list(dict.fromkeys(str(row["phase"]) for row in history if "phase" in row))


def _numbers(values: Iterable[Any]) -> np.ndarray:
    numbers = []
    for value in values:
        try:
            numbers.append(float(value))
        except (TypeError, ValueError):
            numbers.append(math.nan)
    return np.array(numbers)


def new_figure(width: float, height: float) -> "Figure":
    """Give a figure that belongs to no window system and leaves no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=RESOLUTION, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextlib.contextmanager
def letters_may_lack() -> Iterator[None]:
    """Draw a box, without a word on the terminal, for letters that the font of figures lacks.

    Class names come from folders, in any script; pages and tables show them all.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save_figure(figure: "Figure", path: Path) -> None:
    """Save a figure as PNG, whole or not at all."""
    # Without the name of the software the bytes depend on the picture alone.
    with files.atomic_path(path) as temporary, letters_may_lack():
        figure.savefig(temporary, format="png", metadata={"Software": None})


def tidy(axes: "Axes") -> None:
    """Leave only what helps to read: no frame, a light grid behind."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def draw_learning_curves(history: History) -> "Figure":
    """Draw accuracy and loss per epoch, for training and validation.

    Parameters
    ----------
    history : as for `history_columns`

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.ticker import MaxNLocator

    columns = history_columns(history)
    epochs = np.arange(1, 1 + max((len(values) for values in columns.values()), default=0))
    figure = new_figure(10, 4)
    panels = figure.subplots(1, 2)
    metric = next((name for name in columns if name.endswith("accuracy")), "accuracy")
    metric = metric.removeprefix("val_")
    _draw_curves(panels[0], epochs, columns, metric, 100, "accuracy (%)")
    _draw_curves(panels[1], epochs, columns, "loss", 1, "loss")
    _mark_best(panels[0], epochs, columns.get(f"val_{metric}"))
    for axes in panels:
        _mark_phases(axes, columns.get("phase"))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.03)
        tidy(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    return figure


def _draw_curves(
    axes: "Axes",
    epochs: np.ndarray,
    columns: Mapping[str, np.ndarray],
    name: str,
    factor: float,
    title: str,
) -> None:
    parts = ((name, "training", ORANGE), (f"val_{name}", "validation", BLUE))
    for column, label, colour in parts:
        if column in columns:
            marker = "o" if len(epochs) <= 30 else ""
            values = columns[column] * factor
            known = np.isfinite(values)  # not every epoch is validated
            axes.plot(
                epochs[known],
                values[known],
                color=colour,
                label=label,
                marker=marker,
                markersize=3.5,
            )
    axes.set_title(title, loc="left", fontsize=11)


def _mark_best(axes: "Axes", epochs: np.ndarray, accuracy: np.ndarray | None) -> None:
    if accuracy is None:
        return
    best = int(np.nanargmax(accuracy))
    label = f"best: {accuracy[best]:.2%} in epoch {epochs[best]}".replace("%", " %")
    axes.plot(epochs[best], accuracy[best] * 100, "o", color=BLUE, markersize=9, fillstyle="none")
    axes.plot([], [], "o", color=BLUE, markersize=9, fillstyle="none", label=label)


def _mark_phases(axes: "Axes", phases: np.ndarray | None) -> None:
    if phases is None:
        return
    for number, change in enumerate(np.flatnonzero(np.diff(phases))):
        label = "next phase" if number == 0 else None
        axes.axvline(change + 1.5, color=GREY, linestyle=":", linewidth=1.2, label=label)


def draw_confusion_matrix(
    matrix: np.ndarray, class_names: Sequence[str], title: str = ""
) -> "Figure":
    """Draw a confusion matrix: percent of each true class as colour and number, and the counts.

    Parameters
    ----------
    matrix : ndarray of shape (classes, classes), int
        Images by true (row) and predicted (column) class.
    class_names : sequence of str
        Names of the classes.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure
    """
    matrix = np.asarray(matrix)
    totals = matrix.sum(axis=1, keepdims=True)
    percent = 100 * matrix / np.maximum(totals, 1)
    size = float(np.clip(1.6 + 0.78 * len(class_names), 5, 16))
    figure = new_figure(size + 1.2, size)
    axes = figure.add_subplot()
    # The square root keeps one percent apart from none.
    picture = axes.imshow(np.sqrt(percent), cmap="Blues", vmin=0, vmax=10)
    if len(class_names) <= ANNOTATED_CLASSES:
        _annotate_cells(axes, matrix, percent)
    ticks = np.arange(len(class_names))
    small = 10 if len(class_names) <= ANNOTATED_CLASSES else 7
    labels = [f"{name}\n({total:,})" for name, total in zip(class_names, totals[:, 0], strict=True)]
    axes.set_xticks(ticks, class_names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, labels if small == 10 else class_names)
    axes.tick_params(length=0, labelsize=small)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (images)")
    axes.set_title(title, loc="left", fontsize=12)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(
        picture, ax=axes, shrink=0.6, pad=0.02, ticks=np.sqrt([0, 1, 10, 50, 100])
    )
    bar.ax.set_yticklabels(["0", "1", "10", "50", "100"])
    bar.set_label("% of the true class")
    bar.outline.set_visible(False)
    return figure


def _annotate_cells(axes: "Axes", matrix: np.ndarray, percent: np.ndarray) -> None:
    for row, column in np.argwhere(matrix):
        share = percent[row, column]
        text = f"{share:.1f} %\n{matrix[row, column]:,}"
        weight = "bold" if row == column else "normal"
        colour = "white" if share > 30 else "0.1"
        axes.text(
            column, row, text, ha="center", va="center", color=colour, fontsize=8, weight=weight
        )


def draw_reliability(calibrated: Mapping[str, Any], title: str = "") -> "Figure":
    """Draw how often the model is right against how sure it is, and how often it is so sure.

    Parameters
    ----------
    calibrated : dict
        Result of `calibration`.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = [row for row in calibrated["bins"] if row["images"]]
    left = [100 * row["low"] for row in rows]
    width = 100 / len(calibrated["bins"])
    sure = [100 * row["mean_probability"] for row in rows]
    right = [100 * row["accuracy"] for row in rows]
    counts = [row["images"] for row in rows]
    figure = new_figure(6, 6.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.bar(left, right, width, align="edge", color=BLUE, alpha=0.25, edgecolor="white")
    upper.plot([0, 100], [0, 100], color=GREY, linestyle="--", label="as sure as right")
    upper.plot(sure, right, "o-", color=BLUE, markersize=5, label="this model")
    upper.set(ylabel="right (%)", ylim=(0, 102), xlim=(0, 102))
    error = 100 * calibrated["expected_calibration_error"]
    upper.set_title(f"{title}\nexpected calibration error {error:.2f} %", loc="left", fontsize=11)
    upper.legend(frameon=False, loc="upper left")
    lower.bar(left, counts, width, align="edge", color=ORANGE, edgecolor="white")
    lower.set_yscale("symlog", linthresh=1)
    lower.set(xlabel="highest probability of an image (%)", ylabel="images")
    for axes in (upper, lower):
        tidy(axes)
    return figure


def draw_worst_confusions(
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    pictures: Mapping[int, np.ndarray],
    names: Mapping[int, str] | None = None,
) -> "Figure":
    """Draw examples of the most frequent confusions, those first of which the model was surest.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Class probabilities.
    labels : ndarray of shape (N,), int
        True classes.
    class_names : sequence of str
        Names of the classes.
    pictures : dict
        Image index -> uint8 array (rows, columns, 3), of all that `worst_confusions` lists.
    names : dict, optional
        Image index -> short name to print below it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    groups = measures.worst_confusions(probabilities, labels)
    per_class = np.bincount(labels, minlength=len(class_names))
    figure = new_figure(1.55 * measures.EXAMPLES_PER_PAIR, max(2.3 * len(groups), 1.2))
    if not groups:
        figure.text(0.5, 0.5, "No image was classified wrongly.", ha="center", va="center")
        return figure
    rows = figure.subfigures(len(groups), 1, squeeze=False)[:, 0]
    for row, (true, predicted, count, images) in zip(rows, groups, strict=True):
        share = f"{count:,} of {per_class[true]:,} images, {100 * count / per_class[true]:.1f} %"
        heading = f"{class_names[true]} taken for {class_names[predicted]} ({share})"
        row.suptitle(heading, x=0.01, ha="left", fontsize=11, weight="bold")
        for axes, image in zip(row.subplots(1, measures.EXAMPLES_PER_PAIR), images, strict=False):
            axes.imshow(pictures[image], interpolation="nearest")
            sure = f"{100 * probabilities[image, predicted]:.0f} % sure"
            axes.set_xlabel(f"{(names or {}).get(image, '')}\n{sure}".strip(), fontsize=7)
        for axes in row.axes:
            axes.set(xticks=[], yticks=[], anchor="N")
            axes.spines[:].set_visible(False)
    return figure

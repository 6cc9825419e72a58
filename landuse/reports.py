"""Reports on how well a model classifies labelled patches: figures, tables and pictures.

`measure` computes, `write_report` writes. Intervals hold 95 % of what chance does to images drawn
independently; neighbouring patches are not independent, so true uncertainty is somewhat larger.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import image_functions
from landuse.files import atomic_path, check_can_write, write_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONFIDENCE_LEVEL = 0.95
RESAMPLES = 2000  # of the bootstrap; its interval ends move by less than their own width / 20
CALIBRATION_BINS = 15
RESOLUTION = 120  # dots per inch of the pictures
CONFUSED_PAIRS = 6  # rows of the picture of confusions
EXAMPLES_PER_PAIR = 6  # its columns
ANNOTATED_CLASSES = 20  # a matrix of more classes has no room for numbers

BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#8a8a8a"
PART_NOTES = {
    "training": "The model was trained on these images: expect less on others.",
    "validation": "The best epoch was chosen by these images, which flatters the model a little.",
    "test": "Neither training nor the choice of the best epoch saw these images.",
}

Interval = dict[str, float | None]  # "value", "low", "high"
History = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | str | Path


def wilson_interval(successes: int, trials: int, level: float = CONFIDENCE_LEVEL) -> Interval:
    """Give a proportion with its score interval (Wilson 1927, doi:10.2307/2276774).

    Parameters
    ----------
    successes, trials : int
        How many of how many; no trials give None three times.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    dict
        "value", "low" and "high", each from 0 to 1 or None.
    """
    from scipy.special import ndtri

    if trials == 0:
        return {"value": None, "low": None, "high": None}
    z = float(ndtri(0.5 + level / 2))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = share * (1 - share) / trials + (z / (2 * trials)) ** 2
    half = z / (1 + z**2 / trials) * math.sqrt(spread)
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return {"value": share, "low": low, "high": high}


def calibration(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS
) -> dict[str, Any]:
    """Compare how sure a model is with how often it is right (Guo et al. 2017, arXiv 1706.04599).

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Class probabilities.
    labels : ndarray of shape (N,), int
        True classes.
    bins : int
        Bins of equal width over the highest probability of each image, open below.

    Returns
    -------
    dict
        "expected_calibration_error", "mean_probability" (of the class chosen) and per bin "low",
        "high", "images", "mean_probability" and "accuracy" (None in empty bins).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    images = np.bincount(index, minlength=bins)
    sure = np.bincount(index, weights=confidence, minlength=bins)
    correct = np.bincount(index, weights=right, minlength=bins)
    rows = [
        {
            "low": number / bins,
            "high": (number + 1) / bins,
            "images": int(count),
            "mean_probability": float(sure[number] / count) if count else None,
            "accuracy": float(correct[number] / count) if count else None,
        }
        for number, count in enumerate(images)
    ]
    error = float(np.abs(sure - correct).sum() / len(labels))
    return {
        "expected_calibration_error": error,
        "mean_probability": float(confidence.mean()),
        "bins": rows,
    }


def _bootstrap_scores(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Give the scores of confusion matrices of shape (resamples, classes, classes)."""
    hits = np.diagonal(matrices, axis1=1, axis2=2).astype(np.float64)
    true, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    total = matrices.sum(axis=(1, 2))
    chance = (true * predicted).sum(axis=1) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2 * hits / (true + predicted)
        kappa = (hits.sum(axis=1) / total - chance) / (1 - chance)
        recall = hits / true
    return {
        "f1": f1,
        "macro_f1": _mean_of_known(f1),
        "kappa": kappa,
        "balanced_accuracy": _mean_of_known(recall),
    }


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def bootstrap_intervals(
    matrix: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give percentile intervals of the scores of a confusion matrix.

    Drawing N images with replacement and counting them is drawing N times from the cells of the
    matrix, so no image is touched again.

    Parameters
    ----------
    matrix : ndarray of shape (classes, classes), int
        Images by true (row) and predicted (column) class.
    resamples : int
        How many times to draw.
    seed : int
        The same seed gives the same intervals.

    Returns
    -------
    dict
        Lower and upper ends of "f1" (per class), "macro_f1", "kappa" and "balanced_accuracy";
        NaN where a score is defined in no resample.
    """
    rng = np.random.default_rng(seed)
    total = int(matrix.sum())
    draws = rng.multinomial(total, matrix.ravel() / total, size=resamples)
    scores = _bootstrap_scores(draws.reshape(resamples, *matrix.shape))
    return {name: _percentile_ends(values) for name, values in scores.items()}


def _percentile_ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tail = (1 - CONFIDENCE_LEVEL) / 2
    columns = values.reshape(len(values), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    for number, column in enumerate(columns.T):
        known = column[np.isfinite(column)]
        if known.size:
            ends[:, number] = np.quantile(known, (tail, 1 - tail))
    return ends[0].reshape(values.shape[1:]), ends[1].reshape(values.shape[1:])


def _interval(value: Any, low: Any, high: Any) -> Interval:
    known = [float(end) if np.isfinite(end) else None for end in (value, low, high)]
    return dict(zip(("value", "low", "high"), known, strict=True))


def _check_inputs(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> None:
    expected = (len(labels), len(class_names))
    if labels.ndim != 1 or probabilities.shape != expected:
        raise ValueError(
            f"A report needs probabilities of shape (images, classes) = {expected} for "
            f"{len(labels)} labels and {len(class_names)} class names; they have the shape "
            f"{probabilities.shape}, the labels {labels.shape}."
        )
    if len(labels) == 0:
        raise ValueError("A report needs at least one labelled image; there is none.")
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(
            f"The labels go from {labels.min()} to {labels.max()}, but there are "
            f"{len(class_names)} classes (0 to {len(class_names) - 1})."
        )
    broken = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if broken:
        raise ValueError(
            f"The probabilities of {broken} of {len(labels)} images are not finite: the model is "
            f"broken (a NaN loss in training?) or its input is."
        )


def measure(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Measure how well class probabilities agree with true classes.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Class probabilities; the class of the highest is the one predicted.
    labels : ndarray of shape (N,), int
        True classes.
    class_names : sequence of str
        Their names.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        "images"; "accuracy", "balanced_accuracy", "macro_f1" and "kappa", each with "value",
        "low" and "high"; "per_class": name -> "images", "predicted", "precision", "recall", "f1"
        (None where undefined); "confusion_matrix" (rows true, columns predicted); "calibration".
        Averages are over the classes that occur: among the labels for balanced accuracy, among
        labels or predictions for macro F1.

    Raises
    ------
    ValueError
        When shapes do not fit, labels are out of range or probabilities are not finite.
    """
    from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score, recall_score

    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    _check_inputs(probabilities, labels, class_names)
    predicted = probabilities.argmax(axis=1)
    indices = np.arange(len(class_names))
    matrix = confusion_matrix(labels, predicted, labels=indices)
    f1 = f1_score(labels, predicted, labels=indices, average=None, zero_division=np.nan)
    f1[(matrix.sum(axis=0) + matrix.sum(axis=1)) == 0] = np.nan
    present = np.unique(labels)
    scores = {
        "balanced_accuracy": recall_score(labels, predicted, labels=present, average="macro"),
        "macro_f1": np.nanmean(f1),
        # One class on both sides: agreement beyond chance is not defined.
        "kappa": cohen_kappa_score(labels, predicted) if (matrix > 0).sum() > 1 else np.nan,
    }
    ends = bootstrap_intervals(matrix, seed=seed)
    return {
        "images": len(labels),
        "accuracy": wilson_interval(int(np.trace(matrix)), len(labels)),
        **{name: _interval(value, *ends[name]) for name, value in scores.items()},
        "per_class": _per_class(matrix, f1, ends["f1"], class_names),
        "confusion_matrix": matrix.tolist(),
        "calibration": calibration(probabilities, labels),
    }


def _per_class(
    matrix: np.ndarray,
    f1: np.ndarray,
    f1_ends: tuple[np.ndarray, np.ndarray],
    class_names: Sequence[str],
) -> dict[str, dict[str, Any]]:
    true, predicted, hits = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    return {
        name: {
            "images": int(true[index]),
            "predicted": int(predicted[index]),
            "precision": wilson_interval(int(hits[index]), int(predicted[index])),
            "recall": wilson_interval(int(hits[index]), int(true[index])),
            "f1": _interval(f1[index], f1_ends[0][index], f1_ends[1][index]),
        }
        for index, name in enumerate(class_names)
    }


def confused_pairs(matrix: np.ndarray, count: int = CONFUSED_PAIRS) -> list[tuple[int, int, int]]:
    """Give the most frequent confusions.

    Parameters
    ----------
    matrix : ndarray of shape (classes, classes), int
        Images by true (row) and predicted (column) class.
    count : int
        At most so many pairs.

    Returns
    -------
    list of (true class, predicted class, images)
        Most frequent first, ties in the order of the classes.
    """
    wrong = np.array(matrix) * (1 - np.eye(len(matrix), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, wrong.shape)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column, int(wrong[row, column])) for row, column in pairs if wrong[row, column]]


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


def _numbers(values: Iterable[Any]) -> np.ndarray:
    numbers = []
    for value in values:
        try:
            numbers.append(float(value))
        except (TypeError, ValueError):
            numbers.append(math.nan)
    return np.array(numbers)


def _new_figure(width: float, height: float) -> "Figure":
    """Give a figure that belongs to no window system and leaves no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=RESOLUTION, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save_figure(figure: "Figure", path: Path) -> None:
    # Without the name of the software the bytes depend on the picture alone.
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _tidy(axes: "Axes") -> None:
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
    figure = _new_figure(10, 4)
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
        _tidy(axes)
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
            axes.plot(epochs, values, color=colour, label=label, marker=marker, markersize=3.5)
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
    figure = _new_figure(size + 1.2, size)
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
    figure = _new_figure(6, 6.6)
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
        _tidy(axes)
    return figure


def patch_in_colours(patch: np.ndarray, band_names: Sequence[str] | None = None) -> np.ndarray:
    """Make a picture of a patch: natural colours where it has red, green and blue.

    Parameters
    ----------
    patch : ndarray of shape (rows, columns, bands)
        uint8 (scaled already), or DN.
    band_names : sequence of str, optional
        Names of the bands; None for EuroSAT's order of 13, or red, green, blue.

    Returns
    -------
    ndarray of shape (rows, columns, 3), uint8
        Without B04, B03 and B02, the first three bands (or the first as grey), stretched from the
        2nd to the 98th percentile.
    """
    patch = np.asarray(patch)
    names = list(band_names or _usual_band_names(patch.shape[-1]))
    natural = list(image_functions.BANDS_RGB)
    if set(natural) <= set(names):
        picture = patch[..., [names.index(name) for name in natural]]
        return picture if picture.dtype == np.uint8 else image_functions.scale_to_rgb8(picture)
    picture = patch[..., [0, 1, 2] if patch.shape[-1] >= 3 else [0, 0, 0]].astype(np.float64)
    low, high = np.percentile(picture, (2, 98), axis=(0, 1))
    stretched = (picture - low) / np.maximum(high - low, 1e-9)
    return np.round(255 * np.clip(stretched, 0, 1)).astype(np.uint8)


def _usual_band_names(bands: int) -> Sequence[str]:
    usual = (image_functions.BANDS_MS, image_functions.BANDS_RGB)
    return next((names for names in usual if len(names) == bands), ["?"] * bands)


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
    groups = worst_confusions(probabilities, labels)
    per_class = np.bincount(labels, minlength=len(class_names))
    figure = _new_figure(1.55 * EXAMPLES_PER_PAIR, max(2.3 * len(groups), 1.2))
    if not groups:
        figure.text(0.5, 0.5, "No image was classified wrongly.", ha="center", va="center")
        return figure
    rows = figure.subfigures(len(groups), 1, squeeze=False)[:, 0]
    for row, (true, predicted, count, images) in zip(rows, groups, strict=True):
        share = f"{count:,} of {per_class[true]:,} images, {100 * count / per_class[true]:.1f} %"
        heading = f"{class_names[true]} taken for {class_names[predicted]} ({share})"
        row.suptitle(heading, x=0.01, ha="left", fontsize=11, weight="bold")
        for axes, image in zip(row.subplots(1, EXAMPLES_PER_PAIR), images, strict=False):
            axes.imshow(pictures[image], interpolation="nearest")
            sure = f"{100 * probabilities[image, predicted]:.0f} % sure"
            axes.set_xlabel(f"{(names or {}).get(image, '')}\n{sure}".strip(), fontsize=7)
        for axes in row.axes:
            axes.set(xticks=[], yticks=[], anchor="N")
            axes.spines[:].set_visible(False)
    return figure


def worst_confusions(
    probabilities: np.ndarray, labels: np.ndarray
) -> list[tuple[int, int, int, list[int]]]:
    """Give the most frequent confusions with the images of which the model was surest.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Class probabilities.
    labels : ndarray of shape (N,), int
        True classes.

    Returns
    -------
    list of (true class, predicted class, number of images, image indices)
        At most `CONFUSED_PAIRS` pairs of at most `EXAMPLES_PER_PAIR` images.
    """
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    matrix = np.bincount(labels * classes + predicted, minlength=classes**2)
    groups = []
    for true, taken_for, count in confused_pairs(matrix.reshape(classes, classes)):
        images = np.flatnonzero((labels == true) & (predicted == taken_for))
        surest = images[np.argsort(-probabilities[images, taken_for], kind="stable")]
        groups.append((true, taken_for, count, surest[:EXAMPLES_PER_PAIR].tolist()))
    return groups


def _percent(interval: Interval) -> str:
    if interval["value"] is None:
        return "–"
    value = f"{100 * interval['value']:.2f}"
    if interval["low"] is None or interval["high"] is None:
        return value
    return f"{value} ({100 * interval['low']:.2f} to {100 * interval['high']:.2f})"


def _number(interval: Interval) -> str:
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
        f"Measured on the {report['images']:,} images of the **{part}** part. "
        f"{PART_NOTES.get(part, '')}".rstrip(),
        "",
        "| | value (95 % interval) |",
        "|---|---|",
        f"| Accuracy, % | {_percent(report['accuracy'])} |",
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
        "Intervals: Wilson's for accuracy, precision and recall; percentiles of "
        f"{RESAMPLES:,} bootstrap resamples (seed {report['seed']}) for the others. They assume "
        "independent images; neighbouring patches are not quite.",
        "",
        *(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in pictures),
    ]
    return "\n".join(lines).rstrip() + "\n"


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


def write_report(
    folder: str | Path,
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    history: History | None = None,
    files: Sequence[str | Path] | None = None,
    part: str = "validation",
    patches: Any = None,
    *,
    band_names: Sequence[str] | None = None,
    title: str = "How well the model classifies",
    seed: int = 0,
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
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        What `measure` gives, and "title", "part", "seed", "most_frequent_confusions"; the content
        of report.json.

    Raises
    ------
    ValueError
        When shapes do not fit, labels are out of range or probabilities are not finite.
    OSError
        When the folder cannot be written.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    report: dict[str, Any] = {"title": title, "part": part, "seed": seed}
    report |= measure(probabilities, labels, class_names, seed=seed)
    matrix = np.array(report["confusion_matrix"])
    report["most_frequent_confusions"] = [
        {"true": class_names[true], "predicted": class_names[taken_for], "images": count}
        for true, taken_for, count in confused_pairs(matrix)
    ]
    accuracy = 100 * report["accuracy"]["value"]
    heading = f"{part} part: {len(labels):,} images, {accuracy:.2f} % right"
    figures = {
        "confusion_matrix.png": draw_confusion_matrix(matrix, class_names, heading),
        "reliability.png": draw_reliability(report["calibration"], heading),
    }
    if history is not None and history_columns(history):
        figures["learning_curves.png"] = draw_learning_curves(history)
    if patches is not None or files is not None:
        pictures, names = _pictures_of_worst(probabilities, labels, files, patches, band_names)
        figures["worst_confusions.png"] = draw_worst_confusions(
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
    images = [image for group in worst_confusions(probabilities, labels) for image in group[3]]
    pictures, names = {}, {}
    for image in images:
        if patches is not None:
            pictures[image] = patch_in_colours(patches[image], band_names)
        elif files is not None:
            pictures[image] = patch_in_colours(image_functions.read_patch(files[image]))
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
    check_can_write(folder / "report.md")
    return folder


def _write_files(
    folder: Path, report: Mapping[str, Any], figures: Mapping[str, "Figure"], title: str
) -> None:
    make_folder(folder)
    for name, figure in figures.items():
        _save_figure(figure, folder / name)
    write_json(folder / "report.json", report)
    with atomic_path(folder / "report.md") as temporary:
        temporary.write_text(report_text(report, title, sorted(figures)), encoding="utf-8")

"""What a report comes to: how good the model is for a map, and what would make it better."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from landuse.evaluation import doubts

# What Thomlinson, Bolstad and Cohen 1999 (Remote Sensing of Environment 70:16-28) ask of a
# land-cover map: 85 % of all, as Anderson et al. 1976 (USGS Professional Paper 964) did, and no
# class below 70 %. A model that is right less often than the worst class may be is poor.
GOOD = 0.85
LEAST = 0.70

# Intervals wider than this leave the question open. Script 08 draws its samples for 5 points to
# either side, too.
WIDEST_INTERVAL = 0.10

# Between training and validation images; chance alone does not make as wide a gap where the
# interval is narrow enough.
LEARNED_BY_HEART = WIDEST_INTERVAL

# Right on so many training images, as augmentation changes them, a network has little left to learn
# from them. A rate that falls to 0 makes the last epochs the best in any case.
LEARNED = 0.99

RATES = ("precision", "recall")  # of a class, that are judged

GRADES = {
    "good": "good for a map",
    "usable": "usable with care",
    "poor": "poor: do not trust its maps",
    "unknown": "nobody knows: it was not measured",
    "learned": "nobody knows: it has learned from these images, or from most of them",
}


def grade(results: Mapping[str, Any]) -> str:
    """Judge a model by its measured accuracy.

    Parameters
    ----------
    results : mapping
        "accuracy" with "value" and "low"; "per_class", if known, name -> "precision" and
        "recall", each with "value"; "most_frequent_class", if known. As a report, and the record
        of a model, have them.

    Returns
    -------
    str
        "good": even the low end of the interval of the accuracy reaches 85 %, and precision and
        recall of every class reach 70 %. "poor": less than 70 % is right, or no more than
        guessing would be. "usable": what is between. "unknown": there is no accuracy.
    """
    accuracy = results.get("accuracy")
    if not isinstance(accuracy, Mapping) or not isinstance(accuracy.get("value"), float):
        return "unknown"
    value, low = accuracy["value"], accuracy.get("low")
    if value < LEAST or doubts.doubt({"results": results}):
        return "poor"
    is_good = isinstance(low, float) and low >= GOOD and not weak_classes(results)
    return "good" if is_good else "usable"


def weak_classes(results: Mapping[str, Any]) -> list[str]:
    """Name the classes of which less than 70 % is right, or found; the weakest first.

    Parameters
    ----------
    results : mapping
        As for `grade`.
    """
    per_class = results.get("per_class")
    lowest = {}
    for name, row in (per_class if isinstance(per_class, Mapping) else {}).items():
        rates = [row.get(rate) for rate in RATES] if isinstance(row, Mapping) else []
        values = [rate.get("value") for rate in rates if isinstance(rate, Mapping)]
        known = [value for value in values if isinstance(value, float)]
        if known and min(known) < LEAST:
            lowest[name] = min(known)
    return sorted(lowest, key=lambda name: (lowest[name], name))


def verdict(
    report: Mapping[str, Any],
    history: Mapping[str, np.ndarray] | None = None,
    phases: Sequence[str] = (),
    *,
    condition: str | None = None,
    learned: bool = False,
) -> dict[str, Any]:
    """Judge a report, and say what would help.

    Parameters
    ----------
    report : mapping
        What `measures.measure` gives, and "most_frequent_confusions" and "yardstick".
    history : mapping of str to ndarray, optional
        Columns of the training, as `report_figures.history_columns` gives them.
    phases : sequence of str
        Names of the phases in the history, in their order.
    condition : str, optional
        What must be so for a good figure to say that the model is good: "if ...".
    learned : bool
        Whether the model has learned from most of the images, so that a good figure says nothing.

    Returns
    -------
    dict
        "grade" (as of `grade`, or "learned"), "rule" (what decided, a sentence), "next_steps" (list
        of sentences, the most useful first), "condition" where a good or usable model has one.
    """
    matrix = np.array(report["confusion_matrix"])
    share = float(matrix.sum(axis=1).max() / matrix.sum())
    results = {**report, "most_frequent_class": share}
    found = grade(results)
    rule = _rule(found, results)
    if learned and found in ("good", "usable"):
        found = "learned"
    steps = [
        _SAY_LEARNED if found == "learned" else _say_few(report),
        *_say_of_training(report, history or {}, phases),
        _say_yardstick(report),
        *_say_confused(report),
    ]
    return {
        "grade": found,
        "rule": rule,
        "next_steps": [step for step in steps if step],
        **({"condition": condition} if condition and found in ("good", "usable") else {}),
    }


_SAY_LEARNED = (
    "measure it on labelled patches of other places (script 07, PATH_TO_IMAGES), or measure a map "
    "of it (script 08)"
)


def words_of(found: Mapping[str, Any]) -> str:
    """Return the grade of a verdict in words, with its condition."""
    condition = found.get("condition")
    return GRADES[found["grade"]] + (f", {condition}" if condition else "")


def percent_range(interval: Mapping[str, Any]) -> str:
    """Return "65.4 % (95 % interval 58.1 to 72.0)", or without the interval where none is known."""
    text, low, high = f"{100 * interval['value']:.1f} %", interval.get("low"), interval.get("high")
    if not isinstance(low, float) or not isinstance(high, float):
        return text
    return f"{text} (95 % interval {100 * low:.1f} to {100 * high:.1f})"


def _rule(found: str, results: Mapping[str, Any]) -> str:
    right = f"it is right in {percent_range(results['accuracy'])}"
    if found == "poor":
        doubt = doubts.doubt({"results": results})
        return f"{right}: {doubt}" if doubt else f"{right}, and a map needs {100 * LEAST:.0f} %"
    weak = weak_classes(results)
    below = f"below {100 * LEAST:.0f} % in {', '.join(weak)}" if weak else ""
    if found == "good":
        return f"{right}, and no class is below {100 * LEAST:.0f} %"
    if results["accuracy"]["low"] >= GOOD:
        return f"{right}, but {below}"
    wanted = f"a good map needs {100 * GOOD:.0f} % at the low end of the interval"
    return f"{right}; {wanted}" + (f", and it is {below}" if below else "")


def _say_few(report: Mapping[str, Any]) -> str:
    low, high = report["accuracy"]["low"], report["accuracy"]["high"]
    if high - low <= WIDEST_INTERVAL:
        return ""
    needed = math.ceil(report["images"] * ((high - low) / WIDEST_INTERVAL) ** 2 / 10) * 10
    return (
        f"{report['images']:,} images cannot tell {100 * low:.0f} from {100 * high:.0f} %: measure "
        f"on more, some {needed:,} of them for 5 points to either side"
    )


def _say_of_training(
    report: Mapping[str, Any], history: Mapping[str, np.ndarray], phases: Sequence[str]
) -> list[str]:
    """Say what the curves of the last phase tell: still rising, or learned by heart."""
    training, validation = history.get("accuracy"), history.get("val_accuracy")
    if training is None or validation is None:
        return []
    numbers = history.get("phase", np.zeros(len(validation)))
    last = numbers == numbers[-1]
    epochs = np.count_nonzero(last)
    last = last & np.isfinite(validation)  # not every epoch is validated
    validation, training = validation[last], training[last]
    told = []
    if is_rising(validation, report["images"]) and training[-1] < LEARNED:
        which = phases[int(numbers[-1])] if len(phases) > int(numbers[-1]) else ""
        constant = {"top": "EPOCHS_TOP", "mosaics": "MOSAIC_EPOCHS"}.get(which, "EPOCHS")
        told.append(
            f"it was still getting better at the last epoch: train longer, with {constant} = "
            f"{2 * epochs} and another PATH_TO_RUN"
        )
    best = int(np.nanargmax(validation))
    if training[best] - validation[best] > LEARNED_BY_HEART:
        told.append(
            f"it knows the images that it was trained on ({100 * training[best]:.0f} % right) much "
            f"better than others ({100 * validation[best]:.0f} %): more patches help most, then "
            "more augmentation, or a start from a model that has learned before (WEIGHTS, scripts "
            "02 and 04)"
        )
    return told


def is_rising(validation: np.ndarray, images: int) -> bool:
    """Tell whether the accuracy still rose when the epochs were over.

    Parameters
    ----------
    validation : ndarray of shape (epochs,)
        Accuracy on the validation images, 0..1.
    images : int
        How many these are.

    Returns
    -------
    bool
        Whether the mean of the last quarter of the epochs is above that of the quarter before by
        more than the standard error of an accuracy on so many images, which is what chance does.
    """
    quarter = max(1, len(validation) // 4)
    if len(validation) < 2:
        return False
    now, before = validation[-quarter:].mean(), validation[-2 * quarter : -quarter].mean()
    return bool(now - before > math.sqrt(max(now * (1 - now), 0) / images))


def _say_yardstick(report: Mapping[str, Any]) -> str:
    yardstick = report.get("yardstick")
    if not yardstick or report["accuracy"]["value"] > yardstick["value"]:
        return ""
    return (
        f"the yardstick, a linear classifier of colours and textures, is right in "
        f"{100 * yardstick['value']:.1f} %, no less than this network: train it longer, or take "
        "the model of script 03_train_baseline"
    )


def _say_confused(report: Mapping[str, Any]) -> list[str]:
    """Name the most frequent confusion, if it is more than one image in ten of its class."""
    for pair in report["most_frequent_confusions"][:1]:
        images = report["per_class"][pair["true"]]["images"]
        if pair["images"] > max(1, images / 10):
            return [
                f"these two classes are confused: {pair['images']} of {images} images of "
                f"{pair['true']} are taken for {pair['predicted']}; look at worst_confusions.png, "
                "and give more patches of both, or make them one class"
            ]
    return []


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """Return a verdict as lines for a terminal."""
    return [
        f"verdict: {words_of(found)}; {found['rule']}",
        *(f"  next: {step}" for step in found["next_steps"]),
    ]

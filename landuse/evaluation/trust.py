"""How far a map can be trusted: which model made it, how right that is, and what speaks against."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from landuse.evaluation import doubts, measures, verdicts
from landuse.networks import shipped


@dataclass(frozen=True)
class Trust:
    """What has to travel with a map.

    Attributes
    ----------
    model : str
        Which one: its run and date.
    measured : str
        How often it is right, and on which images; a sentence.
    accuracy : mapping
        "value", "low", "high" of what `measured` tells; empty where nobody knows.
    precision : mapping of str to float
        By class: the share, 0..1, of what is called so that is so. Classes without one are left
        out.
    precision_of : str
        What these are shares of: "validation patches", say.
    right_of_said : mapping of str to (int, int)
        By class, where each of them was counted by hand: how many of those called so are so, and
        how many are called so. They are shown in place of the share, since they may be few.
    weak : sequence of str
        Classes of which less than 70 % is right, or found.
    warnings : sequence of str
        Reasons not to trust the map.
    cautions : sequence of str
        What else to know.
    """

    model: str = ""
    measured: str = ""
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    precision: Mapping[str, float] = field(default_factory=dict)
    weak: Sequence[str] = ()
    warnings: Sequence[str] = ()
    cautions: Sequence[str] = ()
    precision_of: str = "patches"
    right_of_said: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def warned(self, warnings: Sequence[str]) -> "Trust":
        """Give the same with more warnings."""
        return replace(self, warnings=[*self.warnings, *warnings])

    def lines(self) -> list[str]:
        """Return all but model and warnings as sentences."""
        weak = f"Weak in {', '.join(self.weak)}." if self.weak else ""
        told = [self.measured, weak, *self.cautions]
        return [text for text in told if text]

    def right_in(self, class_name: str) -> str:
        """Say how much of what is called so is so: "97 %", "0 of 13", or "" where nobody knows."""
        if class_name in self.right_of_said:
            right, said = self.right_of_said[class_name]
            return f"{right} of {said}"
        share = self.precision.get(class_name)
        return "" if share is None else f"{100 * share:.0f} %"

    def right_in_what(self, class_name: str) -> str:
        """Say it with what it was measured on: "97 % of validation patches"; "" as `right_in`."""
        right = self.right_in(class_name)
        counted = class_name in self.right_of_said
        return right and f"{right}{' ' if counted else ' of '}{self.precision_of}"

    def without(self, absent: Sequence[str]) -> "Trust":
        """Give what holds for a map that has not these classes: what is of each class does not."""
        weak = [name for name in self.weak if name not in absent]
        return replace(self, precision={}, right_of_said={}, weak=weak)

    def as_facts(self) -> dict[str, Any]:
        """Return what is kept beside a map, as JSON can hold it."""
        return {
            "trained": self.model,
            "measured": self.measured,
            "accuracy": dict(self.accuracy) or None,
            "precisions": dict(self.precision) or None,
            "precisions_of": self.precision_of if self.precision else None,
            "right_of_said": {name: list(pair) for name, pair in self.right_of_said.items()}
            or None,
            "weak_classes": list(self.weak),
            "warnings": list(self.warnings),
            "cautions": list(self.cautions),
        }

    def digits(self) -> int:
        """Count the significant digits that an area of this map is worth.

        Where a tenth of the map may be wrong, the second digit of an area is already a guess; where
        a hundredth may be, the third. An accuracy that nobody knows is good for one.
        """
        low = self.accuracy.get("low")
        if not isinstance(low, float):
            return 1
        return 1 + math.floor(-math.log10(max(1 - low, 1e-3)) + 1e-9)


def rounded(value: float, digits: int) -> float:
    """Round a number to so many significant digits, but not to more than two decimals."""
    if value == 0:
        return 0.0
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return round(value, min(decimals, 2))


def of_model(record: Mapping[str, Any], path: str | Path) -> Trust:
    """Tell how far a model can be trusted, from its record.

    Parameters
    ----------
    record : mapping
        Of the model, as `model_files.read_record` gives it.
    path : str or Path
        Where it lies.

    Returns
    -------
    Trust
        Its warnings are those that hold for any scene of real land.
    """
    results, split = _measured_results(record), _mapping(record.get("split"))
    found = verdicts.grade(results)
    told = Trust(model=name_of(record, path), weak=verdicts.weak_classes(results))
    if record.get("task") == "pixels":
        return _of_pixels(told, found, results)
    if record.get("task") == "labels":
        return _of_labels(told, results)
    if found == "unknown":
        return replace(
            told,
            measured="Nobody knows how right this model is.",
            cautions=["Script 07 measures it on labelled patches, script 08 this map."],
        )
    warnings = []
    if found == "poor":
        right = verdicts.percent_range(results["accuracy"])
        warnings.append(
            doubts.doubt(record)
            or f"this model is right in only {right} of the patches that measured it, where a map "
            f"needs {100 * verdicts.LEAST:.0f} %: much of this map is wrong"
        )
    told = replace(
        told,
        measured=_measured(results, split),
        accuracy=results["accuracy"],
        precision=_precision(results),
        precision_of=_patches_of(results),
        warnings=warnings,
        cautions=_cautions(results, split),
    )
    name = shipped.name_of(path)
    if name is not None:  # its card says what it began with
        return _on_real_land(told, shipped.SHIPPED[name])
    return replace(told, cautions=[*told.cautions, *_of_weights(record.get("weights"))])


_PLACES = {  # where a model of pixels was measured, and what that means
    "validation": ("the blocks that were kept back", "Its best epoch was chosen by these blocks, "
                   "and they lie beside those that it learned from."),
    "test blocks": ("the test blocks", "These blocks lie beside those that it learned from."),
    "other places": ("other places", ""),
}  # fmt: skip


def _of_pixels(told: Trust, grade: str, results: Mapping[str, Any]) -> Trust:
    """Tell how far a model can be trusted that classifies pixels (script 11)."""
    place = _PLACES.get(str(results.get("part")))
    if grade == "unknown" or place is None:
        return replace(
            told,
            weak=(),
            measured="Nobody knows how right this model is.",
            cautions=["Its training was not finished. Script 08 measures this map."],
        )
    right = verdicts.percent_range(results["accuracy"])
    where, caution = place
    poor = f"this model is right in only {right} of the pixels that measured it"
    return replace(
        told,
        measured=(
            f"The model agrees with the labels in {right} of {results['pixels']:,} pixels of "
            f"{where}; mIoU {verdicts.percent_range(results['mean_iou'])}."
        ),
        accuracy=results["accuracy"],
        precision=_precision(results),
        precision_of=f"pixels of {where.removeprefix('the ')}",
        warnings=[f"{poor}: much of this map is wrong"] if grade == "poor" else [],
        cautions=[*([caution] if caution else []), "Script 08 measures this map (UNIT = 'cell')."],
    )


def _of_labels(told: Trust, results: Mapping[str, Any]) -> Trust:
    """Tell how far a model can be trusted that gives several labels (script 10)."""
    micro, macro = _mapping(results.get("micro_f1")), _mapping(results.get("macro_f1"))
    if "value" not in micro or "value" not in macro:
        return replace(
            told,
            weak=(),
            measured="Nobody knows how right this model is.",
            cautions=["Its training was not finished. Script 07 measures it."],
        )
    guess = _mapping(results.get("guessing")).get("micro_f1", 0.0)
    is_poor = micro["value"] <= guess
    chosen = "Its best epoch and its thresholds were chosen by these patches."
    return replace(
        told,
        weak=(),
        measured=(
            f"On the {results.get('patches')} {results.get('part')} patches its labels had a micro "
            f"F1 of {verdicts.percent_range(micro)} and a macro F1 of "
            f"{verdicts.percent_range(macro)}; the same labels for all patches reach "
            f"{100 * guess:.1f} %."
        ),
        warnings=["this model may be guessing: it is no better than the same labels for all"]
        if is_poor
        else [],
        cautions=[chosen] if results.get("part") != "test" else [],
    )


def _on_real_land(told: Trust, model: shipped.ShippedModel) -> Trust:
    """Let what was measured in other places stand before what was measured on patches."""
    accuracy = measures.wilson_interval(model.right, model.windows)
    measured = (
        f"The model was right in {verdicts.percent_range(accuracy)} of {model.windows} windows of "
        f"other real places. {model.known_for} {told.measured}"
    )
    told = replace(told, measured=measured, accuracy=accuracy)
    counts = model.said_and_right
    if not counts:
        return told
    # Of a few windows, a low share may be chance.
    highest = {
        name: measures.wilson_interval(right, said)["high"] or 0.0
        for name, (said, right) in counts.items()
    }
    weak = [name for name, high in highest.items() if high < verdicts.LEAST]
    return replace(
        told,
        precision={name: right / said for name, (said, right) in counts.items()},
        precision_of="windows in real places",
        right_of_said={name: (right, said) for name, (said, right) in counts.items()},
        weak=[
            *sorted(weak, key=lambda name: (highest[name], name)),
            *(name for name in told.weak if name not in weak),
        ],
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _measured_results(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give the results of a model; of a run that was not finished, what its best epoch had."""
    results = dict(_mapping(record.get("results")))
    value, images = results.get("validation_accuracy"), results.get("validation_images")
    if "accuracy" not in results and isinstance(value, float) and isinstance(images, int):
        results["accuracy"] = measures.wilson_interval(round(value * images), images)
        results |= {"part": "validation", "images": images, "finished": False}
    return results


def name_of(record: Mapping[str, Any], path: str | Path) -> str:
    """Name a model by its run and its day, not by its file, which is model.keras for all."""
    if name := shipped.name_of(path):
        return f"{name}, which comes with these scripts"
    day = _mapping(record.get("results")).get("date")
    on = f" of {_day(day)}" if isinstance(day, str) else ""
    return f"{run_of(record, path)}{on}"


def run_of(record: Mapping[str, Any], path: str | Path) -> str:
    """Name the run that a model came out of; that of a copy too, if it knows it."""
    if name := shipped.name_of(path):
        return name
    path = Path(path)
    folder = path.resolve().parent.name
    return str(record.get("run") or (folder if path.stem == "model" else path.stem))


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%B %Y}"


def _measured(results: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    right = verdicts.percent_range(results["accuracy"])
    images, part = results.get("images"), results.get("part")
    count = f"the {images} {part} images" if images and part else "the images that measured it"
    of = f" of {split['name']}" if split.get("name") else ""
    ways = {"random": "random split", "geographic": "geographic split", "places": "other places"}
    how = f" ({ways[split['kind']]})" if split.get("kind") in ways else ""
    return f"The model is right in {right} of {count}{of}{how}."


def _precision(results: Mapping[str, Any]) -> dict[str, float]:
    found = {
        name: _mapping(_mapping(row).get("precision")).get("value")
        for name, row in _mapping(results.get("per_class")).items()
    }
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _patches_of(results: Mapping[str, Any]) -> str:
    part = results.get("part")
    return f"{part} patches" if part in ("training", "validation", "test") else "patches"


def _of_weights(weights: Any) -> list[str]:
    """Say that a model which went on from another may have seen the images through that one."""
    if not isinstance(weights, str):
        return []
    began = shipped.SHIPPED[weights].file if weights in shipped.SHIPPED else Path(weights).name
    if not began.endswith(".keras"):
        return []
    return [f"It went on from {began}, which may have learned from these images."]


def _cautions(results: Mapping[str, Any], split: Mapping[str, Any]) -> list[str]:
    told = []
    if results.get("finished") is False:
        told.append("Its training was not finished.")
    if results.get("part") == "training":
        told.append("It was trained on these images: expect less.")
    elif results.get("part") != "test":
        told.append("No independent test part: its best epoch was chosen by the same images.")
    if split.get("kind") == "random":
        told.append("Neighbours of these images were trained on, which flatters.")
    low, high = results["accuracy"].get("low"), results["accuracy"].get("high")
    ends = isinstance(low, float) and isinstance(high, float)
    if ends and high - low > verdicts.WIDEST_INTERVAL:
        told.append(
            f"{results.get('images', 'So few')} images cannot tell {100 * low:.0f} from "
            f"{100 * high:.0f} %."
        )
    told.append(
        "These are patches of one class each; in a map, windows of several classes come on top. "
        "Script 08 measures this map."
    )
    return told

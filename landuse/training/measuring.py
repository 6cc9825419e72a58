"""The best model of a run, calibrated and measured when its training is over."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse.evaluation import (
    calibration,
    measures,
    prediction_sets,
    predictions,
    reports,
    verdicts,
)
from landuse.networks import catalogue, model_files, priors, views
from landuse.training import training_data, yardsticks

if TYPE_CHECKING:
    from landuse.training import runs


def look_again(run: "runs.Run", count: int, size: int | None) -> None:
    """Let the model look at several views of each patch, or at larger pictures, once."""
    if count == 1 and size is None:
        return
    model, record = model_files.load(run.model_path)
    if "views" in record["results"]:
        return
    learned_at = views.picture_size(model)
    model = views.in_use(model, record["network"], count, size)
    now = views.picture_size(model)
    record["results"] |= {"views": count, "size_in_use": now, "size_in_training": learned_at}
    model_files.save(model, record, run.model_path)
    slower = count * (now / learned_at) ** 2
    print(
        f"in use, the model takes the mean of {count} views of {now} px where it learned from one "
        f"of {learned_at} px: about {slower:.1f} times the work"
    )


def calibrate(run: "runs.Run", data: training_data.Data, batch_size: int) -> None:
    """Bring the probabilities to the temperature that fits the validation part, once."""
    model, record = model_files.load(run.model_path)
    if "temperature" in record["results"]:
        return
    patches, labels = data.validation.patches, data.validation.labels
    mosaic = predictions.mosaic_of(record)
    probabilities = predictions.predict(model, patches, batch_size, mosaic)
    temperature = calibration.best_temperature(probabilities, labels)
    calibration.set_temperature(model, temperature)
    record["results"]["temperature"] = temperature
    model_files.save(model, record, run.model_path)
    print(f"calibrated on the {len(labels)} validation images: temperature {temperature:.2f}")


def shift(run: "runs.Run", data: training_data.Data, land_shares: Mapping[str, float]) -> None:
    """Make the model expect some classes as often as they are on the land, once."""
    model, record = model_files.load(run.model_path)
    if "land_shares" in record["results"]:
        return
    names = data.class_names
    counts = np.bincount(data.train.labels, minlength=len(names))
    added = priors.shift_of_logits(land_shares, counts, names)
    priors.shift_model(model, added)
    record["results"] |= {"land_shares": dict(land_shares), "added_to_logits": added.tolist()}
    model_files.save(model, record, run.model_path)
    told = ", ".join(f"{name} {added[names.index(name)]:+.2f}" for name in land_shares)
    print(f"classes as common as on the land, added to their logits: {told}")


def measure(
    run: "runs.Run",
    data: training_data.Data,
    batch_size: int,
    write_report: Callable[..., dict[str, Any]],
) -> None:
    """Write the report on the test part, or the validation part, and note its figures."""
    part = "validation" if data.test is None else "test"
    images = getattr(data, part)
    print(f"measuring the best model on {len(images.labels)} images of the {part} part ...")
    model, record = model_files.load(run.model_path)
    mosaic = predictions.mosaic_of(record)
    probabilities = predictions.predict(model, images.patches, batch_size, mosaic)
    among = f" in mosaics of {mosaic} x {mosaic} patches" if mosaic > 1 else ""
    record["conformal"] = prediction_sets.calibrate(
        probabilities
        if part == "validation"
        else predictions.predict(model, data.validation.patches, batch_size, mosaic),
        data.validation.labels,
        "validation",
    )
    report = write_report(
        run.folder,
        probabilities,
        images.labels,
        data.class_names,
        history=run.state.history or None,
        files=images.files,
        part=part,
        patches=images.patches,
        band_names=data.band_names,
        title=f"{record['network']}{among}, {len(data.train.labels):,} training images",
        note=reports.note_of(part, record["network"]),
        yardstick=_yardstick(run, data, images, record),
        conformal=record["conformal"],
    )
    record["results"] |= _figures(report)
    share = np.bincount(images.labels).max() / len(images.labels)
    record["results"] |= {"most_frequent_class": float(share), "finished": True}
    if mosaic > 1:
        alone = predictions.predict(model, images.patches, batch_size).argmax(axis=1)
        right = float(np.mean(alone == images.labels))
        record["results"]["accuracy_patch_by_patch"] = right
    model_files.save(model, record, run.model_path)
    told = verdicts.percent_range(report["accuracy"])
    print(f"{part} accuracy {told}{among}{_in_epoch(run, report)}")
    if yardstick := report["yardstick"]:
        print(f"that of the yardstick is {100 * yardstick['value']:.1f} %")
    print("\n".join(verdicts.lines_of(report["verdict"])))


def _in_epoch(run: "runs.Run", report: Mapping[str, Any]) -> str:
    """Say why this accuracy is not the one that the best epoch had, where it is not."""
    then, now = f"{100 * run.state.best:.1f}", f"{100 * report['accuracy']['value']:.1f}"
    if then == now or not run.state.history:
        return ""
    if report["part"] == "validation":
        return f" ({then} % in its epoch; this is the saved model, measured again)"
    return f" ({then} % of the validation images, which chose the epoch and flatter)"


def _yardstick(
    run: "runs.Run",
    data: training_data.Data,
    images: training_data.Part,
    record: dict[str, Any],
) -> measures.Interval | None:
    """Measure what a linear classifier reaches on these images; None for such a one itrun."""
    if record["network"] == catalogue.BASELINE:
        return None
    path = yardsticks.beside(run.folder, data, record)
    return yardsticks.accuracy(path, images.patches, images.labels, data.units)


def _figures(report: Mapping[str, Any]) -> dict[str, Any]:
    names = ("part", "images", "accuracy", "balanced_accuracy", "macro_f1", "kappa", "yardstick")
    error = report["calibration"]["expected_calibration_error"]
    classes = {
        name: {what: row[what] for what in ("images", "precision", "recall")}
        for name, row in report["per_class"].items()
    }
    return {
        **{name: report[name] for name in names},
        "expected_calibration_error": error,
        "per_class": classes,
    }

"""A training run whose model gives several labels: what it says of itself, and its report."""

from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import devices
from landuse.evaluation import predictions
from landuse.multilabel import label_data, label_measures, label_reports
from landuse.networks import model_files
from landuse.training import processes, run_folders

if TYPE_CHECKING:
    from landuse.training import runs

MONITOR = "val_average_precision"


def describe(
    run: "runs.Run", data: label_data.LabelData, network: str, weights: str | None
) -> None:
    """Note what the saved model has to tell about itself, and say what is ahead.

    Raises
    ------
    ValueError
        If this run was started with other patches, labels or parts.
    """
    digest = data.digest()
    if run.state.images not in ("", digest):
        raise ValueError(
            f"{run.folder} holds a run with other patches: they, their labels or their parts have "
            "changed since. Give another PATH_TO_RUN"
        )
    processes.agree("the labels", digest)
    run.state.images = digest
    run.monitor = MONITOR
    run.record = {
        "task": model_files.SEVERAL_LABELS,
        "class_names": data.class_names,
        "band_names": data.band_names,
        "units": "DN",
        "patch_size": label_data.SIDE,
        "statistics": data.statistics,
        "network": network,
        "weights": run_folders.without_absolute_paths({"weights": weights})["weights"],
        "dense": False,
        "mosaic": None,
        "processing_level": "L1C" if data.built_in_sample else "L2A",
        "built_in_sample": data.built_in_sample,
        "run": run.folder.resolve().name,
        "settings": run_folders.without_absolute_paths(run.settings),
        "versions": run_folders.versions(),
        "results": {},
    }
    counts = {part: len(places) for part, places in data.places.items()}
    per_patch = data.labels("train").sum(axis=1).mean()
    print(
        f"{network}, {len(data.band_names)} bands, {len(data.class_names)} classes, "
        f"{per_patch:.1f} a patch; {counts['train']:,} patches to train, "
        f"{counts['validation']:,} to validate, {counts['test']:,} to test; {devices.describe()}"
    )


def measure(run: "runs.Run", data: label_data.LabelData, batch_size: int) -> None:
    """Find thresholds on the validation part, measure the best model, and write the report."""
    run.sharing.close()  # from here on, one device of one process answers
    if not processes.is_first():
        return
    model, record = model_files.load(run.model_path)
    validation = predictions.predict(model, data.patches("validation"), batch_size)
    thresholds = label_measures.best_thresholds(data.labels("validation"), validation)
    record["thresholds"] = [round(float(value), 4) for value in thresholds]
    part = data.measured
    print(f"measuring the best model on {len(data.places[part]):,} patches of the {part} part ...")
    answers = (
        validation
        if part == "validation"
        else predictions.predict(model, data.patches(part), batch_size)
    )
    figures = figures_of(data, part, answers, np.array(record["thresholds"]))
    title = f"{record['network']}, several labels, {len(data.places['train']):,} training patches"
    label_reports.write_report(run.folder, figures, data.class_names, title, run.state.history)
    record["results"] |= results_of(figures)
    model_files.save(model, record, run.model_path)
    print(summary(figures))
    print(f"report: {run.folder / 'report.md'}")


def figures_of(
    data: label_data.LabelData, part: str, answers: np.ndarray, thresholds: np.ndarray
) -> dict[str, Any]:
    """Give all figures of the answers for a part, with "part" beside."""
    measured = label_measures.measure(
        data.labels(part), answers, thresholds, data.class_names, data.tiles(part)
    )
    return {"part": part, **measured}


def results_of(figures: dict[str, Any]) -> dict[str, Any]:
    """Return what the record of a model keeps of its report."""
    names = ("part", "patches", "tiles", "micro_f1", "macro_f1", "mean_average_precision")
    return {name: figures[name] for name in (*names, "guessing")} | {
        "f1_per_class": {name: row["f1"] for name, row in figures["per_class"].items()}
    }


def summary(figures: dict[str, Any]) -> str:
    """Say the most important figures in one line."""
    guess = figures["guessing"]
    return (
        f"{figures['part']}: micro F1 {100 * figures['micro_f1']['value']:.1f} %, "
        f"macro F1 {100 * figures['macro_f1']['value']:.1f} %, "
        f"mAP {100 * figures['mean_average_precision']:.1f} % (without looking "
        f"{100 * guess['micro_f1']:.1f}, {100 * guess['macro_f1']:.1f} and "
        f"{100 * guess['mean_average_precision']:.1f} %)"
    )

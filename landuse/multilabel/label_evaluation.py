"""A model that gives several labels, measured on patches: its own, or others (script 07)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landuse import choices, files
from landuse.evaluation import predictions
from landuse.mapping import several_labels
from landuse.multilabel import ben_listing, label_data, label_reports, label_runs
from landuse.networks import model_files

LISTED = {  # by the constants of script 10
    "metadata": "PATH_TO_METADATA",
    "lists": "PATH_TO_LISTS",
    "split": "SPLIT",
    "leave_out_snow_and_clouds": "LEAVE_OUT_SNOW_AND_CLOUDS",
    "fraction_validation": "FRACTION_VALIDATION",
    "fraction_test": "FRACTION_TEST",
    "fraction_patches": "FRACTION_PATCHES",
    "seed": "SEED",
}
OF_OTHERS = ("split", "leave_out_snow_and_clouds", "fraction_validation", "fraction_test", "seed")


@dataclass(frozen=True)
class MeasuredPatches:
    """Patches that a model is measured on.

    Attributes
    ----------
    folder : Path
        Of the data set.
    part : str or None
        None: the test part, or the validation part where there is none.
    own : bool
        Whether they are those that the model was trained with.
    settings : mapping
        How they were listed and dealt.
    """

    folder: Path
    part: str | None
    own: bool
    settings: Mapping[str, Any]

    def name(self, part: str) -> str:
        """Give a name for the report that patches of another data set do not share."""
        return part if self.own else f"{self.folder.resolve().name}_{part}"

    def describe(self) -> str:
        """Say what they are, for the terminal."""
        return f"{self.folder}{' (of the training run)' if self.own else ''}"


def find(
    record: Mapping[str, Any], path_to_model: Path, images: str | None, part: str | None
) -> MeasuredPatches:
    """Find the patches to measure a model on.

    Parameters
    ----------
    record : mapping
        Of the model.
    path_to_model : Path
    images : str or None
        Folder of BigEarthNet; None: the one of the training run.
    part : str or None
        "train", "validation" or "test".

    Raises
    ------
    ValueError, OSError
    """
    if part is not None:
        choices.check_choice("PART", part, ben_listing.PARTS)
    beside = path_to_model.parent / "settings.json"
    settings = files.read_json(beside) if beside.is_file() else record.get("settings") or {}
    own = settings.get("PATH_TO_PATCHES")
    chosen = images if images is not None else own
    if chosen is None or (images is None and not Path(chosen).is_dir()):
        raise FileNotFoundError(
            f"the patches that {path_to_model} was trained with are not "
            f"{'told' if own is None else 'in ' + own}: name a folder of BigEarthNet by "
            "PATH_TO_IMAGES"
        )
    folder = Path(chosen)
    is_own = own is not None and folder.resolve() == Path(own).resolve()
    return MeasuredPatches(folder, part, is_own, settings)


def read_data(
    measured: MeasuredPatches, record: Mapping[str, Any], skip_bad: bool
) -> label_data.LabelData:
    """List the patches as they were listed to train with, and open their packed form.

    Raises
    ------
    ValueError, OSError
    """
    names = LISTED if measured.own else {name: LISTED[name] for name in OF_OTHERS}
    listed = {
        name: measured.settings[constant]
        for name, constant in names.items()
        if constant in measured.settings
    }
    store = measured.settings.get("PATH_TO_STORE")
    return label_data.read_data(
        measured.folder,
        bands=record["band_names"],
        store=store if store is not None and Path(store).parent.is_dir() else None,
        skip_bad=skip_bad,
        with_statistics=False,
        class_count=len(record["class_names"]),
        **listed,
    )


def write_report(
    folder: Path,
    measured: MeasuredPatches,
    data: label_data.LabelData,
    path_to_model: Path,
    batch_size: int,
) -> None:
    """Measure a model with its own thresholds, and write the report into a folder that is there.

    Raises
    ------
    ValueError
        When the part has no patches.
    """
    part = measured.part or data.measured
    if not len(data.places[part]):
        raise ValueError(f"{measured.folder} has no patches of the {part} part")
    model, record = model_files.load(path_to_model)
    answers = predictions.predict(model, data.patches(part), batch_size)
    thresholds = np.array(several_labels.thresholds_of(record))
    figures = label_runs.figures_of(data, part, answers, thresholds)
    title = f"{record['network']}, several labels ({path_to_model}) on {measured.folder}"
    label_reports.write_report(folder, figures, record["class_names"], title)
    print(label_runs.summary(figures))
    print(f"report: {folder / 'report.md'}")

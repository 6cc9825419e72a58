"""Which images measure a model: those of its own split, or others, and what that means."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landuse import files
from landuse.networks import shipped
from landuse.patches import (
    class_folders,
    part_names,
    split_folders,
    split_identity,
    split_marker,
)
from landuse.sample import sample_marker

SETTING = "PATH_TO_SPLIT_DATASETS"  # of a training script, in which a model remembers its split
UNSEEN = "if the model has not learned from these images"


@dataclass(frozen=True)
class MeasuredImages:
    """A folder of labelled images, as a model sees it.

    Attributes
    ----------
    folder : Path
    part : str
        "training", "validation", "test", or how the folder is called.
    own : bool or None
        Whether it is a part of the split that the model was trained on; None: nobody knows.
    note : str or None
        What that says of the figures; None: what the part alone says.
    condition : str or None
        What must be so for a good figure to say that the model is good ("if ..."), where nobody
        can look; None: nothing.
    learned : bool
        Whether the model has learned from most of them.
    """

    folder: Path
    part: str
    own: bool | None
    note: str | None
    condition: str | None = None
    learned: bool = False

    @property
    def name(self) -> str:
        """Give a name for the report that images of another data set do not share."""
        return (
            self.part
            if self.own is not False
            else f"{self.folder.resolve().parent.name}_{self.part}"
        )

    def describe(self) -> str:
        """Say what they are, for the terminal."""
        if self.own:
            return f"{self.folder} ({self.part} part of the model's own split)"
        return f"{self.folder}{' (' + self.note + ')' if self.note else ''}"


def find(
    record: Mapping[str, Any], path_to_model: str | Path, images: str | None, part: str | None
) -> MeasuredImages:
    """Find the images to measure a model on.

    Parameters
    ----------
    record : mapping
        Of the model.
    path_to_model : str or Path
    images : str or None
        Folder with a folder for each class; None: the test part of the model's own split, or the
        validation part where there is none.
    part : str or None
        What they are, in other words than the folder's name.

    Raises
    ------
    ValueError
        When nothing is named and the model's own split is not found.
    """
    own = own_split(record, path_to_model)
    if images is None:
        if own is None:
            raise ValueError(_say_where(record, path_to_model))
        chosen = "test" if split_folders.has_part(own, "test") else "validation"
        return MeasuredImages(part_names.folder_of(own, chosen), part or chosen, True, None)
    folder = Path(images)
    name = part or _part_of(folder)
    learned = _part_of(folder) == "training"  # if it is the model's own
    if own is not None and folder.resolve().parent == own.resolve():
        return MeasuredImages(folder, name, True, None, learned=learned)
    split = _split_of(record)
    if not split:
        note = "the model does not tell which images it has learned from"
        return MeasuredImages(folder, name, None, note, UNSEEN)
    if part_names.part_of(folder.resolve().name) and _is(folder.resolve().parent, split):
        return MeasuredImages(folder, name, True, None, learned=learned)
    came_along = shipped.name_of(path_to_model)
    if came_along is not None and shipped.SHIPPED[came_along].learned_from:
        return _for_shipped(shipped.SHIPPED[came_along], folder, name)
    if own is None:
        note = (
            f"these may be images that the model learned from: its split ({split['name']}) is not "
            "at hand to compare"
        )
        return MeasuredImages(folder, name, False, note, UNSEEN)
    note = f"another data set than the one that the model was trained on ({split['name']})"
    count, known = _known_images(folder, own)
    if known:
        note += f"; {known:,} of its images have the names of training images of the model"
    most = 2 * known > count
    return MeasuredImages(folder, name, False, note, UNSEEN if known else None, most)


def _for_shipped(model: shipped.ShippedModel, folder: Path, name: str) -> MeasuredImages:
    """Tell what images mean for a model that comes along: its own are on nobody's disk."""
    learned_from = f"the model learned from {model.learned_from}"
    found = class_folders.find_images(folder, least_classes=1)
    alike = sum(
        bool(re.fullmatch(rf"{re.escape(label)}_\d+", image.stem))
        for label, images in found.items()
        for image in images
    )
    if sample_marker.is_of_sample(folder) or split_marker.is_of_sample(folder.resolve().parent):
        return MeasuredImages(folder, name, False, "the built-in sample, which is made")
    condition = f"if none of these images is of {model.data_set}"
    if 2 * alike > sum(map(len, found.values())):
        note = f"{learned_from}, and these images are named as those of {model.data_set}"
        return MeasuredImages(
            folder, name, False, note, f"{condition}, though their names suggest so"
        )
    note = f"{learned_from}; these images have other names"
    return MeasuredImages(folder, name, False, note, condition)


def own_split(record: Mapping[str, Any], path_to_model: str | Path) -> Path | None:
    """Find the split that a model was trained on; None where it has moved or changed."""
    split = _split_of(record)
    if not split:
        return None
    return next((path for path in _candidates(record, path_to_model) if _is(path, split)), None)


def _split_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    split = record.get("split")
    return split if isinstance(split, Mapping) and split.get("fingerprint") else {}


def _is(folder: Path, split: Mapping[str, Any]) -> bool:
    if not part_names.parts_in(folder):
        return False
    try:
        return split_identity.identity(folder)["fingerprint"] == split["fingerprint"]
    except (ValueError, OSError):
        return False


def _candidates(record: Mapping[str, Any], path_to_model: str | Path) -> list[Path]:
    """Give the places where the split of a model may lie, as its run and its record name them."""
    told = [record.get("settings")]
    beside = Path(path_to_model).parent / "settings.json"
    if beside.is_file():
        with contextlib.suppress(ValueError, OSError):
            told.insert(0, files.read_json(beside))
    names = [settings.get(SETTING) for settings in told if isinstance(settings, Mapping)]
    return [Path(name) for name in dict.fromkeys(names) if isinstance(name, str) and name]


def _say_where(record: Mapping[str, Any], path_to_model: str | Path) -> str:
    split, places = _split_of(record), _candidates(record, path_to_model)
    ask = "name a folder of labelled images, with a folder for each class, by PATH_TO_IMAGES"
    if not split:
        return f"{path_to_model} does not tell which images it has learned from: {ask}"
    name = shipped.name_of(path_to_model)
    if name is not None:
        model = shipped.SHIPPED[name]
        return (
            f"the model {name} comes with these scripts, but the images that it was trained on do "
            f"not. Name labelled patches of your own by PATH_TO_IMAGES (a folder with a folder for "
            f"each class{f'; not of {model.data_set}' if model.data_set else ''}), or measure a "
            "map of it by script 08"
        )
    looked = " or ".join(map(str, places)) or "no place that it names"
    return (
        f"{path_to_model} was trained on the split {split.get('name')}, which is not (or not "
        f"unchanged) in {looked}: {ask}"
    )


def _part_of(folder: Path) -> str:
    name = folder.resolve().name
    part = part_names.part_of(name) or name
    return "training" if part == "train" else part


def _known_images(folder: Path, own: Path) -> tuple[int, int]:
    """Count the images, and those whose class and name a training image of the model has, too."""

    def names(place: Path) -> set[tuple[str, str]]:
        found = class_folders.find_images(place, least_classes=1)
        return {(name, image.stem) for name, images in found.items() for image in images}

    there = names(folder)
    return len(there), len(there & names(part_names.folder_of(own, "train")))

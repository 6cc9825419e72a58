"""The folder of a split: made whole or not at all, and read part by part.

It holds a data set (a folder for each class) for each part: train, validation and, where asked
for, test.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from landuse import choices, files
from landuse.patches import (
    class_folders,
    file_contents,
    part_names,
    patch_cache,
    processing_levels,
    split_marker,
    splits,
)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def check_paths_are_apart(source: Path, target: Path) -> None:
    """Raise ValueError when one of two folders lies in the other."""
    inner, outer = Path(os.path.realpath(target)), Path(os.path.realpath(source))
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise ValueError(
            f"PATH_TO_SPLIT_DATASETS = {target} and PATH_TO_ALL_IMAGES = {source}: one contains "
            "the other; choose a folder of its own for the split"
        )


def _count_missing(folder: Path, names: Mapping[str, Sequence[str]]) -> int:
    present = {
        f"{part}/{name}/{image.name}"
        for part in names
        if (folder / part).is_dir()
        for name, images in class_folders.find_images(folder / part, least_classes=1).items()
        for image in images
    }
    wanted = {f"{part}/{name}" for part, members in names.items() for name in members}
    return len(wanted - present)


def split_is_there(folder: Path, split: splits.Split, settings: Mapping[str, Any]) -> bool:
    """Tell whether a folder already holds this very split.

    Parameters
    ----------
    folder : folder of the split
    split : part -> class name -> images
    settings : what the split was made with, as JSON holds it

    Returns
    -------
    bool
        True: it is there, whole. False: there is nothing yet.

    Raises
    ------
    ValueError
        When something else is there; the message says what.
    """
    if not folder.exists() or _is_empty(folder):
        return False
    marker = split_marker.read(folder)
    advice = "choose another folder, or set DELETE_OLD_PATH_TO_SPLIT_DATASETS = True"
    if marker is None:
        raise ValueError(
            f"{folder} is there already and was not made by this script (it has no "
            f"{split_marker.FILE}); it is left as it is: choose another folder"
        )
    if others := choices.changed(marker.get("settings", {}), settings):
        told = "; ".join(others)
        raise ValueError(f"{folder} holds a split with other settings: {told}; {advice}")
    if marker.get("files") != split_marker.digest_of(split):
        raise ValueError(
            f"{folder} holds a split of other images: the source has changed since; {advice}"
        )
    missing = _count_missing(folder, split_marker.names_in(split))
    if missing:
        raise ValueError(f"{folder}: {missing} images of the split are gone; {advice}")
    if differ := _images_that_differ(folder, split):
        raise ValueError(
            f"{folder} does not hold what the source holds now: {len(differ)} images differ, such "
            f"as {differ[0]}; {advice}"
        )
    return True


def _images_that_differ(folder: Path, split: splits.Split) -> list[Path]:
    """Find the images of the source that are not those of the folder any more."""
    return file_contents.changed(
        (image, folder / part / name / image.name)
        for part, classes in split.items()
        for name, images in classes.items()
        for image in images
    )


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.EEXIST):
            raise
        shutil.copyfile(source, target)
        shutil.copystat(source, target)


def _fill_folder(folder: Path, split: splits.Split, settings: Mapping[str, Any]) -> None:
    # First, and in one go, so that a folder left by a killed run can be told to be ours.
    split_marker.write(folder, split, settings)
    total = sum(len(images) for classes in split.values() for images in classes.values())
    with tqdm(total=total, desc="linking", unit="image", leave=False) as bar:
        for part, classes in split.items():
            for name, images in classes.items():
                (folder / part / name).mkdir(parents=True)
                for image in images:
                    _link_or_copy(image, folder / part / name / image.name)
                bar.update(len(images))
    for part, names in split_marker.names_in(split).items():
        text = "".join(f"{name}\n" for name in names)
        (folder / f"{part}.txt").write_text(text, encoding="utf-8")


def _foreign_entries(folder: Path) -> list[str]:
    """Entries of one of our split folders that neither script 01 nor a later step put there."""
    ours = {
        split_marker.FILE,
        "statistics.json",
        ".cache",
        *splits.PARTS,
        *(f"{part}.txt" for part in splits.PARTS),
    }
    return sorted(entry.name for entry in folder.iterdir() if entry.name not in ours)


def _foreign_files(folder: Path) -> list[str]:
    listed = {
        f"{part}/{name}"
        for part in splits.PARTS
        if (folder / f"{part}.txt").is_file()
        for name in (folder / f"{part}.txt").read_text(encoding="utf-8").splitlines()
    }
    present = (
        (Path(root) / name).relative_to(folder).as_posix()
        for part in splits.PARTS
        for root, _, names in os.walk(folder / part)
        for name in names
    )
    return sorted(name for name in present if name not in listed)


def _check_may_delete(folder: Path) -> None:
    if split_marker.read(folder) is None:
        raise ValueError(
            f"{folder} was not made by this script (it has no {split_marker.FILE}) and is not "
            "deleted; choose another folder, or remove it by hand"
        )
    foreign = _foreign_entries(folder) or _foreign_files(folder)
    if foreign:
        raise ValueError(
            f"{folder} holds what this script did not make ({', '.join(foreign[:3])}) and is not "
            "deleted; move that elsewhere first"
        )


def make_split_folder(
    folder: str | os.PathLike[str],
    split: splits.Split,
    settings: Mapping[str, Any],
    delete_old: bool = False,
) -> bool:
    """Make the folders of a split, whole or not at all.

    Images are hard links to their source where that is possible, else copies. Beside them lie
    `split.json` (the settings) and the list of each part. The same settings and images again do
    nothing.

    Parameters
    ----------
    folder : folder to make; its parent must be there
    split : part -> class name -> images
    settings : what the split was made with; values that JSON holds
    delete_old : whether to make it anew in any case, in place of an older split if this function
        made that

    Returns
    -------
    bool
        Whether anything was made.

    Raises
    ------
    ValueError
        When the folder holds something else, or images that this function did not put there.
    OSError
        When it cannot be written, or another run is writing it.
    """
    folder = Path(os.path.realpath(folder))  # a link to another disk stays a link
    if not folder.is_dir():
        files.check_can_write(folder)
    with files.lock(folder, "splitting images into the folder"):
        if _check_there(folder, split, settings, delete_old):
            return False
        with files.whole_folder(folder) as building:
            _fill_folder(building, split, settings)
    return True


def _check_there(
    folder: Path, split: splits.Split, settings: Mapping[str, Any], delete_old: bool
) -> bool:
    if not delete_old:
        return split_is_there(folder, split, settings)
    if folder.exists() and not _is_empty(folder):
        _check_may_delete(folder)
    return False


def check_split(
    path_to_split: str | os.PathLike[str], parts: Sequence[str] = ("train", "validation")
) -> None:
    """Raise FileNotFoundError when a folder is no split, or lacks one of these parts."""
    folder = Path(path_to_split)
    found = part_names.parts_in(folder)
    for part in parts:
        wanted = part_names.folder_of(folder, part)
        if not wanted.is_dir() and found:
            names = ", ".join(sorted(inner.name for group in found.values() for inner in group))
            raise FileNotFoundError(
                f"there is no folder {wanted} (nor one called "
                f"{' or '.join(part_names.NAMES[part][1:])}); {folder} has {names}: make the part "
                "that is missing, or split the images with script 01"
            )
        if not wanted.is_dir():
            missing = wanted if folder.is_dir() else folder
            raise FileNotFoundError(
                f"there is no folder {missing}; split the images with script 01 first"
            )


def has_part(path_to_split: str | os.PathLike[str], part: str) -> bool:
    """Tell whether a split has images of a part."""
    return any(part_names.folder_of(Path(path_to_split), part).glob("*/*"))


def bands_of_part(path_to_split: str | os.PathLike[str], part: str) -> tuple[str, ...]:
    """Return the names of the bands that `load_part` gives when it is asked for all."""
    listing = Listing(path_to_split)
    cache, order = listing.folder / ".cache", split_marker.order_of(listing.folder)
    return patch_cache.bands_of_patches(listing.files(part), cache, order)


class Listing:
    """The images of a split: each part is listed once, when it is first asked for.

    Parameters
    ----------
    path_to_split : folder made by script 01
    """

    def __init__(self, path_to_split: str | os.PathLike[str]) -> None:
        self.folder = Path(path_to_split)
        self._images: dict[str, dict[str, list[Path]]] = {}

    def images(self, part: str) -> dict[str, list[Path]]:
        """Return the images of each class of a part."""
        if part not in self._images:
            check_split(self.folder, ("train", part))
            place = part_names.folder_of(self.folder, part)
            least = 2 if part == "train" else 1
            self._images[part] = class_folders.find_images(place, least_classes=least)
        return self._images[part]

    def files(self, part: str) -> list[Path]:
        """Return all images of a part, class by class."""
        return [image for members in self.images(part).values() for image in members]

    @functools.cached_property
    def bands(self) -> tuple[str, ...]:
        """The bands of the first image to train with that can be read."""
        return patch_cache.bands_of_first(self.files("train"), split_marker.order_of(self.folder))

    @property
    def level(self) -> str | None:
        """The level of the images: as script 01 was told, or as they tell themselves."""
        told = split_marker.level_of(self.folder)
        return told or processing_levels.level_of(self.files("train"), self.bands)


def load_part(
    path_to_split: str | os.PathLike[str] | Listing,
    part: str,
    bands: Sequence[str] | None = None,
    skip_bad: bool = False,
) -> tuple[NDArray[Any], NDArray[np.int64], list[str], list[Path]]:
    """Open the patches of one part of a split.

    Parameters
    ----------
    path_to_split : folder made by script 01, or its images where these are listed already
    part : {"train", "validation", "test"}
    bands : names of the bands wanted, in order; None: all
    skip_bad : see `open_patches`

    Returns
    -------
    patches : ndarray of shape (N, 64, 64, bands), uint8 or uint16, mapped from a file
    labels : ndarray of shape (N,), int64
        Positions in `class_names`.
    class_names : list of str
        The classes of the train part, sorted.
    files : list of N paths
    """
    listing = path_to_split if isinstance(path_to_split, Listing) else Listing(path_to_split)
    folder = listing.folder
    class_names = list(listing.images("train"))
    unknown = [name for name in listing.images(part) if name not in class_names]
    if unknown:
        place, learned = (part_names.folder_of(folder, name) for name in (part, "train"))
        raise ValueError(f"{place} has classes that {learned} lacks: {', '.join(unknown)}")
    patches, files = patch_cache.open_good_patches(
        listing.files(part), bands, folder / ".cache", skip_bad, split_marker.order_of(folder)
    )
    labels = np.array([class_names.index(file.parent.name) for file in files], np.int64)
    return patches, labels, class_names, files

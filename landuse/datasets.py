"""Labelled patches on disk: finding them, splitting them, decoding them once.

A data set is a folder with a folder for each class; a split is a folder with such data sets
named train, validation and, where asked for, test.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import image_functions
from landuse import files as whole_files

PARTS = ("train", "validation", "test")
SAMPLE_MARKER = "sample.json"  # beside the parts of the built-in, made sample
SAMPLE_PARTS = ("EuroSAT_MS", "EuroSAT_RGB", "scene.tif", "scene_truth.tif")

Split = dict[str, dict[str, list[Path]]]  # part -> class name -> images

_MARKER = "split.json"
_MADE_BY = "01_split_data_to_train_and_validation"
_BLOCK = 256  # patches decoded before they are written


# --- finding --------------------------------------------------------------------------------


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in image_functions.IMAGE_SUFFIXES and not path.name.startswith(".")


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if _is_visible_folder(entry))


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _images_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file()]
    return [folder / name for name in sorted(names) if _is_image(Path(name))]


def _missing_folder(folder: Path) -> FileNotFoundError:
    siblings = [p.name for p in _visible_folders(folder.parent)] if folder.parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, siblings, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(str(folder.parent / name) for name in near)}?"
    else:
        hint = "step 00 gets the data"
    return FileNotFoundError(f"there is no folder {folder}; {hint}")


def _check_has_class_folders(folder: Path) -> None:
    if not folder.exists():
        raise _missing_folder(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; expected a folder with a folder per class")
    direct = _images_in(folder)
    if direct:
        raise ValueError(
            f"{folder} has images directly in it ({direct[0].name} and {len(direct) - 1} more); "
            f"expected a folder for each class, {folder}/<Class>/{direct[0].name}"
        )


def _no_images(folder: Path) -> ValueError:
    deeper = [
        inner
        for inner in _visible_folders(folder)
        if any(_images_in(below) for below in _visible_folders(inner))
    ]
    hint = f"; did you mean {' or '.join(map(str, deeper))}?" if deeper else ""
    return ValueError(
        f"{folder} holds no images; expected {folder}/<Class>/*"
        f"{' or '.join(image_functions.IMAGE_SUFFIXES)}{hint}"
    )


def _check_names_are_text(images: Mapping[str, Sequence[Path]]) -> None:
    for path in (path for members in images.values() for path in members):
        try:
            f"{path.parent.name}/{path.name}".encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{path.parent} holds a name that is no UTF-8 text: {path.name!r}; rename it"
            ) from error


def find_images(folder: str | os.PathLike[str], least_classes: int = 2) -> dict[str, list[Path]]:
    """Find the images of a data set.

    Parameters
    ----------
    folder : folder with a folder for each class
        Hidden files and folders, and folders without images, are passed over.
    least_classes : how many classes there must be

    Returns
    -------
    dict
        Class name -> its images, both sorted by name.

    Raises
    ------
    OSError
        When the folder is missing (names like it are suggested) or is a file.
    ValueError
        When it holds no images, too few classes, or images that lie in no class folder.
    """
    folder = Path(folder)
    _check_has_class_folders(folder)
    found = {inner.name: _images_in(inner) for inner in _visible_folders(folder)}
    found = {name: images for name, images in found.items() if images}
    if not found:
        raise _no_images(folder)
    _check_names_are_text(found)
    if len(found) < least_classes:
        raise ValueError(
            f"{folder} holds the images of only one class, {next(iter(found))}; telling classes "
            f"apart needs at least {least_classes} class folders with images"
        )
    return found


def is_of_sample(path: str | os.PathLike[str]) -> bool:
    """Tell whether a data set or a scene is a part of the built-in sample.

    Parameters
    ----------
    path : folder of a data set, or a scene
    """
    real = Path(os.path.realpath(path))
    return real.name in SAMPLE_PARTS and (real.parent / SAMPLE_MARKER).is_file()


# --- splitting ------------------------------------------------------------------------------


def check_fractions(fraction_validation: float, fraction_test: float) -> None:
    """Raise ValueError unless both fractions leave something to train on.

    Parameters
    ----------
    fraction_validation : above 0, below 1
    fraction_test : 0 or more, below 1; with the other, below 1
    """
    if not 0 < fraction_validation < 1:
        raise ValueError(
            f"FRACTION_VALIDATION = {fraction_validation}: expected a number between 0 and 1, "
            "neither of them included"
        )
    if not 0 <= fraction_test < 1:
        raise ValueError(
            f"FRACTION_TEST = {fraction_test}: expected 0 (no test part) or a number below 1"
        )
    if fraction_validation + fraction_test >= 1:
        raise ValueError(
            f"FRACTION_VALIDATION = {fraction_validation} and FRACTION_TEST = {fraction_test} "
            "leave nothing to train on; their sum must be below 1"
        )


def _cuts(count: int, fraction_validation: float, fraction_test: float) -> tuple[int, int]:
    """Where the test part, then the validation part end; at least one image remains."""
    exact = (fraction_test * count, (fraction_test + fraction_validation) * count)
    test, validation = (min(math.floor(cut + 0.5), count - 1) for cut in exact)
    # Where training keeps its last image, the test part must not take what validation is due.
    most = math.floor(validation - fraction_validation * count + 1 + 1e-9)
    return min(test, most), validation


def _rank(image: Path, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{image.stem}".encode()).hexdigest()


def split_random(
    images: Mapping[str, Sequence[Path]],
    fraction_validation: float,
    fraction_test: float = 0.0,
    seed: int = 42,
) -> Split:
    """Split the images of each class at random, the same on every machine.

    Within a class the images are ranked by the SHA-256 of "seed/stem". The first are the test
    part, the next the validation part. So an image falls on the same side in an RGB and a
    multispectral copy of a data set, and in a subset too unless it ranks close to a cut.

    Parameters
    ----------
    images : class name -> images
    fraction_validation, fraction_test : shares of each class, see `check_fractions`
    seed : any whole number

    Returns
    -------
    dict
        Part -> class name -> images sorted by name; "test" only where its fraction is above 0.
        Each share is met to within one image.
    """
    check_fractions(fraction_validation, fraction_test)
    split: Split = {part: {} for part in PARTS}
    for name, members in images.items():
        ranked = sorted(members, key=lambda image: (_rank(image, seed), image.name))
        test, validation = _cuts(len(ranked), fraction_validation, fraction_test)
        split["test"][name] = sorted(ranked[:test])
        split["validation"][name] = sorted(ranked[test:validation])
        split["train"][name] = sorted(ranked[validation:])
    if not fraction_test:
        del split["test"]
    return split


def _in_parts(images: Mapping[str, Sequence[Path]], part_of: Mapping[Path, str]) -> Split:
    parts = [part for part in PARTS if part in set(part_of.values())]
    return {
        part: {
            name: [image for image in members if part_of.get(image) == part]
            for name, members in images.items()
        }
        for part in parts
    }


def split_by_lists(
    images: Mapping[str, Sequence[Path]], lists: Mapping[str, Iterable[str]]
) -> tuple[Split, list[Path], list[str]]:
    """Split images as lists of names say.

    Parameters
    ----------
    images : class name -> images
    lists : part -> stems of image names
        Stems, because published lists name the JPEGs of images that may be GeoTIFFs here.

    Returns
    -------
    split : dict
        Part -> class name -> images.
    unlisted : list of paths
        Images that no list names.
    missing : list of str
        Listed stems without an image.
    """
    part_of_stem = {stem: part for part, stems in lists.items() for stem in stems}
    everything = [image for members in images.values() for image in members]
    part_of = {
        image: part_of_stem[image.stem] for image in everything if image.stem in part_of_stem
    }
    unlisted = [image for image in everything if image not in part_of]
    missing = sorted(part_of_stem.keys() - {image.stem for image in part_of})
    return _in_parts(images, part_of), unlisted, missing


def split_by_longitude(
    images: Mapping[str, Sequence[Path]],
    longitudes: Mapping[Path, float],
    fraction_validation: float,
    fraction_test: float = 0.0,
) -> Split:
    """Split images from west to east: train, then validation, then test.

    Parameters
    ----------
    images : class name -> images
    longitudes : image -> degrees east (WGS 84)
    fraction_validation, fraction_test : shares of all images, see `check_fractions`

    Returns
    -------
    dict
        Part -> class name -> images. The classes are cut together, so that no part overlaps
        another; their shares in the parts differ.
    """
    check_fractions(fraction_validation, fraction_test)
    everything = [image for members in images.values() for image in members]
    east_first = sorted(everything, key=lambda image: (-longitudes[image], image.name))
    test, validation = _cuts(len(east_first), fraction_validation, fraction_test)
    part_of = dict.fromkeys(east_first, "train")
    part_of.update(dict.fromkeys(east_first[:validation], "validation"))
    part_of.update(dict.fromkeys(east_first[:test], "test"))
    return _in_parts(images, part_of)


_LIST_ENDINGS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def _part_of_list(path: Path) -> str | None:
    return _LIST_ENDINGS.get(path.stem.replace("_", "-").rpartition("-")[2].lower())


def _read_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file of image names") from error
    names = (line.strip().replace("\\", "/") for line in lines)
    return [PurePosixPath(name).stem for name in names if name]


def read_split_lists(folder: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Read the lists of image names of a published split.

    Parameters
    ----------
    folder : folder with text files whose names end in train, val (or validation) and test
        Such as `eurosat-spatial-train.txt`; one image name in a line, the test list may lack.

    Returns
    -------
    dict
        Part -> stems of the names.

    Raises
    ------
    OSError, ValueError
        When a list is missing or comes twice, or a name stands in two lists.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"PATH_TO_SPLIT_LISTS: there is no folder {folder}")
    lists: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.txt")):
        part = _part_of_list(path)
        if part in lists:
            raise ValueError(f"{folder} has two lists for {part}; the second is {path.name}")
        if part:
            lists[part] = _read_names(path)
    for part, ending in (("train", "train"), ("validation", "val")):
        if not lists.get(part):
            raise ValueError(f"{folder} has no list of names ending in {ending}.txt with a name")
    _check_lists_are_disjoint(lists, folder)
    return {part: lists[part] for part in PARTS if part in lists}


def _check_lists_are_disjoint(lists: Mapping[str, Sequence[str]], folder: Path) -> None:
    parts_of: dict[str, set[str]] = {}
    for part, stems in lists.items():
        for stem in stems:
            parts_of.setdefault(stem, set()).add(part)
    for stem, parts in parts_of.items():
        if len(parts) > 1:
            raise ValueError(
                f"{folder}: {stem} stands in the lists for {' and '.join(sorted(parts))}; an "
                "image belongs to one part"
            )


# --- folders of a split ---------------------------------------------------------------------


def _names(split: Split) -> dict[str, list[str]]:
    return {
        part: [f"{name}/{image.name}" for name, images in classes.items() for image in images]
        for part, classes in split.items()
    }


def _read_marker(folder: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.get("made_by") == _MADE_BY else None


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


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return ", ".join(f"{key} was {old.get(key)} and is {new.get(key)}" for key in keys)


def _count_missing(folder: Path, names: Mapping[str, Sequence[str]]) -> int:
    present = {
        f"{part}/{name}/{image.name}"
        for part in names
        if (folder / part).is_dir()
        for name, images in find_images(folder / part, least_classes=1).items()
        for image in images
    }
    wanted = {f"{part}/{name}" for part, members in names.items() for name in members}
    return len(wanted - present)


def split_is_there(folder: Path, split: Split, settings: Mapping[str, Any]) -> bool:
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
    marker = _read_marker(folder)
    advice = "choose another folder, or set DELETE_OLD_PATH_TO_SPLIT_DATASETS = True"
    if marker is None:
        raise ValueError(
            f"{folder} is there already and was not made by this script (it has no {_MARKER}); "
            "it is left as it is: choose another folder"
        )
    differences = _differences(marker.get("settings", {}), settings)
    if differences:
        raise ValueError(f"{folder} holds a split with other settings: {differences}; {advice}")
    if marker.get("files") != _digest_of_names(split):
        raise ValueError(
            f"{folder} holds a split of other images: the source has changed since; {advice}"
        )
    missing = _count_missing(folder, _names(split))
    if missing:
        raise ValueError(f"{folder}: {missing} images of the split are gone; {advice}")
    return True


def _digest_of_names(split: Split) -> str:
    return hashlib.sha256(json.dumps(_names(split)).encode()).hexdigest()


def _sources(split: Split) -> set[Path]:
    """Return the folders of the data sets that a split takes images from."""
    members = (images for classes in split.values() for images in classes.values())
    return {image.parent.parent for images in members for image in images}


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.EEXIST):
            raise
        shutil.copyfile(source, target)
        shutil.copystat(source, target)


def _fill_folder(folder: Path, split: Split, settings: Mapping[str, Any]) -> None:
    marker = {"made_by": _MADE_BY, "format": 1, "settings": dict(settings)}
    marker["files"] = _digest_of_names(split)
    marker["built_in_sample"] = all(is_of_sample(source) for source in _sources(split))
    # First, and in one go, so that a folder left by a killed run can be told to be ours.
    (folder / _MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
    total = sum(len(images) for classes in split.values() for images in classes.values())
    with tqdm(total=total, desc="linking", unit="image", leave=False) as bar:
        for part, classes in split.items():
            for name, images in classes.items():
                (folder / part / name).mkdir(parents=True)
                for image in images:
                    _link_or_copy(image, folder / part / name / image.name)
                bar.update(len(images))
    for part, names in _names(split).items():
        text = "".join(f"{name}\n" for name in names)
        (folder / f"{part}.txt").write_text(text, encoding="utf-8")


def _build_folder(building: Path, split: Split, settings: Mapping[str, Any]) -> None:
    building.mkdir()
    try:
        _fill_folder(building, split, settings)
    except BaseException:
        _remove_leftover(building)
        raise


def _foreign_entries(folder: Path) -> list[str]:
    """Entries of one of our split folders that neither step 01 nor a later step put there."""
    ours = {_MARKER, "statistics.json", ".cache", *PARTS, *(f"{part}.txt" for part in PARTS)}
    return sorted(entry.name for entry in folder.iterdir() if entry.name not in ours)


def _foreign_files(folder: Path) -> list[str]:
    listed = {
        f"{part}/{name}"
        for part in PARTS
        if (folder / f"{part}.txt").is_file()
        for name in (folder / f"{part}.txt").read_text(encoding="utf-8").splitlines()
    }
    present = (
        (Path(root) / name).relative_to(folder).as_posix()
        for part in PARTS
        for root, _, names in os.walk(folder / part)
        for name in names
    )
    return sorted(name for name in present if name not in listed)


def _check_may_delete(folder: Path) -> None:
    if _read_marker(folder) is None:
        raise ValueError(
            f"{folder} was not made by this script (it has no {_MARKER}) and is not deleted; "
            "choose another folder, or remove it by hand"
        )
    foreign = _foreign_entries(folder) or _foreign_files(folder)
    if foreign:
        raise ValueError(
            f"{folder} holds what this script did not make ({', '.join(foreign[:3])}) and is not "
            "deleted; move that elsewhere first"
        )


def _remove_leftover(folder: Path) -> None:
    """Remove what a killed run left under one of our two hidden names, and nothing else."""
    if not folder.is_dir() or folder.is_symlink():
        return
    # A run killed while it wrote the marker leaves an empty one.
    only_marker = {entry.name for entry in folder.iterdir()} <= {_MARKER}
    if _read_marker(folder) is None and not only_marker:
        raise ValueError(f"{folder} is in the way and was not made by this script; remove it")
    # The marker goes last, so that a removal that is itself cut short can be finished.
    for entry in folder.iterdir():
        if entry.name != _MARKER:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.rmtree(folder)


def make_split_folder(
    folder: str | os.PathLike[str],
    split: Split,
    settings: Mapping[str, Any],
    delete_old: bool = False,
) -> bool:
    """Make the folders of a split, whole or not at all.

    Images are hard links to their source where that is possible, else copies. Beside them lie
    `split.json` (the settings) and the list of each part. The same settings again do nothing.

    Parameters
    ----------
    folder : folder to make; its parent must be there
    split : part -> class name -> images
    settings : what the split was made with; values that JSON holds
    delete_old : whether to replace an older split, if this function made it

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
        whole_files.check_can_write(folder)
    building = folder.parent / f".{folder.name}.partial"
    replaced = folder.parent / f".{folder.name}.old"
    with whole_files.lock(folder, "splitting images into the folder"):
        for leftover in (building, replaced):
            _remove_leftover(leftover)
        there = _check_there(folder, split, settings, delete_old)
        if there:
            return False
        _build_folder(building, split, settings)
        if folder.exists() and not _is_empty(folder):
            folder.rename(replaced)
        building.rename(folder)
        _remove_leftover(replaced)
    return True


def _check_there(folder: Path, split: Split, settings: Mapping[str, Any], delete_old: bool) -> bool:
    try:
        return split_is_there(folder, split, settings)
    except ValueError:
        if not delete_old:
            raise
        _check_may_delete(folder)
        return False


# --- decoding once --------------------------------------------------------------------------


def band_names_of(band_count: int) -> tuple[str, ...]:
    """Return the names of the bands of a file with so many of them.

    Parameters
    ----------
    band_count : int

    Returns
    -------
    tuple of str
        The EuroSAT order for 13 bands, red, green and blue for 3, else "band_1", ...
    """
    known = {len(order): order for order in (image_functions.BANDS_MS, image_functions.BANDS_RGB)}
    return known.get(band_count, tuple(f"band_{number + 1}" for number in range(band_count)))


def _band_positions(
    band_count: int, band_names: Sequence[str] | None, path: Path, is_photo: bool = False
) -> list[int] | None:
    """Which bands of a file are wanted; None: all of them, in their order."""
    if band_names is None:
        return None
    if is_photo and not set(band_names) <= set(image_functions.BANDS_RGB):
        raise ValueError(
            f"{path}: is an 8-bit image of red, green and blue, expected {', '.join(band_names)}: "
            "give multispectral images"
        )
    order = band_names_of(band_count)
    if band_count == len(band_names) and set(band_names) != set(order):
        return None
    lacking = [name for name in band_names if name not in order]
    if lacking:
        raise ValueError(
            f"{path}: has {band_count} bands, expected {len(band_names)} "
            f"({', '.join(band_names)}) or all 13 of EuroSAT"
        )
    return [order.index(name) for name in band_names]


def _decode(path: Path, band_names: Sequence[str] | None) -> NDArray[Any] | str:
    """Return a patch, or what is wrong with it."""
    size = image_functions.PATCH_SIZE
    try:
        patch = image_functions.read_patch(path)
        if patch.shape[:2] != (size, size):
            found = f"{patch.shape[0]}x{patch.shape[1]}"
            return f"{path}: is {found} px, expected {size}x{size}"
        is_photo = patch.dtype == np.uint8 and patch.shape[2] == len(image_functions.BANDS_RGB)
        positions = _band_positions(patch.shape[2], band_names, path, is_photo)
    except (ValueError, OSError) as error:
        return str(error)
    return patch if positions is None else np.ascontiguousarray(patch[:, :, positions])


def _kind(patch: NDArray[Any]) -> tuple[int, str]:
    return patch.shape[2], patch.dtype.name


def _usual_kind(decoded: Sequence[NDArray[Any] | str]) -> tuple[int, str] | None:
    kinds = Counter(_kind(patch) for patch in decoded if not isinstance(patch, str))
    return kinds.most_common(1)[0][0] if kinds else None


def _write_header(file: Any, kind: tuple[int, str], count: int) -> None:
    size = image_functions.PATCH_SIZE
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(kind[1])),
        "fortran_order": False,
        "shape": (count, size, size, kind[0]),
    }
    file.seek(0)
    # numpy leaves room in the header for the first number to grow.
    np.lib.format.write_array_header_1_0(file, header)


def _blocks(
    paths: Sequence[Path], band_names: Sequence[str] | None
) -> Iterator[list[NDArray[Any] | str]]:
    with (
        ThreadPoolExecutor(image_functions.usable_cores() + 1) as threads,
        tqdm(total=len(paths), desc="decoding patches", unit="patch", leave=False) as bar,
    ):
        for first in range(0, len(paths), _BLOCK):
            block = paths[first : first + _BLOCK]
            yield list(threads.map(lambda path: _decode(path, band_names), block))
            bar.update(len(block))


def _write_patches(
    file: Any, paths: Sequence[Path], band_names: Sequence[str] | None
) -> tuple[list[int], list[str]]:
    """Write the good patches; return their positions, and what is wrong with the others."""
    kept: list[int] = []
    faults: list[str] = []
    kind: tuple[int, str] | None = None
    position = 0
    for block in _blocks(paths, band_names):
        if kind is None and (kind := _usual_kind(block)):
            _write_header(file, kind, len(paths))
        for patch in block:
            fault = _fault(patch, kind, paths[position])
            if fault:
                faults.append(fault)
            else:
                kept.append(position)
                file.write(patch)
            position += 1
    if kind is not None:
        _write_header(file, kind, len(kept))
    return kept, faults


def _fault(patch: NDArray[Any] | str, kind: tuple[int, str] | None, path: Path) -> str | None:
    if isinstance(patch, str):
        return patch
    if _kind(patch) != kind:
        bands, dtype = _kind(patch)
        usual = "" if kind is None else f", expected {kind[0]} bands of {kind[1]} as in the others"
        return f"{path}: has {bands} bands of {dtype}{usual}"
    return None


def _folder_of(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.parent.absolute() for path in paths]))


def _fingerprints(paths: Sequence[Path], band_names: Sequence[str] | None) -> tuple[str, str]:
    """Return what names a cache: its list of files, and the state that they are in."""
    folder = _folder_of(paths)
    names = [os.path.relpath(path, folder) for path in paths]
    states = [(state.st_size, state.st_mtime_ns) for state in map(os.stat, paths)]
    bands = list(band_names) if band_names is not None else None
    listed = json.dumps([1, bands, names])
    return _short_digest(listed), _short_digest(json.dumps([listed, states]))


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until no other run is building the same cache."""
    with open(path, "a") as file:
        try:
            whole_files.flock(file.fileno())
        except BlockingIOError:
            print("waiting for another run that is decoding the same patches ...")
            whole_files.flock(file.fileno(), wait=True)
        yield


def _build_cache(cache: Path, paths: Sequence[Path], band_names: Sequence[str] | None) -> None:
    building = cache.with_suffix(".partial")
    # Written, not mapped: a full disk is then an error, and not the end of the process.
    try:
        with open(building, "wb") as file:
            kept, faults = _write_patches(file, paths, band_names)
        building.replace(cache)
    except BaseException as error:
        building.unlink(missing_ok=True)
        if isinstance(error, OSError):
            message = f"the decoded patches cannot be written to {cache}: {error.strerror}"
            raise OSError(message) from error
        raise
    whole_files.write_json(cache.with_suffix(".json"), {"kept": kept, "faults": faults})


def _remove_stale(cache: Path, listed: str) -> None:
    for path in cache.parent.glob(f"{listed}-*"):
        if path.stem != cache.stem and path.suffix in (".npy", ".json", ".partial"):
            path.unlink(missing_ok=True)


def _check_cache_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the decoded patches cannot be kept in {folder} ({error.strerror}); they need a "
            "folder that can be written"
        ) from error


def _none_for_all(band_names: Sequence[str] | None, paths: Sequence[Path]) -> Sequence[str] | None:
    """Name all bands of the files as None does, so that both share a cache."""
    patch = next(
        (p for p in (_decode(path, None) for path in paths) if not isinstance(p, str)), None
    )
    everything = () if patch is None else band_names_of(patch.shape[-1])
    return None if band_names is None or tuple(band_names) == everything else band_names


def open_good_patches(
    files: Sequence[str | os.PathLike[str]],
    band_names: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
) -> tuple[NDArray[Any], list[Path]]:
    """Open patches as one array, without those that are damaged if told so.

    Takes the arguments of `open_patches`.

    Returns
    -------
    patches : ndarray of shape (N, 64, 64, bands), uint8 or uint16, mapped from a file
    files : list of N paths
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise ValueError("there are no patches to open")
    folder = Path(cache) if cache is not None else _folder_of(paths) / ".cache"
    _check_cache_folder(folder)
    band_names = _none_for_all(band_names, paths)
    listed, state = _fingerprints(paths, band_names)
    decoded = folder / f"{listed}-{state}.npy"
    with _turn(folder / f"{listed}.lock"):
        if not (_is_whole(decoded) and decoded.with_suffix(".json").is_file()):
            _build_cache(decoded, paths, band_names)
            _remove_stale(decoded, listed)
        found = whole_files.read_json(decoded.with_suffix(".json"))
        _check_faults(found["faults"], len(paths), skip_bad)
        return np.load(decoded, mmap_mode="r"), [paths[position] for position in found["kept"]]


def _is_whole(decoded: Path) -> bool:
    """Tell whether a cache is there and can be mapped; one that was cut short cannot."""
    try:
        return isinstance(np.load(decoded, mmap_mode="r"), np.memmap)
    except (OSError, ValueError, EOFError):
        return False


def _check_faults(faults: Sequence[str], count: int, skip_bad: bool) -> None:
    if not faults:
        return
    named = "; ".join(faults)
    reasons = {fault.partition(": ")[2] for fault in faults}
    if len(faults) > 1 and len(reasons) == 1:
        named = f"{faults[0]} (the others likewise)"
    if not skip_bad:
        raise ValueError(
            f"{len(faults)} of {count} patches cannot be used: {named}; replace them, or set "
            "SKIP_BAD_PATCHES = True to go on without them"
        )
    if len(faults) == count:
        raise ValueError(f"none of {count} patches can be used: {named}")
    print(f"{len(faults)} of {count} patches are skipped: {named}")


def open_patches(
    files: Sequence[str | os.PathLike[str]],
    band_names: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
) -> NDArray[Any]:
    """Open patches as one array that is mapped from a file.

    The images are decoded once, in parallel, into a file that serves as long as the names,
    sizes and times of the images stay the same. Several runs may share it.

    Parameters
    ----------
    files : paths of images of 64x64 px
    band_names : bands wanted, in order; None: all that the files have
        Taken by name from files with the 13 EuroSAT bands or with red, green and blue; files
        with as many bands as are named are taken to hold just these.
    cache : folder of decoded patches; None: `.cache` in the folder that all files lie under
    skip_bad : whether to leave damaged or different patches out, with a message

    Returns
    -------
    ndarray of shape (N, 64, 64, bands), uint8 or uint16, mapped from a file

    Raises
    ------
    ValueError
        When patches are damaged, or have another size, band count or type than the others; the
        message names every one of them.
    """
    return open_good_patches(files, band_names, cache, skip_bad)[0]


def check_split(
    path_to_split: str | os.PathLike[str], parts: Sequence[str] = ("train", "validation")
) -> None:
    """Raise FileNotFoundError when a folder is no split, or lacks one of these parts."""
    folder = Path(path_to_split)
    for wanted in dict.fromkeys((folder, *(folder / part for part in parts))):
        if not wanted.is_dir():
            raise FileNotFoundError(
                f"there is no folder {wanted}; split the images with step 01 first"
            )


def is_split_of_sample(path_to_split: str | os.PathLike[str]) -> bool:
    """Tell whether step 01 made a split from the built-in sample; False where it did not say."""
    marker = _read_marker(Path(path_to_split))
    return marker is not None and marker.get("built_in_sample") is True


def load_part(
    path_to_split: str | os.PathLike[str],
    part: str,
    bands: Sequence[str] | None = None,
    skip_bad: bool = False,
) -> tuple[NDArray[Any], NDArray[np.int64], list[str], list[Path]]:
    """Open the patches of one part of a split.

    Parameters
    ----------
    path_to_split : folder made by step 01
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
    folder = Path(path_to_split)
    check_split(folder, ("train", part))
    training = find_images(folder / "train")
    class_names = list(training)
    images = training if part == "train" else find_images(folder / part, least_classes=1)
    unknown = [name for name in images if name not in class_names]
    if unknown:
        raise ValueError(
            f"{folder / part} has classes that {folder / 'train'} lacks: {', '.join(unknown)}"
        )
    everything = [image for members in images.values() for image in members]
    patches, files = open_good_patches(everything, bands, folder / ".cache", skip_bad)
    labels = np.array([class_names.index(file.parent.name) for file in files], np.int64)
    return patches, labels, class_names, files


def class_counts(images: Mapping[str, Sequence[Path]]) -> dict[str, int]:
    """Count the images of each class."""
    return {name: len(members) for name, members in images.items()}

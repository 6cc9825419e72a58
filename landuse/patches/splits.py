"""Which image is in which part of a split: at random, by place, or by lists of names."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from landuse.patches import part_names

PARTS = ("train", "validation", "test")

Split = dict[str, dict[str, list[Path]]]  # part -> class name -> images


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


def _digest(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def some_of(
    images: Mapping[str, Sequence[Path]], fraction: float, seed: int
) -> dict[str, list[Path]]:
    """Take a share of the images of each class at random, at least two, in their order.

    Parameters
    ----------
    images : class name -> images
    fraction : share of each class, above 0; 1: all
    seed : any whole number; the same images are taken on every machine
    """
    taken = {}
    for name, members in images.items():
        count = min(len(members), max(2, math.ceil(fraction * len(members))))
        # Another order than the one that decides the part, or one part would take them all.
        ranked = sorted(members, key=lambda image: _digest(image.stem, seed)[::-1])
        chosen = set(ranked[:count])
        taken[name] = [image for image in members if image in chosen]
    return taken


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
        ranked = sorted(members, key=lambda image: (_digest(image.stem, seed), image.name))
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
    lists : part -> image names without their endings
        Without, because published lists name the JPEGs of images that may be GeoTIFFs here. A
        folder before the name counts where it is one of the classes.

    Returns
    -------
    split : dict
        Part -> class name -> images.
    unlisted : list of paths
        Images that no list names.
    missing : list of str
        Listed names without an image.
    """
    part_of_name: dict[str, str] = {}
    for part, names in lists.items():
        for name in names:
            folder, _, stem = name.rpartition("/")
            part_of_name[name if folder in images else stem] = part
    everything = [image for members in images.values() for image in members]
    listed = {
        image: name
        for image in everything
        for name in (f"{image.parent.name}/{image.stem}", image.stem)
        if name in part_of_name
    }
    part_of = {image: part_of_name[name] for image, name in listed.items()}
    unlisted = [image for image in everything if image not in part_of]
    missing = sorted(part_of_name.keys() - set(listed.values()))
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


def split_by_places(
    images: Mapping[str, Sequence[Path]],
    place_of: Mapping[Path, str],
    fraction_validation: float,
    fraction_test: float = 0.0,
    seed: int = 42,
) -> Split:
    """Split images so that those of one place are in one part.

    Places are dealt out one by one, the large ones first, each to the part that then comes
    nearest to its share of every class; so the shares are met as well as the places allow.

    Parameters
    ----------
    images : class name -> images
    place_of : image -> name of its place
    fraction_validation, fraction_test : shares of each class, see `check_fractions`
    seed : any whole number
        The order of places of the same size.

    Returns
    -------
    dict
        Part -> class name -> images.

    Raises
    ------
    ValueError
        If a part gets no place.
    """
    check_fractions(fraction_validation, fraction_test)
    counts: dict[str, np.ndarray] = {}
    for index, members in enumerate(images.values()):
        for image in members:
            counts.setdefault(place_of[image], np.zeros(len(images)))[index] += 1
    shares = {"train": 1 - fraction_validation - fraction_test, "validation": fraction_validation}
    shares |= {"test": fraction_test} if fraction_test else {}
    totals = np.sum(list(counts.values()), axis=0)
    missing = np.outer(list(shares.values()), np.ones(len(images)))  # of each class, as shares
    part_of_place: dict[str, str] = {}
    for place in sorted(counts, key=lambda place: (-counts[place].sum(), _digest(place, seed))):
        share = counts[place] / totals
        chosen = int(np.argmin(np.square(missing - share).sum(1) - np.square(missing).sum(1)))
        missing[chosen] -= share
        part_of_place[place] = list(shares)[chosen]
    for part in shares:
        if part not in part_of_place.values():
            largest = int(max(count.sum() for count in counts.values()))
            where = f"in {len(counts)} places, of which the largest holds {largest}"
            raise ValueError(
                f"all patches lie {where if len(counts) > 1 else 'in one place'}, so that none is "
                f"left for the {part} part: take smaller blocks (BLOCK_SIZE), or cut patches that "
                "do not overlap (LEAST_DISTANCE of script 00_cut_patches)"
            )
    return _in_parts(images, {image: part_of_place[place] for image, place in place_of.items()})


_LIST_SUFFIXES = (".txt", ".csv")
_NAMES_OF_COLUMN = ("filename", "file", "image", "path", "name", "image_name", "file_name")


def _part_of_list(path: Path) -> str | None:
    return part_names.part_of(path.stem.replace("_", "-").rpartition("-")[2])


def _read_names(path: Path) -> list[str]:
    """Read the names of a list without their endings, each with the folder that is given."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file of image names") from error
    is_table = path.suffix.lower() == ".csv"
    lines = _column_of_names(text, path) if is_table else text.splitlines()
    names = (line.strip().replace("\\", "/") for line in lines)
    paths = (PurePosixPath(name) for name in names if name)
    return [f"{path.parent.name}/{path.stem}".lstrip("/") for path in paths]


def _column_of_names(text: str, path: Path) -> list[str]:
    """Return the column of a table that holds names of images."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((head.index(name) for name in _NAMES_OF_COLUMN if name in head), None)
    if column is None:
        raise ValueError(
            f"{path} has no column of image names, called Filename say; it has "
            f"{', '.join(head) or 'nothing'}"
        )
    return [row[column] for row in rows[1:] if len(row) > column]


def read_split_lists(folder: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Read the lists of image names of a published split.

    Parameters
    ----------
    folder : folder with files whose names end in train, val (or validation) and test
        Such as `eurosat-spatial-train.txt` with one image name in a line, or `train.csv` with a
        column of them; the test list may lack.

    Returns
    -------
    dict
        Part -> names without their endings, with the folder where the list gives it.

    Raises
    ------
    OSError, ValueError
        When a list is missing or comes twice, or a name stands in two lists.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"PATH_TO_SPLIT_LISTS: there is no folder {folder}")
    lists: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        part = _part_of_list(path) if path.suffix.lower() in _LIST_SUFFIXES else None
        if part in lists:
            raise ValueError(f"{folder} has two lists for {part}; the second is {path.name}")
        if part:
            lists[part] = _read_names(path)
    for part, ending in (("train", "train"), ("validation", "val")):
        if not lists.get(part):
            raise ValueError(
                f"{folder} has no list of names ending in {ending}.txt or {ending}.csv with a name"
            )
    _check_lists_are_disjoint(lists, folder)
    return {part: lists[part] for part in PARTS if part in lists}


def _check_lists_are_disjoint(lists: Mapping[str, Sequence[str]], folder: Path) -> None:
    parts_of: dict[str, set[str]] = {}
    for part, stems in lists.items():
        for stem in stems:
            parts_of.setdefault(stem, set()).add(part)
    for stem, own in parts_of.items():
        parts = own | parts_of.get(stem.rpartition("/")[2], set())
        if len(parts) > 1:
            raise ValueError(
                f"{folder}: {stem} stands in the lists for {' and '.join(sorted(parts))}; an "
                "image belongs to one part"
            )

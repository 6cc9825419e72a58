"""What tells of BigEarthNet's patches beside their pixels: metadata.parquet, lists, JSON."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from landuse import files, optional_packages
from landuse.multilabel import corine

METADATA = "metadata.parquet"
CLOUDY_METADATA = "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
COLUMNS = ("patch_id", "labels", "split", "country")
LISTS = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}
CLOUDY_LISTS = ("patches_with_seasonal_snow.csv", "patches_with_cloud_and_shadow.csv")
LABELS_ENDING = "_labels_metadata.json"


def find_metadata(folder: Path, given: str | None) -> Path | None:
    """Find metadata.parquet: the one that is named, or in or beside the folder of the patches."""
    if given is not None:
        if not Path(given).is_file():
            raise FileNotFoundError(f"PATH_TO_METADATA: {given} is no file")
        return Path(given)
    places = (folder / METADATA, folder.resolve().parent / METADATA)
    return next((place for place in places if place.is_file()), None)


def read_metadata(path: Path) -> list[dict[str, Any]]:
    """Read a metadata.parquet of v2: a mapping for each patch.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of dict
        With `COLUMNS`, and perhaps "s2v1_name", "contains_seasonal_snow" and
        "contains_cloud_or_shadow".

    Raises
    ------
    ValueError, OSError
    """
    optional_packages.check_installed(str(path), {"pyarrow": "pyarrow"})
    import pyarrow
    import pyarrow.parquet

    try:
        names = pyarrow.parquet.read_schema(path).names
        lacking = [name for name in COLUMNS if name not in names]
        if lacking:
            raise ValueError(
                f"{path}: has no column {', '.join(lacking)}; expected the metadata of "
                "BigEarthNet v2"
            )
        further = ("s2v1_name", "contains_seasonal_snow", "contains_cloud_or_shadow")
        wanted = [*COLUMNS, *(name for name in further if name in names)]
        return pyarrow.parquet.read_table(path, columns=wanted).to_pylist()
    except pyarrow.ArrowException as error:
        reason = str(error).split("\n")[0][:200]
        raise ValueError(f"{path}: cannot be read as Parquet ({reason})") from error


def rows_of_v2(path: Path, leave_out_snow_and_clouds: bool) -> list[dict[str, Any]]:
    """Read the metadata of v2; those of patches with snow and clouds are in a file of their own.

    Raises
    ------
    ValueError, OSError
        Also when patches with snow and clouds are wanted, and their file is not there.
    """
    rows = read_metadata(path)
    flags = ("contains_seasonal_snow", "contains_cloud_or_shadow")
    if leave_out_snow_and_clouds:
        return [row for row in rows if not any(row.get(flag) for flag in flags)]
    further = path.with_name(CLOUDY_METADATA)
    if not further.is_file():
        raise FileNotFoundError(
            f"LEAVE_OUT_SNOW_AND_CLOUDS = False needs {further}, which is not there; it is "
            "published beside metadata.parquet"
        )
    return rows + read_metadata(further)


def read_names(path: Path) -> list[str]:
    """Read the names of patches in the first column of a CSV."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text: expected a name of a patch in each line") from error


def parts_of_lists(folder: Path) -> dict[str, str]:
    """Read train.csv, val.csv and test.csv: name of each patch to its part.

    Raises
    ------
    ValueError, OSError
        When one of the first two is missing, or a patch is in two.
    """
    found: dict[str, str] = {}
    for part, name in LISTS.items():
        path = folder / name
        if not path.is_file():
            if part == "test":
                continue
            raise FileNotFoundError(
                f"PATH_TO_LISTS: {folder} has no {name}; expected {', '.join(LISTS.values())} with "
                "the name of a patch in each line"
            )
        for patch in read_names(path):
            if found.setdefault(patch, part) != part:
                raise ValueError(f"{path}: {patch} is also in {LISTS[found[patch]]}")
    return found


def cloudy_of_lists(folder: Path | None) -> set[str] | None:
    """Read which patches of v1 have snow or clouds; None where no list tells."""
    lists = [] if folder is None else [folder / name for name in CLOUDY_LISTS]
    there = [path for path in lists if path.is_file()]
    return {name for path in there for name in read_names(path)} if there else None


def read_v1_labels(
    folder: Path, names: Sequence[str], class_count: int, memory: Path
) -> tuple[np.ndarray, list[str]]:
    """Read the labels and the tile of each patch of v1, from its JSON file.

    Half a million small files take minutes; what they say is kept in one file, and read again
    only when the patches are others.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        Of the patches.
    class_count : {43, 19}
    memory : Path
        File to keep them in.

    Returns
    -------
    labels : ndarray of shape (N, class_count), bool
    tiles : list of str

    Raises
    ------
    ValueError, OSError
    """
    kept = _kept(memory, names)
    if kept is None:
        bar = tqdm(names, desc="reading labels", unit="patch", disable=None)
        kept = [_read_label(folder / name / f"{name}{LABELS_ENDING}") for name in bar]
        memory.parent.mkdir(exist_ok=True)
        files.write_json(memory, {"names": list(names), "labels": kept})
    rows = [
        corine.as_row(labels, class_count, str(folder / name))
        for name, (labels, _) in zip(names, kept, strict=True)
    ]
    return np.array(rows).reshape(len(names), class_count), [tile for _, tile in kept]


def _kept(memory: Path, names: Sequence[str]) -> list[tuple[list[str], str]] | None:
    if not memory.is_file():
        return None
    try:
        found = files.read_json(memory)
        return found["labels"] if found["names"] == list(names) else None
    except (ValueError, KeyError, TypeError, OSError):
        return None


def _read_label(path: Path) -> tuple[list[str], str]:
    """Return the names of a patch's classes, and the name of its tile ("" where it is not told)."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        labels = [str(label) for label in facts["labels"]]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: is missing; it tells the classes of the patch") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: has no labels that can be read ({error})") from error
    tiles = [word for word in str(facts.get("tile_source", "")).split("_") if _is_tile(word)]
    return labels, tiles[0] if tiles else ""


def _is_tile(word: str) -> bool:
    return len(word) == 6 and word[0] == "T" and word[1:3].isdecimal()

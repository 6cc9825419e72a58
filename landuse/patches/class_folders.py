"""Folders with a folder for each class: the images in them, and the class that each one has."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landuse.patches import image_files, part_names


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in image_files.IMAGE_SUFFIXES and not path.name.startswith(".")


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if _is_visible_folder(entry))


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and path.name != "__MACOSX"


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
        hint = "script 00 gets the data"
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
    parts = [inner for inner in deeper if part_names.part_of(inner.name)]
    if len(parts) > 1:
        return ValueError(
            f"{folder} is split already, into {', '.join(part.name for part in parts)}: give it to "
            "the training steps as PATH_TO_SPLIT_DATASETS, or split one of these folders"
        )
    hint = f"; did you mean {' or '.join(map(str, deeper))}?" if deeper else ""
    return ValueError(
        f"{folder} holds no images; expected {folder}/<Class>/*"
        f"{' or '.join(image_files.IMAGE_SUFFIXES)}{hint}"
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


def _class_of(file: str | os.PathLike[str], class_indices: Mapping[str, int]) -> int:
    path = Path(file)
    for name in (path.parent.name, path.stem.rpartition("_")[0]):
        if name in class_indices:
            return class_indices[name]
    raise ValueError(
        f"{path}: neither its folder nor its name says one of the classes "
        f"{', '.join(class_indices)}"
    )


def categorical_label_from_full_file_name(
    files: Iterable[str | os.PathLike[str]], class_indices: Mapping[str, int]
) -> NDArray[np.float32]:
    """Labels of images that lie in folders named as their class.

    Parameters
    ----------
    files : paths `<...>/<Class>/<Class>_<number>.<suffix>`
        The folder decides; where it is no class, the name before the last underscore does.
    class_indices : class name -> index from 0

    Returns
    -------
    ndarray of shape (N, classes), float32
        One row for each file, 1 at its class.
    """
    indices = np.array([_class_of(file, class_indices) for file in files], np.int64)
    return one_hot(indices, max(class_indices.values()) + 1)


def one_hot(labels: NDArray[np.integer[Any]], class_count: int) -> NDArray[np.float32]:
    """Return labels (N,) as rows of shape (N, classes), 1 at the class."""
    return np.eye(class_count, dtype=np.float32)[labels]

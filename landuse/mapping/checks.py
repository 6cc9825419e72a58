"""What is cheap to check before any scene is opened."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from landuse import band_file_names, choices, devices, optional_packages
from landuse.evaluation import prediction_sets
from landuse.mapping import methods, whole_scene
from landuse.networks import engines, precisions
from landuse.rasters import remote_files
from landuse.scenes import band_files, other_containers

SUFFIXES = (".tif", ".tiff")  # of maps
MANIFEST = "manifest.safe"  # a file of every product; it stands for the product's folder
PART_OF_EXPORT = re.compile(r"-?\d{10}-\d{10}(?=\.tiff?$)", re.IGNORECASE)


def check_images(paths: str | Sequence[str], remote: bool | None = None) -> list[Path]:
    """Return the images as paths; one that does not exist is an error.

    Parameters
    ----------
    paths : str or sequence of str
    remote : bool, optional
        Whether addresses may be among them; None: they never may.
    """
    given = [paths] if isinstance(paths, str) else list(paths)
    for text in given:
        other_containers.check_text(text, remote=remote)
    given = [remote_files.allow(text) if remote_files.is_address(text) else text for text in given]
    images = [Path(text) for text in given]
    images = [image.parent if image.name.lower() == MANIFEST else image for image in images]
    for image in images:
        if not remote_files.is_remote(image) and not image.exists():
            raise FileNotFoundError(
                f"PATH_TO_IMAGE: {image} does not exist"
                + (" (script 00 makes the scene of the sample)" if "sample" in image.parts else "")
            )
    if not images:
        raise ValueError("PATH_TO_IMAGE is empty: name a scene or a patch")
    if len(set(images)) < len(images):
        raise ValueError("PATH_TO_IMAGE names an image twice")
    _check_are_no_bands(images)
    return _tiles_as_one(images)


def _check_are_no_bands(images: Sequence[Path]) -> None:
    """Refuse the bands of one image that are given as if they were several images."""
    files = [image for image in images if image.is_file()]
    bands, _ = band_file_names.read_file_names([image.name for image in files])
    alike = {band.image for band in bands}
    if len(bands) < 2 or len(bands) < len(images) or len({band.band for band in bands}) < 2:
        return
    folders = {image.parent for image in files}
    if len(folders) == 1 and len(alike) == 1:
        raise ValueError(
            f"PATH_TO_IMAGE names {len(bands)} files that are bands of one image "
            f"({', '.join(sorted(band.band for band in bands))}): give their folder, "
            f"{folders.pop()}"
        )


def _tiles_as_one(images: list[Path]) -> list[Path]:
    """Return the folder in place of all parts of an export: one scene, and a map without seams."""
    starts = {(image.parent, PART_OF_EXPORT.sub("", image.name)) for image in images}
    parts = [image for image in images if PART_OF_EXPORT.search(image.name)]
    if len(parts) < 2 or len(parts) < len(images) or len(starts) > 1:
        return images
    folder = images[0].parent
    if {folder / name for name in band_files.image_files(folder)} == set(images):
        print(f"these are the tiles of one export: mapped as one scene, {folder}")
        return [folder]
    print(
        f"these are tiles of one export, and {folder} holds other images, too: put them into a "
        "folder of their own and give that, to map them as one scene"
    )
    return images


def check_map(
    stride: int, min_probability: float, probability_type: str, coverage: float = 0.95
) -> None:
    """Raise a ValueError for a map that cannot be made of any scene."""
    check_size("STRIDE", stride)
    choices.check_choice("PROBABILITY_TYPE", probability_type, whole_scene.PROBABILITY_TYPES)
    if not 0 <= min_probability <= 1:
        raise ValueError(f"MIN_PROBABILITY must lie between 0 and 1, not {min_probability}")
    if not 0 < coverage < 1:
        raise ValueError(f"COVERAGE must lie between 0 and 1, not {coverage}")


def check_computing(
    method: str, engine: str, precision: str, batch_size: int, block_size: int | None
) -> None:
    """Raise a ValueError for what no scene can be classified with, here or anywhere."""
    choices.check_choice("METHOD", method, methods.METHODS)
    choices.check_choice("ENGINE", engine, engines.CHOICES)
    choices.check_choice("PRECISION", precision, precisions.PRECISIONS)
    check_size("BATCH_SIZE", batch_size)
    check_size("BLOCK_SIZE", block_size)
    if engine == "auto":
        engines.check_variable()
    if engine in ("auto", "keras"):
        return
    engines.resolve_precision(engine, precision)
    optional_packages.check_installed(f"ENGINE = {engine!r}", engines.PACKAGES[engine])
    if devices.backend() != "tensorflow":
        raise ValueError(
            f"ENGINE = {engine!r} takes models from TensorFlow, not from {devices.backend()}: set "
            "KERAS_BACKEND=tensorflow, or ENGINE = 'keras'"
        )


def check_size(name: str, value: int | None) -> None:
    """Raise a ValueError for a number below 1."""
    if value is not None and value < 1:
        raise ValueError(f"{name} must be 1 or more, not {value}")


def check_sets(record: Mapping[str, Any], coverage: float) -> None:
    """Say so when a model has no prediction sets; a ValueError when it knows another coverage."""
    if prediction_sets.threshold_of(record, coverage) is None:
        print(
            "DOUBT: the model's record has no thresholds of prediction sets, so their size is no "
            "band; script 07 with CALIBRATE writes them, from patches that it did not learn from"
        )


def check_templates(label: str, probability: str | None, images: Sequence[Path]) -> None:
    """Raise a ValueError when the outputs of several scenes, or two of one, would be one file."""
    if label == probability:
        raise ValueError(f"labels and probabilities cannot both be written to {probability}")
    for name, template in (("PATH_TO_LABEL_IMAGE", label), ("PATH_TO_PROB_IMAGE", probability)):
        if template is None:
            continue
        if Path(template).suffix.lower() not in SUFFIXES:
            raise ValueError(f"{name} must end in .tif, not {Path(template).name!r}")
        if len(images) > 1 and "{product}" not in template:
            raise ValueError(f"{name} must contain {{product}} for several scenes: {template}")

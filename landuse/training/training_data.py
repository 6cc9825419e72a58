"""The parts of a split, ready to train with: patches, labels, statistics, batches."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from landuse import sensors
from landuse.patches import (
    band_statistics,
    file_contents,
    patch_batches,
    split_folders,
    split_identity,
    split_marker,
)
from landuse.training import parallel, processes

USUAL_BATCH = 64  # images


@dataclass(frozen=True)
class Part:
    """The images of one part of a split.

    Parameters
    ----------
    patches : array of shape (N, rows, columns, bands), uint8 or uint16
    labels : ndarray of shape (N,), int64
    files : list of Path
    """

    patches: Any
    labels: np.ndarray
    files: list[Path]


@dataclass(frozen=True)
class Taught:
    """Windows without labels, and what teachers said of them.

    Parameters
    ----------
    windows : ndarray of shape (N, rows, columns, bands), of the dtype of the patches
    shares : ndarray of shape (N, classes), float32
        Probabilities.
    repeats : int
        How often each labelled image comes in a pass beside them.
    """

    windows: np.ndarray
    shares: np.ndarray
    repeats: int


def same_images(kept: str, images: str) -> bool:
    """Tell whether a run that kept one digest of its images may go on with those of another.

    Parameters
    ----------
    kept : str
        Of `Data.images_digest`; of its names alone in run folders of before November 2026, "" in
        those without images yet.
    images : str
        "names-contents", of now.
    """
    return kept in ("", images, images.partition("-")[0])


@dataclass(frozen=True)
class Data:
    """What is trained on and measured with.

    Parameters
    ----------
    train, validation : Part
    class_names, band_names : list of str
    units : str
        "DN" or "rgb8".
    statistics : dict
        Of the pixels of the training part, per band.
    test : Part, optional
        Images that nothing is decided by.
    built_in_sample : bool
        Whether the images are the made ones of the built-in sample.
    level : {"L1C", "L2A"}, optional
        At which they were processed, where that is known.
    split : dict
        What `split_identity.identity` tells.
    """

    train: Part
    validation: Part
    class_names: list[str]
    band_names: list[str]
    units: str
    statistics: dict
    test: Part | None = None
    built_in_sample: bool = False
    level: str | None = None
    split: dict[str, str] = field(default_factory=dict)

    def steps(self, batch_size: int | None) -> int:
        """Count the steps of one pass over the training images."""
        count = len(self.train.labels)
        shared = count - count % parallel.count()
        return math.ceil(shared / fitting_batch(batch_size, count))

    def images_digest(self) -> str:
        """Tell these images from others, by the names and the contents of their files.

        The times of the files do not count: a clone or a plain copy of a split loses them, and a
        run shall go on where its split was copied to, or was made anew from the same images. So
        contents are told by all sizes and by the bytes of a sample (`file_contents.digest`).

        Returns
        -------
        str
            "names-contents", for `same_images`.
        """
        names, contents = hashlib.sha256(), hashlib.sha256()
        for part in (self.train, self.validation):
            names.update("\n".join(Path(file).name for file in part.files).encode() + b"\n\n")
            contents.update(file_contents.digest(part.files).encode())
        return f"{names.hexdigest()[:16]}-{contents.hexdigest()[:16]}"

    def one_hot_labels(self, part: str) -> np.ndarray:
        """Give the labels of a part, of shape (N, classes), float32."""
        return np.eye(len(self.class_names), dtype="float32")[getattr(self, part).labels]

    def class_weights(self) -> np.ndarray:
        """Weight of each training image such that all classes weigh the same; float32."""
        return class_weights(self.train.labels, len(self.class_names))

    def training_batches(
        self,
        batch_size: int | None,
        *,
        class_weights: bool = False,
        taught: Taught | None = None,
        **options: Any,
    ) -> Any:
        """Batches to train with, in another order in each epoch, augmented.

        Parameters
        ----------
        batch_size : int or None
            None: what fits the training images.
        class_weights : bool
            Let the images of rare classes weigh more.
        taught : Taught, optional
            Windows that are learned beside the images, with weight 1.
        **options
            Changes, mixup, seed, workers: as `patch_batches.simple_image_generator` takes them.

        Returns
        -------
        keras.utils.PyDataset
        """
        patches, labels = self.train.patches, self.one_hot_labels("train")
        weights = self.class_weights() if class_weights else None
        if taught is not None:
            patches = patch_batches.Joined(patches, taught.repeats, taught.windows)
            labels = np.concatenate([np.tile(labels, (taught.repeats, 1)), taught.shares])
            if weights is not None:
                ones = np.ones(len(taught.shares), np.float32)
                weights = np.concatenate([np.tile(weights, taught.repeats), ones])
        batches = patch_batches.simple_image_generator(
            patches,
            labels=labels,
            sample_weights=weights,
            batch_size=fitting_batch(batch_size, len(self.train.labels)),
            **options,
        )
        return parallel.share_out(batches)

    def batches(self, part: str, batch_size: int | None, mosaic: int = 1) -> Any:
        """Batches of a part, without augmentation, always in the order of `order_of`.

        Parameters
        ----------
        part : {"train", "validation", "test"}
        batch_size : int or None
            None: what fits the training images.
        mosaic : int
            K: laid out as mosaics of K x K images. 1: not.
        """
        images = getattr(self, part)
        order = patch_batches.order_of(len(images.labels), mosaic)
        patches: Any = (
            images.patches if mosaic == 1 else patch_batches.Reordered(images.patches, order)
        )
        batches = patch_batches.simple_image_generator(
            patches,
            labels=self.one_hot_labels(part)[order],
            batch_size=fitting_batch(batch_size, len(self.train.labels)),
            mosaic=mosaic,
            shuffle=False,
        )
        return parallel.share_out_part(batches, part)


@processes.in_turn()
def read_data(
    path_to_split: str, bands: str | Sequence[str], batch_size: int | None, skip_bad: bool = False
) -> Data:
    """Open the parts of a split and take the statistics of its training part.

    Parameters
    ----------
    path_to_split : str
        Folder that script 01 made.
    bands : str or sequence of str
        A name of `image_functions.BAND_COMBINATIONS`, or band names.
    batch_size : int or None
        None: what fits, which is said where it is not the usual.
    skip_bad : bool
        Leave bad patches out instead of stopping.

    Raises
    ------
    ValueError
        If there are fewer images than a batch, or a part has classes that train/ lacks.
    """
    listing = split_folders.Listing(path_to_split)
    sensor = sensors.sensor_of(listing.bands)
    band_names = sensors.chosen_bands(bands, sensor)
    train, class_names = _read_part(listing, "train", band_names, skip_bad)
    validation, _ = _read_part(listing, "validation", band_names, skip_bad)
    _say_what_is_missing(validation.labels, class_names)
    has_test = split_folders.has_part(path_to_split, "test")
    test = _read_part(listing, "test", band_names, skip_bad)[0] if has_test else None
    _check_batch_size(batch_size, len(train.labels), path_to_split)
    statistics = band_statistics.training_statistics(
        path_to_split, train.patches, band_names, train.files
    )
    units = statistics["units"]
    if units == "DN" and band_names == list(sensor.true_colour):
        used = ", ".join(band_names)
        print(f"note: {path_to_split} has multispectral patches; only {used} of them are used")
    sample = split_marker.is_of_sample(path_to_split)
    return Data(
        train,
        validation,
        class_names,
        band_names,
        units,
        statistics,
        test,
        built_in_sample=sample,
        level=_level(listing, sensor),
        split=split_identity.identity(path_to_split),
    )


def _level(listing: split_folders.Listing, sensor: sensors.Sensor) -> str | None:
    """Return the level of the images, and say so where nothing tells it."""
    if listing.level is None and sensor is sensors.SENTINEL_2:
        print(
            f"note: nothing tells the level (L1C or L2A) of the images of {listing.folder}, and "
            "so nothing will warn of scenes of the other one: PROCESSING_LEVEL in script 01 says it"
        )
    return listing.level


def _read_part(
    listing: split_folders.Listing, part: str, band_names: Sequence[str], skip_bad: bool
) -> tuple[Part, list[str]]:
    patches, labels, class_names, names = split_folders.load_part(
        listing, part, band_names, skip_bad=skip_bad
    )
    return Part(patches, labels, list(names)), list(class_names)


def _say_what_is_missing(labels: np.ndarray, class_names: Sequence[str]) -> None:
    missing = [name for index, name in enumerate(class_names) if index not in labels]
    if missing:
        print(f"no validation images of {', '.join(missing)}: their accuracy will not be known")


def fitting_batch(batch_size: int | None, count: int) -> int:
    """Give the size of a batch: the one that is wished, or for None what fits so many images.

    That is `USUAL_BATCH`, or with few images the highest power of two that leaves four steps or
    more to a pass: with 84 patches of 13 bands, a batch of 16 gave 83.3 % where one of 64 gave
    66.7 %.
    """
    if batch_size is not None:
        return batch_size
    return min(USUAL_BATCH, 2 ** int(math.log2(max(count // 4, 1))))


def _check_batch_size(batch_size: int | None, count: int, path_to_split: str) -> None:
    if batch_size is None:
        fitting = fitting_batch(None, count)
        if fitting < USUAL_BATCH:
            print(f"note: BATCH_SIZE is {fitting}, because there are only {count} images to train")
        return
    if batch_size < 1:
        raise ValueError(f"BATCH_SIZE must be 1 or more, not {batch_size}")
    if count < batch_size:
        raise ValueError(
            f"BATCH_SIZE = {batch_size}, but {path_to_split} has only {count} images to train "
            f"with: set BATCH_SIZE to {count} or less ({max(1, count // 4)} is a good choice)"
        )


def class_weights(labels: np.ndarray, class_count: int) -> np.ndarray:
    """Weight of each image such that all classes weigh the same, with a mean of 1.

    Parameters
    ----------
    labels : ndarray of shape (N,), int
    class_count : int

    Returns
    -------
    ndarray of shape (N,), float32
    """
    counts = np.bincount(labels, minlength=class_count)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype("float32")

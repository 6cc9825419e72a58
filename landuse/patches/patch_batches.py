"""Batches of patches, drawn from (seed, epoch, index of the batch) and prepared ahead."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landuse import devices
from landuse.patches import augmentation, class_folders, image_files

_ORDER_STREAM = 2**32 - 1  # stands where a batch's index would: no epoch has so many batches


@functools.cache
def _batch_threads() -> ThreadPoolExecutor:
    # Threads of their own: a batch waits for the threads that warp and read its patches.
    return ThreadPoolExecutor(2, thread_name_prefix="batches")


def arrange_mosaics(tiles: NDArray[Any], across: int) -> NDArray[Any]:
    """Lay each `across * across` tiles (n, rows, columns, bands) out as one image."""
    count, rows, columns, bands = tiles.shape
    grid = tiles.reshape(count // across**2, across, across, rows, columns, bands)
    return grid.swapaxes(2, 3).reshape(-1, across * rows, across * columns, bands)


class PatchBatches:
    """Batches of patches, drawn anew in each epoch from (seed, epoch, index of the batch).

    `simple_image_generator` explains the arguments and gives them their defaults.

    Attributes
    ----------
    epoch : int
        The epoch whose batches are given, from 0; advanced by `on_epoch_end`. Set it to
        go on with a run that was interrupted.
    multiple : int
        The last batch holds a multiple of so many patches too, for devices that get equal shares
        of it; the rest is left out of the epoch. 1 at first: none is.
    share : tuple of int
        (which one, of how many): of each batch, only this one of so many equal parts is given, in
        the order of the whole and changed as it would be there. (0, 1) at first: all is.
    """

    # Before the first epoch of every `fit`, Keras looks at a batch or two and resets the dataset
    # by `on_epoch_end`. When `on_epoch_begin` follows such a call, it takes it back.

    def __init__(
        self,
        patches: Any,
        labels: NDArray[np.float32],
        sample_weights: NDArray[np.float32] | None,
        batch_size: int,
        changes: Mapping[str, Any],
        histogram_matching: float,
        mixup: float,
        mosaic: int,
        seed: int,
        shuffle: bool,
        ahead: int,
    ) -> None:
        self.patches = patches
        self.labels = labels
        self.sample_weights = sample_weights
        self.batch_size = batch_size
        self.changes = dict(changes)
        self.histogram_matching = histogram_matching
        self.mixup = mixup
        self.mosaic = mosaic
        self.seed = seed
        self.shuffle = shuffle
        self.ahead = ahead
        self.multiple = 1
        self.share = (0, 1)
        self.size: int | None = None  # pixels along a side, if other than those of the patches
        self.epoch = 0
        self._order: tuple[int, NDArray[np.int64]] | None = None
        self._next = 0  # the batch that follows the one given last
        self._prepared: dict[tuple[int, int], Future[tuple[NDArray[Any], ...]]] = {}

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return math.ceil((len(self.labels) - self.left_out) / self.batch_size)

    @property
    def left_out(self) -> int:
        """Count the patches that no batch of an epoch holds."""
        return len(self.labels) % self.multiple

    def resize(self, size: int) -> None:
        """Give pictures of another size from now on, `size` pixels along a side."""
        self.size, self._prepared = size, {}

    @property
    def epoch(self) -> int:
        """The epoch whose batches are given, from 0."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._begun = self._may_take_back = False

    def on_epoch_begin(self) -> None:
        """Be told that an epoch begins."""
        self._epoch -= self._may_take_back
        self._begun, self._may_take_back = True, False
        self._next = 0

    def on_epoch_end(self) -> None:
        """Go on to the next epoch."""
        only_looked_at = self._next < min(3, len(self))
        self._may_take_back = not self._begun or only_looked_at
        self._epoch += 1
        self._begun = False

    def order(self, epoch: int | None = None) -> NDArray[np.int64]:
        """Return the order in which an epoch (this one) takes the patches, shape (N,)."""
        count, epoch = len(self.labels), self.epoch if epoch is None else epoch
        if not self.shuffle:
            return np.arange(count)
        cached = self._order
        if cached is None or cached[0] != epoch:
            rng = np.random.default_rng((self.seed, epoch, _ORDER_STREAM))
            cached = self._order = (epoch, rng.permutation(count))
        return cached[1]

    def _indices(self, epoch: int, index: int) -> NDArray[np.int64]:
        """Which patches a batch holds; an incomplete mosaic takes more from the epoch's start."""
        order = self.order(epoch)
        order = order[: len(order) - self.left_out]
        indices = order[index * self.batch_size : (index + 1) * self.batch_size]
        missing = -len(indices) % self.mosaic**2
        return np.concatenate([indices, np.resize(order, missing)]) if missing else indices

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        if isinstance(self.patches, list):
            files = [self.patches[index] for index in indices]
            return _stack_patches(files, list(devices.threads().map(image_files.read_patch, files)))
        return np.asarray(self.patches[indices])

    def in_mosaics(self, across: int) -> PatchBatches:
        """Return batches of the same patches, `across * across` of them laid out as one image.

        A batch holds at least one such image, and only whole ones.
        """
        batch_size = max(self.batch_size // across**2, 1) * across**2
        return type(self)(
            patches=self.patches,
            labels=self.labels,
            sample_weights=self.sample_weights,
            batch_size=batch_size,
            changes=self.changes,
            histogram_matching=self.histogram_matching,
            mixup=self.mixup,
            mosaic=across,
            seed=self.seed,
            shuffle=self.shuffle,
            ahead=self.ahead,
        )

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        """Return the patches, the labels and, where there are any, the sample weights."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        wanted = (self.epoch, index)
        prepared = self._prepared.pop(wanted, None)
        self._prepare_next(*wanted)
        return self._batch(*wanted) if prepared is None else prepared.result()

    def _prepare_next(self, epoch: int, index: int) -> None:
        """Have threads prepare the batches that follow, if batches are taken in turn."""
        in_turn, self._next = index in (0, self._next), index + 1
        last = min(index + self.ahead, len(self) - 1) if in_turn else index
        wanted = [(epoch, following) for following in range(index + 1, last + 1)]
        prepared = self._prepared
        self._prepared = {
            key: prepared.get(key) or _batch_threads().submit(self._batch, *key) for key in wanted
        }

    def _own(self, count: int) -> slice:
        """Which of so many patches of a batch are given here."""
        which, parts = self.share
        return slice(which * count // parts, (which + 1) * count // parts)

    def _batch(self, epoch: int, index: int) -> tuple[NDArray[Any], ...]:
        rng = np.random.default_rng((self.seed, epoch, index))
        indices = self._indices(epoch, index)
        own = self._own(len(indices))
        draws: np.random.Generator | augmentation.Draws = rng
        if not (self.mixup or self.histogram_matching):  # which need the others
            draws = augmentation.Draws(rng, len(indices), own)
            indices, own = indices[own], slice(None)
        patches, labels = self._read(indices), self.labels[indices]
        weights = None if self.sample_weights is None else self.sample_weights[indices]
        if self.histogram_matching:
            share = self.histogram_matching
            patches = augmentation.match_histograms(patches, labels, rng, share)
        if any(self.changes.values()):
            patches = augmentation.augment_patches(patches, draws, **self.changes)
        if self.size and self.size != patches.shape[1]:
            patches = augmentation.resize_patches(patches, self.size)
        if self.mixup:
            patches, labels, weights = augmentation.mix_up(
                patches, labels, weights, rng, self.mixup
            )
        if self.mosaic > 1:
            across = self.mosaic
            patches = arrange_mosaics(patches, across)
            labels = labels.reshape(-1, across, across, labels.shape[-1])
            weights = None if weights is None else weights.reshape(-1, across, across)
        patches, labels = patches[own], labels[own]
        return (patches, labels) if weights is None else (patches, labels, weights[own])


def _stack_patches(files: Sequence[Any], patches: list[NDArray[Any]]) -> NDArray[Any]:
    first = patches[0]
    for file, patch in zip(files, patches, strict=True):
        if patch.shape != first.shape or patch.dtype != first.dtype:
            raise ValueError(
                f"{file}: has {patch.shape} {patch.dtype}, but {files[0]} has {first.shape} "
                f"{first.dtype} (rows, columns, bands); all patches must be alike"
            )
    return np.stack(patches)


@functools.cache
def _dataset_class() -> Any:
    import keras

    class PatchDataset(PatchBatches, keras.utils.PyDataset):
        """`PatchBatches` as Keras takes them."""

        def __init__(self, **arguments: Any) -> None:
            # One worker: several make Keras fetch batches before it says that an epoch begins.
            keras.utils.PyDataset.__init__(self, workers=1)
            PatchBatches.__init__(self, **arguments)

    return PatchDataset


def _labels_of(
    patches: Any, labels: ArrayLike | None, class_indices: Mapping[str, int] | None
) -> NDArray[np.float32]:
    if labels is None:
        if class_indices is None or not isinstance(patches, list):
            raise ValueError("give class_indices with a list of files, or labels with an array")
        return class_folders.categorical_label_from_full_file_name(patches, class_indices)
    given = np.asarray(labels)
    if given.ndim == 2:
        return given.astype(np.float32)
    highest = max(class_indices.values()) if class_indices else int(given.max(initial=0))
    return class_folders.one_hot(given.astype(np.int64), highest + 1)


def _check_batches(count: int, labels: int, batch_size: int, mosaic: int) -> None:
    if count == 0:
        raise ValueError("there are no patches")
    if count != labels:
        raise ValueError(f"{count} patches, but {labels} labels")
    if batch_size < 1 or mosaic < 1 or batch_size % mosaic**2:
        raise ValueError(
            f"batch_size = {batch_size} with mosaic = {mosaic}: a batch holds patches, so its "
            f"size must be a multiple of {max(mosaic, 1) ** 2}"
        )


def simple_image_generator(
    files: Sequence[str | os.PathLike[str]] | NDArray[Any],
    class_indices: Mapping[str, int] | None = None,
    batch_size: int = 64,
    histogram_matching: float = 0,
    mixup: float = 0,
    mosaic: int = 1,
    labels: ArrayLike | None = None,
    sample_weights: ArrayLike | None = None,
    seed: int = 42,
    shuffle: bool = True,
    workers: int = 2,
    **changes: Any,
) -> Any:
    """Batches of raw pixel values and labels, for `model.fit`, `evaluate` and `predict`.

    Each image comes once an epoch, the last batch may be smaller. Order and augmentation
    depend on the seed, the epoch and the number of the batch alone. Call
    `model.fit(..., shuffle=False)`: Keras would shuffle the batches by other random numbers.

    Parameters
    ----------
    files : list of N paths, or array of shape (N, rows, columns, bands), uint8 or uint16
        Paths lie in folders named as their class and are read when their batch is due; an
        array (also one mapped from a file) is indexed batch by batch.
    class_indices : class name -> index from 0
    batch_size : patches in a batch
    histogram_matching : share, 0..1, of the patches
        They take the colours of others of their class in the batch: `match_histograms`.
    mixup : alpha of the Beta distribution by which patches and labels are blended; 0: off
        Zhang et al. 2018, arXiv 1710.09412. Blended patches are float32.
    mosaic : K: lay K*K patches out as one image with K*K labels; 1: off
        `batch_size` still counts patches and must be a multiple of K*K. The last mosaic of an
        epoch is completed by the patches that came first.
    labels : array_like of shape (N,), class indices, or (N, classes), shares
        Instead of the names of the folders.
    sample_weights : array_like of shape (N,)
        The weight of each image in the loss.
    seed : whole number from 0
    shuffle : False: in the order given, for validation
    workers : how many batches threads prepare ahead, so that training need not wait; 0: none
    **changes : rotation_range, horizontal_flip, vertical_flip, symmetries, brightness_range, ...
        See `augment_patches`; all off.

    Returns
    -------
    keras.utils.PyDataset
        A batch is (patches, labels) or (patches, labels, weights): patches (B, rows, columns,
        bands) in their own dtype, labels (B, classes) float32, weights (B,) float32; with
        mosaics (B / K², K * rows, K * columns, bands), (B / K², K, K, classes) and
        (B / K², K, K). `dataset.epoch` may be set to resume.
    """
    patches = files if hasattr(files, "shape") else list(files)
    augmentation.check_changes(changes)
    one_hot = _labels_of(patches, labels, class_indices)
    _check_batches(len(patches), len(one_hot), batch_size, mosaic)
    weights = None if sample_weights is None else np.asarray(sample_weights, np.float32)
    if weights is not None and weights.shape != (len(patches),):
        raise ValueError(f"sample_weights: expected {len(patches)} of them, got {weights.shape}")
    return _dataset_class()(
        patches=patches,
        labels=one_hot,
        sample_weights=weights,
        batch_size=batch_size,
        changes=changes,
        histogram_matching=histogram_matching,
        mixup=mixup,
        mosaic=mosaic,
        seed=seed,
        shuffle=shuffle,
        ahead=workers,
    )


def order_of(count: int, mosaic: int) -> np.ndarray:
    """Order in which images are measured: that of their files, or one drawn for mosaics.

    Files come class by class. A mosaic of one class would tell the network more about each of its
    patches than it can know.

    Parameters
    ----------
    count : int
        Images.
    mosaic : int
        1, or K for mosaics of K x K images.

    Returns
    -------
    ndarray of shape (count,), int64
    """
    return np.arange(count) if mosaic == 1 else np.random.default_rng(0).permutation(count)


class Reordered:
    """Patches in another order, read when they are asked for."""

    def __init__(self, patches: Any, order: np.ndarray) -> None:
        self.patches = patches
        self.order = order
        self.shape = patches.shape

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, indices: Any) -> Any:
        return self.patches[self.order[indices]]


class Joined:
    """Patches of one array, several times, and then those of another, read when asked for."""

    def __init__(self, first: Any, repeats: int, second: Any) -> None:
        if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
            raise ValueError(
                f"patches of {first.shape[1:]} {first.dtype} cannot be joined with those of "
                f"{second.shape[1:]} {second.dtype}"
            )
        self.first, self.second = first, second
        self.start = repeats * len(first)
        self.dtype = first.dtype
        self.shape = (self.start + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any) -> NDArray[Any]:
        wanted = np.asarray(indices)
        own = wanted < self.start
        patches = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        patches[own] = self.first[wanted[own] % len(self.first)]
        patches[~own] = self.second[wanted[~own] - self.start]
        return patches

"""Patches of Sentinel-2 images: bands, reading, scaling, augmentation, batches, statistics.

What every script and notebook may import. Nothing here imports Keras before
`simple_image_generator` is called, so importing this module is quick.

Arrays of patches have the shape (N, rows, columns, bands); their pixels are uint16 digital
numbers ("DN", reflectance times 10,000) or uint8 colours ("rgb8", DN 0..2750 as 1..255).
"""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PATCH_SIZE = 64  # rows and columns of a EuroSAT patch, 640 m on the ground

# The order of the bands in a EuroSAT file: B8A is last, unlike in a Sentinel-2 product.
BANDS_MS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A",
)  # fmt: skip
BANDS_RGB = ("B04", "B03", "B02")

# Central wavelengths in nm (Sentinel-2A, ESA Sentinel-2 user guide).
WAVELENGTHS = {
    "B01": 443, "B02": 490, "B03": 560, "B04": 665, "B05": 705, "B06": 740, "B07": 783,
    "B08": 842, "B8A": 865, "B09": 945, "B10": 1375, "B11": 1610, "B12": 2190,
}  # fmt: skip

# The combinations of Helber et al. 2019, all bands, and all but the cirrus band, which
# Level-2A products do not have.
BAND_COMBINATIONS = {
    "RGB": BANDS_RGB,
    "SWIR": ("B12", "B8A", "B04"),
    "CI": ("B08", "B04", "B03"),
    "ALL": BANDS_MS,
    "L2A": tuple(band for band in BANDS_MS if band != "B10"),
}

# Pooled over all pixels of EuroSAT MS; source: torchgeo, datamodules/eurosat.py.
EUROSAT_STATISTICS: dict[str, Any] = {
    "band_names": list(BANDS_MS),
    "units": "DN",
    "mean": [
        1354.41, 1118.24, 1042.93, 947.63, 1199.47, 1999.79, 2369.22, 2296.83, 732.08, 12.11,
        1819.01, 1118.92, 2594.14,
    ],
    "std": [
        245.72, 333.01, 395.09, 593.75, 566.42, 861.18, 1086.63, 1117.98, 404.92, 4.776,
        1002.59, 761.30, 1231.59,
    ],
}  # fmt: skip

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
PERCENTILES = (0.1, 1.0, 50.0, 99.0, 99.9)

_TIFF_SUFFIXES = (".tif", ".tiff")
_RGB8_FULL_SCALE = 2750  # the DN that becomes 255
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
_VGG_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)
_ORDER_STREAM = 2**32 - 1  # stands where a batch's index would: no epoch has so many batches


def _check_strips_lie_in_file(page: Any, size: int) -> None:
    """Raise ValueError when a TIFF page points past the end of its file."""
    ends = (
        start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )
    if max(ends, default=0) > size:
        raise ValueError("the file is truncated")


def _check_pages_are_there(tiff: Any) -> None:
    """Raise ValueError when pages are fewer than the description of a TIFF says."""
    described = [tuple(item["shape"]) for item in tiff.shaped_metadata or () if "shape" in item]
    if described and math.prod(described[0]) != math.prod(tiff.series[0].shape):
        raise ValueError("the file is truncated")


# Of a TIFF, 0.5 GB: a damaged header can ask for more than there is memory.
_MOST_VALUES = 2**28


@functools.cache
def _tifffile() -> ModuleType:
    import tifffile

    # What it logs about damaged files comes in our own message.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return tifffile


def _read_tiff(path: Path) -> NDArray[Any]:
    with _tifffile().TiffFile(path) as tiff:
        series = tiff.series[0]
        if math.prod(series.shape) > _MOST_VALUES:
            raise ValueError(f"it claims to hold {series.shape} values, which no patch has")
        _check_pages_are_there(tiff)
        for page in series.pages:
            _check_strips_lie_in_file(page, tiff.filehandle.size)
        pixels, axes = series.asarray(), series.axes
    if pixels.ndim == 2:
        return pixels[:, :, np.newaxis]
    if pixels.ndim != 3 or "Y" not in axes or "X" not in axes:
        raise ValueError(f"its axes {axes} {pixels.shape} are not rows, columns and bands")
    band_axis = next(axis for axis, name in enumerate(axes) if name not in "YX")
    return np.moveaxis(pixels, band_axis, -1)


def _read_photo(path: Path) -> NDArray[Any]:
    from PIL import Image

    with Image.open(path, formats=("JPEG", "PNG")) as image:
        pixels = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels


def _as_unsigned(pixels: NDArray[Any]) -> NDArray[Any]:
    """Other whole numbers as uint16; ValueError when they do not fit."""
    if pixels.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    if not np.issubdtype(pixels.dtype, np.integer):
        raise ValueError(f"its pixels are {pixels.dtype}, expected uint8 or uint16")
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"its {pixels.dtype} values do not lie in 0..65535")
    return pixels.astype(np.uint16)


def read_patch(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an image patch.

    Parameters
    ----------
    path : path of a JPEG, PNG or TIFF
        A TIFF may hold its bands pixel by pixel, plane by plane or page by page.

    Returns
    -------
    ndarray of shape (rows, columns, bands), uint8 or uint16
        The pixels as they are in the file.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is damaged or is not an image of that kind; the message names it.
    """
    path = Path(path)
    reader = _read_tiff if path.suffix.lower() in _TIFF_SUFFIXES else _read_photo
    try:
        return _as_unsigned(reader(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file; was it moved meanwhile?") from error
    except (PermissionError, IsADirectoryError, MemoryError):
        raise
    except Exception as error:  # decoders raise whatever they like on damaged files
        reason = str(error).split("\n")[0].replace(f"'{path}'", "it") or type(error).__name__
        raise ValueError(f"{path}: cannot be read as an image ({reason})") from error


@functools.cache
def _rgb8_table() -> NDArray[np.uint8]:
    dn = np.arange(2**16)
    table = np.floor(np.minimum(dn * (254 / _RGB8_FULL_SCALE) + 1, 255) + 0.5).astype(np.uint8)
    table[0] = 0
    return table


def scale_to_rgb8(dn: ArrayLike) -> NDArray[np.uint8]:
    """Scale digital numbers as the published EuroSAT RGB images were scaled.

    The same as `gdal_translate -ot Byte -scale 0 2750 1 255`, but 0 (nodata) stays 0.

    Parameters
    ----------
    dn : array_like of whole numbers, DN
        Values outside 0..65535 are clipped.

    Returns
    -------
    ndarray of the same shape, uint8
        DN 0..2750 as 1..255, rounded; 255 above, and 0 where DN is 0.
    """
    values: NDArray[Any] = np.asarray(dn)
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"scale_to_rgb8 takes whole DN, got {values.dtype}")
    if values.dtype not in (np.uint8, np.uint16):
        values = np.clip(values, 0, 2**16 - 1)
    return _rgb8_table()[values]


def preprocessing_image_rgb(image: ArrayLike, network: str = "VGG16") -> NDArray[np.float32]:
    """Prepare an RGB image as the ImageNet weights of a network expect it.

    The array reference of the first layers of an RGB model with pretrained weights; the
    models do this themselves, so they are given raw pixel values.

    Parameters
    ----------
    image : array_like of shape (..., 3), red, green, blue in 0..255
    network : {"VGG16", "ResNet50", "DenseNet201"}

    Returns
    -------
    ndarray of shape (..., 3), float32
        VGG16 and ResNet50: blue, green, red less the ImageNet mean, not scaled.
        DenseNet201: red, green, blue in 0..1, standardised by ImageNet's mean and spread.
    """
    pixels: Any = np.asarray(image, np.float32)
    if network in ("VGG16", "ResNet50"):
        return pixels[..., ::-1] - _VGG_MEAN_BGR
    if network == "DenseNet201":
        return (pixels / 255 - _IMAGENET_MEAN) / _IMAGENET_STD
    raise ValueError(f"network {network!r}: expected VGG16, ResNet50 or DenseNet201")


def preprocessing_image_ms(
    image: ArrayLike, mean: ArrayLike, std: ArrayLike
) -> NDArray[np.float32]:
    """Standardise an image by the mean and standard deviation of each band.

    The array reference of the first layer of a model trained from scratch.

    Parameters
    ----------
    image : array_like of shape (..., bands), DN
    mean, std : array_like of shape (bands,), DN

    Returns
    -------
    ndarray of shape (..., bands), float32
    """
    pixels: Any = np.asarray(image, np.float32)
    # NumPy is slow along an axis as short as the bands, so a row of pixels becomes one axis.
    rows = pixels.reshape(*pixels.shape[:-2], -1)
    mean, std = (
        np.broadcast_to(np.asarray(values, np.float32), pixels.shape[-2:]).ravel()
        for values in (mean, std)
    )
    standardised = rows - mean
    standardised /= std
    return standardised.reshape(pixels.shape)


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
    return _one_hot(indices, max(class_indices.values()) + 1)


def _one_hot(labels: NDArray[np.integer[Any]], class_count: int) -> NDArray[np.float32]:
    return np.eye(class_count, dtype=np.float32)[labels]


# --- augmentation ---------------------------------------------------------------------------


@functools.cache
def _opencv() -> ModuleType:
    import cv2

    # Patches are far too small to be worth OpenCV's own threads; batches have ours.
    cv2.setNumThreads(1)
    return cv2


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="patches")


@functools.cache
def _batch_threads() -> ThreadPoolExecutor:
    # Threads of their own: a batch waits for the threads that warp and read its patches.
    return ThreadPoolExecutor(2, thread_name_prefix="batches")


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _draw_symmetries(
    rng: np.random.Generator, count: int, horizontal: bool, vertical: bool, all_eight: bool
) -> NDArray[np.bool_]:
    """Draw for each patch whether to transpose it, reverse its rows, reverse its columns."""
    drawn = rng.random((count, 3)) < 0.5
    return drawn & np.array([all_eight, vertical or all_eight, horizontal or all_eight])


def _flip_patches(patches: NDArray[Any], symmetries: NDArray[np.bool_]) -> NDArray[Any]:
    flipped = np.empty_like(patches)
    for symmetry in np.unique(symmetries, axis=0):
        transpose, rows, columns = symmetry
        chosen = (symmetries == symmetry).all(axis=1)
        some = patches[chosen]
        some = some.swapaxes(1, 2) if transpose else some
        flipped[chosen] = some[:, :: -1 if rows else 1, :: -1 if columns else 1]
    return flipped


def _source_matrices(
    symmetries: NDArray[np.bool_], degrees: NDArray[np.float64], rows: int, columns: int
) -> NDArray[np.float64]:
    """Where each output pixel comes from: (N, 2, 3) matrices of (column, row, 1).

    A patch is first transposed, flipped, then turned counter-clockwise about its centre.
    """
    radians = np.deg2rad(degrees)
    cosine, sine = np.cos(radians), np.sin(radians)
    turn = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 1)
    flip_column = np.where(symmetries[:, 2], -1.0, 1.0)
    flip_row = np.where(symmetries[:, 1], -1.0, 1.0)
    linear = turn * np.stack([flip_column, flip_row], -1)[:, :, np.newaxis]
    linear = np.where(symmetries[:, 0, np.newaxis, np.newaxis], linear[:, ::-1], linear)
    centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
    return np.concatenate([linear, (centre - linear @ centre)[:, :, np.newaxis]], axis=2)


def _warp_patch(patch: NDArray[Any], matrix: NDArray[np.float64], warped: NDArray[Any]) -> None:
    """Fill `warped` with the patch seen through the matrix, up to four bands at a time."""
    cv2 = _opencv()
    rows, columns, bands = patch.shape

    def warp(image: NDArray[Any], result: NDArray[Any]) -> None:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REFLECT
        cv2.warpAffine(image, matrix, (columns, rows), result, flags=flags, borderMode=border)

    if bands <= 4:
        warp(patch, warped)
        return
    # OpenCV warps four interleaved bands about as fast as one, and more of them slowly.
    sizes = [min(4, bands - first) for first in range(0, bands, 4)]
    groups = [np.empty((rows, columns, size), patch.dtype) for size in sizes]
    results = [np.empty_like(group) for group in groups]
    every_band = np.repeat(np.arange(bands), 2).tolist()
    cv2.mixChannels([patch], groups, every_band)
    for group, result in zip(groups, results, strict=True):
        warp(group, result)
    cv2.mixChannels(results, [warped], every_band)


def _warp_patches(patches: NDArray[Any], matrices: NDArray[np.float64]) -> NDArray[Any]:
    warped = np.empty_like(patches)

    def warp_every(first: int, step: int) -> None:
        for index in range(first, len(patches), step):
            _warp_patch(patches[index], matrices[index], warped[index])

    workers = min(usable_cores(), max(1, len(patches) // 8))
    if workers == 1:
        warp_every(0, 1)
    else:
        list(_threads().map(warp_every, range(workers), [workers] * workers))
    return warped


def _change_light(
    patches: NDArray[Any], rng: np.random.Generator, brightness: float, contrast: float
) -> NDArray[Any]:
    """Scale patches, and their distance from the mean of their bands, by random factors."""
    shape = (len(patches), 1, 1, 1)
    gain = rng.uniform(1 - brightness, 1 + brightness, shape).astype(np.float32)
    spread = rng.uniform(1 - contrast, 1 + contrast, shape).astype(np.float32)
    mean = patches.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    changed = np.rint((mean + (patches - mean) * spread) * gain)
    highest = np.iinfo(patches.dtype).max
    return np.where(patches > 0, np.clip(changed, 1, highest), 0).astype(patches.dtype)


def augment_patches(
    patches: NDArray[Any],
    rng: np.random.Generator,
    horizontal_flip: bool = False,
    vertical_flip: bool = False,
    rotation_range: float = 0,
    symmetries: bool = False,
    brightness_range: float = 0,
    contrast_range: float = 0,
) -> NDArray[Any]:
    """Change patches at random in ways that leave their class as it is.

    Parameters
    ----------
    patches : ndarray of shape (N, rows, columns, bands), uint8 or uint16
        Not changed.
    rng : the random numbers; the same state gives the same result
    horizontal_flip : whether to mirror left and right, for every second patch
    vertical_flip : whether to mirror top and bottom, for every second patch
    rotation_range : degrees
        Patches are turned by an angle of -rotation_range..rotation_range about their centre,
        linearly interpolated; beyond its border a patch is continued by its mirror image.
    symmetries : whether to take any of the eight symmetries of the square (no interpolation)
    brightness_range : share, 0..1
        Pixels are multiplied by a factor of 1 - share .. 1 + share.
    contrast_range : share, 0..1
        Distances from the mean of a band are multiplied by a factor of 1 - share .. 1 + share.

    Returns
    -------
    ndarray of the same shape and dtype
        Flips and rotations keep values inside the range of their patch and band; brightness
        and contrast keep 0 (nodata) and clip to 1 and the highest value of the dtype.
    """
    count, rows, columns, _ = patches.shape
    if symmetries and rows != columns:
        raise ValueError(f"symmetries need square patches, got {rows}x{columns} px")
    drawn = _draw_symmetries(rng, count, horizontal_flip, vertical_flip, symmetries)
    if rotation_range:
        degrees = np.asarray(rng.uniform(-rotation_range, rotation_range, count))
        augmented = _warp_patches(patches, _source_matrices(drawn, degrees, rows, columns))
    else:
        augmented = _flip_patches(patches, drawn)
    if brightness_range or contrast_range:
        augmented = _change_light(augmented, rng, brightness_range, contrast_range)
    return augmented


# --- batches --------------------------------------------------------------------------------


def _arrange_mosaics(tiles: NDArray[Any], across: int) -> NDArray[Any]:
    """Lay each `across * across` tiles (n, rows, columns, bands) out as one image."""
    count, rows, columns, bands = tiles.shape
    grid = tiles.reshape(count // across**2, across, across, rows, columns, bands)
    return grid.swapaxes(2, 3).reshape(-1, across * rows, across * columns, bands)


def _mix(
    patches: NDArray[Any],
    labels: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
    rng: np.random.Generator,
    alpha: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Blend each patch, its label and its weight with another of the batch (mixup)."""
    share = rng.beta(alpha, alpha, len(patches)).astype(np.float32)
    partner = rng.permutation(len(patches))

    def blend(values: NDArray[Any]) -> NDArray[np.float32]:
        part = share.reshape(-1, *[1] * (values.ndim - 1))
        return part * values + (1 - part) * values[partner]

    return blend(patches), blend(labels), None if weights is None else blend(weights)


class PatchBatches:
    """Batches of patches, drawn anew in each epoch from (seed, epoch, index of the batch).

    `simple_image_generator` explains the arguments and gives them their defaults.

    Attributes
    ----------
    epoch : int
        The epoch whose batches are given, from 0; advanced by `on_epoch_end`. Set it to
        go on with a run that was interrupted.
    """

    # Before the first epoch of every `fit`, Keras looks at a batch or two and resets the dataset
    # by `on_epoch_end`. When `on_epoch_begin` follows such a call, it takes it back.

    def __init__(
        self,
        patches: Any,
        labels: NDArray[np.float32],
        sample_weights: NDArray[np.float32] | None,
        batch_size: int,
        augmentation: Mapping[str, Any],
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
        self.augmentation = dict(augmentation)
        self.mixup = mixup
        self.mosaic = mosaic
        self.seed = seed
        self.shuffle = shuffle
        self.ahead = ahead
        self.epoch = 0
        self._order: tuple[int, NDArray[np.int64]] | None = None
        self._next = 0  # the batch that follows the one given last
        self._prepared: dict[tuple[int, int], Future[tuple[NDArray[Any], ...]]] = {}

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return math.ceil(len(self.labels) / self.batch_size)

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
        indices = order[index * self.batch_size : (index + 1) * self.batch_size]
        missing = -len(indices) % self.mosaic**2
        return np.concatenate([indices, np.resize(order, missing)]) if missing else indices

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        if isinstance(self.patches, list):
            files = [self.patches[index] for index in indices]
            return _stack_patches(files, list(_threads().map(read_patch, files)))
        return np.asarray(self.patches[indices])

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

    def _batch(self, epoch: int, index: int) -> tuple[NDArray[Any], ...]:
        rng = np.random.default_rng((self.seed, epoch, index))
        indices = self._indices(epoch, index)
        patches, labels = self._read(indices), self.labels[indices]
        weights = None if self.sample_weights is None else self.sample_weights[indices]
        if any(self.augmentation.values()):
            patches = augment_patches(patches, rng, **self.augmentation)
        if self.mixup:
            patches, labels, weights = _mix(patches, labels, weights, rng, self.mixup)
        if self.mosaic > 1:
            across = self.mosaic
            patches = _arrange_mosaics(patches, across)
            labels = labels.reshape(-1, across, across, labels.shape[-1])
            weights = None if weights is None else weights.reshape(-1, across, across)
        return (patches, labels) if weights is None else (patches, labels, weights)


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
        return categorical_label_from_full_file_name(patches, class_indices)
    given = np.asarray(labels)
    if given.ndim == 2:
        return given.astype(np.float32)
    highest = max(class_indices.values()) if class_indices else int(given.max(initial=0))
    return _one_hot(given.astype(np.int64), highest + 1)


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
    rotation_range: float = 0,
    horizontal_flip: bool = False,
    vertical_flip: bool = False,
    symmetries: bool = False,
    brightness_range: float = 0,
    contrast_range: float = 0,
    mixup: float = 0,
    mosaic: int = 1,
    labels: ArrayLike | None = None,
    sample_weights: ArrayLike | None = None,
    seed: int = 42,
    shuffle: bool = True,
    workers: int = 2,
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
    rotation_range, horizontal_flip, vertical_flip, symmetries, brightness_range, contrast_range
        See `augment_patches`; all off.
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

    Returns
    -------
    keras.utils.PyDataset
        A batch is (patches, labels) or (patches, labels, weights): patches (B, rows, columns,
        bands) in their own dtype, labels (B, classes) float32, weights (B,) float32; with
        mosaics (B / K², K * rows, K * columns, bands), (B / K², K, K, classes) and
        (B / K², K, K). `dataset.epoch` may be set to resume.
    """
    patches = files if hasattr(files, "shape") else list(files)
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
        augmentation={
            "rotation_range": rotation_range,
            "horizontal_flip": horizontal_flip,
            "vertical_flip": vertical_flip,
            "symmetries": symmetries,
            "brightness_range": brightness_range,
            "contrast_range": contrast_range,
        },
        mixup=mixup,
        mosaic=mosaic,
        seed=seed,
        shuffle=shuffle,
        ahead=workers,
    )


# --- statistics -----------------------------------------------------------------------------


def _pieces(patches: Any, size: int = 256) -> Iterable[NDArray[Any]]:
    """Take some patches at a time, whether they come in one array or one by one."""
    if not hasattr(patches, "shape"):
        return (np.asarray(patch) for patch in patches)
    return (np.asarray(patches[first : first + size]) for first in range(0, len(patches), size))


def _count_values(patches: Any, band_count: int) -> tuple[NDArray[np.int64], str]:
    """Count how often each value 0..65535 occurs in each band: (bands, 65536), and the units."""
    counts = np.zeros((band_count, 2**16), np.int64)
    dtypes = set()
    for piece in _pieces(patches):
        if piece.shape[-1] != band_count or piece.dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"expected uint8 or uint16 patches of {band_count} bands, got {piece.dtype} of "
                f"{piece.shape[-1]} bands"
            )
        dtypes.add(piece.dtype)
        for band in range(band_count):
            found = np.bincount(piece[..., band].ravel())
            counts[band, : len(found)] += found
    if not counts.any():
        raise ValueError("there are no patches to take statistics of")
    return counts, "rgb8" if dtypes == {np.dtype(np.uint8)} else "DN"


def _percentile(counts: NDArray[np.int64], percent: float) -> float:
    """Return the percentile of counted values, interpolated linearly as numpy does."""
    upto = np.cumsum(counts)
    position = percent / 100 * (upto[-1] - 1)
    below, above = np.searchsorted(upto, [math.floor(position), math.ceil(position)], "right")
    return float(below + (above - below) * (position - math.floor(position)))


def _moments(counts: NDArray[np.int64]) -> tuple[float, float]:
    values = np.arange(len(counts), dtype=np.float64)
    mean = np.average(values, weights=counts)
    return float(mean), float(math.sqrt(np.average((values - mean) ** 2, weights=counts)))


def pooled_statistics(patches_iterable: Any, band_names: Sequence[str]) -> dict[str, Any]:
    """Statistics of each band over all pixels of all patches, in float64.

    Only the counts of the 65,536 possible values are held, so the data may be larger than
    the memory, and the percentiles are exact.

    Parameters
    ----------
    patches_iterable : array of shape (N, rows, columns, bands), or iterable of such arrays
        or of single patches; uint8 or uint16. An array may be mapped from a file.
    band_names : names of the bands, in order

    Returns
    -------
    dict
        "band_names", "units" ("rgb8" for uint8, else "DN"), "count" (pixels in each band), and
        lists with a value for each band: "mean", "std", "min", "max", and "percentiles", a dict
        of such lists for "0.1", "1", "50", "99" and "99.9" percent.

    Raises
    ------
    ValueError
        When there are no patches, or their bands are not as many as the names.
    """
    counts, units = _count_values(patches_iterable, len(band_names))
    moments = [_moments(band) for band in counts]
    present = [np.flatnonzero(band) for band in counts]
    return {
        "band_names": list(band_names),
        "units": units,
        "count": int(counts[0].sum()),
        "mean": [mean for mean, _ in moments],
        "std": [std for _, std in moments],
        "min": [int(values[0]) for values in present],
        "max": [int(values[-1]) for values in present],
        "percentiles": {
            f"{percent:g}": [_percentile(band, percent) for band in counts]
            for percent in PERCENTILES
        },
    }

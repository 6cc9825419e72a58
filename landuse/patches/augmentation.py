"""Random changes to patches that leave their class as it is.

Another one is an argument of `augment_patches` that is off by default, its largest value in
`BELOW`, and a constant in the scripts that want it. One that takes several patches and their labels
is a function of its own, which `patch_batches` calls.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landuse import devices, sensors

# Amounts, which are 0 (off) or more, and what they must stay below.
BELOW = {
    "rotation_range": math.inf,
    "brightness_range": 1.0,
    "contrast_range": 1.0,
    "band_gain_range": 1.0,
    "haze_range": 1.0,
    "blur": 1.0000001,
    "zoom_range": 1.0,
    "histogram_matching": 1.0000001,
    "mixup": math.inf,
}


class Draws:
    """Random numbers of some patches of a batch, as they are drawn for all of it.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
        Patches of the batch; what is drawn has their number as its first dimension.
    own : slice
        Which of them.
    """

    def __init__(self, rng: np.random.Generator, count: int, own: slice) -> None:
        self.rng, self.count, self.own = rng, count, own

    def _all(self, size: int | tuple[int, ...]) -> tuple[int, ...]:
        return (self.count, *(() if isinstance(size, int) else size[1:]))

    def random(self, size: int | tuple[int, ...]) -> Any:
        """Draw from 0 to 1."""
        return self.rng.random(self._all(size))[self.own]

    def uniform(self, low: float, high: float, size: int | tuple[int, ...]) -> Any:
        """Draw from `low` to `high`."""
        return self.rng.uniform(low, high, self._all(size))[self.own]

    def integers(self, low: int, high: int, size: int, endpoint: bool = False) -> Any:
        """Draw whole numbers from `low` to before `high`, or to it."""
        return self.rng.integers(low, high, self._all(size), endpoint=endpoint)[self.own]


@functools.cache
def _opencv() -> ModuleType:
    import cv2

    # Patches are far too small to be worth OpenCV's own threads; batches have ours.
    cv2.setNumThreads(1)
    return cv2


def _draw_symmetries(
    rng: np.random.Generator | Draws, count: int, horizontal: bool, vertical: bool, all_eight: bool
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

    workers = min(devices.usable_cores(), max(1, len(patches) // 8))
    if workers == 1:
        warp_every(0, 1)
    else:
        list(devices.threads().map(warp_every, range(workers), [workers] * workers))
    return warped


def _change_light(
    patches: NDArray[Any], rng: np.random.Generator | Draws, brightness: float, contrast: float
) -> NDArray[Any]:
    """Scale patches, and their distance from the mean of their bands, by random factors."""
    shape = (len(patches), 1, 1, 1)
    gain = rng.uniform(1 - brightness, 1 + brightness, shape).astype(np.float32)
    spread = rng.uniform(1 - contrast, 1 + contrast, shape).astype(np.float32)
    mean = patches.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    changed = np.rint((mean + (patches - mean) * spread) * gain)
    highest = np.iinfo(patches.dtype).max
    return np.where(patches > 0, np.clip(changed, 1, highest), 0).astype(patches.dtype)


def _change_air(
    patches: NDArray[Any], rng: np.random.Generator | Draws, band_gain: float, haze: float
) -> NDArray[Any]:
    """Scale each band by a factor of its own; add light to all bands, and half of it to each."""
    count, bands = len(patches), patches.shape[-1]
    gain = rng.uniform(1 - band_gain, 1 + band_gain, (count, 1, 1, bands)).astype(np.float32)
    light = haze * sensors.full_scale(patches.dtype)
    added = rng.uniform(-light, light, (count, 1, 1, 1))
    added = added + rng.uniform(-light / 2, light / 2, (count, 1, 1, bands))
    changed = np.rint(patches * gain + added.astype(np.float32))
    highest = np.iinfo(patches.dtype).max
    return np.where(patches > 0, np.clip(changed, 1, highest), 0).astype(patches.dtype)


def resize_patches(patches: NDArray[Any], size: int) -> NDArray[Any]:
    """Give patches (N, rows, columns, bands) another size, by areas where they become smaller."""
    cv2 = _opencv()
    how = cv2.INTER_AREA if size < patches.shape[1] else cv2.INTER_LINEAR
    resized = np.empty((len(patches), size, size, patches.shape[-1]), patches.dtype)
    for index, patch in enumerate(patches):
        for first in range(0, patch.shape[-1], 4):  # OpenCV resizes four bands at a time
            group = np.ascontiguousarray(patch[..., first : first + 4])
            small = cv2.resize(group, (size, size), interpolation=how)
            resized[index, ..., first : first + 4] = small.reshape(size, size, -1)
    return resized


def _resample(
    patches: NDArray[Any], rng: np.random.Generator | Draws, blur: float, zoom: float
) -> NDArray[Any]:
    """Resample some patches to half their size at least and back, and zoom every fourth."""
    size = patches.shape[1]
    changed = patches.copy()
    coarse = rng.integers(size // 2, size, len(patches), endpoint=True)
    for index in np.flatnonzero(rng.random(len(patches)) < blur):
        small = resize_patches(patches[index : index + 1], int(coarse[index]))
        changed[index] = resize_patches(small, size)[0]
    factors = np.exp(rng.uniform(-1, 1, len(patches)) * np.log1p(zoom))
    places = rng.uniform(-1, 1, (len(patches), 2))
    for index in np.flatnonzero(rng.random(len(patches)) < (0.25 if zoom else 0)):
        scale = 1 / factors[index]
        move = places[index] * max(0.0, (1 - scale) * size / 2)
        centre = (size - 1) / 2
        matrix = np.array([[scale, 0, 0], [0, scale, 0]])
        matrix[:, 2] = centre * (1 - scale) + move
        warped = np.empty_like(changed[index])
        _warp_patch(np.ascontiguousarray(changed[index]), matrix, warped)
        changed[index] = warped
    return changed


def augment_patches(
    patches: NDArray[Any],
    rng: np.random.Generator | Draws,
    horizontal_flip: bool = False,
    vertical_flip: bool = False,
    rotation_range: float = 0,
    symmetries: bool = False,
    brightness_range: float = 0,
    contrast_range: float = 0,
    band_gain_range: float = 0,
    haze_range: float = 0,
    blur: float = 0,
    zoom_range: float = 0,
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
    band_gain_range : share, 0..1
        Each band is multiplied by a factor of its own, as another season and other air do.
    haze_range : share, 0..1, of 255 (uint8) or of DN 2750
        So much light is added to or taken from all bands, and up to half as much from each.
    blur : share, 0..1, of the patches
        They are resampled to 50 to 100 % of their size and back, as scenes often were.
    zoom_range : share, 0..1
        Every fourth patch is enlarged or made smaller by a factor of up to 1 + share.

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
    if band_gain_range or haze_range:
        augmented = _change_air(augmented, rng, band_gain_range, haze_range)
    if blur or zoom_range:
        augmented = _resample(augmented, rng, blur, zoom_range)
    return augmented


def check_changes(changes: Mapping[str, Any]) -> None:
    """Raise a TypeError for a change that `augment_patches` does not know."""
    known = list(inspect.signature(augment_patches).parameters)[2:]
    unknown = [name for name in changes if name not in known]
    if unknown:
        known += ["histogram_matching", "mixup"]  # which take several patches, and their labels
        raise TypeError(f"{', '.join(unknown)}: augmentation knows {', '.join(known)}")


def _match_band(own: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Give pixels (n,) the histogram of other pixels (m,): the middle of each value's share."""

    def middles(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return (np.cumsum(counts) - counts / 2) / counts.sum()

    counts, there = np.bincount(own), np.bincount(other)
    values = np.flatnonzero(there)
    return np.interp(middles(counts), middles(there)[values], values)[own]


def match_histograms(
    patches: NDArray[Any], labels: NDArray[np.float32], rng: np.random.Generator, share: float
) -> NDArray[Any]:
    """Give some patches the colours of others of their class, wholly or in part.

    Histograms are matched band by band to those of another patch of the batch with the same most
    likely class, as if it showed the other's place and season; the result lies at a random point
    between the patch as it was and as matched. After randomized histogram matching (Yaras et al.
    2021, arXiv 2104.14032), which takes any image as the other: a sea with the colours of a
    field would teach nothing. scikit-image's `match_histograms` would count nodata, and moves
    flat bands to the upper end of the values that they share.

    Parameters
    ----------
    patches : ndarray of shape (N, rows, columns, bands), uint8 or uint16
        Not changed.
    labels : ndarray of shape (N, classes)
        Of one class each; of shares, the largest counts.
    rng : the random numbers; the same state gives the same result
    share : share, 0..1, of the patches

    Returns
    -------
    ndarray of the same shape and dtype
        0 (nodata) stays 0 and counts in no histogram; nothing else becomes 0. A patch alone of
        its class stays as it is.
    """
    classes, matched = labels.argmax(axis=1), patches.copy()
    chosen, points = rng.random(len(patches)) < share, rng.random(len(patches))
    for index in np.flatnonzero(chosen):
        others = np.flatnonzero(classes == classes[index])
        others = others[others != index]
        if not len(others):
            continue
        other = patches[others[rng.integers(len(others))]]
        for band in range(patches.shape[-1]):
            own, there = patches[index, ..., band], other[..., band]
            valid, known = own > 0, there[there > 0]
            if valid.any() and len(known):
                moved = _match_band(own[valid], known) - own[valid]
                between = np.rint(own[valid] + points[index] * moved)
                matched[index, ..., band][valid] = np.maximum(between, 1)
    return matched


def mix_up(
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

"""One image file, one array of pixels as they are in it."""

from __future__ import annotations

import functools
import logging
import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")

_TIFF_SUFFIXES = (".tif", ".tiff")


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

"""One image file, one array of pixels, with its bands by the names that the file gives them."""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException
from numpy.typing import NDArray

from landuse import band_names, sensors

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")

_TIFF_SUFFIXES = (".tif", ".tiff")
_GDAL_METADATA, _GDAL_NODATA = 42112, 42113  # tags of a TIFF
_ALPHA = 2  # kind of an extra sample of a TIFF


@dataclass(frozen=True)
class Content:
    """What a file holds, before anything is made of it.

    Attributes
    ----------
    pixels : ndarray of shape (rows, columns, bands)
    descriptions : tuple of str
        Of the bands, empty where there are none.
    metadata : tuple of dict
        Further items of the bands.
    nodata : float or None
    alpha : bool
        Whether the last band is transparency.
    """

    pixels: NDArray[Any]
    descriptions: tuple[str, ...] = ()
    metadata: tuple[dict[str, str], ...] = ()
    nodata: float | None = None
    alpha: bool = False


@dataclass(frozen=True)
class Patch:
    """A patch whose bands have names.

    Attributes
    ----------
    pixels : ndarray of shape (rows, columns, bands), uint8 or uint16
    names : tuple of str
        Of the bands, empty where the file names none.
    reordered : bool
        Whether they lie in the file in another order than one without names is taken to have.
    """

    pixels: NDArray[Any]
    names: tuple[str, ...] = field(default=())
    reordered: bool = False


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


def _items_of_bands(text: str) -> dict[int, dict[str, str]]:
    """Return the items of each band, from 0, in the XML that GDAL writes into a TIFF."""
    try:
        root = defusedxml.ElementTree.fromstring(text, forbid_dtd=True)
    except (SyntaxError, DefusedXmlException, ValueError):
        return {}
    items: dict[int, dict[str, str]] = {}
    for item in root.iter("Item"):
        sample = item.get("sample", "")
        if sample.isdecimal():
            key = item.get("role") or item.get("name", "")
            items.setdefault(int(sample), {})[key] = item.text or ""
    return items


def _read_tiff(path: Path) -> Content:
    with _tifffile().TiffFile(path) as tiff:
        series = tiff.series[0]
        if math.prod(series.shape) > _MOST_VALUES:
            raise ValueError(f"it claims to hold {series.shape} values, which no patch has")
        _check_pages_are_there(tiff)
        for page in series.pages:
            _check_strips_lie_in_file(page, tiff.filehandle.size)
        pixels, axes = series.asarray(), series.axes
        page = tiff.pages.first
        told, nodata = (page.tags.valueof(code) for code in (_GDAL_METADATA, _GDAL_NODATA))
        extra = tuple(page.extrasamples)
    if pixels.ndim == 2:
        pixels, axes = pixels[:, :, np.newaxis], "YXS"
    if pixels.ndim != 3 or "Y" not in axes or "X" not in axes:
        raise ValueError(f"its axes {axes} {pixels.shape} are not rows, columns and bands")
    band_axis = next(axis for axis, name in enumerate(axes) if name not in "YX")
    pixels = np.moveaxis(pixels, band_axis, -1)
    items = _items_of_bands(str(told)) if told is not None else {}
    metadata = tuple(items.get(band, {}) for band in range(pixels.shape[-1]))
    return Content(
        pixels,
        tuple(band.pop("description", "") for band in metadata),
        metadata,
        _number(nodata) if nodata is not None else None,
        alpha=len(extra) == 1 and int(extra[0]) == _ALPHA,
    )


def _number(text: Any) -> float | None:
    try:
        return float(str(text).strip("\0 "))
    except ValueError:
        return None


def _read_photo(path: Path) -> Content:
    from PIL import Image

    with Image.open(path, formats=("JPEG", "PNG")) as image:
        if image.mode not in ("RGB", "RGBA", "P"):
            colours = "CMYK" if image.mode == "CMYK" else f"grey ({image.mode})"
            raise ValueError(
                f'its colours are {colours}, expected red, green and blue: python -c "from PIL '
                "import Image; Image.open('IN').convert('RGB').save('OUT')\" converts it"
            )
        pixels = np.asarray(image.convert("RGB") if image.mode == "P" else image)
        alpha = image.mode == "RGBA"
    return Content(pixels, alpha=alpha)


def _without_alpha(content: Content) -> NDArray[Any]:
    """Return the pixels without transparency that hides nothing."""
    pixels = content.pixels
    if not content.alpha or pixels.shape[-1] < 2:
        return pixels
    if (pixels[..., -1] != np.iinfo(pixels.dtype).max).any():
        bands = " ".join(f"-b {band + 1}" for band in range(pixels.shape[-1] - 1))
        raise ValueError(f"a part of it is transparent; without: gdal_translate {bands} IN OUT")
    return pixels[..., :-1]


def _as_unsigned(pixels: NDArray[Any], nodata: float | None) -> NDArray[Any]:
    """Other whole numbers as uint16, nodata as 0; ValueError when they do not fit."""
    if pixels.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    if pixels.dtype.kind not in "iuf":
        raise ValueError(f"its pixels are {pixels.dtype}, expected uint8 or uint16")
    missing = ~np.isfinite(pixels) if pixels.dtype.kind == "f" else np.zeros(pixels.shape, bool)
    if nodata is not None:
        missing |= pixels == nodata
    values = np.where(missing, 0, pixels)
    if (values != np.floor(values)).any():
        most = float(values.max())
        scale = "" if most > 200 else f"-scale 0 {1 if most <= 2 else 100} 0 10000 "
        raise ValueError(
            f"its pixels are {pixels.dtype} and no whole numbers, expected DN as uint16: "
            f"gdal_translate -ot UInt16 {scale}IN OUT"
        )
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"its {pixels.dtype} values do not lie in 0..65535")
    return values.astype(np.uint16)


def _read_content(path: Path) -> tuple[Content, NDArray[Any]]:
    """Return what a file holds, and its pixels as uint8 or uint16 without transparency."""
    reader = _read_tiff if path.suffix.lower() in _TIFF_SUFFIXES else _read_photo
    try:
        content = reader(path)
        pixels = _without_alpha(content)
        return content, _as_unsigned(pixels, content.nodata)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file; was it moved meanwhile?") from error
    except (PermissionError, IsADirectoryError):
        raise
    except MemoryError as error:
        raise ValueError(
            f"{path}: cannot be read as an image (it asks for more memory than is free, and a "
            "patch needs less than 1 MB)"
        ) from error
    except Exception as error:  # decoders raise whatever they like on damaged files
        reason = str(error).split("\n")[0].replace(f"'{path}'", "it") or type(error).__name__
        raise ValueError(f"{path}: cannot be read as an image ({reason})") from error


def read_named(path: str | os.PathLike[str], order: Sequence[str] | None = None) -> Patch:
    """Read an image patch with the names of its bands.

    Parameters
    ----------
    path : path of a JPEG, PNG or TIFF
    order : sequence of str, optional
        BAND_NAMES: the bands in the order of the file, in place of what it says itself.

    Returns
    -------
    Patch
        Bands that have names lie in the order of EuroSAT, or as red, green and blue; bands of
        the file that are none of the sensor's are left out then.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_patch`, and when names contradict each other or are none.
    """
    path = Path(path)
    content, pixels = _read_content(path)
    count = pixels.shape[-1]
    if order is not None:
        found = tuple(band_names.check_order(order, count, str(path)))
    else:
        described = content.descriptions[:count]
        naming = band_names.name_bands(described, str(path), content.metadata[:count])
        if pixels.dtype != np.uint8 or naming.known:
            band_names.check_understood(naming, str(path))
        found = naming.bands if naming.known else ()
    if not any(found):
        return Patch(pixels)
    sensor = sensors.sensor_of(band for band in found if band)
    is_rgb = set(found) == set(sensor.true_colour)
    names = sensor.true_colour if is_rgb else tuple(b for b in sensor.band_names if b in found)
    if names == found:
        return Patch(pixels, names)
    positions = [found.index(name) for name in names]
    return Patch(np.ascontiguousarray(pixels[..., positions]), names, reordered=True)


def read_patch(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an image patch.

    Parameters
    ----------
    path : path of a JPEG, PNG or TIFF
        A TIFF may hold its bands pixel by pixel, plane by plane or page by page.

    Returns
    -------
    ndarray of shape (rows, columns, bands), uint8 or uint16
        The pixels as they are in the file, nodata as 0. Bands that the file names are in the
        order of EuroSAT, or red, green and blue.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is damaged or is not an image of that kind; the message names it.
    """
    return read_named(path).pixels

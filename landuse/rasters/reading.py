"""Rasters opened and read: only what is allowed, and only what is whole.

Files are opened with an explicit list of drivers, so that a file which only looks like an image
(the description of a web service named ``.tif``, say) is refused. What goes wrong comes out as
OSError or ValueError with the file's name.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from landuse.rasters import geotransforms, resampling
from landuse.rasters.gdal_setup import gdal, gdal_array

IMAGE_DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG")

VRT_REFERENCES = ("sourcefilename", "sourcedataset")
JP2_CODESTREAM = b"jp2c"
JP2_END_OF_CODESTREAM = b"\xff\xd9"


@dataclass(frozen=True)
class RasterInfo:
    """What a raster says about itself.

    Attributes
    ----------
    path : str
        The file, or GDAL's name of a file within an archive.
    rows, columns, bands : int
    dtype : numpy.dtype
    geotransform : tuple of 6 floats, or None
        Left edge, pixel width, 0, top edge, 0, minus pixel height; None without a georeference.
    crs : str
        WKT of the coordinate reference system, "" where there is none.
    nodata : float or None
    band_names : tuple of str
        Descriptions of the bands, "" where a band has none.
    metadata : dict of str
    category_names : tuple of str
        Of the first band, empty where there are none.
    colours : dict
        Value to (red, green, blue) of the first band's colour table, empty where there is none.
    """

    path: str
    rows: int
    columns: int
    bands: int
    dtype: np.dtype
    geotransform: geotransforms.Geotransform | None
    crs: str
    nodata: float | None
    band_names: tuple[str, ...]
    metadata: dict[str, str] = field(default_factory=dict)
    category_names: tuple[str, ...] = ()
    colours: dict[int, tuple[int, int, int]] = field(default_factory=dict)


def reason(error: BaseException) -> str:
    """Return GDAL's message on one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


@contextlib.contextmanager
def plain_errors(path: str | Path, what: str) -> Iterator[None]:
    """Turn what GDAL raises into an OSError that names the file."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(f"{path}: {what}: {reason(error)}") from error


def check_local_file(path: str | Path) -> None:
    """Refuse what is no file on this machine (GDAL would also take web addresses)."""
    if str(path).startswith(("/vsizip/", "/vsimem/")):
        return
    if str(path).startswith("/vsi") or "://" in str(path):
        raise ValueError(f"{path}: only files on this machine are read")
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected an image file")


def _is_vrt(path: str | Path) -> bool:
    if str(path).startswith("/vsi"):
        return False
    with open(path, "rb") as stream:
        return b"<VRTDataset" in stream.read(1000)


def check_vrt(path: str | Path) -> None:
    """Check that a VRT refers to image files on this machine only, and that they open.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ValueError
        If the VRT is no valid XML, or refers to anything but local GeoTIFF, JPEG 2000, PNG or
        JPEG files.
    FileNotFoundError
        If a file that it refers to is missing.
    """
    try:
        root = defusedxml.ElementTree.parse(path).getroot()
    except (SyntaxError, DefusedXmlException) as error:
        raise ValueError(f"{path}: is no valid VRT: {error}") from error
    for name, relative in _vrt_references(root, path):
        if "/vsi" in name or "://" in name or name.startswith("<"):
            raise ValueError(f"{path}: refers to {name[:100]!r}, only files beside it are read")
        open_with_drivers(Path(path).parent / name if relative else Path(name), IMAGE_DRIVERS)


def _vrt_references(root: Any, path: str | Path) -> Iterator[tuple[str, bool]]:
    """Yield what a VRT refers to, and whether relative to itself.

    GDAL ignores case and namespaces, and takes an attribute for a child of that name.
    """
    for element in root.iter():
        attributes = {key.rsplit("}", 1)[-1].lower(): text for key, text in element.items()}
        named = str(element.tag).rsplit("}", 1)[-1].lower() in VRT_REFERENCES
        if attributes.keys() & set(VRT_REFERENCES) or (named and len(element)):
            raise ValueError(f"{path}: refers to its sources in an unusual way")
        if named:
            yield (element.text or "").strip(), attributes.get("relativetovrt") == "1"


def open_with_drivers(path: str | Path, drivers: Sequence[str]) -> gdal.Dataset:
    """Open one raster with the given drivers."""
    check_local_file(path)
    try:
        dataset = gdal.OpenEx(str(path), gdal.OF_RASTER, allowed_drivers=list(drivers))
    except RuntimeError as error:
        raise OSError(
            f"{path}: cannot be read as an image (damaged, or not one of "
            f"{', '.join(drivers)}): {reason(error)}"
        ) from error
    if dataset is None:
        raise OSError(f"{path}: cannot be read as an image ({', '.join(drivers)})")
    return dataset


def _describe(path: str | Path, dataset: gdal.Dataset) -> RasterInfo:
    """Collect what the dataset says about itself."""
    geotransform = dataset.GetGeoTransform(can_return_null=True)
    bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
    if not bands:
        raise ValueError(f"{path}: is an image without bands")
    table = bands[0].GetRasterColorTable()
    colours = {i: table.GetColorEntry(i)[:3] for i in range(table.GetCount())} if table else {}
    return RasterInfo(
        path=str(path),
        rows=dataset.RasterYSize,
        columns=dataset.RasterXSize,
        bands=dataset.RasterCount,
        dtype=np.dtype(gdal_array.GDALTypeCodeToNumericTypeCode(bands[0].DataType)),
        geotransform=tuple(geotransform) if geotransform else None,
        crs=dataset.GetProjection(),
        nodata=bands[0].GetNoDataValue(),
        band_names=tuple(band.GetDescription() for band in bands),
        metadata=dict(dataset.GetMetadata()),
        category_names=tuple(bands[0].GetCategoryNames() or ()),
        colours=colours,
    )


def _check_jp2_complete(path: str | Path) -> None:
    """Refuse a JPEG 2000 file that ends early; OpenJPEG may fill its missing part with zeros."""
    start, size = 0, gdal.VSIStatL(str(path)).size
    stream = gdal.VSIFOpenL(str(path), "rb")
    try:
        while start + 8 <= size:
            header = _read_at(stream, start, 16)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            length = int.from_bytes(header[8:16], "big") if length == 1 else length
            end = start + length if length else size
            is_cut = end > size or end < start + 8
            if kind == JP2_CODESTREAM and not is_cut:
                is_cut = _read_at(stream, end - 2, 2) != JP2_END_OF_CODESTREAM
            if is_cut:
                raise OSError(f"{path}: is truncated: copy or download it again")
            start = end
    finally:
        gdal.VSIFCloseL(stream)


def _read_at(stream: Any, start: int, count: int) -> bytes:
    gdal.VSIFSeekL(stream, start, 0)
    return bytes(gdal.VSIFReadL(1, count, stream) or b"")


class Raster:
    """An open raster: its description, and windows of its bands as arrays.

    Parameters
    ----------
    path : str or Path
        A GeoTIFF, JPEG 2000, PNG or JPEG, or a VRT that refers to such files on this machine.
    allow_vrt : bool
        False where a VRT has no business to be, as within a product.

    Raises
    ------
    OSError
        If the file is missing, damaged, truncated or no image.
    ValueError
        If it refers to something outside this machine.
    """

    def __init__(self, path: str | Path, allow_vrt: bool = True) -> None:
        check_local_file(path)
        drivers: tuple[str, ...] = IMAGE_DRIVERS
        if allow_vrt and _is_vrt(path):
            check_vrt(path)
            drivers = ("VRT",)
        self._dataset = open_with_drivers(path, drivers)
        self.driver = self._dataset.GetDriver().ShortName
        if self.driver.startswith("JP2"):
            _check_jp2_complete(path)
        with plain_errors(path, "its description is damaged"):
            self.info = _describe(path, self._dataset)
        self._lock = threading.Lock()

    def __enter__(self) -> "Raster":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._dataset = None

    def files(self) -> tuple[str, ...]:
        """Return the files that are read: the raster, what a VRT refers to, and side files."""
        return tuple(self._dataset.GetFileList() or (self.info.path,))

    def read(self, band: int, row: int, column: int, rows: int, columns: int) -> np.ndarray:
        """Read a window of one band at the raster's own resolution.

        Parameters
        ----------
        band : int
            From 0.
        row, column, rows, columns : int
            The window, which must lie inside the raster.

        Returns
        -------
        ndarray of shape (rows, columns), the raster's dtype
        """
        with self._lock, plain_errors(self.info.path, "cannot be read (damaged or truncated)"):
            # the band object must not outlive this call: on its own it crashes the interpreter
            pixels = self._dataset.GetRasterBand(band + 1).ReadAsArray(
                int(column), int(row), int(columns), int(rows)
            )
        if pixels is None:
            raise OSError(f"{self.info.path}: cannot be read (damaged or truncated)")
        return pixels

    def read_all(self) -> np.ndarray:
        """Read the whole raster.

        Returns
        -------
        ndarray of shape (rows, columns), or (rows, columns, bands) with more than one band
        """
        size = (self.info.rows, self.info.columns)
        pixels = [self.read(band, 0, 0, *size) for band in range(self.info.bands)]
        return pixels[0] if len(pixels) == 1 else np.stack(pixels, axis=-1)

    def read_upsampled(
        self, band: int, row: int, column: int, rows: int, columns: int, ratio: int
    ) -> np.ndarray:
        """Read a window of a band as it lies on a grid that is `ratio` times finer.

        Parameters
        ----------
        band : int
            From 0.
        row, column, rows, columns : int
            The window on the finer grid, inside the raster.
        ratio : int
            How many pixels of the finer grid lie side by side in one of the band: 2 from 20 m
            to 10 m, 6 from 60 m.

        Returns
        -------
        ndarray of shape (rows, columns), uint8 or uint16
            Cubic spline; 0 where the band's own pixel is nodata. Whole numbers from 1 on
            elsewhere: other types than uint8 and uint16 are rounded and clipped to uint16.
        """
        if ratio == 1:
            return resampling.as_dn(self.read(band, row, column, rows, columns), self.info.nodata)
        first, last = row // ratio, -(-(row + rows) // ratio)
        left, right = column // ratio, -(-(column + columns) // ratio)
        fine = resampling.upsample(self._read_with_margin(band, first, last, left, right), ratio)
        row, column = row - first * ratio, column - left * ratio
        return fine[row : row + rows, column : column + columns]

    def read_repeated(
        self, band: int, row: int, column: int, rows: int, columns: int, ratio: int
    ) -> np.ndarray:
        """Read a window as `read_upsampled` does, each pixel repeated: for classes and masks."""
        first, last = row // ratio, -(-(row + rows) // ratio)
        left, right = column // ratio, -(-(column + columns) // ratio)
        pixels = self.read(band, first, left, last - first, right - left)
        fine = pixels.repeat(ratio, axis=0).repeat(ratio, axis=1)
        row, column = row - first * ratio, column - left * ratio
        return fine[row : row + rows, column : column + columns]

    def _read_with_margin(
        self, band: int, first: int, last: int, left: int, right: int
    ) -> np.ndarray:
        """Read rows first..last and columns left..right and MARGIN more around, 0 outside."""
        top, bottom = (
            max(first - resampling.MARGIN, 0),
            min(last + resampling.MARGIN, self.info.rows),
        )
        west, east = (
            max(left - resampling.MARGIN, 0),
            min(right + resampling.MARGIN, self.info.columns),
        )
        pixels = resampling.as_dn(
            self.read(band, top, west, bottom - top, east - west), self.info.nodata
        )
        rows = (top - first + resampling.MARGIN, last + resampling.MARGIN - bottom)
        return np.pad(
            pixels, (rows, (west - left + resampling.MARGIN, right + resampling.MARGIN - east))
        )


def read_bytes(path: str, most: int) -> bytes:
    """Read at most so many bytes of a file, which may be a member of a zip."""
    with plain_errors(path, "cannot be read"):
        stream = gdal.VSIFOpenL(path, "rb")
        if stream is None:
            raise FileNotFoundError(f"{path}: no such file")
        try:
            return bytes(gdal.VSIFReadL(1, most, stream) or b"")
        finally:
            gdal.VSIFCloseL(stream)


def read_info(path: str | Path) -> RasterInfo:
    """Describe a raster without reading its pixels (see `Raster` for what may be opened)."""
    with Raster(path) as raster:
        return raster.info


def read_raster(path: str | Path) -> tuple[np.ndarray, RasterInfo]:
    """Read a whole raster.

    Parameters
    ----------
    path : str or Path
        A GeoTIFF, JPEG 2000, PNG or JPEG, or a VRT that refers to such files.

    Returns
    -------
    array : ndarray of shape (rows, columns), or (rows, columns, bands) with more than one band
    info : RasterInfo
    """
    with Raster(path) as raster:
        return raster.read_all(), raster.info


Window = tuple[int, int, int, int]


def ratio_to(size: float, raster: Raster) -> int:
    """Return how many pixels of the given size lie side by side in one of the raster's."""
    info = raster.info
    if info.geotransform is None:
        return 1
    ratio = info.geotransform[1] / size
    if abs(ratio - round(ratio)) > 1e-3 or round(ratio) < 1:
        raise ValueError(
            f"{info.path}: its pixels of {info.geotransform[1]:g} do not fit a grid of {size:g}"
        )
    return round(ratio)

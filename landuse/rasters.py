"""Rasters and vectors on disk: the only module that talks to GDAL.

Everything in and out of here is an array, a tuple or a plain string. Files are opened with an
explicit list of drivers, so that a file which only looks like an image (the description of a
web service named ``.tif``, say) is refused. What goes wrong comes out as OSError or ValueError
with the file's name.
"""

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException
from osgeo import gdal, gdal_array, ogr, osr

from landuse import files

gdal.UseExceptions()
ogr.UseExceptions()
osr.UseExceptions()
if gdal.GetConfigOption("GDAL_CACHEMAX") is None:
    # two rows of tiles of all bands of a product take 350 MB; the default goes by the machine
    gdal.SetCacheMax(512 << 20)

IMAGE_DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG")
VECTOR_DRIVERS = ("GeoJSON", "GPKG", "ESRI Shapefile", "FlatGeobuf", "KML")
VRT_REFERENCES = ("sourcefilename", "sourcedataset")
JP2_CODESTREAM = b"jp2c"
JP2_END_OF_CODESTREAM = b"\xff\xd9"
LONGITUDE_LATITUDE = "EPSG:4326"
NO_LABEL = 255
LOWEST_DN = -2000  # with an offset of -1000 applied, dark pixels can lie a little below 0
MARGIN = 2  # coarse pixels on either side that a cubic spline reaches

Geotransform = tuple[float, float, float, float, float, float]


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
    geotransform: Geotransform | None
    crs: str
    nodata: float | None
    band_names: tuple[str, ...]
    metadata: dict[str, str] = field(default_factory=dict)
    category_names: tuple[str, ...] = ()
    colours: dict[int, tuple[int, int, int]] = field(default_factory=dict)


def _reason(error: BaseException) -> str:
    """Return GDAL's message on one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


@contextlib.contextmanager
def _plain_errors(path: str | Path, what: str) -> Iterator[None]:
    """Turn what GDAL raises into an OSError that names the file."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(f"{path}: {what}: {_reason(error)}") from error


def _check_local_file(path: str | Path) -> None:
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
        _open(Path(path).parent / name if relative else Path(name), IMAGE_DRIVERS)


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


def _open(path: str | Path, drivers: Sequence[str]) -> gdal.Dataset:
    """Open one raster with the given drivers."""
    _check_local_file(path)
    try:
        dataset = gdal.OpenEx(str(path), gdal.OF_RASTER, allowed_drivers=list(drivers))
    except RuntimeError as error:
        raise OSError(
            f"{path}: cannot be read as an image (damaged, or not one of "
            f"{', '.join(drivers)}): {_reason(error)}"
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
        _check_local_file(path)
        drivers: tuple[str, ...] = IMAGE_DRIVERS
        if allow_vrt and _is_vrt(path):
            check_vrt(path)
            drivers = ("VRT",)
        self._dataset = _open(path, drivers)
        self.driver = self._dataset.GetDriver().ShortName
        if self.driver.startswith("JP2"):
            _check_jp2_complete(path)
        with _plain_errors(path, "its description is damaged"):
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
        with self._lock, _plain_errors(self.info.path, "cannot be read (damaged or truncated)"):
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
            return as_dn(self.read(band, row, column, rows, columns), self.info.nodata)
        first, last = row // ratio, -(-(row + rows) // ratio)
        left, right = column // ratio, -(-(column + columns) // ratio)
        fine = upsample(self._read_with_margin(band, first, last, left, right), ratio)
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
        top, bottom = max(first - MARGIN, 0), min(last + MARGIN, self.info.rows)
        west, east = max(left - MARGIN, 0), min(right + MARGIN, self.info.columns)
        pixels = as_dn(self.read(band, top, west, bottom - top, east - west), self.info.nodata)
        rows = (top - first + MARGIN, last + MARGIN - bottom)
        return np.pad(pixels, (rows, (west - left + MARGIN, right + MARGIN - east)))


def as_dn(pixels: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """Return pixels of any real type as whole numbers from 1 on, 0 for nodata.

    Parameters
    ----------
    pixels : ndarray
    nodata : float, optional
        The value that the file declares; 0, not-a-number and what no reflectance can be
        (below `LOWEST_DN`) are nodata in any case.

    Returns
    -------
    ndarray of the same shape, uint8 (as it came) or uint16
    """
    if pixels.dtype in (np.uint8, np.uint16):
        if nodata is None or nodata == 0 or not 0 < nodata <= np.iinfo(pixels.dtype).max:
            return pixels
        return np.where(pixels == nodata, 0, pixels).astype(pixels.dtype)
    values = pixels.astype(np.float64)
    valid = np.isfinite(values) & (values != 0) & (values > LOWEST_DN)
    if nodata is not None:
        valid &= values != nodata
    rounded = np.clip(np.floor(np.where(valid, values, 0) + 0.5), 1, np.iinfo(np.uint16).max)
    return np.where(valid, rounded, 0).astype(np.uint16)


def _spline_weights(ratio: int) -> np.ndarray:
    """Return the weights (ratio, 5) of the coarse pixels -2..2 at each fine pixel of pixel 0.

    The cubic B-spline has rational values at the centres of the fine pixels; multiplied by
    6 (2 ratio)^3 they are integers, so that sums of them in float64 are exact, and a pixel
    comes out the same whatever window it is read in.
    """
    unit = 2 * ratio
    fine = np.arange(ratio)[:, None]
    coarse = np.arange(-MARGIN, MARGIN + 1)[None, :]
    distance = np.abs((2 * fine + 1) - (2 * coarse + 1) * ratio).astype(np.float64)
    near = 4 * unit**3 - 6 * unit * distance**2 + 3 * distance**3
    far = np.clip(2 * unit - distance, 0, None) ** 3
    return np.where(distance < unit, near, far)


def _spread_rows(values: np.ndarray, ratio: int) -> np.ndarray:
    """Sum the weighted neighbours of every fine row; MARGIN rows at both ends are used up."""
    neighbours = np.lib.stride_tricks.sliding_window_view(values, 2 * MARGIN + 1, axis=0)
    fine = _spline_weights(ratio) @ neighbours.swapaxes(1, 2)
    return fine.reshape(-1, values.shape[1])


def _spread(values: np.ndarray, ratio: int) -> np.ndarray:
    # columns first, while there are few rows
    along = _spread_rows(np.ascontiguousarray(values.T), ratio)
    return _spread_rows(np.ascontiguousarray(along.T), ratio)


def upsample(pixels: np.ndarray, ratio: int) -> np.ndarray:
    """Upsample by cubic B-spline, nodata (0) left out of every sum.

    The kernel is the one that GDAL calls "cubicspline" (smoothing, not interpolating), which
    made the EuroSAT patches. As the weights of what is left sum to one, a constant added
    before or after gives the same.

    Parameters
    ----------
    pixels : ndarray of shape (rows + 4, columns + 4), unsigned integer
        With a margin of 2 pixels on every side; 0 where there is nothing.
    ratio : int
        Fine pixels side by side in a coarse one.

    Returns
    -------
    ndarray of shape (rows * ratio, columns * ratio), dtype of `pixels`
        Rounded half up; 0 where the coarse pixel that a fine pixel lies in is 0.
    """
    total = _spread(pixels.astype(np.float64), ratio)
    if pixels.all():
        return np.floor(total / _spline_weights(ratio)[0].sum() ** 2 + 0.5).astype(pixels.dtype)
    weight = _spread((pixels > 0).astype(np.float64), ratio)
    value = np.floor(total / np.maximum(weight, 1) + 0.5).astype(pixels.dtype)
    own = pixels[MARGIN:-MARGIN, MARGIN:-MARGIN].repeat(ratio, 0).repeat(ratio, 1)
    return np.where(own > 0, value, 0)


def read_bytes(path: str, most: int) -> bytes:
    """Read at most so many bytes of a file, which may be a member of a zip."""
    with _plain_errors(path, "cannot be read"):
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


def _spatial_reference(crs: str) -> osr.SpatialReference:
    """Return the reference system of "EPSG:..." or WKT, with x (east) before y (north)."""
    reference = osr.SpatialReference()
    try:
        reference.SetFromUserInput(crs)
    except RuntimeError as error:
        raise ValueError(f"{crs[:80]!r} is no coordinate reference system") from error
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


def crs_to_wkt(crs: str) -> str:
    """Return the WKT of a reference system given as "EPSG:32632" or as WKT ("" stays "")."""
    return _spatial_reference(crs).ExportToWkt() if crs else ""


def same_crs(first: str, second: str) -> bool:
    """Tell whether two reference systems (EPSG code or WKT, "" for none) are the same."""
    if not first or not second:
        return first == second
    return bool(_spatial_reference(first).IsSame(_spatial_reference(second)))


def crs_name(crs: str) -> str:
    """Return the short name of a reference system, as "WGS 84 / UTM zone 32N"."""
    return _spatial_reference(crs).GetName() or "unnamed" if crs else "none"


def in_metres(crs: str) -> bool:
    """Tell whether coordinates of a reference system (EPSG code or WKT, "" for none) are metres."""
    if not crs:
        return False
    reference = _spatial_reference(crs)
    return bool(reference.IsProjected()) and reference.GetLinearUnits() == 1.0


def metres_per_unit(crs: str) -> float | None:
    """Return how long the unit of a projected reference system is, None for degrees or none."""
    if not crs or not _spatial_reference(crs).IsProjected():
        return None
    return float(_spatial_reference(crs).GetLinearUnits())


def centre_longitude_latitude(path: str | Path) -> tuple[float, float]:
    """Return where the centre of a georeferenced image lies.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    longitude, latitude : float
        Degrees, WGS 84.

    Raises
    ------
    ValueError
        If the image has no georeference.
    """
    info = read_info(path)
    if info.geotransform is None or not info.crs:
        raise ValueError(f"{path}: has no georeference")
    left, width, shear_x, top, shear_y, height = info.geotransform
    x = left + info.columns / 2 * width + info.rows / 2 * shear_x
    y = top + info.columns / 2 * shear_y + info.rows / 2 * height
    transformation = osr.CoordinateTransformation(
        _spatial_reference(info.crs), _spatial_reference(LONGITUDE_LATITUDE)
    )
    longitude, latitude, _ = transformation.TransformPoint(x, y)
    return longitude, latitude


def _memory_dataset(
    array: np.ndarray, geotransform: Sequence[float] | None, crs: str
) -> gdal.Dataset:
    """Return a dataset in memory that holds the array (rows, columns, bands)."""
    pixels = array.astype(np.uint8) if array.dtype == bool else array
    code = gdal_array.NumericTypeCodeToGDALTypeCode(pixels.dtype.type)
    if code is None:
        raise ValueError(f"a GeoTIFF cannot hold values of type {array.dtype}")
    rows, columns, bands = pixels.shape
    dataset = gdal.GetDriverByName("MEM").Create("", columns, rows, bands, code)
    if geotransform is not None:
        dataset.SetGeoTransform([float(value) for value in geotransform])
    if crs:
        dataset.SetProjection(_spatial_reference(crs).ExportToWkt())
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(np.ascontiguousarray(pixels[..., band]))
    return dataset


def _colour_table(colours: Mapping[int, Sequence[int]] | Sequence[Sequence[int]]) -> Any:
    """Return GDAL's table of value to colour."""
    pairs = colours.items() if isinstance(colours, Mapping) else enumerate(colours)
    table = gdal.ColorTable()
    for value, colour in pairs:
        table.SetColorEntry(int(value), tuple(int(part) for part in colour))
    return table


def _check_written(path: Path, array: np.ndarray, name: str | Path) -> None:
    """Read a fresh file back and compare it: GDAL 3.6 does not report every failed write."""
    dataset = _open(path, ("GTiff",))
    # rows in strips, so that a large map is not held twice
    for row in range(0, array.shape[0], 2048):
        expected = array[row : row + 2048]
        for band in range(array.shape[2]):
            found = dataset.GetRasterBand(band + 1).ReadAsArray(
                0, row, array.shape[1], expected.shape[0]
            )
            if not np.array_equal(found, expected[..., band], equal_nan=array.dtype.kind == "f"):
                raise OSError(f"{name}: was not written completely; is the disk full?")


def write_geotiff(
    path: str | Path,
    array: np.ndarray,
    geotransform: Sequence[float] | None,
    crs: str,
    *,
    nodata: float | None = None,
    band_names: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    category_names: Sequence[str] | None = None,
    colours: Mapping[int, Sequence[int]] | Sequence[Sequence[int]] | None = None,
    options: Sequence[str] = (),
    driver: str = "GTiff",
) -> None:
    """Write a GeoTIFF, whole or not at all.

    Parameters
    ----------
    path : str or Path
    array : ndarray of shape (rows, columns) or (rows, columns, bands)
    geotransform : sequence of 6 floats, or None
        Left edge, pixel width, 0, top edge, 0, minus pixel height.
    crs : str
        "EPSG:32632" or WKT; "" for none.
    nodata : float, optional
    band_names : sequence of str, optional
        Written as the descriptions of the bands.
    metadata : mapping of str, optional
        Written into the file's own metadata.
    category_names : sequence of str, optional
        Name of value 0, 1, ... of the first band. GDAL keeps them in `<path>.aux.xml`.
    colours : mapping or sequence, optional
        Value to (red, green, blue), 0..255, for the first band (uint8 or uint16).
    options : sequence of str
        GDAL's creation options, as "OVERVIEW_RESAMPLING=MODE".
    driver : {"GTiff", "COG"}
        COG writes a Cloud Optimized GeoTIFF with overviews.

    Raises
    ------
    OSError
        If it cannot be written, also when the disk is full.
    ValueError
        If names and array do not fit together.
    """
    pixels = array if array.ndim == 3 else array[..., None]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(f"{path}: an array of shape {array.shape} is no raster")
    if band_names is not None and len(band_names) != pixels.shape[2]:
        raise ValueError(f"{path}: {len(band_names)} band names for {pixels.shape[2]} bands")
    dataset = _memory_dataset(pixels, geotransform, crs)
    for number, name in enumerate(band_names or (), start=1):
        dataset.GetRasterBand(number).SetDescription(name)
    for number in range(1, pixels.shape[2] + 1 if nodata is not None else 0):
        dataset.GetRasterBand(number).SetNoDataValue(nodata)
    if metadata:
        dataset.SetMetadata({key: str(value) for key, value in metadata.items()})
    if category_names is not None:
        dataset.GetRasterBand(1).SetCategoryNames(list(category_names))
    if colours is not None:
        dataset.GetRasterBand(1).SetRasterColorTable(_colour_table(colours))
    with files.atomic_path(path) as temporary:
        _copy_to_file(dataset, temporary, driver, options, path)
        _check_written(temporary, pixels, path)
        has_sidecar = Path(f"{temporary}.aux.xml").exists()
    if not has_sidecar:
        # one that is still there belonged to the file just replaced
        Path(f"{path}.aux.xml").unlink(missing_ok=True)


def _copy_to_file(
    dataset: gdal.Dataset, temporary: Path, driver: str, options: Sequence[str], name: str | Path
) -> None:
    """Write the dataset to a new file and make sure that it is flushed."""
    given = {option.split("=")[0].upper() for option in options}
    chosen = list(options) + ([] if "COMPRESS" in given else ["COMPRESS=DEFLATE"])
    with _plain_errors(name, "cannot be written (is the disk full?)"):
        copy = gdal.GetDriverByName(driver).CreateCopy(str(temporary), dataset, 0, chosen)
        copy.FlushCache()
        del copy


def _sqlite_has_trees() -> bool:
    """Tell whether SQLite can make the trees of a spatial index.

    TensorFlow brings an SQLite that cannot, and it serves GDAL too where it was loaded first.
    """
    database = gdal.GetDriverByName("SQLite").Create(":memory:", 0, 0, 0, gdal.GDT_Unknown)
    try:
        database.ExecuteSQL("CREATE VIRTUAL TABLE tree USING rtree(id, low, high)")
    except RuntimeError:
        return False
    return True


def _polygon_layer(target: Any, crs: str) -> Any:
    """Make the layer that takes the polygons."""
    options = [] if _sqlite_has_trees() else ["SPATIAL_INDEX=NO"]
    layer = target.CreateLayer("land_use", _spatial_reference(crs), ogr.wkbPolygon, options)
    layer.CreateField(ogr.FieldDefn("class_index", ogr.OFTInteger))
    layer.CreateField(ogr.FieldDefn("class_name", ogr.OFTString))
    layer.CreateField(ogr.FieldDefn("hectares", ogr.OFTReal))
    return layer


def polygonize(
    path_gpkg: str | Path,
    labels: np.ndarray,
    geotransform: Sequence[float],
    crs: str,
    class_names: Sequence[str],
    nodata: int = NO_LABEL,
) -> int:
    """Write connected cells of one class as polygons (GeoPackage, layer "land_use").

    Parameters
    ----------
    path_gpkg : str or Path
    labels : ndarray of shape (rows, columns), uint8
    geotransform, crs
        As in `write_geotiff`; hectares stay empty where the unit is not the metre.
    class_names : sequence of str
    nodata : int
        Label that gets no polygon.

    Returns
    -------
    int
        The number of polygons.
    """
    metric = in_metres(crs)
    source = _memory_dataset(labels[..., None], geotransform, crs)
    mask = _memory_dataset((labels != nodata)[..., None], geotransform, crs)
    with files.atomic_path(path_gpkg) as temporary, _plain_errors(path_gpkg, "cannot be written"):
        target = gdal.GetDriverByName("GPKG").Create(str(temporary), 0, 0, 0, gdal.GDT_Unknown)
        layer = _polygon_layer(target, crs)
        layer.StartTransaction()
        gdal.Polygonize(source.GetRasterBand(1), mask.GetRasterBand(1), layer, 0)
        for feature in layer:
            index = feature.GetField("class_index")
            feature.SetField("class_name", class_names[index])
            if metric:
                feature.SetField("hectares", feature.GetGeometryRef().GetArea() / 10_000)
            layer.SetFeature(feature)
        layer.CommitTransaction()
        count = layer.GetFeatureCount()
        target.FlushCache()
        del layer, target
    return count


def _geometries(path: str | Path, crs: str) -> Iterator[Any]:
    """Yield the polygons of every layer in the given reference system."""
    with _plain_errors(path, "cannot be read as a vector file (GeoJSON, GPKG, Shapefile)"):
        source = gdal.OpenEx(str(path), gdal.OF_VECTOR, allowed_drivers=list(VECTOR_DRIVERS))
    target = _spatial_reference(crs)
    for number in range(source.GetLayerCount()):
        layer = source.GetLayer(number)
        own = layer.GetSpatialRef()
        if own is None:
            raise ValueError(f"{path}: says no coordinate reference system")
        own = own.Clone()
        own.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        transformation = osr.CoordinateTransformation(own, target)
        for feature in layer:
            geometry = feature.GetGeometryRef()
            if geometry is None or geometry.GetDimension() != 2:
                continue
            geometry = geometry.Clone()
            left, right, bottom, top = geometry.GetEnvelope()
            # a straight edge in degrees is a curve in metres
            geometry.Segmentize(max(right - left, top - bottom) / 100 or 1)
            geometry.Transform(transformation)
            yield geometry


def read_polygons(path: str | Path, crs: str) -> list[bytes]:
    """Read the polygons of a vector file, reprojected.

    Parameters
    ----------
    path : str or Path
        GeoJSON, GeoPackage, Shapefile, FlatGeobuf or KML, with a reference system of its own.
    crs : str
        Reference system of the result, "EPSG:32632" or WKT.

    Returns
    -------
    list of bytes
        Well-known binary (WKB), x before y.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds no polygon, has no reference system, or the polygons cannot be reprojected.
    """
    _check_local_file(path)
    try:
        polygons = [bytes(geometry.ExportToWkb()) for geometry in _geometries(path, crs)]
    except RuntimeError as error:
        raise ValueError(f"{path}: cannot be reprojected: {_reason(error)}") from error
    if not polygons:
        raise ValueError(f"{path}: holds no polygon")
    return polygons


def polygon_from_rings(rings: Sequence[np.ndarray]) -> bytes:
    """Return a polygon as WKB.

    Parameters
    ----------
    rings : sequence of ndarray of shape (points, 2)
        The outer ring, then its holes; x before y.
    """
    polygon = ogr.Geometry(ogr.wkbPolygon)
    for points in rings:
        ring = ogr.Geometry(ogr.wkbLinearRing)
        for x, y in points:
            ring.AddPoint_2D(float(x), float(y))
        ring.CloseRings()
        polygon.AddGeometry(ring)
    return bytes(polygon.ExportToWkb())


def polygon_bounds(polygons: Sequence[bytes]) -> tuple[float, float, float, float]:
    """Return (left, bottom, right, top) around polygons given as WKB."""
    envelopes = np.array([ogr.CreateGeometryFromWkb(item).GetEnvelope() for item in polygons])
    left, bottom = envelopes[:, 0].min(), envelopes[:, 2].min()
    right, top = envelopes[:, 1].max(), envelopes[:, 3].max()
    if not all(math.isfinite(value) for value in (left, bottom, right, top)):
        raise ValueError("the polygons lie outside what the reference system can express")
    return float(left), float(bottom), float(right), float(top)


def rasterize(
    polygons: Sequence[bytes],
    geotransform: Sequence[float],
    crs: str,
    rows: int,
    columns: int,
) -> np.ndarray:
    """Return which pixels have their centre in a polygon.

    Parameters
    ----------
    polygons : sequence of bytes
        WKB in `crs`, as `read_polygons` gives them.
    geotransform : sequence of 6 floats
    crs : str
    rows, columns : int

    Returns
    -------
    ndarray of shape (rows, columns), bool
    """
    grid = _memory_dataset(np.zeros((rows, columns, 1), np.uint8), geotransform, crs)
    memory = gdal.GetDriverByName("Memory") or gdal.GetDriverByName("MEM")  # one from 3.11 on
    vectors = memory.Create("", 0, 0, 0, gdal.GDT_Unknown)
    layer = vectors.CreateLayer("polygons", _spatial_reference(crs), ogr.wkbUnknown)
    for polygon in polygons:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkb(polygon))
        layer.CreateFeature(feature)
    gdal.RasterizeLayer(grid, [1], layer, burn_values=[1])
    return grid.GetRasterBand(1).ReadAsArray() > 0

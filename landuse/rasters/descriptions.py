"""What a raster says about itself, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from landuse.rasters import geotransforms
from landuse.rasters.gdal_setup import gdal, gdal_array


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
    nodata_values : tuple of float or None
        Of each band.
    tags : tuple of (scale, offset)
        That each band declares: the quantity is value * scale + offset.
    band_metadata : tuple of dict of str
    alpha : int or None
        The band, from 0, that says where the others are valid.
    has_mask : bool
        Whether there is a mask of valid pixels (an alpha band is one).
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
    nodata_values: tuple[float | None, ...] = ()
    tags: tuple[tuple[float, float], ...] = ()
    band_metadata: tuple[dict[str, str], ...] = ()
    alpha: int | None = None
    has_mask: bool = False

    @property
    def data_bands(self) -> tuple[int, ...]:
        """The bands, from 0, that hold an image, which an alpha band does not."""
        return tuple(band for band in range(self.bands) if band != self.alpha)


def describe(path: str | Path, dataset: gdal.Dataset) -> RasterInfo:
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
        nodata_values=tuple(band.GetNoDataValue() for band in bands),
        tags=tuple(_tags(band) for band in bands),
        band_metadata=tuple(dict(band.GetMetadata()) for band in bands),
        alpha=_alpha(bands),
        has_mask=bool(bands[0].GetMaskFlags() & gdal.GMF_PER_DATASET),
    )


def _tags(band: gdal.Band) -> tuple[float, float]:
    """Return the scale and offset that a band declares."""
    scale, offset = band.GetScale(), band.GetOffset()
    return 1.0 if scale is None else float(scale), 0.0 if offset is None else float(offset)


def _alpha(bands: Sequence[gdal.Band]) -> int | None:
    """Return which band says where the others are valid: the last, where it is declared so."""
    # in a file of 13 bands, ALPHA=YES of GDAL marks the second
    last = bands[-1]
    is_alpha = last.GetColorInterpretation() == gdal.GCI_AlphaBand and not last.GetDescription()
    return len(bands) - 1 if is_alpha and len(bands) > 1 else None

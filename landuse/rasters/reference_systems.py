"""Coordinate reference systems: whether two are the same, their names and units."""

from pathlib import Path

from landuse.rasters import reading
from landuse.rasters.gdal_setup import osr

LONGITUDE_LATITUDE = "EPSG:4326"


def spatial_reference(crs: str) -> osr.SpatialReference:
    """Return the reference system of "EPSG:..." or WKT, with x (east) before y (north)."""
    reference = osr.SpatialReference()
    try:
        reference.SetFromUserInput(crs)
    except RuntimeError as error:
        raise ValueError(f"{crs[:80]!r} is no coordinate reference system") from error
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


def same_crs(first: str, second: str) -> bool:
    """Tell whether two reference systems (EPSG code or WKT, "" for none) are the same."""
    if not first or not second:
        return first == second
    return bool(spatial_reference(first).IsSame(spatial_reference(second)))


def crs_name(crs: str) -> str:
    """Return the short name of a reference system, as "WGS 84 / UTM zone 32N"."""
    return spatial_reference(crs).GetName() or "unnamed" if crs else "none"


def crs_code(crs: str) -> str:
    """Return "EPSG:32632" for a reference system that has such a code, else ""."""
    reference = spatial_reference(crs)
    name, code = reference.GetAuthorityName(None), reference.GetAuthorityCode(None)
    return f"{name}:{code}" if name and code else ""


def in_metres(crs: str) -> bool:
    """Tell whether coordinates of a reference system (EPSG code or WKT, "" for none) are metres."""
    if not crs:
        return False
    reference = spatial_reference(crs)
    return bool(reference.IsProjected()) and reference.GetLinearUnits() == 1.0


def metres_per_unit(crs: str) -> float | None:
    """Return how long the unit of a projected reference system is, None for degrees or none."""
    if not crs or not spatial_reference(crs).IsProjected():
        return None
    return float(spatial_reference(crs).GetLinearUnits())


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
    info = reading.read_info(path)
    if info.geotransform is None or not info.crs:
        raise ValueError(f"{path}: has no georeference")
    left, width, shear_x, top, shear_y, height = info.geotransform
    x = left + info.columns / 2 * width + info.rows / 2 * shear_x
    y = top + info.columns / 2 * shear_y + info.rows / 2 * height
    transformation = osr.CoordinateTransformation(
        spatial_reference(info.crs), spatial_reference(LONGITUDE_LATITUDE)
    )
    longitude, latitude, _ = transformation.TransformPoint(x, y)
    return longitude, latitude

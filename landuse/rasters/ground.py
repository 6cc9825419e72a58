"""What a pixel measures on the ground, on the ellipsoid, whatever the map's unit is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from landuse.rasters import geotransforms, reference_systems
from landuse.rasters.gdal_setup import osr

SEMI_MAJOR_AXIS = 6_378_137.0  # of WGS 84, metres
FLATTENING = 1 / 298.257223563
# The areas of a map that is true to scale, such as UTM, differ by up to 0.2 % from those on the
# ellipsoid, at the rim of its zone and beyond by more; up to this, the map's own unit counts.
TRUE_TO_SCALE = 0.01


@dataclass(frozen=True)
class Ground:
    """What a map measures at the centre of a raster.

    Attributes
    ----------
    width, height : float
        Of a pixel, metres.
    metres_per_unit : float
        Of the map, along a row.
    square_metres_per_unit : float
        Area of one unit by one unit.
    longitude, latitude : float
        Where that is, degrees.
    """

    width: float
    height: float
    metres_per_unit: float
    square_metres_per_unit: float
    longitude: float
    latitude: float

    @property
    def unit(self) -> geotransforms.MapUnit:
        """What one unit of the map measures."""
        return geotransforms.MapUnit(self.metres_per_unit, self.square_metres_per_unit)

    @property
    def is_true_to_scale(self) -> bool:
        """Whether the map's unit is the metre, and a metre there is one on the ground."""
        return self.unit == geotransforms.METRE

    @property
    def utm(self) -> str:
        """Reference system that fits there, as "EPSG:32632"."""
        zone = min(max(int((self.longitude + 180) // 6) + 1, 1), 60)
        return f"EPSG:{32600 + zone if self.latitude >= 0 else 32700 + zone}"


def measure(geotransform: Sequence[float], crs: str, shape: Sequence[int]) -> Ground | None:
    """Measure a raster's pixel on the ellipsoid, at the raster's centre.

    Parameters
    ----------
    geotransform : sequence of 6 floats
    crs : str
        EPSG code or WKT, "" for none.
    shape : (rows, columns)

    Returns
    -------
    Ground or None
        None where the reference system does not say where on Earth it is.
    """
    if not crs:
        return None
    left, width, shear_x, top, shear_y, height = geotransform
    rows, columns = shape
    x = left + columns / 2 * width + rows / 2 * shear_x
    y = top + columns / 2 * shear_y + rows / 2 * height
    steps = ((width, shear_y), (shear_x, height))
    try:
        centre, along_row, along_column = _on_ellipsoid(crs, (x, y), steps)
    except RuntimeError:
        return None
    area = abs(along_row[0] * along_column[1] - along_row[1] * along_column[0])
    pixel = math.hypot(width, shear_y), math.hypot(shear_x, height)
    of_units = abs(width * height - shear_x * shear_y)
    if not of_units or not math.isfinite(area) or not area:
        return None
    unit, square = math.hypot(*along_row) / pixel[0], area / of_units
    own = reference_systems.metres_per_unit(crs)
    if own is not None and abs(square / own**2 - 1) <= TRUE_TO_SCALE:
        unit, square = own, own**2
        sides = pixel[0] * own, pixel[1] * own
    else:
        sides = math.hypot(*along_row), math.hypot(*along_column)
    return Ground(*sides, unit, square, *centre)


def _on_ellipsoid(
    crs: str, at: tuple[float, float], steps: Sequence[tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    """Return longitude and latitude of a place, and metres east and north of each step there."""
    to_degrees = osr.CoordinateTransformation(
        reference_systems.spatial_reference(crs),
        reference_systems.spatial_reference(reference_systems.LONGITUDE_LATITUDE),
    )
    longitude, latitude, _ = to_degrees.TransformPoint(*at)
    eccentricity = FLATTENING * (2 - FLATTENING)  # squared
    sine = math.sin(math.radians(latitude))
    across = SEMI_MAJOR_AXIS / math.sqrt(1 - eccentricity * sine**2)
    along = across * (1 - eccentricity) / (1 - eccentricity * sine**2)
    vectors = []
    for step in steps:
        ends = [
            to_degrees.TransformPoint(at[0] + sign * step[0] / 2, at[1] + sign * step[1] / 2)
            for sign in (-1, 1)
        ]
        east = math.remainder(ends[1][0] - ends[0][0], 360)
        north = ends[1][1] - ends[0][1]
        parallel = across * math.cos(math.radians(latitude))
        vectors.append((math.radians(east) * parallel, math.radians(north) * along))
    return ((longitude, latitude), *vectors)


def warp_command(path: object, ground: Ground | None, size: float) -> str:
    """Return the command that brings an image to pixels of `size` metres in UTM."""
    system = f"-t_srs {ground.utm} " if ground is not None else ""
    return f"gdalwarp {system}-tr {size:g} {size:g} -r near {path} warped.tif"

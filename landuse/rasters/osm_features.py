"""Features of OpenStreetMap from an extract on disk (.osm.pbf, .osm, GeoJSON).

OpenStreetMap is licensed under the ODbL; whoever passes on what is made from it names it.
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from landuse.rasters import image_opening, reference_systems
from landuse.rasters.gdal_setup import gdal, osr

SUFFIXES = (".pbf", ".osm")
CREDIT = "© OpenStreetMap contributors, Open Database License (ODbL) 1.0"
LAYERS = ("lines", "multipolygons")  # of GDAL's OSM driver; points cover no ground
_STRING = r'"((?:[^"\\]|\\.)*)"'
_HSTORE = re.compile(rf"{_STRING}=>{_STRING}")


class OsmShape(NamedTuple):
    """A feature's ground: WKB in the map's system, and the rule that it fits."""

    polygon: bytes
    rule: int


def is_osm(path: str | Path) -> bool:
    """Tell whether a file is an extract of OpenStreetMap: by its name, or by its properties."""
    name = Path(path).name.lower()
    if name.endswith(SUFFIXES):
        return True
    if not name.endswith((".geojson", ".json")) or not Path(path).is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        start = file.read(20_000)
    return re.search(r'"(@id|osm_id|@type|osm_way_id)"\s*:', start) is not None


def read_shapes(
    path: str | Path,
    crs: str,
    rule_of: Callable[[dict[str, str]], int | None],
    buffers: Sequence[float | None],
) -> tuple[list[OsmShape], int]:
    """Read the features that fit a rule, as polygons in the map's reference system.

    Parameters
    ----------
    path : str or Path
        .osm.pbf, .osm, or GeoJSON whose properties are tags.
    crs : str
        Of the result; its unit must be the metre.
    rule_of : callable
        Tags of a feature to the number of the rule that it fits, None for no rule.
    buffers : sequence of float or None
        Metres by which each rule widens features; None leaves them out. Lines need some.

    Returns
    -------
    shapes : list of OsmShape
    others : int
        How many lines and polygons fit no rule.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or no feature fits.
    """
    image_opening.check_local_file(path)
    shapes, others = [], 0
    with image_opening.plain_errors(path, "cannot be read as OpenStreetMap data"):
        for tags, geometry, transformation in _features(path, crs):
            number = rule_of(tags)
            if number is None:
                others += 1
            elif (buffer := buffers[number]) is not None:
                wkb = _ground(geometry, buffer, transformation)
                if wkb is not None:
                    shapes.append(OsmShape(wkb, number))
    if not shapes:
        raise ValueError(f"{path}: none of its {others} lines and polygons fits a tag of the table")
    return shapes, others


def _features(path: str | Path, crs: str) -> Iterator[tuple[dict[str, str], Any, Any]]:
    """Yield tags, geometry and the way to the target system of lines and polygons."""
    is_native = Path(path).name.lower().endswith(SUFFIXES)
    drivers = ["OSM"] if is_native else ["GeoJSON"]
    # the driver keeps the places of nodes in a temporary file, by default in the current folder
    before = gdal.GetConfigOption("CPL_TMPDIR")
    gdal.SetConfigOption("CPL_TMPDIR", tempfile.gettempdir())
    gdal.PushErrorHandler("CPLQuietErrorHandler")  # extracts cut areas open; errors still raise
    try:
        source = gdal.OpenEx(str(path), gdal.OF_VECTOR, allowed_drivers=drivers)
        own = osr.SpatialReference()
        own.SetFromUserInput(reference_systems.LONGITUDE_LATITUDE)  # OpenStreetMap has no other
        own.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        target = reference_systems.spatial_reference(crs)
        transformation = osr.CoordinateTransformation(own, target)
        source.ResetReading()
        while (entry := source.GetNextFeature())[0] is not None:
            feature, layer = entry
            if is_native and layer.GetName() not in LAYERS:
                continue
            geometry = feature.GetGeometryRef()
            if geometry is not None and geometry.GetDimension() > 0:
                yield _tags(feature), geometry, transformation
    finally:
        gdal.PopErrorHandler()
        gdal.SetConfigOption("CPL_TMPDIR", before)


def _tags(feature: Any) -> dict[str, str]:
    """Return all tags of a feature, also those that GDAL packs into one field."""
    tags: dict[str, str] = {}
    for index in range(feature.GetFieldCount()):
        if not feature.IsFieldSetAndNotNull(index):
            continue
        name, text = feature.GetFieldDefnRef(index).GetName(), feature.GetFieldAsString(index)
        if name == "other_tags":
            tags |= {_plain(key): _plain(value) for key, value in _HSTORE.findall(text)}
        elif name == "tags" and text.startswith("{"):
            tags |= {key: str(value) for key, value in json.loads(text).items()}
        else:
            tags[name] = text
    return tags


def _plain(text: str) -> str:
    """Take back what a quotation mark or a backslash was escaped with."""
    return re.sub(r"\\(.)", r"\1", text)


def _ground(geometry: Any, buffer: float, transformation: Any) -> bytes | None:
    """Return what a feature covers as WKB; None for a line that is not to be widened."""
    if geometry.GetDimension() == 1 and buffer == 0:
        return None
    copy = geometry.Clone()
    copy.FlattenTo2D()
    copy.Transform(transformation)
    if buffer:
        copy = copy.Buffer(buffer, 4)
    return bytes(copy.ExportToWkb()) if copy is not None and not copy.IsEmpty() else None

"""Points and polygons with a class each, read from a vector file or a table and burnt into a grid.

A GeoPackage, GeoJSON, shapefile, FlatGeobuf or KML says its own reference system; a CSV has columns
of coordinates (``x`` and ``y``, or ``longitude`` and ``latitude``) or of well-known text (``wkt``).
What a class is called there, and whether the map knows it, is for others (`class_tables`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landuse.rasters import image_opening, place_tables, reference_systems, vectors
from landuse.rasters.gdal_setup import gdal, ogr, osr

CLASS_ATTRIBUTES = (  # names under which people keep a class, the first found is taken
    *("class_name", "class", "classname", "label", "landuse", "land_use", "landcover"),
    *("land_cover", "lulc", "category", "code"),
)
PART_ATTRIBUTES = ("part", "split", "subset", "use")
IDENTITY_ATTRIBUTES = ("id", "point_id")
NO_CLASS = 255


@dataclass(frozen=True)
class LabelledFeatures:
    """What a file says of the ground, feature by feature.

    Attributes
    ----------
    path : str
    attribute : str
        Where the class stood.
    names : tuple of str
        Class of each feature, as the file has it.
    geometries : tuple of bytes
        Well-known binary in `crs`, x before y: points, polygons or multipolygons.
    is_point : ndarray of shape (features,), bool
    crs : str
        "EPSG:..." or WKT.
    parts : tuple of str
        Text of an attribute called part or split, "" where there is none: "train", say.
    identities : tuple of str
        Text of an attribute called id, "" where there is none.
    messages : tuple of str
        What was assumed or left out, for the user to read.
    attributes : tuple of dict
        All attributes of each feature as text, the class among them.
    crs_assumed : bool
        Whether the coordinates were taken for those of `crs` because nothing said their system.
    """

    path: str
    attribute: str
    names: tuple[str, ...]
    geometries: tuple[bytes, ...]
    is_point: np.ndarray
    crs: str
    parts: tuple[str, ...]
    identities: tuple[str, ...]
    messages: tuple[str, ...]
    attributes: tuple[dict[str, str], ...] = ()
    crs_assumed: bool = False

    def coordinates(self) -> np.ndarray:
        """Return x and y of the points, and of the polygons a place inside, shape (features, 2)."""
        places = []
        for wkb in self.geometries:
            geometry = ogr.CreateGeometryFromWkb(wkb)
            point = geometry if geometry.GetDimension() == 0 else geometry.PointOnSurface()
            places.append((point.GetX(), point.GetY()))
        return np.array(places, dtype=np.float64).reshape(-1, 2)


class _Feature(NamedTuple):
    """One row of a file: its attributes as text, and its geometry in the file's own system."""

    attributes: dict[str, str]
    geometry: Any  # ogr.Geometry or None


class _Table(NamedTuple):
    """What a file holds, before anything is chosen from it."""

    fields: list[str]
    text_fields: list[str]
    crs: str
    features: list[_Feature]
    messages: list[str]
    crs_assumed: bool = False


def read_labelled_features(
    path: str | Path,
    crs: str,
    attribute: str | None = None,
    own_crs: str | None = None,
    layer: str | None = None,
) -> LabelledFeatures:
    """Read the labelled points and polygons of a file in the given reference system.

    Parameters
    ----------
    path : str or Path
        GeoPackage, GeoJSON, shapefile, FlatGeobuf, KML or CSV.
    crs : str
        Reference system of the result, "EPSG:32632" or WKT.
    attribute : str, optional
        That holds the class; without it, one of `CLASS_ATTRIBUTES` or the only one of text.
    own_crs : str, optional
        Reference system of a file that says none of its own (a CSV, a shapefile without .prj).
    layer : str, optional
        Of a file with several.

    Returns
    -------
    LabelledFeatures

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it holds no labelled point or polygon, or does not say which attribute is the class.
    """
    image_opening.check_local_file(path)
    is_csv = Path(path).suffix.lower() in (".csv", ".txt", ".tsv")
    table = _read_csv(path, crs, own_crs) if is_csv else _read_vectors(path, own_crs, layer)
    name = _choose_attribute(path, table, attribute)
    messages = list(table.messages)
    if attribute is None:
        messages.append(f"the class is taken from {name!r}")
    return _labelled(path, table, name, crs, messages)


def _labelled(
    path: str | Path, table: _Table, name: str, crs: str, messages: list[str]
) -> LabelledFeatures:
    """Choose, reproject and split what has a class and a place."""
    try:
        transformation = osr.CoordinateTransformation(
            reference_systems.spatial_reference(table.crs), reference_systems.spatial_reference(crs)
        )
    except RuntimeError as error:
        raise ValueError(
            f"{path}: cannot be brought to {reference_systems.crs_name(crs)}"
        ) from error
    part = next((field for field in table.fields if field.lower() in PART_ATTRIBUTES), "")
    identity = next((field for field in table.fields if field.lower() in IDENTITY_ATTRIBUTES), "")
    names, geometries, parts, identities, points, attributes = [], [], [], [], [], []
    left_out: Counter[str] = Counter()
    for feature in table.features:
        text = feature.attributes.get(name, "").strip()
        fault = _fault_of(text, feature.geometry)
        if fault:
            left_out[fault] += 1
            continue
        for geometry in _single_points(feature.geometry):
            names.append(text)
            geometries.append(_reprojected(path, geometry, transformation, table.crs))
            parts.append(feature.attributes.get(part, ""))
            identities.append(feature.attributes.get(identity, ""))
            points.append(geometry.GetDimension() == 0)
            attributes.append(feature.attributes)
    messages += [f"{count} left out: {fault}" for fault, count in left_out.items()]
    if not names:
        found = "; ".join(f"{count} {fault}" for fault, count in left_out.items()) or "it is empty"
        raise ValueError(f"{path}: holds no point or polygon with a class in {name!r}: {found}")
    return LabelledFeatures(
        str(path),
        name,
        tuple(names),
        tuple(geometries),
        np.array(points, dtype=bool),
        crs,
        tuple(parts),
        tuple(identities),
        tuple(messages),
        tuple(attributes),
        table.crs_assumed,
    )


def _fault_of(text: str, geometry: Any) -> str:
    """Say why a feature says nothing of the ground, "" for a good one."""
    if geometry is None or geometry.IsEmpty():
        return "without a geometry"
    if geometry.GetDimension() == 1:
        return "a line, neither a point nor a polygon"
    return "" if text else "without a class"


def _single_points(geometry: Any) -> Iterator[Any]:
    """Yield the points of a multipoint, anything else as it is."""
    if geometry.GetDimension() == 0 and geometry.GetGeometryCount():
        for number in range(geometry.GetGeometryCount()):
            yield geometry.GetGeometryRef(number)
    else:
        yield geometry


def _reprojected(path: str | Path, geometry: Any, transformation: Any, own_crs: str) -> bytes:
    """Return a geometry as WKB in the target system; edges that become curves get more corners."""
    copy = geometry.Clone()
    copy.FlattenTo2D()
    if copy.GetDimension() == 2:
        left, right, bottom, top = copy.GetEnvelope()
        copy.Segmentize(max(right - left, top - bottom) / 100 or 1)
        if not copy.IsValid():
            copy = copy.MakeValid()
    try:
        copy.Transform(transformation)
    except RuntimeError as error:
        raise ValueError(
            f"{path}: a feature at {_place(geometry)} cannot be reprojected from "
            f"{reference_systems.crs_name(own_crs)}; is that the system of its coordinates?"
        ) from error
    return bytes(copy.ExportToWkb())


def _place(geometry: Any) -> str:
    left, right, bottom, top = geometry.GetEnvelope()
    return f"({(left + right) / 2:g}, {(bottom + top) / 2:g})"


def _choose_attribute(path: str | Path, table: _Table, wanted: str | None) -> str:
    """Return the attribute that holds the class."""
    listed = ", ".join(table.fields) or "none"
    if wanted is not None:
        found = [name for name in table.fields if name == wanted]
        found = found or [name for name in table.fields if name.lower() == wanted.lower()]
        if not found:
            raise ValueError(f"{path}: has no attribute {wanted!r}; it has {listed}")
        return found[0]
    by_name = {name.lower(): name for name in reversed(table.fields)}
    known = [by_name[name] for name in CLASS_ATTRIBUTES if name in by_name]
    if known:
        return known[0]
    if len(table.text_fields) == 1:
        return table.text_fields[0]
    raise ValueError(f"{path}: which attribute holds the class? Name it; there are {listed}")


# ---- vector files


def _read_vectors(path: str | Path, own_crs: str | None, layer_name: str | None) -> _Table:
    """Read one layer of a vector file."""
    with image_opening.plain_errors(path, "cannot be read as a vector file"):
        source = gdal.OpenEx(
            str(path), gdal.OF_VECTOR, allowed_drivers=list(vectors.VECTOR_DRIVERS)
        )
        layer = _choose_layer(path, source, layer_name)
        definition = layer.GetLayerDefn()
        kinds = {
            definition.GetFieldDefn(i).GetName(): definition.GetFieldDefn(i).GetType()
            for i in range(definition.GetFieldCount())
        }
        features = [
            _Feature(
                {name: _as_text(feature, name) for name in kinds},
                geometry.Clone() if (geometry := feature.GetGeometryRef()) is not None else None,
            )
            for feature in layer
        ]
        own = layer.GetSpatialRef()
        # a GeoPackage without a system says "Undefined geographic SRS"
        known = own is not None and not (own.GetName() or "").startswith("Undefined")
        crs = own.ExportToWkt() if known else ""
    if not crs and own_crs is None:
        raise ValueError(f"{path}: says no coordinate reference system; name it (EPSG:...)")
    texts = [name for name, kind in kinds.items() if kind == ogr.OFTString]
    return _Table(list(kinds), texts, crs or str(own_crs), features, [])


def _as_text(feature: Any, name: str) -> str:
    """Return an attribute as text, whole numbers without a point, "" for none."""
    if not feature.IsFieldSetAndNotNull(name):
        return ""
    value = feature.GetField(name)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _choose_layer(path: str | Path, source: Any, wanted: str | None) -> Any:
    names = [source.GetLayer(number).GetName() for number in range(source.GetLayerCount())]
    if wanted is not None and wanted not in names:
        raise ValueError(f"{path}: has no layer {wanted!r}; it has {', '.join(names) or 'none'}")
    if wanted is None and len(names) != 1:
        raise ValueError(
            f"{path}: has {len(names)} layers ({', '.join(names)}), which one? "
            "Keep the labelled features in a file of one layer"
            if names
            else f"{path}: has no layer"
        )
    return source.GetLayerByName(wanted or names[0])


# ---- tables


def _read_csv(path: str | Path, crs: str, own_crs: str | None) -> _Table:
    """Read a table of places."""
    table = place_tables.read_places(path)
    features = [
        _Feature(row, _csv_geometry(path, line, place))
        for line, (row, place) in enumerate(zip(table.rows, table.places, strict=True), start=2)
    ]
    messages: list[str] = []
    if table.degrees:
        own = reference_systems.LONGITUDE_LATITUDE
    elif own_crs is not None:
        own = own_crs
    else:
        own, message = _guess_crs(features, crs)
        messages.append(f"{path}: {message}")
    assumed = not table.degrees and own_crs is None and own == crs
    return _Table(table.fields, table.text_fields, own, features, messages, assumed)


def _csv_geometry(path: str | Path, line: int, place: place_tables.Place) -> Any:
    """Return a place as a geometry, None where there is none."""
    if isinstance(place, str):
        try:
            return ogr.CreateGeometryFromWkt(place)
        except RuntimeError as error:
            raise ValueError(f"{path}, line {line}: is no well-known text: {place[:60]}") from error
    if place is None:
        return None
    point = ogr.Geometry(ogr.wkbPoint)
    point.AddPoint_2D(*place)
    return point


def _guess_crs(features: Sequence[_Feature], crs: str) -> tuple[str, str]:
    """Return what x and y are when nobody says it, and the sentence that says so."""
    envelopes = [item.geometry.GetEnvelope() for item in features if item.geometry is not None]
    largest = np.abs(envelopes).max(axis=0) if envelopes else np.zeros(4)
    if max(largest[:2]) <= 180 and max(largest[2:]) <= 90:
        return (
            reference_systems.LONGITUDE_LATITUDE,
            "coordinates are taken for longitude and latitude",
        )
    return crs, f"coordinates are taken for {reference_systems.crs_name(crs)}, the map's system"


# ---- into a grid


def burn_classes(
    geometries: Sequence[bytes],
    indices: Sequence[int] | np.ndarray,
    geotransform: Sequence[float],
    crs: str,
    rows: int,
    columns: int,
) -> tuple[np.ndarray, int]:
    """Give the cells of a grid the class of the polygon that their centre lies in.

    Parameters
    ----------
    geometries : sequence of bytes
        Polygons as WKB in `crs`.
    indices : sequence of int
        Class of each, 0..254; negative ones are left out.
    geotransform : sequence of 6 floats
    crs : str
    rows, columns : int

    Returns
    -------
    labels : ndarray of shape (rows, columns), uint8
        `NO_CLASS` (255) outside all polygons, and where polygons of two classes overlap.
    conflicts : int
        How many cells lie in polygons of two classes.
    """
    labels = np.full((rows, columns), NO_CLASS, np.uint8)
    conflict = np.zeros((rows, columns), bool)
    chosen = np.asarray(indices)
    for index in np.unique(chosen[chosen >= 0]):
        members = [wkb for wkb, own in zip(geometries, chosen, strict=True) if own == index]
        inside = vectors.rasterize(members, geotransform, crs, rows, columns)
        conflict |= inside & (labels != NO_CLASS)
        labels[inside] = index
    labels[conflict] = NO_CLASS
    return labels, int(conflict.sum())

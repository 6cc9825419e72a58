"""Labelled points and polygons of every form, on places that can be told by hand."""

import json

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from landuse.evaluation import class_tables
from landuse.rasters import labelled_features, reference_systems, vectors

UTM = "EPSG:32632"
CENTRE = (600_000.0, 4_850_000.0)


def in_degrees(x, y):
    transformation = osr.CoordinateTransformation(
        reference_systems.spatial_reference(UTM), reference_systems.spatial_reference("EPSG:4326")
    )
    return transformation.TransformPoint(x, y)[:2]


def square(x, y, size):
    corners = [(x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y)]
    return [[list(in_degrees(*corner)) for corner in corners]]


@pytest.fixture
def geojson(tmp_path):
    """A square of forest, two points of river in one feature, a line, and one without a class."""

    def feature(shape, coordinates, **properties):
        geometry = {"type": shape, "coordinates": coordinates}
        return {"type": "Feature", "properties": properties, "geometry": geometry}

    here = list(in_degrees(*CENTRE))
    features = [
        feature("Polygon", square(600_000, 4_850_000, 100), kind="Forest", part="train"),
        feature("MultiPoint", [here, list(in_degrees(600_050, 4_850_010))], kind="River"),
        feature("LineString", [here, [11, 43]], kind="River"),
        feature("Point", here, kind=None),
    ]
    path = tmp_path / "fields.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_geojson_in_degrees_becomes_points_and_polygons_in_the_maps_system(geojson):
    found = labelled_features.read_labelled_features(geojson, UTM, "kind")
    assert found.names == ("Forest", "River", "River")
    assert found.is_point.tolist() == [False, True, True]
    assert found.parts == ("train", "", "")
    np.testing.assert_allclose(found.coordinates()[1], CENTRE, atol=0.01)
    np.testing.assert_allclose(found.coordinates()[2], (600_050, 4_850_010), atol=0.01)
    assert [text.split(" left")[0] for text in found.messages] == ["1", "1"]
    assert "a line" in found.messages[0] and "without a class" in found.messages[1]


def test_a_geopackage_without_a_system_needs_one(tmp_path):
    path = tmp_path / "nowhere.gpkg"
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("fields", None, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetField("class", "Forest")
    feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({CENTRE[0]} {CENTRE[1]})"))
    layer.CreateFeature(feature)
    del layer, source
    with pytest.raises(ValueError, match="says no coordinate reference system; name it"):
        labelled_features.read_labelled_features(path, UTM)
    found = labelled_features.read_labelled_features(path, UTM, own_crs=UTM)
    np.testing.assert_allclose(found.coordinates(), [CENTRE])


@pytest.mark.parametrize("driver", ["GPKG", "ESRI Shapefile", "FlatGeobuf"])
def test_vector_files_say_the_same(geojson, tmp_path, driver):
    suffix = {"GPKG": "gpkg", "ESRI Shapefile": "shp", "FlatGeobuf": "fgb"}[driver]
    path = str(tmp_path / f"fields.{suffix}")
    gdal.VectorTranslate(
        path, str(geojson), format=driver, where="kind = 'Forest'", dstSRS="EPSG:3035"
    )
    found = labelled_features.read_labelled_features(path, UTM, "kind")
    expected = labelled_features.read_labelled_features(geojson, UTM, "kind")
    assert found.names == ("Forest",)
    area = ogr.CreateGeometryFromWkb(found.geometries[0]).GetArea()
    assert area == pytest.approx(10_000, rel=1e-3)
    np.testing.assert_allclose(found.coordinates()[0], expected.coordinates()[0], atol=1)


@pytest.mark.parametrize(
    "text",
    [
        "class,x,y\nForest,600000,4850000\n",
        "y;x;class\n4850000,0;600000,0;Forest\n",
        "id\twkt\tclass\n1\tPOINT (600000 4850000)\tForest\n",
        "\ufefflon,lat,class\n{0!r},{1!r},Forest\n",
    ],
)
def test_tables_of_places(tmp_path, text):
    path = tmp_path / "points.csv"
    path.write_text(text.format(*in_degrees(*CENTRE)), encoding="utf-8")
    found = labelled_features.read_labelled_features(path, UTM)
    assert found.names == ("Forest",)
    np.testing.assert_allclose(found.coordinates(), [CENTRE], atol=0.01)


def test_degrees_in_columns_x_and_y_are_noticed(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("x,y,class\n{},{},3.0\n".format(*in_degrees(*CENTRE)))
    found = labelled_features.read_labelled_features(path, UTM)
    np.testing.assert_allclose(found.coordinates(), [CENTRE], atol=0.01)
    assert "taken for longitude and latitude" in found.messages[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "name,class\nhere,Forest\n", "needs the columns longitude and latitude"),
        ("a.csv", "x,y,class\n1,north,Forest\n", "line 2: x and y say no place: 1, north"),
        ("a.csv", "x,y,class\n1,nan,Forest\n", "line 2: x and y say no place: 1, nan"),
        ("a.csv", "x,y,class\n1,2,Forest,9\n", "line 2: has more values than the header"),
        ("a.csv", "x,y,one,two\n1,2,a,b\n", "which attribute holds the class\\? .* one, two"),
        ("a.csv", "x,y,class\n1,2,\n", "no point or polygon with a class in 'class': 1 without"),
        ("a.csv", "x,y,class\n", "it is empty"),
        ("a.csv", b"x,y,class\n1,2,\xff\xfe\n", "no text in UTF-8"),
        ("a.geojson", "dear", "cannot be read as a vector file"),
        ("a.gpkg", "", "cannot be read as a vector file"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises((ValueError, OSError), match=message):
        labelled_features.read_labelled_features(path, UTM)


def test_an_attribute_that_is_not_there(geojson):
    with pytest.raises(ValueError, match="has no attribute 'klass'; it has kind, part"):
        labelled_features.read_labelled_features(geojson, UTM, "klass")


def test_a_shapefile_without_a_system_needs_one(geojson, tmp_path):
    path = tmp_path / "a.shp"
    gdal.VectorTranslate(str(path), str(geojson), format="ESRI Shapefile", where="kind = 'Forest'")
    path.with_suffix(".prj").unlink()
    with pytest.raises(ValueError, match="says no coordinate reference system"):
        labelled_features.read_labelled_features(path, UTM, "kind")
    found = labelled_features.read_labelled_features(path, UTM, "kind", own_crs="EPSG:4326")
    np.testing.assert_allclose(found.coordinates(), [(600_050, 4_850_050)], atol=30)


def test_a_web_address_is_refused():
    with pytest.raises(ValueError, match="only files on this machine"):
        labelled_features.read_labelled_features("/vsicurl/http://127.0.0.1:9/a.geojson", UTM)


def test_burnt_classes_leave_out_what_overlaps():
    """Squares of 4 and 2 cells that share one column."""
    wide, narrow = (
        vectors.polygon_from_rings([np.array(ring)])
        for ring in (
            [(0, 0), (20, 0), (20, 20), (0, 20)],
            [(10, 0), (30, 0), (30, 10), (10, 10)],
        )
    )
    grid = (0.0, 10.0, 0.0, 20.0, 0.0, -10.0)
    labels, conflicts = labelled_features.burn_classes([wide, narrow], [0, 1], grid, UTM, 2, 3)
    np.testing.assert_array_equal(labels, [[0, 0, 255], [0, 255, 1]])
    assert conflicts == 1
    labels, conflicts = labelled_features.burn_classes([wide, narrow], [0, -1], grid, UTM, 2, 3)
    np.testing.assert_array_equal(labels, [[0, 0, 255], [0, 0, 255]])


# ---- tables of classes

CLASSES = ["AnnualCrop", "Forest", "River", "SeaLake"]


def test_the_same_words_need_no_table():
    found = class_tables.indices_of(["annual crop", "FOREST", "Sea_Lake"], CLASSES)
    assert found.tolist() == [0, 1, 3]


def test_unknown_names_are_listed_with_their_number():
    with pytest.raises(ValueError, match=r"'wood' \(2\), 'sea' \(1\); the classes are AnnualCrop"):
        class_tables.indices_of(["wood", "sea", "wood"], CLASSES)


def test_a_table_renames_and_leaves_out(tmp_path):
    path = tmp_path / "classes.csv"
    path.write_text("reference;class\nwood;Forest\nquarry;\n")
    table = class_tables.read_class_table(path)
    assert class_tables.indices_of(["wood", "quarry"], CLASSES, table).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,class\na,b\n", "needs the columns reference and class; it has name, class"),
        ("reference,class\na,b\na,c\n", "line 3: 'a' stands there a second time"),
        ("reference,class\n", "holds no row"),
        ("", "it has none"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        class_tables.read_class_table(tmp_path / "a.csv")


def test_a_table_with_a_class_that_is_none():
    with pytest.raises(ValueError, match="names Sea; the classes are"):
        class_tables.indices_of(["water"], CLASSES, {"water": "Sea"})


def test_classes_that_the_reference_cannot_tell_apart_are_merged():
    table = {"1": "River|SeaLake", "0": "*", "-1": ""}
    merged, index, renamed = class_tables.merged_classes(["0", "1"], CLASSES, table)
    assert merged == ["AnnualCrop or Forest", "River or SeaLake"]
    assert index.tolist() == [0, 0, 1, 1]
    assert renamed == {"1": "River or SeaLake", "0": "AnnualCrop or Forest"}


def test_a_class_by_its_own_name_needs_no_row():
    table = {"water": "River|SeaLake", "wood": "Forest"}
    names = ["water", "wood", "Forest"]
    merged, _, renamed = class_tables.merged_classes(names, CLASSES, table)
    found = class_tables.indices_of(names, merged, renamed)
    assert found[1] == found[2] == merged.index("Forest")
    with pytest.raises(ValueError, match="names that the table of classes lacks: 'lake'"):
        class_tables.indices_of(["lake"], merged, renamed)


def test_a_class_cannot_stand_in_two_groups():
    with pytest.raises(ValueError, match=r"has River both in .* and in .River\|SeaLake."):
        class_tables.merged_classes(["a", "b"], CLASSES, {"a": "River", "b": "River|SeaLake"})

"""References laid on a map of 3 x 4 cells, whose answers can be counted on its small pixels."""

import json

import numpy as np
import pytest
from osgeo import gdal, osr

from landuse.evaluation import osm_tables, unit_classes
from landuse.map_checking import reference_cells
from landuse.outputs import class_colours, geotiffs, land_use_map
from landuse.rasters import label_maps, osm_features, reference_systems, writing
from landuse.rasters.labelled_features import read_labelled_features

UTM = "EPSG:32632"
CORNER = (600_000.0, 4_850_000.0)
GRID = (CORNER[0], 80.0, 0.0, CORNER[1], 0.0, -80.0)
NAMES = ["Forest", "River", "SeaLake", "Residential"]


def make_map(path, labels, names=NAMES, grid=GRID, crs=UTM, **facts):
    labels = np.asarray(labels, np.uint8)
    land_use = land_use_map.LandUseMap(labels, grid, crs, names, facts=facts)
    geotiffs.write_label_map(path, land_use)
    return label_maps.read_label_map(path)


@pytest.fixture
def label_map(tmp_path):
    labels = [[0, 0, 1, 255], [0, 3, 1, 1], [3, 3, 2, 2]]
    return make_map(tmp_path / "a_label.tif", labels, stride=8)


def in_degrees(x, y):
    transformation = osr.CoordinateTransformation(
        reference_systems.spatial_reference(UTM), reference_systems.spatial_reference("EPSG:4326")
    )
    return list(transformation.TransformPoint(x, y)[:2])


# ---- the map itself


def test_a_label_map_comes_back_with_its_names(label_map):
    assert label_map.class_names == NAMES
    assert label_map.counts.tolist() == [3, 3, 2, 3]
    assert label_map.hectares_per_cell == pytest.approx(0.64)
    assert reference_cells.stride_of(label_map) == 8


def test_places_and_cells_belong_together(label_map):
    rows, columns = np.array([0, 2]), np.array([1, 3])
    places = label_map.centres(rows, columns)
    np.testing.assert_allclose(places[0], (600_120, 4_849_960))
    assert [part.tolist() for part in label_map.cells_at(places)] == [[0, 2], [1, 3]]
    outside = [[599_999, 4_849_999], [600_300, 4_849_990], [600_001, 4_849_999]]
    assert label_map.classes_at(np.array(outside)).tolist() == [-1, -1, 0]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 3), np.uint16), "one band of uint8 expected, found 1 of uint16"),
        (np.zeros((3, 3, 2), np.uint8), "found 2 of uint8"),
        (np.zeros((3, 3), np.uint8), "names no classes"),
    ],
)
def test_other_rasters_are_no_label_maps(tmp_path, array, message):
    writing.write_geotiff(tmp_path / "a.tif", array, GRID, UTM)
    with pytest.raises(ValueError, match=message):
        label_maps.read_label_map(tmp_path / "a.tif")


def test_a_map_of_nothing_and_one_without_a_place(tmp_path):
    with pytest.raises(ValueError, match="is all nodata"):
        make_map(tmp_path / "a.tif", np.full((2, 2), 255))
    writing.write_geotiff(
        tmp_path / "b.tif", np.zeros((2, 2), np.uint8), None, "", metadata={"CLASS_0": "A"}
    )
    with pytest.raises(ValueError, match="has no georeference"):
        label_maps.read_label_map(tmp_path / "b.tif")


# ---- units


def test_shares_over_a_window_and_over_the_cell():
    """One cell of 2 x 2 small pixels; the window of 4 x 4 has 1 pixel more on each side."""
    fine = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]], np.uint8)
    assert unit_classes.margin_of(2, 4) == 1
    assert unit_classes.shares(fine, 0, 2, 4).tolist() == [[3 / 16]]
    assert unit_classes.shares(fine[1:3, 1:3], 0, 2, 2).tolist() == [[0.75]]
    assert unit_classes.dominant(fine, [0.1, 0.5], 2, 4).tolist() == [[0]]
    assert unit_classes.dominant(fine, [0.5, 0.5], 2, 4).tolist() == [[1]]
    assert unit_classes.dominant(fine, [0.5, 0.9], 2, 4).tolist() == [[255]]


def test_units_follow_the_stride_where_the_map_tells_it(label_map, tmp_path):
    assert reference_cells.units_of(label_map, "window") == (8, 64)
    assert reference_cells.units_of(label_map, "cell") == (8, 8)
    foreign = make_map(tmp_path / "b.tif", [[0, 1]])
    assert reference_cells.units_of(foreign, "window") == (8, 8)
    assert reference_cells.units_of(foreign, "window", 20.0) == (4, 4)


# ---- another raster


def write_reference(path, values, grid=GRID, crs=UTM, nodata=None, names=None, dtype=np.uint8):
    metadata = {f"CLASS_{i}": name for i, name in enumerate(names or ())}
    writing.write_geotiff(
        path, np.asarray(values, dtype), grid, crs, nodata=nodata, metadata=metadata
    )
    return path


def test_a_raster_of_small_pixels_is_counted_over_cells(label_map, tmp_path):
    values = np.zeros((24, 32), int)
    values[:8, :8] = 1
    values[8:16, :3] = 1  # three eighths of the cell below
    path = write_reference(tmp_path / "r.tif", values, (*GRID[:1], 10.0, 0.0, GRID[3], 0.0, -10.0))
    table = {"0": "Forest", "1": "River|SeaLake"}
    found = reference_cells.from_raster(label_map, path, "cell", table)
    assert found.names == ["Forest", "River or SeaLake", "Residential"]
    assert found.members[1] == ("River", "SeaLake")
    assert found.cells[0, 0] == 1 and found.cells[1, 0] == 0
    assert found.cells[0, 3] == 255  # no map there


def test_a_raster_in_degrees_lies_where_it_should(label_map, tmp_path):
    fine = (GRID[0], 10.0, 0.0, GRID[3], 0.0, -10.0)
    values = np.repeat(np.repeat(np.arange(12).reshape(3, 4) % 4, 8, 0), 8, 1)
    path = write_reference(tmp_path / "r.tif", values, fine, names=NAMES, nodata=255)
    gdal.Warp(str(tmp_path / "d.tif"), str(path), dstSRS="EPSG:4326", resampleAlg="near")
    found = reference_cells.from_raster(label_map, tmp_path / "d.tif", "cell", None)
    expected = np.where(label_map.labels == 255, 255, np.arange(12).reshape(3, 4) % 4)
    np.testing.assert_array_equal(found.cells, expected)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[0, 1]], {"grid": (0.0, 80.0, 0.0, 0.0, 0.0, -80.0)}, "does not lie on the map"),
        ([[9]], {"grid": (*GRID[:1], 800.0, 0.0, GRID[3], 0.0, -800.0)}, "no class: '9'"),
        ([[0.5]], {"dtype": np.float32}, "one band of whole numbers"),
    ],
)
def test_rasters_that_are_no_reference(label_map, tmp_path, values, options, message):
    path = write_reference(tmp_path / "r.tif", values, **options)
    with pytest.raises(ValueError, match=message):
        reference_cells.from_raster(label_map, path, "cell", None)


# ---- polygons


def test_polygons_give_their_class_to_cells_that_lie_in_them(label_map, tmp_path):
    corners = [(0, 0), (160, 0), (160, -80), (0, -80)]
    ring = [in_degrees(CORNER[0] + x, CORNER[1] + y) for x, y in corners]
    feature = {
        "type": "Feature",
        "properties": {"class": "river"},
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
    }
    path = tmp_path / "p.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    features = read_labelled_features(path, label_map.crs)
    found = reference_cells.from_polygons(label_map, features, "cell", None)
    assert np.argwhere(found.cells == 1).tolist() == [[0, 0], [0, 1]]
    assert (found.cells == 255).sum() == 10
    wide = reference_cells.from_polygons(label_map, features, "window", None)
    assert (wide.cells == 255).all()  # 160 x 80 m are never half of 640 x 640 m


# ---- OpenStreetMap

TABLE = """key,value,class,buffer_m,share
highway,motorway,Residential,20,0.3
natural,wood,Forest,0,0.5
building,*,Residential|River,0,0.5
natural,*,,0,
"""


def osm_file(path, features):
    items = [
        {"type": "Feature", "properties": {"@id": str(i), **tags}, "geometry": geometry}
        for i, (tags, geometry) in enumerate(features)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def box(left, top, right, bottom):
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    ring = [in_degrees(CORNER[0] + x, CORNER[1] - y) for x, y in corners]
    return {"type": "Polygon", "coordinates": [ring]}


def read(path, table, crs=UTM):
    return osm_features.read_shapes(path, crs, table.rule_of, table.buffers)


@pytest.fixture
def table(tmp_path):
    (tmp_path / "tags.csv").write_text(TABLE)
    return osm_tables.read_osm_table(tmp_path / "tags.csv", NAMES)


def test_the_first_row_lies_above(label_map, tmp_path, table):
    road = [in_degrees(CORNER[0] + x, CORNER[1] - 40) for x in (0, 320)]
    features = [
        ({"natural": "wood"}, box(0, 0, 160, 160)),
        ({"building": "yes"}, box(160, 80, 240, 160)),
        ({"natural": "water"}, box(0, 160, 320, 240)),
        ({"highway": "motorway"}, {"type": "LineString", "coordinates": road}),
        ({"highway": "path"}, {"type": "LineString", "coordinates": road}),
    ]
    path = osm_file(tmp_path / "o.geojson", features)
    assert osm_features.is_osm(path)
    found = reference_cells.from_osm(label_map, path, "cell", table)
    assert found.names == ["Residential", "Forest", "Residential|River"]
    expected = [[0, 0, 0, 255], [1, 1, 2, 255], [255] * 4]
    np.testing.assert_array_equal(found.cells, expected)
    assert found.messages[0] == "3 features of OpenStreetMap fit the table, 1 do not"


def test_all_tags_count_also_those_that_gdal_packs(tmp_path, table):
    text = """<osm version="0.6"><node id="1" lat="43.79" lon="10.24"/>
    <node id="2" lat="43.79" lon="10.25"/><node id="3" lat="43.80" lon="10.25"/>
    <way id="9"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/>
    <tag k="natural" v="wood"/><tag k="leaf_type" v="broad &quot;leaved&quot;"/></way></osm>"""
    (tmp_path / "a.osm").write_text(text)
    shapes, _ = read(tmp_path / "a.osm", table)
    assert [shape.rule for shape in shapes] == [1]
    by_leaf = table._replace(rules=[osm_tables.Rule("leaf_type", 'broad "leaved"', 0, 0)])
    assert len(read(tmp_path / "a.osm", by_leaf)[0]) == 1
    assert list(tmp_path.iterdir()) != []


def test_osm_elsewhere_and_osm_without_what_the_table_wants(label_map, tmp_path, table):
    far = osm_file(tmp_path / "far.geojson", [({"natural": "wood"}, box(9e4, 0, 9.1e4, 900))])
    with pytest.raises(ValueError, match="it lies elsewhere"):
        reference_cells.from_osm(label_map, far, "cell", table)
    other = osm_file(tmp_path / "o.geojson", [({"amenity": "bank"}, box(0, 0, 9, 9))])
    with pytest.raises(ValueError, match="none of its 1 lines and polygons fits"):
        reference_cells.from_osm(label_map, other, "cell", table)


def test_osm_on_a_map_in_degrees(tmp_path, table):
    made = make_map(
        tmp_path / "d.tif", [[0, 1]], grid=(10.0, 0.001, 0.0, 43.0, 0.0, -0.001), crs="EPSG:4326"
    )
    path = osm_file(tmp_path / "o.geojson", [({"natural": "wood"}, box(0, 0, 9, 9))])
    with pytest.raises(ValueError, match="the map is in WGS 84; warp it first"):
        reference_cells.from_osm(made, path, "cell", table)


def test_the_shipped_table_knows_the_classes_of_eurosat():
    found = osm_tables.read_osm_table(osm_tables.EUROSAT_TABLE, list(class_colours.COLOURS))
    reached = {name for group in found.members for name in group}
    assert reached == set(class_colours.COLOURS) - {"uncertain"}
    assert found.rule_of({"highway": "motorway", "building": "yes"}) == 0
    house = found.rule_of({"building": "house"})
    assert found.targets[found.rules[house].target] == "Residential"
    shed = found.rule_of({"building": "shed"})
    assert found.members[found.rules[shed].target] == ("Residential", "Industrial")
    assert found.rule_of({"leisure": "park"}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key,value\na,b\n", "needs the columns key, value, class, buffer_m, share; it has key"),
        ("key,value,class,buffer_m\na,b,Forest,wide\n", "line 2: buffer_m is no number: wide"),
        ("key,value,class,buffer_m\na,b,Forest,-1\n", "line 2: buffer_m must be 0 or more"),
        ("key,value,class\n,b,Forest\n", "line 2: has no key or no value"),
        ("key,value,class\na,b,Ice\n", "leads to Ice; the map has Forest, River"),
        (
            "key,value,class,share\na,b,Forest,0.5\na,c,Forest,0.4\n",
            "line 3: Forest needs a share of 0.4 here and of 0.5 above",
        ),
    ],
)
def test_bad_tables_of_tags(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        osm_tables.read_osm_table(tmp_path / "t.csv", NAMES)


@pytest.mark.shared_data
def test_a_real_extract(shared_data):
    table = osm_tables.read_osm_table(osm_tables.EUROSAT_TABLE, list(class_colours.COLOURS))
    shapes, others = read(shared_data / "osm" / "paris.osm.pbf", table, "EPSG:32631")
    assert len(shapes) > 40 and others > 1000

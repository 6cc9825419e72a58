"""Maps as files: what GDAL, QGIS and a spreadsheet find in them."""

import csv
import itertools
import json
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from landuse import map_values
from landuse.outputs import area_tables, class_colours, geopackages, geotiffs, land_use_map
from landuse.rasters import reading, reference_systems

CRS = "EPSG:32632"
GEOTRANSFORM = (600_000.0, 80.0, 0.0, 4_850_000.0, 0.0, -80.0)  # 0.64 ha a cell
NAMES = ["Forest", "River", "Färm & <field>"]

# Machado et al. 2009, severity 1.0, on linear RGB: what colour-blind readers see.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def map_of(labels, class_names=NAMES, **more):
    return land_use_map.LandUseMap(labels, GEOTRANSFORM, CRS, class_names, **more)


def map_with(probability, **more):
    """A map of which only the probabilities matter."""
    labels = np.zeros(probability.shape, np.uint8)
    return map_of(labels, probability=probability, **more)


@pytest.fixture
def labels():
    """Four rows: forest, forest, river, and one of field with a last cell of nodata."""
    made = np.array([[0] * 5, [0] * 5, [1] * 5, [2] * 5], dtype=np.uint8)
    made[3, 4] = map_values.NODATA
    return made


def large_labels(rows=1100, columns=1300):
    row, column = np.indices((rows, columns))
    return ((row // 90 + column // 70) % 3).astype(np.uint8)


def seen(colours, matrix):
    encoded = np.array(colours) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.transpose(matrix)).clip(0, 1)
    again = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return class_colours._cielab(again * 255)


def is_valid_cog(path):
    check = [sys.executable, "-m", "osgeo_utils.samples.validate_cloud_optimized_geotiff"]
    done = subprocess.run([*check, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return "is a valid cloud optimized GeoTIFF" in done.stdout


def gdalinfo(path):
    if shutil.which("gdalinfo") is None:
        pytest.skip("gdalinfo is not installed")
    done = subprocess.run(["gdalinfo", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("vision", VISION)
def test_colours_of_two_classes_differ_for_every_kind_of_vision(vision):
    lab = seen(list(class_colours.COLOURS.values()), VISION[vision])
    for (i, first), (j, second) in itertools.combinations(enumerate(class_colours.COLOURS), 2):
        assert np.linalg.norm(lab[i] - lab[j]) > 20, (first, second)


def test_cielab_of_known_colours():
    lab = class_colours._cielab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0]]))
    np.testing.assert_allclose(lab, [[100, 0, 0], [0, 0, 0], [53.2, 80.1, 67.2]], atol=0.3)


def test_known_classes_get_the_expected_colours_and_others_distinct_ones():
    assert class_colours.colours_of(["Forest", "SeaLake"]) == [(12, 64, 26), (8, 56, 193)]
    assert class_colours.colours_of(["forest", "Water"]) == [(12, 64, 26), (8, 56, 193)]
    assert class_colours.colours_of(["Uncertain"]) == [class_colours.COLOURS["uncertain"]]
    both = class_colours.colours_of(
        ["Water", "SeaLake"]
    )  # one colour, two classes: the second gets another
    assert both[0] == class_colours.COLOURS["SeaLake"] != both[1]


def test_usual_words_of_other_classes_get_fitting_colours():
    names = [
        "Vineyard",
        "olive_grove",
        "Other",
        "OpenWater",
        "Pond",
        "pine forest",
        "Beech",
        "Town",
    ]
    colours = dict(zip(names, class_colours.colours_of(names), strict=True))
    assert colours["Vineyard"] == class_colours.COLOURS["PermanentCrop"]
    assert colours["OpenWater"] == class_colours.COLOURS["SeaLake"]
    assert colours["pine forest"] == class_colours.COLOURS["Forest"]
    assert colours["Town"] == class_colours.COLOURS["Residential"]
    for name, like in (
        ("olive_grove", "Vineyard"),
        ("Pond", "OpenWater"),
        ("Beech", "pine forest"),
    ):
        lab = class_colours._cielab(np.array([colours[name], colours[like]]))
        turn = abs(np.subtract(*class_colours._hue(lab)))
        assert min(turn, 360 - turn) < 25, name
        assert np.linalg.norm(lab[0] - lab[1]) > 15, name
    red, green, blue = colours["Other"]
    assert blue < max(red, green)


def test_no_class_of_an_unknown_name_is_blue_as_water():
    names = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta"]
    lab = class_colours._cielab(np.array(class_colours.colours_of(names)))
    coloured = np.hypot(lab[:, 1], lab[:, 2]) > 12
    hues = class_colours._hue(lab)
    assert not (coloured & (hues > 165) & (hues < 310)).any()


def test_colours_that_somebody_chose():
    chosen = class_colours.chosen_colours(
        ["Town=#7b3294", "Forest=grey"], ["Forest", "Town", "Sea"]
    )
    assert chosen == {"Town": (123, 50, 148), "Forest": (128, 128, 128)}
    colours = class_colours.colours_of(["Forest", "Town", "Sea"], chosen)
    assert colours == [(128, 128, 128), (123, 50, 148), class_colours.COLOURS["SeaLake"]]
    with pytest.raises(ValueError, match=r"expected class=colour, .* the classes are Forest"):
        class_colours.chosen_colours(["Twon=#7b3294"], ["Forest", "Town"])
    with pytest.raises(ValueError, match="'purpel' of Town is no colour"):
        class_colours.chosen_colours(["Town=purpel"], ["Forest", "Town"])


def test_many_unknown_classes_get_different_colours():
    names = [f"class {index}" for index in range(43)]
    colours = class_colours.colours_of(names)
    assert colours == class_colours.colours_of(names)
    lab = class_colours._cielab(np.array(colours))
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)]
    assert min(apart) > 15
    assert all(0 <= part <= 255 for colour in colours for part in colour)


def test_label_map_holds_names_colours_and_metadata(tmp_path, labels):
    path = tmp_path / "label.tif"
    metadata = {"model": "model.keras", "stride": 8, "bounds": (1.5, 2), "cloud:mask=": None}
    geotiffs.write_label_map(path, map_of(labels, facts=metadata))
    read, info = reading.read_raster(path)
    np.testing.assert_array_equal(read, labels)
    assert info.dtype == np.uint8
    assert info.nodata == 255
    assert info.geotransform == GEOTRANSFORM
    assert reference_systems.same_crs(info.crs, CRS)
    assert list(info.category_names) == NAMES
    assert info.colours[0] == class_colours.COLOURS["Forest"]
    assert info.colours[1] == class_colours.COLOURS["River"]
    assert info.metadata["MODEL"] == "model.keras"
    assert info.metadata["STRIDE"] == "8"
    assert info.metadata["BOUNDS"] == "[1.5, 2]"
    assert not [key for key in info.metadata if "CLOUD" in key]


def test_class_names_survive_when_the_tif_is_copied_alone(tmp_path, labels):
    geotiffs.write_label_map(tmp_path / "label.tif", map_of(labels))
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(tmp_path / "label.tif", tmp_path / "elsewhere")
    metadata = reading.read_info(copy).metadata
    assert [metadata[f"CLASS_{index}"] for index in range(3)] == NAMES
    assert "0 Forest, 1 River" in metadata["TIFFTAG_IMAGEDESCRIPTION"]


def test_every_raster_is_accepted_by_the_cog_checker_and_gdalinfo(tmp_path):
    labels = large_labels()
    percent = np.full(labels.shape, 80, np.uint8)
    every = np.full((3, *labels.shape), 33, np.uint8)
    geotiffs.write_label_map(tmp_path / "l.tif", map_of(labels))
    geotiffs.write_probability_map(tmp_path / "p.tif", map_with(percent))
    geotiffs.write_probability_map(tmp_path / "f.tif", map_with(percent / np.float32(100)))
    geotiffs.write_probability_map(tmp_path / "a.tif", map_with(percent, all_probabilities=every))
    geotiffs.write_label_map(tmp_path / "small.tif", map_of(labels[:80, :80]))
    for name in ("l", "p", "f", "a", "small"):
        assert is_valid_cog(tmp_path / f"{name}.tif")
        assert "LAYOUT=COG" in gdalinfo(tmp_path / f"{name}.tif")
    report = gdalinfo(tmp_path / "l.tif")
    assert "Overviews: 650x550" in report
    assert "1: River" in report


def overview(path):
    """Return the first overview of band 1."""
    script = (
        "import sys; from osgeo import gdal; gdal.UseExceptions(); d = gdal.Open(sys.argv[1]);"
        "a = d.GetRasterBand(1).GetOverview(0).ReadAsArray(); import numpy;"
        "numpy.save(sys.argv[2], a)"
    )
    target = path.with_suffix(".npy")
    subprocess.run([sys.executable, "-c", script, path, target], check=True)
    return np.load(target)


def test_overviews_hold_the_mode_of_labels_and_the_mean_of_probabilities(tmp_path):
    labels = np.zeros((1024, 1024), np.uint8)
    labels[::2, ::2] = 2  # one of four: a mean would be 0.5, the nearest 2
    geotiffs.write_label_map(tmp_path / "l.tif", map_of(labels))
    assert set(np.unique(overview(tmp_path / "l.tif"))) == {0}
    percent = np.where(labels == 2, 100, 60).astype(np.uint8)
    percent[:2, :2] = [[255, 255], [40, 60]]  # nodata must not count
    geotiffs.write_probability_map(tmp_path / "p.tif", map_with(percent))
    means = overview(tmp_path / "p.tif")
    assert means[0, 0] == 50
    assert means[5, 5] == 70


@pytest.mark.parametrize("kind", ["label", "percent", "float"])
def test_same_arrays_give_the_same_bytes(tmp_path, kind):
    labels = large_labels(700, 600)
    written = []
    for folder in ("first", "second"):
        path = tmp_path / folder / "map.tif"
        path.parent.mkdir()
        if kind == "label":
            geotiffs.write_label_map(path, map_of(labels, facts={"a": 1}))
        else:
            values = labels * np.uint8(30) if kind == "percent" else labels / np.float32(3)
            geotiffs.write_probability_map(path, map_with(values, facts={"a": 1}))
        written.append({file.name: file.read_bytes() for file in path.parent.iterdir()})
    assert written[0] == written[1]
    names_of_classes = ["map.tif.aux.xml"] if kind == "label" else []
    assert sorted(written[0]) == ["map.qml", "map.tif", *names_of_classes]


def test_style_is_what_qgis_reads(tmp_path, labels):
    geotiffs.write_label_map(tmp_path / "label.tif", map_of(labels))
    text = (tmp_path / "label.qml").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>")
    root = ElementTree.fromstring(text)
    renderer = root.find("pipe/rasterrenderer")
    assert renderer.get("type") == "paletted"
    assert renderer.get("band") == "1"
    entries = [entry.attrib for entry in renderer.findall("colorPalette/paletteEntry")]
    assert [entry["label"] for entry in entries] == NAMES
    assert entries[0] == {"value": "0", "color": "#0c401a", "label": "Forest", "alpha": "255"}


@pytest.mark.parametrize(("dtype", "highest"), [(np.uint8, "100"), (np.float32, "1")])
def test_style_of_probabilities_is_what_qgis_reads(tmp_path, dtype, highest):
    geotiffs.write_probability_map(tmp_path / "p.tif", map_with(np.ones((4, 5), dtype)))
    text = (tmp_path / "p.qml").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>")
    root = ElementTree.fromstring(text)
    renderer = root.find("pipe/rasterrenderer")
    assert root.tag == "qgis"
    assert (renderer.get("type"), renderer.get("band")) == ("singlebandpseudocolor", "1")
    assert (renderer.get("classificationMin"), renderer.get("classificationMax")) == ("0", highest)
    shader = renderer.find("rastershader/colorrampshader")
    assert shader.get("colorRampType") == "INTERPOLATED"
    assert (shader.get("minimumValue"), shader.get("maximumValue")) == ("0", highest)
    items = [item.attrib for item in shader.findall("item")]
    assert items[0] == {"value": "0", "label": "0 %", "alpha": "255", "color": "#440154"}
    assert items[-1] == {"value": highest, "label": "100 %", "alpha": "255", "color": "#fde725"}
    assert [item["label"] for item in items] == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert [float(item["value"]) / float(highest) for item in items] == [0, 0.25, 0.5, 0.75, 1]


def test_probabilities_of_all_classes_are_described_by_name(tmp_path):
    every = np.random.default_rng(0).integers(0, 101, (3, 6, 5)).astype(np.uint8)
    every[:, 0, 0] = 255
    best = every.max(axis=0)
    geotiffs.write_probability_map(tmp_path / "all.tif", map_with(best, all_probabilities=every))
    read, info = reading.read_raster(tmp_path / "all.tif")
    np.testing.assert_array_equal(np.moveaxis(read, -1, 0), [best, *every])
    assert list(info.band_names) == ["probability of the label", *NAMES]
    assert info.nodata == 255
    assert info.metadata["UNIT"] == "percent"
    assert "not how often it is right" in info.metadata["TIFFTAG_IMAGEDESCRIPTION"]


def test_float_probabilities_are_kept_with_their_own_nodata(tmp_path):
    values = np.array([[0.25, 1.0], [-1.0, 1 / 3]], dtype=np.float32)
    geotiffs.write_probability_map(tmp_path / "p.tif", map_with(values))
    read, info = reading.read_raster(tmp_path / "p.tif")
    np.testing.assert_array_equal(read, values)
    assert info.nodata == -1
    assert info.metadata["UNIT"] == "0..1"


def test_to_percent_rounds_and_keeps_nodata():
    values = np.array([0, 0.004, 0.996, 1, -1, np.nan], dtype=np.float32)
    assert map_values.to_percent(values).tolist() == [0, 0, 100, 100, 255, 255]
    percent = np.array([3, 255], dtype=np.uint8)
    assert map_values.to_percent(percent) is percent


def test_areas_by_hand(labels):
    rows = map_of(labels).areas
    assert [row.class_name for row in rows] == [*NAMES, "nodata"]
    assert [row.pixels for row in rows] == [10, 5, 4, 1]
    np.testing.assert_allclose([row.hectares for row in rows], [6.4, 3.2, 2.56, 0.64])
    np.testing.assert_allclose([row.percent for row in rows[:3]], [1000 / 19, 500 / 19, 400 / 19])
    assert rows[3].percent is None


def test_cells_past_the_scene_count_in_part():
    labels = np.array([[0, 1], [0, 1]], dtype=np.uint8)
    # cells of 80 m from a scene of 120 m x 100 m: the second row and column are cut
    bounds = (600_000.0, 4_850_000.0 - 100, 600_000.0 + 120, 4_850_000.0)
    rows = map_of(labels, ["Forest", "River"], bounds=bounds).areas
    assert [row.pixels for row in rows] == [2, 2, 0]
    np.testing.assert_allclose([row.hectares for row in rows], [0.8, 0.4, 0])
    np.testing.assert_allclose([row.percent for row in rows[:2]], [200 / 3, 100 / 3])


def test_areas_of_a_map_without_any_class():
    labels = np.full((3, 3), map_values.NODATA, np.uint8)
    assert [row.percent for row in map_of(labels, ["Forest"]).areas] == [0, None]


def test_area_table(tmp_path, labels):
    area_tables.write_areas(tmp_path / "areas.csv", map_of(labels))
    with open(tmp_path / "areas.csv", encoding="utf-8", newline="") as stream:
        table = list(csv.reader(stream))
    assert table[0] == [
        "class",
        "pixels",
        "hectares (UTM pixel area)",
        "percent of the classified area",
    ]
    assert table[1] == ["Forest", "10", "6.40", "52.63"]
    assert table[3][0] == NAMES[2]
    assert table[-1] == ["nodata", "1", "0.64", ""]


def test_area_table_of_a_map_in_degrees_has_no_hectares(tmp_path, labels):
    area_tables.write_areas(tmp_path / "a.csv", map_of(labels, unit=None))
    assert "\nForest,10,,52.63\n" in (tmp_path / "a.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(("crs", "metres"), [(CRS, True), ("EPSG:4326", False), ("", False)])
def test_which_reference_systems_are_in_metres(crs, metres):
    assert reference_systems.in_metres(crs) is metres


def test_polygons_carry_class_and_hectares(tmp_path, labels):
    path = tmp_path / "polygons.gpkg"
    geopackages.write_polygons(path, map_of(labels))
    script = (
        "import sys, json; from osgeo import ogr; ogr.UseExceptions(); d = ogr.Open(sys.argv[1]);"
        "print(json.dumps([dict(f.items(), area=f.GetGeometryRef().GetArea()) for f in d[0]]))"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=True)
    features = sorted(json.loads(done.stdout), key=lambda feature: feature["class_index"])
    assert [feature["class_name"] for feature in features] == NAMES
    assert [feature["hectares"] for feature in features] == pytest.approx([6.4, 3.2, 2.56])
    assert [feature["area"] for feature in features] == pytest.approx([64_000, 32_000, 25_600])


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (np.full((2, 2), 3, np.uint8), NAMES, "labels must be 0..2 or 255 .* found 3"),
        (np.zeros((2, 2), np.int64), NAMES, r"labels must be uint8 .* got int64 \(2, 2\)"),
        (np.zeros((2, 2, 1), np.uint8), NAMES, r"got uint8 \(2, 2, 1\)"),
        (np.zeros((2, 2), np.uint8), ["A", "A"], "at most 254 class names, all different"),
        (np.zeros((2, 2), np.uint8), [str(i) for i in range(255)], "at most 254 class names"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, names, message):
    with pytest.raises(ValueError, match=message):
        map_of(labels, names)


@pytest.mark.parametrize(
    ("values", "every", "message"),
    [
        (np.zeros((2, 2)), None, "must be uint8 .percent. or float32 .0..1., got float64"),
        (np.zeros((2, 3), np.uint8), None, "labels and probability must have one shape"),
        (None, np.zeros((1, 2, 2), np.uint8), "3 bands of probabilities expected"),
        (None, np.zeros((3, 2, 3), np.uint8), "labels and all_probabilities must have one shape"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(values, every, message):
    with pytest.raises(ValueError, match=message):
        map_of(np.zeros((2, 2), np.uint8), probability=values, all_probabilities=every)


def test_a_map_without_probabilities_has_none_to_write(tmp_path, labels):
    with pytest.raises(ValueError, match="the map of Pisa has no probabilities"):
        geotiffs.write_probability_map(tmp_path / "p.tif", map_of(labels, name="Pisa"))
    assert list(tmp_path.iterdir()) == []

"""Script 00_cut_patches: windows that can be told by hand, the table of them, and what is said."""

import csv
import json
import runpy
import shutil
import sys

import numpy as np
import pytest
from osgeo import gdal

from landuse import sensors
from landuse.cutting import candidates, choosing, label_files
from landuse.outputs import labelling_page
from landuse.patches import image_files, patch_places
from landuse.rasters import feature_sets, labelled_features, point_files, reading, writing

UTM = "EPSG:32632"
PIXELS = (600_000.0, 10.0, 0.0, 4_850_000.0, 0.0, -10.0)
LUMA = (0.299, 0.587, 0.114)
GRID = candidates.PixelGrid(PIXELS, UTM, 320, 384)


def box(top, left, bottom, right):
    """Corners (x, y) of a rectangle of pixels."""
    corners = [(top, left), (top, right), (bottom, right), (bottom, left), (top, left)]
    return [(600_000 + 10 * column, 4_850_000 - 10 * row) for row, column in corners]


def write_geojson(path, *features):
    """Write rectangles (class, top, left, bottom, right) and points (class, row, column)."""

    def as_json(name, *place, **attributes):
        corners = box(*place) if len(place) == 4 else box(*place, *place)[:1]
        degrees = point_files.longitudes_latitudes(np.array(corners, float), UTM).tolist()
        kind = "Polygon" if len(place) == 4 else "Point"
        where = [degrees] if len(place) == 4 else degrees[0]
        return {
            "type": "Feature",
            "properties": {"class": name, **attributes},
            "geometry": {"type": kind, "coordinates": where},
        }

    told = [as_json(*feature[:-1], **feature[-1]) if isinstance(feature[-1], dict)
            else as_json(*feature) for feature in features]  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": told}))
    return path


def write_scene(path, bands=sensors.BANDS_MS, rows=320, columns=384, seed=0, geotransform=PIXELS):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(300, 3000, (rows, columns, len(bands))).astype(np.uint16)
    writing.write_geotiff(path, pixels, geotransform, UTM, nodata=0, band_names=bands)
    return pixels


@pytest.fixture
def place(tmp_path):
    """A folder with a scene of 320 x 384 px, and polygons of two classes on it."""
    write_scene(tmp_path / "pisa.tif")
    write_geojson(
        tmp_path / "labels.geojson",
        ("Vineyard", 64, 64, 192, 192, {"village": "north"}),
        ("Quarry", 224, 240, 288, 304, {"village": "south"}),
    )
    return tmp_path


@pytest.fixture
def cut(place, repository, monkeypatch, capsys):
    """Run the script in that folder; what it says is given back."""

    def run(*words, image="pisa.tif", labels="labels.geojson", status=0):
        monkeypatch.chdir(place)
        given = ["--path-to-patches", "patches"]
        for flag, value in (("--path-to-image", image), ("--path-to-labels", labels)):
            given += [flag, *([value] if isinstance(value, str) else value)]
        monkeypatch.setattr(sys, "argv", ["00_cut_patches.py", *given, *words])
        code = 0
        try:
            runpy.run_path(str(repository / "00_cut_patches.py"), run_name="__main__")
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert code == status, said.err
        return said.out if status == 0 else said.err

    return run


def windows_of(place, name=None):
    with open(place / "patches" / "patches.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if name in (None, row["class"])]
    return {(int(row["row"]), int(row["column"])) for row in rows}


def features_of(path):
    return labelled_features.read_labelled_features(path, UTM)


def find(features, classes, **changes):
    settings = {"least_cover": 0.5, "jitter": 0, "windows_per_point": 1, "seed": 0, **changes}
    return candidates.find_candidates(features, np.array(classes), GRID, **settings)


# ---- the script


def test_polygons_become_the_patches_that_tile_them(place, cut):
    said = cut()
    assert windows_of(place, "Vineyard") == {(64, 64), (64, 128), (128, 64), (128, 128)}
    assert windows_of(place, "Quarry") == {(224, 240)}
    assert "Vineyard                       4 patches of 1 points and polygons" in said
    assert "warning: Quarry has 1 patches" in said
    pixels, _ = reading.read_raster(place / "pisa.tif")
    for row in patch_places.read_table(place / "patches").values():
        path = place / "patches" / row["file"]
        patch = image_files.read_named(path)
        top, left = int(row["row"]), int(row["column"])
        np.testing.assert_array_equal(patch.pixels, pixels[top : top + 64, left : left + 64])
        assert patch.names == sensors.BANDS_MS
        info = reading.read_info(path)
        assert info.geotransform[0] + 320 == float(row["x"])
        assert info.geotransform[3] - 320 == float(row["y"])
        assert row["village"] == {"Vineyard": "north", "Quarry": "south"}[row["class"]]
        assert row["crs"] == UTM and row["cover"] == "1.000"


def test_the_same_again_does_nothing_and_other_labels_replace_only_when_asked(place, cut):
    cut()
    before = {path: path.stat().st_mtime_ns for path in (place / "patches").rglob("*")}
    assert "unchanged" in cut()
    assert {path: path.stat().st_mtime_ns for path in (place / "patches").rglob("*")} == before
    said = cut("--least-cover", "0.9", status=2)
    assert "LEAST_COVER" in said and "DELETE_OLD_PATCHES" in said
    (place / "patches" / "notes.txt").write_text("mine")
    said = cut("--least-cover", "0.9", "--delete-old-patches", status=2)
    assert "notes.txt" in said
    (place / "patches" / "notes.txt").unlink()
    assert "patches: patches" in cut("--least-cover", "0.9", "--delete-old-patches")
    assert {path.name for path in place.iterdir()} == {"pisa.tif", "labels.geojson", "patches"}


def test_an_error_while_cutting_leaves_nothing(place, cut):
    write_scene(place / "empty.tif")
    writing.write_geotiff(
        place / "empty.tif",
        np.zeros((320, 384, 13), np.uint16),
        PIXELS,
        UTM,
        nodata=0,
        band_names=sensors.BANDS_MS,
    )
    said = cut(image="empty.tif", status=2)
    assert "patches of no class only" in said
    assert not (place / "patches").exists() and not list(place.glob(".*"))


def test_nodata_is_left_out_and_counted(place, cut):
    pixels = write_scene(place / "pisa.tif")
    pixels[70, 70] = 0  # in one of the four windows of the vineyard
    writing.write_geotiff(
        place / "pisa.tif", pixels, PIXELS, UTM, nodata=0, band_names=sensors.BANDS_MS
    )
    said = cut()
    assert (64, 64) not in windows_of(place) and len(windows_of(place, "Vineyard")) == 3
    assert "windows left out for nodata or clouds" in said


def test_true_colours_are_those_of_the_published_images(place, cut):
    cut("--format", "jpg")
    pixels, _ = reading.read_raster(place / "pisa.tif")
    path = place / "patches" / "Quarry" / "Quarry_pisa_224_240.jpg"
    expected = sensors.scale_to_rgb8(pixels[224:288, 240:304][..., [3, 2, 1]])
    found = image_files.read_patch(path)
    assert found.shape == (64, 64, 3)
    # noise loses its colours in a JPEG, its brightness hardly
    np.testing.assert_allclose(found.mean((0, 1)), expected.mean((0, 1)), atol=2)
    brightness = (found @ LUMA).ravel(), (expected @ LUMA).ravel()
    assert np.corrcoef(*brightness)[0, 1] > 0.99


def test_another_date_gives_the_same_windows_that_are_not_parted(place, cut):
    write_scene(place / "later.tif", seed=1)
    cut(image=["pisa.tif", "later.tif"])
    table = patch_places.read_table(place / "patches")
    assert len(table) == 10 and len(windows_of(place)) == 5
    assert {row["scene"] for row in table.values()} == {"pisa", "later"}
    images = [place / "patches" / name for name in table]
    places = patch_places.find_places(images)
    pairs = patch_places.overlapping(places)
    names = {frozenset(images[index].stem.split("_", 2)[2] for index in pair) for pair in pairs}
    assert len(pairs) == 5 and all(len(same) == 1 for same in names)


def test_labels_of_a_page_are_cut_where_they_were_shown(place, cut):
    places = np.array(
        [(601_000.0, 4_849_000.0), (602_000.0, 4_848_000.0), (603_000.0, 4_849_000.0)]
    )
    about = {"crs": UTM, "points": {str(n): [*at, 0] for n, at in enumerate(places.tolist())}}
    labels = {"0": "Vineyard", "1": "Quarry", "2": None}
    saved = {
        "format": labelling_page.FORMAT,
        "windows": 3,
        "saved": "2024-01-01",
        "about": about,
        "labels": {name: {"class": label} for name, label in labels.items()},
    }
    (place / "page.json").write_text(json.dumps(saved))
    said = cut(labels="page.json")
    assert windows_of(place, "Vineyard") == {(100 - 32, 100 - 32)}  # x 601,000 is column 100
    assert windows_of(place, "Quarry") == {(200 - 32, 200 - 32)}
    assert "2 of 3 windows have a class" in said and "1 left out: nobody could tell" in said
    said = cut("--delete-old-patches", labels=["page.json", "labels.geojson"])
    assert (168, 168) in windows_of(place, "Quarry") and len(windows_of(place)) >= 5


def test_points_may_be_moved_by_the_jitter_and_no_further(place, cut):
    write_geojson(place / "points.geojson", ("Vineyard", 100, 100), ("Quarry", 200, 200))
    cut("--jitter", "5", labels="points.geojson")
    ((row, column),) = windows_of(place, "Vineyard")
    assert max(abs(row - 68), abs(column - 68)) <= 5
    cut("--jitter", "0", "--delete-old-patches", labels="points.geojson")
    assert windows_of(place, "Vineyard") == {(68, 68)}


def test_a_table_renames_classes_and_leaves_others_out(place, cut):
    (place / "table.csv").write_text("reference,class\nVineyard,Crop\nQuarry,Bare\n")
    write_geojson(place / "more.geojson", ("Lake", 0, 0, 64, 64))
    said = cut("--class-table", "table.csv", labels=["labels.geojson", "more.geojson"])
    assert windows_of(place, "Crop") and windows_of(place, "Bare")
    assert "1 left out: no class in the table, 'Lake' (1)" in said


def test_a_cap_takes_of_every_polygon(place, cut):
    write_geojson(
        place / "labels.geojson",
        ("Vineyard", 64, 64, 192, 192),
        ("Vineyard", 0, 256, 128, 384),
        ("Quarry", 224, 240, 288, 304),
    )
    cut("--most-per-class", "2")
    columns = sorted(column for _, column in windows_of(place, "Vineyard"))
    assert len(columns) == 2 and columns[0] < 192 <= columns[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--least-cover", "1.5"], "LEAST_COVER must lie between 0 and 1"),
        (["--least-distance", "0"], "LEAST_DISTANCE must be 1 or more"),
        (["--format", "jpg", "--bands", "ALL"], "a JPEG holds red, green, blue"),
        (["--bands", "B12", "B13"], "B13 is no band of Sentinel-2"),
        (["--class-attribute", "kind"], "has no attribute 'kind'; it has class, village"),
    ],
)
def test_settings_that_nothing_can_be_cut_with(cut, words, said):
    assert said in cut(*words, status=2)


def test_coordinates_without_a_system_and_scenes_of_two(place, cut):
    """Taken for those of each scene, they would be two places."""
    (place / "points.csv").write_text("x,y,class\n601000,4849000,Vineyard\n602000,4848000,Quarry\n")
    pixels = np.full((320, 384, 13), 900, np.uint16)
    writing.write_geotiff(
        place / "west.tif", pixels, PIXELS, "EPSG:32631", band_names=sensors.BANDS_MS
    )
    said = cut(image=["pisa.tif", "west.tif"], labels="points.csv", status=2)
    assert "coordinates without a reference system" in said and "LABELS_CRS" in said
    cut("--labels-crs", UTM, image=["pisa.tif", "west.tif"], labels="points.csv")
    assert {row["scene"] for row in patch_places.read_table(place / "patches").values()} == {"pisa"}


# ---- windows


def test_overlapping_polygons_of_two_classes_count_for_none(tmp_path):
    path = write_geojson(tmp_path / "a.geojson", ("A", 64, 64, 192, 192), ("B", 64, 128, 192, 256))
    found = find(features_of(path), [0, 1], least_cover=1.0)
    assert found.contested == 2
    corners = set(zip(found.classes, found.rows, found.columns, strict=True))
    assert (0, 64, 64) in corners and (1, 64, 192) in corners
    assert not [column for own, _, column in corners if own == 0 and column > 64]
    assert not [column for own, _, column in corners if own == 1 and column < 192]


def test_what_gives_no_window_has_a_reason(tmp_path):
    path = write_geojson(
        tmp_path / "a.geojson",
        ("A", -200, 0, -100, 64),  # north of the scene
        ("A", 100, 100, 120, 120),  # smaller than a window
        ("A", 200, 10, 240, 300),  # too narrow
        ("B", 202, 20, 210, 28),  # under the one before
        ("A", 10, 10),  # a point at the edge
        ("A", 150, 300),
        ("B", 160, 310),  # two points that contradict each other
    )
    found = find(features_of(path), [0, 0, 0, 1, 0, 0, 1], least_cover=0.7)
    assert len(found) == 0
    assert found.reasons == {
        0: candidates.OUTSIDE,
        1: candidates.TOO_SMALL,
        2: candidates.TOO_SMALL,
        3: candidates.OVERLAPPED,
        4: candidates.AT_EDGE,
        5: candidates.CONTRADICTED,
        6: candidates.CONTRADICTED,
    }
    small = find(features_of(path), [-1, 0, -1, -1, -1, -1, -1], least_cover=0)
    assert (110 - 32, 110 - 32) in set(zip(small.rows, small.columns, strict=True))
    assert small.covers.max() == pytest.approx((20 / 64) ** 2)


def test_a_point_in_a_polygon_of_another_class_gives_no_window(tmp_path):
    path = write_geojson(tmp_path / "a.geojson", ("A", 64, 64, 192, 192), ("B", 100, 100))
    assert find(features_of(path), [0, 1]).reasons == {1: candidates.CONTRADICTED}


def test_a_window_that_turns_out_bad_gives_its_place_to_another(tmp_path):
    path = write_geojson(tmp_path / "a.geojson", ("A", 64, 64, 144, 128))
    found = find(features_of(path), [0], least_cover=1.0)
    assert sorted(zip(found.rows, found.columns, strict=True)) == [(64, 64), (72, 64), (80, 64)]
    taken = []

    def take(index):
        taken.append(int(found.rows[index]))
        return taken[-1] == 80

    choice = choosing.choose_windows(found, take, least_distance=64, most_per_class=None, seed=0)
    assert [found.rows[index] for index in choice.chosen] == [80]
    none = choosing.choose_windows(
        found, lambda index: False, least_distance=64, most_per_class=None, seed=0
    )
    assert none.chosen == [] and none.reasons == {0: choosing.NO_DATA} and none.without_data == 3


def test_every_polygon_gets_one_window_before_any_gets_a_second(tmp_path):
    path = write_geojson(
        tmp_path / "a.geojson",
        ("A", 0, 0, 128, 320),
        ("B", 128, 0, 168, 64),
        ("B", 192, 0, 320, 384),
    )
    found = find(features_of(path), [0, 1, 1])
    order = candidates.in_order_of_choice(found, 64, 0)
    assert sorted(found.features[order[:3]].tolist()) == [0, 1, 2]
    assert (found.features[order[0]], *found.classes[order[3:]][:1]) == (1, 0)  # few, then rare


def test_the_reason_of_the_scene_that_a_feature_lies_on_is_told():
    far = choosing.Choice([], {0: candidates.OUTSIDE, 1: candidates.OUTSIDE}, 0)
    here = choosing.Choice([], {0: choosing.NO_DATA}, 1)
    assert choosing.merged_reasons([far, here], {1}) == {choosing.NO_DATA: 1}


def test_turns_number_the_members_of_each_group_in_the_order():
    groups, order = np.array([7, 3, 7, 3, 7]), np.array([4, 3, 2, 1, 0])
    assert candidates._turns(groups, order).tolist() == [2, 1, 1, 0, 0]


# ---- names of classes


def labels_named(tmp_path, *names, table=None):
    path = write_geojson(
        tmp_path / "a.geojson", *((name, 10 * n, 0) for n, name in enumerate(names))
    )
    return label_files.read_labels([str(path)], UTM, table=table)


def test_spellings_of_one_class_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one class in two spellings"):
        labels_named(tmp_path, "AnnualCrop", "annual crop")
    table = {"AnnualCrop": "Crop", "annual crop": "Crop", "Lake": "Lake"}
    labels = labels_named(tmp_path, "AnnualCrop", "annual crop", "Lake", table=table)
    assert labels.class_names == ["Crop", "Lake"] and labels.classes.tolist() == [0, 0, 1]


def test_a_class_that_no_folder_can_be_called_gets_another_name(tmp_path):
    labels = labels_named(tmp_path, "Urban: 10/30 %", "Lake")
    assert labels.class_names == ["Lake", "Urban- 10-30 %"]
    assert any("is called 'Urban- 10-30 %'" in text for text in labels.messages)
    with pytest.raises(ValueError, match="cannot be the name of a folder"):
        labels_named(tmp_path, "...", "Lake")


def test_a_sample_drawn_for_a_check_is_no_longer_one_for_the_model(tmp_path):
    saved = {
        "format": labelling_page.FORMAT,
        "windows": 1,
        "saved": "",
        "about": {"crs": UTM, "design": "random", "points": {"1": [600_000, 4_850_000, 0]}},
        "labels": {"1": {"class": "Lake"}},
    }
    (tmp_path / "a.json").write_text(json.dumps(saved))
    labels = label_files.read_labels([str(tmp_path / "a.json")], "EPSG:4326")
    assert any("cannot be checked" in text for text in labels.messages)
    np.testing.assert_allclose(labels.features.coordinates()[0], (10.243, 43.796), atol=1e-3)


def test_joined_features_keep_their_order(tmp_path):
    first = features_of(write_geojson(tmp_path / "a.geojson", ("A", 0, 0, 9, 9)))
    second = features_of(write_geojson(tmp_path / "b.geojson", ("B", 5, 5), ("C", 7, 7)))
    both = feature_sets.joined([first, second])
    assert both.names == ("A", "B", "C") and both.is_point.tolist() == [False, True, True]
    assert both.attributes[2]["class"] == "C"


# ---- real products


@pytest.mark.shared_data
def test_a_product_gives_dn_without_its_offset(place, cut, shared_data):
    """A product of baseline 05.09, whose DN are 1000 higher than those of EuroSAT."""
    product = next((shared_data / "scenes").glob("S2B*.SAFE"))
    info = gdal.Open(str(next(product.rglob("*_B02.jp2"))))
    left, width, _, top, _, height = info.GetGeoTransform()
    rows = [
        f"{left + 100 * width},{top + 100 * height},A",
        f"{left + 300 * width},{top + 300 * height},B",
    ]
    (place / "points.csv").write_text("\n".join(["x,y,class", *rows, ""]))
    said = cut("--jitter", "0", image=str(product), labels="points.csv")
    assert "-1000" in said
    patch = image_files.read_patch(next((place / "patches" / "A").glob("*.tif")))
    own = info.GetRasterBand(1).ReadAsArray(68, 68, 64, 64).astype(int)
    np.testing.assert_array_equal(patch[..., 1], np.maximum(own - 1000, 1))
    shutil.rmtree(place / "patches")

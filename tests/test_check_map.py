"""Step 8 from end to end on a made map whose truth is known, and what its checks say."""

import csv
import itertools
import json
import runpy
import sys

import numpy as np
import pytest
from osgeo import ogr

from landuse import files
from landuse.evaluation import trust
from landuse.map_checking import (
    check_reports,
    drawn_samples,
    map_checks,
    point_checks,
    reference_cells,
)
from landuse.outputs import geotiffs, labelling_page, land_use_map, map_layers, pages
from landuse.rasters import label_maps, labelled_features, writing

UTM = "EPSG:32632"
PIXELS = (600_000.0, 10.0, 0.0, 4_850_000.0, 0.0, -10.0)
CELLS = (600_000.0, 80.0, 0.0, 4_850_000.0, 0.0, -80.0)
NAMES = ["Forest", "River", "Residential"]
SHAPE = (30, 40)


@pytest.fixture(scope="module")
def truth():
    """The left half is forest, the right residential, with a river in between."""
    made = np.zeros(SHAPE, np.uint8)
    made[:, 18:22] = 1
    made[:, 22:] = 2
    return made


@pytest.fixture(scope="module")
def mapped(truth):
    """The truth, but the river is mapped too wide, and two cells have no data."""
    made = truth.copy()
    made[:, 16:18] = 1
    made[0, :2] = 255
    return made


def write_map(path, labels, names=NAMES):
    land_use = land_use_map.LandUseMap(labels, CELLS, UTM, names, facts={"stride": 8})
    geotiffs.write_label_map(path, land_use)
    return path


@pytest.fixture
def place(tmp_path, mapped):
    """A folder with a map and the scene that it may have been made from."""
    write_map(tmp_path / "pisa_label.tif", mapped)
    rng = np.random.default_rng(0)
    scene = rng.integers(300, 3000, (SHAPE[0] * 8, SHAPE[1] * 8, 4)).astype(np.uint16)
    names = ["B04", "B03", "B02", "B08"]
    writing.write_geotiff(tmp_path / "pisa.tif", scene, PIXELS, UTM, nodata=0, band_names=names)
    return tmp_path


@pytest.fixture
def step_8(place, repository, monkeypatch, capsys):
    """Run the step in that folder; what it prints is given back."""

    def run(*words, image="pisa.tif", status=0):
        monkeypatch.chdir(place)
        given = ["--path-to-map", "pisa_label.tif", "--path-to-image", image]
        monkeypatch.setattr(sys, "argv", ["08_check_map.py", *given, *words])
        try:
            runpy.run_path(str(repository / "08_check_map.py"), run_name="__main__")
        except SystemExit as end:
            assert end.code == status
        else:
            assert status == 0
        said = capsys.readouterr()
        return said.out + said.err

    return run


def save_labels(place, truth, names=NAMES, cannot=()):
    """What somebody who knows the truth would have saved on the page."""
    about = json.loads((place / "pisa_check" / "design.json").read_text())
    sample = drawn_samples.Sample.from_about(about, "design")
    rows, columns = (
        np.floor((sample.places[:, 1] - CELLS[3]) / CELLS[5]).astype(int),
        np.floor((sample.places[:, 0] - CELLS[0]) / CELLS[1]).astype(int),
    )
    labels = {
        identity: {"class": None if identity in cannot else names[truth[row, column]]}
        for identity, row, column in zip(sample.identities, rows, columns, strict=True)
    }
    content = {"format": labelling_page.FORMAT, "identity": "", "saved": "2026"}
    content |= {"windows": len(labels), "about": about, "labels": labels}
    path = place / "pisa_labels.json"
    path.write_text(json.dumps(content))
    return path


def report(place, name):
    return json.loads((place / "pisa_check" / name / "report.json").read_text())


# ---- both calls


def test_a_sample_is_drawn_labelled_and_estimated_from(step_8, place, truth):
    said = step_8("--half-width", "0.08", "--floor", "10")
    folder = place / "pisa_check"
    found = {path.name for path in folder.iterdir()}
    assert found == {"design.json", "label.html", "points.csv", "points.gpkg"}
    assert "--reference pisa_labels.json" in said
    assert "Residential" in (folder / "label.html").read_text()
    save_labels(place, truth, cannot={"3"})
    said = step_8("--reference", "pisa_labels.json")
    figures = report(place, "pisa_labels")
    # 60 of 1198 cells are wrong; they are all mapped as river
    overall = figures["overall_accuracy"]
    assert overall["low"] <= 1 - 60 / 1198 <= overall["high"]
    assert figures["users_accuracy"]["Forest"]["value"] == 1
    assert figures["users_accuracy"]["River"]["value"] == pytest.approx(4 / 6, abs=0.25)
    river = figures["area_hectares"]["River"]
    assert river["low"] <= 120 * 0.64 <= river["high"] < figures["mapped_hectares"]["River"] + 30
    assert sum(area["value"] for area in figures["area_hectares"].values()) == pytest.approx(
        1198 * 0.64
    )
    assert any("could not be told" in text for text in figures["warnings"])
    files_made = {path.name for path in (folder / "pisa_labels").iterdir()}
    assert files_made == {
        "checked_points.gpkg",
        "map.html",
        "report.json",
        "report.md",
        "report.png",
    }
    assert "overall accuracy" in said


def test_the_page_and_the_settings_of_a_map_say_what_its_check_found(step_8, place, truth):
    step_8("--sample-size", "60", "--floor", "20")
    save_labels(place, truth)
    label_map = label_maps.read_label_map(place / "pisa_label.tif")
    land_use = land_use_map.LandUseMap(
        label_map.labels,
        label_map.geotransform,
        label_map.crs,
        label_map.class_names,
        trust=trust.Trust("a run", measured="The model is right in 99 %.", precision={"River": 1}),
    )
    grey = np.full((*label_map.labels.shape, 3), 90, np.uint8)
    picture = map_layers.Picture(grey, label_map.geotransform)
    pages.write_html(place / "pisa.html", land_use, picture)
    before = {"model": "a run", **land_use.trust.as_facts()}
    files.write_json(place / "pisa_settings.json", before)
    said = step_8("--reference", "pisa_labels.json")
    assert "in place of the model's accuracy: pisa.html, pisa_settings.json" in said
    overall = report(place, "pisa_labels")["overall_accuracy"]
    kept = files.read_json(place / "pisa_settings.json")
    assert kept["accuracy"] == {what: overall[what] for what in ("value", "low", "high")}
    assert (kept["model"], kept["told_by_the_model"]["measured"]) == ("a run", before["measured"])
    page = (place / "pisa.html").read_text()
    assert "The model is right in 99 %." not in page
    assert kept["measured"] in page
    step_8("--reference", "pisa_labels.json")  # a second time: the model's word stays
    kept = files.read_json(place / "pisa_settings.json")
    assert kept["told_by_the_model"]["measured"] == before["measured"]


def test_the_page_shows_no_label_of_the_map_in_its_order(step_8, place):
    """Strata follow each other at random, so that nobody can guess the next class."""
    step_8("--sample-size", "60", "--floor", "20")
    about = json.loads((place / "pisa_check" / "design.json").read_text())
    strata = [point[2] for point in about["points"].values()]
    changes = sum(one != other for one, other in itertools.pairwise(strata))
    assert changes > 20


def test_drawing_again_changes_nothing_and_another_sample_is_refused(step_8, place):
    step_8("--sample-size", "40")
    before = {path.name: path.read_bytes() for path in (place / "pisa_check").iterdir()}
    said = step_8("--sample-size", "40")
    assert "lies in pisa_check already" in said
    assert {path.name: path.read_bytes() for path in (place / "pisa_check").iterdir()} == before
    said = step_8("--sample-size", "40", "--seed", "1", status=2)
    assert "another sample was drawn there (SEED, the points differ)" in said
    assert {path.name: path.read_bytes() for path in (place / "pisa_check").iterdir()} == before


def test_without_a_scene_there_are_points_to_fill_in(step_8, place, truth):
    said = step_8("--design", "random", "--sample-size", "80", image="None")
    assert "fill in the column class" in said
    assert not (place / "pisa_check" / "label.html").exists()
    table = place / "pisa_check" / "points.csv"
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 80
    np.testing.assert_allclose([float(row["probability"]) for row in rows], 80 / 1198)
    for row in rows:
        column = int((float(row["x"]) - CELLS[0]) / 80)
        row["class"] = NAMES[truth[0, column]]
    rows[0]["class"] = "cannot tell"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    step_8("--reference", "pisa_check/points.csv", image="None")
    figures = report(place, "points")
    assert figures["kind"] == "sample"
    assert figures["points"] == 79
    assert "simple random sample of 80 cells" in figures["notes"][0]


def test_points_filled_in_by_gis(step_8, place, truth):
    step_8("--sample-size", "50", image="None")
    source = ogr.Open(str(place / "pisa_check" / "points.gpkg"), 1)
    layer = source.GetLayer(0)
    for feature in layer:
        column = int((feature.GetGeometryRef().GetX() - CELLS[0]) / 80)
        feature.SetField("class", NAMES[truth[0, column]])
        layer.SetFeature(feature)
    del layer, source
    step_8("--reference", "pisa_check/points.gpkg", image="None")
    figures = report(place, "points")
    assert figures["kind"] == "sample"
    assert figures["points"] >= 50


def test_one_sample_judges_another_map_too(step_8, place, truth, mapped):
    """The strata stay those of the first map; the second one is right everywhere."""
    step_8("--sample-size", "90", image="None")
    save_labels(place, truth)
    write_map(place / "better_label.tif", np.where(mapped == 255, 255, truth).astype(np.uint8))
    step_8("--path-to-map", "better_label.tif", "--reference", "pisa_labels.json", image="None")
    figures = json.loads((place / "better_check" / "pisa_labels" / "report.json").read_text())
    assert figures["overall_accuracy"]["value"] == 1
    sure = figures["users_accuracy"]["Forest"]
    assert (sure["value"], sure["high"], sure["standard_error"]) == (1, 1, 0)
    assert 0.8 < sure["low"] < 0.95  # 27 points without an error prove little
    write_map(place / "part_label.tif", np.where(truth == 0, 255, truth).astype(np.uint8))
    step_8("--path-to-map", "part_label.tif", "--reference", "pisa_labels.json", image="None")
    figures = json.loads((place / "part_check" / "pisa_labels" / "report.json").read_text())
    assert any("lie outside this map" in text for text in figures["warnings"])
    assert figures["hectares"] == pytest.approx(22 * 30 * 0.64, rel=0.25)


# ---- other references


def test_points_of_ones_own(step_8, place, truth):
    rows, columns = np.unravel_index(np.arange(0, 1200, 7), SHAPE)
    lines = [
        f"{CELLS[0] + 80 * (c + 0.5)},{CELLS[3] - 80 * (r + 0.5)},{NAMES[truth[r, c]]},train"
        for r, c in zip(rows, columns, strict=True)
    ]
    (place / "mine.csv").write_text("x,y,class,part\n" + "\n".join(lines))
    said = step_8("--reference", "mine.csv", image="None")
    figures = report(place, "mine")
    assert "nobody says that these points are a random sample" in said
    assert "a model that has learned from them knows them by heart" in said
    assert "area_shares" not in figures
    assert figures["overall_accuracy"]["value"] == pytest.approx(1 - 60 / 1198, abs=0.02)
    step_8("--reference", "mine.csv", "--reference-sample", "random", image="None")
    figures = report(place, "mine")
    assert figures["area_hectares"]["River"]["low"] <= 120 * 0.64


def test_another_raster_with_classes_that_it_cannot_tell_apart(step_8, place, truth):
    values = np.where(truth == 1, 5, 0).astype(np.int16)
    values[0] = -1
    writing.write_geotiff(place / "water.tif", values, CELLS, UTM, nodata=-1)
    (place / "water.csv").write_text("reference,class\n5,River\n0,*\n")
    step_8(
        *("--reference", "water.tif", "--class-table", "water.csv", "--unit", "cell"),
        image="None",
    )
    figures = report(place, "water")
    assert figures["reference_classes"] == ["Forest or Residential", "River"]
    assert figures["producers_accuracy"]["River"]["value"] == 1
    assert figures["users_accuracy"]["River"]["value"] == pytest.approx(4 / 6)
    assert figures["overall_accuracy"]["low"] is None
    text = (place / "pisa_check" / "water" / "report.md").read_text()
    assert "**Warning:** another map has errors of its own" in text


def test_openstreetmap_in_both_directions(place, mapped):
    label_map = label_maps.read_label_map(place / "pisa_label.tif")
    cells = np.full(SHAPE, 255, np.uint8)
    cells[:, 20:30] = 0  # says residential from the river's right half on
    reference = reference_cells.CellReference(cells, ["Residential"], [("Residential",)], [])
    check = map_checks.check_cells(label_map, reference, "osm", "a.osm.pbf")
    figures = check_reports.figures_of(check)
    assert figures["producers_accuracy"]["Residential"]["value"] == pytest.approx(0.8)
    assert figures["cells_without_reference"]["Residential"] == 30 * 10
    text = check_reports.markdown_of(figures)
    assert "where it says nothing, the map is neither right nor wrong" in text
    assert "| Residential | 540 | 44.4 % | 0.0 % | 55.6 % |" in text
    assert "ODbL" in text


def test_polygons_in_training(place, tmp_path):
    corner = ("9.0", "45.0")
    features = labelled_features.LabelledFeatures(
        "p", "class", ("A",), (b"",), np.array([False]), UTM, ("Training",), corner[:1], ()
    )
    assert "1 of 1 features are of a training part" in point_checks.say_training(features)[0]


def test_uncertain_cells_are_not_judged(tmp_path, truth):
    labels = truth.copy()
    labels[:15, :10] = 3
    path = write_map(tmp_path / "u_label.tif", labels, [*NAMES, "uncertain"])
    label_map = label_maps.read_label_map(path)
    sample = drawn_samples.draw_sample(
        label_map, "stratified", 0.05, 0.8, 100, 10, seed=1, unit="window"
    )
    assert sample.class_names == NAMES
    columns = ((sample.places[:, 0] - CELLS[0]) // 80).astype(int)
    labels = {
        identity: NAMES[truth[0, column]]
        for identity, column in zip(sample.identities, columns, strict=True)
    }
    check = point_checks.check_sample(label_map, sample, labels, None, "labels")
    assert check.estimates.overall.value == 1
    assert check.estimates.producers[0].value < 1
    assert check.hectares == pytest.approx(1200 * 0.64)


# ---- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--half-width", "2"], "HALF_WIDTH must lie between 0 and 1, not 2.0"),
        (["--floor", "0"], "FLOOR must be 2 or more, not 0"),
        (["--reference", "none.csv"], "REFERENCE: none.csv does not exist"),
        (["--reference", "pisa_label.tif"], "REFERENCE is the map itself"),
        (["--path-to-map", "pisa.tif"], "is no label map"),
        (["--path-to-image", "none.tif"], "PATH_TO_IMAGE: none.tif does not exist"),
        (["--path-to-image", "far.tif"], "lie outside the scene far"),
        (["--reference", "far.csv"], "none of its 1 points lies on the map"),
        (["--reference", "turned.csv"], "with x and y exchanged they would"),
        (["--reference", "other.csv"], "'Volcano'; the classes are Forest"),
        (["--reference", "empty.json"], "cannot be read as a vector file"),
    ],
)
def test_bad_input_is_answered_and_nothing_is_written(step_8, place, words, message):
    far = (*PIXELS[:3], 1_000_000.0, *PIXELS[4:])
    writing.write_geotiff(
        place / "far.tif",
        np.ones((80, 80, 3), np.uint16),
        far,
        UTM,
        band_names=["B04", "B03", "B02"],
    )
    x, y = CELLS[0] + 40, CELLS[3] - 200
    for name, line in (
        ("far", f"{x},9000,Forest"),
        ("turned", f"{y},{x},Forest"),
        ("other", f"{x},{y},Volcano"),
    ):
        (place / f"{name}.csv").write_text(f"x,y,class\n{line}\n")
    (place / "empty.json").write_text("{}")
    before = {path.name for path in place.rglob("*")}
    said = step_8(*words, status=2)
    assert "error: " in said and message in said
    assert {path.name for path in place.rglob("*")} == before


def test_labels_of_nothing_and_of_other_points(step_8, place, truth):
    step_8("--sample-size", "30", image="None")
    path = save_labels(place, truth)
    content = files.read_json(path)
    files.write_json(path, {**content, "labels": {}})
    assert "no point is labelled yet" in step_8("--reference", "pisa_labels.json", status=2)
    files.write_json(path, {**content, "labels": {"900": {"class": "Forest"}}})
    said = step_8("--reference", "pisa_labels.json", status=2)
    assert "labels points that were not drawn: 900" in said
    files.write_json(path, {**content, "about": {"seed": 1}})
    said = step_8("--reference", "pisa_labels.json", status=2)
    assert "does not say how its points were drawn" in said
    few = {"1": content["labels"]["1"]}
    files.write_json(path, {**content, "labels": few})
    said = step_8("--reference", "pisa_labels.json", status=2)
    assert "no class of the map has 2 labelled points yet" in said


def test_half_labelled_samples_say_so(step_8, place, truth):
    step_8("--sample-size", "60", "--floor", "20", image="None")
    path = save_labels(place, truth)
    content = files.read_json(path)
    first = dict(list(content["labels"].items())[:30])
    files.write_json(path, {**content, "labels": first})
    said = step_8("--reference", "pisa_labels.json", image="None")
    assert "points are not labelled yet; the order on the page is random" in said
    assert report(place, "pisa_labels")["points"] == 30


@pytest.mark.shared_data
def test_labelled_cells_of_real_places_count_as_points(tmp_path, shared_data):
    """A map that says Residential everywhere is right where the cells of Milan are."""
    from landuse.rasters import reading

    info = reading.read_info(shared_data / "truth" / "scenes" / "milano_2.tif")
    left, width, _, top, _, height = info.geotransform
    rows, columns = -(-info.rows // 64), -(-info.columns // 64)
    place = (left, 64 * width, 0.0, top, 0.0, 64 * height)
    names = ["Industrial", "Residential"]
    labels = np.ones((rows, columns), np.uint8)
    land_use = land_use_map.LandUseMap(labels, place, info.crs, names)
    geotiffs.write_label_map(tmp_path / "m_label.tif", land_use)
    label_map = label_maps.read_label_map(tmp_path / "m_label.tif")
    with open(shared_data / "truth" / "cells.csv", newline="") as file:
        cells = [row for row in csv.DictReader(file) if row["scene"] == "milano_2"]
    places = label_map.centres(
        np.array([int(cell["row"]) for cell in cells]),
        np.array([int(cell["col"]) for cell in cells]),
    )
    lines = [f"{x},{y},{c['label']}" for (x, y), c in zip(places, cells, strict=True)]
    (tmp_path / "cells.csv").write_text("x,y,class\n" + "\n".join(lines))
    features = labelled_features.read_labelled_features(tmp_path / "cells.csv", label_map.crs)
    check = point_checks.check_points(label_map, features, "unknown", None)
    right = sum(cell["label"] == "Residential" for cell in cells)
    assert int(np.trace(check.counts)) == right
    assert int(check.counts.sum()) == len(cells)

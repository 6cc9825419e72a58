"""script 09 from the command line: what it writes, what it refuses, what it finds."""

import csv
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from landuse import files
from landuse.changes import comparing
from landuse.outputs import geotiffs, land_use_map
from landuse.rasters import reading, vectors, writing
from landuse.sensors import BANDS_MS

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = REPOSITORY / "09_compare_maps.py"
NAMES = ["AnnualCrop", "Forest", "Pasture", "Residential"]
SCENE_PLACE = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
CELLS = 48  # rows and columns of the maps
CRS = "EPSG:32632"
step = importlib.import_module("09_compare_maps")


def made_scene(built, season, seed):
    """Textured land of 384 px with other light and fields by season, and houses where built."""
    rng = np.random.default_rng(1)  # the ground is one at all dates
    ground = rng.integers(300, 2500, (CELLS, CELLS, 13)).repeat(8, 0).repeat(8, 1)
    roofs = np.random.default_rng(7).integers(2500, 6000, ground.shape)
    pixels = np.where(built.repeat(8, 0).repeat(8, 1)[..., None], roofs, ground)
    noise = np.random.default_rng(seed).normal(0, 15, pixels.shape)
    return np.clip(pixels * season + noise, 1, 65535).astype(np.uint16)


def made_probabilities(labels, sure, seed):
    """Probabilities of four classes, percent, and the label of each cell sure as it is told."""
    rng = np.random.default_rng(seed)
    values = rng.dirichlet([1.0] * 4, labels.shape) * (1 - sure)[..., None]
    rows, columns = np.indices(labels.shape)
    values[rows, columns, np.minimum(labels, 3)] += sure
    return np.rint(100 * values).astype(np.uint8)


def write_map(folder, name, labels, sure, **options):
    """Write a map as script 06 does: labels, all probabilities, and its settings."""
    place = options.get("place", (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0))
    crs = options.get("crs", CRS)
    names = options.get("names", NAMES)
    facts = {"model": "m.keras", "model_sha256": "1", "stride": 8, "product_name": name}
    facts |= {"method": "windows", "precision": "float32", **options.get("facts", {})}
    path = folder / f"{name}_label.tif"
    values = made_probabilities(labels, sure, options.get("seed", 0))
    values[labels == 255] = 255
    every = np.moveaxis(values, 2, 0) if options.get("all_probabilities", True) else None
    made = land_use_map.LandUseMap(labels, place, crs, names, values.max(2), every, facts=facts)
    geotiffs.write_label_map(path, made)
    geotiffs.write_probability_map(folder / f"{name}_probability.tif", made)
    settings = {"PATH_TO_IMAGE": str(folder / f"{name}.tif"), "RADIOMETRIC_OFFSET": "auto"}
    files.write_json(folder / f"{name}_settings.json", {"settings": settings})
    return path


def town():
    """Where houses were built: 16 x 16 cells, 164 ha."""
    built = np.zeros((CELLS, CELLS), bool)
    built[8:24, 20:36] = True
    return built


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two dates of one place in two seasons: a town in the forest, other fields, some noise."""
    folder = tmp_path_factory.mktemp("place")
    before = np.ones((CELLS, CELLS), np.uint8)
    before[:, :12] = 0  # fields, which turn from AnnualCrop to Pasture
    after = np.where(town(), 3, before).astype(np.uint8)
    after[:, :12] = 2
    rng = np.random.default_rng(3)
    noise = (rng.random(before.shape) < 0.05) & ~town()
    after[noise] = 3
    sure = np.where(noise, 0.6, 0.95)
    before[46:], after[:, 46:] = 255, 255
    write_map(folder, "early", before, np.full(before.shape, 0.95), seed=1)
    write_map(folder, "late", after, sure, seed=2)
    for name, built, season, seed in (
        ("early", np.zeros_like(town()), 1.0, 4),
        ("late", town(), 0.8, 5),
    ):
        writing.write_geotiff(
            folder / f"{name}.tif",
            made_scene(built, season, seed),
            SCENE_PLACE,
            CRS,
            nodata=0,
            band_names=list(BANDS_MS),
        )
    return folder


def run(folder, *flags):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, flags)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )


def maps_of(place, first="early", second="late"):
    return (
        *("--path-to-before", place / f"{first}_label.tif"),
        *("--path-to-after", place / f"{second}_label.tif"),
    )


@pytest.fixture
def set_up(place, tmp_path, monkeypatch):
    """Set the step's constants, with outputs in a folder of the test."""
    monkeypatch.chdir(tmp_path)

    def set_constants(**constants):
        defaults = {
            "PATH_TO_BEFORE": str(place / "early_label.tif"),
            "PATH_TO_AFTER": str(place / "late_label.tif"),
            "PATH_TO_CHANGE": str(tmp_path / "change.tif"),
            "QUICKLOOK": False,
            "HTML": False,
        }
        for name, value in {**defaults, **constants}.items():
            monkeypatch.setattr(step, name, value)

    return set_constants


def report(folder):
    return json.loads((folder / "change.json").read_text(encoding="utf-8"))


def changed_cells(path):
    codes = reading.read_raster(path)[0]
    return (codes > 0) & (codes != 255)


def test_a_comparison_from_the_command_line(place, tmp_path):
    answer = run(tmp_path, *maps_of(place))
    assert answer.returncode == 0, answer.stderr
    path = tmp_path / "maps" / "early_to_late_change.tif"
    lines = answer.stdout.splitlines()
    assert f"change: {path.relative_to(tmp_path)}" in lines
    names = {file.name for file in path.parent.iterdir()}
    assert names == {
        "early_to_late_change.tif",
        "early_to_late_change.tif.aux.xml",
        "early_to_late_change.qml",
        "early_to_late_change.csv",
        "early_to_late_change.gpkg",
        "early_to_late_change.png",
        "early_to_late_change.html",
        "early_to_late_change.md",
        "early_to_late_change.json",
        "early_to_late_change_probability.tif",
        "early_to_late_change_probability.qml",
    }
    codes, info = reading.read_raster(path)
    found = (codes > 0) & (codes != 255)
    assert (found == town()).mean() > 0.99
    assert (codes[46:] == 255).all()
    assert (codes[:, 46:] == 255).all()
    assert codes[10, 22] == 1 + 1 * 4 + 3
    assert info.metadata["CHANGE_8"] == "Forest to Residential"
    assert info.category_names[8] == "Forest to Residential"
    assert 'value="8"' in path.with_suffix(".qml").read_text(encoding="utf-8")
    probability = reading.read_raster(path.parent / "early_to_late_change_probability.tif")[0]
    assert probability[10, 22] > 80
    assert probability[46, 0] == 255
    with open(path.with_suffix(".csv"), encoding="utf-8") as table:
        rows = {(row["before"], row["after"]): row for row in csv.DictReader(table)}
    assert float(rows["Forest", "Residential"]["hectares changed"]) == pytest.approx(
        found.sum() * 0.64, abs=0.01
    )
    assert rows["AnnualCrop", "Pasture"]["cells changed"] == "0"
    assert int(rows["AnnualCrop", "Pasture"]["cells of both maps"]) > 400
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "of it or more is expected to be false: the scenes differ much" in text
    assert "| Forest | Residential |" in text
    numbers = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert numbers["threshold_from"] == "scenes"
    assert numbers["expected_share_of_false_change"] < 0.25
    assert abs(numbers["shift_px"]["rows"]) < 0.2
    assert numbers["groups"] == {"fields": ["AnnualCrop", "Pasture"]}
    polygons = vectors.read_polygons(path.with_suffix(".gpkg"), CRS)
    assert len(polygons) >= 1
    page = path.with_suffix(".html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_without_groups_the_season_is_change(set_up, tmp_path):
    set_up(GROUPS=["water=River,SeaLake"], THRESHOLD=0.5)
    step.main()
    codes = reading.read_raster(tmp_path / "change.tif")[0]
    assert (codes[:40, :12] == 1 + 0 * 4 + 2).mean() > 0.8
    assert any("water, which is left out" in line for line in report(tmp_path)["said"])


def test_without_scenes_how_much_is_false_is_not_known(set_up, place, tmp_path, capsys):
    for name in ("early", "late"):
        for ending in ("_label.tif", "_probability.tif"):
            (tmp_path / f"{name}{ending}").write_bytes((place / f"{name}{ending}").read_bytes())
    set_up(
        PATH_TO_BEFORE=str(tmp_path / "early_label.tif"),
        PATH_TO_AFTER=str(tmp_path / "late_label.tif"),
        HTML=True,
        QUICKLOOK=True,
    )
    step.main()
    said = capsys.readouterr().out
    assert "the scene of" in said
    assert "was not found (PATH_TO_SCENE_BEFORE)" in said
    assert "NOT KNOWN" in said
    numbers = report(tmp_path)
    assert (numbers["threshold"], numbers["threshold_from"]) == (0.9, "nothing")
    assert (changed_cells(tmp_path / "change.tif") == town()).mean() > 0.95
    assert (tmp_path / "change.html").is_file()
    assert (tmp_path / "change.png").is_file()


def test_a_pair_of_an_unchanged_place_tells_the_noise(set_up, place, tmp_path):
    labels = np.ones((40, 40), np.uint8)
    other = labels.copy()
    other[np.random.default_rng(4).random(labels.shape) < 0.05] = 3
    paths = [
        write_map(tmp_path, "s1", labels, np.full(labels.shape, 0.95), seed=1),
        write_map(tmp_path, "s2", other, np.where(other == 3, 0.6, 0.95), seed=2),
    ]
    set_up(PATH_TO_STABLE=[str(path) for path in paths])
    step.main()
    numbers = report(tmp_path)
    assert numbers["threshold_from"] == "pair"
    assert numbers["unchanged_cells_learned_from"] == 1600
    assert numbers["share_groups_differ_where_unchanged"] == pytest.approx(0.05, abs=0.02)
    assert (changed_cells(tmp_path / "change.tif") == town()).mean() > 0.98


def test_where_scenes_are_much_alike_no_more_is_expected_to_be_false(set_up, monkeypatch, capsys):
    monkeypatch.setattr(comparing, "LESS_ALIKE", -1.0)  # of the made scenes it is 0.4
    set_up(HTML=False, QUICKLOOK=False)
    step.main()
    said = capsys.readouterr().out
    assert "% of it is expected to be false." in said
    assert "or more is expected" not in said


def test_maps_that_differ_by_noise_alone_show_no_change(set_up, place, tmp_path, capsys):
    labels = np.ones((CELLS, CELLS), np.uint8)
    other = np.where(np.random.default_rng(6).random(labels.shape) < 0.3, 3, 1).astype(np.uint8)
    (tmp_path / "early.tif").symlink_to(place / "early.tif")
    (tmp_path / "late.tif").symlink_to(place / "late.tif")
    sure = np.full(labels.shape, 0.9)
    first = write_map(tmp_path, "early", labels, sure, seed=1)
    second = write_map(tmp_path, "late", other, sure, seed=2)
    set_up(PATH_TO_BEFORE=str(first), PATH_TO_AFTER=str(second), MIN_AREA=0.0)
    step.main()
    assert "Nothing counts as change" in capsys.readouterr().out
    assert not changed_cells(tmp_path / "change.tif").any()
    assert vectors_in(tmp_path / "change.gpkg") == 0


def vectors_in(path):
    try:
        return len(vectors.read_polygons(path, CRS))
    except ValueError as error:
        assert "holds no polygon" in str(error)
        return 0


def test_maps_that_lie_a_little_off_are_laid_on_each_other(set_up, place, tmp_path):
    """The second map begins 3 cells further down and 2.2 cells to the left."""
    late, _ = reading.read_raster(place / "late_label.tif")
    moved = np.full((CELLS, CELLS), 255, np.uint8)
    moved[:-3, 2:] = late[3:, :-2]
    other = write_map(
        tmp_path,
        "late",
        moved,
        np.full(late.shape, 0.95),
        place=(600000.0 - 2.2 * 80, 80.0, 0.0, 4850000.0 - 3 * 80, 0.0, -80.0),
        seed=2,
    )
    set_up(PATH_TO_AFTER=str(other), PATH_TO_SCENE_AFTER=str(place / "late.tif"), MIN_AREA=10.0)
    step.main()
    codes, info = reading.read_raster(tmp_path / "change.tif")
    assert info.geotransform[3] == 4850000.0 - 3 * 80
    assert info.geotransform[0] == 600000.0
    found = (codes > 0) & (codes != 255)
    assert (found == town()[3:, : codes.shape[1]]).mean() > 0.98
    assert any("20 % of a cell off to the side" in line for line in report(tmp_path)["said"])


def test_classes_in_another_order_are_the_same_classes(set_up, place, tmp_path):
    late, _ = reading.read_raster(place / "late_label.tif")
    order = [2, 0, 3, 1]  # the class of each new number
    table = np.full(256, 255, np.uint8)
    table[order] = range(4)
    names = [NAMES[index] for index in order]
    other = write_map(tmp_path, "late", table[late], np.full(late.shape, 0.95), names=names, seed=2)
    set_up(PATH_TO_AFTER=str(other), PATH_TO_SCENE_AFTER=str(place / "late.tif"), MIN_AREA=10.0)
    step.main()
    codes = reading.read_raster(tmp_path / "change.tif")[0]
    assert codes[10, 22] == 1 + 1 * 4 + 3


def test_older_files_of_another_comparison_are_mentioned(set_up, tmp_path, capsys):
    (tmp_path / "change.html").write_text("older", encoding="utf-8")
    set_up()
    step.main()
    assert "change.html is of an earlier comparison" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs": "EPSG:32633"}, "WGS 84 / UTM zone 33N: warp one scene"),
        (
            {
                "place": (600000.0, 160.0, 0.0, 4850000.0, 0.0, -160.0),
                "facts": {"stride": 16},
            },
            "cells of 80 x 80",
        ),
        ({"facts": {"stride": 16}, "place": (0.0, 160.0, 0.0, 0.0, 0.0, -160.0)}, "STRIDE = 8"),
        (
            {"place": (900000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0)},
            "have no cell in common: they span",
        ),
        ({"names": ["AnnualCrop", "Forest", "Pasture", "Town"]}, "the maps have other classes"),
        ({"all_probabilities": False}, "ALL_PROBABILITIES = True"),
        (
            {"facts": {"product_name": "early", "sensing_time": "2015-07-04T10:10:06"}},
            "both show early of 2015-07-04",
        ),
        ({"facts": {"sensing_time": "2014-07-04T10:10:06"}}, "change places"),
    ],
)
def test_maps_that_cannot_be_compared_are_refused(place, tmp_path, change, message):
    early, _ = reading.read_raster(place / "early_label.tif")
    sure = np.full(early.shape, 0.95)
    time = {"sensing_time": "2015-07-04T10:10:06"}
    first = write_map(tmp_path, "early", early, sure, facts=time, seed=1)
    second = write_map(tmp_path, "late", early[::-1], sure, seed=2, **change)
    answer = run(tmp_path, "--path-to-before", first, "--path-to-after", second)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*change*"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--most-false", "1"), "MOST_FALSE must lie between 0 and 1"),
        (("--stable-share", "0"), "STABLE_SHARE must lie between 0 and 1"),
        (("--threshold", "2"), "THRESHOLD must be above 0 and at most 1"),
        (("--min-area", "-1"), "MIN_AREA must be 0 or more"),
        (("--path-to-change", "change.png"), "PATH_TO_CHANGE must end in .tif"),
        (("--path-to-change", "nowhere/change.tif"), "nowhere does not exist; make it first"),
        (("--groups", "Forest+Pasture"), "is no group"),
        (("--path-to-after", "gone.tif"), "PATH_TO_AFTER: gone.tif does not exist"),
    ],
)
def test_settings_that_make_no_sense_are_refused(place, tmp_path, flags, message):
    answer = run(tmp_path, *maps_of(place), *flags)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_one_map_twice_is_refused(place, tmp_path):
    answer = run(tmp_path, *maps_of(place, "early", "early"))
    assert answer.returncode == 2
    assert "a comparison needs two dates" in answer.stderr


def test_a_copy_of_the_map_is_refused(place, tmp_path):
    for ending in ("_label.tif", "_probability.tif"):
        (tmp_path / f"copy{ending}").write_bytes((place / f"early{ending}").read_bytes())
    copy = tmp_path / "copy_label.tif"
    answer = run(tmp_path, "--path-to-before", place / "early_label.tif", "--path-to-after", copy)
    assert answer.returncode == 2
    assert "they show one date twice" in answer.stderr


def test_the_change_is_not_written_over_a_map(place, tmp_path):
    flags = ("--path-to-change", place / "late_label.tif")
    answer = run(tmp_path, *maps_of(place), *flags)
    assert answer.returncode == 2
    assert "would be written over" in answer.stderr


def test_a_map_of_change_is_no_label_map(set_up, place, tmp_path):
    set_up()
    step.main()
    path = tmp_path / "change.tif"
    answer = run(tmp_path, "--path-to-before", place / "early_label.tif", "--path-to-after", path)
    assert answer.returncode == 2
    assert "is a map of change" in answer.stderr


def test_the_same_maps_give_the_same_bytes(set_up, tmp_path):
    set_up(HTML=True, QUICKLOOK=True)
    step.main()
    first = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".gpkg"}
    step.main()
    second = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".gpkg"}
    assert first == second


def test_scenes_are_mapped_first_and_only_once(place, tmp_path, set_up, capsys):
    from test_classify_image import brightness_model, record_of

    from landuse.networks import model_files

    dark = np.full((200, 200, 13), 600, np.uint16)
    dark += np.random.default_rng(0).integers(0, 300, dark.shape).astype(np.uint16)
    later = dark.copy()
    later[64:, 100:] += 1800
    for name, pixels in (("one", dark), ("two", later)):
        path = tmp_path / f"{name}.tif"
        writing.write_geotiff(path, pixels, SCENE_PLACE, CRS, nodata=0, band_names=list(BANDS_MS))
    model_files.save(brightness_model(), record_of(dark), tmp_path / "model.keras")
    set_up(
        PATH_TO_BEFORE=str(tmp_path / "one.tif"),
        PATH_TO_AFTER=str(tmp_path / "two.tif"),
        PATH_TO_MODEL=str(tmp_path / "model.keras"),
        PATH_TO_LABEL_IMAGE=str(tmp_path / "{product}_label.tif"),
        PRECISION="float32",
    )
    step.main()
    found = changed_cells(tmp_path / "change.tif")
    assert found.shape == (25, 25)
    assert (found[12:, 16:]).all()
    assert not found[:5].any()
    assert not found[:, :9].any()
    made = (tmp_path / "two_label.tif").stat().st_mtime_ns
    assert "taken as it is" not in capsys.readouterr().out
    step.main()
    assert capsys.readouterr().out.count("taken as it is") == 2
    assert (tmp_path / "two_label.tif").stat().st_mtime_ns == made
    os.utime(tmp_path / "two.tif")
    step.main()
    assert capsys.readouterr().out.count("taken as it is") == 1
    assert (tmp_path / "two_label.tif").stat().st_mtime_ns > made

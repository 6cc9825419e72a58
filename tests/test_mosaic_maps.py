"""Script 06 for many maps: one grid, the most probable label, areas that count each place once."""

import csv
import importlib
import json

import numpy as np
import pytest
from osgeo import gdal, osr

from landuse.evaluation import trust
from landuse.mapping import several_labels
from landuse.mosaics import joining, mosaic_grids
from landuse.outputs import geotiffs, land_use_map
from landuse.rasters import label_maps, reading

step = importlib.import_module("06_mosaic_maps")
CLASSES = ["Forest", "River", "Town"]
N = 255


def write_map(folder, name, labels, percent, left=600000.0, top=4850000.0, **more):
    """Write a map of 80 m cells; `percent` may be a number for all."""
    labels = np.asarray(labels, np.uint8)
    probability = np.where(
        labels == N, more.pop("empty", N), np.broadcast_to(percent, labels.shape)
    )
    facts = {"model": "run", "model_sha256": "0" * 64, "product_name": name}
    facts |= {"sensing_time": "2018-02-11T10:01:29Z", **more.pop("facts", {})}
    options = {"crs": "EPSG:32632", "class_names": CLASSES, **more}
    made = land_use_map.LandUseMap(
        labels,
        (left, 80.0, 0.0, top, 0.0, -80.0),
        options["crs"],
        options["class_names"],
        probability.astype(options.get("dtype", np.uint8)),
        facts=facts,
    )
    geotiffs.write_probability_map(folder / f"{name}_probability.tif", made)
    geotiffs.write_label_map(folder / f"{name}_label.tif", made)
    return folder / f"{name}_label.tif"


@pytest.fixture
def maps(tmp_path, monkeypatch):
    """A folder of maps, in which the script works."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "maps"
    folder.mkdir()
    for name, value in {"PATH_TO_MAPS": "maps/*_label.tif", "HTML": False}.items():
        monkeypatch.setattr(step, name, value)
    return folder


def areas_of(path):
    with open(path, newline="") as file:
        return {row["class"]: row for row in csv.DictReader(file)}


# ------------------------------------------------------------------------------- arrays only
def test_the_most_probable_label_wins_and_the_first_of_equals():
    labels = [np.array([[0, 0, 0, N, N, 0]], np.uint8), np.array([[1, 1, 1, 1, N, N]], np.uint8)]
    percent = [
        np.array([[90, 50, 40, N, N, 30]], np.uint8),
        np.array([[60, 50, 70, 20, N, N]], np.uint8),
    ]
    joined = joining.most_probable(
        [(4, labels[0], percent[0]), (7, labels[1], percent[1])], (1, 6), "uint8"
    )
    assert joined.labels.tolist() == [[0, 0, 1, 1, N, 0]]
    assert joined.probability.tolist() == [[90, 50, 70, 20, N, 30]]
    assert joined.source.tolist() == [[4, 4, 7, 7, -1, 4]]
    assert joined.covered.tolist() == [[2, 2, 2, 1, 0, 1]]


def test_percent_and_shares_are_compared_alike():
    share = np.array([[0.55, -1.0]], np.float32)
    joined = joining.most_probable(
        [
            (0, np.zeros((1, 2), np.uint8), np.array([[54, 80]], np.uint8)),
            (1, np.array([[1, N]], np.uint8), share),
        ],
        (1, 2),
        "uint8",
    )
    assert joined.labels.tolist() == [[1, 0]] and joined.probability.tolist() == [[55, 80]]
    joined = joining.most_probable([(1, np.array([[1, N]], np.uint8), share)], (1, 2), "float32")
    assert joined.probability.tolist() == [[np.float32(0.55), -1.0]]


# ---------------------------------------------------------------------------------- the script
@pytest.mark.parametrize("block_size", [2048, 3])
def test_overlaps_are_counted_once(maps, capsys, monkeypatch, block_size):
    write_map(maps, "a", np.zeros((6, 5)), 60)
    right = np.ones((6, 5))
    right[0, 0] = N
    percent = np.full((6, 5), 80)
    percent[1:, 0] = 50  # the left map is surer in most of that column
    write_map(maps, "b", right, percent, left=600000.0 + 3 * 80)
    monkeypatch.setattr(step, "BLOCK_SIZE", block_size)
    step.main()
    mosaic = label_maps.read_label_map("maps/mosaic_label.tif")
    expected = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 6, axis=0)
    assert mosaic.labels.tolist() == expected.tolist()
    assert mosaic.geotransform == (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0)
    assert mosaic.class_names == CLASSES
    probability, info = reading.read_raster("maps/mosaic_probability.tif")
    assert probability[1].tolist() == [60, 60, 60, 60, 80, 80, 80, 80]
    assert info.nodata == N
    rows = areas_of(maps / "mosaic_areas.csv")
    assert {name: int(row["pixels"]) for name, row in rows.items()} == {
        "Forest": 24,
        "River": 24,
        "Town": 0,
        "nodata": 0,
    }
    assert float(rows["River"]["hectares (UTM pixel area)"]) == 24 * 0.64
    said = capsys.readouterr().out
    assert "22.9 % of the cells lie in several maps" in said  # 11 of 48
    assert mosaic.metadata["MODEL"] == "run" and "PRODUCT_NAME" not in mosaic.metadata
    step.main()  # the mosaic is not one of its own maps
    assert label_maps.read_label_map("maps/mosaic_label.tif").labels.tolist() == expected.tolist()


def test_cells_that_do_not_fall_on_each_other_go_to_the_nearest(maps):
    write_map(maps, "a", np.zeros((4, 4)), 60)
    write_map(maps, "b", [[1, 2, 1, 2]] * 4, 70, left=600000.0 + 4 * 80 + 20)
    step.main()
    mosaic = label_maps.read_label_map("maps/mosaic_label.tif")
    assert mosaic.labels[0].tolist() == [0, 0, 0, 0, 1, 2, 1, 2, N]


def test_maps_of_two_zones_in_a_chosen_projection(maps, monkeypatch):
    """Every cell of the mosaic has the label of the map cell that its centre lies in."""
    rng = np.random.default_rng(0)
    west = rng.integers(0, 3, (40, 50))
    east = rng.integers(0, 3, (40, 50))
    zones = {"west": (32632, 747000.0, 4850000.0, west), "east": (32633, 268500.0, 4850000.0, east)}
    for number, (name, (code, left, top, labels)) in enumerate(zones.items()):
        write_map(maps, name, labels, 60 + number, left, top, crs=f"EPSG:{code}")
    with pytest.raises(
        ValueError, match=r"MOSAIC_CRS: maps/east_label.tif is in WGS 84 / UTM zone"
    ):
        step.main()
    monkeypatch.setattr(step, "MOSAIC_CRS", "EPSG:3035")
    step.main()
    mosaic = label_maps.read_label_map("maps/mosaic_label.tif")
    assert mosaic.geotransform[1] == 80.0
    expected = np.full(mosaic.labels.shape, N)
    for code, left, top, labels in zones.values():
        to_zone = osr.CoordinateTransformation(reference(3035), reference(code))
        for row, column in np.ndindex(*expected.shape):
            x = mosaic.geotransform[0] + (column + 0.5) * 80
            y = mosaic.geotransform[3] - (row + 0.5) * 80
            east_of, north_of, _ = to_zone.TransformPoint(x, y)
            i, j = int((top - north_of) // 80), int((east_of - left) // 80)
            if 0 <= i < 40 and 0 <= j < 50:
                expected[row, column] = labels[i, j]  # the east, which is surer, comes last
    assert (mosaic.labels == expected).mean() > 0.999
    assert (mosaic.labels != N).sum() > 2000
    rows = areas_of(maps / "mosaic_areas.csv")
    hectares = sum(float(rows[name]["hectares (UTM pixel area)"]) for name in CLASSES)
    assert hectares == pytest.approx((mosaic.labels != N).sum() * 0.64)


def reference(code):
    made = osr.SpatialReference()
    made.ImportFromEPSG(code)
    made.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return made


def test_a_mosaic_in_degrees_has_the_areas_of_the_ground(maps, monkeypatch):
    write_map(maps, "a", np.zeros((60, 60)), 60, left=500000.0)
    monkeypatch.setattr(step, "MOSAIC_CRS", "EPSG:4326")
    step.main()
    rows = areas_of(maps / "mosaic_areas.csv")
    hectares = float(rows["Forest"]["hectares (measured at the centre)"])
    assert hectares == pytest.approx(60 * 60 * 0.64, rel=0.02)  # half a cell around the rim


def test_page_styles_overviews_and_what_is_told(maps, monkeypatch):
    told = trust.Trust(
        "run of 2018", "Right in 91 %.", {"value": 0.91, "low": 0.9, "high": 0.92},
        {"Forest": 0.95}, ["Town"], ["looks hazy"],
    )  # fmt: skip
    quiet = trust.Trust(told.model, told.measured, told.accuracy, told.precision, told.weak)
    write_map(maps, "a", np.zeros((600, 600)), 60, facts=told.as_facts())
    write_map(
        maps, "b", np.ones((600, 600)), 0.7, 640000.0, empty=-1, dtype=np.float32,
        facts=quiet.as_facts(),
    )  # fmt: skip
    monkeypatch.setattr(step, "HTML", True)
    monkeypatch.setattr(step, "BLOCK_SIZE", 512)
    step.main()
    assert {path.name for path in maps.glob("mosaic*")} >= {
        *("mosaic_label.tif", "mosaic_label.qml", "mosaic_probability.tif", "mosaic.html"),
        *("mosaic_probability.qml", "mosaic_areas.csv", "mosaic_settings.json"),
    }
    page = (maps / "mosaic.html").read_text()
    assert "Which map" in page and "in 1 of 2 maps: looks hazy" in page
    written = gdal.Open("maps/mosaic_label.tif")
    assert written.GetRasterBand(1).GetOverviewCount() > 0
    settings = json.loads((maps / "mosaic_settings.json").read_text())
    assert settings["maps"] == ["maps/a_label.tif", "maps/b_label.tif"]
    assert settings["accuracy"]["low"] == 0.9
    assert not [path for path in maps.iterdir() if path.suffix in (".lock", ".partial")]


def test_maps_of_two_models_are_warned_of(maps):
    write_map(maps, "a", np.zeros((4, 4)), 60, facts={"trained": "one"})
    other = {"trained": "two", "model_sha256": "1" * 64}
    write_map(maps, "b", np.ones((4, 4)), 60, facts=other)
    step.main()
    told = json.loads((maps / "mosaic_settings.json").read_text())
    assert told["warnings"] == ["the maps were made by 2 models: their classes may differ"]


def test_maps_with_other_absent_classes_are_warned_of(maps):
    write_map(maps, "a", np.zeros((4, 4)), 60, facts={"trained": "one"})
    write_map(maps, "b", np.ones((4, 4)), 60, facts={"trained": "one", "absent_classes": "Forest"})
    step.main()
    told = json.loads((maps / "mosaic_settings.json").read_text())
    said = "the maps were made with other ABSENT_CLASSES: their classes may differ"
    assert told["warnings"] == [said]


def test_what_does_not_belong_together(maps, tmp_path, monkeypatch):
    def refused(message, **constants):
        with monkeypatch.context() as patch:
            for name, value in constants.items():
                patch.setattr(step, name, value)
            with pytest.raises((ValueError, OSError), match=message):
                step.main()

    refused("nothing fits the pattern maps")
    write_map(maps, "a", np.zeros((4, 4)), 60, facts={"trained": "one"})
    refused(
        "a_label.tif exists and is no mosaic",
        PATH_TO_MOSAIC=str(write_map(tmp_path, "a", np.zeros((4, 4)), 60)),
    )
    refused("is no coordinate reference system", MOSAIC_CRS="EPSG:99999")
    refused("is a web address", MOSAIC_CRS="http://example.org/crs")
    refused("CELL must be above 0", CELL=0.0)
    refused("choose larger cells", CELL=0.001)
    refused("must end in .tif", PATH_TO_MOSAIC="maps/mosaic.png")
    refused("names a map twice", PATH_TO_MAPS=["maps/a_label.tif", "maps/a_label.tif"])
    refused("is no label map", PATH_TO_MAPS=["maps/a_probability.tif"])
    geotiffs.write_shares(
        maps / "c_probability.tif",
        np.zeros((80, 80, 3), np.uint8),
        CLASSES,
        (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0),
        "EPSG:32632",
        several_labels.MEANING,
        {"model": "run", "product_name": "c"},
    )
    refused("c_probability.tif: is a map of several", PATH_TO_MAPS=["maps/c_probability.tif"])
    write_map(maps, "b", np.zeros((4, 4)), 60, class_names=["Forest", "Town", "River"])
    refused("only maps of the same classes in the same order become one")
    (maps / "b_label.tif").unlink()
    write_map(maps, "c", np.zeros((4, 4)), 60)
    (maps / "c_probability.tif").unlink()
    refused("its probabilities are missing")
    assert not list(maps.glob("mosaic*"))


def test_a_grid_has_its_cells_where_the_first_map_has_them(maps):
    from landuse.mosaics import joined_maps

    paths = [write_map(maps, "a", np.zeros((3, 3)), 60, left=600020.0)]
    paths += [write_map(maps, "b", np.zeros((3, 3)), 60, left=600000.0 + 3 * 80)]
    opened = joined_maps.open_maps(paths)
    grid = mosaic_grids.choose(opened, None, None)
    assert (grid.geotransform[0] - 600020.0) % 80 == 0 and grid.shape == (3, 6)
    assert list(grid.maps_in((0, 0, 3, 1))) == [0] and list(grid.maps_in((0, 5, 1, 1))) == [1]
    larger = mosaic_grids.choose(opened, None, 100.0)
    assert larger.geotransform[0] == 600000.0 and larger.shape == (3, 5)

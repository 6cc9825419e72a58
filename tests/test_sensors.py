"""A sensor is one record: a made one of four bands, from its patches to a map of its scene."""

import importlib

import numpy as np
import pytest

from landuse import band_file_names, band_names, files, sensors
from landuse.rasters import reading, writing
from landuse.sensors import Band, Sensor

MADE = Sensor(
    name="Quartet",
    bands=(
        Band("Q_blue", 480, 3, ("blue",)),
        Band("Q_green", 550, 3, ("green",)),
        Band("Q_red", 650, 3, ("red",)),
        Band("Q_nir", 850, 3, ("nir", "nearinfrared")),
    ),
    true_colour=("Q_red", "Q_green", "Q_blue"),
    near_infrared="Q_nir",
    pixel=3.0,
)
COVERS = {"meadow": (400, 700, 500, 3500), "water": (600, 500, 300, 200)}  # DN of the bands


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(sensors, "SENSORS", (*sensors.SENSORS, MADE))


def ground(cover, shape, seed=0):
    """DN of a cover, with the noise of a sensor."""
    noise = np.random.default_rng(seed).normal(0, 40, (*shape, 4))
    return (np.array(COVERS[cover]) + noise).round().clip(1).astype(np.uint16)


def run(name, **constants):
    script = importlib.import_module(name)
    with pytest.MonkeyPatch.context() as patch:
        for constant, value in constants.items():
            patch.setattr(script, constant, str(value) if hasattr(value, "parts") else value)
        script.main()


def test_the_record_of_sentinel_2_is_that_of_eurosat():
    assert sensors.SENTINEL_2.band_names == sensors.BANDS_MS
    assert [band.number for band in sensors.SENTINEL_2.bands[:2]] == ["1", "2"]
    assert sensors.SENTINEL_2.bands[-1].number == "8A"
    assert sensors.SENTINEL_2.visible == ("B01", "B02", "B03", "B04")
    assert sensors.SENTINEL_2.infrared == ("B08", "B04", "B03")


def test_bands_tell_the_sensor(made):
    assert sensors.sensor_of(["Q_red", "Q_nir"]) is MADE
    assert sensors.sensor_of(["B04"]) is sensors.SENTINEL_2
    assert sensors.sensor_of(["band_1"]) is sensors.SENTINEL_2  # nothing says which
    with pytest.raises(ValueError, match="are of several sensors: Sentinel-2, Quartet"):
        sensors.sensor_of(["Q_red", "B04"])


def test_names_are_understood_as_the_record_says(made):
    texts = ("Near infrared", "red", "Green, 550 nm", "blue")
    named = ("Q_nir", "Q_red", "Q_green", "Q_blue")
    assert band_names.name_bands(texts, "a.tif", sensor=MADE).bands == named
    assert band_names.name_bands(texts, "a.tif").bands == ("B08", "B04", "B03", "B02")
    assert band_names.name_bands(("2020_Q_NIR", "q_red"), "a.tif").bands == ("Q_nir", "Q_red")
    assert band_names.check_order(["Q_red", "nir", "-"], 3, "a.tif") == ["Q_red", "Q_nir", ""]
    found, others = band_file_names.read_file_names(["x_Q_red.tif", "x_nir.tif", "x.tif"], MADE)
    assert [(file.band, file.image) for file in found] == [("Q_red", "x"), ("Q_nir", "x")]
    assert others == ["x.tif"]
    with pytest.raises(ValueError, match="no names of bands of Quartet"):
        naming = band_names.name_bands(("B2", "B4"), "a.tif", sensor=MADE)
        band_names.check_understood(naming, "a.tif", MADE)


def test_all_bands_are_those_of_the_sensor(made):
    assert sensors.chosen_bands("ALL", MADE) == ["Q_blue", "Q_green", "Q_red", "Q_nir"]
    assert sensors.chosen_bands(["Q_red", "Q_nir"]) == ["Q_red", "Q_nir"]
    assert sensors.band_names_of(4) == MADE.band_names
    with pytest.raises(ValueError, match="B04 is no band of Quartet"):
        sensors.chosen_bands(["B04"], MADE)


def test_from_patches_of_a_new_sensor_to_a_map_of_its_scene(made, tmp_path, capsys):
    place = (5e5, 3.0, 0.0, 5e6, 0.0, -3.0)
    for cover in COVERS:
        (tmp_path / "patches" / cover).mkdir(parents=True)
        for number in range(12):
            patch = ground(cover, (64, 64), seed=number)
            path = tmp_path / "patches" / cover / f"{number}.tif"
            writing.write_geotiff(path, patch, place, "EPSG:32632", band_names=MADE.band_names)
    split, trained = tmp_path / "split", tmp_path / "run"
    run(
        "01_split_data_to_train_and_validation",
        PATH_TO_ALL_IMAGES=tmp_path / "patches",
        PATH_TO_SPLIT_DATASETS=split,
    )
    run("03_train_baseline", PATH_TO_SPLIT_DATASETS=split, PATH_TO_RUN=trained)
    # The bands of the scene lie in another order, and have the names that people use.
    scene = np.concatenate([ground("meadow", (128, 96)), ground("water", (128, 96))], axis=1)
    writing.write_geotiff(
        tmp_path / "scene.tif",
        scene[..., ::-1],
        place,
        "EPSG:32632",
        band_names=("nir", "red", "green", "blue"),
    )
    capsys.readouterr()
    run(
        "06_classify_image",
        PATH_TO_IMAGE=tmp_path / "scene.tif",
        PATH_TO_MODEL=trained / "model.keras",
        PATH_TO_LABEL_IMAGE=tmp_path / "maps_label.tif",
        STRIDE=32,
    )
    said = capsys.readouterr().out
    assert "warning" not in said
    assert "10 m" not in said  # its pixels are as wide as the record says
    labels = reading.read_raster(tmp_path / "maps_label.tif")[0]
    assert labels.shape == (4, 6)
    assert (labels[:, :2] == 0).all()  # meadow
    assert (labels[:, 4:] == 1).all()  # water
    record = files.read_json(trained / "report.json")
    assert record["accuracy"]["value"] == 1.0
    assert (tmp_path / "maps.png").is_file()

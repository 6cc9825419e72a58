"""Script 11 by its command line on two halves of land, and step 6 with the model it makes."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from landuse import files, sensors
from landuse.networks import model_files
from landuse.rasters import reading, writing

REPOSITORY = Path(__file__).resolve().parent.parent
UTM = "EPSG:32632"


def run(script, folder, **settings):
    flags = []
    for name, value in settings.items():
        values = value if isinstance(value, list) else [value]
        flags += [f"--{name.replace('_', '-')}", *map(str, values)]
    return subprocess.run(
        [sys.executable, str(REPOSITORY / script), *flags],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def write_place(folder, name, east, lake, side=128):
    """A scene whose left part is a lake, `lake` px wide, and the class of its pixels."""
    place = (east, 10.0, 0.0, 4850000.0, 0.0, -10.0)
    labels = np.ones((side, side), np.uint8)
    labels[:, :lake] = 0
    noise = np.random.default_rng(int(east)).integers(0, 60, (side, side, 13))
    pixels = (np.where(labels == 0, 200, 1500)[..., None] + noise).astype(np.uint16)
    pixels[:4, :4] = 0  # nodata
    scene, truth = folder / f"{name}.tif", folder / f"{name}_truth.tif"
    writing.write_geotiff(scene, pixels, place, UTM, band_names=sensors.BANDS_MS, nodata=0)
    named = {"CLASS_0": "Lake", "CLASS_1": "Field"}
    writing.write_geotiff(truth, labels, place, UTM, metadata=named)
    return str(scene), str(truth)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixels")
    places = [write_place(folder, "one", 600000.0, 70), write_place(folder, "two", 610000.0, 50)]
    other = write_place(folder, "other", 620000.0, 33, side=80)
    settings = {
        "path_to_scenes": [scene for scene, _ in places],
        "path_to_labels": [truth for _, truth in places],
        "path_to_test_scenes": [other[0]],
        "path_to_test_labels": [other[1]],
        "path_to_run": "run",
        "bands": "RGB",
        "block_size": 32,
        "tile_size": 32,
        "tiles": 32,
        "batch_size": 8,
        "decoder_width": 8,
        "epochs": 3,
        "warmup_epochs": 0,
        "learning_rate": 0.01,
        "precision": "float32",
    }
    answer = run("11_train_segmentation.py", folder, **settings)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return folder, settings, answer.stdout


def test_a_run_leaves_a_model_and_a_report(trained):
    folder, _, said = trained
    record = model_files.read_record(folder / "run" / "model.keras")
    assert record["task"] == "pixels"
    assert record["class_names"] == ["Field", "Lake"]
    assert record["band_names"] == ["B04", "B03", "B02"]
    assert record["statistics"]["count"] < 2 * 128 * 128  # blocks to train with, without nodata
    report = files.read_json(folder / "run" / "report.json")
    assert report["part"] == "other places"
    assert report["pixels"] == 80 * 80 - 16
    assert report["mean_iou"] == record["results"]["mean_iou"]
    assert report["mean_iou"]["value"] > 0.7
    assert "mIoU" in (folder / "run" / "report.md").read_text()
    assert (folder / "run" / "maps.png").is_file()
    assert not (folder / "run" / "cache").exists()
    with open(folder / "run" / "history.csv") as history:
        rows = list(csv.DictReader(history))
    assert len(rows) == 3
    best = max(float(row["val_mean_iou"]) for row in rows)
    assert record["results"]["validation_mean_iou"] == pytest.approx(best)
    assert "model: run/model.keras" in said


def test_a_finished_run_is_not_run_again(trained):
    folder, settings, _ = trained
    answer = run("11_train_segmentation.py", folder, **settings)
    assert answer.returncode == 0
    assert "this run is finished" in answer.stdout
    changed = run("11_train_segmentation.py", folder, **{**settings, "tiles": 16})
    assert changed.returncode == 2
    assert "TILES was 32, is 16" in changed.stderr


def test_step_6_maps_every_pixel(trained):
    folder, _, _ = trained
    answer = run(
        "06_classify_image.py",
        folder,
        path_to_image="other.tif",
        path_to_model="run/model.keras",
        path_to_label_image="map_label.tif",
        block_size=64,
        precision="float32",
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "6,400 pixels, each with a class of its own" in answer.stdout
    assert "of 6,384 pixels of other places; mIoU" in answer.stdout
    labels, info = reading.read_raster(folder / "map_label.tif")
    truth, of_scene = reading.read_raster(folder / "other_truth.tif")
    assert labels.shape == truth.shape
    assert info.geotransform == of_scene.geotransform
    assert info.metadata["METHOD"] == "pixels" and info.metadata["STRIDE"] == "1"
    assert info.metadata["CLASS_1"] == "Lake"
    assert (labels[:4, :4] == 255).all()
    valid = labels != 255
    assert valid.sum() == 6400 - 16
    right = float(np.mean(labels[valid] == 1 - truth[valid]))  # names are in alphabetical order
    report = files.read_json(folder / "run" / "report.json")
    assert right == pytest.approx(report["accuracy"]["value"], abs=1e-3)


@pytest.mark.parametrize("script", ["07_evaluate_model.py", "12_export_model.py"])
def test_steps_for_models_of_patches_say_so(trained, script):
    folder, _, _ = trained
    answer = run(script, folder, path_to_model="run/model.keras")
    assert answer.returncode == 2
    assert "classifies pixels (script 11)" in answer.stderr


def test_a_run_goes_on_where_it_was_stopped(trained):
    """One epoch of the same settings, then the others, as after a power failure."""
    folder, settings, _ = trained
    stopped = {**settings, "path_to_run": "again"}
    code = (
        "import runpy, sys\n"
        "from landuse.training import run_callbacks\n"
        "write = run_callbacks.SaveState.on_epoch_end\n"
        "def stop(self, epoch, logs=None):\n"
        "    write(self, epoch, logs)\n"
        "    raise KeyboardInterrupt\n"
        "run_callbacks.SaveState.on_epoch_end = stop\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    flags = []
    for name, value in stopped.items():
        flags += [f"--{name.replace('_', '-')}", *map(str, np.atleast_1d(value))]
    script = str(REPOSITORY / "11_train_segmentation.py")
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = {[script, *flags]!r}\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert answer.returncode == 130, answer.stderr[-2000:]
    answer = run("11_train_segmentation.py", folder, **stopped)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "going on after epoch 1 of 3" in answer.stdout
    first, again = (
        [row["loss"] for row in csv.DictReader((folder / name / "history.csv").open())]
        for name in ("run", "again")
    )
    np.testing.assert_allclose(np.float64(again), np.float64(first), rtol=0.02)

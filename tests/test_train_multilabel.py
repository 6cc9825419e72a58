"""Script 10 by its command line on bright and dark patches, and steps 6 and 7 with its model."""

import csv
import json
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
SCRIPT = "10_train_multilabel.py"


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


def write_patches(folder, count=30):
    """Patches of v1: pastures are bright in red, water in blue; both, one, or none but forest."""
    rng = np.random.default_rng(1)
    place = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
    parts = {"train": [], "val": [], "test": []}
    for number in range(count):
        name = f"S2A_MSIL2A_20170601T101031_{number}_0"
        (folder / name).mkdir(parents=True)
        bright = {"B04": number % 2, "B02": number // 2 % 2, "B03": 0}
        labels = ["Pastures"] * bright["B04"] + ["Sea and ocean"] * bright["B02"]
        for band, is_bright in bright.items():
            pixels = 300 + 1500 * is_bright + rng.integers(0, 100, (120, 120))
            path = folder / name / f"{name}_{band}.tif"
            writing.write_geotiff(path, pixels.astype(np.uint16), place, UTM)
        facts = {"labels": labels or ["Mixed forest"], "tile_source": f"x_T3{number % 3}UAA_x"}
        (folder / name / f"{name}_labels_metadata.json").write_text(json.dumps(facts))
        parts["train" if number < 16 else "val" if number < 22 else "test"].append(name)
    (folder / "splits").mkdir()
    for part, names in parts.items():
        (folder / "splits" / f"{part}.csv").write_text("".join(f"{name}\n" for name in names))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    write_patches(folder / "patches")
    settings = {
        "path_to_patches": "patches",
        "path_to_run": "run",
        "bands": "RGB",
        "batch_size": 4,
        "epochs": 6,
        "warmup_epochs": 1,
        "mixup": 0,
        "picture_sizes": [48, 120],
        "precision": "float32",
    }
    answer = run(SCRIPT, folder, **settings)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return folder, settings, answer.stdout


def test_a_run_leaves_a_model_with_thresholds_and_a_report(trained):
    folder, _, said = trained
    record = model_files.read_record(folder / "run" / "model.keras")
    assert record["task"] == "labels" and record["patch_size"] == 120
    assert len(record["class_names"]) == len(record["thresholds"]) == 19
    assert record["band_names"] == ["B04", "B03", "B02"]
    assert record["processing_level"] == "L2A"
    assert record["statistics"]["count"] == 16 * 120 * 120
    report = files.read_json(folder / "run" / "report.json")
    assert report["part"] == "test" and report["patches"] == 8
    assert report["micro_f1"]["value"] > report["guessing"]["micro_f1"]
    assert record["results"]["micro_f1"] == report["micro_f1"]
    assert "micro F1" in (folder / "run" / "report.md").read_text()
    with open(folder / "run" / "history.csv") as history:
        rows = list(csv.DictReader(history))
    best = max(float(row["val_average_precision"]) for row in rows)
    assert record["results"]["validation_average_precision"] == pytest.approx(best)
    assert "16 patches to train, 6 to validate, 8 to test" in said
    assert "packing 30 patches, once" in said


def test_a_finished_run_is_not_run_again_and_patches_are_not_packed_twice(trained):
    folder, settings, _ = trained
    answer = run(SCRIPT, folder, **settings)
    assert answer.returncode == 0
    assert "this run is finished" in answer.stdout
    changed = run(SCRIPT, folder, **{**settings, "focus": 2})
    assert changed.returncode == 2
    assert "FOCUS was 0.0, is 2.0" in changed.stderr
    more = {"weights": "run/model.keras", "path_to_run": "more", "epochs_top": 1, "epochs": 1}
    answer = run(SCRIPT, folder, **{**settings, **more})
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "packing" not in answer.stdout


@pytest.fixture(scope="module")
def scene(trained):
    """A scene of 140x180 px: its left half bright in red, with a corner of nodata."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(300, 400, (140, 180, 13))
    pixels[:, :90, sensors.BANDS_MS.index("B04")] += 1500
    pixels[:40, :40] = 0
    path = trained[0] / "scene.tif"
    place = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
    writing.write_geotiff(
        path, pixels.astype(np.uint16), place, UTM, band_names=sensors.BANDS_MS, nodata=0
    )
    return path


def test_step_6_maps_the_probability_of_each_class(trained, scene):
    import keras

    folder, _, _ = trained
    settings = {
        "path_to_image": "scene.tif",
        "path_to_model": "run/model.keras",
        "path_to_label_image": "map_label.tif",
        "stride": 20,
        "probability_type": "float32",
        "precision": "float32",
    }
    answer = run("06_classify_image.py", folder, **settings)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "test patches its labels had a micro F1 of" in answer.stdout
    assert not (folder / "map_label.tif").exists()
    found, info = reading.read_raster(folder / "map_probability.tif")
    record = model_files.read_record(folder / "run" / "model.keras")
    assert found.shape == (7, 9, 19)
    assert list(info.band_names) == record["class_names"]
    assert info.geotransform[1] == 200.0
    assert "each class by itself" in info.metadata["TIFFTAG_IMAGEDESCRIPTION"]
    assert json.loads(info.metadata["THRESHOLDS"])["Pastures"] == pytest.approx(
        record["thresholds"][record["class_names"].index("Pastures")]
    )
    assert (found[:2, :2] == -1).all() and (found[5:] >= 0).all()
    model = keras.saving.load_model(folder / "run" / "model.keras", compile=False)
    pixels, _ = reading.read_raster(scene)
    bands = [sensors.BANDS_MS.index(name) for name in record["band_names"]]
    row, column = 70, 110  # the centre of cell (3, 5), whose window lies inside
    window = pixels[row - 60 : row + 60, column - 60 : column + 60][..., bands]
    wanted = model.predict_on_batch(window[np.newaxis].astype(np.float32))[0]
    valid = (window > 0).all()
    assert valid
    np.testing.assert_allclose(found[3, 5], wanted, atol=1e-5)
    with open(folder / "map_labels.csv") as table:
        rows = {row["class"]: row for row in csv.DictReader(table)}
    kept = found[found[..., 0] >= 0]
    index = record["class_names"].index("Pastures")
    share = np.mean(kept[:, index] >= record["thresholds"][index])
    assert float(rows["Pastures"]["share"]) == pytest.approx(share, abs=1e-4)
    facts = files.read_json(folder / "map_settings.json")
    assert facts["network"] == "ResNet9" and facts["thresholds"]
    state = (folder / "map_probability.tif").stat()
    answer = run("06_classify_image.py", folder, **settings, keep_made="true")
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert (folder / "map_probability.tif").stat().st_ino == state.st_ino


@pytest.mark.parametrize("flag", [{"min_probability": 0.5}, {"polygons": True}, {"doubt": True}])
def test_step_6_says_what_needs_one_class(trained, scene, flag):
    folder, _, _ = trained
    name, value = next(iter(flag.items()))
    words = {"path_to_image": "scene.tif", "path_to_model": "run/model.keras"}
    if value is True:
        flags = [f"--{name.replace('_', '-')}"]
        answer = subprocess.run(
            [
                sys.executable,
                str(REPOSITORY / "06_classify_image.py"),
                *flags,
                "--path-to-image=scene.tif",
                "--path-to-model=run/model.keras",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    else:
        answer = run("06_classify_image.py", folder, **words, **flag)
    assert answer.returncode == 2
    assert f"{name.upper()} = {value} needs one class for each cell" in answer.stderr


def test_step_7_measures_what_the_report_says(trained):
    folder, _, _ = trained
    answer = run("07_evaluate_model.py", folder, path_to_model="run/model.keras")
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "(of the training run)" in answer.stdout
    again = files.read_json(folder / "run" / "evaluation_test" / "report.json")
    first = files.read_json(folder / "run" / "report.json")
    assert again["micro_f1"]["value"] == pytest.approx(first["micro_f1"]["value"])
    assert again["mean_average_precision"] == pytest.approx(
        first["mean_average_precision"], abs=0.02
    )
    other = run(
        "07_evaluate_model.py",
        folder,
        path_to_model="run/model.keras",
        part="validation",
        path_to_report="of_validation",
    )
    assert other.returncode == 0, other.stderr[-2000:]
    assert files.read_json(folder / "of_validation" / "report.json")["patches"] == 6


def test_steps_for_one_class_say_so(trained, scene):
    folder, _, _ = trained
    answer = run("12_export_model.py", folder, path_to_model="run/model.keras")
    assert answer.returncode == 2
    assert "gives a patch several labels (script 10)" in answer.stderr

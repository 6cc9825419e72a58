"""The five training scripts by their command lines, on a few made patches.

VGG16 has the fewest layers, so its graph is made the quickest.
"""

import csv
import os
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tifffile
from skimage import io

import image_functions
from landuse import files
from landuse.networks import model_files
from landuse.rasters import writing

CLASSES = ("Dark", "Grey", "Light")
COUNTS = {"train": 4, "validation": 2}
RGB = list(image_functions.BANDS_RGB)
MS = list(image_functions.BANDS_MS)
REPOSITORY = Path(__file__).resolve().parent.parent
ONE_EPOCH = {"network": "VGG16", "batch_size": 4, "epochs": 1, "warmup_epochs": 0}


def make_split(folder, kind, counts=COUNTS, classes=CLASSES):
    rng = np.random.default_rng(1)
    for part, count in counts.items():
        for level, name in enumerate(classes):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                path = folder / part / name / f"{name}_{part}_{number}"
                if kind == "RGB":
                    pixels = 40 + 70 * level + rng.integers(0, 30, (64, 64, 3))
                    io.imsave(path.with_suffix(".png"), np.uint8(pixels), check_contrast=False)
                else:
                    pixels = 400 + 700 * level + rng.integers(0, 300, (64, 64, 13))
                    tifffile.imwrite(
                        path.with_suffix(".tif"), np.uint16(pixels), planarconfig="contig"
                    )
    return folder


def flags_of(settings):
    flags = []
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        flags += [flag, *value] if isinstance(value, list) else [f"{flag}={value}"]
    return flags


def run(script, **settings):
    return subprocess.run(
        [sys.executable, f"{script}.py", *flags_of(settings)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def rgb(folder):
    return make_split(folder / "rgb", "RGB")


@pytest.fixture(scope="module")
def ms(folder):
    return make_split(folder / "ms", "MS", {**COUNTS, "test": 1})


@pytest.fixture(scope="module")
def rgb_run(folder, rgb):
    """Folder of a run of script 03, and what it printed."""
    path = folder / "03"
    answer = run(
        "03_train_rgb_from_scratch", path_to_split_datasets=rgb, path_to_run=path, **ONE_EPOCH
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return path, answer.stdout


@pytest.fixture
def error_of(capfd, monkeypatch):
    """Run a script in this process, where Keras is there already, and give its error."""
    policy = keras.config.dtype_policy()

    def run_and_fail(script, **settings):
        monkeypatch.setattr(sys, "argv", [script, *flags_of(settings)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(REPOSITORY / f"{script}.py"), run_name="__main__")
        assert end.value.code == 2
        lines = capfd.readouterr().err.splitlines()
        return next(line for line in lines if line.startswith("error: "))

    yield run_and_fail
    keras.config.set_dtype_policy(policy)


def check_run(path, part, images):
    """Look at what a run leaves, and return the record of its model."""
    record = model_files.read_record(path / "model.keras")
    assert record["class_names"] == list(CLASSES)
    assert record["results"]["part"] == part
    assert record["results"]["images"] == images
    report = files.read_json(path / "report.json")
    assert report["accuracy"] == record["results"]["accuracy"]
    assert f"**{part}** part" in (path / "report.md").read_text()
    assert (path / "learning_curves.png").is_file()
    assert report["yardstick"]["value"] == 1.0  # of dark, grey and light patches
    assert "| Accuracy of the yardstick" in (path / "report.md").read_text()
    return record


def phases(path):
    with open(path / "history.csv", newline="") as file:
        return [row["phase"] for row in csv.DictReader(file)]


def test_step_3(rgb_run):
    path, printed = rgb_run
    record = check_run(path, "validation", 6)
    assert record["band_names"] == RGB
    assert record["units"] == "rgb8"
    assert record["weights"] is None
    assert phases(path) == ["from scratch"]
    assert printed.splitlines()[-1] == f"model: {path / 'model.keras'}"


def test_a_finished_run_says_so_and_other_settings_are_refused(rgb, rgb_run, error_of):
    script, path = "03_train_rgb_from_scratch", rgb_run[0]
    where = {"path_to_split_datasets": rgb, "path_to_run": path}
    again = run(script, **where, **ONE_EPOCH)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "this run is finished" in again.stdout
    error = error_of(script, **where, **{**ONE_EPOCH, "epochs": 2})
    assert "EPOCHS was 1, is 2. Give another PATH_TO_RUN" in error


@pytest.mark.parametrize(
    ("script", "weights"),
    [
        ("02_train_rgb_finetuning", None),
        ("02_train_rgb_finetuning", "script 03"),
        ("04_train_ms_finetuning", "script 03"),
        ("04_train_ms_finetuning_alternative", "script 03"),
    ],
)
def test_fine_tuning(script, weights, folder, rgb, ms, rgb_run):
    path = folder / f"{script}_{weights and 3}"
    answer = run(
        script,
        path_to_split_datasets=ms if "_ms_" in script else rgb,
        path_to_run=path,
        weights=weights and rgb_run[0] / "model.keras",
        input_size=64 if weights else 96,
        epochs_top=1,
        **ONE_EPOCH,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    # one image of each of three classes in the test part of the multispectral split
    record = check_run(path, *(("test", 3) if "_ms_" in script else ("validation", 6)))
    assert record["band_names"] == (MS if "_ms_" in script else RGB)
    assert record["weights"] == (weights and "model.keras")
    assert phases(path) == ["top", "fine-tuning"]
    assert ("its top is kept" in answer.stdout) == (weights is not None)


def test_a_student_learns_from_teachers_and_labelled_patches(folder, ms, rgb_run):
    rng = np.random.default_rng(3)
    shade = np.repeat(np.arange(3), 64)[:, np.newaxis, np.newaxis]
    pixels = 400 + 700 * shade + rng.integers(0, 300, (192, 128, 13))
    writing.write_geotiff(folder / "scene.tif", np.uint16(pixels), None, "", band_names=MS)
    path = folder / "taught"
    answer = run(
        "04_train_ms_from_teachers",
        path_to_split_datasets=ms,
        path_to_scenes=folder / "scene.tif",
        path_to_run=path,
        weights=rgb_run[0] / "model.keras",
        teachers=[str(rgb_run[0] / "model.keras")],
        windows=24,
        **ONE_EPOCH,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "a pass has 24 windows, and each of the 12 labelled patches once" in answer.stdout
    record = check_run(path, "test", 3)
    assert record["band_names"] == MS
    assert phases(path) == ["student"]


def test_step_5_takes_measured_statistics_and_trains_mosaics(folder, ms):
    assert run("statistics", path_to_split_datasets=ms).returncode == 0
    path = folder / "05"
    settings = {**ONE_EPOCH, "network": "MobileNet", "bands": "SWIR"}
    settings |= {"epochs": 0, "mosaic_epochs": 1, "mosaic": 2}
    settings["land_shares"] = ["Dark=3", "Light=1"]
    answer = run(
        "05_train_ms_from_scratch", path_to_split_datasets=ms, path_to_run=path, **settings
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert f"statistics of the training images: {ms / 'statistics.json'}" in answer.stdout
    record = check_run(path, "test", 3)
    assert record["dense"] is True
    assert record["results"]["land_shares"] == {"Dark": 3, "Light": 1}
    assert "added to their logits: Dark +0.41, Light -0.69" in answer.stdout
    assert phases(path) == ["mosaics"]
    assert record["band_names"] == ["B12", "B8A", "B04"]
    assert len(record["statistics"]["percentiles"]["50"]) == 3
    assert 0 <= record["results"]["accuracy_patch_by_patch"] <= 1


@pytest.mark.parametrize(
    ("script", "settings", "message"),
    [
        ("03_train_rgb_from_scratch", {"network": "VGG61"}, "NETWORK = 'VGG61': there is no"),
        ("03_train_rgb_from_scratch", {"batch_size": 64}, "has only 12 images to train with"),
        ("05_train_ms_from_scratch", {"bands": "NDVI"}, "BANDS = 'NDVI': expected one of RGB"),
        ("02_train_rgb_finetuning", {"network": "MobileNetV3Small"}, "first block of MobileNetV3"),
        ("02_train_rgb_finetuning", {"weights": "x.h5"}, "WEIGHTS = 'x.h5': there is no such file"),
        ("04_train_ms_finetuning", {"weights": "x.keras"}, "there is no model x.keras"),
    ],
)
def test_bad_settings(script, settings, message, tmp_path, rgb, ms, error_of):
    where = {"path_to_split_datasets": ms if "_ms_" in script else rgb}
    error = error_of(script, **where, path_to_run=tmp_path / "run", **{**ONE_EPOCH, **settings})
    assert message in error


def test_weights_that_do_not_fit(tmp_path, rgb, rgb_run, error_of):
    where = {"path_to_split_datasets": rgb, "path_to_run": tmp_path / "run"}
    weights = rgb_run[0] / "model.keras"
    settings = {**ONE_EPOCH, "network": "ResNet50", "weights": weights}
    error = error_of("02_train_rgb_finetuning", **where, **settings)
    assert "is a model of VGG16, not of ResNet50" in error
    (tmp_path / "cut.keras").write_bytes(weights.read_bytes()[:100000])
    settings = {**ONE_EPOCH, "weights": tmp_path / "cut.keras"}
    assert "cut short" in error_of("02_train_rgb_finetuning", **where, **settings)


def test_one_class_only(tmp_path, error_of):
    split = make_split(tmp_path / "split", "RGB", classes=["Dark"])
    where = {"path_to_split_datasets": split, "path_to_run": tmp_path / "run"}
    assert "Dark" in error_of("03_train_rgb_from_scratch", **where, **ONE_EPOCH)

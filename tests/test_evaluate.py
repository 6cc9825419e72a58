import importlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tifffile
from keras import layers
from skimage import io

import image_functions
from landuse import files
from landuse.networks import model_files

CLASSES = ["Dark", "Grey", "Light"]


def save_model(path, band_names, units):
    """Save a model that finds dark and light patches by their mean and knows nothing else."""
    scale = 255.0 if units == "rgb8" else 3000.0
    pixels = keras.Input((64, 64, len(band_names)), name="pixels")
    mean = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / scale)(pixels))
    top = layers.Dense(3, activation="softmax", name="probabilities")
    model = keras.Model(pixels, top(mean))
    slope = np.tile([-20.0, -1000.0, 20.0], (len(band_names), 1)) / len(band_names)
    top.set_weights([slope, np.array([10.0, 0.0, -10.0])])
    record = {
        "class_names": CLASSES,
        "band_names": list(band_names),
        "units": units,
        "patch_size": 64,
        "statistics": {},
        "network": "threshold",
    }
    model_files.save(model, record, path)


def write_patch(path, value, kind):
    rng = np.random.default_rng(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "RGB":
        noise = rng.integers(0, 20, (64, 64, 3))
        io.imsave(path.with_suffix(".png"), np.uint8(value + noise), check_contrast=False)
    else:
        noise = rng.integers(0, 200, (64, 64, 13))
        tifffile.imwrite(
            path.with_suffix(".tif"), np.uint16(10 * value + noise), planarconfig="contig"
        )


def make_images(folder, kind):
    """Dark has 4 dark images, Light 3 light ones and one that is dark."""
    for number in range(4):
        write_patch(folder / "Dark" / f"Dark_{number}", 20, kind)
        write_patch(folder / "Light" / f"Light_{number}", 220 if number else 20, kind)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "RGB.keras", image_functions.BANDS_RGB, "rgb8")
    save_model(folder / "MS.keras", image_functions.BANDS_MS, "DN")
    return folder


@pytest.fixture
def run(repository, tmp_path):
    def run_step(model, images, *words):
        script = repository / "07_evaluate_model.py"
        paths = ["--path-to-model", model, "--path-to-images", images]
        report = ["--path-to-report", tmp_path / "report"]
        command = [sys.executable, script, *paths, *report, *words]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)

    return run_step


def check_report(folder, printed):
    report = files.read_json(folder / "report.json")
    assert report["images"] == 8
    assert report["part"] == "test"
    assert report["confusion_matrix"] == [[4, 0, 0], [0, 0, 0], [1, 0, 3]]
    assert report["accuracy"]["value"] == 7 / 8
    assert report["verdict"]["condition"] == "if the model has not learned from these images"
    assert "verdict: usable with care, if the model has not learned from" in printed
    assert (folder / "worst_confusions.png").is_file()
    assert "8 images of the test part" in printed
    assert "page on the model: " in printed
    assert printed.splitlines()[-1] == f"report: {folder / 'report.md'}"


def test_the_report_of_a_folder_by_the_command_line(run, models, tmp_path):
    images = make_images(tmp_path / "set" / "test", "RGB")
    done = run(models / "RGB.keras", images, "--batch-size", 3)
    assert done.returncode == 0, done.stderr
    check_report(tmp_path / "report", done.stdout)


@pytest.mark.parametrize("model", ["MS", "RGB"])
def test_the_report_of_multispectral_patches(models, tmp_path, monkeypatch, capsys, model):
    step = importlib.import_module("07_evaluate_model")
    images = make_images(tmp_path / "set" / "test", "MS")
    settings = {
        "PATH_TO_MODEL": str(models / f"{model}.keras"),
        "PATH_TO_IMAGES": str(images),
        "BATCH_SIZE": 3,
    }
    for name, value in settings.items():
        monkeypatch.setattr(step, name, value)
    step.main()
    check_report(models / "evaluation_test", capsys.readouterr().out)  # beside the model
    page = (models / "model.html").read_text(encoding="utf-8")
    assert "Measured on the 8 images of set/test (test part)" in page


def error_of(done):
    assert done.returncode == 2, (done.stdout, done.stderr)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_classes_that_the_model_does_not_know_are_named(run, models, tmp_path):
    images = make_images(tmp_path / "set", "RGB")
    write_patch(images / "Purple" / "Purple_1", 9, "RGB")
    found = error_of(run(models / "RGB.keras", images))
    assert "Purple; the model knows Dark, Grey, Light" in found
    assert not (tmp_path / "report").exists()


def test_photos_do_not_fit_a_model_of_dn(run, tmp_path):
    save_model(tmp_path / "DN.keras", image_functions.BANDS_RGB, "DN")
    images = make_images(tmp_path / "set", "RGB")
    assert "holds images of 8 bits" in error_of(run(tmp_path / "DN.keras", images))


def test_a_missing_model_and_a_bad_batch_size(run, tmp_path):
    assert "there is no model" in error_of(run(tmp_path / "no.keras", tmp_path))
    assert "BATCH_SIZE must be 1" in error_of(run("no.keras", "no", "--batch-size", 0))


def test_two_reports_at_once_are_not_mixed(run, models, tmp_path):
    images = make_images(tmp_path / "set", "RGB")
    with files.lock(tmp_path / "report", "writing the report"):
        found = error_of(run(models / "RGB.keras", images))
    assert "another run is writing the report" in found
    assert not list((tmp_path / "report").iterdir())


def test_thresholds_of_prediction_sets_go_into_the_model(models, run, tmp_path):
    model = tmp_path / "model.keras"
    model.write_bytes((models / "MS.keras").read_bytes())
    images = make_images(tmp_path / "validation", "MS")
    answer = run(model, images, "--calibrate")
    assert answer.returncode == 0, answer.stderr
    conformal = model_files.read_record(model)["conformal"]
    assert (conformal["part"], conformal["images"]) == ("validation", 8)
    assert conformal["thresholds"]["0.99"] == 0.0  # eight images promise no 99 %
    assert conformal["thresholds"]["0.50"] > 0.9
    report = files.read_json(tmp_path / "report" / "report.json")
    assert report["prediction_sets"]["by_halves"]
    answer = run(model, make_images(tmp_path / "train", "MS"), "--calibrate")
    assert answer.returncode == 2
    assert "CALIBRATE needs images that the model did not learn from" in answer.stderr


def test_the_model_that_comes_along_is_measured_but_never_written_to(repository, tmp_path):
    """Without a model, its report goes into runs/; thresholds would change the file itself."""
    images = make_images(tmp_path / "set" / "validation", "RGB")
    for name, new in (("Dark", "Forest"), ("Light", "River"), ("Grey", "Pasture")):
        if (images / name).exists():
            (images / name).rename(images / new)
    script = [sys.executable, repository / "07_evaluate_model.py", "--path-to-images", images]

    def run_it(*words):
        return subprocess.run(
            list(map(str, [*script, *words])), capture_output=True, text=True, cwd=tmp_path
        )

    assert "comes with these scripts: copy it" in error_of(run_it("--calibrate"))
    done = run_it()
    assert done.returncode == 0, done.stderr
    assert "no model was named and none is in runs/: taking eurosat_rgb" in done.stdout
    beside = tmp_path / "runs" / "eurosat_rgb"
    # the folder is called "set", and its images are of another split than the model's
    assert (beside / "evaluation_set_validation" / "report.md").is_file()
    assert "learned from 21,168 of EuroSAT's RGB patches; these images have other" in done.stdout
    assert (beside / "model.html").is_file()

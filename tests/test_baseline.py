"""Fixed measurements of patches, the linear classifier on them, and script 03_train_baseline."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from test_training_scripts import CLASSES, MS, flags_of, make_split

import image_functions
from landuse import files, sensors
from landuse.networks import dense, engines, inference_graphs, measurements, model_files, precisions
from landuse.training import linear_classifiers, training_data, yardsticks

REPOSITORY = Path(__file__).resolve().parent.parent
RGB = list(sensors.BANDS_RGB)


def log_of(dn):
    return np.log((dn + 100) / 1100)


def measure(pixels, bands, units="DN"):
    """Measure one patch; names to values."""
    pairs = measurements.band_pairs(bands)
    levels = measurements.ratio_levels(pixels[None], units, pairs)
    model = measurements.measuring_model(units, pairs, levels, len(bands))
    values = np.asarray(model.predict_on_batch(pixels[None].astype(np.float32)))[0]
    return dict(zip(measurements.measurement_names(bands), values, strict=True))


def test_pairs_are_known_indices_or_neighbours_in_the_list():
    assert measurements.band_pairs(["B08", "B04"]) == [(0, 1)]
    assert measurements.band_pairs(["B04"]) == []
    assert measurements.band_pairs(["B12", "B8A", "B04"]) == [(0, 2), (1, 0)]
    assert measurements.band_pairs(["blue", "green", "red"]) == [(1, 0), (2, 1)]
    assert len(measurements.band_pairs(sensors.BANDS_MS)) == 16  # 14 indices, B06/B05 and B10/B09


def test_an_even_surface():
    pixels = np.stack([np.full((64, 64), dn) for dn in (500, 1000)], axis=-1)
    found = measure(pixels, ["B04", "B08"])
    assert found["mean B04"] == pytest.approx(log_of(500), abs=1e-6)
    assert found["largest of cells B08"] == pytest.approx(log_of(1000), abs=1e-6)
    assert found["spread B04"] == pytest.approx(np.log(0.01), abs=0.05)
    assert found["edges of 4 px B08/B04"] == pytest.approx(np.log(0.003), abs=0.01)
    assert found["details of 2 px B04"] == pytest.approx(np.log(0.0015), abs=0.01)
    # all pixels are at the lowest level of the ratio
    assert found["share at level 1 B08/B04"] == pytest.approx(1, abs=0.001)
    assert found["share at level 4 B08/B04"] == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize(
    ("pattern", "edges", "details"),
    [
        (lambda row, column: column % 2, (1, 0, 0), (0, 0, 0)),
        (lambda row, column: (row + column) % 2, (0, 0, 0), (1, 0, 0)),
        (lambda row, column: row // 2 % 2, (0, 1, 0), (0, 0, 0)),
        (lambda row, column: (row // 4 + column // 4) % 2, (0, 0, 0), (0, 0, 1)),
    ],
    ids=["stripes", "board", "stripes of 2 px", "board of 4 px"],
)
def test_patterns_are_seen_at_their_scale(pattern, edges, details):
    is_bright = np.fromfunction(pattern, (64, 64)) > 0
    found = measure(np.where(is_bright, 2000, 500)[..., None], ["B04"])
    half = (log_of(2000) - log_of(500)) / 2
    for size, edge, detail in zip((2, 4, 8), edges, details, strict=True):
        assert np.exp(found[f"edges of {size} px B04"]) - 0.003 == pytest.approx(
            half * edge, abs=1e-5
        )
        assert np.exp(found[f"details of {size} px B04"]) - 0.0015 == pytest.approx(
            half * detail, abs=1e-5
        )
    assert np.exp(found["spread B04"]) - 0.01 == pytest.approx(half, abs=1e-3)
    assert np.exp(found["spread of cells B04"]) - 0.01 == pytest.approx(0, abs=2e-3)


def test_pictures_are_measured_as_the_dn_that_they_show():
    dn = np.random.default_rng(0).integers(300, 2500, (64, 64, 3))
    of_dn = measure(dn, RGB)
    of_picture = measure(image_functions.scale_to_rgb8(dn), RGB, "rgb8")
    assert list(of_dn) == list(of_picture)
    assert np.allclose(list(of_dn.values()), list(of_picture.values()), atol=0.03)


@pytest.fixture(scope="module")
def model():
    """A baseline for three bands with weights at random."""
    rng = np.random.default_rng(3)
    patches = rng.integers(300, 2500, (4, 64, 64, 3))
    pairs = measurements.band_pairs(RGB)
    levels = measurements.ratio_levels(patches, "DN", pairs)
    measuring = measurements.measuring_model("DN", pairs, levels, 3)
    weights = rng.normal(size=(measuring.output.shape[-1], 4)) / 10
    return measurements.with_linear_top(measuring, weights, np.zeros(4))


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(4)
    coarse = rng.integers(300, 2500, (10, 12, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return (coarse + rng.integers(0, 300, coarse.shape)).astype(np.float32)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_dense_maps_are_those_of_windows(model, scene, stride):
    found = np.asarray(dense.dense_network(model, stride).predict_on_batch(scene[None]))[0]
    rows, columns = range(0, 160 - 63, stride), range(0, 192 - 63, stride)
    windows = np.stack([scene[r : r + 64, c : c + 64] for r in rows for c in columns])
    expected = np.asarray(model.predict_on_batch(windows))
    assert found.shape == (len(rows), len(columns), 4)
    assert np.allclose(found.reshape(-1, 4), expected, atol=1e-4)


def test_other_forms_of_the_model_answer_alike(model, scene, tmp_path):
    patches = np.stack([scene[:64, :64], scene[64:128, 100:164]])
    expected = np.asarray(model.predict_on_batch(patches))
    reduced = precisions.with_precision(model, "bfloat16")
    assert np.allclose(np.asarray(reduced.predict_on_batch(patches)), expected, atol=1e-5)
    plain = inference_graphs.inference_graph(model, (2, 64, 64, 3))
    assert np.allclose(np.asarray(plain.predict_on_batch(patches)), expected, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert np.allclose(np.asarray(loaded.predict_on_batch(patches)), expected, atol=1e-6)


def test_openvino_computes_it_in_float32(model, scene):
    pytest.importorskip("openvino")
    patches = np.stack([scene[:64, :64], scene[64:128, 100:164]])
    predict = engines.make_predict(model, (2, 64, 64, 3), "openvino", "bfloat16")
    assert np.allclose(predict(patches), np.asarray(model.predict_on_batch(patches)), atol=1e-3)


# ---- the classifier


def measured_classes(counts, seed=0, distance=6.0):
    """Classes around points that lie `distance` apart on axes of different units."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    values = rng.normal(size=(len(labels), 5)) + distance * np.eye(5)[labels % 5]
    return values * [1, 100, 0.01, 1, 1] + [0, 5000, 0, -3, 1], labels


@pytest.mark.parametrize("counts", [(3, 3), (3, 3, 3), (1, 4, 5), (2, 2, 2), (1, 1, 1), (1, 6)])
def test_few_images_are_enough_to_fit(counts):
    measured, labels = measured_classes(counts)
    found = linear_classifiers.fit(measured, labels, len(counts), seed=0)
    assert (found.logits(measured).argmax(axis=1) == labels).all()
    assert found.weights.shape == (5, len(counts))
    alone = all(count == 1 for count in counts) or counts == (1, 6)
    assert (found.expected_accuracy is None) == alone


def test_the_expected_accuracy_is_that_of_new_images():
    measured, labels = measured_classes((60, 60, 60), distance=2.0)
    found = linear_classifiers.fit(measured, labels, 3, seed=0)
    others, truth = measured_classes((2000, 2000, 2000), seed=1, distance=2.0)
    logits = found.logits(others)
    right = np.mean(logits.argmax(axis=1) == truth)
    assert found.expected_accuracy == pytest.approx(right, abs=0.05)
    # and the probabilities say how often it is right
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert probabilities.max(axis=1).mean() == pytest.approx(right, abs=0.05)


def test_many_images_are_sampled_for_the_choice_only(monkeypatch):
    monkeypatch.setattr(linear_classifiers, "MOST_FOR_CHOICE", 40)
    measured, labels = measured_classes((50, 70))
    found = linear_classifiers.fit(measured, labels, 2, seed=0)
    assert (found.logits(measured).argmax(axis=1) == labels).mean() > 0.98


# ---- the script


def train(**settings):
    return subprocess.run(
        [sys.executable, "03_train_baseline.py", *flags_of(settings)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.fixture(scope="module")
def ms(tmp_path_factory):
    return make_split(tmp_path_factory.mktemp("baseline") / "ms", "MS")


@pytest.fixture(scope="module")
def ms_run(ms):
    path = ms.parent / "run"
    return path, train(path_to_split_datasets=ms, path_to_run=path)


def test_script(ms_run):
    path, answer = ms_run
    assert answer.returncode == 0, answer.stderr[-2000:]
    record = model_files.read_record(path / "model.keras")
    assert record["class_names"] == list(CLASSES)
    assert record["band_names"] == MS
    assert record["network"] == "Baseline"
    assert record["dense"] is True
    assert record["results"]["accuracy"]["value"] == 1.0  # dark, grey and light
    assert record["results"]["yardstick"] is None
    text = (path / "report.md").read_text()
    assert "Nothing of the model was learned from these images" in text
    assert "best epoch" not in text
    assert "best in epoch" not in answer.stdout
    assert f"model: {path / 'model.keras'}" in answer.stdout


def test_script_07_takes_it(ms, ms_run):
    answer = subprocess.run(
        [
            sys.executable,
            "07_evaluate_model.py",
            *("--path-to-model", ms_run[0] / "model.keras"),
            *("--path-to-images", ms / "validation"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "accuracy           100.00 %" in answer.stdout
    report = files.read_json(ms_run[0] / "evaluation_validation" / "report.json")
    assert report["yardstick"] is None


def test_script_06_maps_densely_with_it(ms_run, tmp_path):
    from landuse.rasters import writing

    pixels = np.random.default_rng(5).integers(400, 700, (128, 192, 13)).astype(np.uint16)
    pixels[:, 96:] += 1400
    path = tmp_path / "scene.tif"
    writing.write_geotiff(
        path, pixels, (5e5, 10, 0, 5e6, 0, -10), "EPSG:32632", band_names=list(MS)
    )
    label = tmp_path / "label.tif"
    answer = subprocess.run(
        [
            sys.executable,
            "06_classify_image.py",
            *("--path-to-image", path, "--path-to-model", ms_run[0] / "model.keras"),
            *("--path-to-label-image", label, "--no-html", "--no-quicklook"),
            *("--method", "dense"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    from landuse.rasters import reading

    with reading.Raster(label) as raster:
        labels = raster.read_all()
    assert labels.shape == (16, 24)
    assert (labels[:, :7] == 0).all()  # dark
    assert (labels[:, 17:] == 2).all()  # light


def test_it_cannot_be_fine_tuned(ms_run):
    from landuse.networks import transfer

    with pytest.raises(ValueError, match="is a baseline, which has no network to fine-tune"):
        transfer.learned_network("VGG16", str(ms_run[0] / "model.keras"))


def test_the_yardstick_that_is_kept_is_of_these_pixels(tmp_path):
    make_split(tmp_path, "MS")
    path = next((tmp_path / "train").glob("*/*.tif"))
    size = path.stat().st_size

    def kept():
        images = sorted((tmp_path / "train").glob("*/*.tif"))
        part = training_data.Part(np.empty(0), np.empty(0), images)
        return yardsticks._cache(training_data.Data(part, part, list(CLASSES), MS, "DN", {}))

    first = kept()
    assert kept() == first
    path.write_bytes(path.read_bytes()[:-2] + b"\x01\x02")
    assert path.stat().st_size == size
    assert kept() != first


@pytest.mark.shared_data
def test_real_patches_of_13_bands_are_told_apart_from_144(shared_data, tmp_path):
    import zipfile

    from landuse.patches import class_folders, image_files
    from landuse.training.training_data import Data, Part

    with zipfile.ZipFile(shared_data / "eurosat" / "eurosat_ms_sample.zip") as archive:
        archive.extractall(tmp_path)
    images = class_folders.find_images(tmp_path / "EuroSAT_MS")
    parts = {"train": [], "validation": []}
    for index, name in enumerate(images):
        for number, path in enumerate(images[name]):
            parts["validation" if number % 3 == 1 else "train"].append((path, index))

    def part(members):
        patches = np.stack([image_files.read_patch(path) for path, _ in members])
        return Part(patches, np.array([label for _, label in members]), [p for p, _ in members])

    data = Data(part(parts["train"]), part(parts["validation"]), list(images), MS, "DN", {})
    trained, classifier = yardsticks.train(data)
    answers = np.asarray(trained.predict_on_batch(data.validation.patches.astype(np.float32)))
    assert len(data.train.labels) <= 146
    assert np.mean(answers.argmax(axis=1) == data.validation.labels) > 0.80  # 0.86 on average
    assert classifier.expected_accuracy > 0.75

"""Several views of each patch inside a trained model."""

import numpy as np
import pytest
from scipy.special import softmax

from landuse.networks import bases, dense, engines, model_files, tops, transfer, views
from landuse.training import limits, runs

CLASSES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def model():
    """ResNet9 on three bands, its weights at random, in float32."""
    import keras

    keras.utils.set_random_seed(3)
    pixels = keras.Input((64, 64, 3), name="pixels")
    scaled = keras.layers.Rescaling(1 / 4000)(pixels)
    features = bases.base_network("ResNet9", 3)(scaled)
    return keras.Model(pixels, tops.new_top(features, "ResNet9", CLASSES))


@pytest.fixture(scope="module")
def patches():
    return np.random.default_rng(2).integers(0, 255, (3, 64, 64, 3)).astype("float32")


ALONG = {  # views -> copies of patches (batch, rows, columns, bands)
    2: [lambda p: p, lambda p: p[:, ::-1, ::-1]],
    4: [lambda p: p, lambda p: p[:, ::-1, ::-1], lambda p: p[:, ::-1], lambda p: p[:, :, ::-1]],
}
ALONG[8] = ALONG[4] + [lambda p, turn=turn: turn(p).swapaxes(1, 2) for turn in ALONG[4]]


@pytest.mark.parametrize("count", [2, 4, 8])
def test_the_answer_is_the_mean_of_the_logits_of_all_views(model, patches, count):
    logits = [np.log(model.predict(turn(patches), verbose=0)) for turn in ALONG[count]]
    found = views.in_use(model, "ResNet9", count).predict(patches, verbose=0)
    np.testing.assert_allclose(found, softmax(np.mean(logits, axis=0), axis=1), atol=1e-5)
    assert np.abs(found - model.predict(patches, verbose=0)).max() > 1e-4


def test_with_all_views_no_turn_of_a_patch_changes_the_answer(model, patches):
    steady = views.in_use(model, "ResNet9", 8)
    found = [steady.predict(turn(patches), verbose=0) for turn in ALONG[8]]
    np.testing.assert_allclose(found, [found[0]] * 8, atol=1e-6)


def test_pictures_are_enlarged_once(model, patches):
    large = views.in_use(model, "ResNet9", size=80)
    larger = views.in_use(large, "ResNet9", size=96)
    assert views.picture_size(model) == 64
    assert views.picture_size(large) == 80
    assert views.picture_size(larger) == 96
    direct = views.in_use(model, "ResNet9", size=96)
    np.testing.assert_allclose(larger.predict(patches), direct.predict(patches), atol=1e-6)
    assert np.abs(direct.predict(patches) - model.predict(patches)).max() > 1e-4


@pytest.mark.parametrize("engine", ["keras", "openvino", "onnx"])
def test_engines_compute_the_same(model, patches, engine):
    for package in engines.PACKAGES.get(engine, ()):
        pytest.importorskip(package)
    seeing = views.in_use(model, "ResNet9", 2, 80)
    predict = engines.make_predict(seeing, patches.shape, engine, "float32")
    np.testing.assert_allclose(predict(patches), seeing.predict(patches), atol=1e-5)


def test_it_has_no_dense_form_and_says_so(model):
    with pytest.raises(ValueError, match=r"takes several views of each patch, which VIEWS = 1"):
        dense.dense_network(views.in_use(model, "ResNet9", 2), 8)


def test_a_run_ends_with_them_and_another_goes_on_without(model, patches, tmp_path, capsys):
    with runs.open_run(tmp_path / "run", {"VIEWS": 2}) as run:
        run.record = {
            "network": "ResNet9",
            "class_names": CLASSES,
            "band_names": ["B04", "B03", "B02"],
            "units": "rgb8",
            "patch_size": 64,
            "statistics": {"mean": [90.0] * 3, "std": [50.0] * 3, "units": "rgb8"},
            "results": {},
        }
        run.kept = model
        run.save_model()
        run.look_again(2, 96)
        assert "2 views of 96 px" in capsys.readouterr().out
        run.look_again(2, 96)  # a start that goes on with the finish changes nothing
        assert capsys.readouterr().out == ""
    saved, record = model_files.load(run.model_path)
    assert record["results"]["views"] == 2
    expected = views.in_use(model, "ResNet9", 2, 96).predict(patches)
    np.testing.assert_allclose(saved.predict(patches), expected, atol=1e-5)
    learned = transfer.learned_network("ResNet9", str(run.model_path))
    assert learned.input_size == 64
    assert [type(layer).__name__ for layer in learned.front] == ["Rescaling"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"VIEWS": 3}, "VIEWS must be one of 1, 2, 4, 8, not 3"),
        ({"SIZE_IN_USE": 100}, "SIZE_IN_USE = 100: expected a multiple of 16 px from INPUT_SIZE"),
        ({"SIZE_IN_USE": 80, "INPUT_SIZE": 96}, "from INPUT_SIZE = 96 to 224"),
        ({"SIZE_IN_USE": 240}, "to 224"),
        ({"VIEWS": 2, "MOSAIC_EPOCHS": 1, "MOSAIC": 2}, r"no dense form\. Set VIEWS = 1"),
    ],
)
def test_views_that_no_model_can_have_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        limits.check_settings(settings)

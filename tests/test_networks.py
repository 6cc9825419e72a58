import keras
import numpy as np
import pytest

import image_functions
from landuse.networks import bases, catalogue, pixel_layers, tops, transfer

STATISTICS = image_functions.EUROSAT_STATISTICS
ANY_STATISTICS = {"mean": [1] * 3, "std": [1] * 3}


@pytest.fixture
def bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def apply(layer, pixels):
    inputs = keras.Input(pixels.shape[1:], dtype="float32")
    return np.asarray(keras.Model(inputs, layer(inputs))(pixels))


def test_unknown_network_is_answered_with_those_that_work():
    with pytest.raises(ValueError, match="no such network") as error:
        bases.base_network("VGG61")
    assert all(name in str(error.value) for name in ("VGG16", "DenseNet201", "MobileNetV2"))
    assert "Xception" not in str(error.value)


def test_standardisation_equals_the_array_reference_in_bfloat16_too(bfloat16):
    pixels = np.random.default_rng(0).integers(1, 4000, (2, 64, 64, 13)).astype("uint16")
    wanted = image_functions.preprocessing_image_ms(pixels, STATISTICS["mean"], STATISTICS["std"])
    layer = pixel_layers.standardisation(STATISTICS)
    np.testing.assert_allclose(apply(layer, pixels), wanted, atol=1e-4)


def test_standardisation_leaves_a_constant_band_finite():
    layer = pixel_layers.standardisation({"mean": [7.0], "std": [0.0]})
    assert np.array_equal(apply(layer, np.full((1, 4, 4, 1), 7, "uint16")), np.zeros((1, 4, 4, 1)))


def test_scaling_to_rgb8_equals_the_array_reference_for_every_value():
    pixels = np.arange(65536, dtype="uint16").reshape(1, 256, 256, 1)
    scaled = apply(pixel_layers.ScaleToRGB8(), pixels)
    assert np.array_equal(scaled, image_functions.scale_to_rgb8(pixels).astype("float32"))


def test_select_bands_survives_saving(tmp_path):
    inputs = keras.Input((None, None, 3))
    keras.Model(inputs, pixel_layers.SelectBands([2, 1, 0])(inputs)).save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    assert np.asarray(model(np.array([[[[1.0, 2.0, 3.0]]]]))).ravel().tolist() == [3, 2, 1]


def test_vgg16_from_scratch_starts_by_he():
    keras.utils.set_random_seed(1)
    kernel = bases.base_network("VGG16", 13).get_layer("block3_conv2").kernel
    assert np.std(kernel) == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.02)


def test_the_seed_decides_on_the_weights():
    def first_weights():
        keras.utils.set_random_seed(5)
        return np.array(bases.base_network("VGG16", 3).get_layer("block1_conv1").kernel)

    assert np.array_equal(first_weights(), first_weights())


@pytest.mark.parametrize("bands", [3, 13])
@pytest.mark.parametrize("name", ["VGG16", "MobileNetV2"])
def test_classifier_gives_float32_probabilities(name, bands, bfloat16):
    statistics = {"mean": [1000.0] * bands, "std": [500.0] * bands}
    base = bases.base_network(name, bands)
    model = tops.classifier(base, ["B"] * bands, "DN", ["a", "b", "c"], statistics)
    pixels = np.random.default_rng(0).integers(0, 4000, (2, 64, 64, bands)).astype("float32")
    probabilities = np.asarray(model(pixels))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert len(dense) == (3 if name == "VGG16" else 1)


FIRST_BLOCKS = {
    "VGG16": "block1_",
    "DenseNet201": "conv1_",
    "ResNet50": "conv1_",
    "ResNet9": "stem",
    "MobileNet": ("conv1_", "conv_dw_1_", "conv_pw_1_"),
    "MobileNetV2": ("Conv1", "bn_Conv1", "expanded_conv_"),
    "EfficientNetB0": ("normalization", "stem_", "block1a_"),
    "GoogLeNet": "stem_",
}


@pytest.mark.parametrize("name", catalogue.NETWORKS)
def test_freezing_goes_by_name(name):
    base = bases.base_network(name, 3)
    model = tops.classifier(base, ["B"] * 3, "DN", ["a", "b"], ANY_STATISTICS)
    top = len(catalogue.NETWORKS[name].top) + 1
    base.trainable = False
    assert len(model.trainable_variables) == 2 * top
    transfer.unfreeze_all_but_first_block(base)
    learning = [layer.name for layer in base.layers if layer.trainable and layer.weights]
    frozen = [layer.name for layer in base.layers if not layer.trainable and layer.weights]
    first = FIRST_BLOCKS[name]
    assert learning and not any(f"{layer}_".startswith(first) for layer in learning)
    assert all(f"{layer}_".startswith(first) or layer.lower().endswith("bn") for layer in frozen)


def test_other_networks_cannot_be_half_frozen():
    base = bases.base_network("MobileNetV3Small", 3)
    with pytest.raises(ValueError, match="first block of MobileNetV3Small"):
        transfer.unfreeze_all_but_first_block(base)


@pytest.mark.parametrize(("steps", "momentum"), [(3, 0.8), (100, 0.9), (10000, 0.97)])
def test_batch_normalization_keeps_up(steps, momentum):
    base = bases.base_network("MobileNet", 3)
    bases.adapt_batch_normalization(base, steps)
    assert {layer.momentum for layer in bases.batch_normalizations(base)} == {momentum}


def test_official_weights_that_do_not_fit_or_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        bases.base_network("VGG16", 3, str(tmp_path / "vgg16_notop.h5"))
    (tmp_path / "x.h5").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="do not fit VGG16"):
        bases.base_network("VGG16", 3, str(tmp_path / "x.h5"))


def test_a_network_of_ones_own_is_one_row(monkeypatch):
    def build(bands):
        pixels = keras.Input((None, None, bands))
        maps = keras.layers.Conv2D(4, 3, strides=8, name="first")(pixels)
        return keras.Model(pixels, keras.layers.Conv2D(6, 1)(maps))

    own = catalogue.Network("Own", first_block_ends="first", build=build)
    monkeypatch.setitem(catalogue.NETWORKS, "Own", own)
    base = bases.base_network("Own", 13)
    assert (base.name, base.output_shape[-1]) == ("Own", 6)
    transfer.unfreeze_all_but_first_block(base)
    assert [layer.name for layer in base.layers if layer.weights and not layer.trainable] == [
        "first"
    ]
    with pytest.raises(ValueError, match="no ImageNet weights of Own: train it from scratch"):
        bases.base_network("Own", 3, "imagenet")
    with pytest.raises(ValueError, match="Did you mean Own"):
        catalogue.network("own")


@pytest.mark.parametrize("name", catalogue.NETWORKS)
def test_standardised_pixels_reach_the_first_convolution_of_a_new_network_as_they_are(name):
    base = bases.base_network(name, 3)
    convolutions = (keras.layers.Conv2D, keras.layers.ZeroPadding2D)
    first = next(layer for layer in base.layers if isinstance(layer, convolutions))
    pixels = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
    reached = keras.Model(base.input, first.input)(pixels)
    np.testing.assert_allclose(np.asarray(reached), pixels, atol=1e-5)


def test_googlenet_is_that_of_the_paper_but_for_the_stem():
    base = bases.base_network("GoogLeNet", 13)
    assert base.compute_output_shape((None, 64, 64, 13)) == (None, 4, 4, 1024)
    maps = {layer.name: layer.output.shape[-1] for layer in base.layers}
    names = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    depths = [maps[f"inception{name}"] for name in names]
    assert depths == [256, 480, 512, 512, 512, 528, 832, 832, 1024]  # table 1 of the paper


def test_patches_are_enlarged_in_the_model():
    pixels = keras.Input((64, 64, 3))
    assert pixel_layers.enlarge(pixels, 64) is pixels
    model = keras.Model(pixels, pixel_layers.enlarge(pixels, 128))
    ramp = np.broadcast_to(np.arange(64, dtype="float32")[:, None], (1, 64, 64))
    enlarged = np.asarray(model(np.repeat(ramp[..., None], 3, axis=-1)))
    assert enlarged.shape == (1, 128, 128, 3)
    np.testing.assert_allclose(enlarged[0, 1:-1, 5, 0], np.arange(0.25, 63, 0.5))

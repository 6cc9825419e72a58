"""Weights that were learned elsewhere: official files, our own models, other bands."""

import h5py
import keras
import numpy as np
import pytest

import image_functions
from landuse.networks import bases, catalogue, model_files, pixel_layers, priors, tops, transfer

RGB = list(image_functions.BANDS_RGB)
MS = list(image_functions.BANDS_MS)
STATISTICS = image_functions.EUROSAT_STATISTICS


def random_pixels(bands, highest=255):
    rng = np.random.default_rng(0)
    return rng.integers(1, highest, (2, 64, 64, bands)).astype("float32")


def output(layers, pixels):
    inputs = values = keras.Input(pixels.shape[1:])
    for layer in layers:
        values = layer(values)
    return np.asarray(keras.Model(inputs, values)(pixels))


def write_official_file(path, base):
    """Write weights as the files of keras-applications hold them."""
    with h5py.File(path, "w") as file:
        layers = [layer for layer in base.layers if not isinstance(layer, keras.layers.InputLayer)]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.1.6"
        for layer in layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.get_weights(), strict=True):
                group[name] = weight


@pytest.mark.parametrize("name", ["VGG16", "ResNet50", "DenseNet201"])
def test_pixels_as_the_pretrained_weights_expect_them(name, monkeypatch):
    monkeypatch.setattr(bases, "base_network", lambda *_, **__: None)
    pixels = random_pixels(3)
    wanted = image_functions.preprocessing_image_rgb(pixels, name)
    got = output(transfer.imagenet_network(name, None).front, pixels)
    np.testing.assert_allclose(got, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("MobileNet", "mobilenet"),
        ("ResNet101V2", "resnet_v2"),
        ("ResNet101", "resnet"),
        ("VGG19", "vgg19"),
        ("DenseNet121", "densenet"),
        ("EfficientNetV2B0", "efficientnet_v2"),
        ("MobileNetV3Small", "mobilenet_v3"),
    ],
)
def test_other_networks_expect_what_keras_says(name, module, monkeypatch):
    monkeypatch.setattr(bases, "base_network", lambda *_, **__: None)
    pixels = random_pixels(3)
    wanted = getattr(keras.applications, module).preprocess_input(pixels.copy())
    got = output(transfer.imagenet_network(name, None).front, pixels)
    np.testing.assert_allclose(got, wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["MobileNet", "VGG16"])
def test_official_files_are_read(name, tmp_path):
    base = bases.base_network(name, 3)
    write_official_file(tmp_path / "notop.h5", base)
    learned = transfer.learned_network(name, str(tmp_path / "notop.h5"))
    for got, wanted in zip(learned.base.get_weights(), base.get_weights(), strict=True):
        assert np.array_equal(got, wanted)


def test_the_official_file_of_another_network(tmp_path):
    write_official_file(tmp_path / "notop.h5", bases.base_network("MobileNet", 3))
    with pytest.raises(ValueError, match=r"notop.h5: these weights do not fit MobileNetV2 "):
        transfer.learned_network("MobileNetV2", str(tmp_path / "notop.h5"))


def test_a_failed_download_says_where_the_file_is(monkeypatch):
    def fail(*_):
        raise Exception("URL fetch failure on https://x.org/mobilenet_notop.h5: None -- no network")

    monkeypatch.setattr(bases, "_construct", fail)
    with pytest.raises(OSError, match=r"from https://x.org/mobilenet_notop.h5") as error:
        transfer.learned_network("MobileNet", "imagenet")
    assert "WEIGHTS = 'path/to/mobilenet_notop.h5'" in str(error.value)


def save_model(path, band_names=RGB, units="rgb8", classes=("a", "b"), policy="float32"):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    statistics = {"mean": [90.0 + 9 * i for i in range(len(band_names))]}
    statistics |= {"std": [50.0 - i for i in range(len(band_names))], "units": units}
    base = bases.base_network("MobileNet", len(band_names))
    model = tops.classifier(base, band_names, units, classes, statistics)
    keras.config.set_dtype_policy(before)
    record = {
        "class_names": list(classes),
        "band_names": list(band_names),
        "units": units,
        "patch_size": 64,
        "statistics": statistics,
        "network": "MobileNet",
    }
    model_files.save(model, record, path)
    return model


def build(learned, pixels, class_names):
    inputs = keras.Input(pixels.shape[1:])
    features = learned.features(inputs)
    model = keras.Model(inputs, tops.new_top(features, "MobileNet", class_names))
    transfer.keep_top(model, learned, class_names)
    return model


@pytest.mark.parametrize("is_told", [True, False])
def test_shares_of_the_land_are_not_taken_over(tmp_path, capsys, is_told):
    """Else they would be added once more at the end of the next training."""
    path = tmp_path / "model.keras"
    model = save_model(path, classes=("a", "b", "c"))
    kernel, bias = model.get_layer("probabilities").get_weights()
    record = model_files.read_record(path)
    counts, shares = np.array([300, 100, 200]), {"a": 1.0, "b": 9.0}
    shift = priors.shift_of_logits(shares, counts, record["class_names"])
    priors.shift_model(model, shift)
    record["results"] = {"land_shares": shares}
    record["results"] |= {"added_to_logits": shift.tolist()} if is_told else {}
    per_class = zip("abc", counts // 10, strict=True)
    record["results"]["per_class"] = {name: {"images": int(n)} for name, n in per_class}
    model_files.save(model, record, path)
    learned = transfer.learned_network("MobileNet", str(path))
    np.testing.assert_allclose(learned.top["probabilities"][1], bias, atol=1e-6)
    np.testing.assert_array_equal(learned.top["probabilities"][0], kernel)
    build(learned, np.zeros((1, 64, 64, 3)), ("a", "b", "c"))
    assert "its top is kept, without its LAND_SHARES (a=1, b=9)" in capsys.readouterr().out


def test_the_size_that_patches_were_enlarged_to_is_known_of_a_model(tmp_path):
    assert transfer.imagenet_network("MobileNet", None).input_size == 64
    pixels = keras.Input((64, 64, 3))
    base = bases.base_network("MobileNet")
    enlarged = pixel_layers.enlarge(pixels, 96)
    features = base(pixel_layers.normalization([90.0] * 3, [50.0] * 3)(enlarged))
    model = keras.Model(pixels, tops.new_top(features, "MobileNet", ["a", "b"]))
    save_model(tmp_path / "64.keras")
    record = model_files.read_record(tmp_path / "64.keras")
    model_files.save(model, record, tmp_path / "96.keras")
    learned = transfer.learned_network("MobileNet", str(tmp_path / "96.keras"))
    assert learned.input_size == 96
    assert [type(layer) for layer in learned.front] == [keras.layers.Normalization]
    assert transfer.learned_network("MobileNet", str(tmp_path / "64.keras")).input_size == 64


def test_a_shipped_model_is_gone_on_from_by_its_name(capsys):
    assert transfer.network_of(None, "eurosat_rgb", 2) == "MobileNetV2"
    learned = transfer.learned_network("MobileNetV2", "eurosat_rgb")
    assert (learned.input_size, len(learned.class_names)) == (96, 10)


def test_own_model_in_another_precision(tmp_path):
    saved = save_model(tmp_path / "m.keras", policy="mixed_bfloat16")
    learned = transfer.learned_network("MobileNet", str(tmp_path / "m.keras"))
    assert learned.base.get_layer("conv1").compute_dtype == "float32"
    assert learned.base.name == "MobileNet"
    model = build(learned, random_pixels(3), ["a", "b"])
    pixels = random_pixels(3)
    np.testing.assert_allclose(model(pixels), saved(pixels), atol=0.03)


def test_the_top_is_kept_for_the_same_classes_only(tmp_path):
    save_model(tmp_path / "m.keras")
    learned = transfer.learned_network("MobileNet", str(tmp_path / "m.keras"))
    same = build(learned, random_pixels(3), ["a", "b"]).get_layer("probabilities").get_weights()
    assert np.array_equal(same[0], learned.top["probabilities"][0])
    other = build(learned, random_pixels(3), ["a", "c"]).get_layer("probabilities").get_weights()
    assert not np.array_equal(other[0], learned.top["probabilities"][0])


def test_own_model_of_another_network(tmp_path):
    save_model(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="a model of MobileNet, not of VGG16: set NETWORK"):
        transfer.learned_network("VGG16", str(tmp_path / "m.keras"))
    with pytest.raises(FileNotFoundError, match="there is no model"):
        transfer.learned_network("VGG16", str(tmp_path / "none.keras"))


def test_the_mix_of_bands_starts_as_their_selection(tmp_path):
    save_model(tmp_path / "m.keras")
    learned = transfer.learned_network("MobileNet", str(tmp_path / "m.keras"))
    dn = random_pixels(13, 4000)
    inputs = keras.Input(dn.shape[1:])
    pictures = pixel_layers.to_units(inputs, "DN", "rgb8")
    mixed = pixel_layers.mix_bands(pictures, MS, learned.band_names)
    rgb = image_functions.scale_to_rgb8(dn[..., [3, 2, 1]].astype("uint16")).astype("float32")
    np.testing.assert_allclose(keras.Model(inputs, mixed)(dn), rgb, atol=1e-4)
    assert pixel_layers.mix_bands(inputs, MS, MS) is inputs


def test_a_wider_convolution_keeps_the_size_of_activations(tmp_path):
    save_model(tmp_path / "m.keras")
    learned = transfer.learned_network("MobileNet", str(tmp_path / "m.keras"))
    statistics = {"units": "rgb8", "mean": [100.0] * 13, "std": [40.0] * 13}
    wide = transfer.widen_first_convolution(learned, MS, statistics)
    # All bands rise and fall together, each as the standardisation takes it.
    state = np.random.default_rng(0).normal(size=(2, 64, 64, 1)).astype("float32")

    def pixels_of(network):
        mean, std = transfer._mean_and_std(network)
        return (mean + state * std).astype("float32")

    first = learned.base.get_layer("conv1")(output(learned.front, pixels_of(learned)))
    second = wide.base.get_layer("conv1")(output(wide.front, pixels_of(wide)))
    np.testing.assert_allclose(second, first, atol=1e-3)
    for place, name in enumerate(RGB):
        kernel = wide.base.get_layer("conv1").get_weights()[0][:, :, MS.index(name)]
        wanted = learned.base.get_layer("conv1").get_weights()[0][:, :, place] * 3 / 13
        np.testing.assert_allclose(kernel, wanted, rtol=1e-5)


def test_widening_minds_the_order_of_channels():
    keras.utils.set_random_seed(0)
    learned = transfer.imagenet_network("VGG16", None)
    wide = transfer.widen_first_convolution(learned, MS, STATISTICS)
    narrow_kernel, wide_kernel = (
        network.base.get_layer("block1_conv1").get_weights()[0] for network in (learned, wide)
    )
    blue = wide_kernel[:, :, MS.index("B02")] * 13 / 3  # VGG16 takes blue first
    np.testing.assert_allclose(blue, narrow_kernel[:, :, 0], rtol=1e-5)
    assert len(wide.front) == 1


def test_new_bands_come_in_as_the_known_ones_do():
    learned = transfer.imagenet_network("VGG16", None)
    wide = transfer.widen_first_convolution(learned, MS, STATISTICS)
    mean, std = transfer._mean_and_std(wide)
    found_mean, found_std = transfer._statistics_in("rgb8", STATISTICS)
    level, spread = (found_mean - mean) / std, found_std / std
    known = [MS.index(name) for name in RGB]
    new = [place for place in range(13) if place not in known]
    np.testing.assert_allclose(level[new], level[known].mean(), rtol=1e-5)
    ordinary = [place for place in new if MS[place] != "B10"]  # which hardly varies at 8 bits
    np.testing.assert_allclose(spread[ordinary], spread[known].mean(), rtol=1e-5)


def test_bands_and_units_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"takes the bands B04, B03, B02, but .* B12, B8A, B04"):
        pixel_layers.mix_bands(keras.Input((64, 64, 3)), ["B12", "B8A", "B04"], RGB)
    with pytest.raises(ValueError, match="trained on DN, but these images have 8 bits"):
        pixel_layers.to_units(keras.Input((64, 64, 3)), "rgb8", "DN")
    with pytest.raises(ValueError, match="first block of MobileNetV3Small"):
        catalogue.check_fine_tuning("MobileNetV3Small", epochs=1)


def test_the_first_convolution_learns_where_it_is_new():
    learned = transfer.imagenet_network("VGG16", None)
    wide = transfer.widen_first_convolution(learned, MS, STATISTICS)
    inputs = keras.Input((64, 64, 13))
    model = keras.Model(inputs, tops.new_top(wide.features(inputs), "VGG16", ["a", "b"]))
    wide.base.trainable = False
    transfer.unfreeze_all_but_first_block(wide.base)
    transfer.unfreeze_first_convolution(wide.base)
    base = model.get_layer("VGG16")
    frozen = [layer.name for layer in base.layers if layer.weights and not layer.trainable]
    assert frozen == ["block1_conv2"]


def test_the_network_is_that_of_the_weights(tmp_path, capsys):
    save_model(tmp_path / "m.keras")
    assert transfer.network_of(None, str(tmp_path / "m.keras"), 2) == "MobileNet"
    assert "NETWORK is MobileNet" in capsys.readouterr().out
    assert transfer.network_of(None, "imagenet", 2) == "DenseNet201"
    assert transfer.network_of("VGG16", None, 2) == "VGG16"
    capsys.readouterr()
    assert transfer.network_of(None, "mobilenet_notop.h5", 2) == "DenseNet201"
    said = "NETWORK is not given: DenseNet201 is taken for that of mobilenet_notop.h5"
    assert said in capsys.readouterr().out
    with pytest.raises(ValueError, match="first block of MobileNetV3Small"):
        transfer.network_of("MobileNetV3Small", "imagenet", 2)
    with pytest.raises(FileNotFoundError, match="there is no model"):
        transfer.network_of(None, str(tmp_path / "none.keras"), 2)


@pytest.mark.parametrize("name", list(catalogue.NETWORKS))
def test_every_network_of_the_catalogue_can_be_fine_tuned(name):
    base = bases.base_network(name, 3)
    transfer.unfreeze_all_but_first_block(base)
    names = [layer.name for layer in base.layers if layer.weights and layer.trainable]
    assert names and len(names) < len([layer for layer in base.layers if layer.weights])

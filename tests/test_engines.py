"""What runs a network: precision, engines, and words for a time."""

import numpy as np
import pytest

from landuse.networks import engines, precisions


def nested_model(policy):
    import keras
    from keras import layers

    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(1)
        inner = keras.Input((None, None, 2))
        features = layers.Conv2D(8, 3, padding="same", activation="relu")(inner)
        base = keras.Model(inner, layers.MaxPooling2D(8)(features), name="Base")
        pixels = keras.Input((64, 64, 2), name="pixels")
        scaled = layers.Normalization(mean=[1354.0] * 2, variance=[4.0] * 2, dtype="float32")(
            pixels
        )
        pooled = layers.GlobalAveragePooling2D()(base(scaled))
        hidden = layers.Dense(8, activation="relu", name="hidden")(pooled)
        top = layers.Dense(3, activation="softmax", dtype="float32")(hidden)
        return keras.Model(pixels, top)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("engine", "trained_in", "precision"),
    [
        ("keras", "float32", "float32"),
        ("keras", "float32", "bfloat16"),
        ("keras", "mixed_bfloat16", "float32"),
        ("keras", "mixed_bfloat16", "bfloat16"),
        ("openvino", "float32", "bfloat16"),
        ("openvino", "mixed_bfloat16", "float32"),
        ("onnx", "mixed_bfloat16", "float32"),
    ],
)
def test_precision_is_that_of_the_base_network_and_the_top(engine, trained_in, precision):
    for package in engines.PACKAGES.get(engine, ()):
        pytest.importorskip(package)
    model = nested_model(trained_in)
    reference = nested_model("float32")
    reference.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    pixels = rng.integers(1350, 1360, (4, 64, 64, 2)).astype(np.uint16)
    expected = np.asarray(reference.predict_on_batch(pixels))
    found = engines.make_predict(model, pixels.shape, engine, precision)(pixels)
    assert found.dtype == np.float32
    error = np.abs(found - expected).max()
    # With the normalisation in bfloat16, where 1350 to 1359 are two values, it would be 0.05.
    assert error < (1e-5 if precision == "float32" else 0.01)
    if precision == "bfloat16":
        assert error > 1e-7


def test_model_is_not_changed_by_its_precision():
    model = nested_model("float32")
    precisions.with_precision(model, "bfloat16")
    inner = next(layer for layer in model.layers if layer.name == "Base")
    assert {layer.compute_dtype for layer in inner.layers} == {"float32"}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_normalisation_pooling_and_probabilities_are_float32(precision):
    model = precisions.with_precision(nested_model("mixed_bfloat16"), precision)
    _, scaled, base, pooled, hidden, top = model.layers
    assert {layer.compute_dtype for layer in (scaled, pooled, top)} == {"float32"}
    assert {layer.compute_dtype for layer in (*base.layers[1:], hidden)} == {precision}


def test_duration_in_words():
    assert [engines.duration(s) for s in (0.2, 59, 200, 7260)] == [
        "1 s",
        "59 s",
        "3 min 20 s",
        "2 h 1 min",
    ]


def test_onnxruntime_computes_in_float32():
    assert engines.resolve_precision("onnx", "auto") == "float32"
    with pytest.raises(ValueError, match="'onnx' computes in float32: set PRECISION = 'auto'"):
        engines.resolve_precision("onnx", "bfloat16")


def test_onnxruntime_has_the_dense_form():
    for package in engines.PACKAGES["onnx"]:
        pytest.importorskip(package)
    model = nested_model("float32")
    pixels = np.random.default_rng(0).integers(1350, 1360, (1, 96, 112, 2)).astype(np.uint16)
    expected = engines.make_predict(model, pixels.shape, dense_stride=8)(pixels)
    found = engines.make_predict(model, pixels.shape, "onnx", dense_stride=8)(pixels)
    assert found.shape == expected.shape == (1, 5, 7, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_lends_its_layers_a_precision_and_gets_them_back(precision):
    model = nested_model("float32")
    model.compile(optimizer="adam")
    before = [layer.dtype_policy.name for layer in model._flatten_layers()]
    expected = precisions.with_precision(model, precision)
    with precisions.in_precision(model, precision) as lent:
        assert lent is model
        for own, other in zip(lent._flatten_layers(), expected._flatten_layers(), strict=True):
            assert own.dtype_policy.name == other.dtype_policy.name, own.name
    assert [layer.dtype_policy.name for layer in model._flatten_layers()] == before
    assert model.compiled

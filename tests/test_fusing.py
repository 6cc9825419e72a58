"""Batch normalisation in one operation gives what Keras's own gives."""

import keras
import numpy as np
import pytest
from keras import layers

from landuse import devices
from landuse.networks import fusing, precisions
from landuse.training import optimizers

pytestmark = pytest.mark.skipif(
    not devices.has_onednn(), reason="only with TensorFlow on a processor"
)


def make_model(frozen=False, **options):
    keras.utils.set_random_seed(3)
    inner = keras.Input((8, 8, 5))
    maps = layers.Conv2D(6, 3)(inner)
    maps = layers.BatchNormalization(momentum=0.7, name="first", **options)(maps)
    maps = layers.Conv2D(4, 1, use_bias=False)(layers.ReLU()(maps))
    base = keras.Model(inner, layers.BatchNormalization(name="second")(maps))
    pixels = keras.Input((8, 8, 5))
    features = layers.GlobalAveragePooling2D()(base(pixels))
    features = layers.BatchNormalization(name="of_features")(features)
    model = keras.Model(pixels, layers.Dense(3, activation="softmax", dtype="float32")(features))
    base.get_layer("first").trainable = not frozen
    optimizer = optimizers.make_optimizer("SGD", 0.1)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def train(model):
    rng = np.random.default_rng(1)
    pixels = rng.normal(3, 2, (12, 8, 8, 5)).astype(np.float32)
    labels = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 12)]
    history = model.fit(pixels, labels, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return history.history["loss"], model.predict(pixels, verbose=0)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_training_is_the_same(options, frozen):
    own, fused = make_model(frozen, **options), make_model(frozen, **options)
    fusing.fuse_batch_normalization(fused)
    (losses, answers), (fused_losses, fused_answers) = train(own), train(fused)
    np.testing.assert_allclose(fused_losses, losses, rtol=1e-4)
    np.testing.assert_allclose(fused_answers, answers, atol=1e-4)
    for one, other in zip(fused.variables, own.variables, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-4, err_msg=one.path)


def test_training_in_bfloat16_is_alike():
    try:
        precisions.set_precision("mixed_bfloat16")
        own, fused = make_model(), make_model()
    finally:
        precisions.set_precision("float32")
    fusing.fuse_batch_normalization(fused)
    (losses, _), (fused_losses, _) = train(own), train(fused)
    np.testing.assert_allclose(fused_losses, losses, rtol=0.05)


def test_what_is_fused():
    model = make_model()
    fusing.fuse_batch_normalization(model)
    fused = {layer.name for layer in model._flatten_layers() if "call" in vars(layer)}
    assert fused == {"first", "second"}


def test_the_saved_model_has_the_layers_of_keras(tmp_path):
    model = make_model()
    config = model.get_config()
    fusing.fuse_batch_normalization(model)
    assert model.get_config() == config
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert not any("call" in vars(layer) for layer in again._flatten_layers())
    pixels = np.random.default_rng(2).normal(size=(3, 8, 8, 5)).astype(np.float32)
    np.testing.assert_allclose(
        again.predict(pixels, verbose=0), model.predict(pixels, verbose=0), atol=1e-6
    )


def test_other_backends_and_gpus_fuse_by_themselves(monkeypatch):
    model = make_model()
    with monkeypatch.context() as patched:
        patched.setattr(devices, "backend", lambda: "jax")
        fusing.fuse_batch_normalization(model)
    monkeypatch.setattr(devices, "gpus", lambda: ["gpu:0"])
    fusing.fuse_batch_normalization(model)
    assert not any("call" in vars(layer) for layer in model._flatten_layers())

"""Batch normalisation that became part of convolutions: the same predictions without it."""

import keras
import numpy as np
import pytest
from keras import layers

from landuse.networks import dense, folding


def all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def learned(model):
    """Give normalisations what a training would: averages, scales and shifts of all sizes."""
    rng = np.random.default_rng(0)
    for layer in all_layers(model):
        if isinstance(layer, layers.BatchNormalization):
            shapes = [weight.shape for weight in layer.get_weights()]
            values = [rng.normal(0, 1, shape) for shape in shapes]
            values[-1] = rng.uniform(0.02, 0.5, shapes[-1])  # the variance
            layer.set_weights(values)
    return model


def normalised(maps, **options):
    return layers.ReLU()(layers.BatchNormalization(**options)(maps))


@pytest.fixture
def model():
    """A network with all that a normalisation may follow, nested as ours are."""
    keras.utils.set_random_seed(1)
    inner = keras.Input((None, None, 3))
    maps = normalised(layers.Conv2D(8, 3, padding="same", use_bias=False)(inner))
    maps = normalised(layers.Conv2D(8, 3, strides=2, padding="same")(maps), center=False)
    twice = layers.Conv2D(8, 1)(maps)  # its output is used with and without normalisation
    maps = layers.Concatenate()([normalised(twice, scale=False, epsilon=0.1), twice])
    maps = normalised(maps)
    maps = normalised(layers.Conv2D(16, 3, padding="same", activation="tanh")(maps))
    maps = normalised(layers.Conv2D(16, 3, padding="same", dilation_rate=2, groups=4)(maps))
    maps = layers.Add()([maps, normalised(layers.DepthwiseConv2D(3, padding="same")(maps))])
    base = keras.Model(inner, layers.MaxPooling2D(8)(maps), name="Base")
    pixels = keras.Input((64, 64, 3), name="pixels")
    scaled = layers.Normalization(mean=[100.0] * 3, variance=[2500.0] * 3)(pixels)
    features = layers.GlobalAveragePooling2D()(base(scaled))
    features = layers.Dropout(0.5)(layers.BatchNormalization()(features))
    return learned(keras.Model(pixels, layers.Dense(5)(features)))


@pytest.fixture
def patches():
    fields = np.random.default_rng(2).integers(1, 255, (4, 2, 2, 3)).astype(np.float32)
    return fields.repeat(32, axis=1).repeat(32, axis=2)


@pytest.mark.parametrize(("by_depthwise", "left"), [(True, 1), (False, 4)])
def test_predictions_stay(model, patches, by_depthwise, left):
    expected = np.asarray(model.predict_on_batch(patches))
    before = [weight.copy() for weight in model.get_weights()]
    assert np.ptp(expected, axis=0).max() > 0.01 * np.abs(expected).max()  # the patches differ
    folded = folding.fold_batch_normalization(model, by_depthwise)
    found = np.asarray(folded.predict_on_batch(patches))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert all(map(np.array_equal, model.get_weights(), before))
    kept = [layer for layer in all_layers(folded) if isinstance(layer, layers.BatchNormalization)]
    # The one on features without rows and columns stays; without depthwise convolutions also those
    # behind a concatenation, an activation and a depthwise convolution.
    assert len(kept) == left


def test_precision_stays(model):
    for layer in all_layers(model):
        if isinstance(layer, layers.Conv2D | layers.BatchNormalization):
            layer.dtype_policy = "mixed_bfloat16"
    folded = folding.fold_batch_normalization(model, by_depthwise=True)
    stand_ins = [layer for layer in all_layers(folded) if "batch_norm" in layer.name]
    assert len(stand_ins) == 8
    assert {layer.compute_dtype for layer in stand_ins} == {"bfloat16"}


def test_sequential_parts_stay(patches):
    pixels = keras.Input((64, 64, 3))
    stem = keras.Sequential([layers.Conv2D(4, 4, strides=4), layers.BatchNormalization()])
    model = learned(keras.Model(pixels, layers.Conv2D(2, 3)(stem(pixels))))
    folded = folding.fold_batch_normalization(model, by_depthwise=True)
    expected, found = (np.asarray(m.predict_on_batch(patches)) for m in (model, folded))
    assert np.abs(expected).max() > 0
    assert np.array_equal(found, expected)


def test_dense_form_can_be_folded(model, patches):
    network = dense.dense_network(model, 16)
    scene = np.concatenate(list(patches))[np.newaxis]
    expected = np.asarray(network.predict_on_batch(scene))
    folded = folding.fold_batch_normalization(network, by_depthwise=True)
    assert expected.shape[1] == 13
    found = np.asarray(folded.predict_on_batch(scene))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()

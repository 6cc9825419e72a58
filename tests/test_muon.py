"""Muon: kernels of convolutions move by orthonormal directions, all else as Keras has it."""

import keras
import numpy as np
import pytest

from landuse import devices
from landuse.training import muon, optimizers

RATE = 0.01


def make_variables():
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 3, 16, 32), "first": (3, 3, 3, 32), "depthwise": (3, 3, 64, 1)}
    shapes |= {"gamma": (32,), "dense": (32, 10)}
    return [
        keras.Variable(rng.normal(size=shape).astype("float32"), name=name)
        for name, shape in shapes.items()
    ]


def take_step(optimizer, variables, seed=1):
    """Give how far each variable moves by gradients of which some directions are rare."""
    rng = np.random.default_rng(seed)
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]
    gradients = []
    for variable in variables:
        rare = np.geomspace(1, 0.03, variable.shape[-1])
        gradients.append(keras.ops.cast(rng.normal(size=variable.shape) * rare, "float32"))
    optimizer.apply(gradients, variables)
    moved = [
        keras.ops.convert_to_numpy(variable) - old
        for variable, old in zip(variables, before, strict=True)
    ]
    return dict(zip([variable.name for variable in variables], moved, strict=True)), gradients


def test_every_direction_of_a_kernel_moves_about_as_far():
    variables = make_variables()
    optimizer = optimizers.make_optimizer("Muon", RATE)
    optimizer.build(variables)
    moved, (gradient, *_) = take_step(optimizer, variables)
    sizes = np.linalg.svd(moved["kernel"].reshape(144, 32), compute_uv=False)
    assert 0.5 < sizes.min() / sizes.max() < 1  # of the gradient: about 0.03
    np.testing.assert_allclose(sizes.mean(), RATE * 0.2 * 144**0.5, rtol=0.2)
    matrix = keras.ops.convert_to_numpy(gradient).reshape(144, 32)
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    against = np.sum(-(left @ right) * moved["kernel"].reshape(144, 32))
    assert against / np.linalg.norm(moved["kernel"]) / 32**0.5 > 0.97


def test_all_else_moves_as_by_adamw():
    names = ("first", "depthwise", "gamma", "dense")
    ways = []
    for name in ("Muon", "AdamW"):
        variables = make_variables()
        optimizer = optimizers.make_optimizer(name, RATE, weight_decay=0.1, clip_norm=1.0)
        optimizer.build(variables)
        for seed in range(3):
            ways.append(take_step(optimizer, variables, seed)[0])
    for muon_, adamw_ in zip(ways[:3], ways[3:], strict=True):
        for name in names:
            np.testing.assert_allclose(muon_[name], adamw_[name], rtol=2e-3, atol=2e-6)


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def precision(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("precision")
def test_a_network_learns_by_it():
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 8))
    maps = keras.layers.Conv2D(16, 3, activation="relu")(pixels)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    model = keras.Model(
        pixels, keras.layers.Dense(2, activation="softmax", dtype="float32")(pooled)
    )
    recipe = optimizers.Recipe("Muon", "one_cycle", 0, 0.05, 1.0, average_weights=True, steps=8)
    model.compile(recipe.make(0.01, 15), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    values = rng.normal(size=(128, 8, 8, 8)).astype("float32")
    labels = (np.diff(values, axis=1).std(axis=(1, 2, 3)) > np.sqrt(2)).astype(int)
    values[labels == 1, ::2] *= -1.5
    history = model.fit(values, labels, batch_size=16, epochs=15, verbose=0, shuffle=False)
    assert history.history["accuracy"][-1] > 0.9 > history.history["accuracy"][0]


@pytest.mark.skipif(devices.backend() != "tensorflow", reason="of TensorFlow's graph")
def test_a_step_in_a_graph_is_that_without():
    import tensorflow as tf

    def kernel_after_a_step(in_graph):
        variables = make_variables()
        optimizer = muon.Muon(RATE)
        optimizer.build(variables)
        rng = np.random.default_rng(1)
        gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables]

        def step(values):
            optimizer.apply(values, variables)

        (tf.function(step) if in_graph else step)(gradients)
        return keras.ops.convert_to_numpy(variables[0])

    once, again = kernel_after_a_step(False), kernel_after_a_step(True)
    np.testing.assert_allclose(once, again, rtol=1e-5, atol=1e-6)


def test_each_optimizer_has_a_rate_of_its_own():
    rates = [optimizers.suiting_rate("ResNet9", name) for name in ("AdamW", "Muon", "SGD")]
    np.testing.assert_allclose(rates, [0.003, 0.005, 0.3])
    with pytest.raises(ValueError, match="OPTIMIZER = 'Adam': expected"):
        optimizers.suiting_rate("ResNet9", "Adam")


def test_only_what_is_not_given_is_filled_in():
    wrong = optimizers.what_suits("ResNet9", None, [], 0.0)  # stays, for the checks to refuse
    assert wrong == ("Muon", [], 0.0)
    assert optimizers.what_suits("ResNet50", None, None, None) == ("AdamW", [64], 1e-3)
    optimizer, sizes, rate = optimizers.what_suits("DenseNet201", None, None, None)
    assert (optimizer, sizes) == ("Muon", [32, 32, 48, 64])
    np.testing.assert_allclose(rate, 0.0017, rtol=0.03)

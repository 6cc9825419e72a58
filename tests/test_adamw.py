"""AdamW in one operation per variable: the weights that Keras's own makes, and the same state."""

import keras
import numpy as np
import pytest

from landuse import devices
from landuse.training import adamw, optimizers, run_folders

SHAPES = {"kernel": (50, 20), "bias": (20,), "gamma": (20,)}  # the first decays

pytestmark = pytest.mark.skipif(
    devices.backend() != "tensorflow", reason="other backends take AdamW as Keras has it"
)


def make_variables():
    rng = np.random.default_rng(0)
    return [
        keras.Variable(rng.normal(size=shape).astype("float32"), name=name)
        for name, shape in SHAPES.items()
    ]


def make_optimizer(kind, monkeypatch, variables, clip_norm=1.0, average=False):
    monkeypatch.setattr(adamw, "make", kind)
    schedule = optimizers.schedule("cosine", 0.01, 60, 5)
    optimizer = optimizers.make_optimizer("AdamW", schedule, 0.05, clip_norm, average)
    optimizer.build(variables)
    return optimizer


def take_steps(optimizer, variables, first, last, jit=False):
    """Apply gradients of all sizes, the same for the same numbers of steps."""
    import tensorflow as tf

    apply = tf.function(lambda gradients: optimizer.apply(gradients, variables), jit_compile=jit)
    for step in range(first, last):
        rng = np.random.default_rng(step)
        sizes = 10.0 ** rng.integers(-6, 2, len(variables))
        gradients = [
            tf.constant(rng.normal(size=variable.shape) * size, "float32")
            for variable, size in zip(variables, sizes, strict=True)
        ]
        apply(gradients)


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


@pytest.mark.parametrize(
    ("clip_norm", "average", "jit"),
    [(1.0, False, False), (None, False, False), (0.1, True, False), (1.0, False, True)],
)
def test_weights_are_those_of_keras(clip_norm, average, jit, monkeypatch):
    weights, states = [], []
    for kind in (keras.optimizers.AdamW, adamw.AdamW):
        variables = make_variables()
        optimizer = make_optimizer(kind, monkeypatch, variables, clip_norm, average)
        assert type(optimizer) is kind
        take_steps(optimizer, variables, 0, 100, jit)
        weights.append(values(variables))
        states.append(values(optimizer.variables))
    for ours, theirs, before in zip(*weights, make_variables(), strict=True):
        assert np.abs(theirs - before).max() > 0.05
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)
    for ours, theirs in zip(*states, strict=True):
        # TensorFlow's operation rounds 1 - 0.999 to 0.99998714e-3, Keras in Python to 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6 * np.abs(theirs).max())


def test_a_run_begun_with_that_of_keras_goes_on(tmp_path, monkeypatch):
    """The state that the one wrote is read by the other, and both go on alike."""
    variables = make_variables()
    begun = make_optimizer(keras.optimizers.AdamW, monkeypatch, variables)
    take_steps(begun, variables, 0, 20)
    arrays = {f"optimizer_{i}": value for i, value in enumerate(values(begun.variables))}
    arrays |= {f"model_{i}": value for i, value in enumerate(values(variables))}
    run_folders.write_state(tmp_path / "state", run_folders.State(), arrays)
    take_steps(begun, variables, 20, 50)

    others = make_variables()
    further = make_optimizer(adamw.AdamW, monkeypatch, others)
    _, arrays = run_folders.read_state(tmp_path / "state")
    run_folders.assign(others, arrays, "model")
    run_folders.assign(further.variables, arrays, "optimizer")
    take_steps(further, others, 20, 50)
    assert int(further.iterations) == 50
    for ours, theirs in zip(values(others), values(variables), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_it_learns_in_every_precision(precision):
    """A line, 4 x, is found by a layer of one weight; float16 wraps the optimizer."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        number = keras.Input((1,))
        model = keras.Model(number, keras.layers.Dense(1, use_bias=False, dtype="float32")(number))
        model.compile(optimizers.make_optimizer("AdamW", 0.05), "mse")
    finally:
        keras.config.set_dtype_policy(policy)
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    assert type(inner) is adamw.AdamW
    numbers = np.tile(np.linspace(-1, 1, 32), 300)[:, None]  # one epoch: each has a cost of its own
    model.fit(numbers, 4 * numbers, batch_size=32, shuffle=False, verbose=0)
    assert float(model.layers[-1].kernel[0, 0]) == pytest.approx(4, abs=0.05)


def test_other_backends_take_that_of_keras(monkeypatch):
    monkeypatch.setattr(devices, "backend", lambda: "jax")
    assert type(adamw.make(weight_decay=0.1)) is keras.optimizers.AdamW

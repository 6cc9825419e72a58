"""In which arithmetic a network is trained and predicts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from landuse import choices, devices

if TYPE_CHECKING:
    import keras

PRECISIONS = ("auto", "float32", "bfloat16")

TRAINING_PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


def set_precision(precision: str) -> str:
    """Set the arithmetic of all layers that do not insist on float32, and return its name.

    Parameters
    ----------
    precision : str
        "float32", "mixed_bfloat16", "mixed_float16", or "auto": bfloat16 where the processor or
        the GPU computes with it, float16 on older GPUs, else float32.
    """
    import keras

    choices.check_choice("PRECISION", precision, TRAINING_PRECISIONS)
    chosen = _best_precision() if precision == "auto" else precision
    keras.config.set_dtype_policy(chosen)
    return chosen


def _best_precision() -> str:
    if devices.is_fast_in_bfloat16():
        return "mixed_bfloat16"
    return "mixed_float16" if devices.gpus() else "float32"


def with_precision(model: keras.Model, precision: str) -> keras.Model:
    """Give a model of the same weights whose base network and top compute in a precision.

    What stands before the base network, the mean over its features and the probabilities are
    float32, whatever the model was trained in.
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer, policy in _policies(copy, precision):
        layer.dtype_policy = policy
    return copy


@contextlib.contextmanager
def in_precision(model: keras.Model, precision: str) -> Iterator[keras.Model]:
    """Give the model of `with_precision` to a block that copies each of its layers.

    That is `model` itself, whose layers say within the block that they compute in the precision.
    A copy of it would cost as many seconds as the one that the block makes.
    """
    import keras

    if any(isinstance(layer, keras.Sequential) for layer in _models_in(model)):
        yield with_precision(model, precision)  # those are not copied
        return
    policies = _policies(model, precision)
    before = [(layer, layer.dtype_policy) for layer, _ in policies]
    was_compiled, model.compiled = model.compiled, False  # copies are then without an optimizer
    try:
        for layer, policy in policies:
            layer.dtype_policy = policy
        yield model
    finally:
        model.compiled = was_compiled
        for layer, policy in before:
            layer.dtype_policy = policy


def _policies(model: keras.Model, precision: str) -> list[tuple[Any, Any]]:
    """Give each layer of a model with its precision; of several, the last counts."""
    import keras

    hidden = [layer for layer in model.layers[:-1] if isinstance(layer, keras.layers.Dense)]
    chosen = "float32" if precision == "float32" else f"mixed_{precision}"
    return [
        *((layer, "float32") for layer in (model, *model.layers)),
        *((layer, chosen) for layer in _base_layers(model) + hidden),
    ]


def _models_in(model: keras.Model) -> list[keras.Model]:
    """Networks nested in a model, however deep."""
    import keras

    found = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return found + [inner for layer in found for inner in _models_in(layer)]


def _base_layers(model: keras.Model) -> list[Any]:
    """Layers of the networks nested in a model, however deep."""
    import keras

    nested = [layer for network in _models_in(model) for layer in network.layers]
    return [layer for layer in nested if not isinstance(layer, keras.Model)]

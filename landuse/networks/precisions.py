"""In which arithmetic a network is trained and predicts."""

from __future__ import annotations

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
    for layer in [copy, *copy.layers]:
        layer.dtype_policy = "float32"
    hidden = [layer for layer in copy.layers[:-1] if isinstance(layer, keras.layers.Dense)]
    for layer in _base_layers(copy) + hidden:
        layer.dtype_policy = "float32" if precision == "float32" else f"mixed_{precision}"
    return copy


def _base_layers(model: keras.Model) -> list[Any]:
    """Layers of the networks nested in a model, however deep."""
    import keras

    layers = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            layers += [inner for inner in layer.layers if not isinstance(inner, keras.Model)]
            layers += _base_layers(layer)
    return layers

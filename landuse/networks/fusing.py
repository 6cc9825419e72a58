"""Networks made ready for training: batch normalisation in one pass over the maps.

Keras computes a BatchNormalization by mean, variance and several products, each of which reads and
writes the maps, in float32 whatever the precision. TensorFlow has one operation for all of it,
which oneDNN computes on processors; Keras 3 does not use it. DenseNet201 trains 1.35 (float32) and
1.73 times (bfloat16) as fast by it (benchmarks/README.md).
"""

from typing import Any

import keras
from keras import ops

from landuse import devices
from landuse.networks import bases


def fuse_batch_normalization(model: keras.Model) -> None:
    """Let the batch normalisations of a model compute in one operation, where that is faster.

    Only with oneDNN. The layers stay what they are, and so does what is saved of them; results are
    the same to rounding.

    Parameters
    ----------
    model : keras.Model
        With networks nested in it.
    """
    if not devices.has_onednn():
        return
    for layer in bases.batch_normalizations(model):
        if type(layer) is keras.layers.BatchNormalization and _is_of_channels(layer):
            layer.call = _FusedCall(layer)


def _is_of_channels(layer: Any) -> bool:
    return not layer.renorm and layer.input_spec.ndim == 4 and layer.axis in (-1, 3)


class _FusedCall:
    """Stands in for the `call` of a BatchNormalization."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        from tensorflow import raw_ops

        layer = self.layer
        learns = bool(training and layer.trainable)
        mean, variance = layer.moving_mean, layer.moving_variance
        nothing = ops.zeros((0,), "float32")
        values = {
            "scale": ops.ones_like(mean) if layer.gamma is None else layer.gamma,
            "offset": ops.zeros_like(mean) if layer.beta is None else layer.beta,
            "mean": nothing if learns else mean,
            "variance": nothing if learns else variance,
        }
        outputs, batch_mean, batch_variance, *_ = raw_ops.FusedBatchNormV3(
            x=inputs,
            **{name: ops.convert_to_tensor(value) for name, value in values.items()},
            epsilon=layer.epsilon,
            is_training=learns,
        )
        if learns:
            # TensorFlow divides by one value less than there are (Bessel), Keras by all of them.
            count = ops.cast(ops.prod(ops.shape(inputs)[:3]), "float32")
            batch_variance = batch_variance * ((count - 1) / count)
            for average, value in ((mean, batch_mean), (variance, batch_variance)):
                average.assign(average * layer.momentum + value * (1 - layer.momentum))
        return outputs

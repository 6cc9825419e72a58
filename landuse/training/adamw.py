"""AdamW in one operation for each variable, on TensorFlow.

Keras writes AdamW as some twenty operations for each variable and computes the learning rate anew
for each that decays: DenseNet201 has 604 variables. TensorFlow has one operation for a variable and
its two moments. Weights stay what Keras makes of them to rounding, and the state of the optimizer
is the same: a run that was begun with the one goes on with the other.
"""

from typing import Any

import keras
from keras import ops

from landuse import devices


def make(**options: Any) -> keras.optimizers.AdamW:
    """Make AdamW: that of Keras, on TensorFlow with fewer operations.

    Parameters
    ----------
    **options
        Of `keras.optimizers.AdamW`.
    """
    kind = AdamW if devices.backend() == "tensorflow" else keras.optimizers.AdamW
    return kind(**options)


@keras.saving.register_keras_serializable("landuse")
class AdamW(keras.optimizers.AdamW):
    """AdamW as Keras has it, computed by `ResourceApplyAdam` of TensorFlow."""

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Leave it to `update_step`."""

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        """Compute once what is the same for all variables, then update each."""
        betas = (self.beta_1, self.beta_2)
        shared = shared_by_all(learning_rate, self.iterations, betas, self.epsilon)
        shared["decay"] = ops.cast(learning_rate, "float32") * self.weight_decay
        super()._backend_update_step(grads, trainable_variables, shared)

    def update_step(self, gradient: Any, variable: Any, learning_rate: dict[str, Any]) -> None:
        """Let a variable decay and move by its gradient; `learning_rate` is all that is shared."""
        index = self._get_variable_index(variable)
        shared = dict(learning_rate)
        decay = ops.cast(shared.pop("decay"), variable.dtype)
        if self._use_weight_decay(variable):
            variable.assign_sub(variable * decay)
        move(variable, self._momentums[index], self._velocities[index], gradient, shared)


def shared_by_all(
    learning_rate: Any, iterations: Any, betas: tuple[float, float], epsilon: float
) -> dict[str, Any]:
    """Compute for a step what is the same for all variables, on TensorFlow.

    The learning rate takes in the correction of both moments' bias (Kingma and Ba, 2015, end
    of section 2), so that the operation, which could do so too, is told of powers of zero.

    Parameters
    ----------
    learning_rate : scalar tensor
    iterations : keras.Variable
        Steps that are done.
    betas : tuple of float
        How much of both moments is kept.
    epsilon : float
    """
    import tensorflow as tf

    rate = tf.cast(learning_rate, tf.float32)
    step = tf.cast(iterations + 1, tf.float32)
    first, second = betas
    return {
        "lr": rate * tf.sqrt(1 - second**step) / (1 - first**step),
        "beta1": tf.constant(first),
        "beta2": tf.constant(second),
        "epsilon": tf.constant(epsilon),
        "beta1_power": tf.constant(0.0),
        "beta2_power": tf.constant(0.0),
    }


def move(variable: Any, m: Any, v: Any, gradient: Any, shared: dict[str, Any]) -> None:
    """Move a variable by its gradient, and both moments, in one operation of TensorFlow."""
    import tensorflow as tf

    kind = variable.dtype
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=m.value.handle,
        v=v.value.handle,
        grad=tf.cast(gradient, kind),
        **{name: tf.cast(value, kind) for name, value in shared.items()},
    )

"""AdamW in one operation for each variable, on TensorFlow.

Keras writes AdamW as some twenty operations for each variable and computes the learning rate anew
for each that decays: DenseNet201 has 604 variables. TensorFlow has one operation for a variable and
its two moments. Weights stay what Keras makes of them to rounding, and the state of the optimizer
is the same: a run that was begun with the one goes on with the other.
"""

from typing import Any

import keras

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
        """Compute once what is the same for all variables, then update each.

        The learning rate takes in the correction of both moments' bias (Kingma and Ba, 2015, end
        of section 2), so that the operation, which could do so too, is told of powers of zero.
        """
        import tensorflow as tf

        rate = tf.cast(learning_rate, tf.float32)
        step = tf.cast(self.iterations + 1, tf.float32)
        shared = {
            "lr": rate * tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step),
            "beta1": tf.constant(self.beta_1),
            "beta2": tf.constant(self.beta_2),
            "epsilon": tf.constant(self.epsilon),
            "beta1_power": tf.constant(0.0),
            "beta2_power": tf.constant(0.0),
            "decay": rate * self.weight_decay,
        }
        super()._backend_update_step(grads, trainable_variables, shared)

    def update_step(self, gradient: Any, variable: Any, learning_rate: dict[str, Any]) -> None:
        """Let a variable decay and move by its gradient; `learning_rate` is all that is shared."""
        import tensorflow as tf

        kind, index = variable.dtype, self._get_variable_index(variable)
        shared = {name: tf.cast(value, kind) for name, value in learning_rate.items()}
        decay = shared.pop("decay")
        if self._use_weight_decay(variable):
            variable.assign_sub(variable * decay)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=tf.cast(gradient, kind),
            **shared,
        )

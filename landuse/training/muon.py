"""Muon for convolutional networks: every direction of a kernel learns equally fast.

A step of AdamW follows what most images of a batch agree on. Muon brings the momentum of a weight
matrix to the nearest matrix with orthonormal rows or columns first, so that rare directions move as
far as frequent ones (K. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon). Keras has
it for matrices; here the kernel of a convolution is one, with a column for each channel it gives.
All other weights learn by AdamW.
"""

import math
from typing import Any

import keras
from keras import ops

from landuse import devices
from landuse.training import adamw

_LEAST_ROWS = 64  # fewer weights a channel, as of a first layer, have few directions to find


@keras.saving.register_keras_serializable("landuse")
class Muon(keras.optimizers.Muon):
    """Muon as Keras has it, for the kernels of convolutions.

    Rates are about those of AdamW: as there, a weight moves by 0.2 of the rate in the mean (Liu et
    al. 2025, https://arxiv.org/abs/2502.16982).
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        *rows, columns = variable.shape
        return len(rows) != 3 or columns == 1 or math.prod(rows) < _LEAST_ROWS

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        step = ops.add(gradient, self.momentum * m) if self.nesterov else m
        columns = variable.shape[-1]
        rows = math.prod(variable.shape[:-1])
        matrix = ops.cast(ops.reshape(step, (rows, columns)), _kind())
        directions = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        step = ops.cast(ops.reshape(directions, variable.shape), variable.dtype)
        self.assign_sub(variable, lr * (self.rms_rate * math.sqrt(max(rows, columns))) * step)

    def _adamw_update_step(
        self, gradient: Any, variable: Any, learning_rate: Any, m: Any, v: Any
    ) -> None:
        if devices.backend() != "tensorflow":
            super()._adamw_update_step(gradient, variable, learning_rate, m, v)
            return
        betas = (self.adam_beta_1, self.adam_beta_2)
        shared = adamw.shared_by_all(learning_rate, self.iterations, betas, self.epsilon)
        adamw.move(variable, m, v, gradient, shared)


def _kind() -> str:
    """In which precision directions are found: bfloat16 is enough, where the network has it."""
    kind = keras.config.dtype_policy().compute_dtype
    return kind if kind == "bfloat16" else "float32"

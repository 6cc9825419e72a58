"""The loss of a network that gives several labels: yes or no for each class."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def yes_weights(shares: np.ndarray, power: float) -> np.ndarray:
    """Weight of a class where it is there, beside 1 where it is not.

    Parameters
    ----------
    shares : ndarray of shape (classes,)
        Of the training patches, that have the class.
    power : float
        0: all weigh 1; 1: yes and no weigh the same in all. Rare classes weigh 100 at most.

    Returns
    -------
    ndarray of shape (classes,), float32
    """
    odds = (1 - shares) / np.maximum(shares, 1e-9)
    return np.clip(odds, 1.0, 100.0).astype(np.float32) ** np.float32(power)


class LabelLoss(keras.losses.Loss):
    """Binary cross-entropy of each class, weighted, or focal (Lin et al. 2017, arXiv 1708.02002).

    Without weights and focus it is `keras.losses.BinaryCrossentropy`, which cannot weigh classes.

    Parameters
    ----------
    weights : sequence of float
        Of each class where it is there.
    focus : float
        Gamma of the focal loss; 0: cross-entropy.
    smoothing : float
        0.1 asks for 0.95 and 0.05 instead of 1 and 0.
    """

    def __init__(self, weights: Sequence[float], focus: float = 0.0, smoothing: float = 0.0):
        super().__init__(name="label_loss")
        self.weights = np.asarray(weights, np.float32)
        self.focus, self.smoothing = focus, smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Give the loss of each patch: shares (batch, classes) and probabilities to (batch,)."""
        small = keras.config.epsilon()
        found = ops.clip(ops.cast(y_pred, "float32"), small, 1 - small)
        wanted = ops.cast(y_true, "float32") * (1 - self.smoothing) + self.smoothing / 2
        yes, no = -ops.log(found), -ops.log(1 - found)
        if self.focus:
            yes, no = yes * (1 - found) ** self.focus, no * found**self.focus
        return ops.mean(wanted * self.weights * yes + (1 - wanted) * no, axis=-1)

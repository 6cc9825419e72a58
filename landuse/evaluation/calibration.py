"""How far probabilities have to be sharpened or softened to be right as often as they say."""

from typing import Any

import numpy as np

LEAST, MOST = 0.2, 5.0  # temperatures that are looked for


def best_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Give the temperature at which the probabilities fit the labels best.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599: logits are divided by one number, which
    changes no label. It is the one with the least negative log likelihood.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes), 0..1
    labels : ndarray of shape (N,), int

    Returns
    -------
    float
        Above 1: the probabilities were too sure; below 1: not sure enough. 0.2 to 5.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12))
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean())

    found = minimize_scalar(loss, bounds=np.log([LEAST, MOST]), method="bounded")
    return float(np.exp(found.x))


def set_temperature(model: Any, temperature: float) -> None:
    """Divide the logits of a classifier by a temperature, inside of its last dense layer.

    Parameters
    ----------
    model : keras.Model
        Ends with a dense layer "probabilities" with softmax, as `tops.new_top` makes it.
    temperature : float
    """
    top = model.get_layer("probabilities")
    top.set_weights([weights / temperature for weights in top.get_weights()])

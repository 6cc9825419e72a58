"""Optimizers, and learning rates that rise and fall."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from landuse import choices
from landuse.training import limits


@keras.saving.register_keras_serializable("landuse")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that warms up in a straight line and then falls, or stays.

    Parameters
    ----------
    kind : str
        "cosine": falls to a hundredth along half a cosine; "one_cycle": the same, but warms up
        over the first 30 % of the steps and falls to a ten-thousandth; "constant": stays.
    peak : float
        The highest rate.
    steps, warmup_steps : int
        Steps altogether, and those to warm up in.
    """

    def __init__(self, kind: str, peak: float, steps: int, warmup_steps: int) -> None:
        choices.check_choice("SCHEDULE", kind, limits.SCHEDULES)
        self.kind = kind
        self.peak = peak
        self.steps = steps
        self.warmup_steps = int(0.3 * steps) if kind == "one_cycle" else warmup_steps

    def __call__(self, step: Any) -> Any:
        """Rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        rising = (step + 1.0) / float(self.warmup_steps + 1)
        rest = max(self.steps - self.warmup_steps, 1)
        progress = ops.clip((step - self.warmup_steps) / float(rest), 0.0, 1.0)
        end = {"cosine": 1e-2, "one_cycle": 1e-4, "constant": 1.0}[self.kind]
        falling = end + (1.0 - end) * 0.5 * (1.0 + ops.cos(math.pi * progress))
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict:
        """Give what makes the same schedule again."""
        return {
            "kind": self.kind,
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
        }


def make_optimizer(
    name: str,
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    average_weights: bool = False,
) -> keras.optimizers.Optimizer:
    """Make an optimizer that leaves biases and normalisations out of the weight decay.

    Parameters
    ----------
    name : str
        "AdamW", or "SGD" with Nesterov momentum 0.9.
    learning_rate : schedule or float
    weight_decay : float
        Share of a weight that is taken off per step and unit of learning rate.
    clip_norm : float, optional
        Longer gradients (over all weights) are scaled down to this length.
    average_weights : bool
        Also keep an exponential moving average of the weights over about 1000 steps.
    """
    choices.check_choice("OPTIMIZER", name, limits.OPTIMIZERS)
    options: dict[str, Any] = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay or None,
        "global_clipnorm": clip_norm or None,
        "use_ema": average_weights,
        "ema_momentum": 0.999,
    }
    if name == "AdamW":
        options["weight_decay"] = weight_decay
        optimizer = keras.optimizers.AdamW(**options)
    else:
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def scheduled_optimizer(
    settings: Mapping[str, Any], learning_rate: float, epochs: int, steps: int
) -> keras.optimizers.Optimizer:
    """Make an optimizer with its schedule, by the constants of a script.

    Parameters
    ----------
    settings : mapping
        OPTIMIZER, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM and EMA.
    learning_rate : float
        The highest rate.
    epochs, steps : int
        Epochs that the schedule spans, and steps of each.
    """
    warmup_steps = int(settings["WARMUP_EPOCHS"] * steps)
    return make_optimizer(
        settings["OPTIMIZER"],
        Schedule(settings["SCHEDULE"], learning_rate, epochs * steps, warmup_steps),
        settings["WEIGHT_DECAY"],
        settings["CLIP_NORM"],
        settings["EMA"],
    )


def make_variables(model: keras.Model) -> None:
    """Make the variables of a compiled model's optimizer and metrics, before its first step.

    Left to itself, Keras makes them while TensorFlow traces that step, which then is traced twice:
    with DenseNet201 and its 604 variables, that is over half a minute.
    """
    model.optimizer.build(model.trainable_variables)
    nothing = np.zeros([size or 1 for size in model.output_shape], np.float32)
    model.compute_metrics(None, nothing, nothing)
    model.reset_metrics()

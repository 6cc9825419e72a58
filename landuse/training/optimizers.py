"""Optimizers, and learning rates that rise and fall."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from landuse import choices
from landuse.networks import catalogue
from landuse.training import adamw, limits, muon, parallel

_END = {"cosine": 1e-2, "one_cycle": 1e-4, "constant": 1.0}  # share of the highest rate
_ONE_CYCLE_RISES = 0.3  # share of the steps
_TIMES_ADAMW = {"AdamW": 1, "Muon": 5 / 3, "SGD": 100}  # the rate that suits, in batches of 64


def schedule(
    kind: str, peak: float, steps: int, warmup_steps: int
) -> keras.optimizers.schedules.CosineDecay:
    """Make a rate that warms up in a straight line and then falls, or stays.

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
    choices.check_choice("SCHEDULE", kind, limits.SCHEDULES)
    rising = int(_ONE_CYCLE_RISES * steps) if kind == "one_cycle" else warmup_steps
    return keras.optimizers.schedules.CosineDecay(
        peak / (rising + 1),
        decay_steps=max(steps - rising, 1),
        alpha=_END[kind],
        warmup_target=peak if rising else None,
        warmup_steps=rising,
    )


def suiting_rate(network: str, optimizer: str) -> float:
    """Give the highest rate for training a network from scratch by an optimizer.

    That of AdamW is in the catalogue of networks. Muon's was found with ResNet9: 0.005.

    Parameters
    ----------
    network, optimizer : str
    """
    choices.check_choice("OPTIMIZER", optimizer, limits.OPTIMIZERS)
    return catalogue.network(network).learning_rate * _TIMES_ADAMW[optimizer]


def what_suits(
    network: str, optimizer: str | None, sizes: Sequence[int] | None, rate: float | None
) -> tuple[str, list[int], float]:
    """Give the optimizer, picture sizes and highest rate that suit a network, where they are None.

    What was given stays, to be checked with the other settings.
    """
    known = catalogue.network(network)
    optimizer = known.optimizer if optimizer is None else optimizer
    sizes = known.picture_sizes if sizes is None else sizes
    rate = suiting_rate(network, optimizer) if rate is None else rate
    return optimizer, list(sizes), rate


def make_optimizer(
    name: str,
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    average_weights: bool = False,
    average_over: float = 1000,
) -> keras.optimizers.Optimizer:
    """Make an optimizer that leaves biases and normalisations out of the weight decay.

    Parameters
    ----------
    name : str
        "AdamW", "Muon" (`muon`), or "SGD" with Nesterov momentum 0.9.
    learning_rate : schedule or float
    weight_decay : float
        Share of a weight that is taken off per step and unit of AdamW's learning rate: SGD, whose
        rates are a hundred times as high, takes a hundredth of it.
    clip_norm : float, optional
        Longer gradients (over all weights) are scaled down to this length.
    average_weights : bool
        Also keep an exponential moving average of the weights.
    average_over : float
        Steps, above 1: the average forgets a weight to 37 % in so many.
    """
    choices.check_choice("OPTIMIZER", name, limits.OPTIMIZERS)
    options: dict[str, Any] = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay or None,
        "global_clipnorm": clip_norm or None,
        "use_ema": average_weights,
        "ema_momentum": 1 - 1 / average_over,
    }
    optimizer: keras.optimizers.Optimizer
    if name == "AdamW":
        options["weight_decay"] = weight_decay
        optimizer = adamw.make(**options)
    elif name == "Muon":
        optimizer = muon.Muon(adam_weight_decay=weight_decay or None, **options)
    else:
        options["weight_decay"] = weight_decay / _TIMES_ADAMW["SGD"] or None
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    parallel.clip_whole_gradients(optimizer)
    return optimizer


def steps_to_average(steps: int) -> float:
    """Say over how many of these steps a moving average of the weights is kept.

    A tenth of them, 1000 at most. The average begins with the weights of the first step, and one
    over 1000 steps remembers them too long where a training is short: of ResNet9 from scratch it
    was right in 11 % of the validation images after two epochs of 135 steps, the network in 51 %.
    """
    return float(min(1000, max(2, steps / 10)))


def fitting_epochs(epochs: int | None, steps: int) -> int:
    """Give the epochs in which a new top learns: those that are wished, or for None what fits.

    That is 5, or with few images as many as make 320 steps: with 120 patches of ten classes in
    batches of 16 (MobileNetV2, weights of ImageNet), a top of 40 steps was right in 38.0 % of 300
    others, one of 160 steps in 66.3 % and one that might take 320 and was best after 200 in 72.0 %.

    Parameters
    ----------
    epochs : int or None
    steps : int
        Of an epoch.
    """
    return max(5, math.ceil(320 / steps)) if epochs is None else epochs


@dataclass(frozen=True)
class Recipe:
    """How weights are changed in every phase of a run, but for the rate and the epochs.

    Parameters
    ----------
    optimizer : str
        See `make_optimizer`.
    schedule : str
        See `schedule`.
    warmup_epochs : float
        The rate rises to its highest over these.
    weight_decay, clip_norm, average_weights
        See `make_optimizer`.
    steps : int
        Steps of an epoch.
    """

    optimizer: str
    schedule: str
    warmup_epochs: float
    weight_decay: float
    clip_norm: float
    average_weights: bool
    steps: int

    def make(
        self, learning_rate: float, epochs: int | None, steps_of_epoch: int | None = None
    ) -> keras.optimizers.Optimizer:
        """Make the optimizer of a phase that reaches this rate and lasts so many epochs.

        None: as many as `fitting_epochs` gives, and of as many steps as the recipe says.
        """
        steps_of_epoch = steps_of_epoch or self.steps
        steps = fitting_epochs(epochs, steps_of_epoch) * steps_of_epoch
        warmup_steps = int(self.warmup_epochs * steps_of_epoch)
        return make_optimizer(
            self.optimizer,
            schedule(self.schedule, learning_rate, steps, warmup_steps),
            self.weight_decay,
            self.clip_norm,
            self.average_weights,
            steps_to_average(steps),
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

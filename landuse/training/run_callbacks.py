"""What happens around the epochs of a run: keep the best, stop early, average, stop at NaN."""

import contextlib
import importlib.util
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from landuse.training import parallel

if TYPE_CHECKING:
    from landuse.training import runs

MONITOR = "val_accuracy"  # what decides on the best epoch, unless a run says otherwise


class StopAtNaN(keras.callbacks.Callback):
    """Stop as soon as the loss is no number any more; the best model is kept."""

    def __init__(self, run: "runs.Run") -> None:
        super().__init__()
        self.run = run
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: D102
        if math.isfinite(float((logs or {}).get("loss", 0.0))):
            return
        kept = self.run.model_path
        good = f"the last good model is {kept}" if kept.exists() else "no model was kept yet"
        raise ValueError(
            f"the loss became NaN or infinite in epoch {self.epoch + 1}, step {batch + 1}; {good}. "
            "Try a lower LEARNING_RATE, more WARMUP_EPOCHS or PRECISION = 'float32', in another "
            "PATH_TO_RUN"
        )


class NoteEpoch(keras.callbacks.Callback):
    """Note how an epoch went, and whether it was the best; first of all, for others to look at."""

    def __init__(self, run: "runs.Run") -> None:
        super().__init__()
        self.run = run
        self.started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        state = self.run.state
        values = {name: float(value) for name, value in (logs or {}).items()}
        state.history.append(
            {
                "epoch": len(state.history) + 1,
                "phase": state.phase,
                **values,
                "learning_rate": float(ops.convert_to_numpy(self.model.optimizer.learning_rate)),
                "seconds": round(time.monotonic() - self.started, 1),
            }
        )
        value = values.get(self.run.monitor)  # None: this epoch was not validated
        if value is not None and value > state.best:
            state.best, state.best_epoch = value, len(state.history)


class KeepBest(keras.callbacks.Callback):
    """Save the model whenever its validation accuracy is the highest so far, over restarts too."""

    def __init__(self, run: "runs.Run") -> None:
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        if self.run.state.is_best_now:
            with averaged_weights(self.model):
                self.run.save_model()


class StopEarly(keras.callbacks.Callback):
    """Stop when the validation accuracy has not risen for some epochs, over restarts too.

    Parameters
    ----------
    run : Run
    patience : int
        Epochs to wait.
    """

    def __init__(self, run: "runs.Run", patience: int) -> None:
        super().__init__()
        self.run = run
        self.patience = patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        state = self.run.state
        state.waited = 0 if state.is_best_now else state.waited + 1
        if state.waited >= self.patience and self.run.monitor in (logs or {}):
            print(f"\nno better for {self.patience} epochs: stopped")
            self.model.stop_training = True


class SaveState(keras.callbacks.Callback):
    """Write state and history after each epoch; the last of all, so that a whole epoch is there."""

    def __init__(self, run: "runs.Run", epochs: int) -> None:
        super().__init__()
        self.run = run
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        state = self.run.state
        state.phase_epoch = epoch + 1
        if self.model.stop_training or epoch + 1 == self.epochs:
            state.phases_done.append(state.phase)
        self.run.write_state(self.model)


class InOrder(keras.callbacks.Callback):
    """Says at the beginning of each epoch which one it is.

    For several devices, TensorFlow reads an epoch ahead before the first, which the batches would
    take for an epoch that was trained.
    """

    def __init__(self, run: "runs.Run", batches: Any) -> None:
        super().__init__()
        self.run, self.batches = run, batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        self.batches.epoch = len(self.run.state.history)


def tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    """Make the callback that TensorBoard looks at, where TensorBoard is installed."""
    if importlib.util.find_spec("tensorboard") is None or keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(folder, write_graph=False)]


class AverageForValidation(keras.callbacks.Callback):
    """Validate with the moving average of the weights, train on with the weights themselves.

    Also in the next `model.fit`, with larger pictures or of another phase: Keras ends each with the
    average in the place of the weights, and a run that goes on from its state has the weights.
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        self.own = [np.array(ops.convert_to_numpy(v)) for v in self.model.trainable_variables]

    def on_train_end(self, logs: Any = None) -> None:  # noqa: D102
        for variable, value in zip(self.model.trainable_variables, self.own, strict=True):
            variable.assign(value)

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: D102
        self.swap = averaged_weights(self.model)
        self.swap.__enter__()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: D102
        self.swap.__exit__(None, None, None)


def averaging(model: keras.Model) -> list[keras.callbacks.Callback]:
    """Make the callback that validates with averaged weights, where the optimizer keeps any."""
    return [AverageForValidation()] if _keeps_average(model) else []


def _keeps_average(model: keras.Model) -> bool:
    # float16 wraps the optimizer into one that scales the loss
    return getattr(model.optimizer, "inner_optimizer", model.optimizer).use_ema


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Put the moving average of the weights into a model, if its optimizer keeps one."""
    if not _keeps_average(model):
        yield
        return
    weights = [np.array(ops.convert_to_numpy(v)) for v in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:
        # JAX gave both the same memory, and frees that of the weights when it validates.
        variable.assign(np.array(ops.convert_to_numpy(variable)))
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)


def around(
    run: "runs.Run",
    model: keras.Model,
    batches: Any,
    epochs: int,
    wanted: Sequence[keras.callbacks.Callback],
) -> list[keras.callbacks.Callback]:
    """Put what every phase of a run needs around the callbacks of the script, in its order.

    Parameters
    ----------
    run : Run
    model : keras.Model
        Compiled.
    batches : keras.utils.PyDataset
        To train with.
    epochs : int
        Of the phase.
    wanted : sequence of keras.callbacks.Callback
    """
    return [
        StopAtNaN(run),
        *averaging(model),
        NoteEpoch(run),
        *([InOrder(run, batches)] if parallel.count() > 1 else []),
        *wanted,
        SaveState(run, epochs),
    ]

"""A training run in a folder of its own, which goes on from its last finished epoch.

After every epoch the folder holds a whole state (weights, optimizer, best score, patience,
history), so a run that was killed at any moment goes on when it is started again.
"""

import contextlib
import datetime
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from landuse import devices, sensors
from landuse.evaluation import predictions
from landuse.networks import fusing, model_files, precisions
from landuse.training import (
    growing,
    limits,
    measuring,
    optimizers,
    parallel,
    processes,
    run_callbacks,
    run_folders,
    training_data,
)


class Run:
    """A run folder: what was set, how far it came, its best model.

    Use `start` or `open_run`, which also lock the folder.

    Parameters
    ----------
    folder : Path
    settings : dict
        The constants of the script, which are written beside the result; nothing is looked up in
        them.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.kept: keras.Model | None = None  # what is saved when it is the best
        self.monitor = run_callbacks.MONITOR  # metric by which an epoch is the best
        self.record: dict[str, Any] = {}
        self.sharing = contextlib.ExitStack()  # of batches among devices; closed when it ends
        self.devices: int | str = 1
        self.state, self._arrays = run_folders.read_state(folder / run_folders.STATE_FILE)

    @property
    def model_path(self) -> Path:
        """The best model so far."""
        return self.folder / "model.keras"

    def is_finished(self) -> bool:
        """Tell whether everything is done already, and say so on the screen."""
        if self.state.finished:
            print(
                f"this run is finished: {self._how_right()}; for another one, give another "
                f"PATH_TO_RUN\nmodel: {self.model_path}"
            )
        return self.state.finished

    def _how_right(self) -> str:
        epochs = len(self.state.history)
        best = f"best in epoch {self.state.best_epoch} of {epochs}, " if epochs else ""
        return f"{best}{100 * self.state.best:.2f} % validation {self._what_is_best}"

    @property
    def _what_is_best(self) -> str:
        return self.monitor.removeprefix("val_").replace("_", " ")

    def describe(self, data: training_data.Data, network: str, weights: str | None = None) -> None:
        """Note what the saved model has to tell about itself, and say what is ahead.

        Raises
        ------
        ValueError
            If this run was started with other images.
        """
        images = data.images_digest()
        processes.agree("the images of the split", images)
        if not training_data.same_images(self.state.images, images):
            raise ValueError(
                f"{self.folder} holds a run with other images: the split has changed since. Give "
                "another PATH_TO_RUN"
            )
        self.state.images = images
        self.record = {
            "class_names": data.class_names,
            "band_names": data.band_names,
            "units": data.units,
            "patch_size": sensors.PATCH_SIZE,
            "statistics": data.statistics,
            "network": network,
            "weights": run_folders.without_absolute_paths({"weights": weights})["weights"],
            "dense": False,
            "mosaic": None,
            "processing_level": data.level,
            "built_in_sample": data.built_in_sample,
            "run": self.folder.resolve().name,
            "split": data.split,
            "settings": run_folders.without_absolute_paths(self.settings),
            "versions": run_folders.versions(),
            "results": {"validation_images": len(data.validation.labels)},
        }
        print(
            f"{network}, {len(data.band_names)} bands, {len(data.class_names)} classes; "
            f"{len(data.train.labels)} images to train, {len(data.validation.labels)} to validate; "
            f"{devices.describe()}"
        )

    def keep_best(self) -> keras.callbacks.Callback:
        """Make the callback that saves model.keras whenever the validation accuracy is highest."""
        return run_callbacks.KeepBest(self)

    def stop_early(self, patience: int) -> keras.callbacks.Callback:
        """Make the callback that ends a phase after so many epochs that were not better."""
        return run_callbacks.StopEarly(self, patience)

    def tensorboard(self) -> list[keras.callbacks.Callback]:
        """Make the callback that TensorBoard looks at, if it is installed."""
        return run_callbacks.tensorboard(self.folder / "logs")

    @contextlib.contextmanager
    def one_device(self) -> Iterator[None]:
        """Let finished models answer as if there were one device, before a network is made."""
        self.sharing.close()
        yield
        self.sharing.enter_context(parallel.using(self.devices, say=False))

    def fit(
        self,
        phase: str,
        model: keras.Model,
        train: Any,
        validation: Any,
        epochs: int | None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        keep: keras.Model | None = None,
        sizes: Sequence[int] = (sensors.PATCH_SIZE,),
        validate_every: int = 1,
    ) -> None:
        """Train a compiled model as `model.fit` does, from where an earlier start left off.

        After each epoch the state is written, and a loss that is no number any more is an error.

        Parameters
        ----------
        phase : str
            Name of this part of the run; what was done in an earlier start is not done again.
        model : keras.Model
            Compiled. Its weights are replaced by those of the state, if there is one.
        train, validation : keras.utils.PyDataset
        epochs : int or None
            Epochs of this phase; None: what fits a new top (`optimizers.fitting_epochs`).
        callbacks : sequence of keras.callbacks.Callback
            `keep_best` and `stop_early` share what is remembered in the state.
        keep : keras.Model, optional
            The model to save, if another one than `model`, that shares its layers.
        sizes : sequence of int
            Pictures to train with grow through these, pixels along a side (`growing`).
        validate_every : int
            Epochs; the last is validated in any case, and only those can be the best.
        """
        epochs = optimizers.fitting_epochs(epochs, len(train))
        if phase in self.state.phases_done:
            self._restore(model, with_optimizer=False)
            return
        if self.state.phase == phase:
            self._restore(model, with_optimizer=True)
            print(f"going on after epoch {self.state.phase_epoch} of {epochs}")
        else:
            self.state.phase, self.state.phase_epoch, self.state.waited = phase, 0, 0
        train.epoch = len(self.state.history)
        self.kept = keep or model
        print(f"{phase}: {epochs} epochs of {len(train)} steps; the first takes a while")
        if self.state.phase_epoch < epochs:
            fusing.fuse_batch_normalization(model)
            optimizers.make_variables(model)
            for first, last, size in growing.stretches(sizes, self.state.phase_epoch, epochs):
                if len(sizes) > 1:
                    train.resize(size)
                model.fit(
                    train,
                    validation_data=validation,
                    validation_freq=growing.validated(epochs, validate_every),
                    epochs=last,
                    initial_epoch=first,
                    callbacks=run_callbacks.around(self, model, train, epochs, callbacks),
                    shuffle=False,
                    verbose=1 if processes.is_first() else 0,
                )
                if model.stop_training:
                    break
        if phase not in self.state.phases_done:
            self.state.phases_done.append(phase)

    def fit_mosaics(
        self,
        across: int,
        mosaics: keras.Model,
        model: keras.Model,
        train: Any,
        data: training_data.Data,
        epochs: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        """Train on mosaics of patches: the last phase, that makes a model fit for dense maps.

        A patch alone has nothing around it but padding with zeros. In a scene it has neighbours,
        and what the deeper layers see at its edge is something they never met. In a mosaic other
        patches are the neighbours. The best model of this phase replaces that of earlier ones.

        Parameters
        ----------
        across : int
            Patches along the side of a mosaic.
        mosaics, model : keras.Model
            The form to train (`dense.mosaic_model`), compiled, and the patch classifier to save.
        train : keras.utils.PyDataset
            Batches of single patches.
        data : Data
            Its validation part is measured in mosaics, too.
        epochs, callbacks : int, sequence of keras.callbacks.Callback
        """
        if "mosaics" not in (self.state.phase, *self.state.phases_done):
            self.state.best, self.state.best_epoch = -math.inf, 0
        self.record |= {"dense": True, "mosaic": across}
        batches = train.in_mosaics(across)
        validation = data.batches("validation", batches.batch_size, across)
        self.fit("mosaics", mosaics, batches, validation, epochs, callbacks, keep=model)

    def _restore(self, model: keras.Model, with_optimizer: bool) -> None:
        if not self._arrays:
            return
        run_folders.assign(model.variables, self._arrays, "model")
        if with_optimizer:
            model.optimizer.build(model.trainable_variables)
            run_folders.assign(model.optimizer.variables, self._arrays, "optimizer")
            self._arrays = {}

    def keep(
        self, model: keras.Model, record: dict[str, Any], data: training_data.Data, batch_size: int
    ) -> None:
        """Save a model that was made without epochs as that of this run.

        Parameters
        ----------
        model : keras.Model
        record : dict
            What it tells about itself.
        data : Data
            Its validation part is measured.
        batch_size : int
        """
        images = data.validation
        answers = predictions.predict(model, images.patches, batch_size).argmax(axis=1)
        self.state.best = float(np.mean(answers == images.labels))
        self.kept, self.record = model, record
        self.save_model()

    def write_state(self, model: keras.Model) -> None:
        """Write weights, optimizer, history and what is remembered; the first process does."""
        if not processes.is_first():
            return
        arrays = {f"model_{i}": np.asarray(v) for i, v in enumerate(model.variables)}
        arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(model.optimizer.variables)}
        run_folders.write_state(self.folder / run_folders.STATE_FILE, self.state, arrays)
        run_folders.write_history(self.folder / "history.csv", self.state.history)

    def save_model(self) -> None:
        """Save the model that is trained now as the best of this run; the first process does."""
        if not processes.is_first():
            return
        results = self.record["results"] | {
            f"validation_{self.monitor.removeprefix('val_')}": self.state.best,
            "epochs": len(self.state.history),
            "best_epoch": self.state.best_epoch,
            "date": datetime.date.today().isoformat(),
        }
        model_files.save(self.kept, {**self.record, "results": results}, self.model_path)

    def look_again(self, views: int = 1, size: int | None = None) -> None:
        """Let the best model look at several views of each patch, or closer, before `finish`.

        Parameters
        ----------
        views, size
            See `views.in_use`.
        """
        if self.model_path.exists():  # else `finish` says what is missing
            self.sharing.close()
            measuring.look_again(self, views, size)

    def finish(
        self,
        data: training_data.Data | None = None,
        batch_size: int | None = None,
        write_report: Callable[..., dict[str, Any]] | None = None,
        calibrate: bool = False,
        land_shares: Mapping[str, float] | None = None,
    ) -> None:
        """Measure the best model, mark the run as finished and say where the model is.

        Parameters
        ----------
        data : Data, optional
            Without it nothing is measured.
        batch_size : int or None
            Images per call of the network; None: as many as is usual.
        write_report : callable, optional
            `reports.write_report`, or another that takes the same.
        calibrate : bool
            Bring the probabilities of the model to the temperature that fits the validation part.
        land_shares : dict, optional
            Of `priors.land_shares`: class name -> how common it is where maps will be made.

        Raises
        ------
        ValueError
            When no model was kept, because `keep_best` was not among the callbacks.
        """
        self.sharing.close()  # from here on, one device of one process answers
        if not processes.is_first():
            return
        if not self.model_path.exists():
            raise ValueError(
                f"{self.model_path} was never saved: give run.keep_best() among the callbacks"
            )
        batch_size = batch_size or training_data.USUAL_BATCH
        if data is not None and calibrate:
            measuring.calibrate(self, data, batch_size)
        if data is not None and land_shares:
            measuring.shift(self, data, land_shares)
        if data is not None and write_report is not None:
            measuring.measure(self, data, batch_size, write_report)
        self.state.finished = True
        run_folders.write_state(self.folder / run_folders.STATE_FILE, self.state, {})
        print(self._how_right())
        if data is not None and write_report is not None:
            print(f"report: {self.folder / 'report.md'}")
        print(f"map a scene: python 06_classify_image.py --path-to-model {self.model_path}")
        print(f"model: {self.model_path}")


@contextlib.contextmanager
def open_run(folder: str | Path, settings: dict[str, Any]) -> Iterator[Run]:
    """Open a run folder, new or one to go on with, for this process alone.

    Parameters
    ----------
    folder : str or Path
    settings : dict
        What the run depends on; it must be JSON.

    Raises
    ------
    ValueError
        If the folder holds a run with other settings, or something else.
    OSError
        If another process is using it.
    """
    folder = Path(folder)
    with contextlib.ExitStack() as held:
        with processes.first_decides():
            if processes.is_first():
                held.enter_context(run_folders.held(folder, settings))
        run = Run(folder, settings)
        told = [settings, run_folders.versions(), vars(run.state)]
        processes.agree("settings, versions or the run folder", json.dumps(told, default=str))
        yield run


@contextlib.contextmanager
def start(
    path_to_run: str,
    network: str,
    settings: dict[str, Any],
    *,
    seed: int,
    precision: str,
    patch_size: int = sensors.PATCH_SIZE,
    devices: int | str = 1,
    nodes: int = 1,
) -> Iterator[Run]:
    """Open a run, new or one to go on with, after its constants were checked.

    Parameters
    ----------
    path_to_run : str
        Folder; "{network}" in it is the name of the network.
    network : str
    settings : dict
        The constants of the script by their names.
    seed : int
        Of weights, order and augmentation.
    precision : str
        See `precisions.set_precision`.
    patch_size : int
        Pixels along a side of the patches.
    devices, nodes : int or "all", int
        So many of each of so many processes share each batch, until the run is finished.

    Raises
    ------
    ValueError, OSError
        For constants that nothing can be trained with, and as `open_run` does.
    """
    limits.check_settings(settings, patch_size)
    folder = path_to_run.replace("{network}", network)
    keras.utils.set_random_seed(seed)
    with processes.joined(nodes), open_run(folder, settings) as run:
        precisions.set_precision(precision)
        run.devices = devices
        with run.sharing:
            run.sharing.enter_context(parallel.using(devices))
            yield run

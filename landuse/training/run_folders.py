"""What a run remembers in its folder: settings, state, history."""

import contextlib
import importlib.util
import json
import math
import platform
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from landuse import choices, files

FREE_SETTINGS = (
    "WORKERS",
    "DEVICES",
    "NODES",
    "PATH_TO_RUN",
)  # they change nothing about the result
STATE_FILE = "state.npz"
SETTINGS_FILE = "settings.json"


@dataclass
class State:
    """What a run has to remember beside its weights; JSON in the state file."""

    phase: str = ""
    phase_epoch: int = 0
    phases_done: list[str] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    images: str = ""
    finished: bool = False

    @property
    def is_best_now(self) -> bool:
        """Whether the last epoch is the best of all."""
        return self.best_epoch == len(self.history) > 0


def compare_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Raise a ValueError when a folder holds a run with other settings; else write them.

    A constant that the script did not have when the run began may be there if it changes nothing:
    if it is off, or 1 of something.
    """
    path = folder / SETTINGS_FILE
    new = json.loads(json.dumps(settings))
    if not path.exists() and any(not name.name.startswith(".") for name in folder.iterdir()):
        raise ValueError(f"{folder} holds other files: give an empty or a new PATH_TO_RUN")
    if not (folder / STATE_FILE).exists():
        files.write_json(path, new)
        return
    old = files.read_json(path)
    idle = [name for name, value in new.items() if value in (None, 0, 1) and value is not True]
    since = [name for name in idle if name not in old]
    differ = choices.changed(old, new, but=[*FREE_SETTINGS, *since])
    if differ:
        raise ValueError(
            f"{folder} holds a run with other settings: {'; '.join(differ)}. Give another "
            "PATH_TO_RUN, or the old settings to go on with it"
        )


def without_absolute_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose absolute paths are cut down to their last part."""
    return {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in settings.items()
    }


def versions() -> dict[str, str]:
    """Return the versions of what a model is trained with."""
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        backend: str(importlib.import_module(backend).__version__),
    }


def write_state(path: Path, state: State, arrays: dict[str, np.ndarray]) -> None:
    """Write the state of a run and the arrays of its model and optimizer as one file."""
    text = np.array(json.dumps(vars(state)))
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, state=text, **arrays)


def read_state(path: Path) -> tuple[State, dict[str, np.ndarray]]:
    """Read what `write_state` wrote; a new state where there is no file."""
    if not path.exists():
        return State(), {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        return State(**json.loads(str(arrays.pop("state")))), arrays
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is damaged ({error}): remove it to start this run anew"
        ) from error


def assign(variables: Sequence[Any], arrays: dict[str, np.ndarray], kind: str) -> None:
    """Put the arrays of one kind into the variables they came from."""
    stored = [arrays[f"{kind}_{i}"] for i in range(sum(k.startswith(kind) for k in arrays))]
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in stored]:
        raise ValueError(
            f"the state of this run does not fit the {kind} any more (another version?): "
            "give another PATH_TO_RUN"
        )
    for variable, array in zip(variables, stored, strict=True):
        variable.assign(array)


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write a line for each epoch as CSV; what was not measured in one is left empty."""
    if not history:
        return
    names = list(dict.fromkeys(name for row in history for name in row))
    lines = [",".join(names)]
    lines += [",".join(str(row.get(name, "")) for name in names) for row in history]
    with files.atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


@contextlib.contextmanager
def without_empty_folders(folder: Path, made: Sequence[Path]) -> Iterator[None]:
    """Remove a run folder, and those that were made for it, when it could not even be started."""
    try:
        yield
    except (ValueError, OSError):
        inside = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        if made and inside <= {SETTINGS_FILE}:
            (folder / SETTINGS_FILE).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                for place in made:
                    place.rmdir()
        raise


@contextlib.contextmanager
def held(folder: Path, settings: dict[str, Any]) -> Iterator[None]:
    """Make a run folder, lock it for the block, and write the settings or compare them."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"PATH_TO_RUN = {folder} is a file; give the name of a folder")
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with without_empty_folders(folder, made), files.lock(folder, "training in"):
        compare_settings(folder, settings)
        yield

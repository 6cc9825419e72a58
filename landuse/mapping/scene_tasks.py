"""One scene as a task of its own: what a worker of a cluster does, and what it tells."""

import contextlib
import dataclasses
import functools
import importlib.util
import io
import os
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landuse import choices, command_line, files
from landuse.mapping import made_scenes, watching

HERE = Path(made_scenes.__file__).resolve().parents[2]
SECONDS_BETWEEN_REPORTS = 1.0
_one_at_a_time = threading.Lock()  # TensorFlow takes all cores for one scene, and prints are global


@dataclass(frozen=True)
class Job:
    """What all scenes of a call have in common, in words that any process can read.

    Attributes
    ----------
    repository, folder : str
        Where these scripts lie, and the folder that relative paths start from; the same on all
        machines.
    script : str
        Name of script 06.
    constants : dict
        Of that script.
    code, model : str
        Checksums of the repository's code and of the model, which all workers must have.
    path_to_model : str
    backend : str
        Of Keras.
    """

    repository: str
    folder: str
    script: str
    constants: dict[str, Any]
    code: str
    model: str
    path_to_model: str
    backend: str


@dataclass
class Told:
    """What became of a scene, as a worker tells it.

    Attributes
    ----------
    label : str or None
        Where its map is; None: there is none.
    further : dict of str
        What there is to look at besides the labels.
    kept : bool
        Whether it was there before.
    error : str
        Why there is none.
    said : str
        What was printed meanwhile.
    """

    label: str | None = None
    further: dict[str, str] = field(default_factory=dict)
    kept: bool = False
    error: str = ""
    said: str = ""


def job_of(script: str | Path, constants: Mapping[str, Any], path_to_model: Path) -> Job:
    """Put together what all workers need."""
    path = Path(script).resolve()
    return Job(
        repository=str(path.parent),
        folder=str(Path.cwd()),
        script=path.name,
        constants=dict(constants),
        code=made_scenes.code_digest(path.parent, [path]),
        model=files.sha256(path_to_model),
        path_to_model=str(path_to_model),
        backend=_backend(),
    )


def _backend() -> str:
    # As the environment says it: to ask Keras would load it here, where nothing is computed.
    return os.environ.get("KERAS_BACKEND", "tensorflow")


@functools.cache
def _own_code(script: str) -> str:
    # Once: what was imported does not change when a file is edited meanwhile.
    return made_scenes.code_digest(HERE, [HERE / script])


def objection(job: Job) -> str:
    """Say why this process cannot take part; empty if it can.

    It then works in the job's folder, so that relative paths mean there what they mean here.
    """
    if not Path(job.folder).is_dir():
        return f"sees no folder {job.folder}: all workers need the same disk under the same path"
    if _own_code(job.script) != job.code:
        return f"has another version of this repository ({HERE}): update it, and start it again"
    if _backend() != job.backend:
        return f"has Keras on {_backend()}, not on {job.backend}: set KERAS_BACKEND there"
    os.chdir(job.folder)
    model = Path(job.path_to_model)
    if not model.is_file():
        return f"sees no model {model.absolute()}: all workers need the same disk"
    if files.sha256(model) != job.model:
        return f"has another model under {model.absolute()}"
    return ""


def objection_to(words: Mapping[str, Any]) -> str:
    """Say why this process cannot take part in a job that came as plain words."""
    return objection(Job(**words))


def map_on_worker(words: Mapping[str, Any], image: str, topic: str) -> dict[str, Any]:
    """Map one scene on a worker of Dask; its progress goes to those who follow the topic.

    Parameters
    ----------
    words : mapping
        The job in plain words.
    image : str
    topic : str

    Returns
    -------
    dict
        `Told` in plain words.
    """
    import distributed

    worker = distributed.get_worker()
    told = map_one(Job(**words), image, lambda share: worker.log_event(topic, (image, share)))
    return dataclasses.asdict(told)


class _Reporter:
    """Hands on what is watched, no more often than anybody looks."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self.told = Told()
        self._report, self._last = report, 0.0

    def advanced(self, share: float) -> None:
        """Hear which share of the scene is done, 0..1."""
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_REPORTS:
            self._last = now
            self._report(share)

    def noted(self, label: Path, further: dict[str, Path], kept: bool) -> None:
        """Hear where the map is."""
        self.told.label, self.told.kept = str(label), kept
        self.told.further = {what: str(path) for what, path in further.items()}


def map_one(job: Job, image: str, report: Callable[[float], None]) -> Told:
    """Map one scene as script 06 does, going on where an earlier attempt was.

    Parameters
    ----------
    job : Job
    image : str
        The scene.
    report : callable
        Gets the share that is done, 0..1, about once a second.

    Returns
    -------
    Told
        Also for a scene that cannot be mapped: errors do not leave the worker.
    """
    reporter, said = _Reporter(report), io.StringIO()
    with _one_at_a_time, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            wrong = objection(job)
            if wrong:
                raise ValueError(f"the worker on {platform.node()} {wrong}")
            with watching.watched_by(reporter):
                _run_script(job, image)
        except (ValueError, OSError) as error:
            reporter.told = Told(error=command_line.one_line(error))
        except Exception as error:  # a fault of the program must not stop the other scenes
            where = traceback.format_exc()
            reporter.told = Told(error=f"fault of the program, {type(error).__name__}: {error}")
            said.write(where)
    reporter.told.said = said.getvalue()
    return reporter.told


def _run_script(job: Job, image: str) -> None:
    """Set the constants of script 06 for one scene, and call its main function."""
    name = "landuse_script_of_worker"
    spec = importlib.util.spec_from_file_location(name, HERE / job.script)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[name] = script
    spec.loader.exec_module(script)
    for constant, value in job.constants.items():
        setattr(script, constant, value)
    script.PATH_TO_IMAGE, script.SCHEDULER = [image], None  # type: ignore[attr-defined]
    with choices.all_constants_of(vars(script)):
        script.main()

"""Several processes for one training, usually one a machine: who each is, and what one does alone.

All of them run the same script with the same settings. Each computes its share of every batch; the
first one writes the run folder and tells how it goes. One that fails ends all of them, and the same
command goes on after the last finished epoch.
"""

import atexit
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from landuse import devices, downloads

WAIT = 300  # seconds until all processes must have been started
_A_DAY = 24 * 3600  # seconds that those that have ended wait for the first, which writes the report
_LONGEST = 4000  # bytes of a message
_PORTS = (61440, 4096)  # the first, and how many: for Slurm, by the number of the job


@dataclass(frozen=True)
class Place:
    """A process among those that train together.

    Attributes
    ----------
    number, count : int
        Which one, from 0, and how many there are.
    coordinator : str
        host:port of the first one, where all meet.
    """

    number: int = 0
    count: int = 1
    coordinator: str = ""


_here = Place()
_agreed = False  # that all stop, for the same reason


def count() -> int:
    """Count the processes that train together."""
    return _here.count


def number() -> int:
    """Tell which of them this is, from 0."""
    return _here.number


def is_first() -> bool:
    """Tell whether this process writes what is written once."""
    return _here.number == 0


def place_of(nodes: int, environment: Mapping[str, str]) -> Place:
    """Find out which process this is from what torchrun or Slurm's srun tell their processes.

    Parameters
    ----------
    nodes : int
        How many there should be.
    environment : mapping
        RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT; or SLURM_PROCID, SLURM_NTASKS,
        SLURM_STEP_NODELIST and SLURM_JOB_ID.

    Raises
    ------
    ValueError
        When nothing or something else is told.
    """
    if "RANK" in environment:
        told = _told(environment, "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        port = _whole(told, "MASTER_PORT")
        # torchrun itself listens there
        port += environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        names, address = ("RANK", "WORLD_SIZE"), f"{told['MASTER_ADDR']}:{port}"
    elif "SLURM_PROCID" in environment:
        told = _told(
            environment, "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NODELIST", "SLURM_JOB_ID"
        )
        first, several = _PORTS
        port = first + _whole(told, "SLURM_JOB_ID") % several
        names = ("SLURM_PROCID", "SLURM_NTASKS")
        address = f"{first_host(told['SLURM_STEP_NODELIST'])}:{port}"
    else:
        raise ValueError(
            f"NODES = {nodes}: nothing tells which of the {nodes} processes this one is. Start "
            "them by srun (Slurm), or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT for each, "
            "as torchrun does: docs/scale.md"
        )
    place = Place(_whole(told, names[0]), _whole(told, names[1]), address)
    if place.count != nodes:
        raise ValueError(f"NODES = {nodes}, but {names[1]} says {place.count}: make them the same")
    if not 0 <= place.number < nodes:
        raise ValueError(f"{names[0]} = {place.number}: {nodes} processes count from 0")
    return place


def _told(environment: Mapping[str, str], *names: str) -> dict[str, str]:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise ValueError(
            f"{names[0]} is set in the environment, but {', '.join(missing)} is not: set "
            f"{', '.join(names)}"
        )
    return {name: environment[name] for name in names}


def _whole(told: Mapping[str, str], name: str) -> int:
    try:
        return int(told[name])
    except ValueError:
        raise ValueError(f"{name} = {told[name]!r} in the environment: expected a number") from None


def first_host(nodes: str) -> str:
    """Give the first of Slurm's list of hosts: "gpu[07-09,12],big1" begins with gpu07."""
    found = re.match(r"([^,\[]*)(?:\[([^\],-]*)[^\]]*\])?([^,\[]*)", nodes)
    return "".join(part or "" for part in found.groups()) if found else nodes


@contextlib.contextmanager
def joined(nodes: int) -> Iterator[None]:
    """Let this process and the others train together within the block.

    It must come before anything is computed. Only the first one prints.

    Parameters
    ----------
    nodes : int
        Processes; with 1, nothing happens.

    Raises
    ------
    ValueError
        When nothing tells which process this is, or the backend of Keras cannot do it.
    OSError
        When the first process does not answer, or another one failed.
    """
    global _here
    if nodes == 1:
        yield
        return
    if devices.backend() != "jax":
        raise ValueError(
            f"NODES = {nodes}: several processes train together on JAX only, and Keras is on "
            f"{devices.backend()} here: set KERAS_BACKEND=jax (pip install jax), or NODES = 1"
        )
    _here = _meet(place_of(nodes, os.environ))
    try:
        with contextlib.ExitStack() as quiet:
            if not is_first():
                nowhere = quiet.enter_context(open(os.devnull, "w", encoding="utf-8"))
                quiet.enter_context(contextlib.redirect_stdout(nowhere))
            yield
    except BaseException as error:
        if not _agreed:
            # To end as usual is to wait for the others, who wait for this one in a step.
            atexit.register(_end_at_once, _status(error))
        if _is_of_another(error):
            raise OSError(
                "another process of this training ended or cannot be reached, and so all of them "
                "end; the same command for each goes on after the last finished epoch"
            ) from error
        raise
    finally:
        _here = Place()


def _status(error: BaseException) -> int:
    """Give the exit status that the command line gives for an error."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 2 if isinstance(error, ValueError | OSError) or _is_of_another(error) else 1


def _end_at_once(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _is_of_another(error: BaseException) -> bool:
    """Tell whether JAX says that another process is gone."""
    import jax

    said = str(error)
    of_jax = isinstance(error, jax.errors.JaxRuntimeError | ValueError)
    words = ("gloo", "connection closed", "coordination service", "nccl")
    is_status = re.match(r"[A-Z_]+: ", said) is not None  # "UNKNOWN: Gloo AllGather failed"
    return of_jax and is_status and any(word in said.lower() for word in words)


def _meet(place: Place) -> Place:
    import jax

    print(
        f"process {place.number + 1} of {place.count}, which meet at {place.coordinator}: waiting "
        f"for all of them, {WAIT // 60} minutes at most",
        flush=True,
    )
    if place.number:
        _check_answers(place.coordinator)
    # Keras's `distribution.initialize` does the same, but under Slurm lets JAX take only one of
    # the GPUs that a process has been given.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would catch SIGTERM
    jax.distributed.initialize(
        place.coordinator,
        place.count,
        place.number,
        cluster_detection_method="deactivate",
        initialization_timeout=WAIT,
        shutdown_timeout_seconds=_A_DAY,
    )
    return place


def _check_answers(coordinator: str) -> None:
    """Raise an OSError when the first process does not answer; JAX would end with a dump."""
    problem = downloads.wait_for_answer(coordinator, WAIT)
    if problem:
        raise OSError(
            f"the first of the processes does not answer at {coordinator} ({problem}): was it "
            "started, and may its port be reached from here?"
        )


@contextlib.contextmanager
def first_decides() -> Iterator[None]:
    """Let an error of input that the first process meets in the block be that of all."""
    global _agreed
    said, problem = "", None
    try:
        yield
    except (ValueError, OSError) as error:
        if count() == 1 or not is_first():
            raise
        said, problem = f"{error}" or type(error).__name__, error
    said = _broadcast(said) if count() > 1 else said
    if problem is not None:
        _agreed = True
        raise problem
    if said:
        _agreed = True
        raise ValueError(said)


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """Let the first process do the block before the others, who find on disk what it made."""
    if not is_first():
        with first_decides():
            pass
    if is_first():
        with first_decides():
            yield
    else:
        yield


def agree(what: str, told: str) -> None:
    """Raise a ValueError in all processes when they do not tell the same of something.

    Parameters
    ----------
    what : str
        For the message: "the settings".
    told : str
    """
    global _agreed
    if count() == 1:
        return
    from jax.experimental import multihost_utils

    digest = np.frombuffer(hashlib.sha256(told.encode()).digest(), np.uint8)
    digests = np.asarray(multihost_utils.process_allgather(digest))
    other = np.flatnonzero((digests != digests[0]).any(axis=1))
    if len(other):
        _agreed = True
        raise ValueError(
            f"{what}: process {other[0] + 1} of {count()} has another than the first. All need the "
            "same command, the same versions and the same disk"
        )


def _broadcast(text: str) -> str:
    """Give all processes the text that the first one has."""
    from jax.experimental import multihost_utils

    raw = np.zeros(_LONGEST, np.uint8)
    encoded = np.frombuffer(text.encode()[:_LONGEST], np.uint8)
    raw[: len(encoded)] = encoded
    told = np.asarray(multihost_utils.broadcast_one_to_all(raw))
    return told.tobytes().rstrip(b"\0").decode(errors="ignore")

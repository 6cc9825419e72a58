"""Scenes shared out over the workers of a Dask cluster, one task a scene.

What a worker does is script 06 for one scene, so that a map is the same whoever makes it. Each
scene goes on where an earlier attempt was, also when its worker was lost on the way: Dask gives it
to another one.
"""

import contextlib
import dataclasses
import importlib.util
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from landuse import devices, optional_packages
from landuse.mapping import outcomes, scene_tasks

PACKAGES = {"distributed": "distributed"}
ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d+")
SECONDS_TO_ANSWER = 10
SECONDS_FOR_A_WORKER = 60
CORES_OF_A_WORKER = 2
TOPIC = "landuse-share"
_ENDINGS = re.compile(r"(\.SAFE)?(\.zip)?$|\.tiff?$|\.vrt$", re.IGNORECASE)


def check_scheduler(scheduler: str | None, workers: int | None) -> None:
    """Raise a ValueError for a cluster that cannot be, or packages that are not there."""
    if workers is not None and workers < 1:
        raise ValueError(f"WORKERS must be 1 or more, not {workers}")
    if scheduler is None:
        return
    if scheduler != "local" and not ADDRESS.fullmatch(scheduler):
        raise ValueError(
            f"SCHEDULER = {scheduler!r}: expected None, 'local', or the address of a Dask "
            "scheduler such as 'tcp://10.0.0.1:8786', which it prints when it starts"
        )
    optional_packages.check_installed(f"SCHEDULER = {scheduler!r}", PACKAGES)


def check_names(images: Sequence[Path]) -> None:
    """Raise a ValueError when two scenes have one name: two workers would write one map."""
    names = Counter(_ENDINGS.sub("", image.name) for image in images)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        whose = [str(image) for image in images if _ENDINGS.sub("", image.name) == twice[0]]
        raise ValueError(
            f"the maps of {' and '.join(whose)} would both be named {twice[0]}: map them in two "
            "calls, with another PATH_TO_LABEL_IMAGE"
        )


def default_workers() -> int:
    """Count the workers for this machine: one for every two cores.

    A network shares its work well between two cores, and each worker has it in memory.
    """
    return max(1, devices.usable_cores() // CORES_OF_A_WORKER)


def map_scenes(
    script: str,
    constants: Mapping[str, Any],
    images: Sequence[Path],
    path_to_model: Path,
    *,
    scheduler: str,
    workers: int | None,
) -> None:
    """Let the workers of a cluster map the scenes, with one bar for all, and report.

    Parameters
    ----------
    script : str
        Path of script 06.
    constants : mapping
        Its constants.
    images : sequence of Path
        The scenes.
    path_to_model : Path
    scheduler : str
        "local", or an address.
    workers : int or None
        Of "local"; None: `default_workers`.

    Raises
    ------
    ValueError
        When the cluster cannot be used, or, at the end, when a scene could not be mapped.
    OSError
        When the cluster does not answer.
    """
    check_names(images)
    keep = constants["KEEP_MADE"]
    shared = {
        **constants,
        "PATH_TO_MODEL": str(path_to_model),
        "KEEP_MADE": len(images) > 1 if keep is None else keep,
    }
    job = scene_tasks.job_of(script, shared, path_to_model)
    results = outcomes.Outcomes(images)
    with _client(scheduler, min(workers or default_workers(), len(images))) as client:
        _check_workers(client, job)
        _work(client, job, results)
    _check_no_map_twice(results)
    results.report()


@contextlib.contextmanager
def _client(scheduler: str, workers: int) -> Iterator[Any]:
    """Give a client of the cluster; a local one ends with it."""
    import distributed

    with contextlib.ExitStack() as stack:
        if scheduler == "local":
            cores = max(1, devices.usable_cores() // workers)
            environment = {"TF_NUM_INTRAOP_THREADS": cores, "OMP_NUM_THREADS": cores}
            cluster: Any = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0" if _has_dashboard() else None,
                memory_limit=0,  # Dask would end a worker whose network is larger than its share
                env={name: str(value) for name, value in environment.items()},
                silence_logs=50,
            )
            stack.enter_context(cluster)
        else:
            cluster = scheduler
        try:
            client = distributed.Client(cluster, timeout=SECONDS_TO_ANSWER, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise OSError(
                f"SCHEDULER: nothing answers at {scheduler}: start it (dask scheduler), or set "
                "SCHEDULER = 'local'"
            ) from error
        yield stack.enter_context(client)


def _by_value(function: str, repository: str) -> Callable[..., Any]:
    """Give a function of `scene_tasks` that a worker can call which does not know this repository.

    Dask sends functions of modules by name; this one is sent whole, and finds the module there.
    """

    def call(*arguments: Any) -> Any:
        import importlib
        import sys

        if repository not in sys.path:
            sys.path.append(repository)
        return getattr(importlib.import_module("landuse.mapping.scene_tasks"), function)(*arguments)

    return call


def _check_workers(client: Any, job: scene_tasks.Job) -> None:
    """Raise a ValueError when there is no worker, or one that would do something else."""
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_A_WORKER)
    except TimeoutError as error:
        raise ValueError(
            f"SCHEDULER: no worker has come in {SECONDS_FOR_A_WORKER} s: start some "
            "(dask worker ADDRESS --nthreads 1)"
        ) from error
    ask = _by_value("objection_to", job.repository)
    answers = client.run(ask, dataclasses.asdict(job), on_error="return")
    for address, answer in sorted(answers.items()):
        if isinstance(answer, ImportError):
            answer = f"cannot import this repository ({answer}): see docs/scale.md"
        if answer:
            raise ValueError(f"SCHEDULER: the worker {address} {answer}")
    threads = client.nthreads()
    print(f"workers: {len(threads)}" + (f", {client.dashboard_link}" if _has_dashboard() else ""))
    if max(threads.values()) > 1:
        print("  a worker maps one scene at a time: --nthreads 1 lets none wait for another")


def _has_dashboard() -> bool:
    return importlib.util.find_spec("bokeh") is not None


def _work(client: Any, job: scene_tasks.Job, results: outcomes.Outcomes) -> None:
    """Hand out the scenes, follow them in one bar, and note what became of each."""
    import distributed

    task, words = _by_value("map_on_worker", job.repository), dataclasses.asdict(job)
    names = [str(image) for image in results.images]
    keys = [f"{Path(name).name}-{number}" for number, name in enumerate(names)]
    shares, lock = dict.fromkeys(names, 0.0), threading.Lock()
    with tqdm(
        total=len(names),
        desc="scenes",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.2f}/{total} [{elapsed}<{remaining}]",
    ) as bar:

        def follow(name: str, share: float) -> None:
            with lock:
                shares[name] = max(shares[name], share)
                bar.n = sum(shares.values())
                bar.refresh()

        client.subscribe_topic(TOPIC, lambda event: follow(*event[1]))
        futures = [
            client.submit(task, words, name, TOPIC, key=key, pure=False)
            for key, name in zip(keys, names, strict=True)
        ]
        image_of = dict(zip(keys, results.images, strict=True))
        for future in distributed.as_completed(futures, loop=client.loop):
            image = image_of[future.key]
            told = _told(future)
            _note(results, image, told)
            follow(str(image), 1.0)
            for line in _lines(image, told):
                bar.write(line)
        client.unsubscribe_topic(TOPIC)


def _told(future: Any) -> scene_tasks.Told:
    """Give what a worker told of its scene, or why it could not."""
    if future.status == "finished":
        return scene_tasks.Told(**future.result())
    error = future.exception() if future.status == "error" else None
    if type(error).__name__ == "KilledWorker":
        return scene_tasks.Told(error="its worker was lost again and again: was memory too short?")
    what = f"{type(error).__name__}: {error}" if error is not None else f"it was {future.status}"
    return scene_tasks.Told(error=f"the cluster gave it up ({what})")


def _note(results: outcomes.Outcomes, image: Path, told: scene_tasks.Told) -> None:
    if told.label is None:
        results.errors[image] = ValueError(told.error)
        return
    further = {what: Path(path) for what, path in told.further.items()}
    results.note(image, Path(told.label), further, kept=told.kept)


def _lines(image: Path, told: scene_tasks.Told) -> Iterator[str]:
    """Give what is said as soon as a scene is done: its warnings, and faults with their place."""
    if told.label is None:
        yield f"{image}: {told.error}"
        if "Traceback" in told.said:
            yield told.said[told.said.index("Traceback") :]
        return
    yield f"{image}: {'was made before' if told.kept else 'done'}"
    for line in told.said.splitlines():
        if line.strip().startswith("warning: "):
            yield f"  {line.strip()}"


def _check_no_map_twice(results: outcomes.Outcomes) -> None:
    """Turn maps that were written over each other into errors; `check_names` knows most."""
    labels = Counter(label.resolve() for label, _ in results.written.values())
    for image, (label, _) in list(results.written.items()):
        if labels[label.resolve()] > 1:
            del results.written[image]
            results.errors[image] = ValueError(f"another scene has also been mapped to {label}")

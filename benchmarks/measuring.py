"""What the benchmarks share: turns, tables, networks with random weights, real or made patches."""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from landuse.patches import class_folders, patch_cache

CLASS_NAMES = [f"class {number}" for number in range(10)]


def take_turns(actions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, np.ndarray]:
    """Give the seconds of each action by the clock and of the processor, of its best round.

    The actions take turns, so that other load on the machine disturbs all of them alike.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            clock, processor = time.perf_counter(), time.process_time()
            action()
            seconds[name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {name: np.min(of_rounds, axis=0) for name, of_rounds in seconds.items()}


def print_header(*names: str, text: int = 1) -> None:
    """Print the first two lines of a Markdown table, of which the first columns are text."""
    print_row(*names)
    print_row(*["---"] * text, *["---:"] * (len(names) - text))


def print_row(*values: Any) -> None:
    """Print a line of a Markdown table, at once: the next one may take minutes."""
    print(f"| {' | '.join(map(str, values))} |", flush=True)


def machine() -> str:
    """Say what is measured on, for the head of a table."""
    import keras

    gpus = [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]
    cores = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else '?'} cores"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{', '.join(gpus) or cores} of {_processor()}{load}; "
        f"Keras {keras.__version__} on {keras.backend.backend()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def random_classifier(name: str, bands: int, dense_layers: bool = True) -> Any:
    """Make a classifier of ten classes with random weights, as scripts 03 and 05 do.

    Without its dense layers, it goes from the pooling to the probabilities.
    """
    import keras

    from landuse.networks import bases, catalogue, tops

    if not dense_layers:
        catalogue.NETWORKS[name] = replace(catalogue.network(name), top=())
    keras.utils.set_random_seed(0)
    names = [f"band {number}" for number in range(bands)]
    middle = 128.0 if bands == 3 else 2000.0
    statistics = {"mean": [middle] * bands, "std": [middle / 2] * bands}
    base = bases.base_network(name, bands)
    return tops.classifier(base, names, "DN", CLASS_NAMES, statistics)


def made_patches(count: int, bands: int) -> np.ndarray:
    """Make patches of noise, uint8 with three bands as in EuroSAT RGB, else uint16."""
    rng = np.random.default_rng(0)
    highest, kind = (255, np.uint8) if bands == 3 else (4000, np.uint16)
    return rng.integers(1, highest, (count, 64, 64, bands), dtype=kind)


def read_patches(
    folder: str | Path, count: int | None, class_names: Sequence[str], band_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Read patches and their labels from a folder of class folders, drawn with a fixed seed.

    Parameters
    ----------
    folder : path
        A part of a split, or all images.
    count : int, optional
        At most so many; all by default.
    class_names, band_names : sequence of str
        Of the model: labels are positions in the one, the patches have the others in order.

    Returns
    -------
    patches : ndarray of shape (N, 64, 64, bands), uint8 or uint16
        In random order.
    labels : ndarray of shape (N,), int64
    """
    images = class_folders.find_images(folder, least_classes=1)
    unknown = [name for name in images if name not in class_names]
    if unknown:
        raise ValueError(
            f"{folder} has {', '.join(unknown)}, which the model does not know: it tells "
            f"{', '.join(class_names)} apart"
        )
    everything = [image for members in images.values() for image in members]
    order = np.random.default_rng(0).permutation(len(everything))[:count]
    chosen = [everything[index] for index in order]
    with tempfile.TemporaryDirectory() as cache:
        patches = np.array(patch_cache.open_patches(chosen, band_names, cache))
    return patches, np.array([class_names.index(file.parent.name) for file in chosen])

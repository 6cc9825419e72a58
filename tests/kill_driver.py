"""Kill a step with -9 at a random moment, run it again, compare with an uninterrupted run.

    python tests/kill_driver.py --step 06 --times 20

prints a line for each time and ends with status 1 if any result differed. `--step` is 01,
training or 06. Every time starts anew in a folder of its own.
"""

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]
LONGEST = 600  # s that any run may take
EPOCHS = 6
TOLERANCE = 1e-3  # of the weights and of the history; sums differ by the order of threads


@dataclass(frozen=True)
class Step:
    """How a step is run, when its work begins, and how far it came."""

    command: list[str]
    begins: Callable[[Path], bool]  # kills are spread over the time from here on
    progress: Callable[[Path], str]
    check_rerun: Callable[[str, str], None]  # what was printed, the progress before
    compare: Callable[[Path, Path], list[str]]  # what differs between two folders


def start(step: Step, folder: Path) -> subprocess.Popen:
    """Start the step in a folder, its output in a file beside it."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with open(folder.with_suffix(".out"), "wb") as output:
        return subprocess.Popen(
            [sys.executable, *step.command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def wait_until_work_begins(step: Step, folder: Path, process: subprocess.Popen) -> None:
    """Wait for the first sign of work, or for the end."""
    end = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < end and not step.begins(folder):
        time.sleep(0.005)


def run(step: Step, folder: Path) -> tuple[str, float]:
    """Run the step to its end; give what it printed and the time from when its work began."""
    process = start(step, folder)
    wait_until_work_begins(step, folder, process)
    begin = time.monotonic()
    status = process.wait(LONGEST)
    printed = folder.with_suffix(".out").read_text(errors="replace")
    if status != 0:
        raise RuntimeError(f"status {status}: {printed[-2000:]}")
    return printed, time.monotonic() - begin


def kill(step: Step, folder: Path, seconds: float) -> bool:
    """Run the step and kill it so many seconds after its work began; False if it had ended."""
    process = start(step, folder)
    wait_until_work_begins(step, folder, process)
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


# ---- step 01


def split_step(place: Path) -> Step:
    """A split of 3000 images."""
    for name in "ABCDE":
        (place / "images" / name).mkdir(parents=True)
        for number in range(600):
            (place / "images" / name / f"{name}_{number}.jpg").touch()
    command = [str(REPOSITORY / "01_split_data_to_train_and_validation.py")]
    command += ["--path-to-all-images", "../images", "--path-to-split-datasets", "split"]

    def progress(folder: Path) -> str:
        linked = sum(1 for path in folder.rglob("*.jpg"))
        return f"{linked} of 3000 images{'' if (folder / 'split').exists() else ', unfinished'}"

    return Step(
        command,
        begins=lambda folder: True,
        progress=progress,
        check_rerun=lambda printed, before: None,
        compare=differing_files,
    )


def differing_files(one: Path, other: Path) -> list[str]:
    """Names of files that are not the same, byte for byte, in two folders."""
    trees = [
        {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        for folder in (one, other)
    ]
    return sorted(
        name
        for name in trees[0].keys() | trees[1].keys()
        if not all(name in tree for tree in trees)
        or trees[0][name].read_bytes() != trees[1][name].read_bytes()
    )


# ---- step 06


def map_step(place: Path) -> Step:
    """A map of a small scene in about 90 blocks."""
    from test_classify_image import CLASSES, brightness_model, made_pixels, write_scene

    from image_functions import BANDS_MS, pooled_statistics
    from landuse import model_files

    pixels = made_pixels()
    write_scene(place / "scene.tif", pixels)
    record = {
        "class_names": CLASSES,
        "band_names": list(BANDS_MS),
        "units": "DN",
        "patch_size": 64,
        "statistics": pooled_statistics(pixels[np.newaxis, :64, 40:104], BANDS_MS),
        "network": "Small",
    }
    model_files.save(brightness_model(), record, place / "model.keras")
    command = [str(REPOSITORY / "06_classify_image.py"), "--path-to-image", "../scene.tif"]
    command += ["--path-to-model", "../model.keras", "--precision", "float32"]
    command += ["--stride", "4", "--block-size", "16", "--batch-size", "4"]
    journal = Path("maps") / "scene_label.tif.partial" / "journal.txt"

    def progress(folder: Path) -> str:
        if not (folder / journal).is_file():
            return f"{len(list(folder.glob('maps/scene*')))} files of the map"
        return f"{len((folder / journal).read_text().splitlines()) - 1} blocks"

    def compare(one: Path, other: Path) -> list[str]:
        return [name for name in differing_files(one, other) if not name.endswith(".lock")]

    return Step(
        command,
        begins=lambda folder: (folder / journal).exists(),
        progress=progress,
        check_rerun=lambda printed, before: None,
        compare=compare,
    )


# ---- training


def training_step(place: Path) -> Step:
    """MobileNet from scratch on 24 patches."""
    from landuse import datasets, rasters

    rng = np.random.default_rng(0)
    for level, name in enumerate(("Dark", "Light")):
        (place / "images" / name).mkdir(parents=True)
        for number in range(18):
            pixels = 800 + 300 * level + rng.integers(0, 900, (64, 64, 13))
            path = place / "images" / name / f"{name}_{number}.tif"
            rasters.write_geotiff(path, pixels.astype(np.uint16), None, "")
    split = datasets.split_random(datasets.find_images(place / "images"), 1 / 3)
    datasets.make_split_folder(place / "split", split, {})
    command = [str(REPOSITORY / "05_train_ms_from_scratch.py"), "--network", "MobileNet"]
    command += ["--path-to-split-datasets", "../split", "--path-to-run", "run"]
    command += ["--epochs", str(EPOCHS), "--batch-size", "8", "--precision", "float32"]
    command += ["--bands", "RGB"]

    def progress(folder: Path) -> str:
        state = read_state(folder / "run" / "state.npz")
        return f"{len(state['history'])} of {EPOCHS} epochs{', done' if state['finished'] else ''}"

    def check_rerun(printed: str, before: str) -> None:
        finished = int(before.split()[0])
        expected = f"going on after epoch {finished} of {EPOCHS}"
        if 0 < finished < EPOCHS and expected not in printed:
            raise RuntimeError(f"{expected!r} was not said: {printed[-2000:]}")

    return Step(
        command,
        begins=lambda folder: (folder / "run" / "settings.json").exists(),
        progress=progress,
        check_rerun=check_rerun,
        compare=differing_trainings,
    )


def read_state(path: Path) -> dict:
    """State of a run, of one that has none yet too."""
    if not path.exists():
        return {"history": [], "finished": False}
    with np.load(path) as stored:
        return json.loads(str(stored["state"]))


def differing_trainings(one: Path, other: Path) -> list[str]:
    """Say what is not the same, within the tolerance, in the run folders of two places."""
    states = [read_state(folder / "run" / "state.npz") for folder in (one, other)]
    weights = [read_weights(folder / "run" / "model.keras") for folder in (one, other)]
    differing = [f"{state['finished']}" for state in states if not state["finished"]]
    histories = [[drop_times(row) for row in state["history"]] for state in states]
    if [row.keys() for row in histories[0]] != [row.keys() for row in histories[1]]:
        return [*differing, "rows of the history"]
    for first, second in zip(*histories, strict=True):
        differing += [
            f"{name} in epoch {first['epoch']}: {first[name]} and {second[name]}"
            for name in first
            if first[name] != second[name]
            and not np.isclose(first[name], second[name], rtol=TOLERANCE, atol=TOLERANCE)
        ]
    if weights[0].keys() != weights[1].keys():
        return [*differing, "names of the weights"]
    distances = {name: np.abs(value - weights[1][name]).max() for name, value in weights[0].items()}
    differing += [f"{name} by {d:.2g}" for name, d in distances.items() if d > TOLERANCE]
    return differing + missing_files(one / "run", other / "run")


def drop_times(row: dict) -> dict:
    """A row of the history without what the clock says."""
    return {name: value for name, value in row.items() if name != "seconds"}


def missing_files(one: Path, other: Path) -> list[str]:
    """Names that only one of two run folders has; TensorBoard names its files by the time."""
    names = [
        {path.name for path in folder.iterdir() if path.name not in ("logs",)}
        for folder in (one, other)
    ]
    return sorted(names[0] ^ names[1])


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Weights of a model file, by their place in it."""
    import h5py

    found = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            found[name] = item[()]

    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "r") as file:
        file.visititems(note)
    return found


# ---- all of them

STEPS = {"01": split_step, "06": map_step, "training": training_step}


def drive(name: str, times: int, place: Path, seed: int = 0) -> list[list[str]]:
    """Kill and rerun a step so many times, printing a line each; give what differed each time."""
    step = STEPS[name](place)
    (place / "whole").mkdir()
    _, seconds = run(step, place / "whole")
    print(f"{name}: uninterrupted, {seconds:.1f} s of work", flush=True)
    moments = random.Random(seed)
    outcomes: list[list[str]] = []
    for attempt in range(10 * times):
        folder = place / f"killed_{attempt}"
        folder.mkdir()
        moment = moments.uniform(0, seconds)
        if not kill(step, folder, moment):
            seconds = moment  # it had ended: the machine is quicker than before
            continue
        before = step.progress(folder)
        printed, rest = run(step, folder)
        step.check_rerun(printed, before)
        differing = step.compare(place / "whole", folder)
        outcomes.append(differing)
        print(
            f"{name} {len(outcomes):2} of {times}: killed at {moment:5.2f} s, {before}; "
            f"rerun {rest:.1f} s: {'; '.join(differing) or 'the same'}",
            flush=True,
        )
        if len(outcomes) == times:
            break
    same = sum(not differing for differing in outcomes)
    print(f"{name}: {same} of {times} the same", flush=True)
    return outcomes


def main() -> int:
    """Drive the step that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", choices=STEPS, required=True)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = drive(arguments.step, arguments.times, Path(folder), arguments.seed)
    return int(any(outcomes))


if __name__ == "__main__":
    sys.exit(main())

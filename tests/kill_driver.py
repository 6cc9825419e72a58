"""Kill a step with -9 at a random moment, run it again, compare with an uninterrupted run.

    python tests/kill_driver.py --step 06 --times 20

prints a line for each time and ends with status 1 if any result differed. `--step` is 01,
training or 06. Every time starts anew in a folder of its own. With `--quick`, the runs are forked
from one process that has imported Keras, and a network of a few layers is trained.
"""

import argparse
import io
import json
import multiprocessing
import os
import random
import runpy
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]
LONGEST = 600  # s that any run may take
EPOCHS = 8
BLOCKS = 91  # lines of the journal of the map
TOLERANCE = 1e-3  # of the weights and of the history; sums differ by the order of threads


@dataclass(frozen=True)
class Step:
    """How a step is run, and how far it came."""

    command: list[str]
    reached: Callable[[Path], float]  # share of the work that is done; below 0 before it begins
    delay: Callable[[Path, float], float]  # s that a kill comes at most after a share was reached,
    # by the folder of the uninterrupted run and the time it took
    progress: Callable[[Path], str]
    check_rerun: Callable[[str, str], None]  # what was printed, the progress before
    compare: Callable[[Path, Path], list[str]]  # what differs between two folders


class Run:
    """A run of a step in a folder, its output in a file beside it."""

    def __init__(self, step: Step, folder: Path, quick: bool, share: float = 0) -> None:
        self.folder, self.output = folder, folder.with_suffix(".out")
        start = fork_run if quick else execute
        self.process = multiprocessing.get_context("fork").Process(
            target=start, args=(step.command, folder, self.output)
        )
        self.process.start()
        end = time.monotonic() + LONGEST
        while self.process.is_alive() and time.monotonic() < end and step.reached(folder) < share:
            time.sleep(0.005)
        self.begin = time.monotonic()

    def finish(self) -> tuple[str, float]:
        """Wait for the end; give what was printed and the time from when the work began."""
        self.process.join(LONGEST)
        seconds = time.monotonic() - self.begin
        printed = self.output.read_text(errors="replace")
        if self.process.exitcode != 0:
            self.process.kill()
            raise RuntimeError(f"status {self.process.exitcode}: {printed[-2000:]}")
        return printed, seconds

    def kill_after(self, seconds: float) -> bool:
        """Kill it so long after its share was reached; False if it had ended by then."""
        end = time.monotonic() + seconds
        while self.process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)  # `join` takes a process that became another for ended, and waits
        if not self.process.is_alive():
            return False
        self.process.kill()
        self.process.join()
        return True


def redirect(folder: Path, output: Path) -> None:
    """Work in a folder, print to a file."""
    os.chdir(folder)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


def execute(command: list[str], folder: Path, output: Path) -> None:
    """Become a new process that runs the step, as from a shell."""
    redirect(folder, output)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.execve(sys.executable, [sys.executable, *command], environment)


def fork_run(command: list[str], folder: Path, output: Path) -> None:
    """Run the step in this forked process."""
    redirect(folder, output)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


def import_for_quick_runs() -> None:
    """Import what forked runs need, without any computing, which forks do not survive."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from landuse.evaluation import reports  # noqa: F401
    from landuse.outputs import pages, quicklooks  # noqa: F401
    from landuse.training import runs  # noqa: F401

    keras.applications.Tiny = tiny_network


def tiny_network(weights: None, input_shape: tuple, include_top: bool, name: str = "Tiny") -> Any:
    """Give a network in the manner of those of keras.applications."""
    import keras

    pixels = keras.Input(input_shape)
    values = keras.layers.Conv2D(8, 3, strides=4, use_bias=False)(pixels)
    values = keras.layers.ReLU()(keras.layers.BatchNormalization()(values))
    return keras.Model(pixels, keras.layers.Conv2D(16, 3, strides=2)(values), name=name)


# ---- script 01


def split_step(place: Path, quick: bool) -> Step:
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
        reached=lambda folder: 1.0,  # there is nothing to wait for that would not slow it down
        delay=lambda whole, seconds: seconds,
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


# ---- script 06


def make_scene_and_model(place: Path) -> None:
    """Write what a small map is made from."""
    from test_classify_image import brightness_model, made_pixels, record_of, write_scene

    from landuse.networks import model_files

    pixels = made_pixels()
    write_scene(place / "scene.tif", pixels)
    model_files.save(brightness_model(), record_of(pixels), place / "model.keras")


def map_step(place: Path, quick: bool) -> Step:
    """A map of a small scene in about 90 blocks."""
    maker = multiprocessing.get_context("fork").Process(target=make_scene_and_model, args=(place,))
    maker.start()
    maker.join()
    command = [str(REPOSITORY / "06_classify_image.py"), "--path-to-image", "../scene.tif"]
    command += ["--path-to-model", "../model.keras", "--precision", "float32"]
    command += ["--stride", "4", "--block-size", "16", "--batch-size", "4"]
    journal = Path("maps") / "scene_label.tif.partial" / "journal.txt"

    def reached(folder: Path) -> float:
        try:
            return (folder / journal).read_text().count("\n") / BLOCKS
        except OSError:
            return 1.0 if (folder / "maps" / "scene_label.tif").exists() else -1.0

    def progress(folder: Path) -> str:
        written = len(list(folder.glob("maps/scene[_.]*")))
        return f"{max(round(reached(folder) * BLOCKS) - 1, 0)} of 90 blocks, {written} files"

    def compare(one: Path, other: Path) -> list[str]:
        return [name for name in differing_files(one, other) if not name.endswith(".lock")]

    return Step(
        command,
        reached=reached,
        delay=lambda whole, seconds: 0.1 * seconds,
        progress=progress,
        check_rerun=lambda printed, before: None,
        compare=compare,
    )


# ---- training


def training_step(place: Path, quick: bool) -> Step:
    """A network from scratch on 24 patches."""
    from landuse.patches import class_folders, split_folders, splits
    from landuse.rasters import writing

    rng = np.random.default_rng(0)
    for level, name in enumerate(("Dark", "Light")):
        (place / "images" / name).mkdir(parents=True)
        for number in range(18):
            pixels = 800 + 300 * level + rng.integers(0, 900, (64, 64, 13))
            path = place / "images" / name / f"{name}_{number}.tif"
            writing.write_geotiff(path, pixels.astype(np.uint16), None, "")
    split = splits.split_random(class_folders.find_images(place / "images"), 1 / 3)
    split_folders.make_split_folder(place / "split", split, {})
    command = [str(REPOSITORY / "05_train_ms_from_scratch.py")]
    command += ["--network", "Tiny" if quick else "MobileNet", "--bands", "RGB"]
    command += ["--path-to-split-datasets", "../split", "--path-to-run", "run"]
    command += ["--epochs", str(EPOCHS), "--batch-size", "8", "--precision", "float32"]

    def reached(folder: Path) -> float:
        if not (folder / "run" / "settings.json").exists():
            return -1.0
        finished = len(read_state(folder / "run" / "state.npz")["history"])
        return (finished + 1) / (EPOCHS + 1)  # begun: an epoch, or the report after the last

    def two_epochs(whole: Path, seconds: float) -> float:
        rows = read_state(whole / "run" / "state.npz")["history"]
        return 2 * float(np.median([row["seconds"] for row in rows]))

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
        reached=reached,
        delay=two_epochs,
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
    differing = ["not finished" for state in states if not state["finished"]]
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
    """Names that only one of two run folders has; TensorBoard's logs do not count."""
    names = [{path.name for path in folder.iterdir()} - {"logs"} for folder in (one, other)]
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


def drive(
    name: str, times: int, place: Path, seed: int = 0, quick: bool = False
) -> list[list[str]]:
    """Kill and rerun a step so many times, printing a line each; give what differed each time."""
    if quick:
        import_for_quick_runs()
    step = STEPS[name](place, quick)
    (place / "whole").mkdir()
    _, seconds = Run(step, place / "whole", quick).finish()
    print(f"{name}: uninterrupted, {seconds:.1f} s of work", flush=True)
    moments = random.Random(seed)
    outcomes: list[list[str]] = []
    for attempt in range(10 * times):
        folder = place / f"killed_{attempt}"
        folder.mkdir()
        share = moments.random()
        delay = moments.random() * step.delay(place / "whole", seconds)
        if not Run(step, folder, quick, share).kill_after(delay):
            seconds *= 0.9  # it had ended: the machine is quicker than before
            shutil.rmtree(folder)
            continue
        before = step.progress(folder)
        printed, rest = Run(step, folder, quick).finish()
        step.check_rerun(printed, before)
        outcomes.append(step.compare(place / "whole", folder))
        print(
            f"{name} {len(outcomes):2} of {times}: killed with {before}; "
            f"rerun {rest:.1f} s: {'; '.join(outcomes[-1]) or 'the same'}",
            flush=True,
        )
        shutil.rmtree(folder)
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
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = drive(given.step, given.times, Path(folder), given.seed, given.quick)
    return int(any(outcomes) or len(outcomes) < given.times)


if __name__ == "__main__":
    sys.exit(main())

"""The whole way on the built-in sample: data, split, statistics, training, map, accuracy.

Each step runs by its own command line, as a user would run it, and writes into PATH_TO_DEMO.
A demo that was stopped goes on where it was; after a finished one, the next trains and maps anew.

Run:
    python make_demo.py
"""

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from landuse import command_line, files

# Paths
PATH_TO_DEMO = "demo"  # all that is written goes there

# Sample
SAMPLE_PATCHES_PER_CLASS = 200  # patches of each of the ten classes
SEED = 42  # of the sample, the split and the training

# Training (script 05)
NETWORK = "ResNet9"  # or DenseNet201, VGG16: slower
EPOCHS = 12  # passes over the training patches
TRAINING_FLAGS = ""  # further flags of script 05, as in "--batch-size 32 --symmetries"

# Map (script 06)
STRIDE = 8  # px from one cell of the map to the next
MAPPING_FLAGS = ""  # further flags of script 06

_REPOSITORY = Path(__file__).resolve().parent


def main() -> None:
    """Run all steps and compare the map with the truth of the scene."""
    from landuse.evaluation import map_accuracy

    start = time.perf_counter()
    demo = Path(PATH_TO_DEMO)
    prepare(demo)
    for number, command in enumerate(commands(demo), start=1):
        print(f"\n[{number}/5] python {shlex.join(command)}", flush=True)
        run_step(command)
    print(f"\nstride {STRIDE}: a label for every {STRIDE}x{STRIDE} px of the scene")
    print(f"all steps took {(time.perf_counter() - start) / 60:.1f} minutes")
    filled, overall = map_accuracy.accuracy(*read_maps(demo), STRIDE)
    files.write_json(demo / "accuracy.json", {"filled": filled, "overall": overall})
    print(f"map: {demo / 'maps' / 'scene.png'}")
    print(
        f"accuracy: {100 * filled:.1f} % where one class fills the window, "
        f"{100 * overall:.1f} % overall"
    )


def prepare(demo: Path) -> None:
    """Make the demo's folder; remove what an earlier demo left, unless it can be gone on with.

    Parameters
    ----------
    demo : Path
        Folder of the demo.

    Raises
    ------
    OSError
        When there is such a folder that no demo has made.
    """
    settings = command_line.constants(globals())
    marker = demo / "demo.json"
    if demo.exists() and any(demo.iterdir()) and not marker.is_file():
        raise FileExistsError(f"{demo} holds something else than a demo; name another folder")
    (demo / "maps").mkdir(parents=True, exist_ok=True)
    same = marker.is_file() and files.read_json(marker) == settings
    if not same or (demo / "accuracy.json").is_file():
        (demo / "accuracy.json").unlink(missing_ok=True)
        for name in ("runs", "maps") if same else ("data", "runs", "maps"):
            shutil.rmtree(demo / name, ignore_errors=True)
        (demo / "maps").mkdir()
    files.write_json(marker, settings)


def commands(demo: Path) -> list[list[str]]:
    """Return the command line of each step, without the interpreter.

    Parameters
    ----------
    demo : Path
        Folder of the demo.
    """
    sample, run = demo / "data" / "sample", demo / "runs" / f"05_train_ms_from_scratch_{NETWORK}"
    split, maps, seed = sample / "split_MS", demo / "maps", f"--seed={SEED}"
    patches = f"--sample-patches-per-class={SAMPLE_PATCHES_PER_CLASS}"
    steps: list[list[str | Path]] = [
        ["00_get_data.py", "--dataset", "sample", "--path-to-data", demo / "data", patches, seed],
        [
            "01_split_data_to_train_and_validation.py",
            *("--path-to-all-images", sample / "EuroSAT_MS"),
            *("--path-to-split-datasets", split, seed),
        ],
        ["statistics.py", "--path-to-split-datasets", split],
        [
            "05_train_ms_from_scratch.py",
            *("--path-to-split-datasets", split, "--path-to-run", run, "--network", NETWORK),
            *("--epochs", str(EPOCHS), seed, *shlex.split(TRAINING_FLAGS)),
        ],
        [
            "06_classify_image.py",
            *("--path-to-image", sample / "scene.tif", "--path-to-model", run / "model.keras"),
            *("--path-to-label-image", maps / "scene_label.tif"),
            *("--path-to-prob-image", maps / "scene_probability.tif"),
            *("--stride", str(STRIDE), *shlex.split(MAPPING_FLAGS)),
        ],
    ]
    return [[str(word) for word in step] for step in steps]


def run_step(command: list[str]) -> None:
    """Run a script of the repository; its output goes to the terminal as it comes.

    Parameters
    ----------
    command : list of str
        Name of the script and its flags.

    Raises
    ------
    SystemExit
        With the script's status, when it fails: it has said why.
    """
    script, *flags = command
    answer = subprocess.run([sys.executable, str(_REPOSITORY / script), *flags])
    if answer.returncode:
        raise SystemExit(answer.returncode if answer.returncode > 0 else 1)


def read_maps(demo: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the label map and the truth of the scene.

    Parameters
    ----------
    demo : Path
        Folder of the demo.

    Returns
    -------
    labels : ndarray of shape (cell rows, cell columns), uint8
        Class index, 255 where there is no label.
    truth : ndarray of shape (rows, columns), uint8
        Class index, 255 where it is unknown.
    """
    from landuse.rasters import reading

    labels, _ = reading.read_raster(demo / "maps" / "scene_label.tif")
    truth, _ = reading.read_raster(demo / "data" / "sample" / "scene_truth.tif")
    return labels, truth


if __name__ == "__main__":
    command_line.run(main, globals())

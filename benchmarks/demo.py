"""The whole way on the built-in sample: data, split, statistics, training, map, accuracy.

Each step runs by its own command line, as a user would run it, and writes into PATH_TO_DEMO.
A demo that was stopped goes on where it was; after a finished one, the next trains and maps anew.

Run:
    python benchmarks/demo.py
"""

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

_REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.append(str(_REPOSITORY))  # at its end: the standard library's statistics comes first

from landuse import command_line, files  # noqa: E402

# Paths
PATH_TO_DEMO = "demo"  # all that is written goes there

# Sample
SAMPLE_PATCHES_PER_CLASS = 200  # patches of each of the ten classes
SEED = 42  # of the sample, the split and the training

# Training (script 05)
NETWORK = "DenseNet201"  # or VGG16
EPOCHS = 10  # passes over the training patches
TRAINING_FLAGS = ""  # further flags of script 05, as in "--batch-size 32 --symmetries"

# Map (script 06)
STRIDE = 8  # px from one cell of the map to the next
MAPPING_FLAGS = ""  # further flags of script 06

_WINDOW = 64  # px, side of the window that a cell of the map stands for
_SHARE_FILLED = 0.8  # of a window that its class must cover to count as filled
_NODATA = 255


def main() -> None:
    """Run all steps and compare the map with the truth of the scene."""
    start = time.perf_counter()
    demo = Path(PATH_TO_DEMO)
    prepare(demo)
    for number, command in enumerate(commands(demo), start=1):
        print(f"\n[{number}/5] python {shlex.join(command)}", flush=True)
        run_step(command)
    print(f"\nstride {STRIDE}: a label for every {STRIDE}x{STRIDE} px of the scene")
    print(f"all steps took {(time.perf_counter() - start) / 60:.1f} minutes")
    filled, overall = accuracy(*read_maps(demo), STRIDE)
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


def accuracy(labels: np.ndarray, truth: np.ndarray, stride: int) -> tuple[float, float]:
    """Compare a label map with the majority class of the truth in the window of each cell.

    Parameters
    ----------
    labels : ndarray of shape (cell rows, cell columns), uint8
        Class index; 255, no label, counts as wrong.
    truth : ndarray of shape (rows, columns), uint8
        Class index, 255 where it is unknown; windows without any truth are left out.
    stride : int, px
        From one cell to the next.

    Returns
    -------
    filled : float
        Share of right labels, 0..1, where one class covers _SHARE_FILLED of the window or more.
    overall : float
        Share of right labels over all windows. Both are NaN where there is nothing to compare.
    """
    majority, share = window_majority(truth, stride)
    if labels.shape != majority.shape:
        raise ValueError(
            f"the label map has {labels.shape} cells, but a scene of {truth.shape} px "
            f"at stride {stride} has {majority.shape}"
        )
    right = labels == majority
    return _mean(right[share >= _SHARE_FILLED]), _mean(right[share > 0])


def _mean(right: np.ndarray) -> float:
    return float(right.mean()) if right.size else float("nan")


def window_majority(truth: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the majority class of the truth in the window of each cell of a map.

    Cell (i, j) of a map at stride n is the window of rows i * n + n // 2 - 32 to + 31, columns
    likewise. Beyond its edges the truth is mirrored, as the scene is when it is classified.

    Parameters
    ----------
    truth : ndarray of shape (rows, columns), uint8
        Class index, 255 where it is unknown.
    stride : int, px
        From one cell to the next.

    Returns
    -------
    majority : ndarray of shape (cell rows, cell columns), uint8
        The class with most pixels; the lower index of two that are equal.
    share : ndarray of shape (cell rows, cell columns), float64
        Share of the window that this class covers, 0..1.
    """
    starts = [np.arange(-(-size // stride)) * stride + stride // 2 for size in truth.shape]
    margins = [
        (_WINDOW // 2, max(0, start[-1] + _WINDOW // 2 - size))
        for start, size in zip(starts, truth.shape, strict=True)
    ]
    padded = np.pad(truth, margins, mode="symmetric")
    classes = np.unique(truth[truth != _NODATA])
    if classes.size == 0:
        shape = tuple(len(start) for start in starts)
        return np.full(shape, _NODATA, np.uint8), np.zeros(shape)
    counts = np.stack([_window_sums(padded == index, *starts) for index in classes])
    return classes[counts.argmax(axis=0)], counts.max(axis=0) / _WINDOW**2


def _window_sums(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    totals = np.pad(mask.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    high, low = totals[rows + _WINDOW], totals[rows]
    return (high - low)[:, columns + _WINDOW] - (high - low)[:, columns]


if __name__ == "__main__":
    command_line.run(main, globals())

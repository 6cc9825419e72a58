"""Processor seconds of script 06 from its start to the map of a single window: what starting costs.

Each network is saved untrained, and the script is run in processes of its own on a made scene of
one window or two: without the cache, with an empty one (the first start with a model), and with
what that kept (each further start). `--help` and an error of input are measured too. Both cores
count, and writing the small map does. Rounds take turns, and the best of each counts.

Run (about 10 minutes on two cores):
    python benchmarks/start.py
    python benchmarks/start.py --networks DenseNet201 --path-to-other ../another_checkout
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line

REPOSITORY = Path(__file__).resolve().parent.parent

NETWORKS = ["MobileNetV2", "ResNet50", "DenseNet201", "VGG16"]  # and any other of the catalogue
ENGINES = ["keras", "openvino"]  # and onnx
PRECISION = "auto"  # or float32, bfloat16
BANDS = 13  # or 3
BATCH_SIZE = 8  # windows in a call of the network: the script makes two before it is done
ROUNDS = 2  # the best counts
PATH_TO_OTHER: str | None = None  # an older checkout of these scripts, to compare with


def main() -> None:
    """Measure the starts and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder) / "scene.tif")
        print(f"{measuring.machine()}; {BANDS} bands, batches of {BATCH_SIZE}, best of {ROUNDS}\n")
        measuring.print_header("what", "processor seconds")
        for what, flags in (("--help", ["--help"]), ("a scene that is not there", missing(folder))):
            seconds = min(seconds_of(REPOSITORY, flags, Path(folder)) for _ in range(ROUNDS))
            measuring.print_row(what, f"{seconds:.2f}")
        print()
        columns = ["without the cache", "first start", "further starts"]
        measuring.print_header(
            "network",
            "engine",
            *(["the other checkout"] if PATH_TO_OTHER else []),
            *columns,
            text=2,
        )
        for name in NETWORKS:
            model = make_model(name, Path(folder) / f"{name}.keras")
            for engine in ENGINES:
                print_row_of(name, engine, scene, model, Path(folder))


def missing(folder):
    """Flags of a run that ends with an error of input."""
    return ["--path-to-image", str(Path(folder) / "nothing.tif")]


def band_names():
    from landuse import sensors

    return list(sensors.BANDS_MS if BANDS == 13 else sensors.BANDS_RGB)


def make_scene(path):
    """Write a scene that is hardly larger than a window."""
    from landuse.rasters import writing

    pixels = np.random.default_rng(0).integers(1000, 4000, (72, 72, BANDS)).astype(np.uint16)
    place = (600_000, 10, 0, 4_900_000, 0, -10)
    writing.write_geotiff(path, pixels, place, "EPSG:32632", band_names=band_names())
    return path


def make_model(name, path):
    """Save an untrained network, as a training script saves the best one."""
    from landuse.networks import model_files

    record = {
        "class_names": measuring.CLASS_NAMES,
        "band_names": band_names(),
        "units": "DN",
        "patch_size": 64,
        "statistics": {},
        "network": name,
    }
    model_files.save(measuring.random_classifier(name, BANDS), record, path)
    return path


def print_row_of(name, engine, scene, model, folder):
    """Let the starts of one network by one engine take turns."""
    flags = ["--path-to-image", str(scene), "--path-to-model", str(model), "--stride", "64"]
    flags += ["--path-to-label-image", str(folder / f"{name}_label.tif")]
    flags += ["--engine", engine, "--precision", PRECISION, "--batch-size", str(BATCH_SIZE)]
    rounds = []
    for number in range(ROUNDS):
        cache = folder / f"{name}_{engine}_{number}"
        seconds = [seconds_of(PATH_TO_OTHER, flags, cache)] if PATH_TO_OTHER else []
        seconds.append(seconds_of(REPOSITORY, [*flags, "--no-cache-network"], cache))
        seconds += [seconds_of(REPOSITORY, flags, cache) for _ in range(2)]
        rounds.append(seconds)
        shutil.rmtree(cache)
    measuring.print_row(name, engine, *(f"{least:.1f}" for least in np.min(rounds, axis=0)))


def seconds_of(repository, flags, cache):
    """Processor seconds of a run of script 06, of all its threads."""
    command = [sys.executable, str(Path(repository) / "06_classify_image.py"), *flags]
    environment = {**os.environ, "LANDUSE_CACHE": str(cache)}
    before = os.times()
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = os.times()
    if answer.returncode and "error: PATH_TO_IMAGE" not in answer.stderr:
        raise RuntimeError(answer.stderr[-2000:])
    return sum(after[2:4]) - sum(before[2:4])


if __name__ == "__main__":
    command_line.run(main, globals())

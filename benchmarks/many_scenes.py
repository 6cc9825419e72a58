"""Several scenes by one process, and by workers of Dask on the same machine.

Makes scenes of noise (13 bands, GeoTIFF) and a network with random weights, once, then maps them
with script 06 as it is, and with SCHEDULER = "local". Printed are seconds by the clock and of the
processor (all processes together), the most memory of all of them at one time, and whether the maps
are the same, byte for byte. The first scenes pay for the start of each process.

Run:
    python benchmarks/many_scenes.py
    python benchmarks/many_scenes.py --network ResNet50 --scenes 16 --numbers-of-workers 1 2 4
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import measuring
import numpy as np
import psutil
import whole_tile

from image_functions import BANDS_MS
from landuse import command_line

PATH_TO_WORK = "data/benchmarks/many_scenes"  # scenes, model and maps; the maps are made anew
NETWORK = "DenseNet201"
SCENES = 8
SIZE = 512  # px, side of a scene
STRIDE = 16  # px from one cell of the map to the next
PRECISION = "auto"  # or float32, bfloat16
NUMBERS_OF_WORKERS = [2]  # numbers of workers to try beside the one process

_STEP_6 = Path(__file__).resolve().parent.parent / "06_classify_image.py"
_SECONDS_BETWEEN_LOOKS = 0.5


def main() -> None:
    """Map the scenes in each way and print the table."""
    work = Path(PATH_TO_WORK).absolute()
    work.mkdir(parents=True, exist_ok=True)
    scenes = [made_scene(work / f"scene{number}_{SIZE}.tif", number) for number in range(SCENES)]
    model = whole_tile.made_model(NETWORK, work / f"{NETWORK}.keras")
    print(f"{measuring.machine()}; {NETWORK}, {PRECISION}")
    print(f"{SCENES} scenes of {SIZE}x{SIZE} px, stride {STRIDE}, window by window")
    measuring.print_header("how", "clock, s", "processor, s", "most memory, GiB", "same maps")
    first: dict[str, bytes] = {}
    for workers in (None, *NUMBERS_OF_WORKERS):
        maps = work / "maps"
        shutil.rmtree(maps, ignore_errors=True)
        maps.mkdir()
        clock, processor, memory = mapped(scenes, model, maps, workers)
        made = {path.name: path.read_bytes() for path in sorted(maps.glob("*.*")) if path.stem}
        first = first or made
        how = "one process" if workers is None else f"{workers} workers"
        same = "yes" if made == first else "no"
        measuring.print_row(how, f"{clock:.0f}", f"{processor:.0f}", f"{memory / 2**30:.2f}", same)


def made_scene(path: Path, seed: int) -> Path:
    """Write a scene of noise, or find the one that was made before."""
    from landuse.rasters import writing

    if not path.is_file():
        pixels = np.random.default_rng(seed).integers(300, 3000, (SIZE, SIZE, 13), np.uint16)
        place = (600000.0 + seed * SIZE * 10, 10.0, 0.0, 4850000.0, 0.0, -10.0)
        writing.write_geotiff(path, pixels, place, "EPSG:32632", nodata=0, band_names=BANDS_MS)
    return path


def mapped(
    scenes: list[Path], model: Path, maps: Path, workers: int | None
) -> tuple[float, float, int]:
    """Run script 06; give its seconds by the clock, of the processor, and its memory in bytes."""
    words = ["--path-to-image", *map(str, scenes), "--path-to-model", str(model)]
    words += ["--path-to-label-image", str(maps / "{product}_label.tif"), "--method", "windows"]
    words += ["--stride", str(STRIDE), "--precision", PRECISION]
    words += ["--scheduler", "local", "--workers", str(workers)] if workers else []
    start, memory = time.perf_counter(), 0
    with open(maps.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(_STEP_6), *words], stdout=log, stderr=subprocess.STDOUT
        )
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            memory = max(memory, memory_of(process.pid))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    clock = time.perf_counter() - start
    _, status, usage = ended
    if status:
        raise ValueError(f"script 06 failed, see {maps.with_suffix('.log')}")
    return clock, usage.ru_utime + usage.ru_stime, memory


def memory_of(pid: int) -> int:
    """Add up what a process and those below it have in memory, in bytes."""
    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    command_line.run(main, globals())

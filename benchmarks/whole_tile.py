"""How long script 06 takes for a whole Sentinel-2 tile, from the product to the finished files.

Makes an L1C product of 10980x10980 px (13 bands, JPEG 2000) and models with random weights that
count as trained for dense maps, once, then maps the product with each by script 06's own command
line, as a user would. Printed are minutes by the clock and of the processor, and the largest
memory. The pixels are made; how long a map takes does not depend on them.

Run (a minute or two for the product, then as long as the maps take, some ten minutes each):
    python benchmarks/whole_tile.py
    python benchmarks/whole_tile.py --networks VGG16 --stride 16 --block-size 1024
    python benchmarks/whole_tile.py --networks ResNet9 --pixels
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))  # make_products
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import measuring

from image_functions import BANDS_MS
from landuse import command_line

PATH_TO_WORK = "data/benchmarks/whole_tile"  # product, models and maps; kept for the next time
NETWORKS = ["DenseNet201", "VGG16"]  # and ResNet50
STRIDE = 8  # px from one cell of the map to the next
PIXELS = False  # networks as script 11 makes them: a class for every pixel, at no stride
METHOD = "dense"  # or windows (at a stride of 8, that takes hours)
ENGINE = "keras"  # or openvino
PRECISION = "auto"  # or float32, bfloat16
BLOCK_SIZE: int | None = None  # px, side of the pieces done at once; None: script 06 decides
SIZE = 10_980  # px, rows and columns of the product: a multiple of 6

_STEP_6 = Path(__file__).resolve().parent.parent / "06_classify_image.py"


def main() -> None:
    """Map the product with each network and print the table."""
    work = Path(PATH_TO_WORK)
    product = made_product(work / f"product_{SIZE}")
    how = "pixels" if PIXELS else f"{METHOD}, stride {STRIDE}"
    print(f"{measuring.machine()}; {how}, {ENGINE}, {PRECISION}, {SIZE} px")
    measuring.print_header("network", "minutes", "processor minutes", "largest memory, GiB")
    for name in NETWORKS:
        model = made_model(name, work / f"{name}{'_pixels' if PIXELS else ''}.keras")
        clock, processor, memory = mapped(product, model, work / "maps")
        measuring.print_row(
            name, f"{clock / 60:.1f}", f"{processor / 60:.1f}", f"{memory / 2**30:.2f}"
        )


def made_product(folder: Path) -> Path:
    """Make the product, or find the one that was made before."""
    import make_products

    if not folder.is_dir():
        unfinished = folder.with_suffix(".partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make_products.make_full_size_safe(unfinished, SIZE)
        unfinished.rename(folder)
    return next(folder.glob("*.SAFE"))


def made_model(name: str, path: Path) -> Path:
    """Write a model of 13 bands whose weights are random, and whose record allows dense maps.

    Each network is built in a process of its own, so that its memory is not this one's.
    """
    if not path.is_file():
        arguments = f"{name!r}, {str(path.absolute())!r}, {PIXELS}"
        code = f"import whole_tile; whole_tile.write_model({arguments})"
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True)
    return path


def write_model(name: str, path: str, pixels: bool) -> None:
    """Build a network and save it with the record of one that was trained on mosaics or tiles."""
    from landuse.networks import model_files

    record = {
        "class_names": measuring.CLASS_NAMES,
        "band_names": list(BANDS_MS),
        "units": "DN",
        "patch_size": 64,
        "statistics": {},
        "network": name,
        "dense": not pixels,
    }
    if pixels:
        record["task"] = "pixels"
    model = (random_pixel_network if pixels else measuring.random_classifier)(name, len(BANDS_MS))
    model_files.save(model, record, path)


def random_pixel_network(name: str, bands: int) -> Any:
    """Make an encoder and decoder for ten classes with random weights, as script 11 does."""
    import keras

    from landuse.networks import bases, pixel_layers, pixel_networks

    statistics = {"mean": [2000.0] * bands, "std": [1000.0] * bands}
    network = pixel_networks.pixel_network(
        bases.base_network(name, bands), skip_stride=2, width=64, rates=[1, 2, 3], dropout=0.1
    )
    pixels = keras.Input((None, None, bands), name="pixels")
    features = network(pixel_layers.standardisation(statistics)(pixels))
    return keras.Model(pixels, pixel_networks.pixel_top(features, measuring.CLASS_NAMES, 2))


def mapped(product: Path, model: Path, maps: Path) -> tuple[float, float, int]:
    """Run script 06; give its seconds by the clock, of the processor, and its memory in bytes."""
    shutil.rmtree(maps, ignore_errors=True)  # an unfinished map would be gone on with
    maps.mkdir()
    flags = {
        "--path-to-image": product,
        "--path-to-model": model,
        "--path-to-label-image": maps / "{product}_label.tif",
        "--stride": STRIDE,
        "--method": "auto" if PIXELS else METHOD,
        "--engine": ENGINE,
        "--precision": PRECISION,
        "--block-size": BLOCK_SIZE,
    }
    words = [str(word) for pair in flags.items() for word in pair]
    start = time.perf_counter()
    with open(maps.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(_STEP_6), *words],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
    clock = time.perf_counter() - start
    if status:
        raise ValueError(f"script 06 failed, see {maps.with_suffix('.log')}")
    unit = 1 if sys.platform == "darwin" else 1024
    return clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


if __name__ == "__main__":
    command_line.run(main, globals())

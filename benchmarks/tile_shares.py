"""What share reading and computing have in a dense map of a whole tile, in processor seconds.

The product of `whole_tile.py` is read in three ways, and computed in a fourth turn:

- bare: GDAL decodes each file once, in rows of the file's own tiles, and nothing else happens;
- as script 06 reads: the blocks of the map with their margins, the bands of 20 and 60 m brought to
  10 m, in DN. Blocks do not meet the file's tiles, but GDAL keeps two rows of these in memory. The
  first block is then read again: what that takes is arithmetic, and what is left is decoding. Where
  that is more than bare decoding, tiles are decoded more than once;
- computed: one block by the network, times the number of blocks.

In a map the next block is read while this one is computed, so by the clock the longer of both
counts, as far as there are cores.

Run (some five minutes on two cores, and another for the product):
    python benchmarks/tile_shares.py
    python benchmarks/tile_shares.py --networks VGG16 DenseNet201 --engine openvino
"""

import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import measuring
import numpy as np
import whole_tile

from image_functions import BANDS_MS
from landuse import command_line

PATH_TO_WORK = "data/benchmarks/whole_tile"  # the product, shared with whole_tile.py
NETWORKS = ["ResNet9"]  # and VGG16, DenseNet201, ...
STRIDE = 8  # px from one cell of the map to the next
ENGINE = "keras"  # or openvino
PRECISION = "bfloat16"  # or float32
CALLS = 3  # of the network with a block; the median counts
SIZE = 10_980  # px, rows and columns of the product


def main() -> None:
    """Read the product, compute a block with each network, and print both."""
    from landuse.mapping import grids, map_blocks, methods
    from landuse.scenes import opening

    product = whole_tile.made_product(Path(PATH_TO_WORK) / f"product_{SIZE}")
    print(f"{measuring.machine()}; {SIZE} px, 13 bands, stride {STRIDE}, {ENGINE}, {PRECISION}\n")
    measuring.print_header("reading", "processor seconds", "seconds by the clock")
    with opening.open_scene(product, BANDS_MS) as scene:
        shape = (scene.rows, scene.columns)
        grid = grids.scene_grid(shape, STRIDE)
        side = methods.block_size_for("dense")
        blocks = map_blocks.blocks_of(grid, side, "dense")
        measuring.print_row("bare", *seconds_of(lambda: decode(scene.files())))
        as_in_a_map = seconds_of(lambda: read_blocks(scene, grid, blocks))
        measuring.print_row("as script 06 reads", *as_in_a_map)
        read_blocks(scene, grid, blocks[:1])
        again = seconds_of(lambda: read_blocks(scene, grid, blocks[:1] * len(blocks)))
        measuring.print_row("of which arithmetic", *again)
    print()
    measuring.print_header(
        "network",
        "computing, processor seconds",
        "share of reading",
        "windows a processor second, computing",
        "windows a processor second, with reading",
    )
    for name in NETWORKS:
        computing = len(blocks) * seconds_of_block(name, methods.dense_block_shape(grid, side))
        both = computing + float(as_in_a_map[0])
        measuring.print_row(
            name,
            f"{computing:.0f}",
            f"{100 * (1 - computing / both):.0f} %",
            f"{grid.cells / computing:,.0f}",
            f"{grid.cells / both:,.0f}",
        )


def seconds_of(action):
    clock, processor = time.perf_counter(), time.process_time()
    action()
    return f"{time.process_time() - processor:.0f}", f"{time.perf_counter() - clock:.0f}"


def decode(files):
    """Let GDAL decode all JPEG 2000 files, each tile once."""
    from landuse.rasters import reading

    for file in files:
        if file.suffix == ".jp2":
            with reading.Raster(file) as raster:
                for row in range(0, raster.info.rows, 1024):
                    rows = min(1024, raster.info.rows - row)
                    raster.read(0, row, 0, rows, raster.info.columns)


def read_blocks(scene, grid, blocks):
    """Read the blocks of a dense map, one after the other."""
    from landuse.mapping import map_blocks, methods

    size = blocks[0].rows, blocks[0].columns
    shape = (scene.rows, scene.columns)
    for block in blocks:
        map_blocks.read_block(scene.read, shape, grid, block, size, methods.DENSE_MARGIN)


def seconds_of_block(name, shape):
    """Processor seconds of a call of the network with a block, when it is warm."""
    from landuse.networks import engines

    model = measuring.random_classifier(name, len(BANDS_MS))
    size = (1, *shape, len(BANDS_MS))
    predict = engines.make_predict(model, size, ENGINE, PRECISION, dense_stride=STRIDE)
    pixels = np.random.default_rng(0).integers(1, 4000, size, dtype=np.uint16).astype(np.float32)
    predict(pixels)
    seconds = []
    for _ in range(CALLS):
        before = time.process_time()
        predict(pixels)
        seconds.append(time.process_time() - before)
    return float(np.median(seconds))


if __name__ == "__main__":
    command_line.run(main, globals())

"""At how many workers reading becomes the limit: a simulation from measured times.

Each worker maps tile after tile in blocks; while it computes one, it reads the next, as step 6
does. All read from one disk, whose rate they share. What a tile takes to compute and to read is
measured (benchmarks/README.md, "A whole tile"); the rate of the disk is yours to say. Printed is
how many tiles an hour are made, and by how much each worker is slower than one alone. Nothing is
measured here, and a network's own delays are left out.

Run (seconds):
    python benchmarks/many_workers.py
    python benchmarks/many_workers.py --compute-seconds 246 --disk-rates 100 1000
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import numpy as np

from landuse import command_line

COMPUTE_SECONDS = 468.0  # of a tile by one worker of two cores; 468: DenseNet201, 246: VGG16, dense
READ_MEGABYTES = 700.0  # of a tile: an L1C product of 13 bands
ONE_READER = 6.7  # megabytes a second that one worker can take in: decoding takes 105 s a tile
DISK_RATES = [100.0, 1000.0]  # megabytes a second that all share, such as 1 and 10 Gbit Ethernet
NUMBERS_OF_WORKERS = [1, 8, 32, 64, 128, 256, 512]
BLOCKS = 64  # of a tile
TILES = 2  # that each worker makes
SEED = 1  # of the moments at which the workers start


def main() -> None:
    """Simulate and print a table for each disk."""
    for rate in DISK_RATES:
        limit = rate * COMPUTE_SECONDS / READ_MEGABYTES
        print(f"disk of {rate:g} MB/s: reading is the limit above about {limit:.0f} workers")
        print("| workers | tiles an hour | seconds a tile and worker | times as long as alone |")
        print("|---:|---:|---:|---:|")
        alone = seconds_of_tile(1, rate)
        for workers in NUMBERS_OF_WORKERS:
            seconds = seconds_of_tile(workers, rate)
            tiles = 3600 * workers / seconds
            print(f"| {workers} | {tiles:,.0f} | {seconds:,.0f} | {seconds / alone:.2f} |")


def seconds_of_tile(workers: int, rate: float) -> float:
    """Simulate workers that share a disk; give the mean seconds that a tile takes each."""
    rng = np.random.default_rng(SEED)
    megabytes, seconds = READ_MEGABYTES / BLOCKS, COMPUTE_SECONDS / BLOCKS
    to_read = np.full(workers, megabytes)  # of the block that is read now
    to_compute = np.zeros(workers)  # of the block that is computed now
    waits = rng.uniform(0, COMPUTE_SECONDS, workers)  # they do not all start at once
    started = waits.copy()
    has_next = np.zeros(workers, bool)  # a block is read and waits
    left_to_read = np.full(workers, BLOCKS * TILES)
    left_to_compute = np.full(workers, BLOCKS * TILES)
    ended = np.zeros(workers)
    now = 0.0
    while (left_to_compute > 0).any():
        running = waits <= now
        reads = running & ~has_next & (left_to_read > 0)
        speed = min(ONE_READER, rate / max(reads.sum(), 1))
        computes = to_compute > 0
        step = min(
            (to_read[reads] / speed).min(initial=np.inf),
            to_compute[computes].min(initial=np.inf),
            (waits[~running] - now).min(initial=np.inf),
        )
        now += step
        to_read[reads] -= step * speed
        to_compute[computes] -= step
        read = reads & (to_read <= 1e-9)
        has_next |= read
        left_to_read[read] -= 1
        to_read[read] = megabytes
        computed = computes & (to_compute <= 1e-9)
        to_compute[computed] = 0.0
        left_to_compute[computed] -= 1
        ended[computed] = now
        begins = has_next & (to_compute == 0)
        to_compute[begins], has_next[begins] = seconds, False
    return float((ended - started).mean() / TILES)


if __name__ == "__main__":
    command_line.run(main, globals())

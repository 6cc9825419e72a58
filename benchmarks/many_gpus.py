"""What an epoch of BigEarthNet takes by number of GPUs, and what is the limit: an estimate.

Nothing is measured here. What preparing a patch takes was measured (benchmarks/README.md, "Packed
patches of BigEarthNet"); what a GPU takes is told by others, and rates of disks and networks are
yours to say. A step is as long as the slowest of what goes on at the same time: computing,
preparing the next batches, and reading them; the exchange of gradients between machines comes on
top. Within a machine that is left out.

Run (at once):
    python benchmarks/many_gpus.py
    python benchmarks/many_gpus.py --mixup 0.2 --disk-rate 100
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from landuse import command_line

PATCHES = 237_871  # of the training part of version 2
GPU_RATE = 500.0  # patches a second of one GPU: V100 with ResNet50, from JEOPARDA's minute an epoch
PREPARED = 1042.0  # patches a second of one thread, augmented (measured)
THREADS = 2  # that prepare batches in each process
MEGABYTES = 0.346  # of a patch of 12 bands
DISK_RATE = 1000.0  # megabytes a second that all processes share; 0: all is in memory
NETWORK_RATE = 1250.0  # megabytes a second between machines: 1250 are 10 Gbit
GRADIENTS = 102.0  # megabytes of ResNet50, float32
BATCH_SIZE = 256  # patches, of all GPUs together
MIXUP = 0.0  # above 0: each process prepares the whole batch
GPUS_EACH = [1, 2, 4, 8]  # in each machine
MACHINES = [1, 2, 4]  # machines


def main() -> None:
    """Print a table for numbers of machines and of their GPUs."""
    print("| machines x GPUs | patches a second | minutes an epoch | limit |")
    print("|---|---:|---:|---|")
    for nodes in MACHINES:
        for gpus in GPUS_EACH:
            seconds, limit = step(nodes, gpus)
            rate = BATCH_SIZE / seconds
            print(f"| {nodes} x {gpus} | {rate:,.0f} | {PATCHES / rate / 60:.1f} | {limit} |")


def step(nodes: int, gpus: int) -> tuple[float, str]:
    """Give the seconds of a step, and what they are spent on."""
    seconds = {
        "GPUs": BATCH_SIZE / (GPU_RATE * nodes * gpus),
        "preparing": BATCH_SIZE / (PREPARED * THREADS) / (1 if MIXUP else nodes),
        "disk": DISK_RATE and BATCH_SIZE * MEGABYTES * (nodes if MIXUP else 1) / DISK_RATE,
    }
    limit = max(seconds, key=lambda what: seconds[what])
    # a ring: each machine sends and takes twice its share
    exchange = 2 * GRADIENTS * (nodes - 1) / nodes / NETWORK_RATE
    if exchange > seconds[limit]:
        return seconds[limit] + exchange, "network"
    return seconds[limit] + exchange, limit


if __name__ == "__main__":
    command_line.run(main, globals())

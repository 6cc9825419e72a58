"""BigEarthNet's patches a second: from packed shards, and read file by file, as they become more.

Made patches in the layout of v1 (a folder for each, 12 files in three resolutions) are put under
further names until there are as many as wanted, packed once, and read in the order in which a
training takes them. The yardstick is what a loader without a store does in every epoch: it opens
the twelve GeoTIFFs of each patch and brings them to 10 m, one after the other. Both in one thread,
in turns; seconds are those of the processor. Memory is what the highest that the process held rose
by while batches were read (Linux tells).

What a store takes on disk grows with the patches, 346 kB each with 12 bands; what is held in memory
should not. Files that were read shortly before come from the memory of the system, in both cases.

Run (some minutes; 4 GB of disk):
    python benchmarks/packed_patches.py
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line
from landuse.multilabel import ben_listing, patch_store
from landuse.patches import patch_batches
from landuse.sample import made_bigearthnet

COUNTS = [500, 2000, 8000]  # patches of the data sets
BANDS = list(patch_store.BANDS)  # or some of them
BATCH_SIZE = 64
BATCHES = 12  # read in a turn, at random places
FILES = 64  # patches that are read file by file in a turn
ROUNDS = 3  # turns of each; the best counts
NETWORK: str | None = "ResNet50"  # whose training steps are timed, too; None: none
STEPS = 4  # of them; the first one compiles and does not count
PATH_TO_WORK: str | None = None  # folder for the patches, which are removed; None: a temporary one


def main() -> None:
    """Make patches, pack them, read them both ways, and print the table."""
    with tempfile.TemporaryDirectory(dir=PATH_TO_WORK) as work:
        print(measuring.machine())
        made = made_bigearthnet.write_made_patches(Path(work) / "made", 50, version=1)
        measuring.print_header(
            "patches", "to list, s", "to pack, ms each", "GB packed", "packed, a second",
            "with symmetries and mixup", "file by file", "ratio", "memory, MB",
            text=0,
        )  # fmt: skip
        for count in COUNTS:
            folder = Path(work) / f"of_{count}"
            copy_patches(made, folder, count)
            measure(folder, count)
            shutil.rmtree(folder)
    if NETWORK is not None:
        measure_step(NETWORK)


def measure_step(name: str) -> None:
    """Measure steps of a network that gives 43 labels, on a batch that stays in memory."""
    import keras

    from landuse.networks import bases, label_losses, precisions, tops

    precision = precisions.set_precision("auto") or keras.config.dtype_policy().name
    pixels = keras.Input((patch_store.SIDE, patch_store.SIDE, len(BANDS)))
    base = bases.base_network(name, len(BANDS))
    classes = [f"class {number}" for number in range(43)]
    model = keras.Model(pixels, tops.new_top(base(pixels), name, classes, 0.2, "sigmoid"))
    model.compile("adamw", label_losses.LabelLoss(np.ones(43)), jit_compile="auto")
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(BATCH_SIZE, *pixels.shape[1:])).astype(np.float32)
    labels = (rng.random((BATCH_SIZE, 43)) < 0.07).astype(np.float32)
    seconds = []
    for _ in range(STEPS):
        clock, processor = time.perf_counter(), time.process_time()
        model.train_on_batch(batch, labels)
        seconds.append((time.perf_counter() - clock, time.process_time() - processor))
    best = np.min(seconds[1:], axis=0)
    print(
        f"{name}, {precision}: {BATCH_SIZE / best[0]:.1f} patches a second by the clock, "
        f"{BATCH_SIZE / best[1]:.1f} by a second of the processor"
    )


def copy_patches(made: Path, folder: Path, count: int) -> None:
    """Copy made patches under new names until there are so many; hard links take no room."""
    sources = sorted(entry for entry in made.iterdir() if entry.name.startswith("S2A"))
    for number in range(count):
        source = sources[number % len(sources)]
        name = (
            f"S2A_MSIL2A_2017{1 + number // 10_000 % 9:02}01T101031_{number // 100}_{number % 100}"
        )
        (folder / name).mkdir(parents=True)
        for file in source.iterdir():
            os.link(file, folder / name / file.name.replace(source.name, name))


def memory(what: str) -> float:
    """Give what Linux tells of this process's memory, in MB: VmRSS now, VmHWM at the most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def forget_highest() -> float:
    """Let the highest memory count from now on, and give what is held now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return memory("VmRSS")


def measure(folder: Path, count: int) -> None:
    """Measure one data set, and print its row."""
    start = time.process_time()
    listing = ben_listing.list_patches(folder, split="tile", fraction_test=0.0)
    listed = time.process_time() - start
    start = time.process_time()
    store = patch_store.open_store(listing, BANDS)
    packed = time.process_time() - start
    labels = np.zeros((count, 19), np.float32)
    plain = patch_batches.simple_image_generator(
        store, labels=labels, batch_size=BATCH_SIZE, workers=0
    )
    turned = patch_batches.simple_image_generator(
        store, labels=labels, batch_size=BATCH_SIZE, workers=0, symmetries=True, mixup=0.2
    )
    rng = np.random.default_rng(0)

    def read_batches(batches):
        for number in rng.integers(len(batches) - 1, size=BATCHES):
            batches[int(number)]

    def read_files():
        for position in rng.integers(count, size=FILES):
            patch_store.read_patch(listing.path_of(int(position)), BANDS)

    before = forget_highest()
    actions = {
        "packed": lambda: read_batches(plain),
        "turned": lambda: read_batches(turned),
        "files": read_files,
    }
    seconds = measuring.take_turns(actions, ROUNDS)
    grown = memory("VmHWM") - before
    rates = {
        name: (FILES if name == "files" else BATCHES * BATCH_SIZE) / times[1]
        for name, times in seconds.items()
    }
    size = sum(path.stat().st_size for path in store.folder.iterdir()) / 1e9
    measuring.print_row(
        f"{count:,}",
        f"{listed:.1f}",
        f"{1000 * packed / count:.1f}",
        f"{size:.2f}",
        *(f"{rates[name]:,.0f}" for name in ("packed", "turned", "files")),
        f"{rates['packed'] / rates['files']:.1f}",
        f"{grown:.0f}",
    )


if __name__ == "__main__":
    command_line.run(main, globals())

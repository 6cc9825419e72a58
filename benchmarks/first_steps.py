"""Processor seconds until a training's first steps are done, and of a step after them.

AdamW in one operation for each variable (`landuse/training/adamw.py`) takes turns with AdamW as
Keras computes it. Each turn is a process of its own that builds the network with random weights, as
scripts 03 and 05 do, and trains it on one batch. The first steps are two, from making the
optimizer's variables on: they hold what tracing costs. Imports and the layers are left out.

Run (about 15 minutes on two cores):
    python benchmarks/first_steps.py
    python benchmarks/first_steps.py --networks ResNet50 --precision float32
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line

NETWORKS = ["MobileNetV2", "ResNet50", "VGG16", "DenseNet201"]
PRECISION = "mixed_bfloat16"  # or float32
BANDS = 3  # or 13
BATCH_SIZE = 32  # images per step
STEPS = 10  # after the first two; the median counts
ROUNDS = 3  # turns of each; the best counts
EMA = False  # keep a moving average of the weights
ONE_OF: str | None = None  # "keras" or "ours": measure this alone, in this process

FIRST_STEPS = 2


def main() -> None:
    """Let both take turns, and print a row for each network."""
    if ONE_OF:
        print(json.dumps(measure(NETWORKS[0], ONE_OF)))
        return
    print(f"{measuring.machine()}; {BANDS} bands, {PRECISION}, batches of {BATCH_SIZE}\n")
    measuring.print_header(
        "network",
        "first steps, Keras, s",
        "first steps, ours, s",
        "ratio",
        "a step, Keras, s",
        "a step, ours, s",
        "ratio",
    )
    for name in NETWORKS:
        rounds = [[in_own_process(name, kind) for kind in ("keras", "ours")] for _ in range(ROUNDS)]
        (keras_first, keras_step), (our_first, our_step) = np.min(rounds, axis=0)
        measuring.print_row(
            name,
            f"{keras_first:.1f}",
            f"{our_first:.1f}",
            f"{keras_first / our_first:.2f}",
            f"{keras_step:.3f}",
            f"{our_step:.3f}",
            f"{keras_step / our_step:.2f}",
        )


def in_own_process(name, kind):
    command = [sys.executable, __file__, "--networks", name, "--one-of", kind]
    command += ["--precision", PRECISION, "--bands", str(BANDS), "--batch-size", str(BATCH_SIZE)]
    command += ["--steps", str(STEPS), "--ema" if EMA else "--no-ema"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(answer.stderr[-2000:])
    return json.loads(answer.stdout.splitlines()[-1])


def measure(name, kind):
    """Processor seconds of the first steps, and the median of a later one."""
    import keras

    from landuse.networks import fusing, precisions
    from landuse.training import adamw, optimizers

    if kind == "keras":
        adamw.make = keras.optimizers.AdamW
    precisions.set_precision(PRECISION)
    model = measuring.random_classifier(name, BANDS)
    fusing.fuse_batch_normalization(model)
    schedule = optimizers.schedule("cosine", 1e-3, 1000, 100)
    optimizer = optimizers.make_optimizer("AdamW", schedule, 0.02, 1.0, EMA)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    patches = measuring.made_patches(BATCH_SIZE, BANDS)
    labels = np.eye(len(measuring.CLASS_NAMES))[np.arange(BATCH_SIZE) % len(measuring.CLASS_NAMES)]
    before = time.process_time()
    optimizers.make_variables(model)
    ends = []
    for _ in range(FIRST_STEPS + STEPS):
        model.train_on_batch(patches, labels)
        ends.append(time.process_time())
    return ends[FIRST_STEPS - 1] - before, float(np.median(np.diff(ends[FIRST_STEPS - 1 :])))


if __name__ == "__main__":
    command_line.run(main, globals())

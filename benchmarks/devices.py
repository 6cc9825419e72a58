"""What sharing a batch costs: processor seconds of a step on one device, and on several.

Several devices of the processor are virtual: they share its cores, so that no step can become
faster, and what several cost more than one is what sharing costs (copying weights and gradients,
smaller shares, threads that wait). Processes are real ones on this machine (JAX, gloo). Each case
runs in a process of its own, on patches that are made, and they take turns; the best round counts.

Run (minutes on two cores):
    python benchmarks/devices.py
    KERAS_BACKEND=jax python benchmarks/devices.py
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line, devices

NETWORK = "ResNet9"  # or another of the training scripts
BANDS = 13
BATCH_SIZE = 64  # images a step, of all devices together
STEPS = 12  # that are timed in a turn
ROUNDS = 3  # turns; the best one counts
CASES = ["1x1", "1x2", "2x1"]  # processes x devices of each; several processes on JAX only
CASE: str | None = None  # one of them, in a process of its own


def main() -> None:
    """Measure the cases in turn, each in processes of its own, and print a table."""
    if CASE is not None:
        print(json.dumps(measure(*map(int, CASE.split("x")))))
        return
    print(f"{NETWORK}, {BANDS} bands, batches of {BATCH_SIZE}; {measuring.machine()}\n")
    several = devices.chosen_backend() == "jax"
    cases = [case for case in CASES if several or case.startswith("1x")]
    found: dict[str, list[list[float]]] = {case: [] for case in cases}
    for _ in range(ROUNDS):
        for case in cases:
            found[case].append(run(case))
    best = {case: np.min(rounds, axis=0) for case, rounds in found.items()}
    measuring.print_header("processes x devices", "processor seconds a step", "seconds", "ratio")
    for case, (processor, clock) in best.items():
        ratio = processor / best[cases[0]][0]
        measuring.print_row(case, f"{processor:.2f}", f"{clock:.2f}", f"{ratio:.2f}")


def run(case: str) -> list[float]:
    """Run a case; give the processor seconds of a step, of all its processes, and its seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    count = int(case.partition("x")[0])
    started = [
        subprocess.Popen(
            [
                *(sys.executable, __file__, "--case", case, "--network", NETWORK),
                *("--bands", str(BANDS), "--batch-size", str(BATCH_SIZE), "--steps", str(STEPS)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "RANK": str(rank),
                "WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            },
        )
        for rank in range(count)
    ]
    told = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise OSError(f"the case {case} failed, see above")
    figures = np.array([json.loads(text.splitlines()[-1]) for text in told])
    return [float(figures[:, 0].sum()), float(figures[:, 1].max())]


def measure(nodes: int, number: int) -> list[float]:
    """Measure steps on so many virtual devices of so many processes, of which this is one."""
    make_virtual(number)
    import keras

    from landuse.training import optimizers, parallel, processes

    keras.utils.set_random_seed(1)

    with processes.joined(nodes), parallel.using(number):
        model = measuring.random_classifier(NETWORK, BANDS)
        recipe = optimizers.Recipe("AdamW", "constant", 0.0, 0.01, 1.0, False, STEPS)
        model.compile(recipe.make(1e-4, 1), "categorical_crossentropy")
        share = BATCH_SIZE // nodes
        pixels = np.random.default_rng(0).integers(1, 3000, (share, 64, 64, BANDS))
        labels = np.eye(10, dtype="float32")[np.arange(share) % 10]
        batches = repeated(pixels.astype(np.uint16), labels, STEPS)

        def train() -> None:
            model.fit(batches, epochs=1, verbose=0)

        train()  # traces
        turn = measuring.take_turns({"fit": train}, 2)
    clock, processor = turn["fit"] / STEPS
    return [float(processor), float(clock)]


def make_virtual(number: int) -> None:
    """Let the processor count as so many devices."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={number}"
    if devices.chosen_backend() == "tensorflow":
        import tensorflow as tf

        one = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * number
        tf.config.set_logical_device_configuration(one, parts)


def repeated(pixels: np.ndarray, labels: np.ndarray, steps: int) -> Any:
    """Give the same batch so many times, as a dataset of Keras."""
    import keras

    class Same(keras.utils.PyDataset):
        def __len__(self) -> int:
            return steps

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            return pixels, labels

    return Same()


if __name__ == "__main__":
    command_line.run(main, globals())

"""This repository beside PyTorch: images a processor second, and what each needs to start.

A training step and a prediction of the same network, on the same processor, in one thread. Each
side takes turns with the others, in a process of its own that is held to one core; the best round
counts. PyTorch, torchvision and ONNX Runtime are installed once into an environment of their own.
The start is all processor seconds of the process until its second call is done: imports, building
the network, tracing or compiling. Ours takes networks as scripts 02 to 06 do, in the precision of
the row; the peers take torchvision's networks with the same top.

Run (the environment needs about 6 GB of disk; then some 40 minutes on two cores):
    python benchmarks/peers.py
    python benchmarks/peers.py --networks ResNet50 --precisions bfloat16 --rounds 1
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line

PATH_TO_WORK = "data/benchmarks/peers"  # the peers' environment and peers.json; kept
PACKAGES = ["torch", "torchvision", "onnxruntime", "onnx"]
INDEX: str | None = None  # of packages, for example one with builds for processors only

NETWORKS = ["VGG16", "DenseNet201", "ResNet50"]
PRECISIONS = ["bfloat16", "float32"]
WHAT = ["training", "prediction"]  # or one of them
PEERS = ["torch", "torch.compile", "onnxruntime"]  # or some of them
BATCH_SIZE = 32  # images in a step or call
CALLS = 4  # that are timed in a turn, after the first two; the median counts
ROUNDS = 2  # turns of each; the best counts
JOB: str | None = None  # internal: what this process is to measure, as JSON

OURS = {"training": ["keras"], "prediction": ["keras", "openvino"]}


def main() -> None:
    """Let the sides take turns, print the tables, and write peers.json."""
    if JOB:
        print(json.dumps(measure(json.loads(JOB))))
        return
    work = Path(PATH_TO_WORK)
    python = environment(work / "environment")
    print(f"{measuring.machine()}; one thread, 64 px, 3 bands, batches of {BATCH_SIZE}")
    found = []
    for what in WHAT:
        print(f"\n{what}: images a processor second, and processor seconds of the start\n")
        columns = ["network", "precision", "by", "images a second", "against PyTorch", "start, s"]
        measuring.print_header(*columns, text=3)
        for name in NETWORKS:
            for precision in PRECISIONS:
                found += print_rows_of(what, name, precision, python)
    result = {"machine": measuring.machine(), "batch_size": BATCH_SIZE, "rows": found}
    work.joinpath("peers.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\nfigures: {work / 'peers.json'}")


def environment(folder):
    """Make the peers' environment, or find the one that was made before; give its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "installed.txt"
    if not done.is_file() or done.read_text(encoding="utf-8").split() != PACKAGES:
        print(f"installing {', '.join(PACKAGES)} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        source = ["--index-url", INDEX] if INDEX else []
        install = [str(python), "-m", "pip", "install", "--quiet", *source, *PACKAGES]
        subprocess.run(install, check=True)
        done.write_text("\n".join(PACKAGES) + "\n", encoding="utf-8")
    return python


def print_rows_of(what, name, precision, python):
    """Measure all sides in turns; give what is written of them."""
    peers = [by for by in PEERS if by != "onnxruntime" or (what, precision) == KNOWN_TO_ONNX]
    sides = [*(("ours", by) for by in OURS[what]), *(("peer", by) for by in peers)]
    turns = {side: [] for side in sides}
    for _ in range(ROUNDS):
        for side, by in sides:
            job = {"what": what, "network": name, "precision": precision, "by": by}
            job |= {"batch_size": BATCH_SIZE, "calls": CALLS}
            turns[side, by].append(in_own_process(side, job, python))
    best = {
        side: {key: min(turn[key] for turn in of_side) for key in ("seconds", "start")}
        for side, of_side in turns.items()
    }
    base = best.get(("peer", "torch"))
    rows = []
    for (side, by), seconds in best.items():
        rate = BATCH_SIZE / seconds["seconds"]
        ratio = f"{base['seconds'] / seconds['seconds']:.2f}" if base else "-"
        title = f"ours, {by}" if side == "ours" else by
        measuring.print_row(name, precision, title, f"{rate:.1f}", ratio, f"{seconds['start']:.1f}")
        version = turns[side, by][0]["version"]
        job = {"what": what, "network": name, "precision": precision, "by": title}
        rows.append({**job, "images_a_second": rate, "start": seconds["start"], "with": version})
    return rows


KNOWN_TO_ONNX = ("prediction", "float32")


def in_own_process(side, job, python):
    """Run a job on one core, and give what it printed."""
    words = [sys.executable, __file__, "--job"]
    if side == "peer":
        words = [str(python), str(Path(__file__).with_name("peers_pytorch.py"))]
    one = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    answer = subprocess.run(
        [*words, json.dumps(job)],
        env={**os.environ, **one, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=hold_to_one_core if hasattr(os, "sched_setaffinity") else None,
    )
    if answer.returncode:
        raise RuntimeError(f"{job}: {answer.stderr[-2000:]}")
    return json.loads(answer.stdout.splitlines()[-1])


def hold_to_one_core():
    """Let this process use one core: then every library makes one thread."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(job):
    """Measure one of our sides: seconds of a call, and of all until the second one is done."""
    import keras

    call = training_step(job) if job["what"] == "training" else prediction(job)
    ends = []
    for _ in range(2 + job["calls"]):
        call()
        ends.append(sum(os.times()[:4]))  # with those of compilers that were called
    version = f"Keras {keras.__version__} on {keras.backend.backend()}"
    return {
        "start": ends[1],
        "seconds": float(np.median(np.diff(ends[1:]))),
        "version": version,
    }


def training_step(job):
    """Make the function of a step, as the training scripts compute it."""
    from landuse.networks import fusing, precisions
    from landuse.training import optimizers

    precisions.set_precision("mixed_bfloat16" if job["precision"] == "bfloat16" else "float32")
    model = measuring.random_classifier(job["network"], 3)
    fusing.fuse_batch_normalization(model)
    optimizer = optimizers.make_optimizer("AdamW", 1e-4, 0.02, 1.0)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    optimizers.make_variables(model)
    patches = measuring.made_patches(job["batch_size"], 3)
    labels = np.eye(10, dtype=np.float32)[np.arange(len(patches)) % 10]
    return lambda: model.train_on_batch(patches, labels)


def prediction(job):
    """Make the function that predicts a batch, as script 06 does window by window."""
    from landuse.networks import engines

    model = measuring.random_classifier(job["network"], 3)
    patches = measuring.made_patches(job["batch_size"], 3).astype(np.float32)
    predict = engines.make_predict(model, patches.shape, job["by"], job["precision"])
    return lambda: predict(patches)


if __name__ == "__main__":
    command_line.run(main, globals())

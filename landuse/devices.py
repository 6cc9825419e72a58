"""What computes here: GPUs or the processor, its cores, and whether bfloat16 makes it faster."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def backend() -> str:
    """Give the name of the package that Keras computes with, without importing Keras for it."""
    if "keras" in sys.modules:
        import keras

        return keras.backend.backend()
    return chosen_backend()


def chosen_backend() -> str:
    """Give the name of the package that Keras will compute with once it is imported.

    That is what KERAS_BACKEND says, else Keras's own file of settings, else TensorFlow.
    """
    named = os.environ.get("KERAS_BACKEND")
    if named:
        return named
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    with contextlib.suppress(OSError, ValueError, AttributeError):
        settings = json.loads((home / "keras.json").read_text(encoding="utf-8"))
        return str(settings.get("backend", "tensorflow"))
    return "tensorflow"


def gpus() -> list[str]:
    """Give the names of the GPUs that Keras computes on, such as "gpu:0"."""
    import keras

    return [name for name in keras.distribution.list_devices() if "gpu" in name.lower()]


def may_have_gpu() -> bool:
    """Tell, without importing anything for it, whether asking for `gpus` is worth while."""
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, either in WSL
    return sys.platform == "darwin" or any(Path(driver).exists() for driver in drivers)


def has_onednn() -> bool:
    """Tell whether Keras computes by oneDNN: with TensorFlow, on a processor.

    Other backends and GPUs make one pass over the maps of several operations by themselves.
    """
    return backend() == "tensorflow" and not gpus()


def compute_capability() -> float:
    """Give NVIDIA's compute capability of the oldest GPU, 0 where it is not known."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return min(float(line) for line in answer.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0.0


def processor_has_bfloat16() -> bool:
    """Tell whether the processor has instructions for bfloat16 (AVX512-BF16, AMX); Linux only."""
    with contextlib.suppress(OSError):
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
        return bool(flags & {"avx512_bf16", "amx_bf16"})
    return False


def is_fast_in_bfloat16() -> bool:
    """Tell whether Keras computes faster in bfloat16 than in float32 here.

    GPUs do from compute capability 8 (Ampere) on, processors that have instructions for it do with
    TensorFlow. JAX does not use these: it is as fast in either, or slower (benchmarks/README.md).
    """
    if gpus():
        return compute_capability() >= 8
    return has_onednn() and processor_has_bfloat16()


def describe() -> str:
    """Say what the training runs on, for people to read."""
    import keras

    found = gpus()
    where = f"{len(found)} GPU" if found else f"{platform.machine()} processor"
    return f"{where}, {backend()}, {keras.config.dtype_policy().name}"


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def threads() -> ThreadPoolExecutor:
    """Return the threads, one per core, that all work on patches shares."""
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="patches")

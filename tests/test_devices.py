"""Where bfloat16 is faster than float32."""

import subprocess

import pytest

from landuse import devices
from landuse.networks import engines, precisions


@pytest.mark.parametrize(
    ("gpus", "capability", "processor", "backend", "mapping", "training_in"),
    [
        ([], 0, True, "tensorflow", "bfloat16", "mixed_bfloat16"),
        ([], 0, False, "tensorflow", "float32", "float32"),
        ([], 0, True, "jax", "float32", "float32"),
        (["gpu:0"], 8.0, False, "jax", "bfloat16", "mixed_bfloat16"),
        (["gpu:0"], 7.5, True, "tensorflow", "float32", "mixed_float16"),
    ],
)
def test_automatic_precision(
    gpus, capability, processor, backend, mapping, training_in, monkeypatch
):
    monkeypatch.setattr(devices, "gpus", lambda: gpus)
    monkeypatch.setattr(devices, "compute_capability", lambda: capability)
    monkeypatch.setattr(devices, "processor_has_bfloat16", lambda: processor)
    monkeypatch.setattr(devices, "backend", lambda: backend)
    assert engines.resolve_precision("keras", "auto") == mapping
    wanted = "bfloat16" if processor else "float32"
    assert engines.resolve_precision("openvino", "auto") == wanted
    try:
        assert precisions.set_precision("auto") == training_in
    finally:
        precisions.set_precision("float32")


@pytest.mark.parametrize(
    ("answer", "capability"), [("9.0\n7.5\n", 7.5), ("", 0.0), ("no devices were found", 0.0)]
)
def test_the_oldest_gpu_counts(answer, capability, monkeypatch):
    result = subprocess.CompletedProcess([], 0, answer, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: result)
    assert devices.compute_capability() == capability


def test_no_nvidia_driver(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert devices.compute_capability() == 0.0

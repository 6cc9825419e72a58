"""Keras imports less, and what it leaves out is there for others."""

import gc
import json
import subprocess
import sys

import pytest

from landuse import devices, quick_starts

CODE = """
import gc, os, sys
from landuse import quick_starts
quick_starts.install()
import keras
print(gc.isenabled(), gc.get_freeze_count() > 10_000)  # what stays is set aside
print(keras.backend.backend(), *sorted({"jax", "matplotlib", "sklearn"} & set(sys.modules)))
import sklearn.metrics, matplotlib.pyplot, jax.numpy
print(sklearn.metrics.accuracy_score([0, 1], [0, 1]), jax.numpy.ones(3).sum())
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
print(tuple(model(keras.ops.ones((1, 2))).shape))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_keras_leaves_out_what_no_script_uses(backend, repository, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    answer = subprocess.run(
        [sys.executable, "-c", CODE], cwd=repository, capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    imported = "jax jax" if backend == "jax" else "tensorflow"
    assert answer.stdout.splitlines() == ["True True", imported, "1.0 3.0", "(1, 1)"]


def test_a_package_that_is_imported_already_stays():
    before = sys.modules["json"]
    with quick_starts.without(["json", "wave"]):
        assert sys.modules["json"] is before
        with pytest.raises(ImportError):
            import wave
    import wave

    assert wave.open


def test_the_collector_is_as_it_was_even_after_an_error():
    with pytest.raises(KeyError), quick_starts.no_collecting():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("named", "settings", "backend"),
    [
        ("jax", {"backend": "torch"}, "jax"),
        ("", {"backend": "jax"}, "jax"),
        (None, {"epsilon": 1e-7}, "tensorflow"),
        (None, "damaged", "tensorflow"),
        (None, None, "tensorflow"),
    ],
)
def test_the_backend_is_known_without_keras(named, settings, backend, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if named is not None:
        monkeypatch.setenv("KERAS_BACKEND", named)
    if settings is not None:
        text = json.dumps(settings) if isinstance(settings, dict) else "{"
        (tmp_path / "keras.json").write_text(text)
    assert devices.chosen_backend() == backend

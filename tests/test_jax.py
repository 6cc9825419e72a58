"""The same training code runs on JAX."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("jax")

CODE = """
import sys
import keras
import numpy as np
import image_functions
from landuse.evaluation import predictions
from landuse.networks import model_files, pixel_layers, tops, transfer
from landuse.training import optimizers, runs, training_data

assert keras.backend.backend() == "jax"
folder = sys.argv[1]
keras.utils.set_random_seed(1)
labels = np.arange(8) % 2
patches = np.random.default_rng(0).integers(0, 2000, (8, 64, 64, 13)).astype("uint16")
part = training_data.Part(patches, labels, [f"{i}.tif" for i in range(8)])
names = list(image_functions.BANDS_MS)
statistics = image_functions.pooled_statistics(patches, names)
data = training_data.Data(part, part, ["a", "b"], names, "DN", statistics)
recipe = optimizers.Recipe("Muon", "cosine", 0, 0.02, 1.0, average_weights=True, steps=1)

learned = transfer.imagenet_network("MobileNet", None)
pixels = keras.Input((64, 64, 13))
pictures = pixel_layers.to_units(pixels, "DN", "rgb8")
pictures = pixel_layers.mix_bands(pictures, names, learned.band_names)
model = keras.Model(pixels, tops.new_top(learned.features(pictures), "MobileNet", ["a", "b"]))
learned.base.trainable = False
before = np.array(model.get_layer("probabilities").kernel)
model.compile(
    recipe.make(1e-3, 1),
    "categorical_crossentropy",
    metrics=["accuracy"],
)
with runs.open_run(folder, {}) as run:
    run.describe(data, "MobileNet")
    run.fit("top", model, data.batches("train", 8), data.batches("validation", 8), 1)
    assert not np.array_equal(before, model.get_layer("probabilities").kernel)
    wanted = predictions.predict(model, patches, 8)
    model_files.save(model, run.record, run.model_path)
    loaded, record = model_files.load(run.model_path)
np.testing.assert_allclose(predictions.predict(loaded, patches, 8), wanted, atol=1e-5)
assert record["versions"]["jax"]
print("trained, saved and loaded on", keras.backend.backend())
"""


def test_a_step_of_training_and_a_round_trip(repository, tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "run")],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert "trained, saved and loaded on jax" in answer.stdout


def test_the_shipped_model_loads_and_answers(repository):
    """Its mirrored views make more patches of each, of a number that JAX does not know before."""
    code = """
import numpy as np
from landuse.networks import model_files, shipped
model, _ = model_files.load(shipped.find_model("eurosat_rgb"))
patches = np.random.default_rng(0).integers(1, 255, (3, 64, 64, 3)).astype("uint8")
answers = np.asarray(model.predict_on_batch(patches))
assert answers.shape == (3, 10) and abs(answers.sum(axis=1) - 1).max() < 1e-5
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    assert done.returncode == 0, done.stderr

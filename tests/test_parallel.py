"""Several devices for one training: two virtual ones of the processor do what one does."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest

from landuse.patches import patch_batches
from landuse.training import limits, parallel, training_data

# The processor counts as two devices; the run may be stopped after its first epoch.
CODE = """
import os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
folder, devices, stop = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "stop"
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    one = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(one, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np
import image_functions
from keras import layers
from landuse.training import optimizers, run_callbacks, runs, training_data

def part(count, seed):
    patches = np.random.default_rng(seed).integers(1, 255, (count, 64, 64, 3)).astype("uint8")
    files = [f"{seed}_{number}.png" for number in range(count)]
    return training_data.Part(patches, np.arange(count) % 3, files)

train, bands = part(26, 0), list(image_functions.BANDS_RGB)
statistics = image_functions.pooled_statistics(train.patches, bands)
data = training_data.Data(train, part(9, 1), ["a", "b", "c"], bands, "rgb8", statistics)
with runs.start(folder, "Small", {}, seed=1, precision="float32", devices=devices) as run:
    run.describe(data, "Small")
    pixels = keras.Input((64, 64, 3))
    maps = layers.Conv2D(8, 3, 2, activation="relu")(layers.Rescaling(1 / 255)(pixels))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, 2, activation="relu")(maps))
    model = keras.Model(pixels, layers.Dense(3, activation="softmax")(pooled))
    recipe = optimizers.Recipe("AdamW", "cosine", 1.0, 0.02, 0.1, False, data.steps(4))
    model.compile(recipe.make(0.01, 2), "categorical_crossentropy", metrics=["accuracy"])
    batches = data.training_batches(4, symmetries=True, seed=1)
    if stop:
        save = run_callbacks.SaveState.on_epoch_end
        def save_and_stop(self, epoch, logs=None):
            save(self, epoch, logs)
            sys.exit("stopped")
        run_callbacks.SaveState.on_epoch_end = save_and_stop
    run.fit("all", model, batches, data.batches("validation", 4), 2, [run.keep_best()])
    run.finish()
"""


def train(repository, run, backend, devices, stop="go"):
    return subprocess.run(
        [sys.executable, "-c", CODE, str(run), str(devices), stop],
        cwd=repository,
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
        timeout=300,
    )


def losses(run):
    with open(run / "history.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_as_one_does(backend, repository, tmp_path):
    """Fourteen steps, of which every seventh has two images; stopped between, they go on."""
    pytest.importorskip(backend)
    two = train(repository, tmp_path / "two", backend, 2, "stop")
    assert "stopped" in two.stderr and two.returncode == 1, two.stderr
    two = train(repository, tmp_path / "two", backend, 2)
    assert two.returncode == 0, two.stderr
    assert "2 devices share each batch: cpu:0, cpu:1" in two.stdout
    assert "validation: the last 1 images are left out until the end" in two.stdout
    assert "going on after epoch 1 of 2" in two.stdout
    one = train(repository, tmp_path / "one", backend, 1)
    assert one.returncode == 0, one.stderr
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5)
    names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert names[0] == names[1]


@pytest.mark.parametrize("devices", ["2", "all"])
def test_devices_that_are_not_there(devices, monkeypatch):
    monkeypatch.setattr(parallel, "names", lambda: ["gpu:0"])
    if devices == "all":
        assert parallel.check(devices, 1) == 1
        return
    with pytest.raises(ValueError, match=r"DEVICES = 2, but Keras on .* finds 1 here: gpu:0"):
        parallel.check(2, 1)
    with pytest.raises(ValueError, match="DEVICES must be 1 or more, or 'all', not 0"):
        parallel.check(0, 1)


def test_all_devices_get_equal_shares(monkeypatch):
    patches = np.arange(11, dtype=np.uint8)[:, None, None, None] * np.ones((1, 64, 64, 3), np.uint8)
    batches = patch_batches.simple_image_generator(
        patches, labels=np.arange(11), batch_size=4, shuffle=True, workers=1
    )
    assert [len(batches[i][0]) for i in range(len(batches))] == [4, 4, 3]
    batches.multiple = 4
    assert batches.left_out == 3
    assert [len(batches[i][0]) for i in range(len(batches))] == [4, 4]
    batches.multiple = 2
    shown = [batches[i][0][:, 0, 0, 0] for i in range(len(batches))]
    assert [len(part) for part in shown] == [4, 4, 2]
    assert len(set(np.concatenate(shown))) == 10
    monkeypatch.setattr(parallel, "_count", 3)
    with pytest.raises(ValueError, match="BATCH_SIZE = 4 on 3 devices, which get equal shares"):
        training_data._shared_out(batches)


def test_mosaics_are_not_shared_out():
    mosaics = {"MOSAIC": 8, "BATCH_SIZE": 64}
    limits.check_settings({"MOSAIC_EPOCHS": 2, "DEVICES": 1, **mosaics})
    limits.check_settings({"MOSAIC_EPOCHS": 0, "DEVICES": 2, **mosaics})
    with pytest.raises(ValueError, match="mosaics are not shared out among devices"):
        limits.check_settings({"MOSAIC_EPOCHS": 2, "DEVICES": 2, **mosaics})

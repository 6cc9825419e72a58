"""Several devices for one training: two virtual ones of the processor do what one does."""

import csv
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from test_train_segmentation import write_place

from landuse.patches import patch_batches
from landuse.segmentation import labelled_scenes, tiles
from landuse.training import limits, parallel, processes

# The processor counts as two devices; the run may be stopped after its first epoch.
CODE = """
import os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
folder, devices, stop = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "stop"
nodes = int(os.environ.get("WORLD_SIZE", "1"))
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
with runs.start(
    folder, "Small", {}, seed=1, precision="float32", devices=devices, nodes=nodes
) as run:
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


def train_in_processes(repository, run, devices, stop="go", kill=None):
    """Run two processes; kill one of them when the first epoch is over."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(run), str(devices), stop],
            cwd=repository,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "KERAS_BACKEND": "jax",
                "JAX_PLATFORMS": "cpu",
                "RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            },
        )
        for rank in range(2)
    ]
    try:
        if kill is not None:
            end = time.monotonic() + 240
            while not (run / "history.csv").exists() and time.monotonic() < end:
                time.sleep(0.01)
            both[kill].kill()
        told = [process.communicate(timeout=300) for process in both]
    finally:
        for process in both:
            process.kill()
    return [process.returncode for process in both], told


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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("devices", [1, 2])
def test_two_processes_train_as_one_does(devices, repository, tmp_path):
    """With one and two devices each; stopped in the middle, they go on; one of them prints."""
    pytest.importorskip("jax")
    codes, told = train_in_processes(repository, tmp_path / "two", devices, "stop")
    assert codes == [1, 1], told
    codes, told = train_in_processes(repository, tmp_path / "two", devices)
    assert codes == [0, 0], told
    (first, _), (second, _) = told
    assert f"{2 * devices} devices share each batch: 2 processes with {devices} each" in first
    assert "going on after epoch 1 of 2" in first and "model: " in first
    assert "Epoch" not in second and "model: " not in second
    if devices == 1:  # with four devices, two more images are left out of an epoch
        one = train(repository, tmp_path / "one", "jax", 1)
        assert one.returncode == 0, one.stderr
        np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5)
        names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
        assert names[0] == names[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_and_all_go_on(killed, repository, tmp_path):
    pytest.importorskip("jax")
    codes, told = train_in_processes(repository, tmp_path / "run", 1, kill=killed)
    assert codes[killed] == -signal.SIGKILL
    # 2: told by a lost connection; SIGABRT: by JAX, when the first one is gone
    assert codes[1 - killed] in (0, 1, 2, -signal.SIGABRT), told
    codes, told = train_in_processes(repository, tmp_path / "run", 1)
    assert codes == [0, 0], told
    one = train(repository, tmp_path / "one", "jax", 1)
    assert one.returncode == 0, one.stderr
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(tmp_path / "one"), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_first_process_finds_wrong_ends_all(repository, tmp_path):
    pytest.importorskip("jax")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "other.txt").write_text("something else")
    codes, told = train_in_processes(repository, tmp_path / "run", 1)
    assert codes == [1, 1]
    assert all("holds other files" in errors for _, errors in told)


# A script of this repository, for which the processor counts as two devices.
VIRTUAL = """
import os, runpy, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    one = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(one, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, os.path.dirname(sys.argv[1]))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SCRIPTS = {
    "04_train_ms_from_teachers.py": "--path-to-split-datasets split_MS --windows 20 "
    "--path-to-scenes data/sample/scene.tif --batch-size 8",
    "10_train_multilabel.py": "--path-to-patches ben --made 90 --bands RGB --batch-size 8",
    "11_train_segmentation.py": "--path-to-scenes place.tif --path-to-labels place_truth.tif "
    "--block-size 32 --tile-size 32 --tiles 10 --batch-size 4 --decoder-width 8",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_train_on_two_devices(script, backend, repository, tmp_path):
    """By steps that are too small to part two ways of adding up."""
    pytest.importorskip(backend)

    def run(name, *flags):
        done = subprocess.run(
            [sys.executable, "-c", VIRTUAL, str(repository / name), *flags],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    if script.startswith("04"):
        run("00_get_data.py", "--sample-patches-per-class", "4")
        run(
            *("01_split_data_to_train_and_validation.py", "--path-to-all-images"),
            *("data/sample/EuroSAT_MS", "--path-to-split-datasets", "split_MS"),
        )
    write_place(tmp_path, "place", 600000.0, 70)
    for devices in (2, 1):
        flags = f"--epochs 2 --learning-rate 1e-6 --precision float32 --path-to-run run_{devices}"
        given = [*SCRIPTS[script].split(), *flags.split(), "--devices", str(devices)]
        told = run(script, *given)
        assert told.count("2 devices share each batch: cpu:0, cpu:1") == devices - 1
    if backend == "jax":  # TensorFlow takes the statistics of each share
        np.testing.assert_allclose(
            losses(tmp_path / "run_2"), losses(tmp_path / "run_1"), rtol=1e-4
        )
    names = [{path.name for path in (tmp_path / f"run_{n}").iterdir()} for n in (1, 2)]
    assert names[0] == names[1]


TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "gpu1", "MASTER_PORT": "29500"}
SLURM = {
    "SLURM_PROCID": "1",
    "SLURM_NTASKS": "2",
    "SLURM_STEP_NODELIST": "gpu[07-09,12]",
    "SLURM_JOB_ID": "4097",
}


def test_which_process_this_is():
    assert processes.place_of(2, TORCHRUN) == processes.Place(1, 2, "gpu1:29500")
    by_torchrun = {**TORCHRUN, "TORCHELASTIC_USE_AGENT_STORE": "True"}
    assert processes.place_of(2, by_torchrun).coordinator == "gpu1:29501"
    assert processes.place_of(2, SLURM) == processes.Place(1, 2, "gpu07:61441")
    hosts = {"big1": "big1", "big1,gpu[1-2]": "big1", "r[01-02]-ib": "r01-ib", "n[3]": "n3"}
    assert {nodes: processes.first_host(nodes) for nodes in hosts} == hosts


@pytest.mark.parametrize(
    "environment, message",
    [
        ({}, "NODES = 2: nothing tells which of the 2 processes this one is"),
        ({**TORCHRUN, "WORLD_SIZE": "4"}, "NODES = 2, but WORLD_SIZE says 4"),
        ({**TORCHRUN, "RANK": "2"}, "RANK = 2: 2 processes count from 0"),
        ({**TORCHRUN, "RANK": "one"}, "RANK = 'one' in the environment: expected a number"),
        ({**TORCHRUN, "MASTER_ADDR": ""}, "RANK is set in the environment, but MASTER_ADDR is not"),
        ({"SLURM_PROCID": "0"}, "but SLURM_NTASKS, SLURM_STEP_NODELIST, SLURM_JOB_ID is not"),
    ],
)
def test_processes_that_are_started_wrongly(environment, message):
    with pytest.raises(ValueError, match=message):
        processes.place_of(2, environment)


def test_a_first_process_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(processes, "WAIT", 0)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"does not answer at {address}"):
            processes._check_answers(address)


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
        parallel.share_out(batches)


@pytest.mark.parametrize("others", [{}, {"mixup": 0.2}, {"histogram_matching": 0.5}])
def test_shares_make_up_the_batch_of_one_process(others):
    """All changes at once: what each process makes of its share is what one makes of the whole."""
    patches = np.random.default_rng(0).integers(1, 255, (11, 64, 64, 3)).astype(np.uint8)
    changes = {"symmetries": True, "rotation_range": 20, "brightness_range": 0.1}
    changes |= {"contrast_range": 0.1, "band_gain_range": 0.1, "haze_range": 0.1}
    changes |= {"blur": 0.5, "zoom_range": 0.3} | others

    def batches(which, parts):
        made = patch_batches.simple_image_generator(
            patches,
            labels=np.arange(11),
            sample_weights=np.arange(11),
            batch_size=4,
            workers=0,
            **changes,
        )
        made.multiple, made.share = 2, (which, parts)
        return made

    whole, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [len(whole[i][0]) for i in range(len(whole))] == [4, 4, 2]
    for index in range(len(whole)):
        parts = zip(first[index], second[index], strict=True)
        for one, two in zip(whole[index], parts, strict=True):
            assert len(two[0]) == len(two[1]) == len(one) // 2
            np.testing.assert_array_equal(one, np.concatenate(two))


def test_tiles_are_shared_out_as_one_process_draws_them():
    rng = np.random.default_rng(0)
    scene = labelled_scenes.LabelledScene(
        "scene",
        rng.integers(1, 255, (96, 96, 3)).astype(np.uint8),
        rng.integers(0, 3, (96, 96)).astype(np.uint8),
        np.zeros((3, 3), np.uint8),
        32,
    )
    places = tiles.Places([scene], 3, 0.5)

    def batches(which, parts):
        made = tiles.TileBatches(
            [scene],
            "train",
            np.ones(3, np.float32),
            32,
            4,
            7,
            places=places,
            symmetries=True,
            changes={"brightness_range": 0.1, "blur": 0.5},
        )
        made.multiple, made.share = 2, (which, parts)
        return made

    whole, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [len(whole[i][0]) for i in range(len(whole))] == [4, 2]
    for index in range(2):
        parts = zip(first[index], second[index], strict=True)
        for one, two in zip(whole[index], parts, strict=True):
            np.testing.assert_array_equal(one, np.concatenate(two))


def test_mosaics_are_not_shared_out():
    mosaics = {"MOSAIC": 8, "BATCH_SIZE": 64}
    limits.check_settings({"MOSAIC_EPOCHS": 2, "DEVICES": 1, **mosaics})
    limits.check_settings({"MOSAIC_EPOCHS": 0, "DEVICES": 2, **mosaics})
    for name in ("DEVICES", "NODES"):
        with pytest.raises(ValueError, match="mosaics are not shared out among devices"):
            limits.check_settings({"MOSAIC_EPOCHS": 2, name: 2, **mosaics})

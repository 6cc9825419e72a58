import contextlib
import csv
import dataclasses
import json
import math

import keras
import numpy as np
import pytest

import image_functions
from landuse import files
from landuse.evaluation import predictions, report_figures
from landuse.networks import dense, model_files, precisions
from landuse.patches import band_statistics, split_folders, split_marker
from landuse.sensors import BAND_COMBINATIONS, BANDS_MS, BANDS_RGB
from landuse.training import growing, optimizers, run_callbacks, run_folders, runs, training_data

SETTINGS = {"EPOCHS": 4, "NETWORK": "tiny", "PATH_TO_RUN": "x", "WORKERS": 1}


def make_data(count=24):
    rng = np.random.default_rng(3)
    labels = np.arange(count) % 2
    patches = rng.integers(0, 100, (count, 64, 64, 3)) + 100 * labels[:, None, None, None]
    part = training_data.Part(patches.astype("uint8"), labels, [f"{i}.jpg" for i in range(count)])
    statistics = image_functions.pooled_statistics(part.patches, image_functions.BANDS_RGB)
    names = list(image_functions.BANDS_RGB)
    classes = ["dark", "light"]
    return training_data.Data(part, part, classes, names, "rgb8", statistics, built_in_sample=True)


def make_model(phase="all", rate=1e-2, ema=False):
    pixels = keras.Input((64, 64, 3), name="pixels")
    values = keras.layers.Rescaling(1 / 255)(pixels)
    values = keras.layers.Conv2D(4, 3, strides=8, use_bias=False, name="base")(values)
    values = keras.layers.BatchNormalization(momentum=0.8)(values)
    values = keras.layers.GlobalAveragePooling2D()(keras.layers.Dropout(0.2)(values))
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(values))
    compile_model(model, rate, ema)
    return model


def compile_model(model, rate=1e-2, ema=False):
    schedule = optimizers.schedule("cosine", rate, 12, 2)
    optimizer = optimizers.make_optimizer("AdamW", schedule, 0.02, 1.0, ema)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])


class Kill(keras.callbacks.Callback):
    """Stands for the power cut in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.at, 1):
            raise KeyboardInterrupt


def run_two_phases(folder, kill=(None, None), ema=False, **settings):
    keras.utils.set_random_seed(7)
    data = make_data()
    with runs.open_run(folder, {**SETTINGS, **settings}) as run:
        if run.is_finished():
            return None
        run.describe(data, "tiny")
        model = make_model(ema=ema)
        train = image_functions.simple_image_generator(
            data.train.patches, labels=data.one_hot_labels("train"), batch_size=8, symmetries=True
        )
        validation = data.batches("validation", 8)
        model.get_layer("base").trainable = False
        compile_model(model, ema=ema)
        for number, phase in enumerate(("top", "all")):
            if phase == "all":
                model.get_layer("base").trainable = True
                compile_model(model, ema=ema)
            callbacks = [run.keep_best(), run.stop_early(9)]
            if kill[0] == number:
                callbacks.append(Kill(kill[1]))
            run.fit(phase, model, train, validation, 4, callbacks)
        run.finish()
        return [np.asarray(weight) for weight in model.get_weights()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, run_two_phases(folder)


@pytest.mark.parametrize("kill", [(0, 0), (0, 2), (1, 0), (1, 1), (1, 3)])
def test_a_killed_run_ends_as_an_uninterrupted_one(tmp_path, uninterrupted, kill):
    with contextlib.suppress(KeyboardInterrupt):
        run_two_phases(tmp_path / "run", kill)
    weights = run_two_phases(tmp_path / "run")
    for got, wanted in zip(weights, uninterrupted[1], strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-4)
    history = (tmp_path / "run" / "history.csv").read_text().splitlines()
    wanted = (uninterrupted[0] / "history.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in history] == [row.split(",")[:2] for row in wanted]
    assert len(history) == 9


def test_a_finished_run_says_so_and_other_settings_are_refused(uninterrupted, capsys):
    folder, _ = uninterrupted
    assert run_two_phases(folder, WORKERS=3) is None
    assert "this run is finished" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"EPOCHS was 4, is 5.*another PATH_TO_RUN"):
        run_two_phases(folder, EPOCHS=5)


def test_a_constant_that_came_since_is_no_other_setting_while_it_is_off(uninterrupted):
    folder, _ = uninterrupted
    assert run_two_phases(folder, NEW_CHANGE=0.0, NEW_EVERY=1, NEW_SWITCH=False) is None
    with pytest.raises(ValueError, match=r"NEW_CHANGE was None, is 0.5"):
        run_two_phases(folder, NEW_CHANGE=0.5)
    with pytest.raises(ValueError, match=r"NEW_SWITCH was None, is True"):
        run_two_phases(folder, NEW_SWITCH=True)


def test_the_run_folder(uninterrupted):
    folder, _ = uninterrupted
    assert {"model.keras", "history.csv", "settings.json"} <= {f.name for f in folder.iterdir()}
    _, record = model_files.load(folder / "model.keras")
    assert record["class_names"] == ["dark", "light"]
    assert record["units"] == "rgb8"
    assert record["statistics"]["percentiles"]["50"]
    assert record["built_in_sample"] is True
    assert record["results"]["validation_accuracy"] > 0.5
    assert json.loads((folder / "settings.json").read_text()) == SETTINGS


def test_folders_that_are_no_run(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with (
        pytest.raises(ValueError, match="holds other files"),
        runs.open_run(tmp_path, SETTINGS),
    ):
        pass
    with (
        pytest.raises(ValueError, match="is a file"),
        runs.open_run(tmp_path / "letter.txt", SETTINGS),
    ):
        pass


def test_a_folder_in_use_is_refused(tmp_path):
    with (
        runs.open_run(tmp_path / "run", SETTINGS),
        pytest.raises(OSError, match="another run"),
        runs.open_run(tmp_path / "run", SETTINGS),
    ):
        pass


def test_settings_may_be_corrected_before_the_first_epoch(tmp_path):
    for batch in (8, 16):
        with runs.open_run(tmp_path / "run", {"BATCH_SIZE": batch}):
            pass
    assert json.loads((tmp_path / "run" / "settings.json").read_text()) == {"BATCH_SIZE": 16}


def test_other_images_are_refused(tmp_path):
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.state.images = "those of yesterday"
        with pytest.raises(ValueError, match="other images"):
            run.describe(make_data(), "tiny")


def test_other_contents_are_refused_and_a_copy_goes_on(tmp_path):
    def data_in(folder, pixels):
        files = [tmp_path / folder / "Forest" / f"{number}.tif" for number in range(3)]
        files[0].parent.mkdir(parents=True)
        for file in files:
            file.write_bytes(pixels)
        made = make_data()
        part = dataclasses.replace(made.train, files=files)
        return dataclasses.replace(made, train=part, validation=part)

    before, copied, other = data_in("a", b"12"), data_in("b", b"12"), data_in("c", b"21")
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(before, "tiny")
        told = json.loads(json.dumps(vars(run.state)))["images"]
        for recorded in ("", told, before.images_digest(), told.partition("-")[0]):
            run.state.images = recorded  # the last: as older versions wrote it
            run.describe(copied, "tiny")
            assert run.state.images == told
        for recorded in (told, before.images_digest()):
            run.state.images = recorded
            with pytest.raises(ValueError, match="other images"):
                run.describe(other, "tiny")


def test_a_nan_loss_stops_and_keeps_the_model(tmp_path):
    data = make_data()
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(data, "tiny")
        model = make_model(rate=1e-3)
        train, validation = data.batches("train", 8), data.batches("validation", 8)
        run.fit("good", model, train, validation, 1, [run.keep_best()])
        model.get_layer("base").kernel.assign(np.full((3, 3, 3, 4), np.nan))
        with pytest.raises(ValueError, match=r"NaN or infinite in epoch 1, step 1.*model.keras"):
            run.fit("bad", model, train, validation, 1)
    weights = model_files.load(tmp_path / "run" / "model.keras")[0].get_weights()
    assert all(np.isfinite(weight).all() for weight in weights)


def test_early_stopping_counts_over_restarts(tmp_path):
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.state.waited = 1
        run.state.history = [{}, {}, {}]
        stop = run.stop_early(2)
        stop.set_model(make_model())
        stop.model.stop_training = False
        run.state.best_epoch = 3
        stop.on_epoch_end(0, {"val_accuracy": 0.5})
        assert not stop.model.stop_training and run.state.waited == 0
        run.state.waited = 1
        run.state.best_epoch = 2
        stop.on_epoch_end(0, {"accuracy": 0.5})  # not validated: nothing to stop for
        assert not stop.model.stop_training
        stop.on_epoch_end(0, {"val_accuracy": 0.5})
        assert stop.model.stop_training


def test_validating_every_third_epoch_and_the_last(tmp_path):
    data, model = make_data(), make_model()
    seen = []
    count = keras.callbacks.LambdaCallback(on_test_end=lambda logs: seen.append(logs))
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(data, "tiny")
        train, validation = data.batches("train", 8), data.batches("validation", 8)
        run.fit("all", model, train, validation, 5, [run.keep_best(), count], validate_every=3)
        validated = ["val_accuracy" in row for row in run.state.history]
        assert validated == [False, False, True, False, True] and len(seen) == 2
        assert run.state.best_epoch in (3, 5) and run.model_path.exists()
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").open()))
    assert [row["val_loss"] != "" for row in rows] == validated
    columns = report_figures.history_columns(tmp_path / "run" / "history.csv")
    lines = report_figures.draw_learning_curves(columns).axes[0].lines
    assert list(lines[0].get_xdata()) == [1, 2, 3, 4, 5]
    assert list(lines[1].get_xdata()) == [3, 5]


def test_a_run_without_its_best_model_is_not_finished(tmp_path):
    data, model = make_data(), make_model()
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(data, "tiny")
        run.fit("all", model, data.batches("train", 8), data.batches("validation", 8), 1)
        with pytest.raises(ValueError, match=r"model\.keras was never saved: give run\.keep_best"):
            run.finish()


def test_averaged_weights_are_saved_and_the_own_ones_go_on(tmp_path):
    weights = run_two_phases(tmp_path / "run", ema=True)
    assert all(np.isfinite(weight).all() for weight in weights)
    with contextlib.suppress(KeyboardInterrupt):
        run_two_phases(tmp_path / "killed", (1, 1), ema=True)
    for got, wanted in zip(run_two_phases(tmp_path / "killed", ema=True), weights, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_own_weights_go_on_where_pictures_grow(tmp_path):
    """Each size is a `fit` of Keras, which ends with the average in the place of the weights."""
    data, model = make_data(), make_model(ema=True)
    grown = growing.learner(model, [32, 64])
    compile_model(grown, ema=True)
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(np.array(self.model.get_layer("base").kernel))

        def on_epoch_end(self, epoch, logs=None):
            seen.append(np.array(self.model.get_layer("base").kernel))

    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(data, "tiny")
        train, validation = data.batches("train", 8), data.batches("validation", 8)
        callbacks, options = [run.keep_best(), Look()], {"keep": model, "sizes": [32, 64]}
        run.fit("all", grown, train, validation, 2, callbacks, **options)
    first, after_first, second, _ = seen
    assert not np.allclose(first, after_first)
    np.testing.assert_array_equal(second, after_first)


def test_averaged_weights_come_and_go():
    model = make_model(ema=True)
    model.optimizer.build(model.trainable_variables)
    kernel = model.get_layer("base").kernel
    before = np.array(kernel)
    kernel.assign(before + 1)
    with run_callbacks.averaged_weights(model):
        assert not np.allclose(kernel, before + 1)
    np.testing.assert_allclose(kernel, before + 1)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("cosine", {0: 1 / 11, 10: 1.0, 55: 0.505, 100: 0.01}),
        ("one_cycle", {0: 1 / 31, 30: 1.0, 65: 0.50005, 100: 1e-4}),
        ("constant", {0: 1 / 11, 10: 1.0, 55: 1.0, 100: 1.0}),
    ],
)
def test_schedules(kind, values):
    schedule = optimizers.schedule(kind, 2.0, 100, 10)
    for step, share in values.items():
        assert float(schedule(step)) == pytest.approx(2 * share, rel=1e-4)


def test_unknown_names_are_answered():
    with pytest.raises(ValueError, match="SCHEDULE = 'linear'"):
        optimizers.schedule("linear", 1.0, 2, 1)
    with pytest.raises(ValueError, match="OPTIMIZER = 'Adadelta'"):
        optimizers.make_optimizer("Adadelta", 1e-3)
    with pytest.raises(ValueError, match="PRECISION = 'half'"):
        precisions.set_precision("half")


@pytest.mark.parametrize("name", ["AdamW", "Muon", "SGD"])
def test_weight_decay_leaves_biases_and_normalisations_alone(name):
    model = make_model()
    optimizer = optimizers.make_optimizer(name, 0.1, weight_decay=0.5)
    variables = model.trainable_variables
    before = [np.array(variable) + 1 for variable in variables]
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    optimizer.apply([keras.ops.zeros_like(v) for v in variables], variables)
    for variable, value in zip(variables, before, strict=True):
        decayed = 0.9995 if name == "SGD" else 0.95  # whose rates are a hundred times as high
        share = decayed if variable.name == "kernel" else 1.0
        np.testing.assert_allclose(variable, share * value, rtol=1e-5)


def test_rare_classes_weigh_more():
    weights = training_data.class_weights(np.array([0, 0, 0, 1]), 3)
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2])
    assert math.isclose(weights.mean(), 1, rel_tol=1e-6)


@pytest.mark.parametrize("epochs", [1, 3, 12])
def test_an_average_of_the_weights_forgets_those_of_the_first_step(epochs):
    recipe = optimizers.Recipe(**{**RECIPE, "optimizer": "SGD", "average_weights": True}, steps=30)
    optimizer = recipe.make(0.0, epochs)  # what changes the weight here is this test alone
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    for step in range(epochs * 30):
        weight.assign([1.0 if step == 0 else 0.0])
        optimizer.apply([keras.ops.zeros(1)], [weight])
    (average,) = optimizer._model_variables_moving_average
    assert 0 < float(average[0]) < 1e-4


def test_the_first_step_is_traced_once():
    calls = []

    class Counting(keras.Model):
        def train_step(self, *arguments, **options):
            calls.append(arguments)
            return super().train_step(*arguments, **options)

    pixels = keras.Input((2, 2, 3))
    model = Counting(pixels, keras.layers.Dense(4, activation="softmax")(pixels))
    optimizer = optimizers.make_optimizer("AdamW", 1e-3, 0.1, 1.0, average_weights=True)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    optimizers.make_variables(model)
    labels = np.eye(4, dtype=np.float32)[np.zeros((8, 2, 2), int)]
    model.fit(np.ones((8, 2, 2, 3), np.float32), labels, batch_size=2, verbose=0)
    assert len(calls) == 1
    assert int(model.optimizer.iterations) == 4


def give_patches(monkeypatch, dtype):
    """Let every part of every split hold four patches of two classes."""

    def four_images(path, part, bands, skip_bad=False):
        return np.ones((4, 64, 64, len(bands)), dtype), np.array([0, 0, 1, 1]), ["a", "b"], []

    bands = BANDS_RGB if dtype == "uint8" else BANDS_MS
    monkeypatch.setattr(split_folders, "load_part", four_images)
    monkeypatch.setattr(split_folders.Listing, "files", lambda self, part: [])
    monkeypatch.setattr(split_folders.Listing, "bands", bands)


def test_fewer_images_than_a_batch(monkeypatch):
    give_patches(monkeypatch, "uint8")
    with pytest.raises(ValueError, match=r"BATCH_SIZE = 64, but .* has only 4 images"):
        training_data.read_data("split", "RGB", 64)
    with pytest.raises(ValueError, match="BANDS = 'NDVI'"):
        training_data.read_data("split", "NDVI", 2)


def test_data_of_the_built_in_sample_say_so_and_are_of_level_1c(monkeypatch, capsys):
    give_patches(monkeypatch, "uint8")
    other = training_data.read_data("split", "RGB", 2)
    assert (other.built_in_sample, other.level) == (False, None)
    assert "nothing tells the level (L1C or L2A) of the images of split" in capsys.readouterr().out
    monkeypatch.setattr(split_marker, "is_of_sample", lambda split: True)
    sample = training_data.read_data("split", "RGB", 2)
    assert (sample.built_in_sample, sample.level) == (True, "L1C")
    assert "level" not in capsys.readouterr().out


def test_the_level_is_that_of_the_cirrus_band_or_as_step_01_was_told(monkeypatch):
    give_patches(monkeypatch, "uint16")
    assert training_data.read_data("split", "RGB", 2).level == "L1C"  # files hold B10
    monkeypatch.setattr(split_folders.Listing, "bands", BAND_COMBINATIONS["L2A"])
    assert training_data.read_data("split", "RGB", 2).level is None
    told = {"settings": {"PROCESSING_LEVEL": "L2A"}}
    monkeypatch.setattr(split_marker, "read", lambda folder: told)
    assert training_data.read_data("split", "RGB", 2).level == "L2A"


def test_colours_of_multispectral_patches(monkeypatch, capsys):
    give_patches(monkeypatch, "uint16")
    training_data.read_data("split", "SWIR", 2)
    assert "multispectral" not in capsys.readouterr().out
    assert training_data.read_data("split", "RGB", 2).units == "DN"
    assert "split has multispectral patches; only B04, B03, B02 of them" in capsys.readouterr().out


def test_no_absolute_path_goes_into_the_model():
    settings = {"PATH": "/home/me/split", "RELATIVE": "data/split", "N": 3}
    plain = run_folders.without_absolute_paths(settings)
    assert plain == {"PATH": "split", "RELATIVE": "data/split", "N": 3}


RECIPE = {
    "optimizer": "AdamW",
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "weight_decay": 0.02,
    "clip_norm": 1.0,
    "average_weights": False,
}


@pytest.mark.parametrize(
    ("recipe", "batches", "label_smoothing", "mosaic"),
    [
        ({}, {"class_weights": True, "mixup": 0.2}, 0.0, 1),
        ({"clip_norm": 0.0}, {}, 0.1, 1),
        ({"average_weights": True, "schedule": "one_cycle"}, {}, 0.0, 1),
        ({"optimizer": "SGD", "schedule": "constant", "average_weights": True}, {}, 0.0, 1),
        ({}, {"class_weights": True, "mixup": 0.2}, 0.1, 2),
        ({}, {"rotation_range": 90, "horizontal_flip": True, "brightness_range": 0.1}, 0.0, 1),
    ],
    ids=str,
)
def test_each_option_trains(recipe, batches, label_smoothing, mosaic, tmp_path):
    data, model = make_data(), make_model()
    recipe = optimizers.Recipe(**{**RECIPE, **recipe}, steps=data.steps(8))
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    model.compile(recipe.make(1e-2, 2), loss, metrics=["accuracy"])
    before = model.get_weights()
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(data, "tiny")
        train = data.training_batches(8, **batches)
        callbacks = [run.keep_best()]
        run.fit("all", model, train, data.batches("validation", 8), 2, callbacks)
        if mosaic > 1:
            mosaics = dense.mosaic_model(model)
            mosaics.compile(recipe.make(1e-2, 1), loss, metrics=["accuracy"])
            run.fit_mosaics(mosaic, mosaics, model, train, data, 1, callbacks)
        losses = [row["loss"] for row in run.state.history]
        record = model_files.read_record(run.model_path)
    assert len(losses) == 2 + (mosaic > 1)
    assert np.isfinite(losses).all()
    assert record["dense"] == (mosaic > 1)
    assert predictions.mosaic_of(record) == mosaic
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_a_phase_of_other_steps_ends_at_the_lowest_rate():
    recipe = optimizers.Recipe(**{**RECIPE, "schedule": "one_cycle"}, steps=50)

    def rate(optimizer, step):
        optimizer.iterations.assign(step)
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))

    of_three_steps = recipe.make(1e-2, 2, 3)
    assert rate(of_three_steps, 3) > 1e-3 and rate(of_three_steps, 6) == pytest.approx(1e-6)
    assert rate(recipe.make(1e-2, 2), 99) > rate(recipe.make(1e-2, 2), 100)


def test_sgd_takes_a_hundredth_of_the_weight_decay_at_a_hundred_times_the_rate():
    left = []
    for name, rate in (("AdamW", 1e-3), ("SGD", 0.1)):
        variable = keras.Variable(np.ones((4, 4)), name="kernel")
        optimizer = optimizers.make_optimizer(name, rate, weight_decay=0.5)
        optimizer.build([variable])
        for _ in range(20):
            optimizer.apply([keras.ops.zeros((4, 4))], [variable])
        left.append(float(variable[0, 0]))
    np.testing.assert_allclose(left, (1 - 1e-3 * 0.5) ** 20, rtol=1e-5)


def test_an_unknown_change_is_refused_at_once():
    with pytest.raises(TypeError, match="hue_range: augmentation knows horizontal_flip, "):
        make_data().training_batches(8, hue_range=0.1)


def test_the_best_model_among_neighbours_replaces_that_of_single_patches(tmp_path):
    data, model = make_data(), make_model()
    mosaics = dense.mosaic_model(model)
    recipe = optimizers.Recipe(**RECIPE, steps=data.steps(8))

    def fit(run):
        train = data.training_batches(8)
        mosaics.compile(recipe.make(1e-2, 2), "categorical_crossentropy", metrics=["accuracy"])
        run.fit_mosaics(2, mosaics, model, train, data, 2, [run.keep_best()])

    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(data, "tiny")
        run.state.best, run.state.best_epoch = 2.0, 1  # better than anything that can follow
        fit(run)
        assert run.state.best <= 1
        assert model_files.read_record(run.model_path)["dense"] is True
    with runs.open_run(tmp_path / "run", SETTINGS) as run:
        run.describe(data, "tiny")
        best = run.state.best
        fit(run)  # done: nothing is lost
        assert (run.state.best, len(run.state.history)) == (best, 2)


def test_predictions_come_in_the_order_of_the_files():
    data, model = make_data(22), make_model()
    wanted = np.asarray(model(data.validation.patches.astype("float32")))
    np.testing.assert_allclose(
        predictions.predict(model, data.validation.patches, 8), wanted, atol=1e-5
    )
    # Strided by 8 and unpadded, a patch ends before its neighbour begins.
    among = predictions.predict(model, data.validation.patches, 8, mosaic=2)
    np.testing.assert_allclose(among, wanted, atol=1e-5)


def test_mosaics_mix_the_classes():
    data = make_data(32)
    order = np.argsort(data.validation.labels, kind="stable")
    part = training_data.Part(data.validation.patches[order], np.sort(data.validation.labels), [])
    batches = training_data.Data(part, part, ["a", "b"], ["B04"], "rgb8", {}).batches(
        "validation", 16, mosaic=2
    )
    labels = np.concatenate([batches[i][1] for i in range(len(batches))])
    assert (labels[..., 0].mean(axis=(1, 2)) % 1 > 0).sum() >= 4
    for index in range(len(batches)):
        pixels, one_hot = batches[index]
        light = pixels.reshape(-1, 2, 64, 2, 64, 3).mean(axis=(2, 4, 5)) > 100
        assert np.array_equal(light, one_hot[..., 1] == 1)


def test_stored_statistics_serve_where_they_fit(tmp_path, capsys):
    patches = np.random.default_rng(0).integers(0, 2000, (4, 64, 64, 3)).astype("uint16")
    names = ["B12", "B8A", "B04"]
    every = image_functions.pooled_statistics(patches[..., [2, 1, 0]], names[::-1])
    files.write_json(tmp_path / "statistics.json", every)
    found = band_statistics.training_statistics(str(tmp_path), patches, names)
    assert found == image_functions.pooled_statistics(patches, names)
    assert "statistics of the training images" in capsys.readouterr().out
    for change, reason in (
        ({"count": 7}, "of 7 pixels, they have 16384"),
        ({"units": "rgb8"}, "it is in rgb8, they are in DN"),
        ({"band_names": ["B04", "B8A", "B11"]}, "it lacks B12"),
    ):
        files.write_json(tmp_path / "statistics.json", {**every, **change})
        found = band_statistics.training_statistics(str(tmp_path), patches, names)
        assert found == image_functions.pooled_statistics(patches, names)
        assert reason in capsys.readouterr().out


@pytest.mark.parametrize(
    ("count", "fitting"), [(1, 1), (12, 2), (84, 16), (255, 32), (256, 64), (20_000, 64)]
)
def test_a_batch_that_nobody_chose_fits_the_images(count, fitting):
    assert training_data.fitting_batch(None, count) == fitting
    assert training_data.fitting_batch(48, count) == 48


def test_a_batch_smaller_than_usual_is_said(monkeypatch, capsys):
    give_patches(monkeypatch, "uint8")
    training_data._check_batch_size(None, 84, "split")
    assert "BATCH_SIZE is 16, because there are only 84 images" in capsys.readouterr().out
    training_data._check_batch_size(None, 500, "split")
    assert capsys.readouterr().out == ""


def test_a_start_that_fails_leaves_no_folder(tmp_path):
    folder = tmp_path / "runs" / "first"
    with pytest.raises(ValueError, match="no such split"), runs.open_run(folder, {"A": 1}):
        raise ValueError("no such split")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ValueError, match="later"), runs.open_run(folder, {"A": 1}):
        (folder / "state.npz").write_bytes(b"an epoch")
        raise ValueError("later")
    assert (folder / "state.npz").exists()


@pytest.mark.parametrize(("epochs", "steps", "fitting"), [(None, 8, 40), (None, 200, 5), (3, 8, 3)])
def test_epochs_of_a_new_top_fit_the_images(epochs, steps, fitting):
    assert optimizers.fitting_epochs(epochs, steps) == fitting

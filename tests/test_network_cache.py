"""What is made of a model is kept, and never taken from strangers or where it is damaged."""

import os
import stat
import zipfile

import numpy as np
import pytest

from landuse.networks import engines, model_files, network_cache, stored_models

SHAPE = (2, 64, 64, 2)
RECORD = {
    "class_names": ["a", "b", "c"],
    "band_names": ["B04", "B08"],
    "units": "DN",
    "patch_size": 64,
    "statistics": {},
    "network": "Base",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(network_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    inner = keras.Input((None, None, 2))
    maps = layers.Conv2D(8, 3, padding="same")(inner)
    maps = layers.ReLU()(layers.BatchNormalization()(maps))
    maps = layers.Concatenate()([maps, layers.Conv2D(4, 1)(maps)])
    maps = layers.ReLU()(layers.BatchNormalization()(maps))
    base = keras.Model(inner, layers.MaxPooling2D(8)(maps), name="Base")
    for layer in base.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([np.random.default_rng(0).random(w.shape) for w in layer.weights])
    pixels = keras.Input((64, 64, 2), name="pixels")
    scaled = layers.Normalization(mean=[1354.3, 1201.7], variance=[411.1, 97.3])(pixels)
    top = layers.Dense(3, activation="softmax")
    path = tmp_path_factory.mktemp("model") / "model.keras"
    probabilities = top(layers.GlobalAveragePooling2D()(base(scaled)))
    model_files.save(keras.Model(pixels, probabilities), RECORD, path)
    return path


def pixels():
    return np.random.default_rng(0).integers(1000, 1500, SHAPE).astype(np.uint16)


def of_keras(path, precision, dense_stride=None, shape=SHAPE):
    """What Keras's own predict gives for the network that is ready for it."""
    network = engines._ready_network(model_files.load(path)[0], precision, dense_stride)
    network.compile(jit_compile="auto")
    return np.asarray(network.predict_on_batch(np.resize(pixels(), shape).astype(np.float32)))


def fail(*arguments, **options):
    raise AssertionError("the model was loaded, though its network was kept")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("dense_stride", "shape"), [(None, SHAPE), (8, (1, 96, 112, 2))])
def test_the_bytes_are_those_of_keras_at_each_start(
    cache, model_file, monkeypatch, precision, dense_stride, shape
):
    expected = of_keras(model_file, precision, dense_stride, shape)
    values = np.resize(pixels(), shape)
    for start in ("first", "second"):
        stored = stored_models.StoredModel(model_file)
        predict = stored_models.make_predict(stored, shape, "keras", precision, dense_stride)
        assert predict(values).tobytes() == expected.tobytes(), start
        monkeypatch.setattr(model_files, "load", fail)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_other_engines_start_from_what_was_kept(cache, model_file, monkeypatch, engine):
    for package in engines.PACKAGES[engine]:
        pytest.importorskip(package)
    expected = of_keras(model_file, "float32")
    for _ in range(2):
        stored = stored_models.StoredModel(model_file)
        predict = stored_models.make_predict(stored, SHAPE, engine, "float32")
        np.testing.assert_allclose(predict(pixels()), expected, atol=1e-5)
        monkeypatch.setattr(model_files, "load", fail)


def test_switched_off_nothing_is_kept(cache, model_file):
    stored = stored_models.StoredModel(model_file, cache=False)
    predict = stored_models.make_predict(stored, SHAPE, "keras", "float32")
    assert predict(pixels()).shape == (2, 3)
    assert not cache.exists()


def test_another_shape_precision_or_model_is_another_entry(model_file):
    how = {"engine": "keras", "precision": "float32", "dense_stride": None}
    packages = ["keras", "numpy"]
    keys = {
        network_cache.key_of("1", packages, shape=[1], **how),
        network_cache.key_of("2", packages, shape=[1], **how),
        network_cache.key_of("1", packages, shape=[2], **how),
        network_cache.key_of("1", packages, shape=[1], **{**how, "precision": "bfloat16"}),
        network_cache.key_of("1", packages, shape=[1], **{**how, "dense_stride": 8}),
        network_cache.key_of("1", ["keras"], shape=[1], **how),
    }
    assert len(keys) == 6
    assert network_cache.key_of("1", packages, shape=[1], **how) in keys


def damage_in_the_middle(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:1000])


def something_else(path):
    path.write_text("not a network")


def another_function(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("function.pb", b"\x08\x96\x01")


@pytest.mark.parametrize(
    "spoil", [damage_in_the_middle, cut_short, something_else, another_function]
)
def test_a_damaged_entry_is_made_again(cache, model_file, spoil):
    expected = of_keras(model_file, "float32")
    for start in ("before", "after"):
        stored = stored_models.StoredModel(model_file)
        predict = stored_models.make_predict(stored, SHAPE, "keras", "float32")
        assert predict(pixels()).tobytes() == expected.tobytes()
        (entry,) = cache.iterdir()
        if start == "before":
            spoil(entry)
    assert zipfile.ZipFile(entry).testzip() is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows keeps no such modes")
def test_what_others_may_write_to_is_not_taken(cache):
    network_cache.write("key", {"a": b"1"})
    assert network_cache.read("key") == {"a": b"1"}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    entry = cache / "key.zip"
    entry.chmod(0o666)
    assert network_cache.read("key") is None
    entry.chmod(0o600)
    assert network_cache.read("key") is not None
    cache.chmod(0o777)
    assert network_cache.read("key") is None
    with pytest.raises(PermissionError, match="not this user's alone"):
        network_cache.write("other", {})
    cache.chmod(0o700)
    (cache / "link.zip").symlink_to(entry)
    assert network_cache.read("link") is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows keeps no such modes")
def test_what_belongs_to_another_user_is_not_taken(cache, monkeypatch):
    network_cache.write("key", {"a": b"1"})
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    assert network_cache.read("key") is None


def test_old_entries_make_room(cache, monkeypatch):
    monkeypatch.setattr(network_cache, "MOST_BYTES", 5000)
    for number, name in enumerate(["first", "second", "third"]):
        network_cache.write(name, {"a": bytes(2000)})
        os.utime(cache / f"{name}.zip", (number, number))
    assert network_cache.read("first") is None
    assert network_cache.read("second") is not None  # and so it is the last one that was used
    network_cache.write("fourth", {"a": bytes(2000)})
    assert sorted(path.name for path in cache.iterdir()) == ["fourth.zip", "second.zip"]
    assert network_cache.write("large", {"a": bytes(3000)}) == 0


def test_a_cache_that_cannot_be_written_is_said_and_no_error(
    tmp_path, model_file, monkeypatch, capsys
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(network_cache.VARIABLE, str(tmp_path / "file" / "cache"))
    stored = stored_models.StoredModel(model_file)
    predict = stored_models.make_predict(stored, SHAPE, "keras", "float32")
    assert predict(pixels()).shape == (2, 3)
    assert "for a quicker next start" in capsys.readouterr().out


def test_the_folder_is_that_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv(network_cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(network_cache.sys, "platform", "linux")
    assert network_cache.folder() == tmp_path / "landuse" / "networks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert network_cache.folder() == tmp_path / ".cache" / "landuse" / "networks"


def test_openvino_computes_models_that_enlarge_their_patches():
    pytest.importorskip("openvino")
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    inner = keras.Input((96, 96, 2))
    base = keras.Model(inner, layers.Conv2D(4, 3, strides=2, activation="relu")(inner))
    patches = keras.Input((64, 64, 2))
    enlarged = layers.Resizing(96, 96)(layers.Rescaling(1e-3)(patches))
    top = layers.Dense(3, activation="softmax")
    model = keras.Model(patches, top(layers.GlobalAveragePooling2D()(base(enlarged))))
    expected = model.predict_on_batch(pixels().astype(np.float32))
    found = engines.make_predict(model, SHAPE, "openvino", "float32")(pixels())
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_constants_of_a_network_are_kept_in_its_precision(precision, cache, tmp_path):
    """EfficientNet standardises within: means and deviations that are no weights to learn."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    inner = keras.Input((None, None, 2))
    scaled = layers.Normalization(mean=[1200.0, 1300.0], variance=[400.0, 900.0])(inner)
    base = keras.Model(inner, layers.Conv2D(4, 3, strides=2, activation="relu")(scaled))
    patches = keras.Input((64, 64, 2), name="pixels")
    top = layers.Dense(3, activation="softmax")
    model = keras.Model(patches, top(layers.GlobalAveragePooling2D()(base(patches))))
    path = tmp_path / "model.keras"
    model_files.save(model, RECORD, path)
    expected = of_keras(path, precision)
    for _ in range(2):  # made, and then taken from what was kept
        predict = stored_models.make_predict(
            stored_models.StoredModel(path), SHAPE, "keras", precision
        )
        np.testing.assert_array_equal(predict(pixels()), expected)


def test_where_tensorflow_has_changed_keras_itself_computes(cache, model_file, monkeypatch, capsys):
    from landuse.networks import tensorflow_functions

    def changed(members):
        raise AttributeError("no such function")

    monkeypatch.setattr(tensorflow_functions, "start", changed)
    stored = stored_models.StoredModel(model_file)
    predict = stored_models.make_predict(stored, SHAPE, "keras", "float32")
    np.testing.assert_array_equal(predict(pixels()), of_keras(model_file, "float32"))
    assert "Keras itself computes the network, because TensorFlow" in capsys.readouterr().out
    predict = engines.make_predict(stored.keras_model, SHAPE)
    np.testing.assert_array_equal(predict(pixels()), of_keras(model_file, "float32"))

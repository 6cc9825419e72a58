import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from landuse.networks import model_files, pixel_layers

RECORD = {
    "class_names": ["a", "b"],
    "band_names": ["B04", "B03", "B02"],
    "units": "DN",
    "patch_size": 64,
    "statistics": {"mean": [1.0, 2.0, 3.0], "std": [1.0, 1.0, 1.0]},
    "network": "tiny",
    "weights": None,
    "dense": False,
    "processing_level": "L1C",
    "settings": {},
    "versions": {},
    "results": {},
}


def tiny_model():
    pixels = keras.Input((64, 64, 3), name="pixels")
    values = pixel_layers.standardisation(RECORD["statistics"])(pixels)
    values = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(values))
    return keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(values))


@pytest.fixture
def path(tmp_path):
    model_files.save(tiny_model(), RECORD, tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_round_trip(tmp_path):
    model = tiny_model()
    model.compile("adamw", "categorical_crossentropy")
    model_files.save(model, RECORD, tmp_path / "m.keras")
    loaded, record = model_files.load(tmp_path / "m.keras")
    pixels = np.random.default_rng(0).uniform(0, 9, (2, 64, 64, 3))
    np.testing.assert_allclose(loaded(pixels), model(pixels), atol=1e-6)
    assert record == {"format": 1, **RECORD}
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]


def test_the_record_is_read_without_keras(path):
    code = (
        "import sys; from landuse.networks import model_files; "
        f"print(model_files.read_record({str(path)!r})['units'], 'keras' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.split() == ["DN", "False"], answer.stderr


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_file(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="cut short"):
        model_files.load(path)


def test_damaged_weights(path):
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("model.weights.h5").header_offset + 3000
    content[place : place + 8] = bytes(value ^ 255 for value in content[place : place + 8])
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        model_files.load(path)


def test_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model"):
        model_files.read_record(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(ValueError, match=r"not a whole \.keras file"):
        model_files.read_record(tmp_path / "text.keras")
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(ValueError, match="not a Keras model"):
        model_files.read_record(tmp_path / "zip.keras")
    tiny_model().save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="not one of ours"):
        model_files.load(tmp_path / "other.keras")


def add_record(path, record):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("landuse.json", json.dumps(record))


def test_code_in_a_file_is_not_run(tmp_path):
    pixels = keras.Input((64, 64, 3))
    values = keras.layers.Lambda(lambda x: x + 1, output_shape=(64, 64, 3))(pixels)
    values = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(values))
    keras.Model(pixels, values).save(tmp_path / "m.keras")
    add_record(tmp_path / "m.keras", {"format": 1, **RECORD})
    with pytest.raises(ValueError, match=r"cannot be loaded.*(Lambda|lambda)"):
        model_files.load(tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"class_names": "a"}, "class_names"),
        ({"units": "K"}, "units 'K'"),
        ({"class_names": ["a", "b", "c"]}, "3 classes"),
    ],
)
def test_records_that_do_not_fit(tmp_path, change, message):
    tiny_model().save(tmp_path / "m.keras")
    add_record(tmp_path / "m.keras", {"format": 1, **RECORD, **change})
    with pytest.raises(ValueError, match=message):
        model_files.load(tmp_path / "m.keras")


def test_the_folder_of_a_model_is_no_model(tmp_path):
    with pytest.raises(OSError, match=r"is a folder, not a model: name the model\.keras in it"):
        model_files.read_record(tmp_path)

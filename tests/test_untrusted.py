"""What a stranger's file cannot do: run code, read other files, reach the network."""

import ast
import json
import pickle
import runpy
import socket
import sys
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import image_functions
from image_functions import BANDS_MS, BANDS_RGB
from landuse import files
from landuse.networks import bases, model_files
from landuse.patches import class_folders, patch_cache
from landuse.rasters import writing
from landuse.training import runs

REPOSITORY = Path(__file__).resolve().parent.parent
RECORD = {
    "format": 1,
    "class_names": ["a", "b"],
    "band_names": list(BANDS_RGB),
    "units": "rgb8",
    "patch_size": 64,
    "statistics": {},
    "network": "tiny",
}
GEOTRANSFORM = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)


@pytest.fixture
def reached(monkeypatch):
    """Addresses that anything tried to reach; every attempt fails."""
    addresses = []

    def refuse(*arguments, **options):
        addresses.append(arguments[-1] if isinstance(arguments[0], socket.socket) else arguments[0])
        raise OSError("no network here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return addresses


def write_model(path, change=lambda config: None, members=None):
    """Save a model, its configuration and its members changed as a stranger might."""
    pixels = keras.Input((64, 64, 3), name="pixels")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(pixels)
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax", name="top")(pooled))
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(contents["config.json"])
    change(config)
    contents |= {"config.json": json.dumps(config), "landuse.json": json.dumps(RECORD)}
    contents |= members or {}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)


def layer(config, name):
    return next(item for item in config["config"]["layers"] if item["name"] == name)


def test_the_model_is_read_when_nothing_is_changed(tmp_path):
    write_model(tmp_path / "m.keras")
    assert model_files.load(tmp_path / "m.keras")[1] == RECORD


@pytest.mark.parametrize(
    "function",
    [
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "f"},
        {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "f"},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}},
        {"module": "keras.utils", "class_name": "function", "config": "get_file"},
        {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
    ],
)
def test_functions_of_other_modules_are_not_called(tmp_path, function, reached):
    def change(config):
        layer(config, "top")["config"]["activation"] = function

    write_model(tmp_path / "m.keras", change)
    with pytest.raises(ValueError, match="cannot be loaded as a model"):
        model_files.load(tmp_path / "m.keras")
    assert reached == []


def test_classes_of_other_modules_are_not_made(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('code was run')")
    monkeypatch.syspath_prepend(str(tmp_path))

    def change(config):
        layer(config, "top").update(module="stranger", class_name="Dense", registered_name=None)

    write_model(tmp_path / "m.keras", change)
    with pytest.raises(ValueError, match="cannot be loaded as a model"):
        model_files.load(tmp_path / "m.keras")
    assert "stranger" not in sys.modules


class Bomb:
    def __reduce__(self):
        return (sys.exit, ("the pickle was read",))


def test_pickled_weights_are_not_read(tmp_path):
    weights = pickle.dumps({"top": Bomb()})
    write_model(tmp_path / "m.keras", members={"model.weights.npz": weights})
    model_files.load(tmp_path / "m.keras")  # the HDF5 weights beside it are read
    write_model(
        tmp_path / "m.keras", members={"model.weights.npz": weights, "model.weights.h5": None}
    )
    with pytest.raises(ValueError, match=r"has no model\.weights\.h5"):
        model_files.load(tmp_path / "m.keras")
    write_model(tmp_path / "m.keras", members={"model.weights.h5": weights})
    with pytest.raises(ValueError, match="cannot be loaded as a model"):
        model_files.load(tmp_path / "m.keras")


@pytest.mark.parametrize("place", ["https://example.org/words.txt", "file"])
def test_a_layer_cannot_fetch_or_read_other_files(tmp_path, reached, place):
    secret = tmp_path / "secret.txt"
    secret.write_text("one\ntwo\n")
    vocabulary = str(secret) if place == "file" else place

    def change(config):
        pooled = layer(config, "pooled")
        pooled["class_name"], pooled["module"] = "StringLookup", "keras.layers"
        pooled["config"] = {"name": "pooled", "vocabulary": vocabulary}

    write_model(tmp_path / "m.keras", change)
    with pytest.raises(ValueError, match="cannot be loaded as a model"):
        model_files.load(tmp_path / "m.keras")
    assert reached == []


def test_a_member_cannot_leave_the_archive(tmp_path):
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "m.keras"
    write_model(path, members={"../outside.txt": "x", "assets/../../outside.txt": "x"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras, that it passes over them
        model_files.load(path)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["inner", "m.keras"]


def test_official_weights_that_are_a_pickle_are_not_read(tmp_path):
    (tmp_path / "w.h5").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises((ValueError, OSError), match=r"w\.h5"):
        bases.base_network("MobileNet", 3, str(tmp_path / "w.h5"))


def test_a_pickle_in_the_state_of_a_run_is_not_read(tmp_path):
    bombs = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "state.npz", allow_pickle=True, state=np.array("{}"), model_0=bombs)
    files.write_json(tmp_path / "settings.json", {"EPOCHS": 1})
    with (
        pytest.raises(ValueError, match=r"state\.npz is damaged .*Object arrays cannot be loaded"),
        runs.open_run(tmp_path, {"EPOCHS": 1}),
    ):
        pass


def test_a_cache_of_patches_that_was_exchanged_or_cut_is_made_anew(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pixels = np.full((64, 64, 13), 700, np.uint16)
        writing.write_geotiff(tmp_path / name / f"{name}.tif", pixels, GEOTRANSFORM, "EPSG:32632")
    images = [path for members in class_folders.find_images(tmp_path).values() for path in members]
    patch_cache.open_patches(images)
    cached = next((tmp_path / ".cache").glob("*.npy"))
    whole = cached.read_bytes()
    np.save(cached, np.array([Bomb()] * 2, dtype=object), allow_pickle=True)
    assert (patch_cache.open_patches(images) == 700).all()
    for damaged in (b"", whole[:50], whole[:-1], b"PK" + whole):
        cached.write_bytes(damaged)
        assert (patch_cache.open_patches(images) == 700).all()


def test_xml_is_parsed_by_what_expands_no_entities():
    """The standard library's parsers expand them; `ElementTree` may build what is written."""
    parsers = ("parse", "fromstring", "fromstringlist", "iterparse", "XML", "XMLParser")
    for path in [*REPOSITORY.glob("*.py"), *(REPOSITORY / "landuse").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if "Tree" not in text:
            continue  # no parser of the standard library goes without that word
        tree = ast.parse(text)
        calls = [
            ast.unparse(node.func)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        bare = [call for call in calls if call.split(".")[-1] in parsers and "Tree" in call]
        assert all(call.startswith("defusedxml.") for call in bare), (path.name, bare)
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        names = {f"{node.module}.{name.name}" for node in imports for name in node.names}
        assert names.isdisjoint(f"xml.etree.ElementTree.{parser}" for parser in parsers), path.name


# ---- the network


def run_here(monkeypatch, script, *words):
    monkeypatch.setattr(sys, "argv", [script, *map(str, words)])
    runpy.run_path(str(REPOSITORY / script), run_name="__main__")


def test_split_statistics_map_and_report_reach_for_nothing(tmp_path, monkeypatch, reached):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(300, 3000, (64, 64, 13)).astype(np.uint16)
            path = tmp_path / "images" / name / f"{name}_{number}.tif"
            writing.write_geotiff(path, pixels, GEOTRANSFORM, "EPSG:32632")
    scene = rng.integers(300, 3000, (80, 80, 13)).astype(np.uint16)
    writing.write_geotiff(tmp_path / "scene.tif", scene, GEOTRANSFORM, "EPSG:32632")
    pixels = keras.Input((64, 64, 13))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1e-3)(pixels))
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(pooled))
    statistics = image_functions.pooled_statistics(scene[np.newaxis], BANDS_MS)
    record = {**RECORD, "band_names": list(BANDS_MS), "units": "DN", "statistics": statistics}
    model_files.save(model, record, tmp_path / "m.keras")
    monkeypatch.chdir(tmp_path)
    split = ("--path-to-split-datasets", "split")
    run_here(
        monkeypatch,
        "01_split_data_to_train_and_validation.py",
        *("--path-to-all-images", "images", *split),
    )
    run_here(monkeypatch, "statistics.py", *split)
    given = ("--path-to-model", "m.keras")
    run_here(
        monkeypatch,
        "06_classify_image.py",
        *("--path-to-image", "scene.tif", "--stride", "16", "--polygons", *given),
    )
    images = ("--path-to-images", "split/validation", "--path-to-report", "report")
    run_here(monkeypatch, "07_evaluate_model.py", *images, *given)
    assert Path("maps/scene.html").is_file() and Path("report/report.md").is_file()
    assert reached == []


def test_only_weights_of_imagenet_are_asked_for(monkeypatch, reached, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    bases.base_network("MobileNet", 3)
    assert reached == []
    with pytest.raises(OSError, match="could not be downloaded"):
        bases.base_network("MobileNet", 3, "imagenet")
    assert {"storage.googleapis.com"} >= {address for address in reached if address != "localhost"}

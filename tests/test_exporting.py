"""Exported models: what each format's file says and answers, and what is refused."""

import importlib
import json
import subprocess
import sys
import zipfile

import export_models
import numpy as np
import pytest
import tifffile

from landuse import files, optional_packages
from landuse.exporting import comparisons, export_formats, exports, facts, trial_patches
from landuse.networks import model_files, onnx_graphs

CLASSES, BANDS = export_models.CLASSES, export_models.BANDS
save_model = export_models.save_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with model.keras and patches/ of two classes, 20 each."""
    folder = tmp_path_factory.mktemp("export")
    save_model(folder / "model.keras")
    rng = np.random.default_rng(0)
    for name, level in (("Dark", 600), ("Light", 1400)):
        (folder / "patches" / name).mkdir(parents=True)
        for number in range(20):
            patch = rng.normal(level + 10 * number, 60, (64, 64, 3))
            path = folder / "patches" / name / f"{name}_{number}.tif"
            tifffile.imwrite(path, patch.astype(np.uint16), planarconfig="contig")
    return folder


@pytest.fixture
def export(place, tmp_path, monkeypatch, capsys):
    """Run the script with constants; gives what it printed."""
    script = importlib.import_module("12_export_model")

    def run(ending="", **constants):
        constants = {
            "PATH_TO_MODEL": str(place / "model.keras"),
            "PATH_TO_PATCHES": str(place / "patches"),
            "PATH_TO_EXPORT": str(tmp_path / f"out{ending}"),
            **constants,
        }
        monkeypatch.setattr(comparisons, "_SECONDS", 0.0)
        for name, value in constants.items():
            monkeypatch.setattr(script, name, value)
        script.main()
        return capsys.readouterr().out

    return run


def expected(place, pixels, dense_stride=None):
    model, _ = model_files.load(place / "model.keras")
    return exports.keras_predict(model, pixels.shape, dense_stride)(pixels)


def scene(rows, columns, batch=1):
    rng = np.random.default_rng(5)
    steps = 600 + 800 * (np.arange(columns) > columns // 2)
    return rng.normal(steps[:, np.newaxis], 60, (batch, rows, columns, 3)).astype(np.float32)


ENDINGS = {"onnx": ".onnx", "litert": ".tflite", "openvino": ".xml", "saved_model": ""}
NEEDED = {"onnx": "tf2onnx", "litert": "ai_edge_litert", "openvino": "openvino"}


@pytest.mark.parametrize("name", ENDINGS)
def test_export_answers_as_keras_does_to_any_number_of_patches(export, place, tmp_path, name):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    printed = export(ENDINGS[name], FORMAT=name)
    path = tmp_path / f"out{ENDINGS[name]}"
    assert printed.splitlines()[-1] == f"export: {path}"
    assert "compared with Keras on 20 answers" in printed
    assert "0 other labels" in printed
    predict = export_formats.FORMATS[name].open(path)
    for batch in (1, 3):
        pixels = scene(64, 64, batch)
        found = predict(pixels)
        assert found.shape == (batch, 2)
        np.testing.assert_allclose(found, expected(place, pixels), atol=1e-5)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("name", ["onnx", "openvino", "saved_model"])
def test_dense_form_takes_images_of_any_size(export, place, tmp_path, name):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    export(ENDINGS[name], FORMAT=name, DENSE_STRIDE=16, LARGEST_DIFFERENCE=1e-4)
    pixels = scene(96, 128)
    found = export_formats.FORMATS[name].open(tmp_path / f"out{ENDINGS[name]}")(pixels)
    assert found.shape == (1, 3, 5, 2)
    np.testing.assert_allclose(found, expected(place, pixels, 16), atol=1e-5)


def test_dense_form_of_litert_has_one_size(export, place, tmp_path):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ValueError, match="takes images of one size: give IMAGE_SIZE"):
        export(".tflite", FORMAT="litert", DENSE_STRIDE=8)
    export(".tflite", FORMAT="litert", DENSE_STRIDE=8, IMAGE_SIZE=128, BATCH=1)
    found = export_formats.FORMATS["litert"].open(tmp_path / "out.tflite")(scene(128, 128))
    np.testing.assert_allclose(found, expected(place, scene(128, 128), 8), atol=1e-5)


@pytest.mark.parametrize("name", ["onnx", "litert", "openvino"])
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_lower_precisions_keep_the_labels_and_take_less_room(export, tmp_path, name, precision):
    pytest.importorskip(NEEDED[name])
    if precision == "int8" and name == "openvino":
        pytest.importorskip("nncf")
    printed = export(ENDINGS[name], FORMAT=name, PRECISION=precision, MOST_OTHER_LABELS=0.0)
    assert "0 other labels" in printed
    pixels = np.stack([np.full((64, 64, 3), dn, np.float32) for dn in (600, 1450)])
    found = export_formats.FORMATS[name].open(tmp_path / f"out{ENDINGS[name]}")(pixels)
    assert found.argmax(-1).tolist() == [0, 1]
    assert found.max(-1).min() > 0.9


def test_weights_of_onnx_take_half_the_room_in_float16(export, tmp_path):
    onnx = pytest.importorskip("onnx")
    export(".onnx", PRECISION="float16")
    graph = onnx.load(tmp_path / "out.onnx").graph
    kernels = [weights for weights in graph.initializer if len(weights.dims) == 4]
    assert kernels
    assert {weights.data_type for weights in kernels} == {onnx.TensorProto.FLOAT16}


def test_what_sees_raw_pixels_is_not_quantised(export, tmp_path):
    onnx = pytest.importorskip("onnx")
    export(".onnx", PRECISION="int8", MOST_OTHER_LABELS=1.0)
    graph = onnx.load(tmp_path / "out.onnx").graph
    (first,) = (node for node in graph.node if "pixels" in node.input)
    assert first.op_type == "Sub"
    (second,) = (node for node in graph.node if first.output[0] in node.input)
    assert second.op_type in ("Div", "Mul")
    assert sum(node.op_type == "QuantizeLinear" for node in graph.node) > 5


def test_onnx_graph_is_one_input_a_few_operations_and_one_output(export, tmp_path):
    onnx = pytest.importorskip("onnx")
    export(".onnx", DENSE_STRIDE=8)
    graph = onnx.load(tmp_path / "out.onnx").graph
    assert [tensor.name for tensor in graph.input] == ["pixels"]
    assert [tensor.name for tensor in graph.output] == ["probabilities"]
    sizes = [[d.dim_param or d.dim_value for d in t.type.tensor_type.shape.dim]
             for t in (graph.input[0], graph.output[0])]  # fmt: skip
    assert sizes == [
        ["batch", "rows", "columns", 3],
        ["batch", "window_rows", "window_columns", 2],
    ]
    kinds = {node.op_type for node in graph.node}
    # What a shape that is computed at run time, or a dilation by space-to-batch, would bring.
    assert not kinds & {"Shape", "SpaceToDepth", "BatchNormalization", "Reshape", "Dropout"}


def facts_in(name, path):
    if name == "onnx":
        import onnx

        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    if name == "litert":
        with zipfile.ZipFile(path) as archive:
            assert archive.read("labels.txt").decode() == "Dark\nLight\n"
            return json.loads(archive.read("landuse.json"))
    if name == "openvino":
        import openvino

        info = openvino.Core().read_model(path).get_rt_info(["model_info"]).value
        return {key: str(getattr(value, "value", value)) for key, value in info.items()}
    return files.read_json(path / "assets.extra" / "landuse.json")


@pytest.mark.parametrize("name", ENDINGS)
def test_file_says_what_the_model_knows(export, place, tmp_path, name):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    export(ENDINGS[name], FORMAT=name, LICENCE="CC-BY-4.0", BATCH=2)
    found = facts_in(name, tmp_path / f"out{ENDINGS[name]}")
    assert json.loads(found["class_names"]) == {"0": "Dark", "1": "Light"}
    assert json.loads(found["band_names"]) == BANDS
    assert found["units"] == "DN"
    assert found["patch_size"] == "64"
    assert found["licence"] == "CC-BY-4.0"
    assert found["validation_accuracy"] == "0.7500"
    assert found["made_from_sha256"] == files.sha256(place / "model.keras")
    assert "raw pixel values" in found["normalisation"]


def test_export_that_says_something_else_fails_and_leaves_nothing(export, tmp_path, monkeypatch):
    pytest.importorskip("tf2onnx")
    honest = exports.keras_predict

    def shifted(*arguments):
        predict = honest(*arguments)
        return lambda pixels: predict(pixels) + np.float32(0.01)

    monkeypatch.setattr(exports, "keras_predict", shifted)
    with pytest.raises(ValueError, match=r"differs from Keras by 0\.01.* 0\.001 is allowed"):
        export(".onnx")
    assert list(tmp_path.iterdir()) == []
    export(".onnx", LARGEST_DIFFERENCE=0.02)
    assert (tmp_path / "out.onnx").is_file()


def test_other_labels_than_allowed_fail():
    found = comparisons.Comparison(50, 0.3, 2, 1, 4, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"other labels than Keras to 4\.0 % .* 2 % is allowed"):
        comparisons.check(found, "int8", most_other_labels=0.02)
    comparisons.check(found, "int8", most_other_labels=0.05)


def test_layer_that_cannot_be_exported_is_named(place, tmp_path):
    pytest.importorskip("tf2onnx")
    from keras import layers

    odd = layers.Resizing(32, 32, interpolation="lanczos3", name="half_size")
    path = save_model(tmp_path / "odd.keras", odd_layer=odd)
    model, _ = model_files.load(path)
    from landuse.networks import inference_graphs

    network = inference_graphs.inference_graph(model, (None, 64, 64, 3))
    with pytest.raises(
        ValueError, match="cannot become ONNX: its layer 'half_size' \\(Resizing\\) has"
    ):
        onnx_graphs.to_onnx(network)


def test_network_without_dense_form_is_refused_by_its_layer(place, tmp_path, export):
    pytest.importorskip("tf2onnx")
    from keras import layers

    odd = layers.LayerNormalization(name="over_bands")
    path = save_model(tmp_path / "odd.keras", odd_layer=odd)
    with pytest.raises(ValueError, match="no dense form: its layer 'over_bands'"):
        export(".onnx", PATH_TO_MODEL=str(path), DENSE_STRIDE=8)
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"FORMAT": "tfjs"}, "FORMAT = 'tfjs': expected 'onnx', 'litert'"),
        ({"FORMAT": "saved_model", "PRECISION": "int8"}, "PRECISION = 'float32', not 'int8'"),
        ({"BATCH": 0}, "BATCH must be 1 or more"),
        ({"DENSE_STRIDE": 4}, "DENSE_STRIDE = 4: expected 8, 16 or 32"),
        ({"IMAGE_SIZE": 512}, "give DENSE_STRIDE as well"),
        ({"DENSE_STRIDE": 8, "IMAGE_SIZE": 100}, "must be a multiple of 64 px"),
        ({"PATH_TO_EXPORT": "model.pb"}, r"must end in \.onnx .* not 'model\.pb'"),
        ({"PATH_TO_EXPORT": "nowhere/model.onnx"}, "nowhere does not exist; make it first"),
        ({"PATH_TO_PATCHES": None}, "name a folder of patches to compare the export on"),
        ({"PATCHES": 0}, "PATCHES must be 16 or more"),
    ],
)
def test_wrong_settings_are_refused_before_work(export, constants, message):
    with pytest.raises((ValueError, OSError), match=message):
        export(".onnx", **constants)


def test_folder_of_something_else_is_not_replaced(export, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is there and is no export"):
        export("", FORMAT="saved_model")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_runtime_that_is_not_installed_is_told_with_its_pip_line():
    with pytest.raises(ValueError, match=r"^FORMAT = 'x' needs a package .*: pip install no-such$"):
        optional_packages.check_installed("FORMAT = 'x'", {"no_such": "no-such", "json": "json"})


def test_patches_are_spread_over_all_classes(place):
    found = trial_patches.find(str(place / "patches"), {}, 16)
    assert [path.parent.name for path in found] == ["Dark"] * 8 + ["Light"] * 8


def test_mosaic_holds_its_patches_side_by_side():
    patches = np.arange(9, dtype=np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    patches = np.broadcast_to(patches, (9, 64, 64, 1))
    (image,) = trial_patches.as_images(patches, 128)[:1]
    assert image[[0, 0, 64, 64], [0, 64, 0, 64], 0].tolist() == [0, 1, 2, 3]
    assert trial_patches.as_images(patches, 128).shape == (2, 128, 128, 1)


def test_facts_of_a_model_of_the_built_in_sample_warn():
    record = {
        "class_names": ["A"], "band_names": ["B02"], "units": "rgb8", "patch_size": 64,
        "network": "VGG16", "built_in_sample": True,
    }  # fmt: skip
    found = facts.facts_of(record, sha256="", precision="int8", dense_stride=8, licence=None)
    assert "real land" in found["warning"]
    assert found["licence"] == "not given"
    assert found["stride"] == "8"


def test_script_runs_from_the_command_line(repository, place, tmp_path):
    pytest.importorskip("tf2onnx")
    command = [sys.executable, repository / "12_export_model.py", "--format", "onnx"]
    paths = ["--path-to-model", place / "model.keras", "--path-to-patches", place / "patches"]
    to = ["--path-to-export", tmp_path / "there" / "model.onnx"]
    done = subprocess.run([*command, *paths, *to], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: cannot write")
    to[1] = tmp_path / "model.onnx"
    done = subprocess.run([*command, *paths, *to], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "time for one image here" in done.stdout
    assert to[1].is_file()

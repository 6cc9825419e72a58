"""ONNX files for the QGIS plugin Deepness: what it reads, and the map that it makes of them.

The plugin needs QGIS. What it does with a file is done again here in numpy, after its source:
`process` of model_base.py, `_process_tile` of map_processor_segmentation.py, and
`get_slice_on_full_image_for_copying` of tile_params.py.
"""

import importlib
import json
from pathlib import Path

import export_models
import numpy as np
import pytest
import tifffile

from landuse.exporting import comparisons, export_formats, exports, qgis_models
from landuse.networks import model_files

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")


class Plugin:
    """A model file as the plugin opens it."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(str(path))
        (self.input,) = self.session.get_inputs()
        (self.output,) = self.session.get_outputs()
        self.metadata = self.session.get_modelmeta().custom_metadata_map

    def said(self, key):
        return json.loads(self.metadata[key])

    def class_names(self):
        pairs = sorted(self.said("class_names").items(), key=lambda pair: int(pair[0]))
        assert [int(key) for key, _ in pairs] == list(range(len(pairs)))
        return [name for _, name in pairs]

    def labels_of_tile(self, tile):
        values = np.float32(tile[np.newaxis] * 1.0 / 255.0)
        result = self.session.run(None, {self.input.name: values.transpose(0, 3, 1, 2)})[0]
        result[result < self.said("seg_thresh")] = 0
        return np.argmax(result, axis=1)[0]

    def map(self, raster):
        """Labels of the pixels of a raster that its tiles fill exactly."""
        tile = self.said("tile_size")
        overlap = int(tile * self.said("tiles_overlap") / 100 * 2) // 2
        stride, half = tile - overlap, overlap // 2
        labels = np.full(raster.shape[:2], 255)
        counts = [(size - tile) // stride + 1 for size in raster.shape[:2]]
        for i in range(counts[0]):
            for j in range(counts[1]):
                found = self.labels_of_tile(
                    raster[i * stride : i * stride + tile, j * stride : j * stride + tile]
                )
                rows, columns = (
                    slice(
                        half if place else 0,
                        tile if place == count - 1 else tile - half,
                    )
                    for place, count in zip((i, j), counts, strict=True)
                )
                target = labels[i * stride : i * stride + tile, j * stride : j * stride + tile]
                target[rows, columns] = found[rows, columns]
        return labels


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qgis")
    rng = np.random.default_rng(0)
    for name, level in (("Dark", 600), ("Light", 1400)):
        (folder / "patches" / name).mkdir(parents=True)
        for number in range(64):
            patch = rng.normal(level, 60, (64, 64, 3)).astype(np.uint16)
            path = folder / "patches" / name / f"{number}.tif"
            tifffile.imwrite(path, patch, planarconfig="contig")
    script = importlib.import_module("12_export_model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparisons, "_SECONDS", 0.0)
        for kind in ("windows", "dense"):
            model = export_models.save_model(folder / f"{kind}.keras", dense=kind == "dense")
            patch.setattr(script, "FORMAT", "qgis")
            patch.setattr(script, "PATH_TO_MODEL", str(model))
            patch.setattr(script, "PATH_TO_PATCHES", str(folder / "patches"))
            script.main()
    return folder


@pytest.fixture
def plugin(place):
    return {
        "windows": Plugin(place / "windows_qgis.onnx"),
        "dense": Plugin(place / "dense_qgis.onnx"),
    }


@pytest.mark.parametrize(("kind", "side"), [("windows", 64), ("dense", 512)])
def test_plugin_finds_what_it_reads(plugin, kind, side):
    opened = plugin[kind]
    assert str(opened.said("model_type")).capitalize() == "Segmentor"
    assert opened.class_names() == export_models.CLASSES
    assert float(opened.said("resolution")) == 1000.0  # cm
    assert int(opened.said("tile_size")) == side
    assert float(opened.said("seg_thresh")) == 0.0
    assert int(opened.said("seg_small_segment")) == 0
    assert not {"standardization_mean", "standardization_std"} & set(opened.metadata)
    assert opened.input.shape == ["batch", 3, side, side]
    assert opened.output.shape == ["batch", 2, side, side]
    assert opened.input.type == "tensor(float)"


def fields(rows, columns):
    rng = np.random.default_rng(4)
    light = (np.arange(rows)[:, None] // 100 + np.arange(columns)[None] // 100) % 2
    return rng.normal(500 + 900 * light[..., None], 60, (rows, columns, 3)).astype(np.uint16)


def test_its_map_window_by_window_is_that_of_step_6_at_stride_8(place, plugin):
    raster = fields(64 + 8 * 9, 64 + 8 * 11)
    found = plugin["windows"].map(raster)
    model, _ = model_files.load(place / "windows.keras")
    for i in range(10):
        for j in range(12):
            window = raster[8 * i : 8 * i + 64, 8 * j : 8 * j + 64].astype(np.float32)
            label = int(model.predict_on_batch(window[np.newaxis])[0].argmax())
            cell = found[8 * i + 28 : 8 * i + 36, 8 * j + 28 : 8 * j + 36]
            assert (cell == label).all()
    assert set(np.unique(found)) == {0, 1}


def test_its_dense_map_is_that_of_the_dense_network(place, plugin):
    raster = fields(512, 512 + 384)
    found = plugin["dense"].map(raster)
    model, _ = model_files.load(place / "dense.keras")
    pixels = raster[np.newaxis].astype(np.float32)
    expected = exports.keras_predict(model, pixels.shape, 8)(pixels)[0].argmax(-1)
    assert expected.shape == (57, 105)
    cells = np.repeat(np.repeat(expected, 8, axis=0), 8, axis=1)
    np.testing.assert_array_equal(found[28:-28, 28:-28], cells)
    assert set(np.unique(found)) == {0, 1}


def test_overlap_in_percent_gives_whole_cells():
    for tile, percent in qgis_models.OVERLAP.items():
        overlap = int(tile * percent / 100 * 2) // 2
        assert (tile - overlap) % 8 == 0
        assert overlap // 2 >= qgis_models.RIM


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"DENSE_STRIDE": 16}, "FORMAT = 'qgis' has DENSE_STRIDE = 8, not 16"),
        ({"DENSE_STRIDE": 8, "IMAGE_SIZE": 256}, "has IMAGE_SIZE = 512, not 256"),
        ({"PRECISION": "int8"}, "PRECISION = 'float32' or 'float16', not 'int8'"),
    ],
)
def test_what_the_plugin_cannot_have_is_refused(place, monkeypatch, constants, message):
    script = importlib.import_module("12_export_model")
    named = {"FORMAT": "qgis", "PATH_TO_MODEL": str(place / "windows.keras"), **constants}
    for name, value in named.items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(ValueError, match=message):
        script.main()


def test_its_file_has_another_name_than_the_general_one():
    names = {
        name: exports.path_of(None, Path("run/model.keras"), file_format, "float32", None).name
        for name, file_format in export_formats.FORMATS.items()
    }
    assert names["onnx"] == "model.onnx"
    assert names["qgis"] == "model_qgis.onnx"
    assert names["browser"] == "model_browser"
    assert len(set(names.values())) == len(names)

"""ONNX files for Deepness, the plugin that runs networks over rasters in QGIS.

What is kept to here is what its source reads (PUTvision/qgis-plugin-deepness, src/deepness/
processing/models/model_base.py and segmentor.py, tile_params.py and processing_overlap.py beside
them). The plugin cuts a raster into square tiles that overlap, divides their values by 255
whatever they are, and wants the probabilities of every pixel of a tile; of each tile it keeps the
middle. So the graph multiplies by 255 again, and

- window by window, a tile is one window of 64 px, all of which gets the window's class; the tiles
  lie 8 px apart, and the 8 px in the middle of each are kept, as in a map of stride 8;
- in the dense form, a tile of 512 px gets the classes of its windows, each on the 8 px in the
  middle of its window, and 64 px on each side are left to the neighbours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landuse import sensors
from landuse.exporting import export_types, facts, onnx_files
from landuse.networks import onnx_graphs

STRIDE = 8  # px, of the map
TILE = 512  # px, of the dense form
OVERLAP = {sensors.PATCH_SIZE: 88, TILE: 25}  # percent of a tile: 56 and 128 px
RIM = (sensors.PATCH_SIZE - STRIDE) // 2  # px at the edges of a tile that no window is centred on
INPUT, OUTPUT = "tile", "classes"


def write(export: export_types.Export, path: Path) -> None:
    """Write a network as the plugin takes it."""
    import onnx

    graph = onnx_files.onnx_graph(export)
    if export.precision == "float16":
        onnx_files.halve_weights(graph)
    dense = export.dense_stride is not None
    _take_tiles(graph.graph, TILE if dense else sensors.PATCH_SIZE, export.shape[3])
    _answer_pixels(graph.graph, dense)
    onnx_files.add_facts(graph, {**export.facts, **plugin_facts(dense)})
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


def plugin_facts(dense: bool) -> dict[str, str]:
    """Give the metadata by which the plugin fills in its form; every value is JSON.

    Its further keys are for other kinds of networks. "class_names" is among our own facts, in
    the plugin's form.
    """
    tile = TILE if dense else sensors.PATCH_SIZE
    return {
        "model_type": json.dumps("Segmentor"),
        "resolution": json.dumps(100 * facts.METRES),  # cm per pixel
        "tile_size": json.dumps(tile),
        "tiles_overlap": json.dumps(OVERLAP[tile]),
        "seg_thresh": json.dumps(0.0),
        "seg_small_segment": json.dumps(0),
        "layout": "batch, bands, rows, columns, divided by 255",
    }


def _take_tiles(graph: Any, side: int, bands: int) -> None:
    """Let the graph begin with tiles (batch, bands, rows, columns) of values divided by 255."""
    from onnx import TensorProto, helper, numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "full_scale"))
    nodes = [
        helper.make_node("Mul", [INPUT, "full_scale"], ["raw_tile"], "raw_values"),
        helper.make_node("Transpose", ["raw_tile"], [onnx_graphs.INPUT], "bands_last",
                         perm=[0, 2, 3, 1]),
    ]  # fmt: skip
    _put_first(graph, nodes)
    batch = _batch_of(graph.input[0])
    shape = [batch, bands, side, side]
    graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape))


def _answer_pixels(graph: Any, dense: bool) -> None:
    """Let the graph end with probabilities of every pixel, (batch, classes, rows, columns)."""
    from onnx import TensorProto, helper, numpy_helper

    batch = _batch_of(graph.output[0])
    classes = graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    constants: dict[str, NDArray] = {}
    if dense:
        rims = np.array([0, 0, RIM, RIM, 0, 0, RIM, RIM], np.int64)
        constants = {"cell": np.array([1, 1, STRIDE, STRIDE], np.float32), "rims": rims}
        nodes = [
            helper.make_node("Transpose", [onnx_graphs.OUTPUT], ["cells"], "classes_second",
                             perm=[0, 3, 1, 2]),
            helper.make_node("Resize", ["cells", "", "cell"], ["middle"], "pixels_of_cells",
                             mode="nearest", nearest_mode="floor",
                             coordinate_transformation_mode="asymmetric"),
            helper.make_node("Pad", ["middle", "rims"], [OUTPUT], "rim", mode="edge"),
        ]  # fmt: skip
    else:
        sizes = np.array([1, 1, sensors.PATCH_SIZE, sensors.PATCH_SIZE], np.int64)
        constants = {"axes": np.array([2, 3], np.int64), "window": sizes}
        nodes = [
            helper.make_node("Unsqueeze", [onnx_graphs.OUTPUT, "axes"], ["one_pixel"], "one_pixel"),
            helper.make_node("Expand", ["one_pixel", "window"], [OUTPUT], "pixels_of_window"),
        ]
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in constants.items())
    graph.node.extend(nodes)
    side = TILE if dense else sensors.PATCH_SIZE
    shape = [batch, classes, side, side]
    graph.output[0].CopyFrom(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))


def _put_first(graph: Any, nodes: list[Any]) -> None:
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *others])


def _batch_of(tensor: Any) -> int | str:
    size = tensor.type.tensor_type.shape.dim[0]
    return size.dim_param or size.dim_value


def open_model(path: Path) -> export_types.Predict:
    """Give the function that the plugin computes, with its answers at the windows' centres."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[-1]

    def predict(pixels: NDArray) -> NDArray:
        tiles = (np.float32(1 / 255) * np.asarray(pixels, np.float32)).transpose(0, 3, 1, 2)
        (answers,) = session.run(None, {INPUT: tiles})
        centres = slice(sensors.PATCH_SIZE // 2, side - sensors.PATCH_SIZE // 2 + 1, STRIDE)
        cells = np.asarray(answers)[:, :, centres, centres].transpose(0, 2, 3, 1)
        return cells if side == TILE else cells[:, 0, 0]

    return predict


QGIS = export_types.FileFormat(
    "qgis",
    ".onnx",
    "onnxruntime",
    onnx_files.PACKAGES,
    write,
    open_model,
    precisions=("float32", "float16"),
    image_side=TILE,
    dense_where_trained=STRIDE,
)

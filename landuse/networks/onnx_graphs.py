"""A network as an ONNX graph: raw pixels in, probabilities out, its free sizes named."""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import onnx

PACKAGES = {"tf2onnx": "tf2onnx", "onnx": "onnx"}  # to make a graph; onnxruntime computes it
OPSET = 17  # of 2022: every runtime since then knows it
INPUT, OUTPUT = "pixels", "probabilities"


def to_onnx(network: keras.Model, free: Sequence[bool] = (True, False, False)) -> onnx.ModelProto:
    """Convert a network to ONNX.

    Parameters
    ----------
    network : keras.Model
        Of `inference_graph`, with rows and columns of one size.
    free : sequence of three bool
        Whether batch, rows and columns may have any size in the graph.

    Returns
    -------
    onnx.ModelProto
        Its input "pixels" has the shape (batch, rows, columns, bands), float32; its output
        "probabilities" (batch, classes) or (batch, rows, columns, classes).

    Raises
    ------
    ValueError
        When a layer has no counterpart in ONNX; it is named.
    """
    import keras
    import onnx

    signature = [keras.InputSpec(shape=network.input_shape, dtype="float32", name=INPUT)]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "model.onnx"
        try:
            network.export(
                str(path),
                format="onnx",
                input_signature=signature,
                opset_version=OPSET,
                verbose=False,
            )
            graph = onnx.load(path)
            onnx.checker.check_model(graph)  # tf2onnx only logs what it cannot convert
        except Exception as error:
            raise cannot_be_exported(network, "ONNX", error) from error
    _rename(graph, graph.graph.output[0].name, OUTPUT)
    _name_free_sizes(graph.graph, free)
    return graph


def _quiet() -> warnings.catch_warnings:
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    return warnings.catch_warnings(action="ignore", category=FutureWarning)


def _rename(graph: onnx.ModelProto, old: str, new: str) -> None:
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    graph.graph.output[0].name = new


def _name_free_sizes(graph: Any, free: Sequence[bool]) -> None:
    names = (("batch", "rows", "columns"), ("batch", "window_rows", "window_columns"))
    for tensor, sizes in zip((graph.input[0], graph.output[0]), names, strict=True):
        dimensions = list(tensor.type.tensor_type.shape.dim)
        for dimension, size, is_free in zip(dimensions[:-1], sizes, free, strict=False):
            if is_free:
                dimension.dim_param = size
    del graph.value_info[:]  # sizes in between, of the one size that was converted


def cannot_be_exported(network: keras.Model, to: str, error: Exception) -> ValueError:
    """Give an error that names the layer at which a conversion failed.

    Parameters
    ----------
    network : keras.Model
    to : str
        What it was to become.
    error : Exception
        Of the converter: its text has the names of operations, and these those of their layers.
    """
    text = " ".join(str(error).split())
    layers = {layer.name: type(layer).__name__ for layer in network._flatten_layers()}
    found = [name for name in layers if re.search(rf"[/\"']{re.escape(name)}(_\d+)?/", text)]
    named = max(found, key=len, default="")
    which = f"its layer '{named}' ({layers[named]})" if named else "a layer of it"
    return ValueError(f"this network cannot become {to}: {which} has no counterpart ({text[:300]})")

"""ONNX files, for onnxruntime and all that reads ONNX."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from landuse.exporting import export_types
from landuse.networks import onnx_graphs

if TYPE_CHECKING:
    import onnx

PACKAGES = {**onnx_graphs.PACKAGES, "onnxruntime": "onnxruntime"}
QUANTISED = ("Conv", "MatMul", "Gemm", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat")
_BATCH = 8  # images at once while calibrating


def write(export: export_types.Export, path: Path) -> None:
    """Write a network as an ONNX file."""
    import onnx

    graph = onnx_graph(export)
    if export.precision == "float16":
        halve_weights(graph)
    if export.precision == "int8":
        graph = _quantised(graph, export)
    add_facts(graph, export.facts)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def onnx_graph(export: export_types.Export) -> onnx.ModelProto:
    """Give the ONNX graph of a network in float32."""
    network = export.network(export.converted_shape)
    return onnx_graphs.to_onnx(network, [size is None for size in export.shape[:3]])


def add_facts(graph: onnx.ModelProto, facts: Mapping[str, str]) -> None:
    """Write facts into the graph's own metadata."""
    graph.doc_string = facts.get("description", "")
    for key, value in facts.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value


def halve_weights(graph: onnx.ModelProto) -> None:
    """Store large weights in float16; the computation stays in float32.

    The runtime turns them back once, when it opens the file. Nothing overflows, and processors,
    which have no fast float16, lose no time.
    """
    import onnx
    from onnx import numpy_helper

    casts = []
    for weights in graph.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < 64:
            continue
        name, limit = weights.name, np.finfo(np.float16).max
        half = np.clip(values, -limit, limit).astype(np.float16)
        weights.CopyFrom(numpy_helper.from_array(half, f"{name}/float16"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}/float16"], [name], to=1))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def _quantised(graph: onnx.ModelProto, export: export_types.Export) -> onnx.ModelProto:
    import onnx
    from onnxruntime import quantization

    class Images(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = _batches(export.calibration, export.shape[0] or _BATCH)

        def get_next(self) -> dict[str, NDArray] | None:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx.save(graph, folder / "float.onnx")
        quantization.quant_pre_process(
            folder / "float.onnx", folder / "prepared.onnx", skip_symbolic_shape=True
        )
        quantization.quantize_static(
            folder / "prepared.onnx",
            folder / "int8.onnx",
            Images(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=_nodes_of(folder / "prepared.onnx", export.front),
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(folder / "int8.onnx")


def _batches(images: NDArray, size: int) -> Iterator[dict[str, NDArray]]:
    for first in range(0, len(images) - size + 1, size):
        yield {onnx_graphs.INPUT: images[first : first + size]}


def _nodes_of(path: Path, layers: list[str]) -> list[str]:
    """Names of the nodes that layers became."""
    import onnx

    nodes = onnx.load(path).graph.node
    return [node.name for node in nodes if any(f"/{layer}" in f"/{node.name}" for layer in layers)]


def open_model(path: Path) -> export_types.Predict:
    """Give the function that onnxruntime computes from the file."""
    return open_graph(path.read_bytes())


def open_graph(content: bytes) -> export_types.Predict:
    """Give the function that onnxruntime computes from the content of a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def predict(pixels: NDArray) -> NDArray:
        answers: Any = session.run(None, {onnx_graphs.INPUT: np.asarray(pixels, np.float32)})
        return answers[0]

    return predict


ONNX = export_types.FileFormat("onnx", ".onnx", "onnxruntime", PACKAGES, write, open_model)

"""LiteRT files (.tflite), for telephones, small boards and browsers."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landuse.exporting import export_types
from landuse.networks import onnx_graphs

LABELS_MEMBER, FACTS_MEMBER = "labels.txt", "landuse.json"


def write(export: export_types.Export, path: Path) -> None:
    """Write a network as a LiteRT file, with its labels and facts appended as a zip.

    That is how files that belong to a model are packed with it by Google's own tools: programs
    that run the model do not see them, and any unzip program lists them.
    """
    network = export.network(export.converted_shape)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        try:
            content = _convert(network, export, folder)
        except Exception as error:
            raise onnx_graphs.cannot_be_exported(network, "a LiteRT file", error) from error
    path.write_bytes(content)
    _append_facts(export, path)


def _append_facts(export: export_types.Export, path: Path) -> None:
    import json

    facts = dict(export.facts)
    classes = json.loads(facts["class_names"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(LABELS_MEMBER, "\n".join(classes.values()) + "\n")
        archive.writestr(FACTS_MEMBER, json.dumps(facts, indent=2))


def _convert(network: Any, export: export_types.Export, folder: str) -> bytes:
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint(
        "serve",
        lambda pixels: network(pixels, training=False),
        input_signature=[tf.TensorSpec(network.input_shape, "float32", name="pixels")],
    )
    archive.write_out(folder, verbose=False)

    def converter() -> Any:
        made = tf.lite.TFLiteConverter.from_saved_model(folder)
        if export.precision != "float32":
            made.optimizations = [tf.lite.Optimize.DEFAULT]
        if export.precision == "float16":
            made.target_spec.supported_types = [tf.float16]
        return made

    if export.precision != "int8":
        return converter().convert()
    return _quantised(converter, export)


def _quantised(converter: Callable[[], Any], export: export_types.Export) -> bytes:
    """Calibrate on images; the layers that see raw pixels stay in float32."""
    import tensorflow as tf

    size = export.shape[0] or 1

    def images() -> Iterator[list[NDArray]]:
        for first in range(0, len(export.calibration) - size + 1, size):
            yield [export.calibration[first : first + size]]

    wholly = converter()
    wholly.representative_dataset = images
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=wholly,
        debug_dataset=images,
        debug_options=tf.lite.experimental.QuantizationDebugOptions(
            denylisted_nodes=_nodes_of(converter().convert(), export.front)
        ),
    )
    return debugger.get_nondebug_quantized_model()


def _nodes_of(content: bytes, layers: list[str]) -> list[str]:
    """Names of the nodes that layers became."""
    from ai_edge_litert.interpreter import Interpreter

    names = [detail["name"] for detail in Interpreter(model_content=content).get_tensor_details()]
    return [name for name in names if any(f"/{layer}" in name for layer in layers)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter, which is written in C++, from telling what it does."""
    with open(os.devnull, "w") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def open_model(path: Path) -> export_types.Predict:
    """Give the function that LiteRT computes from the file."""
    from ai_edge_litert.interpreter import Interpreter

    with _quiet():
        interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
    place = interpreter.get_input_details()[0]["index"]
    answer = interpreter.get_output_details()[0]["index"]

    def predict(pixels: NDArray) -> NDArray:
        with _quiet():
            if tuple(interpreter.get_input_details()[0]["shape"]) != pixels.shape:
                interpreter.resize_tensor_input(place, pixels.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(place, np.asarray(pixels, np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(answer)

    return predict


LITERT = export_types.FileFormat(
    "litert",
    ".tflite",
    "LiteRT",
    {"ai_edge_litert": "ai-edge-litert"},
    write,
    open_model,
    free_images=False,
)

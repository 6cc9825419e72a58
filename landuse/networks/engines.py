"""A function from raw pixels to probabilities, computed by Keras, OpenVINO or onnxruntime.

`make_predict` makes it of a model, for inputs of one shape: batches of patches, or with the dense
form of the model whole pieces of a scene.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from landuse import choices, devices, optional_packages, quick_starts
from landuse.networks import onnx_graphs, precisions

if TYPE_CHECKING:
    import keras

Predict = Callable[[np.ndarray], np.ndarray]

ENGINES = ("keras", "openvino", "onnx")
PACKAGES = {  # of an engine: name to import to name for pip
    "openvino": {"openvino": "openvino"},
    "onnx": {**onnx_graphs.PACKAGES, "onnxruntime": "onnxruntime"},
}

RUNTIMES = {"openvino": "OpenVINO", "onnx": "onnxruntime"}  # their names
PRECISION_HINTS = {"float32": "f32", "bfloat16": "bf16"}  # as OpenVINO calls them
FEW_CALLS = 4  # of the network, of which none is spent on an estimate of the time


class NoDenseFormError(ValueError):
    """A network that cannot run over images larger than a patch."""


def resolve_precision(engine: str, precision: str) -> str:
    """Turn "auto" into "bfloat16" where that is faster, else "float32".

    Raises
    ------
    ValueError
        When engine or precision is unknown, or they do not go together.
    """
    choices.check_choice("ENGINE", engine, ENGINES)
    choices.check_choice("PRECISION", precision, precisions.PRECISIONS)
    if engine == "onnx" and precision == "bfloat16":
        raise ValueError("ENGINE = 'onnx' computes in float32: set PRECISION = 'auto'")
    if precision != "auto":
        return precision
    if engine == "onnx":
        return "float32"
    if engine == "openvino":
        fast = devices.processor_has_bfloat16()
    else:
        fast = devices.is_fast_in_bfloat16()
    return "bfloat16" if fast else "float32"


def describe_device(engine: str) -> str:
    """Say what the network runs on, for people to read."""
    processor = f"processor with {os.cpu_count()} cores"
    if engine in RUNTIMES:
        return f"{processor}, {RUNTIMES[engine]}"
    return f"{', '.join(devices.gpus()) or processor}, Keras on {devices.backend()}"


def make_predict(
    model: keras.Model,
    shape: tuple[int, ...],
    engine: str = "keras",
    precision: str = "float32",
    dense_stride: int | None = None,
) -> Predict:
    """Give a function from raw pixels to probabilities, for inputs of one shape.

    Parameters
    ----------
    model : keras.Model
        Patches of raw pixels -> probabilities.
    shape : tuple of int
        Shape of every input, (batch, rows, columns, bands).
    engine : {"keras", "openvino", "onnx"}
    precision : {"float32", "bfloat16"}
        Of the base network and the dense layers behind it. Normalisation (bfloat16 takes DN 1354
        and 1355 for one value) and, with Keras, the probabilities are float32 always.
    dense_stride : int, optional
        Predict the windows at this stride of larger images, by the dense network.

    Raises
    ------
    NoDenseFormError
        When a layer of the network has no counterpart on larger images.
    ValueError
        When the engine is not installed.
    """
    choices.check_choice("ENGINE", engine, ENGINES)
    choices.check_choice("PRECISION", precision, ("float32", "bfloat16"))
    if engine == "openvino":
        return _openvino_predict(model, shape, precision, dense_stride)
    if engine == "onnx":
        return _onnx_predict(model, shape, dense_stride)
    from landuse.networks import folding

    with precisions.in_precision(model, precision) as network, quick_starts.no_collecting():
        network = _with_dense_form(network, dense_stride)
        network = folding.fold_batch_normalization(network, by_depthwise=devices.has_onednn())
    # Left uncompiled, Keras uses XLA on TensorFlow even without a GPU, and a first call of
    # DenseNet201 then takes minutes.
    network.compile(jit_compile="auto")
    return lambda pixels: np.asarray(network.predict_on_batch(pixels), np.float32)


def _with_dense_form(model: keras.Model, dense_stride: int | None) -> keras.Model:
    if dense_stride is None:
        return model
    from landuse.networks import dense

    try:
        return dense.dense_network(model, dense_stride)
    except ValueError as error:
        raise NoDenseFormError(str(error)) from error


def _openvino_predict(
    model: keras.Model, shape: tuple[int, ...], precision: str, dense_stride: int | None
) -> Predict:
    import keras

    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        precision = "float32"  # a linear model on measurements, which need it
    # OpenVINO's hint holds for a whole network, so the normalisation is a network of its own.
    front, rest = _split_at_base(precisions.with_precision(model, "float32"))
    rest = _with_dense_form(rest, dense_stride)
    normalise = _compile_openvino(front, shape, "f32")
    classify = _compile_openvino(
        rest, shape[:3] + front.output_shape[3:], PRECISION_HINTS[precision]
    )

    def predict(pixels: np.ndarray) -> np.ndarray:
        return np.array(classify(normalise(np.asarray(pixels, np.float32))[0])[0], np.float32)

    return predict


def _onnx_predict(model: keras.Model, shape: tuple[int, ...], dense_stride: int | None) -> Predict:
    from landuse.networks import inference_graphs

    optional_packages.check_installed("ENGINE = 'onnx'", PACKAGES["onnx"])
    import onnxruntime

    try:
        rows, columns, bands = shape[1:]
        network = inference_graphs.inference_graph(
            model, (None, rows, columns, bands), dense_stride
        )
    except ValueError as error:
        raise NoDenseFormError(str(error)) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = devices.usable_cores()
    # threads that wait actively take time from whatever else runs, from each other too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors
    graph = onnx_graphs.to_onnx(network).SerializeToString()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def predict(pixels: np.ndarray) -> np.ndarray:
        return session.run(None, {onnx_graphs.INPUT: np.asarray(pixels, np.float32)})[0]

    return predict


def _split_at_base(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Split a model into the layers before its base network, for any size, and the others.

    Without a base network, nothing stands before it.
    """
    import keras

    places = (i for i, layer in enumerate(model.layers) if isinstance(layer, keras.Model))
    first = next(places, 1)
    pixels = keras.Input((None, None, model.input_shape[-1]))
    normalised = keras.layers.Identity()(pixels)
    for layer in model.layers[1:first]:
        normalised = layer(normalised)
    rest = keras.Model(model.layers[first - 1].output, model.output, name=model.name)
    return keras.Model(pixels, normalised), rest


def _compile_openvino(model: keras.Model, shape: tuple[int, ...], hint: str) -> Callable:
    optional_packages.check_installed("ENGINE = 'openvino'", PACKAGES["openvino"])
    import keras
    import openvino

    if any(isinstance(layer, keras.layers.UpSampling2D) for layer in model._flatten_layers()):
        # Keras cannot export an interpolation whose size is not known
        pixels = keras.Input(batch_shape=shape)
        model = keras.Model(pixels, model(pixels))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        model.export(str(path), format="openvino", verbose=False)
        network = openvino.Core().read_model(path)
        network.reshape(list(shape))
        return openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": hint})


def seconds_of_calls(
    predict: Predict, shape: tuple[int, ...], dtype: np.typing.DTypeLike, calls: int
) -> float:
    """Estimate the time of so many calls, by a first one that compiles and one that is timed.

    With few calls, the first one tells enough.
    """
    pixels = np.ones(shape, dtype)
    start = time.perf_counter()
    predict(pixels)
    if calls > FEW_CALLS:
        start = time.perf_counter()
        predict(pixels)
    return calls * (time.perf_counter() - start)


def duration(seconds: float) -> str:
    """Put a time into words, such as "3 min 20 s"."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 1:
        return f"{int(hours)} h {int(minutes) % 60} min"
    if minutes >= 1:
        return f"{int(minutes)} min {int(seconds) % 60} s"
    return f"{max(1, math.ceil(seconds))} s"

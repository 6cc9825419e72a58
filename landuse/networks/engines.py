"""A function from raw pixels to probabilities, computed by Keras, OpenVINO or onnxruntime.

`make_predict` makes it of a model, for inputs of one shape: batches of patches, or with the dense
form of the model whole pieces of a scene.
"""

from __future__ import annotations

import math
import os
import re
import textwrap
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from landuse import choices, devices, optional_packages, quick_starts
from landuse.networks import onnx_graphs, precisions

if TYPE_CHECKING:
    import keras

Predict = Callable[[np.ndarray], np.ndarray]
Shape = tuple[int | None, ...]

ENGINES = ("keras", "openvino", "onnx")
CHOICES = ("auto", *ENGINES)
PACKAGES = {  # of an engine: name to import to name for pip
    "openvino": {"openvino": "openvino"},
    "onnx": {**onnx_graphs.PACKAGES, "onnxruntime": "onnxruntime"},
}

RUNTIMES = {"openvino": "OpenVINO", "onnx": "onnxruntime"}  # their names
VARIABLE = "LANDUSE_ENGINE"  # of the environment: what "auto" is here
NOT_AS_KNOWN = (ImportError, AttributeError, TypeError)  # of a TensorFlow that is yet to come
FEW_CALLS = 4  # of the network, of which none is spent on an estimate of the time


class NoDenseFormError(ValueError):
    """A network that cannot run over images larger than a patch."""


def choose(engine: str, begun: str | None = None) -> tuple[str, str]:
    """Turn "auto" into the engine that is fastest here, and say why it is that.

    OpenVINO is, on processors: it computes a window in less time than Keras, and starts no later,
    for a single window too (benchmarks/README.md). It takes models from TensorFlow only.

    Parameters
    ----------
    engine : {"auto", "keras", "openvino", "onnx"}
    begun : str, optional
        Engine of an unfinished map that is to be completed.

    Returns
    -------
    engine : {"keras", "openvino", "onnx"}
    reason : str
        For people to read.

    Raises
    ------
    ValueError
        When the engine, or the one that the environment names, is unknown.
    """
    choices.check_choice("ENGINE", engine, CHOICES)
    if engine != "auto":
        return engine, f"ENGINE = {engine!r}"
    named = check_variable()
    if named:
        return named, f"{VARIABLE} is {named}"
    best, reason = _best()
    if begun not in (None, best) and begun in ENGINES and _is_usable(begun):
        return begun, "the part of the map that is there was made by it"
    return best, reason


def _best() -> tuple[str, str]:
    if devices.backend() != "tensorflow":
        return "keras", f"Keras runs on {devices.backend()}"
    if not _is_usable("openvino"):
        return "keras", "the faster OpenVINO is not installed: pip install openvino"
    if devices.may_have_gpu() and devices.gpus():
        return "keras", "there is a GPU"
    return "openvino", "the fastest on processors"


def check_variable() -> str | None:
    """Give the engine that the environment names, if it does; a ValueError if it is none."""
    named = os.environ.get(VARIABLE)
    if named:
        choices.check_choice(VARIABLE, named, ENGINES)
        optional_packages.check_installed(f"{VARIABLE} = {named!r}", PACKAGES.get(named, {}))
    return named or None


def _is_usable(engine: str) -> bool:
    if engine in RUNTIMES and devices.backend() != "tensorflow":
        return False
    return optional_packages.are_installed(PACKAGES.get(engine, {}))


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
    shape: Shape,
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
        Shape of every input, (batch, rows, columns, bands); with Keras, None is free.
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
    if can_be_kept(engine):
        try:
            return start(engine, prepare(model, shape, engine, precision, dense_stride))
        except NOT_AS_KNOWN:
            if engine in RUNTIMES:
                raise
    return by_keras(model, precision, dense_stride)


def by_keras(model: keras.Model, precision: str, dense_stride: int | None = None) -> Predict:
    """Give the function from raw pixels to probabilities as Keras itself computes it.

    See `make_predict` for the parameters. On every backend, and where TensorFlow's own functions
    are not as this version knows them (`NOT_AS_KNOWN`).
    """
    network = _ready_network(model, precision, dense_stride)
    # Left uncompiled, Keras uses XLA on TensorFlow even without a GPU, and a first call of
    # DenseNet201 then takes minutes.
    network.compile(jit_compile="auto")
    return lambda pixels: np.asarray(network.predict_on_batch(pixels), np.float32)


def can_be_kept(engine: str) -> bool:
    """Tell whether `prepare` and `start` know an engine here: all but Keras on JAX or on a GPU."""
    return engine in RUNTIMES or devices.has_onednn()


def prepare(
    model: keras.Model,
    shape: Shape,
    engine: str,
    precision: str,
    dense_stride: int | None = None,
) -> dict[str, bytes]:
    """Give what `start` takes: a network as its engine computes it, as named pieces of bytes.

    See `make_predict` for the parameters, and for the errors.
    """
    if engine == "onnx":
        return _to_onnx(model, shape, dense_stride)
    if engine == "openvino":
        return _to_openvino(model, shape, precision, dense_stride)
    from landuse.networks import tensorflow_functions

    network = _ready_network(model, precision, dense_stride)
    return tensorflow_functions.to_members(network, shape)


def start(engine: str, members: dict[str, bytes]) -> Predict:
    """Give the function from raw pixels to probabilities, of what `prepare` made.

    Neither OpenVINO nor onnxruntime needs Keras or TensorFlow for it.
    """
    if engine == "onnx":
        return _start_onnx(members)
    if engine == "openvino":
        from landuse.networks import openvino_networks

        return openvino_networks.start(members)
    from landuse.networks import tensorflow_functions

    return tensorflow_functions.start(members)


def _ready_network(model: keras.Model, precision: str, dense_stride: int | None) -> keras.Model:
    from landuse.networks import folding

    with precisions.in_precision(model, precision) as network, quick_starts.no_collecting():
        network = _with_dense_form(network, dense_stride)
        return folding.fold_batch_normalization(network, by_depthwise=devices.has_onednn())


def _with_dense_form(model: keras.Model, dense_stride: int | None) -> keras.Model:
    if dense_stride is None:
        return model
    from landuse.networks import dense

    try:
        return dense.dense_network(model, dense_stride)
    except ValueError as error:
        raise NoDenseFormError(str(error)) from error


def _to_openvino(
    model: keras.Model, shape: Shape, precision: str, dense_stride: int | None
) -> dict[str, bytes]:
    optional_packages.check_installed("ENGINE = 'openvino'", PACKAGES["openvino"])
    import keras

    from landuse.networks import openvino_networks

    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        precision = "float32"  # a linear model on measurements, which need it
    with precisions.in_precision(model, "float32") as network, quick_starts.no_collecting():
        # OpenVINO's hint holds for a whole network, so the normalisation is a network of its own.
        front, rest = _split_at_base(network)
        rest = _with_dense_form(rest, dense_stride)
        behind = front.compute_output_shape(shape)  # larger where patches are enlarged
        return openvino_networks.to_members([(front, shape, "float32"), (rest, behind, precision)])


def _to_onnx(model: keras.Model, shape: Shape, dense_stride: int | None) -> dict[str, bytes]:
    from landuse.networks import inference_graphs

    optional_packages.check_installed("ENGINE = 'onnx'", PACKAGES["onnx"])
    try:
        rows, columns, bands = *shape[1:3], model.input_shape[-1]
        network = inference_graphs.inference_graph(
            model, (None, rows, columns, bands), dense_stride
        )
    except ValueError as error:
        raise NoDenseFormError(str(error)) from error
    return {"model.onnx": onnx_graphs.to_onnx(network).SerializeToString()}


def _start_onnx(members: dict[str, bytes]) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = devices.usable_cores()
    # threads that wait actively take time from whatever else runs, from each other too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        members["model.onnx"], options, providers=["CPUExecutionProvider"]
    )

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


_PLACES_IN_CODE = re.compile(
    r"Exception from \S+:\d+:|Check '.*?' failed at \S+:\d+:|FrontEnd API failed with \w+:"
)


def reason_of(error: Exception, longest: int = 200) -> str:
    """Give what an engine says of a network that it cannot compute, as a line for people.

    Parameters
    ----------
    error : Exception
        Of OpenVINO or onnxruntime; where in their code it happened is left out.
    longest : int
        Letters; a longer text ends after a word, with "...".
    """
    text = " ".join(_PLACES_IN_CODE.sub(" ", str(error)).split())
    text = text.partition(" To facilitate the conversion")[0]  # advice to those who write engines
    return textwrap.shorten(text, longest, placeholder=" ...") or type(error).__name__


def duration(seconds: float) -> str:
    """Put a time into words, such as "3 min 20 s"."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 1:
        return f"{int(hours)} h {int(minutes) % 60} min"
    if minutes >= 1:
        return f"{int(minutes)} min {int(seconds) % 60} s"
    return f"{max(1, math.ceil(seconds))} s"

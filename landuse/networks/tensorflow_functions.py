"""A network as one function of TensorFlow with its weights, which starts without building layers.

What TensorFlow makes of it is what it makes of the Keras model: the same operations, whose weights
are arguments and not constants, and so the same bytes. (A graph with its weights as constants is
another one: some divisions become multiplications.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import quick_starts

if TYPE_CHECKING:
    import keras

FUNCTION, WEIGHTS, INDEX = "function.pb", "weights.bin", "weights.json"


def to_members(network: keras.Model, shape: tuple[int | None, ...]) -> dict[str, bytes]:
    """Give what `start` takes, of a network and the shape of its inputs.

    Parameters
    ----------
    network : keras.Model
        Of one input and one output.
    shape : tuple of int
        (batch, rows, columns, bands), float32; None is free.
    """
    function, weights = trace(network, shape)
    definition = type(function.function_def)()
    definition.CopyFrom(function.function_def)
    content = definition.SerializeToString(deterministic=True)
    # A name that two networks in one process cannot share.
    digest = hashlib.sha256(content + b"".join(array.tobytes()[:64] for array in weights))
    definition.signature.name = f"network_{digest.hexdigest()[:24]}"
    return {FUNCTION: definition.SerializeToString(), **_packed(shape, weights)}


def trace(network: keras.Model, shape: tuple[int | None, ...]) -> tuple[Any, list[np.ndarray]]:
    """Trace a network as a function of its pixels and then of its weights.

    Returns
    -------
    function : tf.types.experimental.ConcreteFunction
    weights : list of ndarray
        All that the function takes behind the pixels.
    """
    import keras
    import tensorflow as tf

    variables = network.weights

    def call(pixels: Any, *weights: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return network(pixels, training=False)

    kinds = [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
    with quick_starts.no_collecting():
        function = tf.function(call, autograph=False).get_concrete_function(
            tf.TensorSpec(shape, tf.float32), *kinds
        )
    return function, [np.asarray(v) for v in (*variables, *function.captured_inputs)]


def start(members: dict[str, bytes]) -> Callable[[np.ndarray], np.ndarray]:
    """Give the function from raw pixels to probabilities, without Keras building anything.

    Parameters
    ----------
    members : dict
        Of `to_members`.

    Raises
    ------
    Exception
        Of any kind, when they were not made here by these versions.
    """
    import tensorflow as tf
    from tensorflow.core.framework import function_pb2
    from tensorflow.python.eager import context

    definition = function_pb2.FunctionDef.FromString(members[FUNCTION])
    name = definition.signature.name.encode()
    runtime = context.context()
    runtime.ensure_initialized()
    if not runtime.has_function(name):
        runtime.add_function_def(definition)
    shape, arrays = _unpacked(members)
    weights = [tf.constant(array) for array in arrays]

    def predict(pixels: np.ndarray) -> np.ndarray:
        if not all(size in (None, own) for size, own in zip(shape, pixels.shape, strict=True)):
            raise ValueError(f"the network is ready for inputs of {shape}, not {pixels.shape}")
        inputs = [tf.constant(np.asarray(pixels, np.float32)), *weights]
        return np.asarray(runtime.call_function(name, inputs, 1)[0], np.float32)

    return predict


def _packed(shape: tuple[int | None, ...], arrays: Sequence[np.ndarray]) -> dict[str, bytes]:
    # by name: NumPy calls bfloat16 "two bytes of anything" in dtype.str
    index = {"shape": shape, "arrays": [[array.dtype.name, array.shape] for array in arrays]}
    content = b"".join(array.tobytes() for array in arrays)
    return {WEIGHTS: content, INDEX: json.dumps(index).encode()}


def _unpacked(members: dict[str, bytes]) -> tuple[list[int | None], list[np.ndarray]]:
    import tensorflow as tf

    arrays: list[np.ndarray] = []
    first, index = 0, json.loads(members[INDEX])
    for name, shape in index["arrays"]:
        dtype = np.dtype(tf.as_dtype(name).as_numpy_dtype)
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(members[WEIGHTS], dtype, count, first).reshape(shape))
        first += count * dtype.itemsize
    return index["shape"], arrays


def to_graph(network: keras.Model, shape: tuple[int | None, ...]) -> bytes:
    """Give a network as TensorFlow's GraphDef, its weights constants, for other programs to read.

    Parameters
    ----------
    network : keras.Model
    shape : tuple of int
        Of every input.
    """
    import tensorflow as tf

    function, weights = trace(network, shape)
    names = [tensor.op.name for tensor in function.inputs[1:]]
    values = dict(zip(names, weights, strict=True))
    graph = function.graph.as_graph_def()
    for node in graph.node:
        if node.op == "Placeholder" and node.name in values:
            kind = node.attr["dtype"].type
            node.op = "Const"
            node.attr.clear()
            node.attr["dtype"].type = kind
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values[node.name], dtype=kind))
    return graph.SerializeToString()

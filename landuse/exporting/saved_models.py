"""TensorFlow SavedModels: folders for TensorFlow Serving and programs in C++, Java or Go."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landuse.exporting import export_types
from landuse.networks import onnx_graphs

FACTS = "assets.extra/landuse.json"  # the folder that TensorFlow leaves to others


def write(export: export_types.Export, path: Path) -> None:
    """Write a network as a SavedModel folder."""
    import keras

    network = export.network(export.shape)
    signature = [keras.InputSpec(shape=export.shape, dtype="float32", name="pixels")]
    try:
        network.export(str(path), format="tf_saved_model", input_signature=signature, verbose=False)
    except Exception as error:
        raise onnx_graphs.cannot_be_exported(network, "a SavedModel", error) from error
    (path / FACTS).parent.mkdir()
    (path / FACTS).write_text(json.dumps(dict(export.facts), indent=2) + "\n", encoding="utf-8")


def open_model(path: Path) -> export_types.Predict:
    """Give the function that TensorFlow computes from the folder."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]

    def predict(pixels: NDArray) -> NDArray:
        (answer,) = serve(pixels=tf.constant(np.asarray(pixels, np.float32))).values()
        return answer.numpy()

    return predict


SAVED_MODEL = export_types.FileFormat(
    "saved_model",
    "",
    "TensorFlow",
    {"tensorflow": "tensorflow"},
    write,
    open_model,
    precisions=("float32",),
    marker=FACTS,
)

"""A network as OpenVINO computes it: read from TensorFlow's graph, kept in OpenVINO's format."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

HINTS = {"float32": "f32", "bfloat16": "bf16"}  # precisions as OpenVINO calls them
ABOUT = "about.json"


def to_members(
    parts: list[tuple[keras.Model, tuple[int | None, ...], str]], device: str = "CPU"
) -> dict[str, bytes]:
    """Give what `start` takes, of networks that are called one behind the other.

    Parameters
    ----------
    parts : list of (keras.Model, shape of its input, "float32" or "bfloat16")
        OpenVINO's hint for the precision holds for a whole network.
    device : str
        As OpenVINO calls it.
    """
    import openvino

    from landuse.networks import tensorflow_functions

    members = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (network, shape, _) in enumerate(parts):
            graph, path = Path(folder) / f"{number}.pb", Path(folder) / f"{number}.xml"
            graph.write_bytes(tensorflow_functions.to_graph(network, shape))
            openvino.save_model(openvino.Core().read_model(graph), path, compress_to_fp16=False)
            for written in (path, path.with_suffix(".bin")):
                members[written.name] = written.read_bytes()
    about = {"device": device, "hints": [HINTS[precision] for *_, precision in parts]}
    return {**members, ABOUT: json.dumps(about).encode()}


def start(members: dict[str, bytes]) -> Callable[[np.ndarray], np.ndarray]:
    """Give the function from raw pixels to probabilities.

    Parameters
    ----------
    members : dict
        Of `to_members`.
    """
    import openvino

    core, about = openvino.Core(), json.loads(members[ABOUT])
    networks: list[Any] = []
    for number, hint in enumerate(about["hints"]):
        network = core.read_model(members[f"{number}.xml"], members[f"{number}.bin"])
        options = {"INFERENCE_PRECISION_HINT": hint}
        networks.append(core.compile_model(network, about["device"], options))

    def predict(pixels: np.ndarray) -> np.ndarray:
        values: Any = np.asarray(pixels, np.float32)
        for network in networks:
            values = network(values)[0]
        return np.array(values, np.float32)

    return predict

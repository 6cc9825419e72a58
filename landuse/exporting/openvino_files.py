"""OpenVINO models: an .xml with the graph and a .bin with the weights beside it."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landuse.exporting import export_types
from landuse.networks import onnx_graphs

PLACE = "model_info"  # where OpenVINO's own tools keep what a model says about itself


def write(export: export_types.Export, path: Path) -> None:
    """Write a network as an OpenVINO model."""
    import openvino

    model = _convert(export)
    if export.precision == "int8":
        model = _quantised(model, export)
    model.reshape([-1 if size is None else size for size in export.shape])
    for key, value in export.facts.items():
        model.set_rt_info(value, [PLACE, key])
    openvino.save_model(model, path, compress_to_fp16=export.precision == "float16")


def _convert(export: export_types.Export) -> Any:
    import keras
    import openvino

    network = export.network(export.converted_shape)
    signature = [keras.InputSpec(shape=network.input_shape, dtype="float32", name="pixels")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        try:
            network.export(str(path), format="openvino", input_signature=signature, verbose=False)
        except Exception as error:
            raise onnx_graphs.cannot_be_exported(network, "an OpenVINO model", error) from error
        # Read as bytes, so that nothing of the folder is needed afterwards.
        weights = np.fromfile(path.with_suffix(".bin"), np.uint8)
        return openvino.Core().read_model(path.read_bytes(), openvino.Tensor(weights))


def _quantised(model: Any, export: export_types.Export) -> Any:
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    logging.getLogger("nncf").setLevel(logging.ERROR)
    size = export.shape[0] or 1
    images = export.calibration
    batches = [images[first : first + size] for first in range(0, len(images) - size + 1, size)]
    # The means of the patches' extremes, which are the default, cut off the brightest patches.
    extremes = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
    )
    return nncf.quantize(
        model,
        nncf.Dataset(batches),
        subset_size=len(batches),
        ignored_scope=nncf.IgnoredScope(
            patterns=[f".*{name}.*" for name in export.front], validate=False
        ),
        advanced_parameters=extremes,
    )


def open_model(path: Path) -> export_types.Predict:
    """Give the function that OpenVINO computes from the file, in the precision it was made for."""
    import openvino

    hint = {"INFERENCE_PRECISION_HINT": "f32"}  # its own choice would be bfloat16 where it is fast
    compiled = openvino.Core().compile_model(path, "CPU", hint)

    def predict(pixels: NDArray) -> NDArray:
        return np.array(compiled(np.asarray(pixels, np.float32))[0])

    return predict


OPENVINO = export_types.FileFormat(
    "openvino",
    ".xml",
    "OpenVINO",
    {"openvino": "openvino"},
    write,
    open_model,
    packages_for_int8={"nncf": "nncf"},
)

"""The formats that a model can be exported to; the one place to add one."""

from landuse.exporting.file_formats import FileFormat
from landuse.exporting.litert_files import LITERT
from landuse.exporting.onnx_files import ONNX
from landuse.exporting.openvino_files import OPENVINO
from landuse.exporting.saved_models import SAVED_MODEL

FORMATS: dict[str, FileFormat] = {
    file_format.name: file_format for file_format in (ONNX, LITERT, OPENVINO, SAVED_MODEL)
}

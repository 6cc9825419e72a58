"""The formats that a model can be exported to; the one place to add one."""

from landuse.exporting import (
    browser_pages,
    export_types,
    litert_files,
    onnx_files,
    openvino_files,
    qgis_models,
    saved_models,
)

FORMATS: dict[str, export_types.FileFormat] = {
    file_format.name: file_format
    for file_format in (
        onnx_files.ONNX,
        litert_files.LITERT,
        openvino_files.OPENVINO,
        saved_models.SAVED_MODEL,
        browser_pages.BROWSER,
        qgis_models.QGIS,
    )
}

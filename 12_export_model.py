"""Script 12: export a trained model for other programs, and check that it says the same there.

The file takes raw pixel values, as the model does: normalisation is inside. In the format's own
metadata it says its classes, bands, units, patch size and licence. It is run at once in its own
runtime, on patches, and compared with Keras; when it says something else, nothing is written.

Reads    PATH_TO_MODEL: a model.keras that a training script wrote, or eurosat_rgb, the one that
         comes with these scripts
         PATH_TO_PATCHES: a folder with a folder of patches for each class; half of them calibrate
         int8, on the other half the export is compared (by default the validation part of the
         split that the model was trained on)
Writes   PATH_TO_EXPORT (by default beside the model, or in runs/eurosat_rgb/), by FORMAT:
         onnx         .onnx       onnxruntime, and all that reads ONNX
         litert       .tflite     telephones and small boards
         openvino     .xml, .bin  processors and graphics of Intel
         saved_model  a folder    TensorFlow Serving
         qgis         .onnx       the plugin Deepness of QGIS (Plugins > Deepness > Model file)
         browser      a folder    a page that maps scenes on the reader's own machine: open its
                                  index.html, or serve it by python -m http.server;
                                  needs python 00_get_data.py --dataset web_runtime, once
Run      python 12_export_model.py --path-to-model runs/my_run/model.keras --format onnx
"""

from typing import Literal

from landuse import command_line, files
from landuse.networks import model_files, shipped

# Paths
PATH_TO_MODEL: str | None = None  # model.keras, or eurosat_rgb; None: newest of runs/, or that
PATH_TO_PATCHES: str | None = None  # folder of class folders; None: validation part of its split
PATH_TO_EXPORT: str | None = None  # None: beside the model, named after it

# What is made
FORMAT: Literal["onnx", "litert", "openvino", "saved_model", "qgis", "browser"] = "onnx"
PRECISION: Literal["float32", "float16", "int8"] = "float32"  # float16: half the size; int8: 1/4
BATCH: int | None = None  # patches of each call; None: as many as one likes
DENSE_STRIDE: int | None = None  # 8, 16, 32: of whole images, the class each so many px
IMAGE_SIZE: int | None = None  # px, rows and columns of these; None: as large as one likes
LICENCE: str | None = None  # of the model, "MIT" say; it is written into the file
PATH_TO_WEB_RUNTIME = "data/web_runtime"  # what the page runs on; script 00 fetches it

# When it fails
PATCHES = 256  # to calibrate and compare on
LARGEST_DIFFERENCE: float | None = None  # of a probability; None: 0.001, float16 0.02, int8 any
MOST_OTHER_LABELS: float | None = None  # share of the patches; None: 0.01, int8 0.05


def main() -> None:
    """Export the model, and compare the export with Keras."""
    from landuse.exporting import export_types, exports, facts, trial_patches, web_runtime

    # Can it be made here?
    file_format = exports.check_settings(FORMAT, PRECISION, BATCH, DENSE_STRIDE, IMAGE_SIZE)
    path_to_model = shipped.find_model(PATH_TO_MODEL)
    record = model_files.read_record(path_to_model)
    model_files.check_is_of_patches(
        record, path_to_model, "script 06 maps with it, also with ENGINE = 'openvino' or 'onnx'"
    )
    model_files.check_gives_one_class(
        record, path_to_model, "script 06 maps with it, also with ENGINE = 'openvino' or 'onnx'"
    )
    dense_stride = exports.dense_stride_for(file_format, record, DENSE_STRIDE)
    bands = len(record["band_names"])
    shape = exports.shape_of(file_format, bands, BATCH, dense_stride, IMAGE_SIZE)
    path = exports.path_of(PATH_TO_EXPORT, path_to_model, file_format, PRECISION, DENSE_STRIDE)
    exports.check_path(path, file_format, named=PATH_TO_EXPORT is not None)
    if FORMAT == "browser":
        web_runtime.check(PATH_TO_WEB_RUNTIME)

    # Patches, half of them to calibrate on, half to compare on
    found = trial_patches.find(PATH_TO_PATCHES, record, PATCHES)
    patches = trial_patches.read(found, record)
    side = shape[1] or exports.FREE_SIDE
    calibration = trial_patches.as_images(patches[::2], side)
    images = trial_patches.as_images(patches[1::2], side)

    # The network, and what its file will say about it
    exports.check_backend(FORMAT)
    model, _ = model_files.load(path_to_model)
    says = facts.facts_of(
        record,
        sha256=files.sha256(path_to_model),
        precision=PRECISION,
        dense_stride=dense_stride,
        licence=LICENCE,
    )
    export = export_types.Export(
        model, shape, dense_stride, PRECISION, calibration, says, PATH_TO_WEB_RUNTIME
    )

    # Write it, run it, compare it
    print(f"{path_to_model} to {FORMAT}, {PRECISION}", flush=True)
    comparison = exports.make(
        export,
        file_format,
        path,
        images,
        path_to_model,
        LARGEST_DIFFERENCE,
        MOST_OTHER_LABELS,
    )
    print(*comparison.lines(file_format.runtime), sep="\n")
    print(f"export: {path}")


if __name__ == "__main__":
    command_line.run(main, globals())

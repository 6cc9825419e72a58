"""One export: checked before work, made, run at once beside Keras, and kept if it says the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from landuse import choices, devices, files, optional_packages, sensors
from landuse.exporting import comparisons, export_formats, export_types
from landuse.networks import shipped

if TYPE_CHECKING:
    import keras

DENSE_STRIDES = (8, 16, 32)
FREE_SIDE = 192  # px, at which a dense form for images of any size is converted and compared


def check_settings(
    name: str,
    precision: str,
    batch: int | None,
    dense_stride: int | None,
    image_size: int | None,
) -> export_types.FileFormat:
    """Look up a format, and check that it can be made as it is wanted, and here.

    Raises
    ------
    ValueError
        Naming the constant that is wrong, or the pip line of what is not installed.
    """
    choices.check_choice("FORMAT", name, tuple(export_formats.FORMATS))
    file_format = export_formats.FORMATS[name]
    if precision not in file_format.precisions:
        known = " or ".join(map(repr, file_format.precisions))
        raise ValueError(f"FORMAT = {name!r} is made with PRECISION = {known}, not {precision!r}")
    if batch is not None and batch < 1:
        raise ValueError(f"BATCH must be 1 or more, or None for a free one, not {batch}")
    _check_dense(file_format, dense_stride, image_size)
    further = file_format.packages_for_int8 if precision == "int8" else {}
    optional_packages.check_installed(f"FORMAT = {name!r}", {**file_format.packages, **further})
    return file_format


def check_backend(name: str) -> None:
    """Raise a ValueError when Keras computes by something that cannot be exported from."""
    if devices.backend() != "tensorflow":
        raise ValueError(
            f"FORMAT = {name!r} is made with TensorFlow, and Keras runs on {devices.backend()}: "
            "set KERAS_BACKEND=tensorflow"
        )


def _check_dense(
    file_format: export_types.FileFormat, dense_stride: int | None, image_size: int | None
) -> None:
    if dense_stride is None:
        if image_size is not None:
            raise ValueError("IMAGE_SIZE is for the dense form: give DENSE_STRIDE as well")
        return
    choices.check_choice("DENSE_STRIDE", dense_stride, DENSE_STRIDES)
    if image_size is None and not file_format.free_images:
        raise ValueError(
            f"FORMAT = {file_format.name!r} takes images of one size: give IMAGE_SIZE, 512 say"
        )
    if image_size is not None and (
        image_size < sensors.PATCH_SIZE or image_size % sensors.PATCH_SIZE
    ):
        raise ValueError(f"IMAGE_SIZE must be a multiple of 64 px, 512 say, not {image_size}")


def dense_stride_for(
    file_format: export_types.FileFormat, record: Mapping[str, Any], wanted: int | None
) -> int | None:
    """Give the stride of the dense form: as the user wants it, or as the format has it.

    Raises
    ------
    ValueError
        When the format has another.
    """
    stride = file_format.dense_where_trained
    if stride is None:
        return wanted
    if wanted not in (None, stride):
        raise ValueError(f"FORMAT = {file_format.name!r} has DENSE_STRIDE = {stride}, not {wanted}")
    return stride if record.get("dense") is True else wanted


def shape_of(
    file_format: export_types.FileFormat,
    bands: int,
    batch: int | None,
    dense_stride: int | None,
    image_size: int | None,
) -> export_types.Shape:
    """Give the shape of the input, None where a size is free.

    Raises
    ------
    ValueError
        When the format takes images of another size.
    """
    if dense_stride is None:
        return batch, sensors.PATCH_SIZE, sensors.PATCH_SIZE, bands
    if file_format.image_side and image_size not in (None, file_format.image_side):
        raise ValueError(
            f"FORMAT = {file_format.name!r} has IMAGE_SIZE = {file_format.image_side}, not "
            f"{image_size}"
        )
    side = image_size or file_format.image_side
    return batch, side, side, bands


def path_of(
    path: str | None,
    model: Path,
    file_format: export_types.FileFormat,
    precision: str,
    dense_stride: int | None,
) -> Path:
    """Give the path of the export: as the user named it, or beside the model."""
    if path is None:
        dense = "" if dense_stride is None else f"_dense{dense_stride}"
        numbers = "" if precision == "float32" else f"_{precision}"
        shared = [
            each for each in export_formats.FORMATS.values() if each.ending == file_format.ending
        ]
        kind = "" if file_format.ending and file_format is shared[0] else f"_{file_format.name}"
        name = f"{model.stem}{dense}{numbers}{kind}{file_format.ending}"
        return shipped.folder_beside(model) / name
    if file_format.ending and Path(path).suffix != file_format.ending:
        raise ValueError(
            f"PATH_TO_EXPORT must end in {file_format.ending} for FORMAT = "
            f"{file_format.name!r}, not {Path(path).name!r}"
        )
    return Path(path)


def check_path(path: Path, file_format: export_types.FileFormat, named: bool = True) -> None:
    """Raise an OSError, before long work, when an export cannot be written there.

    The folder of a path that nobody named, of an export of a shipped model, is made when there is
    something to put into it.
    """
    if not named and not path.parent.exists():
        return
    if file_format.ending:
        files.check_can_write(path)
    else:
        _check_folder(path, file_format.marker)


def _check_folder(path: Path, marker: str) -> None:
    """Raise an OSError when a folder cannot be made, or is none that an export made."""
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise FileExistsError(
            f"the folder {path} is there and is no export: name another PATH_TO_EXPORT"
        )
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file: name another PATH_TO_EXPORT")
    if not path.exists():
        files.check_can_write(path)


@contextlib.contextmanager
def _written(path: Path, file_format: export_types.FileFormat) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not file_format.ending:
        _check_folder(path, file_format.marker)
        with files.whole_folder(path) as folder:
            yield folder
        return
    with files.atomic_path(path) as temporary:
        yield temporary


def make(
    export: export_types.Export,
    file_format: export_types.FileFormat,
    path: Path,
    images: NDArray,
    keras_file: Path,
    largest_difference: float | None = None,
    most_other_labels: float | None = None,
) -> comparisons.Comparison:
    """Write an export, run it beside Keras, and keep it if it says the same.

    Parameters
    ----------
    export : export_types.Export
    file_format : export_types.FileFormat
    path : Path
    images : ndarray of shape (N, rows, columns, bands), float32
        To compare on, others than those it was calibrated on.
    keras_file : Path
        For its size.
    largest_difference, most_other_labels : float, optional
        See `comparisons.check`.

    Raises
    ------
    ValueError
        When a layer cannot be exported, or the export says something else; nothing is written.
    OSError
        When it cannot be written.
    """
    with _written(path, file_format) as temporary:
        file_format.write(export, temporary)
        expected = keras_predict(export.model, images.shape, export.dense_stride)
        found = comparisons.compare(
            file_format.open(temporary), expected, images, batch=export.shape[0]
        )
        sizes = {"bytes": comparisons.size_of(temporary), "keras_bytes": keras_file.stat().st_size}
        comparison = replace(found, **sizes)
        comparisons.check(comparison, export.precision, largest_difference, most_other_labels)
    return comparison


def keras_predict(model: keras.Model, shape: tuple[int, ...], dense_stride: int | None) -> Any:
    """Give the function that Keras computes, as script 06 does in float32."""
    from landuse.networks import engines

    return engines.make_predict(model, (None, *shape[1:]), dense_stride=dense_stride)

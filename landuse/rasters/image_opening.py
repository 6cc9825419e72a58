"""Which image files are opened: those of this machine, whole, by drivers that are allowed.

With an explicit list of drivers, a file that only looks like an image (the description of a web
service named ``.tif``, say) is refused. The file that was closed last stays open, for whoever reads
it next: an image is described, perhaps by several, before its pixels are read.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from landuse.rasters import jpeg2000, remote_files, virtual_rasters
from landuse.rasters.gdal_setup import gdal

IMAGE_DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG")
_SIDE_FILES = ("", ".aux.xml", ".msk", ".ovr")


def reason(error: BaseException) -> str:
    """Return GDAL's message on one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


@contextlib.contextmanager
def plain_errors(path: str | Path, what: str) -> Iterator[None]:
    """Turn what GDAL raises into an OSError that names the file."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(f"{path}: {what}: {reason(error)}") from error


def check_local_file(path: str | Path) -> None:
    """Refuse what is no file on this machine (GDAL would also take web addresses)."""
    if str(path).startswith(("/vsizip/", "/vsimem/")):
        return
    if remote_files.is_allowed(path):
        remote_files.state_of(path)  # it is there
        return
    if str(path).startswith("/vsi") or "://" in str(path):
        raise ValueError(f"{path}: only files on this machine are read")
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected an image file")


def check_vrt(path: str | Path) -> None:
    """Check that a VRT refers to image files on this machine only, and that they open.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ValueError
        If the VRT is no valid XML, or refers to anything but local GeoTIFF, JPEG 2000, PNG or
        JPEG files.
    FileNotFoundError
        If a file that it refers to is missing.
    """
    for name in virtual_rasters.references(path):
        open_with_drivers(name, IMAGE_DRIVERS)


def open_with_drivers(path: str | Path, drivers: Sequence[str]) -> gdal.Dataset:
    """Open one raster with the given drivers.

    A TIFF whose tags lie beyond its end is truncated: GDAL only warns, and goes on without its
    georeference and names.
    """
    check_local_file(path)
    jpeg2000.check_can_be_read(path)
    warnings: list[str] = []
    gdal.PushErrorHandler(lambda kind, _, text: warnings.append(text))
    try:
        dataset = gdal.OpenEx(str(path), gdal.OF_RASTER, allowed_drivers=list(drivers))
    except RuntimeError as error:
        raise OSError(
            f"{path}: cannot be read as an image (damaged, or not one of "
            f"{', '.join(drivers)}): {reason(error)}"
        ) from error
    finally:
        gdal.PopErrorHandler()
    if dataset is None:
        raise OSError(f"{path}: cannot be read as an image ({', '.join(drivers)})")
    lost = [text for text in warnings if "IO error during reading" in text]
    if lost:
        raise OSError(f"{path}: is damaged or truncated: {lost[0].removeprefix(f'{path}: ')}")
    for text in warnings:
        print(f"warning: {text}", file=sys.stderr)
    return dataset


def open_image(path: str | Path, allow_vrt: bool) -> gdal.Dataset:
    """Open an image, or the VRT of some where that is allowed."""
    check_local_file(path)
    if allow_vrt and virtual_rasters.is_vrt(path):
        check_vrt(path)
        return open_with_drivers(path, ("VRT",))
    return open_with_drivers(path, IMAGE_DRIVERS)


def join(path: str | Path, tiles: Sequence[str | Path]) -> gdal.Dataset:
    """Return one dataset, in memory, that refers to files of one grid."""
    for tile in tiles:
        open_with_drivers(tile, IMAGE_DRIVERS)
    with plain_errors(path, "its tiles cannot be joined"):
        return gdal.BuildVRT("", [str(tile) for tile in tiles])


class _Kept:
    """The file that was closed last, still open; it is handed over, and never shared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: tuple[object, ...] = ()
        self._dataset: gdal.Dataset | None = None

    def take(self, path: str | Path) -> gdal.Dataset | None:
        """Give the file away if it is this one, and as it was."""
        state = _state_of(path)
        with self._lock:
            if not state or state != self._state:
                return None
            dataset, self._dataset, self._state = self._dataset, None, ()
            return dataset

    def keep(self, state: tuple[object, ...], dataset: gdal.Dataset) -> None:
        """Keep a file in place of the one before, which is closed."""
        with self._lock:
            self._state, self._dataset = state, dataset


def _state_of(path: str | Path) -> tuple[object, ...]:
    """Return what changes with a file and with those beside it; () for what is no plain file."""
    found: list[object] = [os.getpid(), Path(path).absolute()]
    for ending in _SIDE_FILES:
        try:
            state = Path(f"{path}{ending}").stat()
            found += [state.st_ino, state.st_size, state.st_mtime_ns]
        except OSError:
            if not ending:
                return ()
            found.append(None)
    return tuple(found)


_kept = _Kept()


def open_or_take(path: str | Path, allow_vrt: bool) -> tuple[gdal.Dataset, tuple[object, ...]]:
    """Open an image, or take the one that was closed last; with its state, for `close`."""
    check_local_file(path)
    state = _state_of(path)
    if virtual_rasters.is_vrt(path):
        return open_image(path, allow_vrt), ()
    dataset = _kept.take(path)
    return open_image(path, allow_vrt) if dataset is None else dataset, state


def close(dataset: gdal.Dataset, state: tuple[object, ...]) -> None:
    """Close what `open_or_take` gave; it stays open until another file is closed."""
    if state:
        _kept.keep(state, dataset)

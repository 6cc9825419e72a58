"""Patches that are decoded once, in parallel, into one array mapped from a file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from landuse import devices, sensors
from landuse import files as whole_files
from landuse.patches import image_files

_BLOCK = 256  # patches decoded before they are written


def _band_positions(
    band_count: int, band_names: Sequence[str] | None, path: Path, is_photo: bool = False
) -> list[int] | None:
    """Which bands of a file are wanted; None: all of them, in their order."""
    if band_names is None:
        return None
    if is_photo and not set(band_names) <= set(sensors.BANDS_RGB):
        raise ValueError(
            f"{path}: is an 8-bit image of red, green and blue, expected {', '.join(band_names)}: "
            "give multispectral images"
        )
    order = sensors.band_names_of(band_count)
    if band_count == len(band_names) and set(band_names) != set(order):
        return None
    lacking = [name for name in band_names if name not in order]
    if lacking:
        raise ValueError(
            f"{path}: has {band_count} bands, expected {len(band_names)} "
            f"({', '.join(band_names)}) or all 13 of EuroSAT"
        )
    return [order.index(name) for name in band_names]


def _decode(path: Path, band_names: Sequence[str] | None) -> NDArray[Any] | str:
    """Return a patch, or what is wrong with it."""
    size = sensors.PATCH_SIZE
    try:
        patch = image_files.read_patch(path)
        if patch.shape[:2] != (size, size):
            found = f"{patch.shape[0]}x{patch.shape[1]}"
            return f"{path}: is {found} px, expected {size}x{size}"
        is_photo = patch.dtype == np.uint8 and patch.shape[2] == len(sensors.BANDS_RGB)
        positions = _band_positions(patch.shape[2], band_names, path, is_photo)
    except (ValueError, OSError) as error:
        return str(error)
    return patch if positions is None else np.ascontiguousarray(patch[:, :, positions])


def _kind(patch: NDArray[Any]) -> tuple[int, str]:
    return patch.shape[2], patch.dtype.name


def _usual_kind(decoded: Sequence[NDArray[Any] | str]) -> tuple[int, str] | None:
    kinds = Counter(_kind(patch) for patch in decoded if not isinstance(patch, str))
    return kinds.most_common(1)[0][0] if kinds else None


def _write_header(file: Any, kind: tuple[int, str], count: int) -> None:
    size = sensors.PATCH_SIZE
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(kind[1])),
        "fortran_order": False,
        "shape": (count, size, size, kind[0]),
    }
    file.seek(0)
    # numpy leaves room in the header for the first number to grow.
    np.lib.format.write_array_header_1_0(file, header)


def _blocks(
    paths: Sequence[Path], band_names: Sequence[str] | None
) -> Iterator[list[NDArray[Any] | str]]:
    with (
        ThreadPoolExecutor(devices.usable_cores() + 1) as threads,
        tqdm(total=len(paths), desc="decoding patches", unit="patch", leave=False) as bar,
    ):
        for first in range(0, len(paths), _BLOCK):
            block = paths[first : first + _BLOCK]
            yield list(threads.map(lambda path: _decode(path, band_names), block))
            bar.update(len(block))


def _write_patches(
    file: Any, paths: Sequence[Path], band_names: Sequence[str] | None
) -> tuple[list[int], list[str]]:
    """Write the good patches; return their positions, and what is wrong with the others."""
    kept: list[int] = []
    faults: list[str] = []
    kind: tuple[int, str] | None = None
    position = 0
    for block in _blocks(paths, band_names):
        if kind is None and (kind := _usual_kind(block)):
            _write_header(file, kind, len(paths))
        for patch in block:
            fault = _fault(patch, kind, paths[position])
            if fault:
                faults.append(fault)
            else:
                kept.append(position)
                file.write(patch)
            position += 1
    if kind is not None:
        _write_header(file, kind, len(kept))
    return kept, faults


def _fault(patch: NDArray[Any] | str, kind: tuple[int, str] | None, path: Path) -> str | None:
    if isinstance(patch, str):
        return patch
    if _kind(patch) != kind:
        bands, dtype = _kind(patch)
        usual = "" if kind is None else f", expected {kind[0]} bands of {kind[1]} as in the others"
        return f"{path}: has {bands} bands of {dtype}{usual}"
    return None


def _folder_of(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.parent.absolute() for path in paths]))


def _fingerprints(paths: Sequence[Path], band_names: Sequence[str] | None) -> tuple[str, str]:
    """Return what names a cache: its list of files, and the state that they are in."""
    folder = _folder_of(paths)
    names = [os.path.relpath(path, folder) for path in paths]
    states = [(state.st_size, state.st_mtime_ns) for state in map(os.stat, paths)]
    bands = list(band_names) if band_names is not None else None
    listed = json.dumps([1, bands, names])
    return _short_digest(listed), _short_digest(json.dumps([listed, states]))


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until no other run is building the same cache."""
    with open(path, "a") as file:
        try:
            whole_files.flock(file.fileno())
        except BlockingIOError:
            print("waiting for another run that is decoding the same patches ...")
            whole_files.flock(file.fileno(), wait=True)
        yield


def _build_cache(cache: Path, paths: Sequence[Path], band_names: Sequence[str] | None) -> None:
    building = cache.with_suffix(".partial")
    # Written, not mapped: a full disk is then an error, and not the end of the process.
    try:
        with open(building, "wb") as file:
            kept, faults = _write_patches(file, paths, band_names)
        building.replace(cache)
    except BaseException as error:
        building.unlink(missing_ok=True)
        if isinstance(error, OSError):
            message = f"the decoded patches cannot be written to {cache}: {error.strerror}"
            raise OSError(message) from error
        raise
    whole_files.write_json(cache.with_suffix(".json"), {"kept": kept, "faults": faults})


def _remove_stale(cache: Path, listed: str) -> None:
    for path in cache.parent.glob(f"{listed}-*"):
        if path.stem != cache.stem and path.suffix in (".npy", ".json", ".partial"):
            path.unlink(missing_ok=True)


def _check_cache_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the decoded patches cannot be kept in {folder} ({error.strerror}); they need a "
            "folder that can be written"
        ) from error


def _none_for_all(band_names: Sequence[str] | None, paths: Sequence[Path]) -> Sequence[str] | None:
    """Name all bands of the files as None does, so that both share a cache."""
    patch = next(
        (p for p in (_decode(path, None) for path in paths) if not isinstance(p, str)), None
    )
    everything = () if patch is None else sensors.band_names_of(patch.shape[-1])
    return None if band_names is None or tuple(band_names) == everything else band_names


def open_good_patches(
    files: Sequence[str | os.PathLike[str]],
    band_names: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
) -> tuple[NDArray[Any], list[Path]]:
    """Open patches as one array, without those that are damaged if told so.

    Takes the arguments of `open_patches`.

    Returns
    -------
    patches : ndarray of shape (N, 64, 64, bands), uint8 or uint16, mapped from a file
    files : list of N paths
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise ValueError("there are no patches to open")
    folder = Path(cache) if cache is not None else _folder_of(paths) / ".cache"
    _check_cache_folder(folder)
    band_names = _none_for_all(band_names, paths)
    listed, state = _fingerprints(paths, band_names)
    decoded = folder / f"{listed}-{state}.npy"
    with _turn(folder / f"{listed}.lock"):
        if not (_is_whole(decoded) and decoded.with_suffix(".json").is_file()):
            _build_cache(decoded, paths, band_names)
            _remove_stale(decoded, listed)
        found = whole_files.read_json(decoded.with_suffix(".json"))
        _check_faults(found["faults"], len(paths), skip_bad)
        return np.load(decoded, mmap_mode="r"), [paths[position] for position in found["kept"]]


def _is_whole(decoded: Path) -> bool:
    """Tell whether a cache is there and can be mapped; one that was cut short cannot."""
    try:
        return isinstance(np.load(decoded, mmap_mode="r"), np.memmap)
    except (OSError, ValueError, EOFError):
        return False


def _check_faults(faults: Sequence[str], count: int, skip_bad: bool) -> None:
    if not faults:
        return
    named = "; ".join(faults)
    reasons = {fault.partition(": ")[2] for fault in faults}
    if len(faults) > 1 and len(reasons) == 1:
        named = f"{faults[0]} (the others likewise)"
    if not skip_bad:
        raise ValueError(
            f"{len(faults)} of {count} patches cannot be used: {named}; replace them, or set "
            "SKIP_BAD_PATCHES = True to go on without them"
        )
    if len(faults) == count:
        raise ValueError(f"none of {count} patches can be used: {named}")
    print(f"{len(faults)} of {count} patches are skipped: {named}")


def open_patches(
    files: Sequence[str | os.PathLike[str]],
    band_names: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
) -> NDArray[Any]:
    """Open patches as one array that is mapped from a file.

    The images are decoded once, in parallel, into a file that serves as long as the names,
    sizes and times of the images stay the same. Several runs may share it.

    Parameters
    ----------
    files : paths of images of 64x64 px
    band_names : bands wanted, in order; None: all that the files have
        Taken by name from files with the 13 EuroSAT bands or with red, green and blue; files
        with as many bands as are named are taken to hold just these.
    cache : folder of decoded patches; None: `.cache` in the folder that all files lie under
    skip_bad : whether to leave damaged or different patches out, with a message

    Returns
    -------
    ndarray of shape (N, 64, 64, bands), uint8 or uint16, mapped from a file

    Raises
    ------
    ValueError
        When patches are damaged, or have another size, band count or type than the others; the
        message names every one of them.
    """
    return open_good_patches(files, band_names, cache, skip_bad)[0]

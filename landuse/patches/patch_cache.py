"""Patches that are decoded once, in parallel, into one array mapped from a file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from landuse import devices, sensors
from landuse import files as whole_files
from landuse.patches import image_files

_FORMAT = 2  # of what is decoded; 1 took the bands of files by position
_BLOCK = 256  # patches decoded before they are written
MOST_TO_CUT = 80  # px: patches a little too large, as Earth Engine exports them (65x65)
CUT = f": gdal_translate -srcwin 0 0 {sensors.PATCH_SIZE} {sensors.PATCH_SIZE} IN OUT cuts it"
OTHER_BANDS = "; set BANDS in the training script to those that it has"


_Kind = tuple[int, str, tuple[str, ...]]  # bands, type, names of the bands that it has


@dataclass(frozen=True)
class Wanted:
    """What is wanted of patches.

    Attributes
    ----------
    bands : tuple of str, or None
        Names, in order; None for all that the files have.
    order : tuple of str, or None
        BAND_NAMES: the bands in the order of the files; None for what these say.
    """

    bands: tuple[str, ...] | None = None
    order: tuple[str, ...] | None = None


def band_positions(
    patch: image_files.Patch, wanted: Sequence[str] | None, path: Path, advice: str = ""
) -> list[int] | None:
    """Find the wanted bands in a patch.

    Parameters
    ----------
    patch : Patch
    wanted : sequence of str, or None
    path : Path
        For messages.

    Returns
    -------
    list of int or None
        Positions; None for all bands, in their order.

    Raises
    ------
    ValueError
        When some are not there.
    """
    if wanted is None:
        return None
    count = patch.pixels.shape[2]
    colours = sensors.sensor_of(wanted).true_colour
    is_photo = patch.pixels.dtype == np.uint8 and count == len(colours)
    if is_photo and not set(wanted) <= set(colours):
        raise ValueError(
            f"{path}: is an 8-bit image of red, green and blue, expected {', '.join(wanted)}: "
            "give multispectral images, or train on these with script 02 or 03, which take true "
            "colours"
        )
    order = patch.names or sensors.band_names_of(count)
    if not patch.names and count == len(wanted) and set(wanted) != set(order):
        return None
    lacking = [name for name in wanted if name not in order]
    if lacking and patch.names:
        raise ValueError(
            f"{path}: has no band {', '.join(lacking)}; it names {', '.join(patch.names)}{advice}"
        )
    if lacking:
        raise ValueError(
            f"{path}: has {count} bands, expected {len(wanted)} "
            f"({', '.join(wanted)}) or all 13 of EuroSAT"
        )
    return [order.index(name) for name in wanted]


def _decode(path: Path, wanted: Wanted) -> image_files.Patch | str:
    """Return a patch with the wanted bands, or what is wrong with it."""
    size = sensors.PATCH_SIZE
    try:
        patch = image_files.read_named(path, wanted.order)
        if patch.pixels.shape[:2] != (size, size):
            rows, columns = patch.pixels.shape[:2]
            cut = CUT if size <= min(rows, columns) <= MOST_TO_CUT else ""
            return f"{path}: is {rows}x{columns} px, expected {size}x{size}{cut}"
        positions = band_positions(patch, wanted.bands, path, OTHER_BANDS)
    except (ValueError, OSError) as error:
        return str(error)
    if positions is None:
        return patch
    return replace(patch, pixels=np.ascontiguousarray(patch.pixels[:, :, positions]))


def _kind(patch: image_files.Patch, wanted: Wanted) -> _Kind:
    bands = patch.pixels.shape[2]
    names = wanted.bands or patch.names or sensors.band_names_of(bands)
    return bands, patch.pixels.dtype.name, tuple(names)


def _usual_kind(decoded: Sequence[image_files.Patch | str], wanted: Wanted) -> _Kind | None:
    kinds = Counter(_kind(patch, wanted) for patch in decoded if not isinstance(patch, str))
    return kinds.most_common(1)[0][0] if kinds else None


def _write_header(file: Any, kind: _Kind, count: int) -> None:
    size = sensors.PATCH_SIZE
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(kind[1])),
        "fortran_order": False,
        "shape": (count, size, size, kind[0]),
    }
    file.seek(0)
    # numpy leaves room in the header for the first number to grow.
    np.lib.format.write_array_header_1_0(file, header)


def _blocks(paths: Sequence[Path], wanted: Wanted) -> Iterator[list[image_files.Patch | str]]:
    with (
        ThreadPoolExecutor(devices.usable_cores() + 1) as threads,
        tqdm(total=len(paths), desc="decoding patches", unit="patch", leave=False) as bar,
    ):
        for first in range(0, len(paths), _BLOCK):
            block = paths[first : first + _BLOCK]
            yield list(threads.map(lambda path: _decode(path, wanted), block))
            bar.update(len(block))


def _write_patches(
    file: Any, paths: Sequence[Path], wanted: Wanted
) -> tuple[list[int], list[str], _Kind | None]:
    """Write the good patches; return their positions, what is wrong with others, their kind."""
    kept: list[int] = []
    faults: list[str] = []
    kind: _Kind | None = None
    ways: set[str] = set()  # how the bands of patches so far are known
    position = 0
    for block in _blocks(paths, wanted):
        if kind is None and (kind := _usual_kind(block, wanted)):
            _write_header(file, kind, len(paths))
        for patch in block:
            fault = _fault(patch, kind, paths[position], wanted, ways)
            if fault or isinstance(patch, str):
                faults.append(fault or str(patch))
            else:
                kept.append(position)
                file.write(patch.pixels)
            position += 1
    if kind is not None:
        _write_header(file, kind, len(kept))
    return kept, faults, kind


def _fault(
    patch: image_files.Patch | str,
    kind: _Kind | None,
    path: Path,
    wanted: Wanted,
    ways: set[str],
) -> str | None:
    if isinstance(patch, str):
        return patch
    found = _kind(patch, wanted)
    if kind is not None and found[:2] == kind[:2] and found != kind:
        return (
            f"{path}: has the bands {' '.join(found[2])}, expected {' '.join(kind[2])} as in the "
            "others"
        )
    if found != kind:
        usual = "" if kind is None else f", expected {kind[0]} bands of {kind[1]} as in the others"
        return f"{path}: has {found[0]} bands of {found[1]}{usual}"
    way = "reordered" if patch.reordered else "named" if patch.names else "unnamed"
    if {"reordered", "unnamed"} <= ways | {way}:
        one, others = ("names its bands", "do not") if patch.names else ("names no bands", "do")
        return (
            f"{path}: {one} and others {others}, and the order that is named is not the one that "
            "is assumed of files without names: name the bands of all, or set BAND_NAMES in script "
            "01"
        )
    ways.add(way)
    return None


def _folder_of(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.parent.absolute() for path in paths]))


def _fingerprints(paths: Sequence[Path], wanted: Wanted) -> tuple[str, str]:
    """Return what names a cache: its list of files, and the state that they are in."""
    folder = _folder_of(paths)
    names = [os.path.relpath(path, folder) for path in paths]
    states = [(state.st_size, state.st_mtime_ns) for state in map(os.stat, paths)]
    listed = json.dumps([_FORMAT, wanted.bands, wanted.order, names])
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


def _build_cache(cache: Path, paths: Sequence[Path], wanted: Wanted) -> None:
    building = cache.with_suffix(".partial")
    # Written, not mapped: a full disk is then an error, and not the end of the process.
    try:
        with open(building, "wb") as file:
            kept, faults, kind = _write_patches(file, paths, wanted)
        building.replace(cache)
    except BaseException as error:
        building.unlink(missing_ok=True)
        if isinstance(error, OSError):
            message = f"the decoded patches cannot be written to {cache}: {error.strerror}"
            raise OSError(message) from error
        raise
    bands = list(kind[2]) if kind is not None else []
    found = {"kept": kept, "faults": faults, "bands": bands}
    whole_files.write_json(cache.with_suffix(".json"), found)


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


def _none_for_all(wanted: Wanted, paths: Sequence[Path]) -> Wanted:
    """Name all bands of the files as None does, so that both share a cache."""
    if wanted.bands is None or wanted.bands != bands_of_first(paths, wanted.order):
        return wanted
    return replace(wanted, bands=None)


def bands_of_first(paths: Sequence[Path], order: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the names of all bands of the first patch that can be read; of none without one.

    Parameters
    ----------
    paths : sequence of Path
    order : sequence of str, optional
        BAND_NAMES: the bands in the order of the files, in place of what these say.
    """
    everything = Wanted(order=None if order is None else tuple(order))
    for path in paths:
        patch = _decode(path, everything)
        if not isinstance(patch, str):
            return _kind(patch, everything)[2]
    return ()


def open_good_patches(
    files: Sequence[str | os.PathLike[str]],
    band_names: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
    order: Sequence[str] | None = None,
) -> tuple[NDArray[Any], list[Path]]:
    """Open patches as one array, without those that are damaged if told so.

    Takes the arguments of `open_patches`.

    Returns
    -------
    patches : ndarray of shape (N, 64, 64, bands), uint8 or uint16, mapped from a file
    files : list of N paths
    """
    wanted = Wanted(*(None if names is None else tuple(names) for names in (band_names, order)))
    patches, found, paths = _open(files, wanted, cache)
    _check_faults(found["faults"], len(paths), skip_bad)
    return patches, [paths[position] for position in found["kept"]]


def bands_of_patches(
    files: Sequence[str | os.PathLike[str]],
    cache: str | os.PathLike[str] | None = None,
    order: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Return the names of the bands that `open_patches` gives when it is asked for all."""
    wanted = Wanted(None, None if order is None else tuple(order))
    return tuple(_open(files, wanted, cache)[1]["bands"])


def _open(
    files: Sequence[str | os.PathLike[str]], wanted: Wanted, cache: str | os.PathLike[str] | None
) -> tuple[NDArray[Any], dict[str, Any], list[Path]]:
    """Open the decoded patches, what was found about them, and all paths."""
    paths = [Path(file) for file in files]
    if not paths:
        raise ValueError("there are no patches to open")
    folder = Path(cache) if cache is not None else _folder_of(paths) / ".cache"
    _check_cache_folder(folder)
    wanted = _none_for_all(wanted, paths)
    listed, state = _fingerprints(paths, wanted)
    decoded = folder / f"{listed}-{state}.npy"
    with _turn(folder / f"{listed}.lock"):
        if not (_is_whole(decoded) and decoded.with_suffix(".json").is_file()):
            _build_cache(decoded, paths, wanted)
            _remove_stale(decoded, listed)
        found = whole_files.read_json(decoded.with_suffix(".json"))
        if not found["kept"]:
            _check_faults(found["faults"], len(paths), skip_bad=True)
        return np.load(decoded, mmap_mode="r"), found, paths


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
    order: Sequence[str] | None = None,
) -> NDArray[Any]:
    """Open patches as one array that is mapped from a file.

    The images are decoded once, in parallel, into a file that serves as long as the names,
    sizes and times of the images stay the same. Several runs may share it.

    Parameters
    ----------
    files : paths of images of 64x64 px
    band_names : bands wanted, in order; None: all that the files have
        Taken by the names that the files give them; without, from files with the 13 bands of
        EuroSAT or with red, green and blue; other files with as many bands as are named are taken
        to hold just these.
    cache : folder of decoded patches; None: `.cache` in the folder that all files lie under
    skip_bad : whether to leave damaged or different patches out, with a message
    order : bands in the order of the files, in place of what these say; "-" for one that is none

    Returns
    -------
    ndarray of shape (N, 64, 64, bands), uint8 or uint16, mapped from a file

    Raises
    ------
    ValueError
        When patches are damaged, or have another size, other bands or another type than the
        others; the message names every one of them.
    """
    return open_good_patches(files, band_names, cache, skip_bad, order)[0]

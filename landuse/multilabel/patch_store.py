"""Patches decoded once and packed into shards on disk: half a million, none held in memory.

A shard is a .npy file of some hundred patches, all bands at 10 m. It is written whole or not at
all, and a line in a journal with its checksum says that it is done, so a build that was stopped
goes on with the next shard.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from landuse import devices, files, sensors
from landuse.multilabel import ben_listing
from landuse.rasters import resampling, single_bands

SIDE = 120  # px at 10 m
BANDS = tuple(name for name in sensors.BANDS_MS if name != "B10")  # of Level 2A
RATIOS = {band.name: band.resolution // 10 for band in sensors.SENTINEL_2.bands}
SHARD = 256  # patches; 88 MB with 12 bands
CHECKED = 4  # shards whose checksums are compared when a store is opened
FORMAT = 1


def read_patch(folder: Path, band_names: Sequence[str]) -> np.ndarray:
    """Read the bands of a patch, those of 20 m and 60 m brought to 10 m as those of products are.

    Parameters
    ----------
    folder : Path
        Of the patch; its files are called like it.
    band_names : sequence of str

    Returns
    -------
    ndarray of shape (120, 120, bands), uint16, DN
        0 is nodata.

    Raises
    ------
    ValueError, OSError
        When a band is missing, damaged or of another size or type.
    """
    patch = np.empty((SIDE, SIDE, len(band_names)), np.uint16)
    for number, name in enumerate(band_names):
        path = folder / f"{folder.name}_{name}.tif"
        pixels = single_bands.read_band(path)
        ratio = RATIOS[name]
        side = SIDE // ratio
        if pixels.shape != (side, side) or pixels.dtype != np.uint16:
            raise ValueError(
                f"{path}: is {pixels.dtype} of {pixels.shape[0]}x{pixels.shape[1]} px, expected "
                f"uint16 of {side}x{side}"
            )
        if ratio > 1:
            pixels = resampling.upsample(np.pad(pixels, resampling.MARGIN), ratio)
        patch[..., number] = pixels
    return patch


class PatchStore:
    """Packed patches, read when they are asked for.

    Use `open_store`.

    Attributes
    ----------
    shape : tuple of int
        (N, 120, 120, bands)
    dtype : numpy.dtype
        uint16
    bad : dict of int to str
        Position of each patch that could not be read, and why; its pixels are 0.
    """

    def __init__(self, folder: Path, count: int, bands: int, bad: dict[int, str]) -> None:
        self.folder = folder
        self.shape = (count, SIDE, SIDE, bands)
        self.dtype = np.dtype(np.uint16)
        self.bad = bad

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, positions: Any) -> np.ndarray:
        """Read patches: a slice, or an array of positions; (n, 120, 120, bands)."""
        wanted = np.atleast_1d(np.arange(len(self))[positions])
        patches = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        size = patches[:1].nbytes
        shards = wanted // SHARD
        for shard in np.unique(shards):
            path = shard_path(self.folder, int(shard))
            in_shard = min(SHARD, len(self) - shard * SHARD)
            with open(path, "rb", buffering=0) as file:
                header = path.stat().st_size - in_shard * size
                for place in np.flatnonzero(shards == shard):
                    file.seek(int(header + (wanted[place] - shard * SHARD) * size))
                    if file.readinto(memoryview(patches[place]).cast("B")) != size:
                        raise OSError(f"{path}: ends too early; remove it to have it made again")
        return patches


class Part:
    """The patches of a store at these positions, in their order."""

    def __init__(self, store: PatchStore, positions: np.ndarray) -> None:
        self.store, self.positions = store, positions
        self.shape = (len(positions), *store.shape[1:])
        self.dtype = store.dtype

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, indices: Any) -> np.ndarray:
        """Read patches; (n, 120, 120, bands)."""
        return self.store[self.positions[indices]]


def check_bands(band_names: Sequence[str]) -> None:
    """Raise a ValueError for a band that patches of BigEarthNet lack."""
    lacking = [name for name in band_names if name not in BANDS]
    if lacking:
        raise ValueError(
            f"BANDS: patches of BigEarthNet are of Level 2A and have no {', '.join(lacking)}; they "
            f"have {', '.join(BANDS)}: BANDS = 'L2A' are all of them"
        )


def shard_path(folder: Path, shard: int) -> Path:
    """Give the file of a shard."""
    return folder / f"shard_{shard:05d}.npy"


def open_store(
    listing: ben_listing.Listing, band_names: Sequence[str], cache: str | Path | None = None
) -> PatchStore:
    """Open the packed patches of a listing; what is not packed yet is decoded first.

    Parameters
    ----------
    listing : Listing
    band_names : sequence of str
    cache : str or Path, optional
        Folder for packed patches; None: `.cache` in the folder of the data set.

    Raises
    ------
    ValueError
        For a band that the patches lack.
    OSError
        When there is no room, the folder cannot be written, or another run is packing.
    """
    check_bands(band_names)
    home = Path(cache) if cache is not None else listing.folder / ".cache"
    folder = home / _key(listing, band_names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the packed patches cannot be kept in {home} ({error.strerror}): set PATH_TO_STORE "
            "to a folder that can be written"
        ) from error
    count = len(listing.names)
    with files.lock(folder / "journal.txt", "packing patches in"):
        journal = _Journal(folder / "journal.txt")
        size = SIDE * SIDE * len(band_names) * 2
        todo = _missing(folder, journal, count, size)
        if todo:
            _check_room(folder, sum(_length(count, shard) for shard in todo) * size)
            _pack(listing, band_names, folder, journal, todo)
    return PatchStore(folder, count, len(band_names), journal.bad(count))


def _key(listing: ben_listing.Listing, band_names: Sequence[str]) -> str:
    told = json.dumps([FORMAT, SHARD, list(band_names), listing.names])
    return (
        f"{'_'.join(band_names) if len(band_names) < 4 else len(band_names)}-"
        + (hashlib.sha256(told.encode()).hexdigest()[:16])
    )


def _length(count: int, shard: int) -> int:
    """Patches in a shard."""
    return min(SHARD, count - shard * SHARD)


class _Journal:
    """Which shards are done: a line of JSON for each, with its checksum and its bad patches."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[int, dict[str, Any]] = {}
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if text and not text.endswith("\n"):  # cut short by a crash
            text = text[: text.rfind("\n") + 1]
            files.write_text(path, text)
        for line in text.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a damaged line: not done
                entry = json.loads(line)
                self.done[int(entry["shard"])] = entry

    def note(self, shard: int, checksum: int, bad: dict[int, str]) -> None:
        entry = {"shard": shard, "checksum": checksum, "bad": list(bad.items())}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.done[shard] = entry

    def bad(self, count: int) -> dict[int, str]:
        shards = range(-(-count // SHARD))
        return {int(place): why for shard in shards for place, why in self.done[shard]["bad"]}


def _missing(folder: Path, journal: _Journal, count: int, size: int) -> list[int]:
    """List the shards to pack: not done, of another size, damaged, or with bad patches."""
    shards = range(-(-count // SHARD))

    def is_there(shard: int) -> bool:
        path = shard_path(folder, shard)
        if shard not in journal.done or journal.done[shard]["bad"] or not path.is_file():
            return False
        header = path.stat().st_size - _length(count, shard) * size
        return 0 < header < 4096

    todo = [shard for shard in shards if not is_there(shard)]
    there = [shard for shard in shards if shard not in set(todo)]
    some = np.random.default_rng().permutation(there)[:CHECKED].tolist()

    def is_damaged(shard: int) -> bool:
        found = zlib.crc32(np.load(shard_path(folder, shard)).data)
        return bool(found != journal.done[shard]["checksum"])

    if any(is_damaged(shard) for shard in some):
        print(f"packed patches in {folder} are damaged; all of them are compared ...", flush=True)
        todo += [shard for shard in there if is_damaged(shard)]
    return sorted(todo)


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OSError(
            f"{folder}: the packed patches take {wanted / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB "
            "are free: set PATH_TO_STORE to another disk, fewer BANDS, or FRACTION_PATCHES"
        )


def _pack(
    listing: ben_listing.Listing,
    band_names: Sequence[str],
    folder: Path,
    journal: _Journal,
    todo: Sequence[int],
) -> None:
    count = len(listing.names)

    def read(position: int) -> np.ndarray | str:
        try:
            return read_patch(listing.path_of(position), band_names)
        except (ValueError, OSError) as error:
            return str(error)

    total = sum(_length(count, shard) for shard in todo)
    print(f"packing {total:,} patches, once, into {folder}", flush=True)
    with (
        ThreadPoolExecutor(devices.usable_cores()) as threads,
        tqdm(total=total, desc="packing patches", unit="patch", disable=None) as bar,
    ):
        for shard in todo:
            positions = range(shard * SHARD, shard * SHARD + _length(count, shard))
            patches = np.zeros((len(positions), SIDE, SIDE, len(band_names)), np.uint16)
            bad = {}
            for place, found in enumerate(threads.map(read, positions)):
                if isinstance(found, str):
                    bad[positions[place]] = found
                else:
                    patches[place] = found
                bar.update()
            with (
                files.atomic_path(shard_path(folder, shard)) as temporary,
                open(temporary, "wb") as file,
            ):
                np.save(file, patches)
            journal.note(shard, zlib.crc32(patches.data), bad)

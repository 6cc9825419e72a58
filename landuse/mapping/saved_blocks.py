"""Finished blocks, kept on disk, so that a run that was killed goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from landuse.mapping import map_blocks

_ENGINE = ", engine "  # in the first line of the journal


class SavedBlocks:
    """Arrays on disk that are filled block by block, and a journal of what is complete.

    A block counts as done when its line in the journal is whole and its checksum fits; the line is
    written after the block has reached the disk. The space is claimed at the start, so that a disk
    that is too small is known before the work.

    Parameters
    ----------
    folder : Path
        Where to keep them; made when missing, and emptied when it was made for another `key`.
    key : str
        Stands for everything that the values depend on.
    layout : dict
        Name -> (shape, data type, value of nodata) of each array; the last two axes are the map's.
    engine : str
        What makes the values, for `engine_of`; the key stands for it, too.
    """

    JOURNAL = "journal.txt"

    def __init__(
        self,
        folder: Path,
        key: str,
        layout: dict[str, tuple[tuple[int, ...], str, float]],
        engine: str = "",
    ) -> None:
        self.folder, self.layout = folder, layout
        known = f"landuse blocks, format 1, {key}"
        self._header = f"{known}{_ENGINE}{engine}" if engine else known
        self._refuse_foreign_folder()
        found = self._read_journal()[:1]
        self.goes_on = found in ([self._header], [known])  # older ones do not name the engine
        if not self.goes_on:
            self._start_anew()
        self.arrays = {
            name: np.memmap(folder / f"{name}.raw", dtype, "r+", shape=shape)
            for name, (shape, dtype, _) in layout.items()
        }
        self._checksums = self._checksums_in_journal()

    def _refuse_foreign_folder(self) -> None:
        """Raise a ValueError when there is anything but a journal and arrays of ours."""
        if not self.folder.exists():
            return
        found = {path.name for path in self.folder.iterdir()}
        ours = {self.JOURNAL} | {name for name in found if name.endswith(".raw")}
        lines = self._read_journal()
        if found - ours or (lines and not lines[0].startswith("landuse blocks, ")):
            raise ValueError(
                f"{self.folder}: the unfinished map is kept in this folder, but there is "
                f"something else in it: move it away"
            )

    def _read_journal(self) -> list[str]:
        """Whole lines of the journal; a line cut short by a crash is none."""
        path = self.folder / self.JOURNAL
        if not path.is_file():
            return []
        return path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]

    def _start_anew(self) -> None:
        remove_saved_blocks(self.folder)
        self.folder.mkdir()
        for name, (shape, dtype, nodata) in self.layout.items():
            _make_array(self.folder / f"{name}.raw", shape, dtype, nodata)
        _append_line(self.folder / self.JOURNAL, self._header)

    def _checksums_in_journal(self) -> dict[int, int]:
        lines = [line.split() for line in self._read_journal()[1:]]
        return {int(index): int(checksum) for index, checksum in lines}

    def is_done(self, index: int, block: map_blocks.Block) -> bool:
        """Whether the block of this number is complete."""
        return self._checksums.get(index) == self._checksum(block)

    def _checksum(self, block: map_blocks.Block) -> int:
        checksum = 0
        for array in self.arrays.values():
            checksum = zlib.crc32(array[..., *block.cells].tobytes(), checksum)
        return checksum

    def save(self, index: int, block: map_blocks.Block, values: dict[str, np.ndarray]) -> None:
        """Put a block's values on disk, then its line into the journal."""
        for name, array in self.arrays.items():
            array[..., *block.cells] = values[name]
            array.flush()
        self._checksums[index] = self._checksum(block)
        _append_line(self.folder / self.JOURNAL, f"{index} {self._checksums[index]}")


def _make_array(path: Path, shape: tuple[int, ...], dtype: str, nodata: float) -> None:
    """Write an array full of nodata; a full disk is an OSError here, not a crash later on."""
    row = np.full(shape[-1], nodata, dtype).tobytes()
    with _open_to_keep(path, "wb") as file:
        for _ in range(math.prod(shape[:-1])):
            file.write(row)


def _append_line(path: Path, line: str) -> None:
    with _open_to_keep(path, "ab") as file:
        file.write(f"{line}\n".encode())


@contextlib.contextmanager
def _open_to_keep(path: Path, mode: str) -> Iterator[Any]:
    """Open a file whose content is on disk at the end; errors say where and what to do."""
    try:
        with open(path, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(
            f"the unfinished map cannot be kept in {path.parent}: {error.strerror}; make room "
            f"there and run again"
        ) from error


def engine_of(folder: Path) -> str | None:
    """Give the engine that makes the blocks in a folder; None where nothing was begun.

    Older ones do not name it: then it is Keras, which was the default.

    Parameters
    ----------
    folder : Path
        Of an unfinished map.
    """
    path = folder / SavedBlocks.JOURNAL
    if not path.is_file():
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        first = file.readline(1000)
    return first.rstrip("\n").partition(_ENGINE)[2] or "keras"


def remove_saved_blocks(folder: Path) -> None:
    """Remove the folder of an unfinished map, after its end; one that is missing is none."""
    if folder.exists():
        shutil.rmtree(folder)


def key_of(settings: dict[str, Any]) -> str:
    """Give a key (hex) of everything that decides the values of a map.

    Parameters
    ----------
    settings : dict
        JSON-able: constants, hash of the model, identity of the product...
    """
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

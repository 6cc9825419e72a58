"""What was made of a model to compute with, kept for the next start in the user's cache folder.

An entry is one zip file, named after a checksum of all that it was made of: the model, shape and
precision, versions of the packages, and the code that made it. It holds arrays and graphs, and
nothing that Python runs. One that is damaged, or that another user could have written, counts as
missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import stat
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from landuse import files

VARIABLE = "LANDUSE_CACHE"  # of the environment: another folder
MOST_BYTES = 1 << 30  # of all entries together; those that were not used for longest go first
FORMAT = 1

_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def folder() -> Path:
    """Give the folder of the entries; it need not be there."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "landuse" / "networks"


def key_of(model_sha256: str, packages: Sequence[str], **how: Any) -> str:
    """Give the name of an entry (hex).

    Parameters
    ----------
    model_sha256 : str
        Checksum of the model's file.
    packages : sequence of str
        Installed ones, whose versions count.
    **how
        What else decides: engine, shape, precision...
    """
    facts = {
        "format": FORMAT,
        "model": model_sha256,
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "code": _code_digest(),
        **how,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def read(key: str) -> dict[str, bytes] | None:
    """Give the members of an entry, or None where it is missing, damaged or not our own.

    Parameters
    ----------
    key : str
        Of `key_of`.
    """
    path = _path(key)
    try:
        _check_own(path.parent.lstat(), stat.S_ISDIR)
        # A link could lead to what somebody else wrote.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(handle, "rb") as file:
            _check_own(os.fstat(handle), stat.S_ISREG)
            with zipfile.ZipFile(file) as archive:
                if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                    return None  # ours are not compressed, and cannot grow while they are read
                members = {name: archive.read(name) for name in archive.namelist()}
        with contextlib.suppress(OSError):
            os.utime(path)
    except _DAMAGES:
        return None
    return members


def write(key: str, members: Mapping[str, bytes]) -> int:
    """Keep an entry, and remove old ones where all would be too large together.

    Parameters
    ----------
    key : str
        Of `key_of`.
    members : mapping
        Name -> content.

    Returns
    -------
    int
        Bytes of the entry; 0 where it is too large to be kept.

    Raises
    ------
    OSError
        When it cannot be kept.
    """
    size = sum(map(len, members.values()))
    if size > MOST_BYTES // 2:
        return 0
    path = _path(key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_own(path.parent.lstat(), stat.S_ISDIR)
    with files.atomic_path(path) as temporary:
        temporary.touch(0o600)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    _remove_old(path)
    return size


def remove(key: str) -> None:
    """Remove an entry that cannot be used."""
    with contextlib.suppress(OSError):
        _path(key).unlink()


def _path(key: str) -> Path:
    return folder() / f"{key}.zip"


def _check_own(found: os.stat_result, is_kind: Any) -> None:
    """Raise an OSError for what is of another kind, or what another user can write to."""
    strange = hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022)
    if strange or not is_kind(found.st_mode):
        raise PermissionError(f"{folder()} or what is in it is not this user's alone")


def _remove_old(newest: Path) -> None:
    with contextlib.suppress(OSError):
        entries = [(path.stat(), path) for path in newest.parent.glob("*.zip") if path != newest]
        left = MOST_BYTES - newest.stat().st_size
        for state, path in sorted(entries, key=lambda entry: entry[0].st_mtime, reverse=True):
            left -= state.st_size
            if left < 0:
                path.unlink()

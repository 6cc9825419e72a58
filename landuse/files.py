"""Files and folders that are written whole or not at all, locks, JSON and checksums."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


if sys.platform == "win32":
    import msvcrt

    def flock(handle: int, wait: bool = False) -> None:
        """Lock an open file until it is closed; BlockingIOError if another run holds it."""
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
                return
            except OSError as error:
                if not wait:
                    raise BlockingIOError(errno.EAGAIN, "the file is locked") from error
                time.sleep(1)

else:
    import fcntl

    def flock(handle: int, wait: bool = False) -> None:
        """Lock an open file until it is closed; BlockingIOError if another run holds it."""
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path that becomes `path` when the block ends without an error.

    The temporary file has the same name in a hidden folder beside `path`, so that writers that
    go by the name's ending work. Side files that a writer puts beside it (``.aux.xml``) move
    along, before the file itself. After an error, and after a killed process at the next call
    for the same path, nothing of the attempt is left.

    Parameters
    ----------
    path : str or Path
        File to write or replace. A symbolic link is followed.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    OSError
        When `path` cannot be written, the disk is full, or the block wrote nothing.
    """
    check_can_write(path)
    target = Path(os.path.realpath(path))
    with private_folder(target) as folder:
        temporary = folder / target.name
        with _errors_about(path, folder):
            yield temporary
            if not temporary.is_file():
                raise OSError(f"nothing was written to {path}")
            written = sorted(folder.iterdir(), key=lambda file: file == temporary)
            for file in written:
                _flush_to_disk(file)
        for file in written:
            file.replace(target.parent / file.name)
        _flush_to_disk(target.parent)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Give a new folder that takes the place of `path` when the block ends without an error.

    What was there is removed then; whether it may be is for the caller to know. After an error,
    and after a killed process at the next call for the same path, nothing of the attempt is left.

    Parameters
    ----------
    path : str or Path
        Folder to make or replace; its parent must be there. A symbolic link is followed.

    Yields
    ------
    Path
        An empty folder of the same name.
    """
    target = Path(os.path.realpath(path))
    with private_folder(target) as folder:
        made = folder / target.name
        made.mkdir()
        with _errors_about(path, folder):
            yield made
        if target.exists():
            target.replace(folder / "before")
        made.replace(target)


@contextlib.contextmanager
def _errors_about(path: str | Path, folder: Path) -> Iterator[None]:
    """Let errors of a full disk, and those of files in the folder, name the path instead."""
    try:
        yield
    except OSError as error:
        nameless = error.filename is None and error.errno in _NO_ROOM
        if nameless or str(folder) in str(error.filename):
            error.filename = str(path)
        raise


@contextlib.contextmanager
def private_folder(target: Path) -> Iterator[Path]:
    """Give a hidden folder beside `target`, which is gone after the block."""
    # The flock tells a folder in use from one that a killed process left.
    prefix, suffix = f".{target.name[:50]}.", ".partial"
    for stale in target.parent.glob(f"{_escape(prefix)}*{suffix}"):
        _remove_if_unused(stale)
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=target.parent))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":  # it cannot open folders
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems know no flock
            flock(handle)
        yield
    finally:
        os.close(handle)


def _escape(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _remove_if_unused(folder: Path) -> None:
    if sys.platform == "win32":  # there, nothing tells whether it is in use
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            flock(handle)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _flush_to_disk(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync a folder
            raise
    finally:
        os.close(handle)


def check_can_write(path: str | Path) -> None:
    """Check, before long work, that a file can be written.

    Parameters
    ----------
    path : str or Path
        File to be written later.

    Raises
    ------
    OSError
        When its folder is missing, is not a folder or cannot be written, or when `path` is a
        folder itself.
    """
    target = Path(os.path.realpath(path))
    folder = target.parent
    if target.is_dir():
        raise IsADirectoryError(f"cannot write the file {path}: there is a folder of that name")
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if not above.is_dir():
            raise NotADirectoryError(f"cannot write {path}: {above} is a file, not a folder")
        raise FileNotFoundError(
            f"cannot write {path}: the folder {folder} does not exist; make it first"
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"cannot write {path}: {folder} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write {path}: no permission to write in {folder}")


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; line ends stay as they are."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to write or replace.
    value : object
        What JSON can hold, numpy scalars and arrays, and paths.

    Raises
    ------
    ValueError
        When the value holds something else, NaN or infinity.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except (ValueError, TypeError) as error:
        raise ValueError(f"cannot write {path}: {error}") from error
    write_text(path, text + "\n")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"JSON cannot hold a {type(value).__name__}")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : str or Path
        File to read.

    Returns
    -------
    object
        Its value.

    Raises
    ------
    OSError
        When there is no such file or it cannot be read.
    ValueError
        When it is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {path}") from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


@contextlib.contextmanager
def lock(path: str | Path, purpose: str) -> Iterator[None]:
    """Keep other runs from the same work while the block runs.

    The lock is an flock on ``<path>.lock``: it ends with the process, however that ends, and a
    lock file that was left behind locks nobody out.

    Parameters
    ----------
    path : str or Path
        File or folder that the work is about; it need not exist, its folder must.
    purpose : str
        What the work is, for the other run's message: "writing the map".

    Raises
    ------
    OSError
        When another run holds the lock, or the lock file cannot be made.
    """
    lock_file = Path(f"{Path(path)}.lock")
    check_can_write(lock_file)
    handle = _take_lock(lock_file, f"another run is {purpose}: {path}; wait until it has finished")
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # Windows keeps open files
            lock_file.unlink(missing_ok=True)  # while it is locked, so that nobody waits on it
        os.close(handle)


def _take_lock(lock_file: Path, message: str) -> int:
    while True:
        handle = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            flock(handle)
            if _is_same_file(handle, lock_file):
                return handle
        except BlockingIOError as error:
            os.close(handle)
            raise OSError(message) from error
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the former holder removed the file in between: lock the new one


def _is_same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    return _digest(path, "sha256")


def md5(path: str | Path) -> str:
    """Return the MD5 of a file as hexadecimal digits."""
    return _digest(path, "md5")


def _digest(path: str | Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()

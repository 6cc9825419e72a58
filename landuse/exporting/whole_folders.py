"""Folders that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from landuse import files


@contextlib.contextmanager
def whole_folder(path: Path, marker: str) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        Folder to make. One that an earlier export made is replaced.
    marker : str
        A file in it by which such a one is known.

    Raises
    ------
    OSError
        When there is something else of that name, or it cannot be written.
    """
    check(path, marker)
    target = Path(os.path.realpath(path))
    with files.private_folder(target) as folder:
        made = folder / target.name
        made.mkdir()
        yield made
        if target.exists():
            target.replace(folder / "before")
        made.replace(target)


def check(path: Path, marker: str) -> None:
    """Raise an OSError when a folder cannot be made, or replaced."""
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise FileExistsError(
            f"the folder {path} is there and is no export: name another PATH_TO_EXPORT"
        )
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file: name another PATH_TO_EXPORT")
    if not path.exists():
        files.check_can_write(path)

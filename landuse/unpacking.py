"""Archives that came from elsewhere, unpacked safely."""

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from landuse import files

_CHUNK = 1 << 20  # bytes copied at a time
_BOMB_RATIO = 100  # unpacked to packed; deflate reaches 1032, images about 2
_BOMB_FLOOR = 100 << 20  # bytes that any archive may unpack to


def unzip(
    archive: str | Path, folder: str | Path, select: Callable[[Path], Path] | None = None
) -> None:
    """Unpack a zip archive into a new folder, all of it or nothing.

    Parameters
    ----------
    archive : str or Path
        Zip file; it is not trusted.
    folder : str or Path
        Folder to make; it must not exist, or be empty.
    select : callable, optional
        Is given the folder of all that was unpacked; returns the folder in it that becomes
        `folder`, or raises when something is wrong with the content. The rest is dropped.

    Raises
    ------
    ValueError
        When the archive is not a whole zip file, or would unpack to far more than images do, or
        when a member would leave the folder, is a link, is encrypted or comes twice.
    OSError
        When the folder is there already or the disk is too small.
    """
    target = Path(os.path.realpath(folder))
    if target.is_dir() and any(target.iterdir()):
        raise FileExistsError(f"cannot unpack {archive}: the folder {folder} is not empty")
    if not target.is_dir():
        files.check_can_write(target)
    try:
        with zipfile.ZipFile(archive) as source:
            members = source.infolist()
            _check_members(members, archive)
            _check_sizes(members, archive, target.parent)
            with files.private_folder(target) as temporary:
                unpacked = temporary / "unpacked"
                unpacked.mkdir()
                _unpack(source, members, unpacked)
                (select(unpacked) if select else unpacked).replace(target)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {archive}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise ValueError(f"{archive} is not a whole zip file: {error}") from error


def _check_members(members: list[zipfile.ZipInfo], archive: str | Path) -> None:
    seen: set[PurePosixPath] = set()
    for member in members:
        fault = _fault_of_member(member, seen)
        if fault:
            raise ValueError(f"{archive} was not unpacked: its member {member.filename!r} {fault}")
        seen.add(PurePosixPath(member.filename))


def _fault_of_member(member: zipfile.ZipInfo, seen: set[PurePosixPath]) -> str | None:
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute() or "\\" in member.filename or ":" in member.filename.split("/")[0]:
        return "has an absolute or foreign path"
    if ".." in path.parts or not path.parts:
        return "would leave the folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & 0x1:
        return "is encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed by a method other than deflate"
    if path in seen and not member.is_dir():
        return "comes twice"
    return None


def _check_sizes(members: list[zipfile.ZipInfo], archive: str | Path, folder: Path) -> None:
    packed = Path(archive).stat().st_size
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_BOMB_RATIO * packed, _BOMB_FLOOR):
        raise ValueError(
            f"{archive} was not unpacked: its {packed:,} bytes would become {unpacked:,}, "
            f"more than {_BOMB_RATIO} times as many"
        )
    free = shutil.disk_usage(folder).free
    if unpacked > free:
        raise OSError(
            f"not enough space in {folder} to unpack {archive}: "
            f"{unpacked:,} bytes are needed, {free:,} are free"
        )


def _unpack(source: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    total = sum(member.file_size for member in members)
    with tqdm(total=total, unit="B", unit_scale=True, desc="unpacking") as bar:
        for member in members:
            path = folder / member.filename
            if member.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            # zipfile reads no more than the declared size and then compares the CRC.
            with source.open(member) as packed, open(path, "xb") as file:
                while chunk := packed.read(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))

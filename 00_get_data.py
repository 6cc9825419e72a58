"""Script 00: get labelled patches, and for the sample also a scene to map.

DATASET = "sample" makes a small landscape on this machine, without a download:
    data/sample/EuroSAT_MS/<Class>/*.tif     patches of 13 bands
    data/sample/EuroSAT_RGB/<Class>/*.jpg    the same patches in true colours
    data/sample/scene.tif                    a scene to classify
    data/sample/scene_truth.tif              what lies where in that scene

DATASET = "EuroSAT_RGB" (95 MB) or "EuroSAT_MS" (2.1 GB, unpacked 2.9 GB) gets the 27,000 real
patches of EuroSAT from Zenodo into data/EuroSAT_RGB or data/EuroSAT_MS. A broken download goes
on where it stopped, and what is there already is not fetched again. Where there is no network,
put the zip file into the data folder by hand and run this step.

DATASET = "web_runtime" (15 MB) gets what the page of step 12 runs on into data/web_runtime.

Run:
    python 00_get_data.py
    python 00_get_data.py --dataset EuroSAT_RGB

EuroSAT: Helber et al. 2019, https://zenodo.org/records/7711810, MIT licence.
"""

import errno
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from landuse import command_line, downloads, files

# What to get, and where to put it
DATASET: Literal["sample", "EuroSAT_RGB", "EuroSAT_MS", "web_runtime"] = (
    "sample"  # sample: made here
)
PATH_TO_DATA = "data"  # the data set gets its own folder in here

# The sample
SAMPLE_PATCHES_PER_CLASS = 200  # patches of each of the ten classes
SAMPLE_SCENE_SIZE = 640  # px (640 or more), rows and columns of the scene
SEED = 42  # the same seed gives the same sample

# EuroSAT
DOWNLOADS: dict[str, dict[str, Any]] = {
    "EuroSAT_RGB": {
        "url": "https://zenodo.org/records/7711810/files/EuroSAT_RGB.zip",
        "size": 94_658_721,
        "md5": "f46e308c4d50d4bf32fedad2d3d62f3b",
    },
    "EuroSAT_MS": {
        "url": "https://zenodo.org/records/7711810/files/EuroSAT_MS.zip",
        "size": 2_065_402_329,
        "md5": "091174add3c8e680a49244acf185b9f0",
    },
}
CLASS_COUNTS = {
    "AnnualCrop": 3000,
    "Forest": 3000,
    "HerbaceousVegetation": 3000,
    "Highway": 2500,
    "Industrial": 2500,
    "Pasture": 2000,
    "PermanentCrop": 2500,
    "Residential": 3000,
    "River": 2500,
    "SeaLake": 3000,
}
TIMEOUT = 30.0  # s without an answer after which a connection counts as broken
RETRIES = 3  # connections in a row that may break without bringing anything

_CHUNK = 1 << 18  # bytes read at a time


class _ConnectionBrokenError(Exception):
    """The rest of a file did not come; what came is kept."""


def main() -> None:
    """Make or fetch the data set, unless it is there."""
    folder = Path(PATH_TO_DATA) / DATASET
    if DATASET == "sample":
        from landuse.sample import sample_files

        sample_files.write_sample(folder, SAMPLE_PATCHES_PER_CLASS, SEED, SAMPLE_SCENE_SIZE)
    elif DATASET == "web_runtime":
        get_web_runtime(folder)
    else:
        get_eurosat(folder, **DOWNLOADS[DATASET])
    print(f"data: {folder}")


def get_web_runtime(folder: Path) -> None:
    """Fetch the files that a page of step 12 runs on, and check them.

    Parameters
    ----------
    folder : Path
        Where they go; those that are there are not fetched again.
    """
    from landuse.exporting import web_runtime

    _make_folder(folder)
    with files.lock(folder, "getting what the page runs on"):
        for file in web_runtime.FILES:
            path = folder / file.name
            if not path.exists():
                download(file.url, path, file.size, file.md5)
            check_archive(path, file.url, file.size, file.md5)


def get_eurosat(folder: Path, url: str, size: int, md5: str) -> None:
    """Fetch, check and unpack one form of EuroSAT.

    Parameters
    ----------
    folder : Path
        Where the ten class folders go. The archive is kept, or looked for, beside it.
    url : str
        Address of the archive.
    size : int
        Bytes of the archive.
    md5 : str
        Checksum of the archive, hexadecimal.

    Raises
    ------
    ValueError
        When the archive or the images in it are not those of EuroSAT.
    OSError
        When the archive cannot be fetched or something cannot be written.
    """
    _make_folder(folder.parent)
    with files.lock(folder, "getting the data set"):
        if folder.exists():
            check_classes(folder)
            print(f"{folder} is there already, with all its images")
            return
        archive = folder.with_name(f"{folder.name}.zip")
        if not archive.exists():
            download(url, archive, size, md5)
        check_archive(archive, url, size, md5)
        downloads.unzip(archive, folder, select=_find_classes)
        print(f"{archive} is not needed any more")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"cannot make the folder {folder}: a file is in its way"
        ) from error


def check_classes(folder: Path) -> None:
    """Check that a folder holds the ten classes of EuroSAT with all their images.

    Parameters
    ----------
    folder : Path
        Folder of class folders.

    Raises
    ------
    ValueError
        When a class is missing, is not one of EuroSAT's, or has another number of images.
    """
    found = _count_images(folder)
    names = sorted(CLASS_COUNTS.keys() | found.keys())
    wrong = [
        f"{name} {found.get(name, 0)} instead of {CLASS_COUNTS.get(name, 0)}"
        for name in names
        if found.get(name, 0) != CLASS_COUNTS.get(name, 0)
    ]
    if wrong:
        raise ValueError(
            f"{folder} is not the whole EuroSAT: images of {', '.join(wrong)}; "
            "move it away and run this step again"
        )


def _count_images(folder: Path) -> dict[str, int]:
    return {
        entry.name: sum(file.suffix in (".jpg", ".tif") for file in entry.iterdir())
        for entry in folder.iterdir()
        if entry.is_dir()
    }


def check_archive(archive: Path, url: str, size: int, md5: str) -> None:
    """Check that a file is the published archive.

    Parameters
    ----------
    archive : Path
        File to check.
    url : str
        Where the right file is found, for the message.
    size : int
        Expected bytes.
    md5 : str
        Expected checksum, hexadecimal.

    Raises
    ------
    ValueError
        When it is another file.
    """
    found = f"{archive.stat().st_size:,} bytes"
    expected = f"{size:,} bytes"
    if found == expected:
        found, expected = f"md5 {files.md5(archive)}", f"md5 {md5}"
    if found != expected:
        raise ValueError(
            f"{archive} is broken or another file: it has {found}, expected {expected}; "
            f"delete it and run this step again, or replace it by {url}"
        )


def _find_classes(unpacked: Path) -> Path:
    """Find the folder of class folders, wherever the archive has it, and check it."""
    first = next(iter(CLASS_COUNTS))
    folder = next((path.parent for path in sorted(unpacked.rglob(first))), unpacked)
    try:
        check_classes(folder)
    except ValueError as error:
        message = str(error).removeprefix(f"{folder} ").partition(";")[0]
        raise ValueError(f"what was unpacked {message}; nothing of it was kept") from error
    return folder


def download(url: str, path: Path, size: int, md5: str) -> None:
    """Fetch a file, going on after broken connections, and check it.

    What has come lies in ``<path>.part`` until all is there; another call goes on from it.

    Parameters
    ----------
    url : str
        Address of the file.
    path : Path
        Where to put it.
    size : int
        Expected bytes.
    md5 : str
        Expected checksum, hexadecimal.

    Raises
    ------
    OSError
        When it cannot be fetched; the message says where to put a file fetched by hand.
    ValueError
        When something else was fetched.
    """
    part = path.with_name(f"{path.name}.part")
    _check_space(part, size)
    try:
        _fetch_all(url, part, size)
    except _ConnectionBrokenError as error:
        raise OSError(
            f"cannot download {url}: {error}. Run this step again to go on, or download that "
            f"file with a browser, put it at {path.absolute()} and run this step again"
        ) from error
    print(f"checking {path.name}")
    found = files.md5(part)
    if found != md5:
        part.unlink()
        raise ValueError(
            f"what came from {url} has md5 {found}, expected {md5}; it was removed, "
            "run this step again to download it anew"
        )
    _publish(part, path)


def _check_space(part: Path, size: int) -> None:
    there = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(part.parent).free
    if free < size - there:
        raise OSError(
            errno.ENOSPC,
            f"not enough space for a download of {size - there:,} bytes: {free:,} are free",
            str(part.parent),
        )


def _publish(part: Path, path: Path) -> None:
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _fetch_all(url: str, part: Path, size: int) -> None:
    failures = 0
    while True:
        there = part.stat().st_size if part.exists() else 0
        try:
            _fetch_rest(url, part, size)
            return
        except _ConnectionBrokenError as error:
            came = part.exists() and part.stat().st_size > there
            failures = 1 if came else failures + 1
            if failures > RETRIES:
                raise
            print(f"{error}; trying again")
            time.sleep(2.0 ** (failures - 2))


def _fetch_rest(url: str, part: Path, size: int) -> None:
    there = part.stat().st_size if part.exists() else 0
    if there == size:
        return
    if there > size:
        there = 0
    with _open_url(url, there) as response:
        there = _accepted_start(response, there, url, size)
        bar = tqdm(total=size, initial=there, unit="B", unit_scale=True, desc=part.stem)
        with bar, open(part, "rb+" if there else "wb") as file:
            file.seek(there)
            file.truncate()
            while there < size and (chunk := _read(response, min(_CHUNK, size - there))):
                file.write(chunk)
                there += len(chunk)
                bar.update(len(chunk))
    if there < size:
        raise _ConnectionBrokenError(f"the connection ended after {there:,} of {size:,} bytes")


def _open_url(url: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "landuse/0.1", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        raise _ConnectionBrokenError(f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _ConnectionBrokenError(f"no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionBrokenError(f"no connection ({error})") from error


def _accepted_start(response: http.client.HTTPResponse, start: int, url: str, size: int) -> int:
    """Return the offset of the first byte that the server sends, 0 when it begins anew."""
    total = response.headers.get("Content-Length")
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        span, _, total = response.headers.get("Content-Range", "").partition("/")
        if not span.startswith(f"bytes {start}-"):
            raise _ConnectionBrokenError(f"the server sent another part than asked for ({span})")
    else:
        start = 0
    if total and total.isdigit() and int(total) != size:
        raise ValueError(f"{url} has {int(total):,} bytes there, expected {size:,}: not fetched")
    return start


def _read(response: http.client.HTTPResponse, count: int) -> bytes:
    try:
        return response.read(count)
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionBrokenError(f"the connection broke ({error})") from error


if __name__ == "__main__":
    command_line.run(main, globals())

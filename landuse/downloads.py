"""Files fetched from the web, going on where a connection broke, and checked; who answers there."""

import errno
import http.client
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from landuse import files

_CHUNK = 1 << 18  # bytes read at a time


class _ConnectionBrokenError(Exception):
    """The rest of a file did not come; what came is kept."""


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
            f"move it away and run this step again, or replace it by {url}. If it holds patches in "
            "a folder for each class all the same, unpack it and give that folder to script 01"
        )


def download(
    url: str, path: Path, size: int, md5: str, timeout: float = 30.0, retries: int = 3
) -> None:
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
    timeout : float
        Seconds without an answer after which a connection counts as broken.
    retries : int
        Connections in a row that may break without bringing anything.

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
        _fetch_all(url, part, size, timeout, retries)
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


def _fetch_all(url: str, part: Path, size: int, timeout: float, retries: int) -> None:
    failures = 0
    while True:
        there = part.stat().st_size if part.exists() else 0
        try:
            _fetch_rest(url, part, size, timeout)
            return
        except _ConnectionBrokenError as error:
            came = part.exists() and part.stat().st_size > there
            failures = 1 if came else failures + 1
            if failures > retries:
                raise
            print(f"{error}; trying again")
            time.sleep(2.0 ** (failures - 2))


def _fetch_rest(url: str, part: Path, size: int, timeout: float) -> None:
    there = part.stat().st_size if part.exists() else 0
    if there == size:
        return
    if there > size:
        there = 0
    with _open_url(url, there, timeout) as response:
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


def _open_url(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "landuse/0.1", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=timeout)
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


def wait_for_answer(address: str, seconds: float) -> str:
    """Wait until somebody listens at host:port; give what kept it from that, "" if somebody does.

    Parameters
    ----------
    address : str
        host:port; nothing is sent there.
    seconds : float
        To wait at most, once at least.
    """
    host, port = address.rsplit(":", 1)
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
            return ""
        except OSError as error:
            if time.monotonic() > end:
                return str(error)
            time.sleep(0.5)

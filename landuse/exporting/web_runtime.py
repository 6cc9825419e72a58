"""What the browser page runs on: onnxruntime-web and geotiff.js, fetched once and kept.

They are packages of the npm registry, and too large for this repository (the network's engine has
14 MB). Nobody needs npm: the three files are fetched from a public mirror of the registry, checked
against the digests below, and kept. Where there is no network, `npm pack` elsewhere gives archives
to bring along.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from landuse import files

MIRRORS = ("https://cdn.jsdelivr.net/npm", "https://unpkg.com")
SECONDS = 30  # without a byte, after which a mirror is given up


@dataclass(frozen=True)
class RuntimeFile:
    """A file of an npm package.

    Parameters
    ----------
    package, version : str
    path : str
        In the package.
    size : int
        Bytes.
    sha256 : str
    """

    package: str
    version: str
    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def archive(self) -> str:
        """What `npm pack` calls the package."""
        return f"{self.package}-{self.version}.tgz"


LIBRARY = RuntimeFile(
    "onnxruntime-web",
    "1.30.0",
    "dist/ort.wasm.bundle.min.mjs",
    73_054,
    "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
)
WASM = RuntimeFile(
    "onnxruntime-web",
    "1.30.0",
    "dist/ort-wasm-simd-threaded.wasm",
    14_239_897,
    "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
)
GEOTIFF = RuntimeFile(
    "geotiff",
    "3.0.5",
    "dist-browser/geotiff.js",
    550_900,
    "8cfc01ffc945904766d8fb89f19da7afb799e342834454f5592fbcf0bcfe2db5",
)
FILES = (LIBRARY, WASM, GEOTIFF)


def cache_folder() -> Path:
    """Give the folder in which the files are kept for the next export."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "landuse"


def find(folder: str | Path | None = None) -> dict[str, bytes]:
    """Give the files of the runtime: of a folder, of the cache, or fetched.

    Parameters
    ----------
    folder : str or Path, optional
        With the three files, or the archives that `npm pack` makes. None: the cache, which is
        filled from the network if it has not them.

    Returns
    -------
    dict of str to bytes
        By their own names.

    Raises
    ------
    OSError
        When a file is not there and cannot be fetched.
    ValueError
        When it is another one than expected.
    """
    if folder is not None:
        return {file.name: _of_folder(Path(folder), file) for file in FILES}
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    return {file.name: _of_cache(cache, file) for file in FILES}


def _of_folder(folder: Path, file: RuntimeFile) -> bytes:
    if (folder / file.name).is_file():
        return _checked((folder / file.name).read_bytes(), file, folder / file.name)
    archive = folder / file.archive
    if not archive.is_file():
        raise FileNotFoundError(
            f"PATH_TO_WEB_RUNTIME: {folder} has neither {file.name} nor {file.archive}, which "
            f"`{_npm()}` makes"
        )
    try:
        with tarfile.open(archive) as packed:
            member = packed.extractfile(f"package/{file.path}")
            content = member.read() if member else b""
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise ValueError(f"{archive} is damaged ({error}): make it again") from error
    return _checked(content, file, archive)


def _npm() -> str:
    return f"npm pack {LIBRARY.package}@{LIBRARY.version} {GEOTIFF.package}@{GEOTIFF.version}"


def _of_cache(cache: Path, file: RuntimeFile) -> bytes:
    kept = cache / f"{file.package}-{file.version}-{file.name}"
    if kept.is_file() and hashlib.sha256(kept.read_bytes()).hexdigest() == file.sha256:
        return kept.read_bytes()
    content = _fetch(file)
    with files.atomic_path(kept) as temporary:
        temporary.write_bytes(content)
    return content


def _fetch(file: RuntimeFile) -> bytes:
    reasons = []
    for mirror in MIRRORS:
        url = f"{mirror}/{file.package}@{file.version}/{file.path}"
        try:
            return _checked(_download(url, file.size), file, url)
        except (OSError, ValueError) as error:
            reasons.append(str(getattr(error, "reason", error)))
    raise OSError(
        f"{file.name} of {file.package} could not be fetched ({'; '.join(reasons)}). On a machine "
        f"that has npm, run `{_npm()}`, and name the folder of what it makes here: "
        "PATH_TO_WEB_RUNTIME"
    )


def _download(url: str, size: int) -> bytes:
    pieces, most = [], size + 1
    with (
        urllib.request.urlopen(url, timeout=SECONDS) as answer,
        tqdm(total=size, desc=url.rsplit("/", 1)[-1], unit="B", unit_scale=True) as bar,
    ):
        while piece := answer.read(min(1 << 16, most)):
            pieces.append(piece)
            most -= len(piece)
            bar.update(len(piece))
    return b"".join(pieces)


def _checked(content: bytes, file: RuntimeFile, source: str | Path) -> bytes:
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ValueError(
            f"{source}: is not {file.name} of {file.package} {file.version} (another digest)"
        )
    return content

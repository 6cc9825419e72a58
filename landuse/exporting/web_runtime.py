"""What the browser page runs on: onnxruntime-web and geotiff.js, of which each file is checked.

They are packages of npm, and too large for this repository (the engine has 14 MB). Nobody needs npm
for them: script 00 fetches the files from a public mirror of npm. Where there is no network,
`npm pack` elsewhere gives archives to bring along.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

MIRROR = "https://cdn.jsdelivr.net/npm"


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
    md5, sha256 : str
    """

    package: str
    version: str
    path: str
    size: int
    md5: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def url(self) -> str:
        """Where script 00 fetches it."""
        return f"{MIRROR}/{self.package}@{self.version}/{self.path}"

    @property
    def archive(self) -> str:
        """What `npm pack` calls the package."""
        return f"{self.package}-{self.version}.tgz"


LIBRARY = RuntimeFile(
    "onnxruntime-web",
    "1.30.0",
    "dist/ort.wasm.bundle.min.mjs",
    73_054,
    "b666f3a4d4a755b84185ffa15c979203",
    "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
)
WASM = RuntimeFile(
    "onnxruntime-web",
    "1.30.0",
    "dist/ort-wasm-simd-threaded.wasm",
    14_239_897,
    "bf7105678a03865282d172dab08b1ac6",
    "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
)
GEOTIFF = RuntimeFile(
    "geotiff",
    "3.0.5",
    "dist-browser/geotiff.js",
    550_900,
    "cb17908394a2e0b541012c0e6b5a63db",
    "8cfc01ffc945904766d8fb89f19da7afb799e342834454f5592fbcf0bcfe2db5",
)
GPU_LIBRARY = RuntimeFile(
    "onnxruntime-web",
    "1.30.0",
    "dist/ort.webgpu.bundle.min.mjs",
    117_732,
    "89ac4ce7801e3f1b46f1f9e6bf1db1b8",
    "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
)
GPU_WASM = RuntimeFile(
    "onnxruntime-web",
    "1.30.0",
    "dist/ort-wasm-simd-threaded.asyncify.wasm",
    26_781_914,
    "f289a140b98ba43e0d18a59d8d28e115",
    "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
)
FILES = (LIBRARY, WASM, GEOTIFF)  # what every page needs
GPU_FILES = (GPU_LIBRARY, GPU_WASM)  # for WebGPU; a page works without


def find(folder: str | Path) -> dict[str, bytes]:
    """Read the files of the runtime, and check that they are the ones.

    Parameters
    ----------
    folder : str or Path
        With the files that script 00 fetches, or the archives that `npm pack` makes.

    Returns
    -------
    dict of str to bytes
        By their own names; those for WebGPU only where all of them are there.

    Raises
    ------
    OSError
        When a file is not there.
    ValueError
        When it is another one than expected.
    """
    check(folder)
    with_gpu = all(_is_there(folder, file) for file in GPU_FILES)
    wanted = FILES + GPU_FILES if with_gpu else FILES
    return {file.name: _read(Path(folder), file) for file in wanted}


def _is_there(folder: str | Path, file: RuntimeFile) -> bool:
    return any((Path(folder) / name).is_file() for name in (file.name, file.archive))


def check(folder: str | Path) -> None:
    """Raise an OSError, before long work, when a file that every page needs is not there."""
    for file in FILES:
        if not _is_there(folder, file):
            raise FileNotFoundError(
                f"PATH_TO_WEB_RUNTIME: {folder} has no {file.name}, which the page runs on. Fetch "
                "it: python 00_get_data.py --dataset web_runtime; or give a folder with what "
                f"`{npm_line()}` makes on a machine that has npm"
            )


def npm_line() -> str:
    """Give the command that packs what the page runs on."""
    return f"npm pack {LIBRARY.package}@{LIBRARY.version} {GEOTIFF.package}@{GEOTIFF.version}"


def _read(folder: Path, file: RuntimeFile) -> bytes:
    source = folder / file.name
    if source.is_file():
        content = source.read_bytes()
    else:
        source = folder / file.archive
        content = _unpacked(source, file)
    if sha256(content).hexdigest() != file.sha256:
        raise ValueError(
            f"{source}: is not {file.name} of {file.package} {file.version} (another checksum): "
            "delete it and fetch it again"
        )
    return content


def _unpacked(archive: Path, file: RuntimeFile) -> bytes:
    try:
        with tarfile.open(archive) as packed:
            member = packed.extractfile(f"package/{file.path}")
            return member.read() if member else b""
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise ValueError(f"{archive} is damaged ({error}): make it again") from error

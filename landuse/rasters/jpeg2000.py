"""JPEG 2000: whether this GDAL can read it, and whether a file of it is whole."""

from pathlib import Path
from typing import Any

from landuse.rasters.gdal_setup import gdal

DRIVER = "JP2OpenJPEG"
CODESTREAM = b"jp2c"
END_OF_CODESTREAM = b"\xff\xd9"


def check_can_be_read(path: str | Path) -> None:
    """Raise an OSError for a JPEG 2000 file where GDAL was built without a reader of it."""
    if gdal.GetDriverByName(DRIVER) is None and Path(str(path)).suffix.lower() == ".jp2":
        raise OSError(
            f"{path}: this GDAL {gdal.VersionInfo('RELEASE_NAME')} cannot read JPEG 2000, it has "
            f"no driver {DRIVER}; the file may be sound. With conda: conda install -c conda-forge "
            "libgdal-jp2openjpeg; else a GDAL built with OpenJPEG"
        )


def check_complete(path: str | Path) -> None:
    """Refuse a JPEG 2000 file that ends early; OpenJPEG may fill its missing part with zeros."""
    start, size = 0, gdal.VSIStatL(str(path)).size
    stream = gdal.VSIFOpenL(str(path), "rb")
    try:
        while start + 8 <= size:
            header = _read_at(stream, start, 16)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            length = int.from_bytes(header[8:16], "big") if length == 1 else length
            end = start + length if length else size
            is_cut = end > size or end < start + 8
            if kind == CODESTREAM and not is_cut:
                is_cut = _read_at(stream, end - 2, 2) != END_OF_CODESTREAM
            if is_cut:
                raise OSError(f"{path}: is truncated: copy or download it again")
            start = end
    finally:
        gdal.VSIFCloseL(stream)


def _read_at(stream: Any, start: int, count: int) -> bytes:
    gdal.VSIFSeekL(stream, start, 0)
    return bytes(gdal.VSIFReadL(1, count, stream) or b"")

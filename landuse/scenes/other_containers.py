"""What people bring that is not read: said in one line, with what to do.

The names and the first bytes tell it; nothing is opened by GDAL.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from landuse.rasters import remote_files

CONVERT = "convert it first: gdal_translate -of GTiff {path} {stem}.tif"
ENVI_ENDINGS = (".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".bin", "")

# By the first bytes, whatever the ending.
KINDS = (
    (b"EHFA_HEADER_TAG", "an ERDAS Imagine file", CONVERT),
    (b"CDF\x01", "a netCDF file", CONVERT),
    (b"CDF\x02", "a netCDF file", CONVERT),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 or netCDF file", "convert the image in it to GeoTIFF first "
     "(gdalinfo {path} lists what it holds)"),
    (b"\x0e\x03\x13\x01", "an HDF4 file", "convert the image in it to GeoTIFF first"),
    (b"PCIDSK", "a PCIDSK file", CONVERT),
    (b"\x1f\x8b", "packed (gzip)", "unpack it first, and give what was in it"),
    (b"BZh", "packed (bzip2)", "unpack it first, and give what was in it"),
    (b"\xfd7zXZ", "packed (xz)", "unpack it first, and give what was in it"),
    (b"7z\xbc\xaf\x27\x1c", "packed (7z)", "unpack it first, and give what was in it"),
    (b"Rar!", "packed (rar)", "unpack it first, and give what was in it"),
    (b"SQLite format 3", "a GeoPackage or another database", CONVERT),
    (b"GRIB", "a GRIB file", "give the product of Sentinel-2"),
    (b"%PDF", "a PDF", "give the image itself"),
    (b"<!DOCTYPE html", "a web page", "download the image again"),
    (b"<html", "a web page", "download the image again"),
    (b"GIF8", "a GIF", "give the product itself"),
    (b"RIFF", "a WebP picture", "convert it to PNG first, or give the product itself"),
    (b"BM", "a Windows bitmap", "convert it to PNG first, or give the product itself"),
)  # fmt: skip
_BY_ENDING = {
    ".tar": ("packed (tar)", "unpack it first, and give what was in it"),
    ".dim": (
        "the DIMAP header of SNAP, whose bands lie in {stem}.data",
        "in SNAP use File > Export > GeoTIFF, or gdal_translate each .img of that folder to "
        "*_B02.tif and give the folder of these",
    ),
    ".hdr": (
        "an ENVI header",
        "convert its image first: gdal_translate -of GTiff IMAGE {stem}.tif",
    ),
    ".kea": ("a KEA file", CONVERT),
    ".ecw": ("an ECW picture", CONVERT),
    ".sid": ("a MrSID picture", CONVERT),
    ".pix": ("a PCIDSK file", CONVERT),
    ".grd": ("a raster of R or Surfer", CONVERT),
    ".asc": ("a raster as text", CONVERT),
    ".shp": ("a vector file", "give the image; polygons of the area wanted go to BOUNDS"),
    ".geojson": ("a vector file", "give the image; polygons of the area wanted go to BOUNDS"),
    ".kml": ("a vector file", "give the image; polygons of the area wanted go to BOUNDS"),
    ".qgz": ("a QGIS project", "give the image"),
    ".qgs": ("a QGIS project", "give the image"),
}


def check_text(text: str, setting: str = "PATH_TO_IMAGE", remote: bool | None = None) -> None:
    """Raise a ValueError for what is no path of this machine.

    Parameters
    ----------
    text : str
        As the user gave it; a Path would have lost the slashes of a web address.
    setting : str
        For the message.
    remote : bool, optional
        Whether addresses of object stores and web servers may be read; None: it is never so.
    """
    if remote_files.is_address(text):
        if remote:
            return
        instead = "" if remote is None else ", or set REMOTE = True to have it read from there"
        raise ValueError(
            f"{setting}: {text} is a web address, and only files on this machine are read: "
            f"download it first{instead}"
        )
    if re.match(r"[A-Za-z]:[\\/]", text) and os.name != "nt":
        drive, rest = text[0].lower(), text[3:].replace("\\", "/")
        raise ValueError(
            f"{setting}: {text} is a path of Windows, and this is none: within WSL it is "
            f"/mnt/{drive}/{rest}"
        )
    if "\\" in text and "/" not in text and os.name != "nt" and not Path(text).exists():
        raise ValueError(
            f"{setting}: {text} does not exist; here the folders of a path are parted by /: "
            f"{text.replace(chr(92), '/')}"
        )


def check_file(path: Path) -> None:
    """Raise a ValueError for a file of a kind that is not read: what it is, and what to do."""
    with open(path, "rb") as stream:
        start = stream.read(32)
    if b"<VRTDataset" in start:
        return
    for begins, what, advice in KINDS:
        if start.lower().startswith(begins.lower()):
            raise _refusal(path, what, advice)
    if path.suffix.lower() in _BY_ENDING:
        raise _refusal(path, *_BY_ENDING[path.suffix.lower()])
    is_envi = path.suffix.lower() in ENVI_ENDINGS and not start.startswith((b"II", b"MM"))
    if is_envi and any(header.exists() for header in _envi_headers(path)):
        raise _refusal(path, "an ENVI file", CONVERT)


def _envi_headers(path: Path) -> Sequence[Path]:
    return path.with_suffix(".hdr"), Path(f"{path}.hdr"), path.with_suffix(".HDR")


def check_folder(folder: Path) -> None:
    """Raise a ValueError for a folder that is a container of another kind."""
    names = {item.name for item in folder.iterdir()}
    if folder.suffix.lower() == ".zarr" or names & {".zgroup", ".zattrs", "zarr.json", ".zarray"}:
        raise ValueError(
            f"{folder}: is a Zarr store (EOPF), which is not read: give the product as .SAFE, "
            "which the same sources offer, or its bands as GeoTIFF"
        )
    if folder.suffix.lower() == ".data" or any(name.lower().endswith(".hdr") for name in names):
        raise ValueError(
            f"{folder}: holds the bands of SNAP (DIMAP) or ENVI, which are not read: convert each "
            "first (gdal_translate -of GTiff B2.img x_B02.tif) and give the folder of these, or "
            "use SNAP's File > Export > GeoTIFF"
        )


def _refusal(path: Path, what: str, advice: str) -> ValueError:
    text = f"{what}, which is not read: {advice}".format(path=path, stem=path.stem)
    return ValueError(f"{path}: is {text}")

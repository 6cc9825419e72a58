"""Bands in files of their own, and bands of a single raster, without a product around them."""

import re
from collections.abc import Sequence
from pathlib import Path

from landuse import sensors
from landuse.rasters import reading
from landuse.scenes import products, sentinel2

BAND_DESCRIPTION = re.compile(r"^\s*B(?:and)?[ _-]?0?(\d{1,2})(A?)(?![0-9A-Za-z])", re.IGNORECASE)
TRUE_COLOUR = re.compile(r"(?:^|[_-])TCI(?:[_.-]|$)", re.IGNORECASE)


def read_band_folder(folder: Path, names: Sequence[str]) -> products.Product:
    """Read a folder of single-band files."""
    files = sorted(name for name in names if sentinel2.BAND_FILE.search(name))
    prefixes = {re.split(sentinel2.BAND_FILE, name)[0] for name in files}
    if len(prefixes) > 1:
        raise ValueError(
            f"{folder}: holds bands of {len(prefixes)} images ({', '.join(sorted(prefixes)[:3])}, "
            "...), put each into a folder of its own"
        )
    found = sentinel2.finest_files(files)
    # the files of a compact product lose its name, which the folder may have kept
    title = folder.resolve().name
    source = title if sentinel2.COMPACT_NAME.search(title) else files[0]
    named = sentinel2.read_name(source)
    offsets, said = sentinel2.offsets_by_name(source)
    return products.Product(
        path=str(folder),
        name=title,
        kind="folder",
        level=named.level,
        baseline=named.baseline,
        sensing_time=named.sensing_time,
        tile=named.tile or sentinel2.tile_of(prefixes.pop()),
        bands={band: products.BandFile(str(folder / name)) for band, name in found.items()},
        offsets=offsets,
        radiometry=said,
    )


def band_of_description(text: str) -> str | None:
    """Return the band name in a raster's band description, None where there is none.

    "B2", "B02", "band 2" and "B4, central wavelength 665 nm" are understood.
    """
    match = BAND_DESCRIPTION.match(text)
    if match is None:
        return None
    name = "B8A" if match[2] else f"B{int(match[1]):02d}"
    return name if name in sensors.BANDS_MS and (not match[2] or match[1] == "8") else None


def _described_bands(info: reading.RasterInfo) -> list[str]:
    """Return the band names in file order, none where no description names a band."""
    names = [band_of_description(text) or "" for text in info.band_names]
    known = [name for name in names if name]
    if len(known) != len(set(known)):
        raise ValueError(
            f"{info.path}: describes two bands by the same name: {', '.join(info.band_names)}"
        )
    return names if known else []


def _assumed_bands(info: reading.RasterInfo, wanted: Sequence[str]) -> tuple[list[str], str]:
    """Return the band names of a raster that says none, and the sentence that says so."""
    without_cirrus = [band for band in sensors.BANDS_MS if band != "B10"]
    if info.bands == len(sensors.BANDS_MS):
        names, order = list(sensors.BANDS_MS), "EuroSAT order"
    elif info.bands == len(wanted):
        names, order = list(wanted), "the model's order"
    elif info.bands == len(without_cirrus):
        names, order = without_cirrus, "EuroSAT order without B10"
    else:
        raise ValueError(
            f"{info.path}: has {info.bands} bands without names, and the model wants "
            f"{len(wanted)} ({', '.join(wanted)}); set the bands' descriptions, "
            "as B02, or name the files of single bands *_B02.tif"
        )
    return names, f"the bands have no names: taken as {' '.join(names)} ({order})"


def _is_picture(info: reading.RasterInfo) -> bool:
    """Tell an 8-bit RGB image (3 bands, or 4 with transparency) from bands in DN."""
    return info.dtype == "uint8" and info.bands in (3, 4)


def read_single_raster(path: Path, wanted: Sequence[str]) -> products.Product:
    """Read the description of one raster file."""
    if TRUE_COLOUR.search(path.stem):
        raise ValueError(
            f"{path}: is a true colour image (TCI), which is scaled otherwise than the training "
            "images and would be misread; give the whole product, its bands B04, B03 and B02 "
            "are read instead"
        )
    if path.suffix.lower() in (".jp2", ".tif", ".tiff") and sentinel2.BAND_FILE.search(path.name):
        raise ValueError(
            f"{path}: is a single band of a product; give the product's or the bands' folder"
        )
    info = reading.read_info(path)
    described = _described_bands(info)
    if _is_picture(info) and not described:
        names, said = ["B04", "B03", "B02"], "an 8-bit RGB image, its colours are taken as they are"
    elif described:
        names, said = described, ""
    else:
        names, said = _assumed_bands(info, wanted)
    named = sentinel2.read_name(path.name)
    offsets, said_offset = sentinel2.offsets_by_name(path.name)
    picture = _is_picture(info)
    return products.Product(
        path=str(path),
        name=path.stem,
        kind="raster",
        level=named.level,
        baseline=named.baseline,
        sensing_time=named.sensing_time,
        tile=named.tile,
        bands={name: products.BandFile(str(path), i) for i, name in enumerate(names) if name},
        offsets={} if picture else offsets,
        picture=picture,
        radiometry="" if picture else said_offset,
        messages=(said,) if said else (),
    )

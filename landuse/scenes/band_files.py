"""Bands in files of their own, and bands of a single raster, without a product around them."""

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landuse import band_file_names, band_names, band_words, sensors
from landuse.rasters import descriptions, reading, virtual_rasters
from landuse.scenes import products, sentinel2

IMAGE_ENDINGS = (".jp2", ".tif", ".tiff")
TRUE_COLOUR = re.compile(r"(?:^|[_-])TCI(?:[_.-]|$)", re.IGNORECASE)
# Pictures for people, by the names that browsers and catalogues give them.
PICTURE = re.compile(
    r"(?<![A-Za-z])(?:TCI|PVI|QL|(?:true|false|natural)[ _-]?colou?r|visual|thumbnail|preview|"
    r"quick[ _-]?look|browse|overview|NDVI|NDWI|NDSI|SWIR|(?:moisture|vegetation)[ _-]index|"
    r"scene[ _-]?classification)"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)
SCALED_OTHERWISE = (
    "which is scaled otherwise than the training images and would be misread; give the whole "
    "product, its bands B04, B03 and B02 are read instead"
)


def image_files(folder: Path) -> list[str]:
    """Return the names of a folder's files that may hold bands, sorted."""
    names = (item.name for item in folder.iterdir() if item.is_file())
    return sorted(
        name
        for name in names
        if Path(name).suffix.lower() in IMAGE_ENDINGS and not name.startswith(".")
    )


def images_by_resolution(folder: Path) -> list[str]:
    """Return the images in the folders R10m, R20m and R60m, as Level-2A products have them."""
    return [
        f"{inner}/{name}"
        for inner in ("R10m", "R20m", "R60m")
        if (folder / inner).is_dir()
        for name in image_files(folder / inner)
    ]


def read_band_folder(
    folder: Path, files: Sequence[band_file_names.BandOfFile], others: Sequence[str]
) -> products.Product:
    """Read a folder of single-band files.

    Parameters
    ----------
    folder : Path
    files : sequence of BandOfFile
    others : sequence of str
        Further images, whose names tell no band.
    """
    images = Counter(file.image for file in files)
    if len(images) > 1:
        raise ValueError(
            f"{folder}: holds bands of {len(images)} images ({', '.join(sorted(images)[:3])}, "
            "...), put each into a folder of its own"
        )
    found: dict[str, band_file_names.BandOfFile] = {}
    for file in sorted(files, key=lambda file: (file.metres, file.file)):
        twin = found.setdefault(file.band, file)
        if twin.file != file.file and twin.metres == file.metres:
            raise ValueError(
                f"{folder}: holds two files of band {file.band}, {twin.file} and {file.file}: "
                "leave one of them there"
            )
    # the files of a compact product lose its name, which the folder may have kept
    title = folder.resolve().name
    says_more = sentinel2.COMPACT_NAME, sentinel2.NAME_WITHOUT_BASELINE
    source = title if any(name.search(title) for name in says_more) else files[0].file
    of_file, of_folder = sentinel2.read_name(source), sentinel2.read_name(title)
    offsets, said = sentinel2.offsets_by_name(source)
    return products.Product(
        path=str(folder),
        name=title,
        kind="folder",
        level=of_file.level or of_folder.level,
        baseline=of_file.baseline,
        sensing_time=of_file.sensing_time,
        tile=of_file.tile or sentinel2.tile_of(files[0].image) or of_folder.tile,
        bands={band: products.BandFile(str(folder / file.file)) for band, file in found.items()},
        offsets=offsets,
        radiometry=said,
        doubt=sentinel2.doubt_by_name(source),
        unknown=tuple(others),
    )


def _names_of_sources(path: Path, sensor: sensors.Sensor) -> list[str]:
    """Return what the sources of a VRT call its bands, where they agree."""
    names = []
    for sources in virtual_rasters.sources_of_bands(path):
        told = {_name_of_source(source, band, sensor) for source, band in sources}
        names.append(told.pop() if len(told) == 1 else "")
    return names


def _name_of_source(path: Path, band: int, sensor: sensors.Sensor) -> str:
    info = reading.read_info(path)
    described = info.band_names[band] if band < info.bands else ""
    if described or info.bands > 1:
        return described
    return band_file_names.band_of_file(path.name, sensor) or ""


def _undeclared_mask(raster: reading.Raster) -> int | None:
    """Return the last band where it is an alpha band that is not declared as one.

    It is called "alpha", or holds the largest value, and 0 where the others are not valid.
    """
    info, last = raster.info, raster.info.bands - 1
    if last > 0 and info.alpha is None and info.band_names[last].strip().lower() == "alpha":
        return last
    if info.alpha is not None or last < 3 or info.band_names[last] or info.dtype.kind != "u":
        return None
    shown = raster.read_thinned(last)
    return last if shown.size and (shown == np.iinfo(info.dtype).max).all() else None


def _naming(
    path: Path, info: descriptions.RasterInfo, bands: Sequence[int], sensor: sensors.Sensor
) -> band_names.Naming:
    """Find out how a raster names the bands that hold its image."""
    texts = list(info.band_names)
    if not any(texts) and not path.is_dir() and virtual_rasters.is_vrt(path):
        texts = _names_of_sources(path, sensor) or texts
    return band_names.name_bands(
        [texts[band] for band in bands],
        str(path),
        [info.band_metadata[band] for band in bands],
        sensor,
    )


def _assumed_bands(
    path: str, count: int, wanted: Sequence[str], naming: band_names.Naming
) -> tuple[list[str], str]:
    """Return the band names of a raster that says none, and the sentence that says so."""
    sensor = sensors.sensor_of(wanted)
    whose = "EuroSAT" if sensor is sensors.SENTINEL_2 else sensor.name
    without_cirrus = list(sensor.combinations.get("L2A", ()))
    if count == len(sensor.bands):
        names, order = list(sensor.band_names), f"{whose} order"
    elif count == len(wanted):
        names, order = list(wanted), "the model's order"
    elif count == len(without_cirrus) and set(wanted) <= set(without_cirrus):
        names, order = without_cirrus, "EuroSAT order without B10"
    else:
        raise ValueError(
            f"{path}: has {count} bands without names{_counts(naming)}, and the model wants "
            f"{len(wanted)} ({', '.join(wanted)}); set BAND_NAMES to the bands in the order of "
            "the file, set the bands' descriptions, as B02, or name the files of single bands "
            "*_B02.tif"
        )
    said = f"the bands have no names{_counts(naming)}: taken as {' '.join(names)} ({order})"
    return names, said


def _counts(naming: band_names.Naming) -> str:
    return f" ({band_names.quoted(naming.counts)} only count them)" if naming.counts else ""


def is_picture(info: descriptions.RasterInfo) -> bool:
    """Tell an 8-bit RGB image (3 bands, or 4 with transparency) from bands in DN."""
    return info.dtype == "uint8" and info.bands in (3, 4)


def _check_is_no_view(path: Path, picture: bool) -> None:
    """Refuse pictures that are known to be scaled for people."""
    named = PICTURE.search(path.stem) if picture else TRUE_COLOUR.search(path.stem)
    if named:
        what = (
            "a true colour image (TCI)" if "TCI" in named[0].upper() else f"a picture {named[0]!r}"
        )
        raise ValueError(f"{path}: is {what}, {SCALED_OTHERWISE}")


def _name_all(
    path: Path,
    info: descriptions.RasterInfo,
    bands: Sequence[int],
    wanted: Sequence[str],
    order: Sequence[str] | None,
) -> tuple[list[str], tuple[str, ...], str, tuple[str, ...]]:
    """Return names of the image's bands, which of them are assumed, what is said, the unknown."""
    count = len(bands)
    if order is not None:
        names = band_names.check_order(order, count, str(path))
        return names, (), "the bands are taken in the order of BAND_NAMES", ()
    sensor = sensors.sensor_of(wanted)
    naming = _naming(path, info, bands, sensor)
    if naming.known:
        return list(naming.bands), (), "", naming.unknown
    if is_picture(info):
        said = "an 8-bit RGB image, its colours are taken as they are"
        return list(sensor.true_colour), (), said, ()
    band_names.check_understood(naming, str(path), sensor)
    names, said = _assumed_bands(str(path), count, wanted, naming)
    return names, tuple(names), said, ()


def read_single_raster(
    path: Path, wanted: Sequence[str], order: Sequence[str] | None = None
) -> products.Product:
    """Read the description of one raster file.

    Parameters
    ----------
    path : Path
    wanted : sequence of str
        The bands of the model.
    order : sequence of str, optional
        The user's word on the bands of the file, in place of what it says itself.
    """
    _check_is_no_view(path, picture=False)
    with reading.Raster(path) as raster:
        info, mask = raster.info, _undeclared_mask(raster)
    _check_is_no_view(path, is_picture(info))
    alone = order is None and len(info.data_bands) == 1
    if alone and band_file_names.band_of_file(path.name, sensors.sensor_of(wanted)):
        raise ValueError(
            f"{path}: is a single band of a product; give the product's or the bands' folder"
        )
    if alone and info.dtype == "uint8" and not any(info.band_names):
        advice = (
            f"gdal_translate -expand rgb {path} {path.stem}_rgb.tif makes red, green and blue of it"
            if info.colours
            else "give the product itself"
        )
        raise ValueError(
            f"{path}: is a picture {'with a table of colours' if info.colours else 'in grey'}, and "
            f"the model wants {', '.join(wanted)}: {advice}"
        )
    return _product_of(path, info, mask, wanted, order)


def bands_described(
    folder: Path, files: Sequence[str], sensor: sensors.Sensor
) -> tuple[list[band_file_names.BandOfFile], list[str]]:
    """Return the bands of single-band files that name them inside, and the other files.

    Nothing is found where a file holds several bands.
    """
    infos = [reading.read_info(folder / file) for file in files]
    if any(len(info.data_bands) > 1 for info in infos):
        return [], list(files)
    found, others = [], []
    for file, info in zip(files, infos, strict=True):
        band = band_words.band_or_none(info.band_names[0], sensor)
        if band:
            found.append(band_file_names.BandOfFile(file, band, 0, ""))
        else:
            others.append(file)
    return found, others


def read_tiles(
    folder: Path, files: Sequence[str], wanted: Sequence[str], order: Sequence[str] | None
) -> products.Product:
    """Read files of one grid, as an export is cut into, as one raster.

    Raises
    ------
    ValueError
        If they do not lie on one grid, or have other bands.
    """
    infos = [reading.read_info(folder / file) for file in files]
    with reading.Raster(folder / files[0]) as raster:
        mask = _undeclared_mask(raster)
    for info, file in zip(infos, files, strict=True):
        if difference := _other_grid(infos[0], info):
            raise ValueError(
                f"{folder}: holds {len(files)} images that are no tiles of one grid: {file} has "
                f"{difference} than {files[0]}; name one of them"
            )
    if len({info.geotransform for info in infos}) < len(infos):
        raise ValueError(f"{folder}: holds {len(files)} images of the same place; name one of them")
    paths = tuple(str(folder / file) for file in files)
    found = _product_of(folder, infos[0], mask, wanted, order)
    said = f"{len(files)} tiles of one grid are read as one scene"
    return dataclasses.replace(
        found,
        name=folder.resolve().name,
        tiles=paths,
        messages=(said, *found.messages),
    )


def _other_grid(one: descriptions.RasterInfo, other: descriptions.RasterInfo) -> str:
    """Say in what an image is not on the grid of another one, "" where it is."""
    if (one.bands, one.dtype) != (other.bands, other.dtype):
        return "other bands"
    if one.band_names != other.band_names:
        return "other names of bands"
    if one.geotransform is None or other.geotransform is None:
        return "no georeference, or another"
    if one.crs != other.crs:
        return "another reference system"
    width, height = one.geotransform[1], one.geotransform[5]
    if (
        abs(other.geotransform[1] / width - 1) > 1e-6
        or abs(other.geotransform[5] / height - 1) > 1e-6
    ):
        return "pixels of another size"
    shifts = (
        (other.geotransform[0] - one.geotransform[0]) / width,
        (other.geotransform[3] - one.geotransform[3]) / height,
    )
    off = max(abs(shift - round(shift)) for shift in shifts)
    return "pixels that lie between those" if off > 0.01 else ""


def _product_of(
    path: Path,
    info: descriptions.RasterInfo,
    mask: int | None,
    wanted: Sequence[str],
    order: Sequence[str] | None,
) -> products.Product:
    """Put together what is known of a raster."""
    bands = [band for band in info.data_bands if band != mask]
    names, assumed, said, unknown = _name_all(path, info, bands, wanted, order)
    named = sentinel2.read_name(path.name)
    offsets, said_offset = sentinel2.offsets_by_name(path.name)
    picture = is_picture(info)
    numbered = zip(names, bands, strict=True)
    return products.Product(
        path=str(path),
        name=path.stem,
        kind="raster",
        level=named.level,
        baseline=named.baseline,
        sensing_time=named.sensing_time,
        tile=named.tile,
        bands={name: products.BandFile(str(path), band) for name, band in numbered if name},
        offsets={} if picture else offsets,
        picture=picture,
        radiometry="" if picture else said_offset,
        messages=(said,) if said else (),
        doubt="" if picture else sentinel2.doubt_by_name(path.name),
        order=assumed,
        named_by_file=order is None and not assumed and not picture,
        mask_band=mask,
        unknown=unknown,
    )

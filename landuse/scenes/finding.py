"""What lies at a path: a Sentinel-2 product, a folder of bands, or one raster.

`find_product` looks at names and metadata only and opens no pixels. A product may be a folder
(``.SAFE``), a zip read in place, or be named by one of its ``MTD_*.xml``.
"""

from collections.abc import Sequence
from pathlib import Path

from landuse import band_file_names, band_names, band_words, sensors
from landuse.rasters import remote_files
from landuse.scenes import band_files, other_containers, product_files, products, sentinel2

WHAT_IS_READ = (
    "expected an L1C or L2A product (.SAFE folder, .SAFE.zip or its MTD_*.xml), a folder of "
    "files named *_B02.tif or *_B02.jp2, a multi-band GeoTIFF, or a folder of its tiles"
)


def find_product(
    path: str | Path,
    wanted: Sequence[str] = sensors.BANDS_MS,
    granule: str | None = None,
    order: Sequence[str] | None = None,
) -> products.Product:
    """Find out what lies at a path.

    Parameters
    ----------
    path : str or Path
    wanted : sequence of str
        The bands that are wanted; they name the bands of a raster that says no names, where
        the count fits.
    granule : str, optional
        Tile ("32TPP") or name of the granule, for products of several.
    order : sequence of str, optional
        The bands of a raster in the order of the file, in place of what it says.

    Returns
    -------
    Product

    Raises
    ------
    OSError
        If there is nothing, or it is damaged.
    ValueError
        If it is nothing that can be classified; the message says why.
    """
    location = Path(path)
    if remote_files.is_remote(location):
        return _find_remote(location, granule, wanted, order)
    if not location.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if location.name.lower() == "manifest.safe":
        location = location.parent
    if location.is_dir():
        return _find_in_folder(location, granule, wanted, order)
    other_containers.check_file(location)
    if location.suffix.lower() == ".zip":
        return sentinel2.read_safe(product_files.zip_tree(location), str(path), granule)
    if location.suffix.lower() == ".xml":
        return _find_by_xml(location, granule)
    return band_files.read_single_raster(location, wanted, order)


def _find_remote(
    path: Path, granule: str | None, wanted: Sequence[str], order: Sequence[str] | None
) -> products.Product:
    """Find a product or a raster in an object store or on a web server, by its name."""
    if path.name.lower() == "manifest.safe" or product_files.PRODUCT_XML.match(path.name):
        path = path.parent
    if path.suffix.upper() == ".SAFE":
        return sentinel2.read_safe(product_files.remote_tree(path), str(path), granule)
    if path.suffix.lower() in band_files.IMAGE_ENDINGS:
        return band_files.read_single_raster(path, wanted, order)
    raise ValueError(
        f"{remote_files.title_of(path)}: from there, products (a folder .SAFE, or its MTD_*.xml) "
        "and images (.tif, .jp2, .png, .jpg) are read; download what else there is"
    )


def _find_in_folder(
    folder: Path, granule: str | None, wanted: Sequence[str], order: Sequence[str] | None
) -> products.Product:
    """Tell a product's folder from a folder of bands, and from one of tiles."""
    around = _product_around(folder)
    if around is not None:
        return sentinel2.read_safe(
            product_files.folder_tree(around[0]), str(folder), granule or around[1]
        )
    names = [item.name for item in folder.iterdir() if not product_files.is_litter(item.name)]
    is_safe = folder.suffix.upper() == ".SAFE" or "GRANULE" in names
    if is_safe or any(product_files.PRODUCT_XML.match(name) for name in names):
        return sentinel2.read_safe(product_files.folder_tree(folder), str(folder), granule)
    images = band_files.image_files(folder) or band_files.images_by_resolution(folder)
    bands, others = band_file_names.read_file_names(images, sensors.sensor_of(wanted))
    if bands:
        return band_files.read_band_folder(folder, bands, others)
    inner = sorted(name for name in names if name.upper().endswith(".SAFE"))
    if len(inner) == 1:
        return _find_in_folder(folder / inner[0], granule, wanted, order)
    if inner:
        raise ValueError(f"{folder}: holds {len(inner)} products, name one: {', '.join(inner)}")
    other_containers.check_folder(folder)
    sensor = sensors.sensor_of(wanted)
    foreign = [name for name in images if band_words.is_of_another(name, sensor)]
    if foreign:
        raise ValueError(
            f"{folder}: holds bands of another sensor ({band_names.quoted(foreign)}), and the "
            f"model knows {sensor.name}'s"
        )
    if len(images) > 1:
        bands, others = band_files.bands_described(folder, images, sensor)
        if len(bands) > 1:
            return band_files.read_band_folder(folder, bands, others)
        return band_files.read_tiles(folder, images, wanted, order)
    if images:
        raise ValueError(
            f"{folder}: holds one image, {images[0]}, whose name tells no band: give the image "
            "itself if it holds all bands"
        )
    raise ValueError(f"{folder}: is no Sentinel-2 product: {WHAT_IS_READ}{_seen(names)}")


def _seen(names: Sequence[str]) -> str:
    return f"; it holds {band_names.quoted(sorted(names))}" if names else "; it is empty"


def _product_around(folder: Path) -> tuple[Path, str] | None:
    """Return the product and granule that a folder within a product (IMG_DATA) belongs to.

    Taken for a folder of bands it would lose the offset that the product's metadata gives.
    """
    place = folder.resolve()
    for granule in (place, *place.parents[:2]):
        root = granule.parent.parent
        if granule.parent.name == "GRANULE" and any(
            product_files.PRODUCT_XML.match(file.name) for file in root.iterdir()
        ):
            return root, granule.name
    return None


def _find_by_xml(path: Path, granule: str | None) -> products.Product:
    """Find the product that a metadata file belongs to."""
    if product_files.PRODUCT_XML.match(path.name):
        return sentinel2.read_safe(product_files.folder_tree(path.parent), str(path), granule)
    around = _product_around(path.parent)
    if sentinel2.GRANULE_XML.match(path.name) and around is not None:
        return sentinel2.read_safe(
            product_files.folder_tree(around[0]), str(path), granule or around[1]
        )
    raise ValueError(
        f"{path}: is no metadata file of a Sentinel-2 product (MTD_MSIL1C.xml, MTD_MSIL2A.xml)"
    )

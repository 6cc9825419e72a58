"""Sentinel-2 products (SAFE): names, metadata, granules, offsets and clouds."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

import numpy as np

from landuse import sensors
from landuse.rasters import reading, vectors
from landuse.scenes import product_files, products

# band_id in a product's metadata counts in this order (Sentinel-2 Products Specification
# Document, PSD-14), which is not the order of the EuroSAT files
BANDS_BY_ID = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12",
)  # fmt: skip
OFFSET_FROM_BASELINE_04 = -sensors.SENTINEL_2.offset

COMPACT_NAME = re.compile(
    r"S2[A-Z]_MSIL(?P<level>1C|2A)_(?P<time>\d{8}T\d{6})_N(?P<baseline>\d{4})_R\d{3}"
    r"_T(?P<tile>\d\d[A-Z]{3})"
)
# as Microsoft's Planetary Computer names products
NAME_WITHOUT_BASELINE = re.compile(
    r"S2[A-Z]_MSIL(?P<level>1C|2A)_(?P<time>\d{8}T\d{6})_R\d{3}_T(?P<tile>\d\d[A-Z]{3})"
)
LEVEL = re.compile(r"(?<![0-9A-Za-z])L(?P<level>1C|2A)(?![0-9A-Za-z])")
OWN_BASELINE = "9999"  # of products that a user's own processor made
FIRST_WITH_OFFSET = "20220125"
OLD_NAME = re.compile(r"S2[A-Z]_\w{4}_PRD_MSIL(?P<level>1C|2A)_.*_V(?P<time>\d{8}T\d{6})")
TILE = re.compile(r"(?:^|_)T(\d\d[A-Z]{3})(?:_|$)")
BAND_FILE = re.compile(
    r"(?:^|_)(?P<band>B(?:0[1-9]|1[0-2]|8A))(?:_(?P<resolution>10|20|60)m)?\.(?:jp2|tiff?)$",
    re.IGNORECASE,
)

GRANULE_XML = re.compile(r"^(?:MTD_TL|S2[A-Z]_\w{4}_MTD_L(?:1C|2A)_TL_.*)\.xml$")


def read_cloud_polygons(path: str) -> list[bytes]:
    """Read the clouds (opaque and cirrus) of a MSK_CLOUDS GML.

    Parameters
    ----------
    path : str
        File, or GDAL's name of a zip's member.

    Returns
    -------
    list of bytes
        Polygons as WKB, in the scene's reference system.
    """
    root = product_files.parse_xml(reading.read_bytes(path, product_files.LARGEST_XML + 1), path)
    return [_gml_polygon(polygon, path) for polygon in product_files.elements(root, "Polygon")]


def _gml_polygon(polygon: Element, path: str) -> bytes:
    """Turn a GML polygon into WKB."""
    rings = []
    for element in product_files.elements(polygon, "posList"):
        try:
            dimension = int(element.get("srsDimension", "2"))
            values = np.array((element.text or "").split(), np.float64)
            rings.append(values.reshape(-1, dimension)[:, :2])
        except ValueError:
            raise ValueError(f"{path}: a cloud polygon is damaged") from None
    return vectors.polygon_from_rings(rings)


def _number(text: str | None, what: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{what} is {text!r}, expected a number")
    return value


def _read_offsets(root: Element, name: str) -> dict[str, float]:
    """Return the offsets by band name; 0 for all where the metadata lists none."""
    listed = product_files.elements(root, "RADIO_ADD_OFFSET") or product_files.elements(
        root, "BOA_ADD_OFFSET"
    )
    if not listed:
        return dict.fromkeys(BANDS_BY_ID, 0.0)
    offsets = {}
    for element in listed:
        number = element.get("band_id", "")
        if not number.isdecimal() or int(number) >= len(BANDS_BY_ID):
            raise ValueError(f"{name}: offset for the unknown band_id {number!r}")
        band = BANDS_BY_ID[int(number)]
        offsets[band] = _number(element.text, f"{name}: the offset of {band}")
    return offsets


def offsets_by_name(name: str) -> tuple[dict[str, float], str]:
    """Return the offsets that a product of that name has, and the sentence that says so."""
    match = COMPACT_NAME.search(name)
    if match is None or match["baseline"] == OWN_BASELINE:
        return {}, ""
    offset = OFFSET_FROM_BASELINE_04 if int(match["baseline"]) >= 400 else 0
    said = f"no metadata: radiometric offset {offset} by the baseline in its name"
    return dict.fromkeys(BANDS_BY_ID, float(offset)), said


def doubt_by_name(name: str) -> str:
    """Return why files of that name, without metadata, may hold an offset of 1000.

    Returns
    -------
    {"", "baseline", "date"}
        "date" for names that leave out the baseline, or give one of the user's own making.
    """
    match = COMPACT_NAME.search(name)
    if match is not None and match["baseline"] != OWN_BASELINE:
        return "baseline" if int(match["baseline"]) >= 400 else ""
    match = match or NAME_WITHOUT_BASELINE.search(name)
    return "date" if match is not None and match["time"] >= FIRST_WITH_OFFSET else ""


def _choose_granule(tree: product_files.Tree, granule: str | None, path: str) -> tuple[str, bool]:
    """Return the name of the granule to read, and whether there are several."""
    parts = [PurePosixPath(name).parts for name in tree.names]
    names = sorted({item[1] for item in parts if len(item) > 2 and item[0] == "GRANULE"})
    if not names:
        raise ValueError(f"{path}: is no complete product, it has no GRANULE folder with images")
    fitting = [name for name in names if granule is None or granule in name]
    if len(fitting) == 1:
        return fitting[0], len(names) > 1
    tiles = [tile_of(name) or name for name in names]
    listed = ", ".join(tiles if len(set(tiles)) == len(names) else names)
    if granule is not None and not fitting:
        raise ValueError(f"{path}: has no granule {granule!r}; it has: {listed}")
    raise ValueError(
        f"{path}: holds {len(names)} granules, choose one with --granule (GRANULE): {listed}"
    )


def tile_of(name: str) -> str | None:
    """Return the tile that a name tells, as "32TPP"."""
    match = TILE.search(name)
    return match[1] if match else None


def finest_files(names: Iterable[str]) -> dict[str, str]:
    """Return for each band the file of finest resolution (L2A holds a band up to 3 times)."""
    found: dict[str, tuple[int, str]] = {}
    for name in names:
        match = BAND_FILE.search(PurePosixPath(name).name)
        if match is None:
            continue
        band, resolution = match["band"].upper(), int(match["resolution"] or 0)
        if band not in found or (resolution, name) < found[band]:
            found[band] = (resolution, name)
    return {band: name for band, (_, name) in found.items()}


def _expected_files(root: Element | None, granule: str) -> dict[str, str]:
    """Return the band files of a granule that the metadata names, without their folder."""
    tags = ("IMAGE_FILE", "IMAGE_ID", "IMAGE_FILE_2A", "IMAGE_ID_2A")
    listed = [
        item for tag in tags if root is not None for item in product_files.elements(root, tag)
    ]
    texts = [(item.text or "").strip() for item in listed]
    tile = tile_of(granule) or ""
    return finest_files(f"{PurePosixPath(text).name}.jp2" for text in texts if tile in text)


def _find_cloud_mask(tree: product_files.Tree, folder: str) -> products.CloudMask | None:
    """Return the product's own cloud mask, the newest kind first."""
    kinds = (
        ("scene", re.compile(r"SCL_20m\.jp2$")),
        ("scene", re.compile(r"SCL(_60m)?\.jp2$")),
        ("classification", re.compile(r"MSK_CLASSI_B00\.jp2$")),
        ("polygons", re.compile(r"MSK_CLOUDS\w*B00\w*\.gml$")),
    )
    for kind, pattern in kinds:
        for name in tree.names:
            if name.startswith(folder) and pattern.search(name):
                return products.CloudMask(kind, tree.path(name))
    return None


def _level(text: str | None) -> str | None:
    match = re.search(r"(1C|2A)", text or "")
    return f"L{match[1]}" if match else None


def _metadata(
    tree: product_files.Tree, pattern: re.Pattern[str], folder: str
) -> tuple[Element | None, str]:
    """Parse the XML of that name in that folder, where there is one."""
    for name in tree.names:
        pure = PurePosixPath(name)
        if str(pure.parent) == folder and pattern.match(pure.name):
            return product_files.parse_xml(tree.read(name), tree.path(name)), name
    return None, ""


def _radiometry(root: Element | None, name: str, title: str) -> tuple[dict[str, float], float, str]:
    """Return offsets, quantification, and the sentence on the offsets."""
    if root is None:
        offsets, said = offsets_by_name(title)
        said = said or "no metadata, and no baseline in its name: radiometric offset 0"
        return offsets, sensors.REFLECTANCE_ONE, said
    text = product_files.text_of(
        root, "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"
    )
    quantification = _number(text or "10000", f"{name}: the quantification value")
    if quantification <= 0:
        raise ValueError(f"{name}: the quantification value is {text}, expected more than 0")
    offsets = _read_offsets(root, name)
    return offsets, quantification, _say_offsets(offsets, PurePosixPath(name).name)


def _say_offsets(offsets: dict[str, float], source: str) -> str:
    """Return the sentence on the offsets of a product's metadata, "" where there are none."""
    least, most = min(offsets.values()), max(offsets.values())
    if not least and not most:
        return ""
    amount = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    return f"radiometric offset {amount} DN (from {source}) is applied"


@dataclass(frozen=True)
class NameParts:
    """What the name of a product says."""

    level: str | None = None
    baseline: str | None = None
    sensing_time: str | None = None
    tile: str | None = None


def read_name(name: str) -> NameParts:
    """Take a product's name apart; of an unknown name nothing is known."""
    match = COMPACT_NAME.search(name)
    if match:
        number = match["baseline"]
        return NameParts(
            f"L{match['level']}",
            f"{number[:2]}.{number[2:]}",
            _iso_time(match["time"]),
            match["tile"],
        )
    match = NAME_WITHOUT_BASELINE.search(name)
    if match:
        return NameParts(f"L{match['level']}", None, _iso_time(match["time"]), match["tile"])
    match = OLD_NAME.search(name)
    if match:
        return NameParts(f"L{match['level']}", None, _iso_time(match["time"]))
    match = LEVEL.search(name)
    return NameParts(f"L{match['level']}" if match else None, tile=tile_of(name))


def _iso_time(text: str) -> str:
    """Turn 20180211T102141 into ISO 8601."""
    return f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:{text[13:15]}Z"


def read_safe(tree: product_files.Tree, path: str, granule: str | None) -> products.Product:
    """Read names and metadata of a product."""
    root, xml_name = _metadata(tree, product_files.PRODUCT_XML, ".")
    chosen, several = _choose_granule(tree, granule, path)
    folder = f"GRANULE/{chosen}"
    granule_root, _ = _metadata(tree, GRANULE_XML, folder)
    found = finest_files(name for name in tree.names if name.startswith(f"{folder}/IMG_DATA/"))
    if not found:
        raise ValueError(f"{path}: {folder}/IMG_DATA holds no band files")
    offsets, quantification, said = _radiometry(root, tree.path(xml_name), tree.title)
    named = read_name(tree.title)
    tile = tile_of(chosen) or named.tile
    return products.Product(
        path=path,
        name=f"{tree.title}_T{tile}" if several and tile else tree.title,
        kind="SAFE",
        level=_level(product_files.text_of(root, "PROCESSING_LEVEL", "PRODUCT_TYPE"))
        or named.level,
        baseline=product_files.text_of(root, "PROCESSING_BASELINE") or named.baseline,
        sensing_time=product_files.text_of(granule_root, "SENSING_TIME")
        or product_files.text_of(root, "DATATAKE_SENSING_START", "PRODUCT_START_TIME")
        or named.sensing_time,
        tile=tile,
        bands={band: products.BandFile(tree.path(name)) for band, name in found.items()},
        expected=_expected_files(root, chosen),
        offsets=offsets,
        quantification=quantification,
        cloud_mask=_find_cloud_mask(tree, folder),
        radiometry=said,
        doubt="" if root is not None else doubt_by_name(tree.title),
    )

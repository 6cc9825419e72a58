"""What lies at a path: a Sentinel-2 product, a folder of bands, or one raster.

`find_product` looks at names and metadata only and opens no pixels. A product may be a folder
(``.SAFE``), a zip read in place, or be named by one of its ``MTD_*.xml``.
"""

import math
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from image_functions import BANDS_MS
from landuse import rasters

# band_id in a product's metadata counts in this order (Sentinel-2 Products Specification
# Document, PSD-14), which is not the order of the EuroSAT files
BANDS_BY_ID = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12",
)  # fmt: skip
OFFSET_FROM_BASELINE_04 = -1000
DEFAULT_QUANTIFICATION = 10_000
LARGEST_XML = 64 * 1024 * 1024

COMPACT_NAME = re.compile(
    r"S2[A-Z]_MSIL(?P<level>1C|2A)_(?P<time>\d{8}T\d{6})_N(?P<baseline>\d{4})_R\d{3}"
    r"_T(?P<tile>\d\d[A-Z]{3})"
)
OLD_NAME = re.compile(r"S2[A-Z]_\w{4}_PRD_MSIL(?P<level>1C|2A)_.*_V(?P<time>\d{8}T\d{6})")
TILE = re.compile(r"(?:^|_)T(\d\d[A-Z]{3})(?:_|$)")
BAND_FILE = re.compile(
    r"(?:^|_)(?P<band>B(?:0[1-9]|1[0-2]|8A))(?:_(?P<resolution>10|20|60)m)?\.(?:jp2|tiff?)$",
    re.IGNORECASE,
)
BAND_DESCRIPTION = re.compile(r"^\s*B(?:and)?[ _-]?0?(\d{1,2})(A?)(?![0-9A-Za-z])", re.IGNORECASE)
TRUE_COLOUR = re.compile(r"(?:^|[_-])TCI(?:[_.-]|$)", re.IGNORECASE)
PRODUCT_XML = re.compile(r"^(?:MTD_MSIL(?:1C|2A)|S2[A-Z]_\w{4}_MTD_SAFL(?:1C|2A)_.*)\.xml$")
GRANULE_XML = re.compile(r"^(?:MTD_TL|S2[A-Z]_\w{4}_MTD_L(?:1C|2A)_TL_.*)\.xml$")
WHAT_IS_READ = (
    "expected an L1C or L2A product (.SAFE folder, .SAFE.zip or its MTD_*.xml), a folder of "
    "files named *_B02.tif or *_B02.jp2, or a multi-band GeoTIFF"
)


@dataclass(frozen=True)
class BandFile:
    """Where a band lies: file (or GDAL's name of a zip's member) and band index from 0."""

    path: str
    index: int = 0


@dataclass(frozen=True)
class CloudMask:
    """A product's own cloud mask.

    `kind` is "classification" (JPEG 2000: opaque, cirrus), "polygons" (GML) or "scene" (the
    scene classification SCL of L2A).
    """

    kind: str
    path: str


@dataclass(frozen=True)
class Product:
    """What was found at a path.

    Attributes
    ----------
    path : str
        As the user gave it.
    name : str
        File or folder name without its ending; outputs are named after it.
    kind : {"SAFE", "folder", "raster"}
    level : {"L1C", "L2A"} or None
    baseline : str or None
        Processing baseline as "05.09".
    sensing_time : str or None
        ISO 8601, UTC.
    tile : str or None
        As "32TPP".
    bands : dict
        Band name to `BandFile`, in no promised order.
    expected : dict
        Band name to the file that the metadata names but that is missing.
    offsets : dict
        Band name to what is added to its DN; empty where nothing is known.
    quantification : float
        DN of reflectance 1.
    cloud_mask : CloudMask or None
    picture : bool
        True for an 8-bit RGB image, whose values are colours, not DN.
    radiometry : str
        Where the offsets come from, for the user to read; "" where there is nothing to say.
    messages : tuple of str
        What else was assumed, for the user to read.
    """

    path: str
    name: str
    kind: str
    bands: dict[str, BandFile]
    level: str | None = None
    baseline: str | None = None
    sensing_time: str | None = None
    tile: str | None = None
    expected: dict[str, str] = field(default_factory=dict)
    offsets: dict[str, float] = field(default_factory=dict)
    quantification: float = DEFAULT_QUANTIFICATION
    cloud_mask: CloudMask | None = None
    picture: bool = False
    radiometry: str = ""
    messages: tuple[str, ...] = ()


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
    root = parse_xml(rasters.read_bytes(path, LARGEST_XML + 1), path)
    return [_gml_polygon(polygon, path) for polygon in elements(root, "Polygon")]


def _gml_polygon(polygon: Element, path: str) -> bytes:
    """Turn a GML polygon into WKB."""
    rings = []
    for element in elements(polygon, "posList"):
        try:
            dimension = int(element.get("srsDimension", "2"))
            values = np.array((element.text or "").split(), np.float64)
            rings.append(values.reshape(-1, dimension)[:, :2])
        except ValueError:
            raise ValueError(f"{path}: a cloud polygon is damaged") from None
    return rasters.polygon_from_rings(rings)


def find_product(
    path: str | Path, band_names: Sequence[str] = BANDS_MS, granule: str | None = None
) -> Product:
    """Find out what lies at a path.

    Parameters
    ----------
    path : str or Path
    band_names : sequence of str
        The bands that are wanted; they name the bands of a raster that says no names, where
        the count fits.
    granule : str, optional
        Tile ("32TPP") or name of the granule, for products of several.

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
    if not location.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if location.is_dir():
        return _find_in_folder(location, granule)
    if location.suffix.lower() == ".zip":
        return _read_safe(_zip_tree(location), str(path), granule)
    if location.suffix.lower() == ".xml":
        return _find_by_xml(location, granule)
    return _read_single_raster(location, band_names)


@dataclass(frozen=True)
class _Tree:
    """The files of a product, in a folder or in a zip; `names` are relative, with slashes."""

    root: Path
    names: tuple[str, ...]
    prefix: str = ""
    zipped: bool = False

    def path(self, name: str) -> str:
        """Return the name under which GDAL opens a file."""
        if self.zipped:
            return f"/vsizip/{{{self.root.resolve()}}}/{self.prefix}{name}"
        return str(self.root / name)

    def read(self, name: str) -> bytes:
        """Read a small file."""
        if not self.zipped:
            with open(self.root / name, "rb") as stream:
                return stream.read(LARGEST_XML + 1)
        try:
            with zipfile.ZipFile(self.root) as archive, archive.open(self.prefix + name) as stream:
                return stream.read(LARGEST_XML + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise OSError(f"{self.root}: member {name} cannot be read: {error}") from error

    @property
    def title(self) -> str:
        """Return the product's name, from the folder or the zip."""
        name = PurePosixPath(self.prefix).name or self.root.resolve().name
        return re.sub(r"(\.SAFE)?(\.zip)?$", "", name, flags=re.IGNORECASE)


def _folder_tree(root: Path) -> _Tree:
    names = (file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
    return _Tree(root, tuple(sorted(names)))


def _zip_tree(path: Path) -> _Tree:
    """List a zip and find the product in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [item.filename for item in archive.infolist() if not item.is_dir()]
    except (zipfile.BadZipFile, ValueError) as error:
        raise OSError(f"{path}: is no complete zip ({error}): copy or download it again") from error
    roots = {
        str(PurePosixPath(name).parent)
        for name in members
        if PRODUCT_XML.match(PurePosixPath(name).name)
    } or {str(parent) for name in members for parent in PurePosixPath(name).parents
          if parent.name.upper().endswith(".SAFE")}  # fmt: skip
    if not roots:
        raise ValueError(
            f"{path}: is a zip without a Sentinel-2 product in it (no MTD_MSIL1C.xml or "
            "MTD_MSIL2A.xml); unpack a zip of other images first"
        )
    if len(roots) > 1:
        raise ValueError(f"{path}: holds {len(roots)} products, unpack it and name one")
    root = roots.pop()
    prefix = "" if root == "." else f"{root}/"
    inside = (name[len(prefix) :] for name in members if name.startswith(prefix))
    return _Tree(path, tuple(sorted(inside)), prefix, zipped=True)


def _find_in_folder(folder: Path, granule: str | None) -> Product:
    """Tell a product's folder from a folder of bands."""
    around = _product_around(folder)
    if around is not None:
        return _read_safe(_folder_tree(around[0]), str(folder), granule or around[1])
    names = [item.name for item in folder.iterdir()]
    is_safe = folder.suffix.upper() == ".SAFE" or "GRANULE" in names
    if is_safe or any(PRODUCT_XML.match(name) for name in names):
        return _read_safe(_folder_tree(folder), str(folder), granule)
    if any(BAND_FILE.search(name) for name in names):
        return _read_band_folder(folder, names)
    inner = sorted(name for name in names if name.upper().endswith(".SAFE"))
    if len(inner) == 1:
        return _find_in_folder(folder / inner[0], granule)
    if inner:
        raise ValueError(f"{folder}: holds {len(inner)} products, name one: {', '.join(inner)}")
    raise ValueError(f"{folder}: is no Sentinel-2 product: {WHAT_IS_READ}")


def _product_around(folder: Path) -> tuple[Path, str] | None:
    """Return the product and granule that a folder within a product (IMG_DATA) belongs to.

    Taken for a folder of bands it would lose the offset that the product's metadata gives.
    """
    place = folder.resolve()
    for granule in (place, *place.parents[:2]):
        root = granule.parent.parent
        if granule.parent.name == "GRANULE" and any(
            PRODUCT_XML.match(file.name) for file in root.iterdir()
        ):
            return root, granule.name
    return None


def _find_by_xml(path: Path, granule: str | None) -> Product:
    """Find the product that a metadata file belongs to."""
    if PRODUCT_XML.match(path.name):
        return _read_safe(_folder_tree(path.parent), str(path), granule)
    around = _product_around(path.parent)
    if GRANULE_XML.match(path.name) and around is not None:
        return _read_safe(_folder_tree(around[0]), str(path), granule or around[1])
    raise ValueError(
        f"{path}: is no metadata file of a Sentinel-2 product (MTD_MSIL1C.xml, MTD_MSIL2A.xml)"
    )


def parse_xml(content: bytes, name: str) -> Element:
    """Parse XML that comes from outside: no entities, no references, a limited size.

    Parameters
    ----------
    content : bytes
    name : str
        For the message.

    Raises
    ------
    ValueError
        If it is not well-formed, uses entities, or is unreasonably large.
    """
    if len(content) > LARGEST_XML:
        raise ValueError(f"{name}: is larger than {LARGEST_XML >> 20} MiB, no product metadata")
    try:
        return defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
    except (SyntaxError, DefusedXmlException, ValueError) as error:
        raise ValueError(f"{name}: is no valid product metadata: {error}") from error


def elements(root: Element, tag: str) -> list[Element]:
    """Return the elements of that name in any namespace."""
    return [item for item in root.iter() if str(item.tag).rsplit("}", 1)[-1] == tag]


def _text(root: Element | None, *tags: str) -> str | None:
    """Return the text of the first of the tags that is there."""
    for tag in tags if root is not None else ():
        for element in elements(root, tag):  # type: ignore[arg-type]
            if element.text and element.text.strip():
                return element.text.strip()
    return None


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
    listed = elements(root, "RADIO_ADD_OFFSET") or elements(root, "BOA_ADD_OFFSET")
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


def _offsets_by_name(name: str) -> tuple[dict[str, float], str]:
    """Return the offsets that a product of that name has, and the sentence that says so."""
    match = COMPACT_NAME.search(name)
    if match is None:
        return {}, ""
    offset = OFFSET_FROM_BASELINE_04 if int(match["baseline"]) >= 400 else 0
    said = f"no metadata: radiometric offset {offset} by the baseline in its name"
    return dict.fromkeys(BANDS_BY_ID, float(offset)), said


def _choose_granule(tree: _Tree, granule: str | None, path: str) -> tuple[str, bool]:
    """Return the name of the granule to read, and whether there are several."""
    parts = [PurePosixPath(name).parts for name in tree.names]
    names = sorted({item[1] for item in parts if len(item) > 2 and item[0] == "GRANULE"})
    if not names:
        raise ValueError(f"{path}: is no complete product, it has no GRANULE folder with images")
    fitting = [name for name in names if granule is None or granule in name]
    if len(fitting) == 1:
        return fitting[0], len(names) > 1
    tiles = [_tile(name) or name for name in names]
    listed = ", ".join(tiles if len(set(tiles)) == len(names) else names)
    if granule is not None and not fitting:
        raise ValueError(f"{path}: has no granule {granule!r}; it has: {listed}")
    raise ValueError(
        f"{path}: holds {len(names)} granules, choose one with --granule (GRANULE): {listed}"
    )


def _tile(name: str) -> str | None:
    match = TILE.search(name)
    return match[1] if match else None


def _finest_files(names: Iterable[str]) -> dict[str, str]:
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
    listed = [item for tag in tags if root is not None for item in elements(root, tag)]
    texts = [(item.text or "").strip() for item in listed]
    tile = _tile(granule) or ""
    return _finest_files(f"{PurePosixPath(text).name}.jp2" for text in texts if tile in text)


def _find_cloud_mask(tree: _Tree, folder: str) -> CloudMask | None:
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
                return CloudMask(kind, tree.path(name))
    return None


def _level(text: str | None) -> str | None:
    match = re.search(r"(1C|2A)", text or "")
    return f"L{match[1]}" if match else None


def _metadata(tree: _Tree, pattern: re.Pattern[str], folder: str) -> tuple[Element | None, str]:
    """Parse the XML of that name in that folder, where there is one."""
    for name in tree.names:
        pure = PurePosixPath(name)
        if str(pure.parent) == folder and pattern.match(pure.name):
            return parse_xml(tree.read(name), tree.path(name)), name
    return None, ""


def _radiometry(root: Element | None, name: str, title: str) -> tuple[dict[str, float], float, str]:
    """Return offsets, quantification, and the sentence on the offsets."""
    if root is None:
        offsets, said = _offsets_by_name(title)
        said = said or "no metadata, and no baseline in its name: radiometric offset 0"
        return offsets, DEFAULT_QUANTIFICATION, said
    text = _text(
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
class _NameParts:
    """What the name of a product says."""

    level: str | None = None
    baseline: str | None = None
    sensing_time: str | None = None
    tile: str | None = None


def _read_name(name: str) -> _NameParts:
    """Take a product's name apart; of an unknown name nothing is known."""
    match = COMPACT_NAME.search(name)
    if match:
        number = match["baseline"]
        return _NameParts(
            f"L{match['level']}",
            f"{number[:2]}.{number[2:]}",
            _iso_time(match["time"]),
            match["tile"],
        )
    match = OLD_NAME.search(name)
    return (
        _NameParts(f"L{match['level']}", None, _iso_time(match["time"])) if match else _NameParts()
    )


def _iso_time(text: str) -> str:
    """Turn 20180211T102141 into ISO 8601."""
    return f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:{text[13:15]}Z"


def _read_safe(tree: _Tree, path: str, granule: str | None) -> Product:
    """Read names and metadata of a product."""
    root, xml_name = _metadata(tree, PRODUCT_XML, ".")
    chosen, several = _choose_granule(tree, granule, path)
    folder = f"GRANULE/{chosen}"
    granule_root, _ = _metadata(tree, GRANULE_XML, folder)
    found = _finest_files(name for name in tree.names if name.startswith(f"{folder}/IMG_DATA/"))
    if not found:
        raise ValueError(f"{path}: {folder}/IMG_DATA holds no band files")
    offsets, quantification, said = _radiometry(root, tree.path(xml_name), tree.title)
    named = _read_name(tree.title)
    tile = _tile(chosen) or named.tile
    return Product(
        path=path,
        name=f"{tree.title}_T{tile}" if several and tile else tree.title,
        kind="SAFE",
        level=_level(_text(root, "PROCESSING_LEVEL", "PRODUCT_TYPE")) or named.level,
        baseline=_text(root, "PROCESSING_BASELINE") or named.baseline,
        sensing_time=_text(granule_root, "SENSING_TIME")
        or _text(root, "DATATAKE_SENSING_START", "PRODUCT_START_TIME")
        or named.sensing_time,
        tile=tile,
        bands={band: BandFile(tree.path(name)) for band, name in found.items()},
        expected=_expected_files(root, chosen),
        offsets=offsets,
        quantification=quantification,
        cloud_mask=_find_cloud_mask(tree, folder),
        radiometry=said,
    )


def _read_band_folder(folder: Path, names: Sequence[str]) -> Product:
    """Read a folder of single-band files."""
    files = sorted(name for name in names if BAND_FILE.search(name))
    prefixes = {re.split(BAND_FILE, name)[0] for name in files}
    if len(prefixes) > 1:
        raise ValueError(
            f"{folder}: holds bands of {len(prefixes)} images ({', '.join(sorted(prefixes)[:3])}, "
            "...), put each into a folder of its own"
        )
    found = _finest_files(files)
    # the files of a compact product lose its name, which the folder may have kept
    title = folder.resolve().name
    source = title if COMPACT_NAME.search(title) else files[0]
    named = _read_name(source)
    offsets, said = _offsets_by_name(source)
    return Product(
        path=str(folder),
        name=title,
        kind="folder",
        level=named.level,
        baseline=named.baseline,
        sensing_time=named.sensing_time,
        tile=named.tile or _tile(prefixes.pop()),
        bands={band: BandFile(str(folder / name)) for band, name in found.items()},
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
    return name if name in BANDS_MS and (not match[2] or match[1] == "8") else None


def _described_bands(info: rasters.RasterInfo) -> list[str]:
    """Return the band names in file order, none where no description names a band."""
    names = [band_of_description(text) or "" for text in info.band_names]
    known = [name for name in names if name]
    if len(known) != len(set(known)):
        raise ValueError(
            f"{info.path}: describes two bands by the same name: {', '.join(info.band_names)}"
        )
    return names if known else []


def _assumed_bands(info: rasters.RasterInfo, wanted: Sequence[str]) -> tuple[list[str], str]:
    """Return the band names of a raster that says none, and the sentence that says so."""
    without_cirrus = [band for band in BANDS_MS if band != "B10"]
    if info.bands == len(BANDS_MS):
        names, order = list(BANDS_MS), "EuroSAT order"
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


def _is_picture(info: rasters.RasterInfo) -> bool:
    """Tell an 8-bit RGB image (3 bands, or 4 with transparency) from bands in DN."""
    return info.dtype == "uint8" and info.bands in (3, 4)


def _read_single_raster(path: Path, wanted: Sequence[str]) -> Product:
    """Read the description of one raster file."""
    if TRUE_COLOUR.search(path.stem):
        raise ValueError(
            f"{path}: is a true colour image (TCI), which is scaled otherwise than the training "
            "images and would be misread; give the whole product, its bands B04, B03 and B02 "
            "are read instead"
        )
    if path.suffix.lower() in (".jp2", ".tif", ".tiff") and BAND_FILE.search(path.name):
        raise ValueError(
            f"{path}: is a single band of a product; give the product's or the bands' folder"
        )
    info = rasters.read_info(path)
    described = _described_bands(info)
    if _is_picture(info) and not described:
        names, said = ["B04", "B03", "B02"], "an 8-bit RGB image, its colours are taken as they are"
    elif described:
        names, said = described, ""
    else:
        names, said = _assumed_bands(info, wanted)
    named = _read_name(path.name)
    offsets, said_offset = _offsets_by_name(path.name)
    picture = _is_picture(info)
    return Product(
        path=str(path),
        name=path.stem,
        kind="raster",
        level=named.level,
        baseline=named.baseline,
        sensing_time=named.sensing_time,
        tile=named.tile,
        bands={name: BandFile(str(path), i) for i, name in enumerate(names) if name},
        offsets={} if picture else offsets,
        picture=picture,
        radiometry="" if picture else said_offset,
        messages=(said,) if said else (),
    )

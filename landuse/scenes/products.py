"""What is found at a path: where each band lies, and what is known of the product."""

from dataclasses import dataclass, field

from landuse import sensors


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
    doubt : {"", "baseline", "date"}
        Whether the offsets are in doubt: files that somebody has handled, whose name tells of
        a baseline with an offset, or of a time since which products have one.
    order : tuple of str
        Names that the bands of a raster without names were given, in the order of the file.
    named_by_file : bool
        Whether a raster says the names of its bands itself.
    mask_band : int or None
        Band of a raster, from 0, that is 0 where the others are not valid.
    unknown : tuple of str
        Descriptions or files that may be bands, and were not understood.
    tiles : tuple of str
        Files of one grid that are read as one raster, which `bands` call by the folder.
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
    quantification: float = sensors.REFLECTANCE_ONE
    cloud_mask: CloudMask | None = None
    picture: bool = False
    radiometry: str = ""
    messages: tuple[str, ...] = ()
    doubt: str = ""
    order: tuple[str, ...] = ()
    named_by_file: bool = False
    mask_band: int | None = None
    unknown: tuple[str, ...] = ()
    tiles: tuple[str, ...] = ()

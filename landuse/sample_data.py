"""A made landscape: labelled patches laid out as EuroSAT's, and a scene with its truth.

The ten EuroSAT classes are drawn with 13-band spectra in the range of the EuroSAT statistics (DN,
level 1C) and told apart mostly by their texture. A landscape is drawn in two steps: a `Layout`
says which class lies where, and `render_landscape` paints it and looks at it through an
atmosphere and a sensor. Patches are windows of small landscapes of their own; the scene is one
large landscape. Every random number comes from one seed, and the scene's stream is apart from
those of the patches.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from image_functions import BANDS_MS, BANDS_RGB, PATCH_SIZE, scale_to_rgb8
from landuse import files, rasters
from landuse.datasets import SAMPLE_MARKER, SAMPLE_PARTS

CLASS_NAMES = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)
NODATA_TRUTH = 255
VERSION = 1  # of the made landscape; another number means other pixels

PIXEL_SIZE = 10.0  # m
MARGIN = 12  # px drawn around a patch and cut off again, so that blurring sees real neighbours
CORRIDOR = 38.0  # px from the axis of a river or road to where its class ends
PARCELS = 512  # entries in the tables of parcel properties, which repeat after that

# Top-of-atmosphere DN of what the land is made of, in the order of BANDS_MS.
MATERIALS = {
    name: np.array(dn, np.float32)
    for name, dn in {
        "clear water": (1180, 870, 680, 390, 380, 320, 300, 240, 75, 9, 60, 40, 210),
        "turbid water": (1330, 1170, 1190, 860, 850, 520, 480, 400, 110, 9, 110, 70, 330),
        "broadleaf": (1090, 810, 740, 410, 830, 2450, 3150, 3100, 950, 9, 1450, 590, 3480),
        "conifer": (1075, 775, 640, 390, 640, 1650, 2000, 1950, 750, 9, 1000, 420, 2220),
        "lush grass": (1240, 990, 970, 580, 1170, 3000, 3700, 3650, 1090, 11, 1850, 830, 4050),
        "dry grass": (1370, 1180, 1200, 1200, 1570, 2250, 2550, 2550, 1000, 13, 2650, 1600, 2850),
        "green crop": (1200, 970, 950, 540, 1060, 3100, 4100, 4000, 1100, 11, 1700, 760, 4400),
        "ripe crop": (1500, 1380, 1500, 1750, 2050, 2650, 2950, 2950, 950, 14, 3300, 2200, 3200),
        "dark soil": (1330, 1110, 1040, 1120, 1260, 1420, 1570, 1570, 640, 12, 2050, 1500, 1720),
        "brown soil": (1450, 1290, 1320, 1620, 1830, 2080, 2270, 2300, 850, 14, 3100, 2300, 2520),
        "light soil": (1640, 1600, 1820, 2380, 2580, 2800, 3000, 3050, 1000, 15, 4000, 3000, 3280),
        "scrub": (1240, 1010, 950, 830, 1180, 1950, 2250, 2250, 950, 15, 2100, 1180, 2500),
        "rock": (1560, 1470, 1570, 1780, 1980, 2230, 2380, 2420, 1000, 16, 3250, 2350, 2580),
        "tile roof": (1520, 1360, 1340, 1650, 1750, 1950, 2080, 2050, 600, 12, 2350, 1880, 2200),
        "grey roof": (1560, 1370, 1260, 1240, 1290, 1430, 1530, 1530, 530, 12, 1750, 1430, 1630),
        "bright roof": (2250, 2750, 2850, 2950, 2850, 2950, 3050, 3150, 700, 12, 2950, 2500, 3150),
        "asphalt": (1400, 1150, 1030, 990, 1060, 1210, 1310, 1260, 480, 11, 1520, 1220, 1390),
        "concrete": (1660, 1560, 1540, 1640, 1700, 1850, 1950, 1950, 600, 12, 2350, 1950, 2060),
    }.items()
}


@dataclass(frozen=True)
class Layout:
    """What lies where.

    Attributes
    ----------
    regions : ndarray of shape (rows, columns), integer
        Index into `classes`; every region is drawn for itself.
    classes : tuple of int
        The class of every region, an index into CLASS_NAMES; not River or Highway.
    river, road : ndarray of shape (rows, columns), float32, px
        Distance from the axis of the river and of the road that cross the regions; infinite
        where there is none.
    """

    regions: np.ndarray
    classes: tuple[int, ...]
    river: np.ndarray
    road: np.ndarray

    @property
    def is_sea(self) -> np.ndarray:
        """Where there is open water, boolean of shape (rows, columns)."""
        return np.array(self.classes)[self.regions] == CLASS_NAMES.index("SeaLake")

    @property
    def truth(self) -> np.ndarray:
        """The class of every pixel, ndarray of shape (rows, columns), uint8.

        A river or road gives its class to the land up to CORRIDOR px from its axis.
        """
        truth = np.array(self.classes, np.uint8)[self.regions]
        for distance, name in ((self.river, "River"), (self.road, "Highway")):
            truth[(distance < CORRIDOR) & ~self.is_sea] = CLASS_NAMES.index(name)
        return truth


# Building blocks


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), sigma)


def _enlarge(image: np.ndarray, factor: float) -> np.ndarray:
    import cv2

    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def _noise(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of about unit variance whose bumps are `scale` px apart."""
    grid = tuple(int(np.ceil(side / scale)) + 4 for side in shape)
    field = rng.standard_normal(grid, dtype=np.float32)
    if scale > 1:
        field = _enlarge(field, scale)
    start = int(scale)
    return field[start : start + shape[0], start : start + shape[1]]


def _fractal(
    shape: tuple[int, int], scale: float, rng: np.random.Generator, octaves: int = 4
) -> np.ndarray:
    """Random field of about unit variance with detail down to `scale / 2**octaves` px."""
    fields = [0.6**k * _noise(shape, max(scale / 2**k, 1.0), rng) for k in range(octaves)]
    total = np.sum(fields, axis=0)
    return total / np.sqrt(sum(0.36**k for k in range(octaves)))


def _step(field: np.ndarray, width: float = 1.0) -> np.ndarray:
    """0 where `field` is negative, 1 where it is positive, a ramp of `width` between them."""
    return np.clip(field / width + 0.5, 0.0, 1.0)


def _blend(ground: np.ndarray, cover: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`ground` covered by `cover` with `share` (0 to 1) per pixel."""
    return ground + (cover - ground) * share[..., None]


def _rotated(
    shape: tuple[int, int], angle: float, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates across and along a direction, px from the centre, shifted at random by `rng`."""
    shift = rng.uniform(-200, 200, 2) if rng is not None else np.zeros(2)
    row, column = np.indices(shape, np.float32)
    row = row - (shape[0] - 1) / 2
    column = column - (shape[1] - 1) / 2
    across = np.cos(angle) * column + np.sin(angle) * row + shift[0]
    along = -np.sin(angle) * column + np.cos(angle) * row + shift[1]
    return across.astype(np.float32), along.astype(np.float32)


@dataclass(frozen=True)
class _Parcels:
    number: np.ndarray  # 0 to PARCELS - 1 per pixel
    edge: np.ndarray  # px to the nearest side of the parcel
    across: np.ndarray  # px
    along: np.ndarray  # px


def _parcels(
    shape: tuple[int, int],
    width: float,
    length: float,
    bend: float,
    rng: np.random.Generator,
    angle: float | None = None,
) -> _Parcels:
    """Divide the land into strips about `width` px wide, and these into parcels."""
    across, along = _rotated(shape, rng.uniform(0, np.pi) if angle is None else angle, rng)
    across = across + bend * _noise(shape, 60, rng)
    along = along + bend * _noise(shape, 60, rng)
    widths = width * rng.uniform(0.5, 1.5, int((np.ptp(across)) / width * 2) + 6)
    sides = (np.cumsum(widths) + across.min() - 2 * width).astype(np.float32)
    strip = np.clip(np.searchsorted(sides, across), 1, len(sides) - 1)
    lengths = (length * rng.uniform(0.5, 1.6, len(sides))).astype(np.float32)
    position = along / lengths[strip] + rng.uniform(0, 1, len(sides)).astype(np.float32)[strip]
    ends = position - np.floor(position)
    sideways = np.minimum(across - sides[strip - 1], sides[strip] - across)
    edge = np.minimum(sideways, np.minimum(ends, 1 - ends) * lengths[strip])
    number = (strip * 37 + np.floor(position).astype(np.int64) * 151) % PARCELS
    return _Parcels(number, edge, across, along)


def _dot_field(shape: tuple[int, int], density: float, rng: np.random.Generator) -> np.ndarray:
    """Cover (0 to 1) of dots of one to two pixels, `density` of them per pixel."""
    dots = (rng.random(shape, dtype=np.float32) < density).astype(np.float32)
    return np.clip(_blur(dots, 0.7) * 2.5, 0, 1)


def _mixture(names: tuple[str, ...], weights: np.ndarray) -> np.ndarray:
    """Spectra of shape (..., 13) of materials mixed with weights of shape (..., materials)."""
    spectra = np.stack([MATERIALS[name] for name in names])
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32) @ spectra


def _shine(spectra: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Spectra of shape (..., 13) made brighter or darker by a factor of shape (...)."""
    return spectra * factor[..., None].astype(np.float32)


# Textures: the surface of a class, of shape (rows, columns, 13), float32, DN


def _plain(name: str, shape: tuple[int, int]) -> np.ndarray:
    return np.broadcast_to(MATERIALS[name], (*shape, len(BANDS_MS)))


def _relief(shape: tuple[int, int], size: float, rng: np.random.Generator) -> np.ndarray:
    """Light and shade of hills, about 1."""
    slope = np.gradient(_fractal(shape, 30, rng, 3), axis=int(rng.integers(2)))
    return np.clip(1 + size * slope, 0.5, 1.6)


def _annual_crop(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(17, 38), rng.uniform(28, 60), rng.uniform(0, 3), rng)
    names = ("green crop", "ripe crop", "dark soil", "brown soil", "light soil")
    season = rng.dirichlet((1.8, 1.0, 0.9, 1.4, 0.7))
    colours = _mixture(names, rng.dirichlet(1.4 * season + 0.06, PARCELS))
    colours = _shine(colours, rng.lognormal(0, 0.07, PARCELS))
    rows = np.sin(parcels.across * (2 * np.pi / rng.uniform(3, 7)))
    light = 1 + rng.uniform(0, 0.015) * rows + 0.035 * _fractal(shape, 16, rng)
    surface = _shine(colours[parcels.number], light)
    track = _step(0.8 - parcels.edge) * rng.uniform(0, 0.8, PARCELS)[parcels.number] ** 2
    return _blend(surface, MATERIALS["light soil"], track)


def _permanent_crop(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(8, 15), rng.uniform(12, 30), rng.uniform(0, 6), rng)
    soil = _mixture(("dark soil", "brown soil", "light soil"), rng.dirichlet((1, 2, 0.8)))
    plants = _mixture(("scrub", "broadleaf", "green crop"), rng.dirichlet((2, 1, 1.5)))
    cover = np.clip(rng.uniform(0.2, 0.85) + 0.18 * rng.standard_normal(PARCELS), 0.03, 0.97)
    turned = (rng.random(PARCELS) < 0.4)[parcels.number]
    lines = np.where(turned, parcels.across, parcels.along)
    rows = np.sin(lines * (2 * np.pi / rng.uniform(2.3, 3.6)))
    trees = rng.uniform(0.04, 0.16) * rows + 0.12 * _noise(shape, 1.5, rng)
    share = np.clip(cover[parcels.number] + trees, 0, 1)
    surface = _blend(np.broadcast_to(soil, (*shape, len(soil))), plants, share)
    light = rng.lognormal(0, 0.07, PARCELS)[parcels.number] + 0.04 * _fractal(shape, 8, rng)
    track = _step(0.7 - parcels.edge) * rng.uniform(0.1, 0.9, PARCELS)[parcels.number]
    return _blend(_shine(surface, light), MATERIALS["light soil"], rng.uniform(0.3, 0.9) * track)


def _forest(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    stands = _step(_fractal(shape, 34, rng) + rng.normal(0, 1.3), 1.2)
    surface = _blend(_plain("conifer", shape), MATERIALS["broadleaf"], stands)
    light = _relief(shape, rng.uniform(0.2, 0.9), rng) + 0.06 * _noise(shape, 1.7, rng)
    clearing = _step(_fractal(shape, 24, rng) - rng.uniform(1.7, 3.6), 0.3)
    return _blend(_shine(surface, light), MATERIALS["scrub"], 0.8 * clearing)


def _herbaceous(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    grass = _step(_fractal(shape, 24, rng, 5) + rng.normal(0, 1.4), 3)
    surface = _blend(_plain("scrub", shape), MATERIALS["dry grass"], grass)
    bare = np.clip(0.18 * _fractal(shape, 24, rng, 5) + rng.uniform(-0.3, 0.4), 0, 0.9)
    surface = _blend(surface, MATERIALS["rock"], bare)
    gullies = np.abs(_fractal(shape, rng.uniform(18, 34), rng, 5))
    path = _step(rng.uniform(-0.06, 0.14) - gullies, 0.1) * rng.uniform(0.3, 0.9)
    surface = _blend(surface, MATERIALS["rock"], path)
    bushes = _step(_fractal(shape, 7, rng, 3) - rng.uniform(0.6, 2.5), 1.0)
    surface = _blend(surface, MATERIALS["broadleaf"], rng.uniform(0.2, 0.7) * bushes)
    light = _relief(shape, rng.uniform(0.2, 0.7), rng) + 0.045 * _fractal(shape, 3, rng, 2)
    return _shine(surface, light)


def _pasture(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(14, 36), rng.uniform(18, 44), rng.uniform(4, 9), rng)
    shares = np.clip(rng.beta(1.1, 2.8) + 0.12 * rng.standard_normal(PARCELS), 0, 1)
    colours = _mixture(("lush grass", "dry grass"), np.stack([1 - shares, shares], -1))
    colours = _shine(colours, rng.lognormal(0, 0.06, PARCELS))
    surface = _shine(colours[parcels.number], 1 + 0.025 * _fractal(shape, 20, rng))
    hedges = rng.uniform(0, 1, PARCELS)[parcels.number] * rng.uniform(0.5, 1)
    trees = _step(0.9 - parcels.edge + 0.5 * _noise(shape, 4, rng)) * hedges
    trees = np.maximum(trees, 0.8 * _dot_field(shape, rng.uniform(0, 0.006), rng))
    return _blend(surface, 0.85 * MATERIALS["broadleaf"], trees)


def _residential(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    blocks = _parcels(shape, rng.uniform(6.5, 11), rng.uniform(12, 30), rng.uniform(1, 7), rng)
    names = ("lush grass", "dry grass", "broadleaf", "dark soil")
    green = _mixture(names, rng.dirichlet((2, 1.2, 4, 1.5)))
    roofs = _mixture(("tile roof", "grey roof", "light soil"), rng.dirichlet((1.2, 1, 0.15)))
    density = rng.uniform(0.2, 0.6) + 0.1 * _noise(shape, 14, rng)
    density += 0.1 * rng.standard_normal(PARCELS)[blocks.number]
    position = blocks.along + 0.8 * _noise(shape, 6, rng)
    houses = np.sin(position * (2 * np.pi / rng.uniform(2.4, 3.6))) + 1.6 * _noise(shape, 1.5, rng)
    built = np.clip(density + 0.2 * houses * _step(blocks.edge - 1.2), 0, 1)
    surface = _blend(np.broadcast_to(green, (*shape, len(green))), roofs, built)
    surface = _shine(surface, 1 + rng.uniform(0.04, 0.12) * _noise(shape, 1.3, rng))
    street = _mixture(("asphalt", "concrete"), rng.dirichlet((1, 1)))
    surface = _blend(surface, street, rng.uniform(0.35, 0.8) * _step(0.8 - blocks.edge))
    park = (rng.random(PARCELS) < 0.03)[blocks.number] * _step(blocks.edge - 1)
    surface = _blend(surface, MATERIALS["lush grass"], 0.6 * park)
    halls = _dot_field(shape, rng.uniform(0, 0.006), rng)
    return _blend(surface, MATERIALS["bright roof"], 0.6 * halls)


def _buildings(
    surface: np.ndarray,
    size: tuple[float, float],
    share: float,
    angle: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """`surface` with a building, and its shade, on a share of the lots."""
    shape = (surface.shape[0], surface.shape[1])
    lots = _parcels(shape, *size, 0.5, rng, angle)
    names = ("bright roof", "grey roof", "tile roof", "asphalt")
    roofs = _mixture(names, rng.dirichlet((0.4, 0.45, 0.12, 0.2), PARCELS))
    roofs = _shine(roofs, rng.lognormal(0, 0.15, PARCELS))
    inset = rng.uniform(0.8, 0.3 * size[0], PARCELS)[lots.number]
    built = (rng.random(PARCELS) < share)[lots.number]
    roof = _step(lots.edge - inset) * built
    shade = np.roll(roof, (-1, -1), (0, 1)) * (1 - roof)
    surface = _shine(surface, 1 - 0.35 * shade)
    return _blend(surface, roofs[lots.number], roof)


def _industrial(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, np.pi)
    lots = _parcels(shape, rng.uniform(14, 26), rng.uniform(18, 40), 0.5, rng, angle)
    names = ("asphalt", "concrete", "dark soil", "lush grass", "dry grass")
    yards = _mixture(names, rng.dirichlet((1.0, 0.5, 0.4, 0.4, 0.3), PARCELS))
    surface = _shine(yards[lots.number], 1 + 0.09 * _noise(shape, 1.7, rng))
    surface = _blend(surface, MATERIALS["asphalt"], 0.8 * _step(1.0 - lots.edge))
    small = (rng.uniform(5, 8), rng.uniform(6, 12))
    surface = _buildings(surface, small, rng.uniform(0.1, 0.6), angle, rng)
    large = (rng.uniform(9, 17), rng.uniform(9, 26))
    return _buildings(surface, large, rng.uniform(0.3, 0.6), angle, rng)


def _sea_lake(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    turbid = rng.beta(0.8, 1.6) + rng.uniform(0, 0.12) * _fractal(shape, 60, rng)
    surface = _blend(_plain("clear water", shape), MATERIALS["turbid water"], np.clip(turbid, 0, 1))
    return _shine(surface, 1 + 0.006 * _noise(shape, 3, rng))


_TEXTURES: dict[str, Callable[[tuple[int, int], np.random.Generator], np.ndarray]] = {
    "AnnualCrop": _annual_crop,
    "Forest": _forest,
    "HerbaceousVegetation": _herbaceous,
    "Industrial": _industrial,
    "Pasture": _pasture,
    "PermanentCrop": _permanent_crop,
    "Residential": _residential,
    "SeaLake": _sea_lake,
}


def _add_river(land: np.ndarray, distance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`land` with a river, its sandy edge and the trees on its banks."""
    shape = distance.shape
    half_width = rng.uniform(5.5, 11) + 0.8 * _noise(shape, 40, rng)
    bank = half_width + rng.uniform(1, 7) + 1.5 * _noise(shape, 5, rng)
    trees = rng.uniform(0.2, 0.9) * _step(bank - distance, 2)
    surface = _blend(land, MATERIALS["broadleaf"], trees)
    sand = rng.uniform(0, 0.5) * _step(half_width + 1 - distance)
    surface = _blend(surface, MATERIALS["light soil"], sand)
    return _blend(surface, _sea_lake(shape, rng), _step(half_width - distance))


def _add_road(land: np.ndarray, distance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`land` with a motorway: two carriageways, the strip between them, and verges."""
    half_width = rng.uniform(1.7, 2.9)
    verge = _step(half_width + rng.uniform(2, 5) - distance, 1.5)
    grass = MATERIALS[("dry grass", "lush grass", "scrub")[rng.integers(3)]]
    surface = _blend(land, grass, rng.uniform(0.6, 0.95) * verge)
    road = _mixture(("asphalt", "concrete", "grey roof"), rng.dirichlet((1.2, 1, 1)))
    surface = _blend(surface, road, _step(half_width - distance))
    return _blend(surface, grass, rng.uniform(0.1, 0.7) * _step(0.4 - distance))


# From a layout to pixels

# What thick air adds to each band, and how far a pixel of each band spreads (10, 20, 60 m bands).
_HAZE = np.array((230, 200, 150, 100, 90, 60, 50, 45, 15, 0.3, 20, 12, 45), np.float32)
_SPREAD = (2.6, 0.55, 0.55, 0.55, 0.9, 0.9, 0.9, 0.55, 2.6, 2.6, 0.9, 0.9, 0.9)
_NOISE = np.array((60, 18, 18, 18, 24, 24, 24, 24, 40, 5, 16, 12, 24), np.float32)
_GROUPS = np.array((0, 0, 0, 0, 1, 1, 1, 1, 1, 3, 2, 2, 1))  # bands whose gain varies together


def _ground(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Draw the textures of all regions, of shape (rows, columns, 13), float32, DN."""
    ground = np.zeros((*layout.regions.shape, len(BANDS_MS)), np.float32)
    for region, class_index in enumerate(layout.classes):
        share = _blur((layout.regions == region).astype(np.float32), 0.7)  # no stairs at borders
        if not share.any():
            continue
        rows, columns = (np.flatnonzero(share.any(axis)) for axis in (1, 0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        texture = _TEXTURES[CLASS_NAMES[class_index]](share[box].shape, rng)
        ground[box] += texture * share[box][..., None]
    return ground


def _surface(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Draw the land as it is, of shape (rows, columns, 13), float32, DN."""
    surface = ground = _ground(layout, rng)
    for distance, add in ((layout.river, _add_river), (layout.road, _add_road)):
        if np.isfinite(distance).all():
            surface = add(surface, distance, rng)
    return np.where(layout.is_sea[..., None], ground, surface)


def render_landscape(layout: Layout, rng: np.random.Generator, weather: float = 1.0) -> np.ndarray:
    """Draw a layout as Sentinel-2 would see it.

    Parameters
    ----------
    layout : Layout
        What lies where.
    rng : numpy.random.Generator
        Where all chance comes from.
    weather : float
        How much haze and light vary from landscape to landscape; 0 is the average day.

    Returns
    -------
    ndarray of shape (rows, columns, 13), uint16
        DN of level 1C, in the order of BANDS_MS.
    """
    surface = _surface(layout, rng)
    gains = np.append(np.exp(weather * rng.normal(0, (0.05, 0.08, 0.10))), 1.0)
    gains[:3] *= np.exp(weather * rng.normal(0, 0.05))
    haze = weather * (min(rng.exponential(0.6), 3.0) - 0.5)
    seen = surface * gains[_GROUPS].astype(np.float32) + haze * _HAZE
    seen += _NOISE * rng.standard_normal(seen.shape, dtype=np.float32)
    blurred = [_blur(seen[..., band], sigma) for band, sigma in enumerate(_SPREAD)]
    return np.clip(np.rint(np.stack(blurred, -1)), 1, 65535).astype(np.uint16)


# Layouts

_CORRIDORS = (CLASS_NAMES.index("River"), CLASS_NAMES.index("Highway"))
_GROUNDS = tuple(k for k in range(len(CLASS_NAMES)) if k not in _CORRIDORS)


def _axis_distance(
    across: np.ndarray, along: np.ndarray, amplitude: float, length: float, rng: np.random.Generator
) -> np.ndarray:
    """Signed distance in px from an axis that winds about `across == 0`."""
    phases = rng.uniform(0, 2 * np.pi, 2)
    waves = 2 * np.pi / (length * np.array((1.0, 0.47)))
    sizes = amplitude * np.array((1.0, 0.35))
    curve = sum(s * np.sin(w * along + p) for s, w, p in zip(sizes, waves, phases, strict=True))
    slope = sum(s * w * np.cos(w * along + p) for s, w, p in zip(sizes, waves, phases, strict=True))
    return ((across - curve) / np.sqrt(1 + np.square(slope))).astype(np.float32)


def _draw_patch_layout(class_index: int, rng: np.random.Generator) -> Layout:
    """Layout around a patch: one class alone, or with others beside it."""
    shape = (PATCH_SIZE + 2 * MARGIN, PATCH_SIZE + 2 * MARGIN)
    across, along = _rotated(shape, rng.uniform(0, 2 * np.pi))
    side = _axis_distance(across, along, rng.uniform(0, 14), rng.uniform(90, 240), rng)
    axes = dict.fromkeys(_CORRIDORS, np.full(shape, np.inf, np.float32))
    classes = rng.permutation(_GROUNDS)
    regions = np.zeros(shape, np.int64)
    is_mixed = rng.random() < 0.55
    beside = int(rng.choice([k for k in range(len(CLASS_NAMES)) if k != class_index]))
    border = rng.uniform(0, 30)  # px from the middle
    if class_index in _CORRIDORS:
        axes[class_index] = np.abs(side + rng.triangular(-28, 0, 28))
    else:
        classes = np.concatenate([[class_index], classes[classes != class_index]])
        if is_mixed and beside in _CORRIDORS:
            axes[beside] = np.abs(side - border - CORRIDOR)
    if is_mixed:
        regions[side > border] = 1
        regions[(along > rng.uniform(0, 40)) & (rng.random() < 0.35)] = 2
    return Layout(regions, tuple(int(k) for k in classes[:3]), *axes.values())


def _centre(image: np.ndarray) -> np.ndarray:
    return image[MARGIN : MARGIN + PATCH_SIZE, MARGIN : MARGIN + PATCH_SIZE]


def _draw_fitting_layout(class_index: int, rng: np.random.Generator) -> Layout:
    """Draw layouts until the class has the majority in the patch."""
    while True:
        layout = _draw_patch_layout(class_index, rng)
        if np.mean(_centre(layout.truth) == class_index) > 0.52:
            return layout


def make_patch(class_index: int, seed: int, number: int) -> np.ndarray:
    """Make one labelled patch.

    Parameters
    ----------
    class_index : int
        Index into CLASS_NAMES. The class covers more than half of the patch.
    seed, number : int
        The sample's seed, and the patch's number within its class.

    Returns
    -------
    ndarray of shape (64, 64, 13), uint16, DN
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, class_index, number)))
    return _centre(render_landscape(_draw_fitting_layout(class_index, rng), rng))


def _draw_cells(
    count: int, size: int, coast: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Middles (rows, columns) of the land's cells, count x count, and the class of each.

    One cell is the town, the next one its industrial quarter; the others are dealt from the
    classes of open land in turn.
    """
    row, column = np.indices((count, count)).reshape(2, -1)
    rows = (row + 0.5) * size / count + rng.uniform(-12, 12, row.size)
    columns = coast + (column + 0.5) * (size - coast) / count + rng.uniform(-16, 16, row.size)
    columns += rng.uniform(-24, 24, count)[row]
    names = ("AnnualCrop", "Forest", "HerbaceousVegetation", "Pasture", "PermanentCrop")
    deck = rng.permutation([CLASS_NAMES.index(name) for name in names])
    classes = deck[(3 * row + column) % len(deck)]
    town = (count - 1) * count + int(rng.integers(count - 1))
    classes[[town, town + 1]] = CLASS_NAMES.index("Residential"), CLASS_NAMES.index("Industrial")
    return np.stack([rows, columns], -1), classes


def _draw_scene_layout(size: int, rng: np.random.Generator) -> Layout:
    """Layout of a scene: sea in the west, cells of land, a river and a road from the east."""
    shape = (size, size)
    count = max(3, round(size / 213))
    coast = 0.2 * size
    middles, classes = _draw_cells(count, size, coast, rng)
    row, column = np.indices(shape, np.float32)
    warped_row = row + 6 * _fractal(shape, 50, rng) + 14 * _noise(shape, 110, rng)
    warped_column = column + 6 * _fractal(shape, 50, rng) + 14 * _noise(shape, 110, rng)
    distances = [np.hypot(warped_row - r, warped_column - c) for r, c in middles]
    regions = np.argmin(distances, axis=0)
    shore = coast + 14 * _noise(shape, 150, rng) + 4 * _fractal(shape, 40, rng)
    regions[column < shore] = len(classes)
    # between two rows of cells, so that what is left of the cells is wide enough
    river, road = (
        np.abs(_axis_distance(row - size * k / count, column, 13, 330, rng)) for k in (1, 2)
    )
    sea = CLASS_NAMES.index("SeaLake")
    return Layout(regions, (*(int(k) for k in classes), sea), river, road)


def make_scene(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the scene and its truth.

    Parameters
    ----------
    seed : int
        The sample's seed; the scene's random numbers are apart from those of the patches.
    size : int
        Rows and columns.

    Returns
    -------
    scene : ndarray of shape (size, size, 13), uint16, DN
    truth : ndarray of shape (size, size), uint8
        Index into CLASS_NAMES.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    layout = _draw_scene_layout(size, rng)
    return render_landscape(layout, rng, weather=0.3), layout.truth


# Files


def write_sample(
    folder: str | Path, patches_per_class: int = 200, seed: int = 42, scene_size: int = 640
) -> Path:
    """Write the sample: patches as in EuroSAT, a scene and its truth.

    ``EuroSAT_MS/<Class>/<Class>_N.tif`` (13 bands, uint16, georeferenced in UTM),
    ``EuroSAT_RGB/<Class>/<Class>_N.jpg`` (the same patches in the published RGB scaling),
    ``scene.tif`` (13 named bands) and ``scene_truth.tif`` (index into CLASS_NAMES, nodata 255).
    A sample that is there and whole is kept, and one with missing files is completed. An
    interrupted run leaves a hidden folder only, which the next run clears away.

    Parameters
    ----------
    folder : str or Path
        Where to write; made when it is missing.
    patches_per_class : int
        Number of patches of each class, at least 1.
    seed : int
        The same seed gives the same pixels; at least 0.
    scene_size : int, px
        Rows and columns of the scene, at least 640.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        When a number is out of range.
    OSError
        When the folder holds something else or a sample with other settings, when another run
        is writing it, or when it cannot be written.
    """
    folder = Path(folder)
    settings = {
        "version": VERSION,
        "patches_per_class": patches_per_class,
        "seed": seed,
        "scene_size": scene_size,
    }
    _check_settings(settings)
    _make_folder(folder)
    partial = folder / ".sample.partial"
    with files.lock(folder / SAMPLE_MARKER, "writing the sample"):
        if (partial / SAMPLE_MARKER).is_file():  # whole, but not all of it was moved
            _publish(partial, folder)
        _remove_partial(partial)
        _check_folder(folder, settings)
        missing = {name for name in _file_names(patches_per_class) if not (folder / name).is_file()}
        if missing:
            _write_files(partial, missing, settings)
            _publish(partial, folder)
    return folder


def _check_settings(settings: dict[str, int]) -> None:
    for name, least in (("patches_per_class", 1), ("seed", 0), ("scene_size", 640)):
        if settings[name] < least:
            raise ValueError(f"{name} is {settings[name]}; it must be at least {least}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the folder {folder} for the sample cannot be made ({error.strerror}); "
            "choose one below a folder that you may write to"
        ) from error


def _check_folder(folder: Path, settings: dict[str, int]) -> None:
    """Refuse a folder that holds another sample, or data that is not ours."""
    if (folder / SAMPLE_MARKER).is_file():
        found = files.read_json(folder / SAMPLE_MARKER)
        if found != settings:
            differ = [
                f"{name} was {found.get(name)}, is {value}"
                for name, value in settings.items()
                if found.get(name) != value
            ]
            raise FileExistsError(
                f"{folder} holds a sample with other settings: {'; '.join(differ)}. Choose another "
                "folder, or delete that sample"
            )
        return
    for name in SAMPLE_PARTS:
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder / name} is there and was not made as a part of the sample "
                f"({SAMPLE_MARKER} is missing); choose another folder"
            )


def _file_names(patches_per_class: int) -> Iterator[str]:
    """Paths of the sample's files, relative to its folder."""
    for name in CLASS_NAMES:
        for number in range(1, patches_per_class + 1):
            yield f"EuroSAT_MS/{name}/{name}_{number}.tif"
            yield f"EuroSAT_RGB/{name}/{name}_{number}.jpg"
    yield "scene.tif"
    yield "scene_truth.tif"


def _remove_partial(partial: Path) -> None:
    """Clear away what an interrupted run left."""
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial)


def _write_files(partial: Path, wanted: set[str], settings: dict[str, int]) -> None:
    """Write the files of the sample into `partial`, its marker last."""
    for name in CLASS_NAMES:
        for data in ("EuroSAT_MS", "EuroSAT_RGB"):
            (partial / data / name).mkdir(parents=True)
    per_class, seed = settings["patches_per_class"], settings["seed"]
    with tqdm(total=len(CLASS_NAMES) * per_class, desc="sample", unit="patch") as progress:
        for class_index, name in enumerate(CLASS_NAMES):
            for number in range(1, per_class + 1):
                paths = (
                    f"EuroSAT_MS/{name}/{name}_{number}.tif",
                    f"EuroSAT_RGB/{name}/{name}_{number}.jpg",
                )
                if wanted.intersection(paths):
                    patch = make_patch(class_index, seed, number)
                    _write_patch(partial / paths[0], patch, *_draw_place(class_index, seed, number))
                    _write_jpeg(partial / paths[1], patch)
                progress.update()
    if wanted.intersection(("scene.tif", "scene_truth.tif")):
        _write_scene(partial, seed, settings["scene_size"])
    files.write_json(partial / SAMPLE_MARKER, settings)


def _draw_place(class_index: int, seed: int, number: int) -> tuple[tuple[float, ...], int]:
    """Geotransform and EPSG code of a patch: somewhere in the UTM zones 29 to 35 north."""
    key = (2, class_index, number)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    east, north = 10 * rng.integers((30_000, 410_000), (70_000, 640_000))
    geotransform = (float(east), PIXEL_SIZE, 0.0, float(north), 0.0, -PIXEL_SIZE)
    return geotransform, 32600 + int(rng.integers(29, 36))


def _write_patch(path: Path, patch: np.ndarray, geotransform: tuple, epsg: int) -> None:
    options = ["COMPRESS=NONE", "INTERLEAVE=PIXEL"]
    rasters.write_geotiff(path, patch, geotransform, f"EPSG:{epsg}", options=options)


def _write_jpeg(path: Path, patch: np.ndarray) -> None:
    """Write the RGB view of a patch; the best JPEG quality, as EuroSAT's."""
    import cv2

    rgb = scale_to_rgb8(patch[..., [BANDS_MS.index(band) for band in BANDS_RGB]])
    _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    path.write_bytes(jpeg.tobytes())


def _write_scene(partial: Path, seed: int, size: int) -> None:
    scene, truth = make_scene(seed, size)
    geotransform = (600_000.0, PIXEL_SIZE, 0.0, 4_850_000.0, 0.0, -PIXEL_SIZE)
    crs = "EPSG:32632"
    rasters.write_geotiff(
        partial / "scene.tif", scene, geotransform, crs, band_names=BANDS_MS, nodata=0
    )
    rasters.write_geotiff(
        partial / "scene_truth.tif", truth, geotransform, crs, nodata=NODATA_TRUTH
    )


def _publish(partial: Path, folder: Path) -> None:
    """Move the finished files to their places, the marker last, and remove `partial`."""
    entries = sorted(partial.iterdir(), key=lambda entry: (entry.name == SAMPLE_MARKER, entry.name))
    for entry in entries:
        target = folder / entry.name
        if entry.is_dir() and target.is_dir():
            _publish(entry, target)
        else:
            entry.replace(target)
    partial.rmdir()

"""A made landscape: labelled patches laid out as EuroSAT's, and a scene with its truth.

The ten EuroSAT classes are drawn with 13-band spectra in the range of the EuroSAT statistics (DN,
level 1C) and told apart mostly by their texture. A landscape is drawn in two steps: a `Layout`
says which class lies where, and `render_landscape` paints it and looks at it through an
atmosphere and a sensor. Patches are windows of small landscapes of their own; the scene is one
large landscape. Every random number comes from one seed, and the scene's stream is apart from
those of the patches.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from image_functions import BANDS_MS, BANDS_RGB, PATCH_SIZE, scale_to_rgb8
from landuse import files, rasters

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
MARKER = "sample.json"

PIXEL_SIZE = 10.0  # m
MARGIN = 12  # px drawn around a patch and cut off again, so that blurring sees real neighbours
CORRIDOR = (34.0, 42.0)  # px from the axis of a river or road to the edge of its region
PARCELS = 512  # entries in the tables of parcel properties, which repeat after that

# Top-of-atmosphere DN of what the land is made of, in the order of BANDS_MS.
MATERIALS = {
    name: np.array(dn, np.float32)
    for name, dn in {
        "clear water": (1210, 930, 760, 440, 420, 320, 300, 240, 75, 9, 60, 40, 210),
        "turbid water": (1330, 1150, 1130, 820, 820, 520, 480, 400, 110, 9, 110, 70, 330),
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
        The class of every region, an index into CLASS_NAMES.
    river, road : ndarray of shape (rows, columns), float32, px
        Distance from the axis of the river and of the road.
    """

    regions: np.ndarray
    classes: tuple[int, ...]
    river: np.ndarray
    road: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """The class of every pixel, ndarray of shape (rows, columns), uint8."""
        return np.array(self.classes, np.uint8)[self.regions]


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
    shape: tuple[int, int], width: float, length: float, bend: float, rng: np.random.Generator
) -> _Parcels:
    """Divide the land into strips about `width` px wide, and these into parcels."""
    across, along = _rotated(shape, rng.uniform(0, np.pi), rng)
    across = across + bend * _noise(shape, 40, rng)
    along = along + bend * _noise(shape, 40, rng)
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


# Textures: (rows, columns) to the surface of shape (rows, columns, 13), float32, DN


def _annual_crop(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(16, 34), rng.uniform(30, 60), rng.uniform(0, 3), rng)
    names = ("green crop", "ripe crop", "dark soil", "brown soil", "light soil")
    season = rng.dirichlet((1.6, 1.2, 0.8, 1.5, 0.8))
    colours = _mixture(names, rng.dirichlet(0.3 * season * 5 + 0.05, PARCELS))
    colours = _shine(colours, rng.lognormal(0, 0.08, PARCELS))
    surface = colours[parcels.number]
    rows = np.sin(parcels.across * (2 * np.pi / rng.uniform(3, 6)))
    surface = _shine(surface, 1 + 0.012 * rows + 0.035 * _fractal(shape, 14, rng))
    track = _step(1.0 - parcels.edge) * (rng.random(PARCELS) < 0.5)[parcels.number]
    return _blend(surface, MATERIALS["light soil"], 0.35 * track)


def _permanent_crop(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(9, 16), rng.uniform(12, 28), rng.uniform(0, 5), rng)
    soil = _mixture(("dark soil", "brown soil", "light soil"), rng.dirichlet((1, 2, 1.2), 1))[0]
    plants = _mixture(("scrub", "broadleaf", "dry grass"), rng.dirichlet((2, 1.5, 1.5), 1))[0]
    cover = np.clip(rng.uniform(0.25, 0.75) + 0.22 * rng.standard_normal(PARCELS), 0.03, 0.97)
    turned = rng.random(PARCELS)[parcels.number] < 0.5
    lines = np.where(turned, parcels.across, parcels.along)
    rows = 0.5 + 0.5 * np.sin(lines * (2 * np.pi / rng.uniform(2.6, 4.2)))
    share = np.clip(cover[parcels.number] + rng.uniform(0.15, 0.4) * (rows - 0.5), 0, 1)
    ground = np.broadcast_to(soil, (*shape, 13)).astype(np.float32)
    surface = _blend(ground, plants, share)
    surface = _shine(surface, rng.lognormal(0, 0.09, PARCELS)[parcels.number])
    surface = _shine(surface, 1 + 0.05 * _fractal(shape, 5, rng))
    track = _step(0.9 - parcels.edge)
    return _blend(surface, MATERIALS["light soil"], rng.uniform(0.15, 0.5) * track)


def _forest(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    stands = _step(_fractal(shape, 30, rng) + rng.normal(0, 1.2), 0.8)
    ground = np.broadcast_to(MATERIALS["conifer"], (*shape, 13)).astype(np.float32)
    surface = _blend(ground, MATERIALS["broadleaf"], stands)
    relief = np.gradient(_fractal(shape, 26, rng), axis=1) * rng.uniform(0.2, 0.9)
    crowns = 0.07 * _noise(shape, 1.6, rng)
    surface = _shine(surface, np.clip(1 + relief + crowns, 0.5, 1.5))
    clearing = _step(_fractal(shape, 22, rng) - rng.uniform(2.0, 3.4), 0.2)
    return _blend(surface, MATERIALS["scrub"], 0.7 * clearing)


def _herbaceous(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    dryness = rng.normal(0, 1.0)
    ground = np.broadcast_to(MATERIALS["scrub"], (*shape, 13)).astype(np.float32)
    grass = _step(_fractal(shape, 18, rng, 5) + dryness, 1.6)
    surface = _blend(ground, MATERIALS["dry grass"], grass)
    ridges = np.abs(_fractal(shape, rng.uniform(12, 24), rng, 3))
    bare = _step(rng.uniform(0.02, 0.25) - ridges, 0.15) * rng.uniform(0.1, 0.9)
    surface = _blend(surface, MATERIALS["rock"], bare)
    bushes = _step(_fractal(shape, 5, rng, 3) - rng.uniform(0.6, 1.8), 0.5)
    surface = _blend(surface, MATERIALS["broadleaf"], 0.6 * bushes)
    relief = np.gradient(_fractal(shape, 28, rng), axis=1) * rng.uniform(0.2, 1.0)
    return _shine(surface, np.clip(1 + relief + 0.04 * _noise(shape, 1.6, rng), 0.5, 1.5))


def _pasture(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(14, 34), rng.uniform(18, 40), rng.uniform(4, 9), rng)
    dryness = rng.beta(1.2, 2.5)
    shares = np.clip(dryness + 0.12 * rng.standard_normal(PARCELS), 0, 1)
    colours = _mixture(("lush grass", "dry grass"), np.stack([1 - shares, shares], -1))
    colours = _shine(colours, rng.lognormal(0, 0.06, PARCELS))
    surface = _shine(colours[parcels.number], 1 + 0.025 * _fractal(shape, 20, rng))
    hedge = _step(0.9 - parcels.edge + 0.5 * _noise(shape, 4, rng)) * rng.uniform(0.2, 0.9)
    trees = np.maximum(hedge, _dot_field(shape, rng.uniform(0, 0.008), rng))
    return _blend(surface, 0.85 * MATERIALS["broadleaf"], trees)


def _residential(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    blocks = _parcels(shape, rng.uniform(6, 10), rng.uniform(14, 30), rng.uniform(1, 6), rng)
    green = _mixture(("lush grass", "dry grass", "broadleaf"), rng.dirichlet((2, 2, 2), 1))[0]
    ground = np.broadcast_to(green, (*shape, 13)).astype(np.float32)
    ground = _shine(ground, 1 + 0.12 * _noise(shape, 1.5, rng))
    roofs = _mixture(("tile roof", "grey roof", "bright roof"), rng.dirichlet((1, 1, 0.12), 1))[0]
    built = rng.uniform(0.15, 0.75) + 0.5 * _noise(shape, 1.5, rng) + 0.15 * _noise(shape, 12, rng)
    roof = _shine(np.broadcast_to(roofs, (*shape, 13)), rng.lognormal(0, 0.15, shape))
    surface = _blend(ground, roof, np.clip(built, 0, 1))
    surface = _blend(surface, MATERIALS["asphalt"], 0.75 * _step(1.0 - blocks.edge))
    park = (rng.random(PARCELS) < 0.06)[blocks.number]
    surface = _blend(surface, MATERIALS["lush grass"], 0.7 * park)
    return _blend(surface, MATERIALS["bright roof"], 0.7 * _dot_field(shape, 0.002, rng))


def _industrial(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    lots = _parcels(shape, rng.uniform(10, 18), rng.uniform(10, 24), rng.uniform(0, 1), rng)
    yard = _mixture(("asphalt", "concrete", "dark soil", "lush grass"), rng.dirichlet((2, 1, 0.5, 0.8), PARCELS))
    surface = _shine(yard[lots.number], 1 + 0.08 * _noise(shape, 1.6, rng))
    surface = _blend(surface, MATERIALS["asphalt"], _step(1.0 - lots.edge))
    roofs = _mixture(("bright roof", "grey roof", "tile roof"), rng.dirichlet((0.5, 0.8, 0.15), PARCELS))
    roofs = _shine(roofs, rng.lognormal(0, 0.12, PARCELS))
    inset = rng.uniform(1.6, 3.5, PARCELS)[lots.number]
    built = (rng.random(PARCELS) < rng.uniform(0.5, 0.85))[lots.number]
    roof = _step(lots.edge - inset) * built
    shade = _step(np.roll(lots.edge, 1, 0) - inset) * built * (1 - roof)
    surface = _shine(surface, 1 - 0.35 * shade)
    return _blend(surface, roofs[lots.number], roof)


def _sea_lake(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    turbid = np.clip(rng.beta(0.8, 1.6) + rng.uniform(0, 0.12) * _fractal(shape, 60, rng), 0, 1)
    ground = np.broadcast_to(MATERIALS["clear water"], (*shape, 13)).astype(np.float32)
    surface = _blend(ground, MATERIALS["turbid water"], turbid)
    return _shine(surface, 1 + 0.006 * _noise(shape, 3, rng))


def _river(shape: tuple[int, int], rng: np.random.Generator, distance: np.ndarray) -> np.ndarray:
    land = (_annual_crop, _pasture, _forest, _herbaceous)[rng.integers(4)](shape, rng)
    half_width = rng.uniform(5, 12) + 1.2 * _noise(shape, 30, rng)
    trees = _step(half_width + rng.uniform(1, 7) - distance + 1.5 * _noise(shape, 4, rng), 2)
    surface = _blend(land, MATERIALS["broadleaf"], rng.uniform(0.3, 0.9) * trees)
    bank = _step(half_width + 1 - distance) * rng.uniform(0, 0.6)
    surface = _blend(surface, MATERIALS["light soil"], bank)
    return _blend(surface, _sea_lake(shape, rng), _step(half_width - distance))


def _highway(shape: tuple[int, int], rng: np.random.Generator, distance: np.ndarray) -> np.ndarray:
    textures = (_annual_crop, _pasture, _herbaceous, _permanent_crop, _residential)
    land = textures[rng.choice(5, p=(0.35, 0.2, 0.2, 0.15, 0.1))](shape, rng)
    half_width = rng.uniform(1.3, 2.2)
    verge = _step(half_width + rng.uniform(1, 4) - distance, 1.5)
    surface = _blend(land, MATERIALS["dry grass"], rng.uniform(0.3, 0.8) * verge)
    road = _mixture(("asphalt", "concrete"), rng.dirichlet((1.2, 1), 1))[0]
    surface = _blend(surface, road, _step(half_width - distance))
    return _blend(surface, MATERIALS["dry grass"], 0.5 * _step(0.3 - distance))


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


# From a layout to pixels

# What thick air adds to each band, and how far a pixel of each band spreads (10, 20, 60 m bands).
_HAZE = np.array((230, 200, 150, 100, 90, 60, 50, 45, 15, 0.3, 20, 12, 45), np.float32)
_SPREAD = (2.6, 0.45, 0.45, 0.45, 0.9, 0.9, 0.9, 0.45, 2.6, 2.6, 0.9, 0.9, 0.9)
_NOISE = np.array((60, 14, 14, 14, 24, 24, 24, 18, 40, 5, 16, 12, 24), np.float32)
_GROUPS = np.array((0, 0, 0, 0, 1, 1, 1, 1, 1, 3, 2, 2, 1))  # bands whose gain varies together


def _surface(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """The land as it is, of shape (rows, columns, 13), float32, DN."""
    surface = np.empty((*layout.regions.shape, len(BANDS_MS)), np.float32)
    for region, class_index in enumerate(layout.classes):
        inside = layout.regions == region
        if not inside.any():
            continue
        rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        shape = (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
        name = CLASS_NAMES[class_index]
        if name == "River":
            texture = _river(shape, rng, layout.river[box])
        elif name == "Highway":
            texture = _highway(shape, rng, layout.road[box])
        else:
            texture = _TEXTURES[name](shape, rng)
        surface[box][inside[box]] = texture[inside[box]]
    return surface


def render_landscape(
    layout: Layout, rng: np.random.Generator, weather: float = 1.0
) -> np.ndarray:
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
    haze = 0.4 + weather * (min(rng.exponential(0.6), 3.0) - 0.4)
    seen = surface * gains[_GROUPS].astype(np.float32) + haze * _HAZE
    seen += _NOISE * rng.standard_normal(seen.shape, dtype=np.float32)
    blurred = [_blur(seen[..., band], sigma) for band, sigma in enumerate(_SPREAD)]
    return np.clip(np.rint(np.stack(blurred, -1)), 1, 65535).astype(np.uint16)


# Layouts


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
    corridors = (CLASS_NAMES.index("River"), CLASS_NAMES.index("Highway"))
    across, along = _rotated(shape, rng.uniform(0, 2 * np.pi))
    side = _axis_distance(across, along, rng.uniform(0, 14), rng.uniform(90, 240), rng)
    others = rng.permutation([k for k in range(len(CLASS_NAMES)) if k != class_index])
    classes = (class_index, int(others[0]), int(others[1]))
    regions = np.zeros(shape, np.int64)
    far = np.full(shape, np.inf, np.float32)
    axes = {corridors[0]: far, corridors[1]: far}
    mixed = rng.random() < 0.55
    half_width = rng.uniform(*CORRIDOR)
    if class_index in corridors:
        axis = side + rng.uniform(-30, 30)
        axes[class_index] = np.abs(axis)
        if mixed:
            regions[axis > half_width] = 1
            regions[axis < -half_width] = 2
    elif mixed:
        border = rng.uniform(-4, 30)
        regions[side > border] = 1
        if rng.random() < 0.35:
            regions[along > rng.uniform(5, 40)] = 2
    for region in (1, 2):
        if classes[region] in corridors and class_index not in corridors:
            start = rng.uniform(-4, 30) if region == 2 else border if mixed else 0.0
            axes[classes[region]] = np.abs(side - start - half_width)
    return Layout(regions, classes, axes[corridors[0]], axes[corridors[1]])


def _centre(image: np.ndarray) -> np.ndarray:
    return image[MARGIN : MARGIN + PATCH_SIZE, MARGIN : MARGIN + PATCH_SIZE]


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
    while True:
        layout = _draw_patch_layout(class_index, rng)
        if np.mean(_centre(layout.truth) == class_index) > 0.52:
            return _centre(render_landscape(layout, rng))


def _scene_cells(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of the middles of the land's cells, and the class of each.

    The cells are a jittered lattice east of the sea. One is the town, its eastern neighbour the
    industrial quarter, and the others are dealt from the five classes of open land in turn.
    """
    count = max(3, round(size / 213))
    sea = _sea_width(size)
    row, column = np.indices((count, count)).reshape(2, -1)
    rows = (row + 0.5) * size / count + rng.uniform(-8, 8, row.size)
    columns = sea + (column + 0.5) * (size - sea) / count + rng.uniform(-14, 14, row.size)
    names = ("AnnualCrop", "Forest", "HerbaceousVegetation", "Pasture", "PermanentCrop")
    deck = [CLASS_NAMES.index(names[k]) for k in rng.permutation(len(names))]
    classes = np.array([deck[(3 * r + c) % len(deck)] for r, c in zip(row, column, strict=True)])
    town = int(rng.integers(2, count)) * count + int(rng.integers(0, count - 1))
    classes[town], classes[town + 1] = (
        CLASS_NAMES.index("Residential"),
        CLASS_NAMES.index("Industrial"),
    )
    return np.stack([rows, columns], -1), classes, row


def _sea_width(size: int) -> float:
    return 0.2 * size


def _draw_scene_layout(size: int, rng: np.random.Generator) -> Layout:
    """Layout of a scene: sea in the west, a river and a road that cross the land from the east."""
    shape = (size, size)
    middles, classes, _ = _scene_cells(size, rng)
    row, column = np.indices(shape, np.float32)
    warped_row = row + 7 * _fractal(shape, 60, rng)
    warped_column = column + 7 * _fractal(shape, 60, rng)
    distances = [np.hypot(warped_row - r, warped_column - c) for r, c in middles]
    regions = np.argmin(distances, axis=0)
    count = round(np.sqrt(len(classes)))
    half_width = sum(CORRIDOR) / 2
    axes = [
        np.abs(_axis_distance(row - size * k / count, column, 14, 330, rng)) for k in (1, 2)
    ]
    coast = _sea_width(size) + 10 * _fractal(shape, 90, rng)
    names = (*(CLASS_NAMES[k] for k in classes), "River", "Highway", "SeaLake")
    regions[axes[0] < half_width] = len(classes)
    regions[axes[1] < half_width] = len(classes) + 1
    regions[column < coast] = len(classes) + 2
    return Layout(regions, tuple(CLASS_NAMES.index(name) for name in names), axes[0], axes[1])


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
    files.check_can_write(_first_missing(folder))
    folder.mkdir(parents=True, exist_ok=True)
    with files.lock(folder / MARKER, "writing the sample"):
        partial = folder / ".sample.partial"
        _check_folder(folder, settings)
        if (partial / MARKER).is_file() and files.read_json(partial / MARKER) == settings:
            _publish(partial, folder)
        missing = [name for name in _file_names(patches_per_class) if not (folder / name).is_file()]
        if missing or not (folder / MARKER).is_file():
            _remove_partial(partial)
            _write_files(partial, set(missing), settings)
            _publish(partial, folder)
    return folder


def _check_settings(settings: dict[str, int]) -> None:
    for name, least in (("patches_per_class", 1), ("seed", 0), ("scene_size", 640)):
        if settings[name] < least:
            raise ValueError(f"{name} is {settings[name]}; it must be at least {least}")


def _first_missing(folder: Path) -> Path:
    """A path in the nearest folder that exists, to be checked before anything is made."""
    while not folder.exists() and not folder.parent.exists():
        folder = folder.parent
    return folder / MARKER if folder.exists() else folder


def _check_folder(folder: Path, settings: dict[str, int]) -> None:
    """Refuse a folder that holds another sample, or data that is not ours."""
    if (folder / MARKER).is_file():
        found = files.read_json(folder / MARKER)
        if found != settings:
            raise FileExistsError(
                f"{folder} holds a sample with other settings ({found}) than asked for "
                f"({settings}); choose another folder, or delete that one"
            )
        return
    for name in ("EuroSAT_MS", "EuroSAT_RGB", "scene.tif", "scene_truth.tif"):
        if (folder / name).exists() and not (folder / ".sample.partial" / MARKER).is_file():
            raise FileExistsError(
                f"{folder / name} is there and was not made as a part of the sample "
                f"({MARKER} is missing); choose another folder"
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
    files.write_json(partial / MARKER, settings)


def _draw_place(class_index: int, seed: int, number: int) -> tuple[tuple[float, ...], int]:
    """Geotransform and EPSG code of a patch: somewhere in the UTM zones 29 to 35 north."""
    key = (2, class_index, number)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    east, north = 10 * rng.integers((30_000, 410_000), (70_000, 640_000))
    geotransform = (float(east), PIXEL_SIZE, 0.0, float(north), 0.0, -PIXEL_SIZE)
    return geotransform, 32600 + int(rng.integers(29, 36))


def _write_patch(path: Path, patch: np.ndarray, geotransform: tuple, epsg: int) -> None:
    rasters.write_geotiff(path, patch, geotransform, f"EPSG:{epsg}")


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
    entries = sorted(partial.iterdir(), key=lambda entry: (entry.name == MARKER, entry.name))
    for entry in entries:
        target = folder / entry.name
        if entry.is_dir() and target.is_dir():
            _publish(entry, target)
        else:
            os.replace(entry, target)
    partial.rmdir()

"""The surface of each class of the made landscape, as 13 bands of DN.

The ten EuroSAT classes are drawn with spectra in the range of the EuroSAT statistics (DN, level
1C) and told apart mostly by their texture. A texture has the shape (rows, columns, 13), float32.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from landuse import sensors

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


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur an image by a Gaussian of `sigma` px."""
    import cv2

    return cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), sigma)


def _enlarge(image: np.ndarray, factor: float) -> np.ndarray:
    import cv2

    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def noise(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of about unit variance whose bumps are `scale` px apart."""
    grid = tuple(int(np.ceil(side / scale)) + 4 for side in shape)
    field = rng.standard_normal(grid, dtype=np.float32)
    if scale > 1:
        field = _enlarge(field, scale)
    start = int(scale)
    return field[start : start + shape[0], start : start + shape[1]]


def fractal(
    shape: tuple[int, int], scale: float, rng: np.random.Generator, octaves: int = 4
) -> np.ndarray:
    """Random field of about unit variance with detail down to `scale / 2**octaves` px."""
    fields = [0.6**k * noise(shape, max(scale / 2**k, 1.0), rng) for k in range(octaves)]
    total = np.sum(fields, axis=0)
    return total / np.sqrt(sum(0.36**k for k in range(octaves)))


def step(field: np.ndarray, width: float = 1.0) -> np.ndarray:
    """0 where `field` is negative, 1 where it is positive, a ramp of `width` between them."""
    return np.clip(field / width + 0.5, 0.0, 1.0)


def blend(ground: np.ndarray, cover: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`ground` covered by `cover` with `share` (0 to 1) per pixel."""
    return ground + (cover - ground) * share[..., None]


def rotated(
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
    across, along = rotated(shape, rng.uniform(0, np.pi) if angle is None else angle, rng)
    across = across + bend * noise(shape, 60, rng)
    along = along + bend * noise(shape, 60, rng)
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
    return np.clip(blur(dots, 0.7) * 2.5, 0, 1)


def _mixture(names: tuple[str, ...], weights: np.ndarray) -> np.ndarray:
    """Spectra of shape (..., 13) of materials mixed with weights of shape (..., materials)."""
    spectra = np.stack([MATERIALS[name] for name in names])
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32) @ spectra


def _shine(spectra: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Spectra of shape (..., 13) made brighter or darker by a factor of shape (...)."""
    return spectra * factor[..., None].astype(np.float32)


def _plain(name: str, shape: tuple[int, int]) -> np.ndarray:
    return np.broadcast_to(MATERIALS[name], (*shape, len(sensors.BANDS_MS)))


def _relief(shape: tuple[int, int], size: float, rng: np.random.Generator) -> np.ndarray:
    """Light and shade of hills, about 1."""
    slope = np.gradient(fractal(shape, 30, rng, 3), axis=int(rng.integers(2)))
    return np.clip(1 + size * slope, 0.5, 1.6)


def _annual_crop(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(17, 38), rng.uniform(28, 60), rng.uniform(0, 3), rng)
    names = ("green crop", "ripe crop", "dark soil", "brown soil", "light soil")
    season = rng.dirichlet((1.8, 1.0, 0.9, 1.4, 0.7))
    colours = _mixture(names, rng.dirichlet(1.4 * season + 0.06, PARCELS))
    colours = _shine(colours, rng.lognormal(0, 0.07, PARCELS))
    rows = np.sin(parcels.across * (2 * np.pi / rng.uniform(3, 7)))
    light = 1 + rng.uniform(0, 0.015) * rows + 0.035 * fractal(shape, 16, rng)
    surface = _shine(colours[parcels.number], light)
    track = step(0.8 - parcels.edge) * rng.uniform(0, 0.8, PARCELS)[parcels.number] ** 2
    return blend(surface, MATERIALS["light soil"], track)


def _permanent_crop(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(8, 15), rng.uniform(12, 30), rng.uniform(0, 6), rng)
    soil = _mixture(("dark soil", "brown soil", "light soil"), rng.dirichlet((1, 2, 0.8)))
    plants = _mixture(("scrub", "broadleaf", "green crop"), rng.dirichlet((2, 1, 1.5)))
    cover = np.clip(rng.uniform(0.2, 0.85) + 0.18 * rng.standard_normal(PARCELS), 0.03, 0.97)
    turned = (rng.random(PARCELS) < 0.4)[parcels.number]
    lines = np.where(turned, parcels.across, parcels.along)
    rows = np.sin(lines * (2 * np.pi / rng.uniform(2.3, 3.6)))
    trees = rng.uniform(0.04, 0.16) * rows + 0.12 * noise(shape, 1.5, rng)
    share = np.clip(cover[parcels.number] + trees, 0, 1)
    surface = blend(np.broadcast_to(soil, (*shape, len(soil))), plants, share)
    light = rng.lognormal(0, 0.07, PARCELS)[parcels.number] + 0.04 * fractal(shape, 8, rng)
    track = step(0.7 - parcels.edge) * rng.uniform(0.1, 0.9, PARCELS)[parcels.number]
    return blend(_shine(surface, light), MATERIALS["light soil"], rng.uniform(0.3, 0.9) * track)


def _forest(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    stands = step(fractal(shape, 34, rng) + rng.normal(0, 1.3), 1.2)
    surface = blend(_plain("conifer", shape), MATERIALS["broadleaf"], stands)
    light = _relief(shape, rng.uniform(0.2, 0.9), rng) + 0.06 * noise(shape, 1.7, rng)
    clearing = step(fractal(shape, 24, rng) - rng.uniform(1.7, 3.6), 0.3)
    return blend(_shine(surface, light), MATERIALS["scrub"], 0.8 * clearing)


def _herbaceous(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    grass = step(fractal(shape, 24, rng, 5) + rng.normal(0, 1.4), 3)
    surface = blend(_plain("scrub", shape), MATERIALS["dry grass"], grass)
    bare = np.clip(0.18 * fractal(shape, 24, rng, 5) + rng.uniform(-0.3, 0.4), 0, 0.9)
    surface = blend(surface, MATERIALS["rock"], bare)
    gullies = np.abs(fractal(shape, rng.uniform(18, 34), rng, 5))
    path = step(rng.uniform(-0.06, 0.14) - gullies, 0.1) * rng.uniform(0.3, 0.9)
    surface = blend(surface, MATERIALS["rock"], path)
    bushes = step(fractal(shape, 7, rng, 3) - rng.uniform(0.6, 2.5), 1.0)
    surface = blend(surface, MATERIALS["broadleaf"], rng.uniform(0.2, 0.7) * bushes)
    light = _relief(shape, rng.uniform(0.2, 0.7), rng) + 0.045 * fractal(shape, 3, rng, 2)
    return _shine(surface, light)


def _pasture(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    parcels = _parcels(shape, rng.uniform(14, 36), rng.uniform(18, 44), rng.uniform(4, 9), rng)
    shares = np.clip(rng.beta(1.1, 2.8) + 0.12 * rng.standard_normal(PARCELS), 0, 1)
    colours = _mixture(("lush grass", "dry grass"), np.stack([1 - shares, shares], -1))
    colours = _shine(colours, rng.lognormal(0, 0.06, PARCELS))
    surface = _shine(colours[parcels.number], 1 + 0.025 * fractal(shape, 20, rng))
    hedges = rng.uniform(0, 1, PARCELS)[parcels.number] * rng.uniform(0.5, 1)
    trees = step(0.9 - parcels.edge + 0.5 * noise(shape, 4, rng)) * hedges
    trees = np.maximum(trees, 0.8 * _dot_field(shape, rng.uniform(0, 0.006), rng))
    return blend(surface, 0.85 * MATERIALS["broadleaf"], trees)


def _residential(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    blocks = _parcels(shape, rng.uniform(6.5, 11), rng.uniform(12, 30), rng.uniform(1, 7), rng)
    names = ("lush grass", "dry grass", "broadleaf", "dark soil")
    green = _mixture(names, rng.dirichlet((2, 1.2, 4, 1.5)))
    roofs = _mixture(("tile roof", "grey roof", "light soil"), rng.dirichlet((1.2, 1, 0.15)))
    density = rng.uniform(0.2, 0.6) + 0.1 * noise(shape, 14, rng)
    density += 0.1 * rng.standard_normal(PARCELS)[blocks.number]
    position = blocks.along + 0.8 * noise(shape, 6, rng)
    houses = np.sin(position * (2 * np.pi / rng.uniform(2.4, 3.6))) + 1.6 * noise(shape, 1.5, rng)
    built = np.clip(density + 0.2 * houses * step(blocks.edge - 1.2), 0, 1)
    surface = blend(np.broadcast_to(green, (*shape, len(green))), roofs, built)
    surface = _shine(surface, 1 + rng.uniform(0.04, 0.12) * noise(shape, 1.3, rng))
    street = _mixture(("asphalt", "concrete"), rng.dirichlet((1, 1)))
    surface = blend(surface, street, rng.uniform(0.35, 0.8) * step(0.8 - blocks.edge))
    park = (rng.random(PARCELS) < 0.03)[blocks.number] * step(blocks.edge - 1)
    surface = blend(surface, MATERIALS["lush grass"], 0.6 * park)
    halls = _dot_field(shape, rng.uniform(0, 0.006), rng)
    return blend(surface, MATERIALS["bright roof"], 0.6 * halls)


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
    roof = step(lots.edge - inset) * built
    shade = np.roll(roof, (-1, -1), (0, 1)) * (1 - roof)
    surface = _shine(surface, 1 - 0.35 * shade)
    return blend(surface, roofs[lots.number], roof)


def _industrial(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, np.pi)
    lots = _parcels(shape, rng.uniform(14, 26), rng.uniform(18, 40), 0.5, rng, angle)
    names = ("asphalt", "concrete", "dark soil", "lush grass", "dry grass")
    yards = _mixture(names, rng.dirichlet((1.0, 0.5, 0.4, 0.4, 0.3), PARCELS))
    surface = _shine(yards[lots.number], 1 + 0.09 * noise(shape, 1.7, rng))
    surface = blend(surface, MATERIALS["asphalt"], 0.8 * step(1.0 - lots.edge))
    small = (rng.uniform(5, 8), rng.uniform(6, 12))
    surface = _buildings(surface, small, rng.uniform(0.1, 0.6), angle, rng)
    large = (rng.uniform(9, 17), rng.uniform(9, 26))
    return _buildings(surface, large, rng.uniform(0.3, 0.6), angle, rng)


def _sea_lake(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    turbid = rng.beta(0.8, 1.6) + rng.uniform(0, 0.12) * fractal(shape, 60, rng)
    surface = blend(_plain("clear water", shape), MATERIALS["turbid water"], np.clip(turbid, 0, 1))
    return _shine(surface, 1 + 0.006 * noise(shape, 3, rng))


TEXTURES: dict[str, Callable[[tuple[int, int], np.random.Generator], np.ndarray]] = {
    "AnnualCrop": _annual_crop,
    "Forest": _forest,
    "HerbaceousVegetation": _herbaceous,
    "Industrial": _industrial,
    "Pasture": _pasture,
    "PermanentCrop": _permanent_crop,
    "Residential": _residential,
    "SeaLake": _sea_lake,
}


def river_half_width(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw how far the water reaches from a river's axis: ndarray of that shape, px."""
    return rng.uniform(5.5, 11) + 0.8 * noise(shape, 40, rng)


def road_half_width(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw how far the carriageways reach from a road's axis: ndarray of that shape, px."""
    return np.full(shape, rng.uniform(1.7, 2.9))


def add_river(
    land: np.ndarray, distance: np.ndarray, half_width: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """`land` with a river, its sandy edge and the trees on its banks."""
    shape = distance.shape
    bank = half_width + rng.uniform(1, 7) + 1.5 * noise(shape, 5, rng)
    trees = rng.uniform(0.2, 0.9) * step(bank - distance, 2)
    surface = blend(land, MATERIALS["broadleaf"], trees)
    sand = rng.uniform(0, 0.5) * step(half_width + 1 - distance)
    surface = blend(surface, MATERIALS["light soil"], sand)
    return blend(surface, _sea_lake(shape, rng), step(half_width - distance))


def add_road(
    land: np.ndarray, distance: np.ndarray, half_width: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """`land` with a motorway: two carriageways, the strip between them, and verges."""
    verge = step(half_width + rng.uniform(2, 5) - distance, 1.5)
    grass = MATERIALS[("dry grass", "lush grass", "scrub")[rng.integers(3)]]
    surface = blend(land, grass, rng.uniform(0.6, 0.95) * verge)
    road = _mixture(("asphalt", "concrete", "grey roof"), rng.dirichlet((1.2, 1, 1)))
    surface = blend(surface, road, step(half_width - distance))
    return blend(surface, grass, rng.uniform(0.1, 0.7) * step(0.4 - distance))

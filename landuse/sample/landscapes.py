"""Which class lies where in a made landscape, and how it looks through air and sensor.

A landscape is drawn in two steps: a `Layout` says which class lies where, and `render_landscape`
paints it and looks at it through an atmosphere and a sensor. Patches are windows of small
landscapes of their own; the scene is one large landscape. Every random number comes from one seed,
and the scene's stream is apart from those of the patches.
"""

from dataclasses import dataclass

import numpy as np

from landuse import sensors
from landuse.sample import textures

MARGIN = 12  # px drawn around a patch and cut off again, so that blurring sees real neighbours
CORRIDOR = 38.0  # px from the axis of a river or road to where its class ends


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
        return np.array(self.classes)[self.regions] == textures.CLASS_NAMES.index("SeaLake")

    @property
    def truth(self) -> np.ndarray:
        """The class of every pixel, ndarray of shape (rows, columns), uint8.

        A river or road gives its class to the land up to CORRIDOR px from its axis.
        """
        truth = np.array(self.classes, np.uint8)[self.regions]
        for distance, name in ((self.river, "River"), (self.road, "Highway")):
            truth[(distance < CORRIDOR) & ~self.is_sea] = textures.CLASS_NAMES.index(name)
        return truth


# What thick air adds to each band, and how far a pixel of each band spreads (10, 20, 60 m bands).
_HAZE = np.array((230, 200, 150, 100, 90, 60, 50, 45, 15, 0.3, 20, 12, 45), np.float32)
_SPREAD = (2.6, 0.55, 0.55, 0.55, 0.9, 0.9, 0.9, 0.55, 2.6, 2.6, 0.9, 0.9, 0.9)
_NOISE = np.array((60, 18, 18, 18, 24, 24, 24, 24, 40, 5, 16, 12, 24), np.float32)
BAND_GROUPS = np.array((0, 0, 0, 0, 1, 1, 1, 1, 1, 3, 2, 2, 1))  # bands whose gain varies together


def ground_of(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Draw the textures of all regions, of shape (rows, columns, 13), float32, DN."""
    ground = np.zeros((*layout.regions.shape, len(sensors.BANDS_MS)), np.float32)
    for region, class_index in enumerate(layout.classes):
        share = textures.blur(
            (layout.regions == region).astype(np.float32), 0.7
        )  # no stairs at borders
        if not share.any():
            continue
        rows, columns = (np.flatnonzero(share.any(axis)) for axis in (1, 0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        texture = textures.TEXTURES[textures.CLASS_NAMES[class_index]](share[box].shape, rng)
        ground[box] += texture * share[box][..., None]
    return ground


def surface_of(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Draw the land as it is, of shape (rows, columns, 13), float32, DN."""
    return surface_and_pixel_truth(layout, rng)[0]


def surface_and_pixel_truth(
    layout: Layout, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the land as it is, and say what every pixel of it is.

    `Layout.truth` is about windows: a road gives its class to all land from where it is seen. Here
    a road is its carriageways, and a river its water.

    Returns
    -------
    surface : ndarray of shape (rows, columns, 13), float32, DN
    truth : ndarray of shape (rows, columns), uint8
        Index into CLASS_NAMES.
    """
    surface = ground = ground_of(layout, rng)
    truth = np.array(layout.classes, np.uint8)[layout.regions]
    for distance, draw, add, name in (
        (layout.river, textures.river_half_width, textures.add_river, "River"),
        (layout.road, textures.road_half_width, textures.add_road, "Highway"),
    ):
        if np.isfinite(distance).all():
            half_width = draw(distance.shape, rng)
            surface = add(surface, distance, half_width, rng)
            truth[(distance < half_width) & ~layout.is_sea] = textures.CLASS_NAMES.index(name)
    return np.where(layout.is_sea[..., None], ground, surface), truth


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
    return seen_by_sensor(surface_of(layout, rng), rng, weather)


def seen_by_sensor(
    surface: np.ndarray, rng: np.random.Generator, weather: float = 1.0
) -> np.ndarray:
    """Look at a surface through air and sensor.

    Parameters
    ----------
    surface : ndarray of shape (rows, columns, 13), float32, DN
    rng, weather
        As in `render_landscape`.

    Returns
    -------
    ndarray of shape (rows, columns, 13), uint16, DN
    """
    gains = np.append(np.exp(weather * rng.normal(0, (0.05, 0.08, 0.10))), 1.0)
    gains[:3] *= np.exp(weather * rng.normal(0, 0.05))
    haze = weather * (min(rng.exponential(0.6), 3.0) - 0.5)
    seen = surface * gains[BAND_GROUPS].astype(np.float32) + haze * _HAZE
    seen += _NOISE * rng.standard_normal(seen.shape, dtype=np.float32)
    blurred = [textures.blur(seen[..., band], sigma) for band, sigma in enumerate(_SPREAD)]
    return np.clip(np.rint(np.stack(blurred, -1)), 1, 65535).astype(np.uint16)


_CORRIDORS = (textures.CLASS_NAMES.index("River"), textures.CLASS_NAMES.index("Highway"))
_GROUNDS = tuple(k for k in range(len(textures.CLASS_NAMES)) if k not in _CORRIDORS)


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
    shape = (sensors.PATCH_SIZE + 2 * MARGIN, sensors.PATCH_SIZE + 2 * MARGIN)
    across, along = textures.rotated(shape, rng.uniform(0, 2 * np.pi))
    side = _axis_distance(across, along, rng.uniform(0, 14), rng.uniform(90, 240), rng)
    axes = dict.fromkeys(_CORRIDORS, np.full(shape, np.inf, np.float32))
    classes = rng.permutation(_GROUNDS)
    regions = np.zeros(shape, np.int64)
    is_mixed = rng.random() < 0.55
    beside = int(rng.choice([k for k in range(len(textures.CLASS_NAMES)) if k != class_index]))
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
    return image[MARGIN : MARGIN + sensors.PATCH_SIZE, MARGIN : MARGIN + sensors.PATCH_SIZE]


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
    deck = rng.permutation([textures.CLASS_NAMES.index(name) for name in names])
    classes = deck[(3 * row + column) % len(deck)]
    town = (count - 1) * count + int(rng.integers(count - 1))
    classes[[town, town + 1]] = (
        textures.CLASS_NAMES.index("Residential"),
        textures.CLASS_NAMES.index("Industrial"),
    )
    return np.stack([rows, columns], -1), classes


def draw_scene_layout(size: int, rng: np.random.Generator) -> Layout:
    """Layout of a scene: sea in the west, cells of land, a river and a road from the east."""
    shape = (size, size)
    count = max(3, round(size / 213))
    coast = 0.2 * size
    middles, classes = _draw_cells(count, size, coast, rng)
    row, column = np.indices(shape, np.float32)
    warped_row = row + 6 * textures.fractal(shape, 50, rng) + 14 * textures.noise(shape, 110, rng)
    warped_column = (
        column + 6 * textures.fractal(shape, 50, rng) + 14 * textures.noise(shape, 110, rng)
    )
    distances = [np.hypot(warped_row - r, warped_column - c) for r, c in middles]
    regions = np.argmin(distances, axis=0)
    shore = coast + 14 * textures.noise(shape, 150, rng) + 4 * textures.fractal(shape, 40, rng)
    regions[column < shore] = len(classes)
    # between two rows of cells, so that what is left of the cells is wide enough
    river, road = (
        np.abs(_axis_distance(row - size * k / count, column, 13, 330, rng)) for k in (1, 2)
    )
    sea = textures.CLASS_NAMES.index("SeaLake")
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
    layout = draw_scene_layout(size, rng)
    return render_landscape(layout, rng, weather=0.3), layout.truth


def make_scene_of_pixels(seed: int, size: int, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make a scene, and say what each of its pixels is.

    Parameters
    ----------
    seed, size : int
        As in `make_scene`.
    number : int
        0: the scene of `make_scene`; from 1 on: others, to learn from.

    Returns
    -------
    scene : ndarray of shape (size, size, 13), uint16, DN
    truth : ndarray of shape (size, size), uint8
        Index into CLASS_NAMES, of the pixel alone (`surface_and_pixel_truth`).
    """
    key = (4, number) if number else (1,)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    surface, truth = surface_and_pixel_truth(draw_scene_layout(size, rng), rng)
    return seen_by_sensor(surface, rng, weather=0.3), truth

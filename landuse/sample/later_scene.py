"""The made scene again, at a later date: a town grown, a forest cleared, another season."""

import numpy as np

from landuse.sample import landscapes, textures

GROWTH = 0.13  # of the scene's side, by which the town grows
CLEARED = 0.55  # share of the largest forest that is cleared
DRIER = 0.4  # share of dry grass that comes into grass
LESS_GREEN = 0.12  # near infrared that trees lose


def _grown_layout(
    layout: landscapes.Layout, size: int, rng: np.random.Generator
) -> landscapes.Layout:
    """Layout after the town has grown into open land, and a part of a forest was cleared."""
    from scipy import ndimage

    classes, corridor = (
        np.array(layout.classes),
        np.minimum(layout.river, layout.road) < landscapes.CORRIDOR,
    )
    town, industry, sea, forest, grass = (
        textures.CLASS_NAMES.index(name)
        for name in ("Residential", "Industrial", "SeaLake", "Forest", "HerbaceousVegetation")
    )
    now = classes[layout.regions]
    away = ndimage.distance_transform_edt(now != town) + 6 * textures.noise(now.shape, 20, rng)
    regions = layout.regions.copy()
    open_land = ~np.isin(now, (town, industry, sea)) & ~corridor
    regions[open_land & (away < GROWTH * size)] = len(classes)
    areas = np.bincount(layout.regions.ravel(), minlength=len(classes)) * (classes == forest)
    largest = regions == int(areas.argmax())
    column = np.indices(now.shape)[1] + 8 * textures.noise(now.shape, 30, rng)
    if largest.any():
        border = np.quantile(column[largest], CLEARED)
        regions[largest & ~corridor & (column < border)] = len(classes) + 1
    return landscapes.Layout(regions, (*layout.classes, town, grass), layout.river, layout.road)


def make_later_scene(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the scene of `landscapes.make_scene` again, at a later date in another season.

    The town has grown, a part of a forest was cleared, fields bear other crops, grass is drier,
    trees have fewer leaves, and light and haze are those of another day. All else is as it was.

    Parameters
    ----------
    seed, size : int
        As in `landscapes.make_scene`.

    Returns
    -------
    scene : ndarray of shape (size, size, 13), uint16, DN
    truth : ndarray of shape (size, size), uint8
        Index into CLASS_NAMES.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    before = landscapes.draw_scene_layout(size, rng)
    surface = landscapes.surface_of(before, rng)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
    after = _grown_layout(before, size, rng)
    surface = _in_another_season(surface, before)
    crops = np.array(after.classes)[after.regions] == textures.CLASS_NAMES.index("AnnualCrop")
    drawn_anew = (after.regions >= len(before.classes)) | crops
    # rivers and roads stay; what is drawn anew fades into them
    near = np.minimum(before.river, before.road)
    share = textures.blur(drawn_anew.astype(np.float32), 0.7) * textures.step(near - 12, 4)
    surface = surface + share[..., None] * (landscapes.ground_of(after, rng) - surface)
    return landscapes.seen_by_sensor(surface, rng, weather=0.3), after.truth


def _in_another_season(surface: np.ndarray, layout: landscapes.Layout) -> np.ndarray:
    """Let grass dry and trees lose leaves."""
    truth = layout.truth
    grass = np.isin(
        truth, [textures.CLASS_NAMES.index(n) for n in ("Pasture", "HerbaceousVegetation")]
    )
    share = DRIER * textures.blur(grass.astype(np.float32), 0.7)
    surface = textures.blend(surface, textures.MATERIALS["dry grass"], share)
    trees = textures.blur((truth == textures.CLASS_NAMES.index("Forest")).astype(np.float32), 0.7)
    light = np.ones_like(surface)
    light[..., landscapes.BAND_GROUPS == 1] -= LESS_GREEN * trees[..., None]
    return surface * light

"""A colour for each class that no other one has."""

import re
from collections.abc import Sequence

import numpy as np

from landuse import map_values

Colour = tuple[int, int, int]

# The colours people expect, moved apart until any two of them differ by 20 units of CIELAB or more,
# also for colour-blind readers (simulated protanopia, deuteranopia, tritanopia; see the tests).
COLOURS: dict[str, Colour] = {
    "AnnualCrop": (247, 222, 122),
    "Forest": (12, 64, 26),
    "HerbaceousVegetation": (176, 204, 164),
    "Highway": (60, 32, 62),
    "Industrial": (166, 62, 170),
    "Pasture": (68, 160, 74),
    "PermanentCrop": (245, 149, 22),
    "Residential": (214, 34, 20),
    "River": (84, 207, 252),
    "SeaLake": (8, 56, 193),
    map_values.UNCERTAIN: (158, 148, 156),
}

# Common names of classes in other data sets, and the class whose colour they take.
_SIMILAR_CLASSES = {
    "water": "SeaLake",
    "sea": "SeaLake",
    "lake": "SeaLake",
    "trees": "Forest",
    "urban": "Residential",
    "builtup": "Residential",
    "cropland": "AnnualCrop",
    "grassland": "Pasture",
    "orchard": "PermanentCrop",
    "road": "Highway",
}


def _cielab(colours: np.ndarray) -> np.ndarray:
    """Return CIELAB (D65) of sRGB `colours` of shape (N, 3), 0..255."""
    from skimage import color

    return color.rgb2lab(np.asarray(colours, np.float64) / 255)


def _distinct_colour(taken: Sequence[Colour]) -> Colour:
    """Return the colour of a coarse grid that is farthest from the `taken` ones to the eye."""
    levels = np.linspace(15, 245, 11).round().astype(int)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    candidates = candidates.reshape(-1, 3)
    lab = _cielab(candidates)
    calm = (np.hypot(lab[:, 1], lab[:, 2]) < 80) & (lab[:, 0] > 25) & (lab[:, 0] < 88)
    candidates, lab = candidates[calm], lab[calm]
    reserved = [(0, 0, 0), (255, 255, 255), *COLOURS.values()]  # an unknown class is no water
    known = _cielab(np.array([*reserved, *taken]))
    distances = np.linalg.norm(lab[:, None] - known[None], axis=2).min(axis=1)
    red, green, blue = candidates[int(distances.argmax())].tolist()
    return red, green, blue


def _expected_colour(class_name: str) -> Colour | None:
    """Return the colour people expect for a class, None when its name says nothing."""
    plain = re.sub("[^a-z]", "", class_name.lower())
    known = {name.lower(): colour for name, colour in COLOURS.items()}
    return known.get(_SIMILAR_CLASSES.get(plain, plain).lower())


def colours_of(class_names: Sequence[str]) -> list[Colour]:
    """Return one colour per class: the expected one if there is one, else a distinct one.

    Parameters
    ----------
    class_names : sequence of str
        Names in the order of the labels.

    Returns
    -------
    list of (red, green, blue)
        0..255, no two alike. The same names give the same colours.
    """
    found: list[Colour | None] = []
    for name in class_names:
        colour = _expected_colour(name)
        found.append(None if colour in found else colour)
    taken = [colour for colour in found if colour is not None]
    for index, colour in enumerate(found):
        if colour is None:
            found[index] = _distinct_colour(taken)
            taken.append(found[index])  # type: ignore[arg-type]
    return [colour for colour in found if colour is not None]


def hexadecimal(colour: Colour) -> str:
    """Return (red, green, blue) as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)

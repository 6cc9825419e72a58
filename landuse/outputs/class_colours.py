"""A colour for each class that no other one has."""

import re
from collections.abc import Mapping, Sequence

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

# Words in the names of classes, and the class whose colour, or a shade of it, they take.
_WORDS = {
    "SeaLake": "water sea lake ocean pond reservoir lagoon bay harbour",
    "River": "river stream canal creek",
    "Forest": "forest forests woodland wood woods tree trees conifer conifers spruce pine beech",
    "HerbaceousVegetation": "herbaceous shrub shrubs scrub heath moor moorland maquis marsh",
    "Pasture": "pasture pastures meadow meadows grass grassland grasslands rangeland",
    "AnnualCrop": (
        "crop crops cropland arable field fields wheat maize corn rice barley rape annual farmland"
    ),
    "PermanentCrop": (
        "permanent vineyard vineyards vine vines orchard orchards olive olives plantation grove"
    ),
    "Residential": (
        "residential urban town city village settlement settlements built builtup housing houses"
    ),
    "Industrial": (
        "industrial industry commercial factory port airport greenhouse greenhouses quarry mine"
    ),
    "Highway": "highway road roads street railway motorway",
}
_CLASS_OF_WORD = {word: name for name, words in _WORDS.items() for word in words.split()}
_WATER_HUES = (165.0, 310.0)  # degrees around the neutral axis of CIELAB: turquoise to violet blue
_SAME_HUE = 25.0  # degrees to either side that still look like one family
_APART = 20.0  # CIELAB units that two classes should be apart


def _cielab(colours: np.ndarray) -> np.ndarray:
    """Return CIELAB (D65) of sRGB `colours` of shape (N, 3), 0..255."""
    from skimage import color

    return color.rgb2lab(np.asarray(colours, np.float64) / 255)


def _hue(lab: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360


def _distinct_colour(taken: Sequence[Colour], like: Colour | None = None) -> Colour:
    """Return the colour of a coarse grid that is farthest from the `taken` ones to the eye.

    With `like`, it is the shade of that colour that is nearest to it and apart from the others;
    without, it is of no hue of water as long as other hues are left.
    """
    levels = np.linspace(15, 245, 11).round().astype(int)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    candidates = candidates.reshape(-1, 3)
    lab = _cielab(candidates)
    calm = (np.hypot(lab[:, 1], lab[:, 2]) < 80) & (lab[:, 0] > 25) & (lab[:, 0] < 88)
    candidates, lab = candidates[calm], lab[calm]
    reserved = [(0, 0, 0), (255, 255, 255), *COLOURS.values()]  # they stay free for their classes
    known = _cielab(np.array([*reserved, *taken]))
    distances = np.linalg.norm(lab[:, None] - known[None], axis=2).min(axis=1)
    coloured = np.hypot(lab[:, 1], lab[:, 2]) > 12
    if like is not None:
        wanted = _cielab(np.array([like]))
        turn = np.abs((_hue(lab) - _hue(wanted) + 180) % 360 - 180)
        shades = coloured & (turn < _SAME_HUE) & (distances > _APART)
        away = np.where(shades, np.linalg.norm(lab - wanted, axis=1) + 2 * turn, np.inf)
        best = -away if shades.any() else distances
    else:
        water = coloured & (_hue(lab) > _WATER_HUES[0]) & (_hue(lab) < _WATER_HUES[1])
        dry = np.where(water, 0, distances)
        best = dry if dry.max() > _APART else distances
    red, green, blue = candidates[int(best.argmax())].tolist()
    return red, green, blue


def _words(class_name: str) -> list[str]:
    """Return the words of a name: "Olive_grove", "oliveGrove" and "olive-grove" have the same."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", class_name)
    return re.findall("[a-z]+", apart.lower())


def _expected_colour(class_name: str) -> Colour | None:
    """Return the colour people expect for a class, None when its name says nothing."""
    plain = re.sub("[^a-z]", "", class_name.lower())
    known = {name.lower(): colour for name, colour in COLOURS.items()}
    if plain in known:
        return known[plain]
    # The last word says what it is: a "river forest" is a forest.
    for word in [plain, *reversed(_words(class_name))]:
        if word in _CLASS_OF_WORD:
            return COLOURS[_CLASS_OF_WORD[word]]
    return None


def chosen_colours(settings: Sequence[str] | None, class_names: Sequence[str]) -> dict[str, Colour]:
    """Read colours that somebody chose for classes.

    Parameters
    ----------
    settings : sequence of str, optional
        "Vineyard=#7b3294" or "Vineyard=purple".
    class_names : sequence of str
        Names that the map has.

    Returns
    -------
    dict
        Class name -> (red, green, blue).

    Raises
    ------
    ValueError
        For a class that the map does not have, and for what is no colour.
    """
    from PIL import ImageColor

    found = {}
    for setting in settings or ():
        name, equals, colour = setting.partition("=")
        if not equals or name not in class_names:
            raise ValueError(
                f"COLOURS: {setting!r}: expected class=colour, such as "
                f"{class_names[0]}=#7b3294; the classes are {', '.join(class_names)}"
            )
        try:
            red, green, blue = ImageColor.getrgb(colour)[:3]
        except ValueError as error:
            raise ValueError(
                f"COLOURS: {colour!r} of {name} is no colour: give #rrggbb or a name such as purple"
            ) from error
        found[name] = (red, green, blue)
    return found


def colours_of(
    class_names: Sequence[str], chosen: Mapping[str, Colour] | None = None
) -> list[Colour]:
    """Return one colour per class: the expected one if there is one, else a distinct one.

    A second class of the same kind, such as "Pine" beside "Beech", gets another shade of it.

    Parameters
    ----------
    class_names : sequence of str
        Names in the order of the labels.
    chosen : mapping, optional
        Colours that somebody chose, by class.

    Returns
    -------
    list of (red, green, blue)
        0..255, no two alike unless they were chosen so. The same names give the same colours.
    """
    chosen = chosen or {}
    expected = [_expected_colour(name) for name in class_names]
    found: list[Colour | None] = [chosen.get(name) for name in class_names]
    for index, colour in enumerate(expected):
        if found[index] is None and colour not in found:
            found[index] = colour
    taken = [colour for colour in found if colour is not None]
    for index, colour in enumerate(found):
        if colour is None:
            made = _distinct_colour(taken, expected[index])
            found[index] = made
            taken.append(made)
    return [colour for colour in found if colour is not None]


def hexadecimal(colour: Colour) -> str:
    """Return (red, green, blue) as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)

"""Which band of a sensor a text means: the words and numbers that name it, and what names none.

Names are those of the product (B02, B8A) in any usual spelling, and the common names of STAC
(blue, nir08, rededge1), in any case.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from landuse import sensors

_RGB = ("blue", "green", "red")
_LONGEST_COLOUR = 3  # words, as in "red edge 1"
# Words beside a colour that leave it a name: "Red, 665 nm", "median_red_10m".
_BESIDE_A_COLOUR = re.compile(
    r"\d+|\d+(?:m|nm|um)|nm|um|p\d+|median|mean|average|min|max|mode|mosaic|composite|first|last|"
    r"band|channel|reflectance|raw|boa|toa|sr|vegetation|central|wavelength",
    re.IGNORECASE,
)
# Other sensors, whose B4 is another band than Sentinel-2's.
_OTHER_SENSOR = re.compile(
    r"(?<![0-9A-Za-z])(?:L[COTEM]0[4-9]_|S[RT]_B\d|HLS\.L30|sur_refl_|Nadir_Reflectance)", re.I
)
# What is made of a band, or told of it, but is not its reflectance.
_NOT_REFLECTANCE = frozenset({
    "std", "stdev", "stddev", "sd", "variance", "var", "count", "skew", "kurtosis", "error",
    "uncertainty", "mask", "msk", "qa", "qualit", "quality", "detfoo", "classi", "scl", "aot",
    "wvp", "angle", "azimuth", "zenith", "ndvi", "ndwi", "ndbi", "evi", "savi", "index", "ratio",
    "difference", "diff", "minus", "probability", "cloud", "clouds", "snow",
})  # fmt: skip


@functools.cache
def _numbered(sensor: sensors.Sensor, before: str) -> re.Pattern[str]:
    """Return the pattern of a band's number behind B or band, or of a name without a number."""
    numbers = [band.number for band in sensor.bands]
    bare = sorted({int(re.sub(r"\D", "", text)) for text in numbers if text}, reverse=True)
    letters = "".join(sorted({text[-1] for text in numbers if text and text[-1].isalpha()}))
    letter = f"[{letters}]?" if letters else ""
    number = "|".join(str(value) if value > 9 else f"0?{value}" for value in bare)
    names = "|".join(re.escape(band.name) for band in sensor.bands)
    by_number = rf"(?:{before})(?P<number>{number})(?P<letter>{letter})|" if number else ""
    return re.compile(
        rf"(?<![0-9A-Za-z])(?:{by_number}(?P<name>{names}))(?![0-9A-Za-z])", re.IGNORECASE
    )


def in_description(sensor: sensors.Sensor) -> re.Pattern[str]:
    """Return the pattern of a band in a text, as `band_of_match` takes it.

    A separator ("B 2") stands only where nothing but a band is described.
    """
    return _numbered(sensor, "band[ _-]?|b[ _-]?")


def in_file_name(sensor: sensors.Sensor) -> re.Pattern[str]:
    """Return the pattern of a band in a file's name, as `band_of_match` takes it."""
    return _numbered(sensor, "band[ _-]?|b")


def band_of_match(match: re.Match[str], sensor: sensors.Sensor) -> str:
    """Return the band of a match, "" where there is none of that number (B02A)."""
    found = match.groupdict()
    if found["name"]:
        return _by_name(sensor)[found["name"].lower()]
    return _by_number(sensor).get(f"{int(found['number'])}{found['letter'].upper()}", "")


@functools.cache
def _by_name(sensor: sensors.Sensor) -> dict[str, str]:
    return {band.name.lower(): band.name for band in sensor.bands}


@functools.cache
def _by_number(sensor: sensors.Sensor) -> dict[str, str]:
    return {band.number: band.name for band in sensor.bands if band.number}


@functools.cache
def colours(sensor: sensors.Sensor) -> dict[str, str]:
    """Return aliases and the band of each, "" for one that does not say which."""
    clear = {alias: band.name for band in sensor.bands for alias in band.aliases}
    return clear | dict.fromkeys(sensor.unclear, "")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return [word.lower() for word in re.split(r"[^0-9A-Za-z]+", text) if word]


def is_of_something_else(text: str, sensor: sensors.Sensor) -> bool:
    """Tell whether a text is of what is made of a band, or of another sensor's."""
    return is_of_another(text, sensor) or not _NOT_REFLECTANCE.isdisjoint(words_of(text))


def is_of_another(text: str, sensor: sensors.Sensor) -> bool:
    """Tell whether a text is of a sensor whose bands have the same numbers and are others."""
    return sensor is sensors.SENTINEL_2 and _OTHER_SENSOR.search(text) is not None


def _colours_among(words: Sequence[str], known: dict[str, str]) -> list[tuple[int, int, str]]:
    """Return where colours stand among words, the longest names first: (start, end, colour)."""
    found, start = [], 0
    while start < len(words):
        for end in range(min(len(words), start + _LONGEST_COLOUR), start, -1):
            if "".join(words[start:end]) in known:
                found.append((start, end, "".join(words[start:end])))
                start = end - 1
                break
        start += 1
    return found


def _colour_of(text: str, known: dict[str, str]) -> str | None:
    """Return the band that a colour at the end of a text means, or one that stands alone."""
    words = words_of(text)
    found = _colours_among(words, known)
    if len({colour for _, _, colour in found}) != 1:
        return None
    _, end, colour = found[-1]
    # what follows must not make another thing of it, as in "red list"
    alone = all(_BESIDE_A_COLOUR.fullmatch(word) for word in words[end:])
    return known[colour] or None if alone else None


def band_of_description(text: str, sensor: sensors.Sensor = sensors.SENTINEL_2) -> str | None:
    """Return the band that a description names, None where it names none or several.

    "B2", "b02", "band 2", "B4, central wavelength 665 nm", "T32TPP_20180211T102141_B8A",
    "B3_median", "nir08", "Red edge 1" are understood, "B8/B4" and "B2_stdDev" are no bands.

    Raises
    ------
    ValueError
        If it contradicts itself, as "Blue (B4)".
    """
    if is_of_something_else(text, sensor):
        return None
    known = colours(sensor)
    found = {band_of_match(match, sensor) for match in in_description(sensor).finditer(text)}
    if len(found) > 1 or "" in found:
        return None
    among = {colour for _, _, colour in _colours_among(words_of(text), known) if colour in _RGB}
    if not found:
        return _colour_of(text, known)
    band = found.pop()
    if len(among) == 1 and known[min(among)] != band:
        raise ValueError(f"{text!r} names two bands, {band} and {known[min(among)]}")
    return band


def band_or_none(text: str, sensor: sensors.Sensor) -> str | None:
    """Return the band that a description names, also None where it contradicts itself."""
    try:
        return band_of_description(text, sensor)
    except ValueError:
        return None

"""Which bands the files of a folder hold, by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from landuse import band_words, sensors

_RESOLUTION = re.compile(r"(?<![0-9A-Za-z])(?P<metres>10|20|60)m(?![0-9A-Za-z])", re.I)


@dataclass(frozen=True)
class BandOfFile:
    """What the name of a file with a single band says.

    Attributes
    ----------
    file : str
    band : str
    metres : int
        Resolution that the name gives, 0 where it gives none.
    image : str
        The rest of the name, which the bands of one image share.
    """

    file: str
    band: str
    metres: int
    image: str


def read_file_names(
    files: Sequence[str], sensor: sensors.Sensor = sensors.SENTINEL_2
) -> tuple[list[BandOfFile], list[str]]:
    """Find out which band each of the files of a folder holds, by their names.

    Parameters
    ----------
    files : sequence of str
        Names with their endings, without folders.
    sensor : Sensor

    Returns
    -------
    bands : list of BandOfFile
    others : list of str
        Files whose name says no band, or several.
    """
    stems = [PurePath(file).stem for file in files]
    tokens = [_tokens(stem, sensor) for stem in stems]
    named = [set(found) for found in tokens if found]
    # of "area_B1_B02.tif", "area_B1_B03.tif" the part that is the same names no band
    same = set.intersection(*named) if len(named) > 1 else set()
    bands, others = [], []
    for file, stem, found in zip(files, stems, tokens, strict=True):
        own = [name for name in found if name not in same] or list(found)
        match = found[own[0]] if len(own) == 1 else None
        if match is not None:
            bands.append(_band_of_file(file, stem, own[0], match.start(), match.end()))
        elif not found and (band := _colour_of_file(stem, sensor)):
            bands.append(BandOfFile(file, band[0], *_without_resolution(band[1])))
        else:
            others.append(file)
    return bands, others


def _tokens(stem: str, sensor: sensors.Sensor) -> dict[str, re.Match[str]]:
    """Return the bands that a file's name names, each with its last place."""
    if band_words.is_of_something_else(stem, sensor):
        return {}
    matches = band_words.in_file_name(sensor).finditer(stem)
    found = {band_words.band_of_match(match, sensor): match for match in matches}
    return {name: match for name, match in found.items() if name}


def _band_of_file(file: str, stem: str, band: str, start: int, end: int) -> BandOfFile:
    return BandOfFile(file, band, *_without_resolution(stem[:start] + stem[end:]))


def _without_resolution(rest: str) -> tuple[int, str]:
    """Return the resolution within the rest of a file's name, and what else it says."""
    match = _RESOLUTION.search(rest)
    if match is None:
        return 0, rest.strip("_-. ")
    return int(match["metres"]), (rest[: match.start()] + rest[match.end() :]).strip("_-. ")


def _colour_of_file(stem: str, sensor: sensors.Sensor) -> tuple[str, str] | None:
    """Return the band of a colour at the end of a file's name, and what stands before it."""
    if band_words.is_of_something_else(stem, sensor):
        return None
    bare = _RESOLUTION.sub("", stem).rstrip("_-. ")
    found = re.search(r"(?:^|[^0-9A-Za-z])(?P<colour>[A-Za-z]+\d*)$", bare)
    band = band_words.colours(sensor).get(found["colour"].lower()) if found else None
    if found is None or not band:
        return None
    resolution = _RESOLUTION.search(stem)
    before = bare[: found.start("colour")]
    return band, before + (f"_{resolution[0]}" if resolution else "")


def band_of_file(name: str, sensor: sensors.Sensor = sensors.SENTINEL_2) -> str | None:
    """Return the band that the name of one file says, None where it says none or several."""
    bands, _ = read_file_names([name], sensor)
    return bands[0].band if bands else None

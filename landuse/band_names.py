"""How a file names its bands: by descriptions, by metadata, by BAND_NAMES of the user, or not.

What only counts the bands of a file ("Band 1", "Band 2", ...) names nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from landuse import band_words, sensors

NO_BAND = "-"  # in BAND_NAMES: a band of the file that is none of the sensor's
MOST_QUOTED = 6

_OF_A_BAND = re.compile(r"(?:^|[^0-9A-Za-z])[Bb][ _-]?$")
_NAMED_COUNT = re.compile(r"\s*band[ _-]?(?P<number>\d+)(?![0-9A-Za-z])(?P<rest>.+)", re.I | re.S)
_METADATA_OF_NAMES = re.compile(r"name|band|common|title|label|description|channel|^id$", re.I)


@dataclass(frozen=True)
class Naming:
    """How a file names its bands.

    Attributes
    ----------
    bands : tuple of str
        Name of each band of the file, "" for one that is none of the sensor's; all "" in a
        file that names none.
    unknown : tuple of str
        Descriptions that are no name of a band.
    counts : tuple of str
        Descriptions that only count the bands, and are taken for no names.
    """

    bands: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether any band has a name."""
        return any(self.bands)


def quoted(texts: Iterable[str]) -> str:
    """Return texts as 'a', 'b', ... for a message, the first few of many."""
    listed = [repr(text) for text in texts]
    return ", ".join(listed[:MOST_QUOTED]) + (", ..." if len(listed) > MOST_QUOTED else "")


def _counted(descriptions: Sequence[str]) -> str | None:
    """Return what stands before the numbers of texts that count from 1 or 0 on, else None.

    Other numbers stay the same, and a count may stand twice, as in "Layer_2 (:Band_2)".
    """
    texts = [re.split(r"(\d+)", text.strip().lower()) for text in descriptions]
    if not texts or len({len(parts) for parts in texts}) > 1:
        return None
    counting = 0
    for place, column in enumerate(zip(*texts, strict=True)):
        alone = len(texts) == 1 and texts[0][place:] == [column[0], ""]
        if len(set(column)) == 1 and not alone:
            continue
        numbers = [int(part) if part.isdecimal() else -1 for part in column]
        first = min(numbers[0], 1)  # some count from 0
        if numbers != list(range(first, first + len(numbers))) or first < 0:
            return None
        counting = place
    parts = re.split(r"(\d+)", descriptions[0].strip())
    before = "".join(parts[:counting])
    # "B1_median" is a name of Earth Engine's
    has_more = "".join(parts[counting + 1 :])
    return before if counting and not (has_more and _OF_A_BAND.search(before)) else None


def _looks_like_names(before: str, descriptions: Sequence[str], sensor: sensors.Sensor) -> bool:
    """Tell B1, B2, ... and B01, b02, ... from "Band 1" and b1, which only count."""
    is_letter = _OF_A_BAND.search(before) is not None
    from_zero = re.search(r"(?<!\d)0$", descriptions[0])
    numbers = {band.number for band in sensor.bands if band.number.isdecimal()}
    if not is_letter or from_zero or len(descriptions) > len(numbers):
        return False
    padded = re.search(r"0\d$", descriptions[0]) is not None
    return padded or "B" in before[-2:]


def _is_ambiguous(before: str, descriptions: Sequence[str], sensor: sensors.Sensor) -> bool:
    """Tell B1, B2, B3, ... of several bands, which may be names and may count."""
    padded = re.search(r"0\d$", descriptions[0]) is not None
    looks = _looks_like_names(before, descriptions, sensor)
    return len(descriptions) > 1 and not padded and looks


def _of_metadata(metadata: Mapping[str, str], whose: str, sensor: sensors.Sensor) -> str:
    """Return the band that one of a band's metadata items names, "" where none does."""
    found = {}
    for key, value in metadata.items():
        if _METADATA_OF_NAMES.search(key) and not band_words.is_of_something_else(value, sensor):
            match = band_words.in_description(sensor).fullmatch(value.strip())
            colour = band_words.colours(sensor).get("".join(band_words.words_of(value)), "")
            band = band_words.band_of_match(match, sensor) if match else colour
            if band:
                found[band] = f"{key}={value}"
    if len(found) > 1:
        raise ValueError(f"{whose}: names one band twice, by {quoted(found.values())}")
    return next(iter(found), "")


def _of_descriptions(descriptions: Sequence[str], whose: str, sensor: sensors.Sensor) -> Naming:
    """Return what descriptions alone say."""
    texts = [text.strip() for text in descriptions]
    before = _counted(texts)
    if before is not None and not _looks_like_names(before, texts, sensor):
        return Naming(("",) * len(texts), counts=tuple(texts))
    if before is not None and _is_ambiguous(before, texts, sensor):
        raise ValueError(
            f"{whose}: calls its bands {quoted(texts)}, which may be {sensor.name}'s names "
            f"or only count them: set BAND_NAMES, as {' '.join(sensor.band_names[: len(texts)])}"
        )
    numbered = [_NAMED_COUNT.fullmatch(text) for text in texts]
    numbers = [int(match["number"]) for match in numbered if match]
    counts = len(texts) > 1 and numbers == list(range(1, len(texts) + 1))
    try:
        # "Band 1 (Red)" counts, and is named by what follows
        bands = [
            band_words.band_of_description(match["rest"] if counts and match else text, sensor)
            or ""
            for text, match in zip(texts, numbered, strict=True)
        ]
    except ValueError as error:
        raise ValueError(f"{whose}: the band's description {error}") from None
    if counts and not any(bands):
        return Naming(tuple(bands), counts=tuple(texts))
    unknown = (text for text, band in zip(texts, bands, strict=True) if text and not band)
    return Naming(tuple(bands), unknown=tuple(unknown))


def name_bands(
    descriptions: Sequence[str],
    whose: str,
    metadata: Sequence[Mapping[str, str]] = (),
    sensor: sensors.Sensor | None = None,
) -> Naming:
    """Find out how a file names its bands.

    Parameters
    ----------
    descriptions : sequence of str
        One for each band, "" where there is none.
    whose : str
        The file, for messages.
    metadata : sequence of mappings, optional
        Further items of each band, of which one may be its name.
    sensor : Sensor, optional
        Whose bands may be there; where that is not known, the one that has bands of just these
        names.

    Returns
    -------
    Naming

    Raises
    ------
    ValueError
        If the names contradict each other, or cannot be told from counts (B1, B2, B3).
    """
    sensor = sensor or sensors.sensor_that_names(descriptions)
    told = [_of_metadata(items, whose, sensor) for items in metadata]
    if any(told):
        naming = _of_both(descriptions, told, whose, sensor)
    else:
        naming = _of_descriptions(descriptions, whose, sensor)
    known = [band for band in naming.bands if band]
    if len(known) != len(set(known)):
        raise ValueError(f"{whose}: describes two bands by the same name: {quoted(descriptions)}")
    return naming


def _of_both(
    descriptions: Sequence[str], told: Sequence[str], whose: str, sensor: sensors.Sensor
) -> Naming:
    """Return what the names in the metadata say, and descriptions where these say nothing."""
    count = _counted([text.strip() for text in descriptions])
    for place, (text, band) in enumerate(zip(descriptions, told, strict=True), start=1):
        counts = count is not None or re.fullmatch(rf"\s*band[ _-]?{place}\s*", text, re.I)
        if (
            band
            and not counts
            and band_words.band_or_none(text, sensor)
            not in (
                None,
                band,
            )
        ):
            raise ValueError(f"{whose}: describes a band as {text!r}, its metadata as {band}")
    rest = ["" if band else text for text, band in zip(descriptions, told, strict=True)]
    naming = _of_descriptions(rest, whose, sensor)
    bands = (band or other for band, other in zip(told, naming.bands, strict=True))
    return Naming(tuple(bands), unknown=naming.unknown)


def check_understood(
    naming: Naming, whose: str, sensor: sensors.Sensor = sensors.SENTINEL_2
) -> None:
    """Raise a ValueError that quotes descriptions of which none is a name of a band."""
    if naming.unknown and not naming.known:
        raise ValueError(
            f"{whose}: calls its bands {quoted(naming.unknown)}, which are no names of bands of "
            f"{sensor.name} ({_examples(sensor)}, ...): describe the bands, or set BAND_NAMES to "
            f'them in the order of the file, "{NO_BAND}" for one that is none'
        )


def _examples(sensor: sensors.Sensor) -> str:
    """Return some of the names that are understood."""
    if sensor is sensors.SENTINEL_2:
        return "B02, B8A, red, nir08"
    return ", ".join([*sensor.band_names[:2], *(a for b in sensor.bands[2:4] for a in b.aliases)])


def check_order(names: Sequence[str], count: int, whose: str) -> list[str]:
    """Read BAND_NAMES, the user's word on the order of the bands of a file.

    Parameters
    ----------
    names : sequence of str
        In any spelling; "-" for a band that is none of the sensor's.
    count : int
        Bands of the file.
    whose : str
        The file, for messages.

    Returns
    -------
    list of str
        Names as B02, "" for "-".

    Raises
    ------
    ValueError
        If one is no name, stands twice, or there are more or fewer than bands.
    """
    sensor = sensors.sensor_that_names(names)
    found = []
    for text in names:
        band = "" if text.strip() == NO_BAND else band_words.band_or_none(text, sensor)
        if band is None:
            raise ValueError(
                f"BAND_NAMES: {text!r} is no band of {sensor.name}, which has "
                f"{', '.join(sensor.band_names)}"
            )
        if band and band in found:
            raise ValueError(f"BAND_NAMES names {band} twice")
        found.append(band)
    if len(found) != count:
        raise ValueError(
            f"{whose}: has {count} bands, and BAND_NAMES names {len(found)}: name each in the "
            f'order of the file, "{NO_BAND}" for one that is not wanted'
        )
    return found

"""Which band of Sentinel-2 a name means: a band's description, its metadata, or a file's name.

Names are those of the product (B02, B8A) in any usual spelling, and the common names of STAC
(blue, nir08, rededge1), in any case. What only counts the bands of a file ("Band 1", "Band 2",
...) names nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from landuse import sensors

NO_BAND = "-"  # in BAND_NAMES: a band of the file that is none of Sentinel-2
MOST_QUOTED = 6

_NUMBER = r"(?P<number>0?[1-9]|1[0-2])(?P<letter>[Aa]?)"
# with a separator ("B 2") only where nothing but a band is described
_IN_DESCRIPTION = re.compile(rf"(?<![0-9A-Za-z])(?:band|b)[ _-]?{_NUMBER}(?![0-9A-Za-z])", re.I)
_IN_FILE_NAME = re.compile(rf"(?<![0-9A-Za-z])(?:band[ _-]?|b){_NUMBER}(?![0-9A-Za-z])", re.I)
_RESOLUTION = re.compile(r"(?<![0-9A-Za-z])(?P<metres>10|20|60)m(?![0-9A-Za-z])", re.I)

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
# Common names by what remains of them in lower case without separators.
_COLOURS = {
    "coastal": "B01", "coastalaerosol": "B01", "blue": "B02", "green": "B03", "red": "B04",
    "rededge1": "B05", "re1": "B05", "vre1": "B05", "rededge071": "B05",
    "rededge2": "B06", "re2": "B06", "vre2": "B06", "rededge075": "B06",
    "rededge3": "B07", "re3": "B07", "vre3": "B07", "rededge078": "B07",
    "nir": "B08", "nearinfrared": "B08", "nir08": "B8A", "nirn": "B8A", "narrownir": "B8A",
    "nirnarrow": "B8A", "rededge4": "B8A", "re4": "B8A", "nir09": "B09", "watervapour": "B09",
    "watervapor": "B09", "cirrus": "B10", "swir16": "B11", "swir1": "B11", "swir22": "B12",
    "swir2": "B12",
    "rededge": "",  # one of three, which it does not say
}  # fmt: skip
_RGB = ("blue", "green", "red")
_LONGEST_COLOUR = 3  # words, as in "red edge 1"
# Words beside a colour that leave it a name: "Red, 665 nm", "median_red_10m".
_BESIDE_A_COLOUR = re.compile(
    r"\d+|\d+(?:m|nm|um)|nm|um|p\d+|median|mean|average|min|max|mode|mosaic|composite|first|last|"
    r"band|channel|reflectance|raw|boa|toa|sr|vegetation|central|wavelength",
    re.IGNORECASE,
)
_COUNT = re.compile(r"(?P<before>.*\D|)(?P<number>\d+)", re.DOTALL)
_NAMED_COUNT = re.compile(r"\s*band[ _-]?(?P<number>\d+)(?![0-9A-Za-z])(?P<rest>.+)", re.I | re.S)
_METADATA_OF_NAMES = re.compile(r"name|band|common|title|label|description|channel|^id$", re.I)


@dataclass(frozen=True)
class Naming:
    """How a file names its bands.

    Attributes
    ----------
    bands : tuple of str
        Name of each band of the file, "" for one that is none of Sentinel-2's; all "" in a
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


def quoted(texts: Iterable[str]) -> str:
    """Return texts as 'a', 'b', ... for a message, the first few of many."""
    listed = [repr(text) for text in texts]
    return ", ".join(listed[:MOST_QUOTED]) + (", ..." if len(listed) > MOST_QUOTED else "")


def _name(match: re.Match[str]) -> str:
    """Return the band of a match, "" where there is none of that number (B02A)."""
    number = int(match["number"])
    if match["letter"]:
        return "B8A" if number == 8 else ""
    return f"B{number:02d}"


def _words(text: str) -> list[str]:
    return [word.lower() for word in re.split(r"[^0-9A-Za-z]+", text) if word]


def _is_of_something_else(text: str) -> bool:
    return bool(_OTHER_SENSOR.search(text)) or not _NOT_REFLECTANCE.isdisjoint(_words(text))


def _colours(words: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return where colours stand among words, the longest names first: (start, end, band)."""
    found, start = [], 0
    while start < len(words):
        for end in range(min(len(words), start + _LONGEST_COLOUR), start, -1):
            if "".join(words[start:end]) in _COLOURS:
                found.append((start, end, "".join(words[start:end])))
                start = end - 1
                break
        start += 1
    return found


def _colour_of(text: str) -> str | None:
    """Return the band that a colour at the end of a text means, or one that stands alone."""
    words = _words(text)
    found = _colours(words)
    if len({colour for _, _, colour in found}) != 1:
        return None
    _, end, colour = found[-1]
    # what follows must not make another thing of it, as in "red list"
    alone = all(_BESIDE_A_COLOUR.fullmatch(word) for word in words[end:])
    return _COLOURS[colour] or None if alone else None


def band_of_description(text: str) -> str | None:
    """Return the band that a description names, None where it names none or several.

    "B2", "b02", "band 2", "B4, central wavelength 665 nm", "T32TPP_20180211T102141_B8A",
    "B3_median", "nir08", "Red edge 1" are understood, "B8/B4" and "B2_stdDev" are no bands.

    Raises
    ------
    ValueError
        If it contradicts itself, as "Blue (B4)".
    """
    if _is_of_something_else(text):
        return None
    found = {_name(match) for match in _IN_DESCRIPTION.finditer(text)}
    if len(found) > 1 or "" in found:
        return None
    colours = {colour for _, _, colour in _colours(_words(text)) if colour in _RGB}
    if not found:
        return _colour_of(text)
    band = found.pop()
    if len(colours) == 1 and _COLOURS[min(colours)] != band:
        raise ValueError(f"{text!r} names two bands, {band} and {_COLOURS[min(colours)]}")
    return band


def _counted(descriptions: Sequence[str]) -> str | None:
    """Return what stands before the numbers of texts that count from 1 or 0 on, else None."""
    matches = [_COUNT.fullmatch(text.strip()) for text in descriptions]
    if not matches or None in matches:
        return None
    parts = [(match["before"], int(match["number"])) for match in matches if match]
    before = parts[0][0]
    first = min(parts[0][1], 1)  # some count from 0
    expected = [(before.lower(), number) for number in range(first, first + len(parts))]
    if [(text.lower(), number) for text, number in parts] != expected:
        return None
    return before


def _looks_like_names(before: str, descriptions: Sequence[str]) -> bool:
    """Tell B1, B2, ... and B01, b02, ... from "Band 1" and b1, which only count."""
    is_letter = re.search(r"(?:^|[^0-9A-Za-z])[Bb][ _-]?$", before) is not None
    from_zero = re.search(r"(?<!\d)0$", descriptions[0])
    if not is_letter or from_zero or len(descriptions) > len(sensors.BANDS_MS) - 1:
        return False
    padded = re.search(r"0\d$", descriptions[0]) is not None
    return padded or "B" in before[-2:]


def _is_ambiguous(before: str, descriptions: Sequence[str]) -> bool:
    """Tell B1, B2, B3, ... of several bands, which may be names and may count."""
    padded = re.search(r"0\d$", descriptions[0]) is not None
    return len(descriptions) > 1 and not padded and _looks_like_names(before, descriptions)


def _of_metadata(metadata: Mapping[str, str], whose: str) -> str:
    """Return the band that one of a band's metadata items names, "" where none does."""
    found = {}
    for key, value in metadata.items():
        if _METADATA_OF_NAMES.search(key) and not _is_of_something_else(value):
            match = _IN_DESCRIPTION.fullmatch(value.strip())
            band = _name(match) if match else _COLOURS.get("".join(_words(value)), "")
            if band:
                found[band] = f"{key}={value}"
    if len(found) > 1:
        raise ValueError(f"{whose}: names one band twice, by {quoted(found.values())}")
    return next(iter(found), "")


def _of_descriptions(descriptions: Sequence[str], whose: str) -> Naming:
    """Return what descriptions alone say."""
    texts = [text.strip() for text in descriptions]
    before = _counted(texts)
    if before is not None and not _looks_like_names(before, texts):
        return Naming(("",) * len(texts), counts=tuple(texts))
    if before is not None and _is_ambiguous(before, texts):
        raise ValueError(
            f"{whose}: calls its bands {quoted(texts)}, which may be Sentinel-2's names or only "
            f"count them: set BAND_NAMES, as {' '.join(f'B{i + 1:02d}' for i in range(len(texts)))}"
        )
    numbered = [_NAMED_COUNT.fullmatch(text) for text in texts]
    numbers = [int(match["number"]) for match in numbered if match]
    counts = len(texts) > 1 and numbers == list(range(1, len(texts) + 1))
    try:
        # "Band 1 (Red)" counts, and is named by what follows
        bands = [
            band_of_description(match["rest"] if counts and match else text) or ""
            for text, match in zip(texts, numbered, strict=True)
        ]
    except ValueError as error:
        raise ValueError(f"{whose}: the band's description {error}") from None
    if counts and not any(bands):
        return Naming(tuple(bands), counts=tuple(texts))
    unknown = (text for text, band in zip(texts, bands, strict=True) if text and not band)
    return Naming(tuple(bands), unknown=tuple(unknown))


def name_bands(
    descriptions: Sequence[str], whose: str, metadata: Sequence[Mapping[str, str]] = ()
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

    Returns
    -------
    Naming

    Raises
    ------
    ValueError
        If the names contradict each other, or cannot be told from counts (B1, B2, B3).
    """
    told = [_of_metadata(items, whose) for items in metadata]
    if any(told):
        naming = _of_both(descriptions, told, whose)
    else:
        naming = _of_descriptions(descriptions, whose)
    known = [band for band in naming.bands if band]
    if len(known) != len(set(known)):
        raise ValueError(f"{whose}: describes two bands by the same name: {quoted(descriptions)}")
    return naming


def _of_both(descriptions: Sequence[str], told: Sequence[str], whose: str) -> Naming:
    """Return what the names in the metadata say, and descriptions where these say nothing."""
    count = _counted([text.strip() for text in descriptions])
    for place, (text, band) in enumerate(zip(descriptions, told, strict=True), start=1):
        counts = count is not None or re.fullmatch(rf"\s*band[ _-]?{place}\s*", text, re.I)
        if band and not counts and _safe_band(text) not in (None, band):
            raise ValueError(f"{whose}: describes a band as {text!r}, its metadata as {band}")
    rest = ["" if band else text for text, band in zip(descriptions, told, strict=True)]
    naming = _of_descriptions(rest, whose)
    bands = (band or other for band, other in zip(told, naming.bands, strict=True))
    return Naming(tuple(bands), unknown=naming.unknown)


def _safe_band(text: str) -> str | None:
    try:
        return band_of_description(text)
    except ValueError:
        return None


def check_understood(naming: Naming, whose: str) -> None:
    """Raise a ValueError that quotes descriptions of which none is a name of a band."""
    if naming.unknown and not naming.known:
        raise ValueError(
            f"{whose}: calls its bands {quoted(naming.unknown)}, which are no names of bands of "
            "Sentinel-2 (B02, B8A, red, nir08, ...): describe the bands, or set BAND_NAMES to "
            f'them in the order of the file, "{NO_BAND}" for one that is none'
        )


def check_order(names: Sequence[str], count: int, whose: str) -> list[str]:
    """Read BAND_NAMES, the user's word on the order of the bands of a file.

    Parameters
    ----------
    names : sequence of str
        In any spelling; "-" for a band that is none of Sentinel-2's.
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
    found = []
    for text in names:
        band = "" if text.strip() == NO_BAND else _safe_band(text)
        if band is None:
            raise ValueError(
                f"BAND_NAMES: {text!r} is no band of Sentinel-2, which has "
                f"{', '.join(sensors.BANDS_MS)}"
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


def read_file_names(files: Sequence[str]) -> tuple[list[BandOfFile], list[str]]:
    """Find out which band each of the files of a folder holds, by their names.

    Parameters
    ----------
    files : sequence of str
        Names with their endings, without folders.

    Returns
    -------
    bands : list of BandOfFile
    others : list of str
        Files whose name says no band, or several.
    """
    stems = [PurePath(file).stem for file in files]
    tokens = [_tokens(stem) for stem in stems]
    named = [set(found) for found in tokens if found]
    # of "area_B1_B02.tif", "area_B1_B03.tif" the part that is the same names no band
    same = set.intersection(*named) if len(named) > 1 else set()
    bands, others = [], []
    for file, stem, found in zip(files, stems, tokens, strict=True):
        own = [name for name in found if name not in same] or list(found)
        match = found[own[0]] if len(own) == 1 else None
        if match is not None:
            bands.append(_band_of_file(file, stem, own[0], match.start(), match.end()))
        elif not found and (band := _colour_of_file(stem)):
            bands.append(BandOfFile(file, band[0], *_without_resolution(band[1])))
        else:
            others.append(file)
    return bands, others


def _tokens(stem: str) -> dict[str, re.Match[str]]:
    """Return the bands that a file's name names, each with its last place."""
    if _is_of_something_else(stem):
        return {}
    found = {_name(match): match for match in _IN_FILE_NAME.finditer(stem)}
    return {name: match for name, match in found.items() if name}


def _band_of_file(file: str, stem: str, band: str, start: int, end: int) -> BandOfFile:
    return BandOfFile(file, band, *_without_resolution(stem[:start] + stem[end:]))


def _without_resolution(rest: str) -> tuple[int, str]:
    """Return the resolution within the rest of a file's name, and what else it says."""
    match = _RESOLUTION.search(rest)
    if match is None:
        return 0, rest.strip("_-. ")
    return int(match["metres"]), (rest[: match.start()] + rest[match.end() :]).strip("_-. ")


def _colour_of_file(stem: str) -> tuple[str, str] | None:
    """Return the band of a colour at the end of a file's name, and what stands before it."""
    if _is_of_something_else(stem):
        return None
    bare = _RESOLUTION.sub("", stem).rstrip("_-. ")
    found = re.search(r"(?:^|[^0-9A-Za-z])(?P<colour>[A-Za-z]+\d*)$", bare)
    band = _COLOURS.get(found["colour"].lower()) if found else None
    if found is None or not band:
        return None
    resolution = _RESOLUTION.search(stem)
    before = bare[: found.start("colour")]
    return band, before + (f"_{resolution[0]}" if resolution else "")


def band_of_file(name: str) -> str | None:
    """Return the band that the name of one file says, None where it says none or several."""
    bands, _ = read_file_names([name])
    return bands[0].band if bands else None

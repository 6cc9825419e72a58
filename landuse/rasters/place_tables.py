"""Tables of places: rows of a CSV with coordinates or well-known text, whatever its separator."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LONGITUDES, LATITUDES = ("longitude", "lon", "long", "lng"), ("latitude", "lat")
EASTINGS, NORTHINGS = ("x", "easting", "east"), ("y", "northing", "north")
WKT_COLUMNS = ("wkt", "geometry", "geom", "the_geom")
SEPARATORS = ",;\t"

Place = tuple[float, float] | str | None  # x and y, well-known text, or nothing


class PlaceTable(NamedTuple):
    """What a table says.

    Attributes
    ----------
    fields, text_fields : list of str
        Columns that are no coordinates, and those of them that are not all numbers.
    rows : list of dict
        Column to text, row by row.
    places : list of Place
    degrees : bool
        Whether the columns are called longitude and latitude.
    """

    fields: list[str]
    text_fields: list[str]
    rows: list[dict[str, str]]
    places: list[Place]
    degrees: bool


def read_places(path: str | Path) -> PlaceTable:
    """Read a CSV of places; its separator (comma, semicolon, tab) is that of the header.

    Parameters
    ----------
    path : str or Path
        UTF-8, with the columns longitude and latitude, x and y, or wkt. Decimal commas are read
        where the separator is another.

    Raises
    ------
    ValueError
        If a column is missing, or a line cannot be read; it is named.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text in UTF-8; save it as CSV UTF-8") from error
    separator = max(SEPARATORS, key=(lines[0] if lines else "").count)
    reader = csv.DictReader(lines, delimiter=separator)
    header = [str(field).strip() for field in reader.fieldnames or ()]
    reader.fieldnames = header
    columns, degrees = _place_columns(path, header)
    rows: list[dict[str, str]] = []
    places: list[Place] = []
    for number, row in enumerate(reader, start=2):
        if None in row:
            raise ValueError(f"{path}, line {number}: has more values than the header has columns")
        rows.append({field: row[field] or "" for field in header})
        places.append(_place(path, number, rows[-1], columns))
    fields = [field for field in header if field not in columns]
    texts = [field for field in fields if not _all_numbers([row[field] for row in rows])]
    return PlaceTable(fields, texts, rows, places, degrees)


def _place_columns(path: str | Path, fields: Sequence[str]) -> tuple[list[str], bool]:
    """Return the columns of longitude and latitude, x and y, or WKT, and whether degrees."""
    by_name = {field.lower(): field for field in fields}
    for firsts, seconds, degrees in ((LONGITUDES, LATITUDES, True), (EASTINGS, NORTHINGS, False)):
        first = [by_name[name] for name in firsts if name in by_name]
        second = [by_name[name] for name in seconds if name in by_name]
        if first and second:
            return [first[0], second[0]], degrees
    texts = [by_name[name] for name in WKT_COLUMNS if name in by_name]
    if texts:
        return texts[:1], False
    raise ValueError(
        f"{path}: a table of places needs the columns longitude and latitude, x and y, or wkt; "
        f"it has {', '.join(fields) or 'none'}"
    )


def _place(path: str | Path, number: int, row: dict[str, str], columns: Sequence[str]) -> Place:
    """Return what a line says of its place."""
    texts = [row[name].strip() for name in columns]
    if not any(texts):
        return None
    if len(texts) == 1:
        return texts[0]
    try:
        x, y = (float(text.replace(",", ".")) for text in texts)
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError("not finite")
    except ValueError as error:
        raise ValueError(
            f"{path}, line {number}: {' and '.join(columns)} say no place: {', '.join(texts)}"
        ) from error
    return x, y


def _all_numbers(texts: Sequence[str]) -> bool:
    try:
        for text in texts:
            float(text or "0")
    except ValueError:
        return False
    return True

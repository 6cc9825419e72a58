"""Where patches lie on the ground: the table beside them, places that hang together, distances."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from landuse import files, sensors

TABLE_FILE = "patches.csv"  # beside the folders of the classes
COLUMNS = (
    *("file", "class", "scene", "date", "row", "column", "crs", "x", "y"),
    *("longitude", "latitude", "side_m", "cover", "labels", "feature"),
)
EARTH_RADIUS = 6_371_008.8  # m, mean
SIDE = sensors.PATCH_SIZE * 10.0  # m, of a patch that says no other
OVERLAP = 0.97  # of a side: UTM's north is not everywhere north, so touching is not overlapping


class Places(NamedTuple):
    """Where patches lie.

    Attributes
    ----------
    degrees : ndarray of shape (N, 2)
        Longitude and latitude of the middles (WGS 84).
    sides : ndarray of shape (N,)
        Width of each on the ground, m.
    attributes : list of N dict
        Columns of the table, empty where a patch stands in none.
    """

    degrees: np.ndarray
    sides: np.ndarray
    attributes: list[dict[str, str]]


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of where patches come from.

    Parameters
    ----------
    path : str or Path
    rows : sequence of mapping
        `COLUMNS` to values, then what else is known.
    """
    further = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, *further], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())


def read_table(folder: str | Path) -> dict[str, dict[str, str]]:
    """Read the table that lies beside patches, empty where there is none.

    Returns
    -------
    dict
        "Class/name.tif" to what its row says.

    Raises
    ------
    ValueError
        If it is no such table.
    """
    path = Path(folder) / TABLE_FILE
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text in UTF-8") from error
    reader = csv.DictReader(lines)
    missing = [
        name for name in ("file", "longitude", "latitude") if name not in (reader.fieldnames or ())
    ]
    if missing:
        raise ValueError(f"{path}: has no column {missing[0]}; script 00_cut_patches writes it")
    return {row["file"]: row for row in reader}


def find_places(images: Sequence[Path]) -> Places:
    """Find where patches lie: by the table beside their folders, or by their georeferences.

    Parameters
    ----------
    images : sequence of Path
        <folder>/<Class>/<name>.

    Raises
    ------
    ValueError
        If a patch stands in no table and has no georeference.
    """
    from landuse.rasters import reference_systems  # GDAL takes its time to import

    tables = {folder: read_table(folder) for folder in {image.parent.parent for image in images}}
    degrees, sides, attributes = [], [], []
    for image in tqdm(images, desc="reading places", unit="image", leave=False):
        row = tables[image.parent.parent].get(f"{image.parent.name}/{image.name}", {})
        attributes.append(row)
        try:
            if row:
                degrees.append((float(row["longitude"]), float(row["latitude"])))
            else:
                degrees.append(reference_systems.centre_longitude_latitude(image))
            sides.append(float(row.get("side_m") or SIDE))
        except ValueError as error:
            table = image.parent.parent / TABLE_FILE
            raise ValueError(
                f"{error}: {image} has no place; {table} may tell it (file, longitude, latitude)"
            ) from error
    return Places(np.array(degrees, np.float64).reshape(-1, 2), np.array(sides), attributes)


def _on_sphere(degrees: np.ndarray) -> np.ndarray:
    """Return x, y, z in m, shape (N, 3): chords are distances, to a millimetre in 10 km."""
    longitude, latitude = np.radians(degrees).T
    across = np.cos(latitude)
    axes = across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)
    return EARTH_RADIUS * np.stack(axes, axis=1)


def blocks_of(degrees: np.ndarray, size: float) -> list[str]:
    """Return the block of the ground that each place lies in.

    Blocks are `size` m high and about as wide, the same whatever grid a scene has.

    Parameters
    ----------
    degrees : ndarray of shape (N, 2)
        Longitude and latitude.
    size : float
        m.
    """
    metres = np.pi / 180 * EARTH_RADIUS  # of a degree
    rows = np.floor(degrees[:, 1] * metres / size)
    middle = np.radians((rows + 0.5) * size / metres)
    columns = np.floor(degrees[:, 0] * metres * np.maximum(np.cos(middle), 1e-6) / size)
    return [f"{int(row)}/{int(column)}" for row, column in zip(rows, columns, strict=True)]


def overlapping(places: Places) -> np.ndarray:
    """Return pairs of patches that overlap on the ground, of whatever scene; shape (pairs, 2)."""
    from scipy.spatial import cKDTree

    largest = float(places.sides.max(initial=0))
    tree = cKDTree(_on_sphere(places.degrees))
    pairs = tree.query_pairs(largest * np.sqrt(2), output_type="ndarray")
    first, second = places.degrees[pairs[:, 0]], places.degrees[pairs[:, 1]]
    steps = np.radians(np.abs((first - second + 180) % 360 - 180)) * EARTH_RADIUS
    steps[:, 0] *= np.cos(np.radians((first[:, 1] + second[:, 1]) / 2))
    side = places.sides[pairs].mean(axis=1)
    return pairs[(steps < OVERLAP * side[:, None]).all(axis=1)]


def hang_together(names: Sequence[str], pairs: np.ndarray) -> list[str]:
    """Return the place of each patch: those of one name, and those that overlap, are in one.

    Parameters
    ----------
    names : sequence of str
        Block or attribute of each patch.
    pairs : ndarray of shape (pairs, 2), int
        Patches that must not be parted.

    Returns
    -------
    list of str
        The first name, in alphabetical order, of those that hang together.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    known = sorted(set(names))
    position = {name: number for number, name in enumerate(known)}
    own = np.array([position[name] for name in names])
    edges = own[pairs].reshape(-1, 2)
    links = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(known),) * 2)
    _, component = connected_components(links, directed=False)
    first: dict[int, str] = {}
    for name, number in zip(known, component.tolist(), strict=True):
        first.setdefault(number, name)
    return [first[component[number]] for number in own.tolist()]


def places_by_attribute(places: Places, images: Sequence[Path], attribute: str) -> list[str]:
    """Return what a column of the table says of each patch.

    Raises
    ------
    ValueError
        If there is no such column, or it says nothing of some patch.
    """
    known = list(dict.fromkeys(name for row in places.attributes for name in row))
    if attribute not in known:
        listed = ", ".join(name for name in known if name not in COLUMNS) or "no further columns"
        raise ValueError(
            f"PLACE_ATTRIBUTE = {attribute!r} is no column of {TABLE_FILE} beside the patches: "
            f"it has {listed if known else 'not been written'}"
        )
    values = [(row.get(attribute) or "").strip() for row in places.attributes]
    empty = [image for image, value in zip(images, values, strict=True) if not value]
    if empty:
        raise ValueError(
            f"PLACE_ATTRIBUTE = {attribute!r} is empty for {len(empty)} of {len(images)} patches, "
            f"such as {empty[0]}"
        )
    return values


class Apart(NamedTuple):
    """How far the patches of one part are from those that are trained on.

    Attributes
    ----------
    nearest, median : float
        m, from the middle of a patch to that of the nearest training patch.
    overlaps : int
        Patches that overlap a training patch.
    patches : int
    """

    nearest: float
    median: float
    overlaps: int
    patches: int


def how_far_apart(places: Places, is_train: np.ndarray, is_other: np.ndarray) -> Apart:
    """Measure how far patches are from the training patches; both masks are of shape (N,)."""
    from scipy.spatial import cKDTree

    at = _on_sphere(places.degrees)
    distances, _ = cKDTree(at[is_train]).query(at[is_other])
    first, second = overlapping(places).T
    crossing = np.concatenate(
        [second[is_train[first] & is_other[second]], first[is_train[second] & is_other[first]]]
    )
    return Apart(
        float(distances.min()),
        float(np.median(distances)),
        len(np.unique(crossing)),
        int(is_other.sum()),
    )

"""A map against a reference: what agrees, and what that says of the map as a whole.

Rows of all tables are classes of the map, columns those of the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from landuse import map_values
from landuse.evaluation import area_estimates
from landuse.map_checking import reference_cells
from landuse.rasters import label_maps


@dataclass(frozen=True)
class CheckedPoints:
    """Points with the class of the map and the true one, by index into rows and columns."""

    identities: list[str]
    places: np.ndarray
    mapped: np.ndarray
    true: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class MapCheck:
    """What came out.

    Attributes
    ----------
    kind : {"sample", "points", "cells", "osm"}
    map_path, reference : str
    rows, columns : list of str
        Classes of the map and of the reference.
    agrees : ndarray of shape (rows, columns), bool
        Which of them mean the same.
    counts : ndarray of shape (rows, columns), int
        Points or cells.
    silent : ndarray of shape (rows,), int
        Cells of the map of which the reference says nothing.
    mapped_cells : ndarray of shape (rows,), int
        Of the whole map.
    hectares_per_cell : float or None
    estimates : MapEstimates or None
        Of the whole map, where the reference is a probability sample.
    hectares : float or None
        What the estimates are about.
    warnings, notes : list of str
    points : CheckedPoints or None
    """

    kind: str
    map_path: str
    reference: str
    rows: list[str]
    columns: list[str]
    agrees: np.ndarray
    counts: np.ndarray
    silent: np.ndarray
    mapped_cells: np.ndarray
    hectares_per_cell: float | None
    estimates: area_estimates.MapEstimates | None = None
    hectares: float | None = None
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    points: CheckedPoints | None = None


# ---- whole maps


def check_cells(
    label_map: label_maps.LabelMap,
    reference: reference_cells.CellReference,
    kind: str,
    source: str,
    warnings: Sequence[str] = (),
) -> MapCheck:
    """Compare all cells of which a reference says something.

    Parameters
    ----------
    label_map : LabelMap
    reference : CellReference
    kind : {"cells", "osm"}
        With "osm", silence of the reference is no error of the map.
    source : str
    warnings : sequence of str

    Raises
    ------
    ValueError
        If the reference says nothing of any cell.
    """
    rows, columns = list(label_map.class_names), reference.names
    group = np.arange(len(rows))
    if kind == "cells":  # classes that the reference cannot tell apart are one in the map, too
        rows = list(columns)
        found = [
            [name in members for members in reference.members] for name in label_map.class_names
        ]
        group = np.argmax(found, axis=1)
    told = (reference.cells != reference_cells.NO_CLASS) & (label_map.labels != map_values.NODATA)
    if not told.any():
        raise ValueError(
            f"{source}: says nothing of any cell of {label_map.path}; "
            f"{'; '.join(reference.messages)}"
        )
    counts = np.zeros((len(rows), len(columns)), np.int64)
    np.add.at(counts, (group[label_map.labels[told]], reference.cells[told]), 1)
    agrees = np.array([[name in members for members in reference.members] for name in rows])
    agrees = np.eye(len(rows), dtype=bool) if kind == "cells" else agrees
    mapped = np.bincount(group, weights=label_map.counts, minlength=len(rows)).astype(np.int64)
    return MapCheck(
        kind,
        label_map.path,
        source,
        rows,
        columns,
        agrees,
        counts,
        mapped - counts.sum(axis=1),
        mapped,
        label_map.hectares_per_cell,
        warnings=list(warnings),
        notes=list(reference.messages),
    )

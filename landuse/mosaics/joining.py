"""Several maps of one place to one: the most probable label of each cell."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from landuse import map_values

NO_MAP = -1


class Joined(NamedTuple):
    """Cells of a mosaic."""

    labels: np.ndarray  # (rows, columns) uint8, nodata 255
    probability: np.ndarray  # (rows, columns) of the label: percent with nodata 255, or 0..1 and -1
    source: np.ndarray  # (rows, columns) int32, number of the map that it is from, NO_MAP for none
    covered: np.ndarray  # (rows, columns) int32, how many maps have a label there


def most_probable(
    maps: Iterable[tuple[int, np.ndarray, np.ndarray]], shape: tuple[int, int], dtype: str
) -> Joined:
    """Take the most probable label of each cell.

    Of labels that are equally probable, that of the earlier map is taken. A label without a
    probability gives way to any other.

    Parameters
    ----------
    maps : iterable of (number, labels, probability)
        Arrays of `shape` each: labels uint8 with nodata 255; probability uint8 percent with nodata
        255, or float32 0..1 with nodata -1.
    shape : (rows, columns)
    dtype : {"uint8", "float32"}
        Of the probabilities that come out; uint8 is percent.

    Returns
    -------
    Joined
    """
    nodata = map_values.NODATA if dtype == "uint8" else map_values.NODATA_PROBABILITY
    labels = np.full(shape, map_values.NODATA, np.uint8)
    best = np.full(shape, -np.inf, np.float32)
    probability = np.full(shape, nodata, dtype)
    source = np.full(shape, NO_MAP, np.int32)
    covered = np.zeros(shape, np.int32)
    for number, own_labels, own in maps:
        values = map_values.to_percent(own) if dtype == "uint8" else own
        has_label = own_labels != map_values.NODATA
        known = values != nodata
        rank = np.where(known, values, -1.0).astype(np.float32)
        taken = has_label & (rank > best)
        labels[taken], best[taken], source[taken] = own_labels[taken], rank[taken], number
        probability[taken] = values[taken]
        covered += has_label
    return Joined(labels, probability, source, covered)

"""Two maps cell by cell: labels of both, groups of classes, probability of change."""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from landuse import map_values
from landuse.changes import alignment, change_probability, class_groups, date_pairs, dated_maps


class Pair(NamedTuple):
    """What two maps say of the cells that they have in common."""

    before: np.ndarray  # (rows, columns) uint8, class at the first date, 255 no data
    after: np.ndarray  # likewise at the second
    probability: np.ndarray  # (rows, columns) float32 of change between groups, NaN no data
    differing: np.ndarray  # (rows, columns) bool, labels are of different groups
    strata: np.ndarray  # (rows, columns) uint8, group at the first date, 255 no data
    overlap: alignment.Overlap

    @property
    def valid(self) -> np.ndarray:
        """Cells with data at both dates, (rows, columns) bool."""
        return self.strata != map_values.NODATA


def read_pair(
    before: dated_maps.DatedMap, after: dated_maps.DatedMap, groups: class_groups.Groups
) -> Pair:
    """Read two maps where they overlap; a cell without data in one has none in both.

    Parameters
    ----------
    before, after : dated_maps.DatedMap
        With their classes in one order (`date_pairs.in_order_of`).
    groups : class_groups.Groups

    Raises
    ------
    ValueError
        When they have no cell with data in common, or are one map.
    """
    common = date_pairs.common_cells(before, after)
    labels = [
        dated_maps.read_labels(dated, part)
        for dated, part in ((before, common.before), (after, common.after))
    ]
    chance = np.empty(common.shape, np.float32)
    strips = zip(
        dated_maps.probabilities_in_strips(before, common.before),
        dated_maps.probabilities_in_strips(after, common.after),
        strict=True,
    )
    row, alike = 0, True
    with tqdm(total=common.shape[0], desc="compare", unit="row", mininterval=0.5) as progress:
        for one, other in strips:
            rows = slice(row, row + one.shape[1])
            alike = alike and np.array_equal(one, other, equal_nan=True)
            chance[rows] = change_probability.probability_of_change(
                class_groups.sum_groups(one, groups), class_groups.sum_groups(other, groups)
            )
            row = rows.stop
            progress.update(one.shape[1])
    valid = (
        (labels[0] != map_values.NODATA) & (labels[1] != map_values.NODATA) & np.isfinite(chance)
    )
    if not valid.any():
        raise ValueError(
            f"{before.path} and {after.path} overlap, but no cell has data in both of them"
        )
    if alike and np.array_equal(labels[0], labels[1]):
        raise ValueError(
            f"{before.path} and {after.path} are the same in every cell and probability: they show "
            "one date twice; name the map of another date"
        )
    labels = [np.where(valid, values, map_values.NODATA).astype(np.uint8) for values in labels]
    grouped = [groups.of_labels(values) for values in labels]
    return Pair(
        labels[0],
        labels[1],
        np.where(valid, chance, np.float32(np.nan)),
        grouped[0] != grouped[1],
        grouped[0],
        common,
    )

"""The comparison itself: from two maps and two scenes to what changed, all in memory."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from landuse import sensors
from landuse.changes import map_pairs, registration, scene_differences, scene_pairs, stable_places
from landuse.outputs import land_use_map
from landuse.rasters import geotransforms, ground

UNKNOWN_THRESHOLD = 0.9  # where nothing tells what unchanged places differ by
TOO_FAR = 2.0  # px of shift from which on it is worth a warning; a window has 64
MOVED_BACK_FROM = 0.25  # px of shift from which on the second scene is moved back to be compared
LESS_ALIKE = 0.5  # correlation of a band below which two dates have little in common
BRIGHTER = 30.0  # percent by which a band's median may differ before it is worth a warning
ANOTHER_SEASON = 45  # days apart within the year
PIXEL = 10.0  # m, of Sentinel-2; where no scene tells


class SceneChecks(NamedTuple):
    """What the scenes say of each other."""

    shift: registration.Shift | None
    bands: list[scene_differences.BandDifference]
    distance: np.ndarray  # (rows, columns) float32 of cells: how much their windows changed


@dataclass(frozen=True)
class Comparison:
    """What changed.

    Attributes
    ----------
    pair : map_pairs.Pair
        What both maps say.
    changed : ndarray of shape (rows, columns), bool
        What counts as change.
    threshold : stable_places.Threshold
    learned_from : {"scenes", "pair", "given", "nothing"}
        Where the threshold comes from.
    stable : ndarray of shape (rows, columns), bool, or None
        Cells that were taken for unchanged.
    least_cells : int
        Of a change.
    hectares : ndarray of shape (rows, columns), float32, or None
        What each cell covers of the scene; None where nobody knows what map units measure.
    checks : SceneChecks or None
    window : float
        Side of a window, in units of the map.
    unit : MapUnit or None
        What such a unit measures on the ground.
    """

    pair: map_pairs.Pair
    changed: np.ndarray
    threshold: stable_places.Threshold
    learned_from: str
    stable: np.ndarray | None
    least_cells: int
    hectares: np.ndarray | None
    checks: SceneChecks | None
    window: float
    unit: geotransforms.MapUnit | None

    @property
    def share_differing(self) -> float:
        """Share of the compared cells whose labels differ, 0..1."""
        valid = self.pair.valid
        return float((self.pair.before != self.pair.after)[valid].mean())

    @property
    def share_differing_groups(self) -> float:
        """Share of the compared cells whose labels are of different groups, 0..1."""
        return float(self.pair.differing[self.pair.valid].mean())

    @property
    def share_changed(self) -> float:
        """Share of the compared cells that count as changed, 0..1."""
        return float(self.changed[self.pair.valid].mean())

    @property
    def scenes_differ_much(self) -> bool:
        """Whether a band is much brighter, darker or of another pattern at the second date."""
        return self.checks is not None and any(
            band.correlation < LESS_ALIKE or abs(band.percent) > BRIGHTER
            for band in self.checks.bands
        )

    @property
    def expects_more_false(self) -> bool:
        """Whether cells whose pixels changed least tell too little of the others."""
        return self.learned_from == "scenes" and self.scenes_differ_much

    @property
    def smallest_to_find(self) -> float | None:
        """Hectares that a change needs to prevail in a window: half of it; None: not known."""
        if self.unit is None:
            return None
        square_metres = self.window**2 * self.unit.square_metres
        return square_metres / 2 / land_use_map.SQUARE_METRES_PER_HECTARE


def check_scenes(scenes: scene_pairs.ScenePair, pair: map_pairs.Pair) -> SceneChecks:
    """Compare the scenes: shift, brightness, and how much the window of each cell changed."""
    shift = registration.shift_between(scenes.before, scenes.after, scenes.valid)
    after, valid = scenes.after, scenes.valid
    if shift is not None and shift.length > MOVED_BACK_FROM:
        after, moved = registration.move_back(after, shift)
        valid = valid & moved
    if shift is not None:
        shift = shift._replace(
            rows=shift.rows * scenes.step,
            columns=shift.columns * scenes.step,
            spread=shift.spread * scenes.step,
        )
    bands = []
    if valid.any():
        bands = scene_differences.band_differences(scenes.before, after, valid, scenes.band_names)
    pixels = scene_differences.changed_pixels(scenes.before, after, valid)
    # one bright roof must not outweigh a whole window
    limit = np.nanpercentile(pixels, 98) if np.isfinite(pixels).any() else np.inf
    distance = stable_places.window_means(
        np.minimum(pixels, limit),
        scenes.geotransform,
        pair.overlap.shape,
        pair.overlap.geotransform,
        sensors.PATCH_SIZE * scenes.pixel,
    )
    return SceneChecks(shift, bands, distance)


def smallest_cells(
    hectares: float,
    geotransform: tuple[float, ...],
    unit: geotransforms.MapUnit | None,
    stride: int,
) -> int:
    """Give the number of cells that a smallest area has; of 10 m pixels where nobody knows."""
    cell = (stride * PIXEL) ** 2
    if unit is not None:
        cell = abs(geotransform[1] * geotransform[5]) * unit.square_metres
    return max(1, int(np.ceil(hectares * land_use_map.SQUARE_METRES_PER_HECTARE / cell - 1e-6)))


def compare(
    pair: map_pairs.Pair,
    crs: str,
    scenes: scene_pairs.ScenePair | None,
    *,
    stable_pair: map_pairs.Pair | None,
    stable_share: float,
    most_false: float,
    threshold: float | None,
    min_area: float,
    stride: int,
) -> Comparison:
    """Decide which differences of two maps count as change.

    Parameters
    ----------
    pair : map_pairs.Pair
    crs : str
        Of the maps.
    scenes : scene_pairs.ScenePair or None
        Behind the maps.
    stable_pair : map_pairs.Pair or None
        Two maps of a place that did not change, to learn the threshold from.
    stable_share : float
        Without those: share of the cells of each group taken for unchanged, 0..1.
    most_false : float
        Share of the change that may be expected to be false, 0..1.
    threshold : float or None
        Probability from which on a difference counts; None: learned.
    min_area : float
        Hectares of the smallest change.
    stride : int
        Of the maps, px.
    """
    checks = check_scenes(scenes, pair) if scenes is not None else None
    measured = ground.measure(pair.overlap.geotransform, crs, pair.overlap.shape)
    unit = measured.unit if measured is not None else None
    least_cells = smallest_cells(min_area, pair.overlap.geotransform, unit, stride)
    chosen = None
    if checks is not None:
        chosen = stable_places.calm_cells(checks.distance, pair.strata, stable_share)
    place = _stable_place(pair, stable_pair, chosen)
    learned, origin = _threshold(
        pair, place, stable_pair is not None, threshold, least_cells, most_false
    )
    changed = np.zeros(pair.valid.shape, bool)
    if learned.value is not None:
        changed = stable_places.keep_large(
            pair.differing & (pair.probability >= learned.value), least_cells
        )
    width = pair.overlap.geotransform[1]
    pixel = scenes.pixel if scenes is not None else width / stride
    return Comparison(
        pair,
        changed,
        learned,
        origin,
        place.chosen if place is not None and stable_pair is None else None,
        least_cells,
        hectares_of_cells(pair, scenes, unit) if unit is not None else None,
        checks,
        sensors.PATCH_SIZE * pixel,
        unit,
    )


def _stable_place(
    pair: map_pairs.Pair, stable_pair: map_pairs.Pair | None, chosen: np.ndarray | None
) -> stable_places.StablePlace | None:
    if stable_pair is not None:
        return stable_places.StablePlace(
            stable_pair.probability, stable_pair.differing, stable_pair.strata, stable_pair.valid
        )
    if chosen is None or not chosen.any():
        return None
    return stable_places.StablePlace(pair.probability, pair.differing, pair.strata, chosen)


def _threshold(
    pair: map_pairs.Pair,
    place: stable_places.StablePlace | None,
    named: bool,
    given: float | None,
    least_cells: int,
    most_false: float,
) -> tuple[stable_places.Threshold, str]:
    """Give the threshold and where it comes from; one that is given is judged all the same."""
    if place is None:
        value = UNKNOWN_THRESHOLD if given is None else given
        return stable_places.Threshold(
            value, None, 0, None
        ), "nothing" if given is None else "given"
    tried = stable_places.THRESHOLDS if given is None else np.array([given])
    found = stable_places.choose_threshold(
        pair.probability, pair.differing, pair.strata, place, least_cells, most_false, tried
    )
    if given is not None:
        return found._replace(value=given), "given"
    return found, "pair" if named else "scenes"


def hectares_of_cells(
    pair: map_pairs.Pair, scenes: scene_pairs.ScenePair | None, unit: geotransforms.MapUnit
) -> np.ndarray:
    """Give the hectares of each cell; the last ones may reach past the scene, and count in part."""
    left, width, _, top, _, height = pair.overlap.geotransform
    rows, columns = pair.overlap.shape
    whole = abs(width * height) * unit.square_metres / land_use_map.SQUARE_METRES_PER_HECTARE
    if scenes is None:
        return np.full((rows, columns), whole, np.float32)
    bounds = geotransforms.extent(scenes.geotransform, scenes.valid.shape)
    of_rows = land_use_map.covered_shares(top, height, rows, (bounds[1], bounds[3]))
    of_columns = land_use_map.covered_shares(left, width, columns, (bounds[0], bounds[2]))
    return (whole * of_rows[:, None] * of_columns[None]).astype(np.float32)


def messages(comparison: Comparison, days_apart: int | None) -> list[str]:
    """Say what the scenes show, and what makes maps differ where nothing changed."""
    said = []
    checks = comparison.checks
    if days_apart is not None and days_apart > ANOTHER_SEASON:
        said.append(
            f"warning: the dates lie {days_apart} days apart within the year: fields and leaves "
            "look otherwise, which maps may take for change; compare the same season if you can"
        )
    if checks is None:
        return said
    if checks.shift is None:
        said.append("warning: the scenes could not be laid on each other: too little data")
    else:
        shift = checks.shift
        text = (
            f"shift of the second scene: {shift.columns:+.2f} px to the right, "
            f"{shift.rows:+.2f} px down (half of "
            f"{shift.pieces} pieces within {shift.spread:.2f} px)"
        )
        if shift.length > TOO_FAR:
            text = (
                f"warning: {text}: what lies at the edge of a class may look changed; move the "
                "second scene onto the first (coregistration) and map it again"
            )
        said.append(text)
    parts = [f"{b.band} {b.percent:+.0f} % (r {b.correlation:.2f})" for b in checks.bands]
    if parts:
        said.append(f"brightness of the second scene, by median: {', '.join(parts)}")
    if comparison.scenes_differ_much:
        said.append(
            "warning: the scenes differ much in brightness or pattern (light, haze, season): "
            "expect maps to differ for that alone"
        )
    return said

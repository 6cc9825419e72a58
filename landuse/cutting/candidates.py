"""Which windows of a scene show one class, by labelled points and polygons.

Places are in pixels of the scene: row and column of a window's upper left corner. Everything here
takes and returns arrays; the scene's pixels are for others.
"""

from dataclasses import dataclass

import numpy as np

from landuse import sensors
from landuse.rasters import geotransforms, labelled_features, vectors

SIZE = sensors.PATCH_SIZE
STEP = 16  # px from one candidate in a polygon to the next
MOST_PIXELS = 12_000**2  # that a polygon may span in the scene: a whole tile and more

# Why a feature gave no patch; a later one says more than an earlier one
OUTSIDE = "outside the scene"
AT_EDGE = "too near to the scene's edge for a whole window"
TOO_SMALL = f"a polygon smaller than a window of {SIZE}x{SIZE} px, and LEAST_COVER asks for more"
TOO_NARROW = "a polygon that nowhere covers LEAST_COVER of a window"
OVERLAPPED = "a polygon that lies under polygons of another class"
CONTRADICTED = "a point where another class is said to be, too"
REASONS = (OUTSIDE, AT_EDGE, TOO_SMALL, TOO_NARROW, OVERLAPPED, CONTRADICTED)


@dataclass(frozen=True)
class Candidates:
    """Windows that could be cut, in no order.

    Attributes
    ----------
    rows, columns : ndarray of shape (N,), int64
        Upper left corners.
    classes, features : ndarray of shape (N,), int64
        Index of the class, and of the feature that it stems from.
    covers : ndarray of shape (N,), float64
        Share of the window that polygons of the class cover; 1 for points.
    reasons : dict of int to str
        Feature to the reason why it gave no window.
    contested : int
        How many polygons overlap with one of another class.
    """

    rows: np.ndarray
    columns: np.ndarray
    classes: np.ndarray
    features: np.ndarray
    covers: np.ndarray
    reasons: dict[int, str]
    contested: int

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class PixelGrid:
    """Where a scene's pixels lie: north up, so that two terms of six are 0."""

    geotransform: geotransforms.SixFloats
    crs: str
    rows: int
    columns: int

    def pixel(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column of places, as fractions."""
        left, width, _, top, _, height = self.geotransform
        return (y - top) / height, (x - left) / width

    def part(self, row: float, column: float) -> tuple[float, ...]:
        """Return the geotransform of a part of the scene that starts at a pixel."""
        left, width, _, top, _, height = self.geotransform
        return (left + column * width, width, 0.0, top + row * height, 0.0, height)


def find_candidates(
    features: labelled_features.LabelledFeatures,
    classes: np.ndarray,
    grid: PixelGrid,
    *,
    least_cover: float,
    jitter: int | np.ndarray,
    windows_per_point: int,
    seed: int,
) -> Candidates:
    """Find windows in polygons and around points.

    Of a polygon: windows of which polygons of its class cover `least_cover` at least, and more than
    those of other classes, and whose middle lies in it. Where polygons of two classes overlap, the
    ground counts for neither. Of a point: windows around it, moved by up to `jitter` pixels; none
    where it lies in a polygon of another class, or within half a window of a point of another.

    Parameters
    ----------
    features : LabelledFeatures
        In the scene's reference system.
    classes : ndarray of shape (features,), int
        Index of the class of each; -1 leaves a feature out.
    grid : PixelGrid
        Of the scene.
    least_cover : float
        Share of the window, 0 to 1; 0: one window around a place inside each polygon at least.
    jitter : int, or ndarray of shape (features,)
        Pixels, along rows and along columns.
    windows_per_point : int
    seed : int

    Returns
    -------
    Candidates

    Raises
    ------
    ValueError
        If a polygon is larger than what can be searched.
    """
    envelopes = _envelopes(features, grid)
    wanted = np.flatnonzero(np.asarray(classes) >= 0)
    top, bottom, left, right = envelopes[wanted].T
    inside = (bottom > 0) & (top < grid.rows) & (right > 0) & (left < grid.columns)
    reasons = dict.fromkeys(wanted[~inside].tolist(), OUTSIDE)
    here = wanted[inside]
    points, polygons = here[features.is_point[here]], here[~features.is_point[here]]
    burnt = _BurntPolygons(features, classes, grid, polygons, envelopes)
    tables = [np.empty((0, 5))]
    for polygon in polygons.tolist():
        table, reason = burnt.windows(polygon, least_cover)
        tables.append(table)
        if not len(table):
            reasons[polygon] = reason
    rng = np.random.default_rng(seed)
    jitters = np.broadcast_to(jitter, len(features.names))[points]
    table, left_out = _around_points(
        points, classes, grid, envelopes, burnt, jitters, windows_per_point, rng
    )
    reasons |= left_out
    found = np.concatenate([*tables, table])
    rows, columns, own, feature = (found[:, column].astype(np.int64) for column in range(4))
    return Candidates(rows, columns, own, feature, found[:, 4], reasons, burnt.contested)


def _envelopes(features: labelled_features.LabelledFeatures, grid: PixelGrid) -> np.ndarray:
    """Return first and last row, first and last column of each feature, as fractions."""
    bounds = np.array([vectors.polygon_bounds([wkb]) for wkb in features.geometries])
    rows, columns = grid.pixel(bounds[:, 0::2], bounds[:, 1::2])
    return np.stack([rows.min(1), rows.max(1), columns.min(1), columns.max(1)], axis=1)


class _BurntPolygons:
    """Polygons of all classes on the scene's grid, part by part."""

    def __init__(
        self,
        features: labelled_features.LabelledFeatures,
        classes: np.ndarray,
        grid: PixelGrid,
        polygons: np.ndarray,
        envelopes: np.ndarray,
    ) -> None:
        self.features, self.classes, self.grid = features, classes, grid
        self.polygons, self.envelopes = polygons, envelopes
        self.places = features.coordinates()
        self.contested = 0

    def labels(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        """Return the class of the pixels of a part, 255 outside polygons and where two overlap."""
        first, last, west, east = self.envelopes[self.polygons].T
        near = (last >= top) & (first <= top + rows) & (east >= left) & (west <= left + columns)
        members = self.polygons[near]
        return labelled_features.burn_classes(
            [self.features.geometries[member] for member in members],
            self.classes[members],
            self.grid.part(top, left),
            self.grid.crs,
            rows,
            columns,
        )[0]

    def windows(self, polygon: int, least_cover: float) -> tuple[np.ndarray, str]:
        """Return windows in a polygon (row, column, class, feature, cover), and why there is none.

        They are tried on a grid that is the same for the whole scene, so that windows of
        neighbouring polygons and of other dates fall on each other.
        """
        first, last, west, east = self.envelopes[polygon]
        top, left = max(int(first) - SIZE, 0), max(int(west) - SIZE, 0)
        rows = min(int(last) + SIZE + 1, self.grid.rows) - top
        columns = min(int(east) + SIZE + 1, self.grid.columns) - left
        if rows < SIZE or columns < SIZE:
            return np.empty((0, 5)), AT_EDGE
        if rows * columns > MOST_PIXELS:
            raise ValueError(
                f"{self.features.path}: a polygon of {self.features.names[polygon]!r} spans "
                f"{rows:,} x {columns:,} px of the scene: cut it up"
            )
        labels, own = self.labels(top, left, rows, columns), int(self.classes[polygon])
        inside = vectors.rasterize(
            [self.features.geometries[polygon]],
            self.grid.part(top, left),
            self.grid.crs,
            rows,
            columns,
        )
        lost = inside & (labels != own)
        self.contested += int(lost.any())
        i, j, around = self._corners(polygon, top, left, rows, columns)
        covers = _shares(labels == own, i, j)
        others = _shares((labels != own) & (labels != labelled_features.NO_CLASS), i, j)
        central = around | inside[i + SIZE // 2, j + SIZE // 2]
        good = central & (covers >= least_cover) & (covers > 0) & (covers >= others)
        reason = TOO_NARROW
        if inside.any() and lost[inside].all():
            reason = OVERLAPPED
        elif min(last - first, east - west) < SIZE:
            reason = TOO_SMALL
        count = int(good.sum())
        numbers = np.full((count, 2), (own, polygon))
        table = np.column_stack([i[good] + top, j[good] + left, numbers, covers[good]])
        return np.unique(table, axis=0), reason  # the one around a place may be there twice

    def _corners(
        self, polygon: int, top: int, left: int, rows: int, columns: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the corners to try, and which of them is the one around a place inside."""
        i, j = np.meshgrid(
            np.arange(-top % STEP, rows - SIZE + 1, STEP),
            np.arange(-left % STEP, columns - SIZE + 1, STEP),
            indexing="ij",
        )
        row, column = self.grid.pixel(*self.places[polygon])
        middle = np.floor([row - top, column - left]).astype(int) - SIZE // 2
        middle = np.clip(middle, 0, (rows - SIZE, columns - SIZE))
        around = np.append(np.zeros(i.size, bool), True)
        return np.append(i.ravel(), middle[0]), np.append(j.ravel(), middle[1]), around


def _shares(mask: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the share of true pixels in windows, by sums over the rectangle up to each pixel."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    np.cumsum(mask, axis=0, dtype=np.int32, out=sums[1:, 1:])
    np.cumsum(sums, axis=1, out=sums)
    end_i, end_j = i + SIZE, j + SIZE
    total = sums[end_i, end_j] - sums[i, end_j] - sums[end_i, j] + sums[i, j]
    return total / SIZE**2


def _around_points(
    points: np.ndarray,
    classes: np.ndarray,
    grid: PixelGrid,
    envelopes: np.ndarray,
    burnt: _BurntPolygons,
    jitters: np.ndarray,
    windows_per_point: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, dict[int, str]]:
    """Return the windows around points as a table, and which points gave none."""
    if not len(points):
        return np.empty((0, 5)), {}
    own = classes[points]
    places = np.floor(envelopes[points][:, [0, 2]]).astype(np.int64)
    contradicted = _contradicted(places, own)
    if len(burnt.polygons):
        here = np.array([burnt.labels(row, column, 1, 1)[0, 0] for row, column in places.tolist()])
        contradicted |= (here != labelled_features.NO_CLASS) & (here != own)
    corners, most = places - SIZE // 2, np.array([grid.rows, grid.columns]) - SIZE
    reach = jitters[:, None]
    at_edge = ((corners < -reach) | (corners > most + reach)).any(axis=1)
    reasons = dict.fromkeys(points[at_edge].tolist(), AT_EDGE)
    reasons |= dict.fromkeys(points[contradicted].tolist(), CONTRADICTED)
    good = np.repeat(np.flatnonzero(~contradicted & ~at_edge), windows_per_point)
    moved = corners[good] + rng.integers(-reach[good], reach[good] + 1, (len(good), 2))
    moved = np.clip(moved, 0, most)
    return np.column_stack([moved, own[good], points[good], np.ones(len(good))]), reasons


def _contradicted(places: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Tell which points lie within half a window of a point of another class."""
    from scipy.spatial import cKDTree

    found = np.zeros(len(places), bool)
    pairs = cKDTree(places).query_pairs(SIZE / 2, p=np.inf, output_type="ndarray")
    found[pairs[classes[pairs[:, 0]] != classes[pairs[:, 1]]].ravel()] = True
    return found


def in_order_of_choice(candidates: Candidates, least_distance: int, seed: int) -> np.ndarray:
    """Order candidates: one of each feature, then rare classes first, each feature in turn.

    Of each feature, windows on that lattice come first on which polygons cover most, so that they
    lie side by side. Features with few windows have no others to give, so they are first.

    Parameters
    ----------
    candidates : Candidates
    least_distance : int
        Pixels between two windows: the lattice's pitch, at least.
    seed : int
        Where all else is alike.

    Returns
    -------
    ndarray of shape (N,), int64
    """
    chance = np.random.default_rng(seed).random(len(candidates))
    counts = np.bincount(candidates.classes, minlength=1)[candidates.classes]
    pitch = -(-least_distance // STEP) * STEP
    lattices = np.column_stack(
        [candidates.features, candidates.rows % pitch, candidates.columns % pitch]
    )
    _, lattice = np.unique(lattices, axis=0, return_inverse=True)
    lattice = lattice.reshape(-1)
    covered = -np.bincount(lattice, candidates.covers, minlength=1)[lattice]
    turns = _turns(candidates.features, np.lexsort((chance, lattice, covered)))
    windows = np.bincount(candidates.features, minlength=1)[candidates.features]
    first = np.where(turns == 0, windows, len(candidates) + 1)
    return np.lexsort((chance, turns, candidates.classes, counts, first))


def _turns(groups: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return for each item how many of its group come before it in an order."""
    turns = np.zeros(len(groups), np.int64)
    by_group = order[np.argsort(groups[order], kind="stable")]
    sorted_groups = groups[by_group]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]][: len(groups)])
    lengths = np.diff(np.append(starts, len(groups)))
    turns[by_group] = np.arange(len(groups)) - np.repeat(starts, lengths)
    return turns


class Spacing:
    """Windows chosen so far, and whether another one is far enough from all of them.

    Parameters
    ----------
    least_distance : int
        Pixels between the corners of two windows, along rows or columns; 64: they do not overlap.
    """

    def __init__(self, least_distance: int) -> None:
        self.distance = max(int(least_distance), 1)
        self._chosen: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def allows(self, row: int, column: int) -> bool:
        """Tell whether no chosen window is too near."""
        i, j = row // self.distance, column // self.distance
        return not any(
            max(abs(row - other[0]), abs(column - other[1])) < self.distance
            for a in (i - 1, i, i + 1)
            for b in (j - 1, j, j + 1)
            for other in self._chosen.get((a, b), ())
        )

    def has(self, row: int, column: int) -> bool:
        """Tell whether this very window is chosen."""
        return (row, column) in self._chosen.get(
            (row // self.distance, column // self.distance), ()
        )

    def add(self, row: int, column: int) -> None:
        """Choose a window."""
        cell = (row // self.distance, column // self.distance)
        self._chosen.setdefault(cell, []).append((row, column))

"""Whether two scenes lie on each other: their shift, by phase correlation."""

import itertools
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

TILE = 256  # px, side of the pieces that are compared one by one
STEPS = 20  # the shift is found to 1/20 px


class Shift(NamedTuple):
    """How far the second scene lies off the first."""

    rows: float  # px, positive: the second lies further down
    columns: float  # px, positive: further to the right
    spread: float  # px, by which half of the pieces differ from it at most
    pieces: int  # that were compared

    @property
    def length(self) -> float:
        """Pixels, whatever the direction."""
        return float(np.hypot(self.rows, self.columns))


def shift_between(
    before: np.ndarray, after: np.ndarray, valid: np.ndarray, tile: int = TILE
) -> Shift | None:
    """Find the shift between two scenes by phase correlation of their edges.

    Edges (the gradient's magnitude) stay where fields turn from green to brown. Each piece of the
    scene is compared in each band, and the median of all counts, so that clouds and what really
    changed carry no weight. Guizar-Sicairos et al. 2008, doi:10.1364/OL.33.000156.

    Parameters
    ----------
    before, after : ndarray of shape (rows, columns, bands)
        Scenes on one grid, any units.
    valid : ndarray of shape (rows, columns), bool
        Where both have data.
    tile : int
        Side of a piece in pixels; smaller scenes are one piece.

    Returns
    -------
    Shift or None
        None where no piece has enough data.
    """
    from skimage.registration import phase_cross_correlation

    found = []
    places = itertools.product(_pieces(valid.shape[0], tile), _pieces(valid.shape[1], tile))
    for place in tqdm(list(places), desc="register", unit="piece", leave=False, delay=2):
        inside = valid[place]
        if inside.mean() < 0.9:
            continue
        for band in range(before.shape[2]):
            pieces = [_edges(scene[(*place, band)], inside) for scene in (before, after)]
            if min(piece.std() for piece in pieces) == 0:
                continue
            # skimage gives what moves the second onto the first: the other way round
            shift, _, _ = phase_cross_correlation(*pieces, upsample_factor=STEPS)
            found.append(-shift)
    if not found:
        return None
    shifts = np.array(found)
    middle = np.median(shifts, axis=0)
    spread = float(np.median(np.hypot(*(shifts - middle).T)))
    return Shift(float(middle[0]), float(middle[1]), spread, len(shifts))


def move_back(scene: np.ndarray, shift: Shift) -> tuple[np.ndarray, np.ndarray]:
    """Move a scene that lies off by a shift to where it belongs, by linear interpolation.

    Parameters
    ----------
    scene : ndarray of shape (rows, columns, bands)
    shift : Shift

    Returns
    -------
    moved : ndarray of the same shape, float32
    valid : ndarray of shape (rows, columns), bool
        False where it was moved away from, or nodata (0) went into a pixel.
    """
    from scipy import ndimage

    back = (-shift.rows, -shift.columns)
    bands = np.moveaxis(scene.astype(np.float32), 2, 0)
    moved = [ndimage.shift(band, back, order=1, mode="constant") for band in bands]
    has_data = (scene > 0).any(axis=2).astype(np.float32)
    valid = ndimage.shift(has_data, back, order=1, mode="constant") > 0.999
    return np.stack(moved, axis=-1), valid


def _pieces(size: int, tile: int) -> list[slice]:
    count = max(1, size // tile)
    edges = np.linspace(0, size, count + 1).astype(int)
    return [slice(int(start), int(stop)) for start, stop in itertools.pairwise(edges)]


def _edges(band: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Give the magnitude of the gradient, faded out at the borders, which are no edges."""
    from scipy import ndimage

    values = np.where(valid, band, np.median(band[valid])).astype(np.float32)
    edges = ndimage.gaussian_gradient_magnitude(values, 1.0)
    window = np.hanning(band.shape[0])[:, None] * np.hanning(band.shape[1])[None]
    return (edges - edges.mean()) * window

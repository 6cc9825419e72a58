"""Coarse bands on a finer grid, nodata left out: arrays only."""

import numpy as np

LOWEST_DN = -2000  # with an offset of -1000 applied, dark pixels can lie a little below 0
MARGIN = 2  # coarse pixels on either side that a cubic spline reaches


def as_dn(
    pixels: np.ndarray, nodata: float | None = None, scale: float = 1.0, offset: float = 0.0
) -> np.ndarray:
    """Return pixels of any real type as whole numbers from 1 on, 0 for nodata.

    Parameters
    ----------
    pixels : ndarray
    nodata : float, optional
        The value that the file declares; 0, not-a-number and what no reflectance can be
        (below `LOWEST_DN`) are nodata in any case.
    scale, offset : float
        DN = pixel * scale + offset, in a file that holds another quantity.

    Returns
    -------
    ndarray of the same shape, uint8 (as it came) or uint16
    """
    if pixels.dtype in (np.uint8, np.uint16) and (scale, offset) == (1.0, 0.0):
        if nodata is None or nodata == 0 or not 0 < nodata <= np.iinfo(pixels.dtype).max:
            return pixels
        return np.where(pixels == nodata, 0, pixels).astype(pixels.dtype)
    raw = pixels.astype(np.float64)
    values = raw * scale + offset
    valid = np.isfinite(values) & (raw != 0) & (values > LOWEST_DN)
    if nodata is not None:
        valid &= raw != nodata
    rounded = np.clip(np.floor(np.where(valid, values, 0) + 0.5), 1, np.iinfo(np.uint16).max)
    return np.where(valid, rounded, 0).astype(np.uint16)


def _spline_weights(ratio: int) -> np.ndarray:
    """Return the weights (ratio, 5) of the coarse pixels -2..2 at each fine pixel of pixel 0.

    The cubic B-spline has rational values at the centres of the fine pixels; multiplied by
    6 (2 ratio)^3 they are integers, so that sums of them in float64 are exact, and a pixel
    comes out the same whatever window it is read in.
    """
    unit = 2 * ratio
    fine = np.arange(ratio)[:, None]
    coarse = np.arange(-MARGIN, MARGIN + 1)[None, :]
    distance = np.abs((2 * fine + 1) - (2 * coarse + 1) * ratio).astype(np.float64)
    near = 4 * unit**3 - 6 * unit * distance**2 + 3 * distance**3
    far = np.clip(2 * unit - distance, 0, None) ** 3
    return np.where(distance < unit, near, far)


def _spread_rows(values: np.ndarray, ratio: int) -> np.ndarray:
    """Sum the weighted neighbours of every fine row; MARGIN rows at both ends are used up."""
    neighbours = np.lib.stride_tricks.sliding_window_view(values, 2 * MARGIN + 1, axis=0)
    fine = _spline_weights(ratio) @ neighbours.swapaxes(1, 2)
    return fine.reshape(-1, values.shape[1])


def _spread(values: np.ndarray, ratio: int) -> np.ndarray:
    # columns first, while there are few rows
    along = _spread_rows(np.ascontiguousarray(values.T), ratio)
    return _spread_rows(np.ascontiguousarray(along.T), ratio)


def upsample(pixels: np.ndarray, ratio: int) -> np.ndarray:
    """Upsample by cubic B-spline, nodata (0) left out of every sum.

    The kernel is the one that GDAL calls "cubicspline" (smoothing, not interpolating), which
    made the EuroSAT patches. As the weights of what is left sum to one, a constant added
    before or after gives the same.

    Parameters
    ----------
    pixels : ndarray of shape (rows + 4, columns + 4), unsigned integer
        With a margin of 2 pixels on every side; 0 where there is nothing.
    ratio : int
        Fine pixels side by side in a coarse one.

    Returns
    -------
    ndarray of shape (rows * ratio, columns * ratio), dtype of `pixels`
        Rounded half up; 0 where the coarse pixel that a fine pixel lies in is 0.
    """
    total = _spread(pixels.astype(np.float64), ratio)
    if pixels.all():
        return np.floor(total / _spline_weights(ratio)[0].sum() ** 2 + 0.5).astype(pixels.dtype)
    weight = _spread((pixels > 0).astype(np.float64), ratio)
    value = np.floor(total / np.maximum(weight, 1) + 0.5).astype(pixels.dtype)
    own = pixels[MARGIN:-MARGIN, MARGIN:-MARGIN].repeat(ratio, 0).repeat(ratio, 1)
    return np.where(own > 0, value, 0)


def _taps(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of four coarse pixels around each place, and their spline weights.

    Places are in pixels, 0.5 at the centre of the first; weights have the shape (places, 4).
    """
    centre = places - 0.5
    first = np.floor(centre).astype(np.int64) - 1
    distance = np.abs(centre[:, None] - (first[:, None] + np.arange(4)))
    near = (4 - 6 * distance**2 + 3 * distance**3) / 6
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return first, np.where(distance < 1, near, far)


def _weigh_rows(values: np.ndarray, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    # always in this order, so that a pixel comes out the same whatever window it is read in
    total = values[first] * weights[:, 0, None]
    for tap in range(1, 4):
        total = total + values[first + tap] * weights[:, tap, None]
    return total


def upsample_at(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Resample by cubic B-spline at any places, nodata (0) left out of every sum.

    Where the places are those of a grid that is a whole number of times finer, this is
    `upsample`.

    Parameters
    ----------
    pixels : ndarray of shape (coarse rows, coarse columns), unsigned integer
        0 where there is nothing.
    rows, columns : ndarray of shape (rows,) and (columns,)
        Places in coarse pixels, 0.5 at the centre of the first; 2 pixels or more from the edges.

    Returns
    -------
    ndarray of shape (rows, columns), dtype of `pixels`
        0 where the coarse pixel that a place lies in is 0.
    """
    across, along = _taps(columns), _taps(rows)

    def spread(values: np.ndarray) -> np.ndarray:
        wide = _weigh_rows(np.ascontiguousarray(values.T), *across)
        return _weigh_rows(np.ascontiguousarray(wide.T), *along)

    total, weight = spread(pixels.astype(np.float64)), spread((pixels > 0).astype(np.float64))
    # to the nearest 1e-6 first: halves are rounded up whatever the last bit of a sum is
    value = np.floor(np.round(total / np.maximum(weight, 1e-12), 6) + 0.5)
    own = pixels[np.floor(rows).astype(int)][:, np.floor(columns).astype(int)]
    return np.where(own > 0, value, 0).astype(pixels.dtype)

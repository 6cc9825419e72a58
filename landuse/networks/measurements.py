"""Fixed measurements of the bands in a window, as layers: what a linear classifier can work with.

They are chosen so that few patches are enough, and so that they can be summed over cells. Each
band is taken as ``log((DN + 100) / 1100)``, and for some pairs of bands (`band_pairs`) their log
ratio, a monotonic function of the normalised difference (NDVI, NDWI, ...) that does not saturate.
Measured in the window are

- of each band: mean; spread over the pixels and over cells of 8x8 px; mean of the largest and the
  smallest value of a cell; at 2, 4 and 8 px the mean height of edges and of diagonal details, and
  how much the height of edges differs from cell to cell;
- of each ratio: spread over pixels and cells; height of edges at 2, 4 and 8 px; the shares of the
  pixels near four levels, which the training images give.

Edges and details are those of Haar's wavelet: means and differences of the pixels in blocks of
2x2, then of the means in blocks of 2x2 of these, and so on (wavelet energies as measures of
texture: Laine & Fan 1993, https://doi.org/10.1109/34.244679). A block never reaches out of its
cell. So the cells of a window are measured without what lies around them, and a dense map has for
each window just what the classifier gives for a patch.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from landuse import sensors

CELL = 8  # px, side of a cell
LEVELS = 3  # of the wavelet, which fill a cell: 2, 4 and 8 px
KNOTS = 4  # levels of a ratio that pixels are counted at
DARK = 100.0  # DN that are added before the logarithm, so that noise of dark bands stays small
BRIGHT = 1000.0  # DN whose logarithm is 0 then
# Added before logarithms: about what noise and rounding leave in an even surface
SPREAD_FLOOR, EDGE_FLOOR, DETAIL_FLOOR = 0.01, 0.003, 0.0015

INDEX_PAIRS = (  # what the ratio of two bands tells, and the index that it stands for
    ("B08", "B04"),  # vegetation: NDVI
    ("B03", "B08"),  # open water: NDWI (McFeeters 1996)
    ("B08", "B11"),  # water in leaves: NDMI; negative: built-up land, NDBI
    ("B11", "B12"),  # dry matter and clay: NDTI
    ("B04", "B02"),  # iron in soils
    ("B03", "B04"),  # green against red: NGRDI
    ("B03", "B02"),
    ("B8A", "B05"),  # chlorophyll: red edge, NDRE
    ("B05", "B04"),
    ("B07", "B05"),
    ("B12", "B04"),
    ("B09", "B8A"),  # vapour in the air
    ("B02", "B11"),
    ("B01", "B02"),  # haze
)


def band_pairs(band_names: Sequence[str]) -> list[tuple[int, int]]:
    """Choose pairs of bands whose ratio is measured.

    Those of `INDEX_PAIRS` that are there. A band in none of them is paired with the one before it.

    Parameters
    ----------
    band_names : sequence of str

    Returns
    -------
    list of (int, int)
        Positions of the bands; empty with one band.
    """
    order = {name: position for position, name in enumerate(band_names)}
    pairs = [(order[a], order[b]) for a, b in INDEX_PAIRS if a in order and b in order]
    for position in range(1, len(band_names)):
        if not any(position in pair for pair in pairs):
            pairs.append((position, position - 1))
    return pairs


def log_bands(pixels: Any, units: str) -> Any:
    """Give log((DN + 100) / 1100) of pixels in "DN" or "rgb8"; arrays or tensors of floats."""
    if units == "rgb8":
        pixels = ops.maximum(pixels - 1.0, 0.0) * (sensors.DN_AT_255 / 254)
    return ops.log((pixels + DARK) * (1 / (BRIGHT + DARK)))


def ratio_levels(patches: np.ndarray, units: str, pairs: Sequence[Sequence[int]]) -> np.ndarray:
    """Find the levels of each log ratio that pixels are counted at: evenly from 2 to 98 %.

    Parameters
    ----------
    patches : ndarray of shape (N, rows, columns, bands)
        Some of the training images.
    units : {"DN", "rgb8"}
    pairs : sequence of pairs of int

    Returns
    -------
    ndarray of shape (KNOTS, pairs), float64
        Rising by 0.01 at least.
    """
    logs = np.asarray(log_bands(patches.astype(np.float32), units))
    percents = np.linspace(2, 98, KNOTS)
    levels = np.zeros((KNOTS, len(pairs)))
    for column, (first, second) in enumerate(pairs):
        levels[:, column] = np.percentile(logs[..., first] - logs[..., second], percents)
    steps = np.maximum(np.diff(levels, axis=0), 0.01)
    return levels[0] + np.concatenate([np.zeros((1, len(pairs))), np.cumsum(steps, axis=0)])


@keras.saving.register_keras_serializable("landuse")
class CellMeasurements(layers.Layer):
    """What is measured in each cell of 8x8 px by itself, so that it can be averaged over cells.

    Raw pixels of shape (batch, rows, columns, bands) become (batch, rows / 8, columns / 8,
    channels), in float32.

    Parameters
    ----------
    units : {"DN", "rgb8"}
    pairs : sequence of pairs of int
        As `band_pairs` gives them.
    levels : array-like of shape (KNOTS, pairs)
        As `ratio_levels` gives them.
    """

    cell_size = CELL

    def __init__(
        self, units: str, pairs: Sequence[Sequence[int]], levels: Any, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.units = units
        self.pairs = [(int(first), int(second)) for first, second in pairs]
        self.levels = [[float(value) for value in row] for row in np.asarray(levels).tolist()]

    def call(self, pixels: Any) -> Any:
        """Measure all cells."""
        bands = log_bands(pixels, self.units)
        measured = [*_level_and_spread(bands), *_extremes(bands), *_edges(bands, details=True)]
        if self.pairs:
            first, second = (np.array(column, "int32") for column in zip(*self.pairs, strict=True))
            ratios = ops.take(bands, first, axis=-1) - ops.take(bands, second, axis=-1)
            measured += [*_level_and_spread(ratios), *_edges(ratios, details=False)]
            measured += _shares(ratios, np.array(self.levels, "float32"))
        return ops.concatenate(measured, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape with a cell for 8x8 px."""
        batch, rows, columns, bands = input_shape
        cells = [None if size is None else size // CELL for size in (rows, columns)]
        per_band, per_pair = 3 + 2 + 3 * LEVELS, 3 + LEVELS + KNOTS
        return (batch, *cells, per_band * int(bands or 0) + per_pair * len(self.pairs))

    def get_config(self) -> dict[str, Any]:
        """Give the arguments to build the layer again."""
        own = {"units": self.units, "pairs": self.pairs, "levels": self.levels}
        return {**super().get_config(), **own}


def _cell_mean(values: Any, size: int) -> Any:
    return ops.average_pool(values, size, size, "valid", "channels_last") if size > 1 else values


def _level_and_spread(values: Any) -> list[Any]:
    """Give the means of the values, of their squares, and the squares of the means."""
    mean = _cell_mean(values, CELL)
    return [mean, _cell_mean(values * values, CELL), mean * mean]


def _extremes(values: Any) -> list[Any]:
    largest = ops.max_pool(values, CELL, CELL, "valid", "channels_last")
    smallest = -ops.max_pool(-values, CELL, CELL, "valid", "channels_last")
    return [largest, smallest]


def _edges(values: Any, details: bool) -> list[Any]:
    """Give the height of edges, and with `details` its square and that of details, by scale."""
    found = []
    for level in range(LEVELS):
        upper, lower = values[:, 0::2], values[:, 1::2]
        a, b, c, d = (half[:, :, side::2] for half in (upper, lower) for side in (0, 1))
        across = ops.abs(a + b - c - d) + ops.abs(a - b + c - d)
        size = CELL >> (level + 1)
        height = _cell_mean(across * 0.25, size)
        found.append(height)
        if details:
            found += [height * height, _cell_mean(ops.abs(a - b - c + d) * 0.25, size)]
        values = (a + b + c + d) * 0.25
    return found


def _shares(values: Any, levels: np.ndarray) -> list[Any]:
    """Give the share of the pixels near each level; one between two levels counts for both."""
    shares, steps = [], np.diff(levels, axis=0)
    for number in range(len(levels)):
        near = ops.ones_like(values)
        if number > 0:
            near = ops.minimum(near, (values - levels[number - 1]) / steps[number - 1])
        if number < len(steps):
            near = ops.minimum(near, (levels[number + 1] - values) / steps[number])
        shares.append(_cell_mean(ops.maximum(near, 0.0), CELL))
    return shares


@keras.saving.register_keras_serializable("landuse")
class WindowMeasurements(layers.Layer):
    """The measurements of windows, from the means over their cells.

    Works on the last axis, (..., channels) to (..., measurements), in float32.

    Parameters
    ----------
    bands, pairs : int
        How many.
    """

    def __init__(self, bands: int, pairs: int, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.bands, self.pairs = int(bands), int(pairs)

    def call(self, means: Any) -> Any:
        """Bring means to numbers that classes differ in linearly."""
        position = 0

        def take(count: int) -> Any:
            nonlocal position
            position += count
            return means[..., position - count : position]

        measured = []
        level, square, cell_square = (take(self.bands) for _ in range(3))
        measured += [level, _log_spread(square, level), _log_spread(cell_square, level)]
        measured += [take(self.bands), take(self.bands)]
        for _ in range(LEVELS):
            height, height_square, detail = (take(self.bands) for _ in range(3))
            measured += [ops.log(height + EDGE_FLOOR), ops.log(detail + DETAIL_FLOOR)]
            measured.append(_log_spread(height_square, height, EDGE_FLOOR))
        if self.pairs:
            level, square, cell_square = (take(self.pairs) for _ in range(3))
            measured += [_log_spread(square, level), _log_spread(cell_square, level)]
            measured += [ops.log(take(self.pairs) + EDGE_FLOOR) for _ in range(LEVELS)]
            measured.append(ops.sqrt(ops.maximum(take(KNOTS * self.pairs), 0.0)))
        return ops.concatenate(measured, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape with the measurements in place of the means."""
        names = len(measurement_names([""] * self.bands, [(0, 0)] * self.pairs))
        return (*input_shape[:-1], names)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments to build the layer again."""
        return {**super().get_config(), "bands": self.bands, "pairs": self.pairs}


def _log_spread(square: Any, mean: Any, floor: float = SPREAD_FLOOR) -> Any:
    return ops.log(ops.sqrt(ops.maximum(square - mean * mean, 0.0)) + floor)


def measurement_names(
    band_names: Sequence[str], pairs: Sequence[tuple[int, int]] | None = None
) -> list[str]:
    """Name the measurements in their order, as "spread B08/B04".

    Parameters
    ----------
    band_names : sequence of str
    pairs : sequence of pairs of int, optional
        Without it, those of `band_pairs`.
    """
    pairs = band_pairs(band_names) if pairs is None else pairs
    ratios = [f"{band_names[first]}/{band_names[second]}" for first, second in pairs]
    sizes = [2 << level for level in range(LEVELS)]
    of_bands = ["mean", "spread", "spread of cells", "largest of cells", "smallest of cells"]
    for size in sizes:
        of_bands += [f"{what} of {size} px" for what in ("edges", "details", "spread of edges")]
    of_ratios = ["spread", "spread of cells", *(f"edges of {size} px" for size in sizes)]
    of_ratios += [f"share at level {number + 1}" for number in range(KNOTS)]
    return [f"{what} {band}" for what in of_bands for band in band_names] + [
        f"{what} {ratio}" for what in of_ratios for ratio in ratios
    ]


def measuring_model(units: str, pairs: Sequence[Sequence[int]], levels: Any, bands: int) -> Any:
    """Make the model that measures patches.

    Parameters
    ----------
    units, pairs, levels
        As `CellMeasurements` takes them.
    bands : int

    Returns
    -------
    keras.Model
        Raw pixels (batch, 64, 64, bands) to (batch, measurements).
    """
    pixels = keras.Input((sensors.PATCH_SIZE, sensors.PATCH_SIZE, bands), name="pixels")
    cells = CellMeasurements(units, pairs, levels, name="cell_measurements")(pixels)
    for size in (2 * CELL, 4 * CELL):  # in steps, so that a dense form can stop at each of them
        cells = layers.AveragePooling2D(2, dtype="float32", name=f"means_of_{size}_px")(cells)
    means = layers.GlobalAveragePooling2D(dtype="float32", name="means")(cells)
    measured = WindowMeasurements(bands, len(pairs), name="measurements")(means)
    return keras.Model(pixels, measured, name="measuring")


def with_linear_top(measuring: Any, weights: np.ndarray, biases: np.ndarray) -> Any:
    """Add a linear classifier to the model that measures.

    Parameters
    ----------
    measuring : keras.Model
        As `measuring_model` gives it.
    weights : ndarray of shape (measurements, classes)
    biases : ndarray of shape (classes,)

    Returns
    -------
    keras.Model
        Raw pixels (batch, 64, 64, bands) to class probabilities (batch, classes).
    """
    top = layers.Dense(len(biases), activation="softmax", dtype="float32", name="probabilities")
    model = keras.Model(measuring.input, top(measuring.output), name="baseline")
    top.set_weights([weights.astype(np.float32), biases.astype(np.float32)])
    return model

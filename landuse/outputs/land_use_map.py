"""A land-use map in memory: its cells, their place and meaning, and what each class covers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from landuse import map_values
from landuse.evaluation import trust
from landuse.outputs import class_colours
from landuse.rasters import geotransforms

SQUARE_METRES_PER_HECTARE = 10_000.0


class Area(NamedTuple):
    """What one class covers."""

    class_name: str
    pixels: int
    hectares: float
    percent: float | None  # of the classified area; None for nodata
    share: float  # of all that the map covers, 0..1


@dataclass(frozen=True, eq=False)
class LandUseMap:
    """Labels, with all that a file of them has to say.

    Parameters
    ----------
    labels : ndarray of shape (rows, columns), uint8
        Class index, or 255 where nothing was classified.
    geotransform : six floats
        As GDAL has it: left, pixel width, 0, top, 0, minus the pixel height.
    crs : str
        WKT or "EPSG:32632", "" where there is none.
    class_names : sequence of str
        Names in the order of the labels, at most 254, all different.
    probability : ndarray of shape (rows, columns), optional
        Of the label: uint8 percent with nodata 255, or float32 0..1 with nodata -1.
    all_probabilities : ndarray of shape (classes, rows, columns), optional
        Of each class, likewise; "uncertain" has none.
    doubt : mapping of str to ndarray of shape (rows, columns)
        Further bands beside the probabilities, of their type: entropy, margin, and how many
        classes the right one is among (`map_values.SET_SIZE`).
    coverage : float, optional
        How often it is among them, 0..1, on images like those of the model's validation part.
    name, sensing_time : str
        Of the scene.
    bounds : (left, bottom, right, top), optional
        Of the scene: cells of the last row and column may reach past it and count in part then.
    unit : MapUnit or None
        What a unit of the map measures on the ground. None: nobody knows.
    facts : mapping
        What the values depend on: model, product, method, versions.
    remarks : mapping
        What else is kept beside the map, and not in it: why it is this engine.
    caption : str
        How it was made, and whose data it shows.
    trust : Trust, optional
        How right its model is, and what speaks against the map. Areas are then told with as many
        digits as that allows.
    chosen_colours : mapping of str to colour
        Of classes for which somebody chose one; the others get what their names suggest.
    counted : sequence of Area, optional
        What `areas` gives where it was counted on a finer grid than these labels have.

    Raises
    ------
    ValueError
        When labels, names and probabilities do not belong together.
    """

    labels: np.ndarray
    geotransform: geotransforms.SixFloats
    crs: str
    class_names: Sequence[str]
    probability: np.ndarray | None = None
    all_probabilities: np.ndarray | None = None
    doubt: Mapping[str, np.ndarray] = field(default_factory=dict)
    coverage: float | None = None
    name: str = ""
    sensing_time: str = ""
    bounds: geotransforms.Bounds | None = None
    unit: geotransforms.MapUnit | None = geotransforms.METRE
    facts: Mapping[str, Any] = field(default_factory=dict)
    remarks: Mapping[str, Any] = field(default_factory=dict)
    caption: str = ""
    trust: trust.Trust | None = None
    chosen_colours: Mapping[str, class_colours.Colour] = field(default_factory=dict)
    counted: Sequence[Area] | None = None

    def __post_init__(self) -> None:
        map_values.check_labels(self.labels, self.class_names)
        self._check_probabilities()

    def _check_probabilities(self) -> None:
        wanted = {"probability": self.labels.shape}
        if self.all_probabilities is not None:
            classes = len(self.all_probabilities)
            uncertain = classes == len(self.class_names) - 1
            if not uncertain and classes != len(self.class_names):
                raise ValueError(
                    f"{len(self.class_names)} bands of probabilities expected "
                    f"({', '.join(self.class_names)}), got {classes}"
                )
            wanted["all_probabilities"] = (classes, *self.labels.shape)
        for name, shape in wanted.items():
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != shape:
                raise ValueError(
                    f"labels and {name} must have one shape, got {self.labels.shape} and "
                    f"{values.shape}"
                )
            if values.dtype not in (np.dtype(np.uint8), np.dtype(np.float32)):
                raise ValueError(
                    "probabilities must be uint8 (percent) or float32 (0..1), got "
                    f"{values.dtype} {values.shape}"
                )

    @functools.cached_property
    def colours(self) -> list[class_colours.Colour]:
        """A colour for each class."""
        return class_colours.colours_of(self.class_names, self.chosen_colours)

    @functools.cached_property
    def areas(self) -> list[Area]:
        """What each class covers, in the order of the labels, and in the last row what is nodata.

        The area of a pixel is taken as constant, as is usual in the UTM grid of Sentinel-2: within
        a zone, areas on the map and on the ground differ by 0.2 % at most. Without a unit the
        hectares are 0.
        """
        if self.counted is not None:
            return list(self.counted)
        _, width, row_rotation, _, column_rotation, height = self.geotransform
        pixel = abs(width * height - row_rotation * column_rotation)
        counts = covered = map_values.label_sums(self.labels, None)
        if self.bounds is not None:
            left, bottom, right, top = self.bounds
            shape = self.labels.shape
            of_rows = covered_shares(self.geotransform[3], height, shape[0], (bottom, top))
            of_columns = covered_shares(self.geotransform[0], width, shape[1], (left, right))
            covered = map_values.label_sums(self.labels, (of_rows, of_columns))
        square_metres = self.unit.square_metres if self.unit is not None else 0.0
        extents = covered * (pixel / SQUARE_METRES_PER_HECTARE)
        hectares = extents * square_metres
        tiny = np.finfo(float).tiny
        classified = max(float(extents[: map_values.NODATA].sum()), tiny)
        shares = extents / max(float(extents.sum()), tiny)
        rows = [
            Area(
                name,
                int(counts[i]),
                float(hectares[i]),
                float(100 * extents[i] / classified),
                float(shares[i]),
            )
            for i, name in enumerate(self.class_names)
        ]
        last = map_values.NODATA
        nodata = Area("nodata", int(counts[last]), float(hectares[last]), None, float(shares[last]))
        return [*rows, nodata]

    def share_text(self, percent: float) -> str:
        """Tell a share of the map with the digits that it is worth: "34.7 %", "30 %"."""
        if 0 < percent < 0.1:
            return "< 0.1 %"
        if self.trust is None:
            return f"{percent:.1f} %"
        return f"{round(self.percent_of(percent), 1):g} %"

    def percent_of(self, percent: float) -> float:
        """Round a share of the map to the digits that it is worth."""
        if self.trust is None:
            return round(percent, 2)
        # Of a class that fills nearly all, what is left over is what may be wrong.
        part = trust.rounded(min(percent, 100 - percent), self.trust.digits())
        return part if percent <= 50 else 100 - part

    def hectares_of(self, area: Area) -> float:
        """Round the hectares of a class to the digits that they are worth."""
        if self.trust is None:
            return round(area.hectares, 2)
        return trust.rounded(area.hectares, self.trust.digits())


def covered_shares(
    start: float, step: float, count: int, limits: tuple[float, float]
) -> np.ndarray:
    """Return the covered part, 0..1, of each of `count` cells from `start` on."""
    edges = start + step * np.arange(count + 1)
    return np.abs(np.diff(edges.clip(min(limits), max(limits)))) / abs(step)

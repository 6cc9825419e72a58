"""A mosaic made block by block, and its files: rasters, areas, page, settings."""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from landuse import files, map_values
from landuse.mapping import plans
from landuse.mosaics import joined_maps, joining, mosaic_grids
from landuse.outputs import (
    area_tables,
    class_colours,
    geotiffs,
    land_use_map,
    map_layers,
    pages,
    qgis_styles,
)
from landuse.rasters import block_files, geotransforms, reading, reference_systems, warped

GREYS = (70, 220)  # of the picture that tells which map each place is from
GOLDEN = (math.sqrt(5) - 1) / 2  # neighbours in a row of maps get greys far apart


@dataclass
class Counted:
    """What is known of a mosaic when all blocks are done.

    Attributes
    ----------
    cells, square_metres : ndarray of shape (256,)
        Of each label; square metres are NaN where nobody can tell.
    overlapping : int
        Cells of which several maps have a label.
    labels, probability, source : ndarray
        Thinned for the page.
    step : int
        Every how many cells.
    """

    step: int
    labels: np.ndarray
    probability: np.ndarray
    source: np.ndarray
    cells: np.ndarray = field(default_factory=lambda: np.zeros(256))
    square_metres: np.ndarray = field(default_factory=lambda: np.zeros(256))
    overlapping: int = 0

    def add(
        self, block: tuple[int, int, int, int], joined: joining.Joined, area: float | None
    ) -> None:
        """Count a block; `area` is that of a cell in square metres, None where nobody knows."""
        cells = np.bincount(joined.labels.ravel(), minlength=256)
        self.cells += cells
        self.square_metres += cells * (math.nan if area is None else area)
        self.overlapping += int((joined.covered > 1).sum())
        rows, columns = (-start % self.step for start in block[:2])
        row, column = (-(-start // self.step) for start in block[:2])
        for thinned, values in (
            (self.labels, joined.labels),
            (self.probability, joined.probability),
            (self.source, joined.source),
        ):
            part = values[rows :: self.step, columns :: self.step]
            thinned[row : row + part.shape[0], column : column + part.shape[1]] = part


def check_target(label: Path, maps: Sequence[joined_maps.JoinedMap]) -> None:
    """Raise an error when the mosaic cannot be written there, or would replace another map."""
    for path in (label, plans.beside(label, "_probability.tif")):
        files.check_can_write(path)
    if label.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"PATH_TO_MOSAIC must end in .tif, not {label.name!r}")
    if any(label.resolve() in (m.label.resolve(), m.probability.resolve()) for m in maps):
        raise ValueError(f"PATH_TO_MOSAIC: {label} is one of the maps that it is made from")
    if label.exists() and not is_mosaic(label):
        raise ValueError(f"PATH_TO_MOSAIC: {label} exists and is no mosaic: choose another name")


def is_mosaic(path: Path) -> bool:
    """Tell whether a raster was made by this script."""
    return joined_maps.IS_MOSAIC in reading.read_info(path).metadata


def write_mosaic(
    label: Path,
    maps: Sequence[joined_maps.JoinedMap],
    grid: mosaic_grids.MosaicGrid,
    settings: Mapping[str, Any],
    *,
    block_size: int,
    html: bool,
    colours: Sequence[str] | None,
) -> dict[str, Path]:
    """Make a mosaic and write its files, the labels last: where they are, it is complete.

    Parameters
    ----------
    label : Path
        Where the labels go; the rest is named after it.
    maps : sequence of JoinedMap
    grid : MosaicGrid
    settings : mapping
        The constants of the script, to be kept beside it.
    block_size : int
        Cells, side of the pieces that are in memory at once.
    html : bool
        Whether to write a page.
    colours : sequence of str, optional
        "class=colour".

    Returns
    -------
    dict
        What there is to look at besides the labels.
    """
    probability = plans.beside(label, f"_probability{label.suffix}")
    dtype = "float32" if all(one.dtype == np.float32 for one in maps) else "uint8"
    nodata = map_values.NODATA if dtype == "uint8" else map_values.NODATA_PROBABILITY
    with files.private_folder(label) as folder, contextlib.ExitStack() as stack:
        kinds = (("uint8", map_values.NODATA), (dtype, nodata))
        rasters = []
        for name, (kind, empty) in zip(("label.tif", "probability.tif"), kinds, strict=True):
            place = grid.geotransform, grid.crs
            raster = block_files.BlockFile(folder / name, grid.shape, kind, *place, empty)
            stack.callback(raster.close)
            rasters.append(raster)

        def write(block: tuple[int, int, int, int], joined: joining.Joined) -> None:
            rasters[0].write(block[0], block[1], joined.labels)
            rasters[1].write(block[0], block[1], joined.probability)

        counted = join(maps, grid, dtype, block_size, write)
        if counted.cells[: map_values.NODATA].sum() == 0:
            raise ValueError("PATH_TO_MAPS: no cell of any map has a label: there is no mosaic")
        mosaic = as_map(maps, grid, counted, dtype, colours)
        tags = geotiffs.metadata_tags(mosaic.facts)
        area_tables.write_areas(plans.beside(label, "_areas.csv"), mosaic)
        if html:
            pages.write_html(
                plans.beside(label, ".html"), mosaic, picture(counted, grid), left="Which map"
            )
        kept = {"settings": dict(settings), "maps": [str(one.label) for one in maps]}
        files.write_json(plans.beside(label, "_settings.json"), {**kept, **mosaic.facts})
        highest = 100 if dtype == "uint8" else 1
        qgis_styles.write_probability_style(probability.with_suffix(".qml"), highest)
        unit = "percent" if dtype == "uint8" else "0..1"
        rasters[1].save(
            probability,
            band_name="probability of the label",
            metadata={
                **tags,
                "UNIT": unit,
                "TIFFTAG_IMAGEDESCRIPTION": geotiffs.MEANING_OF_PROBABILITY.format(unit=unit),
            },
            options=[*geotiffs.COG_OPTIONS, "OVERVIEW_RESAMPLING=AVERAGE"],
        )
        names = mosaic.class_names
        qgis_styles.write_style(label.with_suffix(".qml"), names, mosaic.colours)
        rasters[0].save(
            label,
            band_name="land use",
            metadata={**tags, **{f"CLASS_{index}": name for index, name in enumerate(names)}},
            category_names=names,
            colours=mosaic.colours,
            options=[*geotiffs.COG_OPTIONS, "OVERVIEW_RESAMPLING=MODE"],
        )
    say(mosaic, counted)
    further = {"probability": probability, "areas": plans.beside(label, "_areas.csv")}
    return {**further, "page": plans.beside(label, ".html")} if html else further


def join(
    maps: Sequence[joined_maps.JoinedMap],
    grid: mosaic_grids.MosaicGrid,
    dtype: str,
    block_size: int,
    write: Callable[[tuple[int, int, int, int], joining.Joined], None],
) -> Counted:
    """Join the maps block by block, hand each block on, and count what the classes cover."""
    step = -(-max(grid.shape) // map_layers.LARGEST_PAGE)
    thin = tuple(-(-size // step) for size in grid.shape)
    nodata = map_values.NODATA if dtype == "uint8" else map_values.NODATA_PROBABILITY
    counted = Counted(
        step,
        np.full(thin, map_values.NODATA, np.uint8),
        np.full(thin, nodata, dtype),
        np.full(thin, joining.NO_MAP, np.int32),
    )
    cell = grid.geotransform[1] ** 2
    for block in tqdm(grid.blocks(block_size), desc="join", unit=" blocks"):
        place, shape = grid.geotransform_of(block[0], block[1]), (block[2], block[3])
        joined = joining.most_probable(
            (
                (
                    number,
                    warped.read_on(maps[number].label, place, grid.crs, shape, map_values.NODATA),
                    warped.read_on(
                        maps[number].probability,
                        place,
                        grid.crs,
                        shape,
                        map_values.NODATA
                        if maps[number].dtype == np.uint8
                        else map_values.NODATA_PROBABILITY,
                    ),
                )
                for number in grid.maps_in(block)
            ),
            shape,
            dtype,
        )
        unit = mosaic_grids.unit_of(grid, block)
        counted.add(block, joined, None if unit is None else unit.square_metres * cell)
        write(block, joined)
    return counted


def as_map(
    maps: Sequence[joined_maps.JoinedMap],
    grid: mosaic_grids.MosaicGrid,
    counted: Counted,
    dtype: str,
    colours: Sequence[str] | None,
) -> land_use_map.LandUseMap:
    """Give the mosaic, thinned for a page, with the areas as they were counted."""
    names = list(maps[0].class_names)
    whole = (0, 0, *grid.shape)
    told, common = joined_maps.trust_of(maps), joined_maps.common_tags(maps)
    facts: dict[str, Any] = {
        **{name.lower(): value for name, value in common.items() if not name.startswith("CLASS_")},
        **({} if told is None else told.as_facts()),
        joined_maps.IS_MOSAIC: f"{len(maps)} maps; where they overlap, the most probable label",
        "overlapping_cells": counted.overlapping,
    }
    return land_use_map.LandUseMap(
        counted.labels,
        _thinned(grid, counted.step),
        grid.crs,
        names,
        counted.probability,
        name=f"{len(maps)} maps",
        sensing_time=joined_maps.sensing_times(maps),
        unit=mosaic_grids.unit_of(grid, whole),
        facts=facts,
        caption=f"Mosaic of {len(maps)} maps in {reference_systems.crs_name(grid.crs)}, cells of "
        f"{grid.geotransform[1]:g}. Where maps overlap, the most probable label is shown. The maps "
        "were laid on one grid by nearest neighbour: borders may lie half a cell off. Contains "
        "what the maps contain; those of Sentinel-2 products: modified Copernicus Sentinel data.",
        trust=told,
        chosen_colours=class_colours.chosen_colours(colours, names),
        counted=areas(names, counted),
    )


def areas(class_names: Sequence[str], counted: Counted) -> list[land_use_map.Area]:
    """Give what each class covers, each place counted once, and in the last row nodata."""
    hectares = counted.square_metres / land_use_map.SQUARE_METRES_PER_HECTARE
    known = bool(np.isfinite(hectares).all())
    extents = hectares if known else counted.cells
    classified, total = extents[: map_values.NODATA].sum(), extents.sum()

    def area(name: str, index: int) -> land_use_map.Area:
        percent = None if index == map_values.NODATA else 100 * extents[index] / classified
        size = hectares[index] if known else 0.0
        return land_use_map.Area(
            name, int(counted.cells[index]), float(size), percent, float(extents[index] / total)
        )

    rows = [area(name, index) for index, name in enumerate(class_names)]
    return [*rows, area("nodata", map_values.NODATA)]


def _thinned(grid: mosaic_grids.MosaicGrid, step: int) -> geotransforms.Geotransform:
    left, width, _, top, _, height = grid.geotransform
    return left, width * step, 0.0, top, 0.0, height * step


def picture(counted: Counted, grid: mosaic_grids.MosaicGrid) -> map_layers.Picture:
    """Give a picture of which map each place is from, in greys."""
    low, high = GREYS
    grey = low + (high - low) * ((counted.source * GOLDEN) % 1)
    shown = np.where(counted.source == joining.NO_MAP, 0, grey).astype(np.uint8)
    return map_layers.Picture(np.repeat(shown[..., np.newaxis], 3, 2), _thinned(grid, counted.step))


def say(mosaic: land_use_map.LandUseMap, counted: Counted) -> None:
    """Print what the classes cover, and how much of it several maps cover."""
    shares = [
        f"{area.class_name} {mosaic.share_text(area.percent)}"
        for area in mosaic.areas
        if area.percent is not None
    ]
    print(f"  {', '.join(shares)}")
    labelled = counted.cells[: map_values.NODATA].sum()
    print(f"  {100 * counted.overlapping / labelled:.1f} % of the cells lie in several maps")

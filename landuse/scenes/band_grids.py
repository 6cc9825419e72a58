"""Bands on one grid: those of a product, which fit, and those clipped one by one."""

import contextlib
from collections.abc import Sequence

from landuse import sensors
from landuse.rasters import descriptions, geotransforms, ground, reading, reference_systems
from landuse.scenes import products, scene_reader

SAME_PLACE = 1e-3  # of a pixel


def _check_north_up(info: descriptions.RasterInfo, pixel: float) -> None:
    _, width, turn, _, tilt, height = info.geotransform or scene_reader.NOT_GEOREFERENCED
    if turn or tilt or width <= 0 or height >= 0:
        place = info.geotransform or scene_reader.NOT_GEOREFERENCED
        size = ground.measure(place, info.crs, (info.rows, info.columns))
        command = ground.warp_command(info.path, size, pixel)
        raise ValueError(f"{info.path}: is not north up; warp it first ({command})")


def open_bands(
    found: products.Product,
    band_names: Sequence[str],
    stack: contextlib.ExitStack,
    lent: Sequence[reading.Raster] = (),
) -> tuple[list[scene_reader.Band], dict[str, reading.Raster], str]:
    """Open the files of the bands, each once, and place them on one grid.

    Parameters
    ----------
    found : Product
    band_names : sequence of str
    stack : contextlib.ExitStack
        Closes the files.
    lent : sequence of Raster
        Files that are open already, and that others close.

    Returns
    -------
    bands : list of Band
    opened : dict
        Rasters by path.
    said : str
        "" where the bands fit as they are.

    Raises
    ------
    ValueError
        If they do not lie on each other.
    """
    known = {raster.info.path: raster for raster in lent if raster.is_open}
    opened: dict[str, reading.Raster] = {}
    pixel = sensors.sensor_of(band_names).pixel
    for name in band_names:
        path = found.bands[name].path
        if path in known:
            opened[path] = known[path]
        elif path not in opened:
            is_raster = found.kind == "raster"
            opened[path] = reading.Raster(path, allow_vrt=is_raster, tiles=found.tiles)
            opened[path].mask_band = found.mask_band
            stack.callback(opened[path].close)
            _check_north_up(opened[path].info, pixel)
    rasters = [opened[found.bands[name].path] for name in band_names]
    _check_same_system(rasters, band_names)
    aligned = found.kind != "SAFE" and all(raster.info.geotransform for raster in rasters)
    size = pixel if found.kind == "SAFE" else _finest_pixel(rasters)
    if not aligned or _fit(rasters, size):
        bands = [
            scene_reader.Band(name, raster, found.bands[name].index, reading.ratio_to(size, raster))
            for name, raster in zip(band_names, rasters, strict=True)
        ]
        _check_same_grid(bands)
        return bands, opened, ""
    first = min(rasters, key=lambda raster: scene_reader.pixel_area(raster.info))
    bands = [
        scene_reader.Band(name, raster, found.bands[name].index, 1, _place(first, raster))
        for name, raster in zip(band_names, rasters, strict=True)
    ]
    return bands, opened, "the bands do not cover the same pixels: aligned by their georeference"


def _finest_pixel(opened: Sequence[reading.Raster]) -> float:
    widths = [raster.info.geotransform[1] for raster in opened if raster.info.geotransform]
    return min(widths, default=1.0)


def _fit(rasters: Sequence[reading.Raster], size: float) -> bool:
    """Tell whether bands fit a grid as those of a product do."""
    try:
        bands = [
            scene_reader.Band("", raster, 0, reading.ratio_to(size, raster)) for raster in rasters
        ]
        _check_same_grid(bands)
    except ValueError:
        return False
    return True


def _place(first: reading.Raster, raster: reading.Raster) -> scene_reader.Placement:
    """Return where the pixels of the grid lie in those of a band.

    Raises
    ------
    ValueError
        If the band covers nothing of the grid.
    """
    grid, own = first.info.geotransform, raster.info.geotransform
    if grid is None or own is None:
        raise ValueError(f"{raster.info.path}: has no georeference, but {first.info.path} has one")
    placement = scene_reader.Placement(
        row=(grid[3] - own[3]) / own[5],
        row_step=grid[5] / own[5],
        column=(grid[0] - own[0]) / own[1],
        column_step=grid[1] / own[1],
    )
    left, bottom, right, top = _extent(raster.info)
    west, south, east, north = _extent(first.info)
    if left >= east or right <= west or bottom >= north or top <= south:
        raise ValueError(
            f"{raster.info.path}: lies elsewhere than {first.info.path}: put bands of one place "
            "into a folder"
        )
    return placement


def _extent(info: descriptions.RasterInfo) -> geotransforms.Bounds:
    place = info.geotransform or scene_reader.NOT_GEOREFERENCED
    return geotransforms.extent(place, (info.rows, info.columns))


def _check_same_system(rasters: Sequence[reading.Raster], band_names: Sequence[str]) -> None:
    """Check that the bands have one reference system."""
    first = min(rasters, key=lambda raster: scene_reader.pixel_area(raster.info))
    one = first.info
    for raster, name in zip(rasters, band_names, strict=True):
        other = raster.info
        if not reference_systems.same_crs(one.crs, other.crs):
            size = abs((one.geotransform or scene_reader.NOT_GEOREFERENCED)[1])
            raise ValueError(
                f"{other.path}: band {name} is in {reference_systems.crs_name(other.crs)}, but "
                f"{band_names[rasters.index(first)]} in {reference_systems.crs_name(one.crs)}; "
                f"warp one to the other (gdalwarp -t_srs '{one.crs and _code(one.crs)}' "
                f"-tr {size:g} {size:g} {other.path} warped.tif)"
            )


def _code(crs: str) -> str:
    return reference_systems.crs_code(crs) or crs


def _check_same_grid(bands: Sequence[scene_reader.Band]) -> None:
    """Check that the bands lie on each other: size, upper left corner."""
    first = min(bands, key=lambda band: band.ratio)
    one = first.raster.info
    rows, columns = one.rows * first.ratio, one.columns * first.ratio
    for band in bands:
        other = band.raster.info
        if (other.rows * band.ratio, other.columns * band.ratio) != (rows, columns):
            raise ValueError(
                f"{other.path}: band {band.name} covers {other.rows * band.ratio}x"
                f"{other.columns * band.ratio} pixels of the scene's grid, but {first.name} "
                f"{rows}x{columns}"
            )
        if not _same_corner(one.geotransform, other.geotransform):
            raise ValueError(
                f"{other.path}: band {band.name} starts at another corner than {first.name}"
            )


def _same_corner(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    if one is None or other is None:
        return one is other
    limit = abs(one[1]) * SAME_PLACE
    return abs(one[0] - other[0]) <= limit and abs(one[3] - other[3]) <= limit

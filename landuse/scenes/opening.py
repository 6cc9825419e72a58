"""A scene opened as the model wants it: bands by name on one grid, with tables to its units.

Raw DN are resampled first and the radiometric offset is added afterwards. The weights of the
spline sum to one, so that the order would not matter, but for two things that are not linear:
0 is nodata and must not enter a sum, and DN' is clipped at 1. So nodata is left out while
resampling, and the clipping comes last.
"""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from landuse import sensors
from landuse.rasters import reading, reference_systems
from landuse.scenes import cloud_masks, finding, products, scene_reader


def _check_has_bands(found: products.Product, band_names: Sequence[str], units: str) -> None:
    """Check that the product can give what the model wants; name what is missing."""
    if found.picture and units != "rgb8":
        raise ValueError(
            f"{found.path}: is an 8-bit RGB image, and the model needs DN of the bands "
            f"{', '.join(band_names)}; give the product itself, or use an RGB model"
        )
    missing = [band for band in band_names if band not in found.bands]
    if missing == ["B10"] and found.level == "L2A":
        raise ValueError(
            f"{found.path}: Level-2A products have no band B10, which this model needs: give the "
            "Level-1C product, or a model trained on the 12 bands without B10 "
            '(BAND_COMBINATIONS["L2A"])'
        )
    for band in missing:
        if band in found.expected:
            raise FileNotFoundError(
                f"{found.path}: the file of band {band} is missing: {found.expected[band]}; "
                "copy or download the product again"
            )
    if missing:
        raise ValueError(
            f"{found.path}: has no band {', '.join(missing)}; the model needs "
            f"{', '.join(band_names)}, found {', '.join(sorted(found.bands))}"
        )


def _finest_pixel(opened: Iterable[reading.Raster]) -> float:
    widths = [raster.info.geotransform[1] for raster in opened if raster.info.geotransform]
    return min(widths, default=1.0)


def _check_north_up(info: reading.RasterInfo) -> None:
    _, width, turn, _, tilt, height = info.geotransform or scene_reader.NOT_GEOREFERENCED
    if turn or tilt or width <= 0 or height >= 0:
        raise ValueError(f"{info.path}: is not north up; warp it first (gdalwarp)")


def _open_bands(
    found: products.Product, band_names: Sequence[str], stack: contextlib.ExitStack
) -> list[scene_reader.Band]:
    """Open the files of the bands, each once."""
    opened: dict[str, reading.Raster] = {}
    for name in band_names:
        path = found.bands[name].path
        if path not in opened:
            opened[path] = reading.Raster(path, allow_vrt=found.kind == "raster")
            stack.callback(opened[path].close)
            _check_north_up(opened[path].info)
    size = scene_reader.PIXEL_SIZE if found.kind == "SAFE" else _finest_pixel(opened.values())
    bands = []
    for name in band_names:
        file = found.bands[name]
        bands.append(
            scene_reader.Band(
                name, opened[file.path], file.index, reading.ratio_to(size, opened[file.path])
            )
        )
    return bands


def _check_same_grid(bands: Sequence[scene_reader.Band]) -> None:
    """Check that the bands lie on each other: projection, size, upper left corner."""
    first = min(bands, key=lambda band: band.ratio)
    one = first.raster.info
    rows, columns = one.rows * first.ratio, one.columns * first.ratio
    for band in bands:
        other = band.raster.info
        if not reference_systems.same_crs(one.crs, other.crs):
            raise ValueError(
                f"{other.path}: band {band.name} is in {reference_systems.crs_name(other.crs)}, "
                f"but {first.name} in {reference_systems.crs_name(one.crs)}; warp one to the "
                "other (gdalwarp)"
            )
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
    limit = abs(one[1]) * 1e-3
    return abs(one[0] - other[0]) <= limit and abs(one[3] - other[3]) <= limit


def _check_size(scene: scene_reader.Scene, path: str | Path) -> None:
    if (scene.rows, scene.columns) == (sensors.PATCH_SIZE, sensors.PATCH_SIZE):
        raise ValueError(
            f"{path}: is a patch of {sensors.PATCH_SIZE}x{sensors.PATCH_SIZE} pixels, not a scene"
        )
    if min(scene.rows, scene.columns) < sensors.PATCH_SIZE:
        raise ValueError(
            f"{path}: is {scene.rows}x{scene.columns} pixels, a scene has at least "
            f"{sensors.PATCH_SIZE} on each side"
        )


def _choose_offsets(
    found: products.Product, band_names: Sequence[str], radiometric_offset: str | float
) -> list[float]:
    """Return the offset of each band."""
    if isinstance(radiometric_offset, str) and radiometric_offset != "auto":
        raise ValueError(
            f'RADIOMETRIC_OFFSET is {radiometric_offset!r}, expected "auto" or a number'
        )
    if radiometric_offset != "auto":
        return [float(radiometric_offset)] * len(band_names)
    unknown = [name for name in band_names if found.offsets and name not in found.offsets]
    if unknown:
        raise ValueError(
            f"{found.path}: its metadata gives offsets, but none for {', '.join(unknown)}; "
            "set RADIOMETRIC_OFFSET"
        )
    return [found.offsets.get(name, 0.0) for name in band_names]


def _say_offset(found: products.Product, radiometric_offset: str | float) -> str:
    """Return the sentence on the radiometric offset, "" where there is nothing to say."""
    if radiometric_offset == "auto":
        return found.radiometry
    if found.picture:
        return "RADIOMETRIC_OFFSET is for DN, and not applied to an 8-bit image"
    return f"radiometric offset {float(radiometric_offset):g} DN (RADIOMETRIC_OFFSET) is applied"


def _set_tables(
    bands: Sequence[scene_reader.Band],
    offsets: Sequence[float],
    found: products.Product,
    units: str,
) -> None:
    """Give every band the table of what its DN become."""
    if found.picture:
        return
    dn = np.arange(scene_reader.LARGEST_DN + 1)
    for band, offset in zip(bands, offsets, strict=True):
        table = scene_reader.to_training_dn(dn, offset, found.quantification)
        band.table = sensors.scale_to_rgb8(table) if units == "rgb8" else table


def _open_clouds(found: products.Product, scene: scene_reader.Scene) -> cloud_masks.Clouds:
    """Open the product's cloud mask."""
    if found.cloud_mask is None:
        raise ValueError(
            f"{found.path}: has no cloud mask (MSK_CLASSI or MSK_CLOUDS in QI_DATA of L1C, SCL of "
            "L2A); set MASK_CLOUDS = False"
        )
    clouds = cloud_masks.Clouds(found.cloud_mask, scene.geotransform, scene.crs)
    if clouds.raster is not None:
        info, ratio = clouds.raster.info, clouds.ratio
        if (info.rows * ratio, info.columns * ratio) != (scene.rows, scene.columns):
            raise ValueError(f"{info.path}: the cloud mask covers another area than the bands")
    return clouds


def open_scene(
    path: str | Path,
    band_names: Sequence[str],
    units: str = "DN",
    radiometric_offset: str | float = "auto",
    mask_clouds: bool = False,
    granule: str | None = None,
) -> scene_reader.Scene:
    """Open a scene for reading in a model's bands and units.

    Parameters
    ----------
    path : str or Path
        An L1C or L2A product (folder, zip or MTD_*.xml), a folder of single-band files, or a
        multi-band raster.
    band_names : sequence of str
        The bands in the model's order.
    units : {"DN", "rgb8"}
        "rgb8" scales DN 0..2750 to 1..255, or takes an 8-bit RGB image as it is.
    radiometric_offset : "auto" or float
        What is added to every DN; "auto" takes it from the product's metadata, and without
        metadata from its name.
    mask_clouds : bool
        Count as not valid what the product's own mask calls cloud.
    granule : str, optional
        Which one (tile or name), in a product of several.

    Returns
    -------
    Scene
        A context manager.

    Raises
    ------
    OSError, ValueError
        With what is wrong and what to do.
    """
    if units not in ("DN", "rgb8"):
        raise ValueError(f'units are {units!r}, expected "DN" or "rgb8"')
    found = finding.find_product(path, band_names, granule)
    _check_has_bands(found, band_names, units)
    offsets = _choose_offsets(found, band_names, radiometric_offset)
    with contextlib.ExitStack() as stack:
        bands = _open_bands(found, band_names, stack)
        _check_same_grid(bands)
        _set_tables(bands, offsets, found, units)
        scene = scene_reader.Scene(found, bands, units)
        _check_size(scene, path)
        if mask_clouds:
            scene._clouds = _open_clouds(found, scene)
        if said := _say_offset(found, radiometric_offset):
            scene.messages = (said, *scene.messages)
        offset_of = dict(zip(band_names, offsets, strict=True))
        scene.product |= {"offsets": offset_of, "quantification": found.quantification}
        stack.pop_all()  # from here on the scene closes its files
    return scene

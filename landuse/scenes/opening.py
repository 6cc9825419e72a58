"""A scene opened as the model wants it: bands by name on one grid, with tables to its units.

Raw DN are resampled first and the radiometric offset is added afterwards. The weights of the
spline sum to one, so that the order would not matter, but for two things that are not linear:
0 is nodata and must not enter a sum, and DN' is clipped at 1. So nodata is left out while
resampling, and the clipping comes last.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

from landuse import band_names as names
from landuse import sensors
from landuse.rasters import reading
from landuse.scenes import (
    band_grids,
    cloud_masks,
    finding,
    products,
    radiometry,
    scene_reader,
)


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
            f"{', '.join(band_names)}, found {_what_was_found(found)}"
        )


def _what_was_found(found: products.Product) -> str:
    """Say which bands there are, how they are known, and what was not understood."""
    said = ", ".join(sorted(found.bands))
    if found.order:
        said = f"{len(found.order)} bands without names, taken as {' '.join(found.order)}"
    if found.unknown:
        said += f"; not understood: {names.quoted(found.unknown)}"
    return said


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
    order: Sequence[str] | None = None,
    reflectance_scale: float | None = None,
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
    order : sequence of str, optional
        The bands of a raster in the order of the file, in place of what it says itself.
    reflectance_scale : float, optional
        The number in the file that means reflectance 1, where it does not say so itself.

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
    radiometry.check_settings(radiometric_offset, reflectance_scale)
    found = finding.find_product(path, band_names, granule, order)
    if order is not None and found.kind != "raster":
        said = "BAND_NAMES is for rasters, and not used: the files name their bands"
        found = dataclasses.replace(found, messages=(said, *found.messages))
    scene = _open_bands(
        found, band_names, units, radiometric_offset, reflectance_scale, mask_clouds
    )
    scene.reopen = functools.partial(
        _open_bands,
        found,
        units=units,
        radiometric_offset=radiometric_offset,
        reflectance_scale=reflectance_scale,
        mask_clouds=False,
        lent=scene.rasters(),
    )
    return scene


def _open_bands(
    found: products.Product,
    band_names: Sequence[str],
    units: str,
    radiometric_offset: str | float,
    reflectance_scale: float | None,
    mask_clouds: bool,
    lent: Sequence[reading.Raster] = (),
) -> scene_reader.Scene:
    """Open bands of what was found; `lent` are its files that are open already."""
    _check_has_bands(found, band_names, units)
    with contextlib.ExitStack() as stack:
        bands, opened, said_grid = band_grids.open_bands(found, band_names, stack, lent)
        offsets, said_offset = radiometry.choose_offsets(
            found, band_names, radiometric_offset, opened
        )
        offset_of = dict(zip(band_names, offsets, strict=True))
        offsets, scale, said_units = radiometry.set_units(found, bands, offsets, reflectance_scale)
        if not found.picture:
            radiometry.set_tables(bands, offsets, scale, units)
        scene = scene_reader.Scene(found, bands, units, lent)
        _check_size(scene, found.path)
        if mask_clouds:
            scene._clouds = _open_clouds(found, scene)
        said = (said_offset, said_units, said_grid)
        scene.messages = (*(text for text in said if text), *scene.messages)
        scene.product |= {"offsets": offset_of, "quantification": found.quantification}
        if said_units:
            scene.product["units"] = said_units
        stack.pop_all()  # from here on the scene closes its files
    return scene

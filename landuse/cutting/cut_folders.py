"""The folder of patches that were cut: made whole or not at all, and never written over others."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files, sensors
from landuse.patches import cut_marker, patch_places
from landuse.rasters import writing

JPEG_QUALITY = 100  # as the published images


def is_there(folder: Path, about: Mapping[str, Any], delete_old: bool) -> bool:
    """Tell whether a folder holds these very patches already.

    Parameters
    ----------
    folder : Path
    about : mapping
        What the patches depend on, as JSON holds it.
    delete_old : bool
        Whether other patches of this script may be replaced.

    Raises
    ------
    ValueError, OSError
        If something else is there, or it cannot be written.
    """
    if not folder.exists():
        files.check_can_write(folder)
        return False
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name another PATH_TO_PATCHES")
    if not any(folder.iterdir()):
        return False
    marker = cut_marker.read(folder)
    if marker is None:
        raise ValueError(
            f"{folder} is there and was not made by this script (it has no {cut_marker.FILE}); it "
            "is left as it is: name another PATH_TO_PATCHES"
        )
    if marker.get("about") == about:
        missing = [name for name in patch_places.read_table(folder) if not (folder / name).exists()]
        if missing:
            print(f"  {len(missing)} patches were removed since, such as {missing[0]}")
        return True
    if not delete_old:
        old = marker.get("about", {})
        changed = ", ".join(key for key in about if about[key] != old.get(key))
        raise ValueError(
            f"{folder} holds patches of other labels or settings ({changed}): name another "
            "PATH_TO_PATCHES, or set DELETE_OLD_PATCHES = True"
        )
    foreign = _foreign(folder)
    if foreign:
        raise ValueError(
            f"{folder} holds what this script did not make ({', '.join(foreign[:3])}) and is not "
            "deleted; move that elsewhere first"
        )
    return False


def _foreign(folder: Path) -> list[str]:
    """Return the files in a folder of ours that this script did not put there."""
    known = {*patch_places.read_table(folder), patch_places.TABLE_FILE, cut_marker.FILE}
    present = (
        (Path(root) / name).relative_to(folder).as_posix()
        for root, _, names in os.walk(folder)
        for name in names
    )
    return sorted(name for name in present if name not in known)


def write_patch(
    path: Path,
    pixels: np.ndarray,
    geotransform: Sequence[float],
    crs: str,
    band_names: Sequence[str],
    metadata: Mapping[str, str],
) -> None:
    """Write a patch: DN as GeoTIFF with the names of its bands, true colours as JPEG.

    Parameters
    ----------
    path : Path
        Ending in .tif or .jpg; its folder is made.
    pixels : ndarray of shape (64, 64, bands), uint16 DN, or uint8 rgb8 for .jpg
    geotransform, crs
        Where it lies.
    band_names : sequence of str
    metadata : mapping of str
        Written into a GeoTIFF.
    """
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".jpg":
        from PIL import Image

        Image.fromarray(pixels).save(path, quality=JPEG_QUALITY)
        return
    writing.write_geotiff(
        path,
        pixels,
        geotransform,
        crs,
        nodata=0,
        band_names=band_names,
        metadata=metadata,
        options=["INTERLEAVE=PIXEL"],
    )


def bands_to_cut(found: Sequence[str], wanted: str | Sequence[str] | None, path: str) -> list[str]:
    """Return the bands of the patches, in the order of the sensor unless they are named.

    Parameters
    ----------
    found : sequence of str
        Bands that the scene has.
    wanted : as BANDS of the script
    path : str
        Of the scene, for messages.

    Raises
    ------
    ValueError
        If the scene lacks one.
    """
    sensor = sensors.sensor_of(found)
    known = [band for band in sensor.band_names if band in found]
    if not known:
        raise ValueError(f"{path}: has no band that is known by its name; BAND_NAMES can name them")
    if wanted is None:
        return known
    bands = sensors.chosen_bands(wanted, sensor)
    missing = [band for band in bands if band not in found]
    if missing:
        raise ValueError(
            f"{path}: has no band {', '.join(missing)}; it has {', '.join(known)}: set BANDS to "
            "what all scenes have"
        )
    return bands

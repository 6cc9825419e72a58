"""From the numbers of a file to DN as the training images have them: offsets and units."""

from collections.abc import Sequence

import numpy as np

from landuse import sensors
from landuse.rasters import reading
from landuse.scenes import products, scene_reader

PERCENT_SCALE = 100
OFFSET_OF_2022 = sensors.SENTINEL_2.offset  # what products hold too much since then
HIGHEST_REFLECTANCE = 2.0  # of clouds and of mirrors; a file with no more holds no DN
HIGHEST_PERCENT = 100 * HIGHEST_REFLECTANCE
BRIGHT_END, DARK_END = 99.9, 1  # percentiles
# With an offset of 1000, the dark end of a band is not below this: reflectance -0.015.
LOWEST_WITH_OFFSET = 850
# Bands in which some land or water of nearly every scene is dark, and the cirrus band, which is
# dark everywhere.
DARK_BANDS = ("B11", "B12")
CIRRUS = "B10"


def check_settings(radiometric_offset: str | float, reflectance_scale: float | None) -> None:
    """Raise a ValueError for values that the settings cannot have."""
    if isinstance(radiometric_offset, str) and radiometric_offset != "auto":
        raise ValueError(
            f'RADIOMETRIC_OFFSET is {radiometric_offset!r}, expected "auto" or a number'
        )
    if reflectance_scale is not None and not reflectance_scale > 0:
        raise ValueError(
            f"REFLECTANCE_SCALE is {reflectance_scale}, expected more than 0: the number in the "
            "file that means reflectance 1"
        )


# ---- offsets


def _thinned(found: products.Product, name: str, opened: dict[str, reading.Raster]) -> np.ndarray:
    """Read some pixels of a band from all over the scene, also of a band that is not wanted."""
    file = found.bands[name]
    if file.path in opened:
        return opened[file.path].read_thinned(file.index)
    with reading.Raster(file.path) as raster:
        return raster.read_thinned(file.index)


def _dark_ends(found: products.Product, opened: dict[str, reading.Raster]) -> dict[str, float]:
    """Return the dark end of each band that has pixels."""
    pixels = {name: _thinned(found, name, opened) for name in sorted(found.bands)}
    return {
        name: float(np.percentile(values, DARK_END))
        for name, values in pixels.items()
        if values.size
    }


def offset_of_values(dark_ends: dict[str, float], doubt: str, is_raster: bool) -> tuple[float, str]:
    """Decide by values whether DN hold the offset of 1000 that products from 2022 on have.

    Parameters
    ----------
    dark_ends : dict
        Band to its 1 % in DN.
    doubt : {"baseline", "date"}
        Why the name lets one think so.
    is_raster : bool
        Whether somebody has put the bands together, and may have subtracted it.

    Returns
    -------
    offset : float
        -1000 or 0.
    said : str
    """
    told = "the baseline" if doubt == "baseline" else "the time"
    lowest = min(dark_ends.values(), default=0.0)
    number = f"the darkest 1 % of some band lie at DN {lowest:.0f}"
    change = "RADIOMETRIC_OFFSET sets another"
    if dark_ends.get(CIRRUS, LOWEST_WITH_OFFSET) < LOWEST_WITH_OFFSET or (
        lowest < LOWEST_WITH_OFFSET
    ):
        return 0.0, (
            f"no metadata: radiometric offset 0. By {told} in its name it would be "
            f"{-OFFSET_OF_2022}, but {number}: it was subtracted already; {change}"
        )
    if CIRRUS in dark_ends or not is_raster or set(DARK_BANDS) & set(dark_ends):
        return -float(OFFSET_OF_2022), (
            f"no metadata: radiometric offset {-OFFSET_OF_2022} by {told} in its name, "
            f"and its values agree ({number}); {change}"
        )
    return 0.0, (
        f"no metadata: radiometric offset 0. Products with {told} in its name hold "
        f"{OFFSET_OF_2022} too much, this file may not: its values do not tell; set "
        f"RADIOMETRIC_OFFSET = {-OFFSET_OF_2022} if it does"
    )


def choose_offsets(
    found: products.Product,
    band_names: Sequence[str],
    radiometric_offset: str | float,
    opened: dict[str, reading.Raster],
) -> tuple[list[float], str]:
    """Return the offset of each band, and the sentence that says so.

    Parameters
    ----------
    found : Product
    band_names : sequence of str
    radiometric_offset : "auto" or float
    opened : dict
        Rasters that are open, by path.

    Returns
    -------
    offsets : list of float
    said : str
        "" where there is nothing to say.
    """
    if radiometric_offset != "auto":
        offset = float(radiometric_offset)
        said = f"radiometric offset {offset:g} DN (RADIOMETRIC_OFFSET) is applied"
        if found.picture:
            said = "RADIOMETRIC_OFFSET is for DN, and not applied to an 8-bit image"
        return [offset] * len(band_names), said
    if found.doubt:
        offset, said = offset_of_values(
            _dark_ends(found, opened), found.doubt, found.kind == "raster"
        )
        return [offset] * len(band_names), said
    unknown = [name for name in band_names if found.offsets and name not in found.offsets]
    if unknown:
        raise ValueError(
            f"{found.path}: its metadata gives offsets, but none for {', '.join(unknown)}; "
            "set RADIOMETRIC_OFFSET"
        )
    return [found.offsets.get(name, 0.0) for name in band_names], found.radiometry


# ---- units


def _bright_end(bands: Sequence[scene_reader.Band], apply_tags: bool) -> float:
    """Return the bright end of the brightest band, in the quantity of the file."""
    ends = []
    for band in bands:
        values = band.raster.read_thinned(band.index).astype(np.float64)
        scale, offset = band.raster.info.tags[band.index] if apply_tags else (1.0, 0.0)
        if values.size:
            ends.append(float(np.percentile(values * scale + offset, BRIGHT_END)))
    return max(ends, default=sensors.REFLECTANCE_ONE)


def _scale_of(bright_end: float) -> float:
    """Return the number that means reflectance 1, by the largest of the file."""
    if bright_end <= HIGHEST_REFLECTANCE:
        return 1.0
    return PERCENT_SCALE if bright_end <= HIGHEST_PERCENT else sensors.REFLECTANCE_ONE


def set_units(
    found: products.Product,
    bands: Sequence[scene_reader.Band],
    offsets: Sequence[float],
    reflectance_scale: float | None,
) -> tuple[list[float], float, str]:
    """Tell each band how its numbers become DN.

    Parameters
    ----------
    found : Product
    bands : sequence of Band
        Their `units` are set.
    offsets : sequence of float
        Of each band, in numbers of the file.
    reflectance_scale : float or None
        The number in the file that means reflectance 1, where the user says so.

    Returns
    -------
    offsets : list of float
        What remains to be added.
    quantification : float
        DN of reflectance 1 that remain to be scaled.
    said : str

    Raises
    ------
    ValueError
        If the numbers can be no DN, and nobody says what they are.
    """
    tagged = any(band.raster.info.tags[band.index] != reading.SAME_UNITS for band in bands)
    whole = all(band.raster.info.dtype in (np.uint8, np.uint16) for band in bands)
    if found.picture:
        return list(offsets), found.quantification, ""
    if tagged:
        scale = reflectance_scale or _scale_of(_bright_end(bands, apply_tags=True))
        for band in bands:
            by, plus = band.raster.info.tags[band.index]
            factor = sensors.REFLECTANCE_ONE / scale
            band.units = (by * factor, plus * factor)
        by, plus = bands[0].raster.info.tags[bands[0].index]
        said = f"scale and offset that the file declares ({by:g}, {plus:+g}) are applied"
        return [0.0] * len(bands), sensors.REFLECTANCE_ONE, said
    said = (
        f"{reflectance_scale:g} is taken as reflectance 1 (REFLECTANCE_SCALE)"
        if (reflectance_scale)
        else ""
    )
    if whole:
        return list(offsets), reflectance_scale or found.quantification, said
    if reflectance_scale is None:
        _check_are_dn(found.path, bands)
        return list(offsets), found.quantification, ""
    factor = sensors.REFLECTANCE_ONE / reflectance_scale
    for band, offset in zip(bands, offsets, strict=True):
        band.units = (factor, offset * factor)
    return [0.0] * len(bands), sensors.REFLECTANCE_ONE, said


def _check_are_dn(path: str, bands: Sequence[scene_reader.Band]) -> None:
    """Refuse numbers of which rounding would leave next to nothing."""
    end = _bright_end(bands, apply_tags=False)
    if end > HIGHEST_PERCENT:
        return
    pixels = np.concatenate([band.raster.read_thinned(band.index) for band in bands])
    fractions = np.mean(pixels != np.round(pixels)) if pixels.size else 0.0
    if end > HIGHEST_REFLECTANCE and fractions < 0.5:
        return
    scale = _scale_of(end)
    kind = "reflectance as 0..1" if scale == 1 else "reflectance in percent"
    raise ValueError(
        f"{path}: nearly all values are at most {end:.3g}, and DN reach thousands: {kind}? Set "
        f"REFLECTANCE_SCALE = {scale:g}, the number that means reflectance 1"
    )


def set_tables(
    bands: Sequence[scene_reader.Band],
    offsets: Sequence[float],
    quantification: float,
    units: str,
) -> None:
    """Give every band the table of what its DN become."""
    dn = np.arange(scene_reader.LARGEST_DN + 1)
    for band, offset in zip(bands, offsets, strict=True):
        table = scene_reader.to_training_dn(dn, offset, quantification)
        band.table = sensors.scale_to_rgb8(table) if units == "rgb8" else table

"""Whether a scene looks like what a model was trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from landuse import sensors
from landuse.scenes import band_orders, scene_reader

# of the check against the training data, in DN
FULL_RANGE = 6.5535  # reflectance 1 is 65535 in place of 10000
NEAR_OFFSET = (850, 1600)  # by so much does the dark end of every band then lie too high
LARGEST_8_BIT = 262  # 255 after the round trip through rgb8
SMALLEST_RGB8 = 12  # DN 1, and thus a reflectance of 1.0, after the same
MANY_AT_FLOOR = 0.05  # share of pixels at DN 1, which visible bands never reach above the air
MOST_AT_FLOOR = 0.3  # that share is lower in 8-bit values
MANY_OUTSIDE = 0.05  # share of the pixels of a picture outside of what 99.9 % of training are in
LEAST_ALIKE = 0.3  # correlation of red, green and blue; of land it is above 0.7, of noise 0
BRIGHT_SHADOWS = 0.25  # of the range: so much brighter are all dark pixels of a picture for the eye
LEAST_IMPOSSIBLE = 60_000  # DN: six times the reflectance of snow
MANY_IMPOSSIBLE = 0.001  # share of pixels that are as bright in all bands
DARKER_THAN_ALL_BUT_CIRRUS = 100  # DN: of the brightest 1 % of pixels of B10, and of no other band


def _to_dn(values: np.ndarray, units: str) -> np.ndarray:
    """Return DN as float64; rgb8 values scaled back."""
    dn = values.astype(np.float64)
    return (dn - 1) * (sensors.DN_AT_255 / 254) if units == "rgb8" else dn


def _is_of_full_range(levels: np.ndarray, trained: np.ndarray) -> bool:
    """Tell whether values look like the training data's, stretched to all of 16 bits."""
    stretched = levels[:2] / np.maximum(trained[:2], 1)
    closer = np.abs(band_orders.features(levels / FULL_RANGE) - band_orders.features(trained)).sum()
    return bool(
        (stretched > 2.5).all()
        and closer < np.abs(band_orders.features(levels) - band_orders.features(trained)).sum()
    )


def _explain_scale(
    dn: np.ndarray,
    levels: np.ndarray,
    trained: np.ndarray,
    band_names: Sequence[str],
    level: str | None,
) -> str | None:
    """Return what is wrong with the values of all bands alike, None if nothing."""
    raised = levels[0] - trained[0]
    largest = np.percentile(dn, 99.9, axis=0)
    sensor = sensors.sensor_of(band_names)
    visible = [number for number, band in enumerate(band_names) if band in sensor.visible]
    at_floor = (dn <= 1).mean(axis=0)
    darkest = max(visible, key=lambda number: at_floor[number], default=None)
    floor = at_floor[darkest] if darkest is not None else 0.0
    if (largest <= SMALLEST_RGB8).all():
        return (
            f"nearly all values are at most {largest.max():.0f}, expected thousands: reflectance "
            "as 0..1? Set REFLECTANCE_SCALE = 1 (or RADIOMETRIC_OFFSET was subtracted wrongly)"
        )
    if (largest <= LARGEST_8_BIT).all() and floor < MOST_AT_FLOOR:
        return (
            f"no band exceeds {largest.max():.0f}, expected thousands: 8-bit values in place of "
            "16-bit DN? Give the product itself; or percent? Set REFLECTANCE_SCALE = 100"
        )
    # The air itself is brighter, so that one band tells; at the ground, dark water may reach 0.
    if sensor.offset and level != "L2A" and darkest is not None and floor > MANY_AT_FLOOR:
        return (
            f"{100 * floor:.0f} % of the pixels of {band_names[darkest]} are at the "
            "lowest value: was a radiometric offset subtracted twice? Set RADIOMETRIC_OFFSET = 0"
        )
    if _is_of_full_range(levels, trained):
        return (
            f"all bands are {FULL_RANGE:g} times as bright as the training data: reflectance 1 as "
            f"65535 in place of 10000? Set REFLECTANCE_SCALE = 65535"
        )
    if sensor.offset and NEAR_OFFSET[0] <= raised.min() <= NEAR_OFFSET[1]:
        return (
            f"even the darkest pixels (1 %) of every band lie {raised.min():.0f} or more above the "
            f"training data's ({_amounts(band_names, raised)}): a radiometric offset of "
            f"{sensor.offset} that was not subtracted? Set RADIOMETRIC_OFFSET = -{sensor.offset}"
        )
    return None


def _amounts(band_names: Sequence[str], amounts: np.ndarray) -> str:
    return ", ".join(
        f"{band} {amount:+.0f}" for band, amount in zip(band_names, amounts, strict=True)
    )


def _outside(
    levels: np.ndarray, low: np.ndarray, high: np.ndarray, band_names: Sequence[str]
) -> list[str]:
    """Say which bands lie outside what the model knows with more than half of their pixels."""
    return [
        f"{band}: median {median:.0f}, but 99.8 % of the training data lie in {least:.0f}.."
        f"{most:.0f}"
        for band, median, least, most in zip(band_names, levels[1], low, high, strict=True)
        if not least <= median <= most
    ]


def _other_units(levels: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[str]:
    """Say what it may mean when all bands are darker, or brighter, than the training data."""
    if levels.shape[1] > 1 and ((levels[1] < low).all() or (levels[1] > high).all()):
        return [
            "all bands lie on one side: if another number than 10000 means reflectance 1 in the "
            "file, set REFLECTANCE_SCALE to it"
        ]
    return []


def _known_levels(
    statistics: dict[str, Any], band_names: Sequence[str], units: str
) -> dict[str, np.ndarray]:
    """Return the percentiles of the training data, in DN, in the order of the bands."""
    try:
        place = [list(statistics["band_names"]).index(band) for band in band_names]
        return {
            percent: _to_dn(np.asarray(statistics["percentiles"][percent], float)[place], units)
            for percent in ("0.1", "1", "50", "99", "99.9")
        }
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"the model's record has damaged statistics of its training data ({error!r}): "
            "copy or train the model again"
        ) from error


def check_sample(
    sample: np.ndarray,
    band_names: Sequence[str],
    units: str,
    statistics: dict[str, Any],
    level: str | None = None,
    assumed_order: Sequence[str] = (),
    one_class: bool = False,
    named_by_file: bool = False,
    is_picture: bool = False,
) -> list[str]:
    """Compare pixels of a scene with the statistics of a model's training data.

    Parameters
    ----------
    sample : ndarray of shape (pixels, bands), in `units`
    band_names : sequence of str
    units : {"DN", "rgb8"}
    statistics : dict
        With the percentiles 0.1, 1, 50, 99 and 99.9 of each of its "band_names".
    level : {"L1C", "L2A"}, optional
    assumed_order : sequence of str
        Names that the bands of a file without names were given.
    one_class : bool
        Whether the pixels may be of one class, so that their median says nothing.
    named_by_file : bool
        Whether the names are what somebody has written into a file.
    is_picture : bool
        Whether the pixels are those of a picture, which no offset and no scale is applied to.

    Returns
    -------
    list of str
        A warning for each thing that looks wrong, with band, amount and the likely cause.

    Raises
    ------
    ValueError
        If the bands were given names, or have them from a file, and lie in another order.
    """
    if len(sample) == 0:
        return ["no valid pixel was met in a sample of the scene"]
    if "percentiles" not in statistics:
        return []
    known = _known_levels(statistics, band_names, units)
    dn = _to_dn(sample, units)
    levels = np.percentile(dn, (1, 50, 99), axis=0)
    trained = np.stack([known["1"], known["50"], known["99"]])
    scale = None if is_picture else _explain_scale(dn, levels, trained, band_names, level)
    if scale is None:
        shift = 0
    elif "not subtracted" in scale:
        shift = sensors.sensor_of(band_names).offset
    else:
        return [scale]
    surely = band_orders.find_band_order(levels - shift, trained, band_names, surely=True)
    order = (
        band_orders.find_band_order(levels - shift, trained, band_names)
        or surely
        or band_orders.find_exchanged_infrared(dn - shift, trained, band_names)
    )
    warnings = [scale] if scale else []
    if order and assumed_order:
        _check_for_cirrus(levels[2], band_names, assumed_order)
        right = (order[1].get(band, band) for band in assumed_order)
        raise ValueError(
            f"the bands have no names, were taken as {' '.join(assumed_order)}, and seem to lie "
            f"{order[0]}: set BAND_NAMES to their order, perhaps {' '.join(right)}"
        )
    if surely and named_by_file and level != "L2A":
        held = (f"{name} holds {band}" for name, band in surely[1].items() if name != band)
        raise ValueError(
            f"the file names its bands, but they seem to lie {surely[0]} ({', '.join(held)}): name "
            "them as they are, or set BAND_NAMES to the bands in the order of the file, also to "
            "say that its names are right"
        )
    if order:
        warnings.append(f"the bands seem to lie {order[0]}: name the bands of the file (B02, ...)")
    if warnings or one_class:
        return warnings
    return [
        *_outside(levels, known["0.1"], known["99.9"], band_names),
        *_other_units(levels, known["0.1"], known["99.9"]),
    ]


def _check_for_cirrus(
    brightest: np.ndarray, band_names: Sequence[str], assumed_order: Sequence[str]
) -> None:
    """Refuse a file that has B10 where it was taken to have none, as sen2r writes it (TOA)."""
    if "B10" in assumed_order:
        return
    for band, level in zip(band_names, brightest, strict=True):
        if level < DARKER_THAN_ALL_BUT_CIRRUS:
            raise ValueError(
                f"the bands have no names, were taken as {' '.join(assumed_order)}, and band "
                f"{list(assumed_order).index(band) + 1} of the file is as dark as B10 alone is, so "
                "that they are others: set BAND_NAMES to the bands in the order of the file"
            )


def check_patch(patch: np.ndarray, record: dict[str, Any]) -> list[str]:
    """Compare a single patch with what a model was trained on.

    Parameters
    ----------
    patch : ndarray of shape (rows, columns, bands), in the units and bands of the model
    record : dict
        Of the model file.

    Returns
    -------
    list of str
        Warnings, none for a patch that looks as it should.
    """
    pixels = patch.reshape(-1, patch.shape[-1])
    valid = pixels[(pixels > 0).all(axis=1)]
    names, units = record["band_names"], record["units"]
    return check_sample(valid, names, units, record["statistics"], one_class=True)


def check_against_model(scene: scene_reader.Scene, record: dict[str, Any]) -> list[str]:
    """Compare a scene with what a model was trained on, before anything is classified.

    Parameters
    ----------
    scene : Scene
    record : dict
        Of the model file: "statistics" and "processing_level" are used.

    Returns
    -------
    list of str
        Warnings, none for a scene that looks as it should.
    """
    trained = record.get("processing_level")
    sample = scene.sample()
    _check_has_content(sample, scene)
    if not len(sample):
        return [_why_empty(scene)]
    try:
        warnings = check_sample(
            sample,
            scene.band_names,
            scene.units,
            record["statistics"],
            scene.level,
            scene.assumed_order,
            named_by_file=scene.named_by_file,
            is_picture=scene.is_picture,
        )
    except ValueError as error:
        raise ValueError(f"{scene.name}: {error}") from error
    impossible = (sample >= LEAST_IMPOSSIBLE).all(axis=1).mean()
    if impossible > MANY_IMPOSSIBLE:
        warnings.insert(
            0,
            f"{100 * impossible:.2g} % of the pixels hold {sample.max()} or nearly that in all "
            f"bands: nodata that the file does not declare? gdal_edit.py -a_nodata {sample.max()} "
            "FILE declares it",
        )
    if scene.is_picture:
        warnings = [*_doubts_of_picture(sample, scene.band_names, record["statistics"]), *warnings]
    if trained and scene.level and trained != scene.level:
        warnings.append(
            f"the scene is {scene.level} and the model was trained on {trained}: reflectance at "
            "the ground (L2A) is darker than at the top of the atmosphere (L1C), most of all in "
            f"the visible; expect wrong labels, or give the {trained} product"
        )
    return warnings


def _why_empty(scene: scene_reader.Scene) -> str:
    """Say that nothing valid was met, and which band alone is to blame, if one is."""
    empty = scene.empty_bands()
    said = "no valid pixel was met in a sample of the scene"
    if not empty or len(empty) == len(scene.band_names):
        return said
    return (
        f"{said}: {', '.join(empty)} hold{'s' if len(empty) == 1 else ''} nothing but 0 or nodata, "
        "and where one band has no value there is no class; were the numbers cut to 8 bits, or "
        "divided, when the file was made?"
    )


def _check_has_content(sample: np.ndarray, scene: scene_reader.Scene) -> None:
    """Refuse a scene whose pixels all became the least or the largest value there is."""
    limits = (1, np.iinfo(sample.dtype).max)
    if len(sample) > 1 and (sample == sample[0]).all() and not set(sample[0]) & set(limits):
        pairs = zip(scene.band_names, sample[0], strict=True)
        amounts = ", ".join(f"{band} {value}" for band, value in pairs)
        raise ValueError(
            f"{scene.name}: all pixels are the same ({amounts}), which no land is: give the image "
            "itself"
        )
    if len(sample) and any((sample == limit).all() for limit in limits):
        raise ValueError(
            f"{scene.name}: all pixels have become {sample[0, 0]}, the "
            f"{'lowest' if sample[0, 0] == 1 else 'highest'} value there is: set REFLECTANCE_SCALE "
            "to the number that means reflectance 1 in the file, or check RADIOMETRIC_OFFSET"
        )


def _doubts_of_picture(
    sample: np.ndarray, band_names: Sequence[str], statistics: dict[str, Any]
) -> list[str]:
    """Say what speaks against an 8-bit RGB image, whose scaling nobody knows."""
    doubts = [
        "an 8-bit RGB image is right only if its colours were scaled as those of the training "
        "images (gdal_translate -ot Byte -scale 0 2750 1 255); pictures of browsers and viewers "
        "are scaled otherwise and misread: give the product itself"
    ]
    if len(sample) < 2 or "percentiles" not in statistics:
        return doubts
    with np.errstate(invalid="ignore", divide="ignore"):  # a band of one value
        alike = np.corrcoef(sample.astype(np.float64), rowvar=False)
    if np.nan_to_num(alike, nan=1.0).min() < LEAST_ALIKE:
        doubts.append("its colours do not go together as those of land seen from above do")
    low, high = (_known_levels(statistics, band_names, "rgb8")[end] for end in ("0.1", "99.9"))
    dn = _to_dn(sample, "rgb8")
    known = _known_levels(statistics, band_names, "rgb8")["1"]
    raised = (np.percentile(dn, 1, axis=0) - known) / sensors.DN_AT_255
    if raised.min() > BRIGHT_SHADOWS:
        doubts.append(
            f"even its darkest pixels (1 %) are brighter by {100 * raised.min():.0f} % of the "
            "range than those of the training data: an S-curve, or another one for the eye?"
        )
    for band, values, least, most in zip(band_names, dn.T, low, high, strict=True):
        for share, side in (
            ((values < least).mean(), "darker"),
            ((values > most).mean(), "brighter"),
        ):
            if share > MANY_OUTSIDE:
                doubts.append(
                    f"{band}: {100 * share:.0f} % of the pixels are {side} than 99.9 % of those of "
                    "the training data"
                )
    return doubts

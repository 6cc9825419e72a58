"""Whether the bands of a scene lie in another order than the one they are taken to be in."""

import itertools
from collections.abc import Sequence

import numpy as np

from landuse import sensors

CLEARLY_BETTER = 0.5  # by so much must another order of bands fit better (sum of log ratios)
CLEARLY_BETTER_COLOURS = 0.25  # the same for red, green and blue, surely: of 132 real places none
CLEARLY_BETTER_PAIR = 1.5  # the same for two bands exchanged, of which there are many
VEGETATION = 1.5  # there, near infrared is so many times brighter than B04 and B12 at least
ENOUGH_VEGETATION = 0.2  # share of the pixels that it takes to tell B04 from B12
USUALLY = 0.6  # share of pixels in which a band that is darker than another one should be brighter
# Shares of the dark end of the training data, of Level-1C, that the air above has added to it and
# that a scene of the ground may lack.
AIR = (0.0, 0.25, 0.5, 0.75, 1.0)
OF_THE_AIR = ("B09", "B10")  # vapour and cirrus, which no other band goes along with
AFTER_B08 = ("B8A", "B09", "B10", "B11", "B12")  # in a product; in EuroSAT B8A comes last


def _known_orders(band_names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return orders that bands are mistaken for: by cause, the band that each name holds."""
    product = [band for band in AFTER_B08 if band in band_names]
    eurosat = [*product[1:], *product[:1]]
    causes = {
        "in reverse order (as blue, green, red for red, green, blue)": dict(
            zip(band_names, band_names[::-1], strict=True)
        )
    }
    if "B8A" in product and len(product) > 2:
        causes |= {
            "in the order of a product (B8A after B08), taken for the order of EuroSAT (B8A "
            "last)": dict(zip(eurosat, product, strict=True)),
            "in the order of EuroSAT (B8A last), taken for the order of a product (B8A after "
            "B08)": dict(zip(product, eurosat, strict=True)),
        }
    return causes


def features(percentiles: np.ndarray) -> np.ndarray:
    """Return what tells bands apart: dark end, median, bright end, and the span of these."""
    span = percentiles[-1:] - percentiles[:1]
    # the 50 keeps the noise of the darkest bands from counting
    return np.log(np.maximum(np.concatenate([percentiles, span]), 0) + 50)


def _misfit(
    levels: np.ndarray, trained: np.ndarray, names: Sequence[str], held: dict[str, str]
) -> float:
    """Return how unlike the training data a scene is, if a band called a is really held[a]."""
    order = [list(names).index(held.get(band, band)) for band in names]
    return float(np.abs(features(levels) - features(trained)[:, order]).sum())


def find_band_order(
    levels: np.ndarray, trained: np.ndarray, band_names: Sequence[str], surely: bool = False
) -> tuple[str, dict[str, str]] | None:
    """Find out whether another order of the bands fits the training data clearly better.

    Every land cover is unlike the average in all its bands together, and a wrong order is
    unlike it in some bands and not in their neighbours. So orders are compared with each
    other, not with a limit. In real single-class scenes and patches none of the wrong orders
    fits better than the right one.

    Parameters
    ----------
    levels, trained : ndarray of shape (3, bands), DN
        1, 50 and 99 % of the scene and of the training data.
    band_names : sequence of str
    surely : bool
        Whether to let the right order fit also with the air above put back. Reflectance at the
        ground (L2A) is darker in the visible, as if colours were exchanged.

    Returns
    -------
    (str, dict) or None
        The order the bands seem to be in, and by name the band that it holds.
    """
    held = _known_orders(band_names)
    in_colours = set(band_names) <= set(sensors.sensor_of(band_names).visible)
    margin = CLEARLY_BETTER_COLOURS if surely and in_colours else CLEARLY_BETTER
    found = {cause: _misfit(levels, trained, band_names, held[cause]) + margin for cause in held}
    ground = [band for band in band_names if not surely or band not in OF_THE_AIR]
    for pair in itertools.combinations(ground, 2):
        cause = _exchanged(*pair)
        held[cause] = dict(zip(pair, pair[::-1], strict=True))
        found[cause] = _misfit(levels, trained, band_names, held[cause]) + CLEARLY_BETTER_PAIR
    best = min(found, key=lambda cause: found[cause], default=None)
    airs = [share * trained[0] for share in (AIR if surely else AIR[:1])]
    usual = min(_misfit(levels + air, trained, band_names, {}) for air in airs)
    return (best, held[best]) if best is not None and found[best] < usual else None


def _exchanged(one: str, other: str) -> str:
    return f"with {one} and {other} exchanged"


def find_exchanged_infrared(
    dn: np.ndarray, trained: np.ndarray, band_names: Sequence[str]
) -> tuple[str, dict[str, str]] | None:
    """Find out whether B12 was exchanged with B11 or B04, of which it has about the range.

    Ranges cannot tell these, but pixels can. B11 is brighter than B12 nearly everywhere, and over
    vegetation B12 is brighter than B04 more often than not; as haze and some fields are an
    exception to that, the ranges must agree there.

    Parameters
    ----------
    dn : ndarray of shape (pixels, bands)
    trained : ndarray of shape (3, bands)
        1, 50 and 99 % of the training data.
    band_names : sequence of str

    Returns
    -------
    (str, dict) or None
        As `find_band_order`.
    """
    of = {band: dn[:, number] for number, band in enumerate(band_names)}
    if {"B11", "B12"} <= set(of) and (of["B11"] < of["B12"]).mean() > USUALLY:
        return _exchanged("B11", "B12"), {"B11": "B12", "B12": "B11"}
    near = next((of[band] for band in ("B8A", "B08") if band in of), None)
    if near is None or not {"B04", "B12"} <= set(of):
        return None
    green = near > VEGETATION * np.maximum(of["B04"], of["B12"])
    if green.mean() < ENOUGH_VEGETATION or (of["B12"] < of["B04"])[green].mean() <= USUALLY:
        return None
    levels, held = np.percentile(dn, (1, 50, 99), axis=0), {"B04": "B12", "B12": "B04"}
    better = _misfit(levels, trained, band_names, held) < _misfit(levels, trained, band_names, {})
    return (_exchanged("B04", "B12"), held) if better else None

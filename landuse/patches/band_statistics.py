"""Mean, spread and percentiles of each band: kept beside the split, or measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landuse import files, sensors
from landuse.patches import file_contents

# Pooled over all pixels of EuroSAT MS; source: torchgeo, datamodules/eurosat.py.
EUROSAT_STATISTICS: dict[str, Any] = {
    "band_names": list(sensors.BANDS_MS),
    "units": "DN",
    "mean": [
        1354.41, 1118.24, 1042.93, 947.63, 1199.47, 1999.79, 2369.22, 2296.83, 732.08, 12.11,
        1819.01, 1118.92, 2594.14,
    ],
    "std": [
        245.72, 333.01, 395.09, 593.75, 566.42, 861.18, 1086.63, 1117.98, 404.92, 4.776,
        1002.59, 761.30, 1231.59,
    ],
}  # fmt: skip

PERCENTILES = (0.1, 1.0, 50.0, 99.0, 99.9)
OF_IMAGES = "images"  # in statistics.json: what tells of which images they are


def _pieces(patches: Any, size: int = 256) -> Iterable[NDArray[Any]]:
    """Take some patches at a time, whether they come in one array or one by one."""
    if not hasattr(patches, "shape"):
        return (np.asarray(patch) for patch in patches)
    return (np.asarray(patches[first : first + size]) for first in range(0, len(patches), size))


def _count_values(patches: Any, band_count: int) -> tuple[NDArray[np.int64], str]:
    """Count how often each value 0..65535 occurs in each band: (bands, 65536), and the units."""
    counts = np.zeros((band_count, 2**16), np.int64)
    dtypes = set()
    for piece in _pieces(patches):
        if piece.shape[-1] != band_count or piece.dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"expected uint8 or uint16 patches of {band_count} bands, got {piece.dtype} of "
                f"{piece.shape[-1]} bands"
            )
        dtypes.add(piece.dtype)
        for band in range(band_count):
            found = np.bincount(piece[..., band].ravel())
            counts[band, : len(found)] += found
    if not counts.any():
        raise ValueError("there are no patches to take statistics of")
    return counts, "rgb8" if dtypes == {np.dtype(np.uint8)} else "DN"


def _percentile(counts: NDArray[np.int64], percent: float) -> float:
    """Return the percentile of counted values, interpolated linearly as numpy does."""
    upto = np.cumsum(counts)
    position = percent / 100 * (upto[-1] - 1)
    below, above = np.searchsorted(upto, [math.floor(position), math.ceil(position)], "right")
    return float(below + (above - below) * (position - math.floor(position)))


def _moments(counts: NDArray[np.int64]) -> tuple[float, float]:
    values = np.arange(len(counts), dtype=np.float64)
    mean = np.average(values, weights=counts)
    return float(mean), float(math.sqrt(np.average((values - mean) ** 2, weights=counts)))


def pooled_statistics(patches_iterable: Any, band_names: Sequence[str]) -> dict[str, Any]:
    """Statistics of each band over all pixels of all patches, in float64.

    Only the counts of the 65,536 possible values are held, so the data may be larger than
    the memory, and the percentiles are exact.

    Parameters
    ----------
    patches_iterable : array of shape (N, rows, columns, bands), or iterable of such arrays
        or of single patches; uint8 or uint16. An array may be mapped from a file.
    band_names : names of the bands, in order

    Returns
    -------
    dict
        "band_names", "units" ("rgb8" for uint8, else "DN"), "count" (pixels in each band), and
        lists with a value for each band: "mean", "std", "min", "max", and "percentiles", a dict
        of such lists for "0.1", "1", "50", "99" and "99.9" percent.

    Raises
    ------
    ValueError
        When there are no patches, or their bands are not as many as the names.
    """
    counts, units = _count_values(patches_iterable, len(band_names))
    moments = [_moments(band) for band in counts]
    present = [np.flatnonzero(band) for band in counts]
    return {
        "band_names": list(band_names),
        "units": units,
        "count": int(counts[0].sum()),
        "mean": [mean for mean, _ in moments],
        "std": [std for _, std in moments],
        "min": [int(values[0]) for values in present],
        "max": [int(values[-1]) for values in present],
        "percentiles": {
            f"{percent:g}": [_percentile(band, percent) for band in counts]
            for percent in PERCENTILES
        },
    }


def write_statistics(
    path: str | Path, statistics: Mapping[str, Any], images: Sequence[Path]
) -> None:
    """Write statistics as JSON, with what tells which images they are of.

    Parameters
    ----------
    path : str or Path
    statistics : mapping
        What `pooled_statistics` gave.
    images : sequence of Path
        Whose pixels they are of.
    """
    files.write_json(path, {**statistics, OF_IMAGES: file_contents.digest(images)})


def training_statistics(
    path_to_split: str, patches: Any, band_names: Sequence[str], images: Sequence[Path] = ()
) -> dict:
    """Give what statistics.py found, where it fits these patches; else measure them.

    Parameters
    ----------
    path_to_split : str
        Folder that may hold statistics.json.
    patches : array of shape (N, rows, columns, bands), uint8 or uint16
    band_names : sequence of str
        Of the patches.
    images : sequence of Path
        The files of the patches. A statistics.json of other contents is not taken; one that does
        not say of which it is, as older versions wrote it, is. Without any, nothing is compared.

    Returns
    -------
    dict
        As `pooled_statistics` gives it.
    """
    path = Path(path_to_split) / "statistics.json"
    if path.is_file():
        stored = files.read_json(path)
        fault = _fault_of_statistics(stored, patches, band_names, images)
        if not fault:
            print(f"statistics of the training images: {path}")
            stored.pop(OF_IMAGES, None)
            return _select_bands(stored, band_names)
        print(f"{path} does not fit the training images ({fault}); measuring them")
    return pooled_statistics(patches, band_names)


def _fault_of_statistics(
    stored: Any, patches: Any, band_names: Sequence[str], images: Sequence[Path]
) -> str:
    """Say why stored statistics are not those of these patches; "" if they are."""
    if not isinstance(stored, dict) or not {"band_names", "units", "count", "mean"} <= set(stored):
        return "it holds something else"
    lacking = [name for name in band_names if name not in stored["band_names"]]
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    units = "rgb8" if patches.dtype == np.uint8 else "DN"
    if stored["units"] != units:
        return f"it is in {stored['units']}, they are in {units}"
    pixels = math.prod(patches.shape[:3])
    if stored["count"] != pixels:
        return f"of {stored['count']} pixels, they have {pixels}"
    if images and OF_IMAGES in stored and stored[OF_IMAGES] != file_contents.digest(images):
        return "they have changed since it was written; statistics.py writes it anew"
    return ""


def _select_bands(statistics: Any, band_names: Sequence[str]) -> Any:
    """Pick bands from all the lists, those inside of dicts too."""
    order = statistics["band_names"]
    positions = [order.index(name) for name in band_names]

    def select(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: select(member) for name, member in value.items()}
        return [value[position] for position in positions] if isinstance(value, list) else value

    return select(statistics)

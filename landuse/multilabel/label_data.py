"""What a network with several labels is trained on and measured with: patches packed and dealt."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from landuse import sensors
from landuse.multilabel import ben_listing, patch_store
from landuse.patches import band_statistics, patch_batches
from landuse.sample import sample_marker
from landuse.training import parallel, processes

SIDE = patch_store.SIDE
MEASURED = 4096  # training patches, drawn at random, that the statistics are taken of


@dataclass(frozen=True)
class LabelData:
    """Patches with several labels.

    Attributes
    ----------
    listing : Listing
    store : PatchStore
    places : dict of str to ndarray
        Part to positions in both.
    band_names : list of str
    statistics : dict
        Of the training patches, per band.
    built_in_sample : bool
        Whether they are made ones.
    """

    listing: ben_listing.Listing
    store: patch_store.PatchStore
    places: dict[str, np.ndarray]
    band_names: list[str]
    statistics: dict[str, Any]
    built_in_sample: bool

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in order."""
        return self.listing.class_names

    @property
    def measured(self) -> str:
        """The part that the report is about."""
        return "test" if len(self.places["test"]) else "validation"

    def labels(self, part: str) -> np.ndarray:
        """Give the labels of a part: (n, classes), bool."""
        return self.listing.labels[self.places[part]]

    def patches(self, part: str) -> patch_store.Part:
        """Give the patches of a part, read when they are asked for."""
        return patch_store.Part(self.store, self.places[part])

    def tiles(self, part: str) -> list[str]:
        """Give the tile of each patch of a part."""
        return [self.listing.tiles[position] for position in self.places[part]]

    def shares(self, part: str) -> np.ndarray:
        """Give the share of a part's patches that have each class: (classes,)."""
        return np.asarray(self.labels(part).mean(axis=0))

    def steps(self, batch_size: int) -> int:
        """Count the steps of an epoch."""
        count = len(self.places["train"])
        return math.ceil((count - count % parallel.count()) / batch_size)

    def batches(self, part: str, batch_size: int, **options: Any) -> Any:
        """Give batches of a part, as `patch_batches.simple_image_generator` does."""
        batches = patch_batches.simple_image_generator(
            cast(Any, self.patches(part)),
            labels=self.labels(part).astype(np.float32),
            batch_size=batch_size,
            **options,
        )
        if part == "train":
            return parallel.share_out(batches)
        return parallel.share_out_part(batches, part)

    def digest(self) -> str:
        """Tell these patches, labels and parts from others."""
        digest = hashlib.sha256("\n".join(self.listing.names).encode())
        for array in (self.listing.labels, self.listing.parts):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


@processes.in_turn()
def read_data(
    folder: str | Path,
    *,
    bands: str | Sequence[str],
    store: str | None = None,
    skip_bad: bool = False,
    with_statistics: bool = True,
    **listed: Any,
) -> LabelData:
    """List patches of BigEarthNet, and open or make their packed form.

    Parameters
    ----------
    folder : str or Path
    bands : str or sequence of str
        As `sensors.chosen_bands` takes them.
    store : str, optional
        Folder for the packed patches.
    skip_bad : bool
        Leave patches that cannot be read out instead of stopping.
    with_statistics : bool
    **listed
        As `ben_listing.list_patches` takes them.

    Raises
    ------
    ValueError, OSError
    """
    band_names = sensors.chosen_bands(bands)
    patch_store.check_bands(band_names)
    listing = ben_listing.list_patches(folder, **listed)
    packed = patch_store.open_store(listing, band_names, store)
    _check_bad(packed.bad, len(packed), skip_bad)
    good = np.ones(len(packed), bool)
    good[list(packed.bad)] = False
    places = {
        part: positions[good[positions]]
        for part in ben_listing.PARTS
        for positions in [listing.positions(part)]
    }
    empty = [part for part in ("train", "validation") if not len(places[part])]
    if empty:
        raise ValueError(f"{folder}: no patch is left for {' and '.join(empty)}")
    _say_what_is_missing(listing, places)
    statistics = {}
    if with_statistics:
        part = patch_store.Part(packed, places["train"])
        statistics = band_statistics.pooled_statistics(_some(part), band_names)
    return LabelData(
        listing,
        packed,
        places,
        band_names,
        statistics,
        (Path(folder) / sample_marker.SAMPLE_MARKER).is_file(),
    )


def _some(part: patch_store.Part) -> Any:
    """Yield the patches that the statistics are taken of, some at a time."""
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.permutation(len(part))[:MEASURED])
    for first in range(0, len(drawn), 64):
        yield part[drawn[first : first + 64]]


def _check_bad(bad: dict[int, str], count: int, skip_bad: bool) -> None:
    if not bad:
        return
    named = "; ".join(list(bad.values())[:5]) + ("; ..." if len(bad) > 5 else "")
    if not skip_bad:
        raise ValueError(
            f"{len(bad):,} of {count:,} patches cannot be used: {named}; replace them, or set "
            "SKIP_BAD_PATCHES = True to go on without them"
        )
    print(f"{len(bad):,} of {count:,} patches are skipped: {named}")


def _say_what_is_missing(listing: ben_listing.Listing, places: dict[str, np.ndarray]) -> None:
    told: set[str] = set()
    for part, what in (("train", "learn from"), ("validation", "validate with")):
        there = listing.labels[places[part]].any(axis=0)
        lacking = set(np.array(listing.class_names)[~there]) - told
        told |= lacking
        if lacking:
            print(f"no patch to {what} has {'; '.join(sorted(lacking))}")

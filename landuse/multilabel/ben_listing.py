"""Which patches of BigEarthNet there are: where they lie, their classes, and their part."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from landuse.multilabel import ben_metadata, corine

PARTS = ("train", "validation", "test")
SPLITS = ("published", "tile", "country")
NO_PART = 255
DRAWS = 200  # of which the one is taken whose parts hold the classes most alike
V1_NAME = re.compile(r"S2[AB]_MSIL2A_\d{8}T\d+_\d+_\d+")
V2_FOLDER = re.compile(r"S2[AB]_MSIL2A_\d{8}T\d+_N\d{4}_R\d{3}_T\d{2}[A-Z]{3}")


@dataclass(frozen=True)
class Listing:
    """Patches, their classes, and where they are.

    Attributes
    ----------
    folder : Path
        Of the data set.
    version : {1, 2}
    names : list of str
    labels : ndarray of shape (N, classes), bool
    class_names : list of str
    parts : ndarray of shape (N,), uint8
        Index into PARTS; `NO_PART` in none.
    tiles, countries : list of str
        "" where nothing tells it.
    """

    folder: Path
    version: int
    names: list[str]
    labels: np.ndarray
    class_names: list[str]
    parts: np.ndarray
    tiles: list[str]
    countries: list[str]

    def path_of(self, position: int) -> Path:
        """Give the folder of a patch."""
        name = self.names[position]
        home = self.folder / name.rsplit("_", 2)[0] if self.version == 2 else self.folder
        return home / name

    def positions(self, part: str) -> np.ndarray:
        """Give where the patches of a part stand, (n,)."""
        return np.flatnonzero(self.parts == PARTS.index(part))

    def chosen(self, keep: np.ndarray) -> "Listing":
        """Give a listing of those patches that are to be kept: bool, or positions."""
        kept = np.arange(len(self.names))[keep]
        return replace(
            self,
            names=[self.names[i] for i in kept],
            labels=self.labels[kept],
            parts=self.parts[kept],
            tiles=[self.tiles[i] for i in kept],
            countries=[self.countries[i] for i in kept],
        )


def list_patches(
    folder: str | Path,
    *,
    class_count: int = 19,
    metadata: str | None = None,
    lists: str | None = None,
    split: str = "published",
    leave_out_snow_and_clouds: bool = True,
    fraction_validation: float = 0.2,
    fraction_test: float = 0.2,
    fraction_patches: float = 1.0,
    seed: int = 42,
) -> Listing:
    """List the patches of BigEarthNet, v1 or v2, and deal them to the parts.

    Parameters
    ----------
    folder : str or Path
        v1: with a folder for each patch. v2: with a folder for each tile and day.
    class_count : {19, 43}
        v2 has 19. Patches without any of them are left out.
    metadata : str, optional
        metadata.parquet of v2; None: in or beside the folder. With v1 it tells parts and countries
        of the patches that v2 took over.
    lists : str, optional
        v1: folder with train.csv, val.csv, test.csv, and of patches with snow and with clouds.
    split : {"published", "tile", "country"}
        Of the others, whole tiles or countries are dealt to the parts.
    leave_out_snow_and_clouds : bool
    fraction_validation, fraction_test : float
        Of the patches, where tiles or countries are dealt.
    fraction_patches : float
        Of each part, to try things with.
    seed : int

    Returns
    -------
    Listing
        Every patch has a part.

    Raises
    ------
    ValueError, OSError
    """
    folder = Path(folder)
    found = _read(folder, class_count, metadata, lists, split, leave_out_snow_and_clouds)
    found = _with_labels_only(found)
    if split == "published":
        found = _in_parts_only(found)
    else:
        found = replace(found, parts=_deal(found, split, fraction_validation, fraction_test, seed))
    return _some(found, fraction_patches, seed)


def _read(
    folder: Path,
    class_count: int,
    metadata: str | None,
    lists: str | None,
    split: str,
    without_clouds: bool,
) -> Listing:
    if not folder.is_dir():
        hint = "; MADE = 500 makes patches to try with" if not folder.exists() else ""
        raise FileNotFoundError(f"PATH_TO_PATCHES: {folder} is no folder{hint}")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    v1 = [name for name in names if V1_NAME.fullmatch(name)]
    v2 = [name for name in names if V2_FOLDER.fullmatch(name)]
    parquet = ben_metadata.find_metadata(folder, metadata)
    if v2:
        return _read_v2(folder, v2, class_count, parquet, without_clouds)
    if v1:
        return _read_v1(folder, v1, class_count, parquet, lists, split, without_clouds)
    inside = [name for name in names if not name.startswith(".")][:3]
    raise ValueError(
        f"PATH_TO_PATCHES: {folder} holds neither folders of patches (BigEarthNet v1, "
        "S2A_MSIL2A_20170613T101031_87_48) nor of tiles (v2, "
        f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP); it has {', '.join(inside) or 'no folders'}"
    )


def _read_v2(
    folder: Path, tiles: Sequence[str], class_count: int, parquet: Path | None, no_clouds: bool
) -> Listing:
    if class_count != 19:
        raise ValueError(f"CLASSES = {class_count}: BigEarthNet v2 tells 19 classes, v1 also 43")
    if parquet is None:
        raise FileNotFoundError(
            f"PATH_TO_METADATA: there is no metadata.parquet in or beside {folder}; it tells the "
            "classes of BigEarthNet v2"
        )
    there = {entry.name for tile in tiles for entry in (folder / tile).iterdir() if entry.is_dir()}
    rows = ben_metadata.rows_of_v2(parquet, no_clouds)
    known = [row for row in rows if row["patch_id"] in there]
    if not known:
        raise ValueError(f"{parquet}: tells of none of the {len(there):,} patches in {folder}")
    if len(known) < len(rows):
        print(f"{len(rows) - len(known):,} patches of {parquet} are not in {folder}")
    if len(known) < len(there):
        print(
            f"{len(there) - len(known):,} patches in {folder} are left out: {parquet.name} does "
            "not tell of them" + (", or they have snow or clouds" if no_clouds else "")
        )
    whose = str(parquet)
    return Listing(
        folder,
        2,
        [row["patch_id"] for row in known],
        np.array([corine.as_row(row["labels"], class_count, whose) for row in known]),
        corine.class_names(class_count),
        _numbers([row["split"] for row in known], whose),
        [row["patch_id"].split("_")[5] for row in known],
        [str(row["country"] or "") for row in known],
    )


def _read_v1(
    folder: Path,
    names: Sequence[str],
    class_count: int,
    parquet: Path | None,
    lists: str | None,
    split: str,
    no_clouds: bool,
) -> Listing:
    place = _folder_of_lists(folder, lists)
    rows = ben_metadata.read_metadata(parquet) if parquet is not None else []
    of_v2 = {row["s2v1_name"]: row for row in rows if row.get("s2v1_name")}
    if split == "published" and place is None and not of_v2:
        raise FileNotFoundError(
            f"SPLIT = 'published' needs lists of the parts: {folder} has neither train.csv, "
            "val.csv and test.csv (PATH_TO_LISTS) nor metadata.parquet of v2 (PATH_TO_METADATA). "
            "SPLIT = 'tile' deals whole tiles to the parts"
        )
    memory = folder / ".cache" / "v1_labels.json"
    labels, tiles = ben_metadata.read_v1_labels(folder, names, class_count, memory)
    parts = (
        ben_metadata.parts_of_lists(place)
        if place is not None
        else {name: row["split"] for name, row in of_v2.items()}
    )
    if split == "country" and not of_v2:
        raise ValueError(
            "SPLIT = 'country': the countries of BigEarthNet v1 are told by metadata.parquet of v2 "
            "only (PATH_TO_METADATA); SPLIT = 'tile' needs nothing"
        )
    found = Listing(
        folder,
        1,
        list(names),
        labels,
        corine.class_names(class_count),
        _numbers([parts.get(name, "") for name in names], str(place or parquet)),
        tiles,
        [str(of_v2.get(name, {}).get("country") or "") for name in names],
    )
    return _without_cloudy(found, place, of_v2.keys(), split) if no_clouds else found


def _folder_of_lists(folder: Path, lists: str | None) -> Path | None:
    if lists is not None:
        if not Path(lists).is_dir():
            raise FileNotFoundError(f"PATH_TO_LISTS: {lists} is no folder")
        return Path(lists)
    places = (folder / "splits", folder)
    name = ben_metadata.LISTS["train"]
    return next((place for place in places if (place / name).is_file()), None)


def _without_cloudy(
    found: Listing, place: Path | None, of_v2: Collection[str], split: str
) -> Listing:
    """Leave out patches with snow and clouds; the published parts have none."""
    cloudy = ben_metadata.cloudy_of_lists(place)
    if cloudy is not None:
        return found.chosen(np.array([name not in cloudy for name in found.names]))
    if of_v2:
        return found.chosen(np.array([name in of_v2 for name in found.names]))
    if split != "published":
        print(
            "nothing tells which patches have snow or clouds, so they stay in: PATH_TO_LISTS with "
            f"{' and '.join(ben_metadata.CLOUDY_LISTS)} would"
        )
    return found


def _numbers(parts: Sequence[str], whose: str) -> np.ndarray:
    known = {**{part: number for number, part in enumerate(PARTS)}, "": NO_PART}
    unknown = sorted({str(part) for part in parts} - set(known))
    if unknown:
        raise ValueError(f"{whose}: {', '.join(unknown)} is no part; expected {', '.join(PARTS)}")
    return np.array([known[part] for part in parts], np.uint8)


def _with_labels_only(found: Listing) -> Listing:
    labelled = np.asarray(found.labels.any(axis=1))
    if not labelled.all():
        print(
            f"{np.sum(~labelled):,} patches have none of the {len(found.class_names)} classes, and "
            "are left out"
        )
    return found.chosen(labelled)


def _in_parts_only(found: Listing) -> Listing:
    inside = found.parts != NO_PART
    if not inside.all():
        print(f"{np.sum(~inside):,} patches are in no published part, and are left out")
    kept = found.chosen(inside)
    empty = [part for part in PARTS[:2] if not len(kept.positions(part))]
    if empty:
        raise ValueError(
            f"of the published parts, {' and '.join(empty)} has no patch in {found.folder}; SPLIT "
            "= 'tile' deals whole tiles to the parts"
        )
    return kept


def _deal(
    found: Listing, by: str, fraction_validation: float, fraction_test: float, seed: int
) -> np.ndarray:
    """Deal whole tiles or countries to the parts, so that these hold the classes most alike."""
    groups = found.tiles if by == "tile" else found.countries
    if "" in groups:
        raise ValueError(f"SPLIT = {by!r}: of {groups.count('')} patches nothing tells the {by}")
    names, member = np.unique(groups, return_inverse=True)
    wanted = 2 + (fraction_test > 0)
    if len(names) < wanted:
        listed = ", ".join(names[:3].tolist())
        raise ValueError(
            f"SPLIT = {by!r}: the patches are of {len(names)} ({listed}), and {wanted} parts need "
            "one each at least"
        )
    classes = np.zeros((len(names), found.labels.shape[1]))
    np.add.at(classes, member, found.labels)
    sizes = np.bincount(member)
    shares = np.array([1 - fraction_validation - fraction_test, fraction_validation, fraction_test])
    rng = np.random.default_rng(seed)
    deals = [rng.choice(3, len(names), p=shares) for _ in range(DRAWS)]
    for number, deal in enumerate(deals):  # every part has a group
        deal[rng.permutation(len(names))[:wanted]] = np.arange(wanted)
        deals[number] = deal
    unlike = [_unlikeness(classes, sizes, deal, shares) for deal in deals]
    return deals[int(np.argmin(unlike))][member].astype(np.uint8)


def _unlikeness(
    classes: np.ndarray, sizes: np.ndarray, deal: np.ndarray, shares: np.ndarray
) -> float:
    """Tell how far the share of patches, and of each class, in the parts is from what is wanted."""
    total = np.maximum(classes.sum(0), 1)
    return float(
        sum(
            abs(sizes[deal == part].sum() / sizes.sum() - share)
            + np.abs(classes[deal == part].sum(0) / total - share).mean()
            for part, share in enumerate(shares)
        )
    )


def _some(found: Listing, fraction: float, seed: int) -> Listing:
    if fraction >= 1:
        return found
    rng = np.random.default_rng(seed)
    kept = [
        rng.permutation(positions)[: max(1, round(fraction * len(positions)))]
        for part in PARTS
        if len(positions := found.positions(part))
    ]
    return found.chosen(np.sort(np.concatenate(kept)))

r"""Script 01: split labelled patches into a training, a validation and perhaps a test part.

Reads a folder with a folder for each class (data/sample/EuroSAT_MS/<Class>/*.tif). Writes
    <split>/{train,validation,test}/<Class>/    the images, as hard links where possible, so
                                                that they take no space of their own
    <split>/{train,validation,test}.txt         their names
    <split>/split.json                          the settings

SPLIT = "random" takes the same share of each class. Neighbouring patches then lie in different
parts, and the accuracy that is measured flatters. SPLIT = "geographic" cuts from west to east, by
the longitude of georeferenced patches or by published lists of names. SPLIT = "places" keeps
neighbours together, by blocks of the ground or by an attribute of the polygons that script
00_cut_patches cut from. How far the parts are apart is said.

The same settings and images again do nothing. A split with other settings, or of images that have
changed since, is replaced only with DELETE_OLD_PATH_TO_SPLIT_DATASETS, and only if this script made
it. With that, it is always made anew.

Run:
    python 01_split_data_to_train_and_validation.py
    python 01_split_data_to_train_and_validation.py --path-to-all-images data/EuroSAT_RGB \
        --path-to-split-datasets data/split_RGB
"""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from landuse import band_names, choices, command_line
from landuse.patches import class_folders, processing_levels, split_folders, splits

# What to split, and where to put it
PATH_TO_ALL_IMAGES = "data/sample/EuroSAT_MS"  # folder with a folder for each class
PATH_TO_SPLIT_DATASETS = "data/sample/split_MS"  # folder to make; it must not lie in the other

FRACTION_IMAGES = 1.0  # share of each class to use; 0.05: for a first try

# How to split
FRACTION_VALIDATION = 0.3  # share of the images, above 0 and below 1
FRACTION_TEST = 0.0  # share of the images; 0: no test part
SEED = 42  # for the random split; the same seed gives the same split on every machine
SPLIT: Literal["random", "geographic", "places"] = "random"  # geographic: from west to east
BLOCK_SIZE = 2000.0  # m; patches of one block are in one part (places)
PLACE_ATTRIBUTE: str | None = None  # column of patches.csv that tells places, in place of blocks
PATH_TO_SPLIT_LISTS: str | None = None  # folder with lists of names ending in train.txt, val.txt
# and test.txt, or .csv with a column of names; they decide in place of the fractions and of SPLIT

# What the patches are
BAND_NAMES: list[str] | None = None  # B02 B03 ...: in the order of the files; None: as they say
PROCESSING_LEVEL: Literal["L1C", "L2A"] | None = None  # None: as bands and names of the files tell

# What is there already
DELETE_OLD_PATH_TO_SPLIT_DATASETS = False  # True: make it anew, also in place of an older split
# that this script made


def main() -> None:
    """Split the images and say how many came into each part."""
    check_settings()
    split_folders.check_paths_are_apart(Path(PATH_TO_ALL_IMAGES), Path(PATH_TO_SPLIT_DATASETS))
    images = splits.some_of(class_folders.find_images(PATH_TO_ALL_IMAGES), FRACTION_IMAGES, SEED)
    split = split_images(images)
    made = split_folders.make_split_folder(
        PATH_TO_SPLIT_DATASETS, split, settings(), DELETE_OLD_PATH_TO_SPLIT_DATASETS
    )
    print_counts(split)
    say_how_far_apart(split)
    state = "split" if made else "split, unchanged since it was made"
    print(f"{state}: {PATH_TO_SPLIT_DATASETS}")


def check_settings() -> None:
    """Raise ValueError for settings that contradict each other."""
    choices.check_choice("SPLIT", SPLIT, ("random", "geographic", "places"))
    if not BLOCK_SIZE > 0:
        raise ValueError(f"BLOCK_SIZE must be above 0, not {BLOCK_SIZE}")
    if not 0 < FRACTION_IMAGES <= 1:
        raise ValueError(f"FRACTION_IMAGES must be above 0 and at most 1, not {FRACTION_IMAGES}")
    if PATH_TO_SPLIT_LISTS is None:
        splits.check_fractions(FRACTION_VALIDATION, FRACTION_TEST)
    if BAND_NAMES is not None:
        band_names.check_order(BAND_NAMES, len(BAND_NAMES), "BAND_NAMES")
    if PROCESSING_LEVEL is not None:
        choices.check_choice("PROCESSING_LEVEL", PROCESSING_LEVEL, processing_levels.LEVELS)


def settings() -> dict[str, Any]:
    """Return the settings that this split depends on; paths are relative to its folder."""

    def relative(path: str) -> str:
        return Path(os.path.relpath(path, Path(PATH_TO_SPLIT_DATASETS).parent)).as_posix()

    chosen: dict[str, Any] = {"PATH_TO_ALL_IMAGES": relative(PATH_TO_ALL_IMAGES), "SPLIT": SPLIT}
    if FRACTION_IMAGES < 1:
        chosen |= {"FRACTION_IMAGES": FRACTION_IMAGES, "SEED": SEED}
    if BAND_NAMES is not None:
        chosen["BAND_NAMES"] = BAND_NAMES
    if PROCESSING_LEVEL is not None:
        chosen["PROCESSING_LEVEL"] = PROCESSING_LEVEL
    if PATH_TO_SPLIT_LISTS is not None:
        return {**chosen, "PATH_TO_SPLIT_LISTS": relative(PATH_TO_SPLIT_LISTS)}
    chosen |= {"FRACTION_VALIDATION": FRACTION_VALIDATION, "FRACTION_TEST": FRACTION_TEST}
    if SPLIT == "places":
        by_blocks = PLACE_ATTRIBUTE is None
        chosen |= {"BLOCK_SIZE": BLOCK_SIZE} if by_blocks else {"PLACE_ATTRIBUTE": PLACE_ATTRIBUTE}
    return chosen if SPLIT == "geographic" else {**chosen, "SEED": SEED}


def split_images(images: dict[str, list[Path]]) -> splits.Split:
    """Split the images as the settings say."""
    if PATH_TO_SPLIT_LISTS is not None:
        return split_by_lists(images, PATH_TO_SPLIT_LISTS)
    if SPLIT == "random":
        return splits.split_random(images, FRACTION_VALIDATION, FRACTION_TEST, SEED)
    if SPLIT == "places":
        return split_by_places(images)
    return splits.split_by_longitude(
        images, read_longitudes(images), FRACTION_VALIDATION, FRACTION_TEST
    )


def split_by_lists(images: dict[str, list[Path]], folder: str) -> splits.Split:
    """Split the images by lists of names; say which images and names have no partner."""
    lists = splits.read_split_lists(folder)
    split, unlisted, missing = splits.split_by_lists(images, lists)
    for part in lists:
        if not any(split.get(part, {}).values()):
            raise ValueError(
                f"no image in {PATH_TO_ALL_IMAGES} is named in the {part} list of {folder}"
            )
    if missing:
        print(f"{len(missing)} listed names have no image here, such as {missing[0]}")
    if unlisted:
        print(f"{len(unlisted)} images are in no list and are left out, such as {unlisted[0]}")
    return split


def split_by_places(images: dict[str, list[Path]]) -> splits.Split:
    """Split the images so that blocks, or polygons of one attribute, stay together."""
    from landuse.patches import patch_places

    paths = [path for members in images.values() for path in members]
    places = patch_places.find_places(paths)
    if PLACE_ATTRIBUTE is None:
        names = patch_places.blocks_of(places.degrees, BLOCK_SIZE)
    else:
        names = patch_places.places_by_attribute(places, paths, PLACE_ATTRIBUTE)
    together = patch_places.hang_together(names, patch_places.overlapping(places))
    print(f"{len(paths):,} patches in {len(set(together)):,} places that are not parted")
    place_of = dict(zip(paths, together, strict=True))
    return splits.split_by_places(images, place_of, FRACTION_VALIDATION, FRACTION_TEST, SEED)


def say_how_far_apart(split: splits.Split) -> None:
    """Print how far the patches of the other parts are from those to train on."""
    from landuse.patches import patch_places

    if SPLIT != "places" and not (Path(PATH_TO_ALL_IMAGES) / patch_places.TABLE_FILE).is_file():
        return
    part_of = {
        path: part
        for part, classes in split.items()
        for members in classes.values()
        for path in members
    }
    places = patch_places.find_places(list(part_of))
    parts = np.array(list(part_of.values()))
    for part in [name for name in split if name != "train"]:
        apart = patch_places.how_far_apart(places, parts == "train", parts == part)
        print(
            f"{part}: the nearest training patch is {apart.median / 1000:.1f} km away (median), "
            f"{apart.nearest / 1000:.2f} km at least, from middle to middle"
        )
        if apart.overlaps:
            print(
                f"warning: {apart.overlaps} of {apart.patches} {part} patches overlap a training "
                "patch, so that the accuracy flatters: take SPLIT = 'places'"
            )


def read_longitudes(images: dict[str, list[Path]]) -> dict[Path, float]:
    """Return the longitude of the centre of each image, in degrees east (WGS 84)."""
    from landuse.rasters import reference_systems  # GDAL takes its time to import

    paths = [path for members in images.values() for path in members]
    try:
        with tqdm(paths, desc="reading georeferences", unit="image", leave=False) as bar:
            return {path: reference_systems.centre_longitude_latitude(path)[0] for path in bar}
    except ValueError as error:
        raise ValueError(
            f"{error}; SPLIT = 'geographic' needs georeferenced GeoTIFFs, or lists of names in "
            "PATH_TO_SPLIT_LISTS"
        ) from error


def print_counts(split: splits.Split) -> None:
    """Print how many images of each class came into each part."""
    print(f"{'class':24}" + "".join(f"{part:>12}" for part in split))
    for name in split["train"]:
        print(f"{name:24}" + "".join(f"{len(split[part][name]):12,}" for part in split))
    totals = [sum(map(len, classes.values())) for classes in split.values()]
    print(f"{'all':24}" + "".join(f"{total:12,}" for total in totals))
    for part, classes in split.items():
        empty = [name for name, images in classes.items() if not images]
        if empty:
            print(f"warning: the {part} part has no image of {', '.join(empty)}")


if __name__ == "__main__":
    command_line.run(main, globals())

r"""Script 00, your own classes: cut patches from scenes, by labelled points and polygons.

Draw polygons or points in QGIS with an attribute "class". Windows of 64x64 px that a polygon
covers, or that lie around a point, become patches of that class, apart from each other and without
nodata. Where polygons of two classes overlap, the ground counts for neither.

Reads    PATH_TO_IMAGE: what script 06 maps (products, folders of bands, GeoTIFFs), of one or
         several places and dates
         PATH_TO_LABELS: points and polygons (GeoPackage, GeoJSON, shapefile, CSV), or labels that a
         page of script 08 or 10 saved
Writes   PATH_TO_PATCHES: <Class>/*.tif with all bands (or .jpg in true colours), patches.csv with
         where each came from, patches.json
Run      python 00_cut_patches.py --path-to-image my_scene.SAFE --path-to-labels my_polygons.gpkg \
             --path-to-patches my_data

Then script 01 with SPLIT = "places", so that neighbours are not parted, and 03_train_baseline.py.
"""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from landuse import choices, command_line, files

if TYPE_CHECKING:
    from landuse.cutting import candidates, choosing, label_files, scene_patches

# Paths
PATH_TO_IMAGE: str | list[str] = "data/sample/scene.tif"  # scene or scenes, also several dates
PATH_TO_LABELS: str | list[str] = "my_labels.gpkg"  # points, polygons, or labels saved by a page
PATH_TO_PATCHES = "data/my_classes"  # folder to make, with a folder for each class

# Labels
CLASS_ATTRIBUTE: str | None = None  # that holds the class; None: class, label, landuse ...
CLASS_TABLE: str | None = None  # CSV reference,class: other names; what is not in it is left out
LABELS_CRS: str | None = None  # of a CSV or shapefile that says none: EPSG:32632

# Windows
LEAST_COVER = 0.5  # share of a window that polygons of its class cover; 0: small polygons too
JITTER = 8  # px that a window around a point is moved at most
WINDOWS_PER_POINT = 1  # more than one needs a LEAST_DISTANCE below JITTER
LEAST_DISTANCE = 64  # px between two windows' corners; below 64 they overlap
LEAST_VALID = 1.0  # share of a window's pixels that are neither nodata nor cloud
MOST_PER_CLASS: int | None = None  # patches of each class from each scene; None: all that fit
SEED = 42  # another one moves windows around points otherwise, and breaks ties

# Patches
FORMAT: Literal["tif", "jpg"] = "tif"  # tif: DN of the bands; jpg: colours as the published images
BANDS: str | list[str] | None = None  # ALL, L2A, RGB, or names; None: all that the scenes have

# Scene
BAND_NAMES: list[str] | None = None  # B02 B03 ...: in the order of the file; None: as it says
REFLECTANCE_SCALE: float | None = None  # number that means reflectance 1; None: 10000, or as said
RADIOMETRIC_OFFSET: float | Literal["auto"] = "auto"  # DN added; auto: as the product says
GRANULE: str | None = None  # which one, when an old product holds several
MASK_CLOUDS = True  # clouds of the product's own mask count as nodata, where it has one

# What is there already
DELETE_OLD_PATCHES = False  # True: replace older patches that this script cut


def main() -> None:
    """Cut patches and say what could not be cut."""
    check_settings()
    from landuse.cutting import cut_folders, scene_patches
    from landuse.mapping import checks
    from landuse.patches import cut_marker, patch_places
    from landuse.sample import sample_marker

    images = checks.check_images(PATH_TO_IMAGE)
    folder = Path(PATH_TO_PATCHES)
    with contextlib.ExitStack() as stack:
        # The scenes, in the bands of the patches
        scenes: list[scene_patches.OpenScene] = []
        for image in images:
            print(f"scene: {image}")
            opened = open_scene(image, scenes)
            stack.enter_context(opened.scene)
            scenes.append(opened)

        # The labels, and the windows that show one class
        labels = read_labels(scenes)
        found = [find_windows(opened, own) for opened, own in zip(scenes, labels, strict=True)]
        scene_patches.check_any_inside(found, scenes, labels[0])
        about = what_they_depend_on(scenes)
        stack.enter_context(files.lock(folder, "cutting patches"))
        if cut_folders.is_there(folder, about, DELETE_OLD_PATCHES):
            print(f"patches, unchanged since they were cut: {folder}")
            return

        # The patches, and the table of where they come from
        with files.whole_folder(folder) as made:
            rows, chosen = [], []
            for opened, own, windows in zip(scenes, labels, found, strict=True):
                of_scene, choice = scene_patches.cut_scene(
                    opened,
                    windows,
                    own,
                    made,
                    FORMAT,
                    least_distance=LEAST_DISTANCE,
                    most_per_class=MOST_PER_CLASS,
                    least_valid=LEAST_VALID,
                    seed=SEED,
                )
                rows += of_scene
                chosen.append(choice)
            report(rows, chosen, found, labels[0])
            patch_places.write_table(made / patch_places.TABLE_FILE, rows)
            cut_marker.write(
                made,
                about,
                sorted({opened.scene.level for opened in scenes if opened.scene.level}),
                all(sample_marker.is_of_sample(image) for image in images),
            )
    print(f"patches: {folder}")


def check_settings() -> None:
    """Raise an error for settings that nothing could be cut with."""
    choices.check_choice("FORMAT", FORMAT, ("tif", "jpg"))
    for name, share in (("LEAST_COVER", LEAST_COVER), ("LEAST_VALID", LEAST_VALID)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {share}")
    for name, number, least in (
        ("JITTER", JITTER, 0),
        ("WINDOWS_PER_POINT", WINDOWS_PER_POINT, 1),
        ("LEAST_DISTANCE", LEAST_DISTANCE, 1),
        ("MOST_PER_CLASS", MOST_PER_CLASS, 1),
        ("SEED", SEED, 0),
    ):
        if number is not None and number < least:
            raise ValueError(f"{name} must be {least} or more, not {number}")
    if FORMAT == "jpg" and BANDS not in (None, "RGB"):
        raise ValueError(f'BANDS = {BANDS!r} needs FORMAT = "tif": a JPEG holds red, green, blue')
    if not label_paths():
        raise ValueError("PATH_TO_LABELS is empty: name a file of labelled points or polygons")
    for path in (*label_paths(), *([CLASS_TABLE] if CLASS_TABLE else [])):
        if not Path(path).exists():
            raise FileNotFoundError(f"{path} does not exist (PATH_TO_LABELS, CLASS_TABLE)")


def label_paths() -> list[str]:
    """Return the files of labels."""
    return [PATH_TO_LABELS] if isinstance(PATH_TO_LABELS, str) else list(PATH_TO_LABELS)


def open_scene(image: Path, others: "list[scene_patches.OpenScene]") -> "scene_patches.OpenScene":
    """Open a scene as the settings say."""
    from landuse.cutting import scene_patches

    return scene_patches.open_to_cut(
        image,
        BANDS,
        FORMAT,
        mask_clouds=MASK_CLOUDS,
        granule=GRANULE,
        order=BAND_NAMES,
        radiometric_offset=RADIOMETRIC_OFFSET,
        reflectance_scale=REFLECTANCE_SCALE,
        others=others,
    )


def read_labels(scenes: "list[scene_patches.OpenScene]") -> "list[label_files.Labels]":
    """Read the labels in the reference system of each scene, and say what they are."""
    from landuse.cutting import label_files
    from landuse.evaluation import class_tables

    table = class_tables.read_class_table(CLASS_TABLE) if CLASS_TABLE is not None else None
    known: dict[str, label_files.Labels] = {}
    for opened in scenes:
        crs = opened.scene.crs
        if crs not in known:
            known[crs] = label_files.read_labels(
                label_paths(), crs, CLASS_ATTRIBUTE, LABELS_CRS, table
            )
    labels = known[scenes[0].scene.crs]
    label_files.check_crs_is_known(labels, list(known))
    for text in labels.messages:
        print(f"  {text}")
    if len(labels.class_names) < 2:
        named = ", ".join(labels.class_names) or "none"
        raise ValueError(
            f"the labels name fewer than two classes ({named}); telling classes apart needs at "
            "least two: label what else there is as well, as one class of its own, say"
        )
    return [known[opened.scene.crs] for opened in scenes]


def find_windows(
    opened: "scene_patches.OpenScene", labels: "label_files.Labels"
) -> "candidates.Candidates":
    """Find the windows of a scene that show one class."""
    import numpy as np

    from landuse.cutting import candidates

    return candidates.find_candidates(
        labels.features,
        labels.classes,
        opened.grid,
        least_cover=LEAST_COVER,
        jitter=np.where(labels.is_window, 0, JITTER),
        windows_per_point=WINDOWS_PER_POINT,
        seed=SEED,
    )


def what_they_depend_on(scenes: "list[scene_patches.OpenScene]") -> dict[str, Any]:
    """Return what other patches would come of, as JSON holds it."""
    constants = dict(command_line.constants(globals()))
    paths = ("PATH_TO_IMAGE", "PATH_TO_LABELS", "PATH_TO_PATCHES", "CLASS_TABLE")
    settings = {
        name: value
        for name, value in constants.items()
        if name not in (*paths, "DELETE_OLD_PATCHES")
    }
    tables = [*label_paths(), *([CLASS_TABLE] if CLASS_TABLE else [])]
    return {
        **settings,
        "labels": {Path(path).name: files.sha256(path) for path in tables},
        "scenes": {
            opened.name: sum(file.stat().st_size for file in opened.scene.files())
            for opened in scenes
        },
    }


def report(
    rows: list[dict[str, Any]],
    chosen: "list[choosing.Choice]",
    found: "list[candidates.Candidates]",
    labels: "label_files.Labels",
) -> None:
    """Say how many patches each class has, and what could not be cut."""
    from landuse.cutting import choosing

    counts = dict.fromkeys(labels.class_names, 0)
    for row in rows:
        counts[row["class"]] += 1
    for name, count in counts.items():
        features = labels.names.count(name)
        print(f"{name:24}{count:8,} patches of {features:,} points and polygons")
    with_patch = {row["feature"] - 1 for row in rows}
    for reason, number in choosing.merged_reasons(chosen, with_patch).items():
        print(f"  {number:,} without a patch: {reason}")
    without_data = sum(choice.without_data for choice in chosen)
    if without_data:
        print(f"  {without_data:,} windows left out for nodata or clouds")
    contested = max(one.contested for one in found)
    if contested:
        print(
            f"  {contested} polygons overlap with one of another class: that ground counts for none"
        )
    present = [name for name, count in counts.items() if count]
    if len(present) < 2:
        raise ValueError(
            f"patches of {present[0] if present else 'no class'} only, see above: two classes are "
            "needed"
        )
    for name, count in counts.items():
        if count < 10:
            print(f"  warning: {name} has {count} patches; draw more of it, in several places")


if __name__ == "__main__":
    command_line.run(main, globals())

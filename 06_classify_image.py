"""Script 06: map the land use of a scene, or name the class of single patches.

Each cell of the map gets the class of the 64x64 window centred on it; with STRIDE = 8 a cell is
8 px wide (80 m for Sentinel-2). At the scene's edges its reflection stands in for what is beyond.
A model of script 11 gives every pixel a class of its own. One of script 10 gives each cell the
probability of every class in a window of 120x120 px: several may be there, so no label is written.
An image of exactly 64x64 px is a patch: its classes and their probabilities are printed.

Reads    PATH_TO_IMAGE: an L1C or L2A product (.SAFE folder, .SAFE.zip, MTD_*.xml), a folder of
         single-band files, a GeoTIFF or VRT; several of them, a folder of products, a list
         (.txt), a pattern ("products/*.zip"); or patches of 64x64 px
         PATH_TO_MODEL: a model.keras that a training script wrote, or eurosat_rgb, the one that
         comes with these scripts; it knows its bands and classes
Writes   PATH_TO_LABEL_IMAGE (and beside it .qml, .png, .html, _areas.csv, _settings.json) and
         PATH_TO_PROB_IMAGE (by default also beside it, with its .qml)
Run      python 06_classify_image.py --path-to-image data/sample/scene.tif

Stopped at any moment, it goes on where it was when it is started again with the same settings;
until it is complete, the map is kept in <label image>.partial.
"""

import contextlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from landuse import command_line
from landuse.networks import model_files, shipped, stored_models

# Paths
PATH_TO_IMAGE: str | list[str] = "data/sample/scene.tif"  # scene or scenes, or 64x64 patches
REMOTE = False  # True: s3://, gs://, az:// and https:// may be scenes, and are read in place
PATH_TO_MODEL: str | None = None  # model.keras, or eurosat_rgb; None: newest of runs/, or that
PATH_TO_LABEL_IMAGE = "maps/{product}_label.tif"  # class numbers; {product}: name of the scene,
# {run}: name of the model's run
PATH_TO_PROB_IMAGE: str | None = None  # None: beside the labels, _probability in place of _label
REPLACE = False  # True: a map that another model made may be replaced
KEEP_MADE: bool | None = None  # keep a map that is there, made of the same; None: of several scenes

# Map
STRIDE = 8  # px from one cell of the map to the next; 1: a label for every pixel, 64 times slower
BOUNDS: tuple[float, float, float, float] | str | None = None  # left bottom right top, or a file
ABSENT_CLASSES: list[str] | None = None  # PermanentCrop SeaLake: the scene has none of these, and
# the other classes share their probability
MIN_PROBABILITY = 0.0  # 0.5: labels that are less probable become the class "uncertain"
PROBABILITY_TYPE: Literal["uint8", "float32"] = "uint8"  # percent, or 0..1
ALL_PROBABILITIES = False  # one more band for each class in the probability image
DOUBT = False  # bands of entropy, margin and the number of classes that the right one is among
COVERAGE = 0.95  # so often is it among them, on images like those of the validation part

# Scene
BAND_NAMES: list[str] | None = None  # B02 B03 ...: in the order of the file; None: as it says
REFLECTANCE_SCALE: float | None = None  # number that means reflectance 1; None: 10000, or as said
RADIOMETRIC_OFFSET: float | Literal["auto"] = "auto"  # DN added; auto: as the product says
GRANULE: str | None = None  # which one, when an old product holds several
MASK_CLOUDS = False  # clouds of the product's own mask become nodata
STRICT = False  # stop when the scene does not look like the model's training data

# Further output
QUICKLOOK = True  # a picture (.png) of scene and map
HTML = True  # a page to look at the map in a browser
POLYGONS = False  # the classes as polygons (.gpkg)
COLOURS: list[str] | None = None  # Vineyard=#7b3294 Quarry=grey: for map, picture, page and QGIS;
# None, and of other classes: what their names suggest

# Computing
METHOD: Literal["auto", "windows", "dense"] = "auto"  # dense: needs a model trained for it
ENGINE: Literal["auto", "keras", "openvino", "onnx"] = "auto"  # auto: OpenVINO if it is there
PRECISION: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where it is fast
BATCH_SIZE = 64  # windows per call of the network
BLOCK_SIZE: int | None = None  # px, side of the pieces done at once; None: 1024, dense 1536
CACHE_NETWORK = True  # keep what is made of the model, so that the next call starts sooner
SCHEDULER: str | None = None  # scenes to workers of Dask: local, or the address of a scheduler
WORKERS: int | None = None  # of SCHEDULER = "local"; None: one for every two cores


def main() -> None:
    """Map each scene with the model, or name the classes of patches."""
    from landuse.mapping import (
        absent_classes,
        checks,
        classification,
        clusters,
        made_scenes,
        map_files,
        outcomes,
        plans,
        several_labels,
    )
    from landuse.outputs import class_colours
    from landuse.patches import single_patches
    from landuse.scenes import opening, scene_lists

    images = checks.check_images(scene_lists.expand(PATH_TO_IMAGE), REMOTE)
    checks.check_map(STRIDE, MIN_PROBABILITY, PROBABILITY_TYPE, COVERAGE)
    checks.check_computing(METHOD, ENGINE, PRECISION, BATCH_SIZE, BLOCK_SIZE)
    clusters.check_scheduler(SCHEDULER, WORKERS)
    path_to_model = shipped.find_model(PATH_TO_MODEL)
    record = model_files.read_record(path_to_model)  # its classes and bands, without the network
    has_several = model_files.has_several_labels(record)
    if has_several:
        several_labels.check_wanted(
            absent_classes=ABSENT_CLASSES,
            min_probability=MIN_PROBABILITY,
            doubt=DOUBT,
            polygons=POLYGONS,
            colours=COLOURS,
        )
    absent = absent_classes.numbers(ABSENT_CLASSES, record["class_names"])
    if (
        not has_several
        and not model_files.is_of_pixels(record)
        and single_patches.are_patches(images)
    ):
        show_patches(images, path_to_model, record, absent)
        return
    if DOUBT:
        checks.check_sets(record, COVERAGE)
    class_colours.chosen_colours(COLOURS, record["class_names"])  # an error before any work
    checks.check_templates(PATH_TO_LABEL_IMAGE, PATH_TO_PROB_IMAGE, images)
    constants = command_line.constants(globals())
    if SCHEDULER is not None:
        clusters.map_scenes(
            __file__, constants, images, path_to_model, scheduler=SCHEDULER, workers=WORKERS
        )
        return
    keep = len(images) > 1 if KEEP_MADE is None else KEEP_MADE
    results = outcomes.Outcomes(images)
    with contextlib.ExitStack() as stack:
        # Open each scene, and check that its map can be made before any is
        planned: list[plans.Plan] = []
        for image in images:
            with results.attempt(image):
                print(f"scene: {image}")
                scene = opening.open_scene(
                    image,
                    record["band_names"],
                    record["units"],
                    radiometric_offset=RADIOMETRIC_OFFSET,
                    mask_clouds=MASK_CLOUDS,
                    granule=GRANULE,
                    order=BAND_NAMES,
                    reflectance_scale=REFLECTANCE_SCALE,
                )
                plan = plans.plan_map(
                    image,
                    stack.enter_context(scene),
                    record,
                    path_to_model=str(path_to_model),
                    stride=STRIDE,
                    bounds=BOUNDS,
                    method=METHOD,
                    path_to_label_image=PATH_TO_LABEL_IMAGE,
                    path_to_prob_image=PATH_TO_PROB_IMAGE,
                    strict=STRICT,
                    replace=REPLACE,
                    stack=stack,
                    others=planned,
                    may_be_kept=keep,
                )
                planned.append(plan)
        planned = made_scenes.still_to_make(planned, keep, constants, results)

        # The trained network
        if planned:
            plans.say_how_right(path_to_model, planned[0].trust)
            model = stored_models.StoredModel(path_to_model, CACHE_NETWORK)
        for plan in planned:
            with results.attempt(plan.image):
                network = classification.network_for(
                    plan,
                    model,
                    engine=ENGINE,
                    precision=PRECISION,
                    batch_size=BATCH_SIZE,
                    block_size=BLOCK_SIZE,
                )

                if has_several:
                    # How probable each class is in the window around each cell
                    found, facts = several_labels.classify(plan, network, PROBABILITY_TYPE)
                    written = several_labels.write_files(plan, found, facts, constants)
                    results.note(plan.image, plan.probability, written)
                    continue

                # The class of the window around each cell
                land_use = classification.classify(
                    plan,
                    network,
                    min_probability=MIN_PROBABILITY,
                    probability_type=PROBABILITY_TYPE,
                    all_probabilities=ALL_PROBABILITIES,
                    doubt=DOUBT,
                    coverage=COVERAGE,
                    colours=COLOURS,
                    absent=absent,
                )

                # Maps, table, picture and page
                written = map_files.write_files(
                    plan,
                    land_use,
                    constants,
                    quicklook=QUICKLOOK,
                    html=HTML,
                    polygons=POLYGONS,
                )
                results.note(plan.image, plan.label, written)
    results.report()


def show_patches(
    images: list[Path], path_to_model: Path, record: dict[str, Any], absent: list[int]
) -> None:
    """Print the classes of patches with their probabilities, the most probable first."""
    from landuse.evaluation import predictions
    from landuse.mapping import absent_classes
    from landuse.patches import single_patches
    from landuse.scenes import plausibility

    patches = np.stack(
        [single_patches.read_for_model(image, record, BAND_NAMES) for image in images]
    )
    for image, patch in zip(images, patches, strict=True):
        for warning in plausibility.check_patch(patch, record):
            print(f"warning: {image}: {warning}")
    model, _ = model_files.load(path_to_model)
    answers = predictions.predict(model, patches, BATCH_SIZE)
    if absent:
        answers = absent_classes.leave_out(answers, absent)
    for image, probabilities in zip(images, answers, strict=True):
        print(image)
        for index in np.argsort(-probabilities, kind="stable"):
            print(f"  {100 * probabilities[index]:5.1f} %  {record['class_names'][index]}")


if __name__ == "__main__":
    command_line.run(main, globals())

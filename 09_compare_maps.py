r"""Script 09: what changed between two dates, from which class to which, and how sure that is.

Most differences of two maps are no change: a network names one place otherwise in other light.
So a difference counts only where such differences are much rarer in places that did not change:
the cells whose pixels changed least, or two maps of an unchanged place that you name. The report
says how much of the change is expected to be false all the same. Fields turn with the season:
what lies within a group of classes (GROUPS) counts as no change.

Reads    PATH_TO_BEFORE and PATH_TO_AFTER: two label maps of script 06, made with ALL_PROBABILITIES,
         of one model, stride and coordinate system; or two scenes, which are mapped first with
         PATH_TO_MODEL, as script 06 does it
Writes   PATH_TO_CHANGE: from which class to which, with names and colours for QGIS (.qml); and
         beside it the report (.md, .json), areas from class to class (.csv), polygons with both
         classes (.gpkg), a picture (.png), a page with both dates and a slider between them
         (.html), and the probability of change (_probability.tif)
Run      python 09_compare_maps.py --path-to-before maps/pisa_1_label.tif \
             --path-to-after maps/pisa_2_label.tif

A cell has the class of the 640 m around it: houses are found when they fill half of that, one
house is not. Maps that were begun are completed when the same command is given again.
In the sample's two scenes 282 of the 287 ha that had changed were found, and 97 ha besides, most
of them at the rim of what had changed; 18 % false were expected, 26 % were (MobileNet, 15 epochs).
Comparing two maps of 6 x 9 km takes about 20 s on two processor cores, mapping not counted.
"""

from typing import Literal

from landuse import command_line, files

# Paths
PATH_TO_BEFORE = "data/sample/scene.tif"  # label map of the first date, or its scene
PATH_TO_AFTER = "data/sample/scene_later.tif"  # likewise of the second
PATH_TO_MODEL: str | None = None  # for scenes: model.keras, or eurosat_rgb; None: newest of runs/
PATH_TO_CHANGE = "maps/{before}_to_{after}_change.tif"  # {before}, {after}: names of the scenes
PATH_TO_SCENE_BEFORE: str | None = None  # scene of a label map; None: as its settings say
PATH_TO_SCENE_AFTER: str | None = None  # likewise
PATH_TO_STABLE: list[str] | None = None  # two label maps of a place that did not change

# What counts as change
GROUPS = ["fields=AnnualCrop,PermanentCrop,Pasture,HerbaceousVegetation"]  # name=Class,Class ...
MOST_FALSE = 0.25  # share of the change that may be expected to be false, above 0 and below 1
MIN_AREA = 5.0  # ha; smaller changes are dropped
STABLE_SHARE = 0.5  # of the cells of each group, taken for unchanged: their pixels changed least
THRESHOLD: float | None = None  # 0.9: probability from which on it counts; None: learned

# Maps, where scenes are given
PATH_TO_LABEL_IMAGE = "maps/{product}_label.tif"  # of each scene
STRIDE = 8  # px from one cell of a map to the next
MASK_CLOUDS = False  # clouds of the product's own mask become nodata
RADIOMETRIC_OFFSET: float | Literal["auto"] = "auto"  # DN added; auto: as the product says
BAND_NAMES: list[str] | None = None  # B02 B03 ...: in the order of the file; None: as it says
REFLECTANCE_SCALE: float | None = None  # number that means reflectance 1; None: 10000, or as said
METHOD: Literal["auto", "windows", "dense"] = "auto"  # dense: needs a model trained for it
ENGINE: Literal["auto", "keras", "openvino", "onnx"] = "auto"  # auto: OpenVINO if it is there
PRECISION: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where it is fast
BATCH_SIZE = 64  # windows per call of the network
CACHE_NETWORK = True  # keep what is made of the model, so that the next call starts sooner

# Further output
QUICKLOOK = True  # a picture (.png) of scenes, maps and change
HTML = True  # a page to compare the dates in a browser
POLYGONS = True  # the changes as polygons (.gpkg)


def main() -> None:
    """Compare two maps, and write what changed."""
    check_settings()
    from landuse.changes import class_groups, comparing, comparison_steps, date_pairs, map_pairs

    comparison_steps.check_output(PATH_TO_CHANGE)
    comparison_steps.check_paths(PATH_TO_STABLE, (PATH_TO_SCENE_BEFORE, PATH_TO_SCENE_AFTER))
    # 1. A map of each date, with the probabilities of all classes
    labels = comparison_steps.label_maps(
        (PATH_TO_BEFORE, PATH_TO_AFTER),
        ("PATH_TO_BEFORE", "PATH_TO_AFTER"),
        GROUPS,
        path_to_model=PATH_TO_MODEL,
        path_to_label_image=PATH_TO_LABEL_IMAGE,
        stride=STRIDE,
        band_names=BAND_NAMES,
        reflectance_scale=REFLECTANCE_SCALE,
        radiometric_offset=RADIOMETRIC_OFFSET,
        mask_clouds=MASK_CLOUDS,
        method=METHOD,
        engine=ENGINE,
        precision=PRECISION,
        batch_size=BATCH_SIZE,
        cache_network=CACHE_NETWORK,
        quicklook=QUICKLOOK,
        html=HTML,
    )
    dates = comparison_steps.open_dates(labels)
    path = comparison_steps.output_path(PATH_TO_CHANGE, dates, labels)
    with files.lock(path, "comparing these maps"):
        # 2. Both maps cell by cell: groups of classes, and how probable a change is
        grouped = class_groups.parse_groups(GROUPS, dates[0].class_names)
        pair = map_pairs.read_pair(*dates, grouped)

        # 3. The scenes behind them: do they lie on each other, and where did pixels change least?
        scenes, missing = comparison_steps.scenes_behind(
            dates, (PATH_TO_SCENE_BEFORE, PATH_TO_SCENE_AFTER), pair
        )

        # 4. From which probability on is a difference more than what maps of one place differ by?
        result = comparing.compare(
            pair,
            dates[0].crs,
            scenes,
            stable_pair=comparison_steps.stable_pair(PATH_TO_STABLE, dates[0], grouped),
            stable_share=STABLE_SHARE,
            most_false=MOST_FALSE,
            threshold=THRESHOLD,
            min_area=MIN_AREA,
            stride=dates[0].stride,
        )
        said = [
            *comparison_steps.say(dates, pair, grouped),
            *missing,
            *comparing.messages(result, date_pairs.days_between_seasons(*dates)),
        ]
        for line in said:
            print(f"  {line}")

        # 5. Raster, table, polygons, picture, page and report
        comparison_steps.write_files(
            path,
            dates,
            result,
            grouped,
            scenes,
            said,
            command_line.constants(globals()),
            most_false=MOST_FALSE,
            quicklook=QUICKLOOK,
            html=HTML,
            polygons=POLYGONS,
        )
    comparison_steps.report_where(path, quicklook=QUICKLOOK, html=HTML, polygons=POLYGONS)


def check_settings() -> None:
    """Raise a ValueError for settings that no maps could be compared with."""
    for name, value in (("MOST_FALSE", MOST_FALSE), ("STABLE_SHARE", STABLE_SHARE)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {value}")
    if THRESHOLD is not None and not 0 < THRESHOLD <= 1:
        raise ValueError(f"THRESHOLD must be above 0 and at most 1, not {THRESHOLD}")
    if MIN_AREA < 0:
        raise ValueError(f"MIN_AREA must be 0 or more hectares, not {MIN_AREA}")


if __name__ == "__main__":
    command_line.run(main, globals())

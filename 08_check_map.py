"""Script 08: measure how right a map is, and how much land each class truly covers.

Without a REFERENCE, cells of the map are drawn at random, and a page is made on which their windows
are labelled by keys, without seeing what the map says. The file that this page saves is the
REFERENCE of the next call. Labelled points or polygons of one's own, another raster or an extract
of OpenStreetMap will do as well; what follows from each for the map as a whole differs, and the
report says it.

Reads    PATH_TO_MAP: a label map of script 06; PATH_TO_IMAGE: the scene, for the page
         REFERENCE: labels saved by the page, points.gpkg or points.csv of the first call with its
         column "class" filled in, points or polygons of one's own (GeoPackage, GeoJSON, shapefile,
         CSV), a raster of classes (GeoTIFF), or OpenStreetMap (.osm.pbf, .osm, GeoJSON)
Writes   first call, into PATH_TO_CHECK: label.html, points.gpkg, points.csv, design.json
         next call, into a folder there named after the reference: report.md and report.json (with
         accuracies and areas, and 95 % intervals of what the sample allows), report.png, and for
         points checked_points.gpkg and map.html; of a random sample, the map's own page and
         settings say then how right the map is, in place of how right its model was
Run      python 08_check_map.py --path-to-map maps/scene_label.tif
         python 08_check_map.py --path-to-map maps/scene_label.tif --reference scene_labels.json

Every label stays in the browser until it is saved; half a sample is a sample too, only a wider one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from landuse import choices, command_line, files

if TYPE_CHECKING:
    from landuse.map_checking.map_checks import MapCheck
    from landuse.rasters.label_maps import LabelMap
    from landuse.scenes.scene_reader import Scene

# Paths
PATH_TO_MAP = "maps/scene_label.tif"  # label map, made by script 06
PATH_TO_IMAGE: str | None = "data/sample/scene.tif"  # the scene of the map; None: no page
REFERENCE: str | None = None  # what is true; None: draw a sample to label
PATH_TO_CHECK: str | None = None  # folder of what is written; None: <map>_check beside the map

# Sample
DESIGN: Literal["stratified", "random"] = "stratified"  # by class of the map, or everywhere alike
HALF_WIDTH = 0.05  # of the 95 % interval of overall accuracy; 0.025 takes four times the labels
EXPECTED_ACCURACY = 0.8  # of the map; with HALF_WIDTH it gives the size of the sample
SAMPLE_SIZE: int | None = None  # points, in place of the two above
FLOOR = 25  # points of each class at least, of rare ones too (stratified)
SEED = 42  # another draws other points

# Reference
UNIT: Literal["window", "cell"] = "window"  # what gets a class: the window of a cell, or itself
CLASS_ATTRIBUTE: str | None = None  # of points and polygons; None: class, label, landuse ...
CLASS_TABLE: str | None = None  # CSV reference,class; for OpenStreetMap key,value,class,...
REFERENCE_CRS: str | None = None  # of a CSV or shapefile that says none: EPSG:32632
REFERENCE_SAMPLE: Literal["unknown", "random", "stratified"] = "unknown"  # how own points are drawn

# Scene
GRANULE: str | None = None  # which one, when an old product holds several


def main() -> None:
    """Draw a sample to label, or compare the map with a reference."""
    check_settings()
    from landuse.evaluation import reports
    from landuse.rasters import label_maps

    # The map
    label_map = label_maps.read_label_map(PATH_TO_MAP)
    if label_map.metadata.get("METHOD") == "pixels" and UNIT == "window":
        raise ValueError(
            f"{PATH_TO_MAP} gives each pixel a class of its own (script 11), not each window: set "
            "UNIT = 'cell' (--unit cell)"
        )
    beside = Path(PATH_TO_MAP).with_name(f"{name_of_map()}_check")
    folder = Path(PATH_TO_CHECK or beside)
    print(f"map: {PATH_TO_MAP}, {label_map.counts.sum():,} cells with a class")
    if REFERENCE is None:
        draw(label_map, folder)
        return

    # The map against the reference
    check = compare(label_map, REFERENCE)

    # The report
    reports.make_folder(folder)
    report_folder = reports.make_folder(folder / Path(REFERENCE).name.split(".")[0])
    with files.lock(report_folder, "writing the report"):
        figures = write(report_folder, label_map, check)
    print_summary(figures)
    tell_beside_map(label_map, figures, report_folder)
    print(f"report: {report_folder / 'report.md'}")


def check_settings() -> None:
    """Raise a ValueError for settings that no map could be checked with."""
    for name, value, known in (
        ("DESIGN", DESIGN, ("stratified", "random")),
        ("UNIT", UNIT, ("window", "cell")),
        ("REFERENCE_SAMPLE", REFERENCE_SAMPLE, ("unknown", "random", "stratified")),
    ):
        choices.check_choice(name, value, known)
    for name, share in (("HALF_WIDTH", HALF_WIDTH), ("EXPECTED_ACCURACY", EXPECTED_ACCURACY)):
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {share}")
    for name, number in (("SAMPLE_SIZE", SAMPLE_SIZE), ("FLOOR", FLOOR)):
        if number is not None and number < 2:
            raise ValueError(f"{name} must be 2 or more, not {number}")
    for name, path in (("PATH_TO_MAP", PATH_TO_MAP), ("REFERENCE", REFERENCE)):
        if path is not None and not Path(path).exists():
            raise FileNotFoundError(f"{name}: {path} does not exist")
    if REFERENCE is not None and Path(REFERENCE).resolve() == Path(PATH_TO_MAP).resolve():
        raise ValueError(f"REFERENCE is the map itself: {REFERENCE}")


def name_of_map() -> str:
    """Name the map by its file, without "_label"."""
    return Path(PATH_TO_MAP).stem.removesuffix("_label")


# ---- the sample


def draw(label_map: "LabelMap", folder: Path) -> None:
    """Draw a sample, and write its points and the page to label them on."""
    from landuse.evaluation import reports
    from landuse.map_checking import drawn_samples

    sample = drawn_samples.draw_sample(
        label_map, DESIGN, HALF_WIDTH, EXPECTED_ACCURACY, SAMPLE_SIZE, FLOOR, SEED, UNIT
    )
    for text in drawn_samples.describe(sample, EXPECTED_ACCURACY):
        print(f"  {text}")
    design = folder / drawn_samples.DESIGN_FILE
    if design.exists():
        drawn_samples.check_same(sample, files.read_json(design), design)
        print(f"  this sample lies in {folder} already; labels of it stay good")
    scene = open_scene()
    if scene is not None:
        drawn_samples.squares(sample, scene, label_map)  # an error before anything is written
    reports.make_folder(folder)
    with files.lock(folder, "drawing the sample"):
        if not design.exists():
            drawn_samples.write_points(folder, sample)
        if scene is not None:
            with scene:
                drawn_samples.write_page(
                    folder,
                    sample,
                    scene,
                    label_map,
                    f"{name_of_map()}_labels.json",
                    f"python 08_check_map.py --path-to-map {PATH_TO_MAP} "
                    f"--reference {name_of_map()}_labels.json",
                )
        files.write_json(design, sample.about())  # the last: where it is, the sample is complete
    say_what_to_do(folder, scene is not None)


def open_scene() -> "Scene | None":
    """Open the scene in true colour and infrared; None where none is named."""
    from landuse.scenes import scene_windows

    if PATH_TO_IMAGE is None:
        return None
    if not Path(PATH_TO_IMAGE).exists():
        raise FileNotFoundError(
            f"PATH_TO_IMAGE: {PATH_TO_IMAGE} does not exist; name the scene that the map was made "
            "from, or None"
        )
    return scene_windows.open_for_pictures(PATH_TO_IMAGE, granule=GRANULE)


def say_what_to_do(folder: Path, with_page: bool) -> None:
    """Print where the sample is and what comes next."""
    from landuse.map_checking import drawn_samples

    points = folder / drawn_samples.POINTS_FILE
    if with_page:
        page = folder / drawn_samples.PAGE_FILE
        print(f"page: {page} ({page.stat().st_size / 1e6:.1f} MB)")
        print(f"open it in a browser, label, save, then: --reference {name_of_map()}_labels.json")
    print(f"points: {points} (or fill in the column class there, then: --reference {points})")


# ---- the reference


def compare(label_map: "LabelMap", reference: str) -> "MapCheck":
    """Compare the map with what a reference of any kind says."""
    from landuse.evaluation import class_tables, osm_tables
    from landuse.map_checking import map_checks, point_checks, reference_cells
    from landuse.outputs import labelling_page
    from landuse.rasters import labelled_features, osm_features

    if CLASS_ATTRIBUTE is None and osm_features.is_osm(reference):
        tags = osm_tables.read_osm_table(
            CLASS_TABLE or osm_tables.EUROSAT_TABLE, label_map.class_names
        )
        print(f"reference: OpenStreetMap, {osm_features.CREDIT}")
        cells = reference_cells.from_osm(label_map, reference, UNIT, tags)
        return map_checks.check_cells(label_map, cells, "osm", reference)

    table = class_tables.read_class_table(CLASS_TABLE) if CLASS_TABLE is not None else None
    if labelling_page.is_saved_labels(reference):
        print("reference: labels of the page")
        sample, labels = point_checks.saved_sample(reference)
        return point_checks.check_sample(label_map, sample, labels, table, reference)

    if Path(reference).suffix.lower() in reference_cells.RASTER_SUFFIXES:
        print("reference: another raster")
        cells = reference_cells.from_raster(label_map, reference, UNIT, table)
        warning = "another map has errors of its own; agreement with it is not accuracy"
        return map_checks.check_cells(label_map, cells, "cells", reference, [warning])

    features = labelled_features.read_labelled_features(
        reference, label_map.crs, CLASS_ATTRIBUTE, REFERENCE_CRS
    )
    filled = point_checks.filled_in_sample(features)
    if filled is not None:
        print("reference: the points that were drawn, with their classes filled in")
        return point_checks.check_sample(label_map, *filled, table, reference)
    if features.is_point.any():
        print("reference: labelled points")
        return point_checks.check_points(label_map, features, REFERENCE_SAMPLE, table)
    print("reference: labelled polygons")
    cells = reference_cells.from_polygons(label_map, features, UNIT, table)
    warnings = [
        "the places of polygons are chosen by somebody, and cells of one polygon are alike: the "
        "shares below are those of these cells, not of the map",
        *point_checks.say_training(features),
    ]
    return map_checks.check_cells(label_map, cells, "cells", reference, warnings)


# ---- what comes out


def write(folder: Path, label_map: "LabelMap", check: "MapCheck") -> dict[str, Any]:
    """Write report and picture, and the points on the map."""
    from landuse.map_checking import check_figures, check_pages, check_reports

    figures = check_reports.figures_of(check)
    if check.points is not None:
        check_pages.write_points(folder / "checked_points.gpkg", check, label_map.crs)
        scene = open_scene() if PATH_TO_IMAGE and Path(PATH_TO_IMAGE).exists() else None
        check_pages.write_map_page(folder / "map.html", label_map, check, scene, figures)
        if scene is not None:
            scene.close()
    check_figures.write_picture(folder / "report.png", figures)
    check_reports.write_report(folder, figures)
    return figures


def tell_beside_map(label_map: "LabelMap", figures: dict[str, Any], report_folder: Path) -> None:
    """Let the map's own page and settings say how right it is, where a random sample tells it."""
    from landuse.map_checking import check_pages, checked_maps

    told = check_pages.trust_of(label_map, figures)
    if "area_shares" not in figures or told is None:
        return
    base = Path(PATH_TO_MAP).with_name(name_of_map())
    changed = checked_maps.tell(base, told, report_folder / "report.md")
    if changed:
        print(f"these say so now, in place of the model's accuracy: {', '.join(map(str, changed))}")


def print_summary(figures: dict[str, Any]) -> None:
    """Print the most important figures."""
    for text in figures["warnings"]:
        print(f"  warning: {text}")
    overall = figures["overall_accuracy"]
    name = "overall accuracy" if "area_shares" in figures else "agreement"
    text = f"  {name} {100 * overall['value']:.1f} %"
    if overall["low"] is not None:
        text += f" (95 %: {100 * overall['low']:.1f} to {100 * overall['high']:.1f})"
    print(text)
    for class_name, area in figures.get("area_hectares", {}).items():
        half = area["value"] - area["low"], area["high"] - area["value"]
        print(f"  {class_name:22} {area['value']:10,.0f} ha +- {max(half):,.0f}")


if __name__ == "__main__":
    command_line.run(main, globals())

r"""Script 10: choose the windows whose labels help most, and make the page to label them on.

Takes the windows that the map is most in doubt of, from each class in turn, apart from each other
and from those that are labelled. A map that was made with DOUBT or ALL_PROBABILITIES tells doubt
best.

Reads    PATH_TO_MAP: a label map of script 06, and its probability image; PATH_TO_IMAGE: the scene
         PATH_TO_KNOWN: folders that 00_cut_patches.py made, labels that a page saved
Writes   into PATH_TO_WINDOWS: label.html, windows.gpkg (with a column "class" to fill in), and
         windows.json
Run      python 10_choose_windows.py --path-to-map maps/scene_label.tif --path-to-known my_data

Label on the page, save, and give the file to 00_cut_patches.py beside the labels that you had.
These windows are no sample of the map: how right it is tells script 08.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from landuse import command_line, files

if TYPE_CHECKING:
    import numpy as np

    from landuse.cutting import window_files
    from landuse.rasters.label_maps import LabelMap

# Paths
PATH_TO_MAP = "maps/scene_label.tif"  # label map, made by script 06
PATH_TO_PROB_IMAGE: str | None = None  # None: beside the map, _probability in place of _label
PATH_TO_IMAGE: str | None = "data/sample/scene.tif"  # the scene of the map; None: no page
PATH_TO_KNOWN: str | list[str] | None = None  # patches that were cut, labels that were saved
PATH_TO_WINDOWS: str | None = None  # folder of what is written; None: <map>_next beside the map

# Windows
WINDOWS = 20  # how many; label them, train anew, map anew, and choose the next ones
FURTHER_CLASSES: list[str] = []  # that can be chosen on the page, besides those of the map
GRANULE: str | None = None  # which one, when an old product holds several


def main() -> None:
    """Choose windows and write them for the labeller."""
    if WINDOWS < 1:
        raise ValueError(f"WINDOWS must be 1 or more, not {WINDOWS}")
    from landuse.cutting import window_files
    from landuse.evaluation import reports
    from landuse.rasters import label_maps
    from landuse.scenes import scene_windows

    # The map, and where it is in doubt
    label_map = label_maps.read_label_map(PATH_TO_MAP)
    doubt = read_doubt(label_map)
    known = window_files.read_known(known_paths(), label_map.crs)
    print(f"map: {PATH_TO_MAP}; {len(known.names):,} windows have a label")

    # The windows
    places, mapped, doubts = choose(label_map, doubt, known)
    about = window_files.about_windows(label_map, places)
    for name in sorted(set(mapped)):
        print(f"  {mapped.count(name)} windows that the map calls {name}")

    # Step 3: points and page
    name = Path(PATH_TO_MAP).stem.removesuffix("_label")
    folder = Path(PATH_TO_WINDOWS or Path(PATH_TO_MAP).with_name(f"{name}_next"))
    saved = f"{name}_next_labels.json"
    if is_there(folder, about):
        print(f"these windows lie there already: {folder}")
        return
    scene = None
    if PATH_TO_IMAGE is not None:
        scene = scene_windows.open_for_pictures(PATH_TO_IMAGE, granule=GRANULE)
        window_files.corners_of(places, label_map.crs, scene)  # an error before all is written
    reports.make_folder(folder)
    with files.lock(folder, "choosing windows"):
        window_files.write_points(folder / window_files.POINTS_FILE, about, mapped, doubts)
        if scene is not None:
            with scene:
                window_files.write_page(
                    folder / window_files.PAGE_FILE,
                    about,
                    scene,
                    [*label_maps.judged_classes(label_map.class_names), *new_classes(label_map)],
                    saved,
                    f"python 00_cut_patches.py --path-to-image {PATH_TO_IMAGE} --path-to-labels "
                    f"YOUR_LABELS {saved}",
                )
        files.write_json(folder / window_files.ABOUT_FILE, about)
    print(f"points: {folder / window_files.POINTS_FILE} (fill in the column class), or")
    if scene is not None:
        print(f"page: {folder / window_files.PAGE_FILE} (label in a browser, and save)")
    print(f"then: 00_cut_patches.py with --path-to-labels YOUR_LABELS {saved}")


def known_paths() -> list[str]:
    """Return what has labels already."""
    if PATH_TO_KNOWN is None:
        return []
    return [PATH_TO_KNOWN] if isinstance(PATH_TO_KNOWN, str) else list(PATH_TO_KNOWN)


def new_classes(label_map: "LabelMap") -> list[str]:
    """Return the classes of FURTHER_CLASSES that the map does not have."""
    return [name for name in FURTHER_CLASSES if name not in label_map.class_names]


def read_doubt(label_map: "LabelMap") -> "np.ndarray":
    """Read the doubt of each cell from the probability image."""
    from landuse.cutting import next_windows
    from landuse.mapping import plans
    from landuse.rasters import label_maps, reading

    path = plans.probability_template(PATH_TO_MAP, PATH_TO_PROB_IMAGE)
    if not Path(path).exists():
        raise FileNotFoundError(f"PATH_TO_PROB_IMAGE: {path} does not exist; script 06 writes it")
    bands, info = reading.read_raster(path)
    if bands.shape[:2] != label_map.labels.shape:
        raise ValueError(
            f"{path} has {bands.shape[0]}x{bands.shape[1]} cells, {PATH_TO_MAP} has "
            f"{label_map.labels.shape[0]}x{label_map.labels.shape[1]}: give that of this map"
        )
    names = label_maps.judged_classes(label_map.class_names)
    return next_windows.doubt_of(bands, list(info.band_names), names)


def choose(
    label_map: "LabelMap", doubt: "np.ndarray", known: "window_files.Known"
) -> "tuple[np.ndarray, list[str], np.ndarray]":
    """Choose windows: the places of their middles, what the map says there, and its doubt."""
    import numpy as np

    from landuse.cutting import next_windows
    from landuse.map_checking import reference_cells

    stride = reference_cells.stride_of(label_map)
    if stride is None:
        raise ValueError(
            f"{PATH_TO_MAP} does not say how wide its cells are (STRIDE): is it a map of script 06?"
        )
    counts = np.array([known.names.count(name) for name in label_map.class_names])
    left, width, _, top, _, height = label_map.geotransform
    at = [(known.places[:, 1] - top) / height - 0.5, (known.places[:, 0] - left) / width - 0.5]
    rows, columns = next_windows.choose_cells(
        label_map.labels, doubt, stride, WINDOWS, np.column_stack(at), counts
    )
    if not len(rows):
        raise ValueError(f"{PATH_TO_MAP} has no room for a window beside those that have a label")
    if len(rows) < WINDOWS:
        print(f"  only {len(rows)} windows have room side by side")
    mapped = [label_map.class_names[index] for index in label_map.labels[rows, columns]]
    return label_map.centres(rows, columns), mapped, doubt[rows, columns]


def is_there(folder: Path, about: dict[str, Any]) -> bool:
    """Tell whether these windows lie in a folder; an error if others do, perhaps half labelled."""
    from landuse.cutting import window_files

    path = folder / window_files.ABOUT_FILE
    if not path.exists():
        return False
    if files.read_json(path) == about:
        return True
    raise ValueError(
        f"{folder} holds windows of another map or choice, which may be half labelled: name "
        "another PATH_TO_WINDOWS, or remove that folder"
    )


if __name__ == "__main__":
    command_line.run(main, globals())

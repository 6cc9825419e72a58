"""Compare maps of one scene, of whatever stride, with what each of its pixels is.

Reads    PATH_TO_MAPS: label maps of script 06, by windows or by pixels
         PATH_TO_TRUTH: a raster of classes with their names, pixel by pixel
         PATH_TO_IMAGE: the scene, for the picture
Writes   PATH_TO_PICTURE: scene, truth and maps side by side
Prints   for each map the share of right pixels, mean intersection over union, boundary F1, and the
         intersection over union of each class

Run:
    python benchmarks/pixel_maps.py --path-to-maps maps/windows_label.tif maps/pixels_label.tif
"""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))

from landuse import command_line
from landuse.rasters import label_maps
from landuse.scenes import opening
from landuse.segmentation import label_grids, pixel_measures

PATH_TO_MAPS: list[str] = ["maps/windows_label.tif", "maps/pixels_label.tif"]  # of script 06
PATH_TO_TRUTH = "data/sample/scene_pixel_truth.tif"  # made by script 00
PATH_TO_IMAGE = "data/sample/scene.tif"  # the scene of both
PATH_TO_PICTURE: str | None = "pixel_maps.png"  # None: no picture
BLOCK_SIZE = 128  # px, of the blocks that intervals come from


def main() -> None:
    """Measure each map, print a table, draw the picture."""
    with opening.open_scene(PATH_TO_IMAGE, ["B04", "B03", "B02"], "rgb8") as scene:
        rgb, _ = scene.read(0, 0, scene.rows, scene.columns)
        grid = label_grids.Grid(scene.geotransform, scene.crs, scene.rows, scene.columns)
    truth = label_grids.read_labels(PATH_TO_TRUTH, grid)
    (labels,), names = label_grids.merge_classes([truth], [])
    maps = [on_pixels(path, grid, names) for path in PATH_TO_MAPS]
    for path, found in zip(PATH_TO_MAPS, maps, strict=True):
        figures = measure(labels, found, names)
        right, iou = (figures[name]["value"] for name in ("accuracy", "mean_iou"))
        edges = figures["boundary_f1"]
        print(f"{path}: right {right:.3f}, mIoU {iou:.3f}, boundary F1 {edges:.3f}")
        rows = figures["per_class"].items()
        print("  " + ", ".join(f"{name} {row['iou']:.3f}" for name, row in rows if row["pixels"]))
    if PATH_TO_PICTURE is not None:
        draw(Path(PATH_TO_PICTURE), rgb, [labels, *maps], names)


def on_pixels(path: str, grid: label_grids.Grid, names: list[str]) -> np.ndarray:
    """Give the class of each pixel of the scene by a map: that of the cell it lies in."""
    label_map = label_maps.read_label_map(path)
    left, width, _, top, _, height = grid.geotransform
    x = left + (np.arange(grid.columns) + 0.5) * width
    y = top + (np.arange(grid.rows) + 0.5) * height
    places = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    found = label_map.classes_at(places).reshape(grid.rows, grid.columns)
    table = np.array([names.index(name) for name in label_map.class_names], np.uint8)
    return np.where(found < 0, label_grids.NO_LABEL, table[found]).astype(np.uint8)


def measure(truth: np.ndarray, found: np.ndarray, names: list[str]) -> dict:
    """Give the figures of a map."""
    return pixel_measures.measure(
        pixel_measures.block_confusions(truth, found, len(names), BLOCK_SIZE),
        pixel_measures.boundary_counts(truth, found, len(names)),
        names,
    )


def draw(path: Path, rgb: np.ndarray, maps: list[np.ndarray], names: list[str]) -> None:
    """Draw the scene, the truth and the maps side by side."""
    from matplotlib.patches import Patch

    from landuse.evaluation import report_figures
    from landuse.outputs import class_colours, map_layers

    colours = class_colours.colours_of(names)
    images = [map_layers.natural_colour(rgb, "rgb8")]
    images += [map_layers.paint(labels, colours) for labels in maps]
    titles = ["scene", "truth", *(Path(path).stem.removesuffix("_label") for path in PATH_TO_MAPS)]
    figure = report_figures.new_figure(3 * len(images), 3.8)
    for axes, image, title in zip(figure.subplots(1, len(images)), images, titles, strict=True):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    entries = [
        Patch(color=class_colours.hexadecimal(colour), label=name)
        for name, colour in zip(names, colours, strict=True)
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    report_figures.save_figure(figure, path)


if __name__ == "__main__":
    command_line.run(main, globals())

"""Make the pictures of the README.

Writes
    docs/steps.png       how the data goes through the steps; drawn with patches of the sample
    docs/demo_map.png    the map of the demo, made smaller; needs a finished `make demo`
    docs/real_map.png    the labels of a map of script 06 with their legend, without the scene

Run:
    python docs/make_figures.py
    python docs/make_figures.py --path-to-demo None
    python docs/make_figures.py --path-to-demo None --path-to-label-image maps/pisa.tif
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent))  # at its end: the standard library's statistics comes first

import numpy as np  # noqa: E402

from landuse import command_line, files  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Paths
PATH_TO_DEMO: str | None = "demo"  # folder of a finished demo; None: only steps.png
PATH_TO_LABEL_IMAGE: str | None = None  # of a real place, made by script 06; None: no real_map.png
PATH_TO_PICTURES = str(FOLDER)  # folder to write to

# Pictures
MAP_WIDTH = 1500  # px of demo_map.png
RESOLUTION = 150  # dots per inch of steps.png
SEED = 42  # of the patches and the scene in steps.png

_INK, _SOFT, _LINE = "#1f262d", "#5f6b76", "#8694a1"
_FILES, _STEPS = "#eef2f5", "#1f5fa8"
_WIDTH, _HEIGHT = 12.6, 6.3  # inches; the drawing's units


def main() -> None:
    """Draw the steps, and copy the demo's map."""
    path = Path(PATH_TO_PICTURES) / "steps.png"
    draw_steps(path)
    print(f"picture: {path}")
    if PATH_TO_DEMO is not None:
        copy_map(Path(PATH_TO_DEMO) / "maps" / "scene.png", path.with_name("demo_map.png"))
        print(f"picture: {path.with_name('demo_map.png')}")
    if PATH_TO_LABEL_IMAGE is not None:
        draw_labels(PATH_TO_LABEL_IMAGE, path.with_name("real_map.png"))
        print(f"picture: {path.with_name('real_map.png')}")


def copy_map(source: Path, target: Path) -> None:
    """Copy a picture at MAP_WIDTH, with few colours, so that a web page loads it quickly.

    Raises
    ------
    FileNotFoundError
        When the demo has not drawn it yet.
    """
    from PIL import Image

    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there: run make demo first")
    picture = Image.open(source).convert("RGB")
    height = round(picture.height * MAP_WIDTH / picture.width)
    picture = picture.resize((MAP_WIDTH, height), Image.Resampling.LANCZOS)
    with files.atomic_path(target) as temporary:
        picture.quantize(256).save(temporary, optimize=True)


def draw_labels(source: str, target: Path) -> None:
    """Draw a label map with a scale bar and the shares of its classes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from landuse.outputs import class_colours, quicklooks
    from landuse.rasters import geotransforms, reading

    pixels, info = reading.read_raster(source)
    labels, names = np.squeeze(pixels), [name for name in info.category_names if name]
    colours = class_colours.colours_of(names)
    picture = np.full((*labels.shape, 3), 255, np.uint8)
    for label, colour in enumerate(colours):
        picture[labels == label] = colour
    shares = np.bincount(labels[labels < len(names)], minlength=len(names)) / labels.size
    with rc_context({"font.family": "DejaVu Sans", "font.size": 11}):
        figure = Figure(figsize=(9, 5.4), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.02, 0.03, 0.57, 0.94))
        left, bottom, right, top = bounds = geotransforms.extent(info.geotransform, labels.shape)
        axes.imshow(picture, extent=(left, right, bottom, top), interpolation="nearest")
        quicklooks.draw_scale_bar(axes, bounds)
        axes.set(xticks=[], yticks=[])
        patches = [
            Patch(
                facecolor=class_colours.hexadecimal(colours[label]),
                edgecolor=_LINE,
                label=f"{100 * shares[label]:.0f} % {names[label]}",
            )
            for label in np.argsort(-shares)
            if shares[label] >= 0.005
        ]
        figure.legend(handles=patches, loc="center left", bbox_to_anchor=(0.61, 0.5), frameon=False)
        with files.atomic_path(target) as temporary:
            figure.savefig(temporary, format="png", dpi=120)


def draw_steps(path: Path) -> None:
    """Draw how the data goes through the steps."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.family": "DejaVu Sans", "text.parse_math": False}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
        axes.axis("off")
        _draw_training(axes)
        _draw_mapping(axes)
        with files.atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=RESOLUTION, metadata={"Software": None})


def _draw_training(axes: "Axes") -> None:
    """Upper row: from patches to a model."""
    _draw_title(axes, 0.35, 5.95, "Learn", "once, from labelled patches")
    _draw_patches(axes, 0.35, 3.65, 1.95)
    _draw_caption(axes, 1.325, 3.5, "patches", "one folder per class")
    _draw_step(axes, 3.65, 4.62, "01", "split", "train, validation, test")
    _draw_step(axes, 5.9, 4.62, "", "statistics", "mean and spread of bands")
    training = "02 to 05"
    _draw_step(axes, 8.2, 4.62, training, "train", "ResNet9, VGG16, DenseNet201", 1.75)
    _draw_model(axes, 10.95, 4.62)
    _draw_step(axes, 11.5, 3.14, "07", "evaluate", "a report with figures", 1.55)
    for start, end in ((2.38, 2.8), (4.5, 5.05), (6.75, 7.28), (9.12, 9.98)):
        _draw_arrow(axes, (start, 4.62), (end, 4.62))
    _draw_arrow(axes, (11.5, 3.98), (11.5, 3.54))
    axes.text(1.325, 5.68, "00  get data", ha="center", color=_STEPS, fontsize=10.5, weight="bold")


def _draw_mapping(axes: "Axes") -> None:
    """Lower row: from a scene to a map."""
    from image_functions import BANDS_MS, BANDS_RGB
    from landuse.outputs import map_layers
    from landuse.sample import landscapes

    scene, truth = landscapes.make_scene(SEED, 640)
    rgb = [BANDS_MS.index(band) for band in BANDS_RGB]
    _draw_title(axes, 0.35, 2.62, "Map", "as often as you like")
    _draw_picture(axes, 0.35, 0.5, 1.95, map_layers.natural_colour(scene[..., rgb]))
    _draw_caption(axes, 1.325, 0.35, "scene", "a Sentinel-2 product or a GeoTIFF")
    _draw_step(axes, 4.7, 1.48, "06", "classify", "the 64x64 window around each cell", 1.75)
    _draw_picture(axes, 7.0, 0.5, 1.95, _colour_windows(truth))
    _draw_caption(axes, 7.975, 0.35, "map", "GeoTIFF, picture, web page, areas")
    _draw_arrow(axes, (2.4, 1.48), (3.72, 1.48))
    _draw_arrow(axes, (5.68, 1.48), (6.9, 1.48))
    axes.plot([10.4, 10.4, 4.7, 4.7], [3.98, 3.14, 3.14, 2.2], color=_LINE, linewidth=1.6, zorder=2)
    _draw_arrow(axes, (4.7, 2.3), (4.7, 1.88))
    _draw_legend(axes, 9.2, 2.35)


def _draw_title(axes: "Axes", left: float, base: float, title: str, rest: str) -> None:
    axes.text(left, base, title, fontsize=15, weight="bold", color=_INK, va="baseline")
    offset = 0.16 + 0.155 * len(title)
    axes.text(left + offset, base, rest, fontsize=11, color=_SOFT, va="baseline")


def _draw_caption(axes: "Axes", middle: float, top: float, title: str, rest: str) -> None:
    style: dict[str, Any] = {"ha": "center", "va": "top"}
    axes.text(middle, top, title, fontsize=10.5, color=_INK, weight="bold", **style)
    axes.text(middle, top - 0.2, rest, fontsize=9, color=_SOFT, **style)


def _draw_step(
    axes: "Axes",
    middle: float,
    centre: float,
    number: str,
    name: str,
    rest: str,
    width: float = 1.6,
) -> None:
    """Draw a step as a filled box with its number, its name, and a line below it."""
    from matplotlib.patches import FancyBboxPatch

    height = 0.72
    style = "round,pad=0,rounding_size=0.12"
    corner = (middle - width / 2, centre - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, color=_STEPS, zorder=3))
    text = f"{number}  {name}" if number else name
    style_of_text: dict[str, Any] = {"ha": "center", "zorder": 4}
    axes.text(
        middle, centre, text, fontsize=11.5, color="white", weight="bold", va="center",
        **style_of_text,
    )  # fmt: skip
    axes.text(middle, centre - 0.47, rest, fontsize=9, color=_SOFT, va="top", **style_of_text)


def _draw_model(axes: "Axes", middle: float, centre: float) -> None:
    """Draw the model file as a sheet that tells what it holds."""
    from matplotlib.patches import FancyBboxPatch

    width, height = 1.85, 1.25
    style = "round,pad=0,rounding_size=0.08"
    corner = (middle - width / 2, centre - height / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner, width, height, boxstyle=style, facecolor=_FILES, edgecolor=_LINE, zorder=3
        )
    )
    axes.text(
        middle, centre + 0.4, "model.keras", fontsize=10.5, weight="bold", color=_INK, ha="center",
        va="center", zorder=4,
    )  # fmt: skip
    lines = "knows its classes,\nits bands, its statistics"
    axes.text(
        middle, centre - 0.12, lines, fontsize=9, color=_SOFT, ha="center", va="center", zorder=4,
        linespacing=1.5,
    )  # fmt: skip


def _draw_arrow(axes: "Axes", start: tuple[float, float], end: tuple[float, float]) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=14, linewidth=1.6, color=_LINE,
            shrinkA=0, shrinkB=0, zorder=2,
        )
    )  # fmt: skip


def _draw_picture(axes: "Axes", left: float, bottom: float, side: float, pixels: Any) -> None:
    from matplotlib.patches import Rectangle

    extent = (left, left + side, bottom, bottom + side)
    axes.imshow(pixels, extent=extent, interpolation="auto", zorder=3)
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    axes.add_patch(
        Rectangle((left, bottom), side, side, fill=False, edgecolor=_LINE, linewidth=0.8, zorder=4)
    )


def _draw_patches(axes: "Axes", left: float, bottom: float, side: float) -> None:
    """Draw sixteen patches of the sample as a sheet."""
    import image_functions
    from landuse.sample import landscapes, textures

    bands = [image_functions.BANDS_MS.index(band) for band in image_functions.BANDS_RGB]
    gap, across = 0.05, 4
    size = (side - gap * (across - 1)) / across
    for number in range(across**2):
        index = number % len(textures.CLASS_NAMES)
        patch = landscapes.make_patch(index, SEED, 1 + number // len(textures.CLASS_NAMES))
        row, column = divmod(number, across)
        _draw_picture(
            axes,
            left + column * (size + gap),
            bottom + side - size - row * (size + gap),
            size,
            image_functions.scale_to_rgb8(patch[..., bands]),
        )


def _colour_windows(truth: np.ndarray, stride: int = 8) -> np.ndarray:
    """Colour each cell by the class that covers most of its window: a map without mistakes."""
    from landuse.evaluation import map_accuracy
    from landuse.outputs import class_colours
    from landuse.sample import textures

    labels, _ = map_accuracy.window_majority(truth, stride)
    return np.array(class_colours.colours_of(textures.CLASS_NAMES), np.uint8)[labels]


def _draw_legend(axes: "Axes", left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    from landuse.outputs import class_colours
    from landuse.sample import textures

    for number, name in enumerate(textures.CLASS_NAMES):
        middle = top - 0.205 * number
        colour = np.array(class_colours.COLOURS[name]) / 255
        axes.add_patch(Rectangle((left, middle - 0.065), 0.22, 0.13, facecolor=colour, zorder=3))
        axes.text(left + 0.32, middle, f"{number}  {name}", fontsize=9, color=_INK, va="center")


if __name__ == "__main__":
    command_line.run(main, globals())

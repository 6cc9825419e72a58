"""How right dense maps are: against the truth of patches, and against maps window by window.

1. Patches of known classes are laid out in random order as one large mosaic, and its dense map is
   made as script 06 makes it. The label at the centre of each patch is compared with its class, and
   with what the patch gets by itself. All centres are counted; the patches along the edge of the
   mosaic see their own mirror image beyond it, so the inner ones, which have other patches on all
   sides, are counted by themselves too. Differences are paired, by patch, to the patch path of the
   patch-trained model; their 95 % intervals are those of a bootstrap over patches.
2. Scenes are mapped densely and window by window on the same grid: the share of equal labels,
   overall and where the map that is compared with is sure. A picture shows scene and both maps.
   Two models differ from each other window by window already; a row says by how much.
3. Seams: the dense map with the blocks of script 06 against one with small blocks: share of equal
   labels, overall and along the edges of the small blocks.

Run (DenseNet201, a scene of 600x600 px: some minutes):
    python benchmarks/agreement.py --path-to-model patches.keras --path-to-dense-model \
mosaics.keras --path-to-patches data/split_RGB/validation --path-to-scenes S2A_MSIL1C_X.SAFE
"""

import functools
import math
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

import image_functions
from landuse import command_line, files, map_values
from landuse.mapping import grids, map_blocks, methods, whole_scene
from landuse.scenes import thinning

# Paths
PATH_TO_MODEL = "runs/patches/model.keras"  # trained patch by patch
PATH_TO_DENSE_MODEL = "runs/mosaics/model.keras"  # trained on mosaics
PATH_TO_PATCHES: str | None = "data/split_RGB/validation"  # a folder for each class; None: none
PATH_TO_SCENES: list[str] = []  # products or rasters, any number
PATH_TO_PICTURE = "agreement_{product}.png"  # one for each scene

# Work
PATCHES = 2025  # at most, drawn with a fixed seed
STRIDE = 8  # pixels from one label to the next; 8, 16 or 32
SURE = 0.9  # probability from which a label counts as sure
SMALL_BLOCK_SIZE = 256  # pixels, side of the blocks that are compared with those of script 06
MARGIN = 64  # pixels of neighbours around each block, as script 06 has it; a multiple of STRIDE
BATCH_SIZE = 64  # windows in one call of the network
ENGINE = "keras"  # or openvino
PRECISION = "float32"  # or bfloat16

_PATCH = image_functions.PATCH_SIZE
_RESAMPLES = 10_000


def main() -> None:
    """Compare on the patches, then on each scene."""
    models, record = load_models()
    pictures = {path: picture_of(path) for path in PATH_TO_SCENES}
    print(f"{record['network']}, stride {STRIDE}, {ENGINE}, {PRECISION}")
    if PATH_TO_PATCHES is not None:
        compare_on_patches(models, record)
    for path, picture in pictures.items():
        compare_on_scene(path, models, record, picture)


def load_models():
    """Give both models by how they were trained, and the record that they must share."""
    from landuse.networks import model_files

    patch_model, record = model_files.load(PATH_TO_MODEL)
    dense_model, dense_record = model_files.load(PATH_TO_DENSE_MODEL)
    if not dense_record.get("dense"):
        raise ValueError(f"{PATH_TO_DENSE_MODEL} was not trained on mosaics")
    for name in ("class_names", "band_names", "units"):
        if record[name] != dense_record[name]:
            raise ValueError(f"{PATH_TO_MODEL} and {PATH_TO_DENSE_MODEL} have other {name}")
    return {"patch-trained": patch_model, "mosaic-trained": dense_model}, dense_record


def picture_of(path):
    picture = Path(PATH_TO_PICTURE.replace("{product}", Path(path).stem))
    files.check_can_write(picture)
    return picture


# ---- patches


def compare_on_patches(models, record):
    names = record["class_names"], record["band_names"]
    patches, truth = measuring.read_patches(PATH_TO_PATCHES, PATCHES, *names)
    right = {
        f"patch path, {training}": patch_labels(model, patches) == truth
        for training, model in models.items()
    } | {
        f"dense map, {training}": dense_labels(model, patches) == truth
        for training, model in models.items()
    }
    print(f"\n{len(patches)} patches of {PATH_TO_PATCHES}:\n")
    print_right(right, inner_of(len(patches)))


def print_right(right, inner):
    """Print how many labels are right, and the difference to the first of them.

    Parameters
    ----------
    right : dict of str to ndarray of shape (N,), bool
    inner : ndarray of shape (N,), bool
        Patches that have others on all sides.
    """
    measuring.print_header(
        "", "right, %", "inner ones", "difference, points", "95 % interval", "inner ones", "95 %"
    )
    reference = next(iter(right))
    for name, of_patches in right.items():
        texts = [f"{100 * of_patches.mean():.2f}", f"{100 * of_patches[inner].mean():.2f}"]
        for chosen in (slice(None), inner) if name != reference else ():
            difference, low, high = paired_difference(of_patches[chosen], right[reference][chosen])
            texts += [f"{difference:+.2f}", f"{low:+.2f} to {high:+.2f}"]
        measuring.print_row(name, *texts, *[""] * (6 - len(texts)))


def dense_labels(model, patches):
    """Label patches at their centres, in the dense map of a scene that is made of them."""
    scene, rows, columns = lay_out(patches)
    size = methods.DENSE_BLOCK_SIZE
    labels, _ = map_of(reader_of(scene), scene.shape[:2], model, "dense", size)
    return labels[rows, columns]


def lay_out(patches):
    """Lay patches out as one scene, such that cells of its map fall on their centres.

    The windows of a map begin STRIDE / 2 px beside multiples of 64, so the scene begins with so
    many mirrored pixels. Places that are left over at the end are filled with the first patches.

    Parameters
    ----------
    patches : ndarray of shape (N, 64, 64, bands)

    Returns
    -------
    scene : ndarray of shape (rows, columns, bands)
    rows, columns : ndarrays of shape (N,), int
        The cell of each patch in the map of the scene.
    """
    down, across = places_of(len(patches))
    filled = patches[np.arange(down * across) % len(patches)]
    grid = filled.reshape(down, across, *patches.shape[1:]).swapaxes(1, 2)
    mosaic = grid.reshape(down * _PATCH, across * _PATCH, -1)
    before = STRIDE // 2, 0
    scene = np.pad(mosaic, (before, before, (0, 0)), mode="symmetric")
    places = np.divmod(np.arange(len(patches)), across)
    rows, columns = ((place * _PATCH + _PATCH // 2) // STRIDE for place in places)
    return scene, rows, columns


def places_of(count):
    """Give the rows and columns of patches in a scene that is made of so many."""
    across = math.ceil(math.sqrt(count))
    return math.ceil(count / across), across


def inner_of(count):
    """Mark the patches that have others on all sides."""
    down, across = places_of(count)
    rows, columns = np.divmod(np.arange(count), across)
    return (rows > 0) & (rows < down - 1) & (columns > 0) & (columns < across - 1)


def patch_labels(model, patches):
    """Label each patch by itself."""
    predict = predictor(model, (BATCH_SIZE, *patches.shape[1:]), None)
    labels = []
    for first in range(0, len(patches), BATCH_SIZE):
        batch = patches[first : first + BATCH_SIZE]
        filling = np.zeros((BATCH_SIZE - len(batch), *batch.shape[1:]), batch.dtype)
        answers = predict(np.concatenate([batch, filling]).astype(np.float32))
        labels.append(answers[: len(batch)].argmax(axis=1))
    return np.concatenate(labels)


def paired_difference(right, reference):
    """Give how many points more are right than in a reference, and the ends of a 95 % interval.

    Parameters
    ----------
    right, reference : ndarrays of shape (N,), bool
        Of the same patches.
    """
    count = len(right)
    shares = np.array([(right & ~reference).sum(), (~right & reference).sum()]) / count
    drawn = np.random.default_rng(0).multinomial(
        count, [*shares, 1 - shares.sum()], size=_RESAMPLES
    )
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count, (2.5, 97.5))
    return 100 * (shares[0] - shares[1]), 100 * low, 100 * high


# ---- scenes


def compare_on_scene(path, models, record, picture):
    from landuse.scenes import opening

    with opening.open_scene(path, record["band_names"], record["units"]) as scene:
        shape, name = (scene.rows, scene.columns), scene.name
        by_patches = {
            training: map_of(scene.read, shape, model, "windows", map_blocks.BLOCK_SIZE)
            for training, model in models.items()
        }
        dense_model = models["mosaic-trained"]
        dense, in_blocks = (
            map_of(scene.read, shape, dense_model, "dense", size)
            for size in (methods.DENSE_BLOCK_SIZE, SMALL_BLOCK_SIZE)
        )
    print(f"\n{name}, {shape[0]}x{shape[1]} px, {dense[0].size:,} labels:\n")
    print_agreement(dense, by_patches)
    print_seams(dense[0], in_blocks[0], grids.scene_grid(shape, STRIDE))
    maps = {
        "Window by window, patch-trained": by_patches["patch-trained"][0],
        "Dense map, mosaic-trained": dense[0],
    }
    draw(picture, read_picture(path, record["units"]), maps, record["class_names"], name)
    print(f"\npicture: {picture}")


def print_agreement(dense, by_patches):
    sure = f"where the second is sure ({SURE:g} or more)"
    measuring.print_header("labels that agree", "overall", sure, "share that is sure")
    pairs = {
        "dense map and patch path, patch-trained": (dense, by_patches["patch-trained"]),
        "dense map and patch path, mosaic-trained": (dense, by_patches["mosaic-trained"]),
        "patch paths, mosaic-trained and patch-trained": (
            by_patches["mosaic-trained"],
            by_patches["patch-trained"],
        ),
    }
    for name, ((labels, _), (others, probability)) in pairs.items():
        known = others != map_values.NODATA
        is_sure = known & (probability >= SURE)
        agree = [share_equal(labels, others, where) for where in (known, is_sure)]
        measuring.print_row(name, *agree, f"{100 * is_sure.sum() / known.sum():.1f} %")


def share_equal(labels, others, where):
    return f"{100 * (labels == others)[where].mean():.1f} %" if where.any() else "none"


def print_seams(labels, in_blocks, grid):
    known = labels != map_values.NODATA
    blocks = map_blocks.blocks_of(grid, methods.DENSE_BLOCK_SIZE, "dense")
    small_blocks = map_blocks.blocks_of(grid, SMALL_BLOCK_SIZE, "dense")
    differ = known & (labels != in_blocks)
    along_edges = known & edges_of(small_blocks, grid.shape)
    print(
        f"\nseams: {100 * (1 - differ.sum() / known.sum()):.2f} % equal labels in {len(blocks)} "
        f"and in {len(small_blocks)} blocks; {differ[along_edges].sum()} of the "
        f"{along_edges.sum()} labels along the edges of blocks differ"
    )


def edges_of(blocks, shape):
    """Mark the cells whose neighbour to any side lies in another block."""
    numbers = np.zeros(shape, int)
    for number, block in enumerate(blocks):
        numbers[block.cells] = number
    around = np.pad(numbers, 1, mode="edge")
    neighbours = around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]
    return np.any([neighbour != numbers for neighbour in neighbours], axis=0)


def read_picture(path, units):
    """Read a scene in natural colour, coarse enough for a picture."""
    from landuse.outputs import map_layers
    from landuse.scenes import opening

    with opening.open_scene(path, image_functions.BANDS_RGB, units) as scene:
        step = -(-max(scene.rows, scene.columns) // map_layers.LARGEST_PICTURE)
        rgb = thinning.read_thinned(scene.read, (0, 0, scene.rows, scene.columns), step)
    return map_layers.natural_colour(rgb, units)


def draw(path, rgb, maps_of, class_names, title):
    """Write a picture of a scene and maps of it side by side, with their legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from landuse.outputs import class_colours, map_layers

    colours = class_colours.colours_of(class_names)
    table = np.full((256, 3), map_layers.NEUTRAL, np.uint8)
    table[: len(colours)] = colours
    panels = {"Scene": rgb} | {name: table[labels] for name, labels in maps_of.items()}
    figure = Figure(figsize=(5 * len(panels), 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, (name, picture) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set(title=name, xticks=[], yticks=[])
    patches = [
        Patch(color=np.array(colour) / 255, label=name)
        for name, colour in zip(class_names, colours, strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=5, frameon=False)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


# ---- maps of both


def reader_of(scene):
    """Make the function that reads windows of an array."""

    def read(row, column, rows, columns):
        pixels = scene[row : row + rows, column : column + columns]
        return pixels, np.ones(pixels.shape[:2], bool)

    return read


def map_of(read, shape, model, method, block_size):
    """Classify a scene as script 06 does: labels and probabilities, (cell rows, cell columns)."""
    grid, bands = grids.scene_grid(shape, STRIDE), model.input_shape[-1]
    if method == "dense":
        call_shape = (1, *methods.dense_block_shape(grid, block_size, MARGIN), bands)
    else:
        call_shape = (BATCH_SIZE, _PATCH, _PATCH, bands)
    with tempfile.TemporaryDirectory() as folder:
        result = whole_scene.classify_scene(
            read,
            shape,
            predictor(model, call_shape, STRIDE if method == "dense" else None),
            STRIDE,
            model.output_shape[-1],
            Path(folder) / "map",
            {},
            method=method,
            batch_size=BATCH_SIZE,
            block_size=block_size,
            margin=MARGIN,
            mirror_nodata=True,
            probability_type="float32",
        )
        return np.array(result.labels), np.array(result.probability)


@functools.cache
def predictor(model, shape, dense_stride):
    """Make a predict function once for all maps."""
    from landuse.networks import engines

    return engines.make_predict(model, shape, ENGINE, PRECISION, dense_stride)


if __name__ == "__main__":
    command_line.run(main, globals())

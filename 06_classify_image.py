"""Step 6: map the land use of a scene, or name the class of single patches.

Each cell of the map gets the class of the 64x64 window centred on it; with STRIDE = 8 a cell is
8 px wide (80 m for Sentinel-2). At the scene's edges its reflection stands in for what is beyond.
An image of exactly 64x64 px is a patch: its classes and their probabilities are printed.

Reads    PATH_TO_IMAGE: an L1C or L2A product (.SAFE folder, .SAFE.zip, MTD_*.xml), a folder of
         single-band files, a GeoTIFF or VRT; several of them; or patches of 64x64 px
         PATH_TO_MODEL: a model.keras that a training step wrote; it knows its bands and classes
Writes   PATH_TO_LABEL_IMAGE (and beside it .qml, .png, .html, _areas.csv, _settings.json) and
         PATH_TO_PROB_IMAGE
Run      python 06_classify_image.py --path-to-image data/sample/scene.tif

Stopped at any moment, it goes on where it was when it is started again with the same settings;
until it is complete, the map is kept in <label image>.partial.
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import image_functions
from landuse import command_line, engines, files, mapping, model_files

if TYPE_CHECKING:
    import keras

    from landuse.scenes import Scene

# Paths
PATH_TO_IMAGE: str | list[str] = "data/sample/scene.tif"  # scene or scenes, or 64x64 patches
PATH_TO_MODEL = "runs/05_train_ms_from_scratch_DenseNet201/model.keras"  # made by a training step
PATH_TO_LABEL_IMAGE = "maps/{product}_label.tif"  # class numbers; {product}: name of the scene
PATH_TO_PROB_IMAGE = "maps/{product}_probability.tif"  # probability of the label

# Map
STRIDE = 8  # px from one cell of the map to the next; 1: a label for every pixel, 64 times slower
BOUNDS: tuple[float, float, float, float] | str | None = None  # left bottom right top, or a file
MIN_PROBABILITY = 0.0  # 0.5: labels that are less probable become the class "uncertain"
PROBABILITY_TYPE: Literal["uint8", "float32"] = "uint8"  # percent, or 0..1
ALL_PROBABILITIES = False  # one more band for each class in the probability image

# Scene
RADIOMETRIC_OFFSET: float | Literal["auto"] = "auto"  # DN added; auto: as the product says
GRANULE: str | None = None  # which one, when an old product holds several
MASK_CLOUDS = False  # clouds of the product's own mask become nodata
STRICT = False  # stop when the scene does not look like the model's training data

# Further output
QUICKLOOK = True  # a picture (.png) of scene and map
HTML = True  # a page to look at the map in a browser
POLYGONS = False  # the classes as polygons (.gpkg)

# Computing
METHOD: Literal["auto", "windows", "dense"] = "auto"  # dense: needs a model trained for it
ENGINE: Literal["keras", "openvino"] = "keras"  # openvino: pip install openvino
PRECISION: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where it is fast
BATCH_SIZE = 64  # windows per call of the network
BLOCK_SIZE = 1024  # px, side of the pieces in which a scene is read, classified and saved


def main() -> None:
    """Map each scene with the model, or name the classes of patches."""
    images = check_images(PATH_TO_IMAGE)
    check_settings()
    record = model_files.read_record(PATH_TO_MODEL)
    if are_patches(images):
        show_patches(images, record)
        return
    check_templates(images)
    outcomes = Outcomes(images)
    with contextlib.ExitStack() as stack:
        taken: dict[Path, Path] = {}  # label image -> the scene it is of
        plans = [outcomes.attempt(image, plan_map, image, record, stack, taken) for image in images]
        if any(plans):
            model, _ = model_files.load(PATH_TO_MODEL)
        for plan in filter(None, plans):
            outcomes.attempt(plan.image, make_map, plan, model)
    outcomes.report()


# ---- what is cheap to check


def check_images(paths: str | list[str]) -> list[Path]:
    """Return the images as paths; one that does not exist is an error."""
    images = [Path(path) for path in ([paths] if isinstance(paths, str) else paths)]
    for image in images:
        if not image.exists():
            raise FileNotFoundError(f"PATH_TO_IMAGE: {image} does not exist")
    if not images:
        raise ValueError("PATH_TO_IMAGE is empty: name a scene or a patch")
    if len(set(images)) < len(images):
        raise ValueError("PATH_TO_IMAGE names an image twice")
    return images


def check_settings() -> None:
    """Raise a ValueError for constants that no scene could be classified with."""
    engines.check_option("METHOD", METHOD, mapping.METHODS)
    engines.check_option("ENGINE", ENGINE, engines.ENGINES)
    engines.check_option("PRECISION", PRECISION, engines.PRECISIONS)
    engines.check_option("PROBABILITY_TYPE", PROBABILITY_TYPE, mapping.PROBABILITY_TYPES)
    for name, value in (("STRIDE", STRIDE), ("BATCH_SIZE", BATCH_SIZE), ("BLOCK_SIZE", BLOCK_SIZE)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
    if not 0 <= MIN_PROBABILITY <= 1:
        raise ValueError(f"MIN_PROBABILITY must lie between 0 and 1, not {MIN_PROBABILITY}")
    if ENGINE == "openvino" and importlib.util.find_spec("openvino") is None:
        raise ValueError("ENGINE = 'openvino' needs a package: pip install openvino")


def check_templates(images: list[Path]) -> None:
    """Raise a ValueError when the outputs of several scenes, or two of one, would be one file."""
    if PATH_TO_LABEL_IMAGE == PATH_TO_PROB_IMAGE:
        raise ValueError(f"labels and probabilities cannot both be written to {PATH_TO_PROB_IMAGE}")
    for name in ("PATH_TO_LABEL_IMAGE", "PATH_TO_PROB_IMAGE"):
        template = globals()[name]
        if Path(template).suffix.lower() not in (".tif", ".tiff"):
            raise ValueError(f"{name} must end in .tif, not {Path(template).name!r}")
        if len(images) > 1 and "{product}" not in template:
            raise ValueError(f"{name} must contain {{product}} for several scenes: {template}")


# ---- patches


def are_patches(images: list[Path]) -> bool:
    """Tell whether the images are patches of 64x64 px; a mixture with scenes is an error."""
    found = [image for image in images if is_patch(image)]
    if found and len(found) < len(images):
        other = next(image for image in images if image not in found)
        raise ValueError(
            f"PATH_TO_IMAGE mixes patches and scenes: {found[0]} has 64x64 px, {other} does not; "
            f"classify them in two calls"
        )
    return bool(found)


def is_patch(image: Path) -> bool:
    """Tell whether an image is a file of exactly 64x64 px."""
    if not image.is_file() or image.suffix.lower() not in image_functions.IMAGE_SUFFIXES:
        return False
    from landuse import rasters

    info = rasters.read_info(image)
    return (info.rows, info.columns) == (image_functions.PATCH_SIZE, image_functions.PATCH_SIZE)


def show_patches(images: list[Path], record: dict[str, Any]) -> None:
    """Print the classes of patches with their probabilities, the most probable first."""
    patches = [pixels_for_model(image, record) for image in images]
    model, _ = model_files.load(PATH_TO_MODEL)
    for first in range(0, len(patches), BATCH_SIZE):
        part = slice(first, first + BATCH_SIZE)
        probabilities = np.asarray(model.predict_on_batch(np.stack(patches[part])))
        for image, values in zip(images[part], probabilities, strict=True):
            print(image)
            for index in np.argsort(-values, kind="stable"):
                print(f"  {100 * values[index]:5.1f} %  {record['class_names'][index]}")


def pixels_for_model(image: Path, record: dict[str, Any]) -> np.ndarray:
    """Read a patch in the bands and units of the model, as (64, 64, bands) float32."""
    patch = image_functions.read_patch(image)
    names, units = record["band_names"], record["units"]
    known = {3: image_functions.BANDS_RGB, 13: image_functions.BANDS_MS}
    own_names = list(known.get(patch.shape[2], ()))
    own_units = "rgb8" if patch.dtype == np.uint8 else "DN"
    if patch.shape[2] == len(names) and set(names) != set(own_names) and own_units == "DN":
        own_names = list(names)
    if not set(names) <= set(own_names) or (own_units == "rgb8" and units == "DN"):
        raise ValueError(
            f"{image} has {patch.shape[2]} bands of {patch.dtype}, but the model needs "
            f"{', '.join(names)} in {units}"
        )
    patch = patch[..., [own_names.index(name) for name in names]]
    if own_units == "DN" and units == "rgb8":
        patch = image_functions.scale_to_rgb8(patch)
    return patch.astype(np.float32)


# ---- maps


@dataclass(frozen=True)
class Plan:
    """One scene, and how it is to be mapped."""

    image: Path
    scene: "Scene"
    record: dict[str, Any]
    grid: mapping.Grid
    inside: np.ndarray | None  # cells of the area of interest
    method: str
    label: Path
    probability: Path

    @property
    def class_names(self) -> list[str]:
        """Names of the labels in order."""
        return self.record["class_names"] + (["uncertain"] if MIN_PROBABILITY > 0 else [])

    @property
    def geotransform(self) -> tuple[float, float, float, float, float, float]:
        """Where the cells lie on the ground."""
        return mapping.grid_geotransform(self.scene.geotransform, self.grid)

    @property
    def unfinished(self) -> Path:
        """Folder of the map while it is not complete."""
        return self.label.with_name(self.label.name + ".partial")

    def beside(self, ending: str) -> Path:
        """Give the path of a further file: "maps/pisa.png" beside "maps/pisa_label.tif"."""
        return self.label.with_name(self.label.stem.removesuffix("_label") + ending)


def plan_map(
    image: Path, record: dict[str, Any], stack: contextlib.ExitStack, taken: dict[Path, Path]
) -> Plan:
    """Open a scene and check, before long work, that its map can be made and written."""
    from landuse import scenes

    print(f"scene: {image}")
    scene = stack.enter_context(
        scenes.open_scene(
            image, record["band_names"], record["units"], RADIOMETRIC_OFFSET, MASK_CLOUDS, GRANULE
        )
    )
    grid, inside = area_of_interest(scene)
    plan = Plan(
        image,
        scene,
        record,
        grid,
        inside,
        mapping.choose_method(METHOD, record, grid),
        output_path(PATH_TO_LABEL_IMAGE, scene.name),
        output_path(PATH_TO_PROB_IMAGE, scene.name),
    )
    check_outputs(plan, taken)
    stack.enter_context(files.lock(plan.label, "writing the map"))
    warn(scene, scenes.check_against_model(scene, record))
    return plan


def area_of_interest(scene: "Scene") -> tuple[mapping.Grid, np.ndarray | None]:
    """Give the cells within BOUNDS, and for polygons which of them have their centre inside."""
    grid = mapping.scene_grid((scene.rows, scene.columns), STRIDE)
    if BOUNDS is None:
        return grid, None
    if not isinstance(BOUNDS, str):
        return mapping.grid_in_bounds(grid, scene.geotransform, BOUNDS), None
    from landuse import rasters

    polygons = rasters.read_polygons(BOUNDS, scene.crs)
    bounds = rasters.polygon_bounds(polygons)
    grid = mapping.grid_in_bounds(grid, scene.geotransform, bounds)
    geotransform = mapping.grid_geotransform(scene.geotransform, grid)
    inside = rasters.rasterize(polygons, geotransform, scene.crs, grid.rows, grid.columns)
    if not inside.any():
        raise ValueError(f"BOUNDS: no cell of the map has its centre in a polygon of {BOUNDS}")
    return grid, inside


def output_path(template: str, product: str) -> Path:
    """Give the path of an output that can be written; only the folder "maps" is made."""
    path = Path(template.replace("{product}", product))
    if path.parent == Path("maps") and not path.parent.exists():
        path.parent.mkdir()
    files.check_can_write(path)
    return path


def check_outputs(plan: Plan, taken: dict[Path, Path]) -> None:
    """Raise a ValueError when a map would be written over its own input, or over another map."""
    area = [BOUNDS] if isinstance(BOUNDS, str) else []
    inputs = {Path(path).resolve() for path in (plan.image, PATH_TO_MODEL, *area)}
    beside = [plan.beside(ending) for ending in (".png", ".html", ".gpkg")]
    for output in (plan.label, plan.probability, *beside):
        if output.resolve() in inputs:
            raise ValueError(
                f"the map would be written over {output}, which it is made from: choose another "
                "PATH_TO_LABEL_IMAGE or PATH_TO_PROB_IMAGE"
            )
    if plan.label.resolve() == plan.probability.resolve():
        raise ValueError(f"labels and probabilities cannot both be written to {plan.probability}")
    other = taken.setdefault(plan.label.resolve(), plan.image)
    if other != plan.image:
        raise ValueError(
            f"the maps of {other} and {plan.image} would both be written to {plan.label}: "
            "map them in two calls, with another PATH_TO_LABEL_IMAGE"
        )


def warn(scene: "Scene", warnings: list[str]) -> None:
    """Print what was assumed of a scene and what looks wrong; an error if STRICT."""
    for message in getattr(scene, "messages", ()):
        print(f"  {message}")
    if warnings and STRICT:
        raise ValueError(f"{scene.name} (STRICT): {' '.join(warnings)}")
    for warning in warnings:
        print(f"  warning: {warning}")


def make_map(plan: Plan, model: "keras.Model") -> Path:
    """Classify a scene, write its map and give the path of its labels."""
    precision = engines.resolve_precision(ENGINE, PRECISION)
    shape = call_shape(plan)
    dense_stride = STRIDE if plan.method == "dense" else None
    predict = predictor(model, shape, ENGINE, precision, dense_stride)
    announce(plan, precision, predict, shape)
    facts = describe(plan, precision)
    result = mapping.classify_scene(
        plan.scene.read,
        (plan.scene.rows, plan.scene.columns),
        predict,
        STRIDE,
        len(plan.record["class_names"]),
        plan.unfinished,
        {**facts, "image": identity(plan.image), "mask_clouds": MASK_CLOUDS},
        method=plan.method,
        batch_size=BATCH_SIZE,
        block_size=BLOCK_SIZE,
        grid=plan.grid,
        inside=plan.inside,
        fill=plan.record["statistics"].get("mean"),
        min_probability=MIN_PROBABILITY,
        probability_type=PROBABILITY_TYPE,
        all_probabilities=ALL_PROBABILITIES,
    )
    if (result.labels == mapping.NODATA_LABEL).all():
        mapping.remove_saved_blocks(plan.unfinished)
        raise ValueError(f"{plan.image} is all nodata where a map was wanted: there is none")
    write_map(plan, result, facts)
    mapping.remove_saved_blocks(plan.unfinished)
    shares = mapping.share_of_classes(result.labels, len(plan.class_names))
    named = zip(plan.class_names, shares, strict=True)
    print("  " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in named))
    return plan.label


def call_shape(plan: Plan) -> tuple[int, int, int, int]:
    """Give the shape of what the network is called with: a batch of windows, or a block."""
    bands = len(plan.record["band_names"])
    if plan.method == "dense":
        return 1, *mapping.dense_block_shape(plan.grid, BLOCK_SIZE), bands
    return BATCH_SIZE, image_functions.PATCH_SIZE, image_functions.PATCH_SIZE, bands


@functools.cache
def predictor(*arguments: Any) -> engines.Predict:
    """Make a predict function once for all scenes."""
    return engines.make_predict(*arguments)


def announce(
    plan: Plan, precision: str, predict: engines.Predict, shape: tuple[int, int, int, int]
) -> None:
    """Say what is going to be computed on what, and about how long it takes."""
    cells = plan.grid.cells if plan.inside is None else int(plan.inside.sum())
    print(f"device: {engines.describe_device(ENGINE)}, {precision}")
    print(
        f"map of {plan.scene.name}: {plan.grid.rows}x{plan.grid.columns} cells, {cells:,} windows, "
        f"method {plan.method!r}"
    )
    blocks = mapping.blocks_of(plan.grid, BLOCK_SIZE, plan.method)
    calls = len(blocks) if plan.method == "dense" else max(len(blocks), -(-cells // BATCH_SIZE))
    seconds = engines.seconds_of_calls(predict, shape, plan.scene.dtype, calls)
    print(f"estimated time: {engines.duration(seconds)}", flush=True)


def describe(plan: Plan, precision: str) -> dict[str, Any]:
    """Give what the values of a map depend on, for its metadata and for continuing it."""
    backend = engines.backend()
    return {
        "model": Path(PATH_TO_MODEL).name,
        "model_sha256": files.sha256(PATH_TO_MODEL),
        "network": plan.record["network"],
        "product": plan.scene.product,
        "product_name": plan.scene.name,
        "sensing_time": plan.scene.sensing_time,
        "stride": STRIDE,
        "method": plan.method,
        "engine": ENGINE if ENGINE == "openvino" else f"keras on {backend}",
        "precision": precision,
        "min_probability": MIN_PROBABILITY,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("keras", "openvino" if ENGINE == "openvino" else backend, "numpy")
        },
    }


def identity(image: Path) -> list[tuple[str, int, int]]:
    """Give names, sizes and times of change of a scene's files: another scene has others."""
    paths = (
        sorted(path for path in image.rglob("*") if path.is_file()) if image.is_dir() else [image]
    )
    stats = [(str(path), path.stat()) for path in paths]
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def write_map(plan: Plan, result: mapping.Result, facts: dict[str, Any]) -> None:
    """Write all files of a map, the labels last: where they are, the map is complete."""
    from landuse import maps

    place = plan.geotransform, plan.scene.crs
    maps.write_probability_map(plan.probability, *with_all_classes(plan, result, place, facts))
    bounds = maps.extent(plan.scene.geotransform, (plan.scene.rows, plan.scene.columns))
    maps.write_areas(
        plan.beside("_areas.csv"), result.labels, plan.geotransform, plan.class_names, bounds
    )
    if POLYGONS:
        maps.write_polygons(plan.beside(".gpkg"), result.labels, *place, plan.class_names)
    if QUICKLOOK or HTML:
        show_map(plan, result)
    settings = command_line.constants(globals())
    files.write_json(plan.beside("_settings.json"), {"settings": settings, **facts})
    maps.write_label_map(plan.label, result.labels, *place, plan.class_names, facts)


def with_all_classes(
    plan: Plan, result: mapping.Result, place: tuple[Any, str], facts: dict[str, Any]
) -> tuple[Any, ...]:
    """Give the arguments of the probability map, with one more band for each class if wanted."""
    if result.all_probabilities is None:
        return result.probability, *place, facts
    bands = np.concatenate([result.probability[np.newaxis], result.all_probabilities])
    names = ["probability of the label", *plan.record["class_names"]]
    return np.moveaxis(bands, 0, -1), *place, facts, names


def show_map(plan: Plan, result: mapping.Result) -> None:
    """Write the picture and the page."""
    from landuse import rasters, views

    rgb, rgb_geotransform = read_picture(plan)
    picture = plan.class_names, plan.geotransform, plan.scene.name
    options: dict[str, Any] = {
        "rgb_geotransform": rgb_geotransform,
        "subtitle": str(plan.scene.sensing_time or ""),
        "metric": bool(plan.scene.crs),
    }
    if QUICKLOOK:
        views.write_quicklook(plan.beside(".png"), rgb, result.labels, *picture, **options)
    if HTML:
        values = rgb, result.labels, result.probability
        name = rasters.crs_name(plan.scene.crs)
        views.write_html(plan.beside(".html"), *values, *picture, crs_name=name, **options)


def read_picture(plan: Plan) -> tuple[np.ndarray, tuple[float, ...]]:
    """Read the scene under the map in natural colour, coarse enough for a screen."""
    from landuse import scenes, views

    units = plan.record["units"]
    with contextlib.ExitStack() as stack:
        try:
            scene = scenes.open_scene(
                plan.image, image_functions.BANDS_RGB, units, RADIOMETRIC_OFFSET, False, GRANULE
            )
            read = stack.enter_context(scene).read
        except ValueError:  # no red, green or blue: the model's bands must do
            read = plan.scene.read
        window = mapping.pixels_in_grid(plan.grid, (plan.scene.rows, plan.scene.columns))
        step = -(-max(window[2:]) // views.LARGEST_PAGE)
        rgb = mapping.read_thinned(read, window, step)
    rgb = np.take(rgb, np.minimum((0, 1, 2), rgb.shape[2] - 1), axis=2)
    part = mapping.Grid(1, window[0], window[1], *window[2:])
    left, width, turn, top, tilt, height = mapping.grid_geotransform(plan.scene.geotransform, part)
    geotransform = (left, width * step, turn * step, top, tilt * step, height * step)
    return views.natural_colour(rgb, units), geotransform


class Outcomes:
    """What became of each scene; with several, an error of one does not stop the others."""

    def __init__(self, images: list[Path]) -> None:
        self.images = images
        self.written: dict[Path, Path] = {}
        self.errors: dict[Path, Exception] = {}

    def attempt(self, image: Path, action: Callable, *arguments: Any) -> Any:
        """Call plan_map or make_map; None after an error of input."""
        try:
            answer = action(*arguments)
        except (ValueError, OSError) as error:
            if len(self.images) == 1:
                raise
            print(f"  error: {error}")
            self.errors[image] = error
            return None
        if isinstance(answer, Path):
            self.written[image] = answer
        return answer

    def report(self) -> None:
        """Say where the maps are."""
        for image in self.images:
            whose = f"map of {image}" if len(self.images) > 1 else "map"
            print(f"{whose}: {self.written.get(image) or f'none, {self.errors[image]}'}")
        if self.errors:
            counts = f"{len(self.errors)} of {len(self.images)}"
            raise ValueError(f"{counts} scenes could not be mapped, see above")


if __name__ == "__main__":
    command_line.run(main, globals())

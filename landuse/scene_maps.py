"""The map of one scene: from the open product to finished files.

`plan_map` opens a scene and checks, before long work, that its map can be made and written.
`network_for` makes the model ready for it, `classify` gives labels and probabilities, and
`write_files` puts the map on disk, with all that helps to look at it.
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import image_functions
from landuse import (
    datasets,
    devices,
    engines,
    files,
    mapping,
    maps,
    model_files,
    rasters,
    scenes,
    views,
)

if TYPE_CHECKING:
    import keras

SUFFIXES = (".tif", ".tiff")  # of maps
FURTHER = {  # by setting: what it writes beside the labels, and the ending of that
    "QUICKLOOK": ("picture", ".png"),
    "HTML": ("page", ".html"),
    "POLYGONS": ("polygons", ".gpkg"),
}


@dataclass(frozen=True)
class Settings:
    """The constants of step 6, where they are explained; here in lower case."""

    path_to_image: str | list[str]
    path_to_model: str
    path_to_label_image: str
    path_to_prob_image: str | None
    stride: int
    bounds: Sequence[float] | str | None
    min_probability: float
    probability_type: str
    all_probabilities: bool
    radiometric_offset: float | str
    granule: str | None
    mask_clouds: bool
    strict: bool
    quicklook: bool
    html: bool
    polygons: bool
    method: str
    engine: str
    precision: str
    batch_size: int
    block_size: int | None

    @classmethod
    def of(cls, constants: dict[str, Any]) -> "Settings":
        """Make them from the constants by name, as `command_line.constants` gives them."""
        return cls(**{name.lower(): value for name, value in constants.items()})

    @property
    def probability_template(self) -> str:
        """PATH_TO_PROB_IMAGE, or by default a name like that of the labels."""
        if self.path_to_prob_image is not None:
            return self.path_to_prob_image
        label = Path(self.path_to_label_image)
        return str(beside(label, f"_probability{label.suffix}"))

    def constants(self) -> dict[str, Any]:
        """Give them as constants by name, to be kept beside the map."""
        return {name.upper(): value for name, value in asdict(self).items()}


def beside(label: Path, ending: str) -> Path:
    """Give the path of a further file: "maps/pisa.png" beside "maps/pisa_label.tif"."""
    return label.with_name(label.stem.removesuffix("_label") + ending)


# ---- what is cheap to check


def check_images(paths: str | Sequence[str]) -> list[Path]:
    """Return the images as paths; one that does not exist is an error."""
    images = [Path(path) for path in ([paths] if isinstance(paths, str) else paths)]
    for image in images:
        if not image.exists():
            raise FileNotFoundError(
                f"PATH_TO_IMAGE: {image} does not exist"
                + (" (step 00 makes the scene of the sample)" if "sample" in image.parts else "")
            )
    if not images:
        raise ValueError("PATH_TO_IMAGE is empty: name a scene or a patch")
    if len(set(images)) < len(images):
        raise ValueError("PATH_TO_IMAGE names an image twice")
    return images


def check_settings(settings: Settings) -> None:
    """Raise a ValueError for settings that no scene could be classified with."""
    engines.check_option("METHOD", settings.method, mapping.METHODS)
    engines.check_option("ENGINE", settings.engine, engines.ENGINES)
    engines.check_option("PRECISION", settings.precision, engines.PRECISIONS)
    engines.check_option("PROBABILITY_TYPE", settings.probability_type, mapping.PROBABILITY_TYPES)
    for name in ("stride", "batch_size", "block_size"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ValueError(f"{name.upper()} must be 1 or more, not {value}")
    if not 0 <= settings.min_probability <= 1:
        raise ValueError(
            f"MIN_PROBABILITY must lie between 0 and 1, not {settings.min_probability}"
        )
    if settings.engine == "openvino" and importlib.util.find_spec("openvino") is None:
        raise ValueError("ENGINE = 'openvino' needs a package: pip install openvino")
    if settings.engine == "openvino" and devices.backend() != "tensorflow":
        raise ValueError(
            f"ENGINE = 'openvino' takes models from TensorFlow, not from {devices.backend()}: set "
            "KERAS_BACKEND=tensorflow, or ENGINE = 'keras'"
        )


def check_templates(settings: Settings, images: Sequence[Path]) -> None:
    """Raise a ValueError when the outputs of several scenes, or two of one, would be one file."""
    label, probability = settings.path_to_label_image, settings.path_to_prob_image
    if label == probability:
        raise ValueError(f"labels and probabilities cannot both be written to {probability}")
    for name, template in (("PATH_TO_LABEL_IMAGE", label), ("PATH_TO_PROB_IMAGE", probability)):
        if template is None:
            continue
        if Path(template).suffix.lower() not in SUFFIXES:
            raise ValueError(f"{name} must end in .tif, not {Path(template).name!r}")
        if len(images) > 1 and "{product}" not in template:
            raise ValueError(f"{name} must contain {{product}} for several scenes: {template}")


# ---- a plan for each scene


@dataclass(frozen=True)
class Plan:
    """One scene, and how it is to be mapped.

    Attributes
    ----------
    image : Path
        As the user gave it.
    scene : Scene
        Open.
    record : dict
        Of the model.
    settings : Settings
    grid : mapping.Grid
        Of the map.
    inside : ndarray of shape (grid.rows, grid.columns), bool, or None
        Cells of the area of interest.
    method : {"windows", "dense"}
        As model, stride and cost suggest.
    label, probability : Path
        What is written.
    """

    image: Path
    scene: scenes.Scene
    record: dict[str, Any]
    settings: Settings
    grid: mapping.Grid
    inside: np.ndarray | None
    method: str
    label: Path
    probability: Path

    @property
    def class_names(self) -> list[str]:
        """Names of the labels in order."""
        uncertain = [maps.UNCERTAIN] if self.settings.min_probability > 0 else []
        return self.record["class_names"] + uncertain

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the scene."""
        return self.scene.rows, self.scene.columns

    @property
    def geotransform(self) -> rasters.Geotransform:
        """Where the cells lie on the ground."""
        return mapping.grid_geotransform(self.scene.geotransform, self.grid)

    @property
    def unfinished(self) -> Path:
        """Folder of the map while it is not complete."""
        return self.label.with_name(self.label.name + ".partial")

    def wants(self, name: str) -> bool:
        """Tell whether one of the settings in FURTHER is switched on."""
        return bool(getattr(self.settings, name.lower()))

    @property
    def outputs(self) -> dict[str, Path]:
        """What there is to look at besides the labels, by what it is."""
        further = {
            what: self.beside(ending)
            for name, (what, ending) in FURTHER.items()
            if self.wants(name)
        }
        return {"probability": self.probability, **further}

    def beside(self, ending: str) -> Path:
        """Give the path of a further file of the map."""
        return beside(self.label, ending)


def plan_map(
    image: Path,
    record: dict[str, Any],
    settings: Settings,
    stack: contextlib.ExitStack,
    others: Sequence[Plan] = (),
) -> Plan:
    """Open a scene and check, before long work, that its map can be made and written.

    Parameters
    ----------
    image : Path
        A product, a folder of bands or a raster.
    record : dict
        Of the model.
    settings : Settings
    stack : contextlib.ExitStack
        Closes the scene, and gives its outputs free for other runs.
    others : sequence of Plan
        Of the scenes before it, whose maps must not be written over.

    Raises
    ------
    ValueError, OSError
        With what is wrong and what to do.
    """
    print(f"scene: {image}")
    scene = stack.enter_context(
        scenes.open_scene(
            image,
            record["band_names"],
            record["units"],
            settings.radiometric_offset,
            settings.mask_clouds,
            settings.granule,
        )
    )
    grid, inside = area_of_interest(scene, settings)
    plan = Plan(
        image,
        scene,
        record,
        settings,
        grid,
        inside,
        mapping.choose_method(settings.method, record, grid),
        output_path(settings.path_to_label_image, scene.name),
        output_path(settings.probability_template, scene.name),
    )
    check_outputs(plan, others)
    stack.enter_context(files.lock(plan.label, "writing the map"))
    if plan.label.exists():
        print(f"  {plan.label} exists; the new map will replace it")
    warnings = [*check_model(record, image), *scenes.check_against_model(scene, record)]
    warn(scene, warnings, settings.strict)
    return plan


def area_of_interest(
    scene: scenes.Scene, settings: Settings
) -> tuple[mapping.Grid, np.ndarray | None]:
    """Give the cells within BOUNDS, and for polygons which of them have their centre inside."""
    grid, bounds = mapping.scene_grid((scene.rows, scene.columns), settings.stride), settings.bounds
    if bounds is None:
        return grid, None
    place = scene.geotransform
    system = rasters.crs_name(scene.crs) if scene.crs else ""
    if not isinstance(bounds, str):
        left, bottom, right, top = bounds
        return mapping.grid_in_bounds(grid, place, (left, bottom, right, top), system), None
    polygons = rasters.read_polygons(bounds, scene.crs)
    grid = mapping.grid_in_bounds(grid, place, rasters.polygon_bounds(polygons), system)
    geotransform = mapping.grid_geotransform(scene.geotransform, grid)
    inside = rasters.rasterize(polygons, geotransform, scene.crs, grid.rows, grid.columns)
    if not inside.any():
        raise ValueError(f"BOUNDS: no cell of the map has its centre in a polygon of {bounds}")
    return grid, inside


def output_path(template: str, product: str) -> Path:
    """Give the path of an output that can be written; only the folder "maps" is made."""
    path = Path(template.replace("{product}", product))
    if path.parent == Path("maps") and not path.parent.exists():
        path.parent.mkdir()
    files.check_can_write(path)
    return path


def check_outputs(plan: Plan, others: Sequence[Plan]) -> None:
    """Raise a ValueError when a map would be written over its own input, or over another map."""
    settings = plan.settings
    inputs = {plan.image.resolve(), Path(settings.path_to_model).resolve()}
    if isinstance(settings.bounds, str):
        inputs.add(Path(settings.bounds).resolve())
    further = [plan.beside(ending) for _, ending in FURTHER.values()]
    for output in (plan.label, plan.probability, *further):
        if output.resolve() in inputs:
            raise ValueError(
                f"the map would be written over {output}, which it is made from: choose another "
                "PATH_TO_LABEL_IMAGE or PATH_TO_PROB_IMAGE"
            )
    # The style beside each has its name, but for the ending.
    if plan.label.resolve().with_suffix("") == plan.probability.resolve().with_suffix(""):
        raise ValueError(f"labels and probabilities cannot both be written to {plan.probability}")
    for other in others:
        if plan.label.resolve() == other.label.resolve():
            raise ValueError(
                f"the maps of {other.image} and {plan.image} would both be written to "
                f"{plan.label}: map them in two calls, with another PATH_TO_LABEL_IMAGE"
            )


def check_model(record: dict[str, Any], image: Path) -> list[str]:
    """Say why a map would mean little, whatever the scene looks like.

    Parameters
    ----------
    record : dict
        Of the model.
    image : Path
        The scene.

    Returns
    -------
    list of str
        Warnings, none for a model that is good for the scene.
    """
    warnings = []
    if record.get("built_in_sample") is True and not datasets.is_of_sample(image):
        warnings.append(
            "the model has learned from the built-in sample, a made landscape, and says nothing "
            "about real land: give a model that was trained on real patches"
        )
    doubt = model_files.doubt(record)
    return [*warnings, doubt] if doubt else warnings


def warn(scene: scenes.Scene, warnings: Sequence[str], strict: bool) -> None:
    """Print what was assumed of a scene and what looks wrong; an error if strict."""
    for message in scene.messages:
        print(f"  {message}")
    if warnings and strict:
        raise ValueError(f"{scene.name} (STRICT): {'; '.join(warnings)}")
    for warning in warnings:
        print(f"  warning: {warning}")


# ---- the network, and what it says


class Network(NamedTuple):
    """A model made ready for a scene."""

    predict: engines.Predict
    shape: tuple[int, int, int, int]  # of what it is called with: a batch of windows, or a block
    method: str
    facts: dict[str, Any]  # what the values of the map depend on


def network_for(plan: Plan, model: "keras.Model") -> Network:
    """Make the model ready for a scene, and say what will be computed and how long it takes.

    Raises
    ------
    ValueError
        When METHOD = "dense" was asked for, but a layer of the network does not allow it.
    """
    precision = engines.resolve_precision(plan.settings.engine, plan.settings.precision)
    method = plan.method
    try:
        predict = predict_for(plan, model, method, precision)
    except engines.NoDenseFormError as error:
        if plan.settings.method == "dense":
            raise ValueError(f"METHOD = 'dense' is not possible: {error}") from error
        print(f"  window by window, not dense: {error}")
        method = "windows"
        predict = predict_for(plan, model, method, precision)
    facts = describe(plan, method, precision)
    network = Network(predict, call_shape(plan, method), method, facts)
    announce(plan, network, precision)
    return network


def predict_for(plan: Plan, model: "keras.Model", method: str, precision: str) -> engines.Predict:
    """Make the function from raw pixels to probabilities; scenes that are alike share it."""
    dense_stride = plan.settings.stride if method == "dense" else None
    shape = call_shape(plan, method)
    return _predict(model, shape, plan.settings.engine, precision, dense_stride)


def call_shape(plan: Plan, method: str) -> tuple[int, int, int, int]:
    """Give the shape of what the network is called with: a batch of windows, or a block."""
    bands = len(plan.record["band_names"])
    if method == "dense":
        size = mapping.block_size_for(method, plan.settings.block_size)
        return 1, *mapping.dense_block_shape(plan.grid, size), bands
    return plan.settings.batch_size, image_functions.PATCH_SIZE, image_functions.PATCH_SIZE, bands


@functools.lru_cache(maxsize=2)
def _predict(*arguments: Any) -> engines.Predict:
    """Make a predict function once for all scenes that are alike."""
    return engines.make_predict(*arguments)


def describe(plan: Plan, method: str, precision: str) -> dict[str, Any]:
    """Give what the values of a map depend on, for its metadata and for continuing it."""
    settings, backend = plan.settings, devices.backend()
    openvino = settings.engine == "openvino"
    return {
        "model": Path(settings.path_to_model).name,
        "model_sha256": files.sha256(settings.path_to_model),
        "network": plan.record["network"],
        "product": plan.scene.product,
        "product_name": plan.scene.name,
        "sensing_time": plan.scene.sensing_time,
        "stride": settings.stride,
        "method": method,
        "engine": settings.engine if openvino else f"keras on {backend}",
        "precision": precision,
        "min_probability": settings.min_probability,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("keras", "openvino" if openvino else backend, "numpy")
        },
    }


def announce(plan: Plan, network: Network, precision: str) -> None:
    """Say what is going to be computed on what, and about how long it takes."""
    settings, (rows, columns) = plan.settings, plan.grid.shape
    cells = plan.grid.cells if plan.inside is None else int(plan.inside.sum())
    print(f"device: {engines.describe_device(settings.engine)}, {precision}")
    print(
        f"map of {plan.scene.name}: {rows}x{columns} cells, {cells:,} windows, "
        f"method {network.method!r}"
    )
    block_size = mapping.block_size_for(network.method, settings.block_size)
    calls = len(mapping.blocks_of(plan.grid, block_size, network.method))
    if network.method == "windows":
        calls = max(calls, -(-cells // settings.batch_size))
    seconds = engines.seconds_of_calls(network.predict, network.shape, plan.scene.dtype, calls)
    print(f"estimated time: {engines.duration(seconds)}", flush=True)


def classify(plan: Plan, network: Network) -> mapping.Result:
    """Give labels and probabilities of a scene, going on where an earlier run was stopped.

    Raises
    ------
    ValueError
        When there is no data where the map was wanted.
    """
    settings = plan.settings
    identity = {"files": state_of(plan.scene.files()), "mask_clouds": settings.mask_clouds}
    result = mapping.classify_scene(
        plan.scene.read,
        plan.shape,
        network.predict,
        settings.stride,
        len(plan.record["class_names"]),
        plan.unfinished,
        {**network.facts, **identity},
        method=network.method,
        batch_size=settings.batch_size,
        block_size=mapping.block_size_for(network.method, settings.block_size),
        grid=plan.grid,
        inside=plan.inside,
        mirror_nodata=True,
        min_probability=settings.min_probability,
        probability_type=settings.probability_type,
        all_probabilities=settings.all_probabilities,
    )
    if (result.labels == mapping.NODATA_LABEL).all():
        mapping.remove_saved_blocks(plan.unfinished)
        raise ValueError(f"{plan.image} is all nodata where a map was wanted: there is none")
    return result


def state_of(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Give names, sizes and times of change of files: those of another scene are others."""
    stats = [(str(path), path.stat()) for path in paths]
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]


# ---- the files of a map


def write_files(plan: Plan, network: Network, result: mapping.Result) -> None:
    """Write all files of a map, the labels last: where they are, the map is complete."""
    settings, place = plan.settings, (plan.geotransform, plan.scene.crs)
    maps.write_probability_map(
        plan.probability, *with_all_classes(plan, result, place, network.facts)
    )
    bounds = maps.extent(plan.scene.geotransform, plan.shape)
    areas = maps.write_areas(
        plan.beside("_areas.csv"),
        result.labels,
        plan.geotransform,
        plan.class_names,
        bounds,
        metric=rasters.in_metres(plan.scene.crs),
    )
    if settings.polygons:
        maps.write_polygons(plan.beside(".gpkg"), result.labels, *place, plan.class_names)
    if settings.quicklook or settings.html:
        show_map(plan, network, result)
    files.write_json(
        plan.beside("_settings.json"), {"settings": settings.constants(), **network.facts}
    )
    maps.write_label_map(plan.label, result.labels, *place, plan.class_names, network.facts)
    mapping.remove_saved_blocks(plan.unfinished)
    classes = [area for area in areas if area.percent is not None]
    print("  " + ", ".join(f"{area.class_name} {area.percent:.1f} %" for area in classes))
    mention_older_files(plan)


def mention_older_files(plan: Plan) -> None:
    """Say which files beside a map were not written with it; nothing of the user's is deleted."""
    for name, (_, ending) in FURTHER.items():
        path = plan.beside(ending)
        if not plan.wants(name) and path.exists():
            print(
                f"  {path} is of an earlier map, not of this one: set {name} = True "
                f"(--{name.lower()}) to renew it"
            )


def with_all_classes(
    plan: Plan, result: mapping.Result, place: tuple[Any, str], facts: dict[str, Any]
) -> tuple[Any, ...]:
    """Give the arguments of the probability map, with one more band for each class if wanted."""
    if result.all_probabilities is None:
        return result.probability, *place, facts
    bands = np.concatenate([result.probability[np.newaxis], result.all_probabilities])
    names = ["probability of the label", *plan.record["class_names"]]
    return np.moveaxis(bands, 0, -1), *place, facts, names


def show_map(plan: Plan, network: Network, result: mapping.Result) -> None:
    """Write the picture and the page."""
    rgb, rgb_geotransform = read_picture(plan)
    picture = plan.class_names, plan.geotransform, plan.scene.name
    options: dict[str, Any] = {
        "rgb_geotransform": rgb_geotransform,
        "subtitle": str(plan.scene.sensing_time or ""),
        "caption": caption(plan.scene, network.facts),
        "metric": rasters.in_metres(plan.scene.crs),
    }
    if plan.settings.quicklook:
        views.write_quicklook(plan.beside(".png"), rgb, result.labels, *picture, **options)
    if plan.settings.html:
        values = rgb, result.labels, result.probability
        name = rasters.crs_name(plan.scene.crs)
        views.write_html(plan.beside(".html"), *values, *picture, crs_name=name, **options)


def caption(scene: scenes.Scene, facts: dict[str, Any]) -> str:
    """Say how a map was made, and whose data it shows, as the licence of Sentinel data asks."""
    how = "dense" if facts["method"] == "dense" else "window by window"
    made = f"Model {facts['model']} ({facts['network']}), stride {facts['stride']} px, {how}."
    if not (scene.level and scene.sensing_time):  # no Sentinel-2 product
        return made
    return f"{made} Contains modified Copernicus Sentinel data {scene.sensing_time[:4]}."


def read_picture(plan: Plan) -> tuple[np.ndarray, tuple[float, ...]]:
    """Read the scene under the map in natural colour, coarse enough for a screen.

    Returns
    -------
    rgb : ndarray of shape (rows, columns, 3), uint8
    geotransform : six floats
    """
    units, settings = plan.record["units"], plan.settings
    window = mapping.pixels_in_grid(plan.grid, plan.shape)
    step = -(-max(window[2:]) // views.LARGEST_PAGE)
    with contextlib.ExitStack() as stack:
        try:
            scene = scenes.open_scene(
                plan.image,
                image_functions.BANDS_RGB,
                units,
                settings.radiometric_offset,
                granule=settings.granule,
            )
            read = stack.enter_context(scene).read
        except ValueError:  # no red, green or blue: the model's bands must do
            read = plan.scene.read
        rgb = mapping.read_thinned(read, window, step)
    rgb = np.take(rgb, np.minimum((0, 1, 2), rgb.shape[2] - 1), axis=2)
    part = mapping.Grid(1, window[0], window[1], *window[2:])
    left, width, turn, top, tilt, height = mapping.grid_geotransform(plan.scene.geotransform, part)
    geotransform = (left, width * step, turn * step, top, tilt * step, height * step)
    return views.natural_colour(rgb, units), geotransform


# ---- several scenes


class Outcomes:
    """What became of each scene; with several, an error of one does not stop the others."""

    def __init__(self, images: Sequence[Path]) -> None:
        self.images = images
        self.written: dict[Path, Plan] = {}
        self.errors: dict[Path, Exception] = {}

    @contextlib.contextmanager
    def attempt(self, image: Path) -> Iterator[None]:
        """Keep an error of input for the end, if there are other scenes."""
        try:
            yield
        except (ValueError, OSError) as error:
            if len(self.images) == 1:
                raise
            print(f"  error: {error}")
            self.errors[image] = error

    def report(self) -> None:
        """Say where the maps are, and what belongs to them.

        Raises
        ------
        ValueError
            When a scene could not be mapped.
        """
        for image in self.images:
            whose = f"map of {image}" if len(self.images) > 1 else "map"
            if image in self.errors:
                print(f"{whose}: none, {self.errors[image]}")
                continue
            print(f"{whose}: {self.written[image].label}")
            for what, path in self.written[image].outputs.items():
                print(f"  {what}: {path}")
        if self.errors:
            counts = f"{len(self.errors)} of {len(self.images)}"
            raise ValueError(f"{counts} scenes could not be mapped, see above")

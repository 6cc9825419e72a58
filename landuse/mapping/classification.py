"""The model made ready for a scene, and what it says of every cell."""

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from landuse import devices, files, map_values, sensors
from landuse.mapping import map_blocks, methods, plans, saved_blocks, whole_scene
from landuse.networks import engines

if TYPE_CHECKING:
    import keras


class ReadyNetwork(NamedTuple):
    """A model made ready for a scene."""

    predict: engines.Predict
    shape: tuple[int, int, int, int]  # of what it is called with: a batch of windows, or a block
    method: str
    facts: dict[str, Any]  # what the values of the map depend on


def network_for(plan: plans.Plan, model: "keras.Model") -> ReadyNetwork:
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
    network = ReadyNetwork(predict, call_shape(plan, method), method, facts)
    announce(plan, network, precision)
    return network


def predict_for(
    plan: plans.Plan, model: "keras.Model", method: str, precision: str
) -> engines.Predict:
    """Make the function from raw pixels to probabilities; scenes that are alike share it."""
    dense_stride = plan.settings.stride if method == "dense" else None
    shape = call_shape(plan, method)
    return _predict(model, shape, plan.settings.engine, precision, dense_stride)


def call_shape(plan: plans.Plan, method: str) -> tuple[int, int, int, int]:
    """Give the shape of what the network is called with: a batch of windows, or a block."""
    bands = len(plan.record["band_names"])
    if method == "dense":
        size = methods.block_size_for(method, plan.settings.block_size)
        return 1, *methods.dense_block_shape(plan.grid, size), bands
    return plan.settings.batch_size, sensors.PATCH_SIZE, sensors.PATCH_SIZE, bands


@functools.lru_cache(maxsize=2)
def _predict(*arguments: Any) -> engines.Predict:
    """Make a predict function once for all scenes that are alike."""
    return engines.make_predict(*arguments)


def describe(plan: plans.Plan, method: str, precision: str) -> dict[str, Any]:
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


def announce(plan: plans.Plan, network: ReadyNetwork, precision: str) -> None:
    """Say what is going to be computed on what, and about how long it takes."""
    settings, (rows, columns) = plan.settings, plan.grid.shape
    cells = plan.grid.cells if plan.inside is None else int(plan.inside.sum())
    print(f"device: {engines.describe_device(settings.engine)}, {precision}")
    print(
        f"map of {plan.scene.name}: {rows}x{columns} cells, {cells:,} windows, "
        f"method {network.method!r}"
    )
    block_size = methods.block_size_for(network.method, settings.block_size)
    calls = len(map_blocks.blocks_of(plan.grid, block_size, network.method))
    if network.method == "windows":
        calls = max(calls, -(-cells // settings.batch_size))
    seconds = engines.seconds_of_calls(network.predict, network.shape, plan.scene.dtype, calls)
    print(f"estimated time: {engines.duration(seconds)}", flush=True)


def classify(plan: plans.Plan, network: ReadyNetwork) -> whole_scene.Result:
    """Give labels and probabilities of a scene, going on where an earlier run was stopped.

    Raises
    ------
    ValueError
        When there is no data where the map was wanted.
    """
    settings = plan.settings
    identity = {"files": state_of(plan.scene.files()), "mask_clouds": settings.mask_clouds}
    result = whole_scene.classify_scene(
        plan.scene.read,
        plan.shape,
        network.predict,
        settings.stride,
        len(plan.record["class_names"]),
        plan.unfinished,
        {**network.facts, **identity},
        method=network.method,
        batch_size=settings.batch_size,
        block_size=methods.block_size_for(network.method, settings.block_size),
        grid=plan.grid,
        inside=plan.inside,
        mirror_nodata=True,
        min_probability=settings.min_probability,
        probability_type=settings.probability_type,
        all_probabilities=settings.all_probabilities,
    )
    if (result.labels == map_values.NODATA).all():
        saved_blocks.remove_saved_blocks(plan.unfinished)
        raise ValueError(f"{plan.image} is all nodata where a map was wanted: there is none")
    return result


def state_of(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Give names, sizes and times of change of files: those of another scene are others."""
    stats = [(str(path), path.stat()) for path in paths]
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]

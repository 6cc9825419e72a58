"""The model made ready for a scene, and what it says of every cell."""

import functools
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from landuse import devices, files, map_values
from landuse.evaluation import prediction_sets, trust
from landuse.mapping import (
    doubt_bands,
    map_blocks,
    methods,
    pixel_blocks,
    plans,
    saved_blocks,
    whole_scene,
)
from landuse.networks import engines, stored_models
from landuse.outputs import class_colours, land_use_map
from landuse.rasters import geotransforms, remote_files


class ReadyNetwork(NamedTuple):
    """A model made ready for a scene."""

    predict: engines.Predict
    method: str
    engine: str
    precision: str
    batch_size: int  # windows in a call
    block_size: int  # px, side of the pieces done at once
    reason: str = ""  # why it is this engine
    seconds: float = 0.0  # that the whole map is expected to take


def network_for(
    plan: plans.Plan,
    model: stored_models.StoredModel,
    *,
    engine: str,
    precision: str,
    batch_size: int,
    block_size: int | None,
) -> ReadyNetwork:
    """Make the model ready for a scene, and say what will be computed and how long it takes.

    Parameters
    ----------
    plan : Plan
    model : StoredModel
    engine : {"auto", "keras", "openvino", "onnx"}
    precision : {"auto", "float32", "bfloat16"}
    batch_size : int
        Windows per call of the network.
    block_size : int or None
        Side in pixels of the pieces done at once; None: what suits the method.

    Raises
    ------
    ValueError
        When METHOD = "dense" was asked for, but a layer of the network does not allow it.
    """

    def ready(method: str, engine: str, reason: str) -> ReadyNetwork:
        chosen = engines.resolve_precision(engine, precision)
        size = methods.block_size_for(method, block_size)
        shape = call_shape(plan, method, batch_size, size)
        dense_stride = plan.grid.stride if method == "dense" else None
        predict = _predict(model, shape, engine, chosen, dense_stride)
        return ReadyNetwork(predict, method, engine, chosen, batch_size, size, reason)

    told: list[Exception] = []  # one engine may try after the other

    def ready_by(engine: str, reason: str) -> ReadyNetwork:
        try:
            return ready(plan.method, engine, reason)
        except engines.NoDenseFormError as error:
            if plan.wanted_method == "dense":
                raise ValueError(f"METHOD = 'dense' is not possible: {error}") from error
            if not told:
                print(f"  window by window, not dense: {error}")
            told.append(error)
            return ready("windows", engine, reason)

    best, reason = engines.choose(engine, saved_blocks.engine_of(plan.unfinished))
    try:
        network = ready_by(best, reason)
    except RuntimeError as error:  # of OpenVINO or onnxruntime, about a layer they do not know
        if engine != "auto" or best == "keras":
            raise
        why = f"{engines.RUNTIMES[best]} cannot compute this network: {engines.reason_of(error)}"
        network = ready_by("keras", why)
    return network._replace(seconds=announce(plan, network))


def call_shape(
    plan: plans.Plan, method: str, batch_size: int, block_size: int
) -> tuple[int, int, int, int]:
    """Give the shape of what the network is called with: a batch of windows, or a block."""
    bands = len(plan.record["band_names"])
    if method == "pixels":
        return 1, *pixel_blocks.block_shape(plan.grid, block_size), bands
    if method == "dense":
        return 1, *methods.dense_block_shape(plan.grid, block_size), bands
    return batch_size, plan.grid.window, plan.grid.window, bands


@functools.lru_cache(maxsize=2)
def _predict(*arguments: Any) -> engines.Predict:
    """Make a predict function once for all scenes that are alike."""
    return stored_models.make_predict(*arguments)


def announce(plan: plans.Plan, network: ReadyNetwork) -> float:
    """Say what is going to be computed on what, and about how long it takes, in seconds."""
    rows, columns = plan.grid.shape
    cells = plan.grid.cells if plan.inside is None else int(plan.inside.sum())
    print(f"device: {engines.describe_device(network.engine)}, {network.precision}")
    print(f"engine: {network.engine} ({network.reason})")
    if network.method == "pixels":
        what = f"{cells:,} pixels, each with a class of its own (STRIDE does not count)"
    else:
        what = f"{rows}x{columns} cells, {cells:,} windows, method {network.method!r}"
    print(f"map of {plan.scene.name}: {what}")
    calls = len(map_blocks.blocks_of(plan.grid, network.block_size, network.method))
    if network.method == "windows":
        calls = max(calls, -(-cells // network.batch_size))
    shape = call_shape(plan, network.method, network.batch_size, network.block_size)
    seconds = engines.seconds_of_calls(network.predict, shape, plan.scene.dtype, calls)
    print(f"estimated time: {engines.duration(seconds)}", flush=True)
    return seconds


def describe(plan: plans.Plan, network: ReadyNetwork, min_probability: float) -> dict[str, Any]:
    """Give what the values of a map depend on, for its metadata and for continuing it."""
    backend = devices.backend()
    by_keras = network.engine == "keras"
    package = {"keras": backend, "onnx": "onnxruntime"}.get(network.engine, network.engine)
    return {
        "model": trust.run_of(plan.record, plan.path_to_model),
        "model_sha256": files.sha256(plan.path_to_model),
        "network": plan.record["network"],
        "product": plan.scene.product,
        "product_name": plan.scene.name,
        "sensing_time": plan.scene.sensing_time,
        "stride": plan.grid.stride,
        "method": network.method,
        "engine": f"keras on {backend}" if by_keras else network.engine,
        "precision": network.precision,
        "min_probability": min_probability,
        "versions": {
            name: importlib.metadata.version(name) for name in ("keras", package, "numpy")
        },
    }


def classify(
    plan: plans.Plan,
    network: ReadyNetwork,
    *,
    min_probability: float,
    probability_type: str,
    all_probabilities: bool,
    doubt: bool = False,
    coverage: float = 0.95,
    colours: Sequence[str] | None = None,
    absent: Sequence[int] = (),
) -> land_use_map.LandUseMap:
    """Give the map of a scene, going on where an earlier run was stopped.

    Its arrays lie on disk, in the folder of the unfinished map: write what must outlive that.

    Parameters
    ----------
    plan : Plan
    network : ReadyNetwork
    min_probability : float
        Cells whose label is less probable become "uncertain".
    probability_type : {"uint8", "float32"}
        Percent, or 0..1.
    all_probabilities : bool
        Keep those of all classes too.
    doubt : bool
        Keep entropy and margin too, and how many classes the right one is among.
    coverage : float
        How often it is to be among them, 0..1.
    colours : sequence of str, optional
        "class=colour", for classes that are to have another than their names suggest.
    absent : sequence of int
        Numbers of classes that the scene does not have (`absent_classes`).

    Raises
    ------
    ValueError
        When there is no data where the map was wanted, or the model's record does not know the
        coverage.
    """
    scene, facts, told = plan.scene, describe(plan, network, min_probability), plan.trust
    if absent:
        told = told.without([plan.record["class_names"][one] for one in absent])
        facts["absent_classes"] = ", ".join(plan.record["class_names"][one] for one in absent)
    set_threshold = prediction_sets.threshold_of(plan.record, coverage) if doubt else None
    result = classify_cells(
        plan,
        network,
        facts,
        absent=absent,
        min_probability=min_probability,
        probability_type=probability_type,
        all_probabilities=all_probabilities,
        doubt=doubt,
        set_threshold=set_threshold,
    )
    if result.moved is not None:
        print(
            f"  without {facts['absent_classes']}, which the network had found most probable in "
            f"{100 * result.moved:.1f} % of the cells classified now"
        )
    uncertain = [map_values.UNCERTAIN] if min_probability > 0 else []
    return land_use_map.LandUseMap(
        result.labels,
        plan.geotransform,
        scene.crs,
        [*plan.record["class_names"], *uncertain],
        result.probability,
        result.all_probabilities,
        doubt={}
        if result.doubt is None
        else dict(zip(doubt_bands.names(set_threshold), result.doubt, strict=True)),
        coverage=None if set_threshold is None else coverage,
        name=scene.name,
        sensing_time=str(scene.sensing_time or ""),
        bounds=geotransforms.extent(scene.geotransform, plan.shape),
        unit=scene.ground.unit if scene.ground is not None else None,
        facts={**facts, **told.as_facts()},
        remarks={"engine_chosen": network.reason},
        caption=caption(scene.level, scene.sensing_time, {**facts, "model": told.model}),
        trust=told,
        chosen_colours=class_colours.chosen_colours(colours, plan.record["class_names"]),
    )


def classify_cells(
    plan: plans.Plan, network: ReadyNetwork, facts: dict[str, Any], **wanted: Any
) -> whole_scene.Result:
    """Give the map of a scene as arrays on disk, going on where an earlier run was stopped.

    Parameters
    ----------
    plan : Plan
    network : ReadyNetwork
    facts : dict
        Of `describe`.
    **wanted
        As `whole_scene.classify_scene` takes them.

    Raises
    ------
    ValueError
        When there is no data where the map was wanted.
    """
    scene = plan.scene
    identity = {"files": state_of(scene.files()), "mask_clouds": scene.masks_clouds}
    result = whole_scene.classify_scene(
        scene.read,
        plan.shape,
        network.predict,
        plan.grid.stride,
        len(plan.record["class_names"]),
        plan.unfinished,
        {**facts, **identity},
        method=network.method,
        batch_size=network.batch_size,
        block_size=network.block_size,
        grid=plan.grid,
        inside=plan.inside,
        mirror_nodata=True,
        seconds=network.seconds,
        **wanted,
    )
    if (result.labels == map_values.NODATA).all():
        saved_blocks.remove_saved_blocks(plan.unfinished)
        raise ValueError(f"{plan.image} is all nodata where a map was wanted: there is none")
    return result


def state_of(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Give names, sizes and times of change of files: those of another scene are others."""
    return [(str(path), *remote_files.state_of(path)) for path in paths]


def caption(level: str | None, sensing_time: str | None, facts: dict[str, Any]) -> str:
    """Say how a map was made, and whose data it shows, as the licence of Sentinel data asks."""
    how = {
        "windows": f"stride {facts['stride']} px, window by window",
        "dense": f"stride {facts['stride']} px, dense",
        "pixels": "pixel by pixel",
    }[facts["method"]]
    without = f", without {facts['absent_classes']}" if "absent_classes" in facts else ""
    made = f"Model {facts['model']} ({facts['network']}), {how}{without}."
    if not (level and sensing_time):  # no Sentinel-2 product
        return made
    return f"{made} Contains modified Copernicus Sentinel data {sensing_time[:4]}."

"""Maps by a model that gives several labels: a probability of each class, and no single label."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files
from landuse.mapping import classification, made_scenes, plans, saved_blocks, whole_scene
from landuse.outputs import geotiffs

MEANING = (
    "Probability ({unit}) that the class is in the window around the cell, each class by itself; "
    "THRESHOLDS tells from which on each counts as a label"
)


def check_wanted(**wanted: Any) -> None:
    """Raise a ValueError for constants of script 06 that need one class for each cell.

    Parameters
    ----------
    **wanted
        Values by the names of the constants, in lower case; those that are off pass.
    """
    for name, value in wanted.items():
        if value:
            raise ValueError(
                f"{name.upper()} = {value!r} needs one class for each cell; this model gives "
                "several labels (script 10), and its map is a probability for each class"
            )


def classify(
    plan: plans.Plan, network: classification.ReadyNetwork, probability_type: str
) -> tuple[whole_scene.Result, dict[str, Any]]:
    """Give the probabilities of all classes, and the facts of the map.

    Its arrays lie on disk, in the folder of the unfinished map.

    Parameters
    ----------
    plan : Plan
    network : ReadyNetwork
    probability_type : {"uint8", "float32"}
        Percent, or 0..1.
    """
    facts = classification.describe(plan, network, 0.0)
    result = classification.classify_cells(
        plan, network, facts, probability_type=probability_type, all_probabilities=True
    )
    names = plan.record["class_names"]
    thresholds = dict(zip(names, thresholds_of(plan.record), strict=True))
    return result, {**facts, **plan.trust.as_facts(), "thresholds": thresholds}


def thresholds_of(record: dict[str, Any]) -> list[float]:
    """Give the threshold of each class; 0.5 where a training was stopped before they were found."""
    count = len(record["class_names"])
    found = record.get("thresholds")
    if not isinstance(found, list) or len(found) != count:
        return [0.5] * count
    return [float(value) for value in found]


def is_map_of_several(metadata: Mapping[str, str]) -> bool:
    """Tell a map of several labels by its metadata."""
    told = metadata.get("TIFFTAG_IMAGEDESCRIPTION", "")
    return told in [MEANING.format(unit=unit) for unit in ("percent", "0..1")]


def write_files(
    plan: plans.Plan,
    result: whole_scene.Result,
    facts: dict[str, Any],
    settings: dict[str, Any],
) -> dict[str, Path]:
    """Write the probabilities, a table of how often each class is a label, and the settings.

    Parameters
    ----------
    plan : Plan
    result : Result
    facts : dict
        Of `classify`.
    settings : dict
        The constants of the script.

    Returns
    -------
    dict
        What there is to look at -> its path.
    """
    bands = result.all_probabilities
    assert bands is not None
    names = plan.record["class_names"]
    thresholds = thresholds_of(plan.record)
    valid = bands[0] != (255 if bands.dtype == np.uint8 else -1)
    scale = 100 if bands.dtype == np.uint8 else 1
    shares = [
        float(np.mean(band[valid] >= threshold * scale))
        for band, threshold in zip(bands, thresholds, strict=True)
    ]
    table = plan.beside("_labels.csv")
    files.write_text(table, _table(names, thresholds, shares, int(valid.sum())))
    made = {made_scenes.KEY: made_scenes.key_of(plan, settings)}
    kept = {"settings": made_scenes.settings_of(plan, settings), **made, **facts}
    files.write_json(plan.beside("_settings.json"), kept)
    geotiffs.write_shares(
        plan.probability,
        np.moveaxis(bands, 0, -1),
        names,
        plan.geotransform,
        plan.scene.crs,
        MEANING,
        facts,
    )
    saved_blocks.remove_saved_blocks(plan.unfinished)
    often = sorted(zip(shares, names, strict=True), reverse=True)
    told = ", ".join(f"{name} {100 * share:.1f} %" for share, name in often if share >= 0.01)
    print(f"  cells with the label: {told or 'none has one'}")
    print("  a place has several labels, so there is no map of labels, no picture and no page")
    return {"labels": table}


def _table(names: list[str], thresholds: list[float], shares: list[float], cells: int) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "threshold", "cells", "share"])
    for name, threshold, share in zip(names, thresholds, shares, strict=True):
        writer.writerow([name, f"{threshold:.4f}", round(share * cells), f"{share:.4f}"])
    return text.getvalue()

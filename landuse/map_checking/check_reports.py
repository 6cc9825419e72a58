"""The report on a check: figures as JSON, text as Markdown."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files
from landuse.evaluation import area_estimates, measures
from landuse.map_checking import map_checks
from landuse.rasters import osm_features

Figures = dict[str, Any]


def figures_of(check: map_checks.MapCheck) -> Figures:
    """Return what a check found, as JSON can hold it.

    Returns
    -------
    dict
        "overall_accuracy" and per class of the map "users_accuracy", of the reference
        "producers_accuracy", each with "value", "low" and "high" (None where unknown; without
        an interval where the reference is no random sample); areas in hectares where there is a
        probability sample.
    """
    figures: Figures = {
        "kind": check.kind,
        "map": check.map_path,
        "reference": check.reference,
        "warnings": check.warnings,
        "notes": list(check.notes),
        "map_classes": check.rows,
        "reference_classes": check.columns,
        "confusion_matrix": check.counts.tolist(),
    }
    if check.estimates is not None:
        return figures | _estimated(check, check.estimates)
    return figures | _counted(check)


def _interval(estimate: area_estimates.Estimate) -> dict[str, Any]:
    found = dataclasses.asdict(estimate)
    return dict.fromkeys(found) if np.isnan(estimate.value) else found


def _estimated(check: map_checks.MapCheck, found: area_estimates.MapEstimates) -> Figures:
    """Return the figures of a probability sample."""
    names = check.rows
    figures: Figures = {
        "points": int(check.counts.sum()),
        "overall_accuracy": _interval(found.overall),
        "users_accuracy": dict(zip(names, map(_interval, found.users), strict=True)),
        "producers_accuracy": dict(zip(names, map(_interval, found.producers), strict=True)),
        "area_shares": dict(zip(names, map(_interval, found.areas), strict=True)),
        "error_matrix_of_area": found.proportions.tolist(),
        "mapped_cells": dict(zip(names, check.mapped_cells.tolist(), strict=True)),
    }
    if check.hectares is not None and check.hectares_per_cell is not None:
        areas = (_interval(e.times(check.hectares)) for e in found.areas)
        mapped = (check.mapped_cells * check.hectares_per_cell).tolist()
        figures["hectares"] = check.hectares
        figures["area_hectares"] = dict(zip(names, areas, strict=True))
        figures["mapped_hectares"] = dict(zip(names, mapped, strict=True))
    return figures


def _counted(check: map_checks.MapCheck) -> Figures:
    """Return the figures of points or cells of which nothing follows for others."""
    right = np.where(check.agrees, check.counts, 0)
    is_points = check.kind == "points"

    def share(part: int, whole: int) -> dict[str, Any]:
        if is_points:
            return dict(measures.wilson_interval(part, whole))
        return {"value": part / whole if whole else None, "low": None, "high": None}

    rows = zip(check.rows, right.sum(axis=1), check.counts.sum(axis=1), strict=True)
    columns = zip(check.columns, right.sum(axis=0), check.counts.sum(axis=0), strict=True)
    figures: Figures = {
        "points" if is_points else "cells": int(check.counts.sum()),
        "overall_accuracy": share(int(right.sum()), int(check.counts.sum())),
        "users_accuracy": {name: share(int(part), int(all_)) for name, part, all_ in rows},
        "producers_accuracy": {name: share(int(part), int(all_)) for name, part, all_ in columns},
        "mapped_cells": dict(zip(check.rows, check.mapped_cells.tolist(), strict=True)),
    }
    if not is_points:
        figures["cells_without_reference"] = dict(
            zip(check.rows, check.silent.tolist(), strict=True)
        )
    return figures


# ---- text


def _percent(figure: dict[str, Any]) -> str:
    """Return "88.0 % (80.6 to 95.4)", or without the interval."""
    if figure["value"] is None:
        return ""
    text = f"{100 * figure['value']:.1f} %"
    if figure.get("low") is not None:
        text += f" ({100 * figure['low']:.1f} to {100 * figure['high']:.1f})"
    return text


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", " or ") for cell in cells) + " |"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    line = "|---|" + "---:|" * (len(header) - 1)
    return ["", _row(header), line, *map(_row, rows), ""]


def markdown_of(figures: Figures) -> str:
    """Return the report as Markdown."""
    lines = [f"# How right is {Path(figures['map']).name}?", ""]
    lines += [f"Map: `{figures['map']}`  ", f"Reference: `{figures['reference']}`", ""]
    lines += [f"**Warning:** {text}.  " for text in figures["warnings"]]
    lines += ["", *(f"- {text}." for text in figures["notes"]), ""]
    if figures["kind"] == "osm":
        lines += _osm_text(figures)
    else:
        lines += _accuracy_text(figures)
    lines += ["## Confusion matrix", ""]
    unit = "Points" if "points" in figures else "Cells"
    lines += [f"{unit}; rows: class of the map, columns: class of the reference."]
    counts = np.array(figures["confusion_matrix"])
    columns, names = figures["reference_classes"], figures["map_classes"]
    known = np.flatnonzero(counts.any(axis=0)).tolist()
    rows = [
        [name, *counts[row, known].tolist(), int(counts[row].sum())]
        for row, name in enumerate(names)
        if counts[row].any() or figures["mapped_cells"][name]
    ]
    lines += _table(["map", *(columns[i] for i in known), "all"], rows)
    if figures["kind"] == "osm":
        lines += [f"Contains data of OpenStreetMap: {osm_features.CREDIT}."]
    return "\n".join(lines).rstrip() + "\n"


def _accuracy_text(figures: Figures) -> list[str]:
    """Return the paragraphs on accuracy, and on areas where they can be estimated."""
    sampled = "area_shares" in figures
    title = "Overall accuracy" if sampled else "Agreement"
    lines = ["## Accuracy", "", f"{title}: **{_percent(figures['overall_accuracy'])}**"]
    if sampled:
        half = area_estimates.Z * figures["overall_accuracy"]["standard_error"]
        lines[-1] += (
            f", from {figures['points']} points. Intervals hold 95 %; they know that a class of "
            "which no error was drawn may have some. By the standard errors of Olofsson et al. "
            f"(2014) and Stehman (2014), which do not, it is ± {100 * half:.1f} points; those of "
            "all figures are in report.json."
        )
    users, producers = figures["users_accuracy"], figures["producers_accuracy"]
    names = list(dict.fromkeys([*figures["map_classes"], *figures["reference_classes"]]))
    empty = {"value": None}
    rows = [
        [name, _percent(users.get(name, empty)), _percent(producers.get(name, empty))]
        for name in names
        if users.get(name, empty)["value"] is not None
        or producers.get(name, empty)["value"] is not None
    ]
    lines += _table(["class", "user's accuracy", "producer's accuracy"], rows)
    lines += [
        "User's accuracy: how much of what the map calls so is so. Producer's accuracy: how much "
        "of what is so the map calls so.",
        "",
    ]
    if "area_hectares" in figures:
        areas, mapped = figures["area_hectares"], figures["mapped_hectares"]
        rows = [
            [
                name,
                f"{mapped[name]:,.0f}",
                f"{area['value']:,.0f}",
                f"{area_estimates.Z * area['standard_error']:,.0f}",
                f"{area['low']:,.0f} to {area['high']:,.0f}",
            ]
            for name, area in areas.items()
            if mapped[name] or area["value"]
        ]
        lines += ["## Areas", "", "Counting cells of a map repeats its errors; the estimate"]
        lines[-1] += " takes them out as far as the sample can tell."
        lines += _table(["class", "mapped, ha", "estimated, ha", "±, ha", "95 %"], rows)
        lines += ["±: 1.96 standard errors, as Olofsson et al. (2014) give them.", ""]
    elif sampled:
        rows = [[name, _percent(share)] for name, share in figures["area_shares"].items()]
        lines += ["## Areas", "", *_table(["class", "share of the map"], rows)]
    return lines


def _osm_text(figures: Figures) -> list[str]:
    """Return the paragraphs on both directions of agreement."""
    lines = ["## From OpenStreetMap to the map", ""]
    lines += ["Of the cells that OpenStreetMap gives a class, so many have it in the map, too:"]
    counts = np.array(figures["confusion_matrix"])
    by_column = dict(zip(figures["reference_classes"], counts.sum(axis=0).tolist(), strict=True))
    rows = [
        [name, by_column[name], _percent(figures["producers_accuracy"][name])]
        for name in figures["reference_classes"]
        if by_column[name]
    ]
    rows.append(["all", int(counts.sum()), _percent(figures["overall_accuracy"])])
    lines += _table(["OpenStreetMap", "cells", "agree"], rows)
    lines += ["## From the map to OpenStreetMap", ""]
    lines += [
        "OpenStreetMap is not complete: where it says nothing, the map is neither right nor wrong."
    ]
    by_row = dict(zip(figures["map_classes"], counts.sum(axis=1).tolist(), strict=True))
    rows = []
    for name, cells in figures["mapped_cells"].items():
        if not cells:
            continue
        agree = figures["users_accuracy"][name]["value"]
        right = round((agree or 0) * by_row[name])
        silent = figures["cells_without_reference"][name]
        shares = [f"{100 * part / cells:.1f} %" for part in (right, by_row[name] - right, silent)]
        rows.append([name, cells, *shares])
    lines += _table(["map", "cells", "OSM agrees", "OSM says otherwise", "OSM is silent"], rows)
    return lines


def write_report(folder: Path, figures: Figures) -> None:
    """Write report.json and report.md; the last one is there when all is."""
    files.write_json(folder / "report.json", figures)
    with files.atomic_path(folder / "report.md") as temporary:
        temporary.write_text(markdown_of(figures), encoding="utf-8")

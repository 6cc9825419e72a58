"""What a comparison found, in words and numbers: Markdown for people, JSON for programs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from landuse import files
from landuse.changes import comparing, from_to

LARGEST = 12  # changes in the table of the report


def summary(
    comparison: comparing.Comparison, changes: Sequence[from_to.Change], class_names: Sequence[str]
) -> dict[str, Any]:
    """Give the numbers of a comparison, for JSON."""
    threshold, checks = comparison.threshold, comparison.checks
    hectares = comparison.hectares
    valid = comparison.pair.valid
    return {
        "cells": int(valid.sum()),
        "hectares": None if hectares is None else float(hectares[valid].sum()),
        "share_labels_differ": comparison.share_differing,
        "share_groups_differ": comparison.share_differing_groups,
        "share_changed": comparison.share_changed,
        "hectares_changed": (
            None if hectares is None else float(hectares[comparison.changed].sum())
        ),
        "threshold": threshold.value,
        "threshold_from": comparison.learned_from,
        "expected_share_of_false_change": threshold.false_share,
        "unchanged_cells_learned_from": threshold.stable_cells,
        "share_groups_differ_where_unchanged": threshold.stable_differing,
        "smallest_change_kept_cells": comparison.least_cells,
        "smallest_change_to_find_hectares": comparison.smallest_to_find,
        "misaligned_cells": list(comparison.pair.overlap.residual),
        "shift_px": (
            None
            if checks is None or checks.shift is None
            else {
                "rows": checks.shift.rows,
                "columns": checks.shift.columns,
                "spread": checks.shift.spread,
            }
        ),
        "bands": (
            []
            if checks is None
            else [{**band._asdict(), "percent": band.percent} for band in checks.bands]
        ),
        "changes": [
            {
                "before": class_names[change.before],
                "after": class_names[change.after],
                "cells": change.changed_cells,
                "hectares": change.changed_hectares,
            }
            for change in from_to.of_change(changes)
        ],
    }


def verdict(comparison: comparing.Comparison, most_false: float) -> list[str]:
    """Say in sentences what counts as change and how much of it is expected to be false."""
    threshold = comparison.threshold
    valid = comparison.pair.valid
    lines = [
        f"The labels of {100 * comparison.share_differing:.1f} % of {int(valid.sum()):,} cells "
        f"differ, {100 * comparison.share_differing_groups:.1f} % by more than their group."
    ]
    if threshold.stable_differing is not None:
        lines.append(
            f"Where nothing changed ({_whose(comparison)}, {threshold.stable_cells:,} cells), "
            f"{100 * threshold.stable_differing:.1f} % differ by more than their group: that much "
            "is the maps' own noise."
        )
    if threshold.value is None:
        lines.append(_nothing_found(threshold.false_share, most_false))
        return lines
    changed = f"{100 * comparison.share_changed:.2f} % of the area"
    if comparison.hectares is not None:
        changed = f"{comparison.hectares[comparison.changed].sum():,.1f} ha ({changed})"
    lines.append(
        f"Counted as change, from a probability of {threshold.value:.2f} on and in pieces of "
        f"{_smallest(comparison)} or more: {changed}."
    )
    lines.append(_expectation(comparison, most_false))
    return lines


def _whose(comparison: comparing.Comparison) -> str:
    if comparison.learned_from == "pair" or comparison.stable is None:
        return "the named pair"
    return "the cells whose pixels changed least"


def _smallest(comparison: comparing.Comparison) -> str:
    if comparison.unit is None:
        return f"{comparison.least_cells} cells"
    _, width, _, _, _, height = comparison.pair.overlap.geotransform
    cell = abs(width * height) * comparison.unit.square_metres / 10_000
    return f"{comparison.least_cells * cell:.1f} ha"


def _nothing_found(best: float | None, most_false: float) -> str:
    if best is None:
        return (
            "Nothing counts as change: no difference is as large and as probable as one has to be."
        )
    return (
        "Nothing counts as change: differences are about as frequent where nothing changed, so "
        f"that at best {100 * best:.0f} % of them would be false (MOST_FALSE allows "
        f"{100 * most_false:.0f} %). Dates of one season, a model that knows both seasons, or a "
        "larger MIN_AREA may tell more."
    )


def _expectation(comparison: comparing.Comparison, most_false: float) -> str:
    share = comparison.threshold.false_share
    if share is None and comparison.learned_from != "nothing":
        return "How much of it is false is not known: too little changed to tell."
    if share is None:
        return (
            "How much of it is false is NOT KNOWN: without the scenes or a pair of maps of an "
            "unchanged place nothing tells what the maps' own noise is. Name "
            "PATH_TO_SCENE_BEFORE and PATH_TO_SCENE_AFTER, or PATH_TO_STABLE."
        )
    text = f"About {100 * share:.0f} % of it is expected to be false."
    if comparison.expects_more_false:
        text = (
            f"{100 * share:.0f} % of it or more is expected to be false: the scenes differ much, "
            "least of all in the cells taken for unchanged."
        )
    if comparison.learned_from == "given" and share > most_false:
        text += " That is much: the THRESHOLD that was given is low for these maps."
    return text


def limits(comparison: comparing.Comparison) -> list[str]:
    """Say what a comparison of such maps cannot know."""
    lines = [
        "The expected share of false change supposes that maps differ elsewhere as they do in the "
        "cells taken for unchanged. Where the season changes land that stays what it is, more is "
        "false."
    ]
    smallest = comparison.smallest_to_find
    if smallest is not None and comparison.unit is not None:
        side = comparison.window * comparison.unit.metres
        lines.append(
            f"A cell has the class that prevails in the {side:.0f} m around it: a "
            f"change of less than about {smallest:.0f} ha seldom turns it, and a change is drawn "
            "larger or smaller than it is."
        )
    return lines


def write_report(
    path: str | Path,
    title: str,
    comparison: comparing.Comparison,
    changes: Sequence[from_to.Change],
    class_names: Sequence[str],
    said: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    most_false: float,
) -> None:
    """Write the report as Markdown.

    Parameters
    ----------
    path : str or Path
        The .md to write.
    title : str
        Both dates.
    comparison : comparing.Comparison
    changes : sequence of from_to.Change
    class_names : sequence of str
    said : sequence of str
        What was said of the maps and scenes.
    groups : mapping of str to sequence of str
        Groups of more than one class.
    most_false : float
        As in `comparing.compare`.
    """
    parts = [f"# Change of land use, {title}", "", *_items(verdict(comparison, most_false)), ""]
    found = from_to.of_change(changes)
    if found:
        parts += ["| before | after | cells | ha |", "|---|---|---:|---:|"]
        for change in found[:LARGEST]:
            area = "" if change.changed_hectares is None else f"{change.changed_hectares:,.1f}"
            names = class_names[change.before], class_names[change.after]
            parts.append(f"| {names[0]} | {names[1]} | {change.changed_cells:,} | {area} |")
        if len(found) > LARGEST:
            parts.append(f"\nand {len(found) - LARGEST} smaller ones; the table (.csv) has all.")
        parts.append("")
    if groups:
        named = [f"{name} ({', '.join(members)})" for name, members in groups.items()]
        parts += [f"Within these groups nothing counts as change: {'; '.join(named)}.", ""]
    if said:
        parts += ["## Maps and scenes", "", *_items(said), ""]
    parts += ["## What this cannot know", "", *_items(limits(comparison)), ""]
    with files.atomic_path(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _items(lines: Sequence[str]) -> list[str]:
    return [f"- {line[:1].upper()}{line[1:]}" for line in lines]

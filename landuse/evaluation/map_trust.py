"""How far a map can be trusted, told by the map itself or by its check."""

import json
from collections.abc import Mapping
from typing import Any

from landuse.evaluation import trust, verdicts


def of_check(figures: Mapping[str, Any], model: str) -> trust.Trust:
    """Tell how far a map can be trusted that was checked, from the figures of script 08.

    Parameters
    ----------
    figures : mapping
        As `check_reports.figures_of` gives them, of a random or stratified sample.
    model : str
        Which model made the map.

    Returns
    -------
    Trust
    """
    overall = figures["overall_accuracy"]
    users = figures["users_accuracy"]
    precision = {name: row["value"] for name, row in users.items() if row["value"] is not None}
    return trust.Trust(
        model=model,
        measured=(
            f"This map is right in {verdicts.percent_range(overall)}, by {figures['points']:,} "
            "points of a random sample that were labelled."
        ),
        accuracy={what: overall[what] for what in ("value", "low", "high")},
        precision=precision,
        precision_of="labelled points",
        weak=sorted(
            (name for name, value in precision.items() if value < verdicts.LEAST),
            key=lambda name: (precision[name], name),
        ),
        warnings=list(figures["warnings"]),
    )


def of_tags(tags: Mapping[str, str]) -> trust.Trust | None:
    """Read what a map tells of itself in the tags of its GeoTIFF (`trust.Trust.as_facts`).

    Parameters
    ----------
    tags : mapping of str
        Names in upper case; lists and mappings are JSON.

    Returns
    -------
    Trust or None
        None for a map that tells nothing, as older ones.
    """
    if "TRAINED" not in tags:
        return None

    def read(name: str, kind: type) -> Any:
        try:
            value = json.loads(tags.get(name, ""))
        except ValueError:
            return kind()
        return value if isinstance(value, kind) else kind()

    is_of_pixels = tags.get("METHOD") == "pixels"
    return trust.Trust(
        model=tags["TRAINED"],
        measured=tags.get("MEASURED", ""),
        accuracy=read("ACCURACY", dict),
        precision=read("PRECISIONS", dict) or read("CLASS_PRECISION", dict),  # older maps
        # Older maps do not say, and theirs are those of the model's own part.
        precision_of=tags.get("PRECISIONS_OF", "pixels" if is_of_pixels else "patches"),
        right_of_said={
            name: pair
            for name, pair in read("RIGHT_OF_SAID", dict).items()
            if isinstance(pair, list) and [type(count) for count in pair] == [int, int]
        },
        weak=read("WEAK_CLASSES", list),
        warnings=read("WARNINGS", list),
        cautions=read("CAUTIONS", list),
    )

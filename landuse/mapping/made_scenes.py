"""Maps that are made already: a second start makes only what is missing."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from landuse import files
from landuse.mapping import outcomes, plans, saved_blocks
from landuse.networks import model_files
from landuse.outputs import map_formats
from landuse.rasters import remote_files

# Constants of script 06 that decide how it is worked, and nothing of the map.
OF_THE_WORK = ("SCHEDULER", "WORKERS", "KEEP_MADE", "CACHE_NETWORK")
# And those that are told in another way: by the files and by the model's checksum.
TOLD_OTHERWISE = ("PATH_TO_IMAGE", "PATH_TO_MODEL", "REPLACE", "REMOTE", *OF_THE_WORK)
LATER = ("ABSENT_CLASSES",)  # came when maps had been made: while off, those are of the same
KEY = "made_from"


def settings_of(plan: plans.Plan, constants: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is kept beside a map: the constants that it was made with, for its scene only.

    So the map of a scene is the same, with all that lies beside it, whether it was made alone, with
    others, or by one of several workers.
    """
    kept = {name: value for name, value in constants.items() if name not in OF_THE_WORK}
    return {**kept, "PATH_TO_IMAGE": str(plan.image), "PATH_TO_MODEL": str(plan.path_to_model)}


def key_of(plan: plans.Plan, constants: Mapping[str, Any]) -> str:
    """Give a checksum of what decides a map: scene, model and settings.

    Of the scene's files count the names, sizes and times of change.
    """
    states = [(path.resolve(), remote_files.state_of(path)) for path in plan.scene.files()]
    return saved_blocks.key_of(
        {
            "settings": {
                name: value
                for name, value in constants.items()
                if name not in TOLD_OTHERWISE and (value or name not in LATER)
            },
            "model": files.sha256(plan.path_to_model),
            "files": [(str(path), *state) for path, state in states],
        }
    )


def is_made(plan: plans.Plan, constants: Mapping[str, Any]) -> bool:
    """Tell whether the map of a plan is there with all its files, made of the same."""
    wanted = [
        known.ending for name, known in map_formats.FORMATS.items() if constants[name.upper()]
    ]
    if model_files.has_several_labels(plan.record):
        wanted = ["_labels.csv"]
    else:
        wanted.append("_areas.csv")
    beside = [plan.beside(ending) for ending in ("_settings.json", *wanted)]
    if plan.unfinished.exists():  # it was begun anew
        return False
    if not all(path.is_file() for path in (plan.made, plan.probability, *beside)):
        return False
    try:
        facts = files.read_json(plan.beside("_settings.json"))
    except (ValueError, OSError):
        return False
    return isinstance(facts, dict) and facts.get(KEY) == key_of(plan, constants)


def still_to_make(
    planned: Sequence[plans.Plan],
    keep: bool,
    constants: Mapping[str, Any],
    results: outcomes.Outcomes,
) -> list[plans.Plan]:
    """Give the plans of which no map is there yet, and note the others as kept.

    Parameters
    ----------
    planned : sequence of Plan
    keep : bool
        Whether a map that was made of the same is kept; else all are made.
    constants : mapping
        Of script 06.
    results : Outcomes
    """
    missing = []
    for plan in planned:
        if keep and is_made(plan, constants):
            results.note(plan.image, plan.made, {}, kept=True)
            continue
        if keep and plan.made.exists():
            print(f"  {plan.made} exists, made of something else; the new map will replace it")
        missing.append(plan)
    return missing


def code_digest(repository: Path, scripts: Iterable[Path]) -> str:
    """Give a checksum of the code of this repository: two workers with the same run the same.

    Parameters
    ----------
    repository : Path
        Its folder.
    scripts : iterable of Path
        What counts besides `landuse/`.
    """
    digest = hashlib.sha256()
    for path in [*sorted((repository / "landuse").rglob("*.py")), *sorted(scripts)]:
        digest.update(path.relative_to(repository).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()

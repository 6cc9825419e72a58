"""What lies beside a map, told anew by its check: the page and the settings."""

from pathlib import Path

from landuse import files
from landuse.evaluation import trust
from landuse.outputs import pages

BEFORE = "told_by_the_model"  # in the settings: what the check has taken the place of


def tell(base: Path, told: trust.Trust, report: Path) -> list[Path]:
    """Write what a check has found where the figures of the model stood.

    Parameters
    ----------
    base : Path
        What the names of the files begin with: the map's, without "_label.tif".
    told : Trust
        Of the check, as `map_trust.of_check` gives it.
    report : Path
        Of the check.

    Returns
    -------
    list of Path
        The files that were there and have changed.

    Raises
    ------
    ValueError
        If one of them is damaged; neither is changed then.
    OSError
        If one cannot be written.
    """
    settings, page = (base.with_name(base.name + end) for end in ("_settings.json", ".html"))
    changed = []
    facts = told.as_facts() | {"checked": str(report)}
    del facts["trained"]  # the model is the same
    kept = files.read_json(settings) if settings.is_file() else None
    if page.is_file() and pages.tell_anew(page, told):
        changed.append(page)
    if isinstance(kept, dict):
        before = kept.get(BEFORE) or {name: kept[name] for name in facts if name in kept}
        files.write_json(settings, {**kept, **facts, BEFORE: before})
        changed.append(settings)
    return changed

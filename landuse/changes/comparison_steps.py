"""The steps of a comparison as script 09 goes through them: from paths to finished files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from landuse import files
from landuse.changes import (
    change_files,
    change_pages,
    change_pictures,
    change_reports,
    class_groups,
    comparing,
    date_pairs,
    dated_maps,
    from_to,
    made_maps,
    map_pairs,
    scene_pairs,
)
from landuse.mapping import plans
from landuse.rasters import geotransforms, reference_systems

SENTINEL = "Contains modified Copernicus Sentinel data"
FURTHER = {"picture": ".png", "page": ".html", "polygons": ".gpkg"}


def check_output(template: str) -> None:
    """Raise a ValueError or OSError when the change could not be written; "maps" is made."""
    if Path(template).suffix.lower() not in dated_maps.SUFFIXES:
        raise ValueError(f"PATH_TO_CHANGE must end in .tif, not {Path(template).name!r}")
    plans.output_path(template, "")


def check_paths(stable: Sequence[str] | None, scenes: Sequence[str | None]) -> None:
    """Raise an error, before long work, for further inputs that are not there."""
    if stable is not None and len(stable) != 2:
        raise ValueError(
            f"PATH_TO_STABLE needs two label maps of one place that did not change in between, not "
            f"{len(stable)}"
        )
    if stable is not None and len({Path(path).resolve() for path in stable}) < len(stable):
        raise ValueError(f"PATH_TO_STABLE: both maps are {stable[0]}; name those of two dates")
    named: list[tuple[str, str | None]] = [("PATH_TO_STABLE", path) for path in stable or []]
    named += zip(("PATH_TO_SCENE_BEFORE", "PATH_TO_SCENE_AFTER"), scenes, strict=True)
    for name, path in named:
        if path is not None and not Path(path).exists():
            raise FileNotFoundError(f"{name}: {path} does not exist")


def label_maps(
    paths: Sequence[str], names: Sequence[str], groups: Sequence[str], **settings: Any
) -> list[Path]:
    """Give a label map for each path: itself, or the map of the scene that lies there.

    Parameters
    ----------
    paths : sequence of str
        Label maps of script 06, or scenes.
    names : sequence of str
        Of the settings that name them, for messages.
    groups : sequence of str
        The setting GROUPS, checked before anything is mapped.
    **settings
        Of `made_maps.maps_of_scenes`, to map scenes with.

    Raises
    ------
    ValueError, OSError
        When a path is missing or named twice, or the maps could not be compared.
    """
    for path, name in zip(paths, names, strict=True):
        if not Path(path).exists():
            hint = (
                " (script 00 makes the scenes of the sample)"
                if "sample" in Path(path).parts
                else ""
            )
            raise FileNotFoundError(f"{name}: {path} does not exist{hint}")
    if len({Path(path).resolve() for path in paths}) < len(paths):
        raise ValueError(f"{' and '.join(names)} are both {paths[0]}: a comparison needs two dates")
    scenes = [Path(path) for path in paths if not dated_maps.is_map(path)]
    if not scenes:
        return [Path(path) for path in paths]

    def check(planned: Mapping[Path, dated_maps.DatedMap]) -> None:
        before, after = (planned.get(Path(p)) or dated_maps.open_map(p) for p in paths)
        date_pairs.check_pair(before, after)
        class_groups.parse_groups(groups, before.class_names)

    made = made_maps.maps_of_scenes(scenes, check=check, **settings)
    return [made.get(Path(path), Path(path)) for path in paths]


def open_dates(paths: Sequence[Path]) -> tuple[dated_maps.DatedMap, dated_maps.DatedMap]:
    """Open the maps of two dates, check that they can be compared, and say what they are.

    Raises
    ------
    ValueError
        When they show one date, are in the wrong order, or have other classes or grids.
    """
    before = dated_maps.open_map(paths[0])
    after = date_pairs.check_pair(before, dated_maps.open_map(paths[1]))
    for when, dated in (("before", before), ("after", after)):
        print(f"{when}: {dated.path} ({dated.title})")
    return before, after


def stable_pair(
    paths: Sequence[str] | None, before: dated_maps.DatedMap, groups: class_groups.Groups
) -> map_pairs.Pair | None:
    """Read two maps of a place that did not change, which tell what maps differ by.

    Raises
    ------
    ValueError
        When they are not like the maps that are compared.
    """
    if paths is None:
        return None
    one, other = (date_pairs.in_order_of(dated_maps.open_map(path), before) for path in paths)
    date_pairs.check_same_stride(one, before)
    return map_pairs.read_pair(one, other, groups)


def scenes_behind(
    dates: tuple[dated_maps.DatedMap, dated_maps.DatedMap],
    paths: Sequence[str | None],
    pair: map_pairs.Pair,
) -> tuple[scene_pairs.ScenePair | None, list[str]]:
    """Read the scenes that the maps were made from, as far as they are found.

    Parameters
    ----------
    dates : tuple of dated_maps.DatedMap
    paths : sequence of str or None
        Of the scenes; None: as the settings beside the maps say.
    pair : map_pairs.Pair

    Returns
    -------
    scenes : scene_pairs.ScenePair or None
    messages : list of str
        Why there is none.

    Raises
    ------
    ValueError, OSError
        When a scene that was named cannot be read, or does not fit its map.
    """
    found = []
    for dated, path, name in zip(dates, paths, ("BEFORE", "AFTER"), strict=True):
        scene = Path(path) if path else dated.scene
        if scene is None:
            return None, [
                f"warning: the scene of {dated.path} was not found (PATH_TO_SCENE_{name}): the "
                "scenes are neither shown nor checked"
            ]
        found.append(scene)
    if found[0].resolve() == found[1].resolve():
        raise ValueError(f"the scenes of both dates are {found[0]}: name that of each date")
    bounds = geotransforms.extent(pair.overlap.geotransform, pair.overlap.shape)
    scenes = scene_pairs.read_scenes(
        found[0], found[1], bounds, dates[0].crs, (dates[0].opening, dates[1].opening)
    )
    return scenes, []


def say(
    dates: tuple[dated_maps.DatedMap, dated_maps.DatedMap],
    pair: map_pairs.Pair,
    groups: class_groups.Groups,
) -> list[str]:
    """Say what of the maps themselves may look like change."""
    said = date_pairs.differences_in_making(*dates)
    rows, columns = pair.overlap.residual
    if max(abs(rows), abs(columns)) > 0.01:
        said.append(
            f"the cells of the maps do not lie on each other: {100 * abs(columns):.0f} % of a cell "
            f"off to the side, {100 * abs(rows):.0f} % up or down; each meets the nearest"
        )
    for name in groups.left_out:
        said.append(f"GROUPS: the maps have no class of the group {name}, which is left out")
    return said


def output_path(
    template: str, dates: tuple[dated_maps.DatedMap, dated_maps.DatedMap], inputs: Sequence[Path]
) -> Path:
    """Give the path of the raster of changes.

    Raises
    ------
    ValueError
        When it would be written over one of the maps.
    """
    named = template.replace("{before}", dates[0].name).replace("{after}", dates[1].name)
    path = plans.output_path(named, "")
    outputs = {beside(path, ending).resolve() for ending in ("_change.tif", "_probability.tif")}
    taken = {given.resolve() for given in inputs} & {path.resolve(), *outputs}
    if taken:
        raise ValueError(
            f"the change would be written over {sorted(taken)[0]}, which it is made from: choose "
            "another PATH_TO_CHANGE"
        )
    return path


def beside(path: Path, ending: str) -> Path:
    """Give the path of a further file: "maps/pisa_change.html" beside "maps/pisa_change.tif"."""
    if ending == "_probability.tif":
        return path.with_name(path.stem + ending)
    return path.with_suffix(ending) if ending.startswith(".") else path


def write_files(
    path: Path,
    dates: tuple[dated_maps.DatedMap, dated_maps.DatedMap],
    result: comparing.Comparison,
    groups: class_groups.Groups,
    scenes: scene_pairs.ScenePair | None,
    said: Sequence[str],
    constants: Mapping[str, Any],
    *,
    most_false: float,
    quicklook: bool,
    html: bool,
    polygons: bool,
) -> None:
    """Write all files of a comparison, the raster of changes last, and say where they are."""
    before, after = dates
    names, crs = before.class_names, before.crs
    metric = reference_systems.in_metres(crs)
    changes = from_to.count_changes(result, len(names))
    titles = (
        (before.title, after.title) if before.title != after.title else (before.name, after.name)
    )
    numbers = change_reports.summary(result, changes, names)
    facts = {
        "before": str(before.path),
        "after": str(after.path),
        "before_product": before.name,
        "after_product": after.name,
        "threshold": result.threshold.value,
        "expected_share_of_false_change": result.threshold.false_share,
    }
    verdict = change_reports.verdict(result, most_false)
    geotransform = result.pair.overlap.geotransform
    change_files.write_probability(beside(path, "_probability.tif"), result, crs, facts)
    change_files.write_table(path.with_suffix(".csv"), changes, names)
    if polygons:
        pieces = from_to.pieces_of(result, changes, names)
        change_files.write_polygons(path.with_suffix(".gpkg"), *pieces, geotransform, crs)
    pictures = scenes.pictures if scenes is not None else None
    place = scenes.geotransform if scenes is not None else None
    caption = _caption(before, after, result)
    if quicklook:
        change_pictures.write_picture(
            path.with_suffix(".png"),
            pictures,
            place,
            result,
            changes,
            names,
            titles,
            caption,
        )
    if html:
        change_pages.write_page(
            path.with_suffix(".html"),
            pictures,
            place,
            result,
            changes,
            names,
            titles,
            verdict,
            said,
            caption=caption,
            subtitle=f"{before.name}, {after.name}",
            crs_name=reference_systems.crs_name(crs),
            metric=metric,
        )
    members = groups.members(names)
    change_reports.write_report(
        path.with_suffix(".md"),
        " to ".join(titles),
        result,
        changes,
        names,
        said,
        members,
        most_false,
    )
    files.write_json(
        path.with_suffix(".json"),
        {"settings": dict(constants), "groups": members, **facts, **numbers, "said": list(said)},
    )
    change_files.write_changes(path, result, changes, names, crs, facts)
    for line in verdict:
        print(line)


def _caption(
    before: dated_maps.DatedMap, after: dated_maps.DatedMap, result: comparing.Comparison
) -> str:
    parts = [f"Model {before.tags.get('MODEL', 'unknown')}"]
    if before.tags.get("MODEL_SHA256") != after.tags.get("MODEL_SHA256"):
        parts = [f"Models {before.tags.get('MODEL')} and {after.tags.get('MODEL')}"]
    if before.tags.get("STRIDE"):
        parts.append(f"stride {before.tags['STRIDE']} px")
    text = ", ".join(parts) + "."
    years = sorted({dated.time.year for dated in (before, after) if dated.time})
    smallest = result.smallest_to_find
    if smallest is not None:
        text += f" A change of less than about {smallest:.0f} ha seldom turns a cell."
    return f"{text} {SENTINEL} {', '.join(map(str, years))}." if years else text


def report_where(path: Path, *, quicklook: bool, html: bool, polygons: bool) -> None:
    """Say where the results are, and which older files beside them are of another comparison."""
    print(f"change: {path}")
    print(f"  report: {path.with_suffix('.md')}")
    print(f"  table: {path.with_suffix('.csv')}")
    print(f"  probability: {beside(path, '_probability.tif')}")
    wanted = {"picture": quicklook, "page": html, "polygons": polygons}
    for what, ending in FURTHER.items():
        other = path.with_suffix(ending)
        if wanted[what]:
            print(f"  {what}: {other}")
        elif other.exists():
            print(f"  {other} is of an earlier comparison, not of this one")

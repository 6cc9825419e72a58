"""Whether two maps of one place can be compared: their classes, grids and dates."""

from landuse.changes import alignment, dated_maps
from landuse.rasters import geotransforms, reference_systems


def check_pair(before: dated_maps.DatedMap, after: dated_maps.DatedMap) -> dated_maps.DatedMap:
    """Check that two maps can be compared, and give the second with the first's classes in order.

    Raises
    ------
    ValueError
        When they show one date, are in the wrong order, or have other classes or grids.
    """
    after = in_order_of(after, before)
    check_two_dates(before, after)
    common_cells(before, after)
    return after


def in_order_of(second: dated_maps.DatedMap, first: dated_maps.DatedMap) -> dated_maps.DatedMap:
    """Give the second map with its classes in the order of the first.

    Raises
    ------
    ValueError
        When they have other classes.
    """
    only = [
        [name for name in one.class_names if name not in other.class_names]
        for one, other in ((first, second), (second, first))
    ]
    if any(only):
        parts = [
            f"only {one.path} has {', '.join(names)}"
            for one, names in zip((first, second), only, strict=True)
            if names
        ]
        raise ValueError(
            f"the maps have other classes: {'; '.join(parts)}. Map both scenes with one model "
            "(script 06)"
        )
    bands = tuple(second.bands[second.class_names.index(name)] for name in first.class_names)
    return dated_maps.DatedMap(
        second.path,
        second.probability_path,
        first.class_names,
        bands,
        second.shape,
        second.geotransform,
        second.crs,
        second.tags,
        second.settings,
    )


def common_cells(before: dated_maps.DatedMap, after: dated_maps.DatedMap) -> alignment.Overlap:
    """Find the cells that two maps have in common.

    Raises
    ------
    ValueError
        When they are in other reference systems, have cells of other sizes, or do not overlap.
    """
    if not reference_systems.same_crs(before.crs, after.crs):
        raise ValueError(
            f"{before.path} is in {reference_systems.crs_name(before.crs)}, {after.path} in "
            f"{reference_systems.crs_name(after.crs)}: warp one scene to the other's system "
            "(gdalwarp -t_srs ... -tr 10 10 -tap -r cubicspline) and map it again with script 06"
        )
    if not alignment.same_cells(before.geotransform, after.geotransform):
        sizes = [f"{g[1]:g} x {-g[5]:g}" for g in (before.geotransform, after.geotransform)]
        raise ValueError(
            f"{before.path} has cells of {sizes[0]}, {after.path} of {sizes[1]} (in units of the "
            f"map): {_same_again(before, after)}"
        )
    found = alignment.overlap(before.geotransform, before.shape, after.geotransform, after.shape)
    if found is None:
        spans = [geotransforms.extent(m.geotransform, m.shape) for m in (before, after)]
        raise ValueError(
            f"{before.path} and {after.path} have no cell in common: they span {spans[0]} and "
            f"{spans[1]} (left, bottom, right, top)"
        )
    return found


def _same_again(before: dated_maps.DatedMap, after: dated_maps.DatedMap) -> str:
    if before.stride == after.stride:
        return "bring their scenes to one size of pixels (gdalwarp -tr), and map them again"
    return f"map the second scene again with script 06 and STRIDE = {before.stride}"


def check_same_stride(stable: dated_maps.DatedMap, before: dated_maps.DatedMap) -> None:
    """Raise a ValueError when a map of an unchanged place has cells of another size."""
    sizes = [(one.geotransform[1], one.geotransform[5]) for one in (stable, before)]
    if any(abs(one - other) > 1e-6 * abs(other) for one, other in zip(*sizes, strict=True)):
        raise ValueError(
            f"PATH_TO_STABLE: {stable.path} has cells of {sizes[0][0]:g}, the maps to compare of "
            f"{sizes[1][0]:g}: make it with the same STRIDE"
        )


def check_two_dates(before: dated_maps.DatedMap, after: dated_maps.DatedMap) -> None:
    """Raise a ValueError when both maps show one date, or the later one comes first."""
    if before.path.resolve() == after.path.resolve():
        raise ValueError(f"both dates are {before.path}: name the map of another date as well")
    if not (before.time and after.time):
        return
    if before.time == after.time and before.name == after.name:
        raise ValueError(
            f"{before.path} and {after.path} both show {before.name} of "
            f"{before.time:%Y-%m-%d %H:%M}: there is nothing to compare; name the map of another "
            "date"
        )
    if before.time > after.time:
        raise ValueError(
            f"{before.path} ({before.time:%Y-%m-%d}) is later than {after.path} "
            f"({after.time:%Y-%m-%d}): let PATH_TO_BEFORE and PATH_TO_AFTER change places"
        )


def differences_in_making(before: dated_maps.DatedMap, after: dated_maps.DatedMap) -> list[str]:
    """Say in what two maps were made otherwise, which looks like change and is none."""
    words = {
        "MODEL_SHA256": "other models",
        "METHOD": "other methods (windows, dense)",
        "PRECISION": "other precisions",
        "ABSENT_CLASSES": "other ABSENT_CLASSES",
    }
    return [
        f"the maps were made with {word}: map both with the same, or take some of the differences "
        "for that"
        for tag, word in words.items()
        if before.tags.get(tag) != after.tags.get(tag)
    ]


def days_between_seasons(before: dated_maps.DatedMap, after: dated_maps.DatedMap) -> int | None:
    """Give how far apart the dates lie within the year, 0 to 183 days; None: not known."""
    if not (before.time and after.time):
        return None
    apart = abs(before.time.timetuple().tm_yday - after.time.timetuple().tm_yday)
    return min(apart, 366 - apart)

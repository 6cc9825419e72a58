"""A map against labelled points: a sample that script 08 drew, or points of one's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from landuse import files, map_values
from landuse.evaluation import area_estimates, class_tables
from landuse.map_checking import drawn_samples, map_checks
from landuse.outputs import labelling_page
from landuse.rasters import label_maps, labelled_features, reference_systems

TRAINING = ("train", "training")


# ---- samples that script 08 drew


def saved_sample(path: str | Path) -> tuple[drawn_samples.Sample, dict[str, str | None]]:
    """Read the labels that a page saved, and the sample that they are about."""
    saved = labelling_page.read_saved_labels(path)
    return drawn_samples.Sample.from_about(saved.about, path), saved.labels


def filled_in_sample(
    features: labelled_features.LabelledFeatures,
) -> tuple[drawn_samples.Sample, dict[str, str | None]] | None:
    """Return sample and labels where features are its points, with their classes filled in.

    That is so where the design lies beside the file, and the points are where it has them.
    """
    design = Path(features.path).with_name(drawn_samples.DESIGN_FILE)
    if not design.exists() or not features.is_point.all() or not all(features.identities):
        return None
    sample = drawn_samples.Sample.from_about(files.read_json(design), design)
    places = dict(zip(sample.identities, sample.places, strict=True))
    if not set(features.identities) <= set(places):
        return None
    expected = np.array([places[identity] for identity in features.identities])
    if not np.allclose(features.coordinates(), expected, rtol=0, atol=_tolerance(expected)):
        return None
    words = drawn_samples.CANNOT_TELL
    labels = {
        identity: None if name.lower() in words else name
        for identity, name in zip(features.identities, features.names, strict=True)
    }
    return sample, labels


def _tolerance(places: np.ndarray) -> float:
    """Return what coordinates may lose on their way through a file: a metre, or its degrees."""
    return 1.0 if np.abs(places).max() > 360 else 1e-5


def check_sample(
    label_map: label_maps.LabelMap,
    sample: drawn_samples.Sample,
    labels: Mapping[str, str | None],
    table: Mapping[str, str] | None,
    reference: str,
) -> map_checks.MapCheck:
    """Estimate from a sample that was drawn for this map or another one.

    Parameters
    ----------
    label_map : LabelMap
    sample : Sample
    labels : mapping
        Point to class; None where nobody could tell, open points are missing.
    table : mapping, optional
        Class of the labels to class of the map.
    reference : str
        Where the labels come from.

    Raises
    ------
    ValueError
        If nothing is labelled, or the points do not lie on the map.
    """
    if not reference_systems.same_crs(sample.crs, label_map.crs):
        raise ValueError(
            f"{reference}: its points are in {reference_systems.crs_name(sample.crs)}, the map "
            f"{label_map.path} in {reference_systems.crs_name(label_map.crs)}: warp it (gdalwarp)"
        )
    foreign = sorted(set(labels) - set(sample.identities))
    if foreign:
        raise ValueError(
            f"{reference}: labels points that were not drawn: {', '.join(foreign[:5])}"
        )
    names = [labels.get(identity) for identity in sample.identities]
    labelled = np.array([name is not None for name in names])
    if not labelled.any():
        raise ValueError(f"{reference}: no point is labelled yet")
    known = [str(name) for name in names if name is not None]
    merged, index, renamed = class_tables.merged_classes(known, label_map.class_names, table)
    true = np.full(len(names), class_tables.LEFT_OUT)
    true[labelled] = class_tables.indices_of(known, merged, renamed, reference)
    raw = label_map.classes_at(sample.places)
    mapped = np.where(raw >= 0, index[raw], -1)
    if (mapped < 0).all():
        raise ValueError(f"{reference}: none of its points lies on the map {label_map.path}")
    warnings = _say_open(sample, labels)
    strata, cells, names_of_strata = _strata(sample, label_map, raw)
    used = true >= 0
    kept, more = _strata_to_keep(strata, used, cells, names_of_strata)
    warnings += more
    used &= kept[strata]
    renumbered = np.cumsum(kept) - 1
    judged = np.array([name != map_values.UNCERTAIN for name in merged])
    domain = mapped >= 0
    estimates = area_estimates.estimate_map(
        renumbered[strata[used]],
        np.where(domain, mapped, 0)[used],
        true[used],
        cells[kept],
        len(merged),
        judged=None if judged.all() else judged[mapped][used],
        domain=domain[used],
    )
    if not domain[used].all():
        warnings.append(
            f"{int((~domain[used]).sum())} labelled points lie outside this map; what is said is "
            f"about the {100 * estimates.covered.value:.1f} % of the area sampled that it covers"
        )
    share = cells[kept].sum() * estimates.covered.value
    hectares = sample.hectares_per_cell
    seen = used & domain
    return map_checks.MapCheck(
        "sample",
        label_map.path,
        reference,
        merged,
        merged,
        np.eye(len(merged), dtype=bool),
        estimates.counts,
        np.zeros(len(merged), np.int64),
        _by_group(label_map, index, len(merged)),
        label_map.hectares_per_cell,
        estimates,
        None if hectares is None else float(share * hectares),
        warnings,
        [_say_design(sample), *_say_uncertain(merged), _say_population(sample, label_map)],
        _checked(sample.identities, sample.places, mapped, true, seen),
    )


def _strata(
    sample: drawn_samples.Sample, label_map: label_maps.LabelMap, raw: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the stratum of each point, their cells and names.

    A simple random sample of this very map is stratified afterwards by the map's classes, whose
    cells are known; that is never much worse and mostly better (Olofsson et al. 2014, 4.2).
    """
    same = int(sample.stratum_cells.sum()) == int(label_map.counts.sum())
    if len(sample.stratum_names) > 1 or not same or (raw < 0).any():
        return sample.strata, sample.stratum_cells, sample.stratum_names
    return raw, label_map.counts, label_map.class_names


def _strata_to_keep(
    strata: np.ndarray, used: np.ndarray, cells: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Tell which strata have points enough, and say what is left out."""
    points = np.bincount(strata[used], minlength=len(cells))
    kept = points >= area_estimates.LEAST_IN_STRATUM
    if not kept.any():
        raise ValueError(
            f"no class of the map has {area_estimates.LEAST_IN_STRATUM} labelled points yet: "
            "label more of them"
        )
    missing = np.flatnonzero(~kept & (cells > 0)).tolist()
    if not missing:
        return kept, []
    share = 100 * cells[missing].sum() / cells.sum()
    listed = ", ".join(names[number] for number in missing)
    return kept, [
        f"too few labelled points (0 or 1) where the map says {listed}: these {share:.1f} % of "
        "the map are left out of the estimates"
    ]


def _say_open(sample: drawn_samples.Sample, labels: Mapping[str, str | None]) -> list[str]:
    """Say how many points have no class, and what that may do."""
    unknown = sum(1 for name in labels.values() if name is None)
    missing = len(sample.identities) - len(labels)
    said = []
    if missing:
        said.append(
            f"{missing} of {len(sample.identities)} points are not labelled yet; the order on "
            "the page is random, so that those labelled in this order are a sample as well"
        )
    if unknown:
        said.append(
            f"for {unknown} of {len(labels)} labelled points the class could not be told; they "
            "are left out, as if they were like the others"
        )
    return said


def _say_design(sample: drawn_samples.Sample) -> str:
    points = len(sample.identities)
    if sample.design == "stratified":
        return f"stratified random sample of {points} cells, by the classes of {sample.map_name}"
    return f"simple random sample of {points} cells of {sample.map_name}"


def _say_population(sample: drawn_samples.Sample, label_map: label_maps.LabelMap) -> str:
    what = "the window around each cell" if sample.unit == "window" else "each cell"
    areas = "areas are those of cells"
    if sample.unit == "window":
        areas += " whose window is mostly of a class"
    if label_map.hectares_per_cell is None:
        areas += "; the map has no unit of length, so areas are shares of cells"
    return f"labelled was {what}; {areas}"


def _say_uncertain(names: Sequence[str]) -> list[str]:
    if map_values.UNCERTAIN not in names:
        return []
    return [
        f"overall accuracy is about cells that the map gives a class; {map_values.UNCERTAIN!r} is "
        "none"
    ]


def _by_group(label_map: label_maps.LabelMap, index: np.ndarray, groups: int) -> np.ndarray:
    return np.bincount(index, weights=label_map.counts, minlength=groups).astype(np.int64)


def _checked(
    identities: Sequence[str],
    places: np.ndarray,
    mapped: np.ndarray,
    true: np.ndarray,
    used: np.ndarray,
) -> map_checks.CheckedPoints:
    chosen = np.flatnonzero(used).tolist()
    return map_checks.CheckedPoints(
        [identities[i] for i in chosen],
        places[chosen],
        mapped[chosen],
        true[chosen],
        mapped[chosen] == true[chosen],
    )


# ---- points of one's own


def check_points(
    label_map: label_maps.LabelMap,
    features: labelled_features.LabelledFeatures,
    drawn: str,
    table: Mapping[str, str] | None,
) -> map_checks.MapCheck:
    """Compare a map with labelled points.

    Parameters
    ----------
    label_map : LabelMap
    features : LabelledFeatures
        In the map's reference system; polygons among them are left out.
    drawn : {"unknown", "random", "stratified"}
        How the points were chosen: at random, at random within the classes of this map, or in
        some other way, from which nothing follows for the map as a whole.
    table : mapping, optional
        Class of the points to class of the map.

    Raises
    ------
    ValueError
        If no point lies on the map.
    """
    chosen = np.flatnonzero(features.is_point)
    names = [features.names[i] for i in chosen]
    places = features.coordinates()[chosen]
    merged, index, renamed = class_tables.merged_classes(names, label_map.class_names, table)
    true = class_tables.indices_of(names, merged, renamed, features.path)
    raw = label_map.classes_at(places)
    used = (raw >= 0) & (true >= 0)
    if not used.any():
        raise ValueError(_outside(label_map, features.path, places))
    mapped = np.where(raw >= 0, index[raw], -1)
    counts = np.zeros((len(merged), len(merged)), np.int64)
    np.add.at(counts, (mapped[used], true[used]), 1)
    warnings = [*_say_lost(raw, places), *_say_crowd(label_map, places[used])]
    warnings += say_training(features, chosen)
    estimates, hectares = None, None
    if drawn == "unknown":
        warnings.insert(
            0,
            "nobody says that these points are a random sample, so the shares below are those of "
            "the points, not of the map; say it (REFERENCE_SAMPLE) where it is so",
        )
    else:
        strata, cells = raw, label_map.counts
        kept, more = _strata_to_keep(strata, used, cells, label_map.class_names)
        warnings += more
        sampled = used & kept[np.where(raw >= 0, raw, 0)]
        renumbered = np.cumsum(kept) - 1
        judged = np.array([name != map_values.UNCERTAIN for name in merged])
        estimates = area_estimates.estimate_map(
            renumbered[strata[sampled]],
            mapped[sampled],
            true[sampled],
            np.maximum(cells[kept], np.bincount(strata[sampled], minlength=len(cells))[kept]),
            len(merged),
            finite_population=False,
            judged=None if judged.all() else judged[mapped][sampled],
        )
        per_cell = label_map.hectares_per_cell
        hectares = None if per_cell is None else float(cells[kept].sum() * per_cell)
    return map_checks.MapCheck(
        "points",
        label_map.path,
        features.path,
        merged,
        merged,
        np.eye(len(merged), dtype=bool),
        counts,
        np.zeros(len(merged), np.int64),
        _by_group(label_map, index, len(merged)),
        label_map.hectares_per_cell,
        estimates,
        hectares,
        warnings,
        [*features.messages, *_say_uncertain(merged)],
        _checked([features.identities[i] for i in chosen], places, mapped, true, used),
    )


def _outside(label_map: label_maps.LabelMap, path: str, places: np.ndarray) -> str:
    """Say that nothing lies on the map, and why that may be."""
    hint = ""
    if (label_map.classes_at(places[:, ::-1]) >= 0).any():
        hint = "; with x and y exchanged they would"
    return (
        f"{path}: none of its {len(places)} points lies on the map {label_map.path} "
        f"({reference_systems.crs_name(label_map.crs)}){hint}"
    )


def _say_lost(raw: np.ndarray, places: np.ndarray) -> list[str]:
    lost = int((raw < 0).sum())
    return [f"{lost} of {len(places)} points lie outside the map or where it has no data"] * (
        lost > 0
    )


def _say_crowd(label_map: label_maps.LabelMap, places: np.ndarray) -> list[str]:
    """Say it when points share cells: they repeat one answer of the map."""
    cells = set(zip(*(part.tolist() for part in label_map.cells_at(places)), strict=True))
    if len(cells) == len(places):
        return []
    return [
        f"{len(places)} points lie in {len(cells)} cells; points of one cell repeat one answer, "
        "so that the intervals are too narrow"
    ]


def say_training(
    features: labelled_features.LabelledFeatures, chosen: np.ndarray | None = None
) -> list[str]:
    """Say it when features call themselves part of a training set."""
    parts = features.parts if chosen is None else [features.parts[i] for i in chosen]
    count = sum(part.strip().lower() in TRAINING for part in parts)
    if not count:
        return []
    return [
        f"{count} of {len(parts)} features are of a training part: a model that has learned from "
        "them knows them by heart, and the map looks better than it is"
    ]

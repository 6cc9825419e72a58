"""What was labelled: points, polygons and pages of windows, and the class of each.

Files of several kinds become one set of features in the reference system of a scene.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from landuse.cutting import window_files
from landuse.outputs import labelling_page
from landuse.rasters import feature_sets, labelled_features, reference_systems

NO_FOLDER = re.compile(r'[\\/:*?"<>|\x00-\x1f]')  # what a folder's name cannot hold, somewhere


@dataclass(frozen=True)
class Labels:
    """Labelled features, and what each one's class is called.

    Attributes
    ----------
    features : LabelledFeatures
    names : tuple of str
        Class of each, "" for one that is left out.
    sources : tuple of str
        File of each.
    is_window : ndarray of shape (features,), bool
        Whether somebody labelled the very window around it, on a page.
    messages : tuple of str
        What was assumed or left out.
    """

    features: labelled_features.LabelledFeatures
    names: tuple[str, ...]
    sources: tuple[str, ...]
    is_window: np.ndarray
    messages: tuple[str, ...]

    @property
    def class_names(self) -> list[str]:
        """The classes, sorted."""
        return sorted(set(self.names) - {""})

    @property
    def classes(self) -> np.ndarray:
        """Index into `class_names` of each feature, -1 for one that is left out."""
        positions = {name: index for index, name in enumerate(self.class_names)}
        return np.array([positions.get(name, -1) for name in self.names], np.int64)


def read_labels(
    paths: Sequence[str],
    crs: str,
    attribute: str | None = None,
    own_crs: str | None = None,
    table: Mapping[str, str] | None = None,
) -> Labels:
    """Read all files of labels in the reference system of a scene.

    Parameters
    ----------
    paths : sequence of str
        GeoPackage, GeoJSON, shapefile, CSV and more, or JSON saved by a page to label.
    crs : str
        Reference system of the result.
    attribute : str, optional
        That holds the class.
    own_crs : str, optional
        Reference system of files that say none.
    table : mapping, optional
        Name in the files to class; "" and a name that is not there leave a feature out.

    Returns
    -------
    Labels

    Raises
    ------
    OSError, ValueError
        If a file cannot be read, or names of classes would be mixed up.
    """
    sources, is_window = [], []
    for path in paths:
        if labelling_page.is_saved_labels(path):
            source = _read_page(path, crs)
            is_window.append(np.ones(len(source.names), bool))
        else:
            source = labelled_features.read_labelled_features(path, crs, attribute, own_crs)
            is_window.append(
                np.array([window_files.MAPPED in texts for texts in source.attributes], bool)
            )
        sources.append(source)
    features = feature_sets.joined(sources)
    names, messages = _class_names(features.names, table)
    return Labels(
        features,
        names,
        tuple(source.path for source in sources for _ in source.names),
        np.concatenate(is_window),
        (*features.messages, *messages),
    )


def _read_page(path: str, crs: str) -> labelled_features.LabelledFeatures:
    """Read the labels that a page saved; windows that nobody could tell are left out."""
    saved = labelling_page.read_saved_labels(path)
    told = {identity: name for identity, name in saved.labels.items() if name is not None}
    if not told:
        raise ValueError(f"{path}: no window of the page has a class")
    try:
        own_crs = str(saved.about["crs"])
        points = saved.about["points"]
        places = np.array([points[identity][:2] for identity in told], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: does not say where its windows are ({error!r})") from error
    found = feature_sets.of_places(path, list(told), list(told.values()), places, own_crs, crs)
    left = len(saved.labels) - len(told)
    messages = [f"{path}: {len(told)} of {saved.windows} windows have a class"]
    if left:
        messages.append(f"{left} left out: nobody could tell")
    if "design" in saved.about:
        messages.append(
            f"{path}: was drawn to check a map; a model that learns from it cannot be checked "
            "with it"
        )
    return labelled_features.LabelledFeatures(**{**found.__dict__, "messages": tuple(messages)})


def _class_names(
    names: Sequence[str], table: Mapping[str, str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """Return what the class of each feature is called here, and what there is to say."""
    messages = []
    if table is not None:
        unknown = Counter(name for name in names if name not in table)
        if unknown:
            listed = ", ".join(f"{name!r} ({n})" for name, n in unknown.most_common(5))
            messages.append(f"{unknown.total()} left out: no class in the table, {listed}")
        names = [table.get(name, "") for name in names]
    chosen = {name: NO_FOLDER.sub("-", name).strip(" .") for name in set(names)}
    renamed = sorted(name for name in chosen if chosen[name] != name)
    messages += [f"{name!r} is called {chosen[name]!r}, as its folder" for name in renamed]
    nameless = [name for name in renamed if not chosen[name]]
    if nameless:
        raise ValueError(f"the class {nameless[0]!r} cannot be the name of a folder")
    _check_spellings(set(chosen.values()) - {""})
    return tuple(chosen[name] for name in names), messages


def _check_spellings(names: set[str]) -> None:
    """Raise a ValueError when two classes are one but for case, blanks and marks."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(re.sub(r"[\W_]", "", name).casefold() or name, []).append(name)
    twice = [spelled for spelled in alike.values() if len(spelled) > 1]
    if twice:
        raise ValueError(
            f"{' and '.join(map(repr, twice[0]))} are one class in two spellings, it seems: "
            "correct the labels, or give a CLASS_TABLE with the columns reference and class"
        )


def check_crs_is_known(labels: Labels, crs_of_scenes: Sequence[str]) -> None:
    """Raise a ValueError when coordinates would be taken for those of several systems."""
    others = [
        crs for crs in crs_of_scenes if not reference_systems.same_crs(crs, labels.features.crs)
    ]
    if labels.features.crs_assumed and others:
        raise ValueError(
            "the labels are coordinates without a reference system, and the scenes have several "
            f"({reference_systems.crs_name(labels.features.crs)}, "
            f"{reference_systems.crs_name(others[0])}): name that of the labels, LABELS_CRS"
        )

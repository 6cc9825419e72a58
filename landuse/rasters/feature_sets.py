"""Labelled features put together: several files as one, and labelled places as features."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from landuse.rasters import labelled_features, reference_systems
from landuse.rasters.gdal_setup import ogr, osr


def joined(
    sources: Sequence[labelled_features.LabelledFeatures],
) -> labelled_features.LabelledFeatures:
    """Return the features of several files, one file after the other.

    Parameters
    ----------
    sources : sequence of LabelledFeatures
        All in the same reference system; at least one.

    Returns
    -------
    LabelledFeatures
        Whose `path` and `attribute` are those of the first.
    """
    return dataclasses.replace(
        sources[0],
        names=tuple(name for source in sources for name in source.names),
        geometries=tuple(wkb for source in sources for wkb in source.geometries),
        is_point=np.concatenate([source.is_point for source in sources]),
        parts=tuple(part for source in sources for part in source.parts),
        identities=tuple(name for source in sources for name in source.identities),
        messages=tuple(text for source in sources for text in source.messages),
        attributes=tuple(texts for source in sources for texts in source.attributes),
        crs_assumed=any(source.crs_assumed for source in sources),
    )


def of_places(
    path: str,
    identities: Sequence[str],
    names: Sequence[str],
    places: np.ndarray,
    crs: str,
    to: str,
) -> labelled_features.LabelledFeatures:
    """Return labelled places as point features.

    Parameters
    ----------
    path : str
        Where they come from.
    identities, names : sequence of str
        What they are called, and the class of each.
    places : ndarray of shape (features, 2)
        x and y in `crs`.
    crs, to : str
        Reference systems of the places and of the result.

    Raises
    ------
    ValueError
        If they cannot be brought to that reference system.
    """
    try:
        transformation = osr.CoordinateTransformation(
            reference_systems.spatial_reference(crs), reference_systems.spatial_reference(to)
        )
        moved = transformation.TransformPoints(np.asarray(places, np.float64).tolist())
    except RuntimeError as error:
        raise ValueError(
            f"{path}: cannot be brought to {reference_systems.crs_name(to)}"
        ) from error
    geometries = []
    for x, y, _ in moved:
        point = ogr.Geometry(ogr.wkbPoint)
        point.AddPoint_2D(x, y)
        geometries.append(bytes(point.ExportToWkb()))
    return labelled_features.LabelledFeatures(
        path,
        "class",
        tuple(names),
        tuple(geometries),
        np.ones(len(names), bool),
        to,
        ("",) * len(names),
        tuple(identities),
        (),
        tuple({"id": identity} for identity in identities),
    )

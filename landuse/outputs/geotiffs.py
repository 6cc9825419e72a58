"""Labels and probabilities as Cloud Optimized GeoTIFFs that carry their names and colours."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from landuse import map_values
from landuse.outputs import land_use_map, qgis_styles
from landuse.rasters import geotransforms, writing

MEANING_OF_PROBABILITY = (
    "Probability ({unit}) that the network gives to a class, over all classes 1; it says how sure "
    "the network is, not how often it is right"
)
COG_OPTIONS = ("COMPRESS=DEFLATE", "LEVEL=6", "BIGTIFF=IF_SAFER")


def metadata_tags(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return `metadata` as text tags; GDAL splits at '=' and ':', so they leave the keys."""
    tags = {}
    for key, value in metadata.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            tags[re.sub(r"\W", "_", key).upper()] = text
    return tags


def write_label_map(path: str | Path, land_use: land_use_map.LandUseMap) -> None:
    """Write labels as a Cloud Optimized GeoTIFF, and a QGIS style beside it.

    The class names go into the category names, which GDAL keeps in a side file, and as CLASS_0,
    CLASS_1, ... into the GeoTIFF itself, so that they survive when the .tif is copied alone. The
    facts become tags, without those that are None. The same map gives the same bytes.

    Parameters
    ----------
    path : str or Path
        The .tif to write. The style gets the same name with the ending .qml.
    land_use : LandUseMap
    """
    names = land_use.class_names
    legend = {f"CLASS_{index}": name for index, name in enumerate(names)}
    described = ", ".join(f"{index} {name}" for index, name in enumerate(names))
    description = {"TIFFTAG_IMAGEDESCRIPTION": f"Land use: {described}; {map_values.NODATA} nodata"}
    # The raster comes last: where it is, the map is complete.
    qgis_styles.write_style(Path(path).with_suffix(".qml"), names, land_use.colours)
    writing.write_geotiff(
        path,
        land_use.labels,
        land_use.geotransform,
        land_use.crs,
        nodata=map_values.NODATA,
        band_names=["land use"],
        metadata={**metadata_tags(land_use.facts), **legend, **description},
        category_names=list(names),
        colours=land_use.colours,
        options=[*COG_OPTIONS, "OVERVIEW_RESAMPLING=MODE"],
        driver="COG",
    )


def write_probability_map(path: str | Path, land_use: land_use_map.LandUseMap) -> None:
    """Write probabilities as a Cloud Optimized GeoTIFF, and a QGIS style beside it.

    The first band is that of the label; where the map has them, one more for each class follows,
    and those of doubt, of which the last one counts classes.
    Its overviews are means.

    Parameters
    ----------
    path : str or Path
        The .tif to write. The style gets the same name with the ending .qml.
    land_use : LandUseMap
        With probabilities.
    """
    names, bands = _probability_bands(land_use)
    place = land_use.geotransform, land_use.crs
    write_shares(path, bands, names, *place, MEANING_OF_PROBABILITY, land_use.facts)


def write_shares(
    path: str | Path,
    bands: np.ndarray,
    names: Sequence[str],
    geotransform: geotransforms.SixFloats,
    crs: str,
    meaning: str,
    facts: Mapping[str, object],
) -> None:
    """Write probabilities, or what else lies between 0 and 1, and a QGIS style beside them.

    Parameters
    ----------
    path : str or Path
        The .tif to write. The style gets the same name with the ending .qml.
    bands : ndarray of shape (rows, columns, bands)
        uint8 percent with nodata 255, or float32 0..1 with nodata -1.
    names : sequence of str
        Of the bands.
    geotransform, crs
        Of the map.
    meaning : str
        What the numbers are, with {unit} in place of their unit.
    facts : mapping
        What becomes tags, as in `write_label_map`.
    """
    percent = bands.dtype == np.uint8
    unit = "percent" if percent else "0..1"
    predictor = [] if percent else ["PREDICTOR=FLOATING_POINT"]
    qgis_styles.write_probability_style(Path(path).with_suffix(".qml"), 100 if percent else 1)
    writing.write_geotiff(
        path,
        bands,
        geotransform,
        crs,
        nodata=map_values.NODATA if percent else map_values.NODATA_PROBABILITY,
        band_names=names,
        metadata={
            **metadata_tags(facts),
            "UNIT": unit,
            "TIFFTAG_IMAGEDESCRIPTION": meaning.format(unit=unit),
        },
        options=[*COG_OPTIONS, *predictor, "OVERVIEW_RESAMPLING=AVERAGE"],
        driver="COG",
    )


def _probability_bands(land_use: land_use_map.LandUseMap) -> tuple[list[str], np.ndarray]:
    """Return the names of the bands, and them as (rows, columns, bands)."""
    if land_use.probability is None:
        raise ValueError(f"the map of {land_use.name or 'this scene'} has no probabilities")
    names, bands = ["probability of the label"], land_use.probability[np.newaxis]
    if land_use.all_probabilities is not None:
        names += land_use.class_names[: len(land_use.all_probabilities)]
        bands = np.concatenate([bands, land_use.all_probabilities])
    if land_use.doubt:
        names += land_use.doubt
        bands = np.concatenate([bands, np.stack(list(land_use.doubt.values()))])
    return names, np.moveaxis(bands, 0, -1)

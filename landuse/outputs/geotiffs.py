"""Labels and probabilities as Cloud Optimized GeoTIFFs that carry their names and colours."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from landuse import map_values
from landuse.outputs import class_colours, qgis_styles
from landuse.rasters import geotransforms, writing

_COG_OPTIONS = ("COMPRESS=DEFLATE", "LEVEL=6", "BIGTIFF=IF_SAFER")


def _metadata_tags(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return `metadata` as text tags; GDAL splits at '=' and ':', so they leave the keys."""
    tags = {}
    for key, value in metadata.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            tags[re.sub(r"\W", "_", key).upper()] = text
    return tags


def write_label_map(
    path: str | Path,
    labels: np.ndarray,
    geotransform: geotransforms.SixFloats,
    crs: str,
    class_names: Sequence[str],
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write labels as a Cloud Optimized GeoTIFF, and a QGIS style beside it.

    The class names go into the category names, which GDAL keeps in a side file, and as CLASS_0,
    CLASS_1, ... into the GeoTIFF itself, so that they survive when the .tif is copied alone.
    The same arguments give the same bytes.

    Parameters
    ----------
    path : str or Path
        The .tif to write. The style gets the same name with the ending .qml.
    labels : ndarray of shape (rows, columns), uint8
        Class index, or NODATA.
    geotransform : six floats
        As GDAL has it: left, pixel width, 0, top, 0, minus the pixel height.
    crs : str
        WKT or "EPSG:32632".
    class_names : sequence of str
        Names in the order of the labels.
    metadata : mapping, optional
        What becomes tags of the GeoTIFF: model, product, settings. None values are left out.

    Raises
    ------
    ValueError
        When labels and class names do not belong together.
    """
    map_values.check_labels(labels, class_names)
    legend = {f"CLASS_{index}": name for index, name in enumerate(class_names)}
    described = ", ".join(f"{index} {name}" for index, name in enumerate(class_names))
    description = {"TIFFTAG_IMAGEDESCRIPTION": f"Land use: {described}; {map_values.NODATA} nodata"}
    colours = class_colours.colours_of(class_names)
    # The raster comes last: where it is, the map is complete.
    qgis_styles.write_style(Path(path).with_suffix(".qml"), class_names, colours)
    writing.write_geotiff(
        path,
        labels,
        geotransform,
        crs,
        nodata=map_values.NODATA,
        band_names=["land use"],
        metadata={**_metadata_tags(metadata or {}), **legend, **description},
        category_names=list(class_names),
        colours=colours,
        options=[*_COG_OPTIONS, "OVERVIEW_RESAMPLING=MODE"],
        driver="COG",
    )


def write_probability_map(
    path: str | Path,
    probability: np.ndarray,
    geotransform: geotransforms.SixFloats,
    crs: str,
    metadata: Mapping[str, object] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Write probabilities as a Cloud Optimized GeoTIFF, and a QGIS style beside it.

    Its overviews are means.

    Parameters
    ----------
    path : str or Path
        The .tif to write. The style gets the same name with the ending .qml.
    probability : ndarray of shape (rows, columns) or (rows, columns, classes)
        uint8 percent with nodata 255, or float32 0..1 with nodata -1.
    geotransform, crs, metadata
        As in `write_label_map`.
    class_names : sequence of str, optional
        With one probability per class: their names, which describe the bands.

    Raises
    ------
    ValueError
        When the array is neither of the two types or its bands do not fit the names.
    """
    if probability.dtype not in (np.dtype(np.uint8), np.dtype(np.float32)):
        raise ValueError(
            "probabilities must be uint8 (percent) or float32 (0..1), got "
            f"{probability.dtype} {probability.shape}"
        )
    percent = probability.dtype == np.uint8
    unit = "percent" if percent else "0..1"
    names = list(class_names) if class_names is not None else ["probability of the label"]
    bands = probability[..., None] if probability.ndim == 2 else probability
    if bands.ndim != 3 or bands.shape[2] != len(names):
        raise ValueError(
            f"{len(names)} bands of probabilities expected ({', '.join(names)}), got an array of "
            f"shape {probability.shape}"
        )
    predictor = [] if percent else ["PREDICTOR=FLOATING_POINT"]
    meaning = (
        f"Probability ({unit}) that the network gives to a class, over all classes 1; "
        "it says how sure the network is, not how often it is right"
    )
    qgis_styles.write_probability_style(Path(path).with_suffix(".qml"), 100 if percent else 1)
    writing.write_geotiff(
        path,
        bands,
        geotransform,
        crs,
        nodata=map_values.NODATA if percent else map_values.NODATA_PROBABILITY,
        band_names=names,
        metadata={
            **_metadata_tags(metadata or {}),
            "UNIT": unit,
            "TIFFTAG_IMAGEDESCRIPTION": meaning,
        },
        options=[*_COG_OPTIONS, *predictor, "OVERVIEW_RESAMPLING=AVERAGE"],
        driver="COG",
    )

"""Write a land-use map so that every program shows it with its names and colours.

Labels and probabilities become Cloud Optimized GeoTIFFs, areas a table, classes polygons.
Arrays of labels are uint8: the index of the class, or NODATA where nothing was classified.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from landuse import files, rasters

Colour = tuple[int, int, int]
Geotransform = Sequence[float]
Bounds = tuple[float, float, float, float]

NODATA = 255
NODATA_FLOAT = -1.0
UNCERTAIN = "uncertain"  # the extra class of windows whose best class is not probable enough
SQUARE_METRES_PER_HECTARE = 10_000.0
_COG_OPTIONS = ("COMPRESS=DEFLATE", "LEVEL=6", "BIGTIFF=IF_SAFER")

# The colours people expect, moved apart until any two of them differ by 20 units of CIELAB or more,
# also for colour-blind readers (simulated protanopia, deuteranopia, tritanopia; see the tests).
COLOURS: dict[str, Colour] = {
    "AnnualCrop": (247, 222, 122),
    "Forest": (12, 64, 26),
    "HerbaceousVegetation": (176, 204, 164),
    "Highway": (60, 32, 62),
    "Industrial": (166, 62, 170),
    "Pasture": (68, 160, 74),
    "PermanentCrop": (245, 149, 22),
    "Residential": (214, 34, 20),
    "River": (84, 207, 252),
    "SeaLake": (8, 56, 193),
    UNCERTAIN: (158, 148, 156),
}

# Five steps of viridis (Smith and van der Walt), which is even to the eye, colour-blind or not.
_UNSURE_TO_SURE: tuple[Colour, ...] = (
    (68, 1, 84),
    (59, 82, 139),
    (33, 145, 140),
    (94, 201, 98),
    (253, 231, 37),
)

# Common names of classes in other data sets, and the class whose colour they take.
_SIMILAR_CLASSES = {
    "water": "SeaLake",
    "sea": "SeaLake",
    "lake": "SeaLake",
    "trees": "Forest",
    "urban": "Residential",
    "builtup": "Residential",
    "cropland": "AnnualCrop",
    "grassland": "Pasture",
    "orchard": "PermanentCrop",
    "road": "Highway",
}


def _cielab(colours: np.ndarray) -> np.ndarray:
    """Return CIELAB (D65) of sRGB `colours` of shape (N, 3), 0..255."""
    encoded = np.asarray(colours, dtype=np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    relative = linear @ np.transpose(to_xyz) / [0.9505, 1.0, 1.089]
    root = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    lightness = 116 * root[:, 1] - 16
    green_red, blue_yellow = 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])
    return np.stack([lightness, green_red, blue_yellow], axis=1)


def _distinct_colour(taken: Sequence[Colour]) -> Colour:
    """Return the colour of a coarse grid that is farthest from the `taken` ones to the eye."""
    levels = np.linspace(15, 245, 11).round().astype(int)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    candidates = candidates.reshape(-1, 3)
    lab = _cielab(candidates)
    calm = (np.hypot(lab[:, 1], lab[:, 2]) < 80) & (lab[:, 0] > 25) & (lab[:, 0] < 88)
    candidates, lab = candidates[calm], lab[calm]
    reserved = [(0, 0, 0), (255, 255, 255), *COLOURS.values()]  # an unknown class is no water
    known = _cielab(np.array([*reserved, *taken]))
    distances = np.linalg.norm(lab[:, None] - known[None], axis=2).min(axis=1)
    red, green, blue = candidates[int(distances.argmax())].tolist()
    return red, green, blue


def _expected_colour(class_name: str) -> Colour | None:
    """Return the colour people expect for a class, None when its name says nothing."""
    plain = re.sub("[^a-z]", "", class_name.lower())
    known = {name.lower(): colour for name, colour in COLOURS.items()}
    return known.get(_SIMILAR_CLASSES.get(plain, plain).lower())


def colours_of(class_names: Sequence[str]) -> list[Colour]:
    """Return one colour per class: the expected one if there is one, else a distinct one.

    Parameters
    ----------
    class_names : sequence of str
        Names in the order of the labels.

    Returns
    -------
    list of (red, green, blue)
        0..255, no two alike. The same names give the same colours.
    """
    found: list[Colour | None] = []
    for name in class_names:
        colour = _expected_colour(name)
        found.append(None if colour in found else colour)
    taken = [colour for colour in found if colour is not None]
    for index, colour in enumerate(found):
        if colour is None:
            found[index] = _distinct_colour(taken)
            taken.append(found[index])  # type: ignore[arg-type]
    return [colour for colour in found if colour is not None]


def check_labels(labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Raise ValueError unless `labels` is a uint8 map of these classes.

    Parameters
    ----------
    labels : ndarray of shape (rows, columns), uint8
        Class index, or NODATA.
    class_names : sequence of str
        At most 254 different names.
    """
    if len(class_names) >= NODATA or len(set(class_names)) != len(class_names):
        raise ValueError(
            f"a map needs at most {NODATA - 1} class names, all different; got {len(class_names)}: "
            f"{', '.join(class_names)}"
        )
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(
            f"labels must be uint8 of shape (rows, columns), got {labels.dtype} {labels.shape}"
        )
    counts = _label_sums(labels, None)
    unknown = [value for value in np.flatnonzero(counts[:NODATA]) if value >= len(class_names)]
    if unknown:
        raise ValueError(
            f"labels must be 0..{len(class_names) - 1} or {NODATA} (nodata), one for each of the "
            f"{len(class_names)} class names; found {unknown[0]}"
        )


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
    geotransform: Geotransform,
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
    check_labels(labels, class_names)
    legend = {f"CLASS_{index}": name for index, name in enumerate(class_names)}
    described = ", ".join(f"{index} {name}" for index, name in enumerate(class_names))
    description = {"TIFFTAG_IMAGEDESCRIPTION": f"Land use: {described}; {NODATA} nodata"}
    colours = colours_of(class_names)
    # The raster comes last: where it is, the map is complete.
    write_style(Path(path).with_suffix(".qml"), class_names, colours)
    rasters.write_geotiff(
        path,
        labels,
        geotransform,
        crs,
        nodata=NODATA,
        band_names=["land use"],
        metadata={**_metadata_tags(metadata or {}), **legend, **description},
        category_names=list(class_names),
        colours=colours,
        options=[*_COG_OPTIONS, "OVERVIEW_RESAMPLING=MODE"],
        driver="COG",
    )


def write_style(path: str | Path, class_names: Sequence[str], colours: Sequence[Colour]) -> None:
    """Write a QGIS layer style (.qml) that shows labels by name and colour, nodata transparent.

    QGIS applies it by itself when it lies beside the raster under the same name.

    Parameters
    ----------
    path : str or Path
        The .qml to write.
    class_names, colours : sequences
        One name and one (red, green, blue) per label.
    """
    renderer = _renderer("paletted")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, (name, colour) in enumerate(zip(class_names, colours, strict=True)):
        entry = {"value": str(value), "color": hexadecimal(colour), "label": name, "alpha": "255"}
        ElementTree.SubElement(palette, "paletteEntry", entry)
    _write_layer_style(path, renderer)


def write_probability_style(path: str | Path, highest: float = 100) -> None:
    """Write a QGIS layer style (.qml) that shows probabilities from dark (unsure) to light (sure).

    Parameters
    ----------
    path : str or Path
        The .qml to write, beside the raster and of the same name.
    highest : float
        What a probability of 1 is in the raster: 100 in percent, or 1.
    """
    limits = {"classificationMin": "0", "classificationMax": f"{highest:g}"}
    renderer = _renderer("singlebandpseudocolor", limits)
    shader = ElementTree.SubElement(
        ElementTree.SubElement(renderer, "rastershader"),
        "colorrampshader",
        {
            **{"colorRampType": "INTERPOLATED", "classificationMode": "1", "clip": "0"},
            **{"minimumValue": "0", "maximumValue": f"{highest:g}", "labelPrecision": "0"},
        },
    )
    for share, colour in zip(np.linspace(0, 1, len(_UNSURE_TO_SURE)), _UNSURE_TO_SURE, strict=True):
        entry = {"value": f"{share * highest:g}", "label": f"{100 * share:g} %", "alpha": "255"}
        ElementTree.SubElement(shader, "item", {**entry, "color": hexadecimal(colour)})
    _write_layer_style(path, renderer)


def _renderer(kind: str, more: Mapping[str, str] | None = None) -> ElementTree.Element:
    """Return the element of a QGIS style that says how the first band is shown."""
    settings = {"type": kind, "band": "1", "opacity": "1", "alphaBand": "-1", "nodataColor": ""}
    renderer = ElementTree.Element("rasterrenderer", {**settings, **(more or {})})
    ElementTree.SubElement(renderer, "rasterTransparency")
    return renderer


def _write_layer_style(path: str | Path, renderer: ElementTree.Element) -> None:
    root = ElementTree.Element("qgis", version="3.22.0", styleCategories="AllStyleCategories")
    pipe = ElementTree.SubElement(root, "pipe")
    pipe.append(renderer)
    ElementTree.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ElementTree.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ElementTree.SubElement(root, "blendMode").text = "0"
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    _write_text(path, f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n")


def hexadecimal(colour: Colour) -> str:
    """Return (red, green, blue) as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _write_text(path: str | Path, text: str) -> None:
    with files.atomic_path(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8", newline="")


def to_percent(probability: np.ndarray) -> np.ndarray:
    """Return probabilities 0..1 (negative or NaN: nodata) as uint8 percent, nodata 255.

    Parameters
    ----------
    probability : ndarray, float or uint8
        uint8 is taken for percent already and returned as it is.
    """
    if probability.dtype == np.uint8:
        return probability
    valid = probability >= 0  # False for NaN, too
    percent = np.rint(np.where(valid, probability, 0) * np.float32(100)).clip(0, 100)
    return np.where(valid, percent, NODATA).astype(np.uint8)


def write_probability_map(
    path: str | Path,
    probability: np.ndarray,
    geotransform: Geotransform,
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
    write_probability_style(Path(path).with_suffix(".qml"), 100 if percent else 1)
    rasters.write_geotiff(
        path,
        bands,
        geotransform,
        crs,
        nodata=NODATA if percent else NODATA_FLOAT,
        band_names=names,
        metadata={
            **_metadata_tags(metadata or {}),
            "UNIT": unit,
            "TIFFTAG_IMAGEDESCRIPTION": meaning,
        },
        options=[*_COG_OPTIONS, *predictor, "OVERVIEW_RESAMPLING=AVERAGE"],
        driver="COG",
    )


class Area(NamedTuple):
    """What one class covers."""

    class_name: str
    pixels: int
    hectares: float
    percent: float | None  # of the classified area; None for nodata


def extent(geotransform: Geotransform, shape: Sequence[int]) -> Bounds:
    """Return (left, bottom, right, top) of a north-up raster of `shape` (rows, columns)."""
    left, width, _, top, _, height = geotransform
    return left, top + shape[0] * height, left + shape[1] * width, top


def _covered(start: float, step: float, count: int, limits: tuple[float, float]) -> np.ndarray:
    """Return the covered part, 0..1, of each of `count` cells from `start` on."""
    edges = start + step * np.arange(count + 1)
    return np.abs(np.diff(edges.clip(min(limits), max(limits)))) / abs(step)


def _label_sums(labels: np.ndarray, weights: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Return the number of pixels of each value 0..255, weighted by row and column if wished."""
    sums = np.zeros(256, dtype=np.float64)
    for row, values in enumerate(labels):  # row by row: bincount makes 8 bytes of each pixel
        if weights is None:
            sums += np.bincount(values, minlength=256)
        else:
            sums += weights[0][row] * np.bincount(values, weights=weights[1], minlength=256)
    return sums


def areas(
    labels: np.ndarray,
    geotransform: Geotransform,
    class_names: Sequence[str],
    bounds: Bounds | None = None,
) -> list[Area]:
    """Return what each class covers, and as the last row what is nodata.

    The area of a pixel is taken as constant, as is usual in the UTM grid of Sentinel-2: within a
    zone, areas on the map and on the ground differ by 0.2 % at most.

    Parameters
    ----------
    labels : ndarray of shape (rows, columns), uint8
        Class index, or NODATA.
    geotransform : six floats
        Of the labels, in metres.
    class_names : sequence of str
        Names in the order of the labels.
    bounds : (left, bottom, right, top), optional
        Of the scene: cells of the last row and column may reach past it and count in part then.

    Returns
    -------
    list of Area
        One per class in the order of the labels, then one called "nodata" without a percentage.
    """
    check_labels(labels, class_names)
    _, width, row_rotation, _, column_rotation, height = geotransform
    hectares_per_pixel = (
        abs(width * height - row_rotation * column_rotation) / SQUARE_METRES_PER_HECTARE
    )
    counts = covered = _label_sums(labels, None)
    if bounds is not None:
        left, bottom, right, top = bounds
        of_rows = _covered(geotransform[3], height, labels.shape[0], (bottom, top))
        of_columns = _covered(geotransform[0], width, labels.shape[1], (left, right))
        covered = _label_sums(labels, (of_rows, of_columns))
    hectares = covered * hectares_per_pixel
    classified = max(float(hectares[:NODATA].sum()), np.finfo(float).tiny)
    rows = [
        Area(name, int(counts[i]), float(hectares[i]), float(100 * hectares[i] / classified))
        for i, name in enumerate(class_names)
    ]
    return [*rows, Area("nodata", int(counts[NODATA]), float(hectares[NODATA]), None)]


def write_areas(
    path: str | Path,
    labels: np.ndarray,
    geotransform: Geotransform,
    class_names: Sequence[str],
    bounds: Bounds | None = None,
    metric: bool = True,
) -> list[Area]:
    """Write `areas` as CSV: class, pixels, hectares, percent; nodata in the last row.

    Parameters
    ----------
    path : str or Path
        The .csv to write.
    labels, geotransform, class_names, bounds
        As in `areas`.
    metric : bool
        Whether map units are metres; without, the hectares stay empty.

    Returns
    -------
    list of Area
        What was written.
    """
    rows = areas(labels, geotransform, class_names, bounds)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        ["class", "pixels", "hectares (UTM pixel area)", "percent of the classified area"]
    )
    for row in rows:
        percent = "" if row.percent is None else f"{row.percent:.2f}"
        hectares = f"{row.hectares:.2f}" if metric else ""
        writer.writerow([row.class_name, row.pixels, hectares, percent])
    _write_text(path, table.getvalue())
    return rows


def write_polygons(
    path: str | Path,
    labels: np.ndarray,
    geotransform: Geotransform,
    crs: str,
    class_names: Sequence[str],
) -> None:
    """Write the connected areas of each class as polygons to a GeoPackage.

    Each has the fields `class_index`, `class_name` and `hectares` (empty where map units are not
    metres); nodata has no polygon. Dissolve by class_name for one multipolygon per class.

    Parameters
    ----------
    path : str or Path
        The .gpkg to write.
    labels, geotransform, crs, class_names
        As in `write_label_map`.
    """
    check_labels(labels, class_names)
    rasters.polygonize(path, labels, geotransform, crs, class_names, nodata=NODATA)

"""Styles (.qml) by which QGIS shows a map with its names and colours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from landuse import files
from landuse.outputs import class_colours

# Five steps of viridis (Smith and van der Walt), which is even to the eye, colour-blind or not.
_UNSURE_TO_SURE: tuple[class_colours.Colour, ...] = (
    (68, 1, 84),
    (59, 82, 139),
    (33, 145, 140),
    (94, 201, 98),
    (253, 231, 37),
)


def write_style(
    path: str | Path,
    class_names: Sequence[str],
    colours: Sequence[class_colours.Colour],
    values: Sequence[int] | None = None,
    see_through: Sequence[int] = (),
) -> None:
    """Write a QGIS layer style (.qml) that shows labels by name and colour, nodata transparent.

    QGIS applies it by itself when it lies beside the raster under the same name.

    Parameters
    ----------
    path : str or Path
        The .qml to write.
    class_names, colours : sequences
        One name and one (red, green, blue) per label.
    values : sequence of int, optional
        The labels that they belong to; 0, 1, ... by default.
    see_through : sequence of int
        Labels that are in the legend, but transparent.
    """
    renderer = _renderer("paletted")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    numbers = range(len(class_names)) if values is None else values
    for value, name, colour in zip(numbers, class_names, colours, strict=True):
        entry = {
            "value": str(value),
            "color": class_colours.hexadecimal(colour),
            "label": name,
            "alpha": "0" if value in see_through else "255",
        }
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
        ElementTree.SubElement(
            shader, "item", {**entry, "color": class_colours.hexadecimal(colour)}
        )
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
    files.write_text(path, f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n")

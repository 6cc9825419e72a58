"""What a map can be written to beside its rasters and areas; the one place to add a format."""

from collections.abc import Callable
from typing import Any, NamedTuple

from landuse.outputs import geopackages, pages, quicklooks


class Format(NamedTuple):
    """A file that shows a map.

    Attributes
    ----------
    what : str
        For people to read.
    ending : str
        Of the file, behind the name of the map.
    write : callable
        Takes the path, the `LandUseMap` and, if it needs one, the `Picture` of the scene.
    needs_picture : bool
    """

    what: str
    ending: str
    write: Callable[..., Any]
    needs_picture: bool = False


FORMATS = {  # by the constant of script 06 that asks for it, in lower case
    "quicklook": Format("picture", ".png", quicklooks.write_quicklook, needs_picture=True),
    "html": Format("page", ".html", pages.write_html, needs_picture=True),
    "polygons": Format("polygons", ".gpkg", geopackages.write_polygons),
}

"""VRT files: what they refer to, read from their XML before GDAL follows it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

REFERENCES = ("sourcefilename", "sourcedataset")


def is_vrt(path: str | Path) -> bool:
    """Tell whether a file is a VRT, whatever its ending."""
    if str(path).startswith("/vsi"):
        return False
    with open(path, "rb") as stream:
        return b"<VRTDataset" in stream.read(1000)


def _parse(path: str | Path) -> Any:
    try:
        return defusedxml.ElementTree.parse(path).getroot()
    except (SyntaxError, DefusedXmlException) as error:
        raise ValueError(f"{path}: is no valid VRT: {error}") from error


def _tag(element: Any) -> str:
    return str(element.tag).rsplit("}", 1)[-1].lower()


def references(path: str | Path) -> list[Path]:
    """Return the files that a VRT refers to.

    Raises
    ------
    ValueError
        If it is no valid XML, or refers to anything but files on this machine.
    """
    return [_local_file(path, *found) for found in _references(_parse(path), path)]


def _local_file(path: str | Path, name: str, relative: bool) -> Path:
    if "/vsi" in name or "://" in name or name.startswith("<"):
        raise ValueError(f"{path}: refers to {name[:100]!r}, only files beside it are read")
    return Path(path).parent / name if relative else Path(name)


def _references(root: Any, path: str | Path) -> Iterator[tuple[str, bool]]:
    """Yield what a VRT refers to, and whether relative to itself.

    GDAL ignores case and namespaces, and takes an attribute for a child of that name.
    """
    for element in root.iter():
        attributes = {key.rsplit("}", 1)[-1].lower(): text for key, text in element.items()}
        named = _tag(element) in REFERENCES
        if attributes.keys() & set(REFERENCES) or (named and len(element)):
            raise ValueError(f"{path}: refers to its sources in an unusual way")
        if named:
            yield (element.text or "").strip(), attributes.get("relativetovrt") == "1"


def sources_of_bands(path: str | Path) -> list[list[tuple[Path, int]]]:
    """Return for each band of a VRT the files that it is made of, with their bands from 0."""
    bands = []
    for band in (item for item in _parse(path) if _tag(item) == "vrtrasterband"):
        found = []
        for source in band:
            children = {_tag(child): child for child in source}
            name, number = children.get("sourcefilename"), children.get("sourceband")
            if name is not None:
                relative = name.get("relativeToVRT", name.get("relativetoVRT")) == "1"
                text = (number.text or "1").strip() if number is not None else "1"
                if text.isdecimal():  # a mask of the source says "mask,1"
                    place = _local_file(path, (name.text or "").strip(), relative)
                    found.append((place, int(text) - 1))
        bands.append(found)
    return bands

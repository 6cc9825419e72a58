"""A page on which somebody names the class of windows of a scene, and the file that it saves.

The page needs no network and no server. It keeps every label in the browser's own store, and saves
them to a JSON file that `read_saved_labels` reads; ``about`` travels through it unchanged.
"""

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files
from landuse.outputs import class_colours, pages

FORMAT = "landuse labels 1"
KEYS = "1234567890qwertyuiopadfghjklbnmv"  # of the classes in order; x, s, z and c do other things
JPEG_QUALITY = 87
_TEMPLATE = Path(__file__).with_name("labelling_page.html")


@dataclass(frozen=True)
class LabelWindow:
    """One window to label, with what lies around it.

    Attributes
    ----------
    identity : str
        Names it in the saved file.
    layers : tuple of ndarray of shape (rows, columns, 3), uint8
        Pictures of the same square of ground, in the order of the page's layers.
    outline : (top, left, bottom, right)
        Edges of the window in pixels of the pictures.
    place : str
        Where it is, for the reader.
    """

    identity: str
    layers: tuple[np.ndarray, ...]
    outline: tuple[float, float, float, float]
    place: str = ""


@dataclass(frozen=True)
class SavedLabels:
    """What was saved on a page.

    Attributes
    ----------
    labels : dict
        Window to class, None where the labeller could not tell; open windows are missing.
    windows : int
        How many the page had.
    about : dict
        What the page was given to carry along.
    saved : str
        When, in UTC.
    """

    labels: dict[str, str | None]
    windows: int
    about: dict[str, Any]
    saved: str


def write_labelling_page(
    path: str | Path,
    windows: Sequence[LabelWindow],
    class_names: Sequence[str],
    about: Mapping[str, Any],
    *,
    title: str,
    subtitle: str = "",
    question: str = "What is the land use in the outlined window?",
    layer_names: Sequence[str] = ("True colour", "Infrared: plants are red"),
    file_name: str = "labels.json",
    next_command: str = "",
    caption: str = "",
) -> None:
    """Write the page.

    Parameters
    ----------
    path : str or Path
        The .html to write.
    windows : sequence of LabelWindow
        In the order in which they are shown.
    class_names : sequence of str
        That can be chosen.
    about : mapping
        JSON that comes back with the labels: where the windows are and how they were chosen.
    title, subtitle, question, caption : str
    layer_names : sequence of str
        Of the pictures of each window.
    file_name : str
        Suggested to the browser for the saved labels.
    next_command : str
        What to do with that file, shown when all windows are labelled.

    Raises
    ------
    ValueError
        If there is no window or no class, or a name stands twice.
    """
    _check(windows, class_names, layer_names)
    colours = class_colours.colours_of(class_names)
    keys = [*KEYS[: len(class_names)], *[""] * max(0, len(class_names) - len(KEYS))]
    data = {
        "format": FORMAT,
        "identity": _identity(windows, class_names, about),
        "about": about,
        "file": file_name,
        "next": next_command,
        "layers": list(layer_names),
        "classes": [
            {"name": name, "colour": colour, "key": key}
            for name, colour, key in zip(class_names, colours, keys, strict=True)
        ],
        "windows": [
            {
                "id": window.identity,
                "images": [_as_data_uri(layer) for layer in window.layers],
                "outline": window.outline,
                "place": window.place,
            }
            for window in windows
        ],
    }
    texts = {"title": title, "subtitle": subtitle, "question": question, "caption": caption}
    with files.atomic_path(path) as temporary:
        page = pages.fill_template(_TEMPLATE, texts, data)
        Path(temporary).write_text(page, encoding="utf-8", newline="")


def _check(
    windows: Sequence[LabelWindow], class_names: Sequence[str], layer_names: Sequence[str]
) -> None:
    if not windows or not class_names:
        raise ValueError("a page to label needs at least one window and one class")
    identities = [window.identity for window in windows]
    for names in (identities, class_names):
        if len(set(names)) < len(names):
            raise ValueError("windows and classes of a page to label need names of their own")
    if any(len(window.layers) != len(layer_names) for window in windows):
        raise ValueError(f"every window needs {len(layer_names)} pictures, one for each layer")


def _identity(
    windows: Sequence[LabelWindow], class_names: Sequence[str], about: Mapping[str, Any]
) -> str:
    """Return what tells these windows from others, so that labels are never mixed up."""
    told = [[window.identity for window in windows], list(class_names), about]
    text = json.dumps(told, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _as_data_uri(rgb: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def is_saved_labels(path: str | Path) -> bool:
    """Tell whether a file looks like labels that a page saved."""
    if Path(path).suffix.lower() != ".json" or not Path(path).is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        return FORMAT.rsplit(" ", 1)[0] in file.read(200)


def read_saved_labels(path: str | Path) -> SavedLabels:
    """Read the file that a page saved.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or was not saved by such a page.
    """
    content = files.read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path}: holds no labels saved by a page to label ({FORMAT!r})")
    try:
        labels = {
            str(identity): None if entry["class"] is None else str(entry["class"])
            for identity, entry in content["labels"].items()
        }
        return SavedLabels(
            labels, int(content["windows"]), dict(content["about"]), str(content["saved"])
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: the saved labels are damaged ({error!r})") from error

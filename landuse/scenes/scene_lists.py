"""Many scenes by one name: a folder of products, a list of them, or a pattern."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from landuse.rasters import remote_files

# Products as they are downloaded; other things in the folder are left alone.
PRODUCT = re.compile(r"S2[A-Z]_.*\.(SAFE|zip)|.*\.SAFE(\.zip)?", re.IGNORECASE)
LIST_ENDINGS = (".txt", ".lst")
COMMENT = "#"


def expand(given: str | Sequence[str], setting: str = "PATH_TO_IMAGE") -> list[str]:
    """Name the scenes that PATH_TO_IMAGE stands for, one by one.

    A folder in which several products lie stands for all of them, a text file for what its lines
    name, and a pattern ("products/*.zip", "**" for any folders) for what fits it, by name. All
    else stands for itself, so that a folder of bands or of tiles is one scene as before.

    Parameters
    ----------
    given : str or sequence of str
        What the user gave.
    setting : str
        For the message.

    Returns
    -------
    list of str
        In the order of the list, or sorted.

    Raises
    ------
    FileNotFoundError
        When nothing fits a pattern, or a line of a list names what does not exist.
    ValueError
        When a list is empty or no text.
    """
    texts = [given] if isinstance(given, str) else list(given)
    return [scene for text in texts for scene in _expand_one(text, setting)]


def _expand_one(text: str, setting: str) -> list[str]:
    path = Path(text)
    if remote_files.is_address(text):
        return [text]
    if path.is_dir():
        products = sorted(item.name for item in path.iterdir() if PRODUCT.fullmatch(item.name))
        is_product = PRODUCT.fullmatch(path.name) is not None
        return (
            [str(path / name) for name in products]
            if len(products) > 1 and not is_product
            else [text]
        )
    if path.is_file():
        return _read_list(path) if path.suffix.lower() in LIST_ENDINGS else [text]
    if glob.has_magic(text):
        found = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 (absolute, too)
        if not found:
            raise FileNotFoundError(f"{setting}: nothing fits the pattern {text}")
        return found
    return [text]


def _read_list(path: Path) -> list[str]:
    """Read the lines of a list; a path may be as seen from here, or from the list's folder."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no list of scenes in UTF-8 ({error.reason})") from error
    scenes = []
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name or name.startswith(COMMENT):
            continue
        if remote_files.is_address(name):
            scenes.append(name)
            continue
        places = [Path(name), path.parent / name]
        found = [place for place in places if place.exists()]
        if not found:
            looked = " or ".join(dict.fromkeys(str(place) for place in places))
            raise FileNotFoundError(
                f"{path}, line {number}: {looked} does not exist; a list names one scene a line"
            )
        scenes.append(str(found[0]))
    if not scenes:
        raise ValueError(f"{path}: names no scene; a list names one scene a line")
    return scenes

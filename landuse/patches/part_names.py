"""What the parts of a split are called: by script 01, and by others that split for themselves."""

from __future__ import annotations

from pathlib import Path

NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


def part_of(name: str) -> str | None:
    """Return the part that a folder, or a list of names, is called after."""
    plain = name.casefold()
    return next((part for part, names in NAMES.items() if plain in names), None)


def parts_in(folder: Path) -> dict[str, list[Path]]:
    """Return the folders of each part that lie in a folder, sorted by name."""
    found: dict[str, list[Path]] = {}
    for inner in sorted(folder.iterdir()) if folder.is_dir() else ():
        part = part_of(inner.name)
        if part and inner.is_dir():
            found.setdefault(part, []).append(inner)
    return found


def folder_of(split: Path, part: str) -> Path:
    """Return the folder of a part, whatever it is called; as script 01 does where there is none.

    Raises
    ------
    ValueError
        When two folders are called after the part.
    """
    found = parts_in(split).get(part, [])
    if len(found) > 1:
        raise ValueError(
            f"{split} has two folders for the {part} part, {found[0].name} and {found[1].name}: "
            "leave one of them there"
        )
    return found[0] if found else split / part

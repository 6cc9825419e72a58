"""Packages that only some settings need, and the sentence when one is not installed."""

import importlib.util
from collections.abc import Mapping


def check_installed(whose: str, packages: Mapping[str, str]) -> None:
    """Raise a ValueError with the pip line when a package is not installed.

    Parameters
    ----------
    whose : str
        What needs them, as the user wrote it: "FORMAT = 'onnx'".
    packages : mapping
        Name to import to name for pip.
    """
    missing = [pip for module, pip in packages.items() if not _is_there(module)]
    if missing:
        several = "packages that are" if len(missing) > 1 else "a package that is"
        raise ValueError(f"{whose} needs {several} not installed: pip install {' '.join(missing)}")


def are_installed(packages: Mapping[str, str]) -> bool:
    """Tell whether all packages (name to import to name for pip) are installed."""
    return all(map(_is_there, packages))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the folder that a dotted name lies in
        return False

"""Models that come with the repository, found by their names."""

import hashlib
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from landuse import files

FOLDER = Path(__file__).parents[2] / "models"


@dataclass(frozen=True)
class ShippedModel:
    """A model of the folder models/.

    Parameters
    ----------
    file : str
        Its name there; the model card has the same name and ends in .md.
    sha256 : str
        Of the file, so that a damaged one is noticed.
    """

    file: str
    sha256: str


SHIPPED: dict[str, ShippedModel] = {}
DEFAULT = "eurosat_rgb"  # what is used when no model is named and none was trained


def find_model(path: str, default: str) -> Path:
    """Give the file of a model that was asked for by its path or by the name of a shipped one.

    Parameters
    ----------
    path : str
        Of a model.keras, or a name of `SHIPPED`.
    default : str
        The path that is asked for when nothing was named: if nothing is there, the model `DEFAULT`
        is used, and a line says so.

    Raises
    ------
    ValueError
        If the shipped model is damaged.
    FileNotFoundError
        If it is missing.
    """
    if path == default and not Path(path).exists() and DEFAULT in SHIPPED:
        found = _checked(DEFAULT)
        print(
            f"no model was named and none is at {path}: using the one that comes with these "
            f"scripts, {found.name}; what it can do and cannot is in {found.with_suffix('.md')}"
        )
        return found
    if path in SHIPPED and not Path(path).exists():
        return _checked(path)
    return Path(path)


def _checked(name: str) -> Path:
    model = SHIPPED[name]
    path = FOLDER / model.file
    again = "get it again with the repository (git checkout models), or name another PATH_TO_MODEL"
    if not path.is_file():
        raise FileNotFoundError(f"{path}, the model {name!r} of these scripts, is missing: {again}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != model.sha256:
        raise ValueError(f"{path} is not the model {name!r} that was shipped, or damaged: {again}")
    return path


def write_compact(source: str | Path, target: str | Path) -> None:
    """Copy a model file with its weights as float16, which halves it.

    Keras reads them into float32 variables again; weights keep three decimal digits.

    Parameters
    ----------
    source, target : str or Path
        Files of `model_files.save`.
    """
    import h5py
    import numpy as np

    def halve(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group):
            for name in [key for key in item if isinstance(item[key], h5py.Dataset)]:
                values = item[name][()]
                del item[name]
                item.create_dataset(name, data=values.astype(np.float16), compression="gzip")

    with files.atomic_path(target) as temporary:
        weights = Path(f"{temporary}.h5")
        try:
            with zipfile.ZipFile(source) as old, zipfile.ZipFile(temporary, "w") as new:
                for member in old.infolist():
                    if member.filename != "model.weights.h5":
                        new.writestr(member.filename, old.read(member), zipfile.ZIP_DEFLATED)
                        continue
                    with old.open(member) as stream, weights.open("wb") as copy:
                        shutil.copyfileobj(stream, copy)
                    fresh = Path(f"{weights}.new")
                    with h5py.File(weights) as before, h5py.File(fresh, "w") as after:
                        for name in before:
                            before.copy(name, after)
                        after.attrs.update(before.attrs)
                        after.visititems(halve)
                    _repack(fresh, weights)
                    new.write(weights, member.filename, zipfile.ZIP_DEFLATED)
        finally:
            weights.unlink(missing_ok=True)
            Path(f"{weights}.new").unlink(missing_ok=True)


def _repack(source: Path, target: Path) -> None:
    """Copy an HDF5 file without the room that deleted parts left."""
    import h5py

    with h5py.File(source) as before, h5py.File(target, "w") as after:
        for name in before:
            before.copy(name, after)
        after.attrs.update(before.attrs)

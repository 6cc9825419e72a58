"""Models that come with the repository, found by their names."""

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    windows, right : int
        Windows of real places, other than those of its patches, that it was measured on, and how
        many of them it named right; the card tells more.
    known_for : str
        What it gets wrong there; a sentence for those who look at its map.
    said_and_right : mapping of str to tuple of int
        By class, of the same windows: how many it called so, and how many of these are so. A class
        that it never named there is left out.
    learned_from : str
        How many of which patches; a phrase.
    data_set : str
        What these patches are called; their files are named <Class>_<number>.
    """

    file: str
    sha256: str
    windows: int = 0
    right: int = 0
    known_for: str = ""
    said_and_right: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    learned_from: str = ""
    data_set: str = ""


SHIPPED = {
    "eurosat_rgb": ShippedModel(
        "eurosat_rgb.keras",
        "862818c3b650a5a3856fdb2c477d27368dabcf532ceb0c1c009a400484d2e8c7",
        windows=186,
        right=157,
        known_for="It takes many fields for PermanentCrop.",
        said_and_right={  # by the maps of script 06 at stride 64
            "AnnualCrop": (34, 34),
            "Forest": (2, 2),
            "HerbaceousVegetation": (1, 0),
            "Highway": (9, 3),
            "Industrial": (12, 9),
            "Pasture": (2, 0),
            "PermanentCrop": (13, 0),
            "Residential": (98, 96),
            "River": (15, 13),
        },
        learned_from="21,168 of EuroSAT's RGB patches",
        data_set="EuroSAT",
    )
}
DEFAULT = "eurosat_rgb"  # what is used when no model is named and none has been trained
RUNS = "runs"  # where training scripts leave their models


def find_model(path: str | None, runs: str | Path = RUNS) -> Path:
    """Give the file of a model, and say which it is where nobody named one.

    Parameters
    ----------
    path : str or None
        Of a model.keras, or the name of a shipped one; None: the newest model of the run folders,
        or `DEFAULT` where there is none.
    runs : str or Path
        Folder of run folders.

    Raises
    ------
    ValueError
        If the shipped model is damaged.
    FileNotFoundError
        If it is missing.
    """
    if path is not None:
        return _checked(path) if path in SHIPPED and not Path(path).exists() else Path(path)
    trained = sorted(Path(runs).glob("*/model.keras"), key=lambda file: file.stat().st_mtime)
    if trained:
        print(f"no model was named: taking the newest of {runs}/, {trained[-1]}")
        return trained[-1]
    found = _checked(DEFAULT)
    print(
        f"no model was named and none is in {runs}/: taking {DEFAULT}, which comes with these "
        f"scripts; {found.with_suffix('.md')} says what it can do and what it cannot"
    )
    return found


def folder_beside(path: str | Path, runs: str | Path = RUNS) -> Path:
    """Give the folder where what is made from a model goes: beside it, never beside a shipped one.

    Parameters
    ----------
    path : str or Path
        Of the model.
    runs : str or Path
        Folder of run folders; a shipped model gets one there that is named after it.
    """
    path = Path(path)
    return Path(runs) / path.stem if is_shipped(path) else path.parent


def is_shipped(path: str | Path) -> bool:
    """Tell whether a file is one of the models that come with the repository."""
    return Path(path).resolve().parent == FOLDER.resolve()


def name_of(path: str | Path) -> str | None:
    """Give the name of the shipped model that a path leads to; None for any other file."""
    place = Path(path).resolve()
    names = (name for name, model in SHIPPED.items() if place == (FOLDER / model.file).resolve())
    return next(names, None)


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

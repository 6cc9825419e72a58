"""Model files that are not ours: what they are, said in one line, with what to do."""

import json
import zipfile
from pathlib import Path

HDF5 = b"\x89HDF\r\n\x1a\n"
TRAIN = "train one with one of the scripts 02 to 05"
# By the ending, of files that no script reads.
_KINDS = {
    ".pb": "a TensorFlow graph (SavedModel)",
    ".tflite": "a LiteRT model, made to be run elsewhere",
    ".onnx": "an ONNX model, made to be run elsewhere",
    ".pt": "a model of PyTorch",
    ".pth": "a model of PyTorch",
    ".ckpt": "weights of PyTorch or TensorFlow",
    ".safetensors": "weights without a network",
    ".pkl": "a Python pickle, which could run any code",
    ".joblib": "a Python pickle, which could run any code",
}
_EXPECTED = "expected the model.keras of a training script, which knows its bands and classes"


def check_kind(path: str | Path) -> None:
    """Raise an error for what is no .keras file: what it is, and what to do.

    Raises
    ------
    OSError
        If it is a folder.
    ValueError
        If it is a file of another kind.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} {_kind_of_folder(path)}")
    if not path.is_file():
        return
    with open(path, "rb") as stream:
        start = stream.read(len(HDF5))
    if start == HDF5:
        raise ValueError(f"{path} {_kind_of_hdf5(path)}")
    if path.suffix.lower() in _KINDS:
        raise ValueError(f"{path} is {_KINDS[path.suffix.lower()]}: {_EXPECTED}; {TRAIN}")


def _kind_of_folder(path: Path) -> str:
    if (path / "saved_model.pb").exists():
        return (
            "is a SavedModel, which holds neither classes nor bands and is not read: "
            f"{_EXPECTED}; {TRAIN}"
        )
    if (path / "model.keras").is_file():
        return f"is a folder, not a model: name {path / 'model.keras'}"
    return "is a folder, not a model: name the model.keras in it"


def _kind_of_hdf5(path: Path) -> str:
    """Tell a model of older Keras from weights alone."""
    if path.name.endswith(".weights.h5"):
        return f"holds weights without their network: {_EXPECTED}; {TRAIN}"
    return (
        "is an HDF5 file (.h5, .hdf5), the form in which Keras 2 kept models or weights, without "
        f"classes and bands: {_EXPECTED}; {TRAIN}. Weights of ImageNet go to WEIGHTS of the "
        "scripts 02 and 04"
    )


def version_of_keras(path: str | Path) -> str:
    """Return the Keras that wrote a .keras file, "" where it does not say."""
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read("metadata.json"))
        return str(metadata.get("keras_version", ""))
    except (OSError, KeyError, ValueError, AttributeError, zipfile.BadZipFile):
        return ""


def is_later(version: str, than: str) -> bool:
    """Tell whether a version such as "3.15.1" comes after another one."""

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(".")[:2] if part.isdecimal()]

    return numbers(version) > numbers(than)

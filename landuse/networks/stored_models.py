"""A model in its file, of which Keras reads the network only where nothing was kept of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from landuse import files
from landuse.networks import engines, model_files, network_cache

if TYPE_CHECKING:
    import keras

_OF_KERAS = ("keras", "tensorflow", "numpy")


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model of `model_files.save`.

    Attributes
    ----------
    path : Path
    cache : bool
        Keep what is made of it for the next start, and take what was kept.
    """

    path: Path
    cache: bool = True

    @functools.cached_property
    def keras_model(self) -> keras.Model:
        """The network and its weights, read when first asked for."""
        return model_files.load(self.path)[0]

    @functools.cached_property
    def sha256(self) -> str:
        """Checksum of the file."""
        return files.sha256(self.path)


def make_predict(
    stored: StoredModel,
    shape: tuple[int, ...],
    engine: str,
    precision: str,
    dense_stride: int | None = None,
) -> engines.Predict:
    """Do what `engines.make_predict` does, by what was kept of the model at an earlier start.

    Parameters
    ----------
    stored : StoredModel
    shape, engine, precision, dense_stride
        See `engines.make_predict`, as for the errors.
    """
    if not stored.cache or not engines.can_be_kept(engine):
        return engines.make_predict(stored.keras_model, shape, engine, precision, dense_stride)
    packages = [*_OF_KERAS, *engines.PACKAGES.get(engine, {}).values()]
    key = network_cache.key_of(
        stored.sha256,
        packages,
        engine=engine,
        shape=list(shape),
        precision=precision,
        dense_stride=dense_stride,
    )
    members = network_cache.read(key)
    if members is not None:
        try:
            return engines.start(engine, members)
        except Exception:  # whatever it is that damage leads to, the model itself is there
            network_cache.remove(key)
    try:
        members = engines.prepare(stored.keras_model, shape, engine, precision, dense_stride)
        predict = engines.start(engine, members)
    except engines.NOT_AS_KNOWN as error:
        if engine in engines.RUNTIMES:
            raise
        print(f"Keras itself computes the network, because TensorFlow has changed: {error}")
        return engines.by_keras(stored.keras_model, precision, dense_stride)
    _keep(key, members)
    return predict


def _keep(key: str, members: dict[str, bytes]) -> None:
    where = network_cache.folder()
    try:
        size = network_cache.write(key, members)
    except OSError as error:
        print(f"nothing could be stored in {where} for a quicker next start: {error}")
        return
    if size:
        print(f"stored for a quicker next start, in {where}: {size / 1e6:.0f} MB")

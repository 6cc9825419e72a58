"""A network without its top: new, or with the official weights of ImageNet.

It stays one nested layer of the classifier, so it can be frozen, exchanged or run over a whole
scene.
"""

import inspect
import re
from pathlib import Path
from typing import Any

import keras

from landuse.networks import catalogue


def base_network(
    name: str, bands: int = 3, weights: str | None = None, own_scaling: bool = False
) -> keras.Model:
    """Make a network without its top.

    Parameters
    ----------
    name : str
        A name of `network_names()`.
    bands : int
        Bands of its input.
    weights : str, optional
        "imagenet" or the path of an official weights file of this network (.h5). None starts it
        at random.
    own_scaling : bool
        Without weights, let a network that scales pixels itself (EfficientNet) do so, as it does
        with weights; False: it is given standardised ones.

    Returns
    -------
    keras.Model
        Named as the network; (batch, rows, columns, bands) to (batch, rows/32, columns/32,
        features).

    Raises
    ------
    ValueError
        If the network does not exist or the weights do not fit.
    OSError
        If the weights are not there or cannot be downloaded.
    """
    if weights is None:
        base = _construct(name, bands, None, own_scaling)
        if catalogue.network(name).he_initialisation:
            _initialise_by_he(base)
        return base
    if bands != 3:
        raise ValueError(
            f"the weights of {weights} are for 3 bands, and {bands} are asked for: mix the bands "
            "to 3 first (script 04) or widen the first convolution (script 04, alternative)"
        )
    if catalogue.network(name).build is not None:
        raise ValueError(
            f"there are no ImageNet weights of {name}: train it from scratch (scripts 03, 05), or "
            "give WEIGHTS of a model.keras that was trained so"
        )
    if weights == "imagenet":
        return _download_imagenet(name)
    return _read_official_weights(name, weights)


def _construct(name: str, bands: int, weights: str | None, own_scaling: bool = True) -> keras.Model:
    known = catalogue.network(name)
    if known.build is not None:
        base = known.build(bands)
        base.name = name
        return base
    constructor = getattr(keras.applications, name)
    options: dict[str, Any] = {"weights": weights, "input_shape": (None, None, bands)}
    parameters = inspect.signature(constructor).parameters
    if "include_preprocessing" in parameters and not own_scaling:
        options["include_preprocessing"] = False
    if "name" in parameters:
        options["name"] = name
    try:
        base = constructor(include_top=False, **options)
    except ValueError as error:
        if weights is not None:
            raise
        options["input_shape"] = (64, 64, bands)
        try:
            base = constructor(include_top=False, **options)
        except ValueError:
            raise ValueError(f"{name} cannot be built for {bands} bands: {error}") from error
    base.name = name
    if not own_scaling:
        _take_scaling_out(base)
    return base


def _take_scaling_out(base: keras.Model) -> None:
    """Let standardised pixels through: EfficientNet would divide them by 255 once more."""
    for layer in base.layers:
        if isinstance(layer, keras.layers.Rescaling):
            layer.scale, layer.offset = 1.0, 0.0


def _initialise_by_he(base: keras.Model) -> None:
    initializer = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(_random_seed()))
    for layer in base.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel_initializer = keras.initializers.HeNormal()
            layer.kernel.assign(initializer(layer.kernel.shape))


def _random_seed() -> int:
    return int(keras.random.randint((), 0, 2**31 - 1, dtype="int32"))


def _download_imagenet(name: str) -> keras.Model:
    try:
        return _construct(name, 3, "imagenet")
    except ValueError:
        raise
    except Exception as error:
        found = re.search(r"https?://\S+\.h5", str(error))
        file = found.group() if found else catalogue.official_file(name)
        reason = _one_line(error).replace(file, "the server")
        raise OSError(
            f"the ImageNet weights of {name} could not be downloaded ({reason}). Get the "
            f"file on a machine that has a network, from {file}, and name it here: "
            f"WEIGHTS = 'path/to/{file.rsplit('/', 1)[-1]}'; or train from scratch (scripts 03, 05)"
        ) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _read_official_weights(name: str, path: str) -> keras.Model:
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"WEIGHTS = {path!r}: there is no such file. Give 'imagenet', None, the path of an "
            "official weights file (.h5) or of a model that an earlier step saved (.keras)"
        )
    base = _construct_for_weights(name)
    try:
        base.load_weights(path)
    except Exception as error:
        raise ValueError(
            f"{path}: these weights do not fit {name} without its top ({_one_line(error)}). "
            "Expected is the official file whose name ends in notop.h5"
        ) from error
    return base


def _construct_for_weights(name: str) -> keras.Model:
    constructor = getattr(keras.applications, catalogue.network(name).name)
    base = constructor(include_top=False, weights=None, input_shape=(None, None, 3))
    base.name = name
    return base


def adapt_batch_normalization(base: keras.Model, steps_per_epoch: int) -> None:
    """Let the averages of BatchNormalization follow the weights within a tenth of an epoch.

    With the default momentum of 0.99 and the few steps of a small data set, they lag so far behind
    the weights that the validation of the first epochs means nothing.
    """
    momentum = min(max(1 - 10 / steps_per_epoch, 0.8), 0.97)
    for layer in batch_normalizations(base):
        layer.momentum = momentum


def batch_normalizations(model: keras.Model) -> list[keras.layers.Layer]:
    """List all BatchNormalization layers of a model, in the networks nested in it too."""
    kind = keras.layers.BatchNormalization
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]

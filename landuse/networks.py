"""The networks: from raw pixels to class probabilities, new or with weights that were learned.

A classifier is always built the same way: raw pixels -> a few fixed layers in float32 that bring
them to what the network expects -> the network without its top -> global average pooling -> a new
top. The network itself stays one nested layer, so it can be frozen, exchanged or run over a whole
scene.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import image_functions

DN_AT_255 = 2750.0  # the published scaling of the EuroSAT pictures: DN 0..2750 to 1..255


@dataclass(frozen=True)
class Network:
    """What has to be known about a network of `keras.applications`.

    Parameters
    ----------
    name : str
        Name of the constructor in `keras.applications`.
    first_block_ends : str
        Name of the last layer of the first block, which stays frozen while fine-tuning.
    top : tuple of int
        Units of the dense layers between the pooling and the probabilities.
    learning_rate : float
        Rate at which AdamW trains it from scratch.
    he_initialisation : bool
        Start its convolutions by He et al. 2015: without it, a deep network that has no
        BatchNormalization does not converge from scratch.
    """

    name: str
    first_block_ends: str
    top: tuple[int, ...] = ()
    learning_rate: float = 1e-3
    he_initialisation: bool = False


NETWORKS = {
    network.name: network
    for network in (
        Network("VGG16", "block1_pool", (2048, 2048), 3e-4, he_initialisation=True),
        Network("DenseNet201", "pool1"),
        Network("ResNet50", "pool1_pool"),
    )
}
TOO_LARGE = ("Xception", "Inception")  # they need pictures of at least 71 or 75 pixels


def network_names() -> list[str]:
    """Give the names of all networks of `keras.applications` that take 64x64 pixels."""
    names = [
        name
        for name, thing in vars(keras.applications).items()
        if inspect.isfunction(thing) and name[0].isupper() and not name.startswith(TOO_LARGE)
    ]
    return sorted(names)


def network(name: str) -> Network:
    """Look a network up; one that is not in `NETWORKS` has no first block to freeze.

    Raises
    ------
    ValueError
        If `keras.applications` has no such network that takes 64x64 pixels.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if name not in network_names():
        raise ValueError(
            f"NETWORK = {name!r}: there is no such network for patches of 64x64 pixels. "
            f"Fully supported: {', '.join(NETWORKS)}. From scratch or with the whole network "
            f"frozen: {', '.join(n for n in network_names() if n not in NETWORKS)}"
        )
    return Network(name, first_block_ends="")


def base_network(name: str, bands: int = 3, weights: str | None = None) -> keras.Model:
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
        base = _construct(name, bands, None)
        if network(name).he_initialisation:
            _initialise_by_he(base)
        return base
    if bands != 3:
        raise ValueError(
            f"the weights of {weights} are for 3 bands, and {bands} are asked for: mix the bands "
            "to 3 first (mix_bands) or widen the first convolution (widen_first_convolution)"
        )
    if weights == "imagenet":
        return _download_imagenet(name)
    return _read_official_weights(name, weights)


def _construct(name: str, bands: int, weights: str | None) -> keras.Model:
    constructor = getattr(keras.applications, network(name).name)
    options: dict[str, Any] = {"weights": weights, "input_shape": (None, None, bands)}
    known = inspect.signature(constructor).parameters
    if "include_preprocessing" in known and weights is None:
        options["include_preprocessing"] = False
    if "name" in known:
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
    return base


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
        file = _official_file(name)
        raise OSError(
            f"the ImageNet weights of {name} could not be downloaded ({_one_line(error)}). Get the "
            f"file on a machine that has a network, from {file}, and name it here: "
            f"WEIGHTS = 'path/to/{file.rsplit('/', 1)[-1]}'; or train from scratch (steps 03, 05)"
        ) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _official_file(name: str) -> str:
    store = "https://storage.googleapis.com/tensorflow/keras-applications"
    files = {
        "VGG16": f"{store}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "DenseNet201": f"{store}/densenet/densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "ResNet50": f"{store}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    }
    return files.get(name, f"{store} (the file {name} ... notop.h5)")


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
    constructor = getattr(keras.applications, network(name).name)
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


@keras.saving.register_keras_serializable("landuse")
class ScaleToRGB8(keras.layers.Layer):
    """The published scaling of EuroSAT: DN 0..2750 linearly to 1..255, clipped and rounded.

    DN 0 is nodata and stays 0.
    """

    def call(self, pixels: Any) -> Any:  # noqa: D102
        scaled = keras.ops.floor(1.5 + pixels * (254.0 / DN_AT_255))
        return keras.ops.where(pixels > 0, keras.ops.clip(scaled, 1.0, 255.0), 0.0)


@keras.saving.register_keras_serializable("landuse")
class SelectBands(keras.layers.Layer):
    """Pick bands by their positions, in the order given.

    Parameters
    ----------
    positions : sequence of int
        Positions of the wanted bands on the last axis.
    """

    def __init__(self, positions: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positions = [int(position) for position in positions]

    def call(self, pixels: Any) -> Any:  # noqa: D102
        return keras.ops.take(pixels, np.array(self.positions, "int32"), axis=-1)

    def get_config(self) -> dict:  # noqa: D102
        return {**super().get_config(), "positions": self.positions}


def standardisation(statistics: dict) -> keras.layers.Normalization:
    """Make the layer that subtracts the mean of each band and divides by its standard deviation.

    Parameters
    ----------
    statistics : dict
        With "mean" and "std", one number per band, in the units of the pixels.

    Returns
    -------
    keras.layers.Normalization
        In float32 whatever the precision of the rest: bfloat16 knows no difference between
        DN 1354 and 1355.
    """
    return _normalization(statistics["mean"], statistics["std"])


def _normalization(mean: Sequence[float], std: Sequence[float]) -> keras.layers.Normalization:
    # A band without any spread (an empty one) must not be blown up to noise.
    return keras.layers.Normalization(
        mean=[float(value) for value in mean],
        variance=[float(value) ** 2 if value > 0 else 1.0 for value in std],
        dtype="float32",
        name="standardisation",
    )


def new_top(features: Any, name: str, class_names: Sequence[str], dropout: float = 0.5) -> Any:
    """Put a new top on the features of a network: pooling, dense layers, probabilities.

    Parameters
    ----------
    features : KerasTensor of shape (batch, rows, columns, features)
    name : str
        The network they come from; it decides on the dense layers (VGG16 has two of 2048 units).
    class_names : sequence of str
    dropout : float
        Share of the values dropped before each dense layer, while training.

    Returns
    -------
    KerasTensor of shape (batch, classes)
        Probabilities in float32: the softmax of bfloat16 would round them to two digits.
    """
    values = keras.layers.GlobalAveragePooling2D(name="pooling")(features)
    for number, units in enumerate(network(name).top, start=1):
        values = keras.layers.Dense(
            units, activation="relu", kernel_initializer="he_normal", name=f"dense_{number}"
        )(values)
        values = keras.layers.Dropout(dropout, name=f"dropout_{number}")(values)
    if not network(name).top:
        values = keras.layers.Dropout(dropout, name="dropout")(values)
    return keras.layers.Dense(
        len(class_names), activation="softmax", dtype="float32", name="probabilities"
    )(values)


def classifier(
    base: keras.Model,
    band_names: Sequence[str],
    units: str,
    class_names: Sequence[str],
    statistics: dict,
    dropout: float = 0.5,
) -> keras.Model:
    """Put the layers before and after a network from scratch: raw pixels to probabilities.

    Parameters
    ----------
    base : keras.Model
        A network without its top, of `base_network`.
    band_names : sequence of str
    units : str
        "DN" or "rgb8"; the statistics carry them, so they change nothing here.
    class_names : sequence of str
    statistics : dict
        With "mean" and "std" of the raw pixels of each band.
    dropout : float

    Returns
    -------
    keras.Model
        (batch, 64, 64, bands) float32 to (batch, classes) float32.
    """
    side = image_functions.PATCH_SIZE
    pixels = keras.Input((side, side, len(band_names)), name="pixels", dtype="float32")
    features = base(standardisation(statistics)(pixels))
    return keras.Model(pixels, new_top(features, base.name, class_names, dropout))


def freeze_base(model: keras.Model, name: str) -> None:
    """Freeze the whole network in a classifier, so that only what is around it learns."""
    for layer in model.get_layer(name)._flatten_layers():
        layer.trainable = False


def unfreeze_all_but_first_block(model: keras.Model, name: str) -> None:
    """Let the network in a classifier learn, its first block and BatchNormalization excepted.

    BatchNormalization stays in inference mode: its averages come from millions of pictures, and a
    few small batches would spoil them.

    Raises
    ------
    ValueError
        If it is not known where the first block of this network ends.
    """
    last = network(name).first_block_ends
    if not last:
        raise ValueError(
            f"it is not known where the first block of {name} ends: fine-tune one of "
            f"{', '.join(NETWORKS)}, or keep the whole network frozen (EPOCHS = 0)"
        )
    base = model.get_layer(name)
    base.trainable = True
    layers = list(base.layers)
    first_block = layers[: [layer.name for layer in layers].index(last) + 1]
    for layer in [*first_block, *batch_normalizations(base)]:
        layer.trainable = False

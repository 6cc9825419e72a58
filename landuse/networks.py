"""The networks: from raw pixels to class probabilities, new or with weights that were learned.

A classifier is always built the same way: raw pixels -> a few fixed layers in float32 that bring
them to what the network expects -> the network without its top -> global average pooling -> a new
top. The network itself stays one nested layer, so it can be frozen, exchanged or run over a whole
scene.
"""

import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import image_functions

DN_AT_255 = 2750.0  # the published scaling of the EuroSAT pictures: DN 0..2750 to 1..255


@dataclass(frozen=True)
class Expected:
    """What pretrained weights expect of pixels 0..255, as `preprocess_input` of the network does.

    Parameters
    ----------
    mean, std : tuple of float
        Of red, green and blue: subtracted, divided by.
    channels : tuple of int
        Positions of red, green and blue in the order that the network wants.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    channels: tuple[int, ...] = (0, 1, 2)


UNSCALED_BGR = Expected((123.68, 116.779, 103.939), channels=(2, 1, 0))
IMAGENET_STANDARDISED = Expected(
    tuple(255 * share for share in (0.485, 0.456, 0.406)),
    tuple(255 * share for share in (0.229, 0.224, 0.225)),
)
FROM_MINUS_1_TO_1 = Expected((127.5,) * 3, (127.5,) * 3)
EXPECTED = {  # by the beginning of the name, the longer one first; others scale inside
    "ResNet50V2": FROM_MINUS_1_TO_1,
    "ResNet101V2": FROM_MINUS_1_TO_1,
    "ResNet152V2": FROM_MINUS_1_TO_1,
    "ResNet": UNSCALED_BGR,
    "VGG": UNSCALED_BGR,
    "DenseNet": IMAGENET_STANDARDISED,
    "MobileNetV3": Expected(),
    "MobileNet": FROM_MINUS_1_TO_1,
    "NASNet": FROM_MINUS_1_TO_1,
}


def _expected_by(name: str) -> Expected:
    return next((value for begin, value in EXPECTED.items() if name.startswith(begin)), Expected())


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
    expected : Expected
        What its pretrained weights expect of the pixels.
    dense_by : str
        How it becomes fully convolutional (`dense.dense_network`).
    """

    name: str
    first_block_ends: str
    top: tuple[int, ...] = ()
    learning_rate: float = 1e-3
    he_initialisation: bool = False
    expected: Expected = Expected()
    dense_by: str = ""


NETWORKS = {
    network.name: network
    for network in (
        Network(
            "VGG16",
            first_block_ends="block1_pool",
            top=(2048, 2048),
            learning_rate=3e-4,
            he_initialisation=True,
            expected=UNSCALED_BGR,
            dense_by="maximum poolings at stride 1, dilated convolutions after them",
        ),
        Network(
            "DenseNet201",
            first_block_ends="pool1",
            expected=IMAGENET_STANDARDISED,
            dense_by="average poolings at stride 1, dilated convolutions after them",
        ),
        Network(
            "ResNet50",
            first_block_ends="pool1_pool",
            expected=UNSCALED_BGR,
            dense_by="1x1 convolutions at stride 1 in place of 2, dilated convolutions after them",
        ),
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
        by_lower_case = {known.lower(): known for known in network_names()}
        near = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.7)
        hint = f"Did you mean {by_lower_case[near[0]]}? " if near else ""
        raise ValueError(
            f"NETWORK = {name!r}: there is no such network for patches of 64x64 pixels. {hint}"
            f"Fully supported: {', '.join(NETWORKS)}. From scratch or with the whole network "
            f"frozen: {', '.join(n for n in network_names() if n not in NETWORKS)}"
        )
    return Network(name, first_block_ends="", expected=_expected_by(name))


def check_fine_tuning(name: str, epochs: int) -> None:
    """Raise a ValueError, before any work, when a network cannot be fine-tuned.

    Parameters
    ----------
    name : str
    epochs : int
        Those in which all but the first block learns; 0: only what is around the network does.
    """
    known = network(name)
    if epochs and not known.first_block_ends:
        raise ValueError(
            f"it is not known where the first block of {name} ends: fine-tune one of "
            f"{', '.join(NETWORKS)}, or keep the whole network frozen (EPOCHS = 0)"
        )


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
            "to 3 first (step 04) or widen the first convolution (step 04, alternative)"
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
        found = re.search(r"https?://\S+\.h5", str(error))
        file = found.group() if found else _official_file(name)
        reason = _one_line(error).replace(file, "the server")
        raise OSError(
            f"the ImageNet weights of {name} could not be downloaded ({reason}). Get the "
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


@dataclass(frozen=True)
class LearnedNetwork:
    """A network without its top that has learned on other images, and what it takes.

    Parameters
    ----------
    base : keras.Model
        The network.
    front : tuple of keras.layers.Layer
        What brings pixels to what it expects, in turn.
    band_names : tuple of str
        Bands that the first of them takes.
    units : str
        "rgb8" or "DN".
    class_names : tuple of str
        What the top told apart, if there is one.
    top : dict of layer name to list of ndarray
        Weights of the top.
    """

    base: keras.Model
    front: tuple[keras.layers.Layer, ...]
    band_names: tuple[str, ...] = image_functions.BANDS_RGB
    units: str = "rgb8"
    class_names: tuple[str, ...] = ()
    top: Mapping[str, list[np.ndarray]] = field(default_factory=dict)

    def features(self, pixels: Any) -> Any:
        """Give the features of pixels with the bands and units that it takes."""
        for layer in self.front:
            pixels = layer(pixels)
        return self.base(pixels)


def imagenet_network(name: str, weights: str | None) -> LearnedNetwork:
    """Make a network with weights of ImageNet, and the preprocessing that they expect.

    Parameters
    ----------
    name, weights : str
        As for `base_network`.
    """
    expected = network(name).expected
    front: list[keras.layers.Layer] = []
    if expected.mean != Expected.mean:
        front.append(_normalization(expected.mean, expected.std))
    if expected.channels != Expected.channels:
        front.append(SelectBands(expected.channels, name="channel_order", dtype="float32"))
    return LearnedNetwork(base_network(name, 3, weights), tuple(front))


def copy_network(base: keras.Model, bands: int) -> keras.Model:
    """Make a network of the same layers at random, in the precision that is set now.

    Parameters
    ----------
    base : keras.Model
    bands : int
        Bands of its input.
    """

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        policy = keras.config.dtype_policy().name
        return type(layer).from_config({**layer.get_config(), "dtype": policy, "trainable": True})

    pixels = keras.Input((None, None, bands), name=base.input.name)
    copied = keras.models.clone_model(base, input_tensors=pixels, clone_function=copy)
    copied.name = base.name
    return copied


def to_units(pixels: Any, units: str, wanted: str) -> Any:
    """Bring raw pixels to the units that a network learned with.

    Parameters
    ----------
    pixels : KerasTensor
    units, wanted : str
        "DN" or "rgb8".

    Raises
    ------
    ValueError
        If DN are wanted of pictures of 8 bits.
    """
    if units == wanted:
        return pixels
    if wanted == "DN":
        raise ValueError(
            "WEIGHTS is a model that was trained on DN, but these images have 8 bits: give "
            "multispectral images, or the weights of an RGB model"
        )
    return ScaleToRGB8(name="scale_to_rgb8", dtype="float32")(pixels)


def mix_bands(pixels: Any, band_names: Sequence[str], wanted: Sequence[str]) -> Any:
    """Mix bands to those a network knows, by a 1x1 convolution that starts as their selection.

    Parameters
    ----------
    pixels : KerasTensor of shape (batch, rows, columns, bands)
    band_names, wanted : sequence of str
        The bands of the pixels, and those that the network knows.

    Returns
    -------
    KerasTensor of shape (batch, rows, columns, wanted bands)
        The pixels themselves when they have the wanted bands.
    """
    if list(band_names) == list(wanted):
        return pixels
    check_bands(band_names, wanted)
    selection = np.zeros((1, 1, len(band_names), len(wanted)), np.float32)
    for place, name in enumerate(wanted):
        selection[0, 0, list(band_names).index(name), place] = 1
    mix = keras.layers.Conv2D(
        len(wanted), 1, dtype="float32", name=f"mix_{len(band_names)}_to_{len(wanted)}_bands"
    )
    mixed = mix(pixels)
    mix.kernel.assign(selection)
    return mixed


def check_bands(band_names: Sequence[str], wanted: Sequence[str], same: bool = False) -> None:
    """Raise a ValueError when images lack bands that a network knows.

    Parameters
    ----------
    band_names, wanted : sequence of str
        Of the images, and those that the network knows.
    same : bool
        Whether the images must have just these.
    """
    lacking = [name for name in wanted if name not in band_names]
    if lacking or (same and list(band_names) != list(wanted)):
        raise ValueError(
            f"WEIGHTS is of a network that takes the bands {', '.join(wanted)}, but these images "
            f"have {', '.join(band_names)}: give weights that fit, or other BANDS"
        )


def widen_first_convolution(
    learned: LearnedNetwork, band_names: Sequence[str], statistics: Mapping[str, Any]
) -> LearnedNetwork:
    """Make the first convolution of a network take more bands.

    The bands that it knows keep their kernels; the others start from the mean of these, and come
    in as bright and as varied as the known ones do. All kernels are scaled by known / all bands,
    so that bands that rise and fall together give activations of the size that they had.

    Parameters
    ----------
    learned : LearnedNetwork
    band_names : sequence of str
        The bands to take, with those that it knows among them.
    statistics : mapping
        "mean", "std" and "units" of the images to train with, in the order of `band_names`.

    Raises
    ------
    ValueError
        If known bands are missing, or the network cannot be widened.
    """
    if list(band_names) == list(learned.band_names):
        return learned
    check_bands(band_names, learned.band_names)
    base = copy_network(learned.base, len(band_names))
    first = _first_convolution(base).name
    channels = _channels(learned)
    for layer in learned.base.layers:
        weights = layer.get_weights()
        if not weights:
            continue
        if layer.name == first:
            weights[0] = _widen(weights[0][:, :, channels], learned.band_names, band_names)
        if [weight.shape for weight in weights] != [
            w.shape for w in base.get_layer(layer.name).weights
        ]:
            raise ValueError(
                f"{base.name} cannot take {len(band_names)} bands: its layer {layer.name} is made "
                f"for {len(learned.band_names)}. Use one of {', '.join(NETWORKS)}, or step 04"
            )
        base.get_layer(layer.name).set_weights(weights)
    front = (_wide_standardisation(learned, band_names, statistics),)
    return replace(learned, base=base, front=front, band_names=tuple(band_names), top=learned.top)


def _first_convolution(base: keras.Model) -> keras.layers.Layer:
    return next(layer for layer in base.layers if isinstance(layer, keras.layers.Conv2D))


def _channels(learned: LearnedNetwork) -> list[int]:
    """Channel of the first convolution that each known band comes in by."""
    order = list(range(len(learned.band_names)))
    for layer in learned.front:
        if isinstance(layer, SelectBands):
            order = [order[position] for position in layer.positions]
        elif not isinstance(layer, keras.layers.Normalization):
            raise ValueError(
                f"{learned.base.name} mixes its bands already ({layer.name}): widen a model of "
                "step 02, 03 or 05, or fine-tune this one by step 04"
            )
    return [order.index(band) for band in range(len(order))]


def _widen(kernel: np.ndarray, known: Sequence[str], band_names: Sequence[str]) -> np.ndarray:
    mean = kernel.mean(axis=2)
    wide = [kernel[:, :, list(known).index(name)] if name in known else mean for name in band_names]
    return np.stack(wide, axis=2) * (len(known) / len(band_names))


def _wide_standardisation(
    learned: LearnedNetwork, band_names: Sequence[str], statistics: Mapping[str, Any]
) -> keras.layers.Normalization:
    mean, std = _mean_and_std(learned)
    found_mean, found_std = _statistics_in(learned.units, statistics)
    known = [list(band_names).index(name) for name in learned.band_names]
    # What the known bands look like on average, once they are standardised.
    level = np.mean((found_mean[known] - mean) / std)
    spread = np.mean(found_std[known] / std)
    wide_std = np.maximum(found_std, 1.0) / spread
    wide_mean = found_mean - level * wide_std
    wide_mean[known], wide_std[known] = mean, std
    return _normalization(wide_mean, wide_std)


def _mean_and_std(learned: LearnedNetwork) -> tuple[np.ndarray, np.ndarray]:
    count = len(learned.band_names)
    for layer in learned.front:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance = layer.get_config()["mean"], layer.get_config()["variance"]
            return np.ravel(mean).astype(float), np.sqrt(np.ravel(variance).astype(float))
    return np.zeros(count), np.ones(count)


def _statistics_in(units: str, statistics: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    mean, std = np.array(statistics["mean"]), np.array(statistics["std"])
    if statistics["units"] == units:
        return mean, std
    scale = 254.0 / DN_AT_255
    return np.minimum(1 + mean * scale, 255.0), np.minimum(std * scale, 127.0)


def keep_top(model: keras.Model, learned: LearnedNetwork, class_names: Sequence[str]) -> None:
    """Give a new model the top that a network had, if it told the same classes apart."""
    if list(class_names) != list(learned.class_names):
        return
    print("the classes are those of WEIGHTS: its top is kept")
    for name, weights in learned.top.items():
        model.get_layer(name).set_weights(weights)


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
    check_fine_tuning(name, epochs=1)
    last = network(name).first_block_ends
    base = model.get_layer(name)
    base.trainable = True
    layers = list(base.layers)
    first_block = layers[: [layer.name for layer in layers].index(last) + 1]
    for layer in [*first_block, *batch_normalizations(base)]:
        layer.trainable = False


def unfreeze_first_convolution(model: keras.Model, name: str) -> None:
    """Let the first convolution of the network in a classifier learn, for bands new to it."""
    _first_convolution(model.get_layer(name)).trainable = True

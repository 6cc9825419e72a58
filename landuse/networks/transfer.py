"""What a network learned elsewhere: taken over, widened to more bands, frozen and unfrozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from landuse import sensors
from landuse.networks import (
    bases,
    catalogue,
    model_files,
    pixel_layers,
    priors,
    shipped,
    views,
)

if TYPE_CHECKING:
    import keras


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
    input_size : int
        Pixels along a side of the pictures that it learned on.
    land_shares : mapping of str to float
        LAND_SHARES of its training, which are not in the top.
    """

    base: keras.Model
    front: tuple[keras.layers.Layer, ...]
    band_names: tuple[str, ...] = sensors.BANDS_RGB
    units: str = "rgb8"
    class_names: tuple[str, ...] = ()
    top: Mapping[str, list[np.ndarray]] = field(default_factory=dict)
    input_size: int = sensors.PATCH_SIZE
    land_shares: Mapping[str, float] = field(default_factory=dict)

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
    expected = catalogue.network(name).expected
    front: list[keras.layers.Layer] = []
    if expected.mean != catalogue.Expected.mean:
        front.append(pixel_layers.normalization(expected.mean, expected.std))
    if expected.channels != catalogue.Expected.channels:
        front.append(
            pixel_layers.SelectBands(expected.channels, name="channel_order", dtype="float32")
        )
    base = bases.base_network(name, 3, weights, own_scaling=True)
    return LearnedNetwork(base, tuple(front))


def network_of(name: str | None, weights: str | None, epochs: int) -> str:
    """Say which network is to be fine-tuned, before any work.

    Parameters
    ----------
    name : str or None
        The one that was asked for; None: the one that the weights are of, if they are a model of
        ours, else DenseNet201.
    weights : str or None
        As for `learned_network`.
    epochs : int
        Those in which all but the first block learns.

    Raises
    ------
    ValueError
        If that network cannot be fine-tuned.
    OSError
        If the weights are a model that is not there.
    """
    weights = _path_of(weights)
    if name is None and weights is not None and Path(weights).suffix == ".keras":
        name = model_files.read_record(weights)["network"]
        print(f"NETWORK is {name}, the network of {weights}")
        if name == catalogue.BASELINE:
            return name  # what is wrong with it is said where it is taken
    if name is None and weights not in (None, "imagenet"):
        print(f"NETWORK is not given: DenseNet201 is taken for that of {weights}")
    name = name or "DenseNet201"
    catalogue.check_fine_tuning(name, epochs)
    return name


def _path_of(weights: str | None) -> str | None:
    return str(shipped.find_model(weights)) if weights in shipped.SHIPPED else weights


def learned_network(name: str, weights: str | None) -> "LearnedNetwork":
    """Get a network without its top, with the weights that it learned elsewhere.

    Parameters
    ----------
    name : str
        The network.
    weights : str or None
        "imagenet", the path of an official weights file (.h5) or of a model that `save` wrote
        (.keras), or the name of a shipped one. None: at random, to compare with.

    Raises
    ------
    ValueError
        If the weights do not fit the network.
    OSError
        If they are not there, or cannot be downloaded.
    """
    from landuse.networks import catalogue

    weights = _path_of(weights)
    if weights is None or Path(weights).suffix != ".keras":
        return imagenet_network(name, weights)
    record = model_files.read_record(weights)
    catalogue.network(name)
    if record["network"] == catalogue.BASELINE:
        raise ValueError(
            f"WEIGHTS = {weights!r} is a baseline, which has no network to fine-tune: give "
            "'imagenet', None, or a model of one of the other training scripts"
        )
    model_files.check_is_of_patches(record, weights, "give WEIGHTS of one of the scripts 02 to 05")
    if record["network"] != name:
        raise ValueError(
            f"WEIGHTS = {weights!r} is a model of {record['network']}, not of {name}: set "
            f"NETWORK = {record['network']!r}"
        )
    return _without_top(*model_files.load(weights))


def _without_top(model: "keras.Model", record: dict[str, Any]) -> "LearnedNetwork":

    trained = model.get_layer(record["network"])
    place = model.layers.index(trained)
    base = copy_network(trained, trained.input_shape[-1])
    for layer in trained.layers:
        if layer.weights:
            base.get_layer(layer.name).set_weights(layer.get_weights())
    shift, shares = priors.shift_of_record(record), {}
    if shift.any():
        priors.shift_model(model, -shift)
        shares = record["results"]["land_shares"]
    of_use = (keras.layers.Resizing, views.MirroredViews)
    before = [layer for layer in model.layers[1:place] if not isinstance(layer, of_use)]
    return LearnedNetwork(
        base,
        tuple(before),
        tuple(record["band_names"]),
        record["units"],
        tuple(record["class_names"]),
        {layer.name: layer.get_weights() for layer in model.layers[place + 1 :] if layer.weights},
        record.get("results", {}).get("size_in_training", views.picture_size(model)),
        shares,
    )


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
    pixel_layers.check_bands(band_names, learned.band_names)
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
                f"for {len(learned.band_names)}. Use one of "
                f"{', '.join(catalogue.NETWORKS)}, or script 04"
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
        if isinstance(layer, pixel_layers.SelectBands):
            order = [order[position] for position in layer.positions]
        elif not isinstance(layer, keras.layers.Normalization):
            raise ValueError(
                f"{learned.base.name} mixes its bands already ({layer.name}): widen a model of "
                "script 02, 03 or 05, or fine-tune this one by script 04"
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
    return pixel_layers.normalization(wide_mean, wide_std)


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
    scale = 254.0 / sensors.DN_AT_255
    return np.minimum(1 + mean * scale, 255.0), np.minimum(std * scale, 127.0)


def keep_top(model: keras.Model, learned: LearnedNetwork, class_names: Sequence[str]) -> None:
    """Give a new model the top that a network had, if it told the same classes apart."""
    if list(class_names) != list(learned.class_names):
        return
    new = {layer.name: [array.shape for array in layer.get_weights()] for layer in model.layers}
    if any(new.get(name) != [w.shape for w in top] for name, top in learned.top.items()):
        print(
            "the classes are those of WEIGHTS, but its top was of another kind: a new one is made"
        )
        return
    shares = ", ".join(f"{name}={share:g}" for name, share in learned.land_shares.items())
    without = f", without its LAND_SHARES ({shares}), which this training does not take over"
    print(f"the classes are those of WEIGHTS: its top is kept{without if shares else ''}")
    for name, weights in learned.top.items():
        model.get_layer(name).set_weights(weights)


def unfreeze_all_but_first_block(base: keras.Model) -> None:
    """Let a network learn, its first block and BatchNormalization excepted.

    BatchNormalization stays in inference mode: its averages come from millions of pictures, and a
    few small batches would spoil them.

    Raises
    ------
    ValueError
        If it is not known where the first block of this network ends.
    """
    catalogue.check_fine_tuning(base.name, epochs=1)
    last = catalogue.network(base.name).first_block_ends
    base.trainable = True
    layers = list(base.layers)
    first_block = layers[: [layer.name for layer in layers].index(last) + 1]
    for layer in [*first_block, *bases.batch_normalizations(base)]:
        layer.trainable = False


def unfreeze_first_convolution(base: keras.Model) -> None:
    """Let the first convolution of a network learn, for bands new to it."""
    _first_convolution(base).trainable = True

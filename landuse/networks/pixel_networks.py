"""Networks that give each pixel a class: an encoder of the table and a decoder, DeepLab v3+.

Chen et al. 2018, arXiv 1802.02611. Two things are other than there. The pyramid has no branch of
the mean over the whole image: with one, the class of a pixel would depend on what else happens to
lie in its block of the map. And the skip comes from finer features, because what pictures of
streets show by hundreds of pixels, a road or a river, has one to ten here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras

DEEPEST_STRIDE = 16  # px, of the features that the pyramid sees
PROBE = 128  # px, side of the image that strides are measured on


class Taps(NamedTuple):
    """Layers of an encoder whose outputs the decoder takes."""

    skip: str
    deepest: str


def find_taps(base: keras.Model, skip_stride: int) -> Taps:
    """Find the last layers of a network before it becomes coarser than two strides.

    Parameters
    ----------
    base : keras.Model
        A network without its top.
    skip_stride : int
        Pixels from one of the finer features to the next, 2 or 4.

    Raises
    ------
    ValueError
        When the network has no features at these strides.
    """
    last: dict[int, str] = {}
    for name, shape in _shapes(base):
        if len(shape) == 4 and shape[1] and PROBE % shape[1] == 0:
            last[PROBE // shape[1]] = name
    missing = [stride for stride in (skip_stride, DEEPEST_STRIDE) if stride not in last]
    if missing:
        raise ValueError(
            f"NETWORK = {base.name!r} has no features {missing[0]} px apart, but only "
            f"{', '.join(map(str, sorted(last)))}: take another NETWORK or SKIP_STRIDE"
        )
    return Taps(last[skip_stride], last[DEEPEST_STRIDE])


def _shapes(base: keras.Model) -> list[tuple[str, tuple[int | None, ...]]]:
    """Names of the layers in their order, and what each gives for an image of PROBE px."""
    import keras

    found: list[tuple[str, tuple[int | None, ...]]] = []

    def note(layer: Any, *args: Any, **kwargs: Any) -> Any:
        result = layer(*args, **kwargs)
        if isinstance(layer, keras.layers.Layer) and hasattr(result, "shape"):
            found.append((layer.name, tuple(result.shape)))
        return result

    keras.models.clone_model(
        base,
        input_tensors=keras.Input((PROBE, PROBE, base.input_shape[-1])),
        clone_function=lambda layer: layer,
        call_function=note,
    )
    return found


def pixel_network(
    base: keras.Model, *, skip_stride: int, width: int, rates: Sequence[int], dropout: float
) -> keras.Model:
    """Put a decoder on the features of a network.

    Parameters
    ----------
    base : keras.Model
        A network without its top; its layers are used, not copied.
    skip_stride : int
        Pixels from one of the finer features to the next, 2 or 4.
    width : int
        Channels of the pyramid and the decoder.
    rates : sequence of int
        Distances, in features of the deepest stride, between what the branches of the pyramid see.
    dropout : float
        Share of the decoder's channels that is dropped while training.

    Returns
    -------
    keras.Model
        Named as the base; (batch, rows, columns, bands) to (batch, rows / skip_stride, columns /
        skip_stride, width). Rows and columns must be multiples of 16.
    """
    import keras
    from keras import layers

    taps = find_taps(base, skip_stride)
    deepest = base.get_layer(taps.deepest).output
    branches = [_convolve(deepest, width, 1, "pyramid_1x1")]
    branches += [_convolve(deepest, width, 3, f"pyramid_{rate}", rate) for rate in rates]
    pyramid = _convolve(layers.Concatenate(name="pyramid")(branches), width, 1, "pyramid_out")
    raised = layers.UpSampling2D(
        DEEPEST_STRIDE // skip_stride, interpolation="bilinear", name="raised"
    )(pyramid)
    skip = _convolve(base.get_layer(taps.skip).output, width, 1, "skip")
    maps = layers.Concatenate(name="decoder")([raised, skip])
    for number in (1, 2):
        maps = _convolve(maps, width, 3, f"decoder_{number}")
    maps = layers.SpatialDropout2D(dropout, name="decoder_dropout")(maps)
    return keras.Model(base.input, maps, name=base.name)


def _convolve(maps: Any, width: int, size: int, name: str, rate: int = 1) -> Any:
    from keras import layers

    maps = layers.Conv2D(
        width,
        size,
        padding="same",
        dilation_rate=rate,
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(maps)
    maps = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(maps)
    return layers.ReLU(name=f"{name}_relu")(maps)


def pixel_top(features: Any, class_names: Sequence[str], skip_stride: int) -> Any:
    """Give the class probabilities of every pixel, from features at the stride of the skip.

    Returns
    -------
    KerasTensor of shape (batch, rows, columns, classes), float32
    """
    from keras import layers

    logits = layers.Conv2D(len(class_names), 1, dtype="float32", name="logits")(features)
    logits = layers.UpSampling2D(
        skip_stride, interpolation="bilinear", dtype="float32", name="to_pixels"
    )(logits)
    return layers.Softmax(dtype="float32", name="probabilities")(logits)


def layers_of(network: keras.Model, base: keras.Model) -> list[keras.layers.Layer]:
    """List the layers of a network of pixels that come from its encoder."""
    names = {layer.name for layer in base.layers}
    return [layer for layer in network.layers if layer.name in names]

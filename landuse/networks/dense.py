"""Fully convolutional forms of a patch classifier: dense maps, and training on mosaics of patches.

A patch classifier gives one answer for 64 x 64 pixels. Its convolutions can as well run once over
a whole image, so that neighbouring windows share their work (Giusti et al. 2013,
https://arxiv.org/abs/1302.1700; Li et al. 2014, https://arxiv.org/abs/1412.4526).
`dense_network` gives the classes of all windows of an image at a stride of 8, 16 or 32 pixels,
`mosaic_model` those of patches that were laid out side by side, which is how a network is trained
for dense maps: there its windows learn to have neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
from keras import layers

from landuse import sensors
from landuse.networks import catalogue, dense_layers, measurements, views

OUTPUT_STRIDES = (8, 16, 32)  # pixels from one window of a dense map to the next

POOLING_MODES: dict[type, Literal["average", "maximum"]] = {
    layers.AveragePooling2D: "average",
    layers.MaxPooling2D: "maximum",
}
WINDOW_POOLING_MODES: dict[Any, Literal["average", "maximum"]] = {
    layers.GlobalAveragePooling2D: "average",
    layers.GlobalMaxPooling2D: "maximum",
}
WINDOW_POOLINGS: tuple[Any, ...] = tuple(WINDOW_POOLING_MODES)
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
MIXING_POSITIONS = (
    layers.Flatten,
    layers.Reshape,
    layers.Permute,
    layers.LayerNormalization,
    layers.Conv2DTranspose,
    layers.UpSampling2D,
)


_HAVE_DENSE_FORMS = [name for name, row in catalogue.NETWORKS.items() if row.dense]


@dataclass(frozen=True)
class FeatureGrid:
    """How a feature map of the dense network lies on the pixels of its image.

    Attributes
    ----------
    stride : int
        Pixels from one cell to the next.
    dilation : int
        Cells from one neighbour to the next, as the patch classifier sees neighbours. Its own
        stride is `stride * dilation`.
    trimmed : int
        Cells that are missing at the lower and right edge, compared with image size / stride.
    """

    stride: int = 1
    dilation: int = 1
    trimmed: int = 0


def _cannot(layer: Any, what: str) -> ValueError:
    kind = type(layer).__name__
    return ValueError(
        f"This network has no dense form: its layer '{layer.name}' ({kind}) {what}. "
        f"{', '.join(_HAVE_DENSE_FORMS)} have one; map with the patches."
    )


def _single(layer: Any, values: tuple[int, int]) -> int:
    if values[0] != values[1]:
        raise _cannot(layer, f"treats rows and columns differently {tuple(values)}")
    return int(values[0])


def _after_stride(grid: FeatureGrid, kernel: int, stride: int, padding: str) -> FeatureGrid:
    """Grid behind a layer that keeps its stride (image sizes are multiples of the stride)."""
    if padding == "same":
        trimmed = grid.trimmed // stride
    else:
        trimmed = -(-(grid.trimmed + kernel) // stride) - 1
    return FeatureGrid(grid.stride * stride, grid.dilation, trimmed)


def _dense_pooling(layer: Any, grid: FeatureGrid, output_stride: int) -> tuple[Any, FeatureGrid]:
    """Give the pooling layer for the grid, and the grid behind it."""
    size, stride = _single(layer, layer.pool_size), _single(layer, layer.strides)
    if grid.stride * stride <= output_stride and grid.dilation == 1:
        return _copy(layer), _after_stride(grid, size, stride, layer.padding)
    if layer.padding != "valid":
        raise _cannot(layer, "pools with padding at a stride that has to go")
    mode = POOLING_MODES[type(layer)]
    pooling = dense_layers.ShiftedPooling(
        size, grid.dilation, mode, name=layer.name, dtype=layer.dtype_policy
    )
    trimmed = grid.trimmed + (size - 1) * grid.dilation
    return pooling, FeatureGrid(grid.stride, grid.dilation * stride, trimmed)


def _dense_convolution(
    layer: Any, grid: FeatureGrid, output_stride: int
) -> tuple[Any, FeatureGrid]:
    """Give the convolution for the grid, and the grid behind it."""
    kernel, stride = _single(layer, layer.kernel_size), _single(layer, layer.strides)
    dilation = _single(layer, layer.dilation_rate) * grid.dilation
    reach = (kernel - 1) * dilation
    if stride > 1 and grid.stride * stride <= output_stride:
        return _copy(layer), _after_stride(grid, kernel, stride, layer.padding)
    if stride > 1 and kernel > 1 and layer.padding != "valid":
        # Where the zeros stand depends on whether the size is even: no dilation gives the same.
        raise _cannot(layer, "convolves with padding at a stride that has to go")
    trimmed = grid.trimmed + (reach if layer.padding == "valid" else 0)
    dense = _copy(layer, strides=(1, 1), dilation_rate=(dilation, dilation))
    return dense, FeatureGrid(grid.stride, grid.dilation * stride, trimmed)


def _dense_padding(layer: Any, grid: FeatureGrid) -> tuple[Any, FeatureGrid]:
    """Give the zero padding for the grid, and the grid behind it."""
    (top, bottom), (left, right) = layer.padding
    added = _single(layer, (top + bottom, left + right)) * grid.dilation
    pairs = tuple(
        (before * grid.dilation, after * grid.dilation)
        for before, after in ((top, bottom), (left, right))
    )
    return _copy(layer, padding=pairs), replace(grid, trimmed=grid.trimmed - added)


def _copy(layer: Any, **changes: Any) -> Any:
    """Give a new layer of the same configuration, but for the changes."""
    return type(layer).from_config({**layer.get_config(), **changes})


def _dense_layer(layer: Any, grid: FeatureGrid, output_stride: int) -> tuple[Any, FeatureGrid]:
    """Give the layer of the dense network for one of the patch classifier, and the grid behind."""
    if isinstance(layer, keras.Model):
        return _dense_base(layer, grid, output_stride)
    if isinstance(layer, tuple(POOLING_MODES)):
        return _dense_pooling(layer, grid, output_stride)
    if isinstance(layer, CONVOLUTIONS):
        return _dense_convolution(layer, grid, output_stride)
    if isinstance(layer, layers.ZeroPadding2D):
        return _dense_padding(layer, grid)
    if isinstance(layer, measurements.CellMeasurements):
        return _copy(layer), _after_stride(grid, layer.cell_size, layer.cell_size, "valid")
    if type(layer) is layers.Dense:
        return _pointwise(layer), grid
    if isinstance(layer, WINDOW_POOLINGS):
        return _window_pooling(layer, grid)
    if not isinstance(layer, layers.Layer) or isinstance(layer, MIXING_POSITIONS):
        raise _cannot(layer, "has no counterpart on larger images")
    return _copy(layer), grid


def _pointwise(layer: Any) -> Any:
    """Give the convolution of 1 x 1 for a dense layer, which is faster on maps than the layer."""
    names = ("activation", "use_bias", "name")
    options = {name: getattr(layer, name) for name in names}
    return layers.Conv2D(layer.units, 1, **options, dtype=layer.dtype_policy)


def _window_pooling(layer: Any, grid: FeatureGrid) -> tuple[Any, FeatureGrid]:
    """Pool the features of one window, for every window inside the image."""
    features = sensors.PATCH_SIZE // grid.stride - grid.trimmed
    side = -(-features // grid.dilation)
    mode = WINDOW_POOLING_MODES[type(layer)]
    pooling = dense_layers.ShiftedPooling(
        side, grid.dilation, mode, name=layer.name, dtype=layer.dtype_policy
    )
    return pooling, replace(grid, trimmed=grid.trimmed + (side - 1) * grid.dilation)


def _dense_base(
    model: keras.Model, grid: FeatureGrid, output_stride: int
) -> tuple[keras.Model, FeatureGrid]:
    """Give the dense form of a nested functional model, its weights copied, and the grid behind."""
    grids: dict[int, FeatureGrid] = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        before = [grids.get(id(tensor), grid) for tensor in keras.tree.flatten(args)]
        if len(set(before)) > 1:
            raise _cannot(layer, f"joins maps that lie differently ({before})")
        dense, after = _dense_layer(layer, before[0], output_stride)
        maps = dense(*args, **kwargs)
        if not isinstance(layer, keras.Model):
            values = zip(layer.get_weights(), dense.weights, strict=True)
            dense.set_weights([value.reshape(weight.shape) for value, weight in values])
        grids[id(maps)] = after
        return maps

    pixels = keras.Input((None, None, model.input_shape[-1]), name=model.input.name)
    dense = _run_again(model, pixels, call)
    return dense, grids[id(dense.output)]


def _run_again(model: keras.Model, pixels: Any, call: Callable[..., Any]) -> keras.Model:
    """Give the functional model that results when `call` calls each layer of `model`."""
    if not hasattr(model, "inputs") or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise _cannot(model, "is no functional model of one input and one output")
    return keras.models.clone_model(
        model, input_tensors=pixels, clone_function=lambda layer: layer, call_function=call
    )


def dense_network(model: keras.Model, output_stride: int) -> keras.Model:
    """Give the fully convolutional form of a patch classifier, for maps at a stride.

    The network has the weights of `model` (copies), and its precision. From the wanted stride on,
    poolings and strided convolutions visit every cell and what follows them is dilated.

    Alignment: the answer at row i, column j is that of the window whose first pixel is row
    `i * output_stride`, column `j * output_stride` of the image that is given, for the windows
    that lie wholly inside it: `(rows - 64) // output_stride + 1` rows of answers. No other phase
    occurs, so an image that starts elsewhere by a multiple of the stride has the same windows.
    A map whose cell i is the window from row `i * n + n // 2 - 32` on needs the image from there
    on, and `(cells - 1) * n + 64` rows of it (`rows_for`).

    An image of one window gives what `model` gives, to rounding. In a larger one the convolutions
    see the neighbours of a window where the patch classifier sees zeros: the last layers, whose
    maps of a patch have 4 x 4 and 2 x 2 cells, then give other features. Train on mosaics
    (`mosaic_model`) for that. For the same reason, windows at the edge of an image (zeros outside)
    differ a little from the same windows amid a larger one; a map that is made in blocks needs a
    margin of a multiple of the stride around each, one patch (64 pixels) say.

    Parameters
    ----------
    model : keras.Model
        Raw pixel values (batch, 64, 64, bands) to class probabilities (batch, classes), with
        global pooling, average, maximum or both, between its base network and its top.
    output_stride : int
        8, 16 or 32 pixels.

    Returns
    -------
    keras.Model
        Raw pixel values (batch, rows, columns, bands), at least 64 x 64, to class probabilities
        (batch, (rows - 64) // output_stride + 1, (columns - 64) // output_stride + 1, classes).

    Raises
    ------
    ValueError
        When the stride is another, or a layer of the network has no dense form.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(
            f"A dense map has a stride of {', '.join(map(str, OUTPUT_STRIDES[:-1]))} or "
            f"{OUTPUT_STRIDES[-1]} pixels, not {output_stride}. Other strides go by patches."
        )
    _check_pooled(model)
    dense, grid = _dense_base(model, FeatureGrid(), output_stride)
    surplus = sensors.PATCH_SIZE // output_stride - 1 - grid.trimmed
    if grid.stride != output_stride or surplus < 0:
        raise ValueError(
            f"The network '{model.name}' has a stride of {grid.stride} pixels with {grid.trimmed} "
            f"cells trimmed, which gives no dense map at a stride of {output_stride}."
        )
    pixels = keras.Input((None, None, model.input_shape[-1]), name=model.input.name)
    probabilities = dense(dense_layers.CropToMultiple(output_stride, dtype="float32")(pixels))
    if surplus:
        crop = layers.Cropping2D(((0, surplus), (0, surplus)), dtype="float32")
        probabilities = crop(probabilities)
    return keras.Model(pixels, probabilities, name=f"dense_{model.name}")


def rows_for(cells: int, output_stride: int) -> int:
    """Give the rows (or columns) of the image that `dense_network` turns into so many cells."""
    return (cells - 1) * output_stride + sensors.PATCH_SIZE


def _check_pooled(model: keras.Model) -> None:
    """Raise a ValueError for a classifier that does not pool the features of a whole patch."""
    for layer in model.layers:
        if isinstance(layer, layers.Resizing):
            raise _cannot(
                layer, "makes pictures of one size of all patches, which INPUT_SIZE = 64 does not"
            )
        if isinstance(layer, views.MirroredViews):
            raise _cannot(layer, "takes several views of each patch, which VIEWS = 1 does not")
    found = [layer for layer in model.layers if isinstance(layer, WINDOW_POOLINGS)]
    if not found or len({id(layer.input) for layer in found}) != 1:
        raise ValueError(
            f"The network '{model.name}' has no dense form: between its base and its top it needs "
            "a GlobalAveragePooling2D or GlobalMaxPooling2D, or both side by side, and has "
            f"{', '.join(type(layer).__name__ for layer in found) or 'none'}."
        )


def mosaic_model(model: keras.Model) -> keras.Model:
    """Give the form of a patch classifier that is trained on mosaics of K x K patches.

    It shares the layers of `model`: training the one trains the other, and `model` is what is
    saved. With K = 1 it computes the same. With more, the surroundings of each patch are other
    patches, as the surroundings of a window in a scene are other land; that makes the network fit
    for `dense_network`, which gives the same answers for these windows. A mosaic costs as much as
    its patches one by one. Labels have the shape (batch, K, K) or (batch, K, K, classes); weigh
    classes by `sample_weight` of shape (batch, K, K), since Keras takes no `class_weight` there.

    Parameters
    ----------
    model : keras.Model
        Raw pixel values (batch, 64, 64, bands) to class probabilities (batch, classes), with
        global pooling, average, maximum or both, between its base network and its top.

    Returns
    -------
    keras.Model
        Raw pixel values (batch, 64 K, 64 K, bands) to class probabilities (batch, K, K, classes).

    Raises
    ------
    ValueError
        When the network does not pool its features, does not take 64 x 64 pixels, or has no dense
        form, for which mosaics would be trained in vain.
    """
    _check_pooled(model)
    inside = {layer.name for layer in model.layers} & set(catalogue.NETWORKS)
    for name in inside - set(_HAVE_DENSE_FORMS):
        raise ValueError(
            f"MOSAIC_EPOCHS: {name} has no dense form, so mosaics bring it nothing: set "
            f"MOSAIC_EPOCHS = 0, or NETWORK to one of {', '.join(_HAVE_DENSE_FORMS)}"
        )
    if model.input_shape[1:3] != (sensors.PATCH_SIZE, sensors.PATCH_SIZE):
        raise ValueError(
            f"The network '{model.name}' takes patches of {model.input_shape[1:3]} pixels; mosaics "
            f"are made of {sensors.PATCH_SIZE} x {sensors.PATCH_SIZE} pixels."
        )

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, WINDOW_POOLINGS):
            return layer(*args, **kwargs)
        average = WINDOW_POOLING_MODES[type(layer)] == "average"
        kind = layers.AveragePooling2D if average else layers.MaxPooling2D
        pooling = kind(layer.input.shape[1], name=layer.name, dtype=layer.dtype_policy)
        return pooling(*args, **kwargs)

    pixels = keras.Input((None, None, model.input_shape[-1]), name=model.input.name)
    mosaics = _run_again(model, pixels, call)
    return keras.Model(mosaics.input, mosaics.output, name=f"mosaics_{model.name}")

"""GoogLeNet, the network of Inception modules, with a stem for patches of 64 px."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# Channels of each module: 1x1; reduction, 3x3; reduction, 5x5; behind its pooling. By stages.
_MODULES = {
    3: {"a": (64, 96, 128, 16, 32, 32), "b": (128, 128, 192, 32, 96, 64)},
    4: {
        "a": (192, 96, 208, 16, 48, 64),
        "b": (160, 112, 224, 24, 64, 64),
        "c": (128, 128, 256, 24, 64, 64),
        "d": (112, 144, 288, 32, 64, 64),
        "e": (256, 160, 320, 32, 128, 128),
    },
    5: {"a": (256, 160, 320, 32, 128, 128), "b": (384, 192, 384, 48, 128, 128)},
}


def googlenet(bands: int) -> keras.Model:
    """Make GoogLeNet without its top and without its auxiliary classifiers.

    The modules are those of Szegedy et al. 2014 (https://arxiv.org/abs/1409.4842, table 1), with
    batch normalisation behind each convolution. The stem has a convolution of 3x3 and stride 1 in
    place of 7x7 and stride 2, and poolings of 2x2, so that 4x4 features are left of a patch: the
    original leaves 2x2.

    Parameters
    ----------
    bands : int

    Returns
    -------
    keras.Model
        (batch, rows, columns, bands) to (batch, rows / 16, columns / 16, 1024).
    """
    import keras
    from keras import layers

    pixels = keras.Input((None, None, bands), name="bands")
    maps = _convolve(pixels, 64, 3, "stem")
    maps = layers.MaxPooling2D(name="pool1")(maps)
    maps = _convolve(maps, 64, 1, "conv2_reduce")
    maps = _convolve(maps, 192, 3, "conv2")
    for stage, modules in _MODULES.items():
        maps = layers.MaxPooling2D(name=f"pool{stage - 1}")(maps)
        for letter, channels in modules.items():
            maps = _inception(maps, channels, f"inception{stage}{letter}")
    return keras.Model(pixels, maps, name="GoogLeNet")


def _inception(maps: Any, channels: tuple[int, ...], name: str) -> Any:
    """Look at maps at three sizes and through a pooling, side by side."""
    from keras import layers

    direct, reduce3, of3, reduce5, of5, behind_pool = channels
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(maps)
    branches = [
        _convolve(maps, direct, 1, f"{name}_1x1"),
        _convolve(_convolve(maps, reduce3, 1, f"{name}_3x3_reduce"), of3, 3, f"{name}_3x3"),
        _convolve(_convolve(maps, reduce5, 1, f"{name}_5x5_reduce"), of5, 5, f"{name}_5x5"),
        _convolve(pooled, behind_pool, 1, f"{name}_behind_pool"),
    ]
    return layers.Concatenate(name=name)(branches)


def _convolve(maps: Any, width: int, size: int, name: str) -> Any:
    from keras import layers

    maps = layers.Conv2D(
        width,
        size,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(maps)
    maps = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(maps)
    return layers.ReLU(name=f"{name}_relu")(maps)

"""What has to be known of each network; the one place to add one."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landuse import sensors

if TYPE_CHECKING:
    import keras


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
    """What has to be known about a network.

    Parameters
    ----------
    name : str
        Of its constructor in `keras.applications`, where it comes from there.
    first_block_ends : str
        Name of the last layer of the first block, which stays frozen while fine-tuning; "" where
        that is not known.
    top : tuple of int
        Units of the dense layers between the pooling and the probabilities.
    learning_rate : float
        Rate at which AdamW trains it from scratch.
    optimizer : {"AdamW", "Muon"}
        What it learns by faster from scratch, as far as that was measured (docs/results.md).
    picture_sizes : tuple of int
        Pixels along a side of the pictures that it learns from one after the other (`growing`).
    pools_maximum : bool
        Give the top the highest value of each feature, beside its mean.
    he_initialisation : bool
        Start its convolutions by He et al. 2015: without it, a deep network that has no
        BatchNormalization does not converge from scratch.
    dense : bool
        It has a fully convolutional form, at strides of 8, 16 and 32 pixels.
    expected : Expected
        What its pretrained weights expect of the pixels.
    weights_file : str
        Official weights of ImageNet without the top, below `WEIGHTS_STORE` or at an address.
    build : callable, optional
        Makes the network for so many bands, without its top, for images of any size; for networks
        that `keras.applications` does not have.
    """

    name: str
    first_block_ends: str = ""
    top: tuple[int, ...] = ()
    learning_rate: float = 1e-3
    optimizer: str = "AdamW"
    picture_sizes: tuple[int, ...] = (sensors.PATCH_SIZE,)
    pools_maximum: bool = False
    dense: bool = True
    he_initialisation: bool = False
    expected: Expected = Expected()
    weights_file: str = ""
    build: Callable[[int], keras.Model] | None = None


def _resnet9(bands: int) -> keras.Model:
    from landuse.networks import residual

    return residual.resnet9(bands)


def _googlenet(bands: int) -> keras.Model:
    from landuse.networks import inception

    return inception.googlenet(bands)


_GROWING = (32, 32, 48, 64)
WEIGHTS_STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
NETWORKS = {  # another one is another row
    network.name: network
    for network in (
        Network(
            "VGG16",
            first_block_ends="block1_pool",
            top=(2048, 2048),
            learning_rate=3e-4,
            optimizer="Muon",
            picture_sizes=_GROWING,
            he_initialisation=True,
            expected=UNSCALED_BGR,
            weights_file="vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
        Network(
            "DenseNet201",
            first_block_ends="pool1",
            optimizer="Muon",
            picture_sizes=_GROWING,
            expected=IMAGENET_STANDARDISED,
            weights_file="densenet/densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
        Network(
            "ResNet50",
            first_block_ends="pool1_pool",
            expected=UNSCALED_BGR,
            weights_file="resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
        Network(
            "MobileNet",
            first_block_ends="conv_pw_1_relu",
            expected=FROM_MINUS_1_TO_1,
            weights_file="mobilenet/mobilenet_1_0_224_tf_no_top.h5",
        ),
        Network(
            "ResNet9",
            first_block_ends="stem_relu",
            learning_rate=3e-3,
            optimizer="Muon",
            picture_sizes=_GROWING,
            pools_maximum=True,
            build=_resnet9,
        ),
        Network(
            "MobileNetV2",
            first_block_ends="expanded_conv_project_BN",
            expected=FROM_MINUS_1_TO_1,
            weights_file="mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        ),
        Network(
            "EfficientNetB0",
            dense=False,
            first_block_ends="block1a_project_bn",
            weights_file="https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
        ),
        Network("GoogLeNet", first_block_ends="pool1", dense=False, build=_googlenet),
    )
}
BASELINE = "Baseline"  # stands for the network of linear models on fixed measurements
TOO_LARGE = ("Xception", "Inception")  # they need pictures of at least 71 or 75 pixels


def network_names() -> list[str]:
    """Give the names of all networks that take 64x64 pixels, those of `keras.applications` too."""
    import keras

    names = [
        name
        for name, thing in vars(keras.applications).items()
        if inspect.isfunction(thing) and name[0].isupper() and not name.startswith(TOO_LARGE)
    ]
    return sorted({*names, *NETWORKS})


def network(name: str) -> Network:
    """Look a network up; one that is not in `NETWORKS` has no first block to freeze.

    Raises
    ------
    ValueError
        If there is no such network that takes 64x64 pixels.
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
    return Network(name, expected=_expected_by(name))


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


def official_file(name: str) -> str:
    """Give the address of the official ImageNet weights of a network without its top."""
    file = network(name).weights_file or f"(the file {name} ... notop.h5)"
    return file if file.startswith("https:") else f"{WEIGHTS_STORE}/{file}"

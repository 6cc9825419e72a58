"""Several views of each patch inside a trained model: mirrored, and enlarged further.

Land has no up and no left, yet a network answers a little differently when a patch is mirrored.
The mean of such answers is right more often, and its probabilities are less extreme. What a
network of enlarged patches learned holds for slightly larger ones too, and often better: training
by crops and distortions shows it larger objects than it meets later (Touvron et al. 2019,
https://arxiv.org/abs/1906.06423). Both cost time when the model is used, none while it learns.
"""

from typing import Any

import keras
from keras import ops

from landuse import sensors


@keras.saving.register_keras_serializable("landuse")
class MirroredViews(keras.layers.Layer):
    """Put mirrored copies of the patches behind them, along the batch.

    Parameters
    ----------
    views : {2, 4, 8}
        2: each patch and the same turned by 180 degrees; 4: also mirrored along both axes;
        8: all these with rows and columns exchanged, too.
    """

    def __init__(self, views: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.views = int(views)

    def call(self, pixels: Any) -> Any:  # noqa: D102
        upside_down = ops.flip(pixels, 1)
        copies = [pixels, ops.flip(upside_down, 2)]  # OpenVINO takes one axis at a time
        if self.views > 2:
            copies += [upside_down, ops.flip(pixels, 2)]
        if self.views > 4:
            copies += [ops.transpose(copy, (0, 2, 1, 3)) for copy in copies]
        return ops.concatenate(copies, axis=0)

    def get_config(self) -> dict:  # noqa: D102
        return {**super().get_config(), "views": self.views}


@keras.saving.register_keras_serializable("landuse")
class MeanOfViews(keras.layers.Layer):
    """Give the mean of what was found in the views of each patch.

    Parameters
    ----------
    views : int
        How many `MirroredViews` made.
    """

    def __init__(self, views: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.views = int(views)

    def call(self, features: Any) -> Any:  # noqa: D102
        return ops.mean(ops.reshape(features, (self.views, -1, features.shape[-1])), axis=0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Tell the shape: JAX would try numbers of patches that are no multiple of the views."""
        count = input_shape[0]
        return (None if count is None else count // self.views, input_shape[-1])

    def get_config(self) -> dict:  # noqa: D102
        return {**super().get_config(), "views": self.views}


def picture_size(model: keras.Model) -> int:
    """Give the pixels along a side of the pictures that the network of a classifier sees."""
    sizes = [layer.height for layer in model.layers if isinstance(layer, keras.layers.Resizing)]
    return sizes[-1] if sizes else sensors.PATCH_SIZE


def in_use(
    model: keras.Model, network: str, views: int = 1, size: int | None = None
) -> keras.Model:
    """Give the form of a trained classifier that looks at each patch more than once, or closer.

    Behind the pooling, the features of the views are averaged; what follows stays as it was. With
    a top of one layer, that is the mean of the logits.

    Parameters
    ----------
    model : keras.Model
        (batch, 64, 64, bands) to (batch, classes). Its layers are shared with the result.
    network : str
        Name of the network inside.
    views : {1, 2, 4, 8}
        See `MirroredViews`.
    size : int, optional
        Pixels along a side of the pictures that the network is to see; None: as before.

    Returns
    -------
    keras.Model
        As many times slower as there are views, and as the pictures have more pixels.
    """
    state = {"averaged": views == 1}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.layers.Resizing) and size:
            return args[0]  # the size comes right before the network
        if layer.name == network:
            pictures = args[0]
            if size and pictures.shape[1] != size:
                pictures = keras.layers.Resizing(
                    size, size, "bilinear", dtype="float32", name=f"enlarged_to_{size}"
                )(pictures)
            if views > 1:
                pictures = MirroredViews(views, dtype="float32", name="views")(pictures)
            return layer(pictures)
        if not state["averaged"] and isinstance(layer, keras.layers.Dropout | keras.layers.Dense):
            state["averaged"] = True
            mean = MeanOfViews(views, dtype="float32", name="mean_of_views")
            return layer(mean(args[0]), **kwargs)
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)

"""Epochs that cost less: small pictures first, which grow, and not every epoch validated."""

from collections.abc import Sequence

import keras

from landuse import sensors


def check_sizes(sizes: Sequence[int], patch: int = sensors.PATCH_SIZE) -> None:
    """Raise a ValueError for sizes of pictures that nothing can be trained with.

    Parameters
    ----------
    sizes : sequence of int
        Pixels along a side: rising, from 32 on, the last that of the patches. The same size twice
        stands for twice the share of the epochs.
    patch : int
        Pixels along a side of the patches.
    """
    rises = list(sizes) == sorted(sizes) and list(sizes[:2]) != [patch, patch]
    if not sizes or sizes[-1] != patch or not rises or sizes[0] < 32:
        raise ValueError(
            f"PICTURE_SIZES = {list(sizes)}: expected rising sizes from 32 px to {patch} px, the "
            f"last one {patch}, such as 32 48 {patch} or 32 32 48 {patch}, or only {patch}"
        )


def stretches(sizes: Sequence[int], begin: int, epochs: int) -> list[tuple[int, int, int]]:
    """Give the stretches of epochs that have pictures of one size, from an epoch on.

    Each size has an equal share of the epochs, to rounding; one that is given twice, twice that.
    The last epoch has the last size, however few there are.

    Parameters
    ----------
    sizes : sequence of int
        Pixels along a side.
    begin, epochs : int
        Epochs that are done, and how many there are in all.

    Returns
    -------
    list of (first, last, size)
        From which epoch, before which epoch.
    """
    shares = [number / len(sizes) for number in range(1, len(sizes))]
    ends = [*(min(round(epochs * share), epochs - 1) for share in shares), epochs]
    starts = [max(begin, start) for start in [0, *ends[:-1]]]
    return [
        (start, end, size)
        for start, end, size in zip(starts, ends, sizes, strict=True)
        if start < end
    ]


def validated(epochs: int, every: int) -> list[int]:
    """Say which epochs of a phase, counted from 1, are validated: each so many, and the last."""
    return [epoch for epoch in range(1, epochs + 1) if epoch % every == 0 or epoch == epochs]


def learner(model: keras.Model, sizes: Sequence[int]) -> keras.Model:
    """Give the form of a patch classifier that takes pictures of all these sizes.

    It shares the layers of `model`: training the one trains the other, and `model` is what is
    saved.

    Parameters
    ----------
    model : keras.Model
        (batch, rows, columns, bands) to (batch, classes), with a pooling over all its features.
    sizes : sequence of int
        With one only, it is `model` itself.
    """
    if len(sizes) == 1:
        return model
    pixels = keras.Input((None, None, model.input_shape[-1]), name=model.input.name)
    return keras.models.clone_model(model, input_tensors=pixels, clone_function=lambda layer: layer)

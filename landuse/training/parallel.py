"""Several devices of one machine for one training: each computes its share of every batch.

The weights are the same on all of them and move by the mean gradient of the whole batch, so that a
step is the step of one device. JAX takes the statistics of batch normalisation over the whole
batch, TensorFlow over each share.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from landuse import devices

ALL = "all"
_count = 1


def count() -> int:
    """Count the devices that share each batch."""
    return _count


def check(wanted: int | str, available: int) -> int:
    """Give the number of devices to use.

    Parameters
    ----------
    wanted : int or "all"
    available : int
        That Keras finds.

    Raises
    ------
    ValueError
        When there are not so many.
    """
    if wanted == ALL:
        return available
    if not isinstance(wanted, int) or wanted < 1:
        raise ValueError(f"DEVICES must be 1 or more, or 'all', not {wanted!r}")
    if wanted > available:
        raise ValueError(
            f"DEVICES = {wanted}, but Keras on {devices.backend()} finds {available} here: "
            f"{', '.join(names())}"
        )
    return wanted


def names() -> list[str]:
    """Name what can share batches: GPUs, or without any the processor, "gpu:0" or "cpu:0"."""
    import keras

    return devices.gpus() or keras.distribution.list_devices("cpu")


def check_batch(batch_size: int) -> None:
    """Raise a ValueError for a batch that cannot be shared out in equal parts."""
    if batch_size % _count:
        raise ValueError(
            f"BATCH_SIZE = {batch_size} on {_count} devices, which get equal shares: give a "
            f"multiple of {_count}"
        )


def clip_whole_gradients(optimizer: Any) -> None:
    """Let an optimizer clip the gradient of the whole batch, where Keras would clip each share.

    On TensorFlow, Keras 3.15 clips on each device and adds up afterwards
    (`BaseOptimizer._clip_gradients`, `TFOptimizer._all_reduce_sum_gradients`), so that clipping
    would be weaker the more devices there are. On JAX the gradient is that of the whole batch.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Changed in place, where several devices are in use.
    """
    number, clip = _count, optimizer._clip_gradients
    if number == 1 or devices.backend() != "tensorflow":
        return

    def clip_sum(gradients: list[Any]) -> list[Any]:
        import tensorflow as tf

        here = tf.distribute.get_replica_context()
        whole = here.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        return [gradient / number for gradient in clip(whole)]  # which are added up then

    optimizer._clip_gradients = clip_sum


@contextlib.contextmanager
def using(wanted: int | str) -> Iterator[None]:
    """Let all models that are made and trained within the block use so many devices.

    Parameters
    ----------
    wanted : int or "all"

    Raises
    ------
    ValueError
        When there are not so many, or the backend of Keras cannot share batches.
    """
    global _count
    number = 1 if wanted == 1 else check(wanted, len(names()))
    if number == 1:
        yield
        return
    print(f"{number} devices share each batch: {', '.join(names()[:number])}")
    with _shared(names()[:number]):
        _count = number
        try:
            yield
        finally:
            _count = 1


@contextlib.contextmanager
def _shared(chosen: list[str]) -> Iterator[None]:
    import keras

    backend = devices.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy([name.upper() for name in chosen]).scope():
            yield
        return
    if backend != "jax":
        raise ValueError(
            f"DEVICES: Keras on {backend} uses one; set KERAS_BACKEND=tensorflow, or jax"
        )
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=chosen))
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)

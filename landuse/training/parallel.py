"""Several devices for one training: each computes its share of every batch.

They are in one machine, or on JAX in those of several processes (`processes`). The weights are the
same on all of them and move by the mean gradient of the whole batch, so that a step is the step of
one device. JAX takes the statistics of batch normalisation over the whole batch, TensorFlow over
each share.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from landuse import devices
from landuse.training import processes

ALL = "all"
_count = 1


def count() -> int:
    """Count the devices that share each batch."""
    return _count


def check(wanted: int | str, available: int) -> int:
    """Give the number of devices to use, in each process.

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


def share_out(batches: Any) -> Any:
    """Let batches have equal shares for all devices, and hold only those of this process.

    Parameters
    ----------
    batches : PatchBatches
        Changed in place, and given back.

    Raises
    ------
    ValueError
        For a batch that cannot be shared out in equal parts.
    """
    if batches.batch_size % _count:
        raise ValueError(
            f"BATCH_SIZE = {batches.batch_size} on {_count} devices, which get equal shares: give "
            f"a multiple of {_count}"
        )
    batches.multiple = _count
    batches.share = (processes.number(), processes.count())
    return batches


def share_out_part(batches: Any, part: str, what: str = "images") -> Any:
    """Do as `share_out` for a part that is measured after each epoch, and say what is left out."""
    left = share_out(batches).left_out
    if left:
        print(f"{part}: the last {left} {what} are left out until the end, for equal shares")
    return batches


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
def using(wanted: int | str, say: bool = True) -> Iterator[None]:
    """Let all models that are made and trained within the block use so many devices.

    Parameters
    ----------
    wanted : int or "all"
    say : bool
        Print which ones.

    Raises
    ------
    ValueError
        When there are not so many, or the backend of Keras cannot share batches.
    """
    global _count
    chosen = _choose(wanted)
    if len(chosen) == 1:
        yield
        return
    nodes = processes.count()
    told = f"{nodes} processes with {len(chosen) // nodes} each, " if nodes > 1 else ""
    if say:
        print(f"{len(chosen)} devices share each batch: {told}{', '.join(chosen)}")
    with _shared(chosen):
        _count = len(chosen)
        try:
            yield
        finally:
            _count = 1


def _choose(wanted: int | str) -> list[str]:
    """Name the devices of all processes, or the first alone."""
    if processes.count() == 1:
        return names()[: 1 if wanted == 1 else check(wanted, len(names()))]
    number = check(wanted, len(_names_in(processes.number())))
    processes.agree("DEVICES", str(number))
    return [name for node in range(processes.count()) for name in _names_in(node)[:number]]


def _names_in(process: int) -> list[str]:
    """Name the devices of one of several processes, as Keras names them."""
    import jax

    return [f"{one.platform}:{one.id}" for one in jax.devices() if one.process_index == process]


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
    keras.distribution.set_distribution(
        # batches of several processes hold their own share already (`share_out`)
        keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)
    )
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)

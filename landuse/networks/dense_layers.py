"""Layers that only the dense forms of networks have: pooling at stride 1, cutting to a multiple."""

from typing import Any, Literal

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("landuse")
class ShiftedPooling(layers.Layer):
    """Average or maximum over `size` x `size` cells that lie `distance` cells apart, at stride 1.

    Maps of shape (batch, rows, columns, channels) lose `(size - 1) * distance` rows and columns:
    only windows that lie inside the map are given, the one at row i, column j starts there.
    Memory does not grow with `size`, because shifted views are added one after the other.

    Parameters
    ----------
    size : int
        Cells of the window along rows and columns.
    distance : int
        From one cell of the window to the next.
    mode : {"average", "maximum"}
        What is made of the cells.
    """

    def __init__(
        self,
        size: int,
        distance: int,
        mode: Literal["average", "maximum"] = "average",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.distance = distance
        self.mode = mode

    def call(self, maps: Any) -> Any:
        """Pool along rows, then along columns."""
        reach = (self.size - 1) * self.distance
        # Ends counted from the end hold for maps of any size, which exported networks need.
        pairs = [(shift, shift - reach or None) for shift in range(0, reach + 1, self.distance)]
        maps = self._combine([maps[:, first:end] for first, end in pairs])
        return self._combine([maps[:, :, first:end] for first, end in pairs])

    def _combine(self, shifted: list[Any]) -> Any:
        total = shifted[0]
        for other in shifted[1:]:
            total = ops.maximum(total, other) if self.mode == "maximum" else total + other
        return total if self.mode == "maximum" else total * (1 / self.size)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape with the rows and columns that are left."""
        reach = (self.size - 1) * self.distance
        batch, rows, columns, channels = input_shape
        left = [None if size is None else size - reach for size in (rows, columns)]
        return (batch, *left, channels)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments to build the layer again."""
        own = {"size": self.size, "distance": self.distance, "mode": self.mode}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("landuse")
class CropToMultiple(layers.Layer):
    """Drop the last rows and columns of an image that do not fill a cell of `multiple` pixels.

    Parameters
    ----------
    multiple : int
        Rows and columns that are left are multiples of it.
    """

    def __init__(self, multiple: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, pixels: Any) -> Any:
        """Keep the upper left part."""
        rows, columns = (size - size % self.multiple for size in ops.shape(pixels)[1:3])
        return pixels[:, :rows, :columns]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape with the rows and columns that are left."""
        batch, rows, columns, bands = input_shape
        left = [None if size is None else size - size % self.multiple for size in (rows, columns)]
        return (batch, *left, bands)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments to build the layer again."""
        return {**super().get_config(), "multiple": self.multiple}

"""What a file format is, and what there is to export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Shape = tuple[int | None, int | None, int | None, int]  # batch, rows, columns, bands; None: free
Predict = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class Export:
    """A network on its way to a file.

    Parameters
    ----------
    model : keras.Model
        As it was trained: patches of raw pixels to probabilities.
    shape : tuple
        Of the input that is wanted, None where a size is free.
    dense_stride : int or None
        Of the dense form.
    precision : {"float32", "float16", "int8"}
    calibration : ndarray of shape (N, rows, columns, bands), float32
        Images that show, for int8, how large the values between the layers get.
    facts : mapping of str to str
        What the file says about the model.
    web_runtime : str
        Folder of what a browser page runs on.
    """

    model: keras.Model
    shape: Shape
    dense_stride: int | None
    precision: str
    calibration: NDArray
    facts: Mapping[str, str]
    web_runtime: str = ""

    @property
    def converted_shape(self) -> Shape:
        """The shape with rows and columns of one size, for converters that need these."""
        return self.shape[0], *self.calibration.shape[1:3], self.shape[3]

    def network(self, shape: Shape) -> keras.Model:
        """Give the network as plain operations, for inputs of a shape."""
        from landuse.networks import inference_graphs

        return inference_graphs.inference_graph(self.model, shape, self.dense_stride)

    @property
    def front(self) -> list[str]:
        """Layers that see raw pixels, for which eight bits are too few."""
        from landuse.networks import inference_graphs

        return inference_graphs.front_layers(self.model)


@dataclass(frozen=True)
class FileFormat:
    """A file format that a model can be exported to.

    Parameters
    ----------
    name : str
    ending : str
        Of the file's name; "" for a folder.
    runtime : str
        The package that runs it.
    packages : mapping of str to str
        Those needed to make and run it: name to import to name for pip.
    write : callable
        Writes an `Export` to a path.
    open : callable
        Makes a function from raw pixels to probabilities of what was written.
    precisions : tuple of str
    packages_for_int8 : mapping of str to str
        Further ones.
    free_images : bool
        Whether a dense form can take images of any size.
    image_side : int or None
        Pixels of the images of the dense form, where they can have no others.
    dense_where_trained : int or None
        Stride of the dense form, which is made without being asked for where the model was
        trained for it.
    marker : str
        Of a folder: the file in it by which an earlier export is known.
    """

    name: str
    ending: str
    runtime: str
    packages: Mapping[str, str]
    write: Callable[[Export, Path], None]
    open: Callable[[Path], Predict]
    precisions: tuple[str, ...] = ("float32", "float16", "int8")
    packages_for_int8: Mapping[str, str] = field(default_factory=dict)
    free_images: bool = True
    image_side: int | None = None
    dense_where_trained: int | None = None
    marker: str = ""

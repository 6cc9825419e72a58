"""Where a product's own mask says that clouds are."""

from typing import Any

import numpy as np

from landuse.rasters import reading, vectors
from landuse.scenes import products, sentinel2

# in MSK_CLASSI: opaque clouds, cirrus; in SCL: cloud shadow, cloud medium, cloud high, cirrus
CLOUD_BANDS = (0, 1)
CLOUD_CLASSES = (3, 8, 9, 10)


class Clouds:
    """A product's own cloud mask on the scene's grid."""

    def __init__(self, mask: products.CloudMask, geotransform: Any, crs: str) -> None:
        self.path, self._kind = mask.path, mask.kind
        self._geotransform, self._crs = geotransform, crs
        self.raster: reading.Raster | None = None
        self._polygons: list[bytes] = []
        if mask.kind == "polygons":
            self._polygons = sentinel2.read_cloud_polygons(mask.path)
        else:
            self.raster = reading.Raster(mask.path, allow_vrt=False)
            self.ratio = reading.ratio_to(geotransform[1], self.raster)

    def read(self, window: reading.Window) -> np.ndarray:
        """Return where clouds are, bool."""
        if self.raster is None:
            row, column, rows, columns = window
            left, width, _, top, _, height = self._geotransform
            corner = (left + column * width, width, 0.0, top + row * height, 0.0, height)
            return vectors.rasterize(self._polygons, corner, self._crs, rows, columns)
        if self._kind == "scene":
            return np.isin(self.raster.read_repeated(0, *window, self.ratio), CLOUD_CLASSES)
        layers = [self.raster.read_repeated(band, *window, self.ratio) for band in CLOUD_BANDS]
        return np.logical_or(*layers)

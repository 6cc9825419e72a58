"""The pixels of a patch as a model wants them."""

import numpy as np
import pytest

from image_functions import BANDS_MS
from landuse.patches import single_patches
from landuse.rasters import writing

GEOTRANSFORM = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)


@pytest.mark.parametrize(
    ("names", "bands", "dtype", "expected"),
    [
        (BANDS_MS, 13, np.uint16, list(range(13))),
        (BANDS_MS[::-1], 13, np.uint16, list(range(13))[::-1]),
        (["B02", "B03", "B04"], 3, np.uint16, [2, 1, 0]),
        (["B12", "B8A", "B04"], 3, np.uint16, [0, 1, 2]),
        (["B12", "B8A", "B04"], 13, np.uint16, [11, 12, 3]),
        (["B12", "B8A", "B04"], 3, np.uint8, None),
    ],
)
def test_bands_of_a_patch_come_in_the_order_of_the_model(tmp_path, names, bands, dtype, expected):
    pixels = np.broadcast_to(np.arange(1, bands + 1), (64, 64, bands)).astype(dtype)
    writing.write_geotiff(tmp_path / "patch.tif", pixels, GEOTRANSFORM, "EPSG:32632")
    record = {"band_names": list(names), "units": "DN" if dtype == np.uint16 else "rgb8"}
    if expected is None:
        with pytest.raises(ValueError, match="the model needs B12, B8A, B04"):
            single_patches.read_for_model(tmp_path / "patch.tif", record)
        return
    found = single_patches.read_for_model(tmp_path / "patch.tif", record)
    assert (found[5, 7] - 1).astype(int).tolist() == expected

"""At which level patches were processed."""

from pathlib import Path

import pytest

from landuse.patches import processing_levels
from landuse.segmentation import pixel_data
from landuse.sensors import BAND_COMBINATIONS, BANDS_MS, BANDS_RGB


@pytest.mark.parametrize(
    ("names", "bands", "level"),
    [
        (["River/River_1.tif"], BANDS_MS, "L1C"),  # holds B10
        (["River/River_1.tif"], BAND_COMBINATIONS["L2A"], None),
        (["River/River_1.jpg", "Forest/Forest_22.jpg"], BANDS_RGB, "L1C"),  # EuroSAT's own
        (["River/River_1.jpg", "Forest/mine.jpg"], BANDS_RGB, None),
        (["wood/S2A_MSIL2A_20230823T100601_N0509_R022_T32TPP_7.tif"], BANDS_RGB, "L2A"),
        (["wood/2023-08-23_Sentinel-2_L1C_7.tif"], BANDS_RGB, "L1C"),
        (["wood/a_L2A_7.tif"], BANDS_MS, None),  # a contradiction
        (["wood/a_L1C.tif", "wood/a_L2A.tif"], BANDS_RGB, None),
        (["wood/XL2A5.tif"], BANDS_RGB, None),
        ([], BANDS_RGB, None),
    ],
)
def test_level(names, bands, level):
    assert processing_levels.level_of([Path(name) for name in names], bands) == level


@pytest.mark.parametrize(
    ("levels", "bands", "level"),
    [
        ({"L2A"}, BANDS_RGB, "L2A"),
        ({None}, BANDS_MS, "L1C"),  # hold B10
        ({None}, BANDS_RGB, None),
        ({"L1C", "L2A"}, BANDS_RGB, None),
        ({"L1C", None}, BANDS_RGB, None),
    ],
)
def test_level_of_the_scenes_of_a_pixel_model(levels, bands, level):
    assert pixel_data._level(levels, bands) == level

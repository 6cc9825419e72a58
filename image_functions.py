"""The door for scripts and notebooks: bands, reading, scaling, augmenting, batches, by name.

Everything here is defined in `landuse` and may be imported from here. Nothing imports Keras before
`simple_image_generator` is called, so importing this module is quick.

Arrays of patches have the shape (N, rows, columns, bands); their pixels are uint16 digital
numbers ("DN", reflectance times 10,000) or uint8 colours ("rgb8", DN 0..2750 as 1..255).
"""

from landuse.devices import usable_cores
from landuse.networks.preprocessing import preprocessing_image_ms, preprocessing_image_rgb
from landuse.patches.augmentation import augment_patches
from landuse.patches.band_statistics import EUROSAT_STATISTICS, PERCENTILES, pooled_statistics
from landuse.patches.class_folders import categorical_label_from_full_file_name
from landuse.patches.image_files import IMAGE_SUFFIXES, read_patch
from landuse.patches.patch_batches import PatchBatches, simple_image_generator
from landuse.sensors import (
    BAND_COMBINATIONS,
    BANDS_MS,
    BANDS_RGB,
    PATCH_SIZE,
    WAVELENGTHS,
    scale_to_rgb8,
)

__all__ = [
    "BANDS_MS",
    "BANDS_RGB",
    "BAND_COMBINATIONS",
    "EUROSAT_STATISTICS",
    "IMAGE_SUFFIXES",
    "PATCH_SIZE",
    "PERCENTILES",
    "WAVELENGTHS",
    "PatchBatches",
    "augment_patches",
    "categorical_label_from_full_file_name",
    "pooled_statistics",
    "preprocessing_image_ms",
    "preprocessing_image_rgb",
    "read_patch",
    "scale_to_rgb8",
    "simple_image_generator",
    "usable_cores",
]

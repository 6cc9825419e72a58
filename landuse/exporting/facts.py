"""What an exported file says about its model, as short texts by name."""

import json
from collections.abc import Mapping
from typing import Any

UNITS = {  # what the values of the input are
    "DN": "digital numbers of Sentinel-2, reflectance x 10,000, after the product's radiometric "
    "offset was added; 0 is nodata",
    "rgb8": "8 bits, 0 to 255: DN 0 to 2750 scaled to 1 to 255; 0 is nodata",
}
METRES = 10  # on the ground, one pixel of a patch


def facts_of(
    record: Mapping[str, Any],
    *,
    sha256: str,
    precision: str,
    dense_stride: int | None,
    licence: str | None,
) -> dict[str, str]:
    """Give what a file says about its model.

    Parameters
    ----------
    record : mapping
        Of the model.
    sha256 : str
        Of the .keras file.
    precision : str
    dense_stride : int or None
        Of a dense form.
    licence : str or None
        Of the model; None: it is not known.

    Returns
    -------
    dict of str to str
        Lists and mappings as JSON. "class_names" maps "0", "1", ... to names.
    """
    names = dict(enumerate(record["class_names"]))
    patch, bands = record["patch_size"], ", ".join(record["band_names"])
    what = "of the classes" if dense_stride is None else f"of a window each {dense_stride} px"
    facts = {
        "description": (
            f"{record['network']}: land use of {patch}x{patch} px of Sentinel-2. Input: (batch, "
            f"rows, columns, bands {bands}), {UNITS[record['units']]}. Output: probabilities "
            f"{what}. Normalisation is inside."
        ),
        "class_names": json.dumps(names, ensure_ascii=False),
        "band_names": json.dumps(record["band_names"]),
        "units": record["units"],
        "pixel_values": UNITS[record["units"]],
        "patch_size": str(patch),
        "metres_per_pixel": str(METRES),
        "layout": "batch, rows, columns, bands",
        "normalisation": "inside the graph: give raw pixel values",
        "network": record["network"],
        "precision": precision,
        "made_from_sha256": sha256,
        "licence": licence or "not given",
    }
    if dense_stride is not None:
        facts["stride"] = str(dense_stride)
    if record.get("processing_level"):
        facts["processing_level"] = str(record["processing_level"])
    accuracy = (record.get("results") or {}).get("accuracy")
    if isinstance(accuracy, dict) and isinstance(accuracy.get("value"), float):
        facts["validation_accuracy"] = f"{accuracy['value']:.4f}"
    if record.get("built_in_sample") is True:
        facts["warning"] = "learned from made pictures: says nothing about real land"
    return facts

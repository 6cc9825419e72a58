"""Made patches in the layout of BigEarthNet, v1 or v2, whose labels are known: cut from scenes."""

import datetime
from pathlib import Path

import numpy as np
from tqdm import tqdm

from landuse import choices, files, optional_packages, sensors
from landuse.rasters import writing
from landuse.sample import landscapes, sample_marker, textures

VERSION = 1  # of what is made; another number means other pixels
SIDE = 120  # px at 10 m
ACROSS = 5  # patches along a side of a scene
LEAST_SHARE = 0.02  # of a patch, from which on a class is one of its labels
RATIOS = {10: 1, 20: 2, 60: 6}
BANDS = tuple(band for band in sensors.SENTINEL_2.bands if band.name != "B10")  # Level 2A
COUNTRIES = ("Austria", "Belgium", "Finland", "Portugal", "Serbia")
PARTS = ("train", "validation", "train", "test", "train")  # of scenes, in turn

# What the classes of the made landscape are called among the 43, and among the 19.
LABELS = {
    "AnnualCrop": ("Non-irrigated arable land", "Arable land"),
    "Forest": ("Broad-leaved forest", "Broad-leaved forest"),
    "HerbaceousVegetation": ("Natural grassland", "Natural grassland and sparsely vegetated areas"),
    "Highway": ("Road and rail networks and associated land", ""),
    "Industrial": ("Industrial or commercial units", "Industrial or commercial units"),
    "Pasture": ("Pastures", "Pastures"),
    "PermanentCrop": ("Vineyards", "Permanent crops"),
    "Residential": ("Discontinuous urban fabric", "Urban fabric"),
    "River": ("Water courses", "Inland waters"),
    "SeaLake": ("Sea and ocean", "Marine waters"),
}


def write_made_patches(folder: str | Path, count: int, seed: int = 42, version: int = 2) -> Path:
    """Write made patches as BigEarthNet is laid out; those that are there and the same are kept.

    Parameters
    ----------
    folder : str or Path
        The folder of the data set.
    count : int
        Patches; 25 come from each scene.
    seed : int
    version : {1, 2}
        1: a folder for each patch, with its labels as JSON, and lists of the parts beside; 2:
        folders by tile, and metadata.parquet.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        For a count below 1.
    OSError
        When the folder holds something else, or cannot be written.
    """
    folder = Path(folder)
    if count < 1:
        raise ValueError(f"{count} made patches: ask for 1 or more")
    if version == 2:
        optional_packages.check_installed("metadata.parquet", {"pyarrow": "pyarrow"})
    settings = {"version": VERSION, "layout": version, "count": count, "seed": seed}
    marker = folder / sample_marker.SAMPLE_MARKER
    if marker.is_file():
        if differ := choices.changed(files.read_json(marker), settings):
            raise FileExistsError(
                f"{folder} holds other made patches: {'; '.join(differ)}. Choose another folder, "
                "or delete them"
            )
        return folder
    if folder.exists():
        raise FileExistsError(
            f"{folder} is there and holds no made patches: choose another folder for them"
        )
    files.check_can_write(folder)
    with files.whole_folder(folder) as whole:
        _write_all(whole, count, seed, version)
        files.write_json(whole / sample_marker.SAMPLE_MARKER, settings)
    return folder


def _write_all(folder: Path, count: int, seed: int, version: int) -> None:
    rows: list[dict[str, object]] = []
    with tqdm(total=count, desc="making patches", unit="patch", disable=None) as bar:
        while len(rows) < count:
            number = len(rows) // ACROSS**2
            scene, truth = landscapes.make_scene_of_pixels(seed, ACROSS * SIDE, number + 1)
            for place in range(min(ACROSS**2, count - len(rows))):
                rows.append(_write_patch(folder, scene, truth, number, place, version))
                bar.update()
    if version == 2:
        _write_metadata(folder, rows)
        return
    (folder / "splits").mkdir()
    for part, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        names = [f"{row['patch_id']}\n" for row in rows if row["split"] == part]
        files.write_text(folder / "splits" / f"{name}.csv", "".join(names))


def _write_patch(
    folder: Path, scene: np.ndarray, truth: np.ndarray, number: int, place: int, version: int
) -> dict[str, object]:
    """Write the files of a patch, and return what the metadata say of it."""
    row, column = divmod(place, ACROSS)
    window = (
        slice(row * SIDE, (row + 1) * SIDE),
        slice(column * SIDE, (column + 1) * SIDE),
    )
    shares = np.bincount(truth[window].ravel(), minlength=len(textures.CLASS_NAMES)) / SIDE**2
    found = [LABELS[textures.CLASS_NAMES[i]] for i in np.flatnonzero(shares >= LEAST_SHARE)]
    tile = f"T{31 + number % 5}U{chr(65 + number // 5 // 24 % 24)}{chr(65 + number // 5 % 24)}"
    day = datetime.date(2017, 6, 1) + datetime.timedelta(days=number)
    start = f"S2A_MSIL2A_{day:%Y%m%d}T101031"
    v1_name = f"{start}_{column}_{row}"
    v2_name = f"{start}_N9999_R022_{tile}_{column}_{row}"
    name = v1_name if version == 1 else v2_name
    home = folder / name if version == 1 else folder / v2_name.rsplit("_", 2)[0] / name
    home.mkdir(parents=True)
    left, top = 600_000 + 10 * SIDE * column, 5_400_000 - 10 * SIDE * row
    crs = f"EPSG:{32600 + int(tile[1:3])}"
    for band in BANDS:
        ratio = RATIOS[band.resolution]
        pixels = _coarser(scene[window][..., sensors.BANDS_MS.index(band.name)], ratio)
        geotransform = (left, 10.0 * ratio, 0.0, top, 0.0, -10.0 * ratio)
        writing.write_geotiff(home / f"{name}_{band.name}.tif", pixels, geotransform, crs)
    if version == 1:
        facts = {
            "labels": [label for label, _ in found],
            "tile_source": f"S2A_MSIL1C_{day:%Y%m%d}T101031_N0205_R022_{tile}_{day:%Y%m%d}.SAFE",
            "acquisition_date": f"{day} 10:10:31",
        }
        files.write_json(home / f"{name}_labels_metadata.json", facts)
    return {
        "patch_id": name,
        "labels": sorted({label for _, label in found if label}),
        "split": PARTS[number % len(PARTS)],
        "country": COUNTRIES[number % len(COUNTRIES)],
        "s2v1_name": v1_name,
        "contains_seasonal_snow": False,
        "contains_cloud_or_shadow": False,
    }


def _coarser(pixels: np.ndarray, ratio: int) -> np.ndarray:
    """Return the means of squares of pixels, as a band of a coarser resolution sees them."""
    side = pixels.shape[0] // ratio
    squares = pixels.reshape(side, ratio, side, ratio)
    return np.rint(squares.mean(axis=(1, 3))).astype(np.uint16)


def _write_metadata(folder: Path, rows: list[dict[str, object]]) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(rows)
    with files.atomic_path(folder / "metadata.parquet") as temporary:
        pyarrow.parquet.write_table(table, temporary)

"""Script 00: get labelled patches, and for the sample also a scene to map.

DATASET = "sample" makes a small landscape on this machine, without a download:
    data/sample/EuroSAT_MS/<Class>/*.tif     patches of 13 bands
    data/sample/EuroSAT_RGB/<Class>/*.jpg    the same patches in true colours
    data/sample/scene.tif                    a scene to classify
    data/sample/scene_truth.tif              what lies where in that scene
    data/sample/pixel_maps/*.tif             other scenes, and the class of each of their pixels

DATASET = "EuroSAT_RGB" (95 MB) or "EuroSAT_MS" (2.1 GB, unpacked 2.9 GB) gets the 27,000 real
patches of EuroSAT from Zenodo into data/EuroSAT_RGB or data/EuroSAT_MS. A broken download goes
on where it stopped, and what is there already is not fetched again. Where there is no network,
put the zip file into the data folder by hand and run this step.

DATASET = "web_runtime" (42 MB) gets what the page of script 12 runs on into data/web_runtime.

Run:
    python 00_get_data.py
    python 00_get_data.py --dataset EuroSAT_RGB

EuroSAT: Helber et al. 2019, https://zenodo.org/records/7711810, MIT licence.
"""

from pathlib import Path
from typing import Any, Literal

from landuse import command_line, downloads, files, unpacking

# What to get, and where to put it
DATASET: Literal["sample", "EuroSAT_RGB", "EuroSAT_MS", "web_runtime"] = (
    "sample"  # sample: made here
)
PATH_TO_DATA = "data"  # the data set gets its own folder in here

# The sample
SAMPLE_PATCHES_PER_CLASS = 200  # patches of each of the ten classes
SAMPLE_SCENE_SIZE = 640  # px (640 or more), rows and columns of the scene
SEED = 42  # the same seed gives the same sample

# EuroSAT
DOWNLOADS: dict[str, dict[str, Any]] = {
    "EuroSAT_RGB": {
        "url": "https://zenodo.org/records/7711810/files/EuroSAT_RGB.zip",
        "size": 94_658_721,
        "md5": "f46e308c4d50d4bf32fedad2d3d62f3b",
    },
    "EuroSAT_MS": {
        "url": "https://zenodo.org/records/7711810/files/EuroSAT_MS.zip",
        "size": 2_065_402_329,
        "md5": "091174add3c8e680a49244acf185b9f0",
    },
}
CLASS_COUNTS = {
    "AnnualCrop": 3000,
    "Forest": 3000,
    "HerbaceousVegetation": 3000,
    "Highway": 2500,
    "Industrial": 2500,
    "Pasture": 2000,
    "PermanentCrop": 2500,
    "Residential": 3000,
    "River": 2500,
    "SeaLake": 3000,
}
TIMEOUT = 30.0  # s without an answer after which a connection counts as broken
RETRIES = 3  # connections in a row that may break without bringing anything


def main() -> None:
    """Make or fetch the data set, unless it is there."""
    folder = Path(PATH_TO_DATA) / DATASET
    if DATASET == "sample":
        from landuse.sample import sample_files

        sample_files.write_sample(folder, SAMPLE_PATCHES_PER_CLASS, SEED, SAMPLE_SCENE_SIZE)
    elif DATASET == "web_runtime":
        get_web_runtime(folder)
    else:
        get_eurosat(folder, **DOWNLOADS[DATASET])
    print(f"data: {folder}")


def get_web_runtime(folder: Path) -> None:
    """Fetch the files that a page of script 12 runs on, and check them.

    Parameters
    ----------
    folder : Path
        Where they go; those that are there are not fetched again.
    """
    from landuse.exporting import web_runtime

    _make_folder(folder)
    with files.lock(folder, "getting what the page runs on"):
        for file in web_runtime.FILES + web_runtime.GPU_FILES:
            path = folder / file.name
            if not path.exists():
                downloads.download(file.url, path, file.size, file.md5, TIMEOUT, RETRIES)
            downloads.check_archive(path, file.url, file.size, file.md5)


def get_eurosat(folder: Path, url: str, size: int, md5: str) -> None:
    """Fetch, check and unpack one form of EuroSAT.

    Parameters
    ----------
    folder : Path
        Where the ten class folders go. The archive is kept, or looked for, beside it.
    url : str
        Address of the archive.
    size : int
        Bytes of the archive.
    md5 : str
        Checksum of the archive, hexadecimal.

    Raises
    ------
    ValueError
        When the archive or the images in it are not those of EuroSAT.
    OSError
        When the archive cannot be fetched or something cannot be written.
    """
    _make_folder(folder.parent)
    with files.lock(folder, "getting the data set"):
        if folder.exists():
            check_classes(folder)
            print(f"{folder} is there already, with all its images")
            return
        archive = folder.with_name(f"{folder.name}.zip")
        if not archive.exists():
            downloads.download(url, archive, size, md5, TIMEOUT, RETRIES)
        downloads.check_archive(archive, url, size, md5)
        unpacking.unzip(archive, folder, select=_find_classes)
        print(f"{archive} is not needed any more")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"cannot make the folder {folder}: a file is in its way"
        ) from error


def check_classes(folder: Path) -> None:
    """Check that a folder holds the ten classes of EuroSAT with all their images.

    Parameters
    ----------
    folder : Path
        Folder of class folders.

    Raises
    ------
    ValueError
        When a class is missing, is not one of EuroSAT's, or has another number of images.
    """
    found = _count_images(folder)
    names = sorted(CLASS_COUNTS.keys() | found.keys())
    wrong = [
        f"{name} {found.get(name, 0)} instead of {CLASS_COUNTS.get(name, 0)}"
        for name in names
        if found.get(name, 0) != CLASS_COUNTS.get(name, 0)
    ]
    if wrong:
        raise ValueError(
            f"{folder} is not the whole EuroSAT: images of {', '.join(wrong)}; "
            f"as it is, it is good for script 01 (--path-to-all-images {folder}); for all images "
            "move it away and run this step again"
        )


def _count_images(folder: Path) -> dict[str, int]:
    return {
        entry.name: sum(file.suffix in (".jpg", ".tif") for file in entry.iterdir())
        for entry in folder.iterdir()
        if entry.is_dir()
    }


def _find_classes(unpacked: Path) -> Path:
    """Find the folder of class folders, wherever the archive has it, and check it."""
    first = next(iter(CLASS_COUNTS))
    folder = next((path.parent for path in sorted(unpacked.rglob(first))), unpacked)
    try:
        check_classes(folder)
    except ValueError as error:
        message = str(error).removeprefix(f"{folder} ").partition(";")[0]
        raise ValueError(f"what was unpacked {message}; nothing of it was kept") from error
    return folder


if __name__ == "__main__":
    command_line.run(main, globals())

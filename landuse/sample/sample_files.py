"""The made sample on disk, in the layout of EuroSAT: whole, or completed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from landuse import choices, files, map_values, sensors
from landuse.rasters import writing
from landuse.sample import landscapes, later_scene, sample_marker, textures

VERSION = 1  # of the made landscape; another number means other pixels

PIXEL_SIZE = 10.0  # m
PIXEL_SCENES = 3  # further scenes whose truth is known pixel by pixel, to learn from


def write_sample(
    folder: str | Path, patches_per_class: int = 200, seed: int = 42, scene_size: int = 640
) -> Path:
    """Write the sample: patches as in EuroSAT, a scene and its truth.

    ``EuroSAT_MS/<Class>/<Class>_N.tif`` (13 bands, uint16, georeferenced in UTM),
    ``EuroSAT_RGB/<Class>/<Class>_N.jpg`` (the same patches in the published RGB scaling),
    ``scene.tif`` (13 named bands) and ``scene_truth.tif`` (index into CLASS_NAMES, nodata 255),
    and the same place later as ``scene_later.tif`` and ``scene_later_truth.tif``.
    That truth is about windows. ``scene_pixel_truth.tif`` is that of each pixel alone, and
    ``pixel_maps/`` holds other scenes with theirs, to learn from.
    A sample that is there and whole is kept, and one with missing files is completed. An
    interrupted run leaves a hidden folder only, which the next run clears away.

    Parameters
    ----------
    folder : str or Path
        Where to write; made when it is missing.
    patches_per_class : int
        Number of patches of each class, at least 1.
    seed : int
        The same seed gives the same pixels; at least 0.
    scene_size : int, px
        Rows and columns of the scene, at least 640.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        When a number is out of range.
    OSError
        When the folder holds something else or a sample with other settings, when another run
        is writing it, or when it cannot be written.
    """
    folder = Path(folder)
    settings = {
        "version": VERSION,
        "patches_per_class": patches_per_class,
        "seed": seed,
        "scene_size": scene_size,
    }
    _check_settings(settings)
    _make_folder(folder)
    partial = folder / ".sample.partial"
    with files.lock(folder / sample_marker.SAMPLE_MARKER, "writing the sample"):
        if (partial / sample_marker.SAMPLE_MARKER).is_file():  # whole, but not all of it was moved
            _publish(partial, folder)
        _remove_partial(partial)
        _check_folder(folder, settings)
        missing = {name for name in _file_names(patches_per_class) if not (folder / name).is_file()}
        if missing:
            _write_files(partial, missing, settings)
            _publish(partial, folder)
    return folder


def _check_settings(settings: dict[str, int]) -> None:
    for name, least in (("patches_per_class", 1), ("seed", 0), ("scene_size", 640)):
        if settings[name] < least:
            raise ValueError(f"{name} is {settings[name]}; it must be at least {least}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the folder {folder} for the sample cannot be made ({error.strerror}); "
            "choose one below a folder that you may write to"
        ) from error


def _check_folder(folder: Path, settings: dict[str, int]) -> None:
    """Refuse a folder that holds another sample, or data that is not ours."""
    if (folder / sample_marker.SAMPLE_MARKER).is_file():
        found = files.read_json(folder / sample_marker.SAMPLE_MARKER)
        if differ := choices.changed(found, settings):
            raise FileExistsError(
                f"{folder} holds a sample with other settings: {'; '.join(differ)}. Choose another "
                "folder, or delete that sample"
            )
        return
    for name in sample_marker.SAMPLE_PARTS:
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder / name} is there and was not made as a part of the sample "
                f"({sample_marker.SAMPLE_MARKER} is missing); choose another folder"
            )


def _file_names(patches_per_class: int) -> Iterator[str]:
    """Paths of the sample's files, relative to its folder."""
    for name in textures.CLASS_NAMES:
        for number in range(1, patches_per_class + 1):
            yield f"EuroSAT_MS/{name}/{name}_{number}.tif"
            yield f"EuroSAT_RGB/{name}/{name}_{number}.jpg"
    for name in ("scene", "scene_later"):
        yield f"{name}.tif"
        yield f"{name}_truth.tif"
    yield "scene_pixel_truth.tif"
    for number in range(1, PIXEL_SCENES + 1):
        yield f"pixel_maps/scene_{number}.tif"
        yield f"pixel_maps/scene_{number}_truth.tif"


def _remove_partial(partial: Path) -> None:
    """Clear away what an interrupted run left."""
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial)


def _write_files(partial: Path, wanted: set[str], settings: dict[str, int]) -> None:
    """Write the files of the sample into `partial`, its marker last."""
    for name in textures.CLASS_NAMES:
        for data in ("EuroSAT_MS", "EuroSAT_RGB"):
            (partial / data / name).mkdir(parents=True)
    per_class, seed = settings["patches_per_class"], settings["seed"]
    with tqdm(total=len(textures.CLASS_NAMES) * per_class, desc="sample", unit="patch") as progress:
        for class_index, name in enumerate(textures.CLASS_NAMES):
            for number in range(1, per_class + 1):
                paths = (
                    f"EuroSAT_MS/{name}/{name}_{number}.tif",
                    f"EuroSAT_RGB/{name}/{name}_{number}.jpg",
                )
                if wanted.intersection(paths):
                    patch = landscapes.make_patch(class_index, seed, number)
                    _write_patch(partial / paths[0], patch, *_draw_place(class_index, seed, number))
                    _write_jpeg(partial / paths[1], patch)
                progress.update()
    size = settings["scene_size"]
    if wanted.intersection(("scene.tif", "scene_truth.tif")):
        _write_scene(partial, "scene", *landscapes.make_scene(seed, size))
    if wanted.intersection(("scene_later.tif", "scene_later_truth.tif")):
        _write_scene(partial, "scene_later", *later_scene.make_later_scene(seed, size))
    if "scene_pixel_truth.tif" in wanted:
        truth = landscapes.make_scene_of_pixels(seed, size)[1]
        _write_truth(partial / "scene_pixel_truth.tif", truth)
    (partial / "pixel_maps").mkdir()
    for number in range(1, PIXEL_SCENES + 1):
        name = f"pixel_maps/scene_{number}"
        if wanted.intersection((f"{name}.tif", f"{name}_truth.tif")):
            scene_and_truth = landscapes.make_scene_of_pixels(seed, size, number)
            _write_scene(partial, name, *scene_and_truth, east=_PLACE[0] + 20_000 * number)
    files.write_json(partial / sample_marker.SAMPLE_MARKER, settings)


def _draw_place(class_index: int, seed: int, number: int) -> tuple[tuple[float, ...], int]:
    """Geotransform and EPSG code of a patch: somewhere in the UTM zones 29 to 35 north."""
    key = (2, class_index, number)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    east, north = 10 * rng.integers((30_000, 410_000), (70_000, 640_000))
    geotransform = (float(east), PIXEL_SIZE, 0.0, float(north), 0.0, -PIXEL_SIZE)
    return geotransform, 32600 + int(rng.integers(29, 36))


def _write_patch(path: Path, patch: np.ndarray, geotransform: tuple, epsg: int) -> None:
    options = ["COMPRESS=NONE", "INTERLEAVE=PIXEL"]
    writing.write_geotiff(path, patch, geotransform, f"EPSG:{epsg}", options=options)


def _write_jpeg(path: Path, patch: np.ndarray) -> None:
    """Write the RGB view of a patch; the best JPEG quality, as EuroSAT's."""
    import cv2

    rgb = sensors.scale_to_rgb8(
        patch[..., [sensors.BANDS_MS.index(band) for band in sensors.BANDS_RGB]]
    )
    _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    path.write_bytes(jpeg.tobytes())


_PLACE = (600_000.0, 4_850_000.0)  # left and top of the scene, m
_CRS = "EPSG:32632"


def _write_scene(
    partial: Path, name: str, scene: np.ndarray, truth: np.ndarray, east: float = _PLACE[0]
) -> None:
    writing.write_geotiff(
        partial / f"{name}.tif",
        scene,
        _geotransform(east),
        _CRS,
        band_names=sensors.BANDS_MS,
        nodata=0,
    )
    _write_truth(partial / f"{name}_truth.tif", truth, east)


def _write_truth(path: Path, truth: np.ndarray, east: float = _PLACE[0]) -> None:
    writing.write_geotiff(
        path,
        truth,
        _geotransform(east),
        _CRS,
        nodata=map_values.NODATA,
        metadata={f"CLASS_{index}": name for index, name in enumerate(textures.CLASS_NAMES)},
    )


def _geotransform(east: float) -> tuple[float, ...]:
    return (east, PIXEL_SIZE, 0.0, _PLACE[1], 0.0, -PIXEL_SIZE)


def _publish(partial: Path, folder: Path) -> None:
    """Move the finished files to their places, the marker last, and remove `partial`."""
    entries = sorted(
        partial.iterdir(), key=lambda entry: (entry.name == sample_marker.SAMPLE_MARKER, entry.name)
    )
    for entry in entries:
        target = folder / entry.name
        if entry.is_dir() and target.is_dir():
            _publish(entry, target)
        else:
            entry.replace(target)
    partial.rmdir()

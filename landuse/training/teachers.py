"""What finished models say of windows of scenes that nobody labelled, for another to learn from."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from landuse import sensors
from landuse.evaluation import predictions
from landuse.networks import model_files, priors, shipped
from landuse.scenes import opening, plausibility, scene_reader
from landuse.training import training_data

SIZE = sensors.PATCH_SIZE
TRIES = 5  # places that are drawn for each window, because some hold nodata


@dataclass(frozen=True)
class Teacher:
    """A finished model, and where its bands lie among those of the windows.

    Attributes
    ----------
    name : str
        As the user gave it.
    model : keras.Model
    positions : list of int
        Of its bands.
    order : list of int
        Of the student's classes among its own.
    record : dict
        What the model says of itself.
    """

    name: str
    model: Any
    positions: list[int]
    order: list[int]
    record: dict[str, Any]


def open_teachers(paths: Sequence[str], data: training_data.Data) -> list[Teacher]:
    """Load the models that teach, and check that they can.

    Parameters
    ----------
    paths : sequence of str
        Of a model.keras, or names of shipped ones.
    data : Data
        Whose classes they must know and whose bands they must do with.

    Raises
    ------
    OSError, ValueError
        For a model that is not there, has other classes, needs other bands or other units.
    """
    if not paths:
        raise ValueError("TEACHERS is empty: give the models to learn from, such as eurosat_rgb")
    return [_open_teacher(path, data) for path in paths]


def _open_teacher(name: str, data: training_data.Data) -> Teacher:
    path = shipped.find_model(name)
    record = model_files.read_record(path)
    model_files.check_is_of_patches(record, path, "give TEACHERS of one of the scripts 02 to 05")
    if sorted(record["class_names"]) != sorted(data.class_names):
        raise ValueError(
            f"TEACHERS: {name} knows the classes {', '.join(record['class_names'])}, but the "
            f"patches are of {', '.join(data.class_names)}: a teacher needs the same ones"
        )
    missing = [band for band in record["band_names"] if band not in data.band_names]
    if missing:
        raise ValueError(
            f"TEACHERS: {name} needs band {', '.join(missing)}, and BANDS are "
            f"{', '.join(data.band_names)}"
        )
    if (record["units"], data.units) == ("DN", "rgb8"):
        raise ValueError(f"TEACHERS: {name} needs DN, and the patches are 8-bit pictures")
    model, shift = model_files.load(path)[0], priors.shift_of_record(record)
    if shift.any():
        priors.shift_model(model, -shift)
        print(
            f"teacher {name}: asked without its LAND_SHARES; those of this training come at its end"
        )
    return Teacher(
        name,
        model,
        [data.band_names.index(band) for band in record["band_names"]],
        [record["class_names"].index(label) for label in data.class_names],
        record,
    )


def warn_of_scenes(paths: Sequence[str], teachers: Sequence[Teacher]) -> None:
    """Say where a scene does not look like what a teacher learned from, as script 06 does.

    Raises
    ------
    OSError, ValueError
        For a scene that cannot be read or that has no content.
    """
    for path in paths:
        for teacher in teachers:
            bands, units = teacher.record["band_names"], teacher.record["units"]
            with opening.open_scene(path, bands, units) as scene:
                for warning in plausibility.check_against_model(scene, teacher.record):
                    print(f"warning: {scene.name}, for {teacher.name}: {warning}")


def draw_windows(
    paths: Sequence[str], band_names: Sequence[str], units: str, count: int, seed: int
) -> np.ndarray:
    """Cut windows at random places of scenes, of each as many as fit its area.

    Parameters
    ----------
    paths : sequence of str
        Scenes of any kind that `opening.open_scene` reads.
    band_names : sequence of str
    units : {"DN", "rgb8"}
    count : int
        Windows of all scenes together; fewer where nodata takes too much room.
    seed : int
        The same seed gives the same windows.

    Returns
    -------
    ndarray of shape (N, 64, 64, bands), uint16 DN or uint8 rgb8
        Without a pixel of nodata.

    Raises
    ------
    OSError, ValueError
        For a scene that cannot be read, and when no window is free of nodata.
    """
    if count < 1:
        raise ValueError(f"WINDOWS must be 1 or more, not {count}")
    if not paths:
        raise ValueError("PATH_TO_SCENES is empty: give scenes to learn from without labels")
    areas = []
    for path in paths:
        with opening.open_scene(path, band_names, units) as scene:
            areas.append(scene.rows * scene.columns)
            for message in scene.messages:
                print(f"{scene.name}: {message}")
    found: list[np.ndarray] = []
    with tqdm(total=count, desc="cutting", unit="window", leave=False) as bar:
        for number, (path, wanted) in enumerate(zip(paths, _shared(count, areas), strict=True)):
            rng = np.random.default_rng((seed, number))
            with opening.open_scene(path, band_names, units) as scene:
                for window in itertools.islice(_whole_windows(scene, rng, wanted * TRIES), wanted):
                    found.append(window)
                    bar.update()
    if not found:
        raise ValueError(
            f"PATH_TO_SCENES: no window of {SIZE}x{SIZE} px in {', '.join(map(str, paths))} is "
            "free of nodata"
        )
    return np.stack(found)


def _shared(count: int, areas: Sequence[int]) -> list[int]:
    """Share a number out in proportion to areas; the shares add up to it."""
    ends = np.round(count * np.cumsum([0, *areas]) / sum(areas)).astype(int)
    return np.diff(ends).tolist()


def _whole_windows(
    scene: scene_reader.Scene, rng: np.random.Generator, tries: int
) -> Iterator[np.ndarray]:
    for _ in range(tries):
        row = int(rng.integers(scene.rows - SIZE + 1))
        column = int(rng.integers(scene.columns - SIZE + 1))
        pixels, valid = scene.read(row, column, SIZE, SIZE)
        if valid.all():
            yield pixels


def opinions(teachers: Sequence[Teacher], windows: np.ndarray, batch_size: int) -> np.ndarray:
    """Ask what the windows show, and give the mean of the answers.

    Parameters
    ----------
    teachers : sequence of Teacher
    windows : ndarray of shape (N, 64, 64, bands), uint16 or uint8
    batch_size : int

    Returns
    -------
    ndarray of shape (N, classes), float32
        Probabilities, in the order of the student's classes.
    """
    answers = []
    for teacher in teachers:
        print(f"asking {teacher.name} about {len(windows):,} windows ...")
        seen = _SomeBands(windows, teacher.positions)
        told = predictions.predict(teacher.model, seen, batch_size, units=teacher.record["units"])
        answers.append(told[:, teacher.order])
    return np.stack(answers).mean(axis=0, dtype=np.float32)


class _SomeBands:
    """Some bands of patches, picked batch by batch."""

    def __init__(self, patches: np.ndarray, positions: Sequence[int]) -> None:
        self.patches, self.positions = patches, list(positions)

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, indices: Any) -> np.ndarray:
        return self.patches[indices][..., self.positions]


def teach(
    paths_to_scenes: Sequence[str],
    paths_to_models: Sequence[str],
    data: training_data.Data,
    *,
    windows: int,
    labelled_share: float,
    batch_size: int,
    seed: int,
) -> training_data.Taught:
    """Cut windows from scenes and let teachers say what they show.

    Hinton, Vinyals and Dean 2015, arXiv 1503.02531: their probabilities, not only the most
    probable class, are what is learned.

    Parameters
    ----------
    paths_to_scenes : sequence of str
    paths_to_models : sequence of str
        Of the teachers.
    data : Data
        The labelled patches that they are learned beside.
    windows : int
        How many, of all scenes together.
    labelled_share : float
        Of the images of a pass that labelled patches make up, above 0 and below 1; they come as
        often as that needs, and once at least.
    batch_size : int
        Windows that a teacher sees at once.
    seed : int

    Returns
    -------
    Taught
    """
    if not 0 < labelled_share < 1:
        raise ValueError(f"LABELLED_SHARE must lie between 0 and 1, not be {labelled_share:g}")
    teachers = open_teachers(paths_to_models, data)
    warn_of_scenes(paths_to_scenes, teachers)
    cut = draw_windows(paths_to_scenes, data.band_names, data.units, windows, seed)
    shares = opinions(teachers, cut, batch_size)
    labelled = len(data.train.labels)
    repeats = max(1, round(labelled_share / (1 - labelled_share) * len(cut) / labelled))
    told = ", ".join(
        f"{name} {100 * share:.0f} %"
        for name, share in zip(data.class_names, shares.mean(axis=0), strict=True)
    )
    print(f"the teachers see {told}")
    print(
        f"a pass has {len(cut):,} windows, and each of the {labelled:,} labelled patches "
        f"{'once' if repeats == 1 else f'{repeats} times'}"
    )
    return training_data.Taught(cut, shares, repeats)

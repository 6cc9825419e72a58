"""Windows of scenes that nobody labelled, and what finished models say of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from landuse import sensors
from landuse.networks import model_files, shipped
from landuse.patches import patch_batches
from landuse.rasters import writing
from landuse.training import teachers, training_data

MS = list(sensors.SENTINEL_2.band_names)
CLASSES = ["Dark", "Light"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A scene, and a larger one whose left half is nodata."""
    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    paths = []
    for name, columns in (("small", 96), ("large", 192)):
        pixels = rng.integers(1, 3000, (128, columns, 13)).astype(np.uint16)
        pixels[:, : 96 if name == "large" else 0] = 0
        paths.append(str(folder / f"{name}.tif"))
        writing.write_geotiff(paths[-1], pixels, None, "", band_names=MS)
    return paths


def data_of(class_names=CLASSES, band_names=MS, units="DN"):
    labels = np.array([0, 1, 0])
    patches = np.zeros((3, 64, 64, len(band_names)), np.uint16)
    part = training_data.Part(patches, labels, [])
    return training_data.Data(part, part, class_names, band_names, units, {})


def test_windows_are_whole_and_the_same_by_the_same_seed(scenes):
    cut = teachers.draw_windows(scenes, MS, "DN", 30, seed=1)
    assert cut.shape[1:] == (64, 64, 13) and cut.dtype == np.uint16
    assert 10 <= len(cut) <= 30  # the small scene is a third; nodata takes some of the other's
    assert (cut > 0).all()
    np.testing.assert_array_equal(cut, teachers.draw_windows(scenes, MS, "DN", 30, seed=1))
    assert len(np.unique(cut[:, 0, 0, 0])) > 5


def test_scenes_unlike_what_a_teacher_learned_from_are_warned_of(scenes, tmp_path, capsys):
    record = model_files.read_record(shipped.find_model("eurosat_rgb"))
    teacher = teachers.Teacher("eurosat_rgb", None, [3, 2, 1], list(range(10)), record)
    pixels = np.random.default_rng(0).integers(1, 255, (96, 96, 3)).astype(np.uint8)
    path = tmp_path / "snow.tif"
    writing.write_geotiff(path, pixels, None, "")
    teachers.warn_of_scenes([str(path)], [teacher])
    assert "warning: snow, for eurosat_rgb: " in capsys.readouterr().out


def test_windows_are_shared_out_by_area():
    assert teachers._shared(30, [100, 200]) == [10, 20]
    assert sum(teachers._shared(7, [3, 3, 3])) == 7


def test_the_answers_of_teachers_are_averaged_in_the_order_of_the_student():
    def teacher(answer, positions, order, units="DN"):
        seen = []

        def predict(pixels):
            seen.append(pixels)
            return np.tile(np.array(answer, np.float32), (len(pixels), 1))

        model = SimpleNamespace(predict_on_batch=predict, output_shape=(None, 2))
        return teachers.Teacher("t", model, positions, order, {"units": units}), seen

    windows = np.full((5, 64, 64, 3), 2750, np.uint16)
    windows[..., 0] = 1
    first, of_first = teacher([0.9, 0.1], [0], [0, 1])
    second, of_second = teacher([0.5, 0.5], [2, 1], [1, 0], "rgb8")
    third, _ = teacher([0.3, 0.7], [1], [1, 0])
    said = teachers.opinions([first, second, third], windows, batch_size=4)
    np.testing.assert_allclose(said, np.tile([0.7, 0.3], (5, 1)), atol=1e-6)
    assert of_first[0].shape == (4, 64, 64, 1) and (of_first[0] == 1).all()
    assert of_second[0].shape == (4, 64, 64, 2) and (of_second[0] == 255).all()


def test_teachers_that_cannot_teach_are_refused():
    with pytest.raises(ValueError, match=r"TEACHERS: eurosat_rgb knows the classes .* need"):
        teachers.open_teachers(["eurosat_rgb"], data_of())
    with pytest.raises(ValueError, match="TEACHERS is empty"):
        teachers.open_teachers([], data_of())
    from landuse.sample import textures

    names = list(textures.CLASS_NAMES)
    with pytest.raises(ValueError, match=r"eurosat_rgb needs band B03, B02, and BANDS are B04"):
        teachers.open_teachers(["eurosat_rgb"], data_of(names, ["B04"]))


def test_a_teacher_is_asked_without_its_shares_of_the_land(capsys):
    from landuse.sample import textures

    names = list(textures.CLASS_NAMES)
    (teacher,) = teachers.open_teachers(["eurosat_rgb"], data_of(names, ["B04", "B03", "B02"]))
    shipped_model, record = model_files.load(shipped.find_model("eurosat_rgb"))
    ours, theirs = (
        model.get_layer("probabilities").get_weights()[1]
        for model in (teacher.model, shipped_model)
    )
    moved = dict(zip(record["class_names"], theirs - ours, strict=True))
    assert moved["PermanentCrop"] < -1 and moved["AnnualCrop"] > 0.3
    assert sum(abs(value) > 1e-6 for value in moved.values()) == 3
    assert "teacher eurosat_rgb: asked without its LAND_SHARES" in capsys.readouterr().out


def test_settings_that_mean_nothing_are_refused(scenes):
    with pytest.raises(ValueError, match="WINDOWS must be 1 or more, not 0"):
        teachers.draw_windows(scenes, MS, "DN", 0, 1)
    with pytest.raises(ValueError, match="PATH_TO_SCENES is empty"):
        teachers.draw_windows([], MS, "DN", 5, 1)
    with pytest.raises(ValueError, match="LABELLED_SHARE must lie between 0 and 1, not be 1"):
        teachers.teach(scenes, [], data_of(), windows=5, labelled_share=1.0, batch_size=4, seed=1)


def test_labelled_patches_come_several_times_beside_the_windows():
    labelled = np.arange(3, dtype=np.uint16)[:, None, None, None] * np.ones((1, 64, 64, 1), "u2")
    windows = np.full((4, 64, 64, 1), 9, np.uint16)
    joined = patch_batches.Joined(labelled, 2, windows)
    assert joined.shape == (10, 64, 64, 1)
    assert joined[np.arange(10)][:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 9, 9, 9, 9]
    part = training_data.Part(labelled, np.array([0, 1, 0]), [])
    data = training_data.Data(part, part, CLASSES, ["B04"], "DN", {})
    shares = np.tile(np.array([0.2, 0.8], np.float32), (4, 1))
    taught = training_data.Taught(windows, shares, 2)
    batches = data.training_batches(5, taught=taught, class_weights=True, seed=1)
    pixels, labels, weights = (
        np.concatenate(arrays)
        for arrays in zip(*[batches[i] for i in range(len(batches))], strict=True)
    )
    is_window = pixels[:, 0, 0, 0] == 9
    assert is_window.sum() == 4 and len(pixels) == 10
    np.testing.assert_allclose(labels[is_window], shares)
    assert set(labels[~is_window].max(axis=1)) == {1.0}
    assert (weights[is_window] == 1).all()
    with pytest.raises(ValueError, match="cannot be joined"):
        patch_batches.Joined(labelled, 1, windows.astype(np.uint8))

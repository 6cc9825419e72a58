"""The made landscape: its files, its chance, and how hard it is."""

import json
import shutil

import numpy as np
import pytest

from image_functions import BANDS_MS, EUROSAT_STATISTICS, read_patch, scale_to_rgb8
from landuse.rasters import reading, reference_systems
from landuse.sample import landscapes, later_scene, sample_files, textures

PER_CLASS = 2
SCENE_FILES = (
    *("scene.tif", "scene_truth.tif", "scene_later.tif", "scene_later_truth.tif"),
    "scene_pixel_truth.tif",
    *(f"pixel_maps/scene_{number}.tif" for number in (1, 2, 3)),
    *(f"pixel_maps/scene_{number}_truth.tif" for number in (1, 2, 3)),
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return sample_files.write_sample(tmp_path_factory.mktemp("data") / "sample", PER_CLASS, seed=7)


@pytest.fixture(scope="module")
def scene():
    return landscapes.make_scene(42, 640)


def modification_times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def majority_share(truth, class_index, stride=8):
    """Share of the class in the 64x64 windows of the truth, one every `stride` pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(truth == class_index, (64, 64))
    return windows[::stride, ::stride].mean((-2, -1))


def test_layout_is_that_of_eurosat(sample):
    found = {str(path.relative_to(sample)) for path in sample.rglob("*") if path.is_file()}
    expected = {*SCENE_FILES, "sample.json"}
    for name in textures.CLASS_NAMES:
        for number in range(1, PER_CLASS + 1):
            expected.add(f"EuroSAT_MS/{name}/{name}_{number}.tif")
            expected.add(f"EuroSAT_RGB/{name}/{name}_{number}.jpg")
    assert found == expected
    assert list(textures.CLASS_NAMES) == sorted(textures.CLASS_NAMES)


def test_patches_are_georeferenced_and_lie_in_many_places(sample):
    places = []
    for path in sorted((sample / "EuroSAT_MS").rglob("*.tif")):
        pixels, info = reading.read_raster(path)
        assert pixels.shape == (64, 64, 13)
        assert pixels.dtype == np.uint16
        assert info.geotransform[1] == 10
        assert info.geotransform[5] == -10
        assert "UTM zone" in reference_systems.crs_name(info.crs)
        places.append(reference_systems.centre_longitude_latitude(path))
    longitudes, latitudes = np.transpose(places)
    assert len(set(longitudes)) == len(places)
    assert longitudes.min() < 0 < 20 < longitudes.max()
    assert 35 < latitudes.min() < latitudes.max() < 60


def test_rgb_is_the_published_scaling_of_the_same_patch(sample):
    dn = read_patch(sample / "EuroSAT_MS/Industrial/Industrial_1.tif")
    rgb = read_patch(sample / "EuroSAT_RGB/Industrial/Industrial_1.jpg")
    expected = scale_to_rgb8(dn[..., [3, 2, 1]])
    assert rgb.shape == (64, 64, 3)
    assert np.abs(rgb.astype(int) - expected).mean() < 4  # JPEG loses a little


def test_scene_and_truth_lie_on_one_grid(sample):
    scene, info = reading.read_raster(sample / "scene.tif")
    truth, truth_info = reading.read_raster(sample / "scene_truth.tif")
    assert scene.shape == (640, 640, 13)
    assert scene.dtype == np.uint16
    assert scene.min() > 0
    assert tuple(info.band_names) == BANDS_MS
    assert info.geotransform == truth_info.geotransform
    assert reference_systems.same_crs(info.crs, truth_info.crs)
    assert truth.dtype == np.uint8
    assert truth_info.nodata == 255
    assert set(np.unique(truth)) == set(range(len(textures.CLASS_NAMES)))


def test_the_same_seed_gives_the_same_pixels(sample, scene):
    np.testing.assert_array_equal(
        read_patch(sample / "EuroSAT_MS/River/River_2.tif"), landscapes.make_patch(8, 7, 2)
    )
    again = landscapes.make_scene(42, 640)
    np.testing.assert_array_equal(again[0], scene[0])
    np.testing.assert_array_equal(again[1], scene[1])


def test_another_seed_number_or_class_gives_other_pixels():
    patches = [
        landscapes.make_patch(*which) for which in ((1, 7, 2), (1, 8, 2), (1, 7, 3), (5, 7, 2))
    ]
    flat = {patch.tobytes() for patch in patches}
    assert len(flat) == len(patches)


def test_values_are_in_the_range_of_eurosat():
    patches = np.stack([landscapes.make_patch(k, 3, n) for k in range(10) for n in range(12)])
    pixels = patches.reshape(-1, 13).astype(float)
    mean, std = (np.array(EUROSAT_STATISTICS[key]) for key in ("mean", "std"))
    assert (np.abs(pixels.mean(0) - mean) < 0.35 * std + 1).all()
    ratio = pixels.std(0) / std
    b10 = BANDS_MS.index("B10")
    assert (np.delete(ratio, b10) > 0.6).all()
    assert (ratio < 1.4).all()
    assert 10 < pixels[:, b10].mean() < 15


def test_a_linear_classifier_on_band_means_is_not_enough():
    """Classes overlap in their mean colour: what tells them apart is texture."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    count = 50
    means = [
        landscapes.make_patch(k, 42, n).mean((0, 1)) for k in range(10) for n in range(1, count + 1)
    ]
    labels = np.repeat(np.arange(10), count)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=100, max_iter=3000))
    with threadpool_limits(1):  # many threads are slower on so little data
        accuracy = cross_val_score(classifier, np.stack(means), labels, cv=5).mean()
    assert 0.5 < accuracy <= 0.90


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_every_class_fills_windows_of_the_scene(seed):
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    truth = landscapes.draw_scene_layout(640, rng).truth
    for class_index, name in enumerate(textures.CLASS_NAMES):
        filled = (majority_share(truth, class_index) >= 0.8).sum()
        assert filled >= 20, name


def test_the_class_of_a_patch_covers_more_than_half_of_it():
    for class_index in range(len(textures.CLASS_NAMES)):
        for number in range(5):
            key = (0, class_index, number)
            rng = np.random.default_rng(np.random.SeedSequence(5, spawn_key=key))
            layout = landscapes._draw_fitting_layout(class_index, rng)
            truth = landscapes._centre(layout.truth)
            assert (truth == class_index).mean() > 0.5


def test_the_scene_shares_no_block_of_pixels_with_a_patch(scene):
    """No 4x4 block of B04 of a patch is found anywhere in the scene."""

    def blocks(band):
        windows = np.lib.stride_tricks.sliding_window_view(band, (4, 4))
        flat = np.ascontiguousarray(windows).reshape(-1, 16)
        return set(map(bytes, flat))

    in_scene = blocks(scene[0][..., 3])
    for class_index in range(len(textures.CLASS_NAMES)):
        assert not in_scene & blocks(landscapes.make_patch(class_index, 42, 1)[..., 3])


def test_a_sample_that_is_there_is_kept(sample):
    before = modification_times(sample)
    assert sample_files.write_sample(sample, PER_CLASS, seed=7) == sample
    assert modification_times(sample) == before


def test_other_settings_are_refused_and_nothing_is_lost(sample):
    before = modification_times(sample)
    with pytest.raises(FileExistsError, match=r"seed was 7, is 8. Choose another folder"):
        sample_files.write_sample(sample, PER_CLASS, seed=8)
    assert modification_times(sample) == before


def test_data_of_others_is_refused(tmp_path):
    (tmp_path / "EuroSAT_MS").mkdir()
    with pytest.raises(FileExistsError, match=r"EuroSAT_MS.*not made as a part of the sample"):
        sample_files.write_sample(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["EuroSAT_MS"]


def test_a_missing_file_is_made_again(sample, tmp_path):
    copy = tmp_path / "sample"
    shutil.copytree(sample, copy)
    lost = copy / "EuroSAT_MS/Forest/Forest_2.tif"
    content = lost.read_bytes()
    lost.unlink()
    mine = copy / "EuroSAT_MS/Forest/mine.txt"
    mine.write_text("kept")
    sample_files.write_sample(copy, PER_CLASS, seed=7)
    assert lost.read_bytes() == content
    assert mine.read_text() == "kept"
    assert not (copy / ".sample.partial").exists()


def test_an_interrupted_run_leaves_nothing_that_looks_whole(tmp_path, monkeypatch, sample):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(landscapes, "make_scene", stop)
        with pytest.raises(KeyboardInterrupt):
            sample_files.write_sample(tmp_path, PER_CLASS, seed=7)
    assert [path.name for path in tmp_path.iterdir()] == [".sample.partial"]
    sample_files.write_sample(tmp_path, PER_CLASS, seed=7)
    assert not (tmp_path / ".sample.partial").exists()
    for name in ("scene.tif", "EuroSAT_MS/SeaLake/SeaLake_1.tif"):
        assert (tmp_path / name).read_bytes() == (sample / name).read_bytes()


def test_a_run_killed_while_it_moved_its_files_is_finished(sample, tmp_path):
    partial = tmp_path / ".sample.partial"
    shutil.copytree(sample, partial)
    (partial / "EuroSAT_MS").replace(tmp_path / "EuroSAT_MS")
    before = modification_times(tmp_path / "EuroSAT_MS")
    sample_files.write_sample(tmp_path, PER_CLASS, seed=7)
    assert modification_times(tmp_path / "EuroSAT_MS") == before
    assert json.loads((tmp_path / "sample.json").read_text())["seed"] == 7
    assert not partial.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patches_per_class": 0}, "patches_per_class is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"scene_size": 639}, "scene_size is 639; it must be at least 640"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_files.write_sample(tmp_path / "sample", **arguments)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/sample for the sample cannot be made"):
        sample_files.write_sample(tmp_path / "file" / "sample", 1)


def test_the_later_scene_is_the_same_place_with_known_changes(scene):
    """A town grows and a forest is cleared; water and buildings keep their texture."""
    pixels, truth = later_scene.make_later_scene(42, 640)
    before, truth_before = scene
    changes = {
        (textures.CLASS_NAMES[one], textures.CLASS_NAMES[other])
        for one, other in np.unique(np.stack([truth_before, truth], -1).reshape(-1, 2), axis=0)
        if one != other
    }
    assert ("Forest", "HerbaceousVegetation") in changes
    assert {after for _, after in changes} == {"HerbaceousVegetation", "Residential"}
    changed = truth != truth_before
    assert 0.03 < changed.mean() < 0.15
    assert pixels.dtype == np.uint16 and pixels.min() > 0
    red = BANDS_MS.index("B04")
    for name, least in (("Residential", 0.9), ("Industrial", 0.9)):
        same = (truth_before == textures.CLASS_NAMES.index(name)) & ~changed
        found = np.corrcoef(before[same][:, red], pixels[same][:, red])[0, 1]
        assert found > least
    crops = (truth == textures.CLASS_NAMES.index("AnnualCrop")) & ~changed
    assert np.corrcoef(before[crops][:, red], pixels[crops][:, red])[0, 1] < 0.5
    np.testing.assert_array_equal(later_scene.make_later_scene(42, 640)[0], pixels)


def test_the_truth_of_pixels_has_roads_and_rivers_as_wide_as_they_are(scene):
    """The pixels are those of the scene; a road is a line there, and all else is as it was."""
    pixels, truth = landscapes.make_scene_of_pixels(42, 640)
    by_windows, truth_of_windows = scene
    np.testing.assert_array_equal(pixels, by_windows)
    road, river = (textures.CLASS_NAMES.index(name) for name in ("Highway", "River"))
    elsewhere = ~np.isin(truth_of_windows, (road, river))
    np.testing.assert_array_equal(truth[elsewhere], truth_of_windows[elsewhere])
    for label, widths in ((road, (3.4, 5.8)), (river, (9, 25))):
        per_column = (truth == label)[:, -300:].sum(0)  # they come from the east, and may wind
        assert widths[0] <= np.median(per_column) <= widths[1] * 1.5


def test_scenes_to_learn_from_are_other_places():
    first, second = (landscapes.make_scene_of_pixels(42, 640, number) for number in (1, 2))
    assert set(np.unique(first[1])) == set(range(10))
    assert (first[1] != second[1]).mean() > 0.5
    again = landscapes.make_scene_of_pixels(42, 640, 1)
    np.testing.assert_array_equal(again[0], first[0])

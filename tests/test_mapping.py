"""Windows, blocks and resuming, on arrays with stub networks whose answers are known."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from landuse.mapping import grids, map_blocks, methods, whole_scene
from landuse.networks import engines
from landuse.scenes import thinning

CLASSES = 10


def reader(scene, valid=None, log=None):
    valid = np.ones(scene.shape[:2], bool) if valid is None else valid

    def read(row, column, rows, columns):
        assert row >= 0 and column >= 0
        assert row + rows <= scene.shape[0] and column + columns <= scene.shape[1]
        if log is not None:
            log.append((row, column, rows, columns))
        part = slice(row, row + rows), slice(column, column + columns)
        return scene[part], valid[part]

    return read


def centre_value(batch):
    """Stub network: the class is the value of the window's centre pixel."""
    assert batch.shape[1:3] == (64, 64)
    return np.eye(CLASSES, dtype=np.float32)[batch[:, 32, 32, 0]] * 0.5 + 0.05


def window_mean(batch):
    """Stub network whose answer depends on every pixel of the window."""
    means = batch.astype(np.float64).mean(axis=(1, 2))
    logits = np.stack([np.cos(means[:, 0] * k) for k in range(1, CLASSES + 1)], axis=1)
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def classes_scene(rows=150, columns=130, seed=1):
    return np.random.default_rng(seed).integers(0, CLASSES, (rows, columns, 2), dtype=np.uint16)


def classify(scene, folder, stride=8, predict=window_mean, valid=None, log=None, **options):
    options.setdefault("settings", {})
    options.setdefault("batch_size", 16)
    return whole_scene.classify_scene(
        reader(scene, valid, log), scene.shape[:2], predict, stride, CLASSES, folder, **options
    )


def test_stride_1_gives_each_pixel_the_window_centred_on_it(tmp_path):
    scene = classes_scene(70, 66)
    result = classify(scene, tmp_path / "m", 1, centre_value)
    assert np.array_equal(result.labels, scene[:, :, 0])
    assert result.labels.dtype == np.uint8
    assert (result.probability == 55).all()


@pytest.mark.parametrize("stride", [2, 7, 8, 31, 64])
def test_cell_is_labelled_by_its_centre_pixel(tmp_path, stride):
    scene = classes_scene()
    result = classify(scene, tmp_path / "m", stride, centre_value)
    padded = np.pad(scene[:, :, 0], ((0, stride), (0, stride)), "symmetric")
    rows, columns = (-(-size // stride) for size in scene.shape[:2])
    expected = padded[stride // 2 :: stride, stride // 2 :: stride][:rows, :columns]
    assert np.array_equal(result.labels, expected)


@pytest.mark.parametrize("stride", [5, 8, 100])
def test_windows_are_those_of_the_symmetrically_padded_scene(tmp_path, stride):
    scene = classes_scene(97, 133)
    result = classify(
        scene, tmp_path / "m", stride, all_probabilities=True, probability_type="float32"
    )
    padded = np.pad(scene, ((200, 200), (200, 200), (0, 0)), "symmetric")
    rows, columns = result.labels.shape
    assert (rows, columns) == (-(-97 // stride), -(-133 // stride))
    for i in range(rows):
        for j in range(columns):
            row = 200 + i * stride + stride // 2 - 32
            column = 200 + j * stride + stride // 2 - 32
            window = padded[row : row + 64, column : column + 64]
            expected = window_mean(window[np.newaxis])[0]
            assert np.array_equal(result.all_probabilities[:, i, j], expected)
            assert result.labels[i, j] == expected.argmax()
            assert result.probability[i, j] == expected.max()


def test_strides_1_and_8_agree_at_the_same_place_on_the_ground(tmp_path):
    scene = classes_scene(90, 100)
    fine = classify(scene, tmp_path / "fine", 1).labels
    coarse = classify(scene, tmp_path / "coarse", 8).labels
    geotransform = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
    left, width, _, top, _, height = grids.grid_geotransform(
        geotransform, grids.scene_grid((90, 100), 8)
    )
    compared = 0
    for i, j in np.ndindex(coarse.shape):
        # Just inside the centre of the cell lies the pixel that its window is centred on.
        east, north = left + (j + 0.5) * width + 0.1, top + (i + 0.5) * height - 0.1
        row = int((north - geotransform[3]) / geotransform[5])
        column = int((east - geotransform[0]) / geotransform[1])
        if row < 90 and column < 100:
            assert coarse[i, j] == fine[row, column]
            compared += 1
    assert compared >= 130


@pytest.mark.parametrize("block_size", [8, 40, 64, 1000])
@pytest.mark.parametrize("stride", [3, 8])
def test_blocks_of_any_size_give_the_same_map(tmp_path, block_size, stride):
    scene = classes_scene(75, 83)
    valid = np.ones(scene.shape[:2], bool)
    valid[30:, 50:] = False
    options = {"valid": valid, "all_probabilities": True, "probability_type": "float32"}
    whole = classify(scene, tmp_path / "whole", stride, block_size=10_000, **options)
    parts = classify(scene, tmp_path / "parts", stride, block_size=block_size, **options)
    for first, second in zip(whole, parts, strict=True):
        assert np.array_equal(first, second)


def test_batch_size_does_not_matter_and_every_batch_is_full(tmp_path):
    scene = classes_scene()
    sizes = set()

    def predict(batch):
        sizes.add(len(batch))
        return window_mean(batch)

    first = classify(scene, tmp_path / "a", predict=predict, batch_size=7)
    assert sizes == {7}
    second = classify(scene, tmp_path / "b", batch_size=500)
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.probability, second.probability)


def test_nodata_by_centre_and_by_half_the_window(tmp_path):
    scene = classes_scene(128, 192)
    valid = np.ones((128, 192), bool)
    valid[:, 100:] = False  # windows with up to half of it keep their label if their centre has one
    valid[20, 20] = False  # the centre pixel of cell (2, 2) at stride 8
    result = classify(scene, tmp_path / "m", valid=valid)
    centres = np.arange(24) * 8 + 4
    assert result.labels[2, 2] == 255 and result.probability[2, 2] == 255
    for j, centre in enumerate(centres):
        assert (result.labels[5, j] == 255) == (centre >= 100)
    stripes = np.ones((128, 192), bool)
    stripes[:, 1::2] = False
    half = classify(scene, tmp_path / "half", valid=stripes)  # exactly half is not more than half
    assert not (half.labels == 255).any()
    stripes[1, 0] = False
    more = classify(scene, tmp_path / "more", valid=stripes)
    assert more.labels[0, 0] == 255  # with the reflection, the pixel counts four times here
    assert more.labels[10, 10] != 255


def test_nodata_at_a_last_cell_goes_by_the_last_pixel(tmp_path):
    scene = classes_scene(97, 97)  # the last cell at stride 8 is centred on pixel 100
    valid = np.ones((97, 97), bool)
    valid[96, :] = False
    labels = classify(scene, tmp_path / "m", valid=valid).labels
    assert (labels[-1] == 255).all()
    assert not (labels[:-1] == 255).any()


@pytest.mark.parametrize("slope", [0, 1, 0.37])
def test_nodata_within_a_window_is_filled(tmp_path, slope):
    scene = classes_scene()
    rows, columns = np.indices(scene.shape[:2])
    valid = columns + slope * rows < 100
    filled = map_blocks.without_nodata(scene, valid)
    expected = classify(filled, tmp_path / "a", valid=valid, probability_type="float32")
    for block_size in (40, 1000):
        options = {"block_size": block_size, "probability_type": "float32", "mirror_nodata": True}
        result = classify(scene, tmp_path / "b", valid=valid, **options)
        assert np.array_equal(result.labels, expected.labels)
        assert np.array_equal(result.probability, expected.probability)


def test_nodata_is_replaced_by_a_reflection():
    pixels = np.arange(40, dtype=np.uint16).reshape(4, 10, 1)
    valid = np.ones((4, 10), bool)
    valid[:, 6:9] = False
    filled = map_blocks.without_nodata(pixels, valid)
    # The pixels 6 and 7 see 5 as the nearest, 8 sees 9, whose reflection lies beyond.
    expected = pixels[:, [0, 1, 2, 3, 4, 5, 4, 3, 9, 9]].copy()
    assert (
        filled[:, [0, 1, 2, 3, 4, 5, 6, 8, 9]] == expected[:, [0, 1, 2, 3, 4, 5, 6, 8, 9]]
    ).all()
    assert set(filled[0, 7]) <= {3, 9}  # as near to either side
    assert pixels[0, 6] == 6  # a copy
    corner = np.zeros((4, 10), bool)
    corner[0, 0] = True
    assert (map_blocks.without_nodata(pixels, corner) == 0).all()


def test_windows_of_nodata_are_not_classified(tmp_path):
    valid = np.zeros((150, 130), bool)
    valid[:80, :80] = True
    seen = []

    def predict(batch):
        seen.append(len(batch))
        return window_mean(batch)

    result = classify(classes_scene(), tmp_path / "m", predict=predict, valid=valid, batch_size=1)
    assert len(seen) == (result.labels != 255).sum() < 120


def test_scene_without_data_gives_nodata(tmp_path):
    valid = np.zeros((150, 130), bool)
    result = classify(classes_scene(), tmp_path / "m", valid=valid, probability_type="float32")
    assert (result.labels == 255).all()
    assert (result.probability == -1).all()


def test_improbable_labels_become_uncertain(tmp_path):
    scene = classes_scene()
    plain = classify(scene, tmp_path / "a", probability_type="float32")
    limit = float(np.median(plain.probability))
    result = classify(scene, tmp_path / "b", min_probability=limit)
    assert np.array_equal(result.labels == CLASSES, plain.probability < limit)
    sure = plain.probability >= limit
    assert np.array_equal(result.labels[sure], plain.labels[sure])


def test_bounds_snap_outwards_and_windows_at_their_edge_see_their_neighbours(tmp_path):
    scene = classes_scene(150, 130)
    geotransform = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
    grid = grids.scene_grid((150, 130), 8)
    bounds = (600000.0 + 250, 4850000.0 - 810, 600000.0 + 640, 4850000.0 - 170)
    part = grids.grid_in_bounds(grid, geotransform, bounds)
    assert part == grids.Grid(8, 2, 3, 9, 5)
    assert grids.grid_geotransform(geotransform, part)[::3] == (600240.0, 4849840.0)
    whole = classify(scene, tmp_path / "whole").labels
    log = []
    labels = classify(scene, tmp_path / "part", grid=part, log=log).labels
    assert np.array_equal(labels, whole[2:11, 3:8])
    assert log == [(0, 0, 116, 92)]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [((0, 0, 10, 10), "outside the scene"), ((640000, 0, 600000, 10), "left < right")],
)
def test_bounds_outside_the_scene_are_refused(bounds, message):
    grid = grids.scene_grid((150, 130), 8)
    with pytest.raises(ValueError, match=message):
        grids.grid_in_bounds(grid, (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0), bounds)


def test_bounds_in_degrees_are_told_by_what_the_scene_has():
    grid = grids.scene_grid((150, 130), 8)
    place, system = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0), "WGS 84 / UTM zone 32N"
    degrees, far = (10.1, 43.7, 10.2, 43.8), (0.0, 0.0, 100.0, 1000.0)
    with pytest.raises(ValueError, match="own coordinates, WGS 84 / UTM zone 32N; these look like"):
        grids.grid_in_bounds(grid, place, degrees, system)
    with pytest.raises(ValueError, match=r"own coordinates, WGS 84 / UTM zone 32N$"):
        grids.grid_in_bounds(grid, place, far, system)
    with pytest.raises(ValueError, match=r"own coordinates$"):
        grids.grid_in_bounds(grid, place, degrees)
    in_degrees = (9.0, 1e-4, 0.0, 43.0, 0.0, -1e-4)
    with pytest.raises(ValueError, match=r"own coordinates, WGS 84$"):
        grids.grid_in_bounds(grid, in_degrees, degrees, "WGS 84")


def test_outside_an_area_of_interest_is_nodata_and_not_read(tmp_path):
    scene = classes_scene(150, 130)
    inside = np.zeros((19, 17), bool)
    inside[2:4, 3:6] = True
    log = []
    labels = classify(scene, tmp_path / "m", inside=inside, log=log, block_size=64).labels
    whole = classify(scene, tmp_path / "whole").labels
    assert np.array_equal(labels, np.where(inside, whole, 255))
    assert len(log) == 1


def test_small_scenes_and_odd_strides_are_refused():
    with pytest.raises(ValueError, match="63x100 px"):
        grids.scene_grid((63, 100), 8)
    with pytest.raises(ValueError, match="STRIDE"):
        grids.scene_grid((100, 100), 0)


def test_a_network_of_other_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="10 classes"):
        classify(classes_scene(), tmp_path / "m", predict=lambda batch: window_mean(batch)[:, :7])


# ------------------------------------------------------------------------------- dense maps


def dense_window_mean(stride):
    def predict(image):
        assert len(image) == 1
        windows = np.lib.stride_tricks.sliding_window_view(image[0], (64, 64), (0, 1))
        windows = np.moveaxis(windows, 2, -1)[::stride, ::stride]
        answers = window_mean(windows.reshape(-1, *windows.shape[2:]))
        return answers.reshape(1, *windows.shape[:2], CLASSES)

    return predict


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("block_size", [70, 1000])
def test_dense_path_has_the_same_windows(tmp_path, stride, block_size):
    scene = classes_scene(149, 131)
    valid = np.ones(scene.shape[:2], bool)
    valid[30:60, 50:] = False
    shapes = set()

    def predict(image):
        shapes.add(image.shape)
        return dense_window_mean(stride)(image)

    options = {"valid": valid, "block_size": block_size}
    patches = classify(scene, tmp_path / "patches", stride, **options)
    dense = classify(scene, tmp_path / "dense", stride, predict, method="dense", **options)
    for first, second in zip(patches, dense, strict=True):
        assert np.array_equal(first, second)
    grid = grids.scene_grid(scene.shape[:2], stride)
    assert shapes == {(1, *methods.dense_block_shape(grid, block_size), 2)}


def test_method_is_chosen_by_model_stride_and_cost():
    grid = grids.scene_grid((600, 600), 8)
    assert methods.choose_method("auto", {"dense": True}, grid) == "dense"
    assert methods.choose_method("auto", {"dense": False}, grid) == "windows"
    assert methods.choose_method("windows", {"dense": True}, grid) == "windows"
    assert (
        methods.choose_method("auto", {"dense": True}, grids.scene_grid((65, 65), 32)) == "windows"
    )
    with pytest.raises(ValueError, match="not trained for dense maps"):
        methods.choose_method("dense", {"dense": False}, grid)
    with pytest.raises(ValueError, match="8, 16, 32 px, not 10"):
        methods.choose_method("dense", {"dense": True}, grids.scene_grid((600, 600), 10))
    with pytest.raises(ValueError, match=r"METHOD = .*: expected 'windows', 'dense' or 'auto'"):
        methods.choose_method("quick", {"dense": True}, grid)


def test_constants_of_the_dense_network_agree():
    from landuse.networks import dense

    assert methods.DENSE_STRIDES == dense.OUTPUT_STRIDES


# --------------------------------------------------------------------------------- resuming


class StopError(Exception):
    pass


def stop_after(calls):
    left = [calls]

    def predict(batch):
        left[0] -= 1
        if left[0] < 0:
            raise StopError
        return window_mean(batch)

    return predict


def test_goes_on_after_the_last_finished_block(tmp_path, capsys):
    scene = classes_scene()
    whole = classify(scene, tmp_path / "whole", block_size=40)
    with pytest.raises(StopError):
        classify(scene, tmp_path / "m", predict=stop_after(8), block_size=40)
    log = []
    result = classify(scene, tmp_path / "m", block_size=40, log=log, seconds=160)
    assert 0 < len(log) < 16
    said = capsys.readouterr().out
    assert f"of 16 blocks were done by an earlier run, {len(log)} are left" in said
    assert f", in about {engines.duration(10 * len(log))}" in said
    assert np.array_equal(result.labels, whole.labels)
    assert np.array_equal(result.probability, whole.probability)
    again = []
    classify(scene, tmp_path / "m", block_size=40, log=again)
    assert again == []


@pytest.mark.parametrize(
    "change", [{"settings": {"model": "b"}}, {"min_probability": 0.3}, {"stride": 10}]
)
def test_other_settings_start_anew(tmp_path, change):
    scene = classes_scene()
    classify(scene, tmp_path / "m", block_size=40)
    expected = classify(scene, tmp_path / "whole", block_size=40, **change)
    log = []
    result = classify(scene, tmp_path / "m", block_size=40, log=log, **change)
    assert len(log) == len(
        map_blocks.blocks_of(grids.scene_grid((150, 130), change.get("stride", 8)), 40)
    )
    assert np.array_equal(result.labels, expected.labels)


def test_a_journal_that_was_cut_short_and_a_spoilt_block_are_done_again(tmp_path):
    scene = classes_scene()
    whole = classify(scene, tmp_path / "m", block_size=40)
    labels = whole.labels.copy()
    journal = tmp_path / "m" / "journal.txt"
    journal.write_bytes(journal.read_bytes()[:-3])
    spoilt = np.memmap(tmp_path / "m" / "labels.raw", "uint8", "r+", shape=labels.shape)
    spoilt[0, 0] += 1
    spoilt.flush()
    log = []
    result = classify(scene, tmp_path / "m", block_size=40, log=log)
    assert len(log) == 2
    assert np.array_equal(result.labels, labels)


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="something else in it"):
        classify(classes_scene(), folder)
    assert (folder / "thesis.txt").read_text() == "precious"


CHILD = """
    import sys, time
    sys.path.insert(0, {tests!r})
    import test_mapping as t
    def predict(batch):
        time.sleep(0.03)
        return t.window_mean(batch)
    t.classify(t.classes_scene(), {folder!r}, predict=predict, block_size=40)
"""


def test_survives_kill_9(tmp_path):
    folder = tmp_path / "m"
    code = textwrap.dedent(CHILD.format(tests=str(Path(__file__).parent), folder=str(folder)))
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as child:
        wait_for_lines(folder / "journal.txt", 4)
        os.kill(child.pid, signal.SIGKILL)
    scene = classes_scene()
    log = []
    result = classify(scene, folder, block_size=40, log=log)
    assert 0 < len(log) < 16
    whole = classify(scene, tmp_path / "whole", block_size=40)
    for first, second in zip(result, whole, strict=True):
        assert np.array_equal(first, second)
    for name in ("labels.raw", "probability.raw"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def wait_for_lines(path, count, seconds=30):
    deadline = time.time() + seconds
    while not path.is_file() or path.read_text().count("\n") < count:
        assert time.time() < deadline, "the run makes no progress"
        time.sleep(0.01)


def test_a_disk_too_small_is_known_before_the_work(tmp_path):
    code = """
        import resource, signal, sys
        sys.path.insert(0, {tests!r})
        import test_mapping as t
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
        try:
            t.classify(t.classes_scene(), {folder!r}, predict=t.stop_after(0))
        except OSError as error:
            print(error)
    """
    code = textwrap.dedent(
        code.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "m"))
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "unfinished map cannot be kept in" in done.stdout
    assert "File too large" in done.stdout
    result = classify(classes_scene(), tmp_path / "m")
    assert not (result.labels == 255).any()


def test_thinned_picture_is_the_mean_of_what_is_valid():
    pixels = np.arange(5 * 7, dtype=np.uint16).reshape(5, 7, 1) + 1
    valid = np.ones((5, 7), bool)
    valid[0, 0] = False

    def read(row, column, rows, columns):
        part = slice(row, row + rows), slice(column, column + columns)
        return pixels[part], valid[part]

    thinned = thinning.read_thinned(read, (0, 0, 5, 7), 2)
    assert thinned.shape == (3, 4, 1)
    assert thinned[0, 0, 0] == round((2 + 8 + 9) / 3)
    assert thinned[2, 3, 0] == 35
    assert np.array_equal(thinning.read_thinned(read, (1, 1, 4, 6), 1), pixels[1:, 1:])

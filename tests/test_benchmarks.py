"""What the benchmarks compute themselves: counts, mosaics, intervals, not how fast things are."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

from landuse.mapping import grids, map_blocks

BENCHMARKS = (
    "agreement",
    "dense_maps",
    "engines",
    "made_changes",
    "many_gpus",
    "many_workers",
    "packed_patches",
    "peak",
    "pixel_maps",
    "start",
    "training_step",
    "window_by_window",
)


@pytest.fixture
def benchmark(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "benchmarks")
    known = set(sys.modules)
    yield importlib.import_module
    for name in {"measuring", *BENCHMARKS} & (set(sys.modules) - known):
        del sys.modules[name]


def test_turns_give_the_best_round(benchmark, monkeypatch):
    measuring = benchmark("measuring")
    clock = iter([0, 3, 10, 11, 20, 22, 30, 34])  # two actions, two rounds
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(clock))
    done = []
    actions = {"a": lambda: done.append("a"), "b": lambda: done.append("b")}
    seconds = measuring.take_turns(actions, rounds=2)
    assert done == ["a", "b", "a", "b"]
    assert (seconds["a"][0], seconds["b"][0]) == (2, 1)


def test_patches_are_read_with_the_labels_of_the_model(benchmark, tmp_path):
    from PIL import Image

    for value, name in ((10, "Forest"), (200, "River")):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (64, 64), (value,) * 3).save(tmp_path / name / f"{number}.png")
    measuring = benchmark("measuring")
    bands = ["B04", "B03", "B02"]
    patches, labels = measuring.read_patches(tmp_path, 4, ["Forest", "Pasture", "River"], bands)
    assert patches.shape == (4, 64, 64, 3)
    assert [{10: 0, 200: 2}[patch[0, 0, 0]] for patch in patches] == labels.tolist()
    assert {path.name for path in tmp_path.iterdir()} == {"Forest", "River"}  # nothing is written
    with pytest.raises(ValueError, match="River, which the model does not know: it tells Forest"):
        measuring.read_patches(tmp_path, 4, ["Forest"], bands)


def test_multiplications_of_layers(benchmark):
    import keras
    from keras import layers

    pixels = keras.Input((None, None, 2))
    maps = layers.Conv2D(4, 3, padding="same")(pixels)  # 8 x 8 x 4 values of 3 x 3 x 2 products
    maps = layers.BatchNormalization()(maps)
    maps = layers.Conv2D(6, 1, strides=2, groups=2)(maps)  # 4 x 4 x 6 values of 4 / 2 products
    inner = keras.Model(pixels, maps)
    inputs = keras.Input((None, None, 2))
    depthwise = layers.DepthwiseConv2D(3)(inner(inputs))  # 2 x 2 x 6 values of 3 x 3 products
    mean = layers.GlobalAveragePooling2D()(depthwise)
    model = keras.Model(inputs, layers.Dense(10)(mean))  # 10 values of 6 products
    peak = benchmark("peak")
    one = 64 * 4 * 18 + 16 * 6 * 2 + 4 * 6 * 9 + 60
    assert peak.multiplications(model, (1, 8, 8, 2)) == one
    assert peak.multiplications(model, (3, 8, 8, 2)) == 3 * one


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_cells_of_a_mosaic_are_its_patches(benchmark, monkeypatch, stride):
    agreement = benchmark("agreement")
    monkeypatch.setattr(agreement, "STRIDE", stride)
    patches = np.arange(1, 12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 64, 64, 1), "u1")
    scene, rows, columns = agreement.lay_out(patches)  # 3 rows of 4, one place left over
    starts = [grids.window_starts(0, 30, stride)[places] for places in (rows, columns)]
    for patch, row, column in zip(patches, *starts, strict=True):
        assert np.array_equal(scene[row : row + 64, column : column + 64], patch)
    grid = grids.scene_grid(scene.shape[:2], stride)
    assert (rows.max() < grid.rows) and (columns.max() < grid.columns)
    assert np.flatnonzero(agreement.inner_of(11)).tolist() == [5, 6]


def test_paired_difference(benchmark):
    agreement = benchmark("agreement")
    right = np.zeros(1000, bool)
    reference = right.copy()
    right[:30] = True
    reference[20:30] = True
    difference, low, high = agreement.paired_difference(right, reference)
    assert difference == pytest.approx(2)
    # 20 of 1000 are right in one only: a binomial count of 20 with a deviation of 4.43
    assert (low, high) == (pytest.approx(1.15, abs=0.16), pytest.approx(2.9, abs=0.16))
    assert agreement.paired_difference(right, right) == (0, 0, 0)


def test_edges_of_blocks(benchmark):
    agreement = benchmark("agreement")
    blocks = [map_blocks.Block(0, 0, 3, 2), map_blocks.Block(0, 2, 3, 3)]
    assert agreement.edges_of(blocks, (3, 5)).tolist() == [[False, True, True, False, False]] * 3


def test_patches_as_blocks(benchmark, monkeypatch):
    engines = benchmark("engines")
    patches = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((1, 64, 64, 3), "u1")
    monkeypatch.setattr(engines, "SIZE", 128)
    mosaics = engines.mosaics_of(patches)
    assert mosaics.shape == (2, 1, 128, 128, 3)
    assert mosaics[:, 0, ::64, ::64, 0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    monkeypatch.setattr(engines, "SIZE", 1024)
    assert engines.mosaics_of(patches).shape == (1, 1, 192, 192, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "first_steps.py --networks MobileNetV2 --batch-size 4 --steps 2",
        "training_step.py --networks MobileNet --batch-size 8 --steps 2 --precisions float32",
        "engines.py --networks VGG16 --patches 16 --batch-size 8 --size 192 --calls 1",
        "peak.py --networks VGG16 --precisions float32 --matrix-size 512 --batch-size 4 --size 192",
    ],
)
def test_benchmarks_print_their_table(repository, command):
    script, *flags = command.split()
    answer = subprocess.run(
        [sys.executable, f"benchmarks/{script}", *flags, "--rounds", "1"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert answer.returncode == 0, answer.stderr
    rows = [line for line in answer.stdout.splitlines() if line.startswith("|")]
    assert len(rows) >= 3
    assert len({row.count("|") for row in rows}) == 1


def test_peers_are_compared_with_pytorch(benchmark, monkeypatch, capsys):
    """Half the seconds are twice as fast; the best of the rounds counts, for each side."""
    peers = benchmark("peers")
    seconds = {"keras": [0.3, 0.2], "openvino": [0.1, 0.2], "torch": [0.5, 0.4]}
    monkeypatch.setattr(peers, "PEERS", ["torch", "onnxruntime"])
    monkeypatch.setattr(peers, "BATCH_SIZE", 8)

    def in_own_process(side, job, python):
        return {"seconds": seconds[job["by"]].pop(0), "start": 5.0, "version": "1"}

    monkeypatch.setattr(peers, "in_own_process", in_own_process)
    rows = peers.print_rows_of("prediction", "VGG16", "bfloat16", "python")
    assert [row["images_a_second"] for row in rows] == pytest.approx([40, 80, 20])
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "| VGG16 | bfloat16 | ours, openvino | 80.0 | 4.00 | 5.0 |"
    assert not any(seconds.values())


def test_the_environment_of_peers_is_made_once(benchmark, monkeypatch, tmp_path):
    peers = benchmark("peers")
    called = []
    monkeypatch.setattr(peers.subprocess, "run", lambda words, check: called.append(words))
    folder = tmp_path / "environment"
    folder.mkdir()
    python = peers.environment(folder)
    assert [words[1:3] for words in called] == [["-m", "venv"], ["-m", "pip"]]
    assert called[1][-len(peers.PACKAGES) :] == peers.PACKAGES
    assert peers.environment(folder) == python
    assert len(called) == 2
    monkeypatch.setattr(peers, "PACKAGES", ["torch"])
    peers.environment(folder)
    assert len(called) == 4


def test_found_missed_and_false_change(benchmark):
    """Four by four cells of 8 px: the left half changed, the upper half was found."""
    made_changes = benchmark("made_changes")
    changed = np.zeros((32, 32), bool)
    changed[:, :16] = True
    codes = np.zeros((4, 4), np.uint8)
    codes[:2] = 3
    codes[3, 3] = 255
    cell = 0.64  # ha
    found = made_changes.areas(codes, changed, 8)
    assert found == pytest.approx([8 * cell, 4 * cell, 4 * cell, 4 * cell, 0])
    assert made_changes.row_of(*found, None)[-2:] == ["-", "50 %"]
    # the window of the cell in the lower right corner reaches to the whole scene
    assert made_changes.window_shares(changed, (4, 4), 8)[3, 3] == pytest.approx(0.5)


def test_false_beyond_doubt_is_where_the_window_hardly_changed(benchmark):
    made_changes = benchmark("made_changes")
    changed = np.zeros((200, 200), bool)
    changed[:8, :8] = True
    codes = np.zeros((25, 25), np.uint8)
    codes[0, 0] = codes[0, 1] = codes[20, 20] = 1
    *_, false, beyond_doubt = made_changes.areas(codes, changed, 8)
    assert (false, beyond_doubt) == pytest.approx((2 * 0.64, 0.64))


def test_maps_of_any_stride_are_compared_pixel_by_pixel(repository, tmp_path):
    from landuse.outputs import geotiffs, land_use_map
    from landuse.rasters import writing

    fine = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
    coarse = (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0)
    truth = np.zeros((80, 80), np.uint8)
    truth[:, 30:34] = 1  # a road
    by_cells = np.zeros((10, 10), np.uint8)
    by_cells[:, 4] = 1  # columns 32 to 39
    names = ["Field", "Road"]
    for name, labels, place in (("pixels", truth, fine), ("windows", by_cells, coarse)):
        made = land_use_map.LandUseMap(labels, place, "EPSG:32632", names)
        geotiffs.write_label_map(tmp_path / f"{name}_label.tif", made)
    pixels = np.full((80, 80, 3), 900, np.uint16)
    writing.write_geotiff(
        tmp_path / "scene.tif", pixels, fine, "EPSG:32632", band_names=["B04", "B03", "B02"]
    )
    answer = subprocess.run(
        [
            *(sys.executable, repository / "benchmarks/pixel_maps.py"),
            *("--path-to-truth", "pixels_label.tif", "--path-to-image", "scene.tif"),
            *("--path-to-maps", "windows_label.tif", "pixels_label.tif"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    wrong, known = 80 * 8, 80 * 80  # two columns are missed, and six are too many
    assert f"windows_label.tif: right {1 - wrong / known:.3f}" in answer.stdout
    assert f"Road {2 / 10:.3f}" in answer.stdout
    assert "pixels_label.tif: right 1.000, mIoU 1.000, boundary F1 1.000" in answer.stdout
    assert (tmp_path / "pixel_maps.png").is_file()


def test_starts_are_measured_with_each_cache(benchmark, tmp_path, monkeypatch, capsys):
    start = benchmark("start")
    calls = []

    def seconds_of(repository, flags, cache):
        cache.mkdir(exist_ok=True)
        calls.append("--no-cache-network" not in flags)
        return [9.0, 8.0, 2.0, 7.0, 8.5, 3.0][len(calls) - 1]

    monkeypatch.setattr(start, "seconds_of", seconds_of)
    monkeypatch.setattr(start, "ROUNDS", 2)
    start.print_row_of("VGG16", "keras", tmp_path / "scene.tif", tmp_path / "m.keras", tmp_path)
    assert calls == [False, True, True] * 2
    assert capsys.readouterr().out == "| VGG16 | keras | 7.0 | 8.0 | 2.0 |\n"
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_a_process_of_its_own_is_counted(benchmark, repository, tmp_path):
    start = benchmark("start")
    assert 0 < start.seconds_of(repository, start.missing(tmp_path), tmp_path) < 100
    with pytest.raises(RuntimeError, match="No such file"):
        start.seconds_of(tmp_path, [], tmp_path)


def test_workers_wait_for_the_disk_when_they_are_many(benchmark, monkeypatch):
    simulation = benchmark("many_workers")
    monkeypatch.setattr(simulation, "COMPUTE_SECONDS", 64.0)
    monkeypatch.setattr(simulation, "READ_MEGABYTES", 32.0)
    monkeypatch.setattr(simulation, "ONE_READER", 10.0)
    # One worker computes all the time but for the first block, which it reads at 10 MB/s.
    assert simulation.seconds_of_tile(1, 1000.0) == pytest.approx(64 + 0.05 / 2)
    # A slow reader is the limit by itself: 32 MB at 0.25 MB/s, and the last block is computed.
    monkeypatch.setattr(simulation, "ONE_READER", 0.25)
    assert simulation.seconds_of_tile(1, 1000.0) == pytest.approx(128 + 1 / 2)
    # Sixteen ask for 8 MB/s of a disk that has 2.
    monkeypatch.setattr(simulation, "ONE_READER", 10.0)
    assert simulation.seconds_of_tile(4, 2.0) == pytest.approx(65, rel=0.05)
    assert simulation.seconds_of_tile(16, 2.0) == pytest.approx(256, rel=0.15)


def test_gpus_wait_for_what_is_slowest(benchmark):
    estimate = benchmark("many_gpus")
    assert estimate.step(1, 2) == (pytest.approx(256 / 1000), "GPUs")
    assert estimate.step(1, 8) == (pytest.approx(256 / 2084), "preparing")
    # two machines prepare twice as much, and read at 1000 MB/s; then 102 MB go round
    assert estimate.step(2, 8) == (pytest.approx(256 * 0.346 / 1000 + 102 / 1250), "disk")

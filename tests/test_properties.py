"""What must hold for any input; other properties stand beside the examples of their module."""

import fractions
import math
import os
import random
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from osgeo import gdal

from image_functions import BANDS_MS, augment_patches
from landuse import command_line
from landuse.mapping import grids, map_blocks
from landuse.patches import class_folders, image_files, patch_cache, splits
from landuse.rasters import reading, writing
from landuse.scenes import scene_reader

sides = st.integers(64, 300)
strides = st.integers(1, 130)
coordinates = st.floats(-1e7, 1e7)
sizes = st.floats(0.01, 100)


# ---- splits

names = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 30), min_size=1)


def images_of(counts):
    return {
        name: [Path(f"data/{name}/{name}_{number}.tif") for number in range(count)]
        for name, count in counts.items()
    }


def members(split, part):
    return [path for paths in split.get(part, {}).values() for path in paths]


@given(names, st.floats(0.01, 0.6), st.floats(0, 0.39), st.randoms())
def test_a_split_by_longitude_is_a_partition_from_west_to_east(counts, validation, test, rng):
    images = images_of(counts)
    everything = [path for paths in images.values() for path in paths]
    longitudes = {path: rng.choice([-180.0, -3.5, 0.0, 9.25, 180.0]) for path in everything}
    split = splits.split_by_longitude(images, longitudes, validation, test)
    parts = [members(split, part) for part in splits.PARTS]
    assert sorted(path for part in parts for path in part) == sorted(everything)
    assert abs(len(parts[1]) - validation * len(everything)) <= 1
    assert abs(len(parts[2]) - test * len(everything)) <= 1
    west_to_east = [longitudes[path] for part in parts for path in sorted(part, key=longitudes.get)]
    assert west_to_east == sorted(west_to_east)
    shuffled = {name: rng.sample(paths, len(paths)) for name, paths in images.items()}
    again = splits.split_by_longitude(shuffled, longitudes, validation, test)
    assert [set(members(again, part)) for part in splits.PARTS] == list(map(set, parts))


@given(names, st.data())
def test_a_split_by_lists_puts_every_image_into_one_part_or_none(counts, data):
    images = images_of(counts)
    everything = [path for paths in images.values() for path in paths]
    lists = {part: [] for part in splits.PARTS}
    for path in everything:
        part = data.draw(st.sampled_from([*splits.PARTS, None]))
        if part:
            lists[part].append(path.stem)
    split, unlisted, missing = splits.split_by_lists(images, {**lists, "test": ["Nowhere_1"]})
    for part in ("train", "validation"):
        assert {path.stem for path in members(split, part)} == set(lists[part])
    assert {path.stem for path in unlisted} == set(lists["test"]) | {
        path.stem for path in everything if not any(path.stem in stems for stems in lists.values())
    }
    assert missing == ["Nowhere_1"]


def test_the_order_of_the_file_system_does_not_matter(tmp_path, monkeypatch):
    for name in ("Forest", "River", "Lake"):
        (tmp_path / name).mkdir()
        for number in range(30):
            (tmp_path / name / f"{name}_{number}.jpg").touch()
    expected = splits.split_random(class_folders.find_images(tmp_path), 0.3, 0.2)
    scandir, iterdir, rng = os.scandir, Path.iterdir, random.Random(3)

    class Shuffled(list):
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    def shuffled(entries):
        entries = list(entries)
        return Shuffled(rng.sample(entries, len(entries)))

    monkeypatch.setattr(os, "scandir", lambda path: shuffled(scandir(path)))
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(shuffled(iterdir(self))))
    for _ in range(3):
        assert splits.split_random(class_folders.find_images(tmp_path), 0.3, 0.2) == expected


# ---- augmentation


@given(
    st.integers(2, 9),
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
)
def test_flips_and_quarter_turns_only_move_pixels(side, dtype, seed, horizontal, vertical):
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, np.iinfo(dtype).max, (12, side, side, 3), dtype, endpoint=True)
    flipped = augment_patches(patches, rng, horizontal, vertical)
    assert flipped.dtype == dtype
    for patch, result in zip(patches, flipped, strict=True):
        possible = [patch]
        possible += [np.fliplr(image) for image in possible] if horizontal else []
        possible += [np.flipud(image) for image in possible] if vertical else []
        assert any(np.array_equal(result, image) for image in possible)
    for patch, result in zip(patches, augment_patches(patches, rng, symmetries=True), strict=True):
        turned = [np.rot90(patch, quarter) for quarter in range(4)]
        possible = [*turned, *(np.flipud(image) for image in turned)]
        assert any(np.array_equal(result, image) for image in possible)


# ---- the map's grid


@given(sides, sides, strides, st.integers(1, 2000), st.sampled_from(["windows", "dense"]))
@example(64, 64, 64, 1, "windows")
@example(64, 65, 127, 1, "dense")
def test_cells_and_blocks_cover_a_scene_exactly_once(rows, columns, stride, block_size, method):
    assume(stride // 2 < min(rows, columns))  # larger ones are refused
    grid = grids.scene_grid((rows, columns), stride)
    covered = np.zeros((grid.rows, grid.columns), int)
    for block in map_blocks.blocks_of(grid, block_size, method):
        assert block.rows > 0 and block.columns > 0
        assert max(block.rows, block.columns) <= max(1, block_size // stride)
        covered[block.cells] += 1
    assert (covered == 1).all()
    cell_of_row, cell_of_column = np.arange(rows) // stride, np.arange(columns) // stride
    assert set(cell_of_row) == set(range(grid.rows))
    assert set(cell_of_column) == set(range(grid.columns))


@given(
    st.tuples(coordinates, sizes, st.floats(-5, 5), coordinates, st.floats(-5, 5), sizes),
    sides,
    sides,
    strides,
    st.data(),
)
def test_a_window_has_its_centre_at_the_same_place_in_scene_and_map(
    numbers, rows, columns, stride, data
):
    geotransform = (*numbers[:5], -numbers[5])
    whole = grids.scene_grid((rows, columns), stride)
    first = data.draw(st.integers(0, whole.rows - 1)), data.draw(st.integers(0, whole.columns - 1))
    part = grids.Grid(stride, *first, whole.rows - first[0], whole.columns - first[1])
    starts = (
        grids.window_starts(first[0], part.rows, stride),
        grids.window_starts(first[1], part.columns, stride),
    )
    ours = grids.grid_geotransform(geotransform, part)
    for i, j in {(0, 0), (part.rows - 1, part.columns - 1)}:
        pixel = starts[0][i] + 32, starts[1][j] + 32  # 32 pixels before it, 31 after
        assert pixel == (
            (first[0] + i) * stride + stride // 2,
            (first[1] + j) * stride + stride // 2,
        )
        on_ground = gdal.ApplyGeoTransform(geotransform, float(pixel[1]), float(pixel[0]))
        share = (stride // 2) / stride
        in_map = gdal.ApplyGeoTransform(ours, j + share, i + share)
        assert in_map == pytest.approx(on_ground, abs=1e-6, rel=1e-9)


@given(sides, sides, strides, st.tuples(*[st.floats(-0.2, 1.2)] * 4))
def test_bounds_snap_outwards_to_the_scenes_own_grid(rows, columns, stride, shares):
    geotransform = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)
    whole = grids.scene_grid((rows, columns), stride)
    left, right = (600000 + 10 * columns * share for share in sorted(shares[:2]))
    bottom, top = (4850000 - 10 * rows * share for share in sorted(shares[2:], reverse=True))
    try:
        part = grids.grid_in_bounds(whole, geotransform, (left, bottom, right, top))
    except ValueError:
        end_row, end_column = whole.rows * stride / rows, whole.columns * stride / columns
        empty = right - left < 1e-3 or top - bottom < 1e-3
        west, east = sorted(shares[:2])
        north, south = sorted(shares[2:])
        outside = east < 1e-4 or south < 1e-4 or west > end_column - 1e-4 or north > end_row - 1e-4
        assert empty or outside
        return
    west, width, _, north, _, height = grids.grid_geotransform(geotransform, part)
    east, south = west + part.columns * width, north + part.rows * height
    slack = 1e-5 * width
    cut_left, cut_top = max(left, 600000), min(top, 4850000)
    assert west - slack <= cut_left < west + width + slack
    assert north + slack >= cut_top > north + height - slack
    assert east + slack >= min(right, 600000 + whole.columns * width)
    assert south - slack <= max(bottom, 4850000 + whole.rows * height)
    assert (west - 600000) % width == 0 and (4850000 - north) % width == 0


@given(st.integers(1, 40), st.integers(0, 200), st.integers(0, 200))
def test_what_lies_beyond_the_scene_is_numpys_symmetric_padding(size, before, after):
    padded = np.pad(np.arange(size), (before, after), "symmetric")
    assert np.array_equal(map_blocks.mirrored(np.arange(-before, size + after), size), padded)


# ---- resampling and radiometry


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from([2, 6]),
    st.tuples(st.floats(9, 15), st.floats(9, 15)),
    st.tuples(st.integers(0, 11), st.integers(0, 11)),
)
def test_a_coarse_band_stays_in_its_place_to_a_tenth_of_a_pixel(tmp_path, ratio, centre, corner):
    rows, columns = np.ogrid[:24, :24]
    distance = (rows + 0.5 - centre[0]) ** 2 + (columns + 0.5 - centre[1]) ** 2
    spot = np.rint(1 + 30_000 * np.exp(-distance / 4)).astype(np.uint16)
    path = tmp_path / "spot.tif"
    writing.write_geotiff(path, spot, (6e5, 10.0 * ratio, 0, 48e5, 0, -10.0 * ratio), "EPSG:32632")
    size = 24 * ratio - 11
    with reading.Raster(path) as raster:
        fine = raster.read_upsampled(0, *corner, size, size, ratio).astype(float) - 1
    weight = fine.sum()
    found = (
        (fine.sum(axis=1) @ (np.arange(size) + corner[0] + 0.5)) / weight,
        (fine.sum(axis=0) @ (np.arange(size) + corner[1] + 0.5)) / weight,
    )
    assert found == pytest.approx([ratio * place for place in centre], abs=0.1)


@given(
    st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    st.integers(-3000, 3000),
    st.sampled_from([10_000, 1000, 20_000, 12_345]),
)
def test_dn_are_those_of_exact_arithmetic(values, offset, quantification):
    def exact(dn):
        scaled = fractions.Fraction((dn + offset) * 10_000, quantification)
        return min(max(math.floor(scaled + fractions.Fraction(1, 2)), 1), 65535) if dn else 0

    found = scene_reader.to_training_dn(np.array(values, np.uint16), offset, quantification)
    assert found.tolist() == [exact(value) for value in values]


# ---- the command line

SETTINGS = {"NAME": "a", "COUNT": 1, "SHARE": 0.5, "FLAG": True, "SIZES": [1, 2]}


@given(st.text().filter(lambda text: text != "None"))
def test_any_text_reaches_its_constant(text):
    assert command_line.parse([f"--name={text}"], SETTINGS) == {"NAME": text}
    if not text.startswith("-"):
        assert command_line.parse(["--name", text], SETTINGS) == {"NAME": text}


@given(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(st.integers(), min_size=1),
)
def test_any_number_reaches_its_constant(count, share, flag, several):
    words = ["--count", str(count), "--share", repr(share), "--flag", str(flag)]
    words += ["--sizes", *map(str, several)]
    assert command_line.parse(words, SETTINGS) == {
        "COUNT": count,
        "SHARE": share,
        "FLAG": flag,
        "SIZES": several,
    }


@given(st.lists(st.text(max_size=12)))
def test_no_command_line_is_a_fault_of_the_program(words):
    try:
        values = command_line.parse(words, SETTINGS)
    except ValueError as error:
        assert str(error)
    else:
        assert values.keys() <= SETTINGS.keys()


# ---- bands


@given(st.permutations(BANDS_MS), st.integers(1, 13))
def test_bands_are_found_by_name_in_any_order(order, count):
    wanted = order[:count]
    patch = image_files.Patch(np.zeros((2, 2, 13), np.uint16))
    positions = patch_cache.band_positions(patch, wanted, Path("a.tif"))
    assert [BANDS_MS[position] for position in positions] == list(wanted)

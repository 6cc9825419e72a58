"""What a comparison computes: cells in common, groups, probability, shift, thresholds, numbers."""

import numpy as np
import pytest

from landuse.changes import (
    alignment,
    change_probability,
    class_groups,
    comparing,
    from_to,
    map_pairs,
    registration,
    scene_differences,
    stable_places,
)
from landuse.rasters import geotransforms

NAMES = ("AnnualCrop", "Forest", "Pasture", "Residential")
PLACE = (600000.0, 80.0, 0.0, 4850000.0, 0.0, -80.0)


def moved(rows, columns, place=PLACE):
    """The geotransform of a raster that begins so many cells further down and to the right."""
    left, width, _, top, _, height = place
    return (left + columns * width, width, 0.0, top + rows * height, 0.0, height)


# ---- alignment


def test_the_same_grid_is_common_as_a_whole():
    common = alignment.overlap(PLACE, (5, 7), PLACE, (5, 7))
    assert common.before == common.after == (slice(0, 5), slice(0, 7))
    assert common.geotransform == PLACE
    assert common.residual == (0.0, 0.0)


def test_a_shift_of_whole_cells_meets_the_cells_of_one_place():
    common = alignment.overlap(PLACE, (5, 7), moved(2, -3), (5, 7))
    assert common.before == (slice(2, 5), slice(0, 4))
    assert common.after == (slice(0, 3), slice(3, 7))
    assert common.geotransform == moved(2, 0)
    assert common.shape == (3, 4)


def test_part_of_a_cell_is_left_over():
    common = alignment.overlap(PLACE, (5, 7), moved(0.25, 1.4), (5, 7))
    assert common.before == (slice(0, 5), slice(1, 7))
    assert common.residual == pytest.approx((0.25, 0.4))


def test_rasters_beside_each_other_have_nothing_in_common():
    assert alignment.overlap(PLACE, (5, 7), moved(0, 7), (5, 7)) is None
    assert alignment.overlap(PLACE, (5, 7), moved(0, 6), (5, 7)) is not None


def test_cells_of_another_size_or_turned_are_not_the_same():
    assert alignment.same_cells(PLACE, moved(3, 4))
    assert not alignment.same_cells(PLACE, (600000.0, 160.0, 0.0, 4850000.0, 0.0, -160.0))
    turned = (600000.0, 80.0, 1.0, 4850000.0, 1.0, -80.0)
    assert not alignment.same_cells(turned, turned)


# ---- groups


def test_a_group_joins_its_classes_and_the_others_stay_alone():
    groups = class_groups.parse_groups(["fields=AnnualCrop,Pasture"], NAMES)
    assert groups.names == ("fields", "Forest", "Residential")
    assert groups.of_class == (0, 1, 0, 2)
    assert groups.members(NAMES) == {"fields": ["AnnualCrop", "Pasture"]}
    labels = np.array([[0, 1, 2, 3, 255]], np.uint8)
    assert groups.of_labels(labels).tolist() == [[0, 1, 0, 2, 255]]


def test_probabilities_of_a_group_add_up():
    groups = class_groups.parse_groups(["fields=AnnualCrop,Pasture"], NAMES)
    cell = np.array([0.3, 0.1, 0.4, 0.2]).reshape(4, 1, 1)
    assert class_groups.sum_groups(cell, groups).ravel() == pytest.approx([0.7, 0.1, 0.2])


def test_a_group_without_a_class_of_the_maps_is_left_out():
    groups = class_groups.parse_groups(["water=River,SeaLake"], NAMES)
    assert groups.names == NAMES
    assert groups.left_out == ("water",)


def test_classes_that_the_maps_do_not_have_leave_a_group():
    groups = class_groups.parse_groups(["fields=AnnualCrop,PermanentCrop,Pasture"], NAMES)
    assert groups.of_class == (0, 1, 0, 2)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["AnnualCrop,Pasture"], "is no group; write name=Class,Class"),
        (["fields="], "is no group"),
        (["fields=AnualCrop,Pasture"], "no class 'AnualCrop'; did you mean AnnualCrop"),
        (["a=Forest,Pasture", "b=Pasture,AnnualCrop"], "Pasture is in two groups, a and b"),
        (["Residential=Forest,Pasture"], "a group is called Residential, as a class that is not"),
    ],
)
def test_what_is_no_group_is_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        class_groups.parse_groups(texts, NAMES)


# ---- probability of change


def cells(*distributions):
    """Distributions of single cells as (classes, 1, cells)."""
    return np.array(distributions, float).T[:, None, :]


def test_probability_of_change_by_hand():
    before = cells((1, 0), (1, 0), (0.5, 0.5), (0.8, 0.2))
    after = cells((1, 0), (0, 1), (0.5, 0.5), (0.3, 0.7))
    found = change_probability.probability_of_change(before, after)
    assert found.ravel() == pytest.approx([0, 1, 0.5, 1 - 0.24 - 0.14])


def test_no_data_at_one_date_is_no_data():
    before, after = cells((1, 0), (1, 0)), cells((1, 0), (np.nan, np.nan))
    found = change_probability.probability_of_change(before, after)
    assert np.isnan(found).ravel().tolist() == [False, True]


def test_rounded_percents_add_up_to_1_again():
    values = cells((33, 33, 33), (100, 0, 0), (0, 0, 0), (-1, -1, -1))
    found = change_probability.normalised(values)
    assert found[:, 0, 0] == pytest.approx([1 / 3] * 3)
    assert found[:, 0, 1] == pytest.approx([1, 0, 0])
    assert np.isnan(found[:, 0, 2:]).all()


# ---- scenes


def made_scene(rows=256, columns=256, seed=1):
    """Fields and roofs of 8 px, of four bands, DN."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(400, 3000, (rows // 8 + 2, columns // 8 + 2, 4))
    scene = coarse.repeat(8, 0).repeat(8, 1)[:rows, :columns]
    return (scene + rng.normal(0, 20, scene.shape)).astype(np.uint16)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3)])
def test_the_shift_of_whole_pixels_is_found(down, right):
    large = made_scene(300, 300)
    before = large[20:276, 20:276]
    after = large[20 - down : 276 - down, 20 - right : 276 - right]
    shift = registration.shift_between(before, after, np.ones((256, 256), bool), tile=128)
    assert (shift.rows, shift.columns) == pytest.approx((down, right), abs=0.1)
    assert shift.pieces == 4 * 4
    moved_back, valid = registration.move_back(after, shift)
    inside = (slice(8, -8), slice(8, -8))
    assert valid[inside].all()
    difference = moved_back[inside] - before[inside].astype(float)
    assert np.abs(difference).mean() < 60


def test_other_light_is_no_shift():
    scene = made_scene()
    other = (scene * 0.6 + 200).astype(np.uint16)
    shift = registration.shift_between(scene, other, np.ones((256, 256), bool))
    assert shift.length < 0.1


def test_without_data_there_is_no_shift():
    scene = made_scene()
    assert registration.shift_between(scene, scene, np.zeros((256, 256), bool)) is None


def test_bands_are_compared_by_their_medians():
    before = made_scene()
    after = before.copy()
    after[..., 1] = (before[..., 1] * 0.5).astype(np.uint16)
    valid = np.ones(before.shape[:2], bool)
    found = scene_differences.band_differences(before, after, valid, ("B04", "B03", "B02", "B08"))
    assert [round(band.percent) for band in found] == [0, -50, 0, 0]
    assert all(band.correlation > 0.999 for band in found)


def test_light_drops_out_and_a_new_roof_does_not():
    before = made_scene()
    rng = np.random.default_rng(2)
    after = before * np.array([0.7, 0.8, 0.9, 1.2]) + 150 + rng.normal(0, 20, before.shape)
    after[64:128, 64:128] = 4000 + rng.normal(0, 300, (64, 64, 4))
    valid = np.ones(before.shape[:2], bool)
    valid[:10] = False
    distance = scene_differences.changed_pixels(before, after, valid)
    assert np.isnan(distance[:10]).all()
    roof = distance[64:128, 64:128]
    around = distance[10:].copy()
    around[54:118, 64:128] = np.nan
    assert np.nanmedian(around) < 10  # chi-squared with 4 degrees of freedom has a median of 3.4
    assert np.median(roof) > 10 * np.nanmedian(around)


def test_too_little_data_says_nothing():
    scene = made_scene(64, 64)
    valid = np.zeros((64, 64), bool)
    valid[0, :3] = True
    assert np.isnan(scene_differences.changed_pixels(scene, scene, valid)).all()


# ---- thresholds


def test_window_means_are_those_of_the_pixels_around_a_cell():
    pixels = np.zeros((64, 64))
    pixels[:, 32:] = 1
    place = (0.0, 10.0, 0.0, 640.0, 0.0, -10.0)
    cells_place = (0.0, 80.0, 0.0, 640.0, 0.0, -80.0)
    means = stable_places.window_means(pixels, place, (8, 8), cells_place, 160.0)
    assert means[4] == pytest.approx([0, 0, 0, 0.25, 0.75, 1, 1, 1], abs=0.1)


def test_cells_outside_the_scenes_are_not_known():
    place = (0.0, 10.0, 0.0, 640.0, 0.0, -10.0)
    cells_place = (-160.0, 80.0, 0.0, 640.0, 0.0, -80.0)
    means = stable_places.window_means(np.ones((64, 64)), place, (8, 10), cells_place, 160.0)
    assert np.isnan(means[:, 0]).all()
    assert (means[:, 2:] == 1).all()


def test_calm_cells_are_chosen_in_each_group():
    strata = np.array([[0] * 4 + [1] * 4 + [255]], np.uint8)
    distance = np.array([[1, 2, 3, 4, 10, 20, 30, np.nan, 0]], float)
    calm = stable_places.calm_cells(distance, strata, 0.5)
    assert calm.tolist() == [[True, True, False, False, True, True, False, False, False]]


def test_small_changes_are_dropped_by_their_sides():
    changed = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]], bool)
    assert (stable_places.keep_large(changed, 1) == changed).all()
    assert stable_places.keep_large(changed, 3).tolist() == [
        [True, True, False, False],
        [True, False, False, False],
        [False] * 4,
    ]


def two_dates(share_of_noise, seed=3, size=60):
    """Probability of change and differing labels: a real block, and noise as frequent anywhere."""
    rng = np.random.default_rng(seed)
    noise = rng.random((size, size)) < share_of_noise
    block = np.zeros((size, size), bool)
    block[5:25, 5:25] = True
    probability = np.where(block, 0.97, np.where(noise, rng.uniform(0.5, 0.9, block.shape), 0.05))
    calm = np.zeros((size, size), bool)
    calm[30:] = True
    return probability.astype(np.float32), block | noise, block, calm


def choose(probability, differing, calm, least_cells=1, most_false=0.2):
    strata = np.zeros(probability.shape, np.uint8)
    stable = stable_places.StablePlace(probability, differing, strata, calm)
    return stable_places.choose_threshold(
        probability, differing, strata, stable, least_cells, most_false
    )


def test_the_threshold_keeps_what_is_rare_where_nothing_changed():
    probability, differing, block, calm = two_dates(0.2)
    threshold = choose(probability, differing, calm)
    found = differing & (probability >= threshold.value)
    assert (found & block).sum() == block.sum()
    assert 0.5 < threshold.value <= 0.91
    false = (found & ~block).sum() / found.sum()
    assert false <= threshold.false_share + 0.05
    assert threshold.false_share <= 0.2
    assert threshold.stable_cells == calm.sum()
    assert threshold.stable_differing == pytest.approx(0.2, abs=0.03)


def test_noise_alone_has_no_threshold():
    probability, differing, block, calm = two_dates(0.2)
    probability[block], differing[block] = 0.05, False
    threshold = choose(probability, differing, calm)
    assert threshold.value is None
    assert threshold.false_share > 0.8


def test_one_change_that_noise_may_be_does_not_count():
    """No difference among the stable cells does not prove that one elsewhere is real."""
    probability, differing, _, calm = two_dates(0.0)
    differing[:] = False
    differing[5:7, 5:7] = True
    assert choose(probability, differing, calm, least_cells=4).value is None
    differing[5:15, 5:15] = True
    assert choose(probability, differing, calm, least_cells=4).value == 0.5


def test_a_stable_pair_of_another_place_tells_the_noise():
    probability, differing, block, _ = two_dates(0.2)
    noise = two_dates(0.2, seed=8, size=40)
    strata = np.zeros((40, 40), np.uint8)
    stable = stable_places.StablePlace(
        noise[0], noise[1] & ~noise[2], strata, np.ones((40, 40), bool)
    )
    threshold = stable_places.choose_threshold(
        probability, differing, np.zeros((60, 60), np.uint8), stable, 1, 0.2
    )
    found = differing & (probability >= threshold.value)
    assert (found & block).sum() == block.sum()
    assert threshold.false_share <= 0.2


# ---- numbers of a comparison


def made_comparison():
    """Two maps of 4 x 5 cells: forest to houses in six cells, of which one does not count."""
    before = np.full((4, 5), 1, np.uint8)
    before[:, 4] = 255
    after = before.copy()
    after[:2, :3] = 3
    after[3, 0] = 0
    changed = np.zeros((4, 5), bool)
    changed[:2, :3] = True
    changed[1, 2] = False
    overlap = alignment.overlap(PLACE, (4, 5), PLACE, (4, 5))
    probability = np.where(before == 255, np.nan, 0.1).astype(np.float32)
    probability[changed] = 0.9
    pair = map_pairs.Pair(before, after, probability, before != after, before, overlap)
    threshold = stable_places.Threshold(0.5, 0.1, 10, 0.05)
    hectares = np.full((4, 5), 0.64, np.float32)
    hectares[0] = 0.32  # its row reaches past the scene
    return comparing.Comparison(
        pair, changed, threshold, "scenes", None, 1, hectares, None, 640.0, geotransforms.METRE
    )


def test_changes_are_counted_class_by_class():
    changes = from_to.count_changes(made_comparison(), len(NAMES))
    assert [(c.before, c.after, c.cells, c.changed_cells) for c in changes] == [
        (1, 0, 1, 0),
        (1, 1, 9, 0),
        (1, 3, 6, 5),
    ]
    assert changes[2].hectares == pytest.approx(3 * 0.32 + 3 * 0.64)
    assert changes[2].changed_hectares == pytest.approx(3 * 0.32 + 2 * 0.64)
    assert [c.after for c in from_to.of_change(changes)] == [3]


def test_the_raster_has_a_number_for_each_change():
    result = made_comparison()
    codes = from_to.encode(result.pair.before, result.pair.after, result.changed, 4)
    assert codes.dtype == np.uint8
    assert codes[0, :3].tolist() == [1 + 1 * 4 + 3] * 3
    assert codes[3, :4].tolist() == [0] * 4
    assert (codes[:, 4] == 255).all()


def test_many_classes_need_two_bytes():
    labels = np.array([[15, 255]], np.uint8)
    codes = from_to.encode(labels, np.array([[14, 3]], np.uint8), np.array([[True, False]]), 16)
    assert codes.dtype == np.uint16
    assert codes.tolist() == [[1 + 15 * 16 + 14, 65535]]


def test_pieces_are_connected_and_of_one_kind():
    result = made_comparison()
    result.pair.after[0, 0] = 2
    changes = from_to.count_changes(result, len(NAMES))
    numbers, pieces = from_to.pieces_of(result, changes, NAMES)
    assert sorted(piece.cells for piece in pieces) == [1, 4]
    largest = max(pieces, key=lambda piece: piece.cells)
    assert (largest.before, largest.after) == ("Forest", "Residential")
    assert largest.probability == pytest.approx(0.9)
    assert (numbers == 0).sum() == 20 - 5


def test_shares_are_of_the_cells_with_data():
    result = made_comparison()
    assert result.share_differing == pytest.approx(7 / 16)
    assert result.share_changed == pytest.approx(5 / 16)
    assert result.smallest_to_find == pytest.approx(20.48)


@pytest.mark.parametrize(
    ("hectares", "unit", "cells"),
    [
        (5, geotransforms.METRE, 8),
        (0.64, geotransforms.METRE, 1),
        (0, geotransforms.METRE, 1),
        (5, geotransforms.MapUnit(0.5, 0.25), 32),
        (5, None, 8),
    ],
)
def test_the_smallest_area_in_cells(hectares, unit, cells):
    assert comparing.smallest_cells(hectares, PLACE, unit, 8) == cells

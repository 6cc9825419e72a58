"""Figures of maps per pixel, by hand and against scikit-learn."""

import numpy as np
import pytest

from landuse.segmentation import labelled_scenes, pixel_measures, tiles

NONE = labelled_scenes.NO_LABEL


def test_intersection_over_union_by_hand():
    truth = np.array([[0, 0, 0, 1], [1, 1, NONE, 2]], np.uint8)
    found = np.array([[0, 0, 1, 1], [1, 0, 2, NONE]], np.uint8)
    matrix = pixel_measures.confusion(truth, found, 3)
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [1, 2, 0], [0, 0, 0]])
    iou = pixel_measures.intersection_over_union(matrix)
    np.testing.assert_allclose(iou[:2], [2 / 4, 2 / 4])
    assert np.isnan(iou[2])
    assert pixel_measures.mean_iou(matrix) == 0.5


def test_intersection_over_union_is_that_of_scikit_learn():
    from sklearn.metrics import confusion_matrix, jaccard_score

    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 4, (2, 60, 60)).astype(np.uint8)
    matrix = pixel_measures.block_confusions(truth, found, 4, 16).sum(0)
    np.testing.assert_array_equal(matrix, confusion_matrix(truth.ravel(), found.ravel()))
    expected = jaccard_score(truth.ravel(), found.ravel(), average=None)
    np.testing.assert_allclose(pixel_measures.intersection_over_union(matrix), expected)


def test_a_class_that_only_the_map_has_is_wrong_but_has_no_iou_of_its_own():
    matrix = np.array([[8, 0, 2], [0, 5, 0], [0, 0, 0]])
    assert pixel_measures.mean_iou(matrix) == pytest.approx((0.8 + 1) / 2)


def test_boundaries_may_lie_two_pixels_off():
    truth = np.zeros((20, 20), np.uint8)
    truth[:, 10:] = 1
    for shift, right in ((0, True), (2, True), (3, False)):
        found = np.zeros((20, 20), np.uint8)
        found[:, 10 + shift :] = 1
        f1 = pixel_measures.boundary_f1(pixel_measures.boundary_counts(truth, found, 2))
        # columns 9 | 10 against 12 | 13: of each class one of its columns is within 2 px or not
        np.testing.assert_allclose(f1, [1, 1] if right else [0, 0])


def test_no_label_is_no_boundary():
    truth = np.zeros((10, 10), np.uint8)
    truth[4:, :] = NONE
    counts = pixel_measures.boundary_counts(truth, np.zeros_like(truth), 1)
    np.testing.assert_array_equal(counts, [[0, 0, 0, 0]])
    assert np.isnan(pixel_measures.boundary_f1(counts)).all()


def test_measure_gives_intervals_of_many_blocks_only():
    matrices = np.repeat([[[6, 2], [1, 7]]], 8, axis=0)
    figures = pixel_measures.measure(matrices, np.ones((2, 4)), ["a", "b"])
    assert figures["pixels"] == 128
    assert figures["accuracy"] == pytest.approx({"value": 13 / 16, "low": 13 / 16, "high": 13 / 16})
    assert figures["mean_iou"]["value"] == pytest.approx((6 / 9 + 7 / 10) / 2)
    assert figures["per_class"]["a"]["recall"] == 6 / 8
    assert figures["per_class"]["a"]["precision"] == 6 / 7
    few = pixel_measures.measure(matrices[:3], np.ones((2, 4)), ["a", "b"])
    assert few["accuracy"]["low"] is None
    with pytest.raises(ValueError, match="nothing can be measured"):
        pixel_measures.measure(matrices[:1] * 0, np.ones((2, 4)), ["a", "b"])


def halves(side=128, block=32):
    """A scene whose left half is class 0 and whose right half is class 1."""
    labels = np.zeros((side, side), np.uint8)
    labels[:, side // 2 :] = 1
    pixels = np.arange(side * side * 2, dtype=np.uint16).reshape(side, side, 2)
    parts = labelled_scenes.draw_parts([labels], 2, block, 0.25, 0.25, seed=3)[0]
    return labelled_scenes.LabelledScene("halves", pixels, labels, parts, block)


def test_blocks_are_dealt_so_that_every_part_holds_the_classes_alike():
    scene = halves()
    assert np.bincount(scene.parts.ravel()).tolist() == [8, 4, 4]
    for part in labelled_scenes.PARTS:
        counts = np.bincount(scene.labels_of(part).ravel(), minlength=256)
        assert counts[0] == counts[1]
    whole = [scene.labels_of(part) != NONE for part in labelled_scenes.PARTS]
    np.testing.assert_array_equal(np.sum(whole, axis=0), 1)  # each pixel in one part


def test_too_few_blocks_are_an_error():
    with pytest.raises(ValueError, match=r"1 blocks of 128 px, too few .* smaller BLOCK_SIZE"):
        halves(block=128)


def test_tiles_learn_nothing_of_other_parts():
    scene = halves()
    places = tiles.Places([scene], 2, even=0.5)
    batches = tiles.TileBatches(
        [scene], "train", np.ones(2, np.float32), 48, 4, 12, places=places, symmetries=True, seed=1
    )
    assert len(batches) == 3
    columns = np.arange(128 * 128) % 128
    allowed = scene.labels_of("train").ravel()
    for index in range(3):
        pixels, labels, weights = batches[index]
        assert pixels.shape == (4, 48, 48, 2) and pixels.dtype == np.uint16
        assert labels.shape == (4, 48, 48, 2) and weights.shape == (4, 48, 48)
        assert (weights.sum((1, 2)) > 0).all()
        place = pixels[..., 0] // 2  # which pixel of the scene it was, before turning
        np.testing.assert_array_equal(weights > 0, allowed[place] != NONE)
        known = weights > 0
        np.testing.assert_array_equal(labels.argmax(-1)[known], (columns[place] >= 64)[known])
        again = batches._batch(0, index)
        np.testing.assert_array_equal(again[0], pixels)


def test_tiles_of_a_part_cover_it():
    scene = halves(side=100, block=32)
    covered = np.zeros((100, 100), bool)
    for tile in tiles.tiles_of_part([scene], "validation", 32):
        covered[tile.row : tile.row + 32, tile.column : tile.column + 32] = True
    assert covered[scene.labels_of("validation") != NONE].all()


def test_class_weights():
    np.testing.assert_allclose(tiles.class_weights(np.array([30, 10, 0]), 0), [1, 1, 0])
    even = tiles.class_weights(np.array([30, 10, 0]), 1)
    np.testing.assert_allclose(even * [30, 10, 0], [20, 20, 0])

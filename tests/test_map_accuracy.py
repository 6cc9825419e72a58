"""How right a map is where the truth is known pixel by pixel."""

import numpy as np
import pytest

from landuse.evaluation import map_accuracy


def test_window_majority_of_two_halves():
    truth = np.zeros((64, 128), np.uint8)
    truth[:, 64:] = 3
    majority, share = map_accuracy.window_majority(truth, stride=32)
    # Windows begin at columns -16, 16, 48, 80 and hold 0 in 64, 48, 16 and 0 of 64 columns.
    assert majority.tolist() == [[0, 0, 3, 3]] * 2
    assert share.tolist() == [[1, 0.75, 0.75, 1]] * 2


def test_window_majority_is_that_of_each_window_by_itself():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (75, 90)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    for stride in (1, 7, 8, 64, 100):
        majority, share = map_accuracy.window_majority(truth, stride)
        assert majority.shape == (-(-75 // stride), -(-90 // stride))
        padded = np.pad(truth, 100, mode="symmetric")
        for i, j in [(0, 0), (majority.shape[0] - 1, majority.shape[1] - 1)]:
            row, column = (100 + k * stride + stride // 2 - 32 for k in (i, j))
            window = padded[row : row + 64, column : column + 64]
            counts = [(window == index).sum() for index in range(4)]
            assert majority[i, j] == np.argmax(counts)
            assert share[i, j] == max(counts) / 4096


def test_accuracy_by_hand():
    truth = np.zeros((64, 128), np.uint8)
    truth[:, 64:] = 3
    labels = np.array([[0, 0, 3, 3], [0, 3, 0, 1]], np.uint8)
    assert map_accuracy.accuracy(labels, truth, stride=32) == (3 / 4, 5 / 8)


def test_accuracy_counts_no_label_as_wrong_and_leaves_out_no_truth():
    truth = np.zeros((64, 256), np.uint8)
    truth[:, :128] = 255
    labels = np.array([[7, 7, 255, 0]], np.uint8)
    assert map_accuracy.accuracy(labels, truth, stride=64) == (0.5, 0.5)
    nothing = np.full((64, 64), 255, np.uint8)
    assert np.isnan(map_accuracy.accuracy(labels[:, :1], nothing, stride=64)).all()


def test_accuracy_refuses_a_map_of_another_grid():
    with pytest.raises(ValueError, match=r"has \(2, 2\) cells, .* at stride 8 has \(8, 8\)"):
        map_accuracy.accuracy(np.zeros((2, 2), np.uint8), np.zeros((64, 64), np.uint8), stride=8)

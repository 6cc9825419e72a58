"""Classes that the user knows to be absent: the others share their probability."""

import numpy as np
import pytest

from landuse.changes import date_pairs
from landuse.mapping import absent_classes, whole_scene

NAMES = ["Annual", "Forest", "Permanent"]


def test_the_others_keep_their_ratios_and_add_up_to_one():
    probabilities = np.array([[0.3, 0.1, 0.6], [0.5, 0.5, 0.0]], np.float32)
    before = probabilities.copy()
    left = absent_classes.leave_out(probabilities, [2])
    np.testing.assert_allclose(left, [[0.75, 0.25, 0], [0.5, 0.5, 0]], rtol=1e-6)
    np.testing.assert_array_equal(probabilities, before)
    assert left.dtype == np.float32


def test_where_nothing_is_left_the_others_are_equal():
    left = absent_classes.leave_out(np.array([[0, 0, 1], [1e-38, 0, 1]], np.float32), [2])
    np.testing.assert_allclose(left[0], [0.5, 0.5, 0])
    np.testing.assert_allclose(left[1], [1, 0, 0], rtol=1e-5)


def test_names_become_numbers():
    assert absent_classes.numbers(None, NAMES) == [] == absent_classes.numbers([], NAMES)
    assert absent_classes.numbers(["Permanent"], NAMES) == [2]
    four = [*NAMES, "River"]
    assert absent_classes.numbers(["River", "Forest"], four) == [1, 3]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Vineyard"], "'Vineyard' is no class of the model; its classes are Annual, Forest"),
        (["Forest", "Forest"], "Forest is given twice"),
        (["Forest", "Annual"], "leaves 1 of 3 classes: a map needs two"),
    ],
)
def test_names_that_make_no_sense(names, message):
    with pytest.raises(ValueError, match=message):
        absent_classes.numbers(names, NAMES)


def test_an_unfinished_map_is_not_gone_on_with_by_other_classes(tmp_path, capsys):
    """Blocks that were saved with a class are made anew without it."""

    def predict(batch):
        return np.tile(np.array([0.3, 0.1, 0.6], np.float32), (len(batch), 1))

    def read(row, column, rows, columns):
        return np.ones((rows, columns, 1), np.uint8), np.ones((rows, columns), bool)

    def classify(absent):
        shape, options = (80, 80), {"absent": absent, "probability_type": "float32"}
        return whole_scene.classify_scene(read, shape, predict, 16, 3, tmp_path, {}, **options)

    first = classify(())
    assert (np.array(first.labels) == 2).all() and first.moved is None
    without = classify((2,))
    assert (np.array(without.labels) == 0).all() and without.moved == 1
    np.testing.assert_allclose(np.array(without.probability), 0.75, rtol=1e-6)
    assert "going on" not in capsys.readouterr().out
    again = classify((2,))  # all blocks are there
    assert again.moved is None and (np.array(again.labels) == 0).all()


def test_two_dates_with_other_absent_classes_are_told():
    class Dated:
        def __init__(self, **tags):
            self.tags = tags

    told = date_pairs.differences_in_making(Dated(ABSENT_CLASSES="Forest"), Dated())
    assert len(told) == 1 and "other ABSENT_CLASSES" in told[0]
    assert date_pairs.differences_in_making(Dated(), Dated()) == []

"""Sizes, shares and draws of samples that a reader can check by hand."""

import numpy as np
import pytest

from landuse.evaluation.sampling_designs import (
    allocate,
    draw,
    expected_half_width,
    points_for_half_width,
    size_for_half_width,
)

ENDLESS = 10**12


def test_size_of_olofsson_2014():
    """Section 5.1.1: a standard error of 0.01 with these accuracies takes 641 points."""
    sizes = np.array([0.02, 0.015, 0.32, 0.645]) * ENDLESS
    assert size_for_half_width(sizes, 1.96 * 0.01, [0.7, 0.6, 0.9, 0.95]) == 641


def test_size_of_the_textbook():
    """0.8 known to +- 5 points: 0.16 / (0.05 / 1.96)^2 = 245.9."""
    assert size_for_half_width(np.array([ENDLESS]), 0.05, 0.8) == 246


def test_small_maps_are_looked_at_whole():
    assert size_for_half_width(np.array([30, 51]), 0.001, 0.8) == 81
    assert size_for_half_width(np.array([30, 51]), 0.05, 0.8) < 81


def test_shares_by_area_with_a_floor():
    sizes = np.array([60_000, 30_000, 9_900, 100, 0])
    assert allocate(sizes, 100, 10).tolist() == [53, 27, 10, 10, 0]
    assert allocate(sizes, 100, 2).tolist() == [60, 29, 9, 2, 0]


def test_floors_may_take_more_than_the_size():
    assert allocate(np.array([1000, 1000, 7]), 20, 15).tolist() == [15, 15, 7]


def test_no_stratum_gives_more_points_than_cells():
    points = allocate(np.array([5, 40, 1000]), 900, 10)
    assert points.tolist() == [5, 36, 859] or points.sum() == 900
    assert (points <= [5, 40, 1000]).all()
    assert allocate(np.array([3, 4]), 100, 1).tolist() == [3, 4]


def test_expected_half_width_by_hand():
    assert expected_half_width(np.array([ENDLESS]), np.array([100]), 0.8) == pytest.approx(
        1.96 * 0.04
    )
    assert expected_half_width(np.array([10, 0]), np.array([10, 0]), 0.8) == 0


def test_floors_do_not_widen_the_interval():
    """A rare class takes 25 points that say little of the whole; the others get more for it."""
    sizes = np.array([50_000, 49_000, 1000])
    points = points_for_half_width(sizes, 0.05, 0.8, floor=25)
    assert points[2] == 25
    assert points.sum() > size_for_half_width(sizes, 0.05, 0.8)
    assert expected_half_width(sizes, points, 0.8) <= 0.05
    assert points_for_half_width(np.array([9, 4]), 0.001, 0.8, 2).tolist() == [9, 4]


@pytest.fixture
def strata():
    made = np.repeat([0, 1, -1], [60, 30, 10]).reshape(10, 10)
    return np.random.default_rng(0).permutation(made.ravel()).reshape(10, 10)


def test_drawn_cells_lie_in_their_stratum_and_none_twice(strata):
    found = draw(strata, [12, 9], seed=5)
    assert (strata[found.rows, found.columns] == found.strata).all()
    assert np.bincount(found.strata).tolist() == [12, 9]
    assert len(set(zip(found.rows.tolist(), found.columns.tolist(), strict=True))) == 21
    np.testing.assert_allclose(found.probabilities, np.where(found.strata == 0, 0.2, 0.3))


def test_a_seed_draws_the_same(strata):
    one, two, other = (draw(strata, [5, 5], seed) for seed in (1, 1, 2))
    assert one.rows.tolist() == two.rows.tolist() and one.strata.tolist() == two.strata.tolist()
    assert (
        one.rows.tolist() != other.rows.tolist() or one.columns.tolist() != other.columns.tolist()
    )


def test_the_order_tells_no_stratum(strata):
    """The first half of the points holds about half of each stratum."""
    found = draw(strata, [40, 20], seed=3)
    assert 3 <= (found.strata[:30] == 1).sum() <= 17


def test_every_cell_of_a_stratum_is_as_likely(strata):
    counts = np.zeros(strata.shape, int)
    for seed in range(600):
        found = draw(strata, [6, 3], seed)
        counts[found.rows, found.columns] += 1
    assert counts[strata < 0].sum() == 0
    expected = 60.0
    spread = counts[strata >= 0]
    assert abs(spread.mean() - expected) < 1e-9
    assert spread.std() < 1.3 * np.sqrt(expected * 0.9)

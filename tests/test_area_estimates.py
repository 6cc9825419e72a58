"""Estimates from a sample: published examples, a census, and a hand-made one."""

import numpy as np
import pytest

from landuse.evaluation.area_estimates import estimate_map

# Olofsson et al. (2014), tables 8 and 9: deforestation, forest gain, stable forest, stable
# non-forest; rows are the map. 30 m pixels, so 0.09 ha each.
OLOFSSON = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
OLOFSSON_PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])

# Stehman (2014), table 2: stratum, map class and reference class of 40 points.
STEHMAN_STRATA = np.repeat([0, 1, 2, 3], 10)
STEHMAN_MAP = "AAAAAAABBBABBBBBBBBBBBCCCCCCBBDDDDDDDDDD"
STEHMAN_REFERENCE = "AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB"
STEHMAN_CELLS = [40_000, 30_000, 20_000, 10_000]


def points(counts):
    """The map class and the reference class of each point of a matrix of counts."""
    rows, columns = np.nonzero(counts)
    times = counts[rows, columns]
    return np.repeat(rows, times), np.repeat(columns, times)


@pytest.fixture(scope="module")
def olofsson():
    mapped, reference = points(OLOFSSON)
    return estimate_map(mapped, mapped, reference, OLOFSSON_PIXELS, 4, finite_population=False)


def stehman_estimates(finite_population):
    mapped, reference = (
        np.array(["ABCD".index(letter) for letter in text])
        for text in (STEHMAN_MAP, STEHMAN_REFERENCE)
    )
    return estimate_map(
        STEHMAN_STRATA, mapped, reference, STEHMAN_CELLS, 4, finite_population=finite_population
    )


@pytest.fixture(scope="module")
def stehman():
    return stehman_estimates(finite_population=True)


def rounded(estimates, digits, factor=1.0):
    return [
        (round(e.value * factor, digits), round(e.half_width * factor, digits)) for e in estimates
    ]


# ---- Olofsson et al. (2014)


def test_olofsson_matrix_of_proportions(olofsson):
    """The deforestation row of table 9; its diagonal is the overall accuracy."""
    expected = [0.0176, 0, 0.0013, 0.0011]
    np.testing.assert_allclose(olofsson.proportions[0], expected, atol=5e-5)
    assert np.trace(olofsson.proportions) == pytest.approx(olofsson.overall.value)


def test_olofsson_areas_in_hectares_to_the_digit(olofsson):
    """Section 5.2.2: 21,158 +- 6,158 ha of deforestation, and so on."""
    hectares = OLOFSSON_PIXELS.sum() * 0.09
    assert rounded(olofsson.areas, 0, hectares) == [
        (21_158, 6_158),
        (11_686, 3_756),
        (285_770, 15_510),
        (581_386, 16_282),
    ]


def test_olofsson_deforestation_in_pixels(olofsson):
    pixels = olofsson.areas[0].times(OLOFSSON_PIXELS.sum())
    assert (round(pixels.value), round(pixels.half_width)) == (235_086, 68_418)


def test_olofsson_accuracies(olofsson):
    """Section 5.2.1. Two intervals printed there do not follow from the paper's equation 7.

    Printed for producer's accuracy are +- 0.23 (forest gain) and +- 0.01 (stable non-forest);
    equation 7 gives 0.25 and 0.02.
    """
    assert rounded([olofsson.overall], 2) == [(0.95, 0.02)]
    assert rounded(olofsson.users, 2) == [(0.88, 0.07), (0.73, 0.10), (0.93, 0.04), (0.96, 0.02)]
    producers = [(0.75, 0.21), (0.85, 0.25), (0.93, 0.03), (0.96, 0.02)]
    assert rounded(olofsson.producers, 2) == producers


def test_equation_7_of_olofsson_is_the_ratio_estimator(olofsson):
    """Producer's accuracy of forest gain by the equation as it is printed."""
    row_sums, sizes = OLOFSSON.sum(axis=1), OLOFSSON_PIXELS.astype(float)
    users, j = np.diag(OLOFSSON) / row_sums, 1
    total = (sizes * OLOFSSON[:, j] / row_sums).sum()
    producer = sizes[j] * users[j] / total
    shares = OLOFSSON[:, j] / row_sums
    others = [i for i in range(4) if i != j]
    first = sizes[j] ** 2 * (1 - producer) ** 2 * users[j] * (1 - users[j]) / (row_sums[j] - 1)
    second = producer**2 * sum(
        sizes[i] ** 2 * shares[i] * (1 - shares[i]) / (row_sums[i] - 1) for i in others
    )
    assert olofsson.producers[j].value == pytest.approx(producer)
    assert olofsson.producers[j].standard_error == pytest.approx(np.sqrt(first + second) / total)


# ---- Stehman (2014): strata that are not the classes of the map


def test_stehman_values(stehman):
    """Pages 4932 to 4935."""
    assert stehman.overall.value == pytest.approx(0.63)
    assert [round(stehman.areas[i].value, 2) for i in (0, 2)] == [0.35, 0.20]
    assert round(stehman.users[1].value, 3) == 0.574
    assert round(stehman.producers[1].value, 3) == 0.794
    assert stehman.proportions[1, 2] == pytest.approx(0.08)


def test_stehman_standard_errors(stehman):
    """Pages 4935 and 4936: 0.085 for overall accuracy, 0.125 for user's accuracy of B."""
    assert round(stehman.overall.standard_error, 3) == 0.085
    assert round(stehman.users[1].standard_error, 3) == 0.125


def test_stehman_standard_errors_by_another_program():
    """R's `mapac` prints seven digits for these 40 points; it takes strata for endless."""
    endless = stehman_estimates(finite_population=False)
    users = [0.1645627, 0.1248023, 0.2151657, 0.1527525]
    producers = [0.1477318, 0.1165671, 0.1504438, 0.1623242]
    for found, expected in ((endless.users, users), (endless.producers, producers)):
        np.testing.assert_allclose([e.standard_error for e in found], expected, atol=6e-8)


def test_stehman_matrix(stehman):
    cells = [[23, 4, 4, 0], [12, 27, 8, 0], [0, 2, 6, 4], [0, 1, 2, 7]]
    np.testing.assert_allclose(stehman.proportions, np.array(cells) / 100, atol=1e-12)


# ---- other truths


def test_weights_matter(olofsson):
    assert np.trace(OLOFSSON) / OLOFSSON.sum() == pytest.approx(0.917, abs=1e-3)
    assert olofsson.overall.value == pytest.approx(0.947, abs=1e-3)


def test_a_census_has_no_error():
    mapped, reference = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    found = estimate_map(mapped, mapped, reference, [2, 3], 2)
    assert (found.overall.value, found.overall.standard_error) == (pytest.approx(0.6), 0)
    assert [e.value for e in found.areas] == pytest.approx([0.4, 0.6])
    assert found.users[0].value == pytest.approx(0.5)
    assert found.producers[1].value == pytest.approx(2 / 3)


def test_simple_random_sample_is_the_binomial():
    right = np.array([1] * 8 + [0] * 2)
    found = estimate_map(np.zeros(10, int), np.ones(10, int), right, [1e9], 2)
    assert found.overall.value == pytest.approx(0.8)
    assert found.overall.standard_error == pytest.approx(np.sqrt(0.8 * 0.2 / 9))


def test_a_class_that_is_nowhere_has_no_accuracy():
    found = estimate_map(np.zeros(2, int), np.zeros(2, int), np.zeros(2, int), [10], 2)
    assert np.isnan(found.users[1].value) and np.isnan(found.producers[1].value)
    assert found.areas[1].value == 0


def test_where_the_map_gives_no_class_overall_accuracy_is_not_asked():
    mapped, reference = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    found = estimate_map(np.zeros(4, int), mapped, reference, [100], 2, judged=mapped == 0)
    assert found.overall.value == 1
    assert found.producers[0].value == 0.5


def test_a_map_of_a_part_is_judged_on_that_part():
    """Of 8 points of one stratum 4 lie on the map, 3 of them right."""
    domain = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    reference = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    mapped = np.zeros(8, int)
    found = estimate_map(np.zeros(8, int), mapped, reference, [1000], 2, domain=domain)
    assert found.overall.value == 0.75
    assert found.areas[1].value == 0.25
    assert found.covered.value == 0.5
    assert found.counts.sum() == 4


def test_intervals_hold_what_they_promise():
    """Of 400 samples of a known population, about 95 % of the intervals hold the true area."""
    rng = np.random.default_rng(3)
    mapped = np.repeat([0, 1], [4000, 1000])
    truth = np.where(rng.random(5000) < 0.1, 1 - mapped, mapped)
    hits = []
    for _ in range(400):
        chosen = np.concatenate([rng.choice(4000, 120, False), 4000 + rng.choice(1000, 60, False)])
        found = estimate_map(mapped[chosen], mapped[chosen], truth[chosen], [4000, 1000], 2)
        hits.append(abs(found.areas[1].value - truth.mean()) <= found.areas[1].half_width)
    assert 0.91 <= np.mean(hits) <= 0.98


def test_a_class_of_which_all_points_are_right_may_still_be_wrong():
    """30 of 30: the exact interval begins at 0.025 ** (1 / 30), whatever the other stratum."""
    mapped = np.repeat([0, 1], 30)
    found = estimate_map(mapped, mapped, mapped, [1e9, 3e9], 2)
    for estimate in found.users:
        assert estimate.standard_error == 0
        assert (estimate.low, estimate.high) == (pytest.approx(0.025 ** (1 / 30)), 1)
    none = 1 - 0.025 ** (1 / 30)  # as much of each may be the other
    assert found.areas[0].low == pytest.approx(0.25 - 0.25 * none)
    assert found.areas[0].high == pytest.approx(0.25 + 0.75 * none)
    assert found.producers[0].low == pytest.approx(0.25 / (0.25 + 0.75 * none), abs=0.03)
    assert found.producers[0].high == 1


def test_of_a_stratum_that_was_looked_at_completely_everything_is_known():
    mapped = np.repeat([0, 1], [10, 30])
    found = estimate_map(mapped, mapped, mapped, [10, 1e9], 2)
    assert (found.users[0].low, found.users[0].high) == (1, 1)
    assert found.users[1].low < 0.9


def test_many_points_make_the_interval_of_the_standard_error(olofsson):
    for estimate in (olofsson.overall, olofsson.users[2], olofsson.areas[2]):
        half = (estimate.high - estimate.low) / 2
        assert half == pytest.approx(estimate.half_width, rel=0.2)


def test_intervals_of_rare_errors_hold_what_they_promise():
    """Of the third class a part lies where the map says another, which is right in 99.6 %.

    Most samples find none of it there. The intervals of the standard errors then have no width,
    and hold the producer's accuracy in far fewer than 95 % of the samples.
    """
    rng = np.random.default_rng(5)
    truth = np.array([[0.996, 0.0, 0.004], [0.0, 0.996, 0.004], [0.05, 0.05, 0.9]])
    cells, drawn = np.array([6000, 3500, 500]), [100, 60, 25]
    land = cells / cells.sum()
    area = land @ truth[:, 2]
    held, narrow = np.zeros(3), 0
    for _ in range(200):
        counts = np.array([rng.multinomial(n, row) for n, row in zip(drawn, truth, strict=True)])
        mapped, reference = points(counts)
        found = estimate_map(mapped, mapped, reference, cells, 3, finite_population=False)
        wanted = (area, land[2] * truth[2, 2] / area, truth[2, 2])
        kinds = (found.areas[2], found.producers[2], found.users[2])
        held += [e.low <= value <= e.high for e, value in zip(kinds, wanted, strict=True)]
        narrow += abs(kinds[1].value - wanted[1]) <= kinds[1].half_width
    assert (held / 200 >= 0.93).all(), held / 200
    assert narrow / 200 < 0.6


@pytest.mark.parametrize(
    ("strata", "sizes", "message"),
    [
        ([0, 0, 1], [5, 5], r"needs 2 labelled points or more; points by stratum: \[2, 1\]"),
        ([0, 0, 2], [5, 5], "strata must be 0..1, got 0..2"),
        ([0, 0, 0], [2], "more points than cells"),
        ([0, 0], [9], "one number per point"),
    ],
)
def test_samples_that_tell_nothing(strata, sizes, message):
    with pytest.raises(ValueError, match=message):
        estimate_map(np.array(strata), np.zeros(3, int), np.zeros(3, int), sizes, 1)

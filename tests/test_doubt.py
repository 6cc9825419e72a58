"""Doubt: prediction sets that hold the right class as often as promised, and bands of a map."""

import numpy as np
import pytest

from landuse.evaluation import prediction_sets, reports
from landuse.mapping import doubt_bands


def made_answers(count, seed, noise=1.0):
    """Probabilities of four classes and right classes that they are often right about."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=count)
    values = 2.0 * np.eye(4)[labels] + noise * rng.normal(size=(count, 4))
    probabilities = np.exp(2 * values)  # surer than it should be
    return probabilities / probabilities.sum(axis=1, keepdims=True), labels


def test_the_threshold_by_hand():
    """Of nine right classes, the eighth (9 + 1) * 0.8 lies at 0.2 from the top."""
    right = np.array([0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4, 0.5])
    probabilities = np.stack([right, 1 - right], axis=1)
    labels = np.zeros(9, int)
    assert prediction_sets.threshold(probabilities, labels, 0.8) == 0.2
    assert prediction_sets.threshold(probabilities, labels, 0.5) == 0.5
    assert prediction_sets.threshold(probabilities, labels, 0.9) == 0.1


def test_too_few_images_promise_all_classes():
    probabilities, labels = made_answers(50, 0)
    assert prediction_sets.threshold(probabilities, labels, 0.99) == 0.0
    assert prediction_sets.sets(probabilities, 0.0).all()


@pytest.mark.parametrize("coverage", [0.85, 0.9, 0.95])  # the label alone is right in 82 %
def test_the_promised_coverage_is_kept_on_images_of_one_population(coverage):
    probabilities, labels = made_answers(4000, 1)
    value = prediction_sets.threshold(probabilities, labels, coverage)
    others, right = made_answers(20_000, 2)
    found = prediction_sets.measure(others, right, value)
    assert found["covered"] / found["images"] == pytest.approx(coverage, abs=0.015)


def test_elsewhere_the_sets_hold_the_right_class_less_often():
    probabilities, labels = made_answers(4000, 1)
    value = prediction_sets.threshold(probabilities, labels, 0.95)
    others, right = made_answers(4000, 2, noise=2.0)
    found = prediction_sets.measure(others, right, value)
    assert found["covered"] / found["images"] < 0.9


def test_a_set_has_its_label_and_all_that_are_as_probable():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.3, 0.35, 0.35]])
    assert prediction_sets.sets(probabilities, 0.3).tolist() == [
        [True, True, False],
        [True, True, True],
    ]
    assert prediction_sets.sets(probabilities, 0.9).tolist() == [
        [True, False, False],
        [False, True, False],
    ]


def test_a_record_gives_the_threshold_of_a_coverage():
    probabilities, labels = made_answers(300, 3)
    record = {"conformal": prediction_sets.calibrate(probabilities, labels, "validation")}
    assert record["conformal"]["images"] == 300
    found = prediction_sets.threshold_of(record, 0.9)
    assert found == prediction_sets.threshold(probabilities, labels, 0.9)
    assert prediction_sets.threshold_of({}, 0.9) is None
    with pytest.raises(ValueError, match=r"COVERAGE must be one of 0\.50, 0\.51"):
        prediction_sets.threshold_of(record, 0.3)
    with pytest.raises(ValueError, match=r"not 0\.905"):
        prediction_sets.threshold_of(record, 0.905)


def test_images_that_gave_the_thresholds_are_measured_by_halves():
    probabilities, labels = made_answers(400, 4)
    conformal = prediction_sets.calibrate(probabilities, labels, "validation")
    told = prediction_sets.tell(probabilities, labels, conformal, "validation")
    assert told["by_halves"]
    assert {row["images"] for row in told["coverage"].values()} == {400}
    assert told["coverage"]["0.90"]["covered"] / 400 == pytest.approx(0.9, abs=0.04)
    other = prediction_sets.tell(*made_answers(500, 5), conformal, "test")
    assert not other["by_halves"]
    assert other["coverage"]["0.90"]["images"] == 500


def test_a_report_tells_of_prediction_sets(tmp_path):
    probabilities, labels = made_answers(200, 6)
    conformal = prediction_sets.calibrate(*made_answers(200, 7), "validation")
    report = reports.write_report(
        tmp_path, probabilities, labels, list("ABCD"), part="test", conformal=conformal
    )
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Prediction sets" in text
    row = report["prediction_sets"]["coverage"]["0.90"]
    assert row["measured"]["value"] == row["covered"] / 200
    assert f"| 90 | {100 * row['measured']['value']:.2f} (" in text


def test_entropy_and_margin_by_hand():
    probabilities = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0], [0.6, 0.3, 0.1, 0]])
    assert doubt_bands.entropy(probabilities)[:3] == pytest.approx([0, 1, 0.5])
    assert doubt_bands.margin(probabilities) == pytest.approx([1, 0, 0, 0.3])


def test_bands_are_percent_and_a_count():
    probabilities = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.4, 0.1, 0]])
    found = doubt_bands.bands(probabilities, "uint8", 0.3)
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 100, 68], [100, 0, 10], [1, 1, 2]]
    assert doubt_bands.bands(probabilities, "float32", None).shape == (2, 3)
    assert len(doubt_bands.names(0.3)) == 3
    assert len(doubt_bands.names(None)) == 2

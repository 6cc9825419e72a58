"""Several labels: their measures and their loss against trusted ones, and their report."""

import itertools

import keras
import numpy as np
import pytest
from sklearn import metrics

from landuse import files
from landuse.multilabel import label_measures, label_reports
from landuse.networks import label_losses
from landuse.training import growing, limits

CLASSES = ["Water", "Forest", "Town", "Ice"]


@pytest.fixture
def answers():
    """Labels of 60 patches of 10 tiles (none has ice), and probabilities that tell something."""
    rng = np.random.default_rng(3)
    truth = rng.random((60, 4)) < [0.5, 0.3, 0.15, 0.0]
    probabilities = np.clip(0.35 * truth + rng.random((60, 4)) * 0.6, 0, 1).astype(np.float32)
    return truth, probabilities, [f"T{number % 10}" for number in range(60)]


def test_thresholds_have_the_highest_f1(answers):
    truth, probabilities, _ = answers
    found = label_measures.best_thresholds(truth, probabilities)
    for index in range(3):
        best = max(
            metrics.f1_score(truth[:, index], probabilities[:, index] >= threshold)
            for threshold in np.unique(probabilities[:, index])
        )
        got = metrics.f1_score(truth[:, index], probabilities[:, index] >= found[index])
        assert got == pytest.approx(best)
    assert found[3] == 0.5


def test_figures_are_those_of_scikit_learn(answers):
    truth, probabilities, tiles = answers
    thresholds = np.array([0.4, 0.5, 0.6, 0.5])
    figures = label_measures.measure(truth, probabilities, thresholds, CLASSES, tiles)
    said = probabilities >= thresholds
    known = slice(0, 3)
    assert figures["micro_f1"]["value"] == pytest.approx(
        metrics.f1_score(truth, said, average="micro")
    )
    assert figures["macro_f1"]["value"] == pytest.approx(
        metrics.f1_score(truth[:, known], said[:, known], average="macro")
    )
    assert figures["at_half"]["macro_f1"] == pytest.approx(
        metrics.f1_score(truth[:, known], probabilities[:, known] >= 0.5, average="macro")
    )
    assert figures["mean_average_precision"] == pytest.approx(
        metrics.average_precision_score(truth[:, known], probabilities[:, known])
    )
    town = figures["per_class"]["Town"]
    assert town["recall"] == pytest.approx(metrics.recall_score(truth[:, 2], said[:, 2]))
    assert town["precision"] == pytest.approx(metrics.precision_score(truth[:, 2], said[:, 2]))
    assert town["patches"] == truth[:, 2].sum()
    assert figures["per_class"]["Ice"]["f1"] is None
    assert figures["tiles"] == 10
    assert figures["micro_f1"]["low"] < figures["micro_f1"]["value"] < figures["micro_f1"]["high"]
    few = label_measures.measure(truth, probabilities, thresholds, CLASSES, ["T1"] * 60)
    assert few["micro_f1"]["low"] is None


def test_guessing_is_the_best_of_all_constant_answers(answers):
    truth = answers[0]
    found = label_measures.guessing(truth)
    micro = max(
        metrics.f1_score(truth, np.tile(said, (60, 1)), average="micro", zero_division=0)
        for said in itertools.product([False, True], repeat=4)
    )
    assert found["micro_f1"] == pytest.approx(micro)
    macro = metrics.f1_score(truth[:, :3], np.ones((60, 3)), average="macro")
    assert found["macro_f1"] == pytest.approx(macro)


def test_classes_that_come_together():
    labels = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], bool)
    shares = label_measures.together(labels)
    np.testing.assert_allclose(shares[0], [1, 2 / 3, 0])
    np.testing.assert_allclose(shares[1], [2 / 3, 1, 0])
    assert np.isnan(shares[2]).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_keras_where_that_has_it(answers, smoothing):
    truth, probabilities = answers[0].astype("float32"), answers[1]
    loss = label_losses.LabelLoss(np.ones(4), 0.0, smoothing)
    known = keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    assert float(loss(truth, probabilities)) == pytest.approx(float(known(truth, probabilities)))
    if not smoothing:
        focal = label_losses.LabelLoss(np.ones(4), 2.0)
        known = keras.losses.BinaryFocalCrossentropy(gamma=2.0)
        assert float(focal(truth, probabilities)) == pytest.approx(
            float(known(truth, probabilities)), rel=1e-5
        )


def test_weights_are_of_yes_only():
    loss = label_losses.LabelLoss([3.0, 1.0])
    found = loss(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))
    assert float(found) == pytest.approx((3 + 1) / 2 * np.log(2))
    shares = np.array([0.5, 0.2, 0.9, 0.0])
    np.testing.assert_allclose(label_losses.yes_weights(shares, 1.0), [1, 4, 1, 100])
    np.testing.assert_allclose(label_losses.yes_weights(shares, 0.5), [1, 2, 1, 10])
    np.testing.assert_allclose(label_losses.yes_weights(shares, 0.0), [1, 1, 1, 1])


def test_the_report_tells_what_is_missing(answers, tmp_path):
    truth, probabilities, tiles = answers
    figures = label_measures.measure(truth, probabilities, np.full(4, 0.5), CLASSES, tiles)
    figures["part"] = "test"
    label_reports.write_report(tmp_path, figures, CLASSES, "A network")
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# A network\n\nMeasured on 60 patches of 10 tiles, test part. Nothing")
    assert "No patch has Ice." in text and "| Town |" in text and "| Ice |" not in text
    assert (tmp_path / "together.png").stat().st_size > 1000
    assert files.read_json(tmp_path / "report.json")["together"]["truth"][3] == [None] * 4


def test_pictures_grow_to_the_size_of_the_patches():
    growing.check_sizes([64, 120], 120)
    limits.check_settings({"PICTURE_SIZES": [120]}, 120)
    with pytest.raises(ValueError, match="from 32 px to 120 px"):
        limits.check_settings({"PICTURE_SIZES": [64]}, 120)

import json

import numpy as np
import pytest
from sklearn import metrics

import image_functions
from landuse.evaluation import measures, report_figures, reports
from landuse.patches import patch_pictures

CLASSES = ["Crop", "Forest", "River"]


def make_answers(count=300, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    scores = rng.normal(0, 1, (count, classes))
    scores[np.arange(count), labels] += 1.5
    probabilities = np.exp(scores)
    return probabilities / probabilities.sum(axis=1, keepdims=True), labels


def certain(predicted, classes=3):
    return np.eye(classes)[predicted]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe 1998 (Statistics in Medicine 17:857-872), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_as_published(successes, trials, low, high):
    found = measures.wilson_interval(successes, trials)
    assert found["value"] == successes / trials
    assert found["low"] == pytest.approx(low, abs=6e-5)
    assert found["high"] == pytest.approx(high, abs=6e-5)


def test_wilson_interval_is_symmetric_and_knows_nothing_of_nothing():
    few, many = measures.wilson_interval(3, 10), measures.wilson_interval(7, 10)
    assert few["low"] == pytest.approx(1 - many["high"])
    assert measures.wilson_interval(10, 10)["high"] == 1
    assert measures.wilson_interval(0, 0) == {"value": None, "low": None, "high": None}


def test_scores_are_those_of_scikit_learn():
    probabilities, labels = make_answers()
    predicted = probabilities.argmax(axis=1)
    found = measures.measure(probabilities, labels, CLASSES)
    assert found["accuracy"]["value"] == metrics.accuracy_score(labels, predicted)
    balanced = metrics.balanced_accuracy_score(labels, predicted)
    assert found["balanced_accuracy"]["value"] == pytest.approx(balanced)
    f1 = metrics.f1_score(labels, predicted, average="macro")
    assert found["macro_f1"]["value"] == pytest.approx(f1)
    assert found["kappa"]["value"] == metrics.cohen_kappa_score(labels, predicted)
    scores = metrics.precision_recall_fscore_support(labels, predicted)
    for name, *expected in zip(CLASSES, *scores, strict=True):
        row = found["per_class"][name]
        values = [row[score]["value"] for score in ("precision", "recall", "f1")]
        assert [*values, row["images"]] == pytest.approx(expected)


def test_scores_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = measures.measure(certain([0, 0, 1, 1, 1, 0]), labels, CLASSES)
    assert found["confusion_matrix"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert found["accuracy"]["value"] == 4 / 6
    assert found["balanced_accuracy"]["value"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["per_class"]["River"]["precision"]["value"] is None  # never predicted
    assert found["per_class"]["River"]["f1"]["value"] == 0
    # Chance agreement: (3 * 3 + 2 * 3 + 1 * 0) / 36
    assert found["kappa"]["value"] == pytest.approx((4 / 6 - 15 / 36) / (1 - 15 / 36))


def test_a_class_without_images_does_not_count():
    labels = np.array([0, 0, 1, 1])
    found = measures.measure(certain([0, 0, 1, 0]), labels, CLASSES)
    assert found["per_class"]["River"]["recall"]["value"] is None
    assert found["per_class"]["River"]["f1"]["value"] is None
    assert found["balanced_accuracy"]["value"] == 0.75
    assert found["macro_f1"]["value"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_one_class_alone_has_no_kappa():
    found = measures.measure(certain([1, 1, 1]), np.array([1, 1, 1]), CLASSES)
    assert found["accuracy"]["value"] == 1
    assert found["kappa"]["value"] is None


def test_intervals_hold_the_values_and_shrink_with_more_images():
    small = measures.measure(*make_answers(100), CLASSES)
    large = measures.measure(*make_answers(10_000), CLASSES)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "kappa"):
        for found in (small[name], large[name]):
            assert found["low"] < found["value"] < found["high"]
        width = small[name]["high"] - small[name]["low"]
        # A hundred times the images, a tenth of the width
        assert width / (large[name]["high"] - large[name]["low"]) == pytest.approx(10, rel=0.3)


def test_bootstrap_agrees_with_drawing_the_images():
    probabilities, labels = make_answers(200)
    predicted = probabilities.argmax(axis=1)
    matrix = metrics.confusion_matrix(labels, predicted)
    low, high = measures.bootstrap_intervals(matrix, seed=3)["kappa"]
    rng = np.random.default_rng(4)
    draws = [rng.integers(0, 200, 200) for _ in range(400)]
    kappas = [metrics.cohen_kappa_score(labels[draw], predicted[draw]) for draw in draws]
    assert [low, high] == pytest.approx(np.quantile(kappas, (0.025, 0.975)), abs=0.02)
    again = measures.bootstrap_intervals(matrix, seed=3)["kappa"]
    assert (low, high) == again


def test_calibration_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.52, 0.48]])
    found = measures.calibration(probabilities, np.array([0, 1, 1, 1]), bins=10)
    # Bin up to 0.9: sure 0.9, right 0.5; up to 0.7: 0.7 and 1; up to 0.6: 0.52 and 0
    assert found["expected_calibration_error"] == pytest.approx((2 * 0.4 + 0.3 + 0.52) / 4)
    assert found["mean_probability"] == pytest.approx((0.9 + 0.9 + 0.7 + 0.52) / 4)
    assert [row["images"] for row in found["bins"]] == [0, 0, 0, 0, 0, 1, 1, 0, 2, 0]
    assert found["bins"][8]["accuracy"] == 0.5
    assert found["bins"][0]["accuracy"] is None


def test_a_sure_and_right_model_is_calibrated():
    found = measures.calibration(certain([0, 1, 2]), np.array([0, 1, 2]))
    assert found["expected_calibration_error"] == 0
    assert len(found["bins"]) == 15


def test_worst_confusions_are_the_most_frequent_and_surest():
    labels = np.array([0, 0, 0, 1, 2])
    probabilities = np.array(
        [[0.4, 0.6, 0], [0.1, 0.9, 0], [0.8, 0.1, 0.1], [0.9, 0.1, 0], [0.0, 0.1, 0.9]]
    )
    assert measures.worst_confusions(probabilities, labels) == [(0, 1, 2, [1, 0]), (1, 0, 1, [3])]


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.zeros((4, 2)), np.zeros(4, int), r"\(4, 3\)"),
        (np.zeros((4, 3)), np.zeros(5, int), r"\(5, 3\)"),
        (np.zeros((0, 3)), np.zeros(0, int), "at least one"),
        (np.zeros((2, 3)), np.array([0, 3]), "from 0 to 3, but there are 3 classes"),
        (np.full((2, 3), np.nan), np.array([0, 1]), "of 2 of 2 images are not finite"),
    ],
)
def test_bad_input_is_explained(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        measures.measure(probabilities, labels, CLASSES)


def test_history_from_rows_columns_and_file(tmp_path):
    (tmp_path / "history.csv").write_text(
        "epoch,phase,accuracy,val_accuracy\n1,top,0.5,0.4\n2,top,0.6,\n3,all,0.7,0.6\n"
    )
    rows = [
        {"epoch": 1, "phase": "top", "accuracy": 0.5, "val_accuracy": 0.4},
        {"epoch": 2, "phase": "top", "accuracy": 0.6},
        {"epoch": 3, "phase": "all", "accuracy": 0.7, "val_accuracy": 0.6},
    ]
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    for history in (tmp_path / "history.csv", rows, columns):
        found = report_figures.history_columns(history)
        assert found["accuracy"].tolist() == [0.5, 0.6, 0.7]
        assert found["phase"].tolist() == [0, 0, 1]
        np.testing.assert_array_equal(found["val_accuracy"], [0.4, np.nan, 0.6])


def test_a_patch_of_13_bands_is_shown_in_its_natural_colours():
    patch = np.zeros((2, 2, 13), np.uint16)
    for name, value in (("B04", 2750), ("B03", 1375), ("B02", 1)):
        patch[..., image_functions.BANDS_MS.index(name)] = value
    picture = patch_pictures.patch_in_colours(patch)
    expected = image_functions.scale_to_rgb8(np.array([2750, 1375, 1]))
    assert picture.shape == (2, 2, 3)
    np.testing.assert_array_equal(picture[0, 0], expected)
    assert picture[0, 0, 0] == 255


def test_a_patch_of_8_bits_is_shown_as_it_is():
    patch = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(patch_pictures.patch_in_colours(patch), patch)


@pytest.mark.parametrize("names", [["B12", "B8A", "B04"], ["B08"], ["B08", "B04"]])
def test_a_patch_without_natural_colours_is_stretched(names):
    patch = np.random.default_rng(0).integers(0, 4000, (8, 8, len(names))).astype(np.uint16)
    picture = patch_pictures.patch_in_colours(patch, names)
    assert picture.shape == (8, 8, 3)
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)


HISTORY = {"accuracy": [0.5, 0.7], "val_accuracy": [0.4, 0.6], "loss": [2, 1], "val_loss": [2, 2]}
ALL_FILES = {
    "report.md",
    "report.json",
    "confusion_matrix.png",
    "learning_curves.png",
    "reliability.png",
    "worst_confusions.png",
}


def write(folder, part="test", **options):
    probabilities, labels = make_answers(60)
    patches = np.random.default_rng(1).integers(0, 3000, (60, 64, 64, 13)).astype(np.uint16)
    names = [f"{CLASSES[label]}/{CLASSES[label]}_{n}.tif" for n, label in enumerate(labels)]
    options = {"history": HISTORY, "files": names, "patches": patches} | options
    return reports.write_report(folder, probabilities, labels, CLASSES, part=part, **options)


def test_the_report_is_complete_and_the_same_each_time(tmp_path):
    report = write(tmp_path / "runs" / "one")
    write(tmp_path / "two")
    first = {path.name: path.read_bytes() for path in (tmp_path / "runs" / "one").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert set(first) == ALL_FILES
    assert first == second
    assert json.loads(first["report.json"]) == report


def test_the_text_says_what_it_was_measured_on(tmp_path):
    report = write(tmp_path, title="VGG16, RGB")
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# VGG16, RGB\n")
    assert "60 images of the **test** part" in text
    accuracy = report["accuracy"]
    assert f"| Accuracy, % | {100 * accuracy['value']:.2f} (" in text
    assert all(f"| {name} |" in text for name in CLASSES)
    assert "![confusion matrix](confusion_matrix.png)" in text
    assert "flatters" not in text
    write(tmp_path, part="validation")
    assert "flatters" in (tmp_path / "report.md").read_text()


def test_no_pictures_of_what_there_is_not(tmp_path):
    write(tmp_path, history=None, files=None, patches=None)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == ALL_FILES - {"learning_curves.png", "worst_confusions.png"}


def test_a_faultless_model_has_a_report_too(tmp_path):
    labels = np.array([0, 1, 2])
    patches = np.zeros((3, 64, 64, 3), np.uint8)
    report = reports.write_report(tmp_path, certain(labels), labels, CLASSES, patches=patches)
    assert report["most_frequent_confusions"] == []
    assert "Most frequent" not in (tmp_path / "report.md").read_text()
    assert (tmp_path / "worst_confusions.png").is_file()


def test_many_classes_fit(tmp_path):
    probabilities, labels = make_answers(500, classes=43)
    report = reports.write_report(tmp_path, probabilities, labels, [f"c{n}" for n in range(43)])
    assert len(report["per_class"]) == 43


def test_a_file_in_place_of_the_folder_is_explained(tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(NotADirectoryError, match="cannot write a report to"):
        write(tmp_path / "report")


def test_class_names_in_any_script_are_drawn_without_a_word(tmp_path, recwarn):
    figure = report_figures.new_figure(3, 2)
    figure.suptitle("水田")
    report_figures.save_figure(figure, tmp_path / "a.png")
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    report_figures.new_figure(3, 2).suptitle("水田").figure.canvas.draw()  # does warn here
    assert [warning for warning in recwarn if "Glyph" in str(warning.message)]

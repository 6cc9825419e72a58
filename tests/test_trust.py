"""What travels with a map: which model made it, how right that is, what speaks against it."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from skimage import io

from landuse.evaluation import map_trust, measured_images, measures, reports, trust, verdicts
from landuse.networks import model_files, shipped
from landuse.outputs import (
    area_tables,
    geotiffs,
    land_use_map,
    map_layers,
    pages,
    quicklooks,
)
from landuse.patches import split_identity

CLASSES = ["Forest", "River", "Town"]


def results_of(matrix, **more):
    """What a record keeps of a report with this confusion matrix."""
    matrix = np.array(matrix)
    rows = measures._per_class(matrix, [0.0] * 3, ([0.0] * 3, [0.0] * 3), CLASSES)
    kept = {
        name: {what: row[what] for what in ("images", "precision", "recall")}
        for name, row in rows.items()
    }
    right, images = int(np.trace(matrix)), int(matrix.sum())
    return {
        "accuracy": measures.wilson_interval(right, images),
        "images": images,
        "part": "test",
        "per_class": kept,
        "most_frequent_class": float(matrix.sum(axis=1).max() / images),
        "date": "2026-11-24",
        "finished": True,
        **more,
    }


def record_of(matrix, **more):
    return {
        "class_names": CLASSES,
        "run": "small_run",
        "split": {"name": "split_RGB", "kind": "geographic", "fingerprint": "f"},
        "results": results_of(matrix, **more),
    }


GOOD = [[95, 3, 2], [2, 97, 1], [3, 0, 97]]
ONE_WEAK = [[99, 1, 0], [1, 99, 0], [0, 19, 31]]  # 31 of 50 towns are found
POOR = [[65, 20, 15], [20, 65, 15], [15, 20, 65]]
GUESSING = [[90, 0, 0], [20, 0, 0], [10, 0, 0]]


@pytest.mark.parametrize(
    ("matrix", "grade"),
    [(GOOD, "good"), (ONE_WEAK, "usable"), (POOR, "poor"), (GUESSING, "poor")],
)
def test_grades(matrix, grade):
    assert verdicts.grade(results_of(matrix)) == grade


def test_few_images_are_not_good_for_a_map_even_if_nearly_all_are_right():
    few = results_of([[12, 0, 0], [0, 11, 1], [0, 0, 12]])  # 35 of 36: 85.8 to 99.5 %
    assert verdicts.grade(few) == "good"
    fewer = results_of([[6, 0, 0], [0, 5, 1], [0, 0, 6]])  # 17 of 18: 74.2 to 99.0 %
    assert verdicts.grade(fewer) == "usable"


@pytest.mark.parametrize("results", [{}, {"accuracy": None}, {"accuracy": {"value": "high"}}])
def test_what_was_not_measured_has_no_grade(results):
    assert verdicts.grade(results) == "unknown"


def report_of(matrix, yardstick=None):
    matrix = np.array(matrix)
    pairs = [
        {"true": CLASSES[true], "predicted": CLASSES[taken], "images": count}
        for true, taken, count in measures.confused_pairs(matrix)
    ]
    return {
        **results_of(matrix),
        "confusion_matrix": matrix.tolist(),
        "most_frequent_confusions": pairs,
        "yardstick": yardstick,
    }


def test_next_steps_of_a_report():
    few = report_of([[8, 4, 0], [0, 11, 1], [1, 0, 11]], {"value": 0.9})
    history = {
        "accuracy": np.array([0.5, 0.7, 0.85, 0.988]),
        "val_accuracy": np.array([0.4, 0.5, 0.65, 0.83]),
    }
    found = verdicts.verdict(few, history, ["from scratch"])
    assert found["grade"] == "usable"
    told = "\n".join(found["next_steps"])
    assert "36 images cannot tell 68 from 92 %" in told
    assert "train longer, with EPOCHS = 8" in told
    assert "(99 % right) much better than others (83 %)" in told
    assert "is right in 90.0 %, no less than this network" in told
    assert "4 of 12 images of Forest are taken for River" in told


def test_nothing_is_advised_where_nothing_is_wrong():
    flat = {"accuracy": np.full(8, 0.97), "val_accuracy": np.full(8, 0.96)}
    matrix = (np.array(GOOD) * 10).tolist()
    found = verdicts.verdict(report_of(matrix, {"value": 0.8}), flat, ["from scratch"])
    assert (found["grade"], found["next_steps"]) == ("good", [])
    assert found["rule"].endswith("and no class is below 70 %")


def test_chance_is_no_rise():
    wobbling = np.array([0.80, 0.82, 0.80, 0.82, 0.81, 0.82, 0.80, 0.83])
    assert not verdicts.is_rising(wobbling, images=100)
    assert verdicts.is_rising(np.linspace(0.3, 0.8, 8), images=100)
    assert not verdicts.is_rising(np.array([0.5]), images=100)


def test_what_knows_its_images_is_not_trained_longer_because_its_rate_fell():
    rising = np.linspace(0.5, 0.97, 8)
    for known, steps in ((0.98, 1), (0.995, 0)):
        history = {"accuracy": np.append(rising[:-1], known), "val_accuracy": rising}
        found = verdicts.verdict(report_of(GOOD), history, ["from scratch"])
        assert len(found["next_steps"]) == steps


def test_the_phase_that_was_last_is_the_one_to_lengthen():
    report = report_of(GOOD)
    history = {
        "accuracy": np.array([0.2, 0.3, 0.3, 0.8]),
        "val_accuracy": np.array([0.2, 0.3, 0.3, 0.8]),
        "phase": np.array([0.0, 0.0, 1.0, 1.0]),
    }
    (told,) = verdicts.verdict(report, history, ["top", "fine-tuning"])["next_steps"]
    assert "EPOCHS = 4" in told
    (told,) = verdicts.verdict(report, history, ["fine-tuning", "mosaics"])["next_steps"]
    assert "MOSAIC_EPOCHS = 4" in told


def test_a_model_tells_its_run_its_day_and_how_right_it_is():
    told = trust.of_model(record_of(POOR), "runs/x/model.keras")
    assert told.model == "small_run of 24 November 2026"
    assert told.measured == (
        "The model is right in 65.0 % (95 % interval 59.4 to 70.2) of the 300 test images of "
        "split_RGB (geographic split)."
    )
    assert told.warnings[0].startswith("this model is right in only 65.0 %")
    assert sorted(told.weak) == CLASSES
    assert told.precision["Forest"] == 0.65
    assert trust.of_model(record_of(GOOD), "model.keras").warnings == []


def test_cautions():
    record = record_of(POOR, part="validation", finished=False)
    record["split"]["kind"] = "random"
    text = " ".join(trust.of_model(record, "a.keras").cautions)
    assert "was not finished" in text
    assert "No independent test part" in text
    assert "Neighbours" in text
    assert "cannot tell 59 from 70 %" in text


def test_a_model_that_went_on_from_another_may_know_the_images():
    for weights in ("models/eurosat_rgb.keras", "eurosat_rgb"):
        record = record_of(GOOD) | {"weights": weights}
        assert "went on from eurosat_rgb.keras" in trust.of_model(record, "a.keras").cautions[-1]
    record = record_of(GOOD) | {"weights": "imagenet"}
    assert "went on" not in " ".join(trust.of_model(record, "a.keras").cautions)


def test_a_run_that_was_not_finished_has_the_accuracy_of_its_best_epoch():
    record = record_of(GOOD)
    record["results"] = {"validation_accuracy": 0.5, "validation_images": 40}
    told = trust.of_model(record, "a.keras")
    assert (
        "right in 50.0 % (95 % interval 35.2 to 64.8) of the 40 validation images" in told.measured
    )
    assert "was not finished" in told.cautions[0]


@pytest.mark.parametrize("results", [None, 3, {"accuracy": {"value": 2}}, {"per_class": [1]}])
def test_a_record_that_tells_nothing_is_no_error(results):
    told = trust.of_model({"results": results, "split": 7}, "model/eurosat.keras")
    assert told.measured == "Nobody knows how right this model is."
    assert told.model == "eurosat"
    assert told.digits() == 1


def test_the_shipped_model_tells_of_real_places():
    record = record_of(GOOD)
    told = trust.of_model(record, shipped.find_model("eurosat_rgb"))
    assert told.model.startswith("eurosat_rgb, which comes with")
    assert told.measured.startswith("The model was right in 84.4 % ")
    assert told.digits() == 1
    record["weights"] = "eurosat_rgb"  # as it has itself: its card says what it began with
    told = trust.of_model(record, shipped.find_model("eurosat_rgb"))
    assert "went on" not in " ".join(told.cautions)


def shipped_trust():
    """What the model that comes along tells, with the classes that it knows."""
    return trust.of_model(record_of(GOOD), shipped.find_model("eurosat_rgb"))


def test_the_classes_of_the_shipped_model_have_their_counts_of_real_places():
    told = shipped_trust()
    assert told.right_in_what("PermanentCrop") == "0 of 13 windows in real places"
    assert told.right_in_what("Highway") == "3 of 9 windows in real places"
    assert told.right_in_what("SeaLake") == ""  # never said there
    assert told.precision["Industrial"] == 0.75
    # 0 of 1 may be chance, 9 of 12 are enough
    assert told.weak == ["PermanentCrop", "Highway", "Pasture"]
    of_patches = trust.of_model(record_of(GOOD), "a.keras")
    assert of_patches.right_in_what("River") == "97 % of test patches"
    of_pixels = {**record_of(GOOD, part="other places", pixels=300), "task": "pixels"}
    of_pixels["results"]["mean_iou"] = {"value": 0.9}
    told = trust.of_model(of_pixels, "a.keras")
    assert told.right_in_what("River") == "97 % of pixels of other places"


def test_table_page_and_picture_say_what_the_shares_are_of(tmp_path):
    names = ["PermanentCrop", "Highway", "SeaLake"]
    labels = np.array([[0, 1, 2]], np.uint8)
    place = (600_000.0, 640.0, 0.0, 4_850_000.0, 0.0, -640.0)

    def made(told):
        land_use = land_use_map.LandUseMap(labels, place, "EPSG:32632", names, trust=told)
        area_tables.write_areas(tmp_path / "areas.csv", land_use)
        with open(tmp_path / "areas.csv", newline="") as file:
            table = list(csv.reader(file))
        scene = map_layers.Picture(
            np.full((64, 192, 3), 90, np.uint8), (*place[:1], 10.0, *place[2:5], -10.0)
        )
        data = pages._page_data(map_layers.scene_layer(scene, 100), land_use)
        legend = [name for _, name in quicklooks._legend_texts(land_use, land_use.areas[:3])]
        return (
            [row[4] for row in table[:4]],
            [entry["right"] for entry in data["classes"]],
            data["trust"]["right_of"],
            legend,
            quicklooks._legend_note(land_use),
        )

    cells, entries, of, legend, note = made(shipped_trust())
    assert cells == ["right of those called so, windows in real places", "0 of 13", "3 of 9", ""]
    assert entries == ["0 of 13 windows in real places", "3 of 9 windows in real places", None]
    assert of == "windows in real places"
    assert legend[0] == "PermanentCrop (right in 0 of 13 windows in real places)"
    assert legend[2] == "SeaLake"
    assert "of the windows in real places that were called so, so many were so" in note
    told = trust.Trust(precision={"Highway": 0.97}, precision_of="validation patches")
    cells, entries, of, legend, note = made(told)
    assert cells == ["right of those called so, % of validation patches", "", "97", ""]
    assert entries == [None, "97 % of validation patches", None]
    assert legend[1] == "Highway (right in 97 % of validation patches)"
    assert "of the validation patches that were called so" in note


@pytest.mark.parametrize(("low", "digits"), [(0.65, 1), (0.89, 1), (0.9, 2), (0.97, 2), (0.99, 3)])
def test_digits_that_an_accuracy_allows(low, digits):
    assert trust.Trust(accuracy={"value": 1.0, "low": low}).digits() == digits


@pytest.mark.parametrize(
    ("value", "digits", "found"),
    [(1234.56, 1, 1000), (1234.56, 2, 1200), (0.0347, 2, 0.03), (0, 1, 0), (96.0, 2, 96)],
)
def test_rounding(value, digits, found):
    assert trust.rounded(value, digits) == found


def map_of(told):
    labels = np.zeros((10, 10), np.uint8)
    labels[0, :7], labels[1:3] = 1, 2  # 73, 7 and 20 cells of 0.64 ha
    place = (600_000.0, 80.0, 0.0, 4_850_000.0, 0.0, -80.0)
    return land_use_map.LandUseMap(labels, place, "EPSG:32632", CLASSES, trust=told)


def test_areas_have_the_digits_that_the_accuracy_allows(tmp_path):
    told = trust.of_model(record_of(POOR), "a.keras").warned(["another sensor"])
    area_tables.write_areas(tmp_path / "areas.csv", map_of(told))
    with open(tmp_path / "areas.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    hectares = [row["hectares (UTM pixel area)"] for row in rows]
    assert hectares == ["50", "4", "10", "0"]  # 46.72, 4.48, 12.8
    assert [row["percent of the classified area"] for row in rows] == ["70", "7", "20", ""]
    assert [row["pixels"] for row in rows] == ["73", "7", "20", "0"]
    assert rows[0]["right of those called so, % of test patches"] == "65"
    assert "only 65.0 %" in rows[0]["warning"] and "another sensor" in rows[0]["warning"]
    assert rows[1]["warning"] == ""


def test_a_map_that_knows_nothing_of_its_model_is_written_as_ever(tmp_path):
    area_tables.write_areas(tmp_path / "areas.csv", map_of(None))
    text = (tmp_path / "areas.csv").read_text()
    assert "Forest,73,46.72,73.00\n" in text
    assert "warning" not in text


def test_the_page_carries_warnings_and_accuracy():
    told = trust.of_model(record_of(POOR), "a.keras")
    data = pages._trust_data(told)
    assert data["model"] == "small_run of 24 November 2026"
    assert data["lines"][0] == told.measured
    assert data["warnings"] == list(told.warnings)
    json.dumps(told.as_facts(), allow_nan=False)


# ---- the images that measure a model


@pytest.fixture
def splits(tmp_path, monkeypatch):
    """Two splits of small images, and a model's folder beside them."""
    monkeypatch.chdir(tmp_path)
    for name, first in (("split_a", 0), ("split_b", 5)):
        for part, numbers in (("train", range(4)), ("validation", range(4, 6))):
            for label in ("Forest", "River"):
                folder = tmp_path / name / part / label
                folder.mkdir(parents=True)
                for number in numbers:
                    image = folder / f"{label}_{first + number}.png"
                    io.imsave(image, np.zeros((2, 2, 3), np.uint8), check_contrast=False)
    return tmp_path


def model_record():
    settings = {"PATH_TO_SPLIT_DATASETS": "split_a"}
    return {"settings": settings, "split": split_identity.identity("split_a")}


def test_a_model_is_measured_on_its_own_validation_part(splits):
    found = measured_images.find(model_record(), "runs/a/model.keras", None, None)
    assert found.folder.as_posix() == "split_a/validation"
    assert (found.part, found.own, found.note) == ("validation", True, None)
    (splits / "split_a" / "test").mkdir()  # an empty part is none
    assert measured_images.find(model_record(), "a.keras", None, None).part == "validation"


def test_a_split_that_has_changed_must_be_named(splits):
    record = model_record()
    next((splits / "split_a" / "train" / "River").iterdir()).unlink()
    with pytest.raises(ValueError, match=r"trained on the split split_a, .* in split_a: name a"):
        measured_images.find(record, "a.keras", None, None)
    with pytest.raises(ValueError, match="does not tell which images"):
        measured_images.find({}, "a.keras", None, None)


def test_the_split_is_found_by_the_settings_of_the_run(splits):
    record = {**model_record(), "settings": {"PATH_TO_SPLIT_DATASETS": "moved"}}
    run = splits / "runs" / "a"
    run.mkdir(parents=True)
    (run / "settings.json").write_text(
        json.dumps({"PATH_TO_SPLIT_DATASETS": str(splits / "split_a")})
    )
    assert measured_images.own_split(record, run / "model.keras") == splits / "split_a"


def test_images_of_another_data_set_are_said(splits):
    found = measured_images.find(model_record(), "a.keras", "split_b/validation", None)
    assert found.own is False
    assert found.note == "another data set than the one that the model was trained on (split_a)"
    assert found.name == "split_b_validation"
    again = splits / "split_c" / "test" / "Forest"
    again.mkdir(parents=True)
    (again / "Forest_1.jpg").write_bytes(b"")  # its PNG is among the training images
    (again / "Forest_9.jpg").write_bytes(b"")
    found = measured_images.find(model_record(), "a.keras", "split_c/test", None)
    assert found.note.endswith("; 1 of its images have the names of training images of the model")
    assert found.condition == "if the model has not learned from these images"


def test_where_the_split_of_the_model_is_not_at_hand_its_images_may_be_among_these(splits):
    record = model_record()
    (splits / "split_a").rename(splits / "elsewhere")
    found = measured_images.find(record, "a.keras", "split_b/validation", None)
    assert found.note == (
        "these may be images that the model learned from: its split (split_a) is not at hand to "
        "compare"
    )
    assert (found.condition, found.learned) == (measured_images.UNSEEN, False)
    assert found.name == "split_b_validation"
    whole = measured_images.find(record, "a.keras", "elsewhere/validation", None)  # only moved
    assert (whole.own, whole.condition) == (True, None)
    assert measured_images.find({}, "a.keras", "split_b/validation", None).condition
    assert measured_images.find(record, "a.keras", "elsewhere/train", None).learned


def test_eurosat_cannot_measure_the_model_that_comes_along(splits):
    path = shipped.find_model("eurosat_rgb")
    found = measured_images.find(model_record(), path, "split_b/validation", None)
    assert "RGB patches, and these images are named as those of EuroSAT" in found.note
    said = "if none of these images is of EuroSAT, though their names suggest so"
    assert (found.condition, found.learned) == (said, False)
    found = measured_images.find(model_record(), path, "split_b/validation", "training")
    assert (found.condition, found.learned) == (said, False)  # a word of the user's tells nothing
    cut = splits / "cut"
    for image in (splits / "split_b" / "validation").glob("*/*.png"):
        place = cut / image.parent.name / f"{image.parent.name}_scene_{image.stem[-1]}_7.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(image.read_bytes())
    record = {**model_record(), "split": {"name": "split_all", "fingerprint": "of another"}}
    found = measured_images.find(record, path, "cut", None)
    assert (found.learned, found.condition) == (False, "if none of these images is of EuroSAT")
    with pytest.raises(ValueError, match=r"that it was trained on do not\. .*script 08"):
        measured_images.find(record, path, None, None)


def test_no_verdict_praises_a_model_by_what_it_may_have_learned_from():
    report = report_of((np.array(GOOD) * 10).tolist())
    found = verdicts.verdict(report, condition="if these are others")
    assert verdicts.lines_of(found)[0].startswith(
        "verdict: good for a map, if these are others; it is right in 96.3 %"
    )
    assert reports._verdict_lines({"verdict": found})[0].startswith(
        "**Good for a map, if these are others**: "
    )
    found = verdicts.verdict(report, learned=True)
    assert found["grade"] == "learned"
    assert verdicts.lines_of(found)[0].startswith("verdict: nobody knows: it has learned from")
    assert "labelled patches of other places" in found["next_steps"][0]
    poor = verdicts.verdict(report_of(POOR), condition="if these are others", learned=True)
    assert verdicts.lines_of(poor)[0].startswith("verdict: poor: do not trust its maps; ")


def test_a_map_tells_in_its_tags_what_it_was_told():
    told = trust.of_model(record_of(POOR), "a.keras").warned(["another sensor"])
    tags = geotiffs.metadata_tags(told.as_facts())
    assert not [name for name in tags if name.startswith("CLASS_")]  # numbers of classes only
    again = map_trust.of_tags(tags)
    assert again.lines() == told.lines()
    assert list(again.warnings) == list(told.warnings)
    assert (again.model, again.precision) == (told.model, told.precision)
    assert again.right_in_what("Forest") == "65 % of test patches"
    assert map_trust.of_tags({"MODEL": "model.keras"}) is None


def test_counts_of_real_places_travel_in_the_tags():
    tags = geotiffs.metadata_tags(shipped_trust().as_facts())
    again = map_trust.of_tags(tags)
    assert again.right_in_what("PermanentCrop") == "0 of 13 windows in real places"
    assert again.right_in("SeaLake") == ""
    assert again.weak == shipped_trust().weak
    broken = map_trust.of_tags({**tags, "RIGHT_OF_SAID": '{"Highway": [3], "River": 7}'})
    assert broken.right_in("Highway") == "33 %"


def test_maps_made_before_say_patches_or_pixels():
    tags = {"TRAINED": "a run", "PRECISIONS": '{"Forest": 0.65}', "METHOD": "dense"}
    assert map_trust.of_tags(tags).right_in_what("Forest") == "65 % of patches"
    tags["METHOD"] = "pixels"
    assert map_trust.of_tags(tags).right_in_what("Forest") == "65 % of pixels"


def test_a_check_stands_in_place_of_the_model():
    figures = {
        "points": 200,
        "overall_accuracy": {"value": 0.81, "low": 0.75, "high": 0.87},
        "users_accuracy": {
            "Forest": {"value": 0.95},
            "River": {"value": 0.5},
            "Town": {"value": None},
        },
        "warnings": [],
    }
    told = map_trust.of_check(figures, "small_run")
    assert told.measured == (
        "This map is right in 81.0 % (95 % interval 75.0 to 87.0), by 200 points of a random "
        "sample that were labelled."
    )
    assert (told.weak, told.digits()) == (["River"], 1)
    assert told.precision == {"Forest": 0.95, "River": 0.5}
    assert told.right_in_what("River") == "50 % of labelled points"


def test_what_was_counted_of_each_class_does_not_hold_without_one():
    told = trust.of_model(model_files.read_record(shipped.find_model("eurosat_rgb")), "eurosat_rgb")
    told = dataclasses.replace(told, right_of_said={"River": (13, 15)}, precision={"River": 0.87})
    left = dataclasses.replace(told, weak=["PermanentCrop", "Pasture"]).without(["PermanentCrop"])
    assert (left.weak, left.right_in("River"), left.precision) == (["Pasture"], "", {})
    assert left.accuracy == told.accuracy and left.cautions == told.cautions

"""Script 10: which windows to label next, on maps told by hand, and what that brings."""

import json
import runpy
import sys

import numpy as np
import pytest

from landuse import sensors
from landuse.cutting import candidates, choosing, label_files, next_windows, window_files
from landuse.outputs import geotiffs, labelling_page, land_use_map
from landuse.patches import patch_places
from landuse.rasters import label_maps, labelled_features, point_files, writing

UTM = "EPSG:32632"
PIXELS = (600_000.0, 10.0, 0.0, 4_850_000.0, 0.0, -10.0)
CELLS = (600_000.0, 80.0, 0.0, 4_850_000.0, 0.0, -80.0)
NAMES = ["Forest", "River"]


def choose(labels, doubt, count, known=(), counts=(0, 0), cell=8):
    known = np.array(known, float).reshape(-1, 2)
    found = next_windows.choose_cells(labels, doubt, cell, count, known, np.array(counts))
    return list(zip(*(values.tolist() for values in found), strict=True))


@pytest.fixture
def made():
    """A map of 50 x 60 cells, 400 x 480 px: forest in the west, river in the east."""
    labels = np.zeros((50, 60), np.uint8)
    labels[:, 30:] = 1
    return labels, np.random.default_rng(0).random((50, 60)).astype(np.float32) / 2


# ---- the choice


def test_the_cell_of_most_doubt_comes_first_in_each_class(made):
    labels, doubt = made
    doubt[20, 10], doubt[30, 50] = 0.9, 0.8
    assert set(choose(labels, doubt, 2)) == {(20, 10), (30, 50)}


def test_classes_take_turns_and_the_one_with_the_fewest_labels_is_first(made):
    labels, doubt = made
    turns = [int(labels[place]) for place in choose(labels, doubt, 3, counts=(9, 1))]
    assert turns == [1, 0, 1]
    mixed = [labels[place] for place in choose(labels, doubt, 6)]
    assert sorted(mixed) == [0, 0, 0, 1, 1, 1]


def test_windows_lie_in_the_map_and_side_by_side(made):
    labels, doubt = made
    for count in (2, 8, 100):
        found = np.array(choose(labels, doubt, count))
        assert found.min() >= 4 and found[:, 0].max() <= 45 and found[:, 1].max() <= 55
        apart = np.abs(found[:, None] - found[None]).max(axis=2)
        assert apart[~np.eye(len(found), dtype=bool)].min() >= 8
    assert 20 <= len(found) < 42  # 6 x 7 windows would fit if they lay in rows


def test_few_windows_are_spread_over_the_map(made):
    labels, doubt = made
    doubt[20:26, 5:25] = 0.9  # all doubt in one place
    found = np.array([place for place in choose(labels, doubt, 6) if labels[place] == 0])
    apart = np.abs(found[:, None] - found[None]).max(axis=2)
    assert apart[~np.eye(3, dtype=bool)].min() >= 9.5  # half of what 6 windows have each


def test_labelled_windows_and_cells_without_data_are_not_chosen(made):
    labels, doubt = made
    doubt[20, 10] = 0.99
    labels[:, :5] = 255
    found = np.array(choose(labels, doubt, 20, known=[(20.5, 10.5)]))
    assert np.abs(found - (20.5, 10.5)).max(axis=1).min() >= 4
    assert found[:, 1].min() >= 5
    assert choose(np.full((50, 60), 255, np.uint8), doubt, 5) == []


def test_doubt_is_the_smallest_lead_that_is_known():
    first = np.array([[90, 60]], np.uint8)
    every = np.dstack([first, [[90, 30]], [[10, 60]]]).astype(np.uint8)
    margin = np.dstack([first, [[50, 5]]]).astype(np.uint8)
    named = ["probability", *NAMES]
    alone = next_windows.doubt_of(first, ["probability"], NAMES)
    np.testing.assert_allclose(alone, [[0.1, 0.4]], atol=1e-6)
    np.testing.assert_allclose(next_windows.doubt_of(every, named, NAMES), [[0.2, 0.7]], atol=1e-6)
    found = next_windows.doubt_of(margin / np.float32(100), ["probability", "margin"], NAMES)
    np.testing.assert_allclose(found, [[0.5, 0.95]], atol=1e-6)


# ---- the script


@pytest.fixture
def place(tmp_path, made):
    """A folder with that map, its probabilities, and the scene of it."""
    labels, doubt = made
    facts = {"stride": 8}
    land_use = land_use_map.LandUseMap(
        labels, CELLS, UTM, NAMES, (100 * (1 - doubt)).astype(np.uint8), facts=facts
    )
    geotiffs.write_label_map(tmp_path / "pisa_label.tif", land_use)
    geotiffs.write_probability_map(tmp_path / "pisa_probability.tif", land_use)
    scene = np.random.default_rng(0).integers(300, 3000, (400, 480, 13)).astype(np.uint16)
    writing.write_geotiff(
        tmp_path / "pisa.tif", scene, PIXELS, UTM, nodata=0, band_names=sensors.BANDS_MS
    )
    return tmp_path


@pytest.fixture
def script(place, repository, monkeypatch, capsys):
    """Run a script in that folder; what it says is given back."""

    def run(name, *words, status=0):
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", [name, *words])
        code = 0
        try:
            runpy.run_path(str(repository / name), run_name="__main__")
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert code == status, said.err
        return said.out if status == 0 else said.err

    return run


GIVEN = ("10_choose_windows.py", "--path-to-map", "pisa_label.tif", "--path-to-image", "pisa.tif")


def save_labels(place, name="saved.json"):
    """Label as somebody would on the page: by what is west and east, but for the last window."""
    about = json.loads((place / "pisa_next" / "windows.json").read_text())
    labels = {
        number: {"class": "Forest" if x < 602_400 else "River"}
        for number, (x, _) in about["points"].items()
    }
    labels[list(labels)[-1]] = {"class": None}
    saved = {"format": labelling_page.FORMAT, "windows": len(labels), "saved": "", "about": about}
    (place / name).write_text(json.dumps({**saved, "labels": labels}))
    return about


def test_labels_of_the_page_become_patches_and_are_not_asked_for_again(place, script):
    said = script(*GIVEN, "--windows", "6", "--further-classes", "Quarry")
    assert "3 windows that the map calls Forest" in said
    page = (place / "pisa_next" / "label.html").read_text()
    assert page.count("data:image/jpeg") >= 12 and "Quarry" in page  # two pictures of each
    about = save_labels(place)
    assert "lie there already" in script(*GIVEN, "--windows", "6")
    said = script(*GIVEN, "--windows", "7", status=2)
    assert "may be half labelled" in said

    cut = ("00_cut_patches.py", "--path-to-image", "pisa.tif", "--path-to-patches", "patches")
    script(*cut, "--path-to-labels", "saved.json")
    rows = patch_places.read_table(place / "patches").values()
    assert len(rows) == 5
    middles = {(float(row["x"]), float(row["y"])) for row in rows}
    assert middles < {tuple(point) for point in about["points"].values()}

    known = ("--path-to-known", "patches", "saved.json")
    script(*GIVEN, "--windows", "6", *known, "--path-to-windows", "second")
    second = json.loads((place / "second" / "windows.json").read_text())
    places = np.array(list(second["points"].values()))
    for point in about["points"].values():
        assert np.abs(places - point).max(axis=1).min() >= 320  # m, half a window


def test_points_filled_in_by_hand_are_cut_where_they_are(place, script):
    script(*GIVEN, "--windows", "4", "--path-to-image", "None")
    assert not (place / "pisa_next" / "label.html").exists()
    path = place / "pisa_next" / "windows.gpkg"
    about = json.loads((place / "pisa_next" / "windows.json").read_text())
    places = np.array(list(about["points"].values()))
    filled = {"class": ["Forest", "River", "", "River"], window_files.MAPPED: ["River"] * 4}
    point_files.write_points(path, places, UTM, filled)
    labels = label_files.read_labels([str(path)], UTM, attribute="class")
    assert labels.names == ("Forest", "River", "River") and labels.is_window.all()


def test_windows_that_somebody_labelled_are_all_taken(tmp_path):
    """However near to each other; the windows of a polygon give way to them."""
    text = "x,y,class\n600640,4849360,A\n600840,4849360,A\n"
    (tmp_path / "a.csv").write_text(text)
    features = labelled_features.read_labelled_features(tmp_path / "a.csv", UTM)
    grid = candidates.PixelGrid(PIXELS, UTM, 200, 200)
    found = candidates.find_candidates(
        features, np.zeros(2, int), grid, least_cover=0.5, jitter=0, windows_per_point=1, seed=0
    )

    def count(given):
        choice = choosing.choose_windows(
            found,
            lambda index: True,
            least_distance=64,
            most_per_class=1,
            seed=0,
            given=np.full(2, given),
        )
        return len(choice.chosen)

    assert (count(False), count(True)) == (1, 2)


def test_bad_input(place, script):
    said = script(*GIVEN, "--path-to-known", "nowhere", status=2)
    assert "nowhere: is no folder that script 00_cut_patches made" in said
    assert "WINDOWS must be 1 or more" in script(*GIVEN, "--windows", "0", status=2)
    said = script(*GIVEN, "--path-to-prob-image", "other.tif", status=2)
    assert "other.tif does not exist; script 06 writes it" in said
    far = np.zeros((80, 80, 3), np.uint16)
    shifted = (900_000.0, *PIXELS[1:])
    writing.write_geotiff(place / "far.tif", far, shifted, UTM, band_names=["B04", "B03", "B02"])
    assert "windows lie outside the scene far" in script(
        *GIVEN, "--path-to-image", "far.tif", status=2
    )
    assert not (place / "pisa_next").exists()
    writing.write_geotiff(place / "small.tif", np.zeros((5, 5), np.uint8), CELLS, UTM)
    said = script(*GIVEN, "--path-to-prob-image", "small.tif", status=2)
    assert "small.tif has 5x5 cells" in said


def test_step_8_does_not_take_chosen_windows_for_a_sample(place, script):
    script(*GIVEN, "--windows", "6")
    save_labels(place)
    words = ("--path-to-map", "pisa_label.tif", "--path-to-image", "None", "--reference")
    said = script("08_check_map.py", *words, "saved.json", status=2)
    assert "does not say how its points were drawn" in said


# ---- what it brings


@pytest.mark.slow
def test_five_rounds_of_chosen_windows_beat_as_many_random_ones():
    """On the sample's landscape, with the linear classifier of script 03_train_baseline.

    Both begin with the same 20 random windows and end with 120.
    """
    from landuse.evaluation import predictions
    from landuse.networks import measurements
    from landuse.sample import landscapes
    from landuse.training import linear_classifiers

    step, across = 32, 39
    scene, truth = landscapes.make_scene(1, 1280)
    places = [(row * step, column * step) for row in range(across) for column in range(across)]
    windows = np.stack([scene[row : row + 64, column : column + 64] for row, column in places])
    labels = np.array(
        [np.bincount(truth[r : r + 64, c : c + 64].ravel()).argmax() for r, c in places]
    )
    pairs = measurements.band_pairs(sensors.BANDS_MS)
    levels = measurements.ratio_levels(windows[::17], "DN", pairs)
    measuring = measurements.measuring_model("DN", pairs, levels, 13)
    measured = predictions.predict(measuring, windows, 64)

    def probabilities(known):
        present, own = np.unique(labels[known], return_inverse=True)
        found = linear_classifiers.fit(measured[known], own, len(present), 0)
        logits = found.logits(measured)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        every = np.zeros((len(measured), 10))
        every[:, present] = shares / shares.sum(axis=1, keepdims=True)
        return every

    def accuracy(known):
        others = np.setdiff1d(np.arange(len(labels)), known)
        return (probabilities(known).argmax(axis=1) == labels)[others].mean()

    def chosen(known):
        shares = probabilities(known)
        second, best = np.partition(shares, -2, axis=1)[:, -2:].T
        shape = across, across
        mapped = np.pad(shares.argmax(axis=1).reshape(shape).astype(np.uint8), 1, "edge")
        doubt = np.pad((1 - best + second).reshape(shape), 1)
        at = np.column_stack(np.unravel_index(known, shape)) + 1
        counts = np.bincount(labels[known], minlength=10)
        rows, columns = next_windows.choose_cells(mapped, doubt, step, 20, at, counts)
        return (rows - 1) * across + columns - 1

    gains = []
    for seed in (0, 1):
        order = np.random.default_rng(seed).permutation(len(labels))
        known = order[:20]
        for _ in range(5):
            known = np.concatenate([known, chosen(known)])
        assert len(np.unique(known)) == 120
        gains.append(accuracy(known) - accuracy(order[:120]))
    assert min(gains) > 0, gains


def test_the_map_says_where_its_cells_are(place):
    """The middle of a cell is that of its window."""
    label_map = label_maps.read_label_map(place / "pisa_label.tif")
    x, y = label_map.centres(np.array([20]), np.array([10]))[0]
    assert ((x - 600_000) / 10, (4_850_000 - y) / 10) == (84, 164)

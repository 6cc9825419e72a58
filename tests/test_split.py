import hashlib
import importlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from landuse.patches import patch_places, splits

SCRIPT = "01_split_data_to_train_and_validation.py"


def run(repository, *words, source, target):
    command = [sys.executable, SCRIPT, "--path-to-all-images", source]
    command += ["--path-to-split-datasets", target, *map(str, words)]
    return subprocess.run(
        list(map(str, command)), cwd=repository, capture_output=True, text=True, timeout=100
    )


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "with spaces and ü" / "images"
    for name in ("Forest", "River"):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            (folder / name / f"{name}_{number}.jpg").write_text(f"{name} {number}")
    return folder


def snapshot(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(result, *texts):
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("error: ")
    for text in texts:
        assert text in message


def test_random_split_through_the_command_line(repository, source, tmp_path):
    target = tmp_path / "split"
    result = run(repository, source=source, target=target)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"split: {target}"
    assert "all                               14           6" in result.stdout
    before = snapshot(target)
    result = run(repository, source=source, target=target)
    assert result.returncode == 0
    assert "unchanged" in result.stdout
    assert snapshot(target) == before
    refused(run(repository, "--seed", 1, source=source, target=target), "SEED was 42, is 1")
    assert snapshot(target) == before
    flag = "--delete-old-path-to-split-datasets"
    result = run(repository, "--seed", 1, flag, source=source, target=target)
    assert result.returncode == 0, result.stderr
    assert snapshot(target) != before


def test_it_may_be_run_from_elsewhere_and_moved(repository, source, tmp_path):
    target = tmp_path / "split"
    run(repository, source=source, target=target)
    command = [sys.executable, repository / SCRIPT, "--path-to-all-images"]
    command += [source.relative_to(tmp_path), "--path-to-split-datasets", "split"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "unchanged" in result.stdout, result.stderr


def test_split_by_lists_with_windows_line_ends(repository, source, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "x-train.txt").write_bytes(b"Forest_1.tif\r\nRiver_1.tif\r\nRiver_77.tif\r\n")
    (lists / "x-val.txt").write_bytes(b"Forest_2.tif\r\n")
    words = ("--split", "geographic", "--path-to-split-lists", lists)
    result = run(repository, *words, source=source, target=tmp_path / "split")
    assert result.returncode == 0, result.stderr
    assert "1 listed names have no image here, such as River_77" in result.stdout
    assert "17 images are in no list and are left out" in result.stdout
    assert "warning: the validation part has no image of River" in result.stdout
    assert sorted(path.name for path in (tmp_path / "split").rglob("*.jpg")) == [
        "Forest_1.jpg",
        "Forest_2.jpg",
        "River_1.jpg",
    ]


def write_georeferenced(path, easting, zone):
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32600 + zone)
    extratags = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, float(easting), 5000000.0, 0.0), True),
        (34735, "H", len(keys), keys, True),
    ]
    pixels = np.ones((64, 64, 13), np.uint16)
    options = {"planarconfig": "contig", "photometric": "minisblack"}
    tifffile.imwrite(path, pixels, extratags=extratags, **options)


def test_split_by_longitude_across_utm_zones(repository, tmp_path):
    pytest.importorskip("osgeo")
    source, target = tmp_path / "images", tmp_path / "split"
    # Zone 33 lies east of zone 32, whatever the eastings.
    for name in ("A", "B"):
        for number in range(5):
            write_georeferenced(source / name / f"{name}_{number}.tif", 700000 + number * 1000, 32)
            write_georeferenced(source / name / f"{name}_{number + 5}.tif", 300000, 33)
    words = ("--split", "geographic", "--fraction-validation", "0.5")
    result = run(repository, *words, source=source, target=target)
    assert result.returncode == 0, result.stderr
    train = {path.stem for path in (target / "train").rglob("*.tif")}
    assert train == {f"{name}_{number}" for name in "AB" for number in range(5)}


def test_bad_input_is_refused(repository, source, tmp_path):
    target = tmp_path / "split"
    missing = source.parent / "imagse"
    refused(run(repository, source=missing, target=target), "imagse", "did you mean", "images?")
    refused(run(repository, source=source / "Forest", target=target), "directly in it")
    for value in ("0", "1", "-0.5"):
        words = (f"--fraction-validation={value}",)
        refused(run(repository, *words, source=source, target=target), "FRACTION_VALIDATION")
    words = ("--fraction-validation", "0.6", "--fraction-test", "0.5")
    refused(run(repository, *words, source=source, target=target), "nothing to train on")
    words = ("--split", "by-hand")
    refused(run(repository, *words, source=source, target=target), "random")
    words = ("--path-to-split-lists", tmp_path)
    refused(run(repository, *words, source=source, target=target), "no list of names ending in")
    words = ("--split", "geographic")
    refused(run(repository, *words, source=source, target=target), "Forest_0.jpg")
    refused(run(repository, source=source, target=source / "split"), "one contains the other")
    refused(run(repository, source=source, target=source.parent), "one contains the other")
    refused(run(repository, source=source, target=tmp_path / "no" / "x"), "does not exist")
    assert not target.exists()
    assert len(snapshot(source)) == 20


def test_a_notebook_can_set_the_constants(source, tmp_path, monkeypatch, capsys):
    step = importlib.import_module(SCRIPT.removesuffix(".py"))
    monkeypatch.setattr(step, "PATH_TO_ALL_IMAGES", str(source))
    monkeypatch.setattr(step, "PATH_TO_SPLIT_DATASETS", str(tmp_path / "split"))
    monkeypatch.setattr(step, "FRACTION_TEST", 0.2)
    step.main()
    assert len(list((tmp_path / "split" / "test").rglob("*.jpg"))) == 4
    monkeypatch.setattr(step, "SPLIT", "by hand")
    with pytest.raises(ValueError, match="'by hand'"):
        step.main()


@pytest.mark.parametrize("kills", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_killed_runs_end_like_an_uninterrupted_one(repository, tmp_path, kills):
    source = tmp_path / "images"
    for name in "ABCDE":
        (source / name).mkdir(parents=True)
        for number in range(600):
            (source / name / f"{name}_{number}.jpg").touch()
    (tmp_path / "whole").mkdir()
    (tmp_path / "work").mkdir()
    start = time.perf_counter()
    run(repository, "--seed", 2, source=source, target=tmp_path / "whole" / "split")
    duration = time.perf_counter() - start
    expected = snapshot(tmp_path / "whole")
    assert len(expected) == 3000 + 3
    target = tmp_path / "work" / "split"
    moments = random.Random(0)
    command = [sys.executable, SCRIPT, "--path-to-all-images", str(source), "--seed", "2"]
    command += ["--path-to-split-datasets", str(target), "--delete-old-path-to-split-datasets"]
    for _ in range(kills):
        process = subprocess.Popen(
            command, cwd=repository, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.1, 1.1) * duration)
        process.send_signal(signal.SIGKILL)
        process.wait()
    result = run(
        repository, "--seed", 2, "--delete-old-path-to-split-datasets", source=source, target=target
    )
    assert result.returncode == 0, result.stderr
    assert snapshot(tmp_path / "work") == expected
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["split"]


# ---- places


def write_places(folder, places, **columns):
    """Write a table that says where patches lie: "Class/name" to (longitude, latitude)."""
    rows = [
        {
            "file": name,
            "longitude": longitude,
            "latitude": latitude,
            **{column: values[name] for column, values in columns.items()},
        }
        for name, (longitude, latitude) in places.items()
    ]
    patch_places.write_table(folder / patch_places.TABLE_FILE, rows)


@pytest.fixture
def villages(source):
    """Ten villages 0.1 degrees (about 8 km) apart, with one patch of forest and river in each."""
    places, village = {}, {}
    for number in range(10):
        for name, shift in (("Forest", 0.0), ("River", 0.001)):
            file = f"{name}/{name}_{number}.jpg"
            places[file] = (10 + 0.1 * number + shift, 43.7)
            village[file] = f"village {number // 2}"
    write_places(source, places, village=village)
    return source


def parts_of(target):
    return {
        part: set((target / f"{part}.txt").read_text().split()) for part in ("train", "validation")
    }


def test_places_are_not_parted(repository, villages, tmp_path):
    target = tmp_path / "split"
    result = run(repository, "--split", "places", source=villages, target=target)
    assert result.returncode == 0, result.stderr
    assert "20 patches in 10 places" in result.stdout
    assert "7.96 km at least" in result.stdout  # 0.099 degrees at 43.7 north
    parts = parts_of(target)
    numbers = {part: {name.rpartition("_")[2] for name in names} for part, names in parts.items()}
    assert len(numbers["validation"]) == 3 and not numbers["train"] & numbers["validation"]
    again = run(repository, "--split", "places", source=villages, target=target)
    assert "unchanged" in again.stdout


def test_an_attribute_of_the_polygons_tells_places(repository, villages, tmp_path):
    target = tmp_path / "split"
    words = ("--split", "places", "--place-attribute", "village")
    result = run(repository, *words, source=villages, target=target)
    assert "20 patches in 5 places" in result.stdout, result.stderr
    pairs = {int(name.rpartition("_")[2][:-4]) // 2 for name in parts_of(target)["validation"]}
    assert len(pairs) in (1, 2) and len(parts_of(target)["validation"]) == 4 * len(pairs)
    other = (
        "--split",
        "places",
        "--place-attribute",
        "town",
        "--delete-old-path-to-split-datasets",
    )
    refused(
        run(repository, *other, source=villages, target=target), "'town' is no column", "village"
    )


def test_a_random_split_of_overlapping_patches_is_warned_of(repository, source, tmp_path):
    names = [f"{name}/{name}_{number}.jpg" for name in ("Forest", "River") for number in range(10)]
    write_places(source, {name: (10 + 0.001 * k, 43.7) for k, name in enumerate(names)})
    result = run(repository, source=source, target=tmp_path / "split")
    assert result.returncode == 0, result.stderr
    assert "6 of 6 validation patches overlap a training patch" in result.stdout
    words = ("--split", "places", "--delete-old-path-to-split-datasets")
    result = run(repository, *words, source=source, target=tmp_path / "split")
    refused(result, "all patches lie in one place", "LEAST_DISTANCE")


def test_blocks_are_as_large_as_asked_for_and_overlaps_join_them():
    degree = np.pi / 180 * patch_places.EARTH_RADIUS
    north = 43.7 + np.arange(0, 4000, 500) / degree  # 4 km in steps of 500 m
    degrees = np.column_stack([np.full(8, 10.0), north])
    blocks = patch_places.blocks_of(degrees, 1000.0)
    assert len(set(blocks)) in (4, 5) and max(map(blocks.count, blocks)) == 2
    sides = np.full(8, 640.0)
    pairs = patch_places.overlapping(patch_places.Places(degrees, sides, []))
    assert sorted(map(tuple, np.sort(pairs, axis=1).tolist())) == [(k, k + 1) for k in range(7)]
    assert len(set(patch_places.hang_together(blocks, pairs))) == 1
    assert patch_places.hang_together(["b", "a", "c"], np.array([[0, 2]])) == ["b", "a", "b"]
    touching = np.array([[10, 43.7], [10, 43.7 + 640 / degree]])
    assert len(patch_places.overlapping(patch_places.Places(touching, sides[:2], []))) == 0


def test_distances_are_those_between_middles():
    degree = np.pi / 180 * patch_places.EARTH_RADIUS
    degrees = np.array([[10, 0], [10, 1000 / degree], [10 + 3000 / degree, 0]])
    places = patch_places.Places(degrees, np.full(3, 640.0), [])
    is_train = np.array([True, False, False])
    apart = patch_places.how_far_apart(places, is_train, ~is_train)
    assert apart.nearest == pytest.approx(1000, abs=0.01)
    assert apart.median == pytest.approx(2000, abs=0.01)
    assert (apart.overlaps, apart.patches) == (0, 2)


def test_a_class_of_one_place_is_trained_on_and_others_meet_their_shares(tmp_path):
    images = {
        "Rare": [tmp_path / "Rare" / f"{n}" for n in range(4)],
        "Common": [tmp_path / "Common" / f"{n}" for n in range(20)],
    }
    place_of = dict.fromkeys(images["Rare"], "a")
    place_of |= {image: str(n // 2) for n, image in enumerate(images["Common"])}
    split = splits.split_by_places(images, place_of, 0.3, 0.2)
    assert [len(split[part]["Common"]) for part in split] == [10, 6, 4]
    assert len(split["train"]["Rare"]) == 4
    assert split == splits.split_by_places(images, dict(reversed(place_of.items())), 0.3, 0.2)


def test_a_share_of_the_images_is_spread_over_the_parts():
    images = {
        "A": [Path(f"A/{n}.tif") for n in range(100)],
        "B": [Path(f"B/{n}.tif") for n in (1, 2, 3)],
    }
    some = splits.some_of(images, 0.2, 42)
    assert {name: len(members) for name, members in some.items()} == {"A": 20, "B": 2}
    assert some["A"] == sorted(some["A"], key=images["A"].index)
    assert splits.some_of(images, 1.0, 42) == images
    assert splits.some_of(images, 0.2, 42) == some != splits.some_of(images, 0.2, 7)
    split = splits.split_random(images, 0.3, 0.2, 42)
    in_parts = [sum(image in set(part["A"]) for image in some["A"]) for part in split.values()]
    assert all(count >= 1 for count in in_parts)

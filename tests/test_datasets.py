import json
import multiprocessing
import os
import random
import shutil

import numpy as np
import pytest
import tifffile
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from image_functions import BANDS_MS, BANDS_RGB
from landuse import sensors
from landuse.patches import class_folders, patch_cache, split_folders, split_marker, splits


def write_ms(path, value=1000, bands=13, size=64):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each band holds the value plus its position.
    pixels = np.broadcast_to(np.arange(bands, dtype=np.uint16) + value, (size, size, bands))
    tifffile.imwrite(path, pixels, planarconfig="contig", photometric="minisblack")


def write_rgb(path, size=64):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size, 3), 90, np.uint8)).save(path, quality=100)


@pytest.fixture
def ms_folder(tmp_path):
    folder = tmp_path / "EuroSAT_MS"
    for name in ("Forest", "River"):
        for number in range(5):
            write_ms(folder / name / f"{name}_{number}.tif", 1000 + 100 * number)
    return folder


def all_images(folder):
    return [path for images in class_folders.find_images(folder).values() for path in images]


# --- finding ---


def test_find_images_sorts_and_passes_over_what_is_hidden(ms_folder):
    (ms_folder / ".cache").mkdir()
    (ms_folder / "Forest" / "._Forest_1.tif").touch()
    (ms_folder / "Forest" / "notes.txt").touch()
    (ms_folder / "Empty").mkdir()
    found = class_folders.find_images(ms_folder)
    assert list(found) == ["Forest", "River"]
    assert [path.name for path in found["Forest"]] == [f"Forest_{n}.tif" for n in range(5)]
    assert {name: len(images) for name, images in found.items()} == {"Forest": 5, "River": 5}


def test_find_images_answers_bad_folders(ms_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"EuroSAT_SM; did you mean .*EuroSAT_MS\?"):
        class_folders.find_images(tmp_path / "EuroSAT_SM")
    with pytest.raises(FileNotFoundError, match="script 00 gets the data"):
        class_folders.find_images(tmp_path / "nowhere" / "x")
    with pytest.raises(ValueError, match=r"holds no images.*did you mean .*EuroSAT_MS\?"):
        class_folders.find_images(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        class_folders.find_images(tmp_path / "empty")
    with pytest.raises(ValueError, match="images directly in it"):
        class_folders.find_images(ms_folder / "River")
    with pytest.raises(NotADirectoryError, match="is a file"):
        class_folders.find_images(ms_folder / "River" / "River_1.tif")
    shutil.rmtree(ms_folder / "River")
    with pytest.raises(ValueError, match="only one class, Forest"):
        class_folders.find_images(ms_folder)


# --- splitting ---


def made_names(counts, suffix=".jpg"):
    from pathlib import Path

    return {
        name: [Path(f"data/{name}/{name}_{number}{suffix}") for number in range(count)]
        for name, count in counts.items()
    }


def stems(split, part):
    return {path.stem for images in split[part].values() for path in images}


def test_split_random_ranks_by_sha256():
    import hashlib

    images = made_names({"Forest": 10, "River": 4})
    split = splits.split_random(images, 0.3, 0.2, seed=7)
    ranked = sorted(
        (f"Forest_{n}" for n in range(10)),
        key=lambda stem: hashlib.sha256(f"7/{stem}".encode()).hexdigest(),
    )
    forest = {part: {path.stem for path in split[part]["Forest"]} for part in split}
    assert forest["test"] == set(ranked[:2])
    assert forest["validation"] == set(ranked[2:5])
    assert forest["train"] == set(ranked[5:])
    assert list(splits.split_random(images, 0.3)) == ["train", "validation"]


counts = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 40), min_size=1)


@given(counts, st.floats(0.01, 0.6), st.floats(0, 0.39), st.integers(), st.randoms())
@example({"A": 2}, 0.5625, 0.25, 0, random.Random(0))
def test_a_random_split_is_a_stratified_partition_whatever_the_order(
    counts, validation, test, seed, chance
):
    images = made_names(counts)
    split = splits.split_random(images, validation, test, seed)
    everything = [path for images in split.values() for paths in images.values() for path in paths]
    assert len(everything) == len(set(everything)) == sum(counts.values())
    for name, count in counts.items():
        assert split["train"][name]
        assert abs(len(split["validation"][name]) - validation * count) <= 1
        assert abs(len(split.get("test", {name: []})[name]) - test * count) <= 1
    shuffled = {name: chance.sample(paths, len(paths)) for name, paths in images.items()}
    assert splits.split_random(shuffled, validation, test, seed) == split
    others = splits.split_random(made_names(counts, ".tif"), validation, test, seed)
    assert stems(others, "train") == stems(split, "train")


def test_a_subset_falls_on_the_same_side_but_for_the_cut():
    whole = splits.split_random(made_names({"A": 1000}), 0.3)
    some = splits.split_random(made_names({"A": 500}), 0.3)
    moved = stems(some, "validation") - stems(whole, "validation")
    moved |= stems(some, "train") - stems(whole, "train")
    assert len(moved) < 40


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (0, 0, "FRACTION_VALIDATION = 0: expected"),
        (1, 0, "FRACTION_VALIDATION = 1"),
        (-0.1, 0, "FRACTION_VALIDATION"),
        (float("nan"), 0, "FRACTION_VALIDATION"),
        (0.3, -0.1, "FRACTION_TEST"),
        (0.3, 1, "FRACTION_TEST"),
        (0.5, 0.5, "leave nothing to train on"),
    ],
)
def test_fractions_outside_their_range_are_refused(validation, test, message):
    with pytest.raises(ValueError, match=message):
        splits.check_fractions(validation, test)


def test_split_by_lists_compares_stems():
    images = made_names({"Forest": 4}, ".tif")
    lists = {"train": ["Forest_0", "Forest_3"], "validation": ["Forest_1", "Forest_9"]}
    split, unlisted, missing = splits.split_by_lists(images, lists)
    assert stems(split, "train") == {"Forest_0", "Forest_3"}
    assert stems(split, "validation") == {"Forest_1"}
    assert [path.stem for path in unlisted] == ["Forest_2"]
    assert missing == ["Forest_9"]


def test_lists_are_read_with_any_line_ends(tmp_path):
    (tmp_path / "my-train.txt").write_bytes(b"\xef\xbb\xbfForest/A_1.jpg\r\nB_2.jpg\r\n\r\n")
    (tmp_path / "my-val.txt").write_bytes(b"A_2.jpg\nForest\\B_3.tif")
    (tmp_path / "readme.txt").write_text("hello")
    lists = splits.read_split_lists(tmp_path)
    assert lists == {"train": ["Forest/A_1", "B_2"], "validation": ["A_2", "Forest/B_3"]}
    (tmp_path / "my-test.txt").write_text("A_2.jpg\n")
    with pytest.raises(ValueError, match="A_2 stands in the lists for test and validation"):
        splits.read_split_lists(tmp_path)


def test_bad_lists_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="PATH_TO_SPLIT_LISTS"):
        splits.read_split_lists(tmp_path / "none")
    (tmp_path / "train.txt").write_text("a.jpg")
    with pytest.raises(ValueError, match=r"no list of names ending in val\.txt"):
        splits.read_split_lists(tmp_path)
    (tmp_path / "old_train.txt").write_text("a.jpg")
    with pytest.raises(ValueError, match="two lists for train"):
        splits.read_split_lists(tmp_path)
    (tmp_path / "old_train.txt").unlink()
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text file"):
        splits.read_split_lists(tmp_path)


def test_split_by_longitude_cuts_over_all_classes():
    images = made_names({"A": 5, "B": 5})
    everything = [path for paths in images.values() for path in paths]
    longitudes = {path: float(position) for position, path in enumerate(everything)}
    split = splits.split_by_longitude(images, longitudes, 0.3, 0.2)
    assert stems(split, "train") == {f"A_{n}" for n in range(5)}
    assert stems(split, "validation") == {"B_0", "B_1", "B_2"}
    assert stems(split, "test") == {"B_3", "B_4"}


# --- folders of a split ---


def snapshot(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def make(ms_folder, target, seed=1, **options):
    split = splits.split_random(class_folders.find_images(ms_folder), 0.4, 0, seed)
    return split_folders.make_split_folder(target, split, {"SEED": seed}, **options)


def test_a_split_is_hard_linked_listed_and_made_once(ms_folder, tmp_path):
    target = tmp_path / "split"
    assert make(ms_folder, target) is True
    first = snapshot(target)
    assert len(class_folders.find_images(target / "train")["River"]) == 3
    linked = next((target / "validation" / "River").iterdir())
    assert linked.stat().st_nlink == 2
    assert linked.samefile(ms_folder / "River" / linked.name)
    listed = (target / "train.txt").read_text().split()
    assert listed[0].startswith("Forest/Forest_") and len(listed) == 6
    assert json.loads((target / "split.json").read_text())["settings"] == {"SEED": 1}
    assert make(ms_folder, target) is False
    assert snapshot(target) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["EuroSAT_MS", "split"]


def test_a_split_tells_whether_it_was_made_from_the_built_in_sample(ms_folder, tmp_path):
    make(ms_folder, tmp_path / "other")
    (tmp_path / "sample.json").write_text("{}")
    make(ms_folder, tmp_path / "sample")
    make(ms_folder.rename(tmp_path / "mine"), tmp_path / "beside")
    found = {name: split_marker.is_of_sample(tmp_path / name) for name in ("other", "sample")}
    assert found == {"other": False, "sample": True}
    assert not split_marker.is_of_sample(tmp_path / "beside")
    marker = json.loads((tmp_path / "sample" / "split.json").read_text())
    del marker["built_in_sample"]  # as older versions wrote it
    (tmp_path / "sample" / "split.json").write_text(json.dumps(marker))
    assert not split_marker.is_of_sample(tmp_path / "sample")
    (tmp_path / "sample" / "split.json").unlink()
    assert not split_marker.is_of_sample(tmp_path / "sample")


def test_images_are_copied_where_links_are_not_possible(ms_folder, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    make(ms_folder, tmp_path / "split")
    copy = next((tmp_path / "split" / "train" / "River").iterdir())
    source = ms_folder / "River" / copy.name
    assert copy.stat().st_nlink == 1
    assert copy.read_bytes() == source.read_bytes()
    assert copy.stat().st_mtime_ns == source.stat().st_mtime_ns


def test_other_settings_are_refused_and_replaced_only_on_demand(ms_folder, tmp_path):
    target = tmp_path / "split"
    make(ms_folder, target)
    (target / "statistics.json").write_text("{}")
    (target / ".cache").mkdir()
    before = snapshot(target)
    with pytest.raises(ValueError, match="SEED was 1, is 2; choose another folder"):
        make(ms_folder, target, seed=2)
    assert snapshot(target) == before
    assert make(ms_folder, target, seed=2, delete_old=True) is True
    assert not (target / "statistics.json").exists()
    make(ms_folder, tmp_path / "fresh", seed=2)
    assert snapshot(target) == snapshot(tmp_path / "fresh")


def test_a_changed_source_and_lost_images_are_noticed(ms_folder, tmp_path):
    make(ms_folder, tmp_path / "split")
    next((tmp_path / "split" / "train" / "River").iterdir()).unlink()
    with pytest.raises(ValueError, match="1 images of the split are gone"):
        make(ms_folder, tmp_path / "split")
    write_ms(ms_folder / "River" / "River_9.tif")
    with pytest.raises(ValueError, match="the source has changed"):
        make(ms_folder, tmp_path / "split")


def test_other_pixels_in_the_source_are_noticed_and_a_copy_of_the_same_is_none(ms_folder, tmp_path):
    target, one = tmp_path / "split", ms_folder / "River" / "River_0.tif"
    make(ms_folder, target)
    before = snapshot(target)
    shutil.copytree(ms_folder, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(ms_folder)
    (tmp_path / "copy").rename(ms_folder)  # other files of other times, the same bytes
    assert make(ms_folder, target) is False
    write_ms(one, 900)  # of the same size
    with pytest.raises(ValueError, match=r"1 images differ, such as .*River_0.tif; choose another"):
        make(ms_folder, target)
    assert snapshot(target) == before
    assert make(ms_folder, target, delete_old=True) is True
    assert next(target.glob(f"*/River/{one.name}")).read_bytes() == one.read_bytes()
    assert make(ms_folder, target) is False
    one.unlink()
    one.write_bytes(b"another size")
    with pytest.raises(ValueError, match="1 images differ"):
        make(ms_folder, target)


def test_a_split_that_is_to_be_replaced_is_made_anew_in_any_case(ms_folder, tmp_path):
    make(ms_folder, tmp_path / "split")
    (tmp_path / "split" / "statistics.json").write_text("{}")
    assert make(ms_folder, tmp_path / "split", delete_old=True) is True
    assert not (tmp_path / "split" / "statistics.json").exists()


def test_a_failed_run_leaves_nothing_and_keeps_the_old(ms_folder, tmp_path, monkeypatch):
    target = tmp_path / "split"
    make(ms_folder, target)
    before = snapshot(target)

    def fail(*arguments):
        raise OSError(28, "No space left on device", "x.tif")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="No space left"):
        make(ms_folder, target, seed=2, delete_old=True)
    assert snapshot(target) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["EuroSAT_MS", "split"]


def test_a_folder_that_is_a_link_stays_one(ms_folder, tmp_path):
    (tmp_path / "disk" / "split").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "split")
    make(ms_folder, tmp_path / "link")
    make(ms_folder, tmp_path / "link", seed=2, delete_old=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "split" / "split.json").is_file()


def test_what_we_did_not_make_is_never_deleted(ms_folder, tmp_path):
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("two years of work")
    for delete_old in (False, True):
        with pytest.raises(ValueError, match="was not made by this script"):
            make(ms_folder, foreign, delete_old=delete_old)
    target = tmp_path / "split"
    make(ms_folder, target)
    for name in ("notes.txt", "train/River/extra.tif"):
        (target / name).write_text("mine")
        with pytest.raises(ValueError, match=f"did not make .{name}. and is not deleted"):
            make(ms_folder, target, seed=2, delete_old=True)
        assert (target / name).read_text() == "mine"
        (target / name).unlink()
    assert (foreign / "chapter.txt").exists()


def test_leftovers_of_killed_runs_are_cleared(ms_folder, tmp_path):
    target = tmp_path / "split"
    make(ms_folder, target)
    left = tmp_path / ".split.0123abcd.partial"
    left.mkdir()
    target.rename(left / "before")  # killed between its two renames
    (left / "split").mkdir()
    make(ms_folder, target)
    make(ms_folder, tmp_path / "fresh")
    assert snapshot(target) == snapshot(tmp_path / "fresh")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["EuroSAT_MS", "fresh", "split"]


def test_split_and_source_must_lie_apart(tmp_path):
    for target in ("data", "data/split", "."):
        with pytest.raises(ValueError, match="one contains the other"):
            split_folders.check_paths_are_apart(tmp_path / "data", tmp_path / target)
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(ValueError, match="one contains the other"):
        split_folders.check_paths_are_apart(tmp_path / "data", tmp_path / "link" / "split")
    split_folders.check_paths_are_apart(tmp_path / "data", tmp_path / "data2")


def test_an_empty_folder_may_be_filled_and_a_missing_parent_is_named(ms_folder, tmp_path):
    (tmp_path / "split").mkdir()
    assert make(ms_folder, tmp_path / "split") is True
    with pytest.raises(FileNotFoundError, match="does not exist"):
        make(ms_folder, tmp_path / "no" / "split")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make(ms_folder, tmp_path / "file" / "split")


# --- decoding once ---


def test_patches_are_decoded_once(ms_folder, monkeypatch):
    files = all_images(ms_folder)
    patches = patch_cache.open_patches(files)
    assert patches.shape == (10, 64, 64, 13) and patches.dtype == np.uint16
    assert isinstance(patches, np.memmap)
    assert patches[3, 0, 0].tolist() == list(range(1300, 1313))
    assert (ms_folder / ".cache").is_dir()

    def fail(*arguments):
        raise AssertionError("decoded again")

    monkeypatch.setattr(patch_cache, "_build_cache", fail)
    np.testing.assert_array_equal(patch_cache.open_patches(files), patches)
    np.testing.assert_array_equal(patch_cache.open_patches(files, BANDS_MS), patches)


def test_a_changed_file_is_decoded_anew_and_the_old_cache_goes(ms_folder):
    files = all_images(ms_folder)
    old = patch_cache.open_patches(files)
    write_ms(files[0], 5000)
    os.utime(files[0], ns=(1, 1))
    new = patch_cache.open_patches(files)
    assert new[0, 0, 0, 0] == 5000
    assert old[0, 0, 0, 0] == 1000  # a run that has the old one open keeps it
    assert len(list((ms_folder / ".cache").glob("*.npy"))) == 1


def test_bands_are_taken_by_name(ms_folder, tmp_path):
    files = all_images(ms_folder)
    rgb = patch_cache.open_patches(files, BANDS_RGB, cache=tmp_path / "cache")
    assert rgb[0, 0, 0].tolist() == [1003, 1002, 1001]
    assert patch_cache.open_patches(files, ["B8A"])[0, 0, 0].tolist() == [1012]
    assert not (tmp_path / "cache" / ".cache").exists()
    with pytest.raises(ValueError, match="has 13 bands, expected 1"):
        patch_cache.open_patches(files, ["B99"])


def test_files_with_just_the_named_bands_are_taken_as_they_are(tmp_path):
    for name in ("A", "B"):
        write_ms(tmp_path / "d" / name / "1.tif", bands=12)
    l2a = tuple(band for band in BANDS_MS if band != "B10")
    patches = patch_cache.open_patches(all_images(tmp_path / "d"), l2a)
    assert patches.shape[-1] == 12
    assert sensors.band_names_of(2) == ("band_1", "band_2")


@pytest.fixture
def damaged(ms_folder):
    cut = ms_folder / "Forest" / "Forest_1.tif"
    cut.write_bytes(cut.read_bytes()[:5000])
    write_ms(ms_folder / "Forest" / "Forest_2.tif", size=32)
    write_ms(ms_folder / "River" / "River_3.tif", bands=4)
    write_rgb(ms_folder / "River" / "River_7.jpg")
    return ms_folder


def test_every_bad_patch_is_named(damaged):
    with pytest.raises(ValueError, match="4 of 11 patches cannot be used") as caught:
        patch_cache.open_patches(all_images(damaged))
    message = str(caught.value)
    assert "Forest_1.tif: cannot be read as an image" in message
    assert "Forest_2.tif: is 32x32 px, expected 64x64" in message
    assert "River_3.tif: has 4 bands of uint16, expected 13 bands of uint16" in message
    assert "River_7.jpg: has 3 bands of uint8" in message
    assert "SKIP_BAD_PATCHES" in message
    with pytest.raises(ValueError, match="4 of 11"):  # known from the cache now
        patch_cache.open_patches(all_images(damaged))


def test_bad_patches_are_skipped_on_demand(damaged, capsys):
    patches, files = patch_cache.open_good_patches(all_images(damaged), skip_bad=True)
    assert "4 of 11 patches are skipped" in capsys.readouterr().out
    assert len(patches) == len(files) == 7
    assert [int(patch[0, 0, 0]) for patch in patches] == [
        1000 + 100 * int(file.stem[-1]) for file in files
    ]


def test_truncated_jpegs_are_named(tmp_path):
    for name in ("A", "B"):
        write_rgb(tmp_path / name / "1.jpg")
    whole = (tmp_path / "A" / "1.jpg").read_bytes()
    (tmp_path / "A" / "2.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"1 of 3 .*A/2\.jpg: cannot be read"):
        patch_cache.open_patches(all_images(tmp_path))
    (tmp_path / "A" / "1.jpg").write_bytes(b"")
    (tmp_path / "B" / "1.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="none of 3 patches"):
        patch_cache.open_patches(all_images(tmp_path), skip_bad=True)


def test_a_cache_that_cannot_be_kept_is_answered(ms_folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be kept in"):
        patch_cache.open_patches(all_images(ms_folder), cache=tmp_path / "file" / "cache")
    with pytest.raises(ValueError, match="no patches"):
        patch_cache.open_patches([])


def _open_with_small_disk(folder, results):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        patch_cache.open_patches(all_images(folder))
    except OSError as error:
        results.put(str(error))


def test_a_full_disk_is_named_and_leaves_nothing(ms_folder):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    run = context.Process(target=_open_with_small_disk, args=(ms_folder, results), daemon=True)
    run.start()
    assert "decoded patches cannot be written" in results.get(timeout=60)
    run.join(timeout=60)
    assert {path.suffix for path in (ms_folder / ".cache").iterdir()} == {".lock"}
    assert len(patch_cache.open_patches(all_images(ms_folder))) == 10


def _mean_of_cache(folder, results):
    results.put(float(patch_cache.open_patches(all_images(folder)).mean()))


def test_runs_share_a_cache(ms_folder):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    runs = [
        context.Process(target=_mean_of_cache, args=(ms_folder, results), daemon=True)
        for _ in range(3)
    ]
    for run in runs:
        run.start()
    means = [results.get(timeout=60) for _ in runs]
    for run in runs:
        run.join(timeout=60)
    assert means == [1206.0] * 3
    assert len(list((ms_folder / ".cache").glob("*.npy"))) == 1


def test_load_part(ms_folder, tmp_path):
    make(ms_folder, tmp_path / "split")
    patches, labels, class_names, files = split_folders.load_part(tmp_path / "split", "train")
    assert patches.shape == (6, 64, 64, 13)
    assert class_names == ["Forest", "River"]
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [class_names.index(file.parent.name) for file in files] == labels.tolist()
    assert (tmp_path / "split" / ".cache").is_dir()
    assert not (tmp_path / "split" / "train" / ".cache").exists()
    some, *_ = split_folders.load_part(tmp_path / "split", "validation", ["B04"])
    assert some.shape == (4, 64, 64, 1)


def test_load_part_answers_missing_parts_and_unknown_classes(ms_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="script 01 first"):
        split_folders.load_part(tmp_path / "split", "train")
    make(ms_folder, tmp_path / "split")
    with pytest.raises(FileNotFoundError, match="test"):
        split_folders.load_part(tmp_path / "split", "test")
    write_ms(tmp_path / "split" / "validation" / "Lake" / "1.tif")
    with pytest.raises(ValueError, match=r"classes that .*train lacks: Lake"):
        split_folders.load_part(tmp_path / "split", "validation")

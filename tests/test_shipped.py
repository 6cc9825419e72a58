"""Models that come with the repository."""

import os

import pytest

from landuse.networks import shipped


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.keras").write_bytes(b"a model")
    digest = "9ad5ac9ef6d8d4f2fbcf7f4d4ee6fad8ccef9a7ab0e0e43dd02c6b0e05e5e2fa"
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "models")
    monkeypatch.setattr(shipped, "DEFAULT", "one")
    monkeypatch.setattr(shipped, "SHIPPED", {"one": shipped.ShippedModel("one.keras", digest)})
    return tmp_path


def undamaged(folder, monkeypatch):
    import hashlib

    digest = hashlib.sha256(b"a model").hexdigest()
    monkeypatch.setattr(shipped, "SHIPPED", {"one": shipped.ShippedModel("one.keras", digest)})


def test_where_none_was_trained_the_shipped_one_is_taken_and_said(folder, monkeypatch, capsys):
    undamaged(folder, monkeypatch)
    found = shipped.find_model(None, folder / "runs")
    assert found == folder / "models" / "one.keras"
    assert "taking one, which comes with these scripts" in capsys.readouterr().out


def test_the_newest_trained_one_comes_first(folder, capsys):
    for age, name in ((100, "new"), (200, "old")):
        path = folder / "runs" / name / "model.keras"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
        os.utime(path, (1e9 - age, 1e9 - age))
    assert shipped.find_model(None, folder / "runs").parent.name == "new"
    assert "taking the newest" in capsys.readouterr().out


def test_a_name_finds_the_shipped_one_and_a_path_is_left_alone(folder, monkeypatch):
    undamaged(folder, monkeypatch)
    assert shipped.find_model("one").name == "one.keras"
    assert str(shipped.find_model("some/where.keras")) == "some/where.keras"


def test_what_is_made_from_a_shipped_one_does_not_go_beside_it(folder):
    assert shipped.folder_beside(folder / "models" / "one.keras", "runs").as_posix() == "runs/one"
    assert shipped.folder_beside("runs/my/model.keras").as_posix() == "runs/my"


def test_a_damaged_or_missing_one_is_said(folder):
    with pytest.raises(ValueError, match=r"one\.keras is not the model 'one' .*git checkout"):
        shipped.find_model("one")
    (folder / "models" / "one.keras").unlink()
    with pytest.raises(FileNotFoundError, match="the model 'one' of these scripts, is missing"):
        shipped.find_model("one")


def test_what_is_shipped_is_whole_and_has_a_card():
    from landuse.networks import model_files

    for name, model in shipped.SHIPPED.items():
        path = shipped.find_model(name)
        assert path.stat().st_size < 8 << 20
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert name in card and model.sha256 in card
        record = model_files.read_record(path)
        assert record["class_names"] == sorted(record["class_names"])
        accuracy = 100 * record["results"]["accuracy"]["value"]
        assert f"| {accuracy:.2f} (" in card
        for label, (said, right) in model.said_and_right.items():
            assert f"{label} {right} of {said}" in card.replace("\n", " ")


def test_readme_and_card_do_not_say_that_its_patches_were_never_seen(repository):
    """Neighbours of them were trained on, as script 06 says."""
    for name in ("README.md", "models/eurosat_rgb.md"):
        text = (repository / name).read_text(encoding="utf-8")
        assert "never seen, but" not in text and "it has never seen |" not in text
        assert "that it was not trained on" in text and "eighbours of the" in text


def test_the_counts_of_its_classes_add_up():
    for model in shipped.SHIPPED.values():
        said, right = map(sum, zip(*model.said_and_right.values(), strict=True))
        assert (said, right) == (model.windows, model.right)


@pytest.mark.shared_data
def test_the_shipped_model_is_as_right_on_real_cells_as_its_card_says(shared_data, tmp_path):
    import csv
    from collections import Counter

    import numpy as np

    from landuse.evaluation import predictions
    from landuse.networks import model_files
    from landuse.rasters import reading
    from landuse.sensors import scale_to_rgb8

    model, record = model_files.load(shipped.find_model("eurosat_rgb"))
    with open(shared_data / "truth" / "cells.csv", newline="") as file:
        cells = [cell for cell in csv.DictReader(file) if cell["sure"] != "0"]
    rasters = {}
    windows = []
    for cell in cells:
        path = shared_data / "truth" / "scenes" / f"{cell['scene']}.tif"
        if path not in rasters:
            rasters[path] = reading.read_raster(path)
        pixels, info = rasters[path]
        top, left = 64 * int(cell["row"]), 64 * int(cell["col"])
        bands = [info.band_names.index(band) for band in record["band_names"]]
        windows.append(scale_to_rgb8(pixels[top : top + 64, left : left + 64][..., bands]))
    answers = predictions.predict(model, np.stack(windows), 64).argmax(axis=1)
    answers = [record["class_names"][answer] for answer in answers]
    right = [answer == cell["label"] for answer, cell in zip(answers, cells, strict=True)]
    assert len(right) == 186 and np.mean(right) > 0.82
    # What a map shows beside each class. Windows at the edge of two change with rounding.
    said = Counter(answers)
    truly = Counter(answer for answer, is_so in zip(answers, right, strict=True) if is_so)
    told = shipped.SHIPPED["eurosat_rgb"].said_and_right
    assert set(said) <= set(told)
    for name, (said_before, right_before) in told.items():
        assert abs(said[name] - said_before) <= 2, name
        assert abs(truly[name] - right_before) <= 2, name


@pytest.mark.shared_data
def test_the_shipped_model_is_as_right_on_patches_as_its_card_says(shared_data):
    import io
    import zipfile

    import numpy as np
    from PIL import Image

    from landuse.evaluation import predictions
    from landuse.networks import model_files

    model, record = model_files.load(shipped.find_model("eurosat_rgb"))
    patches, right = [], []
    with zipfile.ZipFile(shared_data / "eurosat" / "eurosat_rgb_part1.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".jpg")][::25]
        for name in names:
            patches.append(np.asarray(Image.open(io.BytesIO(archive.read(name)))))
            right.append(record["class_names"].index(name.split("/")[-2]))
    answers = predictions.predict(model, np.stack(patches), 64).argmax(axis=1)
    # Most of these it learned from, so they say that it is whole, not how good it is.
    assert len(answers) == 432 and np.mean(answers == right) > 0.96

"""The demo: how it goes on from an earlier one."""

import subprocess
import sys

import pytest

import make_demo


def test_demo_keeps_to_its_own_folder(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError, match="holds something else than a demo"):
        make_demo.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_demo_goes_on_or_begins_anew(tmp_path, monkeypatch):
    folder = tmp_path / "demo"
    model, patch = folder / "runs" / "model.keras", folder / "data" / "patch.tif"

    def make_both():
        for path in (model, patch):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")

    make_demo.prepare(folder)
    make_both()
    make_demo.prepare(folder)  # it was stopped: all is kept
    assert model.exists()
    (folder / "accuracy.json").write_text("{}")
    make_demo.prepare(folder)  # it was finished: the data is kept
    assert not model.exists()
    assert patch.exists()
    make_both()
    monkeypatch.setattr(make_demo, "EPOCHS", make_demo.EPOCHS + 1)
    make_demo.prepare(folder)  # other settings: nothing is
    assert not model.exists()
    assert not patch.exists()
    assert (folder / "maps").is_dir()


def test_demo_shows_its_settings_quickly(repository):
    answer = subprocess.run(
        [sys.executable, "make_demo.py", "--help"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert answer.returncode == 0
    assert "--stride" in answer.stdout
    assert "--repository" not in answer.stdout

"""Every row of the table of bad input: one clear line, status 2, and nothing touched."""

import fnmatch
import os
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import bad_input_rows
import label_rows
import pixel_rows
import pytest
from bad_input_world import make_world

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = [*bad_input_rows.ROWS, *pixel_rows.ROWS, *label_rows.ROWS]
NAMES = [f"{row.script[:2]}-{row.wrong}" for row in ROWS]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One folder for all rows: what a row changed would be seen in the next one too."""
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.fixture
def inside(world, monkeypatch):
    """Work in the world, without a network."""

    def no_network(*arguments, **options):
        raise OSError("the network is unreachable")

    monkeypatch.chdir(world)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    return world


def state_of(folder):
    """Everything in a folder, with what would change if it were touched."""
    paths = sorted(folder.rglob("*"))
    stats = {path.relative_to(folder).as_posix(): path.lstat() for path in paths}
    return {
        # the time of a folder changes with a temporary file in it, which is allowed
        name: (s.st_mode, s.st_ino, *((s.st_size, s.st_mtime_ns) if not path.is_dir() else ()))
        for path, (name, s) in zip(paths, stats.items(), strict=True)
    }


def run_here(script, words, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", [script, *words])
    try:
        runpy.run_path(str(REPOSITORY / script), run_name="__main__")
    except SystemExit as end:
        return end.code, capfd.readouterr().err
    return 0, capfd.readouterr().err


def run_apart(script, words):
    done = subprocess.run(
        [sys.executable, REPOSITORY / script, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "no_proxy": "*"},
        timeout=100,
    )
    return done.returncode, done.stderr


def remove_allowed(folder, before, patterns):
    """Remove what a row may add and give back what is left."""
    for name in sorted(state_of(folder).keys() - before.keys(), reverse=True):
        parents = [name, *map(str, Path(name).parents)]
        if any(fnmatch.fnmatch(part, pattern) for part in parents for pattern in patterns):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return state_of(folder)


def test_the_table_is_long_and_about_all_scripts():
    scripts = {path.name for path in REPOSITORY.glob("[0-9]*.py")} | {"statistics.py"}
    assert {row.script for row in ROWS} == scripts
    assert len(ROWS) >= 60
    assert len({(row.script, row.wrong) for row in ROWS}) == len(ROWS)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_bad_input_is_answered_in_one_line_and_nothing_is_touched(row, inside, monkeypatch, capfd):
    before = state_of(inside)
    if row.process:
        status, said = run_apart(row.script, row.words)
    else:
        status, said = run_here(row.script, row.words, monkeypatch, capfd)
    after = remove_allowed(inside, before, row.may_appear)
    lines = [line for line in said.replace("\r", "\n").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    assert status == 2, said
    assert row.message in said
    assert len(errors) == 1 and lines[-1] == errors[0] and row.message in errors[0], said
    assert "Traceback" not in said
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    assert changed == []

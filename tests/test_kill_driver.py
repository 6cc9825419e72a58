"""Runs killed with -9 at random moments end like uninterrupted ones; see `kill_driver`."""

import subprocess
import sys

import kill_driver
import pytest


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", ["01", "06", "training"])
@pytest.mark.parametrize(("times", "quick"), [(2, False), (20, True)], ids=["few", "many"])
def test_runs_killed_at_random_moments_end_like_uninterrupted_ones(step, times, quick):
    # in a process of its own: what was computed with before cannot be forked
    command = [sys.executable, kill_driver.__file__, "--step", step, "--times", str(times)]
    done = subprocess.run(
        [*command, "--quick"] if quick else command, capture_output=True, text=True, timeout=3500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == f"{step}: {times} of {times} the same", done.stdout


def test_what_differs_is_said(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "map.tif").write_bytes(b"map")
    assert kill_driver.differing_files(one, other) == []
    (other / "map.tif").write_bytes(b"mop")
    (one / "areas.csv").touch()
    assert kill_driver.differing_files(one, other) == ["areas.csv", "map.tif"]

"""Runs killed with -9 at random moments end like uninterrupted ones; see `kill_driver`."""

import pytest
from kill_driver import drive


@pytest.mark.slow
@pytest.mark.parametrize(("step", "times"), [("01", 20), ("06", 4), ("training", 4)])
def test_runs_killed_at_random_moments_end_like_uninterrupted_ones(step, times, tmp_path):
    assert drive(step, times, tmp_path) == [[]] * times

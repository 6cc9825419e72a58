"""Damaged files are read or refused; see `fuzz_files`."""

import pytest
from fuzz_files import KINDS, fuzz

QUICK = [kind for kind in KINDS if kind != "keras"]  # which imports Keras in its child


@pytest.mark.parametrize("kind", QUICK)
def test_a_few_damaged_files_are_read_or_refused(kind, tmp_path):
    assert fuzz(kind, trials=60, folder=tmp_path, seconds=20) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_are_read_or_refused(kind, tmp_path):
    assert fuzz(kind, trials=3000, folder=tmp_path, first=60, seconds=20) == []

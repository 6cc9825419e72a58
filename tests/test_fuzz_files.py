"""Damaged files of every kind are read or refused; see `fuzz_files`."""

import pytest
from fuzz_files import KINDS, fuzz

FEW, MANY = 40, 3000


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_damaged_files_are_read_or_refused(kind, tmp_path):
    assert fuzz(kind, FEW, tmp_path) == ([], FEW)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_are_read_or_refused(kind, tmp_path):
    findings, read = fuzz(kind, MANY, tmp_path, first=FEW, seconds=60)
    assert findings == [] and read > FEW


def test_what_must_not_happen_is_found(tmp_path, monkeypatch):
    """A crash, runaway memory and a hang of a reader, made on purpose."""
    monkeypatch.setattr("fuzz_files.SECONDS", 8)
    findings, read = fuzz("faulty", 4, tmp_path)
    assert read == 4
    assert [finding.split(": ", 1)[1][:12] for finding in findings] == [
        "status -11: ",  # the interpreter crashed
        "status 1: Me",  # MemoryError
        "no answer in",
    ]
    assert len(list(tmp_path.glob("finding_faulty_*"))) == 3

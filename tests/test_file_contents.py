"""What tells whether files still hold what they held."""

import os

from landuse.patches import file_contents


def test_of_many_files_some_are_compared(tmp_path, monkeypatch):
    for name in ("source", "copy"):
        (tmp_path / name).mkdir()
        for number in range(40):
            (tmp_path / name / f"{number}").write_bytes(name[:1].encode())
            os.utime(tmp_path / name / f"{number}", (len(name), len(name)))
    pairs = [(tmp_path / "source" / f"{k}", tmp_path / "copy" / f"{k}") for k in range(40)]
    assert len(file_contents.changed(pairs)) == 40
    monkeypatch.setattr(file_contents, "MOST_COMPARED", 4)
    assert [path.name for path in file_contents.changed(pairs)] == ["0", "10", "20", "30"]

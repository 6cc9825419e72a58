"""What tells whether files still hold what they held."""

import os
import shutil

from landuse.patches import file_contents


def test_a_digest_knows_names_sizes_and_the_bytes_of_a_sample(tmp_path, monkeypatch):
    files = [tmp_path / "Forest" / f"{number}.tif" for number in range(8)]
    files[0].parent.mkdir()
    for file in files:
        file.write_bytes(b"12")
    first = file_contents.digest(files)
    shutil.copytree(tmp_path / "Forest", tmp_path / "b" / "Forest", copy_function=shutil.copyfile)
    os.utime(tmp_path / "b" / "Forest" / "3.tif", (1, 1))
    assert file_contents.digest([tmp_path / "b" / "Forest" / file.name for file in files]) == first
    assert file_contents.digest(files[:7]) != first
    files[5].write_bytes(b"21")
    other = file_contents.digest(files)
    assert other != first
    monkeypatch.setattr(file_contents, "SAMPLE", 4)  # 0, 2, 4 and 6
    some = file_contents.digest(files)
    files[5].write_bytes(b"12")
    assert file_contents.digest(files) == some
    files[5].write_bytes(b"123")
    assert file_contents.digest(files) != some
    files[5].unlink()
    assert file_contents.digest(files) not in (some, first, other)


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

"""Files are whole or not there, whatever happens while they are written."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from landuse import files, unpacking


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run_python(code, *words, repository, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, words)],
        capture_output=True,
        text=True,
        cwd=repository,
        timeout=60,
        **options,
    )


# atomic_path


def test_atomic_path_writes_and_replaces(tmp_path):
    path = tmp_path / "map.tif"
    for content in (b"old", b"new"):
        with files.atomic_path(path) as temporary:
            assert temporary.suffix == ".tif"
            temporary.write_bytes(content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["map.tif"]


def test_atomic_path_keeps_the_old_file_after_an_error(tmp_path):
    path = tmp_path / "map.tif"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), files.atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["map.tif"]


def test_atomic_path_takes_side_files_along(tmp_path):
    with files.atomic_path(tmp_path / "map.tif") as temporary:
        temporary.write_bytes(b"map")
        Path(f"{temporary}.aux.xml").write_text("<names/>")
    assert names(tmp_path) == ["map.tif", "map.tif.aux.xml"]


def test_atomic_path_needs_something_written(tmp_path):
    nothing_written = pytest.raises(OSError, match=r"nothing was written to .*map\.tif")
    with nothing_written, files.atomic_path(tmp_path / "map.tif"):
        pass
    assert names(tmp_path) == []


def test_atomic_path_follows_a_link_and_respects_umask(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "disk" / "real.json")
    before = os.umask(0o022)
    try:
        with files.atomic_path(tmp_path / "link.json") as temporary:
            temporary.write_text("1")
    finally:
        os.umask(before)
    assert (tmp_path / "link.json").is_symlink()
    assert stat.S_IMODE((tmp_path / "disk" / "real.json").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["-map.tif", "a b.tif", "Müller.tif", "[a]*?.tif", "x" * 250])
def test_atomic_path_takes_any_name(tmp_path, name):
    for _ in range(2):
        with files.atomic_path(tmp_path / name) as temporary:
            temporary.write_text("x")
    assert names(tmp_path) == [name]


def test_atomic_path_on_a_full_disk_leaves_nothing(tmp_path, repository):
    code = """
        import resource, signal, sys
        from landuse import files
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with files.atomic_path(sys.argv[1]) as temporary:
                temporary.write_bytes(bytes(5000))
        except OSError as error:
            print(error.strerror)
    """
    answer = run_python(code, tmp_path / "map.tif", repository=repository)
    assert answer.stdout == "File too large\n"
    assert names(tmp_path) == []


def test_atomic_path_clears_what_a_killed_process_left(tmp_path, repository):
    code = """
        import os, signal, sys
        from landuse import files
        with files.atomic_path(sys.argv[1]) as temporary:
            temporary.write_bytes(bytes(5000))
            os.kill(os.getpid(), signal.SIGKILL)
    """
    path = tmp_path / "map.tif"
    answer = run_python(code, path, repository=repository)
    assert answer.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    with files.atomic_path(path) as temporary:
        temporary.write_text("x")
    assert names(tmp_path) == ["map.tif"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "split"
    for content in ("old", "new"):
        with files.whole_folder(folder) as made:
            (made / "list.txt").write_text(content)
        assert (folder / "list.txt").read_text() == content
    with pytest.raises(KeyError), files.whole_folder(folder) as made:
        (made / "list.txt").write_text("half")
        raise KeyError
    assert (folder / "list.txt").read_text() == "new"
    assert names(tmp_path) == ["split"]


def test_atomic_path_leaves_another_writer_alone(tmp_path):
    path = tmp_path / "map.tif"
    with files.atomic_path(path) as first:
        first.write_text("first")
        with files.atomic_path(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["map.tif"]


# check_can_write


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("no/a.tif", FileNotFoundError, "the folder .*/no does not exist; make it first"),
        ("file/a.tif", NotADirectoryError, ".*/file is a file, not a folder"),
        ("file/b/a.tif", NotADirectoryError, ".*/file is a file, not a folder"),
        ("folder", IsADirectoryError, "there is a folder of that name"),
    ],
)
def test_check_can_write_says_what_is_wrong(tmp_path, name, kind, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for check in (files.check_can_write, lambda path: files.write_json(path, 1)):
        with pytest.raises(kind, match=message):
            check(tmp_path / name)
    assert names(tmp_path) == ["file", "folder"]


def test_check_can_write_sees_permissions(tmp_path, monkeypatch):
    # Root may write anywhere, so the system's answer is made here.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="no permission to write in"):
        files.check_can_write(tmp_path / "a.tif")


def test_check_can_write_accepts_a_new_and_an_old_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.check_can_write("a.tif")
    Path("a.tif").write_text("x")
    files.check_can_write("a.tif")
    assert Path("a.tif").read_text() == "x"


# JSON


def test_json_round_trip(tmp_path):
    path = tmp_path / "settings.json"
    value = {"mean": np.array([1.5, 2]), "n": np.int64(3), "path": Path("a"), "name": "Straße"}
    files.write_json(path, value)
    assert files.read_json(path) == {"mean": [1.5, 2], "n": 3, "path": "a", "name": "Straße"}
    assert "Straße" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, {1, 2}, object()])
def test_json_refuses_what_it_cannot_hold(tmp_path, value):
    with pytest.raises(ValueError, match=r"cannot write .*a\.json"):
        files.write_json(tmp_path / "a.json", value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b"{'a': 1}"])
def test_json_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON"):
        files.read_json(path)


def test_json_of_another_editor(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a":\r\n 1}\r\n')
    assert files.read_json(path) == {"a": 1}


def test_json_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*a\.json"):
        files.read_json(tmp_path / "a.json")


# lock


def test_lock_refuses_a_second_run_and_leaves_nothing(tmp_path):
    path = tmp_path / "map.tif"
    with files.lock(path, "writing the map"):
        refused = pytest.raises(OSError, match=r"another run is writing the map: .*map\.tif; wait")
        with refused, files.lock(path, "writing the map"):
            pass
        assert names(tmp_path) == ["map.tif.lock"]
    with files.lock(path, "writing the map"):
        pass
    assert names(tmp_path) == []


def test_lock_file_that_was_left_locks_nobody_out(tmp_path):
    (tmp_path / "map.tif.lock").write_text("")
    with files.lock(tmp_path / "map.tif", "writing the map"):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path, repository):
    code = """
        import os, signal, sys
        from landuse import files
        with files.lock(sys.argv[1], "testing"):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    run_python(code, tmp_path / "a", repository=repository)
    assert names(tmp_path) == ["a.lock"]
    with files.lock(tmp_path / "a", "testing"):
        pass


def test_lock_admits_one_at_a_time(tmp_path):
    inside, seen, refused = [], [], []

    def work():
        for _ in range(200):
            try:
                with files.lock(tmp_path / "a", "testing"):
                    inside.append(1)
                    seen.append(len(inside))
                    inside.pop()
            except OSError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {1}
    assert len(seen) + len(refused) == 800


def test_lock_needs_the_folder(tmp_path):
    refused = pytest.raises(FileNotFoundError, match="does not exist")
    with refused, files.lock(tmp_path / "no" / "a", "testing"):
        pass


# checksums


def test_checksums(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert files.md5(tmp_path / "a") == hashlib.md5(b"abc" * 1_000_000).hexdigest()
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


# unzip


@pytest.fixture
def make_zip(tmp_path):
    def make(*members, compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "data.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for member, content in members:
                archive.writestr(member, content)
        return path

    return make


def test_unzip(make_zip, tmp_path):
    archive = make_zip(("a/", ""), ("a/b.txt", "b"), ("c/d/e.txt", "e" * 3_000_000))
    unpacking.unzip(archive, tmp_path / "out")
    assert (tmp_path / "out/a/b.txt").read_text() == "b"
    assert (tmp_path / "out/c/d/e.txt").stat().st_size == 3_000_000
    assert names(tmp_path) == ["data.zip", "out"]


def test_unzip_selects(make_zip, tmp_path):
    archive = make_zip(("top/a.txt", "a"), ("other.txt", "b"))
    unpacking.unzip(archive, tmp_path / "out", select=lambda folder: folder / "top")
    assert names(tmp_path / "out") == ["a.txt"]
    assert names(tmp_path) == ["data.zip", "out"]


def test_unzip_into_an_empty_folder_only(make_zip, tmp_path):
    archive = make_zip(("a.txt", "a"))
    (tmp_path / "out").mkdir()
    unpacking.unzip(archive, tmp_path / "out")
    with pytest.raises(FileExistsError, match="out is not empty"):
        unpacking.unzip(archive, tmp_path / "out")
    assert names(tmp_path / "out") == ["a.txt"]


def member(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("../evil.txt", "would leave the folder"),
        ("a/../../evil.txt", "would leave the folder"),
        ("/tmp/evil.txt", "absolute or foreign path"),
        ("C:/evil.txt", "absolute or foreign path"),
        ("..\\evil.txt", "absolute or foreign path"),
        (".", "would leave the folder"),
        (member("link", stat.S_IFLNK | 0o777), "is a link or a device"),
        (member("fifo", stat.S_IFIFO | 0o777), "is a link or a device"),
        ("good.txt", "comes twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unzip_refuses_members_that_could_do_harm(make_zip, tmp_path, bad, message):
    archive = make_zip(("good.txt", "a"), (bad, "/etc"))
    with pytest.raises(ValueError, match=rf"data\.zip was not unpacked: its member .*{message}"):
        unpacking.unzip(archive, tmp_path / "out")
    assert names(tmp_path) == ["data.zip"]


def test_unzip_refuses_other_compression(make_zip, tmp_path):
    with pytest.raises(ValueError, match="other than deflate"):
        unpacking.unzip(make_zip(("a", "a"), compression=zipfile.ZIP_BZIP2), tmp_path / "out")


def test_unzip_refuses_encrypted_members(make_zip, tmp_path):
    archive = make_zip(("a.txt", "a"))
    data = bytearray(archive.read_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(ValueError, match="is encrypted"):
        unpacking.unzip(archive, tmp_path / "out")


def test_unzip_refuses_a_bomb(make_zip, tmp_path):
    with pytest.raises(ValueError, match="more than 100 times as many"):
        unpacking.unzip(make_zip(("a", bytes(200 << 20))), tmp_path / "out")
    assert names(tmp_path) == ["data.zip"]


def test_unzip_refuses_more_than_declared(make_zip, tmp_path):
    archive = make_zip(("a", bytes(100_000)))
    data = bytearray(archive.read_bytes())
    at = data.find(b"PK\x01\x02") + 24
    data[at : at + 4] = (10).to_bytes(4, "little")  # declares 10 bytes
    archive.write_bytes(data)
    with pytest.raises(ValueError, match="is not a whole zip file"):
        unpacking.unzip(archive, tmp_path / "out")
    assert names(tmp_path) == ["data.zip"]


def test_unzip_refuses_when_the_disk_is_too_small(make_zip, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="100 bytes are needed, 10 are free"):
        unpacking.unzip(make_zip(("a", bytes(100))), tmp_path / "out")


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "text"])
def test_unzip_refuses_a_broken_archive(make_zip, tmp_path, harm):
    archive = make_zip(("a.bin", np.random.default_rng(0).bytes(10_000)))
    data = bytearray(archive.read_bytes())
    data[5000] ^= 0xFF
    broken = {"cut": data[:5000], "flip": data, "empty": b"", "text": b"<html>" * 100}
    archive.write_bytes(broken[harm])
    with pytest.raises(ValueError, match=r"data\.zip is not a whole zip file"):
        unpacking.unzip(archive, tmp_path / "out")
    assert names(tmp_path) == ["data.zip"]


def test_unzip_names_a_missing_archive(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*no\.zip"):
        unpacking.unzip(tmp_path / "no.zip", tmp_path / "out")


def test_unzip_killed_in_the_middle_leaves_no_folder(make_zip, tmp_path, repository):
    archive = make_zip(*((f"{i}.txt", "x") for i in range(50)))
    code = """
        import os, signal, sys
        from landuse import unpacking
        real = open
        def open_or_die(path, mode="r"):
            if str(path).endswith("30.txt"):
                os.kill(os.getpid(), signal.SIGKILL)
            return real(path, mode)
        unpacking.open = open_or_die
        unpacking.unzip(sys.argv[1], sys.argv[2])
    """
    answer = run_python(code, archive, tmp_path / "out", repository=repository)
    assert answer.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    unpacking.unzip(archive, tmp_path / "out")
    assert len(names(tmp_path / "out")) == 50
    assert names(tmp_path) == ["data.zip", "out"]

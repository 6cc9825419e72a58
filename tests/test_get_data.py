"""Script 00, against a small copy of EuroSAT on a server on this machine."""

import hashlib
import http.server
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

COUNTS = {"Forest": 3, "River": 2}


def make_archive(counts=COUNTS, top="EuroSAT_RGB/"):
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{top}readme.txt", "about")
        for name, count in counts.items():
            for number in range(1, count + 1):
                archive.writestr(f"{top}{name}/{name}_{number}.jpg", rng.bytes(200_000))
    return buffer.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; each entry of `faults` spoils one answer."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.faults = []
        self.ranges = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/EuroSAT_RGB.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        fault = server.faults.pop(0) if server.faults else None
        server.ranges.append(self.headers["Range"])
        total = len(server.content)
        start = int(re.findall(r"bytes=(\d+)-", self.headers["Range"] or "bytes=0-")[0])
        if fault in (404, 503):
            self.send_error(fault)
            return
        if fault == "ignores ranges":
            start = 0
        body = server.content[start:]
        partial = self.headers["Range"] and fault != "ignores ranges"
        self.send_response(206 if partial else 200)
        if partial:
            first = start + 1 if fault == "another part" else start
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        if fault != "tells no size":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "breaks":
            body = body[: len(body) // 2]
        if fault != "says nothing":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server(make_archive())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def step(server, tmp_path, monkeypatch):
    """Script 00 as a module that fetches from the server into tmp_path / "data"."""
    module = importlib.import_module("00_get_data")
    settings = {
        "DATASET": "EuroSAT_RGB",
        "PATH_TO_DATA": str(tmp_path / "data"),
        "CLASS_COUNTS": COUNTS,
        "DOWNLOADS": {"EuroSAT_RGB": download_of(server)},
        "TIMEOUT": 5.0,
    }
    for name, value in settings.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module.downloads.time, "sleep", lambda seconds: None)
    return module


def download_of(server):
    content = server.content
    return {"url": server.url, "size": len(content), "md5": hashlib.md5(content).hexdigest()}


def images(tmp_path):
    folder = tmp_path / "data" / "EuroSAT_RGB"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "data").iterdir())


ALL = [
    "Forest/Forest_1.jpg",
    "Forest/Forest_2.jpg",
    "Forest/Forest_3.jpg",
    "River/River_1.jpg",
    "River/River_2.jpg",
]


def test_fetches_checks_and_unpacks(step, server, tmp_path, capsys):
    step.main()
    assert images(tmp_path) == ALL
    assert names(tmp_path) == ["EuroSAT_RGB", "EuroSAT_RGB.zip"]
    assert server.ranges == [None]
    assert capsys.readouterr().out.endswith(f"data: {tmp_path}/data/EuroSAT_RGB\n")


def test_does_not_fetch_again(step, server, tmp_path, capsys):
    step.main()
    (tmp_path / "data" / "EuroSAT_RGB.zip").unlink()
    step.main()
    assert len(server.ranges) == 1
    assert "is there already, with all its images" in capsys.readouterr().out


def test_takes_an_archive_put_there_by_hand(step, server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "EuroSAT_RGB.zip").write_bytes(server.content)
    step.main()
    assert server.ranges == []
    assert images(tmp_path) == ALL


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_refuses_a_wrong_archive_put_there_by_hand(step, server, tmp_path, harm):
    archive = tmp_path / "data" / "EuroSAT_RGB.zip"
    archive.parent.mkdir()
    content = bytearray(server.content)
    content[1000] ^= 1
    archive.write_bytes(content[:1000] if harm == "cut" else content)
    with pytest.raises(
        ValueError, match=r"EuroSAT_RGB\.zip is broken or another file.*move it away"
    ):
        step.main()
    assert names(tmp_path) == ["EuroSAT_RGB.zip"]


@pytest.mark.parametrize("top", ["", "EuroSAT_RGB/", "ds/images/tif/"])
def test_finds_the_classes_wherever_the_archive_has_them(step, server, tmp_path, top):
    server.content = make_archive(top=top)
    step.DOWNLOADS["EuroSAT_RGB"] = download_of(server)
    step.main()
    assert images(tmp_path) == ALL


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"Forest": 3, "River": 1}, "River 1 instead of 2"),
        ({"Forest": 3}, "River 0 instead of 2"),
        ({"Forest": 3, "River": 2, "Sea": 1}, "Sea 1 instead of 0"),
        ({"Lake": 3}, "Forest 0 instead of 3"),
    ],
)
def test_refuses_another_number_of_images(step, server, tmp_path, counts, message):
    server.content = make_archive(counts)
    step.DOWNLOADS["EuroSAT_RGB"] = download_of(server)
    with pytest.raises(ValueError, match=f"{message}.*nothing of it was kept"):
        step.main()
    assert names(tmp_path) == ["EuroSAT_RGB.zip"]


def test_refuses_a_folder_that_is_not_whole(step, server, tmp_path):
    step.main()
    (tmp_path / "data" / "EuroSAT_RGB" / "River" / "River_1.jpg").unlink()
    with pytest.raises(ValueError, match="is not the whole EuroSAT: images of River 1 instead"):
        step.main()
    assert len(images(tmp_path)) == 4


def test_goes_on_after_broken_connections(step, server, tmp_path):
    server.faults = ["breaks", "breaks", 503, "breaks"]
    step.main()
    size = len(server.content)
    half, three_quarters = size // 2, size // 2 + (size - size // 2) // 2
    expected = [None, f"bytes={half}-", *[f"bytes={three_quarters}-"] * 2]
    assert server.ranges[:4] == expected
    assert images(tmp_path) == ALL


def test_goes_on_in_another_run(step, server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "EuroSAT_RGB.zip.part").write_bytes(server.content[:300_000])
    step.main()
    assert server.ranges == ["bytes=300000-"]
    assert names(tmp_path) == ["EuroSAT_RGB", "EuroSAT_RGB.zip"]


@pytest.mark.parametrize("fault", ["ignores ranges", "tells no size", "another part"])
def test_copes_with_odd_servers(step, server, tmp_path, fault):
    server.faults = ["breaks", fault]
    step.main()
    assert images(tmp_path) == ALL


def test_part_longer_than_the_file_is_fetched_anew(step, server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "EuroSAT_RGB.zip.part").write_bytes(bytes(len(server.content) + 1))
    step.main()
    assert images(tmp_path) == ALL


def test_part_of_another_file_is_found_and_removed(step, server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "EuroSAT_RGB.zip.part").write_bytes(bytes(300_000))
    with pytest.raises(ValueError, match=r"has md5 .*, expected .*; it was removed"):
        step.main()
    assert names(tmp_path) == []
    step.main()
    assert images(tmp_path) == ALL


def test_refuses_a_wrong_checksum(step, server, tmp_path):
    step.DOWNLOADS["EuroSAT_RGB"]["md5"] = "0" * 32
    with pytest.raises(ValueError, match=f"expected {'0' * 32}; it was removed"):
        step.main()
    assert names(tmp_path) == []


def test_refuses_a_file_of_another_size_before_fetching_it(step, server, tmp_path):
    step.DOWNLOADS["EuroSAT_RGB"]["size"] += 1
    with pytest.raises(ValueError, match=r"bytes there, expected .*: not fetched"):
        step.main()
    assert names(tmp_path) == []


def test_fetches_no_more_than_expected(step, server, tmp_path):
    step.DOWNLOADS["EuroSAT_RGB"]["size"] -= 1
    server.faults = ["tells no size"]
    with pytest.raises(ValueError, match="has md5"):
        step.main()
    assert names(tmp_path) == []


@pytest.mark.parametrize("fault", [404, 503, "says nothing"])
def test_gives_up_with_advice(step, server, tmp_path, fault):
    server.faults = [fault] * 20
    advice = f"put it at {tmp_path}/data/EuroSAT_RGB.zip and run this step again"
    with pytest.raises(OSError, match=f"cannot download {server.url}: .*{advice}"):
        step.main()
    assert len(server.ranges) == step.RETRIES + 1
    assert set(names(tmp_path)) <= {"EuroSAT_RGB.zip.part"}


def test_without_a_network_says_where_to_put_the_file(step, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(step, "PATH_TO_DATA", "data")
    url = "http://nowhere.invalid/EuroSAT_RGB.zip"
    step.DOWNLOADS["EuroSAT_RGB"]["url"] = url
    with pytest.raises(OSError) as error:
        step.main()
    assert str(error.value).startswith(f"cannot download {url}: no connection (")
    assert f"put it at {tmp_path}/data/EuroSAT_RGB.zip" in str(error.value)
    assert names(tmp_path) == []


def test_says_that_the_disk_is_too_small(step, server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(step.downloads.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"not enough space for a download of [\d,]+ bytes: 10"):
        step.main()
    assert server.ranges == []


def test_two_runs_do_not_mix(step, tmp_path):
    (tmp_path / "data").mkdir()
    refused = pytest.raises(OSError, match="another run is getting the data set")
    with step.files.lock(tmp_path / "data" / "EuroSAT_RGB", "testing"), refused:
        step.main()


DRIVER = """
import importlib, json, os, signal, sys
step = importlib.import_module("00_get_data")
step.DATASET, step.PATH_TO_DATA = "EuroSAT_RGB", sys.argv[1]
step.CLASS_COUNTS, step.DOWNLOADS = json.loads(sys.argv[2]), json.loads(sys.argv[3])
calls, limit = 0, int(sys.argv[4])
def watch(frame, event, argument):
    global calls
    calls += 1
    if calls == limit:
        os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(watch)
step.main()
print(calls)
"""


def run_driver(step, folder, limit, repository):
    return subprocess.run(
        [
            *(sys.executable, "-c", DRIVER, folder, json.dumps(step.CLASS_COUNTS)),
            *(json.dumps(step.DOWNLOADS), str(limit)),
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_killed_at_any_moment_the_next_run_finishes(step, server, tmp_path, repository):
    whole = run_driver(step, tmp_path / "whole", 0, repository)
    calls = int(whole.stdout.splitlines()[-1])
    folder = tmp_path / "data"
    moments = np.random.default_rng(0).integers(calls // 10, calls, 20)
    for moment in moments:
        assert run_driver(step, folder, moment, repository).returncode == -signal.SIGKILL
        if (folder / "EuroSAT_RGB").exists():
            assert images(tmp_path) == ALL
        step.main()
        assert images(tmp_path) == ALL
        assert set(names(tmp_path)) == {"EuroSAT_RGB", "EuroSAT_RGB.zip"}
        for path in ALL:
            (folder / "EuroSAT_RGB" / path).unlink()
        for name in ("Forest", "River", "readme.txt"):
            path = folder / "EuroSAT_RGB" / name
            path.rmdir() if path.is_dir() else path.unlink()
        (folder / "EuroSAT_RGB").rmdir()
        (folder / "EuroSAT_RGB.zip").unlink()


# Through the command line


@pytest.fixture
def run(repository, tmp_path):
    def run(*words):
        return subprocess.run(
            [sys.executable, repository / "00_get_data.py", *words],
            cwd=tmp_path,
            env={**os.environ, "http_proxy": "", "https_proxy": "http://127.0.0.1:9"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_sample_through_the_command_line(run, tmp_path):
    flags = "--sample-patches-per-class=1", "--path-to-data=da ta"
    answer = run(*flags)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "data: da ta/sample"
    sample = tmp_path / "da ta" / "sample"
    assert len(list(sample.glob("EuroSAT_MS/*/*.tif"))) == 10
    assert len(list(sample.glob("EuroSAT_RGB/*/*.jpg"))) == 10
    assert (sample / "scene.tif").is_file()
    assert (sample / "scene_truth.tif").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "eurosat"], "--dataset expects sample, EuroSAT_RGB, EuroSAT_MS or web_"),
        (["--sample-patches-per-class", "0"], "patches_per_class is 0; it must be at least 1"),
        (["--path-to-data", "file"], "file"),
        (["--path-to-data", "file/data"], "file"),
        (["--path-to-data", "file", "--dataset", "EuroSAT_MS"], "a file is in its way"),
        (["--dataset", "EuroSAT_RGB", "--retries", "0"], "cannot download https://zenodo.org"),
    ],
)
def test_bad_input_through_the_command_line(run, tmp_path, words, message):
    (tmp_path / "file").write_text("mine")
    answer = run(*words)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
    assert message in answer.stderr
    assert (tmp_path / "file").read_text() == "mine"

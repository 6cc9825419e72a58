"""Script 06 over many scenes: lists and patterns, what is made already, and a cluster of Dask."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from test_classify_image import GEOTRANSFORM, brightness_model, made_pixels, record_of, write_scene

from landuse.mapping import clusters, made_scenes, outcomes, scene_tasks
from landuse.networks import model_files
from landuse.rasters import reading
from landuse.scenes import scene_lists

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = REPOSITORY / "06_classify_image.py"
NAMES = ("east", "north", "south", "west")
step = importlib.import_module("06_classify_image")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with four scenes, one that is all nodata, their lists, and a model."""
    folder = tmp_path_factory.mktemp("place")
    pixels = made_pixels()
    (folder / "scenes").mkdir()
    for number, name in enumerate(NAMES):
        write_scene(folder / "scenes" / f"{name}.tif", np.roll(pixels, 20 * number, axis=1))
    write_scene(folder / "empty.tif", np.zeros((80, 80, 13), np.uint16))
    lines = ["# of the exercise", "scenes/east.tif", "", "empty.tif", "scenes/west.tif"]
    (folder / "list.txt").write_text("\n".join(lines))
    model_files.save(brightness_model(), record_of(pixels), folder / "model.keras")
    return folder


@pytest.fixture
def set_up(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def set_constants(**constants):
        defaults = {
            "PATH_TO_IMAGE": str(place / "scenes" / "*.tif"),
            "PATH_TO_MODEL": str(place / "model.keras"),
            "PRECISION": "float32",
            "QUICKLOOK": False,
            "HTML": False,
        }
        for name, value in {**defaults, **constants}.items():
            monkeypatch.setattr(step, name, value)

    return set_constants


def command(place, *flags, image=None):
    return [
        *(sys.executable, str(SCRIPT), "--path-to-image", str(image or place / "scenes" / "*.tif")),
        *("--path-to-model", str(place / "model.keras"), "--precision", "float32"),
        *flags,
    ]


def run(folder, words):
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env=environment()
    )


def environment():
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def all_bytes(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def test_parts_of_a_scene_join_to_the_map_of_the_whole(set_up, place, tmp_path, monkeypatch):
    """Two calls may map a half each: the mosaic has the labels and probabilities of one call."""
    scene = str(place / "scenes" / "east.tif")
    left, width, _, top, _, height = GEOTRANSFORM
    rows, columns = made_pixels().shape[:2]
    middle, right = left + columns // 16 * 8 * width, left + columns * width
    bottom = top + rows * height
    (tmp_path / "parts").mkdir()
    for label, bounds in (
        ("whole_label.tif", None),
        ("parts/west_label.tif", (left, bottom, middle, top)),
        ("parts/east_label.tif", (middle, bottom, right, top)),
    ):
        set_up(PATH_TO_IMAGE=scene, PATH_TO_LABEL_IMAGE=label, BOUNDS=bounds)
        step.main()
    mosaic = importlib.import_module("06_mosaic_maps")
    monkeypatch.setattr(mosaic, "PATH_TO_MAPS", "parts/*_label.tif")
    monkeypatch.setattr(mosaic, "PATH_TO_MOSAIC", "mosaic_label.tif")
    monkeypatch.setattr(mosaic, "HTML", False)
    mosaic.main()
    for kind in ("label", "probability"):
        with (
            reading.Raster(f"whole_{kind}.tif") as whole,
            reading.Raster(f"mosaic_{kind}.tif") as joined,
        ):
            assert whole.info.geotransform == joined.info.geotransform
            size = (whole.info.rows, whole.info.columns)
            assert size == (joined.info.rows, joined.info.columns)
            np.testing.assert_array_equal(whole.read(0, 0, 0, *size), joined.read(0, 0, 0, *size))


# ------------------------------------------------------------------------------- what is meant
def test_a_list_a_pattern_and_a_folder_of_products(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["S2A_MSIL1C_20170613T101031_N0205_R022_T32TPP_20170613T101608"]
    names += ["S2B_MSIL2A_20180211T100129_N0206_R122_T32TPP_20180211T104632"]
    (tmp_path / "products").mkdir()
    (tmp_path / "products" / f"{names[0]}.SAFE").mkdir()
    (tmp_path / "products" / f"{names[1]}.SAFE.zip").touch()
    (tmp_path / "products" / "notes.pdf").touch()
    both = [f"products/{names[0]}.SAFE", f"products/{names[1]}.SAFE.zip"]
    assert scene_lists.expand("products") == both
    assert scene_lists.expand("products/*.SAFE*") == both
    assert scene_lists.expand("**/S2B*") == both[1:]
    (tmp_path / "products" / "list.txt").write_text(f"{names[1]}.SAFE.zip\n  {both[0]}  \n#x\n")
    assert scene_lists.expand(["products/list.txt"]) == both[::-1]
    assert scene_lists.expand("products/notes.pdf") == ["products/notes.pdf"]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / f"{names[0]}.SAFE").mkdir()
    assert scene_lists.expand("one") == ["one"]  # a folder around one product is that product
    (tmp_path / "a[1].tif").touch()
    assert scene_lists.expand("a[1].tif") == ["a[1].tif"]


def test_what_a_list_or_a_pattern_cannot_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nothing fits the pattern no/\*\.zip"):
        scene_lists.expand("no/*.zip")
    (tmp_path / "list.txt").write_text("list.txt\nno.SAFE\n")
    with pytest.raises(FileNotFoundError, match=r"list.txt, line 2: no.SAFE does not exist"):
        scene_lists.expand("list.txt")
    (tmp_path / "empty.txt").write_text("# none yet\n")
    with pytest.raises(ValueError, match=r"empty.txt: names no scene"):
        scene_lists.expand("empty.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary.txt: is no list of scenes in UTF-8"):
        scene_lists.expand("binary.txt")


# ---------------------------------------------------------------------------- what is made already
def test_a_second_start_makes_what_is_missing(set_up, place, tmp_path, capsys):
    set_up(PATH_TO_IMAGE=str(place / "list.txt"))
    with pytest.raises(ValueError, match="1 of 3 scenes"):
        step.main()
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "maps").glob("*.tif")}
    (tmp_path / "maps" / "west_label.tif").unlink()
    with pytest.raises(ValueError, match="1 of 3 scenes"):
        step.main()
    said = capsys.readouterr().out
    assert f"{place}/scenes/east.tif: maps/east_label.tif (was made before, and kept)" in said
    assert f"map of {place}/scenes/west.tif: maps/west_label.tif\n" in said
    assert f"map of {place}/empty.tif: none, " in said
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "maps").glob("*.tif")}
    assert {path.name for path in after if after[path] != before.get(path)} == {
        "west_label.tif",
        "west_probability.tif",
    }


@pytest.mark.parametrize("change", ["STRIDE", "HTML", "scene", "model", "begun", "KEEP_MADE"])
def test_a_map_of_something_else_is_not_kept(change, set_up, place, tmp_path, capsys):
    shutil.copytree(place / "scenes", "scenes")
    shutil.copy(place / "model.keras", "model.keras")
    images = ["scenes/east.tif", "scenes/west.tif"]
    constants = {"PATH_TO_IMAGE": images, "PATH_TO_MODEL": "model.keras", "STRIDE": 32}
    set_up(**constants)
    step.main()
    if change in ("STRIDE", "HTML", "KEEP_MADE"):
        constants[change] = {"STRIDE": 16, "HTML": True, "KEEP_MADE": False}[change]
    elif change == "scene":
        write_scene(Path("scenes/east.tif"), made_pixels())
        write_scene(Path("scenes/west.tif"), made_pixels())
    elif change == "model":
        record = {**record_of(made_pixels()), "class_names": ["Dark", "Dim", "Bright"]}
        model_files.save(brightness_model(), record, tmp_path / "model.keras")
        constants["REPLACE"] = True
    else:
        for name in ("east", "west"):
            (tmp_path / "maps" / f"{name}_label.tif.partial").mkdir()
    set_up(**constants)
    capsys.readouterr()
    step.main()
    assert "kept" not in capsys.readouterr().out
    step.main()
    assert ("and kept" in capsys.readouterr().out) == (change != "KEEP_MADE")


def test_each_map_says_its_own_scene_only(set_up, place, tmp_path):
    set_up(PATH_TO_IMAGE=str(place / "list.txt"), STRIDE=32)
    with pytest.raises(ValueError, match="1 of 3"):
        step.main()
    told = json.loads((tmp_path / "maps" / "west_settings.json").read_text())
    assert told["settings"]["PATH_TO_IMAGE"] == f"{place}/scenes/west.tif"
    assert not set(made_scenes.OF_THE_WORK) & set(told["settings"])


# ------------------------------------------------------------------------------- a cluster of Dask
def test_a_cluster_that_cannot_be(set_up, place, tmp_path, monkeypatch):
    for scheduler in ("here", "10.0.0.1:8786", "http://10.0.0.1:8786", "tcp://host"):
        set_up(SCHEDULER=scheduler)
        with pytest.raises(ValueError, match="expected None, 'local', or the address"):
            step.main()
    set_up(SCHEDULER="local", WORKERS=0)
    with pytest.raises(ValueError, match="WORKERS must be 1 or more, not 0"):
        step.main()
    monkeypatch.setattr(clusters, "PACKAGES", {"no_such_package": "distributed"})
    set_up(SCHEDULER="local", WORKERS=None)
    with pytest.raises(ValueError, match="'local' needs a package that is not installed: pip inst"):
        step.main()
    assert not list(tmp_path.iterdir())


def test_two_scenes_of_one_name_are_not_given_to_two_workers(place):
    images = [Path("a/S2A_1.SAFE"), Path("b/S2A_1.SAFE.zip"), Path("other.tif")]
    with pytest.raises(ValueError, match=r"a/S2A_1.SAFE and b/S2A_1.SAFE.zip would both be named"):
        clusters.check_names(images)
    clusters.check_names([Path("a.tif"), Path("b.tif")])
    results = outcomes.Outcomes([Path("a"), Path("b"), Path("c")])
    for name, label in (("a", "x.tif"), ("b", "x.tif"), ("c", "y.tif")):
        results.note(Path(name), Path(label), {})
    clusters._check_no_map_twice(results)
    assert set(results.errors) == {Path("a"), Path("b")} and set(results.written) == {Path("c")}


@pytest.fixture
def job(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    constants = {"PATH_TO_MODEL": str(place / "model.keras"), "PRECISION": "float32"}
    constants |= {"KEEP_MADE": True, "QUICKLOOK": False, "HTML": False}
    return scene_tasks.job_of(SCRIPT, constants, place / "model.keras")


def test_a_worker_says_why_it_cannot_take_part(job, place, tmp_path):
    assert scene_tasks.objection(job) == ""
    for name, value, said in (
        ("code", "0" * 64, "has another version of this repository"),
        ("folder", "/no/folder", "sees no folder /no/folder: all workers need the same disk"),
        ("backend", "torch", "not on torch: set KERAS_BACKEND there"),
        ("path_to_model", "no.keras", "sees no model"),
        ("model", "0" * 64, "has another model under"),
    ):
        other = scene_tasks.Job(**{**vars(job), name: value})
        assert said in scene_tasks.objection(other)
        told = scene_tasks.map_one(other, str(place / "scenes" / "east.tif"), print)
        assert told.label is None and said in told.error


def test_the_code_has_another_checksum_when_a_line_changes(tmp_path):
    (tmp_path / "landuse").mkdir()
    for name in ("landuse/a.py", "landuse/b.py", "06.py"):
        (tmp_path / name).write_text("1\n")
    first = made_scenes.code_digest(tmp_path, [tmp_path / "06.py"])
    (tmp_path / "landuse" / "notes.txt").write_text("2\n")
    assert made_scenes.code_digest(tmp_path, [tmp_path / "06.py"]) == first
    (tmp_path / "landuse" / "b.py").write_text("2\n")
    assert made_scenes.code_digest(tmp_path, [tmp_path / "06.py"]) != first


def test_a_task_tells_all_that_became_of_its_scene(job, place, monkeypatch):
    monkeypatch.setattr(scene_tasks, "SECONDS_BETWEEN_REPORTS", 0.0)
    shares = []
    told = scene_tasks.map_one(job, str(place / "scenes" / "east.tif"), shares.append)
    assert (told.label, told.kept, told.error) == ("maps/east_label.tif", False, "")
    assert told.further == {"probability": "maps/east_probability.tif"}
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert "map of east" in told.said
    assert scene_tasks.map_one(job, str(place / "scenes" / "east.tif"), print).kept
    told = scene_tasks.map_one(job, str(place / "empty.tif"), print)
    assert told.label is None and "is all nodata" in told.error
    broken = scene_tasks.Job(**{**vars(job), "constants": {**job.constants, "STRIDE": "8"}})
    told = scene_tasks.map_one(broken, str(place / "scenes" / "west.tif"), print)
    assert told.error.startswith("fault of the program, TypeError") and "Traceback" in told.said


@pytest.fixture(scope="module")
def cluster():
    """A scheduler with one worker, all in this process; what is said by the worker is its own."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as made:
        yield made


def test_scenes_go_over_a_cluster(cluster, set_up, place, tmp_path, capsys):
    set_up(PATH_TO_IMAGE=str(place / "scenes" / "east.tif"), STRIDE=32, KEEP_MADE=True)
    step.main()
    alone = (tmp_path / "maps" / "east_label.tif").stat().st_mtime_ns
    capsys.readouterr()
    set_up(PATH_TO_IMAGE=str(place / "list.txt"), STRIDE=32, SCHEDULER=cluster.scheduler_address)
    with pytest.raises(ValueError, match="1 of 3 scenes could not be mapped"):
        step.main()
    said = capsys.readouterr().out
    assert "workers: 1" in said
    assert f"{place}/scenes/east.tif: maps/east_label.tif (was made before, and kept)" in said
    assert f"map of {place}/scenes/west.tif: maps/west_label.tif\n" in said
    assert f"map of {place}/empty.tif: none, {place}/empty.tif is all nodata" in said
    assert (tmp_path / "maps" / "east_label.tif").stat().st_mtime_ns == alone
    assert (tmp_path / "maps" / "west_probability.tif").exists()


def test_workers_of_another_version_and_none_at_all(cluster, job, monkeypatch):
    other = scene_tasks.Job(**{**vars(job), "code": "0" * 64})
    with clusters._client(cluster.scheduler_address, 1) as client:
        clusters._check_workers(client, job)
        with pytest.raises(ValueError, match=r"worker tcp.* has another version of this reposit"):
            clusters._check_workers(client, other)

        def without_repository(words):
            raise ModuleNotFoundError("No module named 'landuse'")

        monkeypatch.setattr(clusters, "_by_value", lambda *names: without_repository)
        with pytest.raises(ValueError, match="cannot import this repository"):
            clusters._check_workers(client, job)
    distributed = importlib.import_module("distributed")
    monkeypatch.setattr(clusters, "SECONDS_FOR_A_WORKER", 0.1)
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, protocol="tcp", dashboard_address=None
        ) as empty,
        clusters._client(empty.scheduler_address, 1) as client,
        pytest.raises(ValueError, match="no worker has come in"),
    ):
        clusters._check_workers(client, job)


def test_what_dask_gives_up_is_told():
    class Future:
        status, key = "error", "a"

        def exception(self):
            return type("KilledWorker", (Exception,), {})()

    assert "was lost again and again" in clusters._told(Future()).error
    Future.status = "cancelled"
    assert clusters._told(Future()).error == "the cluster gave it up (it was cancelled)"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_workers_make_the_same_maps_and_only_the_missing(place, tmp_path):
    pytest.importorskip("distributed")
    one = run(tmp_path / "one", command(place, image=place / "list.txt"))
    assert one.returncode == 2 and "1 of 3 scenes could not be mapped" in one.stderr
    (tmp_path / "two" / "maps").mkdir(parents=True)
    for path in (tmp_path / "one" / "maps").glob("east*"):
        shutil.copy2(path, tmp_path / "two" / "maps")
    words = command(place, "--scheduler", "local", "--workers", "2", image=place / "list.txt")
    two = run(tmp_path / "two", words)
    assert two.returncode == 2, two.stderr
    assert two.stderr.strip().splitlines()[-1].startswith("error: 1 of 3 scenes could not be")
    assert "workers: 2" in two.stdout
    assert f"map of {place}/empty.tif: none, {place}/empty.tif is all nodata" in two.stdout
    assert f"map of {place}/scenes/east.tif: maps/east_label.tif (was made before" in two.stdout
    assert f"map of {place}/scenes/west.tif: maps/west_label.tif\n" in two.stdout
    assert all_bytes(tmp_path / "one" / "maps") == all_bytes(tmp_path / "two" / "maps")


def workers_of(pid):
    """Processes below this one in which TensorFlow is loaded."""
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if any("tensorflow" in file.path for file in child.memory_maps()):
                yield child
        except psutil.Error:
            continue


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_that_is_killed_loses_nothing(place, tmp_path):
    pytest.importorskip("distributed")
    images = ["--path-to-image", *(str(place / "scenes" / f"{n}.tif") for n in ("east", "west"))]
    flags = ["--stride", "4", "--block-size", "16", "--batch-size", "4", *images]
    whole = run(tmp_path / "whole", command(place, *flags))
    assert whole.returncode == 0, whole.stderr
    killed = tmp_path / "killed"
    killed.mkdir()
    with subprocess.Popen(
        command(place, *flags, "--scheduler", "local", "--workers", "2"),
        cwd=killed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    ) as child:
        deadline = time.monotonic() + 200
        journals = []
        while sum(journal.read_text().count("\n") >= 6 for journal in journals) < 1:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
            journals = list((killed / "maps").glob("*.partial/journal.txt"))
        victim = next(workers_of(child.pid))
        victim.send_signal(signal.SIGKILL)
        said = child.communicate(timeout=250)[0]
    assert child.returncode == 0, said
    assert all_bytes(tmp_path / "whole" / "maps") == all_bytes(killed / "maps")


def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_a_scheduler_that_does_not_answer(place, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(clusters, "SECONDS_TO_ANSWER", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(OSError, match="nothing answers at tcp"), clusters._client(address, 1):
        pass

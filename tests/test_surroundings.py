"""Full disks, files that vanish, two runs at once, clocks, locales and odd names."""

import ast
import contextlib
import os
import re
import resource
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import image_functions
from image_functions import BANDS_MS, BANDS_RGB
from landuse import files
from landuse.patches import class_folders, patch_cache, split_folders, splits
from landuse.rasters import reading, writing
from landuse.scenes import finding, opening

REPOSITORY = Path(__file__).resolve().parent.parent
SPLIT = "01_split_data_to_train_and_validation.py"
MAP = "06_classify_image.py"
TRAIN = "03_train_rgb_from_scratch.py"
EVALUATE = "07_evaluate_model.py"
GEOTRANSFORM = (600000.0, 10.0, 0.0, 4850000.0, 0.0, -10.0)


def write_images(folder, count=6, kind="tif"):
    rng = np.random.default_rng(1)
    for name in ("Forest", "River"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(300, 3000, (64, 64, 13)).astype(np.uint16)
            path = folder / name / f"{name}_{number}.{kind}"
            if kind == "tif":
                writing.write_geotiff(path, pixels, GEOTRANSFORM, "EPSG:32632")
            else:
                Image.fromarray((pixels[..., :3] // 16).astype(np.uint8)).save(path)
    return folder


def run(script, *words, **options):
    """Run a step in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, REPOSITORY / script, *map(str, words)],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=300,
        env=environment,
        **options,
    )


def run_here(monkeypatch, script, *words):
    """Run a step in this process, as its command line would."""
    monkeypatch.setattr(sys, "argv", [script, *map(str, words)])
    runpy.run_path(str(REPOSITORY / script), run_name="__main__")


def at_most(size):
    """Files end at so many bytes, as on a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def answer_of(done):
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.replace("\r", "\n").splitlines()[-1]


# ---- full disk


def test_a_full_disk_while_a_split_is_made(tmp_path):
    write_images(tmp_path / "images", count=40)
    words = ("--path-to-all-images", "images", "--path-to-split-datasets", "split")
    said = answer_of(run(SPLIT, *words, cwd=tmp_path, preexec_fn=at_most(300)))
    assert "File too large" in said or "No space" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_a_full_disk_while_statistics_are_written(tmp_path):
    split = splits.split_random(class_folders.find_images(write_images(tmp_path / "images")), 0.5)
    split_folders.make_split_folder(tmp_path / "split", split, {})
    words = ("--path-to-split-datasets", "split")
    assert run("statistics.py", *words, cwd=tmp_path).returncode == 0
    before = (tmp_path / "split" / "statistics.json").read_bytes()
    answer_of(run("statistics.py", *words, cwd=tmp_path, preexec_fn=at_most(500)))
    assert (tmp_path / "split" / "statistics.json").read_bytes() == before
    assert not list((tmp_path / "split").glob(".*.partial"))


def test_a_full_disk_while_the_sample_is_made(tmp_path):
    words = ("--sample-patches-per-class", "1", "--path-to-data", "data")
    answer_of(run("00_get_data.py", *words, cwd=tmp_path, preexec_fn=at_most(50_000)))
    visible = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert [path for path in visible if not str(path).count("/.")] == []


@contextlib.contextmanager
def files_of_at_most(size):
    """Files of this process end at so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def tiny(monkeypatch):
    """A network of a few layers, among those of keras.applications."""
    import keras
    from kill_driver import tiny_network

    policy = keras.config.dtype_policy()
    monkeypatch.setattr(keras.applications, "Tiny", tiny_network, raising=False)
    yield ("--network", "Tiny", "--batch-size", "3", "--precision", "float32")
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def photos(tmp_path, tiny):
    """Flags to train on a few photos."""
    images = class_folders.find_images(write_images(tmp_path / "photos", kind="jpg"))
    split_folders.make_split_folder(tmp_path / "split", splits.split_random(images, 0.5), {})
    return (*tiny, "--path-to-split-datasets", tmp_path / "split", "--epochs", "2")


def refused_here(monkeypatch, capfd, script, *words):
    """Run a step that ends with an error, in this process, and give its last line."""
    with pytest.raises(SystemExit) as end:
        run_here(monkeypatch, script, *words)
    said = capfd.readouterr().err.replace("\r", "\n")
    assert end.value.code == 2 and "Traceback" not in said, said
    return said.splitlines()[-1]


def test_a_full_disk_while_a_model_is_saved(photos, tmp_path, monkeypatch, capfd):
    words = (TRAIN, *photos, "--path-to-run", tmp_path / "run")
    for part in ("train", "validation"):
        split_folders.load_part(
            str(tmp_path / "split"), part, BANDS_RGB
        )  # decoded before it is full
    with files_of_at_most(10_000):
        said = refused_here(monkeypatch, capfd, *words)
    assert said == f"error: {tmp_path / 'run' / 'model.keras'}: File too large"
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {"settings.json", "logs"}
    run_here(monkeypatch, *words)
    assert capfd.readouterr().out.splitlines()[-1] == f"model: {tmp_path / 'run' / 'model.keras'}"


def test_a_full_disk_while_a_report_is_written(photos, tmp_path, monkeypatch, capfd):
    run_here(monkeypatch, TRAIN, *photos, "--path-to-run", tmp_path / "run")
    words = (EVALUATE, "--path-to-model", tmp_path / "run" / "model.keras")
    words += ("--path-to-images", tmp_path / "split" / "train")
    words += ("--path-to-report", tmp_path / "report")
    with files_of_at_most(5_000):
        assert "File too large" in refused_here(monkeypatch, capfd, *words)
    sizes = [path.stat().st_size for path in (tmp_path / "report").rglob("*")]
    assert all(0 < size < 5_000 for size in sizes)  # what was finished before
    run_here(monkeypatch, *words)
    assert (tmp_path / "report" / "report.md").is_file()


def test_a_loss_that_is_no_number_ends_the_training(photos, tmp_path, monkeypatch, capfd):
    words = (TRAIN, *photos, "--path-to-run", tmp_path / "run", "--learning-rate", "1e30")
    said = refused_here(monkeypatch, capfd, *words, "--warmup-epochs", "0")
    assert "the loss became NaN or infinite in epoch 1, step " in said
    assert "no model was kept yet" in said and "lower LEARNING_RATE" in said


# ---- files that vanish


def test_an_image_that_vanishes_between_listing_and_decoding_is_named(tmp_path, monkeypatch):
    images = class_folders.find_images(write_images(tmp_path / "images"))
    paths = [path for members in images.values() for path in members]
    paths[3].unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(paths[3].name)):
        patch_cache.open_patches(paths)
    write_images(tmp_path / "images")
    blocks = patch_cache._blocks

    def vanish(*arguments):
        paths[5].unlink()
        return blocks(*arguments)

    monkeypatch.setattr(patch_cache, "_blocks", vanish)
    with pytest.raises(ValueError, match=r"1 of 12 patches.*no such file; was it moved meanwhile"):
        patch_cache.open_patches(paths)


def test_an_image_that_vanishes_while_it_is_linked(tmp_path):
    images = class_folders.find_images(write_images(tmp_path / "images"))
    split = splits.split_random(images, 0.5)
    split["train"]["River"][0].unlink()
    with pytest.raises(FileNotFoundError):
        split_folders.make_split_folder(tmp_path / "split", split, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_a_band_that_vanishes_after_the_product_was_listed(tmp_path, monkeypatch):
    from make_products import make_safe

    root = make_safe(tmp_path, size=96)
    find = finding.find_product

    def vanish(*arguments):
        found = find(*arguments)
        Path(found.bands["B11"].path).unlink()
        return found

    monkeypatch.setattr(finding, "find_product", vanish)
    with pytest.raises(FileNotFoundError, match=r"_B11\.jp2"):
        opening.open_scene(root, BANDS_MS)


# ---- two runs at once


def test_two_splits_into_one_folder(tmp_path):
    images = class_folders.find_images(write_images(tmp_path / "images", count=2))
    split = splits.split_random(images, 0.5)
    with (
        files.lock(tmp_path / "split", "splitting images into the folder"),
        pytest.raises(OSError, match="another run is splitting images into the folder"),
    ):
        split_folders.make_split_folder(tmp_path / "split", split, {})
    assert not (tmp_path / "split").exists()


def test_many_runs_share_a_cache(tmp_path):
    write_images(tmp_path / "images", count=30)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from landuse.patches import class_folders, patch_cache; "
        "images = class_folders.find_images('images'); "
        "print(patch_cache.open_patches(sum(images.values(), [])).sum(dtype='int64'))"
    )
    command = [sys.executable, "-c", code, REPOSITORY]
    runs = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    sums = {process.communicate(timeout=120)[0].splitlines()[-1] for process in runs}
    assert len(sums) == 1 and all(process.returncode == 0 for process in runs)


# ---- clocks


def test_an_image_that_became_older_is_decoded_anew(tmp_path):
    images = class_folders.find_images(write_images(tmp_path / "images", count=2))
    paths = [path for members in images.values() for path in members]
    tifffile.imwrite(paths[0], np.full((64, 64, 13), 55, np.uint16), planarconfig="contig")
    size = paths[0].stat().st_size
    before = patch_cache.open_patches(paths).copy()
    tifffile.imwrite(paths[0], np.full((64, 64, 13), 77, np.uint16), planarconfig="contig")
    assert paths[0].stat().st_size == size
    os.utime(paths[0], (0, 0))  # the clock was set back by half a century
    after = patch_cache.open_patches(paths)
    assert (after[0] == 77).all() and np.array_equal(after[1:], before[1:])


def test_nothing_measures_time_by_a_clock_that_can_be_set():
    for path in [*REPOSITORY.glob("*.py"), *(REPOSITORY / "landuse").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if not any(f".{name}" in text for name in ("time", "now", "utcnow")):
            continue
        calls = [
            node.func
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        clocks = [ast.unparse(func) for func in calls if func.attr in ("time", "now", "utcnow")]
        assert clocks == [], path.name


# ---- languages and names


@pytest.fixture(scope="session")
def locales(tmp_path_factory):
    """A folder with locales of a decimal comma, which most small machines lack."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef"):
        for language in ("de_DE", "fr_FR"):
            target = folder / f"{language}.UTF-8"
            command = ["localedef", "--no-archive", "-i", language, "-f", "UTF-8", target]
            subprocess.run(command, capture_output=True, timeout=60)
    return folder


@pytest.mark.parametrize("name", ["de_DE.UTF-8", "fr_FR.UTF-8", "C", "POSIX"])
def test_numbers_and_names_do_not_depend_on_the_locale(tmp_path, locales, name):
    code = """
import locale, sys
try:
    locale.setlocale(locale.LC_ALL, sys.argv[2])
except locale.Error:
    print("missing")
    sys.exit()
sys.path.insert(0, sys.argv[1])
print(f"{1.5:n}")
import numpy as np
from landuse.outputs import area_tables, geotiffs, land_use_map
from landuse.rasters import reading
place = (600000.5, 12.5, 0.0, 4850000.25, 0.0, -12.5)
labels = np.arange(6, dtype=np.uint8).reshape(2, 3) % 2
land_use = land_use_map.LandUseMap(
    labels, place, "EPSG:32632", ["Grün", "Été"], facts={"SHARE": 0.5}
)
geotiffs.write_label_map("a.tif", land_use)
area_tables.write_areas("a.csv", land_use)
_, info = reading.read_raster("a.tif")
print(info.geotransform == place, list(info.category_names) == ["Grün", "Été"])
print(info.metadata["SHARE"], open("a.csv", encoding="utf-8-sig").read().count(",0.05,"))
"""
    environment = {**os.environ, "LC_ALL": name, "LANG": name}
    if (locales / name).is_dir():
        environment["LOCPATH"] = str(locales)
    environment.pop("PYTHONUTF8", None)
    done = subprocess.run(
        [sys.executable, "-c", code, REPOSITORY, name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.stdout == "missing\n":
        pytest.skip(f"this machine has no locale {name}")
    comma = "1,5" if name.startswith(("de", "fr")) else "1.5"
    assert done.stdout.splitlines() == [comma, "True True", "0.5 2"], done.stderr


ODD = "-ein Ordner mit ä, [Klammern] {product} 100% #1 'x' é"


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A folder whose name has all that breaks shells, patterns and templates."""
    folder = tmp_path / ODD
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_split_and_its_statistics_in_a_folder_with_an_odd_name(odd, monkeypatch, capsys):
    write_images(odd / "Bilder ü", count=4)
    images, split = f"{ODD}/Bilder ü", f"{ODD}/-split"
    run_here(
        monkeypatch,
        SPLIT,
        f"--path-to-all-images={images}",
        f"--path-to-split-datasets={split}",
    )
    run_here(monkeypatch, "statistics.py", f"--path-to-split-datasets={split}")
    assert capsys.readouterr().out.splitlines()[-1] == f"statistics of 6 patches: {split}/" + (
        "statistics.json"
    )
    patches, _, names, _ = split_folders.load_part(split, "validation")
    assert len(patches) == 2 and names == ["Forest", "River"]


def test_training_and_measuring_in_a_folder_with_an_odd_name(odd, tiny, monkeypatch, capsys):
    images = class_folders.find_images(write_images(odd / "-Fotos ü", kind="jpg"))
    split_folders.make_split_folder(odd / "-split", splits.split_random(images, 0.5), {})
    words = (*tiny, f"--path-to-split-datasets={ODD}/-split", "--epochs", "1")
    run_here(monkeypatch, TRAIN, *words, f"--path-to-run={ODD}/-Lauf {{network}}")
    folder = f"{ODD}/-Lauf Tiny"
    assert capsys.readouterr().out.splitlines()[-1] == f"model: {folder}/model.keras"
    words = (f"--path-to-images={ODD}/-split/train", f"--path-to-model={folder}/model.keras")
    run_here(monkeypatch, EVALUATE, *words, f"--path-to-report={ODD}/-Bericht")
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {ODD}/-Bericht/report.md"
    assert (odd / "-Bericht" / "confusion_matrix.png").is_file()


def test_a_map_in_a_folder_with_an_odd_name(odd, monkeypatch, capsys):
    from test_classify_image import CLASSES, brightness_model, made_pixels, write_scene

    from landuse.networks import model_files

    pixels = made_pixels()[:70, :80]
    write_scene(odd / "-Szene ü [1].tif", pixels)
    record = {
        "class_names": CLASSES,
        "band_names": list(BANDS_MS),
        "units": "DN",
        "patch_size": 64,
        "statistics": image_functions.pooled_statistics(pixels[np.newaxis, :64, :64], BANDS_MS),
        "network": "Small",
    }
    model_files.save(brightness_model(), record, odd / "-Modell ä.keras")
    shutil.copy(odd / "-Szene ü [1].tif", odd / "zwei.tif")
    run_here(
        monkeypatch,
        MAP,
        f"--path-to-model={ODD}/-Modell ä.keras",
        f"--path-to-image={ODD}/-Szene ü [1].tif",
        f"--path-to-label-image={ODD.replace('{product}', 'x')}.tif",
        "--path-to-prob-image=-p.tif",
        "--polygons",
        "--stride",
        "32",
    )
    *_, said, probability, _, _, polygons = capsys.readouterr().out.splitlines()
    path = Path(said.removeprefix("map: "))
    assert probability == "  probability: -p.tif"
    assert polygons == f"  polygons: {path.with_suffix('.gpkg')}"
    labels, info = reading.read_raster(path)
    assert labels.shape == (3, 3) and list(info.category_names) == CLASSES
    assert Path("-p.tif").is_file() and path.with_suffix(".gpkg").is_file()
    assert not list(Path().glob("*.partial")) and not list(Path().glob("*.lock"))


def test_a_product_in_a_folder_with_an_odd_name(odd):
    from make_products import make_safe, zip_safe

    root = make_safe(odd, size=96)
    packed = zip_safe(root, odd / "ü {1} [2].zip")
    with opening.open_scene(root, BANDS_MS) as one, opening.open_scene(packed, BANDS_MS) as other:
        assert np.array_equal(one.read(10, 10, 64, 64)[0], other.read(10, 10, 64, 64)[0])


def test_a_name_that_is_no_text_is_refused(tmp_path):
    source = write_images(tmp_path / "images", count=3)
    os.link(source / "River" / "River_1.tif", os.fsencode(source / "River") + b"/\xff\xfe.tif")
    words = ("--path-to-all-images", "images", "--path-to-split-datasets", "split")
    said = answer_of(run(SPLIT, *words, cwd=tmp_path))
    assert "images/River holds a name that is no UTF-8 text: '\\udcff\\udcfe.tif'" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


# ---- the same again


def test_the_same_seed_gives_the_same_weights_whatever_the_workers(photos, tmp_path, monkeypatch):
    from kill_driver import read_weights

    def trained(name, *words):
        run_here(monkeypatch, TRAIN, *photos, "--path-to-run", tmp_path / name, *words)
        return read_weights(tmp_path / name / "model.keras")

    one, other = trained("one", "--workers", "1"), trained("other", "--workers", "3")
    assert one.keys() == other.keys()
    for name, weights in one.items():
        np.testing.assert_allclose(weights, other[name], rtol=0, atol=1e-6, err_msg=name)
    different = trained("different", "--seed", "7")
    assert any(not np.allclose(weights, different[name]) for name, weights in one.items())


# ---- versions


def test_locked_versions_lie_in_the_ranges_that_are_asked_for():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    locked = {canonicalize_name(name): version for name, version in pairs}
    for file in ("requirements.txt", "requirements-test.txt"):
        for line in (REPOSITORY / file).read_text().splitlines():
            if line and not line.startswith("#"):
                wanted = Requirement(line)
                assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)]), line
                operators = {specifier.operator for specifier in wanted.specifier}
                assert ">=" in operators, line

"""Imports go downwards only, and what a script needs before its work is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
LAYERS = (
    "command_line",
    "files",
    "devices",
    "datasets",
    "networks",
    "fusing",
    "model_files",
    "dense",
    "training",
    "reports",
    "place_tables",
    "class_tables",
    "rasters",
    "labelled_features",
    "products",
    "scenes",
    "single_patches",
    "folding",
    "engines",
    "mapping",
    "maps",
    "views",
    "labelling_page",
    "scene_windows",
    "scene_maps",
    "sample_data",
)
HEAVY = ("tensorflow", "keras", "jax", "torch", "cv2", "sklearn", "matplotlib", "osgeo")
MODULES = sorted((REPOSITORY / "landuse").glob("*.py"))
SCRIPTS = sorted([*REPOSITORY.glob("[0-9][0-9]_*.py"), *REPOSITORY.glob("statistics.py")])


def name(path):
    return path.stem


def imports(path, top_level_only=False):
    """Dotted names that a file imports; `from landuse import files` gives landuse.files."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ("landuse." if node.level else "") + (node.module or "")
            yield from (f"{module}.{alias.name}".replace("..", ".") for alias in node.names)


def own_modules(path):
    """Modules of this repository that a file imports."""
    stems = {script.stem for script in SCRIPTS if script.stem != "statistics"}
    for dotted in imports(path):
        first, *rest = dotted.split(".")
        if first == "landuse":
            yield rest[0] if rest else "landuse"
        elif first in {"image_functions", "benchmarks", "notebooks", "tests", *stems}:
            yield first


def test_every_module_has_its_layer():
    assert {path.stem for path in MODULES} - {"__init__"} <= set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_import_from_earlier_modules_only(path):
    position = LAYERS.index(path.stem) if path.stem in LAYERS else 0
    allowed = {*LAYERS[:position], "image_functions"}
    assert set(own_modules(path)) <= allowed


def test_image_functions_import_libraries_only():
    assert set(own_modules(REPOSITORY / "image_functions.py")) == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_scripts_import_shared_code_only(path):
    assert set(own_modules(path)) <= {*LAYERS, "image_functions"}


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=name)
def test_only_rasters_know_gdal(path):
    users = [dotted for dotted in imports(path) if dotted.split(".")[0] in ("osgeo", "rasterio")]
    assert users == [] or path.stem in ("rasters", "labelled_features")


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=name)
def test_shared_code_runs_on_any_backend(path):
    used = {dotted.split(".")[0] for dotted in imports(path, top_level_only=True)}
    assert used.isdisjoint({"tensorflow", "jax", "torch"})


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_but_step_0_knows_the_network(path):
    network = ("urllib", "http", "socket", "requests", "ftplib", "pooch")
    assert {dotted.split(".")[0] for dotted in imports(path)}.isdisjoint(network)


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_scripts_import_nothing_heavy_before_their_work(path):
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='step'); "
        f"print(*sorted(set({HEAVY}) & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, path],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_help_shows_the_docstring(path):
    answer = subprocess.run(
        [sys.executable, path, "--help"], capture_output=True, text=True, timeout=60
    )
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(docstring.splitlines()[0])


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_unknown_flag_is_one_line_and_status_2(path):
    answer = subprocess.run(
        [sys.executable, path, "--no-such-flag", "1"], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: unknown flag --no-such-flag")
    assert answer.stderr.count("\n") == 1


def test_everything_imports_without_a_warning():
    names = ["image_functions", *(f"landuse.{path.stem}" for path in MODULES)]
    code = f"import {', '.join(names)}"
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr

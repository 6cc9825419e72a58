"""Imports go downwards only, and what a script needs before its work is light."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# Folders and modules of landuse/ from the ground up: each imports from those before it.
LAYERS = (
    "choices",
    "optional_packages",
    "files",
    "downloads",
    "unpacking",
    "devices",
    "quick_starts",
    "sensors",
    "band_words",
    "band_names",
    "band_file_names",
    "map_values",
    "script_constants",
    "hand_edits",
    "command_line",
    "rasters",
    "sample",
    "patches",
    "networks",
    "scenes",
    "evaluation",
    "training",
    "outputs",
    "mapping",
    "mosaics",
    "segmentation",
    "multilabel",
    "exporting",
    "changes",
    "map_checking",
    "cutting",
)
HEAVY = ("tensorflow", "keras", "jax", "torch", "cv2", "sklearn", "matplotlib", "osgeo")
PACKAGE = REPOSITORY / "landuse"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOOR = REPOSITORY / "image_functions.py"
SCRIPTS = sorted(
    [*REPOSITORY.glob("[0-9][0-9]_*.py"), REPOSITORY / "statistics.py", REPOSITORY / "make_demo.py"]
)
MOST_LINES = 425


def name(path):
    return path.relative_to(REPOSITORY).with_suffix("").as_posix()


def dotted(path):
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def layer_of(module):
    """The folder or module right below landuse/ that a dotted name lies in; "" for others."""
    first, *rest = module.split(".")
    return rest[0] if first == "landuse" and rest else ""


def imports(path, top_level_only=False):
    """Dotted names that a file imports; `from landuse import files` gives landuse.files."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_modules(path):
    """Modules of this repository that a file imports."""
    stems = {script.stem for script in SCRIPTS if script.stem != "statistics"}
    own = {"landuse", "image_functions", "benchmarks", "notebooks", "tests", *stems}
    return {module for module in imports(path) if module.split(".")[0] in own}


def test_every_folder_has_its_layer():
    assert {layer_of(dotted(path)) for path in MODULES} - {""} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_folders_import_from_lower_folders_only(path):
    own = layer_of(dotted(path))
    allowed = LAYERS[: LAYERS.index(own) + 1] if own else ()
    assert {layer_of(module) for module in own_modules(path)} <= set(allowed)


def test_no_module_imports_itself_by_a_detour():
    def is_type_only(tree, node):
        return any(
            isinstance(block, ast.If)
            and ast.unparse(block.test) == "TYPE_CHECKING"
            and node in block.body
            for block in tree.body
        )

    known = {dotted(path) for path in MODULES}
    needed = {}
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = {
            f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and not is_type_only(tree, node)
            for alias in node.names
        }
        needed[dotted(path)] = found & known
    graphlib.TopologicalSorter(needed).prepare()  # raises CycleError


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_import_modules_not_names(path):
    names = own_modules(path) - {dotted(other) for other in MODULES}
    assert {module.rpartition(".")[0] for module in names} <= {"landuse.rasters.gdal_setup"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_long_and_each_says_what_it_is_about(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text)).splitlines()[0].endswith(".")
    if path.name == "__init__.py":
        assert len(ast.parse(text).body) == 1


def test_no_two_modules_have_the_same_name():
    stems = [path.stem for path in MODULES if path.name != "__init__.py"]
    assert len(stems) == len(set(stems))


def test_the_door_defines_nothing():
    kinds = {type(node) for node in ast.parse(DOOR.read_text(encoding="utf-8")).body}
    assert kinds == {ast.Expr, ast.ImportFrom, ast.Assign}  # docstring, imports, __all__
    layers = {layer_of(module) for module in own_modules(DOOR)}
    assert layers <= {"devices", "patches", "networks", "sensors"}


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_scripts_import_shared_code_only(path):
    assert {module.split(".")[0] for module in own_modules(path)} <= {"landuse", "image_functions"}


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=name)
def test_only_rasters_know_gdal(path):
    users = [module for module in imports(path) if module.split(".")[0] in ("osgeo", "rasterio")]
    assert users == [] or path.parent.name == "rasters"


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=name)
def test_shared_code_runs_on_any_backend(path):
    used = {module.split(".")[0] for module in imports(path, top_level_only=True)}
    assert used.isdisjoint({"tensorflow", "jax", "torch"})


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_but_downloads_knows_the_network(path):
    network = ("urllib", "http", "socket", "requests", "ftplib", "pooch")
    known = {module.split(".")[0] for module in imports(path)}
    assert known.isdisjoint(network) or path.name == "downloads.py"


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
    names = ["image_functions", *map(dotted, MODULES)]
    code = f"import {', '.join(names)}"
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr

"""The README: its commands exist and run, its links lead somewhere, its tables are right.

Blocks of commands without a mark are run here, in their order, made small by the flags in SMALL. A
comment before a block says why it is not: it needs a network, or it is an example with files that
the reader has. Of those, the scripts, flags and values are checked.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from landuse import command_line
from landuse.outputs import class_colours
from landuse.sample import textures

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
# What the README says, and what only some need of it; other pages have tests of their own.
OF_README = ("README", "questions", "reading_a_map", "results", "sentinel2_products")
README = "\n".join(
    page.read_text(encoding="utf-8")
    for page in PAGES
    if page.stem in (*OF_README, "windows_and_conda")
)
MARKS = ("needs network", "an example")

# Flags that make a command of the README small enough for a test; the later of two counts.
_TRAINING = "--epochs 1 --batch-size 16"
SMALL = {
    "00_get_data.py": "--sample-patches-per-class 10",
    "03_train_rgb_from_scratch.py": _TRAINING,
    "05_train_ms_from_scratch.py": _TRAINING,
    "06_classify_image.py": "--stride 64",
    "make_demo.py": "--sample-patches-per-class 10 --epochs 1 --stride 64"
    " --training-flags=--batch-size=16",
}
SLOW = ("make_demo.py",)  # these have a test of their own


def blocks() -> list[tuple[str, list[str]]]:
    """Give the mark before each block of commands ("" for none) and its commands."""
    pattern = re.compile(r"(?:<!--\s*([^>]*?)\s*-->\s*)?^( *)```bash\n(.*?)^ *```$", re.M | re.S)
    found = []
    for mark, indent, body in pattern.findall(README):
        lines = [line.removeprefix(indent) for line in body.replace("\\\n", " ").splitlines()]
        found.append((mark, [line for line in lines if line.strip() and line[0] != "#"]))
    return found


def commands(marked: bool) -> list[str]:
    return [line for mark, lines in blocks() if bool(mark) == marked for line in lines]


def scripts(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Give the script and the flags of the commands that call one."""
    words = [shlex.split(line) for line in lines]
    return [(call[1], call[2:]) for call in words if call[0] == "python"]


def constants_of(script: str) -> dict:
    spec = importlib.util.spec_from_file_location("readme_" + script[:2], REPOSITORY / script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return vars(module)


def test_there_are_commands():
    assert len(blocks()) >= 15
    assert all(mark.startswith(MARKS) or not mark for mark, _ in blocks())


def test_scripts_and_flags_exist(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for script, flags in scripts(commands(True) + commands(False)):
        assert (REPOSITORY / script).is_file(), script
        if "--help" not in flags:
            command_line.parse(flags, constants_of(script))


def test_every_other_command_is_known():
    known = ("python", "make", "source", "pip", "conda", "cp", "jupyter")
    for line in commands(True):
        assert shlex.split(line)[0] in known, line
    for line in commands(False):
        assert shlex.split(line)[0] in ("python", "make"), f"{line}: mark it, or run it here"


def dry_make(target: str) -> str:
    """What make would do."""
    answer = subprocess.run(
        ["make", "-n", target], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    return answer.stdout


def test_make_knows_its_targets():
    targets = [line.split()[1] for line in commands(True) + commands(False) if line[:5] == "make "]
    assert {"demo", "environment", "help"} <= set(targets)
    for target in targets:
        dry_make(target)
    assert "make_demo.py" in dry_make("demo")  # which test_demo_runs runs
    assert "notebooks/build.py" in dry_make("notebooks")


def run_small(script: str, flags: list[str], folder) -> str:
    small = [] if "--help" in flags else shlex.split(SMALL.get(script, ""))
    answer = subprocess.run(
        [sys.executable, str(REPOSITORY / script), *flags, *small],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert answer.returncode == 0, f"{script} {flags}: {answer.stdout}{answer.stderr}"
    return answer.stdout


def test_unmarked_commands_run_in_their_order(tmp_path):
    for script, flags in scripts(commands(False)):
        if script not in SLOW:
            run_small(script, flags, tmp_path)
    assert (tmp_path / "maps" / "scene.png").is_file()
    run = tmp_path / "runs" / "05_train_ms_from_scratch_ResNet9"
    assert (run / "evaluation_validation" / "report.md").is_file()


@pytest.mark.slow
def test_demo_runs(tmp_path):
    calls = [call for call in scripts(commands(False)) if call[0] in SLOW]
    assert calls
    for script, flags in calls:
        *_, place, accuracy = run_small(script, flags, tmp_path).splitlines()
    assert place == "map: demo/maps/scene.png"
    assert re.fullmatch(
        r"accuracy: \d+\.\d % where one class fills the window, \d+\.\d % overall", accuracy
    )


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


MEASUREMENTS = sorted((REPOSITORY / "benchmarks").glob("*.md"))


@pytest.mark.parametrize("page", [*PAGES, *MEASUREMENTS], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), link


def test_table_of_classes():
    page = (REPOSITORY / "docs" / "reading_a_map.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (\w+) \|", page, re.M)
    assert [(int(number), name) for number, name in rows] == list(enumerate(textures.CLASS_NAMES))
    assert set(textures.CLASS_NAMES) <= set(class_colours.COLOURS)


def test_every_step_is_in_the_table():
    steps = {path.name for path in REPOSITORY.glob("[0-9]*.py")} | {"statistics.py"}
    assert set(re.findall(r"^\| `([\w.]+\.py)` \|", README, re.M)) == steps


def test_flags_of_the_table_exist(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    constants = constants_of("06_classify_image.py")
    flags = re.findall(r"^\| `(--[^`]+)` \|", README, re.M)
    assert len(flags) >= 5
    for words in flags:
        command_line.parse(shlex.split(words), constants)


def test_no_number_is_missing():
    assert "TODO" not in README


def test_the_table_of_the_house_is_true():
    page = (REPOSITORY / "docs" / "house.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (REPOSITORY / "landuse").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/`", page, re.M)) == folders
    files = re.findall(r"`((?:\w+/)*\w+\.py)`", page)
    assert len(files) > 6
    for file in files:
        assert (REPOSITORY / file).is_file() or (REPOSITORY / "landuse" / file).is_file(), file

"""Constants that were edited by hand: one line that names them, before anything else."""

import ast
import importlib
import subprocess
import sys

import pytest

from landuse import hand_edits, script_constants

SCRIPT = """
from landuse import command_line

PATH_TO_DATA = "data"  # folder
NETWORK = "VGG16"  # name
EPOCHS = 20  # passes
LEARNING_RATE = 1e-3  # highest rate
SYMMETRIES = True  # turn
STRIDE: int | None = None  # px
BOUNDS: tuple[float, float] | str | None = None  # two numbers


def main() -> None:
    print("reading the data")
    print(PATH_TO_DATA, NETWORK, EPOCHS, LEARNING_RATE, SYMMETRIES, STRIDE, BOUNDS)


if __name__ == "__main__":
    command_line.run(main, globals())
"""


@pytest.fixture
def run(repository, tmp_path):
    def run_edited(old="", new="", *words):
        assert old in SCRIPT
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.replace(old, new, 1) if old else SCRIPT)
        return subprocess.run(
            [sys.executable, script, *words],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(repository)},
        )

    return run_edited


def test_a_script_as_it_was_and_with_lists_and_flags(run):
    assert run().returncode == 0
    done = run(
        "BOUNDS: tuple[float, float] | str | None = None", "BOUNDS: tuple[float, float] = [1, 2]"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert run("", "", "--epochs", "3", "--learning-rate", "1").returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "EPOCHS = 20",
            'EPOCHS = "20"',
            "6: EPOCHS = '20': expected a whole number; without quotes",
        ),
        ("EPOCHS = 20", "EPOCHS = 20,", "6: EPOCHS = (20,): expected a whole number; a comma at"),
        ("EPOCHS = 20", "EPOCHS = 20.0", "6: EPOCHS = 20.0: expected a whole number; write 20"),
        ("EPOCHS = 20", "EPOCHS = True", "6: EPOCHS = True: expected a whole number"),
        ("1e-3", '"fast"', "7: LEARNING_RATE = 'fast': expected a number"),
        ("True", '"yes"', "8: SYMMETRIES = 'yes': expected True or False"),
        ('"VGG16"', '"VGG16",', "5: NETWORK = ('VGG16',): expected text; a comma at"),
        ('"data"', "3", "4: PATH_TO_DATA = 3: expected text"),
        (
            "None = None  # px",
            "None = 1.5  # px",
            "9: STRIDE = 1.5: expected a whole number or None",
        ),
        ("None = None  # two", "None = (1, 2, 3)  # two", "10: BOUNDS = (1, 2, 3): expected 2 num"),
        (
            "EPOCHS = 20",
            "EPOCH = 20",
            "6: this script knows no constant EPOCH: did you mean EPOCHS?",
        ),
        (
            "EPOCHS = 20",
            "EPOCHS = 20\nEPOCS = 30",
            "7: this script knows no constant EPOCS: did you",
        ),
        (
            "EPOCHS = 20",
            "EPOCHS = twenty",
            "6: EPOCHS has the value twenty, a word that is no number and stands in no quotes",
        ),
        ("EPOCHS = 20", "EPOCHS = (\n    true\n)", "6: EPOCHS has the value true, a word that"),
        ("EPOCHS = 20", "", "the script has no constant EPOCHS, which it needs: was it removed?"),
    ],
)
def test_an_edit_that_cannot_be_is_one_line_before_any_work(run, old, new, message):
    done = run(old, new)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: script.py, line ")
    assert message in done.stderr


def test_constants_of_all_scripts_are_as_the_tables_say(repository):
    scripts = [*repository.glob("[0-9][0-9]_*.py"), repository / "statistics.py"]
    tables = (
        (hand_edits.WHOLE_NUMBERS, int),
        (hand_edits.NUMBERS, (int, float)),
        (hand_edits.SWITCHES, bool),
        (hand_edits.WORDS, str),
    )
    for script in scripts:
        source = script.read_text(encoding="utf-8")
        for name, statement in script_constants.assignments(source):
            if isinstance(statement, ast.AnnAssign):
                continue
            for names, kind in tables:
                if name in names:
                    assert isinstance(ast.literal_eval(statement.value), kind), (script.name, name)


@pytest.mark.parametrize("name", ["02_train_rgb_finetuning", "06_classify_image"])
def test_scripts_as_they_come_are_right(name):
    hand_edits.check(vars(importlib.import_module(name)))

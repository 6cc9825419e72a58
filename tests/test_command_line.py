"""The flags of a script, and what a user sees when something is wrong."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from landuse import command_line

INTERRUPTED = "interrupted: to go on, give the same command again\n"
SCRIPT = '''
"""Show the settings.

Reads nothing and writes nothing.
"""

import json
from pathlib import Path
from typing import Literal

from landuse import command_line
from landuse.command_line import EXIT_BAD_INPUT

BATCH_SIZE = 64  # patches in a batch
LEARNING_RATE = 0.001  # step of the optimiser,
                       # in the first phase
FLIP = True  # mirror the patches
BANDS = ("B04", "B03", "B02")
BOUNDS: tuple[float, float, float, float] | str | None = None  # west south east north
PATH_TO_IMAGE: str | list[str] = "scene.tif"
MASK_CLOUDS: bool | str = False
PRECISION: Literal["auto", "float32"] | int = "auto"  # of the layers
PATH_TO_LISTS = None
SIZES = [1, 2]
TABLE = {"a": {"b": (1, 2)}}
_HIDDEN = 1
lower = 2


def main():
    print(json.dumps(command_line.constants(globals())))


if __name__ == "__main__":
    command_line.run(main, globals())
'''


@pytest.fixture
def script(tmp_path, repository):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(repository)}

    def run(*words, body=None, **variables):
        if body:
            path.write_text(SCRIPT.replace("    print(json", textwrap.indent(body, "    ") + "\n#"))
        return subprocess.run(
            [sys.executable, path, *words],
            capture_output=True,
            text=True,
            env={**environment, **variables},
            timeout=60,
        )

    return run


def parse(words, **kinds_and_defaults):
    """Parse words with constants given as NAME=(type, default)."""
    namespace = {name: default for name, (_, default) in kinds_and_defaults.items()}
    kinds = {name: kind for name, (kind, _) in kinds_and_defaults.items() if kind is not None}
    return command_line.parse(words.split(), {**namespace, "__annotations__": kinds})


def test_constants_are_those_that_the_script_assigns(script):
    answer = script()
    assert answer.returncode == 0
    assert answer.stderr == ""
    assert answer.stdout.strip() == (
        '{"BATCH_SIZE": 64, "LEARNING_RATE": 0.001, "FLIP": true, "BANDS": ["B04", "B03", "B02"], '
        '"BOUNDS": null, "PATH_TO_IMAGE": "scene.tif", "MASK_CLOUDS": false, "PRECISION": "auto", '
        '"PATH_TO_LISTS": null, "SIZES": [1, 2], "TABLE": {"a": {"b": [1, 2]}}}'
    )


def test_constants_are_as_a_notebook_set_them():
    module = SimpleNamespace(EPOCHS=3, PATH=Path("data"), SET={"b", "a"}, lower=1)
    assert command_line.constants(vars(module)) == {
        "EPOCHS": 3,
        "PATH": "data",
        "SET": ["a", "b"],
    }


def test_flags_set_constants(script):
    answer = script("--batch-size", "8", "--no-flip", "--path-to-image", "a.tif", "b.tif")
    assert '"BATCH_SIZE": 8' in answer.stdout
    assert '"FLIP": false' in answer.stdout
    assert '"PATH_TO_IMAGE": ["a.tif", "b.tif"]' in answer.stdout


@pytest.mark.parametrize(
    ("words", "kind", "default", "expected"),
    [
        ("--x 5", None, 3, 5),
        ("--x=-5", None, 3, -5),
        ("--x -5", None, 3, -5),
        ("--x 5", None, 0.5, 5.0),
        ("--x -1e-3", None, 0.5, -0.001),
        ("--x -.5", None, 0.5, -0.5),
        ("--x a", None, "b", "a"),
        ("--x=", None, "b", ""),
        ("--x=-a", None, "b", "-a"),
        ("--x=a=b", None, "b", "a=b"),
        ("--x -", None, "b", "-"),
        ("--x 5", None, "b", "5"),
        ("--x a", None, Path("b"), Path("a")),
        ("--x 1 --x 2", None, 3, 2),
        ("--x", None, False, True),
        ("--no-x", None, True, False),
        ("--x True", None, False, True),
        ("--x false", None, True, False),
        ("--x=False", None, True, False),
        ("--x None", str | None, "b", None),
        ("--x None", None, None, None),
        ("--x a", None, None, "a"),
        ("--x None", int | None, 3, None),
        ("--x 4", int | None, None, 4),
        ("--x 1 2 3", None, [4, 5], [1, 2, 3]),
        ("--x 1,2,3", None, [4, 5], [1, 2, 3]),
        ("--x -1,-2", None, (4, 5), (-1, -2)),
        ("--x 1 2.5", None, (4, 5.0), (1.0, 2.5)),
        ("--x a,b c", None, ["d"], ["a,b", "c"]),
        ("--x a", None, [], ["a"]),
        ("--x a", list[str], [], ["a"]),
        ("--x a", str | list[str], "b", "a"),
        ("--x a b", str | list[str], "b", ["a", "b"]),
        ("--x -10 20 30 40", tuple[float, float, float, float] | None, None, (-10, 20, 30, 40)),
        ("--x=-10 20 30 40", tuple[float, float, float, float] | None, None, (-10, 20, 30, 40)),
        ("--x -1e1,20,30,40", tuple[float, float, float, float] | None, None, (-10, 20, 30, 40)),
        ("--x ring.json", tuple[float, float] | str | None, None, "ring.json"),
        ("--x 3 a", tuple[int, str], (1, "b"), (3, "a")),
        ("--x auto", Literal["auto", "no"] | float, "auto", "auto"),
        ("--x 0.5", Literal["auto", "no"] | float, "auto", 0.5),
        ("--x 2", Literal[1, 2], 1, 2),
        ("--x true", bool | str, "auto", True),
        ("--x auto", bool | str, False, "auto"),
        ("--no-x", bool | str, "auto", False),
        ("--x 7", "int | None", None, 7),
    ],
)
def test_values_have_their_declared_type(words, kind, default, expected):
    value = parse(words, X=(kind, default))["X"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("words", "kind", "default", "message"),
    [
        ("--x 1.5", None, 3, "--x expects a whole number, got '1.5'"),
        ("--x a", None, 0.5, "--x expects a number, got 'a'"),
        ("--x nan", None, 0.5, "--x expects a number, got 'nan'"),
        ("--x -inf", None, 0.5, "--x expects a number, got '-inf'"),
        ("--x 1 2", None, 3, "--x expects a whole number, got '1 2'"),
        ("--x yes", None, True, "--x expects True or False, got 'yes'"),
        ("--x", None, 3, "--x needs a value: a whole number"),
        ("--x None", None, 3, "--x expects a whole number, got 'None'"),
        ("--x None", None, "a", "--x expects text, got 'None'"),
        (
            "--x 1 2 3",
            tuple[float, float] | None,
            None,
            "--x expects 2 numbers or None, got '1 2 3'",
        ),
        ("--x 1,a", None, [1], "--x expects one or more whole numbers, got '1,a'"),
        ("--x b", Literal["a", "c", "d"], "a", "--x expects a, c or d, got 'b'"),
        ("--no-x 3", None, True, "--no-x takes no value, got '3'"),
        ("--no-x", None, 3, "unknown flag --no-x"),
        ("--y", None, 3, "unknown flag --y"),
        ("--", None, 3, "unknown flag --"),
        ("3", None, 3, "unexpected '3': every value follows its flag"),
        ("-x 3", None, 3, "unexpected '-x': every value follows its flag"),
        ("--x -a", None, "b", "a value that begins with a dash is given as --x=-a"),
        ("--x 3", None, {}, "unknown flag --x"),
    ],
)
def test_wrong_words_are_refused(words, kind, default, message):
    with pytest.raises(ValueError) as error:
        parse(words, X=(kind, default))
    assert message in str(error.value)


def test_flags_are_not_abbreviated_but_suggested():
    with pytest.raises(ValueError, match="unknown flag --batch: did you mean --batch-size"):
        parse("--batch 3", BATCH_SIZE=(None, 3))


def test_wrong_flag_is_one_line_and_status_2(script):
    answer = script("--batch-sizes", "3")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr == "error: unknown flag --batch-sizes: did you mean --batch-size?\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_docstring_flags_defaults_and_comments(script, flag):
    answer = script("--batch-size", "x", flag)
    assert answer.returncode == 0
    assert answer.stdout.startswith("Show the settings.\n\nReads nothing and writes nothing.\n")
    assert "--batch-size N\n        patches in a batch (default: 64)" in answer.stdout
    assert "step of the optimiser, in the first phase (default: 0.001)" in answer.stdout
    assert "--flip, --no-flip\n" in answer.stdout
    assert "default: B04 B03 B02" in answer.stdout
    assert "Usage: python script.py [--setting VALUE] ...\n" in answer.stdout
    assert "--bounds X X X X|TEXT|None\n" in answer.stdout
    assert "--precision auto|float32|N\n" in answer.stdout
    assert "--path-to-image TEXT|TEXT ...\n" in answer.stdout
    assert "--table" not in answer.stdout
    assert "--exit-bad-input" not in answer.stdout


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('the folder x is empty')", "error: the folder x is empty\n"),
        ("raise ValueError('two\\n  lines')", "error: two lines\n"),
        ("raise ValueError()", "error: ValueError\n"),
        ("open('/nowhere/a')", "error: /nowhere/a: No such file or directory\n"),
        ("import os; os.rename('/no/a', 'b')", "error: /no/a -> b: No such file or directory\n"),
        ("raise OSError(28, 'No space left')", "error: No space left\n"),
        ("raise FileNotFoundError('there is no a')", "error: there is no a\n"),
    ],
)
def test_input_errors_are_one_line_and_status_2(script, body, message):
    answer = script(body=body)
    assert answer.returncode == 2
    assert answer.stderr == message


@pytest.mark.parametrize("fault", ["MemoryError", "KeyError", "TypeError", "AssertionError"])
def test_faults_of_the_program_keep_their_traceback(script, fault):
    answer = script(body=f"raise {fault}('oops')")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr
    assert fault in answer.stderr


def test_traceback_of_an_input_error_can_be_asked_for(script):
    answer = script(body="raise ValueError('x')", LANDUSE_TRACEBACK="1")
    assert answer.returncode == 2
    assert "Traceback" in answer.stderr
    assert answer.stderr.endswith("error: x\n")


def test_interruption_is_status_130(script):
    answer = script(body="raise KeyboardInterrupt")
    assert (answer.returncode, answer.stderr) == (130, INTERRUPTED)


def test_reader_that_goes_away_is_no_error(script, tmp_path, repository):
    script(body="print('line\\n' * 100000)")
    answer = subprocess.run(
        f"'{sys.executable}' '{tmp_path}/script.py' | head -1",
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )
    assert (answer.stdout, answer.stderr) == ("line\n", "")


def test_path_that_the_terminal_cannot_show_does_not_end_the_run(script):
    answer = script(body="print('M\\u00fcnchen')", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (answer.returncode, answer.stdout) == (0, "M\\xfcnchen\n")


# The same in this process


@pytest.fixture
def run_here(tmp_path, monkeypatch):
    """Run a main function with the constants of SCRIPT, as a script would."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    namespace = {"__name__": "step", "__file__": str(path)}
    exec(compile(SCRIPT, str(path), "exec", dont_inherit=True), namespace)

    def run(main, *words):
        monkeypatch.setattr(sys, "argv", ["script.py", *words])
        command_line.run(main, namespace)
        return namespace

    return run


def test_run_sets_the_constants_and_calls_main(run_here):
    calls = []
    namespace = run_here(lambda: calls.append(1), "--batch-size", "3", "--bounds", "1,2,3,4")
    assert calls == [1]
    assert (namespace["BATCH_SIZE"], namespace["BOUNDS"]) == (3, (1, 2, 3, 4))


def test_run_shows_help_instead_of_calling_main(run_here, capsys):
    run_here(lambda: 1 / 0, "--help")
    out = capsys.readouterr().out
    assert out.startswith("Show the settings.")
    assert "--learning-rate X\n        step of the optimiser, in the first phase" in out
    assert "--sizes N ...\n        default: 1 2" in out


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("the folder\n  is empty"), 2, "error: the folder is empty\n"),
        (
            OSError(28, "No space left on device", "a.tif"),
            2,
            "error: a.tif: No space left on device\n",
        ),
        (OSError(28, "No space left on device"), 2, "error: No space left on device\n"),
        (KeyboardInterrupt(), 130, INTERRUPTED),
    ],
)
def test_run_ends_with_status_and_message(run_here, capsys, monkeypatch, error, status, message):
    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_here(main)
    assert ended.value.code == status
    assert capsys.readouterr().err == message
    if status == 2:
        monkeypatch.setenv(command_line.TRACEBACK_VARIABLE, "1")
        with pytest.raises(SystemExit):
            run_here(main)
        assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [MemoryError, KeyError, RuntimeError])
def test_run_lets_faults_of_the_program_through(run_here, error):
    def main():
        raise error

    with pytest.raises(error):
        run_here(main)

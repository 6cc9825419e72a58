"""Flags for the constants of a script, and plain answers to errors of input.

A script holds its settings as UPPER_CASE constants and ends with::

    if __name__ == "__main__":
        command_line.run(main, globals())

Every constant is then also a flag (``BATCH_SIZE`` is ``--batch-size``), typed by its annotation
or, without one, by its default value. The trailing comment of a constant is the flag's help.
"""

import difflib
import io
import math
import os
import re
import sys
import textwrap
import tokenize
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, get_args, get_origin

from landuse import choices, hand_edits, quick_starts, script_constants

constants = script_constants.constants

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
TRACEBACK_VARIABLE = "LANDUSE_TRACEBACK"  # set to 1, it shows where an input error was raised

_HELP_FLAGS = ("--help", "-h")
_WIDTH = 100
_NEGATIVE_NUMBER = re.compile(r"-[.\d]|-inf|-nan", re.IGNORECASE)


def run(main: Callable[[], object], namespace: dict[str, Any]) -> None:
    """Set the script's constants from the command line, then call its main function.

    Errors of input (ValueError, OSError) end the process with one line ``error: ...`` on stderr
    and status 2, an interruption with status 130. Any other exception is a fault of the program
    and keeps its traceback.

    Parameters
    ----------
    main : callable without arguments
        Reads the constants from `namespace`.
    namespace : dict
        ``globals()`` of the script; its constants are set in place.
    """
    _make_output_robust()
    _quiet_tensorflow()
    quick_starts.install()
    try:
        words = sys.argv[1:]
        if any(flag in words for flag in _HELP_FLAGS):
            print(_help_text(namespace))
        else:
            hand_edits.check(namespace)
            namespace.update(parse(words, namespace))
            with choices.all_constants_of(namespace):
                main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _stop("interrupted: to go on, give the same command again", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader (`| head`) went away. Without this, Python complains again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, OSError) as error:
        if os.environ.get(TRACEBACK_VARIABLE, "0") not in ("", "0"):
            traceback.print_exc()
        _stop(f"error: {one_line(error)}", EXIT_BAD_INPUT)


def _explain_constants(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Answer a constant whose value is an unquoted word by one line; leave the rest to Python.

    Such an error comes before `run` is called, when Python reads the constants.
    """
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    said = _unquoted(error, trace) if isinstance(error, NameError) and trace is not None else ""
    if not said:
        sys.__excepthook__(kind, error, trace)
        return
    print(f"error: {said}", file=sys.stderr, flush=True)
    os._exit(EXIT_BAD_INPUT)  # a hook cannot choose the status otherwise


def _unquoted(error: NameError, trace: TracebackType) -> str:
    """Say which constant of a script has a word as its value that Python does not know."""
    scope = trace.tb_frame
    if scope.f_globals.get("__name__") != "__main__" or scope.f_code.co_name != "<module>":
        return ""
    source = script_constants.source_of(scope.f_globals)
    for name, statement in script_constants.assignments(source):
        if statement.lineno <= trace.tb_lineno <= (statement.end_lineno or statement.lineno):
            return (
                f"{Path(scope.f_code.co_filename).name}, line {statement.lineno}: {name} has the "
                f"value {error.name}, a word that is no number and stands in no quotes: write text "
                f'as "{error.name}", numbers in digits'
            )
    return ""


sys.excepthook = _explain_constants


def _make_output_robust() -> None:
    # A path that the terminal's encoding cannot show must not end a run of hours.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _quiet_tensorflow() -> None:
    # TensorFlow tells much about itself, and calls it an error that a machine has no GPU.
    level = "2" if Path("/dev/nvidiactl").exists() else "3"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", level)


def _stop(message: str, status: int) -> NoReturn:
    sys.stdout.flush()
    print(message, file=sys.stderr)
    sys.exit(status)


def one_line(error: Exception) -> str:
    """Say an error of input in one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return f"{' -> '.join(names)}: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line) or type(error).__name__


def parse(words: Sequence[str], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Read the words of a command line as values of a script's constants.

    Parameters
    ----------
    words : sequence of str
        The command line without the script's name.
    namespace : mapping
        ``globals()`` of the script.

    Returns
    -------
    dict
        Constants that the command line sets, each of its declared type.

    Raises
    ------
    ValueError
        For an unknown flag, a value of another type, or words that belong to no flag.
    """
    expected = script_constants.types_of(namespace)
    values: dict[str, Any] = {}
    for flag, given in _split_by_flag(words):
        name, kind, given = _find_flag(flag, given, expected)
        values[name] = _convert(f"--{_flag(name)}", given, kind)
    return values


def _flag(name: str) -> str:
    return name.lower().replace("_", "-")


def _split_by_flag(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            groups.append((flag, [value] if equals else []))
        elif not groups:
            raise ValueError(f"unexpected {word!r}: every value follows its flag; see --help")
        elif word.startswith("-") and len(word) > 1 and not _NEGATIVE_NUMBER.match(word):
            flag = groups[-1][0]
            raise ValueError(
                f"unexpected {word!r}: flags have two dashes; "
                f"a value that begins with a dash is given as {flag}={word}"
            )
        else:
            groups[-1][1].append(word)
    return groups


def _find_flag(
    flag: str, given: list[str], expected: Mapping[str, Any]
) -> tuple[str, Any, list[str]]:
    names = {f"--{_flag(name)}": name for name in expected}
    switches = [
        known for known, name in names.items() if bool in script_constants.members(expected[name])
    ]
    negations = {f"--no-{known[2:]}": known for known in switches}
    if flag in names:
        name = names[flag]
        return name, expected[name], given or (["True"] if flag in switches else [])
    if flag in negations:
        if given:
            raise ValueError(f"{flag} takes no value, got {' '.join(given)!r}")
        name = names[negations[flag]]
        return name, expected[name], ["False"]
    near = difflib.get_close_matches(flag, [*names, *negations], n=1)
    hint = f"did you mean {near[0]}?" if near else "see --help"
    raise ValueError(f"unknown flag {flag}: {hint}")


def _convert(flag: str, given: Sequence[str], kind: Any) -> Any:
    if not given:
        raise ValueError(f"{flag} needs a value: {script_constants.describe(kind)}")
    for member in sorted(script_constants.members(kind), key=_rank):
        try:
            return _convert_member(given, member)
        except ValueError:
            continue
    raise ValueError(f"{flag} expects {script_constants.describe(kind)}, got {' '.join(given)!r}")


def _rank(member: Any) -> int:
    # The narrowest type first: any word is a str, and any words are a list of str.
    if get_origin(member) in (list, tuple):
        return 4 if script_constants.item_types(member, 1)[0] is str else 2
    order = (type(None), Literal, bool, int, float)
    kind = get_origin(member) or member
    return order.index(kind) - len(order) if kind in order else 3


def _convert_member(given: Sequence[str], member: Any) -> Any:
    if get_origin(member) in (list, tuple):
        return _convert_sequence(given, member)
    if len(given) != 1:
        raise ValueError("one value")
    return _convert_word(given[0], member)


def _convert_sequence(given: Sequence[str], member: Any) -> Any:
    words = list(given)
    if len(words) == 1 and script_constants.item_types(member, 1)[0] in (int, float):
        words = words[0].split(",")
    items = script_constants.item_types(member, len(words))
    if len(items) != len(words):
        raise ValueError("another count")
    values = [_convert(f"value {i}", [word], items[i]) for i, word in enumerate(words)]
    return get_origin(member)(values)


def _convert_word(word: str, member: Any) -> Any:
    if word == "None":
        if member is not type(None):
            raise ValueError("not None")
        return None
    if get_origin(member) is Literal:
        return _choose(word, get_args(member))
    if member is bool:
        return _choose(word.capitalize(), (True, False))
    if member is float:
        return _finite(word)
    if member is type(None):
        raise ValueError("None")
    return member(word)


def _choose(word: str, choices: Sequence[Any]) -> Any:
    for choice in choices:
        if str(choice) == word:
            return choice
    raise ValueError("another word")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _help_text(namespace: Mapping[str, Any]) -> str:
    kinds = script_constants.types_of(namespace)
    comments = _trailing_comments(script_constants.source_of(namespace))
    entries = [
        _help_entry(name, kinds[name], namespace[name], comments.get(name, "")) for name in kinds
    ]
    head = (namespace.get("__doc__") or "").strip()
    script = Path(namespace.get("__file__") or "script.py").name
    usage = f"Usage: python {script} [--setting VALUE] ..."
    title = "Settings (each a constant at the top of the script), with their defaults:"
    return "\n".join([head, "", usage, "", title, *entries])


def _help_entry(name: str, kind: Any, default: Any, comment: str) -> str:
    flag = f"--{_flag(name)}"
    flag += (
        f", --no-{_flag(name)}"
        if bool in script_constants.members(kind)
        else f" {_placeholder(kind)}"
    )
    text = f"{comment} (default: {_shown(default)})" if comment else f"default: {_shown(default)}"
    body = textwrap.wrap(text, _WIDTH - 8, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"  {flag}", *(f"        {line}" for line in body)])


def _placeholder(kind: Any) -> str:
    """Give what stands for a value in the help: "auto|dense", "N" for a whole number."""
    return "|".join(_placeholder_of(member) for member in script_constants.members(kind))


def _placeholder_of(member: Any) -> str:
    if get_origin(member) is Literal:
        return "|".join(map(str, get_args(member)))
    if get_origin(member) in (list, tuple):
        if get_origin(member) is tuple and Ellipsis not in get_args(member):
            return " ".join(map(_placeholder, get_args(member)))
        return f"{_placeholder(script_constants.item_types(member, 1)[0])} ..."
    words = {int: "N", float: "X", str: "TEXT", Path: "PATH", type(None): "None"}
    return words[member]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)


def _trailing_comments(source: str) -> dict[str, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    marks = {token.start[0]: token for token in tokens if token.type == tokenize.COMMENT}
    comments = {}
    for name, statement in script_constants.assignments(source):
        lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        found = [marks[line].string for line in lines if line in marks]
        comments[name] = " ".join(text.lstrip("# ") for text in found)
        comments[name] += _continued(marks, lines[-1])
    return comments


def _continued(marks: Mapping[int, tokenize.TokenInfo], line: int) -> str:
    # A long comment goes on below itself, on lines that hold nothing else.
    text = ""
    while line in marks and line + 1 in marks:
        below = marks[line + 1]
        if below.line.strip() != below.string.strip():
            break
        text += " " + below.string.lstrip("# ")
        line += 1
    return text

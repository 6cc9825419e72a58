"""Flags for the constants of a script, and plain answers to errors of input.

A script holds its settings as UPPER_CASE constants and ends with::

    if __name__ == "__main__":
        command_line.run(main, globals())

Every constant is then also a flag (``BATCH_SIZE`` is ``--batch-size``), typed by its annotation
or, without one, by its default value. The trailing comment of a constant is the flag's help.
"""

import ast
import difflib
import io
import math
import os
import re
import sys
import textwrap
import tokenize
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from landuse import choices

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
    try:
        words = sys.argv[1:]
        if any(flag in words for flag in _HELP_FLAGS):
            print(_help_text(namespace))
        else:
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
        _stop(f"error: {_one_line(error)}", EXIT_BAD_INPUT)


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


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return f"{' -> '.join(names)}: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line) or type(error).__name__


def constants(namespace: Mapping[str, Any]) -> choices.Constants:
    """Return the settings of a script as they are now.

    Parameters
    ----------
    namespace : mapping
        ``globals()`` of the script, or ``vars(module)``.

    Returns
    -------
    Constants
        Name of each UPPER_CASE constant to its value, in the order of the script, with values
        that JSON can hold (tuples become lists, paths become strings).
    """
    return choices.Constants((name, _plain(namespace[name])) for name in _constant_names(namespace))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return str(value)


def _constant_names(namespace: Mapping[str, Any]) -> list[str]:
    # Only what the script itself assigns: a constant that it imports is not its setting.
    assigned = [name for name, _ in _assignments(_source(namespace))]
    names = assigned or [name for name in namespace if _is_constant_name(name)]
    return [name for name in dict.fromkeys(names) if name in namespace]


def _source(namespace: Mapping[str, Any]) -> str:
    file = namespace.get("__file__")
    return Path(file).read_text(encoding="utf-8") if file and Path(file).is_file() else ""


def _is_constant_name(name: str) -> bool:
    return re.fullmatch(r"[A-Z][A-Z0-9_]*", name) is not None


def _assignments(source: str) -> list[tuple[str, ast.stmt]]:
    found: list[tuple[str, ast.stmt]] = []
    for statement in ast.parse(source).body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        for target in targets:
            if isinstance(target, ast.Name) and _is_constant_name(target.id):
                found.append((target.id, statement))
    return found


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
    expected = _flag_types(namespace)
    values: dict[str, Any] = {}
    for flag, given in _split_by_flag(words):
        name, kind, given = _find_flag(flag, given, expected)
        values[name] = _convert(f"--{_flag(name)}", given, kind)
    return values


def _flag(name: str) -> str:
    return name.lower().replace("_", "-")


def _flag_types(namespace: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {name: _declared_type(name, namespace) for name in _constant_names(namespace)}
    return {name: kind for name, kind in kinds.items() if _is_supported(kind)}


def _declared_type(name: str, namespace: Mapping[str, Any]) -> Any:
    annotation = namespace.get("__annotations__", {}).get(name)
    if isinstance(annotation, str):  # the script has `from __future__ import annotations`
        annotation = eval(annotation, dict(namespace))
    return _type_of(namespace[name]) if annotation is None else annotation


def _type_of(value: Any) -> Any:
    if value is None:
        return str | None
    if isinstance(value, list | tuple):
        kinds = {type(item) for item in value} or {str}
        item = float if kinds == {int, float} else kinds.pop() if len(kinds) == 1 else str
        return list[item] if isinstance(value, list) else tuple[item, ...]  # type: ignore[valid-type]
    return Path if isinstance(value, Path) else type(value)


def _members(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return [member for part in get_args(kind) for member in _members(part)]
    return [type(None) if kind is None else kind]


def _is_supported(kind: Any) -> bool:
    return all(
        member in (bool, int, float, str, Path, type(None))
        or get_origin(member) in (list, tuple, Literal)
        for member in _members(kind)
    )


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
    switches = [known for known, name in names.items() if bool in _members(expected[name])]
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
        raise ValueError(f"{flag} needs a value: {_describe(kind)}")
    for member in sorted(_members(kind), key=_rank):
        try:
            return _convert_member(given, member)
        except ValueError:
            continue
    raise ValueError(f"{flag} expects {_describe(kind)}, got {' '.join(given)!r}")


def _rank(member: Any) -> int:
    # The narrowest type first: any word is a str, and any words are a list of str.
    if get_origin(member) in (list, tuple):
        return 4 if _item_types(member, 1)[0] is str else 2
    order = (type(None), Literal, bool, int, float)
    kind = get_origin(member) or member
    return order.index(kind) - len(order) if kind in order else 3


def _item_types(sequence: Any, count: int) -> list[Any]:
    items = get_args(sequence) or (str,)
    if get_origin(sequence) is tuple and Ellipsis not in items:
        return list(items)
    return [items[0]] * count


def _convert_member(given: Sequence[str], member: Any) -> Any:
    if get_origin(member) in (list, tuple):
        return _convert_sequence(given, member)
    if len(given) != 1:
        raise ValueError("one value")
    return _convert_word(given[0], member)


def _convert_sequence(given: Sequence[str], member: Any) -> Any:
    words = list(given)
    if len(words) == 1 and _item_types(member, 1)[0] in (int, float):
        words = words[0].split(",")
    items = _item_types(member, len(words))
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


def _describe(kind: Any) -> str:
    return " or ".join(_describe_member(member) for member in _members(kind))


def _describe_member(member: Any) -> str:
    if get_origin(member) is Literal:
        return ", ".join(map(str, get_args(member)[:-1])) + f" or {get_args(member)[-1]}"
    if get_origin(member) in (list, tuple):
        item = {int: "whole numbers", float: "numbers"}.get(_item_types(member, 1)[0], "words")
        if get_origin(member) is tuple and Ellipsis not in get_args(member):
            return f"{len(get_args(member))} {item}"
        return f"one or more {item}"
    words = {bool: "True or False", int: "a whole number", float: "a number", Path: "a path"}
    return {**words, str: "text", type(None): "None"}[member]


def _help_text(namespace: Mapping[str, Any]) -> str:
    kinds = _flag_types(namespace)
    comments = _trailing_comments(_source(namespace))
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
    flag += f", --no-{_flag(name)}" if bool in _members(kind) else f" {_placeholder(kind)}"
    text = f"{comment} (default: {_shown(default)})" if comment else f"default: {_shown(default)}"
    body = textwrap.wrap(text, _WIDTH - 8, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"  {flag}", *(f"        {line}" for line in body)])


def _placeholder(kind: Any) -> str:
    """Give what stands for a value in the help: "auto|dense", "N" for a whole number."""
    return "|".join(_placeholder_of(member) for member in _members(kind))


def _placeholder_of(member: Any) -> str:
    if get_origin(member) is Literal:
        return "|".join(map(str, get_args(member)))
    if get_origin(member) in (list, tuple):
        if get_origin(member) is tuple and Ellipsis not in get_args(member):
            return " ".join(map(_placeholder, get_args(member)))
        return f"{_placeholder(_item_types(member, 1)[0])} ..."
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
    for name, statement in _assignments(source):
        lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        found = [marks[line].string for line in lines if line in marks]
        comments[name] = " ".join(text.lstrip("# ") for text in found)
        comments[name] += _continued(marks, lines[-1])
    return comments


def _continued(marks: Mapping[int, tokenize.TokenInfo], line: int) -> str:
    # A long comment goes on below itself, on lines that hold nothing else.
    text = ""
    while line in marks and line + 1 in marks:
        above, below = marks[line], marks[line + 1]
        if above.start[1] != below.start[1] or below.line.strip() != below.string.strip():
            break
        text += " " + below.string.lstrip("# ")
        line += 1
    return text

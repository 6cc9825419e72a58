"""The constants of a script: their names, values and types, read from its source."""

import ast
import re
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from landuse import choices


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
    return choices.Constants((name, _plain(namespace[name])) for name in names_of(namespace))


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


def names_of(namespace: Mapping[str, Any]) -> list[str]:
    """Name the constants of a script, in its order."""
    # Only what the script itself assigns: a constant that it imports is not its setting.
    assigned = [name for name, _ in assignments(source_of(namespace))]
    names = assigned or [name for name in namespace if _is_constant_name(name)]
    return [name for name in dict.fromkeys(names) if name in namespace]


def source_of(namespace: Mapping[str, Any]) -> str:
    """Return the text of a script; empty where it has no file."""
    file = namespace.get("__file__")
    return Path(file).read_text(encoding="utf-8") if file and Path(file).is_file() else ""


def _is_constant_name(name: str) -> bool:
    return re.fullmatch(r"[A-Z][A-Z0-9_]*", name) is not None


def assignments(source: str) -> list[tuple[str, ast.stmt]]:
    """Find where a script sets its constants."""
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


def types_of(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Give the type of each constant that can be a flag."""
    kinds = {name: _declared_type(name, namespace) for name in names_of(namespace)}
    return {name: kind for name, kind in kinds.items() if is_supported(kind)}


def _declared_type(name: str, namespace: Mapping[str, Any]) -> Any:
    annotation = annotation_of(name, namespace)
    return _type_of(namespace[name]) if annotation is None else annotation


def annotation_of(name: str, namespace: Mapping[str, Any]) -> Any:
    """Give the annotation of a constant, None where it has none."""
    annotation = namespace.get("__annotations__", {}).get(name)
    if isinstance(annotation, str):  # the script has `from __future__ import annotations`
        annotation = eval(annotation, dict(namespace))
    return annotation


def _type_of(value: Any) -> Any:
    if value is None:
        return str | None
    if isinstance(value, list | tuple):
        kinds = {type(item) for item in value} or {str}
        item = float if kinds == {int, float} else kinds.pop() if len(kinds) == 1 else str
        return list[item] if isinstance(value, list) else tuple[item, ...]  # type: ignore[valid-type]
    return Path if isinstance(value, Path) else type(value)


def members(kind: Any) -> list[Any]:
    """Give the types that a union allows; of another type, that one."""
    if get_origin(kind) in (Union, types.UnionType):
        return [member for part in get_args(kind) for member in members(part)]
    return [type(None) if kind is None else kind]


def is_supported(kind: Any) -> bool:
    """Tell whether a flag can be of a type."""
    return all(
        member in (bool, int, float, str, Path, type(None))
        or get_origin(member) in (list, tuple, Literal)
        for member in members(kind)
    )


def item_types(sequence: Any, count: int) -> list[Any]:
    """Give the types of so many items of a list or tuple."""
    items = get_args(sequence) or (str,)
    if get_origin(sequence) is tuple and Ellipsis not in items:
        return list(items)
    return [items[0]] * count


def describe(kind: Any) -> str:
    """Say in words what a type is: "a whole number or None"."""
    return " or ".join(_describe_member(member) for member in members(kind))


def _describe_member(member: Any) -> str:
    if get_origin(member) is Literal:
        return ", ".join(map(str, get_args(member)[:-1])) + f" or {get_args(member)[-1]}"
    if get_origin(member) in (list, tuple):
        item = {int: "whole numbers", float: "numbers"}.get(item_types(member, 1)[0], "words")
        if get_origin(member) is tuple and Ellipsis not in get_args(member):
            return f"{len(get_args(member))} {item}"
        return f"one or more {item}"
    words = {bool: "True or False", int: "a whole number", float: "a number", Path: "a path"}
    return {**words, str: "text", type(None): "None"}[member]

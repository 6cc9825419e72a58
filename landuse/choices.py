"""What a constant may be, and the sentence when it is something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def check_option(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise a ValueError when a constant is none of its choices."""
    if value not in tuple(choices):
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {listed}, not {value!r}")


def check_choice(name: str, value: Any, known: Sequence[str]) -> None:
    """Raise a ValueError when a constant has a value that is not known; None is no value."""
    if value is not None and value not in known:
        listed = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        raise ValueError(f"{name} = {value!r}: expected {listed}")

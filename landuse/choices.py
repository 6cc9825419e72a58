"""What a constant may be, and the sentence when it is something else."""

from collections.abc import Sequence
from typing import Any


def check_choice(name: str, value: Any, known: Sequence[Any]) -> None:
    """Raise a ValueError when a constant is none of the values that are known."""
    if value not in known:
        listed = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        raise ValueError(f"{name} = {value!r}: expected {listed}")

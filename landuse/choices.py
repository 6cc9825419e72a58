"""What a constant may be, and the sentence when it is something else."""

import contextlib
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn


def check_choice(name: str, value: Any, known: Sequence[Any]) -> None:
    """Raise a ValueError when a constant is none of the values that are known."""
    if value not in known:
        listed = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        raise ValueError(f"{name} = {value!r}: expected {listed}")


def changed(old: Mapping[str, Any], new: Mapping[str, Any], but: Collection[str] = ()) -> list[str]:
    """Say which settings are not what they were, as "SEED was 1, is 2".

    Parameters
    ----------
    old, new : mapping
        Name to value; None where there is none.
    but : collection of str
        Names that may change.
    """
    return [
        f"{name} was {old.get(name)!r}, is {new.get(name)!r}"
        for name in {**old, **new}
        if name not in but and old.get(name) != new.get(name)
    ]


class Constants(dict[str, Any]):
    """The settings of a script by name; one that it lacks is an error of input, with a hint."""

    def __missing__(self, name: str) -> NoReturn:
        raise ValueError(missing_constant(name, self))


@contextlib.contextmanager
def all_constants_of(script: Mapping[str, Any]) -> Iterator[None]:
    """Turn the use of a constant that a script lacks into an error of input.

    So it is when the name was changed where the constant is set, and not where it is used.
    """
    try:
        yield
    except NameError as error:
        name = str(error.name)
        if not name.isupper() or name in script:
            raise
        raise ValueError(missing_constant(name, script)) from error


def missing_constant(name: str, names: Iterable[str]) -> str:
    """Say that a script lacks a constant, and which of its own looks like it."""
    own = [other for other in names if other.isupper() and not other.startswith("_")]
    near = difflib.get_close_matches(name, own, n=1, cutoff=0.7)
    hint = f"it has {near[0]}, was {name} renamed?" if near else "was it removed?"
    return f"the script has no constant {name}, which it needs: {hint}"

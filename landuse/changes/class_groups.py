"""Groups of classes: what lies within one counts as no change."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Groups:
    """Which class belongs to which group; a class that no group names is one of its own.

    Attributes
    ----------
    names : tuple of str
        Of the groups, in the order of their first class.
    of_class : tuple of int
        The group of each class, an index into `names`.
    left_out : tuple of str
        Groups without a class of the maps.
    """

    names: tuple[str, ...]
    of_class: tuple[int, ...]
    left_out: tuple[str, ...] = ()

    def of_labels(self, labels: np.ndarray) -> np.ndarray:
        """Give the group of each label; labels that are no class (nodata) stay 255."""
        table = np.full(256, 255, np.uint8)
        table[: len(self.of_class)] = self.of_class
        return table[labels]

    def members(self, class_names: Sequence[str]) -> dict[str, list[str]]:
        """Give the groups of more than one class with their classes."""
        found: dict[str, list[str]] = {}
        for group, name in zip(self.of_class, class_names, strict=True):
            found.setdefault(self.names[group], []).append(name)
        return {group: classes for group, classes in found.items() if len(classes) > 1}


def parse_groups(texts: Sequence[str], class_names: Sequence[str]) -> Groups:
    """Read groups as they stand in the setting GROUPS.

    Parameters
    ----------
    texts : sequence of str
        "fields=AnnualCrop,Pasture" each: the group's name and its classes.
    class_names : sequence of str
        Of the maps. A group of which they have no class is left out, and a class that they do not
        have is left out of its group, unless it is nearly one of them.

    Raises
    ------
    ValueError
        When a text is no group, a class is in two of them, or a name looks misspelt.
    """
    group_of: dict[str, str] = {}
    left_out = []
    for text in texts:
        name, equals, classes = (part.strip() for part in text.partition("="))
        members = [member.strip() for member in classes.split(",") if member.strip()]
        if not (name and equals and members):
            raise ValueError(
                f"GROUPS: {text!r} is no group; write name=Class,Class: fields=AnnualCrop,Pasture"
            )
        known = [member for member in members if member in class_names]
        for member in members:
            _check_spelling(member, class_names, members)
            if group_of.get(member, name) != name:
                raise ValueError(
                    f"GROUPS: {member} is in two groups, {group_of[member]} and {name}"
                )
            group_of[member] = name
        if not known:
            left_out.append(name)
    _check_names(set(group_of.values()), class_names, group_of)
    wanted = [group_of.get(name, name) for name in class_names]
    names = tuple(dict.fromkeys(wanted))
    return Groups(names, tuple(names.index(name) for name in wanted), tuple(left_out))


def _check_spelling(member: str, class_names: Sequence[str], members: Sequence[str]) -> None:
    if member in class_names:
        return
    by_lower_case = {name.lower(): name for name in class_names}
    near = difflib.get_close_matches(member.lower(), by_lower_case, n=1, cutoff=0.8)
    if near and by_lower_case[near[0]] not in members:
        raise ValueError(
            f"GROUPS: the maps have no class {member!r}; did you mean {by_lower_case[near[0]]}? "
            f"Their classes: {', '.join(class_names)}"
        )


def _check_names(names: set[str], class_names: Sequence[str], group_of: dict[str, str]) -> None:
    for name in sorted(names):
        if name in class_names and group_of.get(name) != name:
            raise ValueError(
                f"GROUPS: a group is called {name}, as a class that is not in it; choose another "
                "name"
            )


def sum_groups(probabilities: np.ndarray, groups: Groups) -> np.ndarray:
    """Add up the probabilities of the classes of each group.

    Parameters
    ----------
    probabilities : ndarray of shape (classes, rows, columns)
    groups : Groups

    Returns
    -------
    ndarray of shape (groups, rows, columns), float32
    """
    sums = np.zeros((len(groups.names), *probabilities.shape[1:]), np.float32)
    for values, group in zip(probabilities, groups.of_class, strict=True):
        sums[group] += values
    return sums

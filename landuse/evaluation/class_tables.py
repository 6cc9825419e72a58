"""From the names that a reference uses to the classes of a map: a table, or the same words."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

LEFT_OUT = -1
HEADER = ("reference", "class")
ANY_OTHER = "*"  # as a class: every one that no other row names
ALTERNATIVES = "|"  # between classes of which the reference cannot tell one


def read_class_table(path: str | Path) -> dict[str, str]:
    """Read a table of names to classes.

    Parameters
    ----------
    path : str or Path
        CSV with the columns ``reference`` and ``class``; an empty class leaves a name out.

    Returns
    -------
    dict
        Name in the reference to class of the map.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, lacks a column or names something twice.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise ValueError(f"{path}: is no table (CSV, UTF-8)") from error
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    rows = csv.DictReader(lines, delimiter=separator)
    fields = [str(field).strip().lower() for field in rows.fieldnames or ()]
    rows.fieldnames = fields
    if not set(HEADER) <= set(fields):
        raise ValueError(
            f"{path}: a table of classes needs the columns {' and '.join(HEADER)}; "
            f"it has {', '.join(fields) or 'none'}"
        )
    table: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name = (row["reference"] or "").strip()
        if name in table:
            raise ValueError(f"{path}, line {number}: {name!r} stands there a second time")
        if name:
            table[name] = (row["class"] or "").strip()
    if not table:
        raise ValueError(f"{path}: holds no row")
    return table


def _plain(name: str) -> str:
    """Return a name without case, blanks and marks: "Annual crop" is AnnualCrop."""
    return re.sub(r"[\W_]", "", name).casefold()


def _same_words(names: Sequence[str], class_names: Sequence[str]) -> dict[str, str]:
    """Return the names that are a class of the map but for case, blanks and marks."""
    plain: dict[str, str] = {}
    for name in class_names:
        plain.setdefault(_plain(name), name)
    return {name: plain[_plain(name)] for name in names if _plain(name) in plain}


def indices_of(
    names: Sequence[str],
    class_names: Sequence[str],
    table: Mapping[str, str] | None = None,
    source: str = "the reference",
) -> np.ndarray:
    """Give the class of each name, by the table or by the same words.

    Parameters
    ----------
    names : sequence of str
        As the reference has them.
    class_names : sequence of str
        Of the map.
    table : mapping, optional
        Name to class; "" leaves a name out. Without one, names are compared without case,
        blanks and marks.
    source : str
        Where the names come from, for messages.

    Returns
    -------
    ndarray of shape (names,), int
        Index into `class_names`, or `LEFT_OUT`.

    Raises
    ------
    ValueError
        If a name has no class, or the table names a class that there is not.
    """
    chosen = dict(table) if table is not None else _same_words(names, class_names)
    foreign = sorted({name for name in chosen.values() if name and name not in class_names})
    if foreign:
        raise ValueError(
            f"the table of classes names {', '.join(foreign)}; the classes are "
            f"{', '.join(class_names)}"
        )
    unknown = Counter(name for name in names if name not in chosen)
    if unknown:
        counted = max(unknown.values()) > 1
        listed = ", ".join(
            f"{name!r} ({count})" if counted else repr(name)
            for name, count in unknown.most_common(8)
        )
        more = ", ..." if len(unknown) > 8 else ""
        if table is not None:
            raise ValueError(
                f"{source} has names that the table of classes lacks: {listed}{more}; the table "
                f"has {', '.join(map(repr, chosen))}. Give them a row each (an empty class leaves "
                "a name out)"
            )
        raise ValueError(
            f"{source} has names that are no class: {listed}{more}; the classes are "
            f"{', '.join(class_names)}. Give a table with the columns reference and class (an "
            "empty class leaves a name out)"
        )
    positions = {name: index for index, name in enumerate(class_names)}
    return np.array([positions.get(chosen[name], LEFT_OUT) for name in names], dtype=np.int64)


def merged_classes(
    names: Sequence[str], class_names: Sequence[str], table: Mapping[str, str] | None
) -> tuple[list[str], np.ndarray, dict[str, str] | None]:
    """Merge those classes of the map that the reference cannot tell apart.

    Where the table gives ``River|SeaLake`` for "water", the two become one class of that name;
    ``*`` stands for every class that no other row names. A name that is a class itself and has no
    row means that class.

    Parameters
    ----------
    names : sequence of str
        As the reference has them.
    class_names : sequence of str
        Of the map.
    table : mapping, optional

    Returns
    -------
    merged : list of str
        Names of the classes to compare, in the order of the map's.
    index : ndarray of shape (class_names,), int
        Of each class of the map into `merged`.
    table : dict or None
        Name to merged class.

    Raises
    ------
    ValueError
        If a class stands alone in one row and together with another in a second one.
    """
    if table is None:
        return list(class_names), np.arange(len(class_names)), None
    used = {name: text for name, text in table.items() if name in set(names)}
    # what is a class by its own name needs no row
    used |= {name: name for name in names if name not in table and name in class_names}
    groups = {text: [part.strip() for part in text.split(ALTERNATIVES)] for text in used.values()}
    groups.pop("", None)
    named = {part for members in groups.values() for part in members}
    if ANY_OTHER in groups:
        groups[ANY_OTHER] = [name for name in class_names if name not in named]
    group_of: dict[str, str] = {}
    for text, members in groups.items():
        for member in members:
            if member not in class_names:
                raise ValueError(
                    f"the table of classes names {member}; the classes are {', '.join(class_names)}"
                )
            if group_of.setdefault(member, text) != text:
                raise ValueError(
                    f"the table of classes has {member} both in {group_of[member]!r} and in "
                    f"{text!r}: a class is told from the others everywhere or nowhere"
                )
    titles = {text: _title(members, class_names) for text, members in groups.items()}
    title_of = [titles[group_of[n]] if n in group_of else n for n in class_names]
    merged = list(dict.fromkeys(title_of))
    index = np.array([merged.index(title) for title in title_of])
    return merged, index, {name: titles.get(text, "") for name, text in used.items()}


def _title(members: Sequence[str], class_names: Sequence[str]) -> str:
    """Name a group: by its members, or by what it is not."""
    if len(members) <= 3:
        return " or ".join(name for name in class_names if name in members)
    others = [name for name in class_names if name not in members]
    return f"not {' or '.join(others)}" if 0 < len(others) <= 3 else ", ".join(members)

"""Which class of a map a tag of OpenStreetMap stands for: a table that anybody can replace.

Rows are asked from the top: the first that fits a feature counts, and where features overlap the
one of the upper row lies above. A class may be several (``Residential|Industrial``) where the tag
does not tell them apart, or none, which keeps lower rows from taking the feature.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from landuse.evaluation import class_tables

EUROSAT_TABLE = Path(__file__).with_name("osm_eurosat.csv")
ANY_VALUE = "*"
DEFAULT_SHARE = 0.5
COLUMNS = ("key", "value", "class", "buffer_m", "share")


class Rule(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    key, value : str
        The tag; the value "*" fits all.
    target : int
        Position of its class, or group of classes, among `OsmTable.targets`; -1 for none.
    buffer : float
        Metres by which lines and outlines are widened; a line without any is left out.
    """

    key: str
    value: str
    target: int
    buffer: float


class OsmTable(NamedTuple):
    """The rules, and the classes that they lead to.

    Attributes
    ----------
    rules : list of Rule
    targets : list of str
        Classes or groups of them ("River|SeaLake"), the first in the table first.
    members : list of tuple of str
        Classes of each.
    least_shares : list of float
        Share of a window that makes it the target's.
    """

    rules: list[Rule]
    targets: list[str]
    members: list[tuple[str, ...]]
    least_shares: list[float]

    @property
    def buffers(self) -> list[float | None]:
        """Metres by which each rule widens, None where what fits it is left out."""
        return [rule.buffer if rule.target >= 0 else None for rule in self.rules]

    def rule_of(self, tags: Mapping[str, str]) -> int | None:
        """Return the first rule that fits the tags of a feature, None if none does."""
        for number, rule in enumerate(self.rules):
            values = tags.get(rule.key)
            if values and (rule.value == ANY_VALUE or rule.value in values.split(";")):
                return number
        return None


def read_osm_table(path: str | Path, class_names: Sequence[str]) -> OsmTable:
    """Read a table of tags.

    Parameters
    ----------
    path : str or Path
        CSV with the columns key, value, class, buffer_m and share, the last two optional.
    class_names : sequence of str
        Of the map; rows of other classes count for nothing.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or a row is wrong; the line is named.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no table (CSV, UTF-8)") from error
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    rows = csv.DictReader(lines, delimiter=separator)
    fields = [str(field).strip().lower() for field in rows.fieldnames or ()]
    rows.fieldnames = fields
    if not set(COLUMNS[:3]) <= set(fields):
        raise ValueError(
            f"{path}: a table of tags needs the columns {', '.join(COLUMNS)}; it has "
            f"{', '.join(fields) or 'none'}"
        )
    rules: list[Rule] = []
    share_of: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        target = class_tables.ALTERNATIVES.join(
            name for name in map(str.strip, cells["class"].split(class_tables.ALTERNATIVES)) if name
        )
        buffer = _number(path, number, "buffer_m", cells["buffer_m"], 0.0)
        share = _number(path, number, "share", cells["share"], DEFAULT_SHARE)
        if not cells["key"] or not cells["value"]:
            raise ValueError(f"{path}, line {number}: has no key or no value (* for any)")
        if buffer < 0 or not 0 < share <= 1:
            raise ValueError(
                f"{path}, line {number}: buffer_m must be 0 or more and share above 0 up to 1"
            )
        if target and share_of.setdefault(target, share) != share:
            raise ValueError(
                f"{path}, line {number}: {target} needs a share of {share:g} here and of "
                f"{share_of[target]:g} above"
            )
        position = list(share_of).index(target) if target else -1
        rules.append(Rule(cells["key"], cells["value"], position, buffer))
    targets = list(share_of)
    members = [tuple(target.split(class_tables.ALTERNATIVES)) for target in targets]
    if not any(set(group) & set(class_names) for group in members):
        raise ValueError(
            f"{path}: leads to {', '.join(targets) or 'no class'}; the map has "
            f"{', '.join(class_names)}. Give a table for these classes"
        )
    return OsmTable(rules, targets, members, [share_of[target] for target in targets])


def _number(path: str | Path, line: int, name: str, text: str, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError as error:
        raise ValueError(f"{path}, line {line}: {name} is no number: {text}") from error

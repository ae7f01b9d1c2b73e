"""What others published, as typed in leaderboards/published.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from v2t_bench.errors import BadInput

TAGS = {
    "paper": "read in the text",
    "file": "read in result files that the authors committed",
    "repository": "in their repository, without a note of where",
    "issue": "a thread",
    "second-hand": "an abstract, or another's account",
    "memory": "to be checked",
}


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A table of numbers as they were printed.

    Args:
        id, source, where, title: Which it is, whose, where it stands and what it shows.
        tag: How well it is known; a key of `TAGS`.
        columns: Names of the numbers.
        units: One for each column.
        rows: The numbers of each row, as printed; an empty one was not published.
        disputed: What a machine-read copy has otherwise, by row and column.
        relative: The row that BLEU is given as a share of; empty: none.
        hub: The command that would measure a row with published weights; "*": every other row.
    """

    id: str
    source: str
    where: str
    title: str
    tag: str
    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    disputed: Mapping[tuple[str, str], str]
    relative: str
    hub: Mapping[str, str]

    def hub_command(self, row: str) -> str:
        """Return the command that needs the hub; empty: there are no weights for it."""
        return self.hub.get(row, self.hub.get("*", "")).replace("{row}", row)


@dataclass(frozen=True, kw_only=True)
class Absence:
    """Numbers that are not here, and why."""

    status: str
    source: str
    where: str
    what: str
    why: str


def read_published(path: Path) -> tuple[list[PublishedTable], list[Absence]]:
    """Return the tables of a file, and what it says is missing or out of scope.

    Raises:
        BadInput: it cannot be read, or a table does not hold together.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = [_table(each, content["units"]) for each in content["tables"]]
        absent = [Absence(status="not retrieved", **each) for each in content["missing"]]
        absent += [Absence(status="out of scope", **each) for each in content["out_of_scope"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} holds no published tables ({error!r})") from error
    ids = [table.id for table in tables]
    for twice in sorted({each for each in ids if ids.count(each) > 1}):
        raise BadInput(f"{path}: two tables are called {twice!r}; give each an id of its own")
    return tables, absent


def _table(given: Mapping[str, Any], units: Mapping[str, str]) -> PublishedTable:
    columns = tuple(given["columns"])
    of_columns = {**units, **given.get("units", {})}
    rows = {str(name): tuple(values) for name, *values in given["rows"]}
    if len(rows) != len(given["rows"]):
        raise ValueError(f"{given['id']}: two rows have one name")
    for name, values in rows.items():
        if len(values) != len(columns):
            raise ValueError(f"{given['id']}: {name} has {len(values)} of {len(columns)} numbers")
        for value in filter(None, values):
            float(value)
    if given.get("relative") not in {None, *rows}:
        raise ValueError(f"{given['id']}: relative is no row of it")
    if given["tag"] not in TAGS:
        raise ValueError(f"{given['id']}: tag {given['tag']!r} is none of {', '.join(TAGS)}")
    return PublishedTable(
        id=given["id"],
        source=given["source"],
        where=given["where"],
        title=given["title"],
        tag=given["tag"],
        columns=columns,
        units=tuple(given.get("unit") or of_columns[column] for column in columns),
        rows=rows,
        disputed={(row, column): value for row, column, value in given.get("disputed", ())},
        relative=given.get("relative", ""),
        hub=given.get("hub", {}),
    )

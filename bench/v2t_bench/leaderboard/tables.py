"""The frontier's tables: releases that can be compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from v2t_bench.leaderboard.columns import TABLE_SAMPLE, TABLE_SETTING
from v2t_bench.leaderboard.file_stems import distinct_stems, safe_stem
from v2t_bench.leaderboard.rows import Row
from v2t_bench.release import UNDEFENDED

if TYPE_CHECKING:
    from v2t_bench.leaderboard.board import Board
    from v2t_bench.leaderboard.columns import FrontierRow

# What tells two tables of a corpus apart in the name of a file.
_TOLD = {"track": "", "max_tokens": "", "embedder": "", "n_texts": "n", "sample_seed": "sample",
         "fingerprint": ""}  # fmt: skip
_LONGEST = 80


@dataclass(frozen=True, kw_only=True)
class Table:
    """Releases of the same vectors, attacked on the same texts.

    Args:
        name: What its files are called, after the picture's own name.
        releases: Rows of the frontier, at least one.
        rows: The long board's rows of these releases: one an attack, threat and seed.
    """

    name: str
    releases: Sequence[FrontierRow]
    rows: Sequence[Row]

    @property
    def undefended(self) -> FrontierRow | None:
        """The row that all others are compared with."""
        return next((row for row in self.releases if row["defense"] == UNDEFENDED), None)

    @property
    def defended(self) -> list[FrontierRow]:
        """The other rows."""
        return [row for row in self.releases if row["defense"] != UNDEFENDED]

    def told(self, column: str) -> str:
        """Return the first value that a column has."""
        values = (row.get(column) for row in self.releases)
        return next((str(value) for value in values if value not in (None, "")), "")


def tables_of(board: Board) -> list[Table]:
    """Return the tables of a board, sorted, each with a file name of its own.

    A release that nobody attacks (an opaque one) joins every table of its vectors.
    """
    grouped: dict[tuple[str, ...], list[FrontierRow]] = {}
    for row in board.frontier:
        grouped.setdefault(_key(row), []).append(row)
    alone = {key: rows for key, rows in grouped.items() if not key[len(TABLE_SETTING)]}
    tables = {key: rows for key, rows in grouped.items() if key not in alone}
    for key, rows in alone.items():
        hosts = [
            other for other in tables if other[: len(TABLE_SETTING)] == key[: len(TABLE_SETTING)]
        ]
        for host in hosts:
            tables[host] = [*tables[host], *rows]
        if not hosts:
            tables[key] = rows
    keys = sorted(tables)
    names = _names(keys)
    return [
        Table(
            name=names[key],
            # Two rows of a defense that differ are no one release; then what they hold decides.
            releases=sorted(tables[key], key=lambda row: (str(row["defense"]), str(row))),
            rows=_own(board.rows, tables[key]),
        )
        for key in keys
    ]


def _key(row: FrontierRow) -> tuple[str, ...]:
    values = (row.get(column) for column in (*TABLE_SETTING, *TABLE_SAMPLE))
    return tuple("" if value is None else str(value) for value in values)


def _own(rows: Sequence[Row], releases: Sequence[FrontierRow]) -> list[Row]:
    ids = {name for release in releases for name in str(release["cell_ids"] or "").split()}
    return [row for row in rows if row["cell_id"] in ids]


def _names(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return a file name for each table: its corpus, and of several what tells them apart."""
    names = {}
    columns = (*TABLE_SETTING, *TABLE_SAMPLE)
    for key in keys:
        own = [other for other in keys if other[0] == key[0]]
        parts = [key[0]]
        for column, prefix in _TOLD.items():
            at = columns.index(column)
            if len({other[at] for other in own}) > 1:
                parts.append(f"{prefix}{key[at]}")
        names[key] = safe_stem("-".join(parts)).rstrip(".-")
    return distinct_stems(names, "\0".join, longest=_LONGEST)

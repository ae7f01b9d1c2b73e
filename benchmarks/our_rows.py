"""Rows of our boards, found by what their columns say."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from v2t_bench.composition import canonical_defense
from v2t_bench.errors import BadInput
from v2t_bench.registry import Registry, discover
from v2t_bench.shown import without_checkpoints
from v2t_bench.spelling import parse

Row: TypeAlias = dict[str, str]

USUAL = {
    "defense": "none",
    "threat": "oblivious",
    "oracle": "clean",
    "track": "cut",
    "embedder": "minilm",
}
# What a row of reproduction.toml says beside the columns of a board.
_NO_COLUMN = frozenset({"attack", "defense", "board", "place", "spelled"})


@dataclass(frozen=True, kw_only=True)
class Found:
    """A row of a board.

    Args:
        file: Of the board, below the folder of boards.
        row: Its columns.
    """

    file: str
    row: Row


@dataclass(frozen=True, kw_only=True)
class Boards:
    """The boards below a folder."""

    folder: Path
    _read: dict[Path, list[Row]] = field(default_factory=dict, init=False, repr=False)
    _attacks: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def registry(self) -> Registry:
        """Return what spells attacks and defenses."""
        return discover(strangers=())

    def rows(self, path: Path) -> list[Row]:
        """Return the rows of one board; none where the file is another kind of table."""
        if path not in self._read:
            with path.open(encoding="utf-8", newline="") as lines:
                reader = csv.DictReader(lines)
                is_board = {"cell_id", "attack", "bleu"} <= set(reader.fieldnames or ())
                self._read[path] = list(reader) if is_board else []
        return self._read[path]

    def attack(self, shown: str) -> str:
        """Return the attack of a row without checkpoints."""
        if shown not in self._attacks:
            self._attacks[shown] = str(without_checkpoints(parse(shown))) if shown else ""
        return self._attacks[shown]

    def find(self, board: str, attack: str, columns: Mapping[str, str]) -> Found | None:
        """Return the one row of the boards that match a pattern; None where there is none.

        Args:
            board: A file or a pattern below the folder.
            attack: Its spelling; what is left out is as by default.
            columns: What further columns must say; a defense in any spelling.

        Raises:
            BadInput: two different cells fit.
        """
        wanted = {**USUAL, **columns}
        wanted["defense"] = canonical_defense(self.registry, wanted["defense"])
        spelled = str(self.registry.canonical("attacks", parse(attack)))
        found: dict[str, Found] = {}
        for path in sorted(self.folder.glob(board)):
            for row in self.rows(path):
                if any(row.get(key, "") != value for key, value in wanted.items()):
                    continue
                if self.attack(row["attack"]) == spelled:
                    file = path.relative_to(self.folder).as_posix()
                    found.setdefault(row["cell_id"], Found(file=file, row=row))
        if len(found) > 1:
            raise BadInput(
                f"{len(found)} cells of {board} are {attack} where {wanted}: "
                f"{', '.join(sorted(found))}; say more about the one that is meant"
            )
        return next(iter(found.values()), None)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What of ours stands beside published tables.

    Args:
        tables: Ids of those tables.
        variant: What ours is called there.
        board, select, command: Of every row, unless the row has its own; see reproduction.toml.
        differs: What is not alike.
        rows: By the name of the published row: attack and columns.
        attack: Of the rows that name none, by table.
        columns: Published columns that are ours of another name.
        named: What a command adds to attacks of other lengths than those they were trained on.
    """

    tables: tuple[str, ...]
    variant: str
    board: str
    select: Mapping[str, str]
    command: str
    differs: str
    rows: Mapping[str, Mapping[str, str]]
    attack: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    named: str = ""

    def said(self, table: str, row: str) -> dict[str, str]:
        """Return all that is said of our row beside one published row."""
        said = {"board": self.board, "place": row, **self.select, **self.rows[row]}
        said.setdefault("attack", self.attack.get(table, ""))
        said["board"] = said["board"].replace("{row}", row)
        return said

    def found(self, boards: Boards, table: str, row: str) -> Found | None:
        """Return our row beside a published one, where it has been measured."""
        said = self.said(table, row)
        columns = {key: value for key, value in said.items() if key not in _NO_COLUMN}
        if "defense" in said:
            columns["defense"] = said["defense"]
        return boards.find(said["board"], said["attack"], columns)


def read_beside(path: Path) -> list[Beside]:
    """Return what reproduction.toml says.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return [Beside(**{**each, "tables": tuple(each["tables"])}) for each in content["ours"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} does not say what stands beside what ({error!r})") from error

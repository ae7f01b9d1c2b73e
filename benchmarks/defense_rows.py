"""The rows of boards of defenses, by defense, and the worst that each attack did to it."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from v2t_bench.leaderboard.families import family_of, short_defense

Row: TypeAlias = dict[str, str]

FLOORS = ("silent", "prior", "nearest", "shuffled")


def name_of(row: Row) -> str:
    """Return the name of a row's attack, without its parameters."""
    return row["attack"].partition(":")[0]


@dataclass(frozen=True)
class Score:
    """A bleu_norm with its interval, and whose it is."""

    value: float
    low: float | None
    high: float | None
    row: Row = field(repr=False)

    def told(self) -> str:
        between = "" if self.low is None else f" [{self.low:.1f}, {self.high:.1f}]"
        return f"{self.value:.1f}{between}"


@dataclass(frozen=True)
class Release:
    """A defense on one corpus under one seed, with every row of its attackers.

    Args:
        corpus: As boards call it.
        defense: Canonical.
        rows: At least one.
    """

    corpus: str
    defense: str
    rows: Sequence[Row]

    @property
    def family(self) -> str:
        return family_of(self.defense)

    @property
    def short(self) -> str:
        """The defense without the parameters that it has by default."""
        return short_defense(self.defense)

    def number(self, column: str) -> float | None:
        found = next((row[column] for row in self.rows if row.get(column)), "")
        return float(found) if found else None

    def scores(self, attack: str, threat: str = "") -> list[Score]:
        """Return the scores of an attack, highest first; "" stands for all that are no floors.

        Those told on half of the texts (``worst``), and those of a service with the defense in
        front, which is a handicap, are left out but for retrained ones.
        """
        found = []
        for row in self.rows:
            name = name_of(row)
            wanted = name == attack if attack else name and name not in FLOORS
            of_threat = row["threat"].startswith(threat) and row["threat"] != "worst"
            handicap = row["oracle"] == "protected" and row["threat"] != "adaptive:retrain"
            if wanted and of_threat and not handicap and row["bleu_norm"]:
                ends = [float(row[f"bleu_norm_{end}"] or "nan") for end in ("lo", "hi")]
                low, high = (None if end != end else end for end in ends)
                found.append(Score(float(row["bleu_norm"]), low, high, row))
        return sorted(found, key=lambda score: -score.value)

    def worst(self, attack: str = "", threat: str = "") -> Score | None:
        return next(iter(self.scores(attack, threat)), None)


def read_releases(paths: Iterable[Path], corpus: str = "", seed: str = "0") -> list[Release]:
    """Return what the boards say of each defense, in the order of the files.

    Args:
        paths: Boards.
        corpus: Only this one; it may be given without ``beir:``.
        seed: Of defenses that draw.

    Raises:
        ValueError: a file is no board of defenses, or says nothing of the corpus.
    """
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for path in paths:
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                try:
                    if row["seeds"] not in ("", seed):
                        continue
                    if corpus in ("", row["corpus"], row["corpus"].partition(":")[2]):
                        grouped[row["corpus"], row["defense"]].append(row)
                except KeyError as error:
                    raise ValueError(
                        f"{path} is no leaderboard: it has no column {error}"
                    ) from None
    if not grouped:
        raise ValueError(f"no row of {corpus or 'any corpus'} in {', '.join(map(str, paths))}")
    return [Release(corpus, defense, rows) for (corpus, defense), rows in grouped.items()]

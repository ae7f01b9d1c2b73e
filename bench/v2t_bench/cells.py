"""What is to be measured: what was asked for, and the cells it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from v2t_bench.contracts import Embedder
from v2t_bench.corpora.records import Corpus
from v2t_bench.pieces import Track
from v2t_bench.resolution import Resolved
from v2t_bench.results import CellKind, cell_id
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Threat
from v2t_bench.training import Lesson


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What was asked for; every list is crossed with every other.

    Args:
        datasets, embedders, attacks, defenses, threats: Spellings; ``all`` is understood.
        seeds: Of the owner's secret, for defenses that draw.
        track: ``cut`` or ``chunks``.
        max_tokens: The embedder's tokens of each text, special ones included.
        n_texts: Attacked texts of each corpus; None for 60 (demo) or 500.
        sample_seed: Of the attacked sample.
        limit: Attack at most so many; the rows are marked unofficial.
        fast_oracle: Whether attackers' questions are answered in bfloat16. It is part of every
            leakage cell: whether an attack asks is only known once it has run.
    """

    datasets: tuple[str, ...]
    embedders: tuple[str, ...]
    attacks: tuple[str, ...]
    defenses: tuple[str, ...]
    threats: tuple[str, ...] = ("oblivious",)
    seeds: tuple[int, ...] = (0,)
    track: Track = "cut"
    max_tokens: int = 32
    n_texts: int | None = None
    sample_seed: int = 0
    limit: int | None = None
    fast_oracle: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement: its identity, and what the harness needs to make it.

    One with a reason to ``skip`` it is not made.
    """

    kind: CellKind
    identity: dict[str, Any]
    labels: dict[str, Any]
    defense_text: str
    secret_seed: int
    attack: Resolved | None = None
    # As it was asked for: the same under every defense, whatever checkpoint it found.
    asked: Spelling | None = None
    threat: Threat | None = None
    skip: str = ""
    references: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def cell_id(self) -> str:
        """The cell's name: a hash of its identity."""
        return cell_id(self.identity)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One corpus under one embedder, and the cells that share its vectors.

    ``public`` are texts that the attacker has, whole.
    """

    corpus: Corpus
    embedder: Embedder
    embedder_text: str
    grid: Grid
    n_texts: int
    cells: tuple[Cell, ...]
    public: Sequence[str] = ()

    @property
    def lessons(self) -> dict[Path, Lesson]:
        """What must be trained before the cells can run, by folder."""
        lessons: dict[Path, Lesson] = {}
        for cell in self.cells:
            if cell.attack is not None:
                lessons |= cell.attack.lessons
        return lessons

    @property
    def notices(self) -> list[str]:
        """What whoever runs the cells should know about the checkpoints, one line each."""
        attacks = [cell.attack for cell in self.cells if cell.attack is not None]
        return list(dict.fromkeys(line for attack in attacks for line in attack.notices))

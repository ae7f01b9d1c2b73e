"""What is kept of each cell to compare it with the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from v2t_bench.canonical import canonical_json
from v2t_bench.leaderboard.validation.identities import is_fast, utility_identity
from v2t_bench.leaderboard.validation.outputs import Digests
from v2t_bench.release import UNDEFENDED
from v2t_bench.results import Result
from v2t_bench.threat import Threat, parse_threat

Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class LookedAt:
    """A cell whose record could be read.

    Args:
        place: How lines call it.
        result: The record.
        digests: Of its outputs; None where they could not be read.
    """

    place: str
    result: Result
    digests: Digests | None

    @property
    def identity(self) -> dict[str, Any]:
        """What is hashed."""
        return self.result.identity

    @property
    def is_leakage(self) -> bool:
        """Whether it is of an attack."""
        return self.result.kind == "leakage"

    @property
    def defended(self) -> bool:
        """Whether anything protects the vectors."""
        return bool(self.identity["defense"] != UNDEFENDED)

    @cached_property
    def search(self) -> str:
        """What the utility cell of the same release is called, whatever plugins made it."""
        return canonical_json(utility_identity(self.identity))

    @cached_property
    def setting(self) -> str:
        """Collection, track, length and embedder."""
        own = utility_identity(self.identity)
        return canonical_json({k: v for k, v in own.items() if not k.startswith("defense")})

    @cached_property
    def sample(self) -> Key:
        """Setting, and which of its texts are attacked."""
        return (self.setting, self.identity["n_texts"], self.identity["sample_seed"])

    @cached_property
    def table(self) -> Key:
        """Sample, and how attackers are answered: rows with the same floors and references."""
        return (*self.sample, self.identity["limit"], is_fast(self.identity))

    @cached_property
    def threat(self) -> Threat:
        """What the attacker knows."""
        return parse_threat(self.identity["threat"])

    @cached_property
    def released(self) -> Key:
        """Table, defense, its seed and threat: what an attack is given."""
        threat = self.identity["threat"]
        return (*self.table, self.identity["defense"], self.identity["defense_seed"], threat)

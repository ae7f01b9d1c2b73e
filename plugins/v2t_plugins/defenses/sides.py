"""Which side a defense that draws is on."""

from __future__ import annotations

from typing import Literal, TypeAlias

from v2t_bench.contracts import Role

Side: TypeAlias = Literal["both", "documents", "queries"]


def leaves_alone(on: Side, role: Role) -> bool:
    """Return whether what has that role is released as it is."""
    return on == {"document": "queries", "query": "documents"}[role]

"""The record of one cell, as result.json holds it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from v2t_bench.canonical import content_hash

SCHEMA_VERSION: Literal[1] = 1
# Of the way from the same inputs to the same cell; a change makes new cells of old ones.
CELL_VERSION = 1
# Of the way from stored outputs to scores.
METRICS_VERSION = 1
# Of the way from released vectors to a ranking.
SEARCH_VERSION = 1
# Of the way from released vectors to what an adaptive attacker makes of them.
ADAPTATION_VERSION = 1

# In the identity of leakage cells whose attackers were not answered in the embedder's own
# precision; absent from all others.
ORACLE_ARITHMETIC, BFLOAT16 = "oracle_arithmetic", "bfloat16"

CellKind = Literal["utility", "leakage"]


class Measured(BaseModel):
    """One score: its value, its 95 % interval where one is defined, and from how many."""

    model_config = ConfigDict(extra="forbid")

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    method: str = ""


class Result(BaseModel):
    """What one cell gave, and everything it depends on.

    ``identity`` decides the cell's id; ``labels`` and ``environment`` do not.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: CellKind
    cell_id: str
    identity: dict[str, Any]
    labels: dict[str, Any]
    scores: dict[str, Measured]
    facts: dict[str, float | int | str | bool | None] = Field(default_factory=dict)
    references: dict[str, str] = Field(default_factory=dict)
    signatures: dict[str, str] = Field(default_factory=dict)
    notices: list[str] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)


class Failure(BaseModel):
    """Why a cell has no result, as error.json holds it."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: CellKind
    cell_id: str
    labels: dict[str, Any]
    error: str
    traceback: str


def cell_id(identity: dict[str, Any]) -> str:
    """Return the id of the cell that ``identity`` describes: ``v1-`` and 32 digits."""
    return f"v{CELL_VERSION}-{content_hash(identity)}"

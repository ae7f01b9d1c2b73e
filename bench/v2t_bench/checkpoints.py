"""Trained attacks on disk: what the host writes about them, and which one fits a cell."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from v2t_bench.canonical import content_hash, hash_file
from v2t_bench.contracts import Checkpoint, Space
from v2t_bench.errors import BadInput, CorruptArtifact, SpaceMismatch

log = logging.getLogger(__name__)

RECORD = "checkpoint.json"
DEMO = "demo"


class CheckpointRecord(BaseModel):
    """What ``checkpoint.json`` says about the files beside it."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    attack: str
    embedder: str
    space: dict[str, Any]
    dim: int
    max_tokens: int
    trained_on: str
    # As whoever trained it says; empty where nothing was said.
    text_licence: str = ""
    text_source: str = ""
    texts: dict[str, Any]
    defense: str = ""
    # Of the attacker's own secret; the owner's comes from the seed of an experiment.
    defense_seed: int | None = None
    recipe: dict[str, Any]
    scores: dict[str, Any]
    curve: list[dict[str, Any]]
    oracle_texts: int
    seconds: dict[str, float]
    environment: dict[str, Any]
    files: dict[str, str]


def space_of(record: dict[str, Any]) -> Space:
    """Return the space that a record describes."""
    return Space(**{**record, "blind_to": tuple(record["blind_to"])})


def read_record(folder: Path) -> CheckpointRecord:
    """Return what was written about the checkpoint in ``folder``, whose files are as they were.

    Raises:
        BadInput: there is no checkpoint.
        CorruptArtifact: a file is missing, truncated or changed.
    """
    path = folder / RECORD
    if not path.is_file():
        raise BadInput(
            f"{folder} holds no checkpoint ({RECORD} is missing); expected a folder written by "
            "v2t-bench train"
        )
    try:
        record = CheckpointRecord.model_validate_json(path.read_bytes())
        space_of(record.space)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise CorruptArtifact(f"{path} cannot be read ({first}); train again") from error
    if not record.files:
        raise CorruptArtifact(f"{path} lists no files; train again")
    for name, digest in record.files.items():
        file = folder / name
        if not file.is_file() or hash_file(file) != digest:
            raise CorruptArtifact(
                f"{file} is missing, truncated or changed since it was trained; train again"
            )
    return record


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return the checkpoint in ``folder`` after comparing every file with its hash.

    Raises:
        BadInput, CorruptArtifact: as for `read_record`.
    """
    record = read_record(folder)
    return Checkpoint(
        attack=record.attack,
        space=space_of(record.space),
        dim=record.dim,
        max_tokens=record.max_tokens,
        trained_on=record.trained_on,
        defense=record.defense,
        folder=folder,
        identity=f"{folder.resolve().name}@{content_hash(record.files)[:12]}",
    )


def shelf(folder: Path) -> list[Checkpoint]:
    """Return the checkpoints that lie in the folders directly below ``folder``."""
    found = []
    for path in sorted(folder.glob(f"[!.]*/{RECORD}")):
        try:
            found.append(read_checkpoint(path.parent))
        except CorruptArtifact as error:
            # It may not be wanted at all; one that is named is refused when it is read.
            log.warning("%s; left out", error)
    return found


def fitting(
    checkpoints: Iterable[Checkpoint],
    *,
    attack: str,
    space: Space,
    max_tokens: int,
) -> list[Checkpoint]:
    """Return the checkpoints for clean vectors of that space and length, not the demo's."""
    return [
        checkpoint
        for checkpoint in checkpoints
        if checkpoint.attack == attack
        and checkpoint.space == space
        and checkpoint.max_tokens == max_tokens
        and not checkpoint.defense
        and checkpoint.trained_on != DEMO
    ]


def check_fits(checkpoint: Checkpoint, *, attack: str, space: Space) -> None:
    """Refuse a checkpoint of another attack or space.

    Raises:
        BadInput: another attack's.
        SpaceMismatch: another space's; what differs is named.
    """
    if checkpoint.attack != attack:
        raise BadInput(
            f"{checkpoint.folder} is a checkpoint of {checkpoint.attack!r}, not of {attack!r}"
        )
    if checkpoint.space != space:
        theirs, ours = asdict(checkpoint.space), asdict(space)
        differing = [key for key in ours if ours[key] != theirs[key]]
        described = "; ".join(
            f"{key}: {theirs[key]!r} there, {ours[key]!r} here" for key in differing
        )
        raise SpaceMismatch(
            f"{checkpoint.folder} was trained on another space than the embedder's ({described}); "
            "choose its embedder, or train one for this space"
        )


def one_of(candidates: Sequence[Checkpoint], attack: str) -> Checkpoint | None:
    """Return the only candidate, None if there is none.

    Raises:
        BadInput: several fit, so that the choice must be spelled.
    """
    distinct = {candidate.identity: candidate for candidate in candidates}
    if len(distinct) > 1:
        folders = ", ".join(str(c.folder) for c in distinct.values())
        raise BadInput(
            f"several checkpoints of {attack} fit ({folders}); choose one by "
            f"{attack}:checkpoint=<folder>"
        )
    return next(iter(distinct.values()), None)

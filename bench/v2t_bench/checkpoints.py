"""Trained attacks on disk: what the host writes about them, and which ones fit a cell.

A package that carries checkpoints reads their records by `checkpoints_in`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from v2t_bench.canonical import content_hash, hash_file
from v2t_bench.contracts import Checkpoint, Space
from v2t_bench.errors import BadInput, CorruptArtifact, SpaceMismatch

log = logging.getLogger(__name__)

RECORD = "checkpoint.json"
DEMO = "demo"
REPAIR = "train it again, or install the package that carries it again"


class CheckpointRecord(BaseModel):
    """What ``checkpoint.json`` says about the files beside it."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    attack: str
    embedder: str
    space: dict[str, Any]
    dim: int
    max_tokens: int = Field(ge=1)
    # A record without it is of one length.
    min_tokens: int | None = Field(default=None, ge=1)
    # Whether what it was trained on was embedded in bfloat16.
    fast_vectors: bool = False
    trained_on: str
    # As whoever trained it says; empty where nothing was said.
    text_licence: str = ""
    text_source: str = ""
    texts: dict[str, Any]
    defense: str = ""
    # Of the attacker's own secret; the owner's comes from the seed of an experiment.
    defense_seed: int | None = None
    # Where it was trained through the owner's own service.
    owner_seed: int | None = None
    # Parameters of the attack that training decided, and what it measured of itself.
    taught: dict[str, str] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any]
    scores: dict[str, Any]
    curve: list[dict[str, Any]]
    oracle_texts: int
    seconds: dict[str, float]
    environment: dict[str, Any]
    files: dict[str, str]

    @model_validator(mode="after")
    def _lengths_are_in_order(self) -> CheckpointRecord:
        if self.min_tokens is not None and self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is above {self.max_tokens}")
        return self


@dataclass(frozen=True)
class Against:
    """A defense that an attack is trained against.

    Args:
        text: Canonical.
        shown: As results show it.
        owner_seed: Of the owner's secret, where the owner's own service released what it is
            trained on; None: the attacker did, under a secret of its own.
    """

    text: str
    shown: str
    owner_seed: int | None = None


def space_of(record: dict[str, Any]) -> Space:
    """Return the space that a record describes."""
    return Space(**{**record, "blind_to": tuple(record["blind_to"])})


def checkpoint_in(folder: Path) -> Checkpoint:
    """Return the checkpoint in ``folder`` by its record alone; no other file is opened.

    Raises:
        BadInput: there is no checkpoint.
        CorruptArtifact: the record cannot be read.
    """
    return _described(_record_in(folder), folder)


def checkpoints_in(folder: Path) -> Iterator[Checkpoint]:
    """Yield the checkpoint of each subfolder of ``folder`` that holds one, sorted by name.

    For the hook ``v2t_checkpoints`` of a package that carries them: only records are read. The
    host compares the other files with their hashes when a checkpoint is used. Records that
    cannot be read are told after all others were yielded.

    Raises:
        CorruptArtifact: records cannot be read.
    """
    found, damaged = _below(folder)
    yield from found
    if damaged:
        raise CorruptArtifact("; ".join(map(str, damaged)))


def read_record(folder: Path) -> CheckpointRecord:
    """Return what was written about the checkpoint in ``folder``, whose files are as they were.

    Raises:
        BadInput: there is no checkpoint.
        CorruptArtifact: a file is missing, truncated or changed.
    """
    record = _record_in(folder)
    for name, digest in record.files.items():
        file = folder / name
        if not file.is_file() or hash_file(file) != digest:
            raise CorruptArtifact(
                f"{file} is missing, truncated or changed since it was trained; {REPAIR}"
            )
    return record


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return the checkpoint in ``folder`` after comparing every file with its hash.

    Raises:
        BadInput, CorruptArtifact: as for `read_record`.
    """
    return _described(read_record(folder), folder)


def _described(record: CheckpointRecord, folder: Path) -> Checkpoint:
    pairs = record.recipe.get("pairs")
    return Checkpoint(
        attack=record.attack,
        space=space_of(record.space),
        dim=record.dim,
        max_tokens=record.max_tokens,
        min_tokens=record.min_tokens,
        trained_on=record.trained_on,
        defense=record.defense,
        owner_seed=record.owner_seed,
        folder=folder,
        identity=f"{folder.resolve().name}@{content_hash(record.files)[:12]}",
        embedder=record.embedder,
        texts_sha256=str(record.texts.get("sha256", "")),
        taught=record.taught,
        pairs=pairs if isinstance(pairs, int) else None,
    )


def _record_in(folder: Path) -> CheckpointRecord:
    path = folder / RECORD
    if not path.is_file():
        raise BadInput(
            f"{folder} holds no checkpoint ({RECORD} is missing); expected a folder written by "
            "v2t-bench train"
        )
    try:
        record = CheckpointRecord.model_validate_json(path.read_bytes())
        space_of(record.space)
    except (ValueError, TypeError, KeyError, OSError) as error:
        first = str(error).splitlines()[0]
        raise CorruptArtifact(f"{path} cannot be read ({first}); {REPAIR}") from error
    if not record.files:
        raise CorruptArtifact(f"{path} lists no files; {REPAIR}")
    return record


def shelf(folder: Path) -> list[Checkpoint]:
    """Return the checkpoints in the folders directly below ``folder``, by their records alone."""
    found, damaged = _below(folder)
    for error in damaged:
        # It may not be wanted at all; one that is named is refused when it is read.
        log.warning("%s; left out", error)
    return found


def _below(folder: Path) -> tuple[list[Checkpoint], list[Exception]]:
    """Return the checkpoints in the folders directly below, and what is wrong with the others."""
    found: list[Checkpoint] = []
    damaged: list[Exception] = []
    for path in sorted(folder.glob(f"[!.]*/{RECORD}")):
        try:
            found.append(checkpoint_in(path.parent))
        except (BadInput, CorruptArtifact) as error:
            damaged.append(error)
    return found, damaged


def place(checkpoint: Checkpoint) -> str:
    """Return where a checkpoint is: name and distribution if a package carries it, or folder."""
    if checkpoint.distribution:
        return f"{checkpoint.name} of {checkpoint.distribution}"
    return str(checkpoint.folder)


def fitting(
    checkpoints: Iterable[Checkpoint],
    *,
    attack: str,
    space: Space,
    max_tokens: int,
    demo: bool = False,
    taught: Mapping[str, str] | None = None,
    against: Against | None = None,
) -> list[Checkpoint]:
    """Return the checkpoints for clean vectors of that space that serve that length.

    ``taught`` holds the parameters that training decides. With ``against``, those that were
    trained on vectors released under a defense.

    Those trained on the demo texts serve the demo corpora and nothing else: only they are
    returned with ``demo``, and only the others without.
    """
    return [
        checkpoint
        for checkpoint in checkpoints
        if checkpoint.attack == attack
        and checkpoint.space == space
        and checkpoint.serves(max_tokens)
        and checkpoint.defense == ("" if against is None else against.shown)
        and checkpoint.owner_seed == (None if against is None else against.owner_seed)
        and dict(checkpoint.taught) == dict(taught or {})
        and (checkpoint.trained_on == DEMO) == demo
    ]


def check_fits(
    checkpoint: Checkpoint, *, attack: str, space: Space, taught: Mapping[str, str] | None = None
) -> None:
    """Refuse a checkpoint of another attack or space, or trained with other parameters.

    Raises:
        BadInput: another attack's, or of other parameters that training decides.
        SpaceMismatch: another space's; what differs is named.
    """
    if checkpoint.attack != attack:
        raise BadInput(
            f"{place(checkpoint)} is a checkpoint of {checkpoint.attack!r}, not of {attack!r}"
        )
    if checkpoint.space != space:
        theirs, ours = asdict(checkpoint.space), asdict(space)
        differing = [key for key in ours if ours[key] != theirs[key]]
        described = "; ".join(
            f"{key}: {theirs[key]!r} there, {ours[key]!r} here" for key in differing
        )
        raise SpaceMismatch(
            f"{place(checkpoint)} was trained on another space than the embedder's ({described}); "
            "choose its embedder, train one for this space, or put an aligner between"
        )
    for name, wanted in (taught or {}).items():
        theirs_is = checkpoint.taught.get(name, "none")
        if theirs_is != wanted:
            raise BadInput(
                f"{place(checkpoint)} was trained with {name}={theirs_is}, not {name}={wanted}; "
                "spell it as it was trained, or train another"
            )


def one_of(candidates: Sequence[Checkpoint], attack: str) -> Checkpoint | None:
    """Return the only candidate, None if there is none.

    Raises:
        BadInput: several fit, so that the choice must be spelled.
    """
    distinct = {candidate.identity: candidate for candidate in candidates}
    if len(distinct) > 1:
        found = ", ".join(place(candidate) for candidate in distinct.values())
        what = "<name>" if all(c.distribution for c in distinct.values()) else "<folder>"
        raise BadInput(
            f"several checkpoints of {attack} fit ({found}); choose one by "
            f"{attack}:checkpoint={what}"
        )
    return next(iter(distinct.values()), None)

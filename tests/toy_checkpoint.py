"""Checkpoints that nobody trained, written as training leaves them: for tests of who finds them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from v2t_bench.checkpoints import RECORD, CheckpointRecord
from v2t_bench.contracts import Space
from v2t_bench.shown import hash_folder

SPACE = Space(weights="toy", pooling="mean", normalize=True, max_tokens=256)


def write_checkpoint(folder: Path, *, space: Space = SPACE, **more: Any) -> Path:
    """Write weights, a record and a card into ``folder`` and return it."""
    folder.mkdir(parents=True)
    (folder / "network.safetensors").write_bytes(f"weights of {folder.name}".encode())
    said: dict[str, Any] = {
        "attack": "bow",
        "embedder": "toy",
        "space": asdict(space),
        "dim": 64,
        "max_tokens": 32,
        "trained_on": "wiki",
        "texts": {"sha256": "0" * 64},
        "recipe": {},
        "scores": {},
        "curve": [],
        "oracle_texts": 0,
        "seconds": {},
        "environment": {},
        "files": hash_folder(folder),
    }
    record = CheckpointRecord(**said | more)
    (folder / RECORD).write_text(record.model_dump_json(indent=1) + "\n")
    (folder / "README.md").write_text(f"# The card of {folder.name}\n")
    return folder


def damage(folder: Path) -> Path:
    """Cut off the end of the weights, and return the folder."""
    weights = folder / "network.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    return folder

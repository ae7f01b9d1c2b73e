"""What attacks that write make of their training texts: vectors, subwords, lengths, a name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from v2t_bench.contracts import TrainContext, Vectors
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import scaled_like_targets
from v2t_plugins.subwords import (
    load_tokenizer,
    read_tokenizer,
    save_tokenizer,
    train_tokenizer,
)

# Of a label: no loss is computed there.
IGNORED = -100
FEWEST_TEXTS = 20


def distinct_texts(texts: Sequence[str], attack: str) -> list[str]:
    """Return the texts that are not blank, each once.

    Raises:
        BadInput: there are fewer than `FEWEST_TEXTS`.
    """
    kept = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(kept) < FEWEST_TEXTS:
        raise BadInput(
            f"{attack} needs at least {FEWEST_TEXTS} different texts to train on, got {len(kept)}"
        )
    return kept


def embed_released(
    texts: Sequence[str], oracle: Oracle, context: TrainContext
) -> tuple[Vectors, Vectors]:
    """Return the vectors of ``texts``, (n, d), and what of them is released, scaled alike."""
    clean = oracle.embed(texts, keep=True)
    released = context.release(clean, texts)
    if released is not clean:
        released = scaled_like_targets(released, oracle.space)
    return clean, released


def get_tokenizer(
    texts: list[str], context: TrainContext, *, vocabulary: int
) -> PreTrainedTokenizerBase:
    """Return the tokenizer asked for, or one of so many subwords learned from ``texts``."""
    if context.tokenizer is not None:
        return load_tokenizer(context.tokenizer)
    # A resumed training must write with the very subwords it began with.
    key = hashlib.sha256("\0".join([str(vocabulary), *texts]).encode()).hexdigest()
    folder = context.work / f"tokenizer-{key[:16]}"
    with context.processes.main_first():
        try:
            return read_tokenizer(folder)
        except CorruptArtifact:
            tokenizer = train_tokenizer(texts, vocabulary_size=vocabulary)
            save_tokenizer(tokenizer, folder)
            return tokenizer


def label_lengths(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Return how many subwords each text has, the end token included."""
    encode: Any = tokenizer
    return [len(row) + 1 for row in encode(list(texts), add_special_tokens=False)["input_ids"]]


def longest_written(lengths: Sequence[int]) -> int:
    """Return how many subwords a network is to write at most, for texts of these lengths."""
    # One text in a thousand is longer: a single odd one, spelled in bytes, would otherwise
    # make every generation wait for it.
    return math.ceil(float(np.quantile(lengths, 0.999)))


def input_scale_of(vectors: Tensor) -> float:
    """Return what brings the coordinates of ``vectors``, (n, d), near 1."""
    norm = float(vectors.square().sum(dim=1).mean().sqrt())
    return round(math.sqrt(vectors.shape[1]) / norm, 6) if norm > 0 else 1.0


def n_labels(batch: Mapping[str, Tensor]) -> int:
    """Return how many terms the loss of a batch is the mean over."""
    return int((batch["labels"] != IGNORED).sum())


def mean_loss(
    loss: Callable[[Tensor, Tensor], Tensor],
    vectors: Tensor,
    labels: Tensor,
    *,
    device: torch.device,
    batch_size: int,
) -> float:
    """Return a network's mean loss a subword.

    Args:
        loss: Gives that of a batch of vectors and labels.
        vectors: (n, d).
        labels: Subwords, (n, t), padded with `IGNORED`.
        device: Where the network is.
        batch_size: Texts at a time.
    """
    total, count = 0.0, 0
    for start in range(0, len(vectors), batch_size):
        part = labels[start : start + batch_size]
        n = int((part != IGNORED).sum())
        value = loss(vectors[start : start + batch_size].to(device), part.to(device))
        total, count = total + float(value) * n, count + n
    return total / max(1, count)


def name_folder(folder: Path, name: str) -> str:
    """Return ``<name>@<12 hex>`` of configuration and weights: what is recorded of a beginning."""
    digest = hashlib.sha256()
    weights = [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]
    for path in sorted([folder / "config.json", *weights]):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        digest.update(path.name.encode() + content)
    return f"{name}@{digest.hexdigest()[:12]}"


def digest_of(*parts: bytes) -> str:
    """Return one sha256 of all parts, as hex."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()

"""Guessing a text, and correcting the guess until it lands no closer to its vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from v2t_bench.contracts import Vectors
from v2t_bench.errors import CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text.generate import write_greedily
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter, NetworkConfig
from v2t_plugins.networks import load_network, load_tensors, read_json
from v2t_plugins.subwords import read_tokenizer
from v2t_plugins.training import autocast

BATCH_SIZE = 128


@dataclass(frozen=True, kw_only=True)
class Networks:
    """A trained attack in memory; without a corrector it only makes first guesses."""

    inverter: Inverter
    corrector: Corrector | None
    tokenizer: PreTrainedTokenizerBase
    device: str = "cpu"

    @property
    def config(self) -> NetworkConfig:
        """Return the shape of both networks."""
        return self.inverter.shape

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Networks:
        """Return the networks that training left in ``folder``.

        Raises:
            CorruptArtifact: a file is missing, damaged, or does not fit the others.
        """
        config = NetworkConfig.from_json(read_json(folder / "config.json"))
        tokenizer = read_tokenizer(folder)
        if len(tokenizer) > config.vocabulary_size:
            raise CorruptArtifact(
                f"{folder} holds a tokenizer of {len(tokenizer)} subwords and networks of "
                f"{config.vocabulary_size}; train again"
            )
        # What they draw at first is overwritten; the caller's randomness stays as it was.
        with torch.random.fork_rng(devices=[]):
            inverter, corrector = Inverter(config), Corrector(config)
        load_network(folder / "base.safetensors", inverter)
        load_network(folder / "corrector.safetensors", corrector)
        if config.lexical_words:
            weight = load_tensors(folder / "lexical.safetensors").get("weight")
            for network in (inverter, corrector):
                set_lexical(network.lexical, weight, folder)
        return cls(
            inverter=inverter.to(device).eval(),
            corrector=corrector.to(device).eval(),
            tokenizer=tokenizer,
            device=device,
        )

    def first_guesses(self, vectors: Vectors, *, fast: bool = False) -> list[str]:
        """Return the base model's text for each vector, (n, d).

        ``fast`` allows bfloat16, whose rounding may depend on what else is in the batch.
        """
        with torch.no_grad(), _precision(self.device, fast):
            states = self.inverter.encode(self._tensor(vectors))
            return self._spell(write_greedily(self.inverter, *states))

    def corrections(
        self, vectors: Vectors, guesses: Sequence[str], guess_vectors: Vectors
    ) -> list[str]:
        """Return the corrector's text for each target, guess, and guess's vector."""
        assert self.corrector is not None
        ids = self.subwords(guesses).to(self.device)
        with torch.no_grad(), _precision(self.device, fast=False):
            states = self.corrector.encode(self._tensor(vectors), self._tensor(guess_vectors), ids)
            return self._spell(write_greedily(self.corrector, *states))

    def subwords(self, texts: Sequence[str]) -> Tensor:
        """Return ids, (n, t), cut to the longest the networks write and padded."""
        return encode_texts(self.tokenizer, texts, self.config)

    def _tensor(self, vectors: Vectors) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(vectors)).to(self.device)

    def _spell(self, ids: Tensor) -> list[str]:
        decode: Any = self.tokenizer.batch_decode
        texts = decode(ids.cpu(), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [str(text).strip() for text in texts]


def set_lexical(lexical: Any, weight: Tensor | None, folder: Path) -> None:
    """Give a network its ridge weights, (v, d + 1).

    Raises:
        CorruptArtifact: they are missing or of another shape.
    """
    if weight is None or weight.shape != lexical.weight.shape:
        raise CorruptArtifact(f"{folder / 'lexical.safetensors'} does not fit config.json")
    lexical.weight.copy_(weight)


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], config: NetworkConfig
) -> Tensor:
    """Return the ids of ``texts``, (n, t), with the end token, padded with the padding id."""
    encoded: Any = tokenizer(list(texts), add_special_tokens=False)
    rows = [[*row[: config.max_length - 1], config.end_id] for row in encoded["input_ids"]]
    ids = torch.full((len(rows), max(map(len, rows), default=1)), config.pad_id)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    return ids


def _precision(device: str, fast: bool) -> torch.autocast:
    if fast:
        return autocast(device)
    return torch.autocast(device.split(":")[0], enabled=False)


def search(
    networks: Networks, vectors: Vectors, oracle: Oracle, *, steps: int, batch_size: int
) -> list[str]:
    """Return for each vector (n, d) the closest of all texts tried, by cosine.

    The first guess is the base model's. Each step embeds the guesses as documents and asks
    the corrector for better ones. The next guess depends on the last alone, so a row that
    returns to a text it had is going in circles: it leaves the batch.
    """
    found: list[str] = []
    for start in range(0, len(vectors), batch_size):
        targets = vectors[start : start + batch_size]
        guesses = networks.first_guesses(targets)
        found += _correct(networks, targets, guesses, oracle, steps) if steps else guesses
    return found


def _correct(
    networks: Networks, targets: Vectors, guesses: list[str], oracle: Oracle, steps: int
) -> list[str]:
    best, current = list(guesses), list(guesses)
    seen = [{guess} for guess in guesses]
    at = oracle.embed(current, "document")  # (n, d)
    closest = cosines(at, targets)
    going = np.arange(len(targets))
    for _ in range(steps):
        tried = networks.corrections(targets[going], [current[row] for row in going], at[going])
        fresh = [place for place, row in enumerate(going) if tried[place] not in seen[row]]
        going = going[fresh]
        if not len(going):
            break
        new = [tried[place] for place in fresh]
        landed = oracle.embed(new, "document")
        at[going] = landed
        for row, text, close in zip(going, new, cosines(landed, targets[going]), strict=True):
            seen[row].add(text)
            current[row] = text
            if close > closest[row]:
                best[row], closest[row] = text, close
    return best


def cosines(left: Vectors, right: Vectors) -> Vectors:
    """Return the cosine of each row of ``left`` with the same row of ``right``, (n,)."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    together: Vectors = np.einsum("nd,nd->n", left, right) / np.maximum(lengths, 1e-12)
    return together

"""Both networks in memory: vectors and guesses in, guesses out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from v2t_bench.contracts import Vectors
from v2t_bench.errors import CorruptArtifact
from v2t_plugins.attacks.vec2text.generate import write_beams, write_greedily
from v2t_plugins.attacks.vec2text.lexical import Lexical
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.shared import Shared
from v2t_plugins.networks import load_network, load_tensors, read_json
from v2t_plugins.subwords import read_tokenizer
from v2t_plugins.training import autocast

BATCH_SIZE = 128
# The files of a checkpoint: both networks, or the one that is both, and what is beside them.
BASE, CORRECTOR, SHARED = "base.safetensors", "corrector.safetensors", "shared.safetensors"
LEXICAL = "lexical.safetensors"

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Draft:
    """A guess, as the corrector reads it and as a person does.

    Args:
        ids: Without padding behind; the same ids are the same guess.
        text: What is embedded.
    """

    ids: Ids
    text: str


@dataclass(frozen=True, kw_only=True)
class Networks:
    """An attack in memory; without a corrector it only makes first guesses.

    Args:
        inverter, corrector: On ``device``, in evaluation mode.
        tokenizer: Spells and reads subwords.
        device: As torch spells it.
        as_generated: Whether a guess is shown to the corrector in the very subwords it was
            written in, as the published ones were trained; ours read it anew from the text.
        longest_correction: Most subwords of a corrected text; None: as of a first guess.
        guess_tokens: The embedder's tokens of a guess that are embedded; None: all.
        shared: The one network that is both, if it is one.
    """

    inverter: Inverter
    corrector: Corrector | None
    tokenizer: PreTrainedTokenizerBase
    device: str = "cpu"
    as_generated: bool = False
    longest_correction: int | None = None
    guess_tokens: int | None = None
    shared: Shared | None = None

    @property
    def both(self) -> Any:
        """Return what was loaded: a pair, or one network in both roles."""
        return self.shared or (self.inverter, self.corrector)

    @property
    def config(self) -> NetworkConfig:
        """Return the shape of both networks."""
        return self.inverter.shape

    @classmethod
    def load(
        cls, folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Networks:
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
            both = Shared(config) if config.shared else None
            inverter = both.inverter if both else Inverter(config)
            corrector = both.corrector if both else Corrector(config)
        if both:
            load_network(folder / SHARED, both)
        else:
            load_network(folder / BASE, inverter)
            load_network(folder / CORRECTOR, corrector)
        if config.lexical_words:
            fitted = load_tensors(folder / LEXICAL)
            for network in (inverter, corrector):
                set_lexical(network.lexical, fitted, folder)
        return cls(
            inverter=inverter.to(device, dtype).eval(),
            corrector=corrector.to(device, dtype).eval(),
            tokenizer=tokenizer,
            device=device,
            shared=both,
        )

    def with_feedback(self, feedback: bool) -> Networks:
        """Return the same networks, the corrector shown its guess's vector or not."""
        if self.corrector is not None:
            shape = self.corrector.shape
            self.corrector.shape = replace(shape, ignore_guess_vector=not feedback)
        return self

    def first_guesses(self, vectors: Vectors, *, fast: bool = False) -> list[str]:
        """Return the base model's text for each vector, (n, d).

        ``fast`` allows bfloat16, whose rounding may depend on what else is in the batch.
        """
        return [draft.text for draft in self.first_drafts(vectors, fast=fast)]

    def first_drafts(
        self, vectors: Vectors, *, longest: int | None = None, fast: bool = False
    ) -> list[Draft]:
        """Return the base model's guess for each vector, (n, d), of ``longest`` subwords."""
        with torch.no_grad(), _precision(self.device, fast):
            states = self.inverter.encode(self._tensor(vectors))
            return self._drafts(write_greedily(self.inverter, *states, longest=longest))

    def corrections(
        self,
        vectors: Vectors,
        guesses: Sequence[Draft],
        guess_vectors: Vectors,
        *,
        beams: int = 1,
        fast: bool = False,
    ) -> list[list[Draft]]:
        """Return ``beams`` texts, likeliest first, for each target, guess, and guess's vector.

        ``fast`` as for `first_guesses`.
        """
        if self.corrector is None:
            raise CorruptArtifact("vec2text has no corrector here, so it can only do steps=0")
        longest = max(len(guess.ids) for guess in guesses)
        ids = torch.full((len(guesses), longest), self.config.pad_id)
        for row, guess in zip(ids, guesses, strict=True):
            row[: len(guess.ids)] = torch.tensor(guess.ids)
        with torch.no_grad(), _precision(self.device, fast):
            states = self.corrector.encode(
                self._tensor(vectors), self._tensor(guess_vectors), ids.to(self.device)
            )
            if beams == 1:
                written = write_greedily(self.corrector, *states, longest=self.longest_correction)
            else:
                written = write_beams(
                    self.corrector, *states, beams=beams, longest=self.longest_correction
                ).flatten(0, 1)
        drafts = self._drafts(written)
        return [drafts[start : start + beams] for start in range(0, len(drafts), beams)]

    def draft(self, text: str) -> Draft:
        """Return a guess of somebody's own, cut to what the networks write."""
        ids = _real(encode_texts(self.tokenizer, [text], self.config)[0].tolist(), self.config)
        return Draft(self._with_start(ids), text)

    def subwords(self, texts: Sequence[str]) -> Tensor:
        """Return ids, (n, t), cut to the longest the networks write and padded."""
        return encode_texts(self.tokenizer, texts, self.config)

    def _tensor(self, vectors: Vectors) -> Tensor:
        dtype = next(self.inverter.parameters()).dtype
        return torch.from_numpy(np.ascontiguousarray(vectors)).to(self.device, dtype)

    def _drafts(self, written: Tensor) -> list[Draft]:
        decode: Any = self.tokenizer.batch_decode
        rows = [_real(row, self.config) for row in written.tolist()]
        if self.as_generated:
            texts = [str(text) for text in decode(rows, skip_special_tokens=True)]
            return [
                Draft(self._with_start(ids), text) for ids, text in zip(rows, texts, strict=True)
            ]
        spelled = decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        texts = [str(text).strip() for text in spelled]
        read = self.subwords(texts).tolist()
        return [Draft(_real(ids, self.config), text) for ids, text in zip(read, texts, strict=True)]

    def _with_start(self, ids: Ids) -> Ids:
        return (self.config.pad_id, *ids) if self.config.start_in_guess else ids


def _real(ids: list[int], config: NetworkConfig) -> Ids:
    """Return ids without the padding behind them."""
    end = len(ids)
    while end and ids[end - 1] == config.pad_id:
        end -= 1
    return tuple(ids[:end])


def set_lexical(lexical: Lexical | None, fitted: Mapping[str, Tensor], folder: Path) -> None:
    """Give a network what its lexical scores are computed from.

    Raises:
        CorruptArtifact: it is missing or of another shape.
    """
    try:
        assert lexical is not None
        lexical.set_fitted(fitted)
    except ValueError as error:
        raise CorruptArtifact(f"{folder / LEXICAL} does not fit config.json: {error}") from error


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

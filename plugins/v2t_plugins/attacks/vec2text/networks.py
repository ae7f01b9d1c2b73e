"""Both networks in memory: vectors and guesses in, guesses out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from v2t_bench.contracts import Vectors
from v2t_bench.errors import CorruptArtifact
from v2t_plugins.attacks.vec2text.generate import write_beams, write_by_chance, write_greedily
from v2t_plugins.attacks.vec2text.lexical import Lexical
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.shared import Shared
from v2t_plugins.networks import load_network, load_tensors, read_json
from v2t_plugins.precision import autocast
from v2t_plugins.subwords import read_tokenizer

BATCH_SIZE = 128
# The files of a checkpoint: both networks, or the one that is both, and what is beside them.
BASE, CORRECTOR, SHARED = "base.safetensors", "corrector.safetensors", "shared.safetensors"
LEXICAL = "lexical.safetensors"

# Of corrections drawn by chance. On 100 sentences of Wikipedia, with a weak inverter of MiniLM,
# 5 steps of 4 samples brought the cosine from 0.476 to 0.545 at 0.4 and 0.541 at 1.0, BLEU on
# normalised texts from 4.6 to 5.0 at 0.4; at 1.0 it fell to 4.1.
TEMPERATURE = 0.4
CHOICES = 50

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
            states = self.inverter.encode(self.tensor(vectors))
            return self._drafts(write_greedily(self.inverter, *states, longest=longest))

    def first_beams(self, vectors: Vectors, *, beams: int) -> list[list[Draft]]:
        """Return the base model's ``beams`` guesses for each vector, (n, d), likeliest first."""
        with torch.no_grad(), _precision(self.device, fast=False):
            states = self.inverter.encode(self.tensor(vectors))
            written = write_beams(self.inverter, *states, beams=beams)
            return _by_row(self._drafts(written.flatten(0, 1)), beams)

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
        corrector, longest = self._correcting(), self.longest_correction
        with torch.no_grad(), _precision(self.device, fast):
            states = self._read(corrector, vectors, guesses, guess_vectors)
            if beams == 1:
                written = write_greedily(corrector, *states, longest=longest)
            else:
                written = write_beams(corrector, *states, beams=beams, longest=longest)
                written = written.flatten(0, 1)
        return _by_row(self._drafts(written), beams)

    def draws(
        self,
        vectors: Vectors,
        guesses: Sequence[Draft],
        guess_vectors: Vectors,
        *,
        chances: NDArray[np.float32],
        heat: Sequence[float],
    ) -> list[list[Draft]]:
        """Return ``k`` corrections drawn by chance for each target, guess, and guess's vector.

        Args:
            vectors, guesses, guess_vectors: As for `corrections`.
            chances: What decides, (n, k, `most_subwords`); see `write_by_chance`.
            heat: By how much the temperature of each row is raised; 1: not at all.
        """
        corrector = self._correcting()
        with torch.no_grad(), _precision(self.device, fast=False):
            written = write_by_chance(
                corrector,
                *self._read(corrector, vectors, guesses, guess_vectors),
                chances=torch.from_numpy(chances).to(self.device),
                temperatures=torch.tensor([TEMPERATURE * each for each in heat]).to(self.device),
                choices=CHOICES,
            )
        return _by_row(self._drafts(written.flatten(0, 1)), chances.shape[1])

    def padded(self, drafts: Sequence[Draft]) -> Tensor:
        """Return the ids of guesses, (n, t), padded."""
        longest = max(len(draft.ids) for draft in drafts)
        ids = torch.full((len(drafts), longest), self.config.pad_id)
        for row, draft in zip(ids, drafts, strict=True):
            row[: len(draft.ids)] = torch.tensor(draft.ids)
        return ids.to(self.device)

    @property
    def most_subwords(self) -> int:
        """Return how many subwords a correction has at most, the end token included."""
        return self.longest_correction or self.config.max_length

    def _correcting(self) -> Corrector:
        if self.corrector is None:
            raise CorruptArtifact("vec2text has no corrector here, so it can only do steps=0")
        return self.corrector

    def _read(
        self, corrector: Corrector, vectors: Vectors, guesses: Sequence[Draft], landed: Vectors
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        return corrector.encode(self.tensor(vectors), self.tensor(landed), self.padded(guesses))

    def draft(self, text: str) -> Draft:
        """Return a guess of somebody's own, cut to what the networks write."""
        ids = _real(encode_texts(self.tokenizer, [text], self.config)[0].tolist(), self.config)
        return Draft(self._with_start(ids), text)

    def subwords(self, texts: Sequence[str]) -> Tensor:
        """Return ids, (n, t), cut to the longest the networks write and padded."""
        return encode_texts(self.tokenizer, texts, self.config)

    def tensor(self, vectors: Vectors) -> Tensor:
        """Return vectors as the networks take them."""
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


def _by_row(drafts: list[Draft], each: int) -> list[list[Draft]]:
    return [drafts[start : start + each] for start in range(0, len(drafts), each)]


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

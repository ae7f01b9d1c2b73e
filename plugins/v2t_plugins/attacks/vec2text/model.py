"""The two networks: one guesses a text from its vector, one corrects a guess.

After Morris et al. 2023, sections 4 and 5, from their description. Two parts are ours and
can be switched off: `Lexical`, and `NetworkConfig.input_scale`. Module names are those of
the published checkpoints, so that their weights can be read into these classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

from v2t_bench.errors import CorruptArtifact
from v2t_plugins.attacks.lesson_texts import IGNORED as IGNORED
from v2t_plugins.attacks.vec2text.lexical import BowLexical, Lexical, RidgeLexical
from v2t_plugins.attacks.vec2text.output_layer import LexicalTerm, cross_entropy

SIZES: Mapping[str, Mapping[str, int | float]] = {
    "tiny": {"d_model": 128, "layers": 2, "heads": 4, "d_ff": 512, "dropout": 0.0},
    "small": {"d_model": 256, "layers": 3, "heads": 4, "d_ff": 1024, "dropout": 0.0},
    "base": {"d_model": 768, "layers": 12, "heads": 12, "d_ff": 3072, "dropout": 0.1},
}


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The shape of both networks.

    Args:
        dim: ``d`` of the embedder.
        vocabulary_size: ``v``; ids beyond the tokenizer's are never written.
        max_length: Most subwords of a text, the end token included.
        input_scale: What vectors are multiplied with. The coordinates of a unit vector are
            near 1/sqrt(d), far under what a fresh layer expects: sqrt(d) here, 1 in the paper.
        pseudo_tokens: Encoder positions a vector is spread over.
        layers: Of the encoder, and of the decoder.
        lexical_words: Likely subwords told to the encoder; 0: the networks have no `Lexical`.
        lexical_hidden: Width of the bag-of-words network that `Lexical` scores come from;
            0: they come from a ridge regression.
        shared: Whether one network serves as both: the first guess is then the correction of
            no guess (paper, section 4), and the corrector has no weights of its own but for
            where its guess landed.
        end_below: A text that is not drawn ends where the probability that it goes on up to
            there falls below this; 0: where the end token is likeliest, as in the paper.
        layer_norm: Whether the corrector normalises its input; the oldest published do not.
        start_in_guess: Whether a guess is shown to the corrector with the decoder's start id
            before it, masked, as the published ones were trained.
        ignore_guess_vector: The paper's no-feedback ablation: the corrector is shown the
            target in place of the guess's vector.
    """

    dim: int
    vocabulary_size: int
    max_length: int
    input_scale: float = 1.0
    pseudo_tokens: int = 16
    d_model: int = 768
    layers: int = 12
    heads: int = 12
    d_ff: int = 3072
    dropout: float = 0.1
    lexical_words: int = 0
    lexical_hidden: int = 0
    shared: bool = False
    end_below: float = 0.0
    layer_norm: bool = True
    start_in_guess: bool = False
    ignore_guess_vector: bool = False
    pad_id: int = 0
    end_id: int = 1

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NetworkConfig:
        """Return the configuration stored as JSON.

        Raises:
            CorruptArtifact: a field is unknown or missing.
        """
        try:
            return cls(**content)
        except TypeError as error:
            raise CorruptArtifact(f"config.json does not describe a network: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dataclasses.asdict(self)

    def build_t5(self) -> T5ForConditionalGeneration:
        """Return a T5 of this shape with fresh weights."""
        # As many decoder as encoder layers: generate() of transformers 5.23 fails with more.
        build: Any = T5Config
        return T5ForConditionalGeneration(
            build(
                vocab_size=self.vocabulary_size,
                d_model=self.d_model,
                d_kv=self.d_model // self.heads,
                d_ff=self.d_ff,
                num_layers=self.layers,
                num_heads=self.heads,
                dropout_rate=self.dropout,
                pad_token_id=self.pad_id,
                eos_token_id=self.end_id,
                decoder_start_token_id=self.pad_id,
            )
        )


def _projection(config: NetworkConfig, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(config.dim, config.dim),
        nn.Dropout(dropout),
        nn.GELU(),
        nn.Linear(config.dim, config.d_model * config.pseudo_tokens),
    )


class Network(nn.Module):
    """What both networks share: the T5, its loss, and its logits."""

    def __init__(self, config: NetworkConfig, t5: T5Config | None = None) -> None:
        super().__init__()
        self.shape = config
        self.encoder_decoder = config.build_t5() if t5 is None else T5ForConditionalGeneration(t5)
        self.lexical: Lexical | None = None
        if config.lexical_words:
            sizes = {"dim": config.dim, "vocabulary_size": config.vocabulary_size}
            hidden = config.lexical_hidden
            self.lexical = BowLexical(**sizes, hidden=hidden) if hidden else RidgeLexical(**sizes)

    def spread(self, projection: nn.Module, vectors: Tensor) -> Tensor:
        """Return vectors as pseudo tokens, (n, s, d_model)."""
        spread: Tensor = projection(vectors * self.shape.input_scale)
        return spread.view(len(vectors), self.shape.pseudo_tokens, self.shape.d_model)

    def words(self, ids: Tensor) -> Tensor:
        """Return the word embeddings of ``ids``, (n, t, d_model)."""
        return nn.functional.embedding(ids, self.encoder_decoder.shared.weight)

    def likely(self, scores: Tensor) -> Tensor:
        """Return the embeddings of the subwords with the best ``scores``, best first."""
        return self.words(scores.topk(self.shape.lexical_words, dim=1).indices)

    def read(self, encoder_inputs: Tensor, mask: Tensor) -> Tensor:
        """Return what the encoder makes of its inputs, (n, positions, d_model)."""
        states: Tensor = self.encoder_decoder.encoder(
            inputs_embeds=encoder_inputs, attention_mask=mask
        ).last_hidden_state
        return states

    def scaled(self, states: Tensor) -> Tensor:
        """Return decoder states as the tied output layer expects them."""
        if not self.encoder_decoder.config.scale_decoder_outputs:
            return states
        return states * float(self.shape.d_model**-0.5)

    def logits(self, decoder_states: Tensor) -> Tensor:
        """Return what the decoder says of every subword, (..., v), the lexical term apart."""
        weight = self.encoder_decoder.shared.weight
        return nn.functional.linear(self.scaled(decoder_states), weight)

    def decode(self, ids: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Return decoder states, (n, t, d_model), of ``ids`` that begin with the start id."""
        out: Tensor = self.encoder_decoder.decoder(
            input_ids=ids,
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        return out

    def told(
        self, states: Tensor, mask: Tensor, labels: Tensor, scores: Tensor | None
    ) -> tuple[Tensor, Tensor, LexicalTerm | None]:
        """Return what the decoder says where it is told ``labels`` (n, t) so far.

        Scaled states, (m, d_model), of the m labels that are not `IGNORED`; which of the n
        texts each belongs to, (m,); and what the lexical scores add to their logits.
        """
        start = torch.full_like(labels[:, :1], self.shape.pad_id)
        shifted = torch.cat([start, labels[:, :-1]], dim=1)
        shifted = shifted.masked_fill(shifted == IGNORED, self.shape.pad_id)
        out = self.decode(shifted, states, mask)
        real = labels != IGNORED  # (n, t)
        rows, positions = real.nonzero(as_tuple=True)  # (m,)
        term = None
        if self.lexical is not None and scores is not None:
            later = torch.arange(shifted.shape[1], device=out.device) > positions.unsqueeze(1)
            # The start token stands first in every row, so it can stand in for what comes later.
            written = shifted[rows].masked_fill(later, self.shape.pad_id)  # (m, t)
            learned = {"scale": self.lexical.scale, "bias": self.lexical.bias}
            term = LexicalTerm(scores=scores, rows=rows, written=written, **learned)
        # Padding has no logits.
        return self.scaled(out[real]), rows, term

    def loss(
        self, states: Tensor, mask: Tensor, labels: Tensor, scores: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the mean cross entropy of ``labels`` (n, t), padded with `IGNORED`."""
        told, _, term = self.told(states, mask, labels, scores)
        weight = self.encoder_decoder.shared.weight
        return {"loss": cross_entropy(told, weight, labels[labels != IGNORED], term)}


class Inverter(Network):
    """From a vector to a first guess: the paper's base model."""

    def __init__(self, config: NetworkConfig, t5: T5Config | None = None) -> None:
        super().__init__(config, t5)
        self.embedding_transform = _projection(config, config.dropout)

    def encode(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return encoder states, their mask, and lexical scores, of vectors (n, d)."""
        scores = self.lexical(vectors) if self.lexical is not None else None
        parts = [self.spread(self.embedding_transform, vectors)]
        if scores is not None:
            parts.append(self.likely(scores).to(parts[0].dtype))
        inputs = torch.cat(parts, dim=1)
        mask = torch.ones(inputs.shape[:2], dtype=torch.long, device=inputs.device)
        return self.read(inputs, mask), mask, scores

    def forward(self, vectors: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the loss of writing ``labels`` from ``vectors``."""
        states, mask, scores = self.encode(vectors)
        return self.loss(states, mask, labels, scores)


class Corrector(Network):
    """From a vector, a guess and the guess's vector to a better guess."""

    def __init__(self, config: NetworkConfig, t5: T5Config | None = None) -> None:
        super().__init__(config, t5)
        self.embedding_transform_1 = _projection(config, 0.0)
        self.embedding_transform_2 = _projection(config, 0.0)
        self.embedding_transform_3 = _projection(config, 0.0)
        self.layernorm = nn.LayerNorm(config.d_model) if config.layer_norm else nn.Identity()

    def encoder_inputs(
        self, vectors: Tensor, guess_vectors: Tensor, guesses: Tensor, scores: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return inputs (n, positions, d_model) and mask (n, positions).

        ``| target | guess | target - guess | words of the guess`` where ``|`` is the end
        token; likely subwords stand before the guess, whose padding then moves nothing.
        ``guesses`` (n, t) is padded with the padding id.
        """
        if self.shape.ignore_guess_vector:
            guess_vectors = vectors
        n = len(vectors)
        end = torch.full((n, 1), self.shape.end_id, dtype=torch.long, device=vectors.device)
        separator = self.words(end)
        parts = [
            separator,
            self.spread(self.embedding_transform_1, vectors),
            separator,
            self.spread(self.embedding_transform_3, guess_vectors),
            separator,
            self.spread(self.embedding_transform_2, vectors - guess_vectors),
            *([self.likely(scores)] if scores is not None else []),
            separator,
            self.words(guesses),
        ]
        inputs = torch.cat([part.to(parts[1].dtype) for part in parts], dim=1)
        mask = torch.ones(inputs.shape[:2], dtype=torch.long, device=inputs.device)
        mask[:, -guesses.shape[1] :] = (guesses != self.shape.pad_id).long()
        return self.layernorm(inputs), mask

    def encode(
        self, vectors: Tensor, guess_vectors: Tensor, guesses: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return encoder states, their mask, and lexical scores."""
        scores = self.lexical(vectors) if self.lexical is not None else None
        inputs, mask = self.encoder_inputs(vectors, guess_vectors, guesses, scores)
        return self.read(inputs, mask), mask, scores

    def forward(
        self, vectors: Tensor, guess_vectors: Tensor, guesses: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of writing ``labels`` from the target, the guess and its vector."""
        states, mask, scores = self.encode(vectors, guess_vectors, guesses)
        return self.loss(states, mask, labels, scores)

"""The network: a vector becomes the first word that a language model goes on from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, PretrainedConfig

from v2t_bench.errors import CorruptArtifact
from v2t_plugins.attacks.lesson_texts import IGNORED
from v2t_plugins.one_line import one_line

SIZES: Mapping[str, Mapping[str, int]] = {
    "tiny": {"n_embd": 128, "n_layer": 4, "n_head": 4},
    "small": {"n_embd": 256, "n_layer": 6, "n_head": 4},
    "base": {"n_embd": 768, "n_layer": 12, "n_head": 12},  # GPT-2's
}

# Of a configuration: where it was read and by which version say nothing of the network.
_NOT_STORED = ("_name_or_path", "transformers_version")


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The shape of the network.

    Args:
        dim: ``d`` of the embedder.
        max_length: Most subwords of a text, the end token included.
        pad_id: What stands behind a text; may be the end token.
        end_id: What ends a text.
        lm: The configuration of the language model, as transformers writes it.
        input_scale: What vectors are multiplied with. The coordinates of a unit vector are
            near 1/sqrt(d), far under what a fresh layer expects: sqrt(d) here, 1 in the paper.
    """

    dim: int
    max_length: int
    pad_id: int
    end_id: int
    lm: Mapping[str, Any]
    input_scale: float = 1.0

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DecoderConfig:
        """Return the configuration stored as JSON.

        Raises:
            CorruptArtifact: a field is unknown, missing or of another type.
        """
        try:
            config = cls(**content)
            numbers = (config.dim, config.max_length, config.pad_id, config.end_id)
            if not all(type(number) is int for number in numbers):
                raise TypeError(f"{numbers} are not whole numbers")
            if not isinstance(config.lm, dict) or not isinstance(config.input_scale, int | float):
                raise TypeError("lm or input_scale is of another type")
        except TypeError as error:
            raise CorruptArtifact(f"gpt2.json does not describe a network: {error}") from error
        return config

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dataclasses.asdict(self)

    def build_lm(self) -> Any:
        """Return a language model of this shape with fresh weights.

        Raises:
            CorruptArtifact: transformers cannot build it.
        """
        fields = dict(self.lm)
        build: Any = AutoModelForCausalLM.from_config
        try:
            config = AutoConfig.for_model(fields.pop("model_type"), **fields)
            return build(config)
        except Exception as error:  # a damaged configuration makes transformers raise anything
            raise CorruptArtifact(
                f"gpt2.json does not describe a causal language model ({one_line(error)}); train "
                "again"
            ) from error


def fresh_lm_config(size: str, *, vocabulary: int, longest: int, end_id: int) -> dict[str, Any]:
    """Return the configuration of a GPT-2 of that size, for texts of so many subwords."""
    build: Any = GPT2Config
    # Each text is met a few times only, so nothing is gained by dropping units.
    config = build(
        vocab_size=vocabulary,
        n_positions=longest + 1,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end_id,
        eos_token_id=end_id,
        architectures=["GPT2LMHeadModel"],
        **SIZES[size],
    )
    return stored_config(config)


def stored_config(config: PretrainedConfig) -> dict[str, Any]:
    """Return a configuration as plain JSON values, without where it was read."""
    fields: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return {name: fields[name] for name in sorted(fields) if name not in _NOT_STORED}


class Decoder(nn.Module):
    """A linear layer from vectors to a word embedding, and a causal language model behind it.

    Args:
        config: Its shape.
        lm: The language model; default: one with fresh weights.
        smoothing: Of the labels, in training.
    """

    def __init__(self, config: DecoderConfig, lm: Any = None, *, smoothing: float = 0.0) -> None:
        super().__init__()
        self.shape, self.smoothing = config, smoothing
        self.lm = config.build_lm() if lm is None else lm
        words: Any = self.lm.get_input_embeddings()
        self.projection = nn.Linear(config.dim, words.embedding_dim)

    @property
    def vocabulary_size(self) -> int:
        """Return ``v``: for how many subwords there are embeddings."""
        return int(self.lm.get_input_embeddings().num_embeddings)

    def prefix(self, vectors: Tensor) -> Tensor:
        """Return what stands for each vector, (n, d), before its text: (n, 1, width)."""
        projected: Tensor = self.projection(vectors * self.shape.input_scale)
        return projected.unsqueeze(1)

    def logits(self, vectors: Tensor, words: Tensor) -> Tensor:
        """Return what is said of the first subword and of those after each of ``words``.

        Args:
            vectors: (n, d).
            words: The beginning of each text, (n, t - 1).

        Returns:
            (n, t, v): at place i, of subword i, of which nothing from i on has been seen.
        """
        read = self.lm.get_input_embeddings()(words)  # (n, t - 1, width)
        prefix = self.prefix(vectors).to(read.dtype)
        inputs = torch.cat([prefix, read], dim=1)  # (n, t, width)
        logits: Tensor = self.lm(inputs_embeds=inputs, use_cache=False).logits
        return logits

    def forward(self, vectors: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the mean cross entropy of ``labels`` (n, t), padded with `IGNORED`."""
        words = labels.masked_fill(labels == IGNORED, self.shape.pad_id)
        # The one shift there is: the vector stands where a text's first subword is foretold.
        logits = self.logits(vectors, words[:, :-1])
        loss = functional.cross_entropy(
            logits.float().flatten(0, 1),
            labels.flatten(),
            ignore_index=IGNORED,
            label_smoothing=self.smoothing if self.training else 0.0,
        )
        return {"loss": loss}

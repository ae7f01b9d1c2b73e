"""Writing texts from vectors by transformers' ``generate``: greedily, by beams, or by chance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TopPLogitsWarper,
)

from v2t_bench.contracts import Vectors
from v2t_plugins.attacks.gpt2.model import Decoder

Decode: TypeAlias = Literal["beam", "greedy", "nucleus"]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a text is chosen among all that could be written; see `gpt2.Gpt2`."""

    decode: Decode
    beams: int
    p: float
    temperature: float
    seed: int


class Known(LogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Keeps from being written what the tokenizer cannot spell.

    Args:
        known: How many subwords it can; a network may have room for more.
    """

    def __init__(self, known: int) -> None:
        self.known = known

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return ``scores``, (m, v), without the others."""
        scores = scores.clone()
        scores[:, self.known :] = -torch.inf
        return scores


class Drawn(LogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Leaves of each distribution the one subword that was drawn from its nucleus.

    transformers draws by the global generator and for a whole batch at once; here each row
    has its own chances, so that a text depends on its vector and on the seed alone. Nucleus:
    the fewest subwords that hold ``p`` of the probability (Holtzman et al. 2020).

    Args:
        chances: What decides, 0 to 1, (n, t).
        p: How much of the probability is drawn from, above 0 to 1.
        temperature: What logits are divided by.
    """

    def __init__(self, chances: Tensor, *, p: float, temperature: float) -> None:
        self.chances, self.temperature = chances, temperature
        self.nucleus = TopPLogitsWarper(top_p=p)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return ``scores``, (n, v), that are 0 for the subword drawn and -inf elsewhere."""
        narrowed = self.nucleus(input_ids, scores.float() / self.temperature)
        sorted_scores, order = narrowed.sort(dim=1, descending=True, stable=True)
        reached = sorted_scores.softmax(dim=1).cumsum(dim=1)  # (n, v)
        chance = self.chances[:, input_ids.shape[1]].unsqueeze(1)
        # By rounding the sum may end below 1; what is drawn then is the last of the nucleus.
        last = (sorted_scores > -torch.inf).sum(dim=1, keepdim=True) - 1
        place = torch.minimum((reached <= chance).sum(dim=1, keepdim=True), last)
        drawn = torch.full_like(scores, -torch.inf)
        return drawn.scatter(1, order.gather(1, place), 0.0)


def chances_of(vectors: Vectors, seed: int, longest: int) -> NDArray[np.float32]:
    """Return numbers from 0 to below 1, (n, longest): row i depends on ``vectors[i]`` alone."""
    rows = np.empty((len(vectors), longest), dtype=np.float32)
    for row, vector in zip(rows, vectors, strict=True):
        digest = hashlib.sha256(f"gpt2 nucleus {seed}\0".encode() + vector.tobytes()).digest()
        generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
        generator.random(out=row, dtype=np.float32)
    return rows


def write(decoder: Decoder, vectors: Vectors, decoding: Decoding, *, known: int) -> Tensor:
    """Return the subwords written for each vector, (n, d): (n, t), anything behind the end.

    Args:
        decoder: On its device, in evaluation mode.
        vectors: Scaled like those that were trained on.
        decoding: How.
        known: How many subwords the tokenizer has.
    """
    shape, device = decoder.shape, decoder.projection.weight.device
    processors = LogitsProcessorList([Known(known)])
    if decoding.decode == "nucleus":
        chances = torch.from_numpy(chances_of(vectors, decoding.seed, shape.max_length))
        drawn = Drawn(chances.to(device), p=decoding.p, temperature=decoding.temperature)
        processors.append(drawn)
    generate: Any = decoder.lm.generate
    configure: Any = GenerationConfig
    with torch.no_grad():
        prefix = decoder.prefix(torch.from_numpy(np.ascontiguousarray(vectors)).to(device))
        written: Tensor = generate(
            inputs_embeds=prefix,
            attention_mask=torch.ones(prefix.shape[:2], dtype=torch.long, device=device),
            logits_processor=processors,
            generation_config=configure(
                max_new_tokens=shape.max_length,
                num_beams=decoding.beams if decoding.decode == "beam" else 1,
                do_sample=False,
                early_stopping=False,
                length_penalty=1.0,
                pad_token_id=shape.pad_id,
                eos_token_id=shape.end_id,
            ),
        )
    return written

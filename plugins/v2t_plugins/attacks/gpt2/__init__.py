"""Go on writing from a vector as a language model goes on from a word (GEIA, Li et al. 2023).

One linear layer makes a word embedding of the vector; a causal language model, trained on
such vectors and their texts, writes what comes after it.

After the paper's description and the published settings. Where ours differs: the labels are
shifted once (in the copy of this attack among the baselines of Morris et al. 2023 they are
shifted twice, so that the first subword is never learned); nothing is learned of the padding;
beams add log probabilities and end where their text ends (the published search adds
probabilities and never sees an end); vectors are scaled to coordinates near 1 first; the
layer is there also where the dimensions happen to agree.

Few-shot ALGEN (Chen et al. 2025), which maps an unknown space by ridge regression onto one
that has such a decoder, is this attack behind the linear aligner:
``aligner:linear,target=<embedder>,inverter=[gpt2],pairs=P``. Theirs decodes by a T5.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Recipe,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import BadParameter
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import check_dim, check_finite, folder_of, scaled_like_targets

if TYPE_CHECKING:
    from v2t_plugins.attacks.gpt2.networks import Networks

MOST_BEAMS = 256

# What each way of decoding alone makes use of.
_GOES_WITH: Mapping[str, tuple[str, ...]] = {
    "beam": ("beams",),
    "greedy": (),
    "nucleus": ("p", "temperature", "seed"),
}


@dataclass(frozen=True, kw_only=True)
class Gpt2:
    """What a language model writes after the vector, which stands there as its first word.

    The embedder is asked nothing. Vectors of a space whose vectors have length 1 are brought
    to length 1 first.

    Args:
        decode: ``beam`` writes the likeliest text that a token beam finds, ``greedy`` the
            likeliest next subword again and again, ``nucleus`` draws each by chance. What is
            drawn depends on the vector and the seed alone.
        beams: Of ``beam``: texts followed at a time.
        p: Of ``nucleus``: drawn from the likeliest subwords that together have this
            probability.
        temperature: Of ``nucleus``: what logits are divided by; below 1 likely subwords become
            likelier.
        seed: Of ``nucleus``.
        checkpoint: The folder that `train` filled.
    """

    decode: Literal["beam", "greedy", "nucleus"] = "beam"
    beams: int = 5
    p: float = 0.9
    temperature: float = 0.9
    seed: int = 0
    checkpoint: Path | None = None
    context: BuildContext

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if not 1 <= self.beams <= MOST_BEAMS:
            raise BadParameter(f"gpt2: beams must be 1 to {MOST_BEAMS}, not {self.beams}")
        if not 0 < self.p <= 1:
            raise BadParameter(f"gpt2: p must be above 0 and at most 1, not {self.p:g}")
        if not 0 < self.temperature < math.inf:
            raise BadParameter(
                f"gpt2: temperature must be a number above 0, not {self.temperature:g}"
            )
        if self.seed < 0:
            raise BadParameter(f"gpt2: seed must be 0 or more, not {self.seed}")
        for decode, names in _GOES_WITH.items():
            for name in names:
                # Each text has one spelling: what has no effect cannot be told apart.
                if decode != self.decode and getattr(self, name) != getattr(type(self), name):
                    raise BadParameter(
                        f"gpt2: {name}= goes with decode={decode}, and this is "
                        f"decode={self.decode}; leave it out"
                    )

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Train the decoder into ``context.folder``; options are those of `choices.Choices`."""
        from v2t_plugins.attacks.gpt2.train import train

        return train(texts, oracle, context, self.context)

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the text written for each row of ``vectors``, (n, d).

        Raises:
            MissingCheckpoint: built without one.
            SpaceMismatch: trained on vectors of another dimension.
            BadInput: a vector holds NaN, or the checkpoint is another attack's.
            CorruptArtifact: a file of the checkpoint is damaged.
        """
        if not len(vectors):
            return []
        from v2t_plugins.attacks.gpt2.decoding import Decoding

        networks = self._networks
        check_dim(vectors, networks.decoder.shape.dim, "gpt2")
        check_finite(vectors, "gpt2")
        decoding = Decoding(
            decode=self.decode,
            beams=self.beams,
            p=self.p,
            temperature=self.temperature,
            seed=self.seed,
        )
        targets = scaled_like_targets(vectors, oracle.space)
        return networks.write(targets, decoding, self.context.batch_size)

    @cached_property
    def _networks(self) -> Networks:
        """The decoder and its tokenizer."""
        from v2t_plugins.attacks.gpt2.networks import Networks

        return Networks.load(folder_of(self.checkpoint, "gpt2"), self.context.device)


DEMO_TRAINING: Mapping[str, Any] = {
    "size": "tiny",
    "steps": 1600,
    "batch_size": 64,
    "options": {"vocabulary": "6000"},
}

TRAININGS: Mapping[str, Mapping[str, Any]] = {
    # As vec2text's recipe of that name, apart from the network.
    "minilm": {
        "size": "small",
        "max_tokens": 32,
        "min_tokens": 4,
        "fast_vectors": True,
        "batch_size": 128,
    },
    # The paper's decoder and settings; by default 10 passes over the texts.
    "geia": {
        "batch_size": 16,
        "options": {
            "learning_rate": "0.00003",
            "lm": "microsoft/DialoGPT-medium",
            "smoothing": "0.02",
        },
    },
}


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the language model behind a vector."""
    yield Recipe(
        name="gpt2",
        build=Gpt2,
        source="Li et al. 2023, section 3",
        learned=True,
        demo=DEMO_TRAINING,
        trainings=TRAININGS,
    )

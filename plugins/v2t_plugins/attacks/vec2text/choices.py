"""What the training of vec2text can be told, and what it does by default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from v2t_bench.contracts import TrainContext
from v2t_bench.errors import BadParameter
from v2t_plugins.attacks.options import check_accumulate, read_options
from v2t_plugins.networks import Weights
from v2t_plugins.training import Optimizer, Precision

_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "lexical": ("ridge", "bow", "none"),
    "init": ("embedder", "random"),
    "precision": get_args(Precision),
    "optimizer": get_args(Optimizer),
}
_MOST_ROUNDS = 20
_MOST_PSEUDO_TOKENS = 1024  # of a text's own, some dozens


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What ``context.options`` can say; all values are strings there.

    Args:
        lexical: ``ridge`` tells the networks which subwords a linear regression sees in the
            vector, ``bow`` which ones a network with one hidden layer sees there; ``none`` is
            the paper's model.
        init: ``embedder`` starts word embeddings from the attacked embedder's own vectors of
            the subwords (one question each); ``random`` is the paper trained from nothing.
        vocabulary: Subwords of a tokenizer trained here.
        pseudo_tokens: Encoder positions a vector is spread over; 16 in the paper.
        hypotheses: Training texts the corrector is shown guesses for; 0: as many as it
            can see within its steps.
        corrector_steps: Default: as many as the base model's.
        learning_rate: The peak of both; 0: by size.
        accumulate: Slices that the examples of a step are computed in, one after another:
            memory for fewer, the same result.
        precision: ``bf16``, ``float32``, or ``auto``: what is faster on the device.
        feedback: Whether the corrector is shown where its guess landed; ``false`` is the
            paper's ablation, which puts the target there.
        shared: Whether one network learns both: half the size, and every step teaches both.
        rounds: With ``shared``: how often the network's own guesses are made anew, to be
            corrected; from the second time on their corrections join them.
        optimizer: ``muon`` (with adamw for what are no hidden matrices) comes further in
            fewer steps.
        end_below: A text ends where the probability that it goes on falls below this; 0:
            where the end token is likeliest. About 0.4 is better after texts of many lengths.
        begin: Folder of a checkpoint that is trained on.
        store: What the trained weights are stored as: ``fp16``, or ``int8`` with a scale a
            row, which is half the size.
    """

    lexical: str = "ridge"
    init: str = "embedder"
    vocabulary: int = 8000
    pseudo_tokens: int = 16
    hypotheses: int = 0
    corrector_steps: int = 0
    learning_rate: float = 0.0
    accumulate: int = 1
    precision: Precision = "auto"
    feedback: bool = True
    shared: bool = False
    rounds: int = 2
    optimizer: Optimizer = "adamw"
    end_below: float = 0.0
    begin: str = ""
    store: Weights = "fp16"

    @classmethod
    def read(cls, context: TrainContext) -> Choices:
        """Return the options of ``context``.

        Raises:
            BadParameter: an option is unknown or cannot be read.
        """
        choices = read_options(cls(), context.options, attack="vec2text", one_of=_ONE_OF)
        if choices.shared and not choices.feedback:
            raise BadParameter(
                "vec2text: feedback=false is the ablation of two networks; leave shared=true out"
            )
        if choices.store not in get_args(Weights):
            raise BadParameter(
                f"vec2text: store={choices.store!r} is none of {', '.join(get_args(Weights))}"
            )
        if choices.begin and context.tokenizer is not None:
            raise BadParameter(
                "vec2text: a checkpoint that is trained on keeps its own subwords; leave "
                "--tokenizer out"
            )
        check_accumulate(choices.accumulate, "vec2text")
        choices.check_numbers()
        return choices

    def check_numbers(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            BadParameter: one of them is out of range.
        """
        if self.hypotheses < 0 or self.corrector_steps < 0:
            raise BadParameter("vec2text: hypotheses and corrector_steps must not be negative")
        if not (math.isfinite(self.learning_rate) and self.learning_rate >= 0):
            raise BadParameter(
                f"vec2text: learning_rate is {self.learning_rate:g}; expected a number above 0, or "
                "0 for the usual one"
            )
        if not 0 <= self.end_below < 1:
            raise BadParameter(
                f"vec2text: end_below is {self.end_below:g}; expected a probability below 1, or 0"
            )
        if not 1 <= self.rounds <= _MOST_ROUNDS:
            raise BadParameter(f"vec2text: rounds is {self.rounds}; expected 1 to {_MOST_ROUNDS}")
        if not 1 <= self.pseudo_tokens <= _MOST_PSEUDO_TOKENS:
            raise BadParameter(
                f"vec2text: pseudo_tokens is {self.pseudo_tokens}; expected 1 to "
                f"{_MOST_PSEUDO_TOKENS}"
            )

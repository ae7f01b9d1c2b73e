"""Training the decoder, from nothing or from a published language model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from v2t_bench.contracts import BuildContext, TrainContext, TrainReport
from v2t_bench.errors import BadInput
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.gpt2.choices import Choices
from v2t_plugins.attacks.gpt2.model import Decoder, DecoderConfig, fresh_lm_config, stored_config
from v2t_plugins.attacks.gpt2.networks import label_texts, save
from v2t_plugins.attacks.gpt2.pretrained import Pretrained, load_pretrained
from v2t_plugins.attacks.lesson_texts import (
    IGNORED,
    digest_of,
    distinct_texts,
    embed_released,
    get_tokenizer,
    input_scale_of,
    label_lengths,
    longest_written,
    mean_loss,
    n_labels,
)
from v2t_plugins.batches import Rows
from v2t_plugins.loop import Evaluate, Record
from v2t_plugins.training import fit, seeded

EVALUATE_EVERY = 200
STEPS = {"tiny": 2000, "small": 4000, "base": 100_000}
# Tried for tiny: after 618 steps on the demo's texts the loss is 1.96 at 4e-3 and 2.42 at
# 2e-3. The others are scaled down with the width, as vec2text's are.
LEARNING_RATE = {"tiny": 4e-3, "small": 2e-3, "base": 2e-4}
BATCH_SIZE = 128
# On a published language model: passes over the texts and batch are the paper's; its rate is
# 3e-5, which leaves the fresh projection behind in a shorter training.
LM_PASSES, LM_BATCH_SIZE, LM_LEARNING_RATE = 10, 16, 1e-4


def train(
    texts: Sequence[str], oracle: Oracle, context: TrainContext, build: BuildContext
) -> TrainReport:
    """Fill ``context.folder`` with the decoder and return what it took.

    Raises:
        BadInput: there are too few different texts, or no such language model.
        BadParameter: an option is unknown or out of range.
        CorruptArtifact: the language model is damaged.
    """
    began = time.monotonic()
    choices = Choices.read(context)
    kept = distinct_texts(texts, "gpt2")
    given = load_pretrained(choices.lm, build) if choices.lm else None
    choices = replace(choices, lm=given.name if given else "")
    context.progress(f"gpt2: embedding {len(kept)} training texts")
    training = Training(kept, oracle, choices, context, given)
    decoder = training.fresh_decoder()
    curve = training.fit(decoder, time.monotonic() - began)
    if context.processes.is_main:
        save(context.folder, decoder, training.tokenizer, choices.store)
    n_parameters = sum(value.numel() for value in decoder.parameters())
    return TrainReport(recipe=training.recipe() | {"n_parameters": n_parameters}, curve=curve)


class Training:
    """One training: its data and its decisions."""

    def __init__(
        self,
        texts: list[str],
        oracle: Oracle,
        choices: Choices,
        context: TrainContext,
        given: Pretrained | None,
    ) -> None:
        self.texts, self.choices, self.context, self.given = texts, choices, context, given
        self.vectors = torch.from_numpy(embed_released(texts, oracle, context)[1])  # (n, d)
        self.tokenizer: PreTrainedTokenizerBase = (
            given.tokenizer
            if given
            else get_tokenizer(texts, context, vocabulary=choices.vocabulary)
        )
        lengths = label_lengths(self.tokenizer, texts)
        self.config = self._configure(lengths)
        self.n_labels_cut = sum(length > self.config.max_length for length in lengths)
        if self.n_labels_cut:
            context.progress(
                f"gpt2: {self.n_labels_cut} of {len(texts)} texts are longer than the "
                f"{self.config.max_length} subwords that are written, and are learned up to there"
            )
        self.all_labels = label_texts(self.tokenizer, texts, self.config)  # (n, t)
        self.batch_size = context.batch_size or (LM_BATCH_SIZE if given else BATCH_SIZE)
        usual = LM_LEARNING_RATE if given else LEARNING_RATE[context.size]
        self.learning_rate = choices.learning_rate or usual
        self.steps = context.steps
        if self.steps is None and context.minutes is None:
            passes = max(1, LM_PASSES * len(texts) // self.batch_size)
            self.steps = passes if given else STEPS[context.size]
        self.dev: tuple[Tensor, Tensor] | None = None
        if context.dev:
            targets = torch.from_numpy(embed_released(context.dev, oracle, context)[1])
            self.dev = targets, label_texts(self.tokenizer, context.dev, self.config)

    def _configure(self, lengths: Sequence[int]) -> DecoderConfig:
        special: Any = self.tokenizer
        longest = longest_written(lengths)
        if self.given is not None:
            # Before the text stands the vector.
            longest = min(longest, (self.given.positions or longest + 1) - 1)
            lm: Mapping[str, Any] = stored_config(self.given.lm.config)
        else:
            lm = fresh_lm_config(
                self.context.size,
                vocabulary=len(self.tokenizer),
                longest=longest,
                end_id=special.eos_token_id,
            )
        if longest < 2:
            raise BadInput("gpt2: this language model has no room for a text behind the vector")
        return DecoderConfig(
            dim=self.vectors.shape[1],
            max_length=longest,
            pad_id=special.pad_token_id,
            end_id=special.eos_token_id,
            lm=lm,
            input_scale=input_scale_of(self.vectors),
        )

    def fresh_decoder(self) -> Decoder:
        """Return the decoder as it is before the first step."""
        lm = self.given.lm if self.given else None
        with seeded(self.context.seed, "gpt2 weights"):
            return Decoder(self.config, lm, smoothing=self.choices.smoothing)

    def labels(self, rows: list[int]) -> Tensor:
        """Return the labels of some texts, cut to the longest of them."""
        labels = self.all_labels[torch.as_tensor(rows)]
        return labels[:, : int((labels != IGNORED).sum(dim=1).max())]

    def fit(self, decoder: Decoder, spent: float) -> list[Record]:
        """Train ``decoder`` in place, ``spent`` seconds of the budget being gone."""

        def collate(rows: list[int]) -> dict[str, Tensor]:
            return {"vectors": self.vectors[torch.as_tensor(rows)], "labels": self.labels(rows)}

        choices, minutes = self.choices, self.context.minutes
        return fit(
            decoder,
            Rows(len(self.texts)),
            collate=collate,
            context=self.context,
            stage="decoder",
            steps=self.steps,
            minutes=minutes and max(0.1 * minutes, minutes - spent / 60),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            identity=self._identity(),
            accumulate=choices.accumulate,
            precision=choices.precision,
            terms=n_labels,
            evaluate=self._dev_loss_of(decoder),
            evaluate_every=min(EVALUATE_EVERY, self.steps or EVALUATE_EVERY),
            # A batch is of texts of about one length, which takes little padding.
            alike=(self.all_labels != IGNORED).sum(dim=1).numpy(),
        )

    def _dev_loss_of(self, decoder: Decoder) -> Evaluate | None:
        if self.dev is None:
            return None
        vectors, labels = self.dev

        def measure() -> dict[str, float]:
            loss = mean_loss(
                lambda part, wanted: decoder(part, wanted)["loss"],
                vectors,
                labels,
                device=decoder.projection.weight.device,
                batch_size=self.batch_size,
            )
            return {"dev_loss": loss}

        return measure

    def _identity(self) -> str:
        """Return what tells this training from any other."""
        decided = asdict(self.choices)
        del decided["store"]  # stored otherwise, it is the same training
        return digest_of(
            repr([sorted(self.config.to_json().items()), sorted(decided.items())]).encode(),
            repr([self.context.seed, self.steps, self.batch_size]).encode(),
            "\0".join(self.texts).encode("utf-8", "surrogatepass"),
            self.vectors.numpy().tobytes(),
        )

    def recipe(self) -> Record:
        """Return every decision, defaults included."""
        return {
            **asdict(self.choices),
            **self.config.to_json(),
            "size": None if self.given else self.context.size,
            "steps": self.steps,
            "minutes": self.context.minutes,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "seed": self.context.seed,
            "n_texts": len(self.texts),
            "n_labels_cut": self.n_labels_cut,
            # The name of what it began from; the network itself is told as lm_config.
            "lm": self.choices.lm,
            "lm_config": dict(self.config.lm),
        }

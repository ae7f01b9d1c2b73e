"""Training both networks: the guess, then guesses for the training text, then the corrector."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2t_bench.contracts import TrainContext, TrainReport, Vectors
from v2t_bench.errors import CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.lesson_texts import (
    IGNORED,
    digest_of,
    distinct_texts,
    embed_released,
    get_tokenizer,
    label_lengths,
    n_labels,
)
from v2t_plugins.attacks.vec2text.apart import Apart
from v2t_plugins.attacks.vec2text.beginning import (
    check_same_shape,
    configure,
    ignoring_guess_vectors,
    name_earlier,
    read_earlier,
    start_from_embedder,
)
from v2t_plugins.attacks.vec2text.choices import Choices
from v2t_plugins.attacks.vec2text.dev import Dev
from v2t_plugins.attacks.vec2text.lexical_training import fit_lexical
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter
from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE, Networks, encode_texts
from v2t_plugins.attacks.vec2text.saving import save
from v2t_plugins.attacks.vec2text.shared import Both, Shared, roles
from v2t_plugins.attacks.vec2text.together import Together
from v2t_plugins.batches import Collate, Rows
from v2t_plugins.loop import Record
from v2t_plugins.networks import read_json, write_json
from v2t_plugins.training import fit, seeded

EVALUATE_EVERY = 200
STEPS = {"tiny": 2000, "small": 4000, "base": 100_000}
# Tried for tiny: 4e-3 came as far in 300 steps as 2e-3 in 550. The others are scaled down
# with the width; base is the paper's.
LEARNING_RATE = {"tiny": 4e-3, "small": 2e-3, "base": 2e-4}

CORRECTORS_OWN = ("corrector_steps", "feedback", "hypotheses")
# Of a budget in minutes, after vectors and lexical scores are there: for the base model, for
# making guesses, for correcting them. One network in both roles goes on learning first guesses
# in the last.
SHARES = {False: (0.55, 0.15, 0.30), True: (0.45, 0.06, 0.49)}


def train(texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
    """Fill ``context.folder`` with both networks and return what it took.

    Raises:
        BadInput: there are too few different texts, or no checkpoint to begin from.
        BadParameter: an option is unknown or out of range.
    """
    began = time.monotonic()
    choices = Choices.read(context)
    kept = distinct_texts(texts, "vec2text")
    earlier = read_earlier(choices.begin, oracle.space)
    choices = replace(choices, begin=name_earlier(choices.begin))
    context.progress(f"vec2text: embedding {len(kept)} training texts")
    clean, vectors = embed_released(kept, oracle, context)
    training = Training(kept, vectors, choices, context, earlier)
    if context.dev:
        _, targets = embed_released(context.dev, oracle, context)
        training.dev = Dev(torch.from_numpy(targets), training.subwords(context.dev))
    networks = training.fresh_networks(oracle)
    curve = training.fit_lexical(networks)
    training.plan_minutes(time.monotonic() - began)
    stages: Together | Apart
    if isinstance(networks, Shared):
        stages = Together(training, networks, oracle, torch.from_numpy(clean))
    else:
        stages = Apart(training, *networks, oracle)
    curve += stages.run()
    if context.processes.is_main:
        save(context.folder, networks, training.tokenizer, training.config, choices.store)
    recipe = training.recipe() | {
        "n_guesses": stages.n_guesses,
        "n_labels_cut": training.n_labels_cut,
        "n_parameters": sum(
            value.numel()
            for network in ([networks] if isinstance(networks, Shared) else networks)
            for value in network.parameters()
        ),
    }
    return TrainReport(recipe=recipe, curve=curve)


class Training:
    """One training: its data, its decisions, and its stages."""

    def __init__(
        self,
        texts: list[str],
        vectors: Vectors,
        choices: Choices,
        context: TrainContext,
        earlier: Networks | None,
    ) -> None:
        self.texts, self.choices, self.context = texts, choices, context
        self.vectors = torch.from_numpy(vectors)  # (n, d)
        self.earlier = earlier
        if earlier is not None:
            self.tokenizer = earlier.tokenizer
        else:
            self.tokenizer = get_tokenizer(texts, context, vocabulary=choices.vocabulary)
        lengths = label_lengths(self.tokenizer, texts)
        config = configure(self.tokenizer, lengths, self.vectors, choices, context)
        self.config = config if choices.feedback else ignoring_guess_vectors(config)
        if earlier is not None:
            config = self.config = check_same_shape(earlier.config, self.config)
        self.n_labels_cut = sum(length > config.max_length for length in lengths)
        if self.n_labels_cut:
            context.progress(
                f"vec2text: {self.n_labels_cut} of {len(texts)} texts are longer than the "
                f"{config.max_length} subwords the networks write, and are learned up to there"
            )
        self.ids = encode_texts(self.tokenizer, texts, self.config)  # (n, t)
        self.batch_size = context.batch_size or BATCH_SIZE
        self.learning_rate = choices.learning_rate or LEARNING_RATE[context.size]
        self.steps = context.steps
        if self.steps is None and context.minutes is None:
            self.steps = STEPS[context.size]
        self.corrector_steps = self.steps and (choices.corrector_steps or self.steps)
        self.minutes: Mapping[str, float] = {}
        self.dev: Dev | None = None
        decided = asdict(choices)
        del decided["store"]  # stored otherwise, it is the same training
        # What changes the corrector alone; another recipe for it finds base and guesses made.
        of_corrector = {name: decided.pop(name) for name in CORRECTORS_OWN}
        self.base_identity = digest_of(
            repr([sorted(config.to_json().items()), sorted(decided.items())]).encode(),
            repr([context.seed, self.steps, self.batch_size]).encode(),
            "\0".join(texts).encode(),
            vectors.tobytes(),
        )
        self.identity = digest_of(self.base_identity.encode(), repr(of_corrector).encode())

    def subwords(self, texts: Sequence[str]) -> Tensor:
        """Return the ids of other texts, (n, t), padded with `IGNORED`."""
        ids = encode_texts(self.tokenizer, texts, self.config)
        return ids.masked_fill(ids == self.config.pad_id, IGNORED)

    def labels(self, rows: Sequence[int] | Tensor) -> Tensor:
        """Return ids of some texts, cut to the longest of them, padded with `IGNORED`."""
        ids = self.ids[torch.as_tensor(rows)]
        real = ids != self.config.pad_id
        return ids.masked_fill(~real, IGNORED)[:, : int(real.sum(dim=1).max())]

    def fresh_networks(self, oracle: Oracle) -> Both:
        """Return the networks as they are before the first step."""
        networks: Both
        if self.earlier is not None:
            networks = self.earlier.both
            return networks
        with seeded(self.context.seed, "vec2text weights"):
            if self.config.shared:
                networks = Shared(self.config)
            else:
                networks = Inverter(self.config), Corrector(self.config)
        if self.choices.init == "embedder":
            start_from_embedder(roles(networks)[0], self.tokenizer, oracle)
        return networks

    def fit_lexical(self, networks: Both) -> list[Record]:
        """Fit what lexical scores come from, and return its learning curve."""
        if not self.config.lexical_words or self.earlier is not None:
            return []
        fitted, curve = fit_lexical(self)
        for network in roles(networks):
            assert network.lexical is not None
            # Half precision from the start: what is trained with is what is stored.
            network.lexical.set_fitted({name: value.half() for name, value in fitted.items()})
        return curve

    def plan_minutes(self, spent: float) -> None:
        """Divide what is left of the budget in minutes; a resumed run keeps its first plan."""
        if self.context.minutes is None:
            return
        path = self.context.work / "plan.json"
        with self.context.processes.main_first():
            try:
                plan = read_json(path)
            except CorruptArtifact:
                plan = {}
            if plan.get("identity") != self.identity:
                left = max(0.1 * self.context.minutes, self.context.minutes - spent / 60)
                base, guesses, corrector = SHARES[self.choices.shared]
                plan = {
                    "identity": self.identity,
                    "base": left * base,
                    "guesses": left * guesses,
                    "corrector": left * corrector,
                }
                write_json(path, plan)
        self.minutes = {name: plan[name] for name in ("base", "guesses", "corrector")}

    @property
    def n_guesses(self) -> int:
        """Return for how many texts guesses are made at most."""
        if self.choices.hypotheses:
            return self.choices.hypotheses
        if self.corrector_steps:
            return self.corrector_steps * self.batch_size
        return len(self.texts)

    def fit(
        self,
        network: torch.nn.Module,
        n: int,
        collate: Collate,
        *,
        stage: str,
        steps: int | None,
        minutes: float | None,
        identity: str = "",
        hold: float = 0.0,
        alike: NDArray[np.int64] | None = None,
    ) -> list[Record]:
        """Train ``network`` on ``n`` examples, in place, and return its learning curve."""
        choices = self.choices
        evaluate = self.dev.loss_of(network) if self.dev else None
        return fit(
            network,
            Rows(n),
            collate=collate,
            context=self.context,
            stage=stage,
            steps=steps,
            minutes=minutes,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            identity=identity or self.identity,
            accumulate=choices.accumulate,
            precision=choices.precision,
            terms=n_labels,
            optimizer=choices.optimizer,
            hold=hold,
            alike=alike,
            evaluate=evaluate,
            evaluate_every=EVALUATE_EVERY,
        )

    def recipe(self) -> Record:
        """Return every decision, defaults included."""
        return {
            **asdict(self.choices),
            **self.config.to_json(),
            "size": self.context.size,
            "steps": self.steps,
            "corrector_steps": self.corrector_steps,
            "minutes": self.context.minutes,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "seed": self.context.seed,
            "n_texts": len(self.texts),
        }

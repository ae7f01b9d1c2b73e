"""Training both networks: the guess, then guesses for the training text, then the corrector."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch
from torch import Tensor
from torch.utils.data import Dataset

from v2t_bench.contracts import TrainContext, TrainReport, Vectors
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import scaled_like_targets
from v2t_plugins.attacks.vec2text.beginning import (
    configure,
    get_tokenizer,
    ignoring_guess_vectors,
    label_lengths,
    start_from_embedder,
)
from v2t_plugins.attacks.vec2text.choices import Choices
from v2t_plugins.attacks.vec2text.guesses import Guesses, GuessMaker
from v2t_plugins.attacks.vec2text.lexical import fit_lexical
from v2t_plugins.attacks.vec2text.model import IGNORED, Corrector, Inverter
from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE, Networks, encode_texts
from v2t_plugins.loop import Record
from v2t_plugins.networks import read_json, save_network, save_tensors, write_json
from v2t_plugins.subwords import save_tokenizer
from v2t_plugins.training import fit, seeded

FEWEST_TEXTS = 20
STEPS = {"tiny": 2000, "small": 4000, "base": 100_000}
# Tried for tiny: 4e-3 came as far in 300 steps as 2e-3 in 550. The others are scaled down
# with the width; base is the paper's.
LEARNING_RATE = {"tiny": 4e-3, "small": 2e-3, "base": 2e-4}
CORRECTORS_OWN = ("corrector_steps", "feedback", "hypotheses")
# Of a budget in minutes, after the vectors are there; the rest is the corrector's.
BASE_SHARE, GUESS_SHARE = 0.55, 0.15


class _Rows(Dataset[int]):
    """The numbers 0 to n - 1: a batch is cut from whole tensors, not put together."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        return index


def train(texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
    """Fill ``context.folder`` with both networks and return what it took.

    Raises:
        BadInput: there are too few different texts.
        BadParameter: an option is unknown or out of range.
    """
    began = time.monotonic()
    choices = Choices.read(context)
    kept = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(kept) < FEWEST_TEXTS:
        raise BadInput(
            f"vec2text needs at least {FEWEST_TEXTS} different texts to train on, got {len(kept)}"
        )
    context.progress(f"vec2text: embedding {len(kept)} training texts")
    clean = oracle.embed(kept, keep=True)
    vectors = context.release(clean, kept)
    if vectors is not clean:
        vectors = scaled_like_targets(vectors, oracle.space)
    training = _Training(kept, vectors, choices, context)
    inverter, corrector = training.fresh_networks(oracle)
    training.plan_minutes(time.monotonic() - began)
    curve = training.fit_base(inverter)
    guesses = training.make_guesses(inverter, oracle)
    curve += training.fit_corrector(corrector, inverter, guesses)
    training.save(inverter, corrector)
    recipe = training.recipe() | {
        "n_guesses": len(guesses.rows),
        "n_labels_cut": training.n_labels_cut,
        "n_parameters": sum(value.numel() for value in inverter.parameters())
        + sum(value.numel() for value in corrector.parameters()),
    }
    return TrainReport(recipe=recipe, curve=curve)


class _Training:
    """One training: its data, its decisions, and its stages."""

    def __init__(
        self, texts: list[str], vectors: Vectors, choices: Choices, context: TrainContext
    ) -> None:
        self.texts, self.choices, self.context = texts, choices, context
        self.vectors = torch.from_numpy(vectors)  # (n, d)
        self.tokenizer = get_tokenizer(texts, choices, context)
        lengths = label_lengths(self.tokenizer, texts)
        config = configure(self.tokenizer, lengths, self.vectors, choices, context)
        self.n_labels_cut = sum(length > config.max_length for length in lengths)
        if self.n_labels_cut:
            context.progress(
                f"vec2text: {self.n_labels_cut} of {len(texts)} texts are longer than the "
                f"{config.max_length} subwords the networks write, and are learned up to there"
            )
        self.config = config if choices.feedback else ignoring_guess_vectors(config)
        self.ids = encode_texts(self.tokenizer, texts, self.config)  # (n, t)
        self.batch_size = context.batch_size or BATCH_SIZE
        self.learning_rate = choices.learning_rate or LEARNING_RATE[context.size]
        self.steps = context.steps
        if self.steps is None and context.minutes is None:
            self.steps = STEPS[context.size]
        self.corrector_steps = self.steps and (choices.corrector_steps or self.steps)
        self.minutes: Mapping[str, float] = {}
        decided = asdict(choices)
        del decided["store"]  # stored otherwise, it is the same training
        # What changes the corrector alone; another recipe for it finds base and guesses made.
        of_corrector = {name: decided.pop(name) for name in CORRECTORS_OWN}
        self.base_identity = _digest(
            repr([sorted(config.to_json().items()), sorted(decided.items())]).encode(),
            repr([context.seed, self.steps, self.batch_size]).encode(),
            "\0".join(texts).encode(),
            vectors.tobytes(),
        )
        self.identity = _digest(self.base_identity.encode(), repr(of_corrector).encode())

    def labels(self, rows: Sequence[int]) -> Tensor:
        """Return ids of some texts, cut to the longest of them, padded with `IGNORED`."""
        ids = self.ids[torch.as_tensor(rows)]
        real = ids != self.config.pad_id
        return ids.masked_fill(~real, IGNORED)[:, : int(real.sum(dim=1).max())]

    def fresh_networks(self, oracle: Oracle) -> tuple[Inverter, Corrector]:
        """Return both networks as they are before the first step."""
        with seeded(self.context.seed, "vec2text weights"):
            inverter, corrector = Inverter(self.config), Corrector(self.config)
        if inverter.lexical is not None and corrector.lexical is not None:
            labels = self.labels(range(len(self.texts)))
            # Half precision from the start: what is trained with is what is stored.
            weight = fit_lexical(self.vectors, labels, self.config.vocabulary_size).half()
            inverter.lexical.weight.copy_(weight)
            corrector.lexical.weight.copy_(weight)
        if self.choices.init == "embedder":
            start_from_embedder(inverter, self.tokenizer, oracle)
        return inverter, corrector

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
                plan = {
                    "identity": self.identity,
                    "base": left * BASE_SHARE,
                    "guesses": left * GUESS_SHARE,
                    "corrector": left * (1 - BASE_SHARE - GUESS_SHARE),
                }
                write_json(path, plan)
        self.minutes = {name: plan[name] for name in ("base", "guesses", "corrector")}

    def fit_base(self, inverter: Inverter) -> list[Record]:
        """Train the base model."""

        def collate(rows: list[int]) -> dict[str, Tensor]:
            return {"vectors": self.vectors[torch.as_tensor(rows)], "labels": self.labels(rows)}

        return fit(
            inverter,
            _Rows(len(self.texts)),
            collate=collate,
            context=self.context,
            stage="base",
            steps=self.steps,
            minutes=self.minutes.get("base"),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            identity=self.base_identity,
            accumulate=self.choices.accumulate,
            precision=self.choices.precision,
            terms=_n_labels,
        )

    def make_guesses(self, inverter: Inverter, oracle: Oracle) -> Guesses:
        """Return the base model's wrong guesses for a sample of the training texts."""
        device = self.context.device
        networks = Networks(
            inverter=inverter.to(device), corrector=None, tokenizer=self.tokenizer, device=device
        )
        maker = GuessMaker(
            networks=networks,
            texts=self.texts,
            vectors=self.vectors,
            oracle=oracle,
            context=self.context,
            key=self.base_identity,
            fast=self.choices.precision != "float32",
        )
        most = len(self.texts)
        if self.choices.hypotheses:
            most = self.choices.hypotheses
        elif self.corrector_steps:
            most = self.corrector_steps * self.batch_size
        return maker.make(most, self.minutes.get("guesses"))

    def fit_corrector(
        self, corrector: Corrector, inverter: Inverter, guesses: Guesses
    ) -> list[Record]:
        """Train the corrector, which starts as a copy of the base model."""
        inverter.to("cpu")
        corrector.encoder_decoder.load_state_dict(inverter.encoder_decoder.state_dict())
        corrector.embedding_transform_1.load_state_dict(inverter.embedding_transform.state_dict())
        if corrector.lexical is not None and inverter.lexical is not None:
            corrector.lexical.load_state_dict(inverter.lexical.state_dict())
        guess_ids = encode_texts(self.tokenizer, guesses.texts, self.config)

        def collate(places: list[int]) -> dict[str, Tensor]:
            index = torch.as_tensor(places)
            rows = [guesses.rows[place] for place in places]
            ids = guess_ids[index]
            longest = int((ids != self.config.pad_id).sum(dim=1).max())
            targets = self.vectors[torch.as_tensor(rows)]
            return {
                "vectors": targets,
                "guess_vectors": guesses.vectors[index] if self.choices.feedback else targets,
                "guesses": ids[:, :longest],
                "labels": self.labels(rows),
            }

        return fit(
            corrector,
            _Rows(len(guesses.rows)),
            collate=collate,
            context=self.context,
            stage="corrector",
            steps=self.corrector_steps,
            minutes=self.minutes.get("corrector"),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            identity=self.identity,
            accumulate=self.choices.accumulate,
            precision=self.choices.precision,
            terms=_n_labels,
        )

    def save(self, inverter: Inverter, corrector: Corrector) -> None:
        """Write everything `Networks.load` reads, its numbers as the option ``store`` says."""
        if not self.context.processes.is_main:
            return
        folder, weights = self.context.folder, self.choices.store
        write_json(folder / "config.json", self.config.to_json())
        save_tokenizer(self.tokenizer, folder)
        if inverter.lexical is not None:
            # Its bias is of another magnitude than the rest of a row.
            save_tensors(
                folder / "lexical.safetensors",
                {"weight": inverter.lexical.weight},
                weights=weights,
                last_apart=("weight",),
            )
        save_network(folder / "base.safetensors", inverter, weights=weights)
        save_network(folder / "corrector.safetensors", corrector, weights=weights)

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


def _n_labels(batch: Mapping[str, Tensor]) -> int:
    return int((batch["labels"] != IGNORED).sum())


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()

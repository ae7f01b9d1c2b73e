"""Training two networks, one after the other, as the paper does: the guess, then its correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text.guesses import Guesses, GuessMaker
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter
from v2t_plugins.attacks.vec2text.networks import Networks, encode_texts
from v2t_plugins.loop import Record

if TYPE_CHECKING:
    from v2t_plugins.attacks.vec2text.train import Training


class Apart:
    """The stages of one training with ``shared=false``."""

    def __init__(
        self, training: Training, inverter: Inverter, corrector: Corrector, oracle: Oracle
    ) -> None:
        self.training, self.oracle = training, oracle
        self.inverter, self.corrector = inverter, corrector
        self.n_guesses = 0

    def run(self) -> list[Record]:
        """Train both in place and return the learning curve."""
        curve = self._fit_base()
        guesses = self._make_guesses()
        self.n_guesses = len(guesses.rows)
        return curve + self._fit_corrector(guesses)

    def _fit_base(self) -> list[Record]:
        training = self.training

        def collate(rows: list[int]) -> dict[str, Tensor]:
            return {
                "vectors": training.vectors[torch.as_tensor(rows)],
                "labels": training.labels(rows),
            }

        return training.fit(
            self.inverter,
            len(training.texts),
            collate,
            stage="base",
            steps=training.steps,
            minutes=training.minutes.get("base"),
            identity=training.base_identity,
        )

    def _make_guesses(self) -> Guesses:
        """Return the base model's wrong guesses for a sample of the training texts."""
        training, device = self.training, self.training.context.device
        networks = Networks(
            inverter=self.inverter.to(device),
            corrector=None,
            tokenizer=training.tokenizer,
            device=device,
        )
        maker = GuessMaker(
            networks=networks,
            texts=training.texts,
            vectors=training.vectors,
            oracle=self.oracle,
            context=training.context,
            key=training.base_identity,
            fast=training.choices.precision != "float32",
        )
        return maker.make(training.n_guesses, training.minutes.get("guesses"))

    def _fit_corrector(self, guesses: Guesses) -> list[Record]:
        """Train the corrector, which starts as a copy of the base model or as it was."""
        training, inverter, corrector = self.training, self.inverter.to("cpu"), self.corrector
        if training.earlier is None:  # one that is trained on keeps what it has learned
            corrector.encoder_decoder.load_state_dict(inverter.encoder_decoder.state_dict())
            corrector.embedding_transform_1.load_state_dict(
                inverter.embedding_transform.state_dict()
            )
            if corrector.lexical is not None and inverter.lexical is not None:
                corrector.lexical.load_state_dict(inverter.lexical.state_dict())
        guess_ids = encode_texts(training.tokenizer, guesses.texts, training.config)

        def collate(places: list[int]) -> dict[str, Tensor]:
            index = torch.as_tensor(places)
            rows = [guesses.rows[place] for place in places]
            ids = guess_ids[index]
            longest = int((ids != training.config.pad_id).sum(dim=1).max())
            targets = training.vectors[torch.as_tensor(rows)]
            feedback = training.choices.feedback
            return {
                "vectors": targets,
                "guess_vectors": guesses.vectors[index] if feedback else targets,
                "guesses": ids[:, :longest],
                "labels": training.labels(rows),
            }

        return training.fit(
            corrector,
            len(guesses.rows),
            collate,
            stage="corrector",
            steps=training.corrector_steps,
            minutes=training.minutes.get("corrector"),
        )

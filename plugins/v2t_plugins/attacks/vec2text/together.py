"""Training one network that guesses a text and corrects guesses, both from the first step.

The paper's recursion has one model in two roles, the first guess being the correction of an
empty one (section 4). Here they share all weights but those that read where a guess landed.
What a guess may look like is learned from other training texts first, whose vectors are
there already, and then from the network's own guesses and their corrections.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text.guesses import Guesses, GuessMaker
from v2t_plugins.attacks.vec2text.networks import Networks, encode_texts
from v2t_plugins.attacks.vec2text.shared import Shared
from v2t_plugins.loop import Record
from v2t_plugins.seeds import derive_seed

if TYPE_CHECKING:
    from v2t_plugins.attacks.vec2text.train import Training

# Of the examples: corrections of other texts, for one first guess each time.
NEIGHBOURS = 0.35
# Other texts are drawn among so many, and from the closest of them.
_AMONG, _CLOSEST, _ROWS = 60_000, 32, 2048
# Between the decay's beginning and a budget's end.
_DECAY = 0.7
# A batch is of one role, and of texts of about one length.
_APART = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What is written from what: rows of the training texts, and a guess or none for each.

    Args:
        rows: Of the text, (m,).
        guess: Of the guess, among all that can be one, (m,); -1: a first guess is learned.
    """

    rows: Tensor
    guess: Tensor

    def __add__(self, other: Examples) -> Examples:
        """Return both."""
        return Examples(
            rows=torch.cat([self.rows, other.rows]), guess=torch.cat([self.guess, other.guess])
        )

    def drawn(self, most: int, seed: int) -> Examples:
        """Return ``most`` of them at most."""
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(self.rows))[:most]
        chosen = torch.from_numpy(order)
        return Examples(rows=self.rows[chosen], guess=self.guess[chosen])


class Together:
    """The stages of one training with ``shared=true``."""

    def __init__(self, training: Training, network: Shared, oracle: Oracle, clean: Tensor) -> None:
        self.training, self.network, self.oracle = training, network, oracle
        # Whatever can be shown as a guess: training texts, then the network's own guesses.
        self.guess_vectors = [clean]
        self.guess_ids = [training.ids]
        self.n_guesses = 0
        self.lengths = (training.ids != training.config.pad_id).sum(dim=1)

    def run(self) -> list[Record]:
        """Train ``network`` in place and return the learning curve."""
        training = self.training
        minutes, rounds = training.minutes, training.choices.rounds
        everything = torch.arange(len(training.texts))
        first = Examples(rows=everything, guess=torch.full_like(everything, -1))
        others = self._neighbours()
        curve = self._stage("base", first + others, minutes.get("base"), training.steps, hold=1.0)
        # The last has more than the others together: it ends with the decay.
        shares = [0.4 / (rounds - 1)] * (rounds - 1) + [0.6] if rounds > 1 else [1.0]
        own: list[Examples] = []
        for number in range(rounds):
            own += self._own_guesses(number)
            made = sum(own[1:], own[0])
            n = len(made.rows)
            seed = derive_seed(training.context.seed, "vec2text mixture", number)
            # First guesses go on: whatever a correction is worth, it begins there.
            examples = made + first.drawn(2 * n, seed) + others.drawn(n // 4, seed)
            last = number + 1 == rounds
            share = shares[number]
            curve += self._stage(
                f"corrector-{number + 1}",
                examples,
                minutes["corrector"] * share if minutes else None,
                training.corrector_steps and max(1, round(training.corrector_steps * share)),
                hold=1 - _DECAY if last else 1.0,
            )
        return curve

    def _stage(
        self, stage: str, examples: Examples, minutes: float | None, steps: int | None, hold: float
    ) -> list[Record]:
        training, pad_id = self.training, self.training.config.pad_id
        vectors, ids = torch.cat(self.guess_vectors), _stacked(self.guess_ids, pad_id)

        def collate(places: list[int]) -> dict[str, Tensor]:
            index = torch.as_tensor(places)
            guess = examples.guess[index]
            order = (guess < 0).long().argsort(stable=True)  # corrections first
            index, guess = index[order], guess[order]
            rows = examples.rows[index]
            batch = {"vectors": training.vectors[rows], "labels": training.labels(rows)}
            guess = guess[guess >= 0]
            if len(guess):
                shown = ids[guess]
                batch["guess_vectors"] = vectors[guess]
                batch["guesses"] = shown[:, : int((shown != pad_id).sum(dim=1).max())]
            return batch

        alike = self.lengths[examples.rows] + _APART * (examples.guess >= 0).long()
        return training.fit(
            self.network,
            len(examples.rows),
            collate,
            stage=stage,
            steps=steps,
            minutes=minutes,
            hold=hold,
            alike=alike.numpy(),
        )

    def _neighbours(self) -> Examples:
        """Return texts to be written from other texts that lie close, and where they lie."""
        training = self.training
        n = len(training.texts)
        seed = derive_seed(training.context.seed, "vec2text neighbours")
        generator = np.random.Generator(np.random.PCG64(seed))
        rows = np.sort(generator.permutation(n)[: max(1, round(NEIGHBOURS * n))])
        among = torch.from_numpy(np.sort(generator.permutation(n)[:_AMONG]))
        k = min(_CLOSEST, len(among) - 1)
        ranks = torch.from_numpy(generator.integers(k, size=len(rows)))
        pool = self.guess_vectors[0][among].T.contiguous()
        chosen = []
        for start in range(0, len(rows), _ROWS):
            part = torch.from_numpy(rows[start : start + _ROWS])
            near = self.guess_vectors[0][part] @ pool
            near.masked_fill_(among == part.unsqueeze(1), -torch.inf)
            closest = near.topk(k, dim=1).indices
            chosen.append(closest.gather(1, ranks[start : start + _ROWS].unsqueeze(1))[:, 0])
        return Examples(rows=torch.from_numpy(rows), guess=among[torch.cat(chosen)])

    def _own_guesses(self, number: int) -> list[Examples]:
        """Return the network's guesses as it is now, and from the second round on corrections."""
        training, context = self.training, self.training.context
        self.network.to(context.device).eval()
        maker = GuessMaker(
            networks=Networks(
                inverter=self.network.inverter,
                corrector=self.network.corrector,
                tokenizer=training.tokenizer,
                device=context.device,
            ),
            texts=training.texts,
            vectors=training.vectors,
            oracle=self.oracle,
            context=context,
            key=training.identity,
            fast=training.choices.precision != "float32",
            names=(number,),
        )
        minutes = training.minutes.get("guesses")
        share = minutes and minutes / training.choices.rounds
        if not number:
            return [self._kept(maker.make(training.n_guesses, share))]
        half = share and share / 2
        made = maker.make(training.n_guesses, half)
        corrected = replace(maker, names=(number, "corrected")).correct(made, half)
        return [self._kept(made), self._kept(corrected)]

    def _kept(self, guesses: Guesses) -> Examples:
        start = sum(map(len, self.guess_vectors))
        ids = encode_texts(self.training.tokenizer, guesses.texts, self.training.config)
        self.guess_ids.append(ids)
        self.guess_vectors.append(guesses.vectors)
        self.n_guesses += len(guesses.rows)
        places = torch.arange(start, start + len(ids))
        return Examples(rows=torch.tensor(guesses.rows), guess=places)


def _stacked(ids: list[Tensor], pad_id: int) -> Tensor:
    """Return ids of unlike widths as one tensor, padded behind."""
    width = max(part.shape[1] for part in ids)
    pad = torch.nn.functional.pad
    return torch.cat([pad(part, (0, width - part.shape[1]), value=pad_id) for part in ids])

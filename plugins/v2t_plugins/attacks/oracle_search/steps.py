"""How much closer changes of one guess are expected to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from v2t_plugins.attacks.oracle_search.effects import Effects, closer
from v2t_plugins.attacks.oracle_search.nodes import Row

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Where words lead from one guess.

    Args:
        effects: Of all words.
        row: The search; it knows how words surprised.
        way: From the guess to the target, of length 1, (d,).
        distance: Along it.
        words: Whose steps these are, (k,).
        along: How far each leads along the way, in units of ``distance``, (k,).
        squared: The square of its length, in the same units, (k,).
        surprise: How much more closeness each brought than expected, (k,).
    """

    effects: Effects
    row: Row
    way: Floats
    distance: float
    words: Ids
    along: Floats
    squared: Floats
    surprise: Floats

    @classmethod
    def of(cls, effects: Effects, row: Row, words: Ids, way: Floats, distance: float) -> Steps:
        """Return the steps of ``words``, (k,)."""
        along, squared = effects.steps(words, way, distance)
        return cls(
            effects=effects,
            row=row,
            way=way,
            distance=distance,
            words=words,
            along=along,
            squared=squared,
            surprise=row.surprise(words),
        )

    def of_others(self, words: Ids) -> Steps:
        """Return the steps of other words from the same guess."""
        return Steps.of(self.effects, self.row, words, self.way, self.distance)

    def put_in(self) -> Floats:
        """Return what each word is expected to bring, (k,)."""
        return (closer(self.along, self.squared) + self.surprise).round(5)

    def left_out(self, width: int) -> Floats:
        """Return what leaving out ``width`` neighbours is expected to bring, (k - width + 1,)."""
        along, squared, surprise = self._of_runs(width)
        return (closer(-along, squared) - surprise).round(5)

    def instead_of(self, here: Steps) -> Floats:
        """Return what each word is expected to bring in place of each of ``here``, (t, k)."""
        # Words that lie alike cancel each other.
        alike = self.effects.directions[here.words] @ self.effects.directions[self.words].T
        both = np.sqrt(here.squared[:, None] * self.squared[None, :])
        squared = here.squared[:, None] + self.squared[None, :] - 2 * alike * both
        along = self.along[None, :] - here.along[:, None]
        surprise = self.surprise[None, :] - here.surprise[:, None]
        return (closer(along, squared) + surprise).round(5)

    def pairs_instead_of(self, here: Steps, width: int) -> Floats:
        """Return what each pair of words brings in place of each run, (k / 2, t - width + 1).

        Nothing is left out where ``width`` is 0: a pair can stand at t + 1 places.
        """
        along, squared, surprise = (
            part.reshape(-1, 2).sum(axis=1)[:, None]
            for part in (self.along, self.squared, self.surprise)
        )
        if not width:
            found = closer(along, squared) + surprise
            everywhere: Floats = np.repeat(found, len(here.words) + 1, axis=1).round(5)
            return everywhere
        less, also, known = here._of_runs(width)
        brings: Floats = closer(along - less, squared + also) + surprise - known
        return brings.round(5)

    def _of_runs(self, width: int) -> tuple[Floats, Floats, Floats]:
        """Return along, squared and surprise of ``width`` neighbours together."""
        along, squared, surprise = (
            sliding_window_view(part, width).sum(axis=1)
            for part in (self.along, self.squared, self.surprise)
        )
        return along, squared, surprise

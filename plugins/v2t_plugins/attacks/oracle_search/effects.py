"""What a word does to where a text lands, by asking about words alone and about trials.

A text that is given one word more lands about where a step of the word's own length leads,
roughly into the direction in which the word alone lies. Texts of one length, so the cosine
tells the distance left: after a step of length r, in units of that distance, under the angle
whose cosine is a, the square of the distance has changed by the factor 1 - 2 r a + r**2.
Frequent words take small steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.oracle_search.lexicon import Lexicon
from v2t_plugins.attacks.trained import unit_length

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

# Texts that are damaged and mended word by word, to learn how long steps are.
TRIALS = 400
# Words put into each: of those it lost, and others.
LOST, OTHERS = 4, 4
# Of its words a damaged text lacks these many, and has others in place of half as many.
DAMAGE = 0.35
# Slope, and the logarithm of a step: constant, and by the logarithm of a word's share of texts.
USUAL = (1.25, -2.4, -0.14)
FLOOR = 1e-6
# No step is expected to leave less of the squared distance.
_LEAST_LEFT = 0.05


@dataclass(frozen=True)
class Effects:
    """Steps that words take a text.

    Args:
        directions: Where each word alone lies from their mean, of length 1, (v, d).
        reach: How far putting it in takes a text, (v,).
        slope: How much straighter a step leads to where a text is to go than ``directions``
            says, (1,): they hold more than words in a text do.
    """

    directions: Floats
    reach: Floats
    slope: Floats

    @classmethod
    def measure(
        cls,
        oracle: Oracle,
        lexicon: Lexicon,
        texts: Sequence[NDArray[Any]],
        vectors: Vectors,
        share: Floats,
    ) -> Effects:
        """Return the effects of all words, from some of ``texts`` and their ``vectors`` (n, d)."""
        alone = oracle.embed([lexicon.write([word]) for word in range(len(lexicon))])
        directions = unit_length(alone - alone.mean(axis=0))
        rare = np.log(share + np.float32(FLOOR))
        trials = _trials(texts)
        slope, constant, by_share = USUAL
        if trials:
            slope, constant, by_share = _fitted(oracle, lexicon, trials, vectors, directions, rare)
        return cls(
            directions=directions,
            reach=np.exp(constant + by_share * rare).astype(np.float32),
            slope=np.array([slope], dtype=np.float32),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Effects:
        """Return the effects of `arrays`.

        Raises:
            KeyError, ValueError: one is missing or of another shape.
        """
        found = {field.name: arrays[field.name].astype(np.float32) for field in fields(cls)}
        effects = cls(**found)
        if effects.reach.shape != effects.directions.shape[:1] or effects.slope.shape != (1,):
            raise ValueError("effects of different shapes")
        return effects

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that `from_arrays` takes; directions in float16."""
        return {
            "directions": self.directions.astype(np.float16),
            "reach": self.reach,
            "slope": self.slope,
        }

    def steps(self, words: Ids, way: Floats, distance: float) -> tuple[Floats, Floats]:
        """Return how far each of ``words``, (k,), leads along ``way``, and its squared length.

        In units of ``distance``, what is left to go along ``way`` (d,), of length 1; each (k,).
        """
        cosine = np.clip(self.slope * (self.directions[words] @ way), -0.95, 0.95)
        length = self.reach[words] / np.float32(max(distance, 1e-3))
        # Products of other shapes differ in the last bits.
        along: Floats = (length * cosine).round(5)
        return along, length**2


def closer(along: Floats, squared: Floats) -> Floats:
    """Return what a step adds to the closeness, from what it leads along the way and its square."""
    left: Floats = -np.log(np.maximum(1 - 2 * along + squared, np.float32(_LEAST_LEFT)))
    return left


def _trials(texts: Sequence[NDArray[Any]]) -> list[tuple[int, list[int], list[int]]]:
    """Return texts by number, what is left of each once damaged, and words to put in."""
    rng = np.random.default_rng(0)
    found = []
    for row in np.unique(np.linspace(0, len(texts) - 1, TRIALS).astype(int)).tolist():
        words = [word for word in texts[row].tolist() if word >= 0]
        fate = rng.random(len(words))
        left = [word for word, chance in zip(words, fate, strict=True) if chance >= DAMAGE]
        lost = [word for word, chance in zip(words, fate, strict=True) if chance < DAMAGE]
        if not left or not lost:
            continue
        other = texts[int(rng.integers(len(texts)))]
        strange = rng.permutation(other[other >= 0])[: OTHERS + len(lost) // 2].tolist()
        for word in strange[OTHERS:]:
            left.insert(int(rng.integers(len(left) + 1)), word)
        found.append((row, left, [*lost[:LOST], *strange[:OTHERS]]))
    return found


def _fitted(
    oracle: Oracle,
    lexicon: Lexicon,
    trials: Sequence[tuple[int, list[int], list[int]]],
    vectors: Vectors,
    directions: Floats,
    rare: Floats,
) -> tuple[float, float, float]:
    """Return slope and step lengths that foretell best how close words bring damaged texts."""
    from scipy.optimize import least_squares

    rng = np.random.default_rng(1)
    asked = []
    for _, left, tried in trials:
        asked.append(lexicon.write(left))
        for word in tried:
            place = int(rng.integers(len(left) + 1))
            asked.append(lexicon.write([*left[:place], word, *left[place:]]))
    landed = iter(unit_length(oracle.embed(asked)))
    along, distances, gains, numbers = [], [], [], []
    for row, _, tried in trials:
        here = next(landed)
        target = unit_length(vectors[row : row + 1])[0]
        way, distance = way_to(target, here)
        before = max(1 - float(here @ target), FLOOR)
        for word in tried:
            along.append(float(directions[word] @ way))
            distances.append(distance)
            gains.append(-np.log(max(1 - float(next(landed) @ target), FLOOR) / before))
            numbers.append(word)
    a, d, y = np.array(along), np.maximum(np.array(distances), 1e-3), np.array(gains)
    r = rare[numbers]

    def off(p: NDArray[np.float64]) -> NDArray[np.float64]:
        cosine, length = np.clip(p[0] * a, -0.95, 0.95), np.exp(p[1] + p[2] * r) / d
        error: NDArray[np.float64] = closer(length * cosine, length**2) - y
        return error

    found = least_squares(off, USUAL, bounds=([0, -6, -1], [5, 1, 0.5]), loss="soft_l1").x
    return float(found[0]), float(found[1]), float(found[2])


def way_to(target: Vectors, here: Vectors) -> tuple[Floats, float]:
    """Return the direction from ``here`` to ``target``, both (d,) of length 1, and how far it is.

    Across ``here``, since a text cannot leave the sphere; length 1 unless it is there.
    """
    way = target - np.float32(round(float(here @ target), 6)) * here
    length = float(np.linalg.norm(way))
    direction: Floats = (way / max(length, 1e-6)).astype(np.float32)
    return direction, length

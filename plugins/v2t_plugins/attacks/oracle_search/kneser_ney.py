"""A trigram model of word order in sorted arrays: modified Kneser-Ney, interpolated.

Chen and Goodman 1999, section 3.2, equation 26, down to the uniform distribution. A text
begins behind two marks, and how it ends is not modelled: training texts are cut anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float32]

# Three numbers share one key.
_BITS = np.uint64(21)
_NO_BITS = np.uint64(0)
_LOW = np.uint64(2**21 - 1)
MOST_WORDS = 2**21 - 2


@dataclass(frozen=True)
class KneserNey:
    """Log probabilities of a word after two others, in nats.

    Words are the numbers 0 to v - 1; v stands for every other word and v + 1 for the
    beginning of a text.

    Args:
        words: Of each word without context, (v + 2,).
        backoff: What a context of one word leaves to shorter ones, (v + 2,).
        pairs: Seen contexts and words, one key each, sorted, (n2,).
        pair_words: Of the last word after the one before it, (n2,).
        contexts: Contexts of two words, sorted, (nc,).
        context_backoff: What each leaves to shorter ones, (nc,).
        triples: Seen contexts of two words and words, sorted, (n3,).
        triple_words: Of the last word after the two before it, (n3,).
    """

    words: Floats
    backoff: Floats
    pairs: Keys
    pair_words: Floats
    contexts: Keys
    context_backoff: Floats
    triples: Keys
    triple_words: Floats

    @property
    def unknown(self) -> int:
        """The number that stands for every word that has none."""
        return len(self.words) - 2

    @property
    def beginning(self) -> int:
        """The number of the mark that stands twice before a text."""
        return len(self.words) - 1

    @classmethod
    def fit(cls, texts: Iterable[Ids], n_words: int) -> KneserNey:
        """Return the model of ``texts``, the numbers of their words; ``n_words`` is v."""
        begin = n_words + 1
        two = np.array([begin, begin], dtype=np.int64)
        stream = [part for ids in texts for part in (two, ids)]
        run = np.concatenate([*stream, two]).astype(np.uint64)
        first, second, third = run[:-2], run[1:-1], run[2:]
        whole = third != begin
        keys = _key3(first[whole], second[whole], third[whole])
        del run, first, second, third
        triples, counts = np.unique(keys, return_counts=True)
        # A shorter context is judged by how many different words stand before it, but at
        # the beginning of a text, where only the mark does.
        ends, place = np.unique(triples & _LOW_TWO, return_inverse=True)
        different = np.bincount(place).astype(np.int64)
        marked = (ends >> _BITS) == begin
        summed = np.bincount(place, weights=counts).astype(np.int64)
        pairs, pair_counts = ends, np.where(marked, summed, different)
        word_counts = np.bincount(
            (pairs & _LOW).astype(np.int64), minlength=n_words + 2
        )  # different words before each
        words = _unigrams(word_counts[: n_words + 1])
        pair_probability, backoff = _interpolate(
            pairs, pair_counts, words[(pairs & _LOW).astype(np.int64)]
        )
        contexts = _dense(pairs >> _BITS)[0]
        leftover = np.ones(n_words + 2)
        leftover[contexts.astype(np.int64)] = backoff
        lower = pair_probability[np.searchsorted(pairs, triples & _LOW_TWO)]
        probability, triple_backoff = _interpolate(triples, counts, lower)
        return cls(
            words=_logs(np.append(words, 1e-12)),
            backoff=_logs(leftover),
            pairs=pairs,
            pair_words=_logs(pair_probability),
            contexts=_dense(triples >> _BITS)[0],
            context_backoff=_logs(triple_backoff),
            triples=triples,
            triple_words=_logs(probability),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> KneserNey:
        """Return the model of `arrays`.

        Raises:
            KeyError, ValueError: one is missing, or of another kind or length.
        """
        model = cls(**{field.name: arrays[field.name] for field in fields(cls)})  # type: ignore[arg-type]
        lengths = (
            (model.words, model.backoff, np.float32),
            (model.pairs, model.pair_words, np.uint64),
            (model.contexts, model.context_backoff, np.uint64),
            (model.triples, model.triple_words, np.uint64),
        )
        for left, right, kind in lengths:
            if left.ndim != 1 or left.shape != right.shape or len(left) < 1:
                raise ValueError("arrays of one model have different lengths")
            if left.dtype != kind or right.dtype != np.float32:
                raise ValueError("an array of the model is of another kind")
        return model

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that `from_arrays` takes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def log_probabilities(self, before: Ids, between: Ids, words: Ids) -> Floats:
        """Return the log probability of ``words`` after two others; the shapes broadcast."""
        shape = np.broadcast_shapes(before.shape, between.shape, words.shape)
        second = np.broadcast_to(between, shape).astype(np.uint64)
        third = np.broadcast_to(words, shape).astype(np.uint64)
        context = (np.broadcast_to(before, shape).astype(np.uint64) << _BITS) | second
        at, paired = _find(self.pairs, (second << _BITS) | third)
        shorter = np.where(paired, self.pair_words[at], self.backoff[second] + self.words[third])
        at, known = _find(self.contexts, context)
        found: Floats = shorter + np.where(known, self.context_backoff[at], np.float32(0))
        # What was seen after both words was seen after the last.
        maybe = paired & known
        at, known = _find(self.triples, (context[maybe] << _BITS) | third[maybe])
        found[maybe] = np.where(known, self.triple_words[at], found[maybe])
        return found

    def following(self, before: int, between: int, most: int = 2000) -> tuple[Ids, Floats]:
        """Return words seen after two others, (k,), or after the last, and their log probability.

        Of a context with more than ``most`` words those with the lowest numbers, which are
        the most frequent.
        """
        context = (np.uint64(before) << _BITS) | np.uint64(between)
        for keys, logs, prefix in (
            (self.triples, self.triple_words, context),
            (self.pairs, self.pair_words, np.uint64(between)),
        ):
            start, end = np.searchsorted(keys, [prefix << _BITS, (prefix + np.uint64(1)) << _BITS])
            if start < end:
                end = min(end, start + most)
                words = (keys[start:end] & _LOW).astype(np.int64)
                said = words < self.unknown
                return words[said], logs[start:end][said]
        return np.empty(0, np.int64), np.empty(0, np.float32)

    def of_texts(self, texts: Ids) -> Floats:
        """Return the log probability of each word of ``texts``, (n, t); -1 is padding and 0."""
        n = len(texts)
        marks = np.full((n, 2), self.beginning, dtype=np.int64)
        padded = np.concatenate([marks, np.where(texts < 0, self.unknown, texts)], axis=1)
        padded = padded.astype(np.uint64)
        # Texts of one search say the same thing again and again.
        keys, places = np.unique(
            _key3(padded[:, :-2], padded[:, 1:-1], padded[:, 2:]), return_inverse=True
        )
        first, second, third = (
            ((keys >> shift) & _LOW).astype(np.int64) for shift in (_BITS + _BITS, _BITS, _NO_BITS)
        )
        found = self.log_probabilities(first, second, third)[places.reshape(texts.shape)]
        return np.where(texts < 0, np.float32(0), found)


_LOW_TWO = np.uint64(2**42 - 1)


def _key3(first: Keys, second: Keys, third: Keys) -> Keys:
    return (((first << _BITS) | second) << _BITS) | third


def _find(keys: Keys, wanted: Keys) -> tuple[Ids, NDArray[np.bool_]]:
    """Return where each key stands, or any place, and whether it stands there."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return at, keys[at] == wanted


def _dense(keys: Keys) -> tuple[Keys, Ids]:
    """Return the different ones of sorted ``keys``, and the number of each one's."""
    new = np.ones(len(keys), dtype=np.bool_)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new], np.cumsum(new) - 1


def _discounts(counts: Ids) -> NDArray[np.float64]:
    """Return what is taken off counts of 0, 1, 2 and from 3 on (Chen and Goodman, eq. 27)."""
    n = [int((counts == times).sum()) for times in range(1, 5)]
    if not all(n):
        # Too few texts for the estimate: half of a count, as for few data it mostly is.
        return np.array([0.0, 0.5, 0.5, 0.5])
    y = n[0] / (n[0] + 2 * n[1])
    found = [0.0, *(times - (times + 1) * y * n[times] / n[times - 1] for times in (1, 2, 3))]
    return np.clip(found, 0.0, [0.0, 0.99, 1.99, 2.99])


def _interpolate(
    keys: Keys, counts: Ids, lower: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return probabilities of sorted ``keys``, (n,), and what each context leaves over.

    Args:
        keys: Context and word.
        counts: How often, or after how many different words, (n,).
        lower: The probability of the word in the shorter context, (n,).
    """
    _, context = _dense(keys >> _BITS)
    off = _discounts(counts)[np.minimum(counts, 3)]
    total = np.bincount(context, weights=counts)
    left = np.bincount(context, weights=off) / total
    return (counts - off) / total[context] + left[context] * lower, left


def _unigrams(counts: Ids) -> NDArray[np.float64]:
    """Return the probability of each word without context, (v + 1,), the unknown one last."""
    off = _discounts(counts)[np.minimum(counts, 3)]
    total = max(int(counts.sum()), 1)
    probability: NDArray[np.float64] = (counts - off) / total + off.sum() / total / len(counts)
    return probability


def _logs(probability: NDArray[np.float64]) -> Floats:
    return np.log(np.maximum(probability, 1e-12)).astype(np.float32)

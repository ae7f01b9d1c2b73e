"""Attribute inference: is a text's label told by its vector, or by a guess at the text?

Logistic regression, cross-validated over documents: a document's texts are all in one fold,
which depends on its id and on which other documents there are, never on their order.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
# Inverse strength of the L2 penalty, fixed before anything was attacked and never tuned to it:
# scikit-learn's default for features of variance 1, and ten times that for TF-IDF rows, whose
# squares sum to 1 over hundreds of words.
C_VECTORS, C_TEXTS = 1.0, 10.0
ITERATIONS = 1000

_WORD = re.compile(r"\w+")

Hits: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = Sequence[str | None]
Predict: TypeAlias = "Callable[[NDArray[np.int64], NDArray[np.int64]], Sequence[str]]"


def can_be_told(labels: Labels, documents: Sequence[str]) -> bool:
    """Return whether there is anything to predict: two labels, and a document for each fold."""
    labelled = [i for i, label in enumerate(labels) if label is not None]
    return len({labels[i] for i in labelled}) > 1 and len({documents[i] for i in labelled}) >= FOLDS


def label_from_vectors(
    vectors: NDArray[np.floating], labels: Labels, documents: Sequence[str]
) -> Hits:
    """Return 1 where the label of a row of ``vectors`` (n, d) is predicted, else 0; (n,).

    Vectors are centered, and scaled by one number to a mean variance of 1, by the training
    folds. NaN where a text has no label.
    """
    wide = np.asarray(vectors, dtype=np.float64)

    def predict(train: NDArray[np.int64], test: NDArray[np.int64]) -> Sequence[str]:
        mean = wide[train].mean(axis=0)
        spread = float(np.sqrt(np.square(wide[train] - mean).mean())) or 1.0
        features = (wide - mean) / spread
        return _regression(features[train], _at(labels, train), features[test], C_VECTORS)

    return _hits(labels, documents, predict)


def label_from_texts(texts: Sequence[str], labels: Labels, documents: Sequence[str]) -> Hits:
    """Return 1 where a text's label is predicted from the words of ``texts``, else 0; (n,).

    Give guesses as ``texts`` to learn what they tell. TF-IDF of lower-case words, with the
    vocabulary of the training folds. NaN where a text has no label.
    """
    words = [_WORD.findall(text.lower()) for text in texts]

    def predict(train: NDArray[np.int64], test: NDArray[np.int64]) -> Sequence[str]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        known = _at(labels, train)
        if not any(words[row] for row in train):
            return [_most_common(known)] * len(test)
        vectorizer = TfidfVectorizer(analyzer=_as_it_is, sublinear_tf=True)
        learned = vectorizer.fit_transform([words[row] for row in train])
        asked = vectorizer.transform([words[row] for row in test])
        return _regression(learned, known, asked, C_TEXTS)

    return _hits(labels, documents, predict)


def label_by_majority(labels: Labels, documents: Sequence[str]) -> Hits:
    """Return 1 where a label is the most common one of the training folds, else 0; (n,).

    NaN where a text has no label.
    """

    def predict(train: NDArray[np.int64], test: NDArray[np.int64]) -> Sequence[str]:
        return [_most_common(_at(labels, train))] * len(test)

    return _hits(labels, documents, predict)


def _hits(labels: Labels, documents: Sequence[str], predict: Predict) -> Hits:
    hits = np.full(len(labels), np.nan)
    labelled = np.array([i for i, label in enumerate(labels) if label is not None], dtype=np.int64)
    folds = _folds([documents[i] for i in labelled])
    for fold in range(FOLDS):
        train, test = labelled[folds != fold], labelled[folds == fold]
        predicted = predict(train, test) if len(test) else []
        hits[test] = [a == b for a, b in zip(predicted, _at(labels, test), strict=True)]
    return hits


def _folds(documents: Sequence[str]) -> NDArray[np.int64]:
    """Return the fold of each row, (n,): documents are dealt out in the order of a hash."""
    order = sorted(set(documents), key=lambda name: hashlib.sha256(name.encode()).digest())
    fold = {name: place % FOLDS for place, name in enumerate(order)}
    return np.array([fold[name] for name in documents], dtype=np.int64)


def _regression(learned: Any, labels: Sequence[str], asked: Any, c: float) -> Sequence[str]:
    """Return the labels predicted for ``asked`` by a regression on ``learned``."""
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) == 1:
        return [labels[0]] * asked.shape[0]
    with warnings.catch_warnings():
        # After so many iterations the last digits of a weight decide nothing.
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=c, max_iter=ITERATIONS).fit(learned, labels)
    predicted: list[str] = model.predict(asked).tolist()
    return predicted


def _at(labels: Labels, rows: NDArray[np.int64]) -> list[str]:
    return [str(labels[row]) for row in rows]


def _most_common(labels: Sequence[str]) -> str:
    """Return the most common label; of equally common ones the first in order."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _as_it_is(words: list[str]) -> list[str]:
    return words

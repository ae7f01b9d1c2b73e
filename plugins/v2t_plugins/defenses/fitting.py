"""What defenses that are fitted ask of the vectors they are given, and refuse in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, BadParameter

T = TypeVar("T")

CHUNK = 1024
"""Rows worked on at a time where something as large as they are is made on the way.

So few stay in the processor's cache: twice as fast as 16,384 of 384 dimensions.
"""

SAMPLE = 10_000
"""Rows looked at where all of them would take long and tell no more."""


def fitted(state: T | None, name: str) -> T:
    """Return what a fit has left.

    Raises:
        BadInput: there was none.
    """
    if state is None:
        raise BadInput(f"{name} is not fitted; fit it to the owner's vectors first")
    return state


def check_rows(vectors: Vectors, needed: int, name: str) -> None:
    """Refuse to fit to fewer than ``needed`` vectors, or to zero vectors alone.

    Raises:
        BadInput: they are too few, or hold nothing but zeros.
    """
    if len(vectors) < needed:
        raise BadInput(
            f"{name} is to be fitted to {len(vectors)} vectors and needs at least {needed}; "
            "give more of them, or keep fewer dimensions"
        )
    if not np.any(vectors):
        raise BadInput(f"{name} is to be fitted to zero vectors; expected some that are not")


def check_kept(k: int, name: str) -> None:
    """Refuse to keep no dimension.

    Raises:
        BadParameter: ``k`` is below 1.
    """
    if k < 1:
        raise BadParameter(f"{name}: k is {k}; expected a whole number from 1")


def check_dims(k: int, dim: int, name: str) -> None:
    """Refuse to keep ``k`` of fewer dimensions.

    Raises:
        BadParameter: vectors of ``dim`` dimensions have not so many.
    """
    if k > dim:
        raise BadParameter(
            f"{name}: k is {k} and the vectors have {dim} dimensions; give at most {dim}"
        )


def check_same_dim(vectors: Vectors, dim: int, name: str) -> None:
    """Refuse vectors of another length than those of the fit.

    Raises:
        BadInput: they have not ``dim`` dimensions.
    """
    if vectors.shape[1] != dim:
        raise BadInput(
            f"{name} was fitted to vectors of {dim} dimensions and is given {vectors.shape[1]}"
        )


def chunks(n: int) -> Iterator[slice]:
    """Return slices that cover ``n`` rows, `CHUNK` at a time."""
    return (slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))


def evenly(vectors: Vectors) -> Vectors:
    """Return at most `SAMPLE` rows, evenly spaced, so that all parts of a corpus are seen."""
    if len(vectors) <= SAMPLE:
        return vectors
    return vectors[np.arange(SAMPLE) * len(vectors) // SAMPLE]

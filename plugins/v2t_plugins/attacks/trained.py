"""What learned attacks ask in the same words of checkpoints, vectors and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from v2t_bench.contracts import Attack, BuildContext, Space, Vectors, check_guesses
from v2t_bench.errors import BadInput, BadParameter, MissingCheckpoint, SpaceMismatch
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle


def folder_of(checkpoint: Path | None, attack: str) -> Path:
    """Return the folder that training filled.

    Raises:
        MissingCheckpoint: there is none.
    """
    if checkpoint is None:
        raise MissingCheckpoint(f"{attack} has learned nothing; run v2t-bench train {attack} first")
    return checkpoint


def check_dim(vectors: Vectors, dim: int, attack: str) -> None:
    """Refuse ``vectors`` (n, d) of another dimension than those that were trained on.

    Raises:
        SpaceMismatch: they are.
    """
    if vectors.shape[1] != dim:
        raise SpaceMismatch(
            f"{attack} was trained on vectors of {dim} dimensions, these have "
            f"{vectors.shape[1]}; choose the checkpoint of this embedder"
        )


def check_finite(vectors: Vectors, attack: str) -> None:
    """Refuse ``vectors`` (n, d) that hold no numbers.

    Raises:
        BadInput: one of them holds NaN or infinity.
    """
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise BadInput(
            f"{attack}: {int(bad.sum())} of {len(vectors)} vectors hold NaN or infinity (first: "
            f"row {int(bad.argmax())}); expected finite numbers"
        )


def scaled_like_targets(vectors: Vectors, space: Space) -> Vectors:
    """Return released vectors (n, d) at the length the search gives its targets."""
    if not space.normalize:
        return vectors
    return unit_length(vectors)


def unit_length(vectors: Vectors) -> Vectors:
    """Return the vectors (n, d) at length 1; zeros stay as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def answers_of_another(
    context: BuildContext, attack: Spelling, vectors: Vectors, oracle: Oracle
) -> list[str]:
    """Return what ``attack``, named within another one, says of each of ``vectors`` (n, d)."""
    built: Attack = context.build("attacks", attack)
    return check_guesses(
        built.invert(np.array(vectors), oracle), rows=len(vectors), who=attack.name
    )


def only_number(options: Mapping[str, str], name: str, attack: str) -> int | None:
    """Return the one option there is, a whole number of at least 1, or None if it is not given.

    Raises:
        BadParameter: it is no such number, or another option is given.
    """
    return whole_numbers(options, (name,), attack).get(name)


def whole_numbers(options: Mapping[str, str], names: Sequence[str], attack: str) -> dict[str, int]:
    """Return those of the options called ``names`` that are given, whole numbers of at least 1.

    Raises:
        BadParameter: one is no such number, or has another name.
    """
    unknown = sorted(set(options) - set(names))
    if unknown:
        known = ", ".join(names)
        raise BadParameter(f"{attack} has no option {unknown[0]!r} (options: {known})")
    for name, text in options.items():
        if not (text.isdecimal() and int(text) > 0):
            raise BadParameter(
                f"{attack}: {name} is {text!r}; expected a whole number of at least 1"
            )
    return {name: int(text) for name, text in options.items()}

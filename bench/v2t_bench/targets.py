"""The vectors that one attack is run on: those of texts, or somebody's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench.composition import build_defense, canonical_defense, check_dimensions
from v2t_bench.contracts import BuildContext, Embedder, Secret, Vectors, check_vectors
from v2t_bench.errors import BadInput, BadParameter, SpaceMismatch
from v2t_bench.registry import Registry
from v2t_bench.release import UNDEFENDED
from v2t_bench.shown import shown_composition
from v2t_bench.texts import cut

# Of a length: vectors stored in 16 bits are off by a part in a thousand.
# Their squares are still numbers in float32.
SHORTEST, LONGEST = 1e-12, 1e12
LENGTH_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The vectors that are attacked, and what is known of them.

    Args:
        attacked: What the attack is given, (n, d).
        judged: What an answer's clean vector is compared with, (n, d): the text's own clean
            vector, or the given one where no text is known.
        texts: As they were embedded, or None where only vectors are known.
        cut: Whether each text was longer.
        defense: What the vectors went through, canonical; "" where nobody knows.
        defense_seed: Of the owner's secret, where the defense has one.
        notices: What a reader of the answers should know.
    """

    attacked: Vectors
    judged: Vectors
    texts: tuple[str, ...] | None = None
    cut: tuple[bool, ...] = ()
    defense: str = ""
    defense_seed: int | None = None
    notices: tuple[str, ...] = ()


def targets_of_texts(
    texts: Sequence[str],
    *,
    embedder: Embedder,
    max_tokens: int,
    defense: str,
    seed: int,
    registry: Registry,
    context: BuildContext,
) -> Targets:
    """Return the vectors of texts, cut and then defended.

    The defense is fitted to these texts alone, and knows them by their numbers.

    Raises:
        BadParameter: the defense cannot protect these vectors, or nobody can bring what it
            releases back to d dimensions.
    """
    shortened = cut(embedder, texts, max_tokens)
    longer = tuple(a != b for a, b in zip(texts, shortened.texts, strict=True))
    canonical = canonical_defense(registry, defense)
    built = build_defense(registry, canonical, context, Secret.from_seed(seed))
    check_dimensions(built, shown_composition(canonical), embedder.space, embedder.dim)
    rows, dim = len(texts), embedder.dim
    clean = check_vectors(
        embedder.embed(shortened.texts, "document"),
        rows=rows,
        dim=dim,
        who="the embedder",
    )
    fitted = built.fit(clean)
    ids = [str(number) for number in range(1, rows + 1)]
    released = fitted.protect(clean, role="document", ids=ids)
    lifted = fitted.lift(check_vectors(released, rows=rows, who=canonical))
    if lifted is None:
        raise BadParameter(
            f"--defense: nobody without the secret can bring vectors of {canonical} back to "
            f"{dim} dimensions, so there is nothing to invert; choose another defense"
        )
    notices = []
    if any(longer):
        notices.append(
            f"{sum(longer)} of {rows} texts are longer than {max_tokens} tokens and "
            "were cut; only what is left is embedded and compared"
        )
    if canonical != UNDEFENDED and built.on == "queries":
        notices.append(f"{canonical} changes queries only; these are documents")
    return Targets(
        attacked=np.ascontiguousarray(check_vectors(lifted, rows=rows, dim=dim, who=canonical)),
        judged=clean,
        texts=tuple(shortened.texts),
        cut=longer,
        defense=shown_composition(canonical),
        defense_seed=seed if built.stochastic else None,
        notices=tuple(notices),
    )


def targets_of_vectors(
    vectors: Vectors, *, origin: str, embedder: Embedder, embedder_text: str
) -> Targets:
    """Return vectors of unknown text, (n, d), as targets; ``origin`` says where they are from.

    Raises:
        SpaceMismatch: the embedder's vectors have another dimension.
        BadInput: a row is zero, or so long or short that float32 loses its direction.
    """
    dim = vectors.shape[1]
    if dim != embedder.dim:
        raise SpaceMismatch(
            f"{origin}: its vectors have {dim} dimensions, those of embedder "
            f"{embedder_text} have {embedder.dim}; name the embedder they are from"
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    useless = (lengths < SHORTEST) | (lengths > LONGEST)
    if useless.any():
        row = int(useless.argmax())
        raise BadInput(
            f"{origin}: row {row + 1} has length {lengths[row]:.3g}, which no text's vector has; "
            "leave it out, or scale it"
        )
    odd = np.abs(lengths - 1) > LENGTH_TOLERANCE
    notices: tuple[str, ...] = ()
    if embedder.space.normalize and odd.any():
        notices = (
            f"{int(odd.sum())} of {len(vectors)} vectors are not of length 1 as this "
            f"embedder's are (lengths {lengths.min():.3g} to {lengths.max():.3g}); scaling "
            "them is left to the attack",
        )
    return Targets(attacked=vectors, judged=vectors, notices=notices)

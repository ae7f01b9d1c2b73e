"""What an attacker is given: which vectors it was trained on, and whom it may ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from v2t_bench.contracts import Role, Space, Vectors, check_vectors
from v2t_bench.errors import BadSpelling, UnknownComponent
from v2t_bench.spelling import parse

OracleKind: TypeAlias = Literal["clean", "protected"]
Answer: TypeAlias = Callable[[Sequence[str], Role], Vectors]


class Oracle:
    """The only door from an attack to the embedder; it counts every text that passes.

    Args:
        answer: Embeds texts.
        space: Where the answers live.
        dim: ``d`` of that space.
        keep: Embeds texts that will be asked for again, storing the vectors; default: answer.
        shorten: Cuts texts to so many of the embedder's tokens; default: they are left whole.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        space: Space,
        dim: int,
        keep: Answer | None = None,
        shorten: Callable[[Sequence[str], int], list[str]] | None = None,
    ) -> None:
        self.space = space
        self.dim = dim
        self.texts_asked = 0
        self._answer = answer
        self._keep = keep or answer
        self._shorten = shorten

    def embed(
        self,
        texts: Sequence[str],
        role: Role = "document",
        *,
        keep: bool = False,
        max_tokens: int | None = None,
    ) -> Vectors:
        """Return the vectors of ``texts``, (n, d); counted, whether stored or not.

        Args:
            texts: What to ask; an empty list costs nothing.
            role: Whether they are asked as queries or documents.
            keep: Says that the same list will be asked for again, as training text is.
            max_tokens: Cut the texts to so many of the embedder's tokens, special ones
                included; None leaves that to the embedder.
        """
        self.texts_asked += len(texts)
        if max_tokens is not None and self._shorten is not None:
            texts = self._shorten(texts, max_tokens)
        answer = self._keep if keep else self._answer
        return check_vectors(answer(texts, role), rows=len(texts), dim=self.dim, who="the embedder")


@dataclass(frozen=True)
class Threat:
    """What the attacker knows and may do, spelled as in the threat column.

    Args:
        name: ``oblivious``: trained on clean vectors, unaware of the defense.
        oracle: ``clean``: asks the undefended embedder, as is realistic when the model is
            public.
    """

    name: str = "oblivious"
    oracle: OracleKind = "clean"

    def __str__(self) -> str:
        """Return the canonical spelling."""
        return f"{self.name}:oracle={self.oracle}"


THREATS = ("oblivious",)


def parse_threat(text: str) -> Threat:
    """Return the threat spelled by ``text``.

    Raises:
        UnknownComponent: no such threat.
        BadSpelling: it has parameters the threat does not take.
    """
    spelling = parse(text)
    if spelling.name not in THREATS:
        raise UnknownComponent(
            f"no threat is called {spelling.name!r} (known: {', '.join(THREATS)})"
        )
    unknown = set(spelling.named) - {"oracle"}
    oracle = spelling.named.get("oracle", "clean")
    if unknown or spelling.positional or spelling.revision or oracle not in get_args(OracleKind):
        raise BadSpelling(f"{text!r} is not a threat; expected oblivious[:oracle=clean]")
    if oracle != "clean":
        raise BadSpelling("oracle=protected is not built yet; use oracle=clean")
    return Threat(spelling.name)

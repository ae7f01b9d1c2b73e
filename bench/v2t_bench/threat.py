"""What an attacker is given: which vectors it was trained on, and whom it may ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from v2t_bench.contracts import Role, Space, Vectors, check_vectors
from v2t_bench.errors import BadParameter, BadSpelling, UnknownComponent
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


# Fewer tell no kind of map from another.
FEWEST_PAIRS = 8

ThreatName: TypeAlias = Literal[
    "oblivious", "adaptive:denoise", "adaptive:retrain", "adaptive:align"
]
OBLIVIOUS: ThreatName = "oblivious"
DENOISE: ThreatName = "adaptive:denoise"
RETRAIN: ThreatName = "adaptive:retrain"
ALIGN: ThreatName = "adaptive:align"
THREATS: tuple[ThreatName, ...] = get_args(ThreatName)

# Numbers of pairs that boards report: none, a handful, and powers of eight from 128 on.
STANDARD_PAIRS = (0, 16, 128, 1024, 8192)
WORST = "worst"
# The second is more than the dimensions of most embedders, so that a secret matrix is found;
# small collections have only the first.
WORST_PAIRS = (128, 1024)


@dataclass(frozen=True)
class Threat:
    """What the attacker knows and may do, spelled as in the columns threat, oracle and pairs.

    Args:
        name: ``oblivious``: trained on clean vectors, unaware of the defense; what it is given
            is lifted. ``adaptive:denoise``: brings released vectors back to clean ones by a
            ridge regression that it fits to public texts, which it releases itself by the
            public algorithm, and goes on as the oblivious one. ``adaptive:retrain``: trained
            on such released vectors. ``adaptive:align``: brings released vectors back by a map
            fitted to ``pairs`` true pairs of text and released vector; with none, to the cloud
            of released vectors and one of public clean vectors.
        oracle: ``clean``: asks the undefended embedder, as is realistic when the model is
            public. ``protected``: asks the owner's own service, which answers through the
            defense; what it adapts by it may ask there too.
        pairs: Of ``adaptive:align``, otherwise None.
    """

    name: ThreatName = OBLIVIOUS
    oracle: OracleKind = "clean"
    pairs: int | None = None

    def __str__(self) -> str:
        """Return the canonical spelling."""
        joint = "," if ":" in self.name else ":"
        pairs = "" if self.pairs is None else f",pairs={self.pairs}"
        return f"{self.name}{joint}oracle={self.oracle}{pairs}"

    @property
    def adaptive(self) -> bool:
        """Whether the attacker reckons with the defense."""
        return self.name != OBLIVIOUS

    @property
    def needs_public_texts(self) -> bool:
        """Whether it is fitted to texts that the attacker has."""
        return self.name == DENOISE or (self.name == ALIGN and self.pairs == 0)


def inadmissible(threat: Threat, *, keyed: bool) -> str:
    """Return why no such attacker makes sense against a defense, keyed or not; "" if it does."""
    if threat.oracle == "clean" and keyed and threat.name in (DENOISE, RETRAIN):
        return (
            "the attacker cannot release vectors as the owner does without the key; it can with "
            "oracle=protected, or align"
        )
    if threat.name == ALIGN and threat.pairs == 0 and not keyed:
        return "nothing is secret, so an attacker without pairs denoises instead of aligning"
    return ""


def standard_threats() -> tuple[str, ...]:
    """Return what ``--threat all`` stands for."""
    return (
        OBLIVIOUS, DENOISE, RETRAIN, *(f"{ALIGN},pairs={pairs}" for pairs in STANDARD_PAIRS)
    )  # fmt: skip


def worst_threats() -> tuple[str, ...]:
    """Return the attackers of whom ``--threat worst`` reports the worst for the owner."""
    return (OBLIVIOUS, DENOISE, RETRAIN, *(f"{ALIGN},pairs={pairs}" for pairs in WORST_PAIRS))


def parse_threat(text: str) -> Threat:
    """Return the threat spelled by ``text``.

    Raises:
        UnknownComponent: no such threat.
        BadSpelling: it has parameters the threat does not take.
        BadParameter: the number of pairs is missing, or is no number.
    """
    spelling = parse(text)
    how = spelling.positional[0] if spelling.positional else None
    name = spelling.name if how is None else f"{spelling.name}:{how}"
    known = next((threat for threat in THREATS if threat == name), None)
    if known is None and not (spelling.name == OBLIVIOUS and how is not None):
        raise UnknownComponent(
            f"no threat is called {name!r} (known: {', '.join(THREATS)}; also all and worst)"
        )
    takes = {"oracle", "pairs"} if known == ALIGN else {"oracle"}
    oracle = spelling.named.get("oracle", "clean")
    if (
        known is None
        or len(spelling.positional) > 1
        or set(spelling.named) - takes
        or spelling.revision
        or oracle not in get_args(OracleKind)
    ):
        form = (
            f"{name},pairs=P[,oracle=" if known == ALIGN else f"{known or spelling.name}[:oracle="
        )
        raise BadSpelling(f"{text!r} is not a threat; expected {form}clean|protected]")
    pairs = _pairs(spelling.named.get("pairs")) if known == ALIGN else None
    return Threat(known, "protected" if oracle == "protected" else "clean", pairs)


def _pairs(given: object) -> int:
    """Return the number of pairs.

    Raises:
        BadParameter: it is missing, or out of range.
    """
    text = "" if given is None else str(given)
    number = int(text) if re.fullmatch("[0-9]{1,12}", text) else -1
    if number != 0 and number < FEWEST_PAIRS:
        raise BadParameter(
            f"{ALIGN} needs pairs=P, 0 or at least {FEWEST_PAIRS}, got "
            f"{text[:20] or 'nothing'}; boards use {', '.join(map(str, STANDARD_PAIRS))}"
        )
    return number

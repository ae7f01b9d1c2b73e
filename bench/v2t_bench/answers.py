"""What was read back from vectors, beside what is known of them; as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from v2t_bench.contracts import Round
from v2t_bench.targets import Targets


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was read back from one vector.

    Args:
        number: The line of the file or the row of the vectors, counted from 1.
        recovered: The attack's answer.
        cosine: Of its clean vector with the text's clean vector, or with the given one.
        cosine_attacked: The same with the vector that was attacked; another one only where
            a defense stood between.
        text: The original as it was embedded, or None.
        cut: Whether the original was longer, or None.
        scores: Of ``text`` and ``recovered``, by the names of `per_text_scores`; or empty.
        rounds: How the answer was found, or None where that was not asked for.
    """

    number: int
    recovered: str
    cosine: float
    cosine_attacked: float
    text: str | None = None
    cut: bool | None = None
    scores: Mapping[str, float]
    rounds: tuple[Round, ...] | None = None

    def record(self) -> dict[str, Any]:
        """Return the answer as one object of the JSON that `Inversion.document` describes."""
        record: dict[str, Any] = {"number": self.number}
        if self.text is not None:
            record |= {"text": self.text, "cut": self.cut}
        record |= {
            "recovered": self.recovered,
            "cosine": round(self.cosine, 6),
            "cosine_attacked": round(self.cosine_attacked, 6),
        }
        if self.text is not None:
            record |= {name: round(self.scores[name], 6) for name in ("bleu", "token_f1")}
            record["exact"] = bool(self.scores["exact"])
        if self.rounds is not None:
            record["trace"] = [
                {"step": one.step, "text": one.text, "cosine": round(one.cosine, 6)}
                for one in self.rounds
            ]
        return record


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """The answers of one attack, and what it was.

    Args:
        embedder: Canonical.
        attack: Canonical, checkpoints by name and hash.
        max_tokens: The embedder's tokens kept of each text.
        targets: What was attacked.
        oracle_texts: Texts the attack had embedded.
        fast_oracle: Whether they were embedded in bfloat16.
        answers: One a vector, in their order.
    """

    embedder: str
    attack: str
    max_tokens: int
    targets: Targets
    oracle_texts: int
    answers: tuple[Answer, ...]
    fast_oracle: bool = False

    def document(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        ``schema_version`` 1: ``embedder``, ``attack``, ``max_tokens``, ``defense`` and
        ``defense_seed`` (null where unknown or without one), ``n_cut``, ``oracle_texts``, and
        ``answers``, a list of objects with ``number``, ``recovered``, ``cosine`` and
        ``cosine_attacked``; where texts were given also ``text``, ``cut``, ``bleu`` (0-100),
        ``token_f1`` (0-1) and ``exact``; where it was asked for also ``trace``, a list of
        ``step``, ``text`` and ``cosine``, the cosine with the vector attacked. Where attacks
        were answered in bfloat16, ``fast_oracle`` is true; otherwise it is not there.
        """
        return {
            "schema_version": 1,
            "embedder": self.embedder,
            "attack": self.attack,
            "max_tokens": self.max_tokens,
            "defense": self.targets.defense or None,
            "defense_seed": self.targets.defense_seed,
            "n_cut": sum(self.targets.cut),
            "oracle_texts": self.oracle_texts,
            **({"fast_oracle": True} if self.fast_oracle else {}),
            "answers": [answer.record() for answer in self.answers],
        }

"""The columns of the page's two tables: how they are headed, and what they are in plain words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from v2t_bench.leaderboard.columns import BLEU_NORM


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Args:
        name: As in the CSV.
        label: What stands above it.
        what: What it is, in one sentence; empty where the label says it.
        kind: text, number, flags, or answer (yes, no, open, true, false).
        digits: After the point, of numbers.
        shown: always; table (where rows of several tables are shown); or wide (on demand).
        low, high: The columns that hold its interval, which is shown beside it.
    """

    name: str
    label: str
    what: str = ""
    kind: str = "text"
    digits: int = 0
    shown: str = "wide"
    low: str = ""
    high: str = ""

    def record(self) -> dict[str, Any]:
        """Return what the page's scripts are told of it."""
        return {key: value for key, value in asdict(self).items() if value not in ("", 0)}


def _text(name: str, label: str, what: str = "", shown: str = "wide") -> Column:
    return Column(name=name, label=label, what=what, shown=shown)


def _number(name: str, label: str, digits: int, what: str = "", **more: str) -> Column:
    return Column(name=name, label=label, what=what, kind="number", digits=digits, **more)


_TABLE = (
    _text("corpus", "Collection", "What was searched and attacked.", "table"),
    _text("track", "Track", "cut: a document is its first tokens; chunks: all of it in pieces. "
          "Never compared with each other.", "table"),
    _number("max_tokens", "Tokens", 0, "The longest text that is embedded, in the embedder's own "
            "tokens.", shown="table"),
    _text("embedder", "Embedder", "What turns a text into a vector.", "table"),
)  # fmt: skip
_DEFENSE = _text("defense", "Defense", "What the owner does to vectors before they are stored.",
                 "always")  # fmt: skip
_RELEASED = (
    _number("snr_db", "Signal to noise, dB", 1, "Power of the clean vectors over the change."),
    _number("released_dim", "Released dimensions", 0),
    _number("bytes_per_vector", "Bytes a vector", 0),
)
_FLAGS = Column(name="flags", label="Flags", kind="flags", shown="always",
                what="What a reader must know before trusting the row; see below.")  # fmt: skip

FRONTIER = (
    *_TABLE,
    _DEFENSE,
    _number("ndcg_at_10", "NDCG@10", 3, "How well search ranks with the released vectors, 0 to "
            "1; mean over seeds.", shown="always", low="ndcg_lo", high="ndcg_hi"),
    _number("ndcg_kept", "Search kept", 3, "NDCG@10 as a share of what it is without a defense.",
            shown="always", low="kept_lo", high="kept_hi"),
    Column(name="search_kept", label="Kept within 2 %", kind="answer", shown="always",
           what="yes: search is as good as without the defense, within 2 %, by an equivalence "
           "test; no: it is worse by more; open: the data do not decide."),
    _number("worst_bleu_norm", "Worst-case text read", 1, "bleu_norm of the strongest attack and "
            "threat, 0 to 100, chosen on half of the texts and told on the other half.",
            shown="always", low="worst_lo", high="worst_hi"),
    _text("worst_attack", "By attack", "The strongest attack on this row.", "always"),
    _text("worst_threat", "Knowing", "What that attacker knows of the defense.", "always"),
    _number("headroom", "Headroom", 1, "What the undefended attack gets above the same attack "
            "without the vector. Below 10 the attack is too weak to rank defenses by.",
            shown="always"),
    Column(name="pareto", label="On the front", kind="answer", shown="always",
           what="Nothing else in the table keeps more search and lets less be read."),
    _FLAGS,
    _number("ndcg_p", "p, search", 4, "Paired test of NDCG@10 against no defense, Holm-adjusted."),
    _number("worst_p", "p, text", 4, "Paired test of the worst case against that without a "
            "defense, Holm-adjusted."),
    _number("ndcg_sd", "Spread of NDCG@10", 4, "Standard deviation between seeds."),
    _number("worst_sd", "Spread of worst case", 2, "Standard deviation between seeds."),
    _number("worst_of", "Chosen of", 0, "Of how many combinations of attack and threat."),
    _number("n_queries", "Queries", 0, "Judged queries that were ranked."),
    _number("n_texts", "Texts", 0, "Texts that were attacked."),
    _number("ndcg_seeds", "Seeds, search", 0),
    _number("leakage_seeds", "Seeds, text", 0),
    _text("noise_on", "Defense on", "Which side the defense changes."),
    *_RELEASED,
    _text("best", "Best in", "Columns in which this row is best, as far as its interval allows."),
    _text("fingerprint", "Fingerprint", "Start of the hash of documents, queries, judgements."),
    _text("cell_ids", "Cells", "The stored measurements behind the row."),
)  # fmt: skip

LONG = (
    *_TABLE,
    _DEFENSE,
    _text("seeds", "Seed", "Of the owner's secret; empty where the defense draws nothing.",
          "always"),
    _text("attack", "Attack", "What reads text out of vectors.", "always"),
    _text("threat", "Knowing", "What the attacker knows of the defense.", "always"),
    _number("bleu_norm", "bleu_norm", 1, "Overlap of the guess with the text as the embedder "
            "sees it, 0 to 100.", shown="always", low="bleu_norm_lo", high="bleu_norm_hi"),
    _number("bleu", "BLEU", 1, "The same with case and spacing counted.", low="bleu_lo",
            high="bleu_hi"),
    _number("token_f1", "Words, F1", 3, "F1 of the two sets of words.", shown="always"),
    _number("exact_norm", "Exact", 3, "Share of texts that were recovered to the letter, as the "
            "embedder sees letters.", shown="always"),
    _number("cos", "Cosine", 3, "Of the guess's vector with the text's.", shown="always"),
    _number("ndcg_at_10", "NDCG@10", 3, "How well search ranks with the released vectors.",
            shown="always", low="ndcg_lo", high="ndcg_hi"),
    _number("ndcg_kept", "Search kept", 3, "NDCG@10 as a share of what it is without a defense.",
            shown="always"),
    _FLAGS,
    _number("headroom", "Headroom", 1, "What the undefended attack gets above the same attack "
            "without the vector. Below 10 the attack is too weak to rank defenses by."),
    _text("oracle", "Oracle", "Whom the attacker may ask for vectors of its own texts."),
    _number("pairs", "Pairs", 0, "True pairs of text and released vector it was given."),
    _number("n_texts", "Texts", 0, "Texts that were attacked."),
    _number("n_queries", "Queries", 0, "Judged queries that were ranked."),
    _number("bleu_eff", "BLEU, effective order", 1),
    _number("bleu_corpus", "BLEU, corpus", 1),
    _number("token_precision", "Words, precision", 3),
    _number("token_recall", "Words, recall", 3),
    _number("exact", "Exact to the letter", 3),
    _number("names_first", "First names", 3, "Share of first names found in the guess."),
    _number("names_last", "Last names", 3, "Share of last names found in the guess."),
    _number("names_full", "Full names", 3, "Share of full names found in the guess."),
    _number("reid_top1", "Re-identified", 3, "Share of released vectors whose own clean vector "
            "is the nearest."),
    _number("label_from_vector", "Label from vector", 3),
    _number("label_from_text", "Label from guess", 3),
    _number("label_by_majority", "Label by majority", 3),
    _number("bleu_norm_prior", "Prior", 1, "bleu_norm of the same attack without the vector."),
    *_RELEASED,
    _text("similarity", "Compared by"),
    Column(name="ranking_kept", label="Ranks provably alike", kind="answer"),
    _number("oracle_texts", "Texts asked", 0),
    _text("adapted_by", "Adapted by"),
    _number("adapted_cosine", "Adapted cosine", 3),
    Column(name="has_adaptive", label="Adaptive attacker tried", kind="answer"),
    _number("contaminated", "Seen in training", 4, "Share of attacked texts found in what the "
            "attack was trained on."),
    _text("noise_on", "Defense on", "Which side the defense changes."),
    _text("fingerprint", "Fingerprint", "Start of the hash of documents, queries, judgements."),
    _text("cell_id", "Cell", "The stored measurement behind the row."),
    _text("plugins", "Plugins"),
)  # fmt: skip


def attack_columns(names: Iterable[str]) -> list[Column]:
    """Return a column for each of the frontier's columns that tell of one attack."""
    return [
        _number(name, name.removeprefix(BLEU_NORM), 1, "bleu_norm of one attack; mean over seeds.")
        for name in names
        if name.startswith(BLEU_NORM)
    ]

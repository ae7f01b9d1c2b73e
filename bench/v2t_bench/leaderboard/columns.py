"""The columns of frontier.csv: one row a release, one pair of columns an attack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

FrontierRow: TypeAlias = "dict[str, float | int | str | bool | None]"

# Before and after the columns of the attacks.
FRONTIER_BEFORE = (
    "corpus", "track", "fingerprint", "max_tokens", "embedder", "defense", "noise_on",
    "n_queries", "ndcg_at_10", "ndcg_lo", "ndcg_hi", "ndcg_sd", "ndcg_seeds",
    "ndcg_kept", "kept_lo", "kept_hi", "ndcg_p", "search_kept",
    "n_texts", "sample_seed", "leakage_seeds", "headroom",
)  # fmt: skip
FRONTIER_AFTER = (
    "worst_bleu_norm", "worst_lo", "worst_hi", "worst_sd", "worst_p", "worst_attack",
    "worst_threat", "worst_of", "best", "pareto",
    "snr_db", "released_dim", "bytes_per_vector", "flags", "cell_ids",
)  # fmt: skip
FRONTIER_COLUMNS = (*FRONTIER_BEFORE, *FRONTIER_AFTER)

# What releases have in common that may be compared: the collection as it was embedded, and who
# was attacked. A release that nobody attacks has the first alone.
TABLE_SETTING = ("corpus", "track", "fingerprint", "max_tokens", "embedder")
TABLE_SAMPLE = ("n_texts", "sample_seed")

BLEU_NORM = "bleu_norm "
OBLIVIOUS, ADAPTIVE = "oblivious", "adaptive"


def attack_column(attack: str, knowledge: str) -> str:
    """Return the name of the column of an attack that is ``oblivious`` or ``adaptive``."""
    return f"{BLEU_NORM}{attack} {knowledge}"


def frontier_columns(attacks: Sequence[str]) -> tuple[str, ...]:
    """Return every column of a frontier.csv with these attacks, in order."""
    own = [attack_column(attack, how) for attack in attacks for how in (OBLIVIOUS, ADAPTIVE)]
    return (*FRONTIER_BEFORE, *own, *FRONTIER_AFTER)

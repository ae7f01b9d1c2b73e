"""The rows of a run as a table for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from v2t_bench.leaderboard.rows import Row
from v2t_bench.threat import ALIGN, WORST

if TYPE_CHECKING:
    from rich.table import Table


_NUMBERS = ("NDCG@10", "kept", "BLEU", "95 %", "BLEU norm", "headroom", "token F1", "exact norm",
            "cos")  # fmt: skip


def rich_table(rows: Sequence[Row]) -> Table:
    """Return what a reader compares first; leaderboard.csv holds every column."""
    from rich.table import Table

    table = Table(header_style="bold")
    for name in ("corpus", "defense", "attack", "threat"):
        table.add_column(name, no_wrap=True)
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("flags", no_wrap=True)
    shown = _told_apart({str(row["attack"]) for row in rows})
    previous: tuple[object, ...] | None = None
    for row in rows:
        block = (row["corpus"], row["embedder"], row["defense"], row["seeds"])
        if previous is not None and block != previous:
            table.add_section()
        previous = block
        seeds = f" (seed {row['seeds']})" if row["seeds"] not in ("", "0") else ""
        table.add_row(
            str(row["corpus"]),
            f"{row['defense']}{seeds}",
            shown[str(row["attack"])],
            threat_text(row),
            _number(row["ndcg_at_10"], 3),
            _number(row["ndcg_kept"], 2),
            _number(row["bleu"], 1),
            _interval(row["bleu_lo"], row["bleu_hi"]),
            _number(row["bleu_norm"], 1),
            _number(row["headroom"], 1),
            _number(row["token_f1"], 2),
            _number(row["exact_norm"], 2),
            _number(row["cos"], 2),
            str(row["flags"]),
        )
    return table


def threat_text(row: Mapping[str, object]) -> str:
    """Return what the attacker of a row knows, its pairs and whom it asks if that is special."""
    parts = [str(row["threat"])]
    if row["threat"] in (ALIGN, WORST) and row["pairs"] is not None:
        parts.append(f"pairs={row['pairs']}")
    if row["oracle"] == "protected":
        parts.append("oracle=protected")
    return ",".join(parts)


def _told_apart(labels: Iterable[str]) -> dict[str, str]:
    """Return each label without its checkpoint, or whole where two would look the same."""
    labels = list(labels)
    counts = Counter(short_attack(label) for label in labels)
    short = {label: short_attack(label) for label in labels}
    return {label: name if counts[name] == 1 else label for label, name in short.items()}


def short_attack(label: str) -> str:
    """Return an attack's label without its checkpoint, which the CSV names."""
    label = re.sub(r'checkpoint="[^"]*",?', "", label)
    return re.sub(r"[:,](?=\]|$)", "", label)


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else ""


def _interval(low: object, high: object) -> str:
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return ""
    return f"{low:.1f} to {high:.1f}"

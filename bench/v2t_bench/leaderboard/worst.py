"""The worst attacker for the owner: chosen on one half of the texts, reported on the other.

Whoever reports the best of many attacks on the texts it was chosen by reports luck as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.canonical import order_by_hash
from v2t_bench.leaderboard.rows import MIN_HEADROOM, Row, sample_of, setting_of
from v2t_bench.release import UNDEFENDED
from v2t_bench.results import Result
from v2t_bench.samples import stored_scores
from v2t_bench.scorecard import leakage_scores
from v2t_bench.threat import WORST

if TYPE_CHECKING:
    import pyarrow as pa

Samples = Callable[[str], "pa.Table"]

# Attacked texts without which half of them chooses by chance; below them there is no such row.
FEWEST = 8


def worst_rows(rows: Iterable[Row], results: Iterable[Result], samples: Samples) -> list[Row]:
    """Return a row for each release that an adaptive attacker has tried, and the undefended one.

    It is the row of the attack and threat with the highest mean bleu_norm on one half of the
    attacked texts, with the scores of the other half. Attacks are compared where they were
    given the same release of the same texts.

    Below 8 attacked texts there is none: half of them would choose by chance.

    Args:
        rows: One a leakage cell.
        results: The cells.
        samples: From a cell's id to its table of samples.
    """
    by_id = {result.cell_id: result for result in results}
    groups: dict[tuple[Any, Any, Any], list[Row]] = {}
    for row in rows:
        result = by_id[str(row["cell_id"])]
        if result.kind == "leakage":
            *collection, defense = (*sample_of(result), *setting_of(result))
            key = (tuple(collection), defense, result.labels["seeds"])
            groups.setdefault(key, []).append(row)
    tried = {collection for (collection, *_), group in groups.items() if any(map(_adapts, group))}
    return [
        _worst(group, samples)
        for (collection, defense, _), group in groups.items()
        if collection in tried
        and (any(map(_adapts, group)) or defense == UNDEFENDED)
        and min(int(row["n_texts"] or 0) for row in group) >= FEWEST
    ]


def _adapts(row: Row) -> bool:
    return str(row["threat"]).startswith("adaptive")


def _worst(group: Sequence[Row], samples: Samples) -> Row:
    tables = [samples(str(row["cell_id"])) for row in group]
    ids = tables[0].column("id").to_pylist()
    choosing = first_half(ids)
    means = [float(np.mean(table.column("bleu_norm").to_numpy()[choosing])) for table in tables]
    best = max(range(len(group)), key=lambda at: (means[at], str(group[at]["attack"])))
    row, table = dict(group[best]), tables[best]
    scores = {name: values[~choosing] for name, values in stored_scores(table).items()}
    documents = table.column("document").to_pylist()
    kept = [own for own, chosen in zip(documents, choosing, strict=True) if not chosen]
    for name, measured in leakage_scores(scores, clusters=kept).items():
        if name in row:
            row[name] = measured.value
        if name in ("bleu", "bleu_norm"):
            row[f"{name}_lo"], row[f"{name}_hi"] = measured.low, measured.high
    row["bleu_corpus"] = None  # of all texts, and no mean over them
    row["n_texts"] = int((~choosing).sum())
    flags = {*str(row["flags"]).split(), f"worst-of:{len(group)}", f"by:{row['threat']}"}
    # A floor has no headroom of its own: what it may be read as depends on who else tried.
    if max((float(one["headroom"] or 0) for one in group), default=0.0) < MIN_HEADROOM:
        flags.add("weak-attack")
    row["flags"], row["threat"] = " ".join(sorted(flags)), WORST
    return row


def first_half(ids: Sequence[str]) -> NDArray[np.bool_]:
    """Return which texts the attack is chosen by, (n,): only their ids decide."""
    chosen = np.zeros(len(ids), bool)
    chosen[order_by_hash(ids, "worst")[: len(ids) // 2]] = True
    return chosen

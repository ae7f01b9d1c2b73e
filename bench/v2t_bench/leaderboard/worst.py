"""The worst attacker for the owner: chosen on one half of the texts, reported on the other.

Whoever reports the best of many attacks on the texts it was chosen by reports luck as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.leaderboard.rows import Row
from v2t_bench.results import Result
from v2t_bench.scorecard import leakage_scores
from v2t_bench.threat import WORST

if TYPE_CHECKING:
    import pyarrow as pa

Samples = Callable[[str], "pa.Table"]

# Attacked texts without which half of them chooses by chance; below them there is no such row.
FEWEST = 8

# Columns of a row that are not of the half that is reported.
_OF_ALL = ("bleu_corpus",)
_NOT_SCORES = ("id", "document", "text_sha256", "text", "guess", "first", "last", "label")


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
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        result = by_id[str(row["cell_id"])]
        if result.kind == "leakage":
            groups.setdefault(_attacked(result), []).append(row)
    tried = {_collection(key) for key, group in groups.items() if any(map(_adapts, group))}
    return [
        _worst(group, samples)
        for key, group in groups.items()
        if _collection(key) in tried
        and (any(map(_adapts, group)) or group[0]["noise_on"] == "")
        and min(int(row["n_texts"] or 0) for row in group) >= FEWEST
    ]


def _attacked(result: Result) -> tuple[Any, ...]:
    """Return what rows have in common whose attackers met the same release of the same texts."""
    labels, identity = result.labels, result.identity
    sample = tuple(identity.get(key) for key in ("n_texts", "sample_seed", "limit"))
    names = ("corpus", "fingerprint", "track", "max_tokens", "embedder")
    setting = tuple(labels[name] for name in names)
    return (*setting, sample, labels["defense"], labels["seeds"])


def _collection(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the part of a key that does not tell the defense."""
    return key[:-2]


def _adapts(row: Row) -> bool:
    return str(row["threat"]).startswith("adaptive")


def _worst(group: Sequence[Row], samples: Samples) -> Row:
    tables = [samples(str(row["cell_id"])) for row in group]
    ids = tables[0].column("id").to_pylist()
    choosing = _first_half(ids)
    means = [float(np.mean(table.column("bleu_norm").to_numpy()[choosing])) for table in tables]
    best = max(range(len(group)), key=lambda at: (means[at], str(group[at]["attack"])))
    row, table = dict(group[best]), tables[best]
    columns = [name for name in table.column_names if name not in _NOT_SCORES]
    scores = {name: _floats(table.column(name).to_pylist())[~choosing] for name in columns}
    documents = table.column("document").to_pylist()
    kept = [own for own, chosen in zip(documents, choosing, strict=True) if not chosen]
    for name, measured in leakage_scores(scores, clusters=kept).items():
        if name in row:
            row[name] = measured.value
        if name in ("bleu", "bleu_norm"):
            row[f"{name}_lo"], row[f"{name}_hi"] = measured.low, measured.high
    for name in _OF_ALL:
        row[name] = None
    row["n_texts"] = int((~choosing).sum())
    flags = [*str(row["flags"]).split(), f"worst-of:{len(group)}", f"by:{row['threat']}"]
    row["flags"], row["threat"] = " ".join(sorted(flags)), WORST
    return row


def _first_half(ids: Sequence[str]) -> NDArray[np.bool_]:
    """Return which texts the attack is chosen by, (n,): only their ids decide."""
    digests = [hashlib.sha256(f"worst {own}".encode("utf-8", "surrogatepass")) for own in ids]
    order = sorted(range(len(ids)), key=lambda row: digests[row].digest())
    chosen = np.zeros(len(ids), bool)
    chosen[order[: len(ids) // 2]] = True
    return chosen


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)

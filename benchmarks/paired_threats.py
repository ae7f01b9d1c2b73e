"""Print what knowing the defense gained an attack, text by text, from stored cells.

    python -m benchmarks.paired_threats RESULTS_FOLDER...

For each defense and attack the difference of bleu_norm between an adaptive attacker and the
oblivious one on the same texts, with its 95 % interval (paired bootstrap).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

from v2t_bench.errors import V2TError
from v2t_bench.results import Result
from v2t_bench.samples import SAMPLES
from v2t_bench.scoring.intervals import paired_difference
from v2t_bench.store import Store, check_results_folder

SAME = ("corpus", "fingerprint", "embedder", "max_tokens", "defense", "seeds")


def contests(store: Store) -> dict[tuple[Any, ...], list[Result]]:
    """Return the cells of one attack on one release of the same texts, together."""
    found: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in store.results():
        if result.kind == "leakage" and result.labels["oracle"] == "clean":
            name = str(result.labels["attack"]).partition(":")[0]
            sample = (result.identity["n_texts"], result.identity["sample_seed"])
            found[*(result.labels[key] for key in SAME), *sample, name].append(result)
    return found


def lines(store: Store) -> list[str]:
    """Return a line of a table for each adaptive attacker beside whom stands an oblivious one."""
    rows = []
    for key, results in sorted(contests(store).items(), key=lambda item: str(item[0])):
        plain = [result for result in results if result.labels["threat"] == "oblivious"]
        for result in results:
            if result.labels["threat"] == "oblivious" or not plain:
                continue
            after, before = (store.table(one.cell_id, SAMPLES) for one in (result, plain[0]))
            if after.column("id") != before.column("id"):
                continue
            gained = paired_difference(
                after.column("bleu_norm").to_numpy(), before.column("bleu_norm").to_numpy(), seed=0
            )
            mean = result.scores["bleu_norm"].value, plain[0].scores["bleu_norm"].value
            pairs = "" if result.labels["pairs"] is None else f", P={result.labels['pairs']}"
            between = "" if gained.low is None else f"[{gained.low:.2f}, {gained.high:.2f}]"
            rows.append(
                f"| {key[0]} | `{key[4]}` | {key[-1]} | {result.labels['threat']}{pairs} "
                f"| {gained.n} | {(mean[0] or 0) - (mean[1] or 0):+.2f} {between} |"
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    print(
        "| corpus | defense | attack | threat | n | bleu_norm gained |\n|---|---|---|---|---|---|"
    )
    for folder in parser.parse_args().folders:
        try:
            check_results_folder(folder)
            print(*lines(Store(folder)), sep="\n")
        except V2TError as error:
            parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()

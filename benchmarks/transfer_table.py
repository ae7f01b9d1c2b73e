"""Print rows of transfers as Markdown: how well the vectors are aligned, and what is read of them.

    python benchmarks/transfer_table.py STUDIES/transfer.csv STUDIES/transfer-checkpoints

Rows come from the CSV, alignment from the records (``checkpoint.json``) of the aligners in the
subfolders of the second argument; nothing else of a checkpoint is opened. A row whose aligner is
not there is refused. In parentheses: the vectors left as they are (``identity``; n/a across
unequal dimensions), and compared with another text's target (``shuffled``).
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from v2t_bench.checkpoints import RECORD, CheckpointRecord, checkpoint_in
from v2t_bench.leaderboard.table import short_attack
from v2t_bench.spelling import Spelling, parse

Row: TypeAlias = dict[str, str]

COLUMNS = ("attack", "pairs", "cosine (identity, shuffled)", "top-1", "mean rank", "bleu_norm",
           "prior", "token F1", "target texts")  # fmt: skip
# What rows of one table have in common.
SETTING = ("corpus", "max_tokens", "embedder", "defense", "n_texts")
MEASURES = (("cosine", 3), ("top1", 4), ("rank", 0))
CONTROLS = ("identity", "shuffled")


def facts_in(folders: Sequence[Path]) -> dict[str, Mapping[str, Any]]:
    """Return what each aligner in the subfolders measured, by its identity in the CSV."""
    return {
        checkpoint_in(record.parent).identity: CheckpointRecord.model_validate_json(
            record.read_bytes()
        ).facts
        for folder in folders
        for record in sorted(folder.glob(f"*/{RECORD}"))
    }


def aligner_in(attack: Spelling) -> Spelling | None:
    """Return the aligner that ``attack`` is or holds, if there is one."""
    if attack.name == "aligner":
        return attack
    nested = (aligner_in(value) for value in attack.named.values() if isinstance(value, Spelling))
    return next(filter(None, nested), None)


def shown(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:,.{digits}f}"


def number(row: Row, name: str, digits: int) -> str:
    return f"{float(row[name]):.{digits}f}" if row[name] else ""


def aligned(facts: Mapping[str, Any] | None) -> list[str]:
    """Return the cells of the alignment, each with its controls; empty without an aligner."""
    if facts is None:
        return [""] * len(MEASURES)
    return [
        f"{shown(facts[name], digits)} "
        f"({', '.join(shown(facts[f'{control}_{name}'], digits) for control in CONTROLS)})"
        for name, digits in MEASURES
    ]


def cells(row: Row, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    attack = parse(row["attack"])
    aligner = aligner_in(attack)
    facts = None if aligner is None else known.get(str(aligner.named["checkpoint"]))
    if aligner is not None and facts is None:
        sys.exit(
            f"no record of {aligner.named['checkpoint']} is in the folders given; name the folder "
            "whose subfolders are the aligners that these rows were made with"
        )
    interval = f" [{number(row, 'bleu_norm_lo', 1)}, {number(row, 'bleu_norm_hi', 1)}]"
    return [
        f"`{called(attack)}`",
        row["pairs"],
        *aligned(facts),
        number(row, "bleu_norm", 1) + (interval if row["bleu_norm_lo"] else ""),
        number(row, "bleu_norm_prior", 1),
        number(row, "token_f1", 3),
        "" if facts is None else f"{facts['target_texts']:,}",
    ]


def called(attack: Spelling) -> str:
    """Return the method of an aligner, and another attack without its checkpoint."""
    aligner = aligner_in(attack)
    if aligner is None:
        return short_attack(str(attack))
    method = f"{aligner.name}:{aligner.named['method']}"
    return method if aligner is attack else f"{attack.name}:[{method}]"


def place(row: Row) -> tuple[bool, bool, str, int]:
    attack = parse(row["attack"])
    aligner = aligner_in(attack)
    return aligner is not None, aligner is not attack, called(attack), int(row["pairs"] or 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("folders", nargs="+", type=Path)
    given = parser.parse_args()
    known = facts_in(given.folders)
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    with given.file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            # What an attack gets without the vector stands beside it, as its prior.
            if not row["attack"].startswith("prior:"):
                groups[tuple(row[name] for name in SETTING)].append(row)
    for setting, rows in groups.items():
        lined = [COLUMNS, ["---"] * len(COLUMNS)]
        lined += [cells(row, known) for row in sorted(rows, key=place)]
        drawn = ["| " + " | ".join(line) + " |" for line in lined]
        print(f"\n{', '.join(setting)} texts\n", *drawn, sep="\n")


if __name__ == "__main__":
    main()

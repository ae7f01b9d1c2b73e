"""Print leaderboard rows as Markdown: a table for all that have their setting in common.

    python benchmarks/board_tables.py leaderboards/studies/wiki-heldout.csv

Of an attack's parameters a row shows its steps, and what most of its rows do not say. Intervals
are 95 %; a column that no row of a table fills is left out.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from v2t_bench.spelling import Spelling, parse

Row: TypeAlias = dict[str, str]

COLUMNS = ("attack", "bleu", "bleu_norm", "token F1", "exact_norm", "cosine", "names", "headroom",
           "texts asked")  # fmt: skip
# What rows of one table have in common.
SETTING = ("corpus", "track", "max_tokens", "embedder", "threat", "defense", "n_texts")


def usual_values(attacks: Sequence[Spelling]) -> dict[tuple[str, str], str]:
    """Return what most rows of an attack say of a parameter, by its name and the parameter's."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    rows = Counter(each.name for each in attacks)
    for each in attacks:
        for key, value in each.named.items():
            counts[each.name, key][str(value)] += 1
    for (name, _), counted in counts.items():
        counted[""] = rows[name] - counted.total()
    return {key: counted.most_common(1)[0][0] for key, counted in counts.items()}


def label(attack: Spelling, usual: dict[tuple[str, str], str]) -> str:
    told = [
        f"{key}={value}"
        for key, value in sorted(attack.named.items(), reverse=True)
        # A folder's name says nothing here.
        if key == "steps" or (key != "checkpoint" and str(value) != usual[attack.name, key])
    ]
    return f"`{attack.name}:{','.join(told)}`" if told else f"`{attack.name}`"


def number(row: Row, name: str, digits: int) -> str:
    return f"{float(row[name]):.{digits}f}" if row[name] else ""


def interval(row: Row, name: str) -> str:
    low, high = number(row, f"{name}_lo", 1), number(row, f"{name}_hi", 1)
    return number(row, name, 1) + (f" [{low}, {high}]" if low else "")


def cells(row: Row, called: str) -> list[str]:
    asked = int(row["oracle_texts"]) / int(row["n_texts"]) if row["oracle_texts"] else 0
    return [
        called,
        interval(row, "bleu"),
        interval(row, "bleu_norm"),
        number(row, "token_f1", 3),
        number(row, "exact_norm", 3),
        number(row, "cos", 3),
        number(row, "names_full", 2),
        number(row, "headroom", 1),
        f"{asked:.0f}" if asked else "",
    ]


def place(attack: Spelling) -> tuple[str, int, int, str]:
    steps, beam = (int(str(attack.named.get(key, 0))) for key in ("steps", "beam"))
    return attack.name, beam, steps, str(attack)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table of some rows."""
    attacks = [parse(row["attack"]) for row in rows]
    usual = usual_values(attacks)
    pairs = sorted(zip(attacks, rows, strict=True), key=lambda pair: place(pair[0]))
    lines = [cells(row, label(attack, usual)) for attack, row in pairs]
    used = [column for column in range(len(COLUMNS)) if any(line[column] for line in lines)]
    drawn = [[COLUMNS[column] for column in used], ["---"] * len(used)]
    drawn += [[line[column] for column in used] for line in lines]
    return ["| " + " | ".join(line) + " |" for line in drawn]


def print_tables(path: Path) -> None:
    """Print the tables of one board."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            # What an attack gets without the vector is what its headroom is counted from.
            if not row["attack"].startswith("prior:"):
                groups[tuple(row[name] for name in SETTING)].append(row)
    for setting, rows in groups.items():
        told = f"{', '.join(setting)} texts"
        if kept := number(rows[0], "ndcg_kept", 3):
            told += f", {kept} of NDCG@10 kept"
        print(f"\n{told}\n", *table(rows), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    for path in parser.parse_args().files:
        try:
            print_tables(path)
        except (OSError, UnicodeDecodeError) as error:
            parser.exit(2, f"error: {path} cannot be read ({error})\n")
        except KeyError as error:
            parser.exit(2, f"error: {path} is no leaderboard: it has no column {error}\n")


if __name__ == "__main__":
    main()

"""Print what a board says of each collection on either track, as Markdown.

    python benchmarks/track_tables.py leaderboards/studies/tracks.csv

One table a defense: NDCG@10 and bleu_norm of every attack, 95 % intervals in brackets.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from v2t_bench.spelling import parse

Row: TypeAlias = dict[str, str]

LEFT_OUT = ("prior", "silent")


def interval(row: Row, name: str, digits: int) -> str:
    # Of NDCG@10 the score is spelled longer than its ends.
    stem = name.removesuffix("_at_10")
    value, low, high = (
        f"{float(row[key]):.{digits}f}" if row[key] else ""
        for key in (name, f"{stem}_lo", f"{stem}_hi")
    )
    return f"{value} [{low}, {high}]" if low else value


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table of one defense."""
    by_collection: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    attacks: dict[str, None] = {}
    for row in rows:
        name = parse(row["attack"]).name
        if name not in LEFT_OUT:
            by_collection[row["corpus"], row["track"]][name] = row
            attacks[name] = None
    heads = ["corpus", "track", "queries", "NDCG@10", "kept", *(f"`{name}`" for name in attacks)]
    lines = [heads, ["---"] * len(heads)]
    for (corpus, track), found in sorted(by_collection.items()):
        first = next(iter(found.values()))
        flags = first["flags"].split()
        told = " *" if "known-item" in flags else ""
        kept = f"{float(first['ndcg_kept']):.3f}" if first["ndcg_kept"] else ""
        read = [interval(found[name], "bleu_norm", 1) if name in found else "" for name in attacks]
        line = [
            f"{corpus}{told}",
            track,
            first["n_queries"],
            interval(first, "ndcg_at_10", 3),
            kept,
        ]
        lines.append([*line, *read])
    return ["| " + " | ".join(line) + " |" for line in lines]


def print_tables(path: Path) -> None:
    """Print the tables of one board."""
    groups: dict[str, list[Row]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            groups[row["defense"]].append(row)
    for defense, rows in groups.items():
        print(f"\n{defense}\n", *table(rows), sep="\n")
    print("\n\\* known items: the second piece of a document must find its first.")


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

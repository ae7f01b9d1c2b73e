"""Write leaderboards/reproduction.csv and the tables of leaderboards/REPRODUCTION.md.

    python -m benchmarks.reproduction
    python -m benchmarks.reproduction --check

Published numbers are those of leaderboards/published.toml, ours those of the boards, found by
what leaderboards/reproduction.toml says. What stands between two markers of REPRODUCTION.md is
written here, all else by hand. ``--check`` writes nothing and fails where a file differs.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bleu_by_cosine import Bin, bins_of, stored_cells
from benchmarks.our_rows import Boards, read_beside
from benchmarks.published import read_published
from benchmarks.side_by_side import (
    COLUMNS,
    FIGURE_5,
    Record,
    absence_records,
    bin_records,
    pairs_of,
    records_of,
)
from benchmarks.side_by_side_tables import absent_text, bins_text, table_text

from v2t_bench.canonical import write_atomically
from v2t_bench.errors import BadInput, V2TError

CSV, PAGE = "reproduction.csv", "REPRODUCTION.md"
PUBLISHED, BESIDES = "published.toml", "reproduction.toml"
_MARKED = re.compile(r"<!-- (?P<name>[\w-]+) -->\n.*?<!-- end -->\n", re.DOTALL)
# Of the cells that Figure 5 is laid beside.
_BY_COSINE = "vec2text:search=parity,steps=20"
_WIKI = {"corpus": "beir:wiki-heldout", "n_texts": "100"}
# Longer texts are attacked only by a checkpoint that is named.
_TRAINED_ON, _NAMED = 32, "checkpoint=minilm-wiki-32"


def csv_text(records: Sequence[Record]) -> str:
    """Return the records as a CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def filled(page: str, texts: dict[str, str]) -> str:
    """Return the page with new text between its markers.

    Raises:
        BadInput: a marker has no text, or a text no marker.
    """
    there = [match["name"] for match in _MARKED.finditer(page)]
    if sorted(there) != sorted(texts):
        odd = ", ".join(sorted(set(there) ^ set(texts)) or there)
        raise BadInput(f"{PAGE}: markers and tables are not the same ones ({odd})")

    def marked(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- {name} -->\n\n{texts[name].strip()}\n\n<!-- end -->\n"

    return _MARKED.sub(marked, page)


def stored_bins(boards: Boards) -> tuple[list[Bin], dict[str, str]]:
    """Return BLEU by cosine of the stored cells of our rows, and the command of each cell."""
    bins: list[Bin] = []
    commands: dict[str, str] = {}
    with stored_cells(boards.folder / "results") as stored:
        for length in (16, 32, 64, 128) if stored else ():
            columns = {**_WIKI, "max_tokens": str(length)}
            found = boards.find("*.csv", _BY_COSINE, columns)
            if stored is None or found is None or found.row["cell_id"] not in stored.places:
                continue
            cell_id = found.row["cell_id"]
            commands[cell_id] = _command_of_length(length)
            bins += bins_of(stored, cell_id)
    return bins, commands


def _command_of_length(length: int) -> str:
    floor, attack = "", _BY_COSINE
    if length > _TRAINED_ON:
        floor, attack = "--attack nearest:checkpoint=trained/nearest ", f"{attack},{_NAMED}"
    return (
        "v2t-bench run --checkpoints trained --dataset beir:./wiki-heldout --n-texts 100 "
        f"-o reproduction --max-tokens {length} {floor}--attack {attack}"
    )


def files(folder: Path) -> dict[str, str]:
    """Return what the CSV and the page below ``folder`` are to hold, by file name.

    Raises:
        BadInput: something cannot be read, or does not fit together.
    """
    tables, absent = read_published(folder / PUBLISHED)
    besides, boards = read_beside(folder / BESIDES), Boards(folder=folder)
    known = {(table.id, row) for table in tables for row in table.rows}
    for beside in besides:
        for row in beside.rows:
            if not any((table, row) in known for table in beside.tables):
                raise BadInput(f"{BESIDES}: no table of {beside.tables} has a row {row!r}")
    bins, commands = stored_bins(boards)
    records: list[Record] = []
    texts = {FIGURE_5: bins_text(bins), "absent": absent_text(absent)}
    for table in tables:
        pairs = pairs_of(table, besides, boards)
        records += records_of(table, pairs)
        texts[table.id] = table_text(table, pairs)
    records += [*bin_records(bins, commands), *absence_records(absent)]
    page = (folder / PAGE).read_text(encoding="utf-8")
    return {CSV: csv_text(records), PAGE: filled(page, texts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", type=Path, default=Path("leaderboards"))
    parser.add_argument("--check", action="store_true", help="Write nothing; fail on differences.")
    given = parser.parse_args()
    try:
        differ = []
        for name, text in files(given.folder).items():
            path = given.folder / name
            if not path.exists() or path.read_bytes() != text.encode():
                differ.append(str(path))
                if not given.check:
                    write_atomically(path, text)
    except (V2TError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    for path in differ:
        print(f"{path} {'is not what the boards say' if given.check else 'is written'}")
    if given.check and differ:
        parser.exit(1, "run: python -m benchmarks.reproduction\n")


if __name__ == "__main__":
    main()

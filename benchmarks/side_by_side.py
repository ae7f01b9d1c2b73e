"""Published numbers joined with ours: one record a number and row of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.bleu_by_cosine import Bin
from benchmarks.our_rows import Beside, Boards, Found
from benchmarks.published import Absence, PublishedTable

Record: TypeAlias = dict[str, str]

COLUMNS = (
    "table", "source", "where", "row", "column", "published", "unit", "tag", "disputed", "status",
    "variant", "ours", "ours_lo", "ours_hi", "ours_of_published", "n_texts", "file", "cell_id",
    "command", "hub_command", "differs",
)  # fmt: skip

# What a published column is called on our boards.
OUR_COLUMNS = {
    "bleu": "bleu",
    "tf1": "token_f1",
    "exact": "exact",
    "cos": "cos",
    "first": "names_first",
    "last": "names_last",
    "full": "names_full",
    "ndcg_at_10": "ndcg_at_10",
}
BESIDE, NO_LIKE, NOT_YET = "beside", "none of the like", "not measured"
FIGURE_5 = "f5"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A published row with a row of ours.

    Args:
        beside: Where it was said that they belong together.
        row: Name of the published row.
        found: Our row; None: it has not been measured.
    """

    beside: Beside
    row: str
    found: Found | None


def pairs_of(table: PublishedTable, besides: Sequence[Beside], boards: Boards) -> list[Pair]:
    """Return the rows of ours beside those of a table, in the table's order."""
    return [
        Pair(beside=beside, row=row, found=beside.found(boards, table.id, row))
        for row in table.rows
        for beside in besides
        if table.id in beside.tables and row in beside.rows
    ]


def our_column(beside: Beside, column: str) -> str:
    """Return what a published column is called on our boards; empty: we have none."""
    return beside.columns.get(column, "" if beside.columns else OUR_COLUMNS.get(column, ""))


def our_number(found: Found, name: str, unit: str) -> str:
    """Return one of our numbers in the published unit, empty where the board has none."""
    text = found.row.get(name, "")
    if not text:
        return ""
    return f"{100 * float(text):.4f}" if unit == "%" else text


def command_of(beside: Beside, table: str, rows: Sequence[str]) -> str:
    """Return the command that measures our rows beside some published ones, which differ in
    attack and defense alone.
    """
    said = [beside.said(table, row) for row in rows]
    attacks = [each["attack"] for each in said]
    if beside.named:
        attacks = [_with(attack, beside.named) for attack in attacks]
    defenses = [each["defense"] for each in said if each.get("defense", "none") != "none"]
    command = beside.command
    for option, values in {"attack": attacks, "defense": defenses}.items():
        told = " ".join(f"--{option} {shlex.quote(each)}" for each in dict.fromkeys(values))
        command = command.replace(f"--{option} {{{option}}}", told)
    command = command.replace("{row}", said[0]["place"])
    command = command.replace("{embedder}", said[0].get("spelled", "minilm"))
    command = command.replace("{max_tokens}", said[0].get("max_tokens", ""))
    return re.sub(" +", " ", command).strip()


def _with(attack: str, parameter: str) -> str:
    return f"{attack}{',' if ':' in attack else ':'}{parameter}"


def records_of(table: PublishedTable, pairs: Sequence[Pair]) -> Iterator[Record]:
    """Yield the records of a table: each published number, with each row of ours beside it."""
    for row, values in table.rows.items():
        beside = [pair for pair in pairs if pair.row == row]
        for column, unit, value in zip(table.columns, table.units, values, strict=True):
            if not value:
                continue
            record = {
                "table": table.id,
                "source": table.source,
                "where": table.where,
                "row": row,
                "column": column,
                "published": value,
                "unit": unit,
                "tag": table.tag,
                "disputed": table.disputed.get((row, column), ""),
                "hub_command": table.hub_command(row),
            }
            ours = [pair for pair in beside if our_column(pair.beside, column)]
            if not ours:
                yield record | {"status": NO_LIKE}
            for pair in ours:
                yield record | _ours(table, pair, column, unit, value)


def _ours(table: PublishedTable, pair: Pair, column: str, unit: str, value: str) -> Record:
    name = our_column(pair.beside, column)
    told = {
        "variant": pair.beside.variant,
        "command": command_of(pair.beside, table.id, [pair.row]),
        "differs": pair.beside.differs,
    }
    number = our_number(pair.found, name, unit) if pair.found else ""
    if pair.found is None or not number:
        return told | {"status": NOT_YET}
    told |= {
        "status": BESIDE,
        "ours": number,
        "n_texts": pair.found.row["n_texts"],
        "file": pair.found.file,
        "cell_id": pair.found.row["cell_id"],
    }
    if name in ("bleu", "ndcg_at_10"):
        ends = "ndcg" if name == "ndcg_at_10" else name
        told["ours_lo"] = pair.found.row.get(f"{ends}_lo", "")
        told["ours_hi"] = pair.found.row.get(f"{ends}_hi", "")
    told["ours_of_published"] = share_of_published(pair.found, name, number, value)
    return told


def share_of_published(found: Found, name: str, number: str, value: str) -> str:
    """Return our BLEU over the published one; empty for other numbers and other attacks.

    A ratio of cosines says nothing, nor does one of words in no order, nor one of what noise has
    left.
    """
    alike = found.row["attack"].startswith(("vec2text", "aligner"))
    alike &= found.row["defense"] == "none"
    if name != "bleu" or not alike or float(value) <= 0:
        return ""
    return f"{float(number) / float(value):.3f}"


def absence_records(absent: Sequence[Absence]) -> Iterator[Record]:
    """Yield a record of what is not here."""
    for each in absent:
        yield {
            "source": each.source,
            "where": each.where,
            "row": each.what,
            "status": each.status,
            "differs": each.why,
        }


def bin_records(bins: Sequence[Bin], command: Mapping[str, str]) -> Iterator[Record]:
    """Yield our means of BLEU by cosine; ``command`` has that of each cell."""
    for each in bins:
        yield {
            "table": FIGURE_5,
            "source": "Morris et al. 2023",
            "where": "Figure 5",
            "row": f"{each.max_tokens} tokens, {each.name}",
            "column": "bleu",
            "unit": "0-100",
            "status": BESIDE if each.bleu is not None else NO_LIKE,
            "variant": "ours, their search",
            "ours": "" if each.bleu is None else f"{each.bleu:.6f}",
            "n_texts": str(each.n),
            "file": "results",
            "cell_id": each.cell_id,
            "command": command[each.cell_id],
        }

"""Published tables in Markdown, with ours under each row and the commands folded below."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.bleu_by_cosine import Bin
from benchmarks.our_rows import Beside
from benchmarks.published import Absence, PublishedTable
from benchmarks.side_by_side import Pair, command_of, our_column, our_number, share_of_published

_HEADS = {"bleu": "BLEU", "tf1": "token F1", "cos": "cosine", "ndcg_at_10": "NDCG@10",
          "bleu_sem": "± SEM", "rouge_l": "ROUGE-L", "bleu_4": "BLEU-4"}  # fmt: skip
# What two of our commands may differ in, and what says it; attacks and defenses are joined.
_APART = {"{row}": "place", "{embedder}": "spelled", "{max_tokens}": "max_tokens"}
_DIGITS = {"bleu": 1, "tf1": 1, "exact": 1, "cos": 2, "first": 1, "last": 1, "full": 1}


def table_text(table: PublishedTable, pairs: Sequence[Pair]) -> str:
    """Return the Markdown of a published table with ours under each row, and the commands."""
    measured = [pair for pair in pairs if pair.found is not None]
    shares = shares_of(table, measured) if "bleu" in table.columns else {}
    share = f"BLEU, {table.relative} = 1" if table.relative else "ours of theirs"
    shown = bool(table.relative or measured) and "bleu" in table.columns
    heads = [_HEADS.get(column, column) + _scale(table, column) for column in table.columns]
    lines = [["", *["whose"] * bool(measured), *heads, *[share] * shown]]
    lines[0] += ["n", "cell"] * bool(measured)
    lines.append(["---"] * len(lines[0]))
    for row, values in table.rows.items():
        told = [_printed(table, row, *each) for each in zip(table.columns, values, strict=True)]
        line = [row, *["published"] * bool(measured), *told, *[shares.get((row, ""), "")] * shown]
        lines.append(line + ["", ""] * bool(measured))
        for pair in measured:
            if pair.row == row:
                numbers, n = _our_numbers(table, pair)
                ratio = [shares.get((row, pair.beside.variant), "")] * shown
                lines.append(["", pair.beside.variant, *numbers, *ratio, n, _link(pair)])
    drawn = ["| " + " | ".join(line) + " |" for line in lines]
    told = [_caption(table), "", *drawn, "", *_differences(measured), *_commands(table, pairs)]
    return "\n".join(told)


def shares_of(table: PublishedTable, measured: Sequence[Pair]) -> dict[tuple[str, str], str]:
    """Return BLEU as a share, by row and by whose it is ("": theirs).

    Where the table names a row, of the same one's BLEU there; else ours of theirs.
    """
    place = table.columns.index("bleu")
    theirs = {row: float(values[place] or 0) for row, values in table.rows.items()}
    ours = {
        (pair.row, pair.beside.variant): float(pair.found.row["bleu"] or 0)
        for pair in measured
        if pair.found is not None
    }
    if not table.relative:
        return {
            (pair.row, pair.beside.variant): share_of_published(
                pair.found, "bleu", pair.found.row["bleu"], str(theirs[pair.row])
            )
            for pair in measured
            if pair.found is not None
        }
    shares = {}
    for (row, whose), bleu in {**{(row, ""): b for row, b in theirs.items()}, **ours}.items():
        whole = theirs[table.relative] if not whose else ours.get((table.relative, whose), 0)
        if whole and bleu:
            shares[row, whose] = f"{bleu / whole:.2f}"
    return shares


def _caption(table: PublishedTable) -> str:
    told = f"{table.source}, {table.where}: {table.title}. Tag: {table.tag}."
    if table.disputed:
        told += " In brackets what a machine-read copy has."
    return told


def _scale(table: PublishedTable, column: str) -> str:
    unit = dict(zip(table.columns, table.units, strict=True))[column]
    return ", %" if unit == "%" else ""


def _printed(table: PublishedTable, row: str, column: str, value: str) -> str:
    other = table.disputed.get((row, column))
    return f"{value} ({other})" if other else value


def _link(pair: Pair) -> str:
    found = pair.found
    return f"[{found.row['cell_id'][3:11]}]({found.file})" if found else ""


def _our_numbers(table: PublishedTable, pair: Pair) -> tuple[list[str], str]:
    """Return ours under the published columns, and of how many texts or queries they are."""
    assert pair.found is not None
    told, names = [], set()
    row = pair.found.row
    for column, unit in zip(table.columns, table.units, strict=True):
        name = our_column(pair.beside, column)
        number = our_number(pair.found, name, unit) if name else ""
        if not number:
            told.append("")
            continue
        names.add(name)
        digits = 3 if unit == "0-1" else _DIGITS.get(column, 3)
        shown = f"{float(number):.{digits}f}"
        if name == "bleu" and row.get("bleu_lo"):
            shown += f" [{float(row['bleu_lo']):.1f}, {float(row['bleu_hi']):.1f}]"
        told.append(shown)
    return told, row["n_queries"] if names == {"ndcg_at_10"} else row["n_texts"]


def _differences(measured: Sequence[Pair]) -> list[str]:
    differs = {pair.beside.variant: pair.beside.differs for pair in measured}
    return [f"- *{variant}*: {text}." for variant, text in differs.items()] + [""] * bool(differs)


def _commands(table: PublishedTable, pairs: Sequence[Pair]) -> list[str]:
    """Return what measures ours, and what would measure theirs, folded."""
    besides = {id(pair.beside): pair.beside for pair in pairs}.values()
    ours = [
        command
        for beside in besides
        for command in _joined(table.id, beside, [p.row for p in pairs if p.beside is beside])
    ]
    hub = _hub_commands(table)
    if not ours and not hub:
        return []
    lines = ["<details><summary>Commands</summary>", "", "```sh"]
    lines += ["# ours", *ours] if ours else []
    lines += ["# with published weights, which need the hub: not run", *hub] if hub else []
    return [*lines, "```", "", "</details>", ""]


def _hub_commands(table: PublishedTable) -> list[str]:
    """Return the commands that need the hub; rows that differ in one repeatable option are one."""
    common = table.hub.get("*", "")
    repeated = re.search(r"--(?:dataset|defense) \S*\{row\}\S*", common)
    others = [row for row in table.rows if row not in table.hub]
    commands = [table.hub[row] for row in table.rows if table.hub.get(row)]
    if others and repeated:
        told = " ".join(repeated[0].replace("{row}", row) for row in others)
        commands.append(common.replace(repeated[0], told))
    else:
        commands += [table.hub_command(row) for row in others]
    return list(dict.fromkeys(filter(None, commands)))


def _joined(table: str, beside: Beside, rows: Sequence[str]) -> list[str]:
    """Return the commands of some rows; those that differ in attack or defense alone are one."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        said = beside.said(table, row)
        apart = [key for part, key in _APART.items() if part in beside.command]
        groups.setdefault(tuple(said.get(key, "") for key in apart), []).append(row)
    return [command_of(beside, table, group) for group in groups.values()]


def bins_text(bins: Sequence[Bin]) -> str:
    """Return the Markdown of BLEU by cosine, a column for each length."""
    if not bins:
        return "No cell is stored yet that this could be counted from.\n"
    lengths = sorted({each.max_tokens for each in bins})
    names = list(dict.fromkeys(each.name for each in bins))
    lines = [["", *(f"{length} tokens" for length in lengths)], ["---"] * (len(lengths) + 1)]
    for name in names:
        told = []
        for length in lengths:
            found = [b for b in bins if b.max_tokens == length and b.name == name]
            bleu = found[0].bleu if found else None
            told.append("" if bleu is None else f"{bleu:.1f} (n = {found[0].n})")
        lines.append([name, *told])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def absent_text(absent: Sequence[Absence]) -> str:
    """Return the Markdown of what is not here."""
    lines = ["| whose | where | what | status | why |", "|---|---|---|---|---|"]
    lines += [f"| {a.source} | {a.where} | {a.what} | {a.status} | {a.why} |" for a in absent]
    return "\n".join(lines) + "\n"

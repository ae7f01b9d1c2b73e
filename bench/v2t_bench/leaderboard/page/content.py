"""What the page's scripts are given: the rows of both tables, packed, and what belongs to them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

from v2t_bench.canonical import canonical_json
from v2t_bench.leaderboard.columns import TABLE_SAMPLE, TABLE_SETTING
from v2t_bench.leaderboard.families import family_of, told_defense
from v2t_bench.leaderboard.page.columns import FRONTIER, LONG, Column, attack_columns
from v2t_bench.leaderboard.page.examples import Example, Original
from v2t_bench.leaderboard.page.readings import readings
from v2t_bench.leaderboard.page.words import FAMILIES, flag_words
from v2t_bench.leaderboard.rows import Row
from v2t_bench.leaderboard.table import short_attack
from v2t_bench.release import UNDEFENDED


def page_content(
    rows: Sequence[Row], frontier: Sequence[Row], examples: Iterable[Example]
) -> dict[str, Any]:
    """Return the page's data, ready for JSON.

    Args:
        rows: One an attack.
        frontier: One a release.
        examples: Recovered texts that may be shown.
    """
    tables, table_of = _tables(frontier)
    columns = [*FRONTIER, *attack_columns(frontier[0] if frontier else ())]
    of_release = _rows_of_releases(rows, frontier)
    flags = sorted({one for row in (*rows, *frontier) for one in str(row["flags"] or "").split()})
    attacks = {str(row["attack"]) for row in rows if row["attack"]}
    attacks |= {str(row["worst_attack"]) for row in frontier if row["worst_attack"]}
    defenses = {str(row["defense"]) for row in (*rows, *frontier)}
    return {
        "tables": tables,
        "first": _first(frontier, table_of),
        "frontier": {
            "columns": [column.record() for column in columns],
            "values": _packed(frontier, columns),
        },
        "rows": {"columns": [column.record() for column in LONG], "values": _packed(rows, LONG)},
        "releases": [
            {
                "table": at,
                "family": family_of(str(row["defense"])),
                "undefended": row["defense"] == UNDEFENDED,
                "readings": [
                    [_plain(value) for value in astuple(one)] for one in readings(own)
                ],
            }
            for row, at, own in zip(frontier, table_of, of_release, strict=True)
        ],
        "families": FAMILIES,
        "flags": {flag: flag_words(flag) for flag in flags},
        "attacks": {attack: short_attack(attack) for attack in sorted(attacks)},
        "defenses": {defense: told_defense(defense) for defense in sorted(defenses)},
        "texts": _texts(examples, of_release),
    }  # fmt: skip


def embedded_json(content: object) -> str:
    """Return JSON that can stand in a script element: it ends none, and opens no comment.

    Only ASCII is written, so neither U+2028 nor half a surrogate pair can do harm.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _tables(frontier: Iterable[Row]) -> tuple[list[dict[str, Any]], list[int]]:
    """Return what rows that may be compared have in common, and each row's place among these.

    A row that nobody attacked tells of no sample. It belongs to the row before it, since rows
    are sorted by table; one that comes first is a table of its own.
    """
    tables: list[dict[str, Any]] = []
    places: dict[str, int] = {}
    table_of: list[int] = []
    for row in frontier:
        key = {name: row.get(name) for name in (*TABLE_SETTING, *TABLE_SAMPLE)}
        last = tables[table_of[-1]] if table_of else {}
        if key["n_texts"] is None and all(last.get(name) == key[name] for name in TABLE_SETTING):
            table_of.append(table_of[-1])
            continue
        at = places.setdefault(canonical_json(key), len(tables))
        if at == len(tables):
            tables.append(key)
        table_of.append(at)
    return tables, table_of


def _first(frontier: Sequence[Row], table_of: Sequence[int]) -> int:
    """Return the table to begin with: where attacks are strongest, defenses tell most."""
    strength = [
        (float(headroom), -at)
        for row, at in zip(frontier, table_of, strict=True)
        if isinstance(headroom := row["headroom"], int | float)
    ]
    return -max(strength)[1] if strength else 0


def _rows_of_releases(rows: Iterable[Row], frontier: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each release, which names its cells."""
    releases: dict[str, list[int]] = defaultdict(list)
    for at, release in enumerate(frontier):
        for name in str(release["cell_ids"] or "").split():
            releases[name].append(at)
    found: list[list[Row]] = [[] for _ in frontier]
    for row in rows:
        for at in releases.get(str(row["cell_id"]), ()):
            # Floors that are the same for all may be named by every release of a table.
            if row["defense"] == frontier[at]["defense"]:
                found[at].append(row)
    return found


def _packed(rows: Sequence[Row], columns: Iterable[Column]) -> dict[str, Any]:
    """Return each column's values; of texts, which repeat, each once and where it stands."""
    names = [column.name for column in columns]
    names += [name for column in columns for name in (column.low, column.high) if name]
    packed: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        values = [_plain(row.get(name)) for row in rows]
        if any(isinstance(value, str) for value in values):
            texts = sorted({str(value) for value in values if value is not None})
            place = {text: at for at, text in enumerate(texts)}
            packed[name] = {
                "texts": texts,
                "at": [None if value is None else place[str(value)] for value in values],
            }
        else:
            packed[name] = values
    return packed


def _plain(value: float | int | str | bool | None) -> float | int | str | bool | None:
    """Return a value as the CSV has it: 6 digits after the point; what is no number is none."""
    if isinstance(value, float):
        return round(value, 6) + 0.0 if math.isfinite(value) else None
    return value


def _texts(examples: Iterable[Example], of_release: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Return each sample of originals once, and the guesses of every release."""
    release_of = {
        str(row["cell_id"]): at for at, own in enumerate(of_release) for row in own
    }  # fmt: skip
    samples: dict[tuple[str, tuple[Original, ...]], int] = {}
    guesses = []
    for example in examples:
        if example.cell_id not in release_of:
            continue
        at = samples.setdefault((example.attribution, example.originals), len(samples))
        guesses.append(
            {
                "release": release_of[example.cell_id],
                "attack": example.attack,
                "threat": example.threat,
                "seed": example.seed,
                "sample": at,
                "guesses": [[guess.text, _plain(guess.bleu_norm)] for guess in example.guesses],
            }
        )
    return {
        "samples": [
            {"attribution": attribution, "originals": [astuple(one) for one in originals]}
            for attribution, originals in samples
        ],
        "guesses": guesses,
    }

"""Write the page: a template, its style and its scripts, and the boards as data in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from v2t_bench.leaderboard.families import told_defense
from v2t_bench.leaderboard.page.columns import FRONTIER, LONG, Column
from v2t_bench.leaderboard.page.content import embedded_json, page_content
from v2t_bench.leaderboard.page.examples import Example
from v2t_bench.leaderboard.page.words import GLOSSARY, flag_words
from v2t_bench.leaderboard.rows import Row
from v2t_bench.leaderboard.table import short_attack
from v2t_bench.release import UNDEFENDED

TEMPLATE, STYLE = "page.html.j2", "page.css"
# Runs before the body is read.
EARLY = "early.js"
# In the order in which they use each other.
SCRIPTS = ("dom.js", "data.js", "state.js", "readings.js", "labels.js", "chart.js", "table.js",
           "csv.js", "texts.js", "page.js")  # fmt: skip

_YES_NO = {"True": "yes", "False": "no"}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a page was made from.

    Args:
        version: Of this package.
        folders: Names of the results folders.
        cells: How many stored cells.
        fingerprint: Of all of them.
    """

    version: str
    folders: Sequence[str]
    cells: int
    fingerprint: str


def page_text(
    rows: Sequence[Row],
    frontier: Sequence[Row],
    provenance: Provenance,
    *,
    examples: Iterable[Example] = (),
) -> str:
    """Return the page; the same rows give the same text.

    Args:
        rows: One an attack.
        frontier: One a release.
        provenance: What they were made from.
        examples: Recovered texts that may be shown.
    """
    import jinja2

    style, early, *scripts = (_read(name) for name in (STYLE, EARLY, *SCRIPTS))
    data = embedded_json(page_content(rows, frontier, examples))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(_read(TEMPLATE)).render(
        policy=_policy(style, [early, *scripts]),
        style=style,
        early=early,
        scripts=scripts,
        data=data,
        provenance=provenance,
        glossary=GLOSSARY,
        flags=_flags(rows, frontier),
        columns=_explained((*FRONTIER, *LONG)),
        releases=[_essentials(row) for row in frontier],
        n_rows=len(rows),
    )
    # Half a surrogate pair, which a name in JSON can hold, is no text.
    return text.encode("utf-8", "replace").decode()


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Return a policy under which only our style and scripts run, and nothing is fetched."""
    run = " ".join(_hash(script) for script in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {run}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            # Text stays text: whatever parses a string as markup throws.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _flags(rows: Iterable[Row], frontier: Iterable[Row]) -> list[tuple[str, str]]:
    """Return the flags that rows carry, each meaning once, in words."""
    found = {flag for row in (*rows, *frontier) for flag in str(row["flags"] or "").split()}
    words = {flag_words(flag)[1]: flag_words(flag)[0].split(":")[0] for flag in sorted(found)}
    return sorted((label, meaning) for meaning, label in words.items())


def _explained(columns: Iterable[Column]) -> list[tuple[str, str]]:
    return list({column.label: column.what for column in columns if column.what}.items())


def _essentials(row: Row) -> dict[str, Any]:
    """Return what the table shows of a release where no script runs."""
    defense, flags = str(row["defense"]), str(row["flags"] or "").split()
    return {
        "corpus": row["corpus"],
        "track": row["track"],
        "max_tokens": row["max_tokens"],
        "embedder": row["embedder"],
        "defense": told_defense(defense) if defense != UNDEFENDED else "no defense",
        "ndcg": _between(row, "ndcg_at_10", "ndcg_lo", "ndcg_hi", 3),
        "kept": _between(row, "ndcg_kept", "kept_lo", "kept_hi", 3),
        "search_kept": row["search_kept"] or "",
        "worst": _between(row, "worst_bleu_norm", "worst_lo", "worst_hi", 1),
        "worst_attack": short_attack(str(row["worst_attack"] or "")),
        "worst_threat": row["worst_threat"] or "",
        "headroom": _told(row["headroom"], 1),
        "pareto": _YES_NO.get(str(row["pareto"]), ""),
        "flags": [flag_words(flag) for flag in flags],
    }


def _between(row: Row, name: str, low: str, high: str, digits: int) -> tuple[str, str]:
    ends = [_told(row[end], digits) for end in (low, high)]
    return _told(row[name], digits), " to ".join(ends) if all(ends) else ""


def _told(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else ""

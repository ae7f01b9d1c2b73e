"""What of a record could give a text, a person or a machine away, besides the tables."""

from __future__ import annotations

import re
from typing import Any

from v2t_bench.corpora.rules import is_quotable
from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.results import Result
from v2t_bench.shown import without_folders

LONGEST_NOTICE = 300
_PLAIN = re.compile(r"[\w.+:-]{1,60}")
_ENVIRONMENT = {"device", "python", "platform", "cores", "versions", "batch_size"}
_QUOTED = re.compile(r"""["“«'](?:[^"”»']*\s){5,}[^"”»']*["”»']""")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def check_licence(result: Result, tell: Tell) -> None:
    """Tell where a cell says that its texts may be passed on and nobody knows that."""
    corpus = result.identity["corpus"]
    said = result.facts.get("redistributable")
    if result.kind == "utility" and said is None:
        return
    if not isinstance(said, bool):
        tell("licence", "does not say whether texts of its collection may be passed on "
             f"(facts.redistributable is {shown(said)}); run the same grid again")  # fmt: skip
    elif said and not is_quotable(corpus):
        tell("licence", f"says that texts of {shown(corpus)} may be passed on, which is not known "
             "of this collection; expected redistributable false, and ids, hashes and scores "
             "only; run the same grid again")  # fmt: skip
    elif not said and is_quotable(corpus):
        tell("licence", f"says that texts of {shown(corpus)} may not be passed on, and they may; "
             "run the same grid again")  # fmt: skip


def check_free_text(result: Result, tell: Tell) -> None:
    """Tell which free text of a record should not be handed on."""
    for line in result.notices:
        if len(line) > LONGEST_NOTICE or _CONTROL.search(line):
            tell("notice", f"a notice is not one line of at most {LONGEST_NOTICE} characters "
                 f"({shown(line)}); remove it from notices")  # fmt: skip
        elif without_folders(line) != line:
            tell("machine-path", f"the notice {shown(line)} says where a machine keeps its files; "
                 f"expected {shown(without_folders(line))}; write it so")  # fmt: skip
        elif not is_quotable(result.identity["corpus"]) and _QUOTED.search(line):
            tell("restricted-text", f"the notice {shown(line)} quotes what may be a text of a "
                 "collection that may not be passed on; remove it from notices")  # fmt: skip
    for name, value in _flat(result.environment):
        known = name.split(".")[0] in _ENVIRONMENT
        plain = value is None or isinstance(value, int | float) or (
            isinstance(value, str) and _PLAIN.fullmatch(value)
        )  # fmt: skip
        if not (known and plain):
            tell("environment", f"environment: {shown(name)} is {shown(value)}; expected device, "
                 "versions and the number of cores, each in a plain word; remove it")  # fmt: skip


def _flat(record: dict[str, Any]) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in record.items():
        if name == "versions" and isinstance(value, dict):
            flat += [(f"versions.{inner}", version) for inner, version in value.items()]
        else:
            flat.append((name, value))
    return flat

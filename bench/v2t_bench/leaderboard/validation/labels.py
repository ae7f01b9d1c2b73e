"""Whether what a row shows follows from the identity that is hashed."""

from __future__ import annotations

import re
from typing import Any

from v2t_bench.corpora.rules import flags_of
from v2t_bench.errors import BadSpelling
from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import TRAINED_AGAINST
from v2t_bench.results import Result
from v2t_bench.spelling import parse, parse_composition
from v2t_bench.threat import RETRAIN, parse_threat

_CORPUS_FLAGS = {"stand-in", "not-rebuildable", "known-item"}
_OWN_FLAG = re.compile(r"unofficial|trained-on-\d+(-to-\d+)?-tokens")
_UTILITY = {"corpus", "track", "fingerprint", "max_tokens", "embedder", "defense", "noise_on",
            "seeds"}  # fmt: skip
_LEAKAGE = _UTILITY | {"attack", "threat", "oracle", "pairs", "flags", "plugins"}
_SIDES = ("documents", "queries", "both")

_FACTS: dict[str, type | tuple[type, ...]] = {
    "n_documents": int, "n_pieces": int, "n_cut_documents": int, "n_cut_queries": int,
    "released_dim": int, "bytes_per_vector": int, "n_attacked": int, "oracle_texts": int,
    "contamination_one_in": int,
    "tie_rate": (int, float), "snr_db": (int, float), "ridge": (int, float),
    "adapted_cosine": (int, float),
    "opaque": bool, "ranking_kept": bool, "redistributable": bool,
    "similarity": str, "adapted_by": str, "contamination_by": str,
}  # fmt: skip
_UNPAIRED = re.compile(r"unpaired_[a-z0-9_]{1,40}")
_WORD = re.compile(r"[a-z0-9_+-]{1,40}( [a-z0-9_+-]{1,40}){0,2}")
_SIGNATURES = {"bleu", "bleu_eff", "bleu_corpus"}


def check_labels(result: Result, tell: Tell) -> bool:
    """Return whether a row can be made of the labels; tell where they do not say what is hashed."""
    labels, identity = result.labels, result.identity
    allowed = _LEAKAGE if result.kind == "leakage" else _UTILITY
    missing, more = allowed - set(labels), set(labels) - allowed - {"flags"}
    if missing or more:
        what = [f"lack {', '.join(sorted(missing))}"] if missing else []
        what += [f"hold {', '.join(map(shown, sorted(more)))}"] if more else []
        tell("labels", f"its labels {' and '.join(what)}; expected those of v2t-bench run; run "
             "the same grid again")  # fmt: skip
        return False
    for name, expected in _expected(identity).items():
        found = labels[name]
        # True == 1 in Python, and not in a table.
        if found != expected or type(found) is not type(expected):
            tell("labels", f"shows {name} {shown(found)} and its identity says {shown(expected)}; "
                 "a row shows what is hashed; run the same grid again")  # fmt: skip
            return False
    return _free_labels(result, tell)


def _expected(identity: dict[str, Any]) -> dict[str, Any]:
    seed = identity["defense_seed"]
    expected = {
        "corpus": identity["corpus"],
        "track": identity["track"],
        "fingerprint": identity["fingerprint"][:12],
        "max_tokens": identity["max_tokens"],
        "defense": identity["defense"],
        "seeds": "" if seed is None else str(seed),
    }
    if identity["defense"] == UNDEFENDED:
        expected["noise_on"] = ""
    if identity["kind"] == "utility":
        return expected
    threat = parse_threat(identity["threat"])
    expected |= {
        "attack": identity["attack"],
        "threat": threat.name,
        "oracle": threat.oracle,
        "plugins": [f"{name}=={version}" for name, version in identity["plugins"].items()],
    }
    if threat.pairs is not None:
        expected["pairs"] = threat.pairs
    return expected


def _free_labels(result: Result, tell: Tell) -> bool:
    """Check what no field of the identity decides by itself."""
    labels, identity = result.labels, result.identity
    fine = _is_spelling(labels["embedder"])
    if not fine:
        tell("labels", f"shows embedder {shown(labels['embedder'])}; expected a spelling such as "
             "minilm; run the same grid again")  # fmt: skip
    parts = parse_composition(identity["defense"])
    on = [str(part.named["on"]) for part in parts if "on" in part.named]
    sides = on if len(on) == len(parts) == 1 else _SIDES
    if identity["defense"] != UNDEFENDED and labels["noise_on"] not in sides:
        fine = False
        tell("labels", f"shows noise_on {shown(labels['noise_on'])}; expected {' or '.join(sides)} "
             f"of {shown(identity['defense'])}; run the same grid again")  # fmt: skip
    pairs = labels.get("pairs")
    if not (pairs is None or (type(pairs) is int and pairs >= 0)):
        fine = False
        tell("labels", f"shows pairs {shown(pairs)}; expected a number, or null; run the same "
             "grid again")  # fmt: skip
    return _check_flags(result, tell) and fine


def _is_spelling(text: object) -> bool:
    try:
        return isinstance(text, str) and len(text) <= 1000 and str(parse(text)) == text
    except (BadSpelling, RecursionError):
        return False


def _check_flags(result: Result, tell: Tell) -> bool:
    flags, identity = result.labels.get("flags", []), result.identity
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        tell("flags", f"its flags are {shown(flags)}; expected a list of strings; run the same "
             "grid again")  # fmt: skip
        return False
    odd = [flag for flag in flags if flag not in _CORPUS_FLAGS and not _OWN_FLAG.fullmatch(flag)
           and not flag.startswith(TRAINED_AGAINST)]  # fmt: skip
    if odd or len(set(flags)) < len(flags):
        tell("flags", f"has the flag {shown((odd or flags)[0])}; expected flags that v2t-bench "
             "run gives, each once; run the same grid again")  # fmt: skip
    expected = flags_of(identity["corpus"])
    found = _CORPUS_FLAGS & set(flags)
    if expected is not None and found != expected:
        tell("flags", f"is flagged {sorted(found)} as a collection, and rows of "
             f"{shown(identity['corpus'])} are flagged {sorted(expected)}; run the same grid "
             "again")  # fmt: skip
    against = f"{TRAINED_AGAINST}{identity['defense']}"
    retrained = result.kind == "leakage" and parse_threat(identity["threat"]).name == RETRAIN
    if retrained and against not in flags:
        tell(
            "flags",
            f"is retrained and not flagged {shown(against)}: its checkpoint was made "
            "against another defense, or none; train it against this one, run again",
        )
    return True


def check_facts(result: Result, tell: Tell) -> None:
    """Tell which facts no run records, or not so."""
    for name, value in result.facts.items():
        kind = (int, float, str) if _UNPAIRED.fullmatch(name) else _FACTS.get(name)
        # True is an int to Python.
        wrong_bool = isinstance(value, bool) and kind is not bool
        if kind is None or (value is not None and (wrong_bool or not isinstance(value, kind))):
            tell("facts", f"holds the fact {shown(name)} = {shown(value)}, which no run records "
                 "so; run the same grid again")  # fmt: skip
        elif isinstance(value, str) and not _WORD.fullmatch(value):
            tell("facts", f"the fact {name} is {shown(value)}; expected one to three plain words; "
                 "run the same grid again")  # fmt: skip
        elif kind is int and isinstance(value, int) and not 0 <= value < 2**63:
            tell("facts", f"the fact {name} is {value}; expected a count from 0 on; run the same "
                 "grid again")  # fmt: skip
    for name, low in (("tie_rate", 0), ("adapted_cosine", -1)):
        value = result.facts.get(name)
        if isinstance(value, int | float) and not low <= value <= 1:
            tell("facts", f"the fact {name} is {value}; expected {low} to 1; run the same grid "
                 "again")  # fmt: skip
    odd = [name for name, text in result.signatures.items()
           if name not in _SIGNATURES or not re.fullmatch(r"[\w:|.+\-]{1,200}", text)]  # fmt: skip
    if odd:
        tell("facts", f"has the signature {shown(odd[0])}, which no run records so; run the same "
             "grid again")  # fmt: skip
    slow = [name for name, seconds in result.seconds.items() if name != "cell" or seconds < 0]
    if slow:
        tell("facts", f"has the time {shown(slow[0])}; expected the seconds of the cell; run the "
             "same grid again")  # fmt: skip


def learned(attack: str) -> bool:
    """Return whether an attack has something that it learned, by its spelling."""
    return any(name in parse(attack).named for name in ("checkpoint", "published"))

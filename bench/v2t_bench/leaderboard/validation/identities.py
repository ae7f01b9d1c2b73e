"""The identity of a cell: its fields, its versions, and whether it can be looked up again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from v2t_bench.contracts import Blindness, Similarity
from v2t_bench.errors import V2TError
from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.pieces import Track
from v2t_bench.results import (
    ADAPTATION_VERSION,
    METRICS_VERSION,
    ORACLE_ARITHMETIC,
    SEARCH_VERSION,
    Result,
)
from v2t_bench.spelling import Spelling, compose, parse, parse_composition
from v2t_bench.threat import Threat, parse_threat

T = TypeVar("T")

VERSIONS = {
    "metrics": METRICS_VERSION,
    "search": SEARCH_VERSION,
    "adaptation": ADAPTATION_VERSION,
}
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Plain = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Maybe = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[int, Field(ge=1, lt=2**63)]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASHED = re.compile(r"[^/\\]+@[0-9a-f]{12}")
_WEIGHTS = re.compile(r"\b([0-9a-f]{64}|[0-9a-f]{40})\b")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SpaceIdentity(_Record):
    """`v2t_bench.contracts.Space`, as an identity holds it."""

    weights: Plain
    pooling: Plain
    dense: Maybe
    normalize: bool
    query_prompt: Maybe
    document_prompt: Maybe
    max_tokens: Positive
    similarity: Similarity
    blind_to: list[Blindness]


class UtilityIdentity(_Record):
    """What decides a utility cell."""

    kind: Literal["utility", "leakage"]
    corpus: Plain
    fingerprint: Sha256
    split: Plain
    track: Track
    max_tokens: Positive
    space: SpaceIdentity
    dim: Positive
    defense: Plain
    defense_seed: Count | None
    metrics: int
    search: int
    plugins: Annotated[dict[Plain, Plain], Field(min_length=1)]


class PublicTexts(_Record):
    """Which texts an attacker had besides."""

    texts: Sha256
    n: Count


class LeakageIdentity(UtilityIdentity):
    """What decides a leakage cell."""

    n_texts: Positive
    sample_seed: Count
    limit: Positive | None
    attack: Plain
    threat: Plain
    oracle_arithmetic: Literal["bfloat16"] = "bfloat16"
    adaptation: int = ADAPTATION_VERSION
    public: PublicTexts | None = None


def check_identity(result: Result, tell: Tell) -> bool:
    """Return whether a cell's identity can be read; tell what is wrong with it."""
    identity = result.identity
    if not _versions_are_known(identity, tell):
        return False
    model = UtilityIdentity if result.kind == "utility" else LeakageIdentity
    try:
        model.model_validate(identity)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False)[:5]:
            where = ".".join(map(str, one["loc"]))
            tell("identity-fields", f"identity: {shown(where)}: {one['msg']}; expected the fields "
                 "that v2t-bench run writes; run the same grid again")  # fmt: skip
        return False
    if identity["kind"] != result.kind:
        tell("kind", f"is called a {result.kind} cell and its identity says "
             f"{identity['kind']}; run the same grid again")  # fmt: skip
        return False
    if not _is_spelled(result, tell):
        return False
    if result.kind == "leakage":
        _check_threat(identity, tell)
        _check_limit(result, tell)
    _check_pinned(result, tell)
    return True


def _versions_are_known(identity: dict[str, Any], tell: Tell) -> bool:
    known = True
    for name, ours in VERSIONS.items():
        found = identity.get(name, ours if name == "adaptation" else None)
        if found == ours and not isinstance(found, bool):
            continue
        known = False
        newer = isinstance(found, int) and found > ours
        what = "use a newer v2t-bench" if newer else "run the same grid again with this one"
        tell("version", f"was made by version {shown(found)} of {name}; this v2t-bench knows "
             f"version {ours}, so its scores cannot be compared; {what}")  # fmt: skip
    return known


def _is_spelled(result: Result, tell: Tell) -> bool:
    """Return whether every spelling can be read, and is the canonical one."""
    identity = result.identity
    read: dict[str, Callable[[str], str]] = {"defense": _defense_again}
    if result.kind == "leakage":
        read |= {"attack": _attack_again, "threat": _threat_again}
    fine = True
    for name, canonical in read.items():
        text = identity[name]
        if _or_none(partial(canonical, text)) != text:
            fine = False
            tell("spelling", f"identity.{name} is {shown(text)}, which is no canonical spelling; "
                 "expected the one that v2t-bench run writes; run the same grid again")  # fmt: skip
    return fine


def _defense_again(text: str) -> str:
    return compose(parse_composition(text))


def _attack_again(text: str) -> str:
    return str(parse(text))


def _threat_again(text: str) -> str:
    return str(parse_threat(text))


def _or_none(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except (V2TError, RecursionError):
        return None


def _check_threat(identity: dict[str, Any], tell: Tell) -> None:
    threat = parse_threat(identity["threat"])
    if identity["defense"] == "none" and threat != Threat():
        tell("threat", f"attacks undefended vectors as {shown(identity['threat'])}; nothing is "
             "there to adapt to, so expected the oblivious threat; remove the cell")  # fmt: skip
    wanted = {"adaptation": threat.adaptive, "public": threat.needs_public_texts}
    for name, needed in wanted.items():
        if (name in identity) != needed:
            tell("threat", f"identity.{name} is {'missing' if needed else 'there'} and the threat "
                 f"{shown(identity['threat'])} {'needs' if needed else 'has'} "
                 f"{'it' if needed else 'none'}; run the same grid again")  # fmt: skip


def _check_limit(result: Result, tell: Tell) -> None:
    limit = result.identity["limit"]
    if limit is not None:
        tell("limit", f"was run with --limit {limit}, which is for trying out; run the grid again "
             "without --limit (--n-texts decides the size of a sample)")  # fmt: skip
    elif "unofficial" in result.labels.get("flags", ()):
        tell("limit", "is flagged unofficial, which only --limit does, and its identity has no "
             "limit; run the grid again without --limit")  # fmt: skip


def _check_pinned(result: Result, tell: Tell) -> None:
    identity = result.identity
    spelled: list[tuple[str, Spelling]] = []
    for name in ("defense", "attack"):
        spelled += [(name, part) for part in parse_composition(identity.get(name, "none"))]
    embedder = _or_none(lambda: parse(str(result.labels.get("embedder", ""))))
    # The numbers themselves are hashed: then it matters little where they were fetched.
    if embedder is not None and not _WEIGHTS.search(identity["space"]["weights"]):
        spelled.append(("embedder", embedder))
    for name, spelling in spelled:
        for loose in _not_pinned(spelling):
            tell("revision", f"{name} {shown(loose)} is not pinned: whoever owns it may change it; "
                 "expected @ and a commit of 40 hexadecimal digits, or a folder, which is shown "
                 "with its hash; name the revision and run again")  # fmt: skip


def _not_pinned(spelling: Spelling) -> Iterator[str]:
    pinned = spelling.revision is not None and _COMMIT.fullmatch(spelling.revision)
    if spelling.revision is not None and not pinned:
        yield str(spelling)
    for key, value in [("", v) for v in spelling.positional] + list(spelling.named.items()):
        if isinstance(value, Spelling):
            yield from _not_pinned(value)
        elif key == "checkpoint":
            if not _HASHED.fullmatch(value):
                yield value
        # What holds a separator is a path or an <owner>/<name> of a hub.
        elif ("/" in value or "\\" in value) and not pinned and not _HASHED.fullmatch(value):
            yield value


def utility_identity(identity: dict[str, Any]) -> dict[str, Any]:
    """Return the identity of the utility cell that a cell belongs to, without its plugins."""
    names = set(UtilityIdentity.model_fields) - {"plugins"}
    return {name: value for name, value in identity.items() if name in names} | {"kind": "utility"}


def is_fast(identity: dict[str, Any]) -> bool:
    """Return whether attackers were answered in bfloat16."""
    return ORACLE_ARITHMETIC in identity

"""Whether the attacked texts of a cell are the ones that its identity stands for."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from v2t_bench.corpora.demo import DEMO_NAMES, demo_corpus
from v2t_bench.corpora.rules import is_restricted
from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.results import Result

if TYPE_CHECKING:
    import pyarrow as pa

    from v2t_bench.corpora.records import Corpus

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_ID, MOST_SPACES = 200, 3
# Seeds that are tried to say by which a sample was drawn.
_TRIED = 100

RUN_AGAIN = "run the same grid again"


def check_ids(result: Result, table: pa.Table, name: str, tell: Tell) -> bool:
    """Return whether every id of a table can be one; tell which cannot."""
    restricted = is_restricted(result.identity["corpus"])
    for column in ("id", "document", "query", "text_sha256"):
        if column not in table.column_names:
            continue
        values = table.column(column).to_pylist()
        if any(value is None for value in values):
            tell("ids", f"{name} has a row without {column}; expected one in each; {RUN_AGAIN}")
            return False
        if restricted:
            odd = [one for one in values if not _PSEUDONYM.fullmatch(one)]
            if odd:
                tell("pseudonyms", f"{name}: {column} {shown(odd[0])} of a restricted collection "
                     "is no pseudonym; expected 32 hexadecimal digits (an HMAC); keep the folder "
                     f"to yourself and {RUN_AGAIN}")  # fmt: skip
                return False
        elif column == "text_sha256":
            odd = [one for one in values if not _SHA256.fullmatch(one)]
            if odd:
                tell("ids", f"{name}: text_sha256 {shown(odd[0])} is no sha256; {RUN_AGAIN}")
                return False
        elif not _are_ids(values, column, name, tell):
            return False
        if column in ("id", "query") and len(set(values)) < len(values) and name[0] != "t":
            twice = next(one for one in values if values.count(one) > 1)
            tell("ids", f"{name}: {column} {shown(twice)} stands twice; expected every text "
                 f"once; {RUN_AGAIN}")  # fmt: skip
            return False
    return True


def _are_ids(values: list[str], column: str, name: str, tell: Tell) -> bool:
    odd = [one for one in values if len(one) > LONGEST_ID or one.count(" ") > MOST_SPACES]
    if odd:
        tell(
            "ids",
            f"{name}: {column} {shown(odd[0])} looks like a text; expected at most "
            f"{LONGEST_ID} characters and {MOST_SPACES} spaces; give the documents other ids",
        )
    return not odd


def check_sample(result: Result, table: pa.Table, tell: Tell) -> None:
    """Tell where the rows are not the sample that size, seed and fingerprint decide."""
    identity = result.identity
    n, wanted = table.num_rows, identity["n_texts"]
    if n == 0 or n > wanted:
        tell("sample", f"holds {n} attacked texts and its identity says n_texts {wanted}; "
             f"{RUN_AGAIN}")  # fmt: skip
        return
    if result.facts.get("n_attacked", n) != n:
        tell("sample", f"holds {n} attacked texts and says that {result.facts['n_attacked']} were "
             f"attacked; {RUN_AGAIN}")  # fmt: skip
    if is_restricted(identity["corpus"]):
        return  # its ids are pseudonyms, and only its owner has the texts
    hashes = table.column("text_sha256").to_pylist()
    if len(set(hashes)) < n:
        tell("sample", f"attacks {n - len(set(hashes))} texts twice; a sample holds each once; "
             f"{RUN_AGAIN}")  # fmt: skip
    _check_order(identity, table.column("id").to_pylist(), tell)
    if "text" in table.column_names:
        _check_texts(table.column("text").to_pylist(), hashes, tell)


def _check_order(identity: dict[str, Any], ids: list[str], tell: Tell) -> None:
    """A sample is drawn in the order of a hash of seed, fingerprint and id."""
    if _is_drawn(ids, identity["sample_seed"], identity):
        return
    own = next((seed for seed in range(_TRIED) if _is_drawn(ids, seed, identity)), None)
    if own is not None:
        tell("sample-seed", f"its texts are drawn by sample seed {own} and its identity says "
             f"{identity['sample_seed']}; {RUN_AGAIN}")  # fmt: skip
    else:
        tell("sample-order", "its texts do not stand in the order in which sample seed "
             f"{identity['sample_seed']} draws them from this collection, so texts, seed or "
             f"fingerprint were changed; {RUN_AGAIN}")  # fmt: skip


def _is_drawn(ids: list[str], seed: int, identity: dict[str, Any]) -> bool:
    start = f"v2t-bench sample {seed} {identity['fingerprint']} "
    drawn = [hashlib.sha256(f"{start}{one}".encode("utf-8", "surrogatepass")).digest()
             for one in ids]  # fmt: skip
    return drawn == sorted(drawn)


def _check_texts(texts: list[str | None], hashes: list[str], tell: Tell) -> None:
    for text, digest in zip(texts, hashes, strict=True):
        found = hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()
        if found != digest:
            tell("text-hash", f"the text {shown(text)} has another sha256 than stands beside it, "
                 f"so it was exchanged; {RUN_AGAIN}")  # fmt: skip
            return


@cache
def _demo(name: str) -> tuple[Corpus, dict[str, str]]:
    corpus = demo_corpus(name, n_training=0)
    return corpus, {document.id: document.content for document in corpus.documents}


def check_demo(result: Result, table: pa.Table | None, tell: Tell) -> None:
    """Tell where a cell of a generated collection is not of what this version generates.

    Args:
        result: Of any collection; others are left alone.
        table: Its attacked texts, if it has any.
        tell: Takes what is wrong.
    """
    identity = result.identity
    if identity["corpus"] not in DEMO_NAMES:
        return
    corpus, contents = _demo(identity["corpus"])
    if identity["fingerprint"] != corpus.fingerprint:
        tell("fingerprint", f"is of another {identity['corpus']} than this version of v2t-bench "
             f"generates ({corpus.fingerprint[:12]}...); {RUN_AGAIN}")  # fmt: skip
        return
    if table is None or "text" not in table.column_names:
        return
    for own, text in zip(table["document"].to_pylist(), table["text"].to_pylist(), strict=True):
        if own not in contents or text is None or text not in contents[own]:
            tell("text", f"the text {shown(text)} does not stand in the document {shown(own)} of "
                 f"{identity['corpus']}; {RUN_AGAIN}")  # fmt: skip
            return

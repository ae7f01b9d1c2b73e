"""The collections a run can be about, and how they are spelled."""

from __future__ import annotations

import difflib
from itertools import chain
from pathlib import Path

from v2t_bench.corpora import named
from v2t_bench.corpora.demo import DEMO_NAMES, demo_corpus
from v2t_bench.corpora.mimic import read_mimic
from v2t_bench.corpora.named import BEIR, look_alikes, open_beir, open_dataset, plain
from v2t_bench.corpora.own_texts import TEXTS, open_own_texts
from v2t_bench.corpora.records import Corpus
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import BadParameter, UnknownComponent
from v2t_bench.lines import check_encodable, expanded

DEMO, ALL = "demo", "all"
MIMIC = "mimic:"

SUMMARIES = {
    ALL: "nq, msmarco, beir and mimic",
    DEMO: "all four generated collections: they work offline, and nothing in them is true",
    "demo-nq": "generated encyclopedia passages and questions",
    "demo-msmarco": "generated web passages and searches",
    "demo-beir": "generated abstracts and claims, graded",
    "demo-mimic": "generated clinical notes with names, and questions about patients",
    **named.SUMMARIES,
    f"{BEIR}<folder>": "a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv, as in BEIR",
    f"{TEXTS}:<file>": "your own .txt or .jsonl, perhaps with ,queries=<file>,judgements=<file>",
    f"{MIMIC}<file>": "NOTEEVENTS.csv or .csv.gz of MIMIC-III, from your own credentialed copy",
}


def known_datasets() -> list[tuple[str, str]]:
    """Return every spelling of `open_corpora` with one line on what it is."""
    return list(SUMMARIES.items())


def open_corpora(
    spelling: str, sources: Sources | None = None, *, with_training: bool = True
) -> tuple[Corpus, ...]:
    """Return the collections that ``spelling`` names.

    Args:
        spelling: One of `known_datasets`.
        sources: Where collections are; default: in the cache folder, fetched where they are not.
        with_training: Whether generated collections come with their training texts, which
            take longer to write than the documents.

    Raises:
        UnknownComponent: no collection is spelled so.
        BadInput: it is missing and may not be fetched, or a file of it cannot be used.
        BadParameter, BadSpelling: a folder or file is missing from the spelling, or misspelt.
        ServiceFailed: a server does not deliver it.
    """
    spelling = spelling.strip()
    check_encodable(spelling, "the name of the dataset")
    if spelling == DEMO or spelling in DEMO_NAMES:
        names = DEMO_NAMES if spelling == DEMO else (spelling,)
        if with_training:
            return tuple(demo_corpus(name) for name in names)
        return tuple(demo_corpus(name, n_training=0) for name in names)
    sources = Sources() if sources is None else sources
    if spelling == ALL:
        return tuple(chain.from_iterable(open_dataset(name, sources) for name in named.NAMES))
    if spelling in named.NAMES:
        return open_dataset(spelling, sources)
    if spelling.startswith(BEIR):
        what = spelling.removeprefix(BEIR).strip()
        if not what:
            raise BadParameter(
                f"{spelling!r} names no folder; expected {BEIR}<folder> or {BEIR}<name>"
            )
        return open_beir(what, sources)
    if spelling.partition(":")[0] == TEXTS:
        return (open_own_texts(spelling),)
    if spelling.startswith(MIMIC):
        file = spelling.removeprefix(MIMIC)
        if not file:
            raise BadParameter(f"{spelling!r} names no file; expected {MIMIC}<NOTEEVENTS.csv>")
        return (read_mimic(expanded(file)),)
    raise UnknownComponent(_unknown(spelling))


def _unknown(spelling: str) -> str:
    """Return what to tell someone who spelled a collection so."""
    if spelling and Path(spelling).is_dir():
        near = [f"{BEIR}{spelling}"]
    elif spelling and Path(spelling).is_file():
        near = [f"{TEXTS}:{spelling}"]
    else:
        start, colon, rest = spelling.partition(":")
        known = (
            [f"{BEIR}{rest or '<folder>'}", f"{TEXTS}:{rest or '<file>'}"]
            if colon
            else [DEMO, *DEMO_NAMES, *named.NAMES]
        )
        names = {one.partition(":")[0]: one for one in known}
        found = difflib.get_close_matches(plain(start), names, n=2, cutoff=0.5)
        near = [names[name] for name in found]
    guess = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    odd = look_alikes(spelling)
    return f"no dataset is called {spelling!r}{odd}{guess} (known: {', '.join(SUMMARIES)})"

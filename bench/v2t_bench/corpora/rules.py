"""What the name of a collection alone says of its rows, wherever they were measured."""

from __future__ import annotations

from v2t_bench.corpora import stand_ins
from v2t_bench.corpora.clinical import FLAGS as CLINICAL_FLAGS
from v2t_bench.corpora.demo import DEMO_NAMES

# Those whose reader says that results may quote them; tests compare.
QUOTABLE = frozenset({*DEMO_NAMES, stand_ins.ACI_BENCH.name})
# Of these nothing derived from the texts may outlive a run.
RESTRICTED = frozenset({"mimic", "mimic-generated"})

LOCAL = "-local"


def is_quotable(corpus: str) -> bool:
    """Return whether results may hold texts of the collection of that name.

    Of any other, such as a folder of somebody's own, nobody here knows the licence.
    """
    return corpus in QUOTABLE


def is_restricted(corpus: str) -> bool:
    """Return whether ids of the collection of that name are pseudonyms in results."""
    return corpus in RESTRICTED


def flags_of(corpus: str) -> frozenset[str] | None:
    """Return what every row of the collection is marked with; None where files decide."""
    name = corpus.removesuffix(LOCAL)
    if corpus in DEMO_NAMES:
        return frozenset()
    if corpus in RESTRICTED:
        return frozenset({"known-item"})
    if name in {notes.name for notes in stand_ins.CLINICAL}:
        return frozenset(CLINICAL_FLAGS)
    for stand_in in stand_ins.DATASETS.values():
        if name == stand_in.name:
            return frozenset(stand_in.flags)
    if corpus.startswith("beir:") or corpus in stand_ins.DATASETS:
        return frozenset()
    return None

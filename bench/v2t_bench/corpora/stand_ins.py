"""Small public collections that stand in for the full ones where only they are on a machine.

They are looked for in ``ir/<name>`` below the data folder. What the corpus column calls one
depends on what its files hold: a folder with other texts is not called by the pinned name.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from v2t_bench.canonical import hash_file
from v2t_bench.corpora.beir import read_beir
from v2t_bench.corpora.records import Corpus
from v2t_bench.errors import BadInput

STAND_IN = "stand-in"
NOT_REBUILDABLE = "not-rebuildable"

FILES = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """One collection that may stand in for another.

    Args:
        folder: Where it is, below the data folder.
        name: What the corpus column calls it.
        summary: What it is.
        sha256: Of what each of `FILES` holds, uncompressed.
        n_documents: How many documents it has.
        n_queries: How many queries are judged.
        licence: What is stated of the texts.
        flags: What its rows are marked with.
    """

    folder: str
    name: str
    summary: str
    sha256: tuple[str, str, str]
    n_documents: int
    n_queries: int
    licence: str
    flags: tuple[str, ...] = field(default=())


NQ_25K = StandIn(
    folder="ir/nq",
    name="nq-25k",
    summary="2,655 questions of NQ-open, their passages and 22,400 distractors from Wikipedia",
    sha256=(
        "2d23183862397394b320a3628740978bab57128c45d47500ee9e0d5fd5c88ced",
        "15e8e929083f66371932fc94697b4e1b5bafc8cb2ea3ef32bdef92795fde27db",
        "586b7040cfc9118827fea572a1c86fe09807df7d977efb99320246c3f446865a",
    ),
    n_documents=25_000,
    n_queries=2_655,
    licence="CC BY-SA 3.0",
    flags=(STAND_IN, NOT_REBUILDABLE),
)
MSMARCO_30K = StandIn(
    folder="ir/msmarco-dl19-dl20",
    name="msmarco-dl19-dl20-30k",
    summary="the queries of TREC-DL 2019 and 2020 and what six systems rank highest for them",
    sha256=(
        "32ebcc5c393b6679336225f48f7b0c896c4f31122727e0fa76eda45fde37f239",
        "251e70a9debb9e99a504b5ae1875810b71fa2975677dfa43bf46c61368107aa8",
        "f75c09e1ce4e189548d145de01d754bb347cf7de318128a3e60cb33a4611d3c4",
    ),
    n_documents=30_005,
    n_queries=97,
    licence="msr-la-nc: non-commercial research",
    # `subsets` cuts it anew, but the archive that BEIR offers has not been put to that test yet:
    # nobody has seen that its texts are these, byte for byte.
    flags=(STAND_IN, NOT_REBUILDABLE),
)

DATASETS = {"nq": NQ_25K, "msmarco": MSMARCO_30K}
"""What stands in for a dataset, by how the dataset is spelled."""

# They have as many documents, queries and judgements as the archives of these names.
COLLECTIONS = {
    "arguana": StandIn(
        folder="ir/arguana",
        name="beir:arguana",
        summary="as BEIR distributes it",
        sha256=(
            "6fd79546218d0b7c3ef46daf06bc819f8dca58d857e033aecb3c9698ecb9c92d",
            "1f88e803bc5c38d85687c7037be59c9888b3c4eceb4d8e2dc087f506231e71bd",
            "0c47b481fa8b47fb9ca5e74bc8a017bdea14518c0e4a5d21345291180b3aca76",
        ),
        n_documents=8_674,
        n_queries=1_406,
        licence="CC BY-SA 4.0",
    ),
    "nfcorpus": StandIn(
        folder="ir/nfcorpus",
        name="beir:nfcorpus",
        summary="as BEIR distributes it",
        sha256=(
            "23387b398d8cc2067ac56f2c22095fcae94824438ec8bd86db9272136ac091d8",
            "b248055bbafa821fef71633d90c0c1cc03b863b8c001ce4097c1200159ac4abc",
            "f8fba6ef3d4dd9c3a242a8ba4ae38276fc3622fce7dcbae764766d564542fd2a",
        ),
        n_documents=3_633,
        n_queries=323,
        licence="not stated",
    ),
    "scifact": StandIn(
        folder="ir/scifact",
        name="beir:scifact",
        summary="rebuilt from the files of its owner",
        sha256=(
            "866a5536b5d902bcc9afdbfcc8bda140e9b871579148d3524516b7d39ae6a3c8",
            "8ce8f8f7f6a02ca6a3bc36719b37020ef4b6aa12c63857ac515ce63fa22e1edf",
            "68c0ac63f1c24b9e8ce497649694f09b2d0850bab7ec2b103cc66996f5f8b3a3",
        ),
        n_documents=5_183,
        n_queries=300,
        licence="CC BY-NC 4.0",
    ),
}
"""What stands in for a collection of BEIR, by the collection's name."""


@dataclass(frozen=True, kw_only=True)
class Notes:
    """Clinical notes that stand in for those of MIMIC-III.

    Args:
        file: What holds them, below the data folder, perhaps as .gz.
        name: What the corpus column calls them.
        summary: What they are.
        sha256: Of what the file holds, uncompressed.
        n_documents: How many there are.
        licence: What is stated of the texts.
    """

    file: str
    name: str
    summary: str
    sha256: str
    n_documents: int
    licence: str


ACI_BENCH = Notes(
    file="clinical/aci_bench.jsonl",
    name="aci-bench",
    summary="notes of acted visits, each with the name of its patient, who is made up",
    sha256="45794de5c5226973909c4479e46ec2cd62180d2262583b610080760c44bba43b",
    n_documents=207,
    licence="CC BY 4.0",
)
MTSAMPLES = Notes(
    file="clinical/mtsamples.jsonl",
    name="mtsamples",
    summary="sample reports, each with its specialties",
    sha256="263eb47315785cc7c3ef4580c8670ca4f69798a46ab8ab3a85bf88e1089327ea",
    n_documents=2_376,
    licence="not stated",
)
CLINICAL = (ACI_BENCH, MTSAMPLES)


def named_by_content(notes: Notes, corpus: Corpus, data_dir: Path) -> Corpus:
    """Return the notes under the pinned name, or another where they are not the pinned ones."""
    path = data_dir / notes.file
    if content_sha256(path.parent, path.name) == notes.sha256:
        return replace(corpus, name=notes.name)
    local = f"{notes.name}-local"
    notice = f"{path} does not hold what is called {notes.name}, so it is called {local}"
    return replace(corpus, name=local, notices=(*corpus.notices, notice))


def is_here(stand_in: StandIn | Notes, data_dir: Path) -> bool:
    """Return whether the folder, or the file of notes, exists."""
    if isinstance(stand_in, StandIn):
        return (data_dir / stand_in.folder).is_dir()
    return any((data_dir / f"{stand_in.file}{ending}").is_file() for ending in ("", ".gz"))


def read(stand_in: StandIn, data_dir: Path) -> Corpus:
    """Return the collection, named by what its files hold.

    Raises:
        BadInput: naming file and line: see `read_beir`.
    """
    folder = data_dir / stand_in.folder
    corpus = read_beir(folder)
    if is_pinned(stand_in, folder):
        where = f"{stand_in.name}: read from {folder} ({stand_in.summary})"
        return replace(
            corpus, name=stand_in.name, flags=stand_in.flags, notices=(*corpus.notices, where)
        )
    local = f"{stand_in.name}-local"
    return replace(
        corpus,
        name=local,
        flags=stand_in.flags,
        notices=(
            *corpus.notices,
            f"{folder} does not hold what is called {stand_in.name}, so it is called {local}",
        ),
    )


def is_pinned(stand_in: StandIn, folder: Path) -> bool:
    """Return whether the files hold what the pinned name stands for.

    Raises:
        BadInput: a file is missing or damaged.
    """
    return all(
        content_sha256(folder, name) == sha256
        for name, sha256 in zip(FILES, stand_in.sha256, strict=True)
    )


def content_sha256(folder: Path, name: str) -> str:
    """Return the sha256 of what a file holds, however it is compressed.

    Raises:
        BadInput: it is missing or damaged.
    """
    path = folder / name
    try:
        if path.is_file():
            return hash_file(path)
        path = folder / f"{name}.gz"
        with gzip.open(path, "rb") as unpacked:
            digest = hashlib.sha256()
            while chunk := unpacked.read(2**20):
                digest.update(chunk)
            return digest.hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read ({error}); expected a file or its .gz") from error

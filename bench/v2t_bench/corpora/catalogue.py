"""The collections of BEIR as data: what each is, where it is offered and how it is checked.

Checksums, splits and the two rounded counts are those of the table in BEIR's README; exact
counts are those of the BEIR paper (Thakur et al. 2021, table 1), of CQADupStack's forums
those that sum to its row. Sizes of archives are those that ir_datasets records. Licences are
as the mteb package states them for its task of the same data: BEIR itself vouches for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from v2t_bench.corpora.beir import QUERIES_ARE_DOCUMENTS

NOT_STATED = "not stated"
DISCLAIMER = (
    "BEIR distributes its collections without vouching that you have a licence to use them: "
    "whether you do is yours to determine, under the licence of each"
)
MSMARCO_TERMS = "MS MARCO: non-commercial research only (Microsoft's terms, msr-la-nc)"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip that BEIR offers.

    Args:
        name: The file's name on the server.
        md5: As published.
        n_bytes: Its size, or 0 where none is published.
    """

    name: str
    md5: str
    n_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One collection with the split that is measured.

    Args:
        name: As spelled after ``beir:``.
        summary: What it is, in a few words.
        split: Which judgements are measured.
        folder: Where its files are, below the folder of all collections.
        archive: What it is unpacked from, or None where no archive may be offered.
        n_documents: How many documents it has.
        n_queries: How many queries the split judges.
        licence: What is stated of the texts.
        terms: What a user is told once, before it is fetched.
        obtain: Who gives it to whom, where there is no archive.
    """

    name: str
    summary: str
    split: str
    folder: str
    archive: Archive | None
    n_documents: int
    n_queries: int
    licence: str = NOT_STATED
    terms: str = ""
    obtain: str = ""

    @property
    def queries_are_documents(self) -> bool:
        """Return whether a query's own id is left out of its ranking."""
        return self.folder in QUERIES_ARE_DOCUMENTS


def _public(
    name: str,
    md5: str,
    n_bytes: int,
    n_documents: int,
    n_queries: int,
    summary: str,
    licence: str = NOT_STATED,
    *,
    split: str = "test",
    terms: str = "",
) -> Collection:
    """Return a collection that has an archive of its own."""
    return Collection(
        name=name,
        summary=summary,
        split=split,
        folder=name,
        archive=Archive(name=f"{name}.zip", md5=md5, n_bytes=n_bytes),
        n_documents=n_documents,
        n_queries=n_queries,
        licence=licence,
        terms=terms,
    )


def _licensed(name: str, n_documents: int, n_queries: int, summary: str, obtain: str) -> Collection:
    """Return a collection whose owner gives it to licensed users only."""
    return Collection(
        name=name,
        summary=summary,
        split="test",
        folder=name,
        archive=None,
        n_documents=n_documents,
        n_queries=n_queries,
        licence="from its owner only",
        obtain=obtain,
    )


_WITHOUT_FORUMS = (
    _public("arguana", "8ad3e3c2a5867cdced806d6503f29b99", 3_773_617, 8_674, 1_406,
            "arguments and the best counter-argument of each", "CC BY-SA 4.0"),
    _public("climate-fever", "8b66f0a9126c521bae2bde127b4dc99d", 1_228_666_652, 5_416_593, 1_535,
            "claims about the climate against Wikipedia", "CC BY-SA 4.0"),
    _public("dbpedia-entity", "c2a39eb420a3164af735795df012ac2c", 639_285_131, 4_635_922, 400,
            "entities of DBpedia for keyword queries, graded", "MIT (mteb's statement)"),
    _public("fever", "5a818580227bfb4b35bb6fa46d9b6c03", 1_236_988_269, 5_416_568, 6_666,
            "claims against Wikipedia", "CC BY-NC-SA 3.0"),
    _public("fiqa", "17918ed23cd04fb15047f73e6c3bd9d9", 17_948_027, 57_638, 648,
            "questions and answers on finance"),
    _public("hotpotqa", "f412724f78b0d91183a0e86805e16114", 654_025_350, 5_233_329, 7_405,
            "questions that need two passages of Wikipedia", "CC BY-SA 4.0"),
    _public("msmarco", "444067daf65d982533ea17ebd59501e4", 1_082_258_632, 8_841_823, 6_980,
            "passages of the web for searches of Bing", "msr-la-nc", split="dev",
            terms=MSMARCO_TERMS),
    _public("nfcorpus", "a89dba18a62ef92f7d323ec890a0d38d", 2_448_432, 3_633, 323,
            "medical abstracts for questions of lay people, graded"),
    _public("nq", "d4d3d2e48787a744b6f6e691ff534307", 498_307_926, 2_681_468, 3_452,
            "passages of Wikipedia for questions to Google", "CC BY-NC-SA 3.0"),
    _public("quora", "18fb154900ba42a600f84b839c173167", 15_853_968, 522_931, 10_000,
            "questions that ask the same"),
    _public("scidocs", "38121350fc3a4d2f48850f6aff52e4a9", 142_471_588, 25_657, 1_000,
            "papers that a paper cites", "CC BY-SA 4.0"),
    _public("scifact", "5f7d1de60b170fc8027bb7898e2efca1", 2_816_079, 5_183, 300,
            "scientific claims against abstracts", "CC BY-NC 4.0"),
    _public("trec-covid", "ce62140cb23feb9becf6270d0d1fe6d1", 73_876_720, 171_332, 50,
            "papers on COVID-19, graded"),
    _public("webis-touche2020", "46f650ba5a527fc69e0a6521c5a23563", 227_132_363, 382_545, 49,
            "arguments on controversial questions, graded", "CC BY-SA 4.0"),
)  # fmt: skip

_CQADUPSTACK = "cqadupstack"
# Forum, documents, judged queries.
_FORUMS = (
    ("android", 22_998, 699), ("english", 40_221, 1_570), ("gaming", 45_301, 1_595),
    ("gis", 37_637, 885), ("mathematica", 16_705, 804), ("physics", 38_316, 1_039),
    ("programmers", 32_176, 876), ("stats", 42_269, 652), ("tex", 68_184, 2_906),
    ("unix", 47_382, 1_072), ("webmasters", 17_405, 506), ("wordpress", 48_605, 541),
)  # fmt: skip
_CQADUPSTACK_ARCHIVE = Archive(
    name=f"{_CQADUPSTACK}.zip", md5="4e41456d7df8ee7760a7f866133bda78", n_bytes=5_343_728_040
)


def _forum(forum: str, n_documents: int, n_queries: int) -> Collection:
    """Return one forum of CQADupStack."""
    return Collection(
        name=f"{_CQADUPSTACK}/{forum}",
        summary=f"questions of the StackExchange forum {forum} that ask the same",
        split="test",
        folder=f"{_CQADUPSTACK}/{forum}",
        archive=_CQADUPSTACK_ARCHIVE,
        n_documents=n_documents,
        n_queries=n_queries,
    )


_MSMARCO = next(one for one in _WITHOUT_FORUMS if one.name == "msmarco")
# What BEIR calls msmarco's test split is TREC's Deep Learning track of 2019 (beir issue 205).
_DL19 = Collection(
    name="msmarco-dl19",
    summary="msmarco with the 43 queries of TREC-DL 2019, graded",
    split="test",
    folder=_MSMARCO.folder,
    archive=_MSMARCO.archive,
    n_documents=_MSMARCO.n_documents,
    n_queries=43,
    licence=_MSMARCO.licence,
    terms=_MSMARCO.terms,
)

_LICENSED = (
    _licensed("bioasq", 14_914_602, 500, "PubMed abstracts for biomedical questions",
              "register at http://bioasq.org (task 9a, training v.2020; questions of 8b)"),
    _licensed("signal1m", 2_866_316, 97, "tweets related to news articles",
              "sign up at https://research.signal-ai.com/datasets/signal1m-tweetir.html"),
    _licensed("trec-news", 594_977, 57, "background articles of the Washington Post",
              "apply for the Washington Post corpus at https://trec.nist.gov/data/wapost/"),
    _licensed("robust04", 528_155, 249, "news articles for hard queries",
              "apply for TREC disks 4 and 5 at https://trec.nist.gov/data/cd45/index.html"),
)  # fmt: skip

GROUPS: Mapping[str, tuple[Collection, ...]] = {
    _CQADUPSTACK: tuple(_forum(*forum) for forum in _FORUMS)
}
"""Names that stand for several collections."""

COLLECTIONS: dict[str, Collection] = {
    one.name: one for one in (*_WITHOUT_FORUMS, *GROUPS[_CQADUPSTACK], _DL19, *_LICENSED)
}
"""Every collection by its name."""

PUBLIC = tuple(sorted([*(one.name for one in _WITHOUT_FORUMS), _CQADUPSTACK]))
"""The fifteen that are offered to everyone; what ``beir`` alone stands for."""

LICENSED = tuple(one.name for one in _LICENSED)
"""The four that only their owners give away."""


def named(name: str) -> tuple[Collection, ...]:
    """Return the collections that ``name`` stands for; none where it is unknown."""
    if name in GROUPS:
        return tuple(COLLECTIONS[one.name] for one in GROUPS[name])
    return (COLLECTIONS[name],) if name in COLLECTIONS else ()


def names() -> tuple[str, ...]:
    """Return every name of `named`."""
    return (*COLLECTIONS, *GROUPS)

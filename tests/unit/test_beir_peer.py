"""The loader of the beir package reads a good folder as we do."""

import gzip
import json
from pathlib import Path

import pytest

from v2t_bench.corpora.beir import read_beir
from v2t_bench.corpora.records import Corpus

# The loader leaves a file open, and tqdm warns of itself.
as_beir_is = pytest.mark.filterwarnings("ignore")


def assert_as_beir_reads_it(corpus: Corpus, folder: Path) -> None:
    from beir.datasets.data_loader import GenericDataLoader

    documents, queries, judgements = GenericDataLoader(str(folder)).load(corpus.split)
    ours = {d.id: {"text": d.text, "title": d.title or None} for d in corpus.documents}
    assert ours == {
        key: {"text": found["text"], "title": found["title"] or None}
        for key, found in documents.items()
    }
    assert list(ours) == list(documents)
    assert list(corpus.queries.items()) == list(queries.items())
    assert corpus.judgements == judgements


@as_beir_is
def test_the_loader_of_the_beir_package_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    documents = [
        {"_id": "d1", "title": "A", "text": "one"},
        {"_id": "d2", "text": ""},
        {"_id": 'a "b"', "title": None, "text": "quo\u2028ted é"},
    ]
    rows = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    (tmp_path / "corpus.jsonl").write_text(rows, encoding="utf-8")
    queries = "".join(f'{{"_id": "q{i}", "text": "what {i}?"}}\n' for i in range(4))
    (tmp_path / "queries.jsonl").write_text(queries)
    grades = 'q2\t"a ""b"""\t1\nq1\ta "b"\t1\nq1\td1\t1\nq1\tgone\t1\nq1\td1\t2\n'
    (tmp_path / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{grades}")
    assert_as_beir_reads_it(read_beir(tmp_path), tmp_path)


@as_beir_is
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_documents", "n_queries"),
    [
        ("arguana", 8674, 1406),
        ("cranfield", 1398, 225),
        ("medquad-liveqa", 465, 60),
        ("nfcorpus", 3633, 323),
        ("nq", 25000, 2655),
        ("scifact", 5183, 300),
    ],
)
def test_the_loader_of_the_beir_package_reads_public_collections_the_same(
    shared_data: Path, tmp_path: Path, name: str, n_documents: int, n_queries: int
) -> None:
    source = shared_data / "ir" / name
    corpus = read_beir(source)
    assert (len(corpus.documents), len(corpus.queries)) == (n_documents, n_queries)
    plain = tmp_path / name  # their loader reads no .gz
    plain.mkdir()
    (plain / "qrels").symlink_to(source / "qrels")
    (plain / "queries.jsonl").symlink_to(source / "queries.jsonl")
    with gzip.open(source / "corpus.jsonl.gz") as packed:
        (plain / "corpus.jsonl").write_bytes(packed.read())
    assert_as_beir_reads_it(corpus, plain)

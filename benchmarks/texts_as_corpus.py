"""Make a BEIR folder of texts that come without queries: each title asks for its texts.

    python benchmarks/texts_as_corpus.py heldout_*.jsonl.gz -o wiki-heldout
    v2t-bench run --dataset beir:./wiki-heldout --attack vec2text

A record has an id (``id`` or ``_id``), a text (``text`` or ``note``), and perhaps ``title``,
``cc`` (what a patient came for), the ``first`` and ``last`` name of whom it is about, and a
``label`` or ``specialties``, the first of which is the label to infer. What is asked for by
hardly anybody's title is no retrieval set: only what is read back counts.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def records(paths: list[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def metadata_of(record: dict[str, Any]) -> dict[str, str]:
    """Return what `v2t_bench.corpora.beir` reads of a document beside its text."""
    metadata = {}
    if record.get("first") and record.get("last"):
        metadata = {"first_name": record["first"], "last_name": record["last"]}
    label = record.get("label") or next(iter(record.get("specialties") or ()), None)
    return metadata | ({"label": label} if label else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    (given.output / "qrels").mkdir(parents=True)
    asked: dict[str, list[str]] = {}
    with (given.output / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        for record in records(given.files):
            key = str(record.get("id") or record["_id"])
            line: dict[str, Any] = {"_id": key, "text": record.get("text") or record["note"]}
            if metadata := metadata_of(record):
                line["metadata"] = metadata
            corpus.write(json.dumps(line) + "\n")
            asked.setdefault(record.get("title") or record.get("cc") or key, []).append(key)
    with (
        (given.output / "queries.jsonl").open("w", encoding="utf-8") as queries,
        (given.output / "qrels" / "test.tsv").open("w", encoding="utf-8") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for number, (title, keys) in enumerate(asked.items()):
            queries.write(json.dumps({"_id": f"q{number}", "text": title}) + "\n")
            qrels.writelines(f"q{number}\t{key}\t1\n" for key in keys)
    print(f"{sum(map(len, asked.values()))} texts in {given.output}")


if __name__ == "__main__":
    main()

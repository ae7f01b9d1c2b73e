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
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from v2t_bench.errors import BadInput


def records(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield the records of all files.

    Raises:
        BadInput: one cannot be read, or holds a record without id or text.
    """
    for path in paths:
        number = 0
        try:
            with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as f:
                for line in f:
                    number += 1
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise ValueError("not an object")
                    given = {
                        "id": str(record.get("id") or record["_id"]),
                        "text": record.get("text") or record["note"],
                    }
                    yield record | given
        except KeyError as error:
            raise BadInput(f"{path}:{number}: the record has no {error}") from error
        except (OSError, EOFError, ValueError) as error:
            raise BadInput(f"{path}:{number}: cannot be read ({error})") from error


def metadata_of(record: dict[str, Any]) -> dict[str, str]:
    """Return what `v2t_bench.corpora.beir` reads of a document beside its text."""
    metadata = {}
    if record.get("first") and record.get("last"):
        metadata = {"first_name": record["first"], "last_name": record["last"]}
    label = record.get("label") or next(iter(record.get("specialties") or ()), None)
    return metadata | ({"label": label} if label else {})


def write_folder(files: list[Path], output: Path) -> int:
    """Write the folder ``output`` and return how many texts it holds."""
    (output / "qrels").mkdir(parents=True)
    asked: dict[str, list[str]] = {}
    with (output / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        for record in records(files):
            key = record["id"]
            line: dict[str, Any] = {"_id": key, "text": record["text"]}
            if metadata := metadata_of(record):
                line["metadata"] = metadata
            corpus.write(json.dumps(line) + "\n")
            asked.setdefault(record.get("title") or record.get("cc") or key, []).append(key)
    with (
        (output / "queries.jsonl").open("w", encoding="utf-8") as queries,
        (output / "qrels" / "test.tsv").open("w", encoding="utf-8") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for number, (title, keys) in enumerate(asked.items()):
            queries.write(json.dumps({"_id": f"q{number}", "text": title}) + "\n")
            qrels.writelines(f"q{number}\t{key}\t1\n" for key in keys)
    return sum(map(len, asked.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    if given.output.exists():
        parser.exit(2, f"error: {given.output} is there already; choose another folder\n")
    partial = given.output.with_name(f".{given.output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        n_texts = write_folder(given.files, partial)
        partial.rename(given.output)
    except (BadInput, OSError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        parser.exit(2, f"error: {error}\n")
    print(f"{n_texts} texts in {given.output}")


if __name__ == "__main__":
    main()

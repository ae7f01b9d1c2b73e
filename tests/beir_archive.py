"""Archives in the layout of BEIR's, made here, and the catalogue taught their checksums."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace

import pytest

from v2t_bench.corpora.catalogue import COLLECTIONS

HEADER = "query-id\tcorpus-id\tscore\n"


def beir_files(top: str, *, splits: Sequence[str] = ("test",), n: int = 5) -> dict[str, str]:
    """Return ``n`` documents and a query for each, as files below ``top``."""
    documents = [{"_id": f"d{i}", "title": f"T{i}", "text": f"text of {top} {i}"} for i in range(n)]
    queries = [{"_id": f"q{i}", "text": f"which {i}?", "metadata": {}} for i in range(n)]
    files = {
        f"{top}/corpus.jsonl": "".join(json.dumps(one) + "\n" for one in documents),
        f"{top}/queries.jsonl": "".join(json.dumps(one) + "\n" for one in queries),
    }
    for number, split in enumerate(splits):
        rows = "".join(f"q{i}\td{i}\t1\n" for i in range(number, n))
        files[f"{top}/qrels/{split}.tsv"] = HEADER + rows
    return files


def zipped(files: dict[str, str]) -> bytes:
    """Return an archive of ``files``, with entries for their folders as zip writes them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for folder in sorted({f"{name.rpartition('/')[0]}/" for name in files}):
            opened.writestr(folder, "")
        for name, text in files.items():
            opened.writestr(name, text)
    return buffer.getvalue()


def offer(monkeypatch: pytest.MonkeyPatch, archive: str, content: bytes) -> None:
    """Give the archive of that name in the catalogue the checksum of ``content``."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    for name, one in COLLECTIONS.items():
        if one.archive is not None and one.archive.name == archive:
            offered = replace(one.archive, md5=md5)
            monkeypatch.setitem(COLLECTIONS, name, replace(one, archive=offered))

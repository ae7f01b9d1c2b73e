"""The texts that the Vec2Text paper inverts, as the Hugging Face Hub distributes them.

They are read by the datasets package from files whose revision is pinned, or from a folder
``hub/<owner>__<name>`` below the data folder, in any layout that package writes. They stay in
Arrow files that are mapped into memory: a document exists only while it is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from v2t_bench.corpora.disk import writing
from v2t_bench.corpora.records import Document
from v2t_bench.corpora.sources import Sources
from v2t_bench.environment import cache_folder
from v2t_bench.errors import BadInput, ServiceFailed

if TYPE_CHECKING:
    from datasets import Dataset

BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class HubTexts:
    """Which texts.

    Args:
        hub_id: ``<owner>/<name>``.
        revision: The commit that is read.
        split: Which part is inverted.
        pattern: Which files of the repository hold that part.
        n_texts: How many there are, as the dataset's card says; 0: it does not.
        id_field: The field with an id; empty: texts are numbered.
        title_field: The field with a title; empty: there is none.
        n_bytes: How much is fetched, about.
    """

    hub_id: str
    revision: str
    split: str
    pattern: str
    n_texts: int = 0
    id_field: str = ""
    title_field: str = ""
    n_bytes: int = 0

    @property
    def folder(self) -> str:
        """Return where a copy of it is looked for, below the data folder."""
        return f"hub/{self.hub_id.replace('/', '__')}"


# The commits that the hub's pages of these repositories show for main. Vec2Text was trained
# on "train" and is evaluated on "dev" (Morris et al. 2023).
NQ_TEXTS = HubTexts(
    hub_id="jxm/nq_corpus_dpr",
    revision="156fa8faf1c95e5cb6fd14c499b58dfc8d149f4f",
    split="dev",
    pattern="data/dev-*.parquet",
    n_texts=849_508,
    n_bytes=350_000_000,
)
# Its loading script is other people's code, which datasets 4 no longer runs: the file that
# the script reads is read instead.
MSMARCO_TEXTS = HubTexts(
    hub_id="Tevatron/msmarco-passage-corpus",
    revision="5b250efbb2149162100c58f2394e990651b47beb",
    split="train",
    pattern="corpus.jsonl.gz",
    n_texts=8_841_823,
    id_field="docid",
    title_field="title",
    n_bytes=1_120_000_000,
)

TEXTS = {"nq": NQ_TEXTS, "msmarco": MSMARCO_TEXTS}
"""What is inverted, by how the dataset is spelled."""


class ArrowDocuments(Sequence[Document]):
    """Documents of a dataset, made when they are looked at.

    Args:
        dataset: Mapped into memory.
        texts: Which of its fields are what.
    """

    def __init__(self, dataset: Dataset, texts: HubTexts) -> None:
        self._fields = [name for name in (texts.id_field, texts.title_field, "text") if name]
        self._dataset = dataset.select_columns(self._fields).with_format(None)
        self._texts = texts

    def __len__(self) -> int:
        return len(self._dataset)

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...

    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        """Return one document, or those of a slice as a list."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return self._document(row, self._dataset[row])

    def __iter__(self) -> Iterator[Document]:
        for start in range(0, len(self), BATCH):
            columns = self._dataset[start : start + BATCH]
            for offset, values in enumerate(zip(*columns.values(), strict=True)):
                yield self._document(start + offset, dict(zip(columns, values, strict=True)))

    def _document(self, row: int, record: dict[str, Any]) -> Document:
        texts = self._texts
        key = str(record[texts.id_field]) if texts.id_field else f"{texts.split}-{row}"
        title = record[texts.title_field] if texts.title_field else ""
        return Document(key, title or "", record["text"] or "")


def open_texts(texts: HubTexts, sources: Sources) -> tuple[ArrowDocuments, str]:
    """Return the texts, and what tells them from others.

    Raises:
        BadInput: they are neither in the data folder nor in the hub's cache and may not be
            fetched, or their files hold something else.
        ServiceFailed: the hub does not deliver them.
    """
    folder = sources.data_dir / texts.folder
    if folder.is_dir():
        from v2t_bench.corpora.arrow_folders import content_hash, open_folder

        dataset = open_folder(folder, texts.split)
        what = f"folder {folder.name}@{content_hash(folder, texts.split)[:12]}"
    else:
        from v2t_bench.corpora.arrow_folders import open_files

        files = _fetched(texts, sources, folder)
        dataset = open_files(files)
        what = f"revision {texts.revision}"
    _check_fields(dataset, texts, folder)
    return ArrowDocuments(dataset, texts), f"{texts.hub_id} {texts.split}, {what}"


def are_here(texts: HubTexts, data_dir: Path) -> bool:
    """Return whether there is a copy in the data folder or in the hub's cache."""
    return (data_dir / texts.folder).is_dir() or bool(_cached(texts))


def _fetched(texts: HubTexts, sources: Sources, folder: Path) -> list[Path]:
    """Return the files of the pinned revision in the hub's cache, fetched where they are not."""
    found = _cached(texts)
    if found:
        return found
    name = next(name for name, held in TEXTS.items() if held.hub_id == texts.hub_id)
    if sources.offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in (
        "1",
        "ON",
        "YES",
        "TRUE",
    ):
        raise BadInput(
            f"{folder}: there is no such folder, revision {texts.revision[:12]} of "
            f"{texts.hub_id} is not in the hub's cache, and fetching is off; where there is a "
            f"network, run: v2t-bench data get {name}"
        )
    size = f" (about {texts.n_bytes / 1e9:.2f} GB)" if texts.n_bytes else ""
    sources.tell(f"fetching {texts.pattern} of {texts.hub_id} at {texts.revision[:12]}{size}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    with writing(cache_folder()):
        try:
            snapshot = snapshot_download(
                texts.hub_id,
                repo_type="dataset",
                revision=texts.revision,
                allow_patterns=[texts.pattern],
            )
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
            raise ServiceFailed(
                f"{texts.hub_id}: the hub does not deliver revision {texts.revision[:12]} "
                f"({' '.join(str(error).split())[:200]}); check the connection and run the same "
                f"command again, or put a copy into {folder}"
            ) from error
    files = sorted(Path(snapshot).glob(texts.pattern))
    if not files:
        raise ServiceFailed(
            f"{texts.hub_id}: revision {texts.revision[:12]} has no {texts.pattern}; put a copy of "
            f"the texts into {folder}"
        )
    return files


def _cached(texts: HubTexts) -> list[Path]:
    """Return the files of the pinned revision that are in the hub's cache already.

    A part of them is as good as none: the rest would go unnoticed.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        snapshot = snapshot_download(
            texts.hub_id,
            repo_type="dataset",
            revision=texts.revision,
            allow_patterns=[texts.pattern],
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return []
    files = sorted(Path(snapshot).glob(texts.pattern))
    # The hub writes how many parts there are into their names: dev-00000-of-00002-....
    parts = {path.name.partition("-of-")[2][:5] for path in files}
    whole = len(parts) == 1 and (len(files) == int(max(parts)) if parts != {""} else True)
    return files if whole else []


def _check_fields(dataset: Dataset, texts: HubTexts, folder: Path) -> None:
    """Refuse a dataset whose fields are others."""
    import pyarrow as pa

    schema = dataset.features.arrow_schema
    wanted = [name for name in (texts.id_field, texts.title_field, "text") if name]
    present = ", ".join(f"{name} ({schema.field(name).type})" for name in schema.names) or "none"
    for name in wanted:
        kind = schema.field(name).type if name in schema.names else None
        fits = {
            "text": [pa.string(), pa.large_string()],
            texts.id_field: [pa.string(), pa.large_string(), pa.int64(), pa.int32()],
            # JSON in which every title is null says no more about it.
            texts.title_field: [pa.string(), pa.large_string(), pa.null()],
        }
        if kind not in fits[name]:
            raise BadInput(
                f"{texts.hub_id}: field {name!r} is missing or holds no text (fields: {present}); "
                f"expected {', '.join(wanted)}, as at revision {texts.revision[:12]}; see {folder}"
            )
    if not len(dataset):
        raise BadInput(f"{texts.hub_id}: holds no texts; expected some, see {folder}")

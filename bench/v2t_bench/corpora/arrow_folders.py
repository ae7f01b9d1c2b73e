"""Open a folder of texts as the datasets package writes it: Arrow, Parquet or JSON lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from v2t_bench.canonical import hash_file
from v2t_bench.corpora.disk import writing
from v2t_bench.environment import cache_folder
from v2t_bench.errors import BadInput

if TYPE_CHECKING:
    from datasets import Dataset

BUILDERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json"}
COMPRESSED = (".gz", ".zst")
LAYOUT = (
    "a dataset as save_to_disk, to_parquet or to_json of the datasets package write it "
    "(<split>*.parquet, <split>*.jsonl, perhaps in data/, perhaps .gz)"
)
SPLIT_NAMES = {"dev": ("dev", "validation"), "train": ("train",)}
OTHER_SPLITS = ("train", "dev", "validation", "test")


def open_folder(folder: Path, split: str) -> Dataset:
    """Return the dataset in ``folder``, or its part ``split`` where it has parts.

    Raises:
        BadInput: the folder holds something else, or a file is damaged.
    """
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return _saved(folder, split)
    return open_files(files_of(folder, split))


def files_of(folder: Path, split: str) -> list[Path]:
    """Return the files of ``folder`` that hold ``split``.

    Files named after no split at all hold whatever is asked for.

    Raises:
        BadInput: there are none, or of several kinds.
    """
    places = [folder / "data"] if (folder / "data").is_dir() else [folder]
    found = [path for place in places for path in sorted(place.iterdir()) if _builder(path)]
    named = [path for path in found if _is_named(path, SPLIT_NAMES.get(split, (split,)))]
    chosen = named or [path for path in found if not _is_named(path, OTHER_SPLITS)]
    if not chosen:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        raise BadInput(f"{folder}: holds no texts of split {split} ({there}); expected {LAYOUT}")
    if len({_builder(path) for path in chosen}) > 1:
        raise BadInput(
            f"{folder}: holds {chosen[0].name} and {chosen[-1].name}; expected files of one kind, "
            "or it is not clear which of them are the texts"
        )
    return chosen


def open_files(files: Sequence[Path]) -> Dataset:
    """Return the rows of ``files`` one after the other.

    They are turned into an Arrow file in the cache once, and mapped into memory.

    Raises:
        BadInput: a file is damaged, or the disk is full.
    """
    from datasets import Dataset

    # load_dataset would tell the hub that these files were loaded, even though they are local.
    read = Dataset.from_parquet if _builder(files[0]) == "parquet" else Dataset.from_json
    cache = cache_folder() / "datasets"
    with _damage(files[0].parent), writing(cache):
        return cast("Dataset", read([str(path) for path in files], cache_dir=str(cache)))


def content_hash(folder: Path, split: str) -> str:
    """Return the sha256 of all files that are read, names left out."""
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        files = sorted(_arrow_folder(folder, split).glob("*.arrow"))
    else:
        files = files_of(folder, split)
    return hashlib.sha256("".join(hash_file(path) for path in files).encode()).hexdigest()


def _saved(folder: Path, split: str) -> Dataset:
    """Return what save_to_disk wrote."""
    from datasets import Dataset

    with _damage(folder):
        return Dataset.load_from_disk(str(_arrow_folder(folder, split)))


def _arrow_folder(folder: Path, split: str) -> Path:
    """Return the folder with the Arrow files of ``split``."""
    if (folder / "state.json").is_file():
        return folder
    for name in SPLIT_NAMES.get(split, (split,)):
        if (folder / name / "state.json").is_file():
            return folder / name
    there = ", ".join(sorted(path.parent.name for path in folder.glob("*/state.json"))) or "none"
    raise BadInput(f"{folder}: has no split {split} (splits: {there}); expected {LAYOUT}")


def _builder(path: Path) -> str:
    """Return what reads a file, or "" where nothing does."""
    name = path.with_suffix("") if path.suffix in COMPRESSED else path
    return BUILDERS.get(name.suffix, "") if path.is_file() else ""


def _is_named(path: Path, splits: Sequence[str]) -> bool:
    """Return whether a file is named after one of the splits, as dev-00000-of-00002.parquet is."""
    return path.name.split(".")[0].split("-")[0] in splits


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Turn what the datasets package raises about a file into one line that names the cause."""
    import pyarrow as pa
    from datasets.exceptions import DatasetGenerationError

    try:
        yield
    except (DatasetGenerationError, pa.ArrowException, ValueError, KeyError, EOFError) as error:
        if isinstance(error, BadInput):
            raise
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        said = " ".join(str(cause).split())[:300] or type(cause).__name__
        raise BadInput(f"{folder}: cannot be read ({said}); expected {LAYOUT}") from error
    except FileNotFoundError as error:
        raise BadInput(f"{folder}: {error}; expected {LAYOUT}") from error

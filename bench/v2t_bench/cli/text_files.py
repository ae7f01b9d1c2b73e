"""Files of texts that a user names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

from v2t_bench.training_text import Titles


def read_all(
    paths: Sequence[Path], n_texts: int | None, titles: Titles, say: Callable[[str], None]
) -> list[str]:
    """Return the texts of all files, a text from each in turn, equally many from each."""
    from v2t_bench.training_text import read_texts

    limit = None if n_texts is None else -(-n_texts // len(paths))
    files = [read_texts(path, limit=limit, titles=titles) for path in paths]
    for path, file in zip(paths, files, strict=True):
        say(
            f"{len(file.texts):,} texts from {path} ({file.n_blank} blank and "
            f"{file.n_duplicate} repeated lines left out)"
        )
    turns = zip_longest(*(file.texts for file in files))
    return [text for turn in turns for text in turn if text is not None][:n_texts]

"""How spellings are shown where paths would say where a machine keeps its files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from v2t_bench.canonical import content_hash, hash_file
from v2t_bench.secret import KeyFile
from v2t_bench.spelling import Spelling, Value, compose, parse_composition

# The parameter that names a key file.
KEY = "key"
# A path that starts at a root or a home, of at least two parts; a fraction or a date is none.
_FOLDERS = re.compile(r"(?<![\w.:/\\-])(?:~|[A-Za-z]:)?(?:[/\\][\w.@+-]+)*[/\\](?=[\w.@+-]+)")


def without_keys(text: str) -> str:
    """Return spellings joined by ``+`` as who has no key file writes them."""
    return compose(
        tuple(
            replace(part, named={name: v for name, v in part.named.items() if name != KEY})
            for part in parse_composition(text)
        )
    )


def without_paths(spelling: Spelling) -> Spelling:
    """Return the spelling with each existing path replaced by its name and content hash.

    A parameter called ``key`` names a `KeyFile`, of which a hash under the key is shown.

    Raises:
        BadInput: a key file cannot be read.
    """

    def shown(value: Value, name: str = "") -> Value:
        if isinstance(value, Spelling):
            return without_paths(value)
        if name == KEY:
            return KeyFile(value).mark
        path = Path(value).expanduser()
        # A bare word may happen to be a file here; only what looks like a path is one.
        if ("/" in value or "\\" in value) and path.exists():
            return f"{path.resolve().name}@{hash_path(path)[:12]}"
        return value

    return replace(
        spelling,
        positional=tuple(shown(value) for value in spelling.positional),
        named={key: shown(value, key) for key, value in spelling.named.items()},
    )


def without_checkpoints(spelling: Spelling) -> Spelling:
    """Return an attack as it is asked for, whatever checkpoints were found, nested ones too."""
    named = {
        key: without_checkpoints(value) if isinstance(value, Spelling) else value
        for key, value in spelling.named.items()
        if key != "checkpoint"
    }
    return replace(spelling, named=named)


def shown_composition(text: str) -> str:
    """Return spellings joined by ``+`` as results show them."""
    return compose(tuple(without_paths(part) for part in parse_composition(text)))


def hash_path(path: Path) -> str:
    """Return a hash of a file's bytes, or of every file below a folder with its name."""
    return hash_file(path) if path.is_file() else content_hash(hash_folder(path))


def hash_folder(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below ``folder`` by its name relative to it."""
    return {
        file.relative_to(folder).as_posix(): hash_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def without_folders(line: str) -> str:
    """Return a line of text in which only the last part of each absolute path is left."""
    return _FOLDERS.sub("", line)

"""What an embedder fitted, kept in the cache folder as safetensors and JSON."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from v2t_bench.errors import CorruptArtifact
from v2t_plugins.one_line import one_line

log = logging.getLogger(__name__)

TENSORS, FACTS = "fitted.safetensors", "fitted.json"


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Numbers and what is to be known about them.

    Args:
        tensors: Arrays by name.
        facts: Plain JSON values by name.
    """

    tensors: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)


def fitted_once(
    cache: Path | None, name: str, key: Mapping[str, Any], fit: Callable[[], Fitted]
) -> Fitted:
    """Return what ``fit`` returned for this key, now or before; damage is fitted again.

    Args:
        cache: The cache folder, or None where nothing is kept.
        name: The embedder's name, for whoever looks into the folder.
        key: Everything that the result depends on, as plain JSON values.
        fit: Does the work.
    """
    if cache is None:
        return fit()
    written = json.dumps(key, sort_keys=True)
    mark = hashlib.sha256(written.encode()).hexdigest()[:32]
    folder = cache / "embedders" / f"{name}-{mark}"
    if folder.exists():
        try:
            return _read(folder, written)
        except CorruptArtifact as error:
            log.warning("%s; fitting %s again", error, name)
    fitted = fit()
    _write(folder, written, fitted)
    return fitted


def _write(folder: Path, key: str, fitted: Fitted) -> None:
    """Fill a temporary folder that takes the place of ``folder``: a kill leaves no half of one."""
    from safetensors.numpy import save_file

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
            temporary = Path(place) / folder.name
            temporary.mkdir()
            save_file(dict(fitted.tensors), temporary / TENSORS)
            record = {"key": key, "facts": fitted.facts, "sha256": _sha256(temporary / TENSORS)}
            (temporary / FACTS).write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            temporary.replace(folder)
    except OSError as error:
        # Another process may have been faster, and a full disk costs nothing but time.
        log.warning("what was fitted is not kept in %s (%s)", folder, one_line(error))


def _read(folder: Path, key: str) -> Fitted:
    """Return what ``folder`` holds.

    Raises:
        CorruptArtifact: a file is missing, damaged, or of another key.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        record = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        stored, facts, sha256 = record["key"], record["facts"], record["sha256"]
        if stored != key or sha256 != _sha256(folder / TENSORS):
            raise CorruptArtifact(f"cache folder {folder} holds something else than was written")
        return Fitted(tensors=load_file(folder / TENSORS), facts=facts)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CorruptArtifact(
            f"cache folder {folder} is damaged ({type(error).__name__}: {one_line(error)})"
        ) from error


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

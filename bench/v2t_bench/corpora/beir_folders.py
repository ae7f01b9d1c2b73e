"""Where the collections of BEIR lie on this machine, and how one gets there."""

from __future__ import annotations

import json
import os
from pathlib import Path

from v2t_bench.canonical import hash_file
from v2t_bench.corpora.archives import damage, unpack
from v2t_bench.corpora.catalogue import DISCLAIMER, Archive, Collection
from v2t_bench.corpora.disk import megabytes, writing
from v2t_bench.corpora.downloads import Patience, download, without_login
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import BadInput

URL_VARIABLE = "V2T_BENCH_BEIR_URL"
"""Names a mirror of the folder that holds the archives."""

DEFAULT_URL = "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets"
TERMS_SHOWN = "terms-shown.json"


def folder_of(collection: Collection, data_dir: Path) -> Path:
    """Return where the files of a collection are, or would be."""
    return data_dir / "beir" / collection.folder


def is_here(collection: Collection, data_dir: Path) -> bool:
    """Return whether the collection's folder exists."""
    return folder_of(collection, data_dir).is_dir()


def obtain(collection: Collection, sources: Sources, patience: Patience | None = None) -> Path:
    """Return the folder of a collection, fetched and unpacked where it is missing.

    An archive that already lies beside the folder is unpacked instead of being fetched.

    Raises:
        BadInput: it is missing and may not be fetched: offline, or its owner's to give; or the
            mirror that was named is no address.
        ServiceFailed: the server does not deliver it.
        CorruptArtifact: the archive is damaged.
    """
    folder = folder_of(collection, sources.data_dir)
    if folder.is_dir():
        return folder
    archive = collection.archive
    if archive is None:
        raise BadInput(
            f"{folder}: there is no such folder, and {collection.name} may not be offered for "
            f"download; {collection.obtain}, and write it there as corpus.jsonl, queries.jsonl "
            f"and qrels/{collection.split}.tsv"
        )
    packed = sources.data_dir / "beir" / archive.name
    if sources.offline and not packed.is_file():
        raise BadInput(
            f"{folder}: there is no such folder, nor {packed}, and fetching is off; where there "
            f"is a network, run: v2t-bench data get beir:{collection.name}"
        )
    if not packed.is_file():
        mirror()  # refused before anything is made
    from filelock import FileLock

    with writing(packed):
        packed.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{packed}.lock"):
            if not folder.is_dir():  # another process may have been faster
                _fetch_and_unpack(packed, collection, archive, sources, patience)
    return folder


def mirror() -> str:
    """Return the address of the folder that holds BEIR's archives.

    Raises:
        BadInput: the environment names something else than an http address.
    """
    import requests

    url = os.environ.get(URL_VARIABLE, "").strip().rstrip("/") or DEFAULT_URL
    try:
        if not url.lower().startswith(("http://", "https://")):
            raise ValueError("it begins with neither http:// nor https://")
        requests.Request("GET", url).prepare()
    except ValueError as error:
        # What is wrong may lie in a password, so nothing before its end is shown.
        shown = f"...@{url.rpartition('@')[2]}" if "@" in url else url
        raise BadInput(
            f"{URL_VARIABLE}={shown!a}: is no http address; name a mirror such as {DEFAULT_URL}, "
            "or unset it"
        ) from error
    return url


def _fetch_and_unpack(
    packed: Path,
    collection: Collection,
    archive: Archive,
    sources: Sources,
    patience: Patience | None,
) -> None:
    """Make the collection's folder out of the archive, which is fetched where it is missing."""
    given = packed.is_file()
    if given:
        _check_given(packed, archive)
    else:
        tell_terms(collection, sources)
        url = f"{mirror()}/{archive.name}"
        size = f" ({megabytes(archive.n_bytes)})" if archive.n_bytes else ""
        sources.tell(f"fetching {without_login(url)}{size}")
        download(url, packed, md5=archive.md5, tell=sources.tell, patience=patience)
    top = recorded_folder(collection, sources.data_dir)
    if not top.is_dir():
        sources.tell(f"unpacking {packed.name}")
        unpack(packed, top, origin={"archive": archive.name, "md5": archive.md5})
    if not folder_of(collection, sources.data_dir).is_dir():
        raise BadInput(
            f"{top}: is there and holds no {collection.name}; remove it, and fetch it again"
        )
    if not given:
        packed.unlink()


def _check_given(packed: Path, archive: Archive) -> None:
    """Refuse an archive that somebody put there and that is another one."""
    found = hash_file(packed, "md5")
    if archive.md5 and found != archive.md5:
        raise BadInput(
            f"{packed}: has md5 {found}; expected {archive.md5}: it is damaged or another "
            "version, fetch it again"
        )


def recorded_folder(collection: Collection, data_dir: Path) -> Path:
    """Return the folder that carries the record of a collection's files."""
    return data_dir / "beir" / collection.folder.partition("/")[0]


def what_is_wrong(collection: Collection, data_dir: Path) -> list[str] | None:
    """Return what was damaged since a collection was unpacked; None where nobody recorded it."""
    top = recorded_folder(collection, data_dir)
    found = damage(top)
    if found is None or top == folder_of(collection, data_dir):
        return found
    below = f"{folder_of(collection, data_dir)}{os.sep}"
    return [line for line in found if line.startswith(below)]


def tell_terms(collection: Collection, sources: Sources) -> None:
    """Tell the terms of a collection, and those of all of BEIR, once in a data folder."""
    marker = sources.data_dir / TERMS_SHOWN
    try:
        shown = set(json.loads(marker.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        shown = set()
    shown = {line for line in shown if isinstance(line, str)}
    new = [line for line in (DISCLAIMER, collection.terms) if line and line not in shown]
    if not new:
        return
    for line in new:
        sources.tell(f"terms: {line}")
    with writing(marker):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps(sorted(shown | set(new)), indent=1) + "\n", encoding="utf-8")

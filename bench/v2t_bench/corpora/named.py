"""Open the collections that have a name: what is in the data folder, or is fetched into it.

The full collection comes first, then the small one that stands in for it, then the network.
"""

from __future__ import annotations

import difflib
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

from v2t_bench.corpora import beir_folders, catalogue, hub_texts, stand_ins
from v2t_bench.corpora.beir import read_beir
from v2t_bench.corpora.catalogue import Collection
from v2t_bench.corpora.clinical import read_aci_bench, read_mtsamples
from v2t_bench.corpora.disk import megabytes
from v2t_bench.corpora.mimic import read_mimic
from v2t_bench.corpora.records import Corpus
from v2t_bench.corpora.sources import Sources
from v2t_bench.corpora.stand_ins import ACI_BENCH, MTSAMPLES, named_by_content
from v2t_bench.errors import BadInput, UnknownComponent
from v2t_bench.lines import expanded

BEIR = "beir:"
NQ, MSMARCO, ALL_OF_BEIR, MIMIC = "nq", "msmarco", "beir", "mimic"

SUMMARIES = {
    NQ: "passages of jxm/nq_corpus_dpr to invert, BEIR's nq to retrieve; or nq-25k",
    MSMARCO: "passages of Tevatron/msmarco-passage-corpus to invert, BEIR's msmarco to retrieve; "
    "or msmarco-dl19-dl20-30k",
    ALL_OF_BEIR: "the 15 public collections of BEIR; or those that are in the data folder",
    MIMIC: "mimic/NOTEEVENTS.csv[.gz] in the data folder; or ACI-Bench and MTSamples",
    f"{BEIR}<name>": "one collection of BEIR: " + ", ".join(catalogue.PUBLIC)
    + "; msmarco-dl19; from a folder only: " + ", ".join(catalogue.LICENSED),
}  # fmt: skip
NAMES = (NQ, MSMARCO, ALL_OF_BEIR, MIMIC)


def open_dataset(name: str, sources: Sources) -> tuple[Corpus, ...]:
    """Return the collections that one of `NAMES` stands for.

    Raises:
        BadInput: something is missing and may not be fetched, or cannot be used.
        ServiceFailed: a server does not deliver it.
    """
    if name == ALL_OF_BEIR:
        return _all_of_beir(sources)
    if name == MIMIC:
        return _clinical(sources)
    stand_in = stand_ins.DATASETS[name]
    collection = catalogue.COLLECTIONS[name]
    full = beir_folders.is_here(collection, sources.data_dir)
    if not full and stand_ins.is_here(stand_in, sources.data_dir):
        return (stand_ins.read(stand_in, sources.data_dir),)
    # Asked for first: what is missing is said before a gigabyte is read.
    attacked, attacked_from = hub_texts.open_texts(hub_texts.TEXTS[name], sources)
    corpus = open_collection(collection, sources)
    return (replace(corpus, name=name, attacked=attacked, attacked_from=attacked_from),)


def open_beir(what: str, sources: Sources) -> tuple[Corpus, ...]:
    """Return what is spelled ``beir:<what>``: a collection by its name, or a folder.

    Raises:
        UnknownComponent: it is neither.
        BadInput: it is missing and may not be fetched, or a file of it cannot be used.
        ServiceFailed: the server does not deliver it.
    """
    folder = expanded(what)
    collections = catalogue.named(what)
    if collections:
        passed_over = _shadowed(what, folder, collections, sources)
        try:
            opened = [open_collection(one, sources) for one in collections]
        except BadInput as error:
            raise BadInput("; ".join([str(error), *passed_over])) from error
        return tuple(replace(one, notices=(*passed_over, *one.notices)) for one in opened)
    if folder.is_dir() or _has_separator(what):
        return (read_beir(folder),)
    raise UnknownComponent(unknown_collection(what))


def open_collection(collection: Collection, sources: Sources) -> Corpus:
    """Return one collection of BEIR under its own name."""
    stand_in = stand_ins.COLLECTIONS.get(collection.name)
    full = beir_folders.is_here(collection, sources.data_dir)
    if not full and stand_in is not None and stand_ins.is_here(stand_in, sources.data_dir):
        return stand_ins.read(stand_in, sources.data_dir)
    folder = beir_folders.obtain(collection, sources)
    return read_beir(folder, split=collection.split, name=f"{BEIR}{collection.name}")


def is_missing(name: str, sources: Sources) -> bool:
    """Return whether the collection of that name would have to be fetched."""
    stand_in = stand_ins.COLLECTIONS.get(name)
    return not beir_folders.is_here(catalogue.COLLECTIONS[name], sources.data_dir) and (
        stand_in is None or not stand_ins.is_here(stand_in, sources.data_dir)
    )


def _all_of_beir(sources: Sources) -> tuple[Corpus, ...]:
    """Return the public collections; where a data folder has stand-ins, those that are there."""
    collections = [one for name in catalogue.PUBLIC for one in catalogue.named(name)]
    stand_in_layout = any(
        stand_ins.is_here(one, sources.data_dir) for one in stand_ins.COLLECTIONS.values()
    )
    if stand_in_layout:
        here = [one for one in collections if not is_missing(one.name, sources)]
        sources.tell(
            f"beir: {len(here)} of {len(collections)} collections are in {sources.data_dir}; the "
            "others are fetched only when named"
        )
        collections = here
    absent = [one for one in collections if is_missing(one.name, sources)]
    if absent and sources.offline:
        first = beir_folders.folder_of(absent[0], sources.data_dir)
        listed = ", ".join(one.name for one in absent)
        raise BadInput(
            f"{first}: there is no such folder, and fetching is off ({len(absent)} of "
            f"{len(collections)} collections are missing: {listed}); "
            "where there is a network, run: v2t-bench data get beir"
        )
    if absent:
        archives = {one.archive for one in absent if one.archive is not None}
        size = megabytes(sum(archive.n_bytes for archive in archives))
        sources.tell(f"beir: {len(archives)} archives are missing and are fetched, {size} together")
    return tuple(open_collection(one, sources) for one in collections)


def _clinical(sources: Sources) -> tuple[Corpus, ...]:
    """Return the notes of MIMIC-III, or the clinical notes that stand in for them."""
    own = sources.data_dir / "mimic" / "NOTEEVENTS.csv"
    for path in (own, own.with_name(f"{own.name}.gz")):
        if path.is_file():
            return (read_mimic(path),)
    folder = sources.data_dir / "clinical"
    if not folder.is_dir():
        raise BadInput(
            f"{own}: there is no such file, nor a .gz, nor {folder} with notes that stand in for "
            "those of MIMIC-III; name your own credentialed copy "
            "(https://physionet.org/content/mimiciii/): mimic:<NOTEEVENTS.csv.gz>"
        )
    read = ((ACI_BENCH, read_aci_bench(folder)), (MTSAMPLES, read_mtsamples(folder)))
    return tuple(named_by_content(notes, corpus, sources.data_dir) for notes, corpus in read)


def _shadowed(
    what: str, folder: Path, collections: tuple[Collection, ...], sources: Sources
) -> tuple[str, ...]:
    """Return a notice where a folder of the same name is passed over."""
    if not any((folder / f"corpus.jsonl{ending}").exists() for ending in ("", ".gz")):
        return ()
    read = beir_folders.folder_of(collections[0], sources.data_dir)
    stand_in = stand_ins.COLLECTIONS.get(what)
    if not read.is_dir() and stand_in is not None and stand_ins.is_here(stand_in, sources.data_dir):
        read = sources.data_dir / stand_in.folder
    if read.is_dir() and read.samefile(folder):
        return ()
    return (f"{BEIR}{what} is the collection in {read}, not ./{what}, which is {BEIR}./{what}",)


def _has_separator(what: str) -> bool:
    return any(separator in what for separator in (os.sep, os.altsep) if separator)


def unknown_collection(what: str) -> str:
    """Return what to tell someone who spelled a collection of BEIR so."""
    near = difflib.get_close_matches(plain(what), catalogue.names(), n=2, cutoff=0.6)
    guess = f"; did you mean {' or '.join(repr(BEIR + name) for name in near)}?" if near else ""
    return (
        f"no collection of BEIR is called {what!r}{look_alikes(what)}, nor a folder{guess} "
        f"(known: {', '.join((*catalogue.PUBLIC, 'msmarco-dl19', *catalogue.LICENSED))}; a "
        f"folder: {BEIR}<path>)"
    )


def plain(name: str) -> str:
    """Return a name as it would be written plainly: no accents, no wide letters, no capitals."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def look_alikes(name: str) -> str:
    """Return what letters of a name are not what they look like, in brackets; or nothing."""
    odd = dict.fromkeys(one for one in name if not one.isascii())
    told = ", ".join(f"{one!r} is {unicodedata.name(one, 'without a name')}" for one in odd)
    return f" ({told})" if told else ""

"""What collections are on this machine, in what state, and how the others get here."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from v2t_bench.corpora import beir_folders, catalogue, hub_texts, stand_ins
from v2t_bench.corpora.catalogue import Collection
from v2t_bench.corpora.named import BEIR, unknown_collection
from v2t_bench.corpora.sources import Sources
from v2t_bench.corpora.stand_ins import Notes, StandIn
from v2t_bench.errors import BadInput, CorruptArtifact, UnknownComponent

HERE, NOT_HERE = "here", "not here"

Fetch = Callable[[Sources], None]


def inventory(data_dir: Path) -> list[dict[str, object]]:
    """Return one record a collection, the same fields in each."""
    found = [_beir_line(one, data_dir) for one in catalogue.COLLECTIONS.values()]
    found += [_hub_line(name, texts, data_dir) for name, texts in hub_texts.TEXTS.items()]
    found += [_stand_in_line(one, data_dir) for one in stand_ins.DATASETS.values()]
    found += [_notes_line(one, data_dir) for one in stand_ins.CLINICAL]
    return found


def fetches(name: str) -> list[Fetch]:
    """Return what has to be called to get what is called ``name``.

    Raises:
        UnknownComponent: nothing is called so, or it is not to be fetched.
        BadInput: the mirror of BEIR that was named is no address.
    """
    if name in hub_texts.TEXTS:
        texts = hub_texts.TEXTS[name]
        return [partial(_get_texts, texts), *fetches(f"{BEIR}{name}")]
    if name == "beir":
        return [one for public in catalogue.PUBLIC for one in fetches(f"{BEIR}{public}")]
    collections = catalogue.named(name.removeprefix(BEIR))
    if any(one.archive for one in collections):
        beir_folders.mirror()
    if not collections:
        if name in ("mimic", "demo"):
            why = {
                "mimic": "MIMIC-III is given to credentialed users by PhysioNet "
                "(https://physionet.org/content/mimiciii/)",
                "demo": "demo collections are generated when they are used",
            }[name]
            raise UnknownComponent(f"{name!r} is not fetched: {why}")
        raise UnknownComponent(unknown_collection(name.removeprefix(BEIR)))
    return [partial(_get, one) for one in collections]


@dataclass(frozen=True)
class Verdict:
    """What became of one collection.

    Args:
        name: Which.
        text: In a few words.
        damage: Every file that is damaged or missing, one line each.
    """

    name: str
    text: str
    damage: tuple[str, ...] = ()


def verdicts(names: Sequence[str], sources: Sources) -> Iterator[Verdict]:
    """Yield what became of each collection; without names, of everything that is here.

    Raises:
        UnknownComponent: nothing is called so.
        BadInput: there is no data folder.
    """
    by_name: dict[str, Callable[[], Verdict]] = {}
    for one in catalogue.COLLECTIONS.values():
        by_name[f"{BEIR}{one.name}"] = partial(_beir_verdict, one, sources.data_dir)
    for stand_in in _stand_ins():
        # The full collection of the same name comes first, as it does when it is opened.
        if stand_ins.is_here(stand_in, sources.data_dir) and not _is_full(stand_in, sources):
            by_name[stand_in.name] = partial(_stand_in_verdict, stand_in, sources.data_dir)
    for notes in stand_ins.CLINICAL:
        if stand_ins.is_here(notes, sources.data_dir):
            by_name[notes.name] = partial(_notes_verdict, notes, sources.data_dir)
    wanted = _wanted(names, by_name)
    if not sources.data_dir.is_dir():
        raise BadInput(
            f"{sources.data_dir}: there is no such folder, so there is nothing to verify; name "
            "another with --data-dir, or fetch a collection with v2t-bench data get"
        )
    for name in wanted or list(by_name):
        verdict = by_name[name]()
        if wanted or verdict.text != NOT_HERE:
            yield verdict


def _wanted(names: Sequence[str], verifiable: Container[str]) -> list[str]:
    """Return the names of the collections that ``names`` stand for."""
    wanted: list[str] = []
    for name in names:
        known = name if name in verifiable else f"{BEIR}{name.removeprefix(BEIR)}"
        members = catalogue.PUBLIC if name == "beir" else (name.removeprefix(BEIR),)
        group = [f"{BEIR}{one.name}" for member in members for one in catalogue.named(member)]
        if known not in verifiable and not group:
            raise UnknownComponent(unknown_collection(name.removeprefix(BEIR)))
        wanted += [known] if known in verifiable else group
    return wanted


def _stand_ins() -> list[StandIn]:
    return [*stand_ins.DATASETS.values(), *stand_ins.COLLECTIONS.values()]


def _is_full(stand_in: StandIn, sources: Sources) -> bool:
    collection = catalogue.COLLECTIONS.get(stand_in.name.removeprefix(BEIR))
    return collection is not None and beir_folders.is_here(collection, sources.data_dir)


def _get(collection: Collection, sources: Sources) -> None:
    was_here = beir_folders.is_here(collection, sources.data_dir)
    folder = beir_folders.obtain(collection, sources)
    sources.tell(f"{BEIR}{collection.name}: {'already ' * was_here}in {folder}")


def _get_texts(texts: hub_texts.HubTexts, sources: Sources) -> None:
    opened, told = hub_texts.open_texts(texts, sources)
    sources.tell(f"{told}: {len(opened)} texts")


def _beir_line(one: Collection, data_dir: Path) -> dict[str, object]:
    stand_in = stand_ins.COLLECTIONS.get(one.name)
    state = HERE if beir_folders.is_here(one, data_dir) else NOT_HERE
    if state == NOT_HERE and stand_in is not None and stand_ins.is_here(stand_in, data_dir):
        state = f"{HERE}, in {stand_in.folder}"
    return {
        "name": f"{BEIR}{one.name}",
        "state": state,
        "bytes_to_fetch": one.archive.n_bytes if one.archive else 0,
        "documents": one.n_documents,
        "queries": one.n_queries,
        "split": one.split,
        "licence": one.licence,
        "what": one.summary + (f"; {one.obtain}" if one.obtain else ""),
    }


def _hub_line(name: str, texts: hub_texts.HubTexts, data_dir: Path) -> dict[str, object]:
    return {
        "name": name,
        "state": HERE if hub_texts.are_here(texts, data_dir) else NOT_HERE,
        "bytes_to_fetch": texts.n_bytes,
        "documents": texts.n_texts,
        "queries": 0,
        "split": texts.split,
        "licence": catalogue.COLLECTIONS[name].licence,
        "what": f"texts to invert: {texts.hub_id} at {texts.revision[:12]}",
    }


def _stand_in_line(one: StandIn, data_dir: Path) -> dict[str, object]:
    return {
        "name": one.name,
        "state": HERE if stand_ins.is_here(one, data_dir) else NOT_HERE,
        "bytes_to_fetch": 0,
        "documents": one.n_documents,
        "queries": one.n_queries,
        "split": "test",
        "licence": one.licence,
        "what": f"in {one.folder}: {one.summary}",
    }


def _notes_line(one: Notes, data_dir: Path) -> dict[str, object]:
    return {
        "name": one.name,
        "state": HERE if stand_ins.is_here(one, data_dir) else NOT_HERE,
        "bytes_to_fetch": 0,
        "documents": one.n_documents,
        "queries": 0,
        "split": "all",
        "licence": one.licence,
        "what": f"in {one.file}: {one.summary}",
    }


def _beir_verdict(one: Collection, data_dir: Path) -> Verdict:
    name = f"{BEIR}{one.name}"
    if not beir_folders.is_here(one, data_dir):
        return Verdict(name, NOT_HERE)
    try:
        damage = beir_folders.what_is_wrong(one, data_dir)
    except CorruptArtifact as error:
        return Verdict(name, "damaged", (str(error),))
    if damage is None:
        return Verdict(name, "here; nothing was recorded to compare it with")
    return Verdict(name, "damaged" if damage else "as it was unpacked", tuple(damage))


def _stand_in_verdict(one: StandIn, data_dir: Path) -> Verdict:
    files = zip(stand_ins.FILES, one.sha256, strict=True)
    damage = [_other_content(data_dir / one.folder / file, sha256) for file, sha256 in files]
    return _pinned(one.name, damage)


def _notes_verdict(one: Notes, data_dir: Path) -> Verdict:
    return _pinned(one.name, [_other_content(data_dir / one.file, one.sha256)])


def _pinned(name: str, damage: list[str]) -> Verdict:
    found = tuple(line for line in damage if line)
    return Verdict(name, "damaged or another" if found else "as pinned", found)


def _other_content(path: Path, sha256: str) -> str:
    """Return a line on a file that does not hold what it must, else nothing."""
    try:
        found = stand_ins.content_sha256(path.parent, path.name)
    except BadInput as error:
        return str(error)
    if found == sha256:
        return ""
    return f"{path}: holds sha256 {found[:12]}...; expected {sha256[:12]}..."

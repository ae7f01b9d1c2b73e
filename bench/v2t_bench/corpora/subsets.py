"""Cut our own subsets anew from the public collections that they were cut from.

The package holds the ids of a subset and the sha256 of its files, and none of its text.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path

from v2t_bench.corpora import beir_folders, catalogue, stand_ins
from v2t_bench.corpora.disk import writing
from v2t_bench.corpora.sources import Sources
from v2t_bench.corpora.stand_ins import FILES, MSMARCO_30K, NQ_25K
from v2t_bench.errors import BadInput, BadParameter, UnknownComponent
from v2t_bench.lines import parse_record, read_lines, text_field

IDS = Path(__file__).parent / "subset_ids"
HEADER = "query-id\tcorpus-id\tscore"
N_LINES_TOLD = 1_000_000

Judgements = dict[str, dict[str, int]]


def rebuild(name: str, sources: Sources, *, topics: Path | None, qrels: Path | None) -> Path:
    """Return the folder of a subset, rebuilt and compared with its checksums.

    Raises:
        UnknownComponent: no subset is called so.
        BadParameter: it cannot be rebuilt, or a file that it takes was not given.
        BadInput: a source is missing or damaged, or what comes out is not the subset.
        ServiceFailed: BEIR's msmarco cannot be fetched.
    """
    if name == NQ_25K.name:
        raise BadParameter(
            f"{name} cannot be rebuilt from ids: its distractors were taken from a dump of "
            "Wikipedia whose passages have no public ids; rows that use it are marked "
            f"{stand_ins.NOT_REBUILDABLE}"
        )
    if name != MSMARCO_30K.name:
        raise UnknownComponent(
            f"no subset is called {name!r} (known: {MSMARCO_30K.name}; {NQ_25K.name}, which "
            "cannot be rebuilt)"
        )
    if topics is None or qrels is None:
        raise BadParameter(
            f"{name} takes --topics msmarco-test2020-queries.tsv and --qrels 2020qrels-pass.txt "
            "(both at https://microsoft.github.io/msmarco/TREC-Deep-Learning-2020), which BEIR "
            "does not distribute"
        )
    folder = sources.data_dir / MSMARCO_30K.folder
    if folder.is_dir():
        if stand_ins.is_pinned(MSMARCO_30K, folder):
            return folder
        raise BadInput(f"{folder}: is there and holds something else; move it away first")
    # What the user gave is read before a gigabyte is fetched.
    second = _queries_of_2020(topics), _judgements_of_2020(qrels)
    source = beir_folders.obtain(catalogue.COLLECTIONS["msmarco-dl19"], sources)
    temporary = folder.with_name(f".{folder.name}.rebuilding")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with writing(folder):
            _write(temporary, source, second, sources)
            _compare(temporary)
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def subset_ids(name: str) -> list[str]:
    """Return the ids of a subset's documents, in the order of the subset."""
    # What is kept is the distance of each id from the one before: a third of the size.
    steps = (int(line) for _, line in read_lines(IDS / f"{name}.txt.zst"))
    return [str(number) for number in accumulate(steps)]


def _write(
    folder: Path, source: Path, second: tuple[Mapping[str, str], Judgements], sources: Sources
) -> None:
    """Write the subset's three files as they were written the first time."""
    ids = subset_ids(MSMARCO_30K.name)
    chosen = set(ids)
    first = _judgements_of_2019(source)
    queries = {**_queries_of_2019(source, first), **second[0]}
    judged: Judgements = {}
    for year in (first, second[1]):
        for query in sorted(year, key=_number):
            judged[query] = {key: year[query][key] for key in sorted(year[query]) if key in chosen}
    unknown = [query for query in judged if query not in queries]
    if unknown:
        raise BadInput(
            f"query {unknown[0]!r} is judged and is in no file of queries ({len(unknown)} such); "
            "expected the queries of TREC-DL 2019 in BEIR's msmarco, those of 2020 in --topics"
        )
    texts = _documents(source, chosen, sources)
    (folder / "qrels").mkdir(parents=True)
    with gzip.open(folder / f"{FILES[0]}.gz", "wt", encoding="utf-8", newline="\n") as corpus:
        corpus.writelines(texts[key] for key in ids)
    lines = [_line(_id=query, text=queries[query]) for query in sorted(judged, key=_number)]
    _write_lines(folder / FILES[1], lines)
    rows = [HEADER + "\n"]
    rows += [
        f"{q}\t{key}\t{grade}\n" for q, grades in judged.items() for key, grade in grades.items()
    ]
    _write_lines(folder / FILES[2], rows)


def _compare(folder: Path) -> None:
    """Refuse what is not the subset."""
    for name, sha256 in zip(FILES, MSMARCO_30K.sha256, strict=True):
        found = stand_ins.content_sha256(folder, name)
        if found != sha256:
            raise BadInput(
                f"{name}: what was rebuilt has sha256 {found}; expected {sha256}: one of the "
                "sources is another version, so nothing was kept"
            )


def _documents(source: Path, chosen: set[str], sources: Sources) -> dict[str, str]:
    """Return the line of each chosen document by its id."""
    found = {}
    for place, line in _lines(source / "corpus.jsonl"):
        number = int(place.rpartition(":")[2])
        if number % N_LINES_TOLD == 0:
            sources.tell(f"{source.name}: {number:,} passages read")
        record = parse_record(line, place)
        key = text_field(record, "_id", place)
        if key in chosen:
            title = text_field(record, "title", place, optional=True)
            found[key] = _line(_id=key, title=title, text=text_field(record, "text", place))
    absent = sorted(chosen - set(found), key=_number)
    if absent:
        raise BadInput(
            f"{source / 'corpus.jsonl'}: has no passage {absent[0]} ({len(absent)} of "
            f"{len(chosen)} are missing); expected all of BEIR's msmarco"
        )
    return found


def _queries_of_2019(source: Path, judged: Judgements) -> dict[str, str]:
    """Return the judged queries that BEIR has."""
    records = (
        (parse_record(line, place), place) for place, line in _lines(source / "queries.jsonl")
    )
    return {
        record["_id"]: text_field(record, "text", place)
        for record, place in records
        if text_field(record, "_id", place) in judged
    }


def _judgements_of_2019(source: Path) -> Judgements:
    """Return what BEIR calls the test split."""
    rows = _lines(source / "qrels" / "test.tsv")
    next(rows, None)  # the header
    return _grades((place, line.split("\t")) for place, line in rows)


def _queries_of_2020(path: Path) -> dict[str, str]:
    """Return every query of a file with a number, a tab and the query in each line."""
    queries = {}
    for place, line in _lines(path):
        number, tab, text = line.partition("\t")
        if not tab or not number.isdigit():
            raise BadInput(f"{place}: expected a number, a tab and a query, as in TREC's topics")
        queries[number] = text
    return queries


def _judgements_of_2020(path: Path) -> Judgements:
    """Return the judgements of a file in TREC's layout: query, Q0, document, grade."""
    rows = ((place, line.split()) for place, line in _lines(path))
    return _grades((place, [*row[:1], *row[2:]]) for place, row in rows)


def _grades(rows: Iterable[tuple[str, list[str]]]) -> Judgements:
    """Return query to document to grade."""
    judgements: Judgements = {}
    for place, row in rows:
        if len(row) != 3 or not all(field.isdigit() for field in row):
            raise BadInput(
                f"{place}: expected a query, a document and a grade, all of them numbers"
            )
        query, document, grade = row
        judgements.setdefault(query, {})[document] = int(grade)
    return judgements


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of every line that is not blank; of the .gz where only that exists."""
    if not path.exists() and path.with_name(f"{path.name}.gz").exists():
        path = path.with_name(f"{path.name}.gz")
    for number, line in read_lines(path):
        if line.strip():
            yield f"{path}:{number}", line


def _line(**record: str) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def _number(key: str) -> int:
    """Return what ids are sorted by: they are numbers."""
    return int(key) if key.isdigit() else -1

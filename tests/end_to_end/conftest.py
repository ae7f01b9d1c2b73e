"""A small folder in BEIR's layout, and the command line called in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from end_to_end.commands import Finished, Invoke, train_tiny, write_beir
from end_to_end.stored_results import beir_results, demo_results, mimic_results

__all__ = ["beir_results", "demo_results", "mimic_results"]  # fixtures are found by their names


@pytest.fixture(scope="session")
def beir_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty documents and twenty judged queries in BEIR's layout."""
    from v2t_bench.corpora.demo import demo_corpus

    folder = tmp_path_factory.mktemp("beir") / "forty"
    corpus = demo_corpus("demo-nq")
    wanted = dict(list(corpus.judgements.items())[:20])
    needed = {document for grades in wanted.values() for document in grades}
    documents = [d for d in corpus.documents if d.id in needed]
    documents += [d for d in corpus.documents if d.id not in needed][: 40 - len(documents)]
    write_beir(
        folder,
        [{"_id": d.id, "title": d.title, "text": d.text} for d in documents],
        [{"_id": query, "text": corpus.queries[query]} for query in wanted],
        [(query, document, grade) for query, grades in wanted.items()
         for document, grade in grades.items()],
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def texts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred texts to train on, one a line."""
    from v2t_bench.corpora.demo import demo_training_texts

    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n".join(demo_training_texts()[:400]) + "\n")
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], cache: Path
) -> Invoke:
    """The command line, called in this process; models are loaded once a session."""
    from v2t_bench.cli import main

    monkeypatch.setenv("V2T_BENCH_CACHE", str(cache))

    def call(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["v2t-bench", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return Finished(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def trained(cache: Path, texts_file: Path) -> None:
    """Checkpoints of nearest and bow in the session's cache."""
    for name in ("nearest", "bow"):
        train_tiny(name, texts_file, "hashed", steps=40, cache=cache)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin for tests, installed as far as Python can tell."""
    info = tmp_path / "site" / "v2t_ladder-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: v2t-ladder\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[v2t_bench]\nladder = ladder\n")
    monkeypatch.syspath_prepend(tmp_path / "site")

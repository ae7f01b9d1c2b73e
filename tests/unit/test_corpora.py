"""The spellings of collections."""

import subprocess
import sys
from pathlib import Path

import pytest

from v2t_bench.corpora import known_datasets, open_corpora
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import BadInput, BadParameter, UnknownComponent

DEMOS = ["demo-nq", "demo-msmarco", "demo-beir", "demo-mimic"]


def test_demo_is_all_four_generated_collections() -> None:
    assert [corpus.name for corpus in open_corpora("demo", with_training=False)] == DEMOS


@pytest.mark.parametrize("name", DEMOS)
def test_a_generated_collection_is_opened_by_its_name(name: str) -> None:
    assert [corpus.name for corpus in open_corpora(name, with_training=False)] == [name]


def test_training_texts_come_only_when_wanted() -> None:
    [with_them], [without] = open_corpora("demo-nq"), open_corpora("demo-nq", with_training=False)
    assert with_them.training_texts
    assert not without.training_texts
    assert with_them.fingerprint == without.fingerprint


def test_a_folder_is_opened_by_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "d", "text": "one"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "which?"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    [corpus] = open_corpora(f"beir:{folder}")
    assert corpus.name == "beir:mine"


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such folder"):
        open_corpora(f"beir:{tmp_path / 'nowhere'}")


def test_beir_without_a_folder_is_refused() -> None:
    with pytest.raises(BadParameter, match="'beir:' names no folder; expected beir:<folder> or"):
        open_corpora("beir:")


@pytest.mark.parametrize(
    ("spelling", "near"),
    [
        ("dmeo", "'demo'"),
        ("demo-marco", "'demo-msmarco'"),
        ("demo_nq", "'demo-nq'"),
        ("bier:data/nq", "'beir:data/nq'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_one(spelling: str, near: str) -> None:
    with pytest.raises(UnknownComponent, match=f"called '{spelling}'; did you mean {near}"):
        open_corpora(spelling)


def test_a_bare_folder_is_answered_with_how_to_spell_it(tmp_path: Path) -> None:
    with pytest.raises(UnknownComponent, match=f"did you mean 'beir:{tmp_path}'"):
        open_corpora(str(tmp_path))


@pytest.mark.parametrize("spelling", ["", "zzzzzz", "qqqq:"])
def test_an_unknown_name_is_answered_with_every_form_there_is(spelling: str) -> None:
    with pytest.raises(
        UnknownComponent, match=r"known: all, demo, .*, beir:<folder>, texts:<file>, mimic:<file>"
    ):
        open_corpora(spelling)


def test_every_dataset_is_listed_with_one_line() -> None:
    listed = dict(known_datasets())
    named = ["nq", "msmarco", "beir", "mimic", "beir:<name>"]
    assert list(listed) == [
        "all",
        "demo",
        *DEMOS,
        *named,
        "beir:<folder>",
        "texts:<file>",
        "mimic:<file>",
    ]
    assert all(summary and "\n" not in summary for summary in listed.values())


def test_listing_datasets_imports_nothing_heavy() -> None:
    code = (
        "import sys; from v2t_bench.corpora import known_datasets; known_datasets(); "
        "print(*{'torch', 'transformers', 'datasets', 'pandas', 'beir'} & set(sys.modules))"
    )
    bench = Path(__file__).resolve().parents[2] / "bench"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(bench)},
    )
    assert done.stdout.strip() == ""


def test_notes_of_mimic_in_the_data_folder_come_before_what_stands_in_for_them(
    tmp_path: Path,
) -> None:
    from v2t_bench.corpora.made_notes import make_noteevents

    (tmp_path / "mimic").mkdir()
    (tmp_path / "clinical").mkdir()
    make_noteevents(tmp_path / "mimic" / "NOTEEVENTS.csv.gz", n_notes=20, seed=0)
    [corpus] = open_corpora("mimic", Sources(data_dir=tmp_path, offline=True))
    assert corpus.restricted


@pytest.mark.data
def test_all_is_the_four_datasets(shared_data: Path) -> None:
    corpora = open_corpora("all", Sources(data_dir=shared_data, offline=True))
    assert [corpus.name for corpus in corpora] == [
        "nq-25k", "msmarco-dl19-dl20-30k", "beir:arguana", "beir:nfcorpus", "beir:scifact",
        "aci-bench", "mtsamples",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["beir", "texts", "mimic"])
def test_the_home_of_nobody_is_told_in_one_line(kind: str) -> None:
    with pytest.raises(BadInput, match="there is no such user's folder"):
        open_corpora(f"{kind}:~nobody-is-called-so/a.txt")


def test_a_name_that_is_no_unicode_is_told_in_one_line() -> None:
    with pytest.raises(BadInput, match="the name of the dataset holds half of a surrogate pair"):
        open_corpora("texts:a\udcff.txt")

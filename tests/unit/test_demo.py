"""The demo collections: generated, the same everywhere, and with nothing to recite."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from itertools import chain

import pytest

from v2t_bench.corpora import demo
from v2t_bench.corpora.demo import DEMO_NAMES, demo_corpus, demo_training_texts
from v2t_bench.corpora.demo_grammar import gerund, past, plural, with_article
from v2t_bench.corpora.records import Corpus, Document
from v2t_bench.errors import UnknownComponent

# Written down on the day the collections were frozen: another value means another
# benchmark, whose rows must not stand beside the old ones.
FINGERPRINTS = {
    "demo-nq": "a30d968ce70f50e223a725cc4c37c1f36b1547002006ffd1b25cfb40c38e3cc6",
    "demo-msmarco": "f2df2b1eb07a457957c4dffedd428469f85cb7fcf17c5fbf4a670749b3fe13f0",
    "demo-beir": "58beb01da456f5aa981b8a2869c18c6248ccb748e13a79d6a2a15548135dd239",
    "demo-mimic": "d7d38ce7638c752cf88af1cfa8b10f9bd94369c135154da60ef2f01fa519a54a",
}
# Every word of a pattern that carries no subject, and common function words.
STOP_WORDS = frozenset(
    """a about according after all although an and are around as at away be because been before
    beside both but by can cannot do does each even every few for from had has have he her his how
    i if in inside into is it its learn less like many may mine more most mostly much near never new
    no not now of often on one only or our out over she should so some start still such than that
    the their them then there these they this those to today too two under unlike until was we were
    what when where whether which while who why will with without working would you your""".split()
)


def words_of(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"[a-z]+", " ".join(texts).lower()))


def numbers_of(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"\d+", " ".join(texts)))


def test_texts_of(corpus: Corpus) -> list[str]:
    return [document.content for document in corpus.documents] + list(corpus.queries.values())


test_texts_of.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(params=DEMO_NAMES)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return demo_corpus(request.param)


def test_has_the_promised_size(corpus: Corpus) -> None:
    assert len(corpus.documents) == len({document.id for document in corpus.documents}) == 300
    assert len(corpus.queries) == 60
    assert len(corpus.training_texts) == len(set(corpus.training_texts)) == 4000


def test_texts_are_distinct_and_of_sentence_length(corpus: Corpus) -> None:
    texts = [document.content for document in corpus.documents]
    assert len(set(texts)) == len(texts)
    assert all(9 <= len(text.split()) <= 22 for text in texts)


def test_judgements_refer_to_documents_and_queries(corpus: Corpus) -> None:
    known = {document.id for document in corpus.documents}
    assert corpus.judgements.keys() == corpus.queries.keys()
    assert all(grades and grades.keys() <= known for grades in corpus.judgements.values())
    assert sum(len(grades) > 1 for grades in corpus.judgements.values()) == 15
    best = 2 if corpus.name == "demo-beir" else 1
    assert all(max(grades.values()) == best for grades in corpus.judgements.values())


def test_has_3000_content_words_besides_names(corpus: Corpus) -> None:
    people = chain.from_iterable((name.first, name.last) for name in corpus.names.values())
    trained = demo._shared_words(test=False)
    names = {word.lower() for word in chain(people, trained["first"], trained["last"])}
    words = words_of(chain(test_texts_of(corpus), corpus.training_texts))
    assert len(words - names - STOP_WORDS) >= 3000


def test_names_never_occur_in_any_training_text(corpus: Corpus) -> None:
    trained = words_of(demo_training_texts())
    for name in corpus.names.values():
        assert name.first.lower() not in trained
        assert name.last.lower() not in trained


def test_numbers_never_occur_in_any_training_text(corpus: Corpus) -> None:
    assert not numbers_of(test_texts_of(corpus)) & numbers_of(demo_training_texts())


def test_no_test_text_is_a_training_text(corpus: Corpus) -> None:
    trained = {text.lower() for text in demo_training_texts()}
    assert not trained & {text.lower() for text in test_texts_of(corpus)}


def test_subjects_of_titles_never_occur_in_training() -> None:
    trained = {text.lower() for text in demo_training_texts()}
    for document in demo_corpus("demo-beir").documents:
        assert not any(text.startswith(f"{document.title.lower()} ") for text in trained)


def test_names_stand_in_their_documents(corpus: Corpus) -> None:
    texts = {document.id: document.content for document in corpus.documents}
    assert all(f"{name.first} {name.last}" in texts[key] for key, name in corpus.names.items())


def test_every_clinical_note_names_its_patient() -> None:
    assert len(demo_corpus("demo-mimic").names) == 300


def test_notes_about_one_patient_name_the_same_person() -> None:
    corpus = demo_corpus("demo-mimic")
    for grades in corpus.judgements.values():
        assert len({corpus.names[key] for key in grades}) == 1


def test_only_some_collections_have_titles() -> None:
    titled = {name for name in DEMO_NAMES if any(d.title for d in demo_corpus(name).documents)}
    assert titled == {"demo-nq", "demo-beir"}


def test_more_training_texts_only_lengthen(corpus: Corpus) -> None:
    shorter = demo_corpus(corpus.name, n_training=50)
    assert shorter.training_texts == corpus.training_texts[:50]
    assert shorter.fingerprint == corpus.fingerprint


def test_union_of_training_takes_turns() -> None:
    union = demo_training_texts()
    assert len(union) == 16000
    assert union[:4] == tuple(demo_corpus(name).training_texts[0] for name in DEMO_NAMES)


def test_fingerprints_are_those_published(corpus: Corpus) -> None:
    assert corpus.fingerprint == FINGERPRINTS[corpus.name]


def test_fingerprint_ignores_hash_randomisation() -> None:
    code = (
        "import hashlib; from v2t_bench.corpora.demo import *;"
        "print(*(demo_corpus(n).fingerprint for n in DEMO_NAMES),"
        "hashlib.sha256('\\n'.join(demo_training_texts()).encode()).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert said.pop().split()[:4] == list(FINGERPRINTS.values())


def test_fingerprint_changes_with_a_text(corpus: Corpus) -> None:
    first, *others = corpus.documents
    changed = Document(first.id, first.title, first.text + " ")
    other = Corpus(
        name=corpus.name,
        split=corpus.split,
        documents=(changed, *others),
        queries=corpus.queries,
        judgements=corpus.judgements,
        names=corpus.names,
    )
    assert other.fingerprint != corpus.fingerprint


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownComponent, match="demo-nq"):
        demo_corpus("demo-quora")


def test_content_without_a_title_is_the_text() -> None:
    assert Document("1", "", "A text.").content == "A text."
    assert Document("1", "Title", "A text.").content == "Title A text."


@pytest.mark.parametrize(
    ("inflect", "word", "expected"),
    [
        (plural, "hip replacement", "hip replacements"),
        (plural, "ferry", "ferries"),
        (plural, "torch", "torches"),
        (plural, "sheepdog", "sheepdogs"),
        (plural, "wolf", "wolves"),
        (past, "stir", "stirred"),
        (past, "occupy", "occupied"),
        (past, "survey", "surveyed"),
        (past, "knock out", "knocked out"),
        (past, "peel", "peeled"),
        (past, "veto", "vetoed"),
        (gerund, "dye", "dyeing"),
        (gerund, "bake", "baking"),
        (gerund, "map", "mapping"),
        (gerund, "quote", "quoting"),
        (with_article, "easel", "an easel"),
        (with_article, "unicorn", "a unicorn"),
        (with_article, "unpaid bill", "an unpaid bill"),
        (with_article, "European", "a European"),
        (with_article, "83", "an 83"),
        (with_article, "63", "a 63"),
    ],
)
def test_inflects_as_english_does(inflect: object, word: str, expected: str) -> None:
    assert callable(inflect)
    assert inflect(word) == expected

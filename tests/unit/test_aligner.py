"""The aligner from training to answers: what it learns, what it costs, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from v2t_bench.alignment.maps import MAP
from v2t_bench.checkpoints import CheckpointRecord, read_record
from v2t_bench.contracts import (
    BuildContext,
    Embedder,
    Role,
    Round,
    Trace,
    TrainContext,
    Vectors,
)
from v2t_bench.errors import (
    BadInput,
    BadParameter,
    CorruptArtifact,
    MissingCheckpoint,
    SpaceMismatch,
)
from v2t_bench.lesson import Lesson, taught_by, to_be_taught
from v2t_bench.nesting import check_space
from v2t_bench.registry import Registry
from v2t_bench.resolution import CheckpointFinder
from v2t_bench.scoring.overlap import token_f1_per_text
from v2t_bench.shelves import Shelves
from v2t_bench.spelling import Spelling, parse
from v2t_bench.threat import Oracle
from v2t_bench.training import School
from v2t_bench.vectors import VectorCache
from v2t_plugins.attacks.aligner import SETTINGS, Aligner

# Unlike the attacked space in every way: other words are near each other, other dimensions.
TARGET = "hashed:dim=48"
PAIRED = ("linear", "procrustes", "mlp")


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """720 sentences, in an order in which every part has all words."""
    who = ("Ann", "Bob", "the old baker", "a nurse from Rome", "my cousin")
    does = ("sells", "paints", "forgets", "finds")
    what = ("a red door", "two maps", "the morning news", "every key", "some bread", "a ladder")
    when = ("on Monday.", "before dawn.", "with great care.", "in May.", "at home.", "again.")
    made = [" ".join(words) for words in product(who, does, what, when)]
    return [made[row] for row in np.random.default_rng(0).permutation(len(made))]


@pytest.fixture(scope="module")
def known(sentences: list[str]) -> list[str]:
    return sentences[:620]


@pytest.fixture(scope="module")
def unseen(sentences: list[str]) -> list[str]:
    return sentences[620:]


def lesson(attack: str, texts: list[str], registry: Registry, **more: object) -> Lesson:
    spelled = parse(attack)
    taught = taught_by(registry, spelled)
    given = {"max_tokens": 16, "size": "tiny", "steps": 20, **more}
    return Lesson(
        attack=spelled.name,
        texts=texts,
        trained_on="toy",
        taught=taught,
        **given,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def place(
    registry: Registry,
    context: BuildContext,
    embedder: Embedder,
    known: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder of checkpoints: each paired method for this space, nearest for the target's."""
    folder = tmp_path_factory.mktemp("aligned")
    target: Embedder = registry.build("embedders", TARGET, context)
    attacks = {method: f"aligner:{method},target=[{TARGET}],pairs=400" for method in PAIRED}
    for name, spelled in {**attacks, "nearest": "nearest"}.items():
        school = School(
            registry=registry,
            embedder=target if name == "nearest" else embedder,
            embedder_text=TARGET if name == "nearest" else "hashed",
            context=context,
            cache=VectorCache(folder / ".vectors"),
        )
        school.train(lesson(spelled, known, registry), folder / name)
    return folder


@pytest.fixture
def finder(
    registry: Registry, context: BuildContext, embedder: Embedder, place: Path
) -> CheckpointFinder:
    return CheckpointFinder(
        registry=registry,
        context=context,
        embedder=embedder,
        embedder_text="hashed",
        max_tokens=16,
        shelves=Shelves.open([place], registry),
    )


def spelled(method: str, registry: Registry, **named: str) -> Spelling:
    more = "".join(f",{name}={value}" for name, value in named.items())
    text = f"aligner:{method},target=[{TARGET}],inverter=[nearest]{more}"
    return registry.canonical("attacks", parse(text))


def built(method: str, finder: CheckpointFinder) -> Aligner:
    found = finder.resolve(spelled(method, finder.registry, pairs="400"))
    attack: Aligner = finder.registry.build("attacks", found.spelling, finder.context)
    return attack


@pytest.mark.parametrize("method", PAIRED)
class TestWhatIsLearned:
    def test_texts_it_has_not_seen_are_read_far_better_than_without_their_vectors(
        self,
        method: str,
        finder: CheckpointFinder,
        oracle: Oracle,
        embedder: Embedder,
        unseen: list[str],
    ) -> None:
        attack = built(method, finder)
        vectors = embedder.embed(unseen, "document")
        f1 = token_f1_per_text(unseen, attack.invert(vectors, oracle)).mean()
        mean = np.tile(vectors.mean(axis=0), (len(unseen), 1))
        prior = token_f1_per_text(unseen, attack.invert(mean, oracle)).mean()
        shuffled = token_f1_per_text(
            unseen, attack.invert(np.roll(vectors, 7, axis=0), oracle)
        ).mean()
        assert f1 > prior + 0.3
        assert f1 > shuffled + 0.3
        assert abs(shuffled - prior) < 0.15
        # The target's embedder is the attacker's own.
        assert oracle.texts_asked == 0

    def test_the_record_tells_it_beside_controls(self, method: str, place: Path) -> None:
        record = read_record(place / method)
        facts = record.facts
        assert record.taught == {"method": method, "pairs": "400", "target": "hashed:dim=48"}
        assert facts["held_out"] == 117  # a fifth of the 589 that are not held back
        assert facts["top1"] > facts["shuffled_top1"] + 0.2
        assert facts["cosine"] > facts["shuffled_cosine"] + 0.3
        assert facts["rank"] < 6 < 40 < facts["shuffled_rank"]
        assert (facts["identity_cosine"], facts["identity_top1"]) == (None, None)
        # 400 pairs, and what is set aside.
        assert record.oracle_texts == facts["target_texts"] == 400 + 117
        card = (place / method / "README.md").read_text()
        assert "| identity_cosine | n/a |" in card
        assert f'method={method},pairs=400,target="hashed:dim=48"`' in card


class TestWhichCheckpointIsUsed:
    def test_each_nested_attack_has_one_of_the_space_it_inverts(
        self, finder: CheckpointFinder, registry: Registry, place: Path
    ) -> None:
        found = finder.resolve(spelled("linear", registry, pairs="400")).spelling.named
        inner = found["inverter"]
        assert isinstance(inner, Spelling)
        assert found["checkpoint"] == str(place / "linear")
        assert inner.named["checkpoint"] == str(place / "nearest")

    def test_one_trained_with_other_pairs_does_not_fit(
        self, finder: CheckpointFinder, registry: Registry, place: Path
    ) -> None:
        line = "train .aligner:method=linear,pairs=200,target=.hashed:dim=48.. --texts FILE"
        with pytest.raises(MissingCheckpoint, match=line):
            finder.resolve(spelled("linear", registry, pairs="200"))
        named = spelled("linear", registry, pairs="200", checkpoint=f'"{place / "linear"}"')
        with pytest.raises(BadInput, match="trained with pairs=400, not pairs=200"):
            finder.resolve(named)

    def test_the_line_to_train_an_inverter_names_the_target(
        self, finder: CheckpointFinder, registry: Registry
    ) -> None:
        text = f"aligner:linear,target=[{TARGET}],inverter=[bow],pairs=400"
        line = "train bow --texts FILE --embedder hashed:dim=48"
        with pytest.raises(MissingCheckpoint, match=line):
            finder.resolve(registry.canonical("attacks", parse(text)))

    def test_an_inverter_of_another_space_is_refused_without_an_aligner_between(
        self, finder: CheckpointFinder, place: Path
    ) -> None:
        attack = parse(f'nearest:checkpoint="{place / "nearest"}"')
        with pytest.raises(SpaceMismatch, match="put an aligner between"):
            finder.resolve(attack)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{linear}", 400), ("shuffled:[{linear}]", 400), ("{every}", 472), ("silent", None)],
)
def test_its_pairs_are_known_of_whatever_it_is_nested_in(
    text: str,
    expected: int | None,
    finder: CheckpointFinder,
    registry: Registry,
    embedder: Embedder,
    context: BuildContext,
    known: list[str],
    tmp_path: Path,
) -> None:
    # Without a number: 620 texts, less 31 held back and 117 set aside.
    school = School(
        registry=registry,
        embedder=embedder,
        embedder_text="hashed",
        context=context,
        cache=VectorCache(tmp_path / ".vectors"),
    )
    school.train(lesson(f"aligner:linear,target=[{TARGET}]", known, registry), tmp_path / "a")
    text = text.format(
        linear=spelled("linear", registry, pairs="400"),
        every=spelled("linear", registry, checkpoint=f'"{tmp_path / "a"}"'),
    )
    assert finder.resolve(registry.canonical("attacks", parse(text))).pairs == expected


def test_another_aligner_of_the_same_texts_embeds_none_of_them_again(
    registry: Registry,
    context: BuildContext,
    embedder: Embedder,
    known: list[str],
    tmp_path: Path,
) -> None:
    embedded: list[int] = []
    school = School(
        registry=registry,
        embedder=embedder,
        embedder_text="hashed",
        context=context,
        cache=VectorCache(tmp_path / ".vectors", lambda done, of: embedded.append(of)),
    )
    first, second = (f"aligner:{name},target=[{TARGET}]" for name in ("linear", "procrustes"))
    school.train(lesson(first, known, registry), tmp_path / "first")
    # Of the texts learned and set aside, and of all for their mean; the target's as well.
    assert len(embedded) == 5
    school.train(lesson(second, known, registry), tmp_path / "second")
    assert len(embedded) == 5


class Stepping:
    """An attack that takes two steps to any vector, whose first number it says."""

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        return [trace.text for trace in self.invert_traced(vectors, oracle)]

    def invert_traced(self, vectors: Vectors, oracle: Oracle) -> list[Trace]:
        return [
            Trace(
                text=f"{row[0]:.3f}",
                rounds=tuple(
                    Round(step=step, text=f"{row[0] * step:.3f}", cosine=step / 2)
                    for step in (0, 1)
                ),
            )
            for row in vectors
        ]


class TestRounds:
    def test_are_those_of_an_inverter_that_shows_them(
        self, finder: CheckpointFinder, oracle: Oracle, embedder: Embedder, unseen: list[str]
    ) -> None:
        aligner = built("linear", finder)
        context = finder.context

        def build(kind: Any, spelling: Any) -> Any:
            return Stepping() if str(spelling) == "stepping" else context.build(kind, spelling)

        stepping = replace(
            aligner, inverter=parse("stepping"), context=replace(context, build=build)
        )
        vectors = embedder.embed(unseen[:3], "document")
        traces = stepping.invert_traced(vectors, oracle)
        assert [trace.text for trace in traces] == stepping.invert(vectors, oracle)
        assert [[at.step for at in trace.rounds] for trace in traces] == [[0, 1]] * 3
        assert len({trace.text for trace in traces}) == 3

    def test_of_another_are_its_answer_and_how_close_it_is_in_the_targets_space(
        self, finder: CheckpointFinder, oracle: Oracle, embedder: Embedder, known: list[str]
    ) -> None:
        attack = built("linear", finder)
        vectors = embedder.embed(known[:4], "document")
        traces = attack.invert_traced(vectors, oracle)
        assert [trace.text for trace in traces] == attack.invert(vectors, oracle)
        assert [len(trace.rounds) for trace in traces] == [1] * 4
        assert all(trace.rounds[0].text == trace.text for trace in traces)
        assert min(trace.rounds[0].cosine for trace in traces) > 0.6
        assert attack.invert_traced(vectors[:0], oracle) == []


def test_on_a_demo_corpus_each_is_trained_for_the_space_it_inverts(
    finder: CheckpointFinder, registry: Registry, known: list[str], tmp_path: Path
) -> None:
    lessons = {
        name: Lesson(attack=name, texts=known, trained_on="demo") for name in ("aligner", "nearest")
    }
    demo = replace(finder, shelves=Shelves(), demo_lessons=lessons, demo_folder=tmp_path)
    found = demo.resolve(spelled("linear", registry, pairs="400"))
    taught = {
        lesson.attack: (lesson.embedder, dict(lesson.taught)) for lesson in found.lessons.values()
    }
    assert taught == {
        "aligner": ("", {"method": "linear", "pairs": "400", "target": parse(TARGET)}),
        "nearest": (TARGET, {}),
    }


def test_spaces_are_checked_where_the_nested_attack_inverts(
    registry: Registry, context: BuildContext, embedder: Embedder
) -> None:
    text = "aligner:linear,target=[hashed:dim=48],inverter=[vec2text:published=gtr-base]"
    attack = registry.canonical("attacks", parse(f"prior:[{text}]"))
    with pytest.raises(SpaceMismatch, match="gtr-base"):
        check_space(registry, context, attack, embedder.space)


class TestHowItIsSpelled:
    def test_what_training_does_not_decide_is_refused_there(self, registry: Registry) -> None:
        with pytest.raises(BadParameter, match="inverter is for run"):
            to_be_taught(registry, parse("aligner:linear,target=hashed,inverter=[bow]"))
        with pytest.raises(BadParameter, match="steps is for run"):
            to_be_taught(registry, parse("vec2text:steps=3"))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("aligner:linear,target=hashed,pairs=1", "pairs=1 aligns nothing"),
            ("aligner:mini_vec2vec,target=hashed,pairs=9", "leave pairs out"),
            ("aligner:lineal,target=hashed", "one of linear"),
            ("aligner:linear", "needs a value for 'target'"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, registry: Registry, context: BuildContext, text: str, message: str
    ) -> None:
        with pytest.raises(BadParameter, match=message):
            registry.build("attacks", text, context)

    def test_an_unknown_target_is_an_unknown_embedder(self, registry: Registry) -> None:
        with pytest.raises(Exception, match="no embedder is called 'hushed'"):
            registry.canonical("attacks", parse("aligner:linear,target=hushed"))


class TestBadInput:
    def train(
        self,
        text: str,
        texts: list[str],
        folder: Path,
        registry: Registry,
        context: BuildContext,
        oracle: Oracle,
        options: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Train into ``folder``, and return what was told."""
        told: list[str] = []
        attack: Aligner = registry.build("attacks", text, context)
        attack.train(
            texts,
            oracle,
            TrainContext(
                folder=folder,
                work=folder,
                max_tokens=16,
                options=options or {},
                progress=told.append,
            ),
        )
        return told

    def test_fewer_texts_than_pairs_are_refused(
        self, registry: Registry, context: BuildContext, oracle: Oracle, known: list[str],
        tmp_path: Path,
    ) -> None:  # fmt: skip
        with pytest.raises(BadInput, match="pairs=900 are more than the 496 texts"):
            self.train(
                "aligner:linear,target=hashed,pairs=900", known, tmp_path, registry, context, oracle
            )

    def test_one_text_is_refused(
        self, registry: Registry, context: BuildContext, oracle: Oracle, tmp_path: Path
    ) -> None:
        with pytest.raises(BadInput, match="at least 2 texts"):
            self.train("aligner:linear,target=hashed", ["one"], tmp_path, registry, context, oracle)

    @pytest.mark.parametrize(
        ("method", "options", "message"),
        [
            ("linear", {"ridge": "-1"}, "ridge is '-1'"),
            ("linear", {"ridge": "nan"}, "ridge is 'nan'"),
            ("procrustes", {"ridge": "1"}, "has no option 'ridge'"),
        ],
    )
    def test_an_option_it_cannot_use_is_refused(
        self, registry: Registry, context: BuildContext, oracle: Oracle, known: list[str],
        tmp_path: Path, method: str, options: dict[str, str], message: str,
    ) -> None:  # fmt: skip
        text = f"aligner:{method},target=hashed"
        with pytest.raises(BadParameter, match=message):
            self.train(text, known, tmp_path, registry, context, oracle, options)

    def test_as_many_pairs_as_dimensions_are_warned_of(
        self, registry: Registry, context: BuildContext, oracle: Oracle, known: list[str],
        tmp_path: Path,
    ) -> None:  # fmt: skip
        text = "aligner:linear,target=hashed,pairs=64"
        told = self.train(text, known, tmp_path, registry, context, oracle)
        assert any("near n = d" in line for line in told)

    def test_vectors_of_another_dimension_are_refused(
        self, finder: CheckpointFinder, oracle: Oracle
    ) -> None:
        with pytest.raises(SpaceMismatch, match="64 dimensions, these have 48"):
            built("linear", finder).invert(np.zeros((1, 48), np.float32), oracle)

    def test_a_vector_that_holds_no_number_is_refused_with_its_row(
        self, finder: CheckpointFinder, oracle: Oracle
    ) -> None:
        vectors = np.ones((3, 64), np.float32)
        vectors[1, 5] = np.nan
        with pytest.raises(BadInput, match=r"1 of 3 vectors hold NaN or infinity \(first: row 1\)"):
            built("linear", finder).invert(vectors, oracle)

    def test_pairs_with_a_zero_vector_are_left_out_and_told(
        self, registry: Registry, context: BuildContext, embedder: Embedder, known: list[str],
        tmp_path: Path,
    ) -> None:  # fmt: skip
        def answer(texts: Sequence[str], role: Role) -> Vectors:
            there = [[not text.startswith("Ann")] for text in texts]
            return embedder.embed(texts, role) * np.array(there, np.float32)

        oracle = Oracle(answer, space=embedder.space, dim=embedder.dim)
        text = "aligner:linear,target=hashed,pairs=300"
        told = self.train(text, known, tmp_path, registry, context, oracle)
        warned = [line for line in told if "of 300 pairs hold a zero vector; left out" in line]
        assert len(warned) == 1
        assert 30 < int(warned[0].split()[1]) < 90  # one of five begins with Ann

    def test_a_zero_vector_has_a_guess_and_no_vectors_none(
        self, finder: CheckpointFinder, oracle: Oracle
    ) -> None:
        attack = built("procrustes", finder)
        assert len(attack.invert(np.zeros((1, 64), np.float32), oracle)) == 1
        assert attack.invert(np.zeros((0, 64), np.float32), oracle) == []

    @pytest.mark.parametrize("name", [MAP, SETTINGS])
    def test_a_truncated_file_is_a_corrupt_artifact(
        self, registry: Registry, context: BuildContext, oracle: Oracle, known: list[str],
        tmp_path: Path, name: str,
    ) -> None:  # fmt: skip
        text = "aligner:linear,target=hashed"
        self.train(text, known, tmp_path, registry, context, oracle)
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-4])
        attack: Aligner = registry.build("attacks", f'{text},checkpoint="{tmp_path}"', context)
        with pytest.raises(CorruptArtifact, match="train again"):
            attack.invert(np.zeros((1, 64), np.float32), oracle)


def test_records_of_before_have_neither_facts_nor_taught_parameters() -> None:
    fields = CheckpointRecord.model_fields
    assert not fields["facts"].is_required()
    assert not fields["taught"].is_required()

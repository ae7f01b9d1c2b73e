"""One attack on vectors at hand: what is spelled, attacked, judged and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ladder
from v2t_bench.contracts import BuildContext, Embedder
from v2t_bench.errors import (
    BadInput,
    BadParameter,
    BrokenPromise,
    MissingCheckpoint,
    SpaceMismatch,
    UnknownComponent,
)
from v2t_bench.inversion import Inverter, spell_attack
from v2t_bench.registry import Origin, Registry, discover
from v2t_bench.resolution import Resolved
from v2t_bench.spelling import parse
from v2t_bench.targets import Targets, targets_of_texts, targets_of_vectors

TEXTS = ["a red door on Monday", "the green door stands before the house"]


@pytest.fixture(scope="module")
def offered() -> Registry:
    """What is shipped, and the plugin for tests."""
    offered = discover(strangers=())
    offered.add(ladder, Origin("v2t-ladder", "1", "ladder"))
    return offered


@pytest.fixture
def inverter(offered: Registry, embedder: Embedder) -> Inverter:
    def build(kind: Any, spelling: Any) -> Any:
        return offered.build(kind, spelling, context)

    context = BuildContext(build=build)
    return Inverter(
        registry=offered,
        context=context,
        embedder_text="hashed",
        embedder=embedder,
        max_tokens=5,
    )


def prepared(
    inverter: Inverter, texts: list[str] = TEXTS, *, defense: str = "none", seed: int = 0
) -> Targets:
    return targets_of_texts(
        texts,
        embedder=inverter.embedder,
        max_tokens=inverter.max_tokens,
        defense=defense,
        seed=seed,
        registry=inverter.registry,
        context=inverter.context,
    )


def ready(text: str) -> Resolved:
    return Resolved(parse(text), text)


class TestSpelling:
    def test_short_parameters_join_those_that_are_spelled(self, offered: Registry) -> None:
        spelled = spell_attack(offered, "vec2text:beam=1", {"steps": 7, "beam": None})
        assert str(spelled) == "vec2text:beam=1,fluency=1,guesses=16,samples=4,search=best,steps=7"

    @pytest.mark.parametrize("text", ["ladder:2", "ladder:steps=2"])
    def test_one_that_is_spelled_already_is_refused(self, offered: Registry, text: str) -> None:
        with pytest.raises(BadParameter, match=f"--steps: '{text}' gives 'steps' already"):
            spell_attack(offered, text, {"steps": 3})

    def test_one_that_the_attack_lacks_is_refused(self, offered: Registry) -> None:
        with pytest.raises(BadParameter, match=r"--beam: .* no parameter 'beam' .*: steps\)"):
            spell_attack(offered, "ladder", {"beam": 3})

    def test_an_attack_that_is_not_there_is_refused(self, offered: Registry) -> None:
        with pytest.raises(UnknownComponent, match="did you mean 'ladder'"):
            spell_attack(offered, "lader", {"steps": 3})


class TestTargets:
    def test_texts_are_cut_and_each_that_was_is_marked(self, inverter: Inverter) -> None:
        targets = prepared(inverter)
        assert targets.texts == ("a red door on Monday", "the green door stands before")
        assert targets.cut == (False, True)
        assert targets.notices[0].startswith("1 of 2 texts are longer than 5 tokens")

    def test_undefended_ones_are_the_clean_vectors(self, inverter: Inverter) -> None:
        targets = prepared(inverter, TEXTS[:1])
        expected = inverter.embedder.embed(TEXTS[:1], "document")
        np.testing.assert_array_equal(targets.attacked, expected)
        np.testing.assert_array_equal(targets.judged, expected)
        assert (targets.defense, targets.defense_seed, targets.notices) == ("none", None, ())

    def test_defended_ones_differ_by_secret_and_are_judged_by_the_clean_vector(
        self, inverter: Inverter
    ) -> None:
        clean = prepared(inverter).judged
        one, other = (prepared(inverter, defense="noise:0.5", seed=seed) for seed in (0, 1))
        assert (one.defense, one.defense_seed) == ("noise:on=both,sigma=0.5", 0)
        assert not np.array_equal(one.attacked, other.attacked)
        for targets in (one, other):
            np.testing.assert_array_equal(targets.judged, clean)
            # 2 x 64 draws of deviation 0.5 lie this close to it with near certainty.
            assert 0.3 < float(np.std(targets.attacked - clean)) < 0.7

    def test_a_defense_of_queries_alone_is_told_to_change_nothing(self, inverter: Inverter) -> None:
        targets = prepared(inverter, TEXTS[:1], defense="noise:0.5,on=queries")
        np.testing.assert_array_equal(targets.attacked, targets.judged)
        assert "changes queries only" in targets.notices[0]

    def test_what_nobody_can_lift_is_refused(self, inverter: Inverter) -> None:
        with pytest.raises(BadParameter, match=r"--defense: .*sealed back to 64 dimensions"):
            prepared(inverter, defense="sealed")

    def test_vectors_of_another_dimension_are_refused_with_both(self, embedder: Embedder) -> None:
        with pytest.raises(SpaceMismatch, match=r"v\.npy: .* 3 dimensions.* hashed have 64"):
            targets_of_vectors(
                np.ones((2, 3), np.float32),
                origin="v.npy",
                embedder=embedder,
                embedder_text="hashed",
            )

    @pytest.mark.parametrize(("scale", "told"), [(1.0, 0), (1.005, 0), (1.1, 1), (1e-3, 1)])
    def test_lengths_other_than_one_are_told(
        self, embedder: Embedder, scale: float, told: int
    ) -> None:
        vectors = embedder.embed(TEXTS, "document")
        vectors[1] *= np.float32(scale)
        targets = targets_of_vectors(vectors, origin="v", embedder=embedder, embedder_text="hashed")
        assert len(targets.notices) == told
        assert all("1 of 2 vectors are not of length 1" in line for line in targets.notices)

    @pytest.mark.parametrize("scale", [0.0, 1e-20, 1e20])
    def test_a_row_without_a_direction_is_refused(self, embedder: Embedder, scale: float) -> None:
        vectors = embedder.embed(TEXTS, "document")
        vectors[1] *= np.float32(scale)
        with pytest.raises(BadInput, match="v: row 2 has length"):
            targets_of_vectors(vectors, origin="v", embedder=embedder, embedder_text="hashed")


class TestChecking:
    def test_an_attack_without_rounds_cannot_be_traced(self, inverter: Inverter) -> None:
        with pytest.raises(BadParameter, match=r"'silent' shows no steps.*one that does .*ladder"):
            inverter.check(parse("silent"), traced=True)
        inverter.check(parse("silent"), traced=False)

    def test_an_attack_may_refuse_the_space(self, inverter: Inverter) -> None:
        with pytest.raises(SpaceMismatch, match="picky inverts dot spaces, not cosine"):
            inverter.check(parse("picky"), traced=False)

    def test_a_missing_checkpoint_is_answered_with_the_train_line(
        self, inverter: Inverter, tmp_path: Path
    ) -> None:
        with pytest.raises(MissingCheckpoint) as caught:
            inverter.resolve(parse("bow"))
        line = "v2t-bench train bow --texts FILE --embedder hashed --max-tokens 5"
        assert line in str(caught.value)


class TestInverting:
    def test_answers_are_scored_beside_their_text(self, inverter: Inverter) -> None:
        found = inverter.invert(ready("ladder:steps=1"), prepared(inverter), traced=False)
        first, second = found.answers
        assert (first.number, second.number) == (1, 2)
        assert (first.recovered, second.recovered) == ("a red door", "the blue door")
        assert first.rounds is None
        # Sets of words: {a, red, door} of {a, red, door, on, Monday}, so 2 * 3 / (3 + 5).
        assert first.scores["token_f1"] == pytest.approx(0.75)
        expected = inverter.embedder.embed(["a red door", TEXTS[0]], "document")
        assert first.cosine == pytest.approx(float(expected[0] @ expected[1]), abs=1e-6)
        assert first.cosine_attacked == first.cosine

    def test_every_question_of_the_attack_is_counted_and_none_of_ours(
        self, inverter: Inverter
    ) -> None:
        found = inverter.invert(ready("ladder:steps=1"), prepared(inverter), traced=False)
        assert found.oracle_texts == 4  # two rungs for each of two vectors

    def test_rounds_are_kept_where_they_are_asked_for(self, inverter: Inverter) -> None:
        found = inverter.invert(ready("ladder"), prepared(inverter), traced=True)
        rounds = found.answers[0].rounds
        assert rounds is not None
        assert [(one.step, one.text) for one in rounds] == list(enumerate(ladder.LADDER))

    def test_a_defense_sets_the_two_cosines_apart(self, inverter: Inverter) -> None:
        targets = prepared(inverter, defense="noise:0.5")
        answer = inverter.invert(ready("ladder"), targets, traced=True).answers[0]
        assert answer.rounds is not None
        assert answer.cosine_attacked == pytest.approx(max(r.cosine for r in answer.rounds))
        assert abs(answer.cosine - answer.cosine_attacked) > 0.05

    @pytest.mark.parametrize(
        ("lie", "message"),
        [("few", "1 guesses for 2"), ("nan", "not finite"), ("text", "list of traces")],
    )
    def test_rounds_that_cannot_be_are_a_broken_promise(
        self, inverter: Inverter, lie: str, message: str
    ) -> None:
        with pytest.raises(BrokenPromise, match=f"untrue.*{message}"):
            inverter.invert(ready(f"untrue:lie={lie}"), prepared(inverter), traced=True)


class TestTheDocument:
    def test_of_texts_has_originals_scores_and_rounds(self, inverter: Inverter) -> None:
        found = inverter.invert(ready("ladder:steps=1"), prepared(inverter), traced=True)
        document = found.document()
        answers = document.pop("answers")
        assert document == {
            "schema_version": 1,
            "embedder": "hashed:dim=64",
            "attack": "ladder:steps=1",
            "max_tokens": 5,
            "defense": "none",
            "defense_seed": None,
            "n_cut": 1,
            "oracle_texts": 4,
        }
        assert list(answers[1]) == [
            "number", "text", "cut", "recovered", "cosine", "cosine_attacked", "bleu", "token_f1",
            "exact", "trace",
        ]  # fmt: skip
        assert (answers[1]["cut"], answers[1]["exact"]) == (True, False)
        assert [list(one) for one in answers[1]["trace"]] == [["step", "text", "cosine"]] * 2

    def test_says_that_questions_were_answered_in_bfloat16(self, inverter: Inverter) -> None:
        fast = replace(inverter, fast_oracle=True)
        found = fast.invert(ready("ladder"), prepared(inverter), traced=False)
        assert found.document()["fast_oracle"] is True

    def test_of_vectors_claims_nothing_about_texts(self, inverter: Inverter) -> None:
        vectors = inverter.embedder.embed(TEXTS, "document")
        targets = targets_of_vectors(
            vectors, origin="v", embedder=inverter.embedder, embedder_text="hashed"
        )
        document = inverter.invert(ready("ladder"), targets, traced=False).document()
        assert (document["defense"], document["n_cut"]) == (None, 0)
        assert [list(answer) for answer in document["answers"]] == [
            ["number", "recovered", "cosine", "cosine_attacked"]
        ] * 2

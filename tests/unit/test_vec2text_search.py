"""The two searches, on a table of corrections in place of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from v2t_bench.contracts import Space, Trace, Vectors
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text.networks import Draft
from v2t_plugins.attacks.vec2text.search import Search

SPACE = Space(weights="circle", pooling="", normalize=True, max_tokens=9)


class Table:
    """Corrects a guess to what a table says, likeliest first; `start` is the first guess."""

    guess_tokens = None
    longest_correction = None
    most_subwords = 5

    def __init__(
        self,
        after: Mapping[str, Sequence[str]],
        start: str = "a",
        by_chance: Mapping[str, Sequence[str]] | None = None,
        likely: Sequence[str] = (),
    ) -> None:
        self.after, self.start, self.by_chance = after, start, by_chance or {}
        self.likely = likely  # first guesses of a token beam
        self.corrected: list[str] = []
        self.heats: list[float] = []
        self.drawn_from: list[str] = []

    def first_drafts(self, vectors: Vectors, longest: int | None = None) -> list[Draft]:
        return [self.draft(self.start) for _ in vectors]

    def first_beams(self, vectors: Vectors, *, beams: int) -> list[list[Draft]]:
        return [[self.draft(text) for text in self.likely[:beams]] for _ in vectors]

    def corrections(
        self, vectors: Vectors, guesses: Sequence[Draft], landed: Vectors, *, beams: int
    ) -> list[list[Draft]]:
        self.corrected += [guess.text for guess in guesses]
        return [[self.draft(text) for text in self.after[g.text][:beams]] for g in guesses]

    def draws(
        self,
        vectors: Vectors,
        guesses: Sequence[Draft],
        landed: Vectors,
        *,
        chances: NDArray[np.float32],
        heat: Sequence[float],
    ) -> list[list[Draft]]:
        """The first chance of a text says which of a guess's `by_chance` it is."""
        assert chances.shape[2] == self.most_subwords
        np.testing.assert_allclose(landed, np.stack([at(CHANCY[g.text]) for g in guesses]))
        self.drawn_from += [guess.text for guess in guesses]
        self.heats += heat
        return [
            [self.draft(of[int(chance * len(of))]) for chance in row[:, 0]]
            for row, of in zip(chances, (self.by_chance[g.text] for g in guesses), strict=True)
        ]

    def draft(self, text: str) -> Draft:
        return Draft(tuple(map(ord, text)), text)


def at(degrees: float) -> Vectors:
    angle = np.radians(degrees)
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


def look(
    table: Table, where: Mapping[str, float], **more: Any
) -> tuple[Trace, list[str], list[str]]:
    """Return the trace for a target at 0 degrees, the texts corrected, and those embedded."""
    asked: list[str] = []

    def answer(texts: Sequence[str], role: str) -> Vectors:
        asked.extend(texts)
        return np.stack([at(where[text]) for text in texts])

    oracle = Oracle(answer, space=SPACE, dim=2)
    networks: Any = table
    search = Search(networks=networks, oracle=oracle, trace=True, **more)
    (trace,) = search.run(at(0)[None])
    return trace, table.corrected, asked


CIRCLE = {"a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]}  # a, then b c d again and again
WHERE = {"a": 60.0, "b": 40.0, "c": 10.0, "d": 50.0}


def test_best_keeps_what_came_closest() -> None:
    trace, _, _ = look(Table(CIRCLE), WHERE, steps=20, samples=0)
    assert trace.text == "c"
    assert [round_.text for round_ in trace.rounds] == ["a", "b", "c", "d"]


def test_without_samples_best_ends_where_a_text_comes_again_and_asks_for_each_once() -> None:
    _, corrected, asked = look(Table(CIRCLE), WHERE, steps=20, samples=0)
    assert corrected == ["a", "b", "c", "d"]
    assert asked == ["a", "b", "c", "d"]


def test_cosines_are_those_of_the_angles() -> None:
    trace, _, _ = look(Table(CIRCLE), WHERE, steps=20, samples=0)
    cosines = [round_.cosine for round_ in trace.rounds]
    np.testing.assert_allclose(cosines, np.cos(np.radians([60, 40, 10, 50])), atol=1e-6)


def test_best_stops_at_a_text_that_lands_on_the_target() -> None:
    trace, corrected, _ = look(Table(CIRCLE), WHERE | {"b": 0.0}, steps=20)
    assert trace.text == "b"
    assert corrected == ["a"]


@pytest.mark.parametrize("steps", range(1, 12))
def test_parity_gives_the_text_of_its_last_step(steps: int) -> None:
    trace, corrected, _ = look(Table(CIRCLE), WHERE, steps=steps, mode="parity")
    assert trace.text == "bcd"[(steps - 1) % 3]
    assert len(corrected) <= 4


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_parity_that_remembers_nothing_gives_the_same_at_more_cost(steps: int) -> None:
    trace, corrected, _ = look(Table(CIRCLE), WHERE, steps=steps, mode="parity", remember=False)
    assert trace.text == "bcd"[(steps - 1) % 3]
    assert len(corrected) == steps


# Greedily a comes to rest at b; by chance b leads to c, d or b again, and c to e or b.
RESTS = {"a": ["b"], "b": ["b"], "c": ["b"], "d": ["b"], "e": ["b"]}
BY_CHANCE = {"b": ["c", "d", "b"], "c": ["e", "b"]}
CHANCY = {"a": 60.0, "b": 40.0, "c": 10.0, "d": 50.0, "e": 0.0}


def test_a_row_at_rest_goes_on_by_chance_from_its_closest_guess_until_it_arrives() -> None:
    table = Table(RESTS, by_chance=BY_CHANCE)
    trace, _, asked = look(table, CHANCY, steps=50, samples=4)
    assert trace.text == "e"
    assert set(table.drawn_from) == {"b", "c"}
    assert sorted(asked) == ["a", "b", "c", "d", "e"]
    assert trace.rounds[-1].step < 50


def test_without_samples_a_row_at_rest_stays_there() -> None:
    table = Table(RESTS, by_chance=BY_CHANCE)
    trace, _, _ = look(table, CHANCY, steps=50, samples=0)
    assert (trace.text, table.drawn_from) == ("b", [])


def test_chance_is_asked_only_where_correcting_brings_nothing_new() -> None:
    table = Table(RESTS, by_chance=BY_CHANCE)
    trace, _, _ = look(table, CHANCY, steps=1, samples=4)
    assert (trace.text, table.drawn_from) == ("b", [])


def test_draws_that_bring_nothing_new_heat_up_the_next() -> None:
    table = Table(RESTS, by_chance={"b": ["b"]})
    trace, _, _ = look(table, CHANCY, steps=5, samples=2)
    assert trace.text == "b"
    assert table.heats == [1.0, 2.0, 3.0, 4.0]


def test_a_row_ends_after_draws_running_that_bring_nothing_better() -> None:
    # Of b comes d, which is worse, or b again; of c, which is better than b, only b.
    worse = Table(RESTS, by_chance={"b": ["d", "b"]})
    assert look(worse, CHANCY, steps=50, samples=2, patience=3)[0].text == "b"
    assert worse.drawn_from == ["b"] * 3
    better = Table(RESTS, by_chance={"b": ["c"], "c": ["b"]})
    assert look(better, CHANCY, steps=50, samples=2, patience=3)[0].text == "c"
    assert better.drawn_from == ["b"] + ["c"] * 3


def test_parity_draws_nothing() -> None:
    table = Table(RESTS, by_chance=BY_CHANCE)
    look(table, CHANCY, steps=9, samples=4, mode="parity")
    assert table.drawn_from == []


# a leads to b and c; b is closer, but only c leads to the target.
FORK = {"a": ["b", "c"], "b": ["b", "e"], "c": ["d", "e"], "d": ["d", "d"], "e": ["e", "e"]}
PLACES = {"a": 60.0, "b": 20.0, "c": 40.0, "d": 1.0, "e": 70.0}


def test_one_beam_follows_the_likeliest_and_two_find_what_lies_behind() -> None:
    assert look(Table(FORK), PLACES, steps=9, samples=0)[0].text == "b"
    assert look(Table(FORK), PLACES, steps=9, samples=0, beam=2)[0].text == "d"


def test_best_corrects_no_text_twice() -> None:
    _, corrected, asked = look(Table(FORK), PLACES, steps=9, beam=2, samples=0)
    assert sorted(corrected) == sorted(set(corrected))
    assert sorted(asked) == sorted(set(asked))


def test_parity_lets_only_the_candidates_of_a_step_compete() -> None:
    # From {b, c} come b, e, d, e: the two closest are d and b; from those d, d, b, e.
    trace, _, _ = look(Table(FORK), PLACES, steps=3, beam=2, mode="parity")
    assert trace.text == "d"
    # All of a's corrections lie further away than a, and a is not kept.
    away = {"a": ["b", "c"], "b": ["b", "c"], "c": ["c", "b"]}
    trace, _, _ = look(
        Table(away), {"a": 5.0, "b": 30.0, "c": 50.0}, steps=4, beam=2, mode="parity"
    )
    assert trace.text == "b"


@pytest.mark.parametrize("mode", ["best", "parity"])
def test_too_few_different_candidates_are_no_error(mode: str) -> None:
    same = {"a": ["b", "b", "b"], "b": ["b", "b", "b"]}
    where = {"a": 50.0, "b": 30.0}
    trace, _, _ = look(Table(same), where, steps=6, beam=3, samples=0, mode=mode)
    assert trace.text == "b"


@pytest.mark.parametrize("steps", range(1, 9))
def test_a_beam_in_a_circle_is_read_off_as_if_it_were_walked(steps: int) -> None:
    # The pair of guesses goes {b, c} -> {d, e} -> {b, c} -> ...
    around = {"a": ["b", "c"], "b": ["d", "e"], "c": ["e", "d"], "d": ["b", "c"], "e": ["c", "b"]}
    places = {"a": 80.0, "b": 30.0, "c": 40.0, "d": 20.0, "e": 50.0}
    walked, all_of_them, _ = look(
        Table(around), places, steps=steps, beam=2, mode="parity", remember=False
    )
    trace, corrected, _ = look(Table(around), places, steps=steps, beam=2, mode="parity")
    assert trace.text == walked.text == ("b" if steps % 2 else "d")
    assert len(corrected) <= min(5, len(all_of_them))


def test_another_start_takes_the_place_of_the_first_guess() -> None:
    trace, _, _ = look(Table(CIRCLE), WHERE, steps=1, start=lambda target: "c")
    assert [round_.text for round_ in trace.rounds] == ["c", "d"]


def test_in_parity_another_start_takes_the_place_of_the_first_step() -> None:
    trace, _, _ = look(Table(CIRCLE), WHERE, steps=2, mode="parity", start=lambda target: "c")
    assert [round_.text for round_ in trace.rounds] == ["a", "c", "d"]


def test_steps_0_can_be_traced() -> None:
    trace, corrected, _ = look(Table(CIRCLE), WHERE, steps=0)
    assert (trace.text, len(trace.rounds), corrected) == ("a", 1, [])


# Four first guesses: none leads anywhere new, and e lands on the target.
LIKELY = ["a", "d", "b", "e"]
STAYS = {text: [text] for text in "abcde"}


@pytest.mark.parametrize(("guesses", "begins"), [(1, "a"), (2, "d"), (3, "b"), (4, "e")])
def test_the_best_of_several_first_guesses_is_where_best_begins(guesses: int, begins: str) -> None:
    table = Table(STAYS, likely=LIKELY)
    trace, corrected, asked = look(table, CHANCY, steps=9, samples=0, guesses=guesses)
    assert [round_.text for round_ in trace.rounds] == [begins]
    assert corrected == ([] if begins == "e" else [begins])  # what has arrived is not corrected
    assert asked == LIKELY[:guesses]


def test_as_many_first_guesses_are_followed_as_there_are_beams() -> None:
    table = Table(STAYS, likely=LIKELY)
    where = CHANCY | {"e": 70.0}
    look(table, where, steps=9, samples=0, guesses=4, beam=2)
    assert table.corrected == ["b", "d"]


@pytest.mark.parametrize(
    "more",
    [{"steps": 0}, {"steps": 9, "mode": "parity"}, {"steps": 9, "start": lambda target: "a"}],
)
def test_several_first_guesses_are_for_corrections_of_best_alone(more: dict[str, Any]) -> None:
    trace, _, _ = look(Table(STAYS, likely=LIKELY), CHANCY, samples=0, guesses=4, **more)
    assert {round_.text for round_ in trace.rounds} == {"a"}


@pytest.mark.parametrize(("guesses", "given", "begins"), [
    (1, "e", "e"), (4, "b", "e"), (3, "e", "e"), (1, "d", "d"), (2, "b", "b"), (3, "a", "b"),
])  # fmt: skip
def test_a_text_that_is_given_competes_with_the_first_guesses(
    guesses: int, given: str, begins: str
) -> None:
    table = Table(STAYS, likely=LIKELY)
    trace, _, asked = look(table, CHANCY, steps=9, samples=0, guesses=guesses, given=[given])
    assert [round_.text for round_ in trace.rounds] == [begins]
    assert asked == list(dict.fromkeys([*LIKELY[:guesses], given]))  # each is asked once


def test_a_text_that_is_given_is_corrected() -> None:
    trace, corrected, _ = look(Table(CIRCLE), WHERE, steps=1, samples=0, given=["b"])
    assert (trace.text, corrected) == ("c", ["b"])


@pytest.mark.parametrize("given", [[], [""], [" \n"], ["far"]])
def test_a_text_that_is_given_and_worse_changes_nothing(given: list[str]) -> None:
    where = WHERE | {"far": 170.0}
    without, corrected, asked = look(Table(CIRCLE), where, steps=20, samples=0)
    trace, corrected_too, asked_too = look(Table(CIRCLE), where, steps=20, samples=0, given=given)
    assert (trace, corrected_too) == (without, corrected)
    assert [text for text in asked_too if text != "far"] == asked


def test_a_text_that_is_given_is_followed_beside_the_first_guess_by_more_beams() -> None:
    table = Table(STAYS)
    look(table, CHANCY | {"a": 20.0, "d": 30.0}, steps=9, samples=0, beam=2, given=["d"])
    assert table.corrected == ["a", "d"]


def test_texts_are_given_for_every_target_or_for_none() -> None:
    with pytest.raises(ValueError, match="zip"):
        look(Table(CIRCLE), WHERE, steps=1, given=["a", "b"])


def test_each_target_has_the_text_that_was_given_for_it_whatever_the_batch() -> None:
    networks: Any = Table(STAYS)

    def answer(texts: Sequence[str], role: str) -> Vectors:
        return np.stack([at(CHANCY[text]) for text in texts])

    given = ["b", "c", "d"]
    targets = np.stack([at(CHANCY[text]) for text in given])
    for batch_size in (1, 2, 8):
        oracle = Oracle(answer, space=SPACE, dim=2)
        search = Search(
            networks=networks, oracle=oracle, steps=2, given=given, batch_size=batch_size
        )
        assert [trace.text for trace in search.run(targets)] == given


def test_first_guesses_of_a_row_do_not_depend_on_how_many_rows_there_are() -> None:
    class Counting(Table):
        widths: tuple[int, ...] = ()

        def first_beams(self, vectors: Vectors, *, beams: int) -> list[list[Draft]]:
            self.widths += (len(vectors) * beams,)
            return super().first_beams(vectors, beams=beams)

    table = Counting(STAYS, likely=LIKELY)
    networks: Any = table

    def answer(texts: Sequence[str], role: str) -> Vectors:
        return np.stack([at(CHANCY[text]) for text in texts])

    search = Search(
        networks=networks,
        oracle=Oracle(answer, space=SPACE, dim=2),
        steps=1,
        samples=0,
        guesses=3,
        batch_size=7,
    )
    targets = np.stack([at(0), at(61), at(49), at(41), at(0)])
    assert [trace.text for trace in search.run(targets)] == ["b", "a", "d", "b", "b"]
    assert max(table.widths) <= 7

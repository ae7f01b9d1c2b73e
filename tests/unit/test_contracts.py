"""Secrets draw by name, vectors are checked in words, spaces say what they cannot see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2t_bench.contracts import (
    Blindness,
    Recipe,
    Role,
    Secret,
    Space,
    check_guesses,
    check_vectors,
)
from v2t_bench.errors import BrokenPromise

SECRET = Secret.from_seed(0)
SPACE = Space(weights="w", pooling="mean", normalize=True, max_tokens=32)
IDS = st.lists(st.text(max_size=5), min_size=1, max_size=6)


class TestSecret:
    @given(IDS, st.randoms(use_true_random=False))
    def test_a_draw_does_not_depend_on_the_order(self, ids: list[str], shuffler: Any) -> None:
        order = list(range(len(ids)))
        shuffler.shuffle(order)
        drawn = SECRET.normal((len(ids), 5), "document", ids)
        shuffled = SECRET.normal((len(ids), 5), "document", [ids[row] for row in order])
        np.testing.assert_array_equal(drawn[order], shuffled)

    @given(IDS, st.integers(0, 6))
    def test_a_draw_does_not_depend_on_the_batch(self, ids: list[str], at: int) -> None:
        halves = [SECRET.normal((len(part), 5), "query", part) for part in (ids[:at], ids[at:])]
        drawn = SECRET.normal((len(ids), 5), "query", ids)
        np.testing.assert_array_equal(drawn, np.concatenate(halves))

    def test_a_longer_vector_has_the_same_first_coordinates(self) -> None:
        short = SECRET.normal((1, 5), "document", ["a"])
        np.testing.assert_array_equal(short, SECRET.normal((1, 9), "document", ["a"])[:, :5])

    @pytest.mark.parametrize(
        ("secret", "role", "name"),
        [(Secret.from_seed(1), "document", "a"), (SECRET, "query", "a"), (SECRET, "document", "b")],
    )
    def test_another_secret_role_or_id_gives_another_draw(
        self, secret: Secret, role: Role, name: str
    ) -> None:
        drawn = SECRET.normal((1, 8), "document", ["a"])
        assert not np.isclose(drawn, secret.normal((1, 8), role, [name])).any()

    def test_draws_are_standard_normal(self) -> None:
        drawn = SECRET.normal((400, 100), "document", [str(row) for row in range(400)])
        assert drawn.dtype == np.float32
        # 40,000 draws: the standard error of the mean is 0.005, that of the deviation 0.0035.
        assert abs(float(drawn.mean())) < 0.02
        assert abs(float(drawn.std()) - 1) < 0.014
        neighbours = float(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1])
        assert abs(neighbours) < 0.02

    def test_names_do_not_run_into_each_other(self) -> None:
        first = SECRET.generator("ab", "c").integers(2**62)
        assert first != SECRET.generator("a", "bc").integers(2**62)
        assert first != SECRET.generator("abc").integers(2**62)

    def test_each_part_of_a_composition_has_a_secret_of_its_own(self) -> None:
        assert len({SECRET, SECRET.for_part(0), SECRET.for_part(1), SECRET.for_part(10)}) == 4

    def test_it_is_not_shown(self) -> None:
        assert repr(SECRET) == "Secret()"

    def test_a_wrong_number_of_ids_is_refused(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            SECRET.normal((2, 5), "document", ["a"])


class TestCheckVectors:
    def test_what_is_right_is_returned_as_it_is(self) -> None:
        vectors = np.zeros((2, 3), dtype=np.float32)
        assert check_vectors(vectors, rows=2, dim=3, who="x") is vectors

    @pytest.mark.parametrize(
        ("vectors", "message"),
        [
            ([[0.0]], r"gtr returned list; expected a float32 array of shape \(2, 3\)"),
            (np.zeros((2, 3)), "gtr returned float64; expected a float32"),
            (np.zeros((3, 3), "f4"), r"gtr returned shape \(3, 3\); expected .*\(2, 3\)"),
            (np.zeros((2, 4), "f4"), r"gtr returned shape \(2, 4\)"),
            (np.zeros(2, "f4"), r"gtr returned shape \(2,\)"),
            (
                np.array([[0, 0, 0], [0, np.nan, np.inf]], "f4"),
                r"gtr returned NaN or infinity in 1 of 2 rows \(first: row 1\)",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, vectors: object, message: str) -> None:
        with pytest.raises(BrokenPromise, match=message):
            check_vectors(vectors, rows=2, dim=3, who="gtr")

    def test_without_a_dimension_any_is_right(self) -> None:
        assert check_vectors(np.zeros((0, 7), "f4"), rows=0, who="x").shape == (0, 7)


class TestCheckGuesses:
    def test_what_is_right_is_returned(self) -> None:
        assert check_guesses(["a", ""], rows=2, who="gpt2") == ["a", ""]

    def test_a_wrong_number_is_said(self) -> None:
        with pytest.raises(BrokenPromise, match="gpt2 returned 31 guesses for 32 vectors"):
            check_guesses([""] * 31, rows=32, who="gpt2")

    @pytest.mark.parametrize("guesses", [("a",), [None], "a", [b"a"]])
    def test_what_is_no_list_of_strings_is_said(self, guesses: object) -> None:
        with pytest.raises(BrokenPromise, match="gpt2 did not return a list of strings"):
            check_guesses(guesses, rows=1, who="gpt2")


class TestNormalizeText:
    @pytest.mark.parametrize(
        ("blind_to", "expected"),
        [
            ((), "  Né, O'Neil\t A_b "),
            (("case",), "  né, o'neil\t a_b "),
            (("accents",), "  Ne, O'Neil\t A_b "),
            (("whitespace",), "Né, O'Neil A_b"),
            (("punctuation_spacing", "whitespace"), "Né , O ' Neil A _ b"),
            (("accents", "case", "punctuation_spacing", "whitespace"), "ne , o ' neil a _ b"),
        ],
    )
    def test_removes_what_cannot_be_seen_and_nothing_else(
        self, blind_to: tuple[Blindness, ...], expected: str
    ) -> None:
        assert replace(SPACE, blind_to=blind_to).normalize_text("  Né, O'Neil\t A_b ") == expected

    @given(st.text(), st.sets(st.sampled_from(get_args(Blindness))))
    def test_a_second_time_changes_nothing(self, text: str, kinds: set[Blindness]) -> None:
        if "punctuation_spacing" in kinds:
            kinds.add("whitespace")  # an embedder that is blind to the one is to the other
        space = replace(SPACE, blind_to=tuple(sorted(kinds)))
        once = space.normalize_text(text)
        assert space.normalize_text(once) == once

    @given(st.text())
    def test_composed_and_decomposed_accents_become_the_same(self, text: str) -> None:
        import unicodedata

        space = replace(SPACE, blind_to=("accents",))
        forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
        assert len({space.normalize_text(form) for form in forms}) == 1


def one_line() -> None:
    """Do nothing.

    At some length.
    """


def test_a_recipe_without_a_summary_takes_the_first_line_of_builds_docstring() -> None:
    assert Recipe(name="x", build=one_line).summary == "Do nothing."
    assert Recipe(name="x", build=one_line, summary="Else.").summary == "Else."
    assert Recipe(name="x", build=lambda: None).summary == ""

"""BLEU: hand-calculated values and the published convention."""

from collections.abc import Callable, Sequence
from math import exp, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from v2t_bench.errors import BadInput, BrokenPromise
from v2t_bench.scoring.bleu import bleu_corpus, bleu_eff_per_text, bleu_per_text, bleu_signatures

PerText = Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]

REFERENCE = "the cat sat on the mat"
# Against REFERENCE: 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples.
GUESS = "the cat sat on a mat"


def test_bleu_is_the_geometric_mean_of_four_precisions() -> None:
    by_hand = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** (1 / 4)

    assert bleu_per_text([REFERENCE], [GUESS])[0] == pytest.approx(by_hand)


def test_a_short_guess_pays_the_brevity_penalty() -> None:
    by_hand = 100 * exp(1 - 6 / 4)

    assert bleu_per_text([REFERENCE], ["the cat sat on"])[0] == pytest.approx(by_hand)


def test_an_order_without_a_match_is_smoothed_exponentially() -> None:
    # 4 of 4 words, 2 of 3 pairs, no triple of 2 (half a match), no quadruple of 1 (a quarter).
    by_hand = 100 * (1 * 2 / 3 * 1 / 4 * 1 / 4) ** (1 / 4)

    assert bleu_per_text(["a b c d"], ["c d a b"])[0] == pytest.approx(by_hand)


def test_punctuation_is_a_token_of_its_own() -> None:
    assert bleu_per_text(["we came , we saw"], ["we came, we saw"])[0] == pytest.approx(100)


def test_an_exact_text_of_three_tokens_scores_0_under_the_paper_s_bleu() -> None:
    assert bleu_per_text(["a b c"], ["a b c"])[0] == 0


def test_an_exact_text_of_three_tokens_scores_100_with_effective_order() -> None:
    assert bleu_eff_per_text(["a b c"], ["a b c"])[0] == pytest.approx(100)


def test_effective_order_leaves_out_orders_the_guess_is_too_short_for() -> None:
    # 2 words: 1 of 2 right; 1 pair: none right, smoothed to a half.
    by_hand = 100 * sqrt(1 / 2 * 1 / 2)

    assert bleu_eff_per_text(["a b"], ["a x"])[0] == pytest.approx(by_hand)


def test_corpus_bleu_sums_counts_before_dividing() -> None:
    # Summed over both texts: 5 of 10 words, 3 of 8 pairs, 2 of 6 triples, 1 of 4 quadruples.
    by_hand = 100 * (5 / 10 * 3 / 8 * 2 / 6 * 1 / 4) ** (1 / 4)

    assert bleu_corpus([REFERENCE, "p q r s"], [GUESS, "w x y z"]) == pytest.approx(by_hand)


@pytest.mark.parametrize("bleu", [bleu_per_text, bleu_eff_per_text])
@pytest.mark.parametrize(("reference", "guess"), [("some text", ""), ("", "some text"), ("", "")])
def test_an_empty_side_scores_0(bleu: PerText, reference: str, guess: str) -> None:
    assert bleu([reference], [guess])[0] == 0


@pytest.mark.parametrize("bleu", [bleu_per_text, bleu_eff_per_text])
def test_an_exact_text_scores_no_more_than_100(bleu: PerText) -> None:
    assert bleu([REFERENCE], [REFERENCE])[0] == 100


def test_corpus_bleu_of_no_texts_is_refused() -> None:
    with pytest.raises(BadInput, match="no texts"):
        bleu_corpus([], [])


def test_no_texts_give_no_scores() -> None:
    assert bleu_per_text([], []).shape == (0,)


def test_a_missing_guess_is_refused() -> None:
    with pytest.raises(BrokenPromise, match="1 guesses for 2 texts"):
        bleu_per_text(["a", "b"], ["a"])


def test_a_guess_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(BrokenPromise, match="NoneType"):
        bleu_per_text(["a"], [None])  # type: ignore[list-item]


def test_the_signatures_tell_the_two_conventions_apart() -> None:
    import sacrebleu

    tail = f"tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    assert bleu_signatures() == {
        "bleu": f"nrefs:1|case:mixed|eff:no|{tail}",
        "bleu_eff": f"nrefs:1|case:mixed|eff:yes|{tail}",
        "bleu_corpus": f"nrefs:1|case:mixed|eff:no|{tail}",
    }


def test_both_equal_sacrebleu_s_own_functions_on_odd_texts() -> None:
    """The wrappers are those the `evaluate` package and the sacrebleu manual name."""
    import sacrebleu

    references = ["It's 5 o'clock; José naps.", "Zürich — 3,5 km", "word " * 30]
    guesses = ["It is 5 o'clock; Jose naps .", "Zurich - 3.5 km away", "word " * 7]
    pairs = list(zip(references, guesses, strict=True))

    np.testing.assert_allclose(
        bleu_per_text(references, guesses),
        [sacrebleu.corpus_bleu([guess], [[reference]]).score for reference, guess in pairs],
    )
    np.testing.assert_allclose(
        bleu_eff_per_text(references, guesses),
        [sacrebleu.sentence_bleu(guess, [reference]).score for reference, guess in pairs],
    )

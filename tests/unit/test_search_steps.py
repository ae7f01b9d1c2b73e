"""What changes of a guess are foreseen to bring: sums of the steps of words."""

from __future__ import annotations

import numpy as np
import pytest

from v2t_plugins.attacks.oracle_search.effects import Effects, closer, way_to
from v2t_plugins.attacks.oracle_search.nodes import Row
from v2t_plugins.attacks.oracle_search.steps import Steps
from v2t_plugins.attacks.trained import unit_length

WORDS, DIM = 12, 8


@pytest.fixture
def here() -> Steps:
    """The steps of the words of a guess, of which one surprised."""
    generator = np.random.default_rng(0)
    directions = unit_length(generator.standard_normal((WORDS, DIM)).astype(np.float32))
    effects = Effects(
        directions=directions,
        reach=generator.uniform(0.05, 0.2, WORDS).astype(np.float32),
        slope=np.ones(1, dtype=np.float32),
    )
    target, guess = unit_length(generator.standard_normal((2, DIM)).astype(np.float32))
    surprised = np.zeros(WORDS, dtype=np.float32)
    surprised[[2, 7]] = (0.3, -0.2)
    row = Row(
        target=target,
        words=np.arange(WORDS),
        evidence=np.zeros(WORDS, dtype=np.float32),
        phrases=np.empty((0, 2), dtype=np.int64),
        length=(4.0, 1.0),
        starts=[],
        budget=1,
        surprised=surprised,
        tried=np.ones(WORDS, dtype=np.int64),
    )
    return Steps.of(effects, row, np.array([1, 2, 3, 4]), *way_to(target, guess))


def brings(here: Steps, put: list[int], taken: list[int]) -> float:
    """Return what putting in and leaving out brings, step by step."""
    steps = {int(word): at for at, word in enumerate(everywhere(here).words)}
    every = everywhere(here)
    signs = [(word, 1) for word in put] + [(word, -1) for word in taken]
    along = sum(sign * every.along[steps[word]] for word, sign in signs)
    squared = sum(every.squared[steps[word]] for word, _ in signs)
    surprise = sum(sign * every.surprise[steps[word]] for word, sign in signs)
    step = np.array([along], dtype=np.float32), np.array([squared], dtype=np.float32)
    return float(closer(*step)[0] + surprise)


def everywhere(here: Steps) -> Steps:
    return here.of_others(np.arange(WORDS))


def test_a_step_ends_where_geometry_says(here: Steps) -> None:
    step = here.effects.reach[5] * here.effects.directions[5]
    left = here.distance * here.way - step
    expected = -np.log(np.square(left).sum() / here.distance**2)
    (found,) = here.of_others(np.array([5])).put_in()
    assert found == pytest.approx(expected, abs=1e-3)


def test_words_left_out_step_back(here: Steps) -> None:
    words = here.words.tolist()
    np.testing.assert_allclose(
        here.left_out(2), [brings(here, [], words[at : at + 2]) for at in range(3)], atol=1e-4
    )


def test_a_word_in_place_of_itself_brings_nothing(here: Steps) -> None:
    np.testing.assert_allclose(np.diag(here.instead_of(here)), 0, atol=1e-4)


@pytest.mark.parametrize("width", [0, 1, 2])
def test_a_pair_takes_the_place_of_its_run(here: Steps, width: int) -> None:
    pairs = [[5, 6], [7, 2]]
    found = here.of_others(np.array(pairs).ravel()).pairs_instead_of(here, width)
    words = here.words.tolist()
    places = range(len(words) - width + 1)
    expected = [[brings(here, pair, words[at : at + width]) for at in places] for pair in pairs]
    np.testing.assert_allclose(found, expected, atol=1e-4)

"""Recovered texts and their rounds, as they are shown to people."""

from __future__ import annotations

from typing import Any

import pytest
from rich.text import Span

from v2t_bench.answers import Answer
from v2t_bench.cli.printing import print_table
from v2t_bench.cli.recovered_text import NEW_STYLE, new_words, rounds_table, score_line
from v2t_bench.contracts import Round


def answer(**more: Any) -> Answer:
    texts = ("a man buys", "a man sells", "a man sells", "a man sells maps", "one man sells maps")
    settings: dict[str, Any] = {
        "number": 1,
        "recovered": texts[3],
        "cosine": 0.8761,
        "cosine_attacked": 0.9,
        "text": "the man sells maps",
        "scores": {"bleu": 58.14, "token_f1": 0.75, "exact": 0.0},
        "rounds": tuple(
            Round(step=step, text=text, cosine=step / 10) for step, text in enumerate(texts)
        ),
    }
    return Answer(**settings | more)


def shown(capsys: pytest.CaptureFixture[str], one: Answer) -> list[list[str]]:
    """Return the cells of the rows of the printed table, header left out."""
    capsys.readouterr()
    print_table(rounds_table(one, styled=False), wrap=True)
    lines = capsys.readouterr().out.splitlines()
    return [[c.strip() for c in line.split("│")[1:-1]] for line in lines if line[:1] == "│"]


def test_rounds_stand_between_original_and_answer_and_none_is_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, answer()) == [
        ["original", "", "the man sells maps"],
        ["0", "0.000", "a man buys"],
        ["1", "0.100", "a man {+sells+}"],
        ["3", "0.300", "a man sells {+maps+}"],
        ["4", "0.400", "{+one+} man sells maps"],
        ["answer", "0.900", "{+a+} man sells maps"],
    ]


def test_without_an_original_the_first_guess_stands_on_top(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, answer(text=None, scores={}))[0] == ["0", "0.000", "a man buys"]


def test_markup_line_breaks_and_emoji_codes_stay_what_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "[red]a\n[/red] :cat: \x1b[2J"
    rounds = (Round(step=0, text=text, cosine=0.5),)
    rows = shown(capsys, answer(text=text, recovered=text, rounds=rounds))
    assert [row[2] for row in rows] == [r"[red]a\n[/red] :cat: \x1b[2J"] * 3


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        (None, "all of it", "all of it"),
        ("all of it", "all of it", "all of it"),
        ("all of it", "all it", "all it"),
        ("of it", "all of  it", "{+all+} of  it"),
        ("a b c d", "a x y d", "a {+x y+} d"),
        ("a b c", "a B c D", "a {+B+} c {+D+}"),
        ("", "all new", "{+all new+}"),
        ("all gone", "", ""),
    ],
)
def test_words_that_the_round_before_lacks_are_marked(
    before: str | None, text: str, expected: str
) -> None:
    assert new_words(text, before, styled=False).plain == expected


def test_with_colour_the_text_itself_is_unchanged() -> None:
    found = new_words("a x y d", "a b c d", styled=True)
    assert (found.plain, found.spans) == ("a x y d", [Span(2, 5, NEW_STYLE)])


def test_the_line_of_scores_says_what_is_known() -> None:
    assert score_line(answer()) == "cosine 0.876, BLEU 58.1, token F1 0.75, not exact"
    exact = answer(scores={"bleu": 100.0, "token_f1": 1.0, "exact": 1.0})
    assert score_line(exact).endswith(", exact")
    assert score_line(answer(text=None, scores={})) == "cosine 0.876"

"""Recovered texts, and the rounds in which they were found, for people."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import click

from v2t_bench.cli.printing import print_table, printable, shows_styles

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from v2t_bench.answers import Answer, Inversion

# Where colour cannot show what is new, it stands in the signs of a word diff.
BEFORE_NEW, AFTER_NEW = "{+", "+}"
NEW_STYLE = "bold green"


def print_inversion(inversion: Inversion) -> None:
    """Print the answers: one in full, several as a table, and each with its rounds if kept."""
    answers = inversion.answers
    if answers[0].rounds is not None:
        for answer in answers:
            if len(answers) > 1:
                click.echo(f"{answer.number} of {len(answers)}")
            print_table(rounds_table(answer, styled=shows_styles()), wrap=True)
            click.echo(score_line(answer))
    elif len(answers) == 1:
        click.echo(printable(answers[0].recovered))
        click.echo(score_line(answers[0]))
    else:
        print_table(answers_table(inversion), wrap=True)


def score_line(answer: Answer) -> str:
    """Return how close one answer came, in a line."""
    parts = [f"cosine {answer.cosine:.3f}"]
    if answer.text is not None:
        scores = answer.scores
        parts += [
            f"BLEU {scores['bleu']:.1f}",
            f"token F1 {scores['token_f1']:.2f}",
            "exact" if scores["exact"] else "not exact",
        ]
    return ", ".join(parts)


def answers_table(inversion: Inversion) -> Table:
    """Return a row an answer, with original and BLEU where the originals are known."""
    from rich.table import Table
    from rich.text import Text

    known = inversion.targets.texts is not None
    table = Table(header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    if known:
        table.add_column("original", overflow="fold")
    table.add_column("recovered", overflow="fold")
    table.add_column("cosine", justify="right", no_wrap=True)
    if known:
        table.add_column("BLEU", justify="right", no_wrap=True)
    for answer in inversion.answers:
        cells = [Text(printable(answer.recovered)), Text(f"{answer.cosine:.3f}")]
        if answer.text is not None:
            cells = [Text(printable(answer.text)), *cells, Text(f"{answer.scores['bleu']:.1f}")]
        table.add_row(str(answer.number), *cells)
    return table


def rounds_table(answer: Answer, *, styled: bool) -> Table:
    """Return the rounds as in Morris et al. 2023, table 4: round, cosine, text.

    On top stands the original where it is known, at the end the answer. A round that left the
    text as it was is not repeated. Words that the row before did not have are highlighted.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    table.add_column("round", justify="right", no_wrap=True)
    table.add_column("cosine", justify="right", no_wrap=True)
    table.add_column("text", overflow="fold")
    if answer.text is not None:
        table.add_row("original", "", Text(printable(answer.text)))
        table.add_section()
    before: str | None = None
    for one in answer.rounds or ():
        if one.text != before:
            text = new_words(one.text, before, styled=styled)
            table.add_row(str(one.step), f"{one.cosine:.3f}", text)
            before = one.text
    table.add_section()
    text = new_words(answer.recovered, before, styled=styled)
    table.add_row("answer", f"{answer.cosine_attacked:.3f}", text)
    return table


def new_words(text: str, before: str | None, *, styled: bool) -> Text:
    """Return ``text`` with the words highlighted that it does not share with ``before``.

    Words are what white space separates; neighbours that are both new are highlighted as one.

    Args:
        text: What to show.
        before: What stood there a round earlier; None highlights nothing.
        styled: By colour, or else between ``{+`` and ``+}``.
    """
    from rich.text import Text

    shown = printable(text)
    if before is None:
        return Text(shown)
    words = list(re.finditer(r"\S+", shown))
    matcher = difflib.SequenceMatcher(
        None, printable(before).split(), [word.group() for word in words], autojunk=False
    )
    marked, end = Text(), 0
    for operation, _, _, first, last in matcher.get_opcodes():
        if operation not in ("insert", "replace"):
            continue
        start, stop = words[first].start(), words[last - 1].end()
        marked.append(shown[end:start])
        new = shown[start:stop]
        if styled:
            marked.append(new, style=NEW_STYLE)
        else:
            marked.append(BEFORE_NEW + new + AFTER_NEW)
        end = stop
    marked.append(shown[end:])
    return marked

"""Pieces of a page: what a docstring or a parameter says, as Markdown."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence

from griffe import (
    Docstring,
    DocstringSection,
    DocstringSectionAttributes,
    DocstringSectionKind,
    DocstringSectionParameters,
    DocstringSectionRaises,
    DocstringSectionText,
    Object,
)

# A parameter without a type of its own is no news: half of them stand in a table of types.
logging.getLogger("griffe").setLevel(logging.CRITICAL)

NOTE = "<!-- Written by docs/generate.py: change the source, then run it again. -->"

Row = Sequence[str]


def page(title: str, opening: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    return "\n\n".join([NOTE, f"# {title}", opening, *filter(None, parts)]) + "\n"


def table(head: Row, rows: Sequence[Row]) -> str:
    """Return a table, or nothing where it has no rows."""
    if not rows:
        return ""
    lines = [list(head), ["---"] * len(head), *(list(map(cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Return ``text`` on one line, with nothing that would end the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return ``text`` as code within a line; nothing gives nothing."""
    return f"`{text}`" if text else ""


def fenced(text: str, language: str = "text") -> str:
    """Return ``text`` as a block of code."""
    return f"```{language}\n{text}\n```"


def prose(text: str) -> str:
    """Return the text of a docstring, where nothing outside of code looks like a tag."""
    if "├" in text:
        first, _, tree = text.partition("\n\n")
        return f"{first}\n\n{fenced(tree)}"
    # What follows two colons is an example, which Markdown knows by its indentation alone.
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
    parts = re.split(r"(``.*?``|`[^`]*`)", text, flags=re.DOTALL)
    return "".join(
        part if part.startswith("`") else re.sub(r"<(?=[a-zA-Z/])", "\\\\<", part) for part in parts
    )


def sections(text: str, parent: Object | None = None) -> list[DocstringSection]:
    """Return the sections of a docstring in Google's style."""
    return Docstring(text, parent=parent).parse("google") if text else []


def told(parsed: Iterable[DocstringSection]) -> str:
    """Return the running text among the sections."""
    return "\n\n".join(
        prose(part.value) for part in parsed if isinstance(part, DocstringSectionText)
    )


def arguments(parsed: Iterable[DocstringSection]) -> dict[str, str]:
    """Return what the sections say of each parameter."""
    return {
        argument.name: prose(argument.description)
        for part in parsed
        if isinstance(part, DocstringSectionParameters)
        for argument in part.value
    }


def listed(parsed: Iterable[DocstringSection]) -> str:
    """Return lists of the parameters, the attributes and the errors that the sections name."""
    blocks = []
    for part in parsed:
        if isinstance(part, DocstringSectionParameters | DocstringSectionAttributes):
            found = [(one.name, one.description) for one in part.value]
        elif isinstance(part, DocstringSectionRaises):
            found = [(str(one.annotation), one.description) for one in part.value]
        else:
            continue
        title = {DocstringSectionKind.raises: "Raises"}.get(part.kind, part.kind.value.title())
        items = [f"- {code(name)}: {prose(' '.join(text.split()))}" for name, text in found]
        blocks.append("\n".join([f"{title}:", "", *items]))
    return "\n\n".join(blocks)

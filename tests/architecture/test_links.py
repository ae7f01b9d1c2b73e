"""Every link between pages leads somewhere: the file is there, and so is the heading."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

MARKDOWN = MarkdownIt("commonmark").enable("table")


def links(text: str) -> Iterator[str]:
    """Yield where each link and picture of a page points."""
    for token in inline(text):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target is not None:
                yield str(target)


def anchors(text: str) -> set[str]:
    """Return what a link can name after ``#``: the headings, as GitHub calls them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in headings(text):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        # The second of equal headings is told from the first by a number.
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def headings(text: str) -> Iterator[str]:
    """Yield what stands in each heading, without its marks."""
    before = ""
    for token in MARKDOWN.parse(text):
        if token.type == "inline" and before == "heading_open":
            yield "".join(child.content for child in token.children or ())
        before = token.type


def inline(text: str) -> Iterator[Token]:
    """Yield the runs of text of a page, those in code blocks left out."""
    return (token for token in MARKDOWN.parse(text) if token.type == "inline")


def broken(page: Path) -> Iterator[str]:
    """Yield each relative link of ``page`` that leads nowhere."""
    for target in links(page.read_text(encoding="utf-8")):
        address = urlsplit(target)
        if address.scheme or address.netloc:
            continue
        to = page.parent / unquote(address.path) if address.path else page
        if not to.exists():
            yield f"{target}: no such file"
        elif address.fragment and (
            to.suffix != ".md" or address.fragment not in anchors(to.read_text(encoding="utf-8"))
        ):
            yield f"{target}: no such heading"


def test_every_relative_link_leads_somewhere(root: Path, tracked: list[Path]) -> None:
    pages = [path for path in tracked if path.suffix == ".md"]

    assert len(pages) > 10
    assert [f"{path}: {line}" for path in pages for line in broken(root / path)] == []


@pytest.mark.parametrize(
    ("link", "wrong"),
    [
        ("there.md", None),
        ("there.md#two-words", None),
        ("there.md#two-words-1", None),
        ("there.md#--code-and-more", None),
        ("#here", None),
        ("https://example.org/nowhere", None),
        ("gone.md", "no such file"),
        ("there.md#two-words-2", "no such heading"),
        ("#there", "no such heading"),
    ],
)
def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, link: str, wrong: str | None) -> None:
    headed = "# Two *words*\n\n## Two words\n\n## `--code`, and more\n\n```sh\n# No heading\n```\n"
    (tmp_path / "there.md").write_text(headed)
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n[a link]({link}) and `[code](gone.md)`\n")

    assert list(broken(page)) == ([] if wrong is None else [f"{link}: {wrong}"])

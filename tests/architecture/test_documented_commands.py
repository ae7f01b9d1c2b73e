"""Every command that the documentation shows is one that v2t-bench understands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

from v2t_bench.cli import group
from v2t_bench.contracts import Kind
from v2t_bench.errors import UnknownComponent, UsageError
from v2t_bench.registry import Registry, discover
from v2t_bench.spelling import Spelling, parse_composition
from v2t_bench.threat import parse_threat

PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "leaderboards/CONTRIBUTING.md")
# Components that docs/plugin-guide.md writes, and those of tests/external/v2t-echo.
MADE_UP = {"rounding", "word-means", "letters", "echo", "echo-round"}
KINDS: dict[str, Kind] = {"attack": "attacks", "defense": "defenses", "embedder": "embedders"}
PROMPTS = {("v2t-bench",), ("accelerate", "launch", "-m", "v2t_bench")}


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each command in a page's blocks of shell code."""
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.info == "sh":
            yield from calls(token.content)


def calls(script: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of v2t-bench in a shell script."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        words.whitespace_split = True
        call: list[str] = []
        for word in [*words, ";"]:
            if word.strip("&|;"):
                call.append(word)
                continue
            for prompt in PROMPTS:
                if tuple(call[: len(prompt)]) == prompt:
                    yield call[len(prompt) :]
            call = []


def problem(arguments: Sequence[str], registry: Registry) -> str:
    """Return what is wrong with a command, or nothing; no file that it names need exist."""
    command: click.Command = group
    context = click.Context(group)
    left = list(arguments)
    while isinstance(command, click.Group):
        below = command.get_command(context, left[0]) if left else None
        if below is None:
            return f"no verb {' '.join(left[:1])}"
        command, context, left = below, click.Context(below, context), left[1:]
    try:
        given, rest, _ = command.make_parser(context).parse_args(left)
    except click.UsageError as error:
        return error.format_message()
    if rest:
        return f"nothing takes {' '.join(rest)}"
    return next(filter(None, (misspelt(name, given, registry) for name in given)), "")


def misspelt(name: str, given: dict[str, object], registry: Registry) -> str:
    """Return what is wrong with the components that one option or argument spells."""
    values = given[name]
    for value in values if isinstance(values, list) else [values]:
        try:
            for kind in (kind for word, kind in KINDS.items() if name.rstrip("s") == word):
                for part in parse_composition(str(value)) if value not in (None, "all") else ():
                    check(registry, kind, part)
            if name.rstrip("s") == "threat" and value not in (None, "all", "worst"):
                parse_threat(str(value))
        except UsageError as error:
            return str(error)
    return ""


def check(registry: Registry, kind: Kind, part: Spelling) -> None:
    """Refuse a component that does not exist, or has no such parameter."""
    try:
        registry.canonical(kind, part)
    except UnknownComponent:
        if part.name not in MADE_UP:
            raise


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover(strangers=())


def test_every_command_is_understood(root: Path, registry: Registry) -> None:
    found = [
        (f"{page.relative_to(root)}: {shlex.join(arguments)}", problem(arguments, registry))
        for pattern in PAGES
        for page in root.glob(pattern)
        for arguments in commands(page.read_text(encoding="utf-8"))
    ]

    assert len(found) > 15
    assert [f"{shown}: {wrong}" for shown, wrong in found if wrong] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("v2t-bench run --attack vec2text:steps=5 --defense pca:64+noise:0.01 # why", ""),
        ("cd x && v2t-bench data get nq; ls", ""),
        ("v2t-bench walk", "no verb"),
        ("v2t-bench data walk", "no verb"),
        ("v2t-bench run --atack silent", "No such option"),
        ("v2t-bench run --attack vec3text", "no attack"),
        ("v2t-bench run --attack vec2text:pace=5", "no parameter"),
        ("v2t-bench run --defense noise:loud", "a number"),
        ("v2t-bench run --threat adaptive", "no threat"),
        ("v2t-bench doctor now", "nothing takes"),
    ],
)
def test_a_wrong_command_is_told(registry: Registry, line: str, wrong: str) -> None:
    ((arguments),) = commands(f"```sh\n{line}\n```\n")

    told = problem(arguments, registry)

    assert wrong in told
    assert bool(told) == bool(wrong)

"""The only grammar: how components are spelled on the command line and in the tables.

A spelling is ``name[:argument{,argument}][@revision]`` where an argument is ``value`` or
``key=value``, positional ones first. A value is bare text, a double-quoted string, or
another spelling in brackets: ``aligner:linear,inverter=[vec2text:steps=20]``. Defenses
compose left to right with ``+``: ``pca:128+noise:0.01``. Spaces around the parts mean nothing.

Parsing knows nothing of what exists; `v2t_bench.registry` binds arguments to parameters
and turns a spelling into its canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from v2t_bench.errors import BadSpelling

Value: TypeAlias = "str | Spelling"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
# What ends a bare value, or would be read as something else inside one.
_SPECIAL = frozenset(',[]"+@=')


@dataclass(frozen=True)
class Spelling:
    """A component as it was written: a name, its arguments, and perhaps a revision."""

    name: str
    positional: tuple[Value, ...] = ()
    named: Mapping[str, Value] = field(default_factory=dict)
    revision: str | None = None

    def __post_init__(self) -> None:
        """Refuse what `parse` could not have produced."""
        if not _NAME.fullmatch(self.name):
            raise BadSpelling(
                f"{self.name!r} is not a component name; expected a letter followed by letters, "
                "digits, '_', '-' or '.'"
            )
        for key in self.named:
            if not _KEY.fullmatch(f"{key}="):
                raise BadSpelling(
                    f"{key!r} is not a parameter's name; expected a letter or '_' followed by "
                    "letters, digits or '_'"
                )

    def __hash__(self) -> int:
        """Hash the written form, so that spellings can be dictionary keys."""
        return hash(str(self))

    def __str__(self) -> str:
        """Return the spelling with named arguments sorted by key; parses back to itself."""
        arguments = [_quote(value) for value in self.positional]
        arguments += [f"{key}={_quote(self.named[key])}" for key in sorted(self.named)]
        text = self.name
        if arguments:
            text += ":" + ",".join(arguments)
        if self.revision is not None:
            text += f"@{_quote(self.revision)}"
        return text


def _quote(value: Value) -> str:
    if isinstance(value, Spelling):
        return f"[{value}]"
    needs_quotes = value == "" or value != value.strip() or any(c in _SPECIAL for c in value)
    if not needs_quotes:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Reader:
    """A position in a text, with the errors that can be met there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, expected: str) -> BadSpelling:
        found = repr(self.text[self.at]) if self.at < len(self.text) else "the end"
        return BadSpelling(
            f"{self.text!r} is not a spelling: expected {expected} at position {self.at + 1}, "
            f"found {found} (the form is name:value,key=value@revision)"
        )

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, character: str) -> bool:
        self.skip_spaces()
        if self.peek() != character:
            return False
        self.at += 1
        return True

    def skip_spaces(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def spelling(self) -> Spelling:
        self.skip_spaces()
        match = _NAME.match(self.text, self.at)
        if match is None:
            raise self.fail("a component name")
        self.at = match.end()
        positional: list[Value] = []
        named: dict[str, Value] = {}
        if self.take(":"):
            while True:
                self.argument(positional, named)
                if not self.take(","):
                    break
        revision = self.plain("a revision") if self.take("@") else None
        return Spelling(match.group(), tuple(positional), named, revision)

    def argument(self, positional: list[Value], named: dict[str, Value]) -> None:
        self.skip_spaces()
        match = _KEY.match(self.text, self.at)
        if match is None:
            if named:
                raise self.fail("key=value, since positional values come first")
            positional.append(self.value())
            return
        key = match.group(1)
        if key in named:
            raise BadSpelling(f"{self.text!r} gives {key!r} twice; give it once")
        self.at = match.end()
        named[key] = self.value()

    def value(self) -> Value:
        if self.take("["):
            inner = self.spelling()
            if not self.take("]"):
                raise self.fail("']'")
            return inner
        return self.plain("a value")

    def plain(self, what: str) -> str:
        if self.take('"'):
            return self.quoted()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _SPECIAL:
            self.at += 1
        value = self.text[start : self.at].strip()
        if not value:
            raise self.fail(what)
        return value

    def quoted(self) -> str:
        characters: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                return "".join(characters)
            if character == "\\" and self.peek() in ('"', "\\"):
                character = self.text[self.at]
                self.at += 1
            characters.append(character)
        raise self.fail("a closing double quote")


def parse(text: str) -> Spelling:
    """Return the one component spelled by ``text``.

    Raises:
        BadSpelling: the text does not follow the grammar; position and expectation named.
    """
    parts = parse_composition(text)
    if len(parts) > 1:
        raise BadSpelling(f"{text!r} joins components with '+'; only defenses can be joined")
    return parts[0]


def parse_composition(text: str) -> tuple[Spelling, ...]:
    """Return the components joined by ``+`` in ``text``, left to right; at least one.

    Raises:
        BadSpelling: the text does not follow the grammar; position and expectation named.
    """
    reader = _Reader(text.strip())
    parts = [reader.spelling()]
    while reader.take("+"):
        parts.append(reader.spelling())
    if reader.at < len(reader.text):
        raise reader.fail("',', '@', '+' or the end")
    return tuple(parts)


def compose(parts: tuple[Spelling, ...]) -> str:
    """Return the composition as written; the inverse of `parse_composition`."""
    return "+".join(str(part) for part in parts)

"""The page about what a plugin may import, read from the source without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import griffe

from pages.markdown import fenced, listed, page, sections, told

# An object of griffe, or an alias of one, which stands for whatever it points at.
Member: TypeAlias = Any

# What pyproject.toml lets our own plugins import, and the hooks that they implement.
MODULES = (
    "hookspecs",
    "contracts",
    "threat",
    "errors",
    "spelling",
    "checkpoints",
    "conformance",
    "scoring",
    "search",
    "texts",
    "training_text",
)

# Without an underscore, and of no use to who imports the module.
NOT_OFFERED = {"hookspec", "log", "T_co"}

WIDTH = 100

OPENING = """\
What a plugin may import, from the docstrings. Everything else may change without notice. How a
plugin is written: [plugin-guide.md](plugin-guide.md).

`v2t_bench.hookimpl` marks a plugin's function as the implementation of a hook of
`v2t_bench.hookspecs`."""


def write(root: Path) -> str:
    """Return the page, from the source below ``root``."""
    package = griffe.load(
        "v2t_bench", search_paths=[root / "bench"], allow_inspection=False, resolve_aliases=True
    )
    return page("Python interface", OPENING, _parts(package))


def _parts(package: Member) -> Iterator[str]:
    for name in MODULES:
        yield from _module(package[name])
    # The parent imports none of its own, so that asking for one score imports no other.
    for _, module in sorted(package["scoring"].modules.items()):
        yield from _module(module)


def _module(module: Member) -> Iterator[str]:
    yield f"## `{module.path}`"
    yield from _documented(module)
    offered = _offered(module)
    for member in module.members.values():
        if member.name in offered:
            yield from _member(member)


def _offered(module: Member) -> set[str]:
    """Return the names that a module offers, those it imports under their own name included."""
    imports = [
        node for node in ast.walk(ast.parse(module.source)) if isinstance(node, ast.ImportFrom)
    ]
    again = {name.asname for node in imports for name in node.names if name.asname == name.name}
    own = {name for name, member in module.members.items() if member.is_public}
    return (own | again) - set(module.modules) - NOT_OFFERED


def _member(member: Member) -> Iterator[str]:
    """Yield what there is to say of a class, a function or a constant."""
    yield f"### `{member.name}`"
    yield fenced(_signature(member), "python")
    yield from _documented(member)
    if member.is_class:
        for inner in member.members.values():
            if not inner.name.startswith("_") and (inner.is_function or _is_property(inner)):
                yield f"**`{member.name}.{inner.name}`**"
                yield fenced(_signature(inner), "python")
                yield from _documented(inner)


def _documented(member: Member) -> Iterator[str]:
    parsed = sections(member.docstring.value if member.docstring else "")
    yield told(parsed)
    yield listed(parsed)


def _is_property(member: Member) -> bool:
    return "property" in member.labels


def _signature(member: Member) -> str:
    """Return how a member is written: its name, parameters and type."""
    if member.is_class:
        bases = ", ".join(str(base) for base in member.bases)
        head = f"class {member.name}({bases})" if bases else f"class {member.name}"
        fields = [parameter for parameter in member.parameters if parameter.name != "self"]
        return "\n    ".join([head + ":" * bool(fields), *map(_parameter, fields)])
    if member.is_function:
        return _function(member)
    typed = f": {member.annotation}" if member.annotation is not None else ""
    if _is_property(member):
        return f"{member.name}{typed}"
    value = str(member.value)
    return f"{member.name}{typed} = {value if len(value) <= WIDTH else '...'}"


def _function(member: Member) -> str:
    """Return a function as it is declared, on lines of their own where it is long."""
    written = []
    kind = griffe.ParameterKind
    before = None
    for parameter in member.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is kind.keyword_only and before not in (
            kind.keyword_only,
            kind.var_positional,
        ):
            written.append("*")
        stars = {kind.var_positional: "*", kind.var_keyword: "**"}.get(parameter.kind, "")
        written.append(stars + _parameter(parameter))
        before = parameter.kind
    returns = f" -> {member.returns}" if member.returns is not None else ""
    written_on = "@classmethod\n" if "classmethod" in member.labels else ""
    short = f"def {member.name}({', '.join(written)}){returns}"
    if len(short) <= WIDTH:
        return written_on + short
    lines = "".join(f"    {one},\n" for one in written)
    return f"{written_on}def {member.name}(\n{lines}){returns}"


def _parameter(parameter: Member) -> str:
    typed = f": {parameter.annotation}" if parameter.annotation is not None else ""
    # What a star gathers has no default, whatever griffe writes there.
    has_default = parameter.default is not None and "var" not in parameter.kind.name
    equals = " = " if typed else "="
    return (
        f"{parameter.name}{typed}{equals}{parameter.default}"
        if has_default
        else (parameter.name + typed)
    )

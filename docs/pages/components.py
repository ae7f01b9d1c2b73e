"""The page about what is shipped: embedders, attacks, defenses, threats and datasets."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from pages.markdown import arguments, code, page, prose, sections, table, told
from v2t_bench import threat
from v2t_bench.contracts import KINDS, Kind
from v2t_bench.corpora import known_datasets
from v2t_bench.registry import (
    Entry,
    Parameter,
    describe_parameters,
    discover,
    spelled_parameters,
)

OPENING = """\
What v2t-bench ships, as `v2t-bench list` and `v2t-bench info` tell it of what is installed. A
component is spelled `name:value,key=value`: values without a key go to the parameters in the
order of its table, `none` stands for no value, and another component is put in brackets:
`prior:[vec2text:steps=5]`. Defenses are joined by `+`. More come with
[plugins](plugin-guide.md); who each threat is, in words: [threat models](threat-models.md)."""

HEADINGS: dict[Kind, str] = {
    "embedders": "Embedders (`--embedder`)",
    "attacks": "Attacks (`--attack`)",
    "defenses": "Defenses (`--defense`)",
}


def write() -> str:
    """Return the page."""
    return page("Components", OPENING, _parts())


def _parts() -> Iterator[str]:
    # Ours alone: the page must not depend on what else is installed.
    registry = discover(strangers=())
    for kind in KINDS:
        yield f"## {HEADINGS[kind]}"
        for entry in registry.entries(kind):
            yield from _component(entry)
    yield from _threats()
    yield "## Datasets (`--dataset`)"
    rows = [(code(name), prose(what)) for name, what in known_datasets()]
    yield table(("spelled", "what"), rows)


def _component(entry: Entry) -> Iterator[str]:
    recipe = entry.recipe
    parsed = sections(inspect.getdoc(recipe.build) or "")
    text = told(parsed)
    yield f"### `{recipe.name}`"
    if not text.startswith(recipe.summary):
        yield prose(recipe.summary)
    yield text
    yield "\n".join(_facts(entry))
    described = arguments(parsed)
    rows = [
        (code(one.name), _default(one), described.get(one.name, ""))
        for one in spelled_parameters(recipe)
    ]
    yield table(("parameter", "default", "what"), rows)


def _facts(entry: Entry) -> Iterator[str]:
    """Yield what the recipe says, a line a fact."""
    recipe = entry.recipe
    yield f"- Spelled: {code(describe_parameters(recipe).removesuffix(' (no parameters)'))}"
    if recipe.revision:
        yield f"- Of a revision: {code(f'{recipe.name}@<revision>')}"
    if recipe.standard:
        yield f"- `all` stands for: {', '.join(map(code, recipe.standard))}"
    if recipe.learned:
        taught = ":" * bool(recipe.taught) + ",".join(f"{name}=..." for name in recipe.taught)
        yield f"- Learned: {code(f'v2t-bench train {recipe.name}{taught} --texts FILE')}"
    for name, settings in recipe.trainings.items():
        set_to = ", ".join(f"{key}={value}" for key, value in settings.items())
        yield f"- Training recipe {code(name)}: {code(set_to)}"
    if recipe.source:
        yield f"- Source: {prose(recipe.source)}"
    if recipe.for_tests:
        yield "- For tests only: no published figure may come from it."
    yield f"- Module: {code(entry.origin.module)}"


def _default(parameter: Parameter) -> str:
    """Return what a parameter is where it is not given."""
    if parameter.default is inspect.Parameter.empty:
        return "required"
    if parameter.default is None:
        return code("none")
    shown = parameter.default
    return code(str(shown).lower() if isinstance(shown, bool) else str(shown))


def _threats() -> Iterator[str]:
    """Yield what the docstring of a threat says, name by name."""
    described = arguments(sections(inspect.getdoc(threat.Threat) or ""))
    pieces = re.split(r"``([^`]+)``: ", described["name"])
    rows = [
        (code(name), text.strip()) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    yield "## Threats (`--threat`)"
    yield table(("spelled", "the attacker"), rows)
    yield table(
        ("parameter", "what"),
        [("`oracle`", described["oracle"]), ("`pairs`", described["pairs"])],
    )
    yield "\n".join(
        f"- `{name}` stands for: {', '.join(map(code, spelled))}"
        for name, spelled in (
            ("all", threat.standard_threats()),
            (threat.WORST, threat.worst_threats()),
        )
    )

"""What a recipe promises, one check a promise; recipes are checked where they are registered."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from v2t_bench.conformance.promise import expect, promise
from v2t_bench.contracts import BuildContext, KeyFile, Kind, Recipe, Secret
from v2t_bench.errors import BadSpelling
from v2t_bench.registry import Registry
from v2t_bench.shown import KEY
from v2t_bench.spelling import Spelling, parse

# What costs a second or more to import, and is not needed to say what is on offer.
HEAVY = (
    "datasets",
    "jax",
    "pandas",
    "sentence_transformers",
    "sklearn",
    "tensorflow",
    "torch",
    "transformers",
)

SPELLED = (str, int, float, bool, Path, Spelling)


class RecipeCheck(Protocol):
    """Raises `BrokenPromise` unless the recipe behind ``example`` keeps one promise.

    ``example`` is a spelling that can be bound: ``echo-round:2``.
    """

    def __call__(  # noqa: D102  the class says it
        self, registry: Registry, kind: Kind, example: str
    ) -> None: ...


def _recipe(registry: Registry, kind: Kind, example: str) -> Recipe[Any]:
    return registry.entry(kind, parse(example).name).recipe


def _parameters(recipe: Recipe[Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(recipe.build).parameters.values())


def _annotations(recipe: Recipe[Any]) -> dict[str, Any]:
    build = recipe.build
    return get_type_hints(build.__init__ if inspect.isclass(build) else build)


def _arms(annotation: Any) -> tuple[Any, ...]:
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if is_union else (annotation,)


@promise
def has_a_plain_name(registry: Registry, kind: Kind, example: str) -> None:
    """The name is a letter followed by letters, digits, '_', '-' or '.'."""
    recipe = _recipe(registry, kind, example)
    try:
        spelled = parse(recipe.name)
    except BadSpelling as error:
        expect(False, f"the recipe's name cannot be spelled: {error}")
    expect(
        spelled == Spelling(recipe.name) and recipe.name == recipe.name.lower(),
        f"the recipe's name is {recipe.name!r}; expected lower case: users type it",
    )


@promise
def has_a_summary(registry: Registry, kind: Kind, example: str) -> None:
    """The summary is one line of words."""
    recipe = _recipe(registry, kind, example)
    summary = recipe.summary
    # A dataclass without a docstring is given its signature as one.
    automatic = summary.startswith(f"{getattr(recipe.build, '__name__', '?')}(")
    expect(
        bool(summary.strip()) and "\n" not in summary and not automatic,
        f"{recipe.name}'s summary is {summary!r}; expected one line that says what it does; give "
        "build a docstring, or the recipe a summary",
    )


@promise
def names_its_source(registry: Registry, kind: Kind, example: str) -> None:
    """An attack and a defense say where the method is from."""
    recipe = _recipe(registry, kind, example)
    expect(
        kind == "embedders" or bool(recipe.source.strip()),
        f"{recipe.name} has no source; expected paper and section, or 'this project': the "
        "leaderboard cites it",
    )


@promise
def has_named_and_typed_parameters(registry: Registry, kind: Kind, example: str) -> None:
    """Every parameter of build can be given by name and has a type that can be spelled."""
    recipe = _recipe(registry, kind, example)
    annotations = _annotations(recipe)
    for parameter in _parameters(recipe):
        where = f"{recipe.name}'s parameter {parameter.name!r}"
        expect(
            parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD),
            f"{where} is {parameter.kind.description}; expected one that is given by name, since "
            "the spelling lists what there is; write kw_only=True, or a * before it",
        )
        expect(
            parameter.name in annotations,
            f"{where} has no type; expected an annotation: the spelled text is converted to it",
        )
        for arm in _arms(annotations[parameter.name]):
            expect(
                arm is not KeyFile or parameter.name == KEY,
                f"{where} is a key file; expected it to be called {KEY!r}, or results would "
                "show a plain hash of it",
            )
            allowed = arm in (*SPELLED, type(None), KeyFile, Secret, BuildContext)
            expect(
                allowed or get_origin(arm) is Literal,
                f"{where} is annotated {arm!r}; expected str, int, float, bool, Path, a Literal, "
                "Spelling (another component), Secret or BuildContext",
            )


@promise
def has_defaults_of_its_types(registry: Registry, kind: Kind, example: str) -> None:
    """A default is a value of the parameter's type."""
    recipe = _recipe(registry, kind, example)
    annotations = _annotations(recipe)
    for parameter in _parameters(recipe):
        default = parameter.default
        if default is inspect.Parameter.empty:
            continue
        fits = any(
            default in get_args(arm) if get_origin(arm) is Literal else type(default) is arm
            for arm in _concrete(annotations.get(parameter.name))
        )
        expect(
            fits,
            f"{recipe.name}: {parameter.name}={default!r} is a {type(default).__name__}; expected "
            f"{annotations.get(parameter.name)}: the default is shown in the canonical spelling",
        )


def _concrete(annotation: Any) -> list[Any]:
    """Return the classes of which a default may be: a whole number is a number."""
    arms = list(_arms(annotation))
    return [*arms, int] if float in arms else [*arms, type(Path())] if Path in arms else arms


@promise
def has_a_canonical_spelling(registry: Registry, kind: Kind, example: str) -> None:
    """The canonical spelling parses back to itself, is its own canonical form, and binds alike."""
    spelling = parse(example)
    canonical = registry.canonical(kind, spelling)
    written = str(canonical)
    expect(
        parse(written) == canonical and registry.canonical(kind, parse(written)) == canonical,
        f"the canonical spelling of {example!r} is {written!r}, and that of it is "
        f"{str(registry.canonical(kind, parse(written)))!r}; expected the same: it is the "
        "component's identity",
    )
    first, second = registry.bind(kind, spelling), registry.bind(kind, canonical)
    differing = sorted(key for key in first if not _alike(first[key], second[key]))
    expect(
        not differing,
        f"{written!r} binds {', '.join(differing)} to other values than {example!r}; expected the "
        "same: str and the type's constructor must be each other's inverse",
    )


def _alike(value: Any, again: Any) -> bool:
    # A nested component becomes canonical itself; whether it is, its own recipe's check tells.
    return isinstance(value, Spelling) or value == again


@promise
def offers_standard_spellings_of_itself(registry: Registry, kind: Kind, example: str) -> None:
    """Every standard spelling is of this recipe, and can be bound."""
    recipe = _recipe(registry, kind, example)
    for standard in recipe.standard:
        spelling = parse(standard)
        expect(
            spelling.name == recipe.name,
            f"{recipe.name} has the standard spelling {standard!r}; expected one of its own: it "
            "is what 'all' stands for",
        )
        registry.canonical(kind, spelling)


@promise
def takes_the_revision_it_offers(registry: Registry, kind: Kind, example: str) -> None:
    """A recipe with revision=True builds with a parameter revision: str | None."""
    recipe = _recipe(registry, kind, example)
    wanted = {str, type(None)}
    expect(
        not recipe.revision or set(_arms(_annotations(recipe).get("revision"))) == wanted,
        f"{recipe.name} offers @revision, and build has no parameter revision: str | None; "
        "expected one: that is how it is given",
    )


@promise
def takes_a_checkpoint_if_learned(registry: Registry, kind: Kind, example: str) -> None:
    """A learned attack builds with a parameter checkpoint: Path | None = None, and trains."""
    recipe = _recipe(registry, kind, example)
    if not recipe.learned:
        return
    expect(kind == "attacks", f"{recipe.name} says learned=True; expected that of attacks only")
    default = {p.name: p.default for p in _parameters(recipe)}.get("checkpoint", "missing")
    arms = set(_arms(_annotations(recipe).get("checkpoint")))
    expect(
        arms == {Path, type(None)} and default is None,
        f"{recipe.name} says learned=True, and build has no parameter checkpoint: Path | None = "
        "None; expected one: the folder that train filled",
    )


@promise
def is_listed_without_heavy_imports(registry: Registry, kind: Kind, example: str) -> None:
    """Importing the plugin and calling its hooks imports no torch, pandas or the like."""
    entry = registry.entry(kind, parse(example).name)
    module = entry.origin.module.partition(":")[0]
    heavy = _imported_by(module)
    expect(
        not heavy,
        f"listing {entry.recipe.name} imports {', '.join(heavy)}; expected nothing heavy, since "
        f"every --help would wait for it; import inside build in {module}",
    )


_LIST = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
for name in dir(module):
    if name.startswith("v2t_") and callable(getattr(module, name)):
        list(getattr(module, name)())
print(json.dumps([name for name in sys.argv[2:] if name in sys.modules]))
"""


@cache
def _imported_by(module: str) -> tuple[str, ...]:
    """Return which heavy packages a fresh interpreter holds after listing the plugin."""
    code = f"import sys; sys.path[:] = {sys.path!r}\n{_LIST}"
    ran = subprocess.run(
        [sys.executable, "-c", code, module, *HEAVY], capture_output=True, text=True, check=False
    )
    lines = ran.stderr.strip().splitlines() or ["no message"]
    expect(ran.returncode == 0, f"{module} cannot be imported by a new process: {lines[-1]}")
    return tuple(json.loads(ran.stdout.splitlines()[-1]))


RECIPE_CHECKS: tuple[RecipeCheck, ...] = (
    has_a_plain_name,
    has_a_summary,
    names_its_source,
    has_named_and_typed_parameters,
    has_defaults_of_its_types,
    has_a_canonical_spelling,
    offers_standard_spellings_of_itself,
    takes_the_revision_it_offers,
    takes_a_checkpoint_if_learned,
    is_listed_without_heavy_imports,
)


def check_recipe(registry: Registry, kind: Kind, example: str) -> None:
    """Check every promise of the recipe behind ``example``.

    Raises:
        BrokenPromise: the first one that is not kept.
    """
    for check in RECIPE_CHECKS:
        check(registry, kind, example)

"""Finding plugins, refusing clashes, and building by spelling."""

from __future__ import annotations

import importlib.metadata
import itertools
import logging
import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from toy_checkpoint import write_checkpoint
from v2t_bench import hookimpl
from v2t_bench.checkpoints import RECORD, checkpoints_in
from v2t_bench.contracts import BuildContext, Checkpoint, Recipe, Secret
from v2t_bench.errors import BadParameter, PluginError, UnknownComponent
from v2t_bench.registry import (
    OUR_DISTRIBUTION,
    STRICT_VARIABLE,
    Origin,
    Registry,
    discover,
    spelled_parameters,
)
from v2t_bench.spelling import Spelling, parse

OURS = "v2t_plugins.attacks.silent"


@dataclass(frozen=True, kw_only=True)
class Shake:
    """Adds something."""

    sigma: float
    on: Literal["both", "queries"] = "both"
    seed: int = 3
    exact: bool = False
    label: str | None = None
    cap: int | None = 9
    place: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Wrap:
    """Wraps a component."""

    inner: Spelling
    other: Spelling | None = None
    context: BuildContext
    secret: Secret


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Takes a revision."""

    model: str = "m"
    revision: str | None


def offer(*recipes: Recipe[Any]) -> Callable[[], Iterator[Recipe[Any]]]:
    """Return a hook implementation that offers ``recipes``."""

    @hookimpl
    def hook() -> Iterator[Recipe[Any]]:
        yield from recipes

    return hook


def named(name: str) -> Recipe[Any]:
    return Recipe(name=name, build=Shake)


@pytest.fixture
def toys() -> Registry:
    """Three components of a stranger."""
    registry = Registry(strict=True)
    module = SimpleNamespace(
        v2t_defenses=offer(named("shake"), Recipe(name="wrap", build=Wrap)),
        v2t_embedders=offer(Recipe(name="fetch", build=Fetch, revision=True)),
    )
    registry.add(module, Origin("toys", "1.0", "toys"))
    return registry


CONTEXT = BuildContext(build=lambda kind, spelling: None)


# ------------------------------------------------------------------ binding and canonical form
def bound(registry: Registry, text: str) -> dict[str, Any]:
    return registry.bind("defenses", parse(text))


def canonical(registry: Registry, text: str) -> str:
    return str(registry.canonical("defenses", parse(text)))


def test_positional_values_fill_the_parameters_in_order(toys: Registry) -> None:
    assert bound(toys, "shake:0.5,queries,4")["on"] == "queries"
    assert bound(toys, "shake:0.5,queries,4")["seed"] == 4


def test_values_have_the_types_of_their_parameters(toys: Registry) -> None:
    values = bound(toys, "shake:1,seed=07,exact=TRUE,label=x,cap=none,place=/a//b/")
    assert values == {
        "sigma": 1.0,
        "on": "both",
        "seed": 7,
        "exact": True,
        "label": "x",
        "cap": None,
        "place": Path("/a/b"),
    }
    assert [type(values[key]) for key in ("sigma", "seed", "exact")] == [float, int, bool]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shake:0.50", "shake:cap=9,exact=false,on=both,seed=3,sigma=0.5"),
        ("shake:1e-3,queries", "shake:cap=9,exact=false,on=queries,seed=3,sigma=0.001"),
        ("shake:2.0,exact=True", "shake:cap=9,exact=true,on=both,seed=3,sigma=2"),
        ("shake:-0.0", "shake:cap=9,exact=false,on=both,seed=3,sigma=0"),
        ("shake:1e300", 'shake:cap=9,exact=false,on=both,seed=3,sigma="1e+300"'),
        ("shake:1,cap=none", "shake:cap=none,exact=false,on=both,seed=3,sigma=1"),
        ("shake:1,label=none", "shake:cap=9,exact=false,on=both,seed=3,sigma=1"),
        ('shake:1,label="a,b"', 'shake:cap=9,exact=false,label="a,b",on=both,seed=3,sigma=1'),
    ],
)
def test_the_canonical_form_names_every_value_once(
    toys: Registry, text: str, expected: str
) -> None:
    assert canonical(toys, text) == expected
    assert canonical(toys, expected) == expected
    assert bound(toys, expected) == bound(toys, text)


def test_a_nested_component_is_canonical_too(toys: Registry) -> None:
    inner = "shake:cap=9,exact=false,on=both,seed=3,sigma=1"
    assert canonical(toys, "wrap:[shake:1.0]") == f"wrap:inner=[{inner}]"
    assert canonical(toys, "wrap:inner=[wrap:[shake:1]]") == f"wrap:inner=[wrap:inner=[{inner}]]"


def test_a_nested_component_may_be_of_another_kind(toys: Registry) -> None:
    assert canonical(toys, "wrap:[fetch@v2]") == "wrap:inner=[fetch:model=m@v2]"


def test_a_bare_name_stands_for_a_component_where_one_is_wanted(toys: Registry) -> None:
    assert canonical(toys, "wrap:fetch") == "wrap:inner=[fetch:model=m]"


def test_none_is_no_component_where_there_need_not_be_one(toys: Registry) -> None:
    assert bound(toys, "wrap:fetch,none")["other"] is None
    assert bound(toys, "wrap:fetch,[none]")["other"] == Spelling("none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shake", "shake needs a value for 'sigma'; the form is shake:sigma=<a number>,on=both"),
        ("shake:sigmo=1", "no parameter 'sigmo'; did you mean 'sigma'"),
        ("shake:1,sigma=2", "got 'sigma' twice"),
        ("shake:1,both,3,false,x,1,p,more", "takes at most 7 values, got 8"),
        ("shake:much", "sigma must be a number, got 'much'"),
        ("shake:1,sometimes", "on must be one of both, queries, got 'sometimes'"),
        ("shake:1,seed=1.5", "seed must be a whole number, got '1.5'"),
        ("shake:1,exact=1", "exact must be true or false, got '1'"),
        ("shake:1,cap=few", "cap must be a whole number or none, got 'few'"),
        ("shake:[fetch]", r"sigma must be a number, got 'fetch'"),
        ("shake:1@v2", "shake takes no @revision"),
        ("wrap:[shake]", "shake needs a value for 'sigma'"),
    ],
)
def test_a_wrong_parameter_is_refused_in_words(toys: Registry, text: str, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        canonical(toys, text)


def test_an_unknown_name_gets_the_nearest_ones_suggested(registry: Registry) -> None:
    with pytest.raises(UnknownComponent) as caught:
        registry.entry("defenses", "noyse")
    assert "no defense is called 'noyse'; did you mean 'noise'" in str(caught.value)
    assert "none" in str(caught.value)


def test_a_name_like_no_other_gets_the_known_ones(toys: Registry) -> None:
    with pytest.raises(UnknownComponent, match=r"no defense is called 'qqq' \(known: shake, wrap;"):
        toys.entry("defenses", "qqq")


def test_an_unknown_name_in_brackets_is_refused(toys: Registry) -> None:
    with pytest.raises(UnknownComponent, match="'shade'; did you mean 'shake'"):
        canonical(toys, "wrap:[shade:1]")


# ------------------------------------------------------------------ building
def test_builds_with_every_value_bound(toys: Registry) -> None:
    built = toys.build("defenses", "shake:0.5,seed=4", CONTEXT)
    assert built == Shake(sigma=0.5, seed=4)


def test_gives_context_and_secret_to_those_that_ask(toys: Registry) -> None:
    secret = Secret.from_seed(1)
    assert toys.wants_secret("defenses", "wrap") == "secret"
    assert toys.wants_secret("defenses", "shake") is None
    built = toys.build("defenses", "wrap:fetch", CONTEXT, secret=secret)
    assert (built.context, built.secret) == (CONTEXT, secret)
    assert built.inner == Spelling("fetch")


def test_what_the_host_gives_cannot_be_spelled(toys: Registry) -> None:
    recipe = toys.entry("defenses", "wrap").recipe
    assert [p.name for p in spelled_parameters(recipe)] == ["inner", "other"]
    with pytest.raises(BadParameter, match="no parameter 'secret'"):
        bound(toys, "wrap:fetch,secret=x")


@pytest.mark.parametrize(("text", "revision"), [("fetch", None), ("fetch@v2", "v2")])
def test_a_revision_reaches_build(toys: Registry, text: str, revision: str | None) -> None:
    assert toys.build("embedders", text, CONTEXT).revision == revision


# ------------------------------------------------------------------ discovery
class Point(importlib.metadata.EntryPoint):
    """An entry point of a distribution that is not installed."""

    def __init__(self, value: str, distribution: str, version: str = "1.0") -> None:
        super().__init__(name=distribution, value=value, group="v2t_bench")
        vars(self)["dist"] = SimpleNamespace(name=distribution, version=version)


AddModule = Callable[..., Point]


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> AddModule:
    """A function that makes an importable module and returns the entry point to it."""
    numbers = itertools.count()

    def add(distribution: str, version: str = "1.0", **members: Any) -> Point:
        module = types.ModuleType(f"stranger_{next(numbers)}")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return Point(module.__name__, distribution, version)

    return add


def test_a_strangers_component_is_offered_with_where_it_is_from(stranger: AddModule) -> None:
    point = stranger("v2t-shake", "2.1", v2t_defenses=offer(named("shake")))
    found = discover(ours=[OURS], strangers=[point])
    origin = found.entry("defenses", "shake").origin
    assert (origin.distribution, origin.version, origin.module) == ("v2t-shake", "2.1", point.value)
    assert str(origin) == "v2t-shake==2.1"
    assert found.entry("attacks", "silent").origin.distribution == OUR_DISTRIBUTION
    assert found.problems == []


def test_a_name_of_ours_is_refused_to_others(stranger: AddModule) -> None:
    point = stranger("v2t-mute", v2t_attacks=offer(named("silent"), named("mute")))
    found = discover(ours=[OURS], strangers=[point])
    assert found.entry("attacks", "silent").origin.distribution == OUR_DISTRIBUTION
    assert found.entry("attacks", "mute").origin.distribution == "v2t-mute"
    (problem,) = found.problems
    assert "attack 'silent' of v2t-mute==1.0 is refused: the name belongs to v2t-bench" in problem


def test_one_name_in_two_kinds_is_no_clash(stranger: AddModule) -> None:
    point = stranger("v2t-mute", v2t_defenses=offer(named("silent")))
    assert discover(ours=[OURS], strangers=[point]).problems == []


def test_of_two_strangers_with_one_name_both_are_refused_and_both_are_named(
    stranger: AddModule,
) -> None:
    points = [
        stranger("first", "1.0", v2t_defenses=offer(named("shake"), named("sound"))),
        stranger("second", "2.0", v2t_defenses=offer(named("shake"))),
    ]
    found = discover(ours=[OURS], strangers=points)
    assert [e.recipe.name for e in found.entries("defenses")] == ["sound"]
    with pytest.raises(UnknownComponent, match=r"first==1\.0 and second==2\.0 both offer it"):
        found.entry("defenses", "shake")
    assert "first==1.0 and second==2.0" in found.problems[0]


def test_a_third_with_the_name_of_two_is_refused_too(stranger: AddModule) -> None:
    points = [stranger(f"d{n}", v2t_defenses=offer(named("shake"))) for n in range(3)]
    assert discover(ours=[OURS], strangers=points).entries("defenses") == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_entry_points_decides_nothing(
    stranger: AddModule, order: tuple[int, ...]
) -> None:
    points = [
        stranger("a", v2t_defenses=offer(named("shake"), named("rest"))),
        stranger("b", v2t_defenses=offer(named("shake"))),
        stranger("c", v2t_attacks=offer(named("silent"), named("loud"))),
    ]
    straight = discover(ours=[OURS], strangers=points)
    found = discover(ours=[OURS], strangers=[points[place] for place in order])
    assert found.problems == straight.problems
    assert found.plugins == straight.plugins
    for kind in ("attacks", "defenses"):
        assert found.entries(kind) == straight.entries(kind)


BROKEN = [
    ("raise KeyError('moon')", "could not be imported: KeyError: 'moon'"),
    ("import no_such_package", "could not be imported: ModuleNotFoundError"),
    ("import sys; sys.exit(3)", "could not be imported: SystemExit: 3"),
    ("def broken(:", "could not be imported: SyntaxError"),
]


@pytest.mark.parametrize(("source", "problem"), BROKEN)
def test_a_broken_import_is_a_warning_that_names_distribution_and_version(
    source: str,
    problem: str,
    stranger: AddModule,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "broken_stranger.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_stranger", raising=False)
    points = [
        Point("broken_stranger", "v2t-broken", "3.2"),
        stranger("whole", v2t_defenses=offer(named("shake"))),
    ]
    with caplog.at_level(logging.WARNING):
        found = discover(ours=[OURS], strangers=points)
    (line,) = found.problems
    assert f"plugin v2t-broken==3.2 (broken_stranger) {problem}" in line
    assert caplog.messages == [line]
    assert [e.recipe.name for e in found.entries("defenses")] == ["shake"]


@hookimpl
def half_way() -> Iterator[Recipe[Any]]:
    yield named("before")
    raise LookupError("no more")


@hookimpl
def wrong_record() -> Iterator[Any]:
    yield named("before")
    yield "noise"


@hookimpl
def forgot_to_yield() -> None: ...


@hookimpl
def wants_something(manager: object) -> Iterator[Recipe[Any]]:
    yield named("never")


def unreadable(sigma: "Elsewhere") -> None: ...  # type: ignore[name-defined] # noqa: F821, UP037


PARTLY_BROKEN = [
    ({"v2t_defenses": half_way}, ["before"], "v2t_defenses failed: LookupError: no more"),
    ({"v2t_defenses": wrong_record}, ["before"], "yielded str; expected Recipe"),
    ({"v2t_defenses": forgot_to_yield}, [], "v2t_defenses failed: TypeError"),
    ({"v2t_defenses": wants_something}, [], "manager"),
    ({"v2t_defences": offer(named("x"))}, [], "v2t_defences.*hooks: .*v2t_defenses"),
    ({"v2t_checkpoints": offer(named("x"))}, [], "yielded Recipe; expected Checkpoint"),
    ({"v2t_defenses": offer(named("a b"), named("c"))}, ["c"], "'a b' is not a component name"),
    (
        {"v2t_defenses": offer(Recipe(name="x", build=unreadable), named("c"))},
        ["c"],
        "defense 'x' of half==0.9 is refused: the parameters .* NameError",
    ),
]


@pytest.mark.parametrize(("members", "left", "problem"), PARTLY_BROKEN)
def test_the_broken_part_of_a_plugin_is_a_warning_and_the_rest_is_offered(
    members: dict[str, Any], left: list[str], problem: str, stranger: AddModule
) -> None:
    found = discover(ours=[OURS], strangers=[stranger("half", "0.9", **members)])
    (line,) = found.problems
    assert "half==0.9" in line
    assert re.search(problem, line), line
    assert [e.recipe.name for e in found.entries("defenses")] == left


@pytest.mark.parametrize(("members", "left", "problem"), PARTLY_BROKEN)
def test_strict_discovery_raises_instead(
    members: dict[str, Any],
    left: list[str],
    problem: str,
    stranger: AddModule,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")
    with pytest.raises(PluginError, match=problem):
        discover(ours=[OURS], strangers=[stranger("half", "0.9", **members)])


def test_strict_discovery_raises_at_a_broken_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")
    with pytest.raises(PluginError, match=r"v2t-gone==1\.0 .* could not be imported"):
        discover(ours=[OURS], strangers=[Point("no_such_module", "v2t-gone")])


def test_an_object_in_a_module_can_be_the_plugin(stranger: AddModule) -> None:
    point = stranger("v2t-object", plugin=SimpleNamespace(v2t_defenses=offer(named("shake"))))
    found = discover(ours=[OURS], strangers=[Point(f"{point.value}:plugin", "v2t-object")])
    assert [e.recipe.name for e in found.entries("defenses")] == ["shake"]


def test_discovery_imports_nothing_heavy() -> None:
    code = textwrap.dedent("""
        import sys
        from v2t_bench.registry import discover
        discover(strangers=())
        heavy = "torch transformers datasets pandas sentence_transformers sklearn scipy".split()
        print(sorted(name for name in heavy if name in sys.modules))
    """)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


# ------------------------------------------------------------------ checkpoints
def carrier(weights: Path) -> dict[str, Any]:
    """Return what a package defines that carries the checkpoints in a folder."""

    @hookimpl
    def hook() -> Iterator[Checkpoint]:
        yield from checkpoints_in(weights)

    return {"v2t_checkpoints": hook}


def test_a_carried_checkpoint_knows_its_distribution(tmp_path: Path, stranger: AddModule) -> None:
    write_checkpoint(tmp_path / "toy-wiki-32")
    found = discover(ours=[OURS], strangers=[stranger("half", "0.9", **carrier(tmp_path))])
    (checkpoint,) = found.checkpoints
    assert (checkpoint.name, checkpoint.distribution) == ("toy-wiki-32", "half==0.9")


def test_a_damaged_record_is_a_warning_and_the_other_checkpoints_are_offered(
    tmp_path: Path, stranger: AddModule
) -> None:
    (write_checkpoint(tmp_path / "damaged") / RECORD).write_text("{\n")
    write_checkpoint(tmp_path / "whole")
    found = discover(ours=[OURS], strangers=[stranger("half", "0.9", **carrier(tmp_path))])
    (line,) = found.problems
    assert line.startswith("plugin half==0.9 (")
    assert re.search(r"damaged.checkpoint\.json cannot be read", line)
    assert "\n" not in line
    assert [checkpoint.name for checkpoint in found.checkpoints] == ["whole"]

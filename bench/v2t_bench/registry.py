"""Find plugins, refuse clashes, remember where each came from, build by spelling."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import inspect
import logging
import os
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pluggy

from v2t_bench import hookspecs
from v2t_bench.contracts import (
    KINDS,
    BuildContext,
    Checkpoint,
    KeyFile,
    Kind,
    Recipe,
    Secret,
)
from v2t_bench.errors import BadParameter, BadSpelling, PluginError, UnknownComponent
from v2t_bench.spelling import Spelling, Value, parse

log = logging.getLogger(__name__)

GROUP = "v2t_bench"
OUR_DISTRIBUTION = "v2t-bench"
STRICT_VARIABLE = "V2T_BENCH_STRICT_PLUGINS"


@dataclass(frozen=True, order=True)
class Origin:
    """Where a plugin came from: its distribution, that one's version, and the module."""

    distribution: str
    version: str
    module: str

    def __str__(self) -> str:
        """Return ``distribution==version``, as results record it."""
        return f"{self.distribution}=={self.version}"


@dataclass(frozen=True)
class Entry:
    """A recipe, what kind of component it makes, and who offers it."""

    kind: Kind
    recipe: Recipe[Any]
    origin: Origin


T = TypeVar("T")


def our_version() -> str:
    """Return the installed version of v2t-bench, or ``unknown`` in a bare clone."""
    try:
        return importlib.metadata.version(OUR_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


class Registry:
    """The components on offer, by kind and name.

    Args:
        strict: Raise where a third party's plugin is broken, instead of warning.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.problems: list[str] = []
        self.plugins: list[Origin] = []
        self.checkpoints: list[Checkpoint] = []
        self._entries: dict[tuple[Kind, str], Entry] = {}
        self._refused: dict[tuple[Kind, str], str] = {}

    # ---------------------------------------------------------------- loading
    def add(self, module: object, origin: Origin) -> None:
        """Take in one plugin module; a broken or clashing part of it is a problem, told once.

        Raises:
            PluginError: something is wrong and the registry is strict.
        """
        # A manager of its own: one plugin's failure cannot reach another's hooks.
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(module, name=origin.module)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            known = ", ".join(name for name in dir(hookspecs) if name.startswith("v2t_"))
            self._problem(f"plugin {origin} ({origin.module}): {error} (hooks: {known})")
            return
        self.plugins.append(origin)
        for kind in KINDS:
            for recipe in self._records(manager, f"v2t_{kind}", Recipe, origin):
                self._offer(Entry(kind, recipe, origin))
        self.checkpoints += [
            replace(checkpoint, distribution=str(origin))
            for checkpoint in self._records(manager, "v2t_checkpoints", Checkpoint, origin)
        ]

    def _records(
        self, manager: pluggy.PluginManager, hook: str, wanted: type[T], origin: Origin
    ) -> list[T]:
        records: list[T] = []
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            try:
                for record in implementation.function():
                    if not isinstance(record, wanted):
                        raise TypeError(
                            f"yielded {type(record).__name__}; expected {wanted.__name__}"
                        )
                    records.append(record)
            # The one broad except: a stranger's code may raise anything.
            except Exception as error:
                self._problem(
                    f"plugin {origin} ({origin.module}): {hook} failed: "
                    f"{type(error).__name__}: {error}"
                )
        return records

    def _offer(self, entry: Entry) -> None:
        kind, name, origin = entry.kind, entry.recipe.name, entry.origin
        try:
            Spelling(name)
            _signature(entry.recipe.build)
        except BadSpelling as error:
            self._problem(f"plugin {origin} ({origin.module}): {error}")
            return
        # Annotations are a stranger's code too: reading them may raise anything.
        except Exception as error:
            self._problem(
                f"{_one(kind)} {name!r} of {origin} is refused: the parameters of its build "
                f"cannot be read: {type(error).__name__}: {error}"
            )
            return
        there = self._entries.get((kind, name))
        if (kind, name) in self._refused:
            self._problem(
                f"{_one(kind)} {name!r} of {origin} is refused: {self._refused[kind, name]}"
            )
        elif there is None:
            self._entries[kind, name] = entry
        elif there.origin.distribution == OUR_DISTRIBUTION:
            self._problem(
                f"{_one(kind)} {name!r} of {origin} is refused: "
                f"the name belongs to {there.origin}; rename it"
            )
        else:
            # Which of two strangers came first is an accident of the file system.
            del self._entries[kind, name]
            reason = f"{there.origin} and {origin} both offer it; uninstall one of them"
            self._refused[kind, name] = reason
            self._problem(f"{_one(kind)} {name!r} is refused: {reason}")

    def _problem(self, line: str) -> None:
        if self.strict:
            raise PluginError(line)
        self.problems.append(line)
        log.warning(line)

    # ---------------------------------------------------------------- looking up
    def entries(self, kind: Kind) -> list[Entry]:
        """Return what is on offer of one kind, sorted by name."""
        return sorted(
            (entry for (k, _), entry in self._entries.items() if k == kind),
            key=lambda entry: entry.recipe.name,
        )

    def entry(self, kind: Kind, name: str) -> Entry:
        """Return the one component of that name.

        Raises:
            UnknownComponent: nothing, or two plugins, offer it; near names are suggested.
        """
        entry = self._entries.get((kind, name))
        if entry is not None:
            return entry
        if (kind, name) in self._refused:
            raise UnknownComponent(f"{_one(kind)} {name!r}: {self._refused[kind, name]}")
        raise unknown(_one(kind), name, [e.recipe.name for e in self.entries(kind)])

    def bind(self, kind: Kind, spelling: Spelling) -> dict[str, Any]:
        """Return the values of every spelled parameter, defaults filled in, types converted.

        Raises:
            UnknownComponent: no such component.
            BadParameter: a parameter is unknown, missing, given twice or of the wrong type.
        """
        recipe = self.entry(kind, spelling.name).recipe
        parameters = spelled_parameters(recipe)
        given: dict[str, Value] = {}
        names = [p.name for p in parameters]
        if len(spelling.positional) > len(names):
            raise BadParameter(
                f"{spelling.name} takes at most {len(names)} values, got "
                f"{len(spelling.positional)}; {_form(recipe)}"
            )
        given.update(zip(names, spelling.positional, strict=False))
        for key, value in spelling.named.items():
            if key not in names:
                raise BadParameter(
                    f"{spelling.name} has no parameter {key!r}{_near(key, names)}; {_form(recipe)}"
                )
            if key in given:
                raise BadParameter(f"{spelling.name} got {key!r} twice; {_form(recipe)}")
            given[key] = value
        bound: dict[str, Any] = {}
        for parameter in parameters:
            if parameter.name in given:
                bound[parameter.name] = self._convert(recipe, parameter, given[parameter.name])
            elif parameter.default is inspect.Parameter.empty:
                raise BadParameter(
                    f"{spelling.name} needs a value for {parameter.name!r}; {_form(recipe)}"
                )
            else:
                bound[parameter.name] = parameter.default
        if spelling.revision is not None and not recipe.revision:
            raise BadParameter(f"{spelling.name} takes no @revision; {_form(recipe)}")
        return bound

    def _convert(self, recipe: Recipe[Any], parameter: Parameter, value: Value) -> Any:
        """Return the value as the parameter's annotation wants it."""
        wanted = parameter.annotation
        problem = BadParameter(
            f"{recipe.name}: {parameter.name} must be {_type_name(wanted)}, got "
            f"{str(value)!r}; {_form(recipe)}"
        )
        choices = [arm for arm in _arms(wanted) if arm is not type(None)]
        if value == "none" and type(None) in _arms(wanted):
            return None
        if Spelling in choices:
            return value if isinstance(value, Spelling) else parse(value)
        if isinstance(value, Spelling):
            raise problem
        for arm in choices:
            try:
                return _from_text(arm, value)
            except ValueError:
                continue
        raise problem

    def canonical(self, kind: Kind, spelling: Spelling) -> Spelling:
        """Return the spelling with every parameter named and defaults filled in.

        A parameter whose value and default are None is left out; a nested component is
        canonical too.

        Raises:
            UnknownComponent, BadParameter: as `bind`.
        """
        named: dict[str, Value] = {}
        recipe = self.entry(kind, spelling.name).recipe
        default = {p.name: p.default for p in spelled_parameters(recipe)}
        for key, value in self.bind(kind, spelling).items():
            if value is None:
                if default[key] is not None:
                    named[key] = "none"
                continue
            # A nested component is an attack where it stands in an attack, and so on,
            # unless only another kind has that name.
            if isinstance(value, Spelling):
                is_embedder = key == recipe.inner_embedder
                inner: Kind = "embedders" if is_embedder else self.nested_kind(kind, value)
                named[key] = self.canonical(inner, value)
            else:
                named[key] = _to_text(value)
        return Spelling(spelling.name, (), named, spelling.revision)

    def nested_kind(self, kind: Kind, spelling: Spelling) -> Kind:
        """Return the kind of a component nested in one of ``kind``."""
        for candidate in (kind, *KINDS):
            if (candidate, spelling.name) in self._entries:
                return candidate
        return kind

    def build(
        self, kind: Kind, spelling: Spelling | str, context: BuildContext, **given: Any
    ) -> Any:
        """Return the component; ``given`` adds values that cannot be spelled, by parameter name.

        Raises:
            UnknownComponent, BadParameter: as `bind`, and what the component itself raises.
        """
        if isinstance(spelling, str):
            spelling = parse(spelling)
        recipe = self.entry(kind, spelling.name).recipe
        values = self.bind(kind, spelling)
        if recipe.revision:
            values["revision"] = spelling.revision
        for parameter in _signature(recipe.build):
            if parameter.annotation is BuildContext:
                values[parameter.name] = context
        return recipe.build(**values, **given)

    def wants_secret(self, kind: Kind, name: str) -> str | None:
        """Return the name of the parameter that takes the owner's `Secret`, if there is one."""
        for parameter in _signature(self.entry(kind, name).recipe.build):
            if parameter.annotation is Secret:
                return parameter.name
        return None


# -------------------------------------------------------------------- parameters
@dataclass(frozen=True)
class Parameter:
    """One typed keyword of a recipe's ``build``."""

    name: str
    annotation: Any
    default: Any


@cache
def _signature(build: Any) -> tuple[Parameter, ...]:
    function = build.__init__ if inspect.isclass(build) else build
    hints = get_type_hints(function)
    return tuple(
        Parameter(p.name, hints.get(p.name, str), p.default)
        for p in inspect.signature(build).parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    )


def spelled_parameters(recipe: Recipe[Any]) -> list[Parameter]:
    """Return the parameters a user can write, in the order of positional values."""
    hidden = {"revision"} if recipe.revision else set()
    return [
        parameter
        for parameter in _signature(recipe.build)
        if parameter.annotation not in (Secret, BuildContext) and parameter.name not in hidden
    ]


def _arms(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _from_text(wanted: Any, text: str) -> Any:
    if get_origin(wanted) is Literal:
        for choice in get_args(wanted):
            if text == str(choice):
                return choice
        raise ValueError(text)
    if wanted is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    return wanted(text)


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _type_name(annotation: Any) -> str:
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(annotation))
    arms = _arms(annotation)
    if len(arms) > 1:
        return " or ".join("none" if arm is type(None) else _type_name(arm) for arm in arms)
    if annotation is Spelling:
        return "a [component] in brackets"
    if annotation is KeyFile:
        return "a key file"
    return names.get(annotation, "a path" if "Path" in str(annotation) else str(annotation))


def describe_parameters(recipe: Recipe[Any]) -> str:
    """Return how the component is spelled, with defaults, or what is expected where none is."""
    parts = []
    for parameter in spelled_parameters(recipe):
        if parameter.default is inspect.Parameter.empty:
            shown = f"<{_type_name(parameter.annotation)}>"
        else:
            shown = "none" if parameter.default is None else _to_text(parameter.default)
        parts.append(f"{parameter.name}={shown}")
    return f"{recipe.name}{':' + ','.join(parts) if parts else ' (no parameters)'}"


def _form(recipe: Recipe[Any]) -> str:
    return f"the form is {describe_parameters(recipe)}"


def _one(kind: Kind) -> str:
    return kind.removesuffix("s")


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""


def unknown(what: str, name: str, known: Sequence[str]) -> UnknownComponent:
    """Return the error for a name that nobody offers, with the nearest ones suggested."""
    article = "an" if what[0] in "aeiou" else "a"
    return UnknownComponent(
        f"no {what} is called {name!r}{_near(name, known)} "
        f"(known: {', '.join(known) or 'none'}; {article} {what} can be added by a plugin)"
    )


# -------------------------------------------------------------------- discovery
def discover(
    ours: Iterable[str] | None = None,
    strangers: Iterable[importlib.metadata.EntryPoint] | None = None,
) -> Registry:
    """Return a registry of our own plugins and of every installed one.

    A stranger's plugin that cannot be imported is a problem that names distribution and
    version, never a crash, unless ``V2T_BENCH_STRICT_PLUGINS`` is set to 1.

    Args:
        ours: Module names of the shipped plugins; default: what the shipped package lists.
        strangers: Entry points; default: every installed one of the group ``v2t_bench``.
    """
    registry = Registry(strict=os.environ.get(STRICT_VARIABLE, "") not in ("", "0"))
    if ours is None:
        ours = importlib.import_module("v2t_plugins").MODULES
    for name in ours:
        registry.add(importlib.import_module(name), Origin(OUR_DISTRIBUTION, our_version(), name))
    if strangers is None:
        strangers = importlib.metadata.entry_points(group=GROUP)
    # Sorted, and one by one: the order of installation must not decide anything.
    for point in sorted(strangers, key=lambda point: (point.value, point.name)):
        distribution = point.dist
        origin = Origin(
            distribution.name if distribution else point.name,
            distribution.version if distribution else "unknown",
            point.value,
        )
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            registry._problem(
                f"plugin {origin} ({origin.module}) could not be imported: "
                f"{type(error).__name__}: {error}"
            )
            continue
        registry.add(module, origin)
    return registry

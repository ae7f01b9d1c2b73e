"""The cells of each release: what one defense let out, under every seed, and who attacked it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from v2t_bench.canonical import canonical_json
from v2t_bench.leaderboard.rows import attack_name, knows_defense, sample_of, setting_of
from v2t_bench.leaderboard.table import short_attack, threat_text
from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import NEAREST, PRIOR, SILENT
from v2t_bench.results import Result
from v2t_bench.threat import RETRAIN

TableKey: TypeAlias = tuple[Any, ...]

FLOORS = frozenset({SILENT, NEAREST, PRIOR})
# Their guesses cannot depend on what is released, so they are run on undefended vectors alone.
BLIND = frozenset({SILENT, PRIOR})


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One attack under one threat against one release.

    Args:
        attack: As the columns spell it, without its checkpoint.
        threat: With pairs and oracle where they are special.
        knows: Whether the attacker reckons with the defense.
        cells: The cell of each seed.
    """

    attack: str
    threat: str
    knows: bool
    cells: Mapping[str, Result]


@dataclass(frozen=True, kw_only=True)
class Release:
    """One defense in one table.

    Args:
        table: What rows have in common that may be compared.
        defense: Its canonical spelling.
        utilities: Every utility cell.
        leakages: Every leakage cell.
    """

    table: TableKey
    defense: str
    utilities: tuple[Result, ...]
    leakages: tuple[Result, ...]

    @property
    def defended(self) -> bool:
        """Whether there is a defense."""
        return self.defense != UNDEFENDED

    @property
    def cells(self) -> tuple[Result, ...]:
        """Every cell."""
        return (*self.utilities, *self.leakages)

    @cached_property
    def leakage_seeds(self) -> tuple[str, ...]:
        """The seeds that an attack other than a floor was run with; of floors alone, theirs.

        NDCG may be measured over more seeds than leakage is, and floors come with every run.
        """
        attacks = [one for one in self.leakages if _name(one) not in FLOORS] or self.leakages
        return tuple(sorted({str(one.labels["seeds"]) for one in attacks}))

    @cached_property
    def search_seeds(self) -> tuple[str, ...]:
        """The seeds that search has to be measured with."""
        own = {str(one.labels["seeds"]) for one in self.utilities}
        return tuple(sorted(own.union(self.leakage_seeds)))

    @cached_property
    def contenders(self) -> tuple[Contender, ...]:
        """Every attack under every threat, with its cells of the leakage seeds; no prior."""
        groups: dict[tuple[str, str, bool], list[Result]] = {}
        for one in self.leakages:
            if _name(one) != PRIOR and str(one.labels["seeds"]) in self.leakage_seeds:
                key = (
                    short_attack(str(one.labels["attack"])),
                    threat_text(one.labels),
                    knows_defense(one),
                )
                groups.setdefault(key, []).append(one)
        return tuple(
            Contender(attack=attack, threat=threat, knows=knows, cells=cells)
            for (attack, threat, knows), group in sorted(groups.items())
            for cells in _one_a_seed(group)
        )

    def lacks(self, undefended: Release | None) -> bool:
        """Whether an attack is missing that was run against the undefended vectors.

        Every such attack has to be there under each threat that any of them is under, and with
        every seed; retraining aside, which is not possible for each.
        """
        if undefended is None or not self.leakages:
            return True
        if any(set(one.cells) != set(self.leakage_seeds) for one in self.contenders):
            return True
        attacks = {one.attack for one in undefended.contenders
                   if attack_name(one.attack) not in BLIND}  # fmt: skip
        there = {(one.attack, one.threat) for one in self.contenders}
        threats = {one.threat for one in self.contenders
                   if not one.threat.startswith(RETRAIN)
                   and attack_name(one.attack) not in BLIND}  # fmt: skip
        seen = {attack for attack, _ in there}
        return bool(attacks - seen) or any(
            (attack, threat) not in there for attack in attacks for threat in threats
        )


def releases(results: Iterable[Result]) -> list[Release]:
    """Return every release of every table; the order of the cells does not matter.

    A defense is in each table in which it was attacked; one that nobody attacked is in every
    table of its collection.
    """
    utilities: dict[tuple[Any, ...], list[Result]] = {}
    leakages: dict[tuple[Any, ...], dict[tuple[Any, ...], list[Result]]] = {}
    for result in sorted(results, key=lambda one: (str(one.labels["seeds"]), one.cell_id)):
        if result.kind == "utility":
            utilities.setdefault(setting_of(result), []).append(result)
        else:
            group = leakages.setdefault(setting_of(result), {})
            group.setdefault(sample_of(result), []).append(result)
    samples: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for setting, group in leakages.items():
        samples.setdefault(setting[:-1], set()).update(group)
    found = []
    for setting in {**utilities, **leakages}:
        *collection, defense = setting
        own = leakages.get(setting, {})
        everywhere = samples.get(tuple(collection), {(None, None, None)})
        for sample in own or everywhere:
            found.append(
                Release(
                    table=(*collection, *sample),
                    defense=str(defense),
                    utilities=tuple(utilities.get(setting, ())),
                    leakages=tuple(own.get(sample, ())),
                )
            )
    return sorted(found, key=_order)


def _order(release: Release) -> tuple[Any, ...]:
    # Lengths and sample sizes as numbers; what is None first.
    table = tuple((value is not None, isinstance(value, str), value) for value in release.table)
    return (table, release.defended, release.defense)


def _name(result: Result) -> str:
    return attack_name(str(result.labels["attack"]))


def _one_a_seed(group: Sequence[Result]) -> list[Mapping[str, Result]]:
    """Return the cells of one attack by seed; several checkpoints of it are told apart."""
    by_seed: dict[str, Result] = {}
    for one in group:
        by_seed.setdefault(str(one.labels["seeds"]), one)
    if len(by_seed) == len(group):
        return [by_seed]
    others: dict[str, dict[str, Result]] = {}
    for one in group:
        same = {key: value for key, value in one.identity.items() if key != "defense_seed"}
        others.setdefault(canonical_json(same), {})[str(one.labels["seeds"])] = one
    return [cells for _, cells in sorted(others.items())]

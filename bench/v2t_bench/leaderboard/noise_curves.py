"""What noise of several strengths buys and costs, read off a board for the noise picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from v2t_bench.errors import BadSpelling
from v2t_bench.leaderboard.columns import ADAPTIVE, BLEU_NORM, OBLIVIOUS, attack_column
from v2t_bench.leaderboard.drawing import number
from v2t_bench.leaderboard.rows import Row, attack_name
from v2t_bench.leaderboard.table import short_attack
from v2t_bench.leaderboard.tables import Table
from v2t_bench.resolution import PRIOR, SILENT
from v2t_bench.spelling import parse, parse_composition
from v2t_bench.threat import WORST

if TYPE_CHECKING:
    from v2t_bench.leaderboard.columns import FrontierRow

NOISE, STRENGTH = "noise", "sigma"


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A measurement under noise of one strength.

    Args:
        sigma: Of the noise; 0 for undefended vectors.
        value: The mean over seeds.
        low: Lower end of the interval; of several seeds' intervals the lowest.
        high: Upper end, likewise.
        seeds: The value of each seed, where there are several.
        spread: Standard deviation over seeds, where only that is known.
    """

    sigma: float
    value: float
    low: float | None = None
    high: float | None = None
    seeds: tuple[float, ...] = ()
    spread: float | None = None


@dataclass(frozen=True, kw_only=True)
class Curves:
    """One table under noise of at least two strengths.

    Args:
        table: Whose.
        sides: The noise's other parameters, in words; empty for noise on both sides.
        read: bleu_norm by attack and by what the attacker knows, sigma ascending.
        kept: Share of NDCG@10 kept, sigma ascending.
    """

    table: Table
    sides: str
    read: dict[tuple[str, str], list[Dot]]
    kept: list[Dot]


def curves_of(table: Table) -> list[Curves]:
    """Return the curves of a table: one for each way of noise that has two strengths."""
    ways: dict[str, dict[float, FrontierRow]] = {}
    for row in table.releases:
        found = _strength(str(row["defense"]))
        if found is not None:
            ways.setdefault(found[1], {})[found[0]] = row
    return [
        _curves(table, sides, dict(sorted(rows.items())))
        for sides, rows in sorted(ways.items())
        if len(rows) > 1
    ]


def _strength(defense: str) -> tuple[float, str] | None:
    """Return the sigma of a defense that is noise alone, and its other parameters."""
    try:
        parts = parse_composition(defense)
    except BadSpelling:
        return None
    if len(parts) != 1 or parts[0].name != NOISE:
        return None
    named = {key: str(value) for key, value in parts[0].named.items()}
    told = named.pop(STRENGTH, *[str(value) for value in parts[0].positional[:1]] or [""])
    try:
        sigma = number(float(told))
    except ValueError:
        return None
    if named.get("on") == "both":
        del named["on"]
    others = ", ".join(f"{key}={value}" for key, value in sorted(named.items()))
    return (sigma, others) if sigma is not None and sigma > 0 else None


def _curves(table: Table, sides: str, rows: dict[float, FrontierRow]) -> Curves:
    undefended = table.undefended
    attacks = sorted({
        column.removeprefix(BLEU_NORM).rpartition(" ")[0]
        for row in rows.values()
        for column, value in row.items()
        if column.startswith(BLEU_NORM) and number(value) is not None
    })  # fmt: skip
    read = {}
    for attack in attacks:
        # It says nothing whatever the noise.
        if attack_name(attack) in (SILENT, PRIOR):
            continue
        for how in (OBLIVIOUS, ADAPTIVE):
            dots = [_read(table, row, sigma, attack, how) for sigma, row in rows.items()]
            found = [dot for dot in dots if dot is not None]
            # Undefended vectors are where both begin: there is no defense to know of.
            start = undefended and _read(table, undefended, 0.0, attack, OBLIVIOUS)
            if found:
                read[attack, how] = [start, *found] if isinstance(start, Dot) else found
    kept = [_kept(row, sigma) for sigma, row in rows.items()]
    # By definition: what is kept is the share of this.
    whole = [Dot(sigma=0.0, value=1.0)] if undefended is not None else []
    return Curves(
        table=table, sides=sides, read=read, kept=whole + [dot for dot in kept if dot is not None]
    )


def _kept(row: FrontierRow, sigma: float) -> Dot | None:
    value, mean = number(row["ndcg_kept"]), number(row["ndcg_at_10"])
    spread = number(row.get("ndcg_sd"))
    if value is None:
        return None
    return Dot(
        sigma=sigma,
        value=value,
        low=number(row.get("kept_lo")),
        high=number(row.get("kept_hi")),
        spread=None if spread is None or not mean else spread * value / mean,
    )


def _read(table: Table, row: FrontierRow, sigma: float, attack: str, how: str) -> Dot | None:
    value = number(row.get(attack_column(attack, how)))
    if value is None:
        return None
    own = [
        other
        for other in table.rows
        if other["defense"] == row["defense"]
        and short_attack(str(other["attack"])) == attack
        and other["threat"] != WORST
        and (other["threat"] == OBLIVIOUS) == (how == OBLIVIOUS)
        and number(other["bleu_norm"]) is not None
    ]
    behind = _behind(own, value)
    lows, highs = _numbers(behind, "bleu_norm_lo"), _numbers(behind, "bleu_norm_hi")
    return Dot(
        sigma=sigma,
        value=value,
        low=min(lows, default=None),
        high=max(highs, default=None),
        seeds=tuple(_numbers(behind, "bleu_norm")) if len(behind) > 1 else (),
    )


def told_apart(attacks: Sequence[str]) -> dict[str, str]:
    """Return each attack with those parameters in which it differs from its namesakes."""
    spelled = {}
    for attack in attacks:
        try:
            spelled[attack] = parse(attack)
        except BadSpelling:
            continue
    told = {attack: attack for attack in attacks}
    for attack, own in spelled.items():
        namesakes = [other for other in spelled.values() if other.name == own.name]
        if any(other.positional for other in namesakes):
            continue
        differing = [
            f"{key}={value}"
            for key, value in sorted(own.named.items())
            if any(other.named.get(key) != value for other in namesakes)
        ]
        told[attack] = own.name + (f":{','.join(differing)}" if differing else "")
    return told


def _behind(rows: Iterable[Row], mean: float) -> Sequence[Row]:
    """Return the rows, one a seed, that a mean of the frontier is of; of several threats one's."""
    threats: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        key = (str(row["threat"]), str(row["oracle"]), str(row["pairs"]))
        threats.setdefault(key, []).append(row)
    for _, group in sorted(threats.items()):
        values = _numbers(group, "bleu_norm")
        # Boards that were read from a file have six digits after the point.
        if abs(sum(values) / len(values) - mean) < 2e-6:
            return group
    return []


def _numbers(rows: Iterable[Row], column: str) -> list[float]:
    return [value for row in rows if (value := number(row[column])) is not None]

"""The rows of one table against its undefended row, and against each other."""

from __future__ import annotations

from collections.abc import Sequence

from v2t_bench.leaderboard.columns import FrontierRow
from v2t_bench.leaderboard.measures import Measures
from v2t_bench.leaderboard.units import Units
from v2t_bench.scorecard import RESAMPLING_SEED
from v2t_bench.scoring.comparisons import holm, ratio_of_means, sign_flip_p
from v2t_bench.scoring.intervals import paired_difference

_BEST = ("ndcg_kept", "worst_bleu_norm")


def compare(measures: Sequence[Measures], rows: Sequence[FrontierRow]) -> None:
    """Fill in what compares the rows of one table.

    Args:
        measures: Of each row.
        rows: The rows, of which the columns about others are still empty.
    """
    reference = next((one for one in measures if not one.release.defended), None)
    searches = [one.ndcg for one in measures]
    worsts = [None if one.worst is None else one.worst.units for one in measures]
    if reference is not None:
        at = measures.index(reference)
        _fill_kept(searches, rows, at)
        for name, units in (("ndcg_p", searches), ("worst_p", worsts)):
            for row, p in zip(rows, _adjusted(units, at), strict=True):
                row[name] = p
    defended = [at for at, one in enumerate(measures) if one.release.defended]
    for name, units, sign in zip(_BEST, (searches, worsts), (1, -1), strict=True):
        best = _best([at for at in defended if rows[at][name] is not None], units, sign)
        if best is not None:
            rows[best]["best"] = f"{rows[best]['best'] or ''} {name}".strip()
    for row in rows:
        row["pareto"] = _undominated(row, rows)


def _fill_kept(searches: Sequence[Units | None], rows: Sequence[FrontierRow], at: int) -> None:
    """Fill in the share of the undefended row's NDCG that is kept."""
    reference = searches[at]
    for own, row in zip(searches, rows, strict=True):
        if own is None or reference is None:
            continue
        if own is reference:
            row["ndcg_kept"] = 1.0 if reference.mean else None
            continue
        paired = own.ordered_as(reference)
        if paired is None:
            continue
        ratio = ratio_of_means(paired.values, reference.values, seed=RESAMPLING_SEED)
        if ratio is not None:
            row |= {"ndcg_kept": ratio.value, "kept_lo": ratio.low, "kept_hi": ratio.high,
                    "search_kept": ratio.kept}  # fmt: skip


def _adjusted(units: Sequence[Units | None], at: int) -> list[float | None]:
    """Return the p of each row against that at ``at``, adjusted for their number."""
    reference = units[at]
    tested: list[float | None] = []
    for own in units:
        paired = None if own is None or reference is None else own.ordered_as(reference)
        if paired is None or reference is None or own is reference:
            tested.append(None)
        else:
            tested.append(
                sign_flip_p(paired.values, reference.values, clusters=reference.clusters,
                            seed=RESAMPLING_SEED)
            )  # fmt: skip
    return holm(tested)


def _best(rows: Sequence[int], units: Sequence[Units | None], sign: int) -> int | None:
    """Return the row that is clearly better than every other; None if none is, or it is alone.

    Args:
        rows: Those that compete.
        units: Of each row of the table.
        sign: 1 where more is better, -1 where less is.
    """
    known = [(at, own) for at in rows if (own := units[at]) is not None]
    if len(known) < 2:
        return None
    best, own = max(known, key=lambda one: sign * one[1].mean)
    for at, rival in known:
        if at == best:
            continue
        paired = rival.ordered_as(own)
        if paired is None:
            return None
        low, high = own.values * sign, paired.values * sign
        interval = paired_difference(low, high, clusters=own.clusters, seed=RESAMPLING_SEED)
        if interval.low is None or interval.low <= 0:
            return None
    return best


def _undominated(row: FrontierRow, rows: Sequence[FrontierRow]) -> bool | None:
    """Whether no row keeps as much and leaks as little, and one of them better."""
    point = _point(row)
    if point is None:
        return None
    others = [other for other in map(_point, rows) if other is not None]
    return not any(
        kept >= point[0] and leaked <= point[1] and (kept, leaked) != point
        for kept, leaked in others
    )


def _point(row: FrontierRow) -> tuple[float, float] | None:
    kept, leaked = row["ndcg_kept"], row["worst_bleu_norm"]
    if kept is None or leaked is None:
        return None
    return float(kept), float(leaked)

"""What was scored one by one: the texts or queries of a cell, and their means over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import CorruptArtifact
from v2t_bench.results import Result
from v2t_bench.samples import RETRIEVAL, SAMPLES

if TYPE_CHECKING:
    import pyarrow as pa

# A score in result.json that is further from the mean of what is stored was not made of it.
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Units:
    """One score of each unit: bleu_norm of each text, or NDCG@10 of each query.

    Args:
        ids: Of the units, no two equal.
        clusters: The document of each text, where several come from one; None: independent.
        per_seed: Their scores under each seed, (seeds, n).
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...] | None
    per_seed: NDArray[np.float64]

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The mean over seeds of each unit, (n,)."""
        means: NDArray[np.float64] = self.per_seed.mean(axis=0)
        return means

    @property
    def mean(self) -> float:
        """The mean over units and seeds."""
        return float(self.values.mean())

    @property
    def sd(self) -> float | None:
        """The standard deviation of the means of seeds; None of one seed."""
        means = self.per_seed.mean(axis=1)
        return float(np.std(means, ddof=1)) if len(means) > 1 else None

    def part(self, chosen: NDArray[np.bool_]) -> Units:
        """Return some of the units."""
        kept = np.flatnonzero(chosen)
        clusters = None if self.clusters is None else tuple(self.clusters[at] for at in kept)
        if clusters is not None and len(set(clusters)) == len(clusters):
            clusters = None
        return Units(tuple(self.ids[at] for at in kept), clusters, self.per_seed[:, chosen])

    def ordered_as(self, other: Units) -> Units | None:
        """Return the units in the order of another's; None if these are others."""
        if other.ids == self.ids:
            return self
        if len(other.ids) != len(self.ids):
            return None
        place = {name: at for at, name in enumerate(self.ids)}
        rows = [place.get(name, -1) for name in other.ids]
        return None if -1 in rows else Units(other.ids, other.clusters, self.per_seed[:, rows])


def averaged(seeds: Sequence[Units]) -> Units | None:
    """Return the units under all seeds; None if some have other units."""
    ordered = [units.ordered_as(seeds[0]) for units in seeds]
    known = [units for units in ordered if units is not None]
    if len(known) < len(ordered):
        return None
    return Units(
        seeds[0].ids, seeds[0].clusters, np.concatenate([units.per_seed for units in known])
    )


class UnitReader:
    """Reads the units of cells; lists of ids that many cells share are kept once."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}

    def read(self, folder: Path, result: Result) -> Units:
        """Return the units of a finished cell.

        Raises:
            CorruptArtifact: its table cannot be read, or its score is not the mean of it.
        """
        leakage = result.kind == "leakage"
        file, score = (SAMPLES, "bleu_norm") if leakage else (RETRIEVAL, "ndcg_at_10")
        names = ("id", score, "document") if leakage else ("query", score)
        path = folder / file
        ids, scores, *documents = _columns(path, names)
        values = _numbers(scores)
        if not (len(values) and np.isfinite(values).all() and _are_names(ids)):
            raise CorruptArtifact(f"{path} lacks an id or a finite {score} of some unit")
        stated, mean = result.scores[score].value, float(np.mean(values))
        if stated is None or abs(stated - mean) > TOLERANCE:
            raise CorruptArtifact(
                f"{folder / 'result.json'} says that {score} is {stated}; the mean of {file} is "
                f"{mean:.6f}"
            )
        clusters = None
        if documents and len(set(documents[0])) < len(ids):
            clusters = self._share(tuple(map(str, documents[0])))
        return Units(self._share(tuple(ids)), clusters, values[None])

    def _share(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return self._shared.setdefault(names, names)


def _numbers(scores: Sequence[Any]) -> NDArray[np.float64]:
    """Return the scores, NaN for each where any is no number."""
    try:
        return np.array([np.nan if value is None else value for value in scores], np.float64)
    except (TypeError, ValueError):
        return np.full(len(scores), np.nan)


def _are_names(ids: Sequence[object]) -> bool:
    return all(isinstance(name, str) for name in ids) and len(set(ids)) == len(ids)


def _columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    table = read_table(path, lambda there: names)
    try:
        return [table.column(name).to_pylist() for name in names]
    except KeyError as error:
        raise CorruptArtifact(f"{path} is no table of raw outputs ({error})") from error


def read_table(path: Path, chosen: Callable[[list[str]], Iterable[str]]) -> pa.Table:
    """Return those columns of a table of raw outputs that are chosen of their names.

    Raises:
        CorruptArtifact: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Closed by itself: an open file would be one too many among ten thousand.
        with pq.ParquetFile(path) as stored:
            return stored.read(list(chosen(stored.schema_arrow.names)))
    except (pa.ArrowException, OSError) as error:
        first = str(error).split("\n")[0]
        raise CorruptArtifact(f"{path} is no table of raw outputs ({first})") from error

"""How much of a text is right where the guess lands near it: means by bins of the cosine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from v2t_bench.leaderboard.gathered import Gathered, gather
from v2t_bench.leaderboard.packed_results import SUFFIX, opened
from v2t_bench.samples import SAMPLES

# Lower edges of bins; the last ends at 1, and the first takes all that is lower.
EDGES = (-1.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The texts of one cell whose guesses land between two cosines.

    Args:
        cell_id, attack, max_tokens: Of the cell.
        low, high: Edges of the bin; the lower one belongs to it.
        n: How many texts.
        bleu, cos: Their means; None where there is no text.
    """

    cell_id: str
    attack: str
    max_tokens: int
    low: float
    high: float
    n: int
    bleu: float | None
    cos: float | None

    @property
    def name(self) -> str:
        """Return what the bin is called."""
        return f"cosine {self.low:g} to {self.high:g}" if self.low > -1 else f"below {self.high:g}"


def bins_of(gathered: Gathered, cell_id: str) -> list[Bin]:
    """Return the bins of one leakage cell, by rising cosine."""
    result = next(each for each in gathered.results if each.cell_id == cell_id)
    table = gathered.table(cell_id, SAMPLES, prose=False)
    pairs = list(zip(table["cos"].to_pylist(), table["bleu"].to_pylist(), strict=True))
    bins = []
    for low, high in zip(EDGES, (*EDGES[1:], 1.0), strict=True):
        inside = [(c, b) for c, b in pairs if low <= c < high or (high == 1 and c >= 1)]
        n = len(inside)
        bins.append(
            Bin(
                cell_id=cell_id,
                attack=str(result.labels["attack"]),
                max_tokens=int(str(result.labels["max_tokens"])),
                low=low,
                high=high,
                n=n,
                bleu=sum(b for _, b in inside) / n if n else None,
                cos=sum(c for c, _ in inside) / n if n else None,
            )
        )
    return bins


@contextmanager
def stored_cells(folder: Path) -> Iterator[Gathered | None]:
    """Give the cells of the folders and archives in ``folder``; None where there are none."""
    there = [path.parent for path in folder.glob("reproduction*/cells") if path.is_dir()]
    there += folder.glob(f"reproduction*{SUFFIX}")
    if not there:
        yield None
        return
    with opened(sorted(there)) as folders:
        yield gather(folders)

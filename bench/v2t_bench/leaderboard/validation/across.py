"""Checks that need several cells: the rows that each is read against, and one sample for all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from functools import partial

from v2t_bench.corpora.rules import is_restricted
from v2t_bench.leaderboard.validation.labels import learned
from v2t_bench.leaderboard.validation.looked_at import LookedAt
from v2t_bench.leaderboard.validation.problems import Problem, shown
from v2t_bench.resolution import NEAREST, PRIOR, SILENT
from v2t_bench.shown import without_checkpoints
from v2t_bench.spelling import Spelling, parse
from v2t_bench.threat import RETRAIN

_COUNTS = ("n_documents", "n_pieces", "n_cut_documents", "n_cut_queries")

RUN_AGAIN = "run the same grid again, which adds it"


class Neighbours:
    """The cells of a submission, asked for one another.

    Args:
        cells: Those that could be read, each once.
        damaged: Ids of the others: what is wrong with them is told already.
    """

    def __init__(self, cells: Sequence[LookedAt], damaged: Collection[str]) -> None:
        self.cells = cells
        self.damaged = damaged
        self.by_id = {cell.result.cell_id: cell for cell in cells}
        self.problems: list[Problem] = []

    def check(self) -> list[Problem]:
        """Return everything that is wrong between cells."""
        for cell in self.cells:
            self._check_references(cell)
        leakages = [cell for cell in self.cells if cell.is_leakage]
        self._check_floors(leakages)
        self._check_one_sample(leakages)
        self._check_agreement(leakages)
        self._check_copied_seeds()
        return self.problems

    def _tell(self, check: str, place: str, text: str) -> None:
        self.problems.append(Problem(check, place, text))

    # ------------------------------------------------------------- references
    def _check_references(self, cell: LookedAt) -> None:
        wanted: dict[str, tuple[str, Callable[[LookedAt], bool]]] = {}
        wanted["undefended_utility"] = (
            "the search of the undefended vectors",
            lambda other: not other.is_leakage and not other.defended
            and other.setting == cell.setting,
        )  # fmt: skip
        if cell.is_leakage:
            wanted["utility"] = (
                "the search of the same release",
                lambda other: not other.is_leakage and other.search == cell.search,
            )
            wanted["undefended"] = (
                "the same attack on the undefended vectors",
                lambda other: other.is_leakage and not other.defended
                and other.table == cell.table and _same_attack(other, cell),
            )  # fmt: skip
            if _needs_prior(cell):
                wanted["prior"] = (
                    "the same attack without the vector",
                    lambda other: other.is_leakage and not other.defended
                    and other.table == cell.table and _is_prior_of(other, cell),
                )  # fmt: skip
        for name, (what, fits) in wanted.items():
            self._check_reference(cell, name, what, fits)
        more = sorted(set(cell.result.references) - set(wanted))
        if more:
            self._tell("reference", cell.place, f"refers to {', '.join(map(shown, more))}; a cell "
                       f"refers to {', '.join(wanted)}; run the same grid again")  # fmt: skip

    def _check_reference(
        self, cell: LookedAt, name: str, what: str, fits: Callable[[LookedAt], bool]
    ) -> None:
        target = cell.result.references.get(name)
        other = self.by_id.get(target or "")
        if other is not None:
            if not fits(other):
                self._tell("reference", cell.place, f"its reference {name} is {target}, which is "
                           f"not {what}; run the same grid again")  # fmt: skip
        elif target not in self.damaged:
            there = "" if target is None else f" ({shown(target)} is not there)"
            check = "floor-missing" if name == "prior" else "reference-missing"
            self._tell(check, cell.place, f"{what} is missing{there}, and the row is read against "
                       f"it as {name}; {RUN_AGAIN}")  # fmt: skip

    # ------------------------------------------------------------- floors
    def _check_floors(self, leakages: Sequence[LookedAt]) -> None:
        for cells in _grouped(leakages, lambda cell: cell.table):
            here = {parse(cell.identity["attack"]).name for cell in cells if not cell.defended}
            for floor in (SILENT, NEAREST):
                if floor not in here and not self._may_be_damaged():
                    self._tell("floor-missing", cells[0].place, f"the floor {floor} is missing "
                               f"from its table, the undefended rows of "
                               f"{shown(cells[0].identity['corpus'])}; {RUN_AGAIN}")  # fmt: skip
        # Retraining is for the attacks that were asked for.
        others = [cell for cell in leakages if cell.defended and cell.threat.name != RETRAIN]
        for cells in _grouped(others, lambda cell: cell.released):
            attacks = {parse(cell.identity["attack"]).name for cell in cells}
            if NEAREST not in attacks and not self._may_be_damaged():
                self._tell("floor-missing", cells[0].place, f"the floor {NEAREST} was not given "
                           f"what it was given ({shown(cells[0].identity['defense'])}, "
                           f"{cells[0].identity['threat']}); {RUN_AGAIN}")  # fmt: skip

    def _may_be_damaged(self) -> bool:
        """Whether what is missing may be a cell that could not be read."""
        return bool(self.damaged)

    # ------------------------------------------------------------- one sample
    def _check_one_sample(self, leakages: Sequence[LookedAt]) -> None:
        for cells in _grouped(leakages, lambda cell: cell.sample):
            read = [cell for cell in cells if cell.digests is not None]
            # Pseudonyms under keys that are not kept differ from run to run.
            if not is_restricted(cells[0].identity["corpus"]):
                self._odd_ones_out(
                    read, lambda cell: cell.digests and cell.digests.sample, "sample-differs",
                    "attacks other texts than the other cells of this sample, so texts were "
                    "exchanged; run the same grid again",
                )  # fmt: skip
                self._check_enough(read)
        searched = [cell for cell in self.cells if not cell.is_leakage and cell.digests]
        searched = [c for c in searched if not is_restricted(c.identity["corpus"])]
        for cells in _grouped(searched, lambda cell: cell.setting):
            self._odd_ones_out(
                cells, lambda cell: cell.digests and cell.digests.sample, "queries-differ",
                "asks other queries, or judges them otherwise, than the other cells of this "
                "collection; run the same grid again",
            )  # fmt: skip
            self._odd_ones_out(
                cells, lambda cell: tuple(map(cell.result.facts.get, _COUNTS)), "facts-differ",
                "counts other documents than the other cells of this collection; run the same "
                "grid again",
            )  # fmt: skip

    def _check_enough(self, cells: Sequence[LookedAt]) -> None:
        """Tell which cells attack fewer texts than were asked for and are there."""
        for cell in cells:
            utility = self.by_id.get(cell.result.references.get("utility", ""))
            n = cell.digests.n if cell.digests else 0
            pieces = None if utility is None else utility.result.facts.get("n_pieces")
            wanted = cell.identity["n_texts"]
            if isinstance(pieces, int) and n < wanted <= pieces:
                self._tell("sample-short", cell.place, f"attacks {n} texts; its identity says "
                           f"n_texts {wanted}, and the collection has {pieces} pieces, so "
                           "texts were left out; run the same grid again")  # fmt: skip

    # ------------------------------------------------------------- agreement
    def _check_agreement(self, leakages: Sequence[LookedAt]) -> None:
        """Tell which cells say something else of what no identity decides by itself."""
        for cells in _grouped(self.cells, lambda cell: cell.setting):
            self._odd_ones_out(
                cells, lambda cell: cell.result.labels["embedder"], "embedder-differs",
                "calls the embedder otherwise than other cells of the same space; run the same "
                "grid again",
            )  # fmt: skip
        for cells in _grouped(self.cells, lambda cell: cell.identity["defense"]):
            self._odd_ones_out(
                cells, lambda cell: cell.result.labels["noise_on"], "noise-on-differs",
                "says otherwise which side is changed than other cells of this defense; run the "
                "same grid again",
            )  # fmt: skip
        of_attack = [cell for cell in leakages if cell.threat.pairs is None]
        for cells in _grouped(of_attack, lambda c: (c.table, c.identity["attack"])):
            self._odd_ones_out(
                cells, lambda c: (c.result.labels["pairs"], tuple(c.result.labels["flags"])),
                "checkpoint-differs",
                "has other pairs or flags than other cells of the same attack and checkpoint; run "
                "the same grid again",
            )  # fmt: skip
        for cells in _grouped(leakages, lambda cell: cell.released):
            if is_restricted(cells[0].identity["corpus"]):
                continue
            for column in ("reid_top1", "label_from_vector"):
                read = [cell for cell in cells if cell.digests is not None]
                self._odd_ones_out(
                    read, partial(_output, column),
                    "release-differs",
                    f"has another {column} than other attacks on the same vectors, so they were "
                    "not the same, or outputs were swapped; run the same grid again",
                )  # fmt: skip

    def _odd_ones_out(
        self, cells: Sequence[LookedAt], of: Callable[[LookedAt], Hashable], check: str, text: str
    ) -> None:
        """Tell of the cells that differ from what most of them have, or from the first."""
        counts = Counter(map(of, cells))
        if len(counts) < 2:
            return
        most = counts.most_common(1)[0][0]
        same = next(cell.place for cell in cells if of(cell) == most)
        for cell in cells:
            if of(cell) != most:
                self._tell(check, cell.place, f"{text} (compared with {same})")

    def _check_copied_seeds(self) -> None:
        """Another seed draws other noise: all of it equal is a copy under another name."""
        drawn = [cell for cell in self.cells if not cell.is_leakage and cell.digests is not None
                 and cell.identity["defense_seed"] is not None
                 and cell.result.facts.get("snr_db") is not None]  # fmt: skip
        for cells in _grouped(drawn, lambda c: (c.setting, c.identity["defense"])):
            seen: dict[Hashable, LookedAt] = {}
            for cell in cells:
                found = cell.digests.outputs.get("found") if cell.digests else None
                key = (cell.result.facts["snr_db"], found)
                first = seen.setdefault(key, cell)
                if first is not cell:
                    self._tell("copied-seed", cell.place, "has the rankings and the noise of the "
                               f"cell {first.result.cell_id}, which has another seed: one is a "
                               "copy; run the same grid again")  # fmt: skip


def _output(column: str, cell: LookedAt) -> str | None:
    return None if cell.digests is None else cell.digests.outputs.get(column)


def _grouped(
    cells: Iterable[LookedAt], key: Callable[[LookedAt], Hashable]
) -> list[list[LookedAt]]:
    groups: dict[Hashable, list[LookedAt]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return list(groups.values())


def _needs_prior(cell: LookedAt) -> bool:
    attack = cell.identity["attack"]
    return parse(attack).name not in (SILENT, NEAREST, PRIOR) and learned(attack)


def _same_attack(undefended: LookedAt, cell: LookedAt) -> bool:
    """Whether an attack is another's reference: its checkpoint too, unless it was retrained."""
    ours, theirs = cell.identity["attack"], undefended.identity["attack"]
    if cell.threat.name != RETRAIN or ours == theirs:
        return bool(ours == theirs)
    return without_checkpoints(parse(ours)) == without_checkpoints(parse(theirs))


def _is_prior_of(floor: LookedAt, cell: LookedAt) -> bool:
    spelled = parse(floor.identity["attack"])
    inner = spelled.named.get("attack")
    if spelled.name != PRIOR or not isinstance(inner, Spelling):
        return False
    ours = parse(cell.identity["attack"])
    if cell.threat.name == RETRAIN:
        return without_checkpoints(inner) == without_checkpoints(ours)
    return inner == ours

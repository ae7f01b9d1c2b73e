"""The frontier: one row a release, over all seeds, compared within its table and nowhere else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from made_cells import Made, leakage, utility, write
from v2t_bench.leaderboard.board import build_board
from v2t_bench.leaderboard.columns import frontier_columns
from v2t_bench.leaderboard.gathered import gather
from v2t_bench.leaderboard.published import csv_files
from v2t_bench.leaderboard.rows import OPAQUE
from v2t_bench.leaderboard.worst import first_half

N = 80
IDS = [f"text-{at}" for at in range(N)]
CHOOSING = first_half(IDS)
DENOISE = "adaptive:denoise"

Frontier = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    """The frontier of some cells by defense, where each has one row."""

    def build(*cells: Made) -> dict[str, dict[str, Any]]:
        rows = build_board(gather([write(tmp_path / "r", *cells)])).frontier
        assert len({row["defense"] for row in rows}) == len(rows)
        return {str(row["defense"]): row for row in rows}

    return build


def flat(first: float, second: float | None = None) -> NDArray[np.float64]:
    """One score on the choosing half of the texts, and another on the other half."""
    return np.where(CHOOSING, first, first if second is None else second).astype(np.float64)


def met(defense: str, oblivious: float, adaptive: float, **more: Any) -> list[Made]:
    """A defense that the attack ``a`` met under two threats."""
    return [leakage(flat(oblivious), "a", defense, **more),
            leakage(flat(adaptive), "a", defense, threat=DENOISE, **more)]  # fmt: skip


UNDEFENDED = [utility([0.8] * 40), leakage(flat(50))]


def flags(row: dict[str, Any]) -> set[str]:
    """All but what is said of any release that no learned attack met: tested by itself."""
    return set(row["flags"].split()) - {"weak-attack"}


class TestARelease:
    def test_is_the_mean_of_each_query_over_its_seeds(self, frontier: Frontier) -> None:
        cells = [utility([value] * 40, "d", seed) for seed, value in (("0", 0.2), ("1", 0.4))]
        row = frontier(*UNDEFENDED, *cells)["d"]
        assert row["ndcg_at_10"] == pytest.approx(0.3)
        # Of 0.2 and 0.4: each is 0.1 away, and one degree of freedom is left.
        assert row["ndcg_sd"] == pytest.approx(np.sqrt(0.02))
        assert (row["ndcg_seeds"], row["n_queries"]) == (2, 40)

    def test_without_seeds_has_no_spread(self, frontier: Frontier) -> None:
        row = frontier(*UNDEFENDED)["none"]
        assert (row["ndcg_seeds"], row["ndcg_sd"], row["worst_sd"]) == (1, None, None)

    def test_is_read_by_the_strongest_of_its_adaptive_attackers(self, frontier: Frontier) -> None:
        more = leakage(flat(9), "a", "d", threat="adaptive:align", pairs=128)
        row = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), *met("d", 20, 7), more)["d"]
        assert (row["bleu_norm a oblivious"], row["bleu_norm a adaptive"]) == (20, 9)

    def test_of_several_checkpoints_has_the_strongest(self, frontier: Frontier) -> None:
        cells = [leakage(flat(value), f'a:checkpoint="{name}"')
                 for name, value in (("w@1", 30), ("w@2", 40))]  # fmt: skip
        assert frontier(utility([0.8] * 40), *cells)["none"]["bleu_norm a oblivious"] == 40

    def test_attacked_by_what_was_trained_against_it_is_attacked_adaptively(
        self, frontier: Frontier
    ) -> None:
        cell = leakage(flat(9), "a", "d", labels={"flags": ["trained-against:d"]})
        row = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), cell)["d"]
        assert (row["bleu_norm a oblivious"], row["bleu_norm a adaptive"]) == (None, 9)

    def test_has_no_column_of_what_did_not_read_the_vector(self, frontier: Frontier) -> None:
        row = frontier(*UNDEFENDED, leakage(flat(3), "prior:attack=[a]"))["none"]
        assert not [name for name in row if "prior" in name]

    def test_has_every_column_in_order(self, frontier: Frontier) -> None:
        row = frontier(*UNDEFENDED, leakage(flat(0), "silent"))["none"]
        assert tuple(row) == frontier_columns(["a", "silent"])

    def test_names_its_cells(self, frontier: Frontier) -> None:
        row = frontier(*UNDEFENDED)["none"]
        assert row["cell_ids"].split() == sorted(made.cell_id for made, _ in UNDEFENDED)

    def test_that_is_opaque_has_no_leakage(self, frontier: Frontier) -> None:
        sealed = utility([0.8] * 40, "d", facts={"opaque": True})
        row = frontier(*UNDEFENDED, sealed)["d"]
        assert (row["ndcg_kept"], row["worst_bleu_norm"], row["pareto"]) == (1, None, None)
        assert flags(row) == {OPAQUE}


class TestWhatIsMissing:
    def test_empties_the_mean_of_an_attack(self, frontier: Frontier) -> None:
        cells = [*met("d", 20, 7, seed="0"), *met("d", 30, 7, seed="1")]
        whole = [*UNDEFENDED, leakage(flat(60), "b"), *cells]
        row = frontier(*whole, leakage(flat(1), "b", "d", seed="0"))["d"]
        assert (row["bleu_norm a oblivious"], row["bleu_norm b oblivious"]) == (25, None)
        assert (row["worst_bleu_norm"], row["leakage_seeds"]) == (None, 2)
        assert "incomplete" in flags(row)

    def test_empties_search(self, frontier: Frontier) -> None:
        cells = [*met("d", 20, 7, seed="0"), *met("d", 30, 7, seed="1")]
        row = frontier(*UNDEFENDED, utility([0.4] * 40, "d", "0"), *cells)["d"]
        assert (row["ndcg_at_10"], row["ndcg_kept"], row["ndcg_seeds"]) == (None, None, None)
        assert row["worst_bleu_norm"] == 25
        assert "incomplete" in flags(row)

    @pytest.mark.parametrize("attack", ["b", "nearest"])
    def test_is_an_attack_that_the_undefended_met(self, frontier: Frontier, attack: str) -> None:
        cells = [*UNDEFENDED, utility([0.8] * 40, "d"), *met("d", 20, 7)]
        row = frontier(*cells, leakage(flat(60), attack))["d"]
        assert (row["worst_bleu_norm"], row["pareto"]) == (None, None)
        assert "incomplete" in flags(row)

    @pytest.mark.parametrize("attack", ["silent", "prior:attack=[a]"])
    def test_is_no_attack_that_reads_no_vector(self, frontier: Frontier, attack: str) -> None:
        cells = [*UNDEFENDED, utility([0.8] * 40, "d"), *met("d", 20, 7)]
        row = frontier(*cells, leakage(flat(0), attack))["d"]
        assert (row["worst_bleu_norm"], flags(row)) == (20, set())

    def test_is_an_attack_under_a_threat_that_others_are_under(self, frontier: Frontier) -> None:
        cells = [*UNDEFENDED, leakage(flat(60), "b"), utility([0.8] * 40, "d"), *met("d", 20, 7)]
        assert frontier(*cells, leakage(flat(6), "b", "d"))["d"]["worst_bleu_norm"] is None

    def test_is_not_what_cannot_be_retrained(self, frontier: Frontier) -> None:
        retrained = leakage(flat(30), "a", "d", threat="adaptive:retrain")
        cells = [*UNDEFENDED, leakage(flat(9), "nearest"), utility([0.8] * 40, "d"), retrained]
        near = leakage(flat(9), "nearest", "d")
        row = frontier(*cells, near, leakage(flat(5), "a", "d"))["d"]
        assert (row["worst_bleu_norm"], row["worst_of"]) == (30, 3)

    def test_is_an_attack_where_another_was_only_retrained(self, frontier: Frontier) -> None:
        retrained = leakage(flat(30), "a", "d", threat="adaptive:retrain")
        cells = [*UNDEFENDED, leakage(flat(60), "b"), utility([0.8] * 40, "d"), retrained]
        assert frontier(*cells)["d"]["worst_bleu_norm"] is None

    def test_is_not_a_seed_of_a_floor_alone(self, frontier: Frontier) -> None:
        near = [leakage(flat(9), "nearest")]
        for seed, score in (("0", 1), ("1", 3), ("2", 80)):
            near += [leakage(flat(score), "nearest", "d", seed, threat=threat)
                     for threat in ("oblivious", DENOISE)]  # fmt: skip
        search = [utility([0.4] * 40, "d", seed) for seed in "012"]
        cells = [*met("d", 20, 7, seed="0"), *met("d", 30, 7, seed="1")]
        row = frontier(*UNDEFENDED, *search, *near, *cells)["d"]
        assert (row["leakage_seeds"], row["ndcg_seeds"]) == (2, 3)
        assert (row["bleu_norm nearest oblivious"], row["worst_bleu_norm"]) == (2, 25)

    def test_is_what_two_versions_disagree_about(self, frontier: Frontier) -> None:
        row = frontier(*UNDEFENDED, utility([0.7] * 40, version="2"))["none"]
        assert row["ndcg_at_10"] is None
        assert "incomplete" in flags(row)

    def test_is_not_what_two_versions_agree_about(self, frontier: Frontier) -> None:
        row = frontier(*UNDEFENDED, utility([0.8] * 40, version="2"))["none"]
        assert row["ndcg_at_10"] == pytest.approx(0.8)

    def test_is_the_row_to_compare_with(self, frontier: Frontier) -> None:
        row = frontier(utility([0.8] * 40, "d"), *met("d", 20, 7))["d"]
        assert (row["ndcg_at_10"], row["ndcg_kept"], row["worst_bleu_norm"]) == (
            pytest.approx(0.8), None, None,
        )  # fmt: skip


class TestTheWorst:
    def test_is_chosen_on_one_half_and_told_by_the_other(self, frontier: Frontier) -> None:
        # Over all texts the second would be the higher: 20 against 16.
        cells = [leakage(flat(30, 2), "a", "d"), leakage(flat(10, 30), "a", "d", threat=DENOISE)]
        row = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), *cells)["d"]
        assert (row["worst_bleu_norm"], row["worst_threat"], row["worst_attack"]) == (
            2, "oblivious", "a",
        )  # fmt: skip
        assert (row["worst_of"], row["worst_lo"], row["worst_hi"]) == (2, 2, 2)

    def test_may_be_a_floor(self, frontier: Frontier) -> None:
        near = [leakage(flat(9), "nearest")]
        near += [leakage(flat(9), "nearest", "d", threat=t) for t in ("oblivious", DENOISE)]
        row = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), *met("d", 3, 7), *near)["d"]
        assert (row["worst_attack"], row["worst_of"]) == ("nearest", 4)

    def test_is_the_mean_over_seeds_with_their_spread(self, frontier: Frontier) -> None:
        cells = [*met("d", 5, 10, seed="0"), *met("d", 5, 14, seed="1")]
        search = [utility([0.4] * 40, "d", seed) for seed in "01"]
        row = frontier(*UNDEFENDED, *search, *cells)["d"]
        assert (row["worst_bleu_norm"], row["worst_threat"]) == (12, DENOISE)
        assert row["worst_sd"] == pytest.approx(np.sqrt(8))

    def test_is_not_told_where_nobody_knew_the_defense(self, frontier: Frontier) -> None:
        row = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), leakage(flat(20), "a", "d"))["d"]
        assert (row["bleu_norm a oblivious"], row["worst_bleu_norm"]) == (20, None)
        assert flags(row) == {"oblivious-only"}

    def test_names_the_pairs_of_an_aligner_and_whom_it_asks(self, frontier: Frontier) -> None:
        cell = leakage(flat(40), "a", "d", threat="adaptive:align", pairs=128,
                       labels={"oracle": "protected"})  # fmt: skip
        row = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), cell)["d"]
        assert row["worst_threat"] == "adaptive:align,pairs=128,oracle=protected"

    def test_is_not_told_of_texts_that_cannot_be_paired(self, frontier: Frontier) -> None:
        other = [f"other-{at}" for at in range(N)]
        cells = [leakage(flat(20), "a", "d"), leakage(flat(7), "a", "d", threat=DENOISE, ids=other)]
        row = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), *cells)["d"]
        assert row["worst_bleu_norm"] is None
        assert "incomplete" in flags(row)

    def test_counts_documents_and_not_texts(self, frontier: Frontier) -> None:
        documents = [f"document-{at // 4}" for at in range(N)]
        spread = np.random.default_rng(0).random(N) * 100
        row = frontier(utility([0.8] * 40), leakage(spread, documents=documents))["none"]
        # Half of the texts come from at most 20 documents, which are too few for an interval.
        assert (row["worst_bleu_norm"] is None, row["worst_lo"]) == (False, None)


def spread(mean: float, seed: int, n: int = 60) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.random.default_rng(seed).normal(mean, 0.05, n).clip(0, 1)
    return values


class TestComparisonsInATable:
    def test_tell_whether_search_is_kept(self, frontier: Frontier) -> None:
        base = spread(0.6, 0)
        noisy = np.random.default_rng(1).normal(0, 0.15, 60)
        row = frontier(
            utility(base), utility(base * 0.999, "kept"), utility(base * 0.7, "lost"),
            utility((base * 0.98 + noisy - noisy.mean()).clip(0, 2), "open"),
        )  # fmt: skip
        assert {name: each["search_kept"] for name, each in row.items()} == {
            "none": None, "kept": "yes", "lost": "no", "open": "open",
        }  # fmt: skip
        assert row["kept"]["kept_lo"] == pytest.approx(0.999)
        assert (row["none"]["ndcg_kept"], row["none"]["ndcg_p"]) == (1, None)

    def test_are_adjusted_for_their_number(self, frontier: Frontier) -> None:
        # Exactly 4 of 40 queries differ, all downwards: 2 of the 16 signs reach that.
        down = [0.7] * 4 + [0.8] * 36
        rows = frontier(utility([0.8] * 40), *[utility(down, name) for name in ("d", "e", "f")])
        assert [rows[name]["ndcg_p"] for name in ("d", "e", "f")] == pytest.approx([3 / 8] * 3)

    def test_test_the_worst_against_the_worst_of_the_undefended(self, frontier: Frontier) -> None:
        rows = frontier(*UNDEFENDED, utility([0.8] * 40, "d"), *met("d", 20, 7))
        # 40 texts of which every one leaks less: 1 draw of 10,000.
        assert (rows["d"]["worst_p"], rows["none"]["worst_p"]) == (1e-4, None)

    def test_call_best_only_what_is_clearly_better_than_each(self, frontier: Frontier) -> None:
        base = spread(0.6, 2)
        cells = [utility(base), utility(base * 0.9, "d"), utility(base * 0.5, "e"),
                 leakage(flat(50)), *met("d", 20, 7), *met("e", 10, 7)]  # fmt: skip
        rows = frontier(*cells)
        assert {name: row["best"] for name, row in rows.items()} == {
            "none": None, "d": "ndcg_kept", "e": "worst_bleu_norm",
        }  # fmt: skip

    def test_call_nothing_best_that_another_may_equal(self, frontier: Frontier) -> None:
        base = spread(0.6, 2)
        noisy = np.random.default_rng(3).normal(0, 0.1, 60)
        rows = frontier(utility(base), utility(base * 0.9, "d"),
                        utility((base * 0.9 + noisy - noisy.mean() - 0.001), "e"))  # fmt: skip
        assert {row["best"] for row in rows.values()} == {None}

    def test_call_nothing_best_that_is_alone(self, frontier: Frontier) -> None:
        assert frontier(*UNDEFENDED, utility([0.7] * 40, "d"))["d"]["best"] is None

    def test_tell_which_rows_nothing_dominates(self, frontier: Frontier) -> None:
        cells = [*UNDEFENDED]
        for name, ndcg, bleu in (("good", 0.6, 10), ("bad", 0.6, 20), ("safe", 0.2, 1)):
            cells += [utility([ndcg] * 40, name), *met(name, bleu, 0)]
        rows = frontier(*cells)
        assert {name: row["pareto"] for name, row in rows.items()} == {
            "none": True, "good": True, "bad": False, "safe": True,
        }  # fmt: skip

    @pytest.mark.parametrize(
        "other", [{"corpus": "o"}, {"track": "chunks"}, {"embedder": "o"}, {"max_tokens": 64}]
    )
    def test_stay_in_their_table(self, tmp_path: Path, other: dict[str, Any]) -> None:
        cells = [*UNDEFENDED, utility([0.8] * 40, "d", labels=other)]
        rows = build_board(gather([write(tmp_path, *cells)])).frontier
        (row,) = [row for row in rows if row["defense"] == "d"]
        assert (row["ndcg_kept"], row["ndcg_p"]) == (None, None)

    def test_keep_samples_apart(self, tmp_path: Path) -> None:
        cells = [utility([0.8] * 40), leakage(flat(50)), leakage(flat(90)[:40]),
                 utility([0.6] * 40, "d"), *met("d", 20, 7)]  # fmt: skip
        rows = build_board(gather([write(tmp_path, *cells)])).frontier
        found = [(row["defense"], row["n_texts"], row["bleu_norm a oblivious"]) for row in rows]
        assert found == [("none", 40, 90), ("none", 80, 50), ("d", 80, 20)]


@pytest.mark.parametrize(
    ("searched", "attacked", "few"), [(5, 3, False), (4, 3, True), (5, 2, True)]
)
def test_a_row_tells_of_too_few_seeds(
    frontier: Frontier, searched: int, attacked: int, few: bool
) -> None:
    search = [utility([0.4] * 40, "d", str(seed)) for seed in range(searched)]
    attacks = [made for seed in range(attacked) for made in met("d", 5, 9, seed=str(seed))]
    assert flags(frontier(*UNDEFENDED, *search, *attacks)["d"]) == ({"few-seeds"} if few else set())


@pytest.mark.parametrize(("prior", "weak"), [(45.0, True), (3.0, False)])
def test_a_row_is_weak_where_every_learned_attack_is(
    frontier: Frontier, prior: float, weak: bool
) -> None:
    floor, _ = made_floor = leakage(flat(prior), "prior:attack=[a]")
    own = leakage(flat(50))
    references = {"undefended": own[0].cell_id, "prior": floor.cell_id}
    attacked = leakage(flat(20), "a", "d", threat=DENOISE, references=references)
    row = frontier(utility([0.8] * 40), own, made_floor, utility([0.8] * 40, "d"), attacked)["d"]
    assert row["headroom"] == 50 - prior
    assert ("weak-attack" in row["flags"].split()) is weak


def test_a_row_is_weak_where_nothing_but_floors_attacked(frontier: Frontier) -> None:
    floors = [leakage(flat(30), "nearest"), leakage(flat(20), "nearest", "d", threat=DENOISE)]
    rows = frontier(utility([0.8] * 40), utility([0.8] * 40, "d"), *floors)
    assert all("weak-attack" in rows[defense]["flags"].split() for defense in ("none", "d"))


def test_flags_of_the_collection_are_told(frontier: Frontier) -> None:
    labels = {"flags": ["stand-in", "known-item"]}
    rows = frontier(utility([0.8] * 40, labels=labels), leakage(flat(5), labels=labels))
    assert flags(rows["none"]) == {"stand-in", "known-item"}


def everything() -> list[Made]:
    cells = [*UNDEFENDED, leakage(flat(9), "nearest"), leakage(flat(3), "prior:attack=[a]")]
    for at, name in enumerate(("d", "e:sigma=1", "f")):
        for seed in "012":
            cells.append(utility(spread(0.5, 10 * at + int(seed)), name, seed))
            for threat in ("oblivious", DENOISE):
                values = np.random.default_rng(at).random(N) * 40
                cells.append(leakage(values, "a", name, seed, threat=threat))
                cells.append(leakage(values[::-1], "nearest", name, seed, threat=threat))
    cells[0] = utility(spread(0.6, 99))
    return [*cells, utility([0.5] * 40, labels={"corpus": "b"})]


def test_the_bytes_do_not_depend_on_the_order_of_folders_or_cells(tmp_path: Path) -> None:
    expected: dict[str, str] = {}
    for turn in range(4):
        cells = everything()
        random.Random(turn).shuffle(cells)
        halves = [cells[:20], cells[20:]]
        # Some cells are in both.
        halves[turn % 2] = halves[turn % 2] + halves[1 - turn % 2][:5]
        folders = [write(tmp_path / f"{turn}-{at}", *half) for at, half in enumerate(halves)]
        files = csv_files(build_board(gather(folders)))
        expected = expected or files
        assert files == expected
    assert expected["frontier.csv"].count("\n") == 6


def names(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [str(row["defense"]) for row in rows]


def test_no_defense_stands_first(tmp_path: Path) -> None:
    rows = build_board(gather([write(tmp_path, *everything())])).frontier
    assert names(rows) == ["none", "none", "d", "e:sigma=1", "f"]

"""The boards' pictures: what is drawn, what is said in words, and that bytes stay the same."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from v2t_bench.errors import BadInput, UsageError
from v2t_bench.leaderboard.board import Board
from v2t_bench.leaderboard.columns import frontier_columns
from v2t_bench.leaderboard.drawing import drawable, drawing, in_lines
from v2t_bench.leaderboard.families import family_of, look_of, short_defense, told_defense
from v2t_bench.leaderboard.frontier_axes import floor_of
from v2t_bench.leaderboard.frontier_points import heading, left_out, points_of, warning
from v2t_bench.leaderboard.labels import Box, place_labels
from v2t_bench.leaderboard.noise_curves import Dot, curves_of, told_apart
from v2t_bench.leaderboard.pictures import draw_pictures
from v2t_bench.leaderboard.plane import front, narrowed, widened
from v2t_bench.leaderboard.rows import COLUMNS
from v2t_bench.leaderboard.tables import tables_of

ATTACKS = ("bow", "nearest", "silent")
USUAL = {"corpus": "beir:nq", "track": "cut", "fingerprint": "f", "max_tokens": 16,
         "embedder": "minilm", "n_queries": 2655, "ndcg_at_10": 0.5, "n_texts": 200,
         "sample_seed": 0, "headroom": 20.0, "flags": "", "cell_ids": "",
         "pareto": False}  # fmt: skip


def release(defense: str, kept: float | None, read: float | None, **other: Any) -> dict[str, Any]:
    row = dict.fromkeys(frontier_columns(ATTACKS)) | USUAL
    if kept is not None:
        row |= {"kept_lo": kept - 0.01, "kept_hi": kept + 0.005}
    if read is not None:
        row |= {"worst_lo": read - 1, "worst_hi": read + 1.5}
    return row | {"defense": defense, "ndcg_kept": kept, "worst_bleu_norm": read, **other}


def row(defense: str, attack: str, bleu_norm: float, **other: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {
        "corpus": "beir:nq", "defense": defense, "attack": attack, "threat": "oblivious",
        "oracle": "clean", "bleu_norm": bleu_norm, "bleu_norm_lo": bleu_norm - 1,
        "bleu_norm_hi": bleu_norm + 1, **other,
    }  # fmt: skip


def board(*frontier: dict[str, Any], rows: tuple[dict[str, Any], ...] = ()) -> Board:
    return Board(rows=list(rows), frontier=list(frontier), attacks=ATTACKS)


def noise(sigma: float, kept: float, read: float, **other: Any) -> dict[str, Any]:
    return release(f"noise:on=both,sigma={sigma}", kept, read, **other)


NONE = release("none", 1.0, 10.0, pareto=True)
WHOLE = board(
    NONE,
    noise(0.01, 0.98, 8.0, pareto=True, **{"bleu_norm bow oblivious": 7.0}),
    noise(0.05, 0.9, 5.0, pareto=True, **{"bleu_norm bow oblivious": 4.0}),
    release("rotate", 1.0, 9.9, flags="oblivious-only"),
)


def comments(svg: Path) -> list[str]:
    """What is written in a picture: matplotlib notes each text beside its outlines."""
    return re.findall(r"<!-- (.*?) -->", svg.read_text(encoding="utf-8"), re.DOTALL)


def test_each_table_has_a_picture_and_all_of_them_one_and_noise_one(tmp_path: Path) -> None:
    told: list[str] = []
    paths = draw_pictures(WHOLE, tmp_path / "new", tell=told.append)
    assert sorted(path.name for path in paths) == [
        "frontier-beir-nq.png", "frontier-beir-nq.svg", "frontier.png", "frontier.svg",
        "noise-curve.png", "noise-curve.svg",
    ]  # fmt: skip
    assert sorted(paths) == sorted((tmp_path / "new").iterdir())
    assert told == []


def test_the_same_board_in_another_order_is_drawn_by_the_same_bytes(tmp_path: Path) -> None:
    backwards = board(*reversed(WHOLE.frontier))
    first = draw_pictures(WHOLE, tmp_path / "a")
    second = draw_pictures(backwards, tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_the_settings_of_the_user_change_nothing(tmp_path: Path) -> None:
    import matplotlib as mpl

    first = draw_pictures(WHOLE, tmp_path / "a")
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": None, "axes.facecolor": "red"}):
        second = draw_pictures(WHOLE, tmp_path / "b")
        assert mpl.rcParams["font.size"] == 20
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_no_date_and_no_version_stand_in_a_picture(tmp_path: Path) -> None:
    import matplotlib as mpl

    for path in draw_pictures(WHOLE, tmp_path):
        content = path.read_bytes()
        assert mpl.__version__.encode() not in content
        assert b"<dc:date>" not in content
        assert b"Software" not in content


def test_every_release_is_named_once(tmp_path: Path) -> None:
    draw_pictures(WHOLE, tmp_path)
    told = comments(tmp_path / "frontier-beir-nq.svg")
    for name in ("noise:0.01", "noise:0.05", "rotate", "beir:nq"):
        assert told.count(name) == 1
    # Beside its marker, and in the legend.
    assert told.count("undefended") == 2


HOSTILE = (
    "$x^2$ a_b^c\\frac{", "<script>&amp;]]>--> \x00\x1b[31m two\nlines", "../../up \u202egnp",
    "語" * 90, "\ud800" + "z" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_corpus_and_embedder_stay_text(name: str, tmp_path: Path) -> None:
    rows = [{**line, "corpus": name, "embedder": name} for line in WHOLE.frontier]
    folder = tmp_path / "pictures"
    paths = draw_pictures(board(*rows), folder)
    assert len(paths) == 6
    assert {path.parent for path in paths} == {folder}
    for path in paths:
        if path.suffix == ".svg":
            ET.parse(path)


def test_hostile_defenses_and_attacks_stay_text(tmp_path: Path) -> None:
    lines = [release(name, 0.5 + at / 20, 3.0) for at, name in enumerate(("", "$", *HOSTILE))]
    attacked = {f"bleu_norm {name} oblivious": 5.0 for name in HOSTILE}
    curve = [{**line, **attacked} for line in WHOLE.frontier]
    for path in draw_pictures(board(*curve, *lines), tmp_path):
        if path.suffix == ".svg":
            ET.parse(path)


def test_dollars_are_no_formula(tmp_path: Path) -> None:
    draw_pictures(board(NONE, release("$alpha$", 0.7, 3.0)), tmp_path)
    assert "$alpha$" in comments(tmp_path / "frontier-beir-nq.svg")


def test_an_empty_board_is_no_picture_but_words(tmp_path: Path) -> None:
    told: list[str] = []
    assert draw_pictures(board(), tmp_path, tell=told.append) == []
    assert told == [
        "no picture of the frontier: no table has a defense with search and a worst case",
        "no picture of the noise curve: no table has noise of two strengths",
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([NONE], "no picture of frontier-beir-nq: it has no defense"),
        (
            [NONE, release("rotate", 1.0, None)],
            "no picture of frontier-beir-nq: none of its defenses has both NDCG@10 kept and a "
            "worst case",
        ),
    ],
)
def test_a_table_with_nothing_to_compare_says_so(
    rows: list[dict[str, Any]], said: str, tmp_path: Path
) -> None:
    told: list[str] = []
    assert draw_pictures(board(*rows), tmp_path, tell=told.append) == []
    assert told[0] == said


def test_what_has_no_place_is_named_with_the_reason() -> None:
    opaque = release("opaque:scheme=ckks", 1.0, None, flags="not-applicable-unless-key-leaks")
    (table,) = tables_of(
        board(NONE, noise(0.1, 0.5, 3.0), release("rotate", 1.0, None),
              release("permute", None, 4.0), {**opaque, "n_texts": None})
    )  # fmt: skip
    assert left_out(table) == [
        "No search to compare with: permute",
        "No worst case, since a measurement is missing: rotate",
        "Not applicable unless the key leaks: opaque:ckks",
    ]


def test_a_number_that_is_none_is_no_point() -> None:
    (table,) = tables_of(board(NONE, release("a", float("nan"), 2.0), release("b", 0.9, 2.0)))
    assert [point.defense for point in points_of(table)] == ["b", "none"]


def test_undefended_vectors_stand_at_one_whatever_their_row_says() -> None:
    (table,) = tables_of(board(release("none", None, 10.0)))
    assert [(point.kept, point.read) for point in points_of(table)] == [(1.0, 10.0)]


def test_the_floor_is_the_nearest_public_text_of_undefended_vectors() -> None:
    rows = (
        row("none", "nearest:checkpoint=1", 4.0, cell_id="a"),
        row("none", "bow", 9.0, cell_id="a"),
        row("rotate", "nearest:checkpoint=1", 6.0, cell_id="a"),
        row("none", "nearest:checkpoint=1", 7.0, threat="worst", cell_id="a"),
        row("none", "nearest:checkpoint=1", 8.0, cell_id="of another table"),
    )
    (table,) = tables_of(board({**NONE, "cell_ids": "a b"}, rows=rows))
    assert floor_of(table) == (4.0, 3.0, 5.0)


def test_weak_attacks_are_called_weak() -> None:
    (weak,) = tables_of(board({**NONE, "headroom": 9.94}))
    (strong,) = tables_of(board({**NONE, "headroom": 10.0}))
    assert warning(weak) == "headroom 9.9: these attacks are too weak to call anything safe"
    assert warning(strong) == ""


def test_a_table_is_headed_by_what_was_measured() -> None:
    (table,) = tables_of(board({**NONE, "flags": "stand-in", "track": "chunks"}))
    assert heading(table) == (
        "beir:nq",
        "minilm, 16 tokens, track chunks, 200 texts attacked, 2,655 queries, stand-in collection",
    )


def test_files_are_called_by_corpus_and_by_what_tells_tables_apart() -> None:
    tables = tables_of(
        board({**NONE, "corpus": "a:b"}, NONE, {**NONE, "max_tokens": 32},
              {**NONE, "max_tokens": 32, "track": "chunks"})
    )  # fmt: skip
    assert {table.name for table in tables} == {
        "a-b", "beir-nq-cut-16", "beir-nq-cut-32", "beir-nq-chunks-32",
    }  # fmt: skip


def test_no_two_tables_share_a_file_even_where_case_does_not_count() -> None:
    corpora = ["A:x", "a/x", "a-x", "", "..", "q" * 300, "q" * 301]
    names = [table.name for table in tables_of(board(*({**NONE, "corpus": c} for c in corpora)))]
    assert len({name.casefold() for name in names}) == len(corpora)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,95}", name) for name in names)


def test_noise_of_one_strength_is_no_curve(tmp_path: Path) -> None:
    told: list[str] = []
    draw_pictures(board(NONE, noise(0.01, 0.98, 8.0)), tmp_path, tell=told.append)
    assert told == ["no picture of the noise curve: no table has noise of two strengths"]
    assert not (tmp_path / "noise-curve.svg").exists()


def test_a_curve_goes_from_no_noise_to_the_strongest() -> None:
    column = "bleu_norm bow oblivious"
    (table,) = tables_of(
        board(noise(0.05, 0.9, 5.0, **{column: 4.0}, ndcg_sd=0.02, ndcg_at_10=0.45),
              noise(0.01, 0.98, 8.0, **{column: 7.0}), {**NONE, column: 9.0},
              release("noise:on=documents,sigma=0.05", 0.9, 5.0),
              release("pca:k=64+noise:on=both,sigma=0.02", 0.9, 5.0),
              release("noise:on=both,sigma=much", 0.9, 5.0))
    )  # fmt: skip
    (curves,) = curves_of(table)
    assert {key: [(d.sigma, d.value) for d in dots] for key, dots in curves.read.items()} == {
        ("bow", "oblivious"): [(0.0, 9.0), (0.01, 7.0), (0.05, 4.0)]
    }
    assert [(dot.sigma, dot.value) for dot in curves.kept] == [
        (0.0, 1.0),
        (0.01, 0.98),
        (0.05, 0.9),
    ]
    # A standard deviation of .02 of an NDCG of .45 is 4.4 %, of a share of .9 it is .04.
    assert curves.kept[-1].spread == pytest.approx(0.04)


def test_seeds_of_the_threat_that_is_told_are_shown_and_no_other() -> None:
    defense = "noise:on=both,sigma=0.05"
    seeds = [
        row(defense, 'bow:checkpoint="x"', value, threat=threat, seeds=str(seed), cell_id="a")
        for threat, values in (("adaptive:denoise", (2.0, 3.0)), ("adaptive:align", (4.0, 6.0)))
        for seed, value in enumerate(values)
    ]
    other = row(defense, "bow", 5.0, threat="worst", cell_id="a")
    told = {"bleu_norm bow adaptive": 5.0, "cell_ids": "a"}
    (table,) = tables_of(
        board(noise(0.05, 0.9, 5.0, **told), noise(0.01, 0.98, 8.0), rows=(*seeds, other))
    )
    (curves,) = curves_of(table)
    # The ends: lowest of 4 - 1 and 6 - 1, highest of 4 + 1 and 6 + 1.
    assert curves.read == {
        ("bow", "adaptive"): [Dot(sigma=0.05, value=5.0, low=3.0, high=7.0, seeds=(4.0, 6.0))]
    }


def test_attacks_are_told_by_the_parameters_in_which_they_differ() -> None:
    short, long = "vec2text:beam=1,steps=1", "vec2text:beam=1,steps=20"
    assert told_apart([short, long, "bow:k=1", "$"]) == {
        short: "vec2text:steps=1", long: "vec2text:steps=20", "bow:k=1": "bow", "$": "$",
    }  # fmt: skip


def test_labels_lie_neither_on_each_other_nor_on_markers_nor_outside() -> None:
    draw = np.random.default_rng(0)
    anchors = [(float(x), float(y)) for x, y in draw.normal((200, 150), (30, 25), (40, 2))]
    markers: list[Box] = [(x - 2, y - 2, x + 2, y + 2) for x, y in anchors]
    area = (0.0, 0.0, 400.0, 300.0)
    places = place_labels(anchors, [(36.0, 6.0)] * 40, area=area, blocked=markers)
    boxes = [place.box for place in places if place is not None]
    assert len(boxes) > 30

    def apart(one: Box, two: Box) -> bool:
        return one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]

    assert all(apart(one, two) for one, two in combinations(boxes, 2))
    assert all(apart(one, two) for one in boxes for two in markers)
    assert all(b[0] >= 0 and b[1] >= 0 and b[2] <= 400 and b[3] <= 300 for b in boxes)


def test_a_label_without_room_has_no_place() -> None:
    places = place_labels([(5.0, 5.0)], [(50.0, 6.0)], area=(0, 0, 20, 20), blocked=[])
    assert places == [None]


def test_only_a_label_that_stands_away_has_a_line() -> None:
    near = place_labels([(50.0, 50.0)], [(20.0, 6.0)], area=(0, 0, 100, 100), blocked=[])
    wall: list[Box] = [(30.0, 30.0, 80.0, 70.0)]
    far = place_labels([(50.0, 50.0)], [(20.0, 6.0)], area=(0, 0, 100, 100), blocked=wall)
    assert near[0] is not None
    assert near[0].line is None
    assert far[0] is not None
    assert far[0].line is not None


def test_names_without_room_are_listed_in_lines() -> None:
    with drawing():
        assert in_lines(["one", "two", "three"], 1000, 6, 2) == "one, two, three"
        assert in_lines(["wide" * 9, "two", "three"], 60, 6, 1) == f"{'wide' * 9}, and 2 more"


def test_letters_that_the_font_lacks_are_escapes_and_long_names_are_cut() -> None:
    with drawing():
        assert drawable("naïve 語\n\u202e") == "naïve \\u8a9e\\n\\u202e"
        assert drawable("x" * 50, 10) == "x" * 9 + "…"


def test_a_dense_board_stays_small(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    many = [
        release(f"pca:k={k}", float(1 - draw.exponential(0.06)), float(draw.uniform(4, 10)))
        for k in range(45)
    ]
    for path in draw_pictures(board(NONE, *many), tmp_path):
        assert path.stat().st_size < (200_000 if path.suffix == ".svg" else 250_000), path


def test_missing_matplotlib_is_one_line_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'v2t-bench[figures]'")) as caught:
        draw_pictures(WHOLE, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        draw_pictures(WHOLE, tmp_path / "file")


def test_a_defense_has_the_look_of_its_first_part() -> None:
    assert family_of("pca:k=64+noise:sigma=1") == "lossy"
    assert family_of("never heard of") == "other"
    assert look_of("rotate") == ("^", "#009E73")


def test_a_defense_is_told_without_what_goes_without_saying() -> None:
    assert short_defense("pca:k=64+noise:on=both,sigma=0.1") == "pca:64+noise:0.1"
    assert short_defense("noise:on=queries,sigma=0.1") == "noise:on=queries,sigma=0.1"
    assert told_defense("$ no spelling") == "$ no spelling"


def test_the_front_holds_what_nothing_beats_on_both_axes() -> None:
    points = [(1.0, 9.0), (0.9, 5.0), (0.8, 6.0), (0.5, 5.0), (0.4, 1.0)]
    assert front(points) == [(1.0, 9.0), (0.9, 5.0), (0.4, 1.0)]


def test_the_scale_of_what_is_kept_can_be_read_back() -> None:
    kept = np.array([0.0, 0.5, 0.98, 1.0])
    np.testing.assert_allclose(narrowed(widened(kept)), kept, atol=1e-12)
    np.testing.assert_allclose(narrowed(widened(kept, 1.1), 1.1), kept, atol=1e-12)

"""The page: one file that says what the boards say, runs nothing else, and quotes what it may."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest

from board_world import (
    IMAGE,
    PROVENANCE,
    SCRIPT,
    boards,
    examples,
    frontier_row,
    long_row,
)
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.leaderboard.page import rendering
from v2t_bench.leaderboard.page.columns import FRONTIER, LONG
from v2t_bench.leaderboard.page.content import embedded_json, page_content
from v2t_bench.leaderboard.page.examples import SHOWN, parse_quotes
from v2t_bench.leaderboard.page.examples import examples as chosen_examples
from v2t_bench.leaderboard.page.readings import readings
from v2t_bench.leaderboard.page.rendering import page_text
from v2t_bench.leaderboard.page.words import FLAGS, flag_words
from v2t_bench.leaderboard.rows import COLUMNS, Row
from v2t_bench.results import Measured, Result


class Elements(HTMLParser):
    """What a browser would make of a page: tags with attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in self.raw else ""
        if self._inside:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside][-1] += data


def data_of(text: str) -> Any:
    """Return the boards that a page holds."""
    return json.loads(Elements(text).raw["script"][1])


@pytest.fixture
def page() -> str:
    rows, frontier = boards()
    return page_text(rows, frontier, PROVENANCE, examples=examples(rows))


def test_nothing_in_it_names_something_to_fetch(page: str) -> None:
    tags = Elements(page).tags
    addresses = [
        value
        for tag, attributes in tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href")
    ]

    assert {address.partition("#")[0] for address in addresses if address} == {"", "data:,"}
    assert not {tag for tag, _ in tags} & {"iframe", "object", "embed", "img", "base", "audio"}
    assert "@import" not in page
    assert "url(" not in page


def test_its_policy_runs_its_own_scripts_and_style_and_no_others(page: str) -> None:
    elements = Elements(page)
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in elements.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = dict(line.split(" ", 1) for line in policy.split("; "))

    def hashes(texts: Sequence[str]) -> str:
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)

    assert allowed["default-src"] == "'none'"
    early, data, *others = elements.raw["script"]
    assert data.startswith("{")  # no browser runs it
    assert allowed["script-src"] == hashes([early, *others])
    assert allowed["style-src"] == hashes(elements.raw["style"])
    assert "unsafe" not in policy


def test_no_element_has_a_handler_or_a_style_of_its_own(page: str) -> None:
    names = {name for _, attributes in Elements(page).tags for name in attributes}

    assert [name for name in names if name.startswith("on") or name == "style"] == []


def test_scripts_never_parse_a_text_as_markup() -> None:
    sources = "".join(rendering._read(name) for name in (rendering.EARLY, *rendering.SCRIPTS))
    parsing = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"

    assert re.findall(parsing, sources) == []


def test_the_same_boards_give_the_same_bytes() -> None:
    assert page_text(*boards(), PROVENANCE) == page_text(*boards(), PROVENANCE)


@pytest.mark.parametrize(
    "hostile", [SCRIPT, IMAGE, "</script>", "<!--<script>", "a&amp;b", "\u2028"]
)
def test_a_name_is_text_wherever_it_stands(hostile: str) -> None:
    rows, frontier = boards(
        corpora=[hostile], defenses=["none", hostile], attacks=[hostile], flag="f<b>" + hostile
    )
    shown = examples(rows, text=hostile, guess=hostile)
    text = page_text(rows, frontier, PROVENANCE, examples=shown)
    harmless = page_text(*boards(corpora=["c"], defenses=["none", "d"], attacks=["a"]), PROVENANCE)

    elements = Elements(text)
    assert len(elements.raw["script"]) == len(Elements(harmless).raw["script"])
    assert {tag for tag, _ in elements.tags} - {tag for tag, _ in Elements(harmless).tags} <= {
        "h3", "span", "dl"
    }  # fmt: skip
    data = data_of(text)
    assert data["tables"][0]["corpus"] == hostile
    assert data["texts"]["samples"][0]["originals"][0][2] == hostile
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert hostile in html.unescape(body)


def test_data_in_a_script_hold_no_character_that_could_end_it() -> None:
    text = embedded_json({"a": "</script><!-- & \u2028\u2029\ud800 é"})

    assert re.findall(r"[^ -%'-;=?-~]", text) == []
    assert json.loads(text) == {"a": "</script><!-- & \u2028\u2029\ud800 é"}


def test_without_scripts_it_tells_every_release() -> None:
    rows, frontier = boards()
    body = page_text(rows, frontier, PROVENANCE).partition("<tbody>")[2].partition("</tbody>")[0]
    first, *others = body.split("<tr>")[1:]

    assert len(others) == 11
    for told in ("demo-nq", "0.800", "0.750 to 0.850", "1.000", "30.0", "28.0 to 32.0", "yes"):
        assert f">{told}" in first


def test_it_says_what_it_was_made_from(page: str) -> None:
    words = " ".join(re.sub(r"<[^>]*>", "", page).split())

    assert "v2t-bench 1.2.3 from 7 stored measurements (small; fingerprint ffff" in words
    assert "12 releases, 66 rows" in words


def test_boards_without_a_row_make_a_page() -> None:
    assert data_of(page_text([], [], PROVENANCE))["tables"] == []


def test_every_column_of_the_boards_has_a_heading() -> None:
    frontier = {name for column in FRONTIER for name in (column.name, column.low, column.high)}
    long = {name for column in LONG for name in (column.name, column.low, column.high)}

    assert set(COLUMNS) - long == set()
    # Whoever chose the sample stands in the name of the table.
    assert {name for name in frontier_row("") if not name.startswith("bleu_norm ")} - frontier == {
        "sample_seed"
    }


def test_a_number_that_is_none_becomes_nothing() -> None:
    rows = [long_row("v1-a", bleu=float("nan"), token_f1=float("inf"), cos=-0.0)]
    values = page_content(rows, [frontier_row("v1-a")], [])["rows"]["values"]

    assert (values["bleu"], values["token_f1"]) == ([None], [None])
    assert str(values["cos"]) == "[0.0]"


def test_texts_of_a_column_are_stored_once() -> None:
    rows = [long_row("v1-b", embedder="b"), long_row("v1-a", embedder="a"),
            long_row("v1-c", embedder="b")]  # fmt: skip
    values = page_content(rows, [], [])["rows"]["values"]

    assert values["embedder"] == {"texts": ["a", "b"], "at": [1, 0, 1]}


def test_rows_are_of_one_table_only_if_they_may_be_compared() -> None:
    frontier = [frontier_row("", n_texts=10), frontier_row("", n_texts=20, defense="rotate"),
                frontier_row("", n_texts=20, track="chunks"),
                frontier_row("", n_texts=20)]  # fmt: skip
    content = page_content([], frontier, [])

    assert [one["table"] for one in content["releases"]] == [0, 1, 2, 1]


def test_the_first_table_is_the_one_whose_attacks_are_strongest() -> None:
    frontier = [frontier_row("", n_texts=10, headroom=None), frontier_row("", n_texts=20),
                frontier_row("", n_texts=30, headroom=21.0),
                frontier_row("", n_texts=40, headroom=21.0)]  # fmt: skip

    assert page_content([], frontier, [])["first"] == 2
    assert page_content([], frontier[:1], [])["first"] == 0


def test_a_release_that_nobody_attacked_stands_in_the_table_before_it() -> None:
    unknown: dict[str, Any] = {"n_texts": None, "sample_seed": None, "defense": "opaque"}
    frontier = [frontier_row("", n_texts=10), frontier_row("", **unknown),
                frontier_row("", n_texts=20), frontier_row("", **unknown),
                frontier_row("", corpus="other", **unknown)]  # fmt: skip
    content = page_content([], frontier, [])

    assert [one["table"] for one in content["releases"]] == [0, 0, 1, 1, 2]


def read(rows: Sequence[Row]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {(one.attack, one.threat): (one.value, one.low, one.high) for one in readings(rows)}


def test_a_reading_is_the_mean_over_seeds_between_the_outer_ends() -> None:
    first = long_row("v1-a", seeds="0", bleu_norm=10.0, bleu_norm_lo=8.0, bleu_norm_hi=13.0)
    second = long_row("v1-b", seeds="1", bleu_norm=14.0, bleu_norm_lo=9.0, bleu_norm_hi=15.0)

    assert read([second, first]) == {("bow", "oblivious"): (12.0, 8.0, 15.0)}


@pytest.mark.parametrize("missing", [None, "row"])
def test_a_reading_is_empty_where_a_seed_is_missing(missing: str | None) -> None:
    rows = [long_row("v1-a", seeds="0"), long_row("v1-b", seeds="1"),
            long_row("v1-c", seeds="0", attack="vec2text")]  # fmt: skip
    if missing is None:
        rows.append(long_row("v1-d", seeds="1", attack="vec2text", bleu_norm=None))

    assert read(rows) == {
        ("bow", "oblivious"): (21.0, 19.0, 23.0),
        ("vec2text", "oblivious"): (None, None, None),
    }


def test_floors_of_seeds_that_search_alone_has_are_left_out() -> None:
    rows = [long_row("v1-a", seeds="0"), long_row("v1-b", seeds="0", attack="nearest"),
            long_row("v1-c", seeds="1", attack="nearest", bleu_norm=99.0)]  # fmt: skip

    assert read(rows)["nearest", "oblivious"] == (21.0, 19.0, 23.0)


def test_the_prior_and_the_worst_of_several_are_no_readings() -> None:
    rows = [long_row("v1-a", attack="prior:attack=[bow]"), long_row("v1-b", threat="worst"),
            long_row("v1-c", attack="")]  # fmt: skip

    assert readings(rows) == []


def test_threats_with_other_pairs_or_oracles_are_told_apart() -> None:
    rows = [long_row("v1-a", threat="adaptive:align", pairs=128),
            long_row("v1-b", threat="adaptive:align", pairs=1024),
            long_row("v1-c", oracle="protected")]  # fmt: skip

    assert [threat for _, threat in read(rows)] == [
        "adaptive:align,pairs=1024", "adaptive:align,pairs=128", "oblivious,oracle=protected"
    ]  # fmt: skip


def test_every_flag_has_words() -> None:
    assert flag_words("weak-attack") == FLAGS["weak-attack"]
    assert flag_words("by:adaptive:denoise")[0] == "chosen threat: adaptive:denoise"
    assert flag_words("trained-on-64-tokens")[0] == "trained on 64 tokens"
    assert flag_words("<b>")[0] == "<b>"


class Cells:
    """Stored cells of one attack on one collection."""

    def __init__(self, corpus: str, *, redistributable: bool | None, text: bool = True) -> None:
        labels = {"corpus": corpus}
        measured = Measured(value=1.0, n=9)
        self.results = [
            Result(kind="leakage", cell_id=f"v1-{seed}", labels=labels,
                   identity={"n_texts": 9, "sample_seed": 0}, scores={"bleu": measured},
                   facts={"redistributable": redistributable},
                   files={"samples.parquet": "0"})
            for seed in range(12)
        ]  # fmt: skip
        self.rows = [
            long_row(f"v1-{seed}", corpus=corpus, seeds=str(seed), defense="noise:sigma=1")
            for seed in range(12)
        ]
        self._text = text

    def table(self, cell_id: str, file: str) -> pa.Table:
        at = range(9)
        columns: dict[str, list[Any]] = {"id": [f"d{i}" for i in at], "document": ["d"] * 9,
                                         "bleu_norm": [float(i) for i in at]}  # fmt: skip
        if self._text:
            columns |= {"text": [f"text {i}" for i in at],
                        "guess": [f"guess {i} of {cell_id}" for i in at]}  # fmt: skip
        return pa.table(columns)


@pytest.mark.parametrize(
    ("corpus", "redistributable", "quotes", "attribution"),
    [
        ("demo-nq", True, {}, "generated by v2t-bench; nobody's text"),
        ("demo-nq", False, {}, None),
        ("demo-nq", None, {}, None),
        ("aci-bench", True, {}, None),
        ("beir:scifact", False, {}, None),
        ("beir:demo-nq", True, {}, None),
        ("beir:wiki", False, {"beir:wiki": "Wikipedia, CC BY-SA 4.0"}, "Wikipedia, CC BY-SA 4.0"),
        ("mimic", True, {"mimic": "vouched"}, None),
    ],
)
def test_texts_are_shown_of_generated_and_of_named_collections_only(
    corpus: str, redistributable: bool | None, quotes: dict[str, str], attribution: str | None
) -> None:
    cells = Cells(corpus, redistributable=redistributable)
    try:
        found = chosen_examples(cells, cells.rows, quotes)
    except BadInput:
        found = []

    assert [one.attribution for one in found] == ([] if attribution is None else [attribution])
    text = page_text(cells.rows, [frontier_row("v1-0", corpus=corpus, defense="noise:sigma=1")],
                     PROVENANCE, examples=found)  # fmt: skip
    assert bool(re.search(r"(text|guess) \d\b", text)) == (attribution is not None)


def test_the_first_seed_is_shown_and_ids_alone_choose_the_texts() -> None:
    cells = Cells("demo-nq", redistributable=True)
    (found,) = chosen_examples(cells, cells.rows, {})
    digests = {f"d{i}": hashlib.sha256(f"page d{i}".encode()).hexdigest() for i in range(9)}
    expected = sorted(digests, key=lambda name: digests[name])[:SHOWN]

    assert found.cell_id == "v1-0"
    assert [original.id for original in found.originals] == expected
    assert found.guesses[0].text == f"guess {expected[0][1:]} of v1-0"


def test_a_quoted_collection_without_texts_is_an_error() -> None:
    cells = Cells("beir:wiki", redistributable=False, text=False)
    with pytest.raises(BadInput, match="no stored cell holds texts of it"):
        chosen_examples(cells, cells.rows, {"beir:wiki": "Wikipedia"})


def test_a_quote_needs_an_attribution() -> None:
    assert parse_quotes(["beir:w = a=b"]) == {"beir:w": "a=b"}
    for given in ("beir:w", "=a", "beir:w=", ""):
        with pytest.raises(BadParameter, match="is no CORPUS=ATTRIBUTION"):
            parse_quotes([given])
    with pytest.raises(BadParameter, match="twice"):
        parse_quotes(["w=a", "w=b"])


@pytest.mark.parametrize("corpus", ["mimic", "mimic-generated"])
def test_a_restricted_collection_cannot_be_quoted(corpus: str) -> None:
    with pytest.raises(BadParameter, match="may not be shown"):
        parse_quotes([f"{corpus}=I may"])

"""The grammar of spellings: what it reads, what it refuses and where, and that it round-trips."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2t_bench.errors import BadSpelling
from v2t_bench.spelling import Spelling, compose, parse, parse_composition

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
# Text that is likely to be read as something else.
ODD = st.text(st.sampled_from(list(':,="+[]@\\ab 1.-\n\t\u00e9')), max_size=8) | st.text(max_size=8)


def spellings() -> st.SearchStrategy[Spelling]:
    """Return spellings with odd values, nested to any depth."""

    def around(inner: st.SearchStrategy[Spelling]) -> st.SearchStrategy[Spelling]:
        values = ODD | inner
        return st.builds(
            Spelling,
            NAMES,
            st.lists(values, max_size=3).map(tuple),
            st.dictionaries(KEYS, values, max_size=3),
            st.none() | ODD,
        )

    return st.recursive(st.builds(Spelling, NAMES), around, max_leaves=5)


@given(spellings())
def test_what_is_written_reads_back_as_itself(spelling: Spelling) -> None:
    assert parse(str(spelling)) == spelling


@given(spellings())
def test_what_is_written_is_written_the_same_again(spelling: Spelling) -> None:
    assert str(parse(str(spelling))) == str(spelling)


@given(st.lists(spellings(), min_size=1, max_size=4).map(tuple))
def test_a_composition_reads_back_as_itself(parts: tuple[Spelling, ...]) -> None:
    assert parse_composition(compose(parts)) == parts


@given(spellings())
def test_equal_spellings_are_one_key(spelling: Spelling) -> None:
    backwards = dict(reversed(list(spelling.named.items())))
    twin = Spelling(spelling.name, spelling.positional, backwards, spelling.revision)
    assert len({spelling, twin}) == 1


@given(st.text(max_size=20))
def test_any_text_is_refused_or_reads_as_what_it_is_written_as(text: str) -> None:
    with contextlib.suppress(BadSpelling):
        assert parse_composition(compose(parse_composition(text))) == parse_composition(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Spelling("none")),
        ("noise:0.01", Spelling("noise", ("0.01",))),
        ("noise:0.01,on=queries", Spelling("noise", ("0.01",), {"on": "queries"})),
        ("beir:/data/my set", Spelling("beir", ("/data/my set",))),
        ("beir:C:\\data", Spelling("beir", ("C:\\data",))),
        ('echo:"a, [b] \\"c\\" \\\\ +@="', Spelling("echo", ('a, [b] "c" \\ +@=',))),
        ('echo:""', Spelling("echo", ("",))),
        ('echo:" x "', Spelling("echo", (" x ",))),
        ("st:BAAI/bge-small-en@5c38ec7", Spelling("st", ("BAAI/bge-small-en",), {}, "5c38ec7")),
        ('st:m@"v 1"', Spelling("st", ("m",), {}, "v 1")),
        ("minilm@main", Spelling("minilm", (), {}, "main")),
        ("prior:[bow]", Spelling("prior", (Spelling("bow"),))),
        (
            "aligner:linear,target=minilm,inverter=[bow:a=9,b=4]",
            Spelling(
                "aligner",
                ("linear",),
                {"target": "minilm", "inverter": Spelling("bow", (), {"a": "9", "b": "4"})},
            ),
        ),
        ("a:[b:[c:1]]", Spelling("a", (Spelling("b", (Spelling("c", ("1",)),)),))),
        ("a:[b@1],k=2", Spelling("a", (Spelling("b", (), {}, "1"),), {"k": "2"})),
    ],
)  # fmt: skip
def test_reads(text: str, expected: Spelling) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "spaced", [" noise:1,on=both ", "noise: 1 , on= both", "noise :1, on=both", "noise:1,\non=both"]
)
def test_spaces_around_the_parts_mean_nothing(spaced: str) -> None:
    assert parse(spaced) == Spelling("noise", ("1",), {"on": "both"})


@pytest.mark.parametrize(
    "text", ["pca:128+noise:0.01", "pca:128 + noise:0.01", "pca:128+ noise:0.01"]
)
def test_plus_composes_left_to_right(text: str) -> None:
    assert parse_composition(text) == (Spelling("pca", ("128",)), Spelling("noise", ("0.01",)))


def test_only_compositions_may_hold_a_plus() -> None:
    with pytest.raises(BadSpelling, match="only defenses can be joined"):
        parse("bow+nearest")


def test_named_arguments_are_written_in_the_order_of_their_names() -> None:
    assert str(parse("vec2text:steps=20,beam=4")) == "vec2text:beam=4,steps=20"


def test_a_value_that_holds_syntax_is_written_in_quotes() -> None:
    assert str(Spelling("echo", ("a,b",), {"k": ""}, "1e+16")) == 'echo:"a,b",k=""@"1e+16"'


@pytest.mark.parametrize(
    ("text", "position", "expected", "found"),
    [
        ("", 1, "a component name", "the end"),
        ("9lives", 1, "a component name", "'9'"),
        ("noise:", 7, "a value", "the end"),
        ("noise:,1", 7, "a value", "','"),
        ("noise:on=", 10, "a value", "the end"),
        ("noise:on=both,1", 15, "key=value", "'1'"),
        ("noise 1", 7, "',', '@', '+' or the end", "'1'"),
        ("noise:1@", 9, "a revision", "the end"),
        ("noise+", 7, "a component name", "the end"),
        ("prior:[bow", 11, "']'", "the end"),
        ("prior:[]", 8, "a component name", "']'"),
        ("prior:[bow]x", 12, "the end", "'x'"),
        ('echo:"abc', 10, "a closing double quote", "the end"),
        ("a:b=c=d", 6, "the end", "'='"),
    ],
)
def test_an_error_says_where_it_is_and_what_was_expected(
    text: str, position: int, expected: str, found: str
) -> None:
    with pytest.raises(BadSpelling) as caught:
        parse(text)
    message = str(caught.value)
    assert f"at position {position}, found {found}" in message
    assert f"expected {expected}" in message or expected in message
    assert repr(text) in message


def test_a_key_given_twice_is_refused_by_name() -> None:
    with pytest.raises(BadSpelling, match="gives 'on' twice"):
        parse("noise:on=both,on=queries")


@pytest.mark.parametrize("name", ["", "a b", "9", "a:b", "é"])
def test_a_spelling_that_could_not_be_read_cannot_be_made(name: str) -> None:
    with pytest.raises(BadSpelling, match="is not a component name"):
        Spelling(name)


@pytest.mark.parametrize("key", ["", "a b", "9", "a=b", "a-b"])
def test_a_key_that_could_not_be_read_cannot_be_made(key: str) -> None:
    with pytest.raises(BadSpelling, match="is not a parameter's name"):
        Spelling("echo", (), {key: "1"})

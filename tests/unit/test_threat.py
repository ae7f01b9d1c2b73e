"""The oracle's count, and how threats are spelled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from v2t_bench.contracts import Embedder, Role, Vectors
from v2t_bench.errors import BadParameter, BadSpelling, BrokenPromise, UnknownComponent
from v2t_bench.threat import (
    Oracle,
    Threat,
    inadmissible,
    parse_threat,
    standard_threats,
    worst_threats,
)


def test_an_oracle_counts_every_text_of_every_question(oracle: Oracle) -> None:
    assert oracle.texts_asked == 0
    oracle.embed(["a", "b"])
    oracle.embed(["a"], "query")
    oracle.embed([])
    assert oracle.texts_asked == 3


def test_texts_that_are_kept_are_counted_as_any_others(embedder: Embedder) -> None:
    kept: list[str] = []

    def keep(texts: Sequence[str], role: Role) -> Vectors:
        kept.extend(texts)
        return embedder.embed(texts, role)

    oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim, keep=keep)
    oracle.embed(["a", "b"], keep=True)
    oracle.embed(["c"])
    assert (oracle.texts_asked, kept) == (3, ["a", "b"])


def test_an_oracle_answers_with_the_embedders_vectors(oracle: Oracle, embedder: Embedder) -> None:
    texts = ["a red door", "two maps"]
    np.testing.assert_array_equal(oracle.embed(texts), embedder.embed(texts, "document"))


def test_an_oracle_passes_the_role_on(embedder: Embedder) -> None:
    roles: list[Role] = []

    def answer(texts: Sequence[str], role: Role) -> Vectors:
        roles.append(role)
        return embedder.embed(texts, role)

    oracle = Oracle(answer, space=embedder.space, dim=embedder.dim)
    oracle.embed(["a"])
    oracle.embed(["a"], "query")
    assert roles == ["document", "query"]


def test_an_oracle_of_another_dimension_is_not_believed(embedder: Embedder) -> None:
    oracle = Oracle(embedder.embed, space=embedder.space, dim=63)
    with pytest.raises(BrokenPromise, match=r"the embedder returned shape \(1, 64\)"):
        oracle.embed(["a"])


@pytest.mark.parametrize("text", ["oblivious", "oblivious:oracle=clean"])
def test_the_oblivious_threat_asks_the_clean_embedder(text: str) -> None:
    assert parse_threat(text) == Threat("oblivious", "clean")


def test_a_threat_is_written_with_its_oracle_and_reads_back() -> None:
    assert str(Threat()) == "oblivious:oracle=clean"
    assert parse_threat(str(Threat())) == Threat()


def test_an_unknown_threat_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownComponent, match=r"no threat is called 'naive'.*oblivious"):
        parse_threat("naive")


@pytest.mark.parametrize(
    "text",
    ["oblivious:clean", "oblivious:pairs=3", "oblivious@1", "oblivious:oracle=[none]",
     "oblivious:oracle=open"],
)  # fmt: skip
def test_a_parameter_that_no_threat_takes_is_refused(text: str) -> None:
    with pytest.raises(BadSpelling, match="is not a threat"):
        parse_threat(text)


@pytest.mark.parametrize("text", [*standard_threats(), *worst_threats(),
                                  "oblivious:oracle=protected",
                                  "adaptive:align,pairs=8,oracle=protected"])  # fmt: skip
def test_every_threat_reads_back_as_it_is_written(text: str) -> None:
    threat = parse_threat(text)
    assert parse_threat(str(threat)) == threat
    assert threat.adaptive == text.startswith("adaptive")


def test_the_boards_use_these_numbers_of_pairs() -> None:
    pairs = [parse_threat(text).pairs for text in standard_threats()]
    assert [number for number in pairs if number is not None] == [0, 16, 128, 1024, 8192]


@pytest.mark.parametrize(
    "pairs",
    [
        "",
        ",pairs=",
        ",pairs=3",
        ",pairs=-1",
        ",pairs=1.5",
        ",pairs=\uff11\uff12\uff18",
        f",pairs={'9' * 5000}",
    ],
)
def test_a_number_of_pairs_that_is_none_or_too_small_is_refused(pairs: str) -> None:
    with pytest.raises((BadParameter, BadSpelling), match=r"pairs=P|expected"):
        parse_threat(f"adaptive:align{pairs}")


def test_a_key_cannot_be_imitated_but_through_the_owners_service() -> None:
    for name in ("denoise", "retrain"):
        clean, protected = (
            parse_threat(f"adaptive:{name}"),
            parse_threat(f"adaptive:{name},oracle=protected"),
        )
        assert "without the key" in inadmissible(clean, keyed=True)
        assert inadmissible(protected, keyed=True) == inadmissible(clean, keyed=False) == ""


def test_only_a_secret_is_aligned_without_pairs() -> None:
    unpaired = parse_threat("adaptive:align,pairs=0")
    assert "denoises" in inadmissible(unpaired, keyed=False)
    assert inadmissible(unpaired, keyed=True) == ""
    assert unpaired.needs_public_texts
    assert not parse_threat("adaptive:align,pairs=16").needs_public_texts

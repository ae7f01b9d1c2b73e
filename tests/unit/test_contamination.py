"""Hashes of runs of 13 words, and what of other texts is found by them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from v2t_bench.contamination import (
    FILE,
    ONE_IN,
    WORDS,
    Overlap,
    overlap,
    read_runs,
    sampled_runs,
    words,
    write_runs,
)
from v2t_bench.errors import BadInput, CorruptArtifact

TAIL = "one two three four five six seven eight nine ten eleven twelve"
# By coreutils: printf '%s' "w30 one two ... twelve" | b2sum -l 64; the first byte is the lowest.
KEPT = {30: "80ce5a990d5ed5c9", 36: "4066eb1d0410632d", 181: "0017821748ff5d06"}


def number(digest: str) -> int:
    return int.from_bytes(bytes.fromhex(digest), "little")


def prose(n: int, seed: int, length: int = 40) -> list[str]:
    """Return texts of words drawn at random: no two share a run."""
    draw = random.Random(seed)
    return [" ".join(f"{draw.randrange(10**6):06}" for _ in range(length)) for _ in range(n)]


def test_a_run_is_hashed_as_coreutils_hashes_it() -> None:
    kept = {n: sampled_runs(words(f"w{n} {TAIL}")) for n in range(1, 200)}
    found = {n: hashes for n, hashes in kept.items() if hashes}
    # All that b2sum gives a first byte divisible by 64 among the first 199.
    assert sorted(found) == [30, 36, 102, 137, 181]
    assert {n: found[n] for n in KEPT} == {n: {number(KEPT[n])} for n in KEPT}


def test_case_punctuation_and_space_make_no_odds_and_words_do() -> None:
    spelled = "W30 one, (two) three\tfour 'five' six -- Seven eight nine-ten eleven TWELVE!"
    assert sampled_runs(words(spelled)) == {number(KEPT[30])}
    assert words("Don't über_all\u2019s 3.5") == ["don", "t", "über_all", "s", "3", "5"]
    assert sampled_runs(words(spelled.replace("two", "to"))) == set()


def test_a_text_of_twelve_words_has_no_run() -> None:
    known = np.array([number(KEPT[30])], np.uint64)
    assert sampled_runs(words(TAIL)) == set()
    assert overlap([TAIL, "", f"w30 {TAIL}"], known) == Overlap(
        texts=3, long_enough=1, found_texts=1, looked_up=1, found=1
    )


def test_what_is_written_comes_back_sorted_and_once(tmp_path: Path) -> None:
    texts = [f"so w{n} {TAIL}" for n in (181, 30, 36, 30)]
    n = write_runs([*texts, *texts], tmp_path)
    hashes = read_runs(tmp_path)
    assert hashes.dtype == np.uint64
    assert len(hashes) == n
    assert hashes.tolist() == sorted(set(hashes.tolist()))
    assert {number(digest) for digest in KEPT.values()} <= set(hashes.tolist())
    before = (tmp_path / FILE).read_bytes()
    write_runs(texts[::-1], tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_one_run_in_sixty_four_is_kept(tmp_path: Path) -> None:
    n = write_runs(prose(1000, seed=1), tmp_path)
    # 28,000 different runs: 437.5 are expected, with a standard deviation of 20.7.
    assert 437.5 - 4 * 20.7 < n < 437.5 + 4 * 20.7
    assert (tmp_path / FILE).stat().st_size < 8 * n + 500


def test_the_share_that_is_found_is_near_the_true_one(tmp_path: Path) -> None:
    known, others = prose(300, seed=2), prose(900, seed=3)
    write_runs(known, tmp_path)
    found = overlap(known + others, read_runs(tmp_path))
    assert found.share is not None
    assert found.interval is not None
    assert found.interval[0] < 0.25 < found.interval[1]
    assert found.found == len(read_runs(tmp_path))
    # Of 28 runs none is among those kept with a chance of (63/64) ** 28, which is .643.
    assert 300 * 0.357 - 4 * 8.3 < found.found_texts < 300 * 0.357 + 4 * 8.3
    assert overlap(others, read_runs(tmp_path)).found == 0


def test_a_run_that_comes_twice_is_counted_once() -> None:
    known = np.array([number(KEPT[30])], np.uint64)
    found = overlap([f"w30 {TAIL}", f"w30 {TAIL}", f"w36 {TAIL}"], known)
    assert (found.found_texts, found.looked_up, found.found) == (2, 2, 1)
    assert found.share == 0.5


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    counted = Overlap(texts=9, long_enough=9, found_texts=0, looked_up=50, found=0)
    # Nothing found of n: by hand, from 0 to 1 - .025 ** (1 / n).
    assert counted.interval == pytest.approx((0, 1 - 0.025 ** (1 / 50)))
    every = replace(counted, found=50)
    assert every.interval == pytest.approx((0.025 ** (1 / 50), 1))
    nothing = replace(counted, looked_up=0)
    assert (nothing.share, nothing.interval) == (None, None)


def test_short_texts_leave_an_empty_list(tmp_path: Path) -> None:
    assert write_runs(["a red door", TAIL], tmp_path) == 0
    assert read_runs(tmp_path).shape == (0,)
    assert overlap([f"w30 {TAIL}"], read_runs(tmp_path)).found == 0


def test_the_file_says_how_it_was_made(tmp_path: Path) -> None:
    write_runs([f"w30 {TAIL}"], tmp_path)
    header = (tmp_path / FILE).read_bytes()[:400].decode("utf-8", "replace")
    assert f"every {WORDS} words in a row" in header
    assert f"divisible by {ONE_IN}" in header
    assert sorted(load_file(tmp_path / FILE)) == ["hashes"]


def test_a_checkpoint_without_hashes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no hashes.*--no-ngrams or before"):
        read_runs(tmp_path)


@pytest.mark.parametrize(
    "hashes",
    [
        np.array([64, 65], np.uint64),
        np.array([128, 64], np.uint64),
        np.array([64, 64], np.uint64),
        np.array([64, 128], np.int32),
        np.array([[64, 128]], np.uint64),
    ],
)
def test_hashes_that_are_none_are_refused(tmp_path: Path, hashes: np.ndarray) -> None:
    save_file({"hashes": hashes}, tmp_path / FILE)
    with pytest.raises(CorruptArtifact, match="ascending hashes"):
        read_runs(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write_runs([f"w30 {TAIL}"], tmp_path)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-3])
    with pytest.raises(CorruptArtifact, match="cannot be read"):
        read_runs(tmp_path)
    save_file({"others": np.array([64], np.uint64)}, tmp_path / FILE)
    with pytest.raises(CorruptArtifact, match="ascending hashes"):
        read_runs(tmp_path)

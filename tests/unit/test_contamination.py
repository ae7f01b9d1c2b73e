"""Hashes of a training text, and what of other texts is found by them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from v2t_bench.contamination import CONTAMINATED, Found, Overlap, found_in_training, overlap
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_bench.text_hashes import (
    FILE,
    TEXTS_FILE,
    WORDS,
    Hashes,
    read_hashes,
    sampled_runs,
    text_hash,
    words,
    write_hashes,
)

TAIL = "one two three four five six seven eight nine ten eleven twelve"
# By coreutils: printf '%s' "w30 one two ... twelve" | b2sum -l 64; the first byte is the lowest.
KEPT = {30: "80ce5a990d5ed5c9", 36: "4066eb1d0410632d", 181: "0017821748ff5d06"}
# Likewise; divisible by 8 and not by 64.
KEPT_TOO = {15: "30eb443bb368ddd4", 34: "50ee5bc722f4f2b9", 73: "58a6b115acea0213"}
RED_DOOR = "012e0e64ce4a2aaf"  # printf '%s' "a red door" | b2sum -l 64

# The header of the first files of runs, of which nothing else told how many are kept.
FIRST_RULE = (
    "the 64-bit BLAKE2b hashes that are divisible by 64, lowest byte first, of every 13 words in "
    "a row, found by \\w+ in lower case and joined by one space"
)


def number(digest: str) -> int:
    return int.from_bytes(bytes.fromhex(digest), "little")


def runs(*digests: str, one_in: int = 64) -> Hashes:
    return Hashes(runs=np.array([number(one) for one in digests], np.uint64), one_in=one_in)


def write_first(texts: list[str], folder: Path) -> None:
    """Write hashes as the first version did."""
    kept = set().union(*(sampled_runs(words(text), 64) for text in texts))
    hashes = np.array(sorted(kept), np.uint64)
    save_file({"hashes": hashes}, folder / FILE, metadata={"holds": FIRST_RULE})


def prose(n: int, seed: int, length: int = 40) -> list[str]:
    """Return texts of words drawn at random: no two share a run."""
    draw = random.Random(seed)
    return [" ".join(f"{draw.randrange(10**6):06}" for _ in range(length)) for _ in range(n)]


def test_a_run_is_hashed_as_coreutils_hashes_it() -> None:
    kept = {n: sampled_runs(words(f"w{n} {TAIL}"), 64) for n in range(1, 200)}
    found = {n: hashes for n, hashes in kept.items() if hashes}
    # All that b2sum gives a first byte divisible by 64 among the first 199; then by 8.
    assert sorted(found) == [30, 36, 102, 137, 181]
    assert {n: found[n] for n in KEPT} == {n: {number(KEPT[n])} for n in KEPT}
    kept = {n: sampled_runs(words(f"w{n} {TAIL}")) for n in range(1, 200)}
    found = {n: hashes for n, hashes in kept.items() if hashes}
    assert sorted(found) == [15, 30, 34, 36, 44, 49, 70, 73, 77, 97, 102, 123, 128, 137, 146, 160,
                             178, 181, 185, 187, 192, 194]  # fmt: skip
    both = KEPT | KEPT_TOO
    assert {n: found[n] for n in both} == {n: {number(both[n])} for n in both}
    assert text_hash(["a", "red", "door"]) == number(RED_DOOR)


def test_case_punctuation_and_space_make_no_odds_and_words_do() -> None:
    spelled = "W30 one, (two) three\tfour 'five' six -- Seven eight nine-ten eleven TWELVE!"
    assert sampled_runs(words(spelled)) == {number(KEPT[30])}
    assert words("Don't über_all\u2019s 3.5") == ["don", "t", "über_all", "s", "3", "5"]
    assert sampled_runs(words(spelled.replace("two", "to"))) == set()


def test_a_text_of_twelve_words_has_no_run() -> None:
    known = runs(KEPT[30])
    assert sampled_runs(words(TAIL)) == set()
    assert overlap([TAIL, "", f"w30 {TAIL}"], known) == Overlap(
        texts=3, long_enough=1, found_texts=1, looked_up=1, found=1
    )


def test_what_is_written_comes_back_sorted_and_once(tmp_path: Path) -> None:
    texts = [f"so w{n} {TAIL}" for n in (181, 30, 36, 30)]
    counts = write_hashes([*texts, *texts, "A red door.", "?!"], tmp_path)
    hashes = read_hashes(tmp_path)
    assert hashes.texts is not None
    assert hashes.one_in == 8
    assert hashes.runs.dtype == hashes.texts.dtype == np.uint64
    assert counts == {"ngrams": len(hashes.runs), "text_hashes": 4}
    for kept in (hashes.runs.tolist(), hashes.texts.tolist()):
        assert kept == sorted(set(kept))
    assert {number(digest) for digest in KEPT.values()} <= set(hashes.runs.tolist())
    assert number(RED_DOOR) in hashes.texts.tolist()
    before = [(tmp_path / name).read_bytes() for name in (FILE, TEXTS_FILE)]
    write_hashes(["a red door", *texts[::-1]], tmp_path)
    assert [(tmp_path / name).read_bytes() for name in (FILE, TEXTS_FILE)] == before


def test_nothing_is_written_unless_it_may_be_kept(tmp_path: Path) -> None:
    counts = write_hashes([f"w30 {TAIL}"], tmp_path, kept=False)
    assert counts == {"ngrams": None, "text_hashes": None}
    assert list(tmp_path.iterdir()) == []


def test_one_run_in_eight_and_every_text_is_kept(tmp_path: Path) -> None:
    counts = write_hashes(prose(1000, seed=1), tmp_path)
    # 28,000 different runs: 3,500 are expected, with a standard deviation of 55.3.
    assert counts["ngrams"] is not None
    assert 3500 - 4 * 55.3 < counts["ngrams"] < 3500 + 4 * 55.3
    assert (tmp_path / FILE).stat().st_size < 8 * counts["ngrams"] + 500
    assert counts["text_hashes"] == 1000
    assert (tmp_path / TEXTS_FILE).stat().st_size < 8 * 1000 + 500


def test_the_share_that_is_found_is_near_the_true_one(tmp_path: Path) -> None:
    known, others = prose(300, seed=2), prose(900, seed=3)
    write_first(known, tmp_path)
    found = overlap(known + others, read_hashes(tmp_path))
    assert found.share is not None
    assert found.interval is not None
    assert found.interval[0] < 0.25 < found.interval[1]
    assert found.found == len(read_hashes(tmp_path).runs)
    # Of 28 runs none is among those kept with a chance of (63/64) ** 28, which is .643.
    assert 300 * 0.357 - 4 * 8.3 < found.found_texts < 300 * 0.357 + 4 * 8.3
    assert found.whole_texts is None
    assert overlap(others, read_hashes(tmp_path)).found == 0


def test_a_copy_of_25_words_inside_another_text_is_found_four_times_in_five(
    tmp_path: Path,
) -> None:
    known = prose(1000, seed=4, length=25)
    write_hashes(known, tmp_path)
    found = overlap([f"as {text} said" for text in known], read_hashes(tmp_path))
    # 1 - (7/8) ** 13 is .824, and of 1000 the standard deviation is 12.1.
    assert 824 - 4 * 12.1 < found.found_texts < 824 + 4 * 12.1
    assert found.whole_texts == 0


def test_a_whole_text_is_found_however_short_it_is(tmp_path: Path) -> None:
    write_hashes(["A red door.", TAIL], tmp_path)
    found = overlap(["a RED door", "a red", "", "..."], read_hashes(tmp_path))
    assert (found.texts, found.found_texts, found.whole_texts, found.looked_up) == (4, 1, 1, 0)


def test_a_run_that_comes_twice_is_counted_once() -> None:
    known = runs(KEPT[30])
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


def test_short_texts_leave_no_runs(tmp_path: Path) -> None:
    assert write_hashes(["a red door", TAIL], tmp_path) == {"ngrams": 0, "text_hashes": 2}
    assert read_hashes(tmp_path).runs.shape == (0,)
    assert overlap([f"w30 {TAIL}"], read_hashes(tmp_path)).found == 0


def test_the_files_say_how_they_were_made(tmp_path: Path) -> None:
    write_hashes([f"w30 {TAIL}"], tmp_path)
    header = (tmp_path / FILE).read_bytes()[:400].decode("utf-8", "replace")
    assert f"every {WORDS} words in a row" in header
    assert "divisible by 8" in header
    assert b"of every text, its words" in (tmp_path / TEXTS_FILE).read_bytes()[:400]
    for name in (FILE, TEXTS_FILE):
        assert sorted(load_file(tmp_path / name)) == ["hashes"]


def test_a_file_that_keeps_one_run_in_64_is_looked_up_by_those(tmp_path: Path) -> None:
    texts = [f"w{n} {TAIL}" for n in (15, 30, 34, 36)]
    write_first(texts, tmp_path)
    hashes = read_hashes(tmp_path)
    assert (hashes.one_in, hashes.texts) == (64, None)
    # Those of w15 and w34 are not divisible by 64, so nothing is known of them.
    assert (overlap(texts, hashes).looked_up, overlap(texts, hashes).found) == (2, 2)
    assert found_in_training([tmp_path], texts) == Found(
        per_text={CONTAMINATED: [0.0, 1.0, 0.0, 1.0]},
        facts={"contamination_by": "runs", "contamination_one_in": 64},
    )


def test_attacked_texts_are_found_in_any_of_several_checkpoints(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
    write_hashes(["a red door"], first)
    write_hashes([f"so w15 {TAIL}"], second)
    attacked = ["A red door", f"w15 {TAIL}", "a blue door", f"w30 {TAIL}"]
    assert found_in_training([first, second], attacked) == Found(
        per_text={CONTAMINATED: [1.0, 1.0, 0.0, 0.0]},
        facts={"contamination_by": "texts and runs", "contamination_one_in": 8},
    )
    write_first([f"w30 {TAIL}"], third)
    assert found_in_training([first, second, third], attacked) == Found(
        per_text={CONTAMINATED: [1.0, 1.0, 0.0, 1.0]},
        facts={"contamination_by": "runs", "contamination_one_in": 64},
    )


def test_nothing_is_known_without_hashes_of_every_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    write_hashes(["a red door"], tmp_path / "with")
    assert found_in_training([], ["a red door"]) == Found()
    assert found_in_training([tmp_path / "with", tmp_path / "without"], ["a red door"]) == Found()


def test_a_checkpoint_without_hashes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no hashes.*--no-ngrams or before"):
        read_hashes(tmp_path)


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
        read_hashes(tmp_path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    for name in (FILE, TEXTS_FILE):
        write_hashes([f"w30 {TAIL}"], tmp_path)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-3])
        with pytest.raises(CorruptArtifact, match=rf"{name} cannot be read"):
            read_hashes(tmp_path)
        save_file({"others": np.array([64], np.uint64)}, tmp_path / name)
        with pytest.raises(CorruptArtifact, match=rf"{name} does not hold ascending hashes"):
            read_hashes(tmp_path)


@pytest.mark.parametrize(
    "rule",
    ["hashes", FIRST_RULE.replace("13", "9"), FIRST_RULE.replace("by 64", "by 0")],
)
def test_runs_that_were_chosen_in_another_way_are_refused(tmp_path: Path, rule: str) -> None:
    save_file({"hashes": np.array([64], np.uint64)}, tmp_path / FILE, metadata={"holds": rule})
    with pytest.raises(CorruptArtifact, match="this version cannot look up; expected what"):
        read_hashes(tmp_path)

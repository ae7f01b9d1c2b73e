"""Reading the texts an attack is trained on."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.training_text import read_every_text, read_texts

ROWS = b'{"text": "one two"}\n{"title": "A", "text": "three"}\n{"title": null, "text": "four"}\n'


def compress(ending: str, content: bytes) -> bytes:
    if ending == ".gz":
        return gzip.compress(content)
    return zstandard.compress(content) if ending == ".zst" else content


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Return what is said of a file that cannot be used, its folder left out."""

    def read(name: str, content: bytes) -> str:
        with pytest.raises(BadInput) as caught:
            read_texts(written(tmp_path, name, content))
        message = str(caught.value)
        assert "\n" not in message
        return message.replace(f"{tmp_path}/", "")

    return read


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_every_line_of_a_text_file_is_a_text(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path, f"t.txt{ending}", compress(ending, "one two\n café \n".encode()))
    assert read_texts(path).texts == ["one two", "café"]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_title_and_text_of_a_record_are_joined_by_a_space(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path, f"t.jsonl{ending}", compress(ending, ROWS))
    assert read_texts(path).texts == ["one two", "A three", "four"]


TITLED = [{"title": f"T{n}", "text": f"body {n}"} for n in range(200)]


def lines(records: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def test_titles_are_left_out_where_they_are_not_wanted(tmp_path: Path) -> None:
    path = written(tmp_path, "t.jsonl", ROWS)
    assert read_texts(path, titles="without").texts == ["one two", "three", "four"]


def test_half_of_the_records_lose_their_title_whatever_their_order(tmp_path: Path) -> None:
    there = read_texts(written(tmp_path, "a.jsonl", lines(TITLED)), titles="half").texts
    back = read_texts(written(tmp_path, "b.jsonl", lines(TITLED[::-1])), titles="half").texts
    titled = [text for text in there if text.startswith("T")]
    # 200 throws of a coin lie within five standard deviations.
    assert 65 < len(titled) < 135
    assert there == back[::-1]
    assert [text.split("body")[1] for text in there] == [f" {n}" for n in range(200)]


def test_blank_and_repeated_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read_texts(written(tmp_path, "t.txt", b"a\n\n \nb\na\na \n"))
    assert (found.texts, found.n_blank, found.n_duplicate) == (["a", "b"], 2, 2)


def test_blank_lines_and_blank_texts_of_records_are_counted(tmp_path: Path) -> None:
    found = read_texts(written(tmp_path, "t.jsonl", b'\n{"text": " "}\n{"text": "a"}\n'))
    assert (found.texts, found.n_blank) == (["a"], 2)


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_every_line_can_be_read_blank_and_repeated_ones_too(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path, f"t.txt{ending}", compress(ending, b"a\n\n a \nb"))
    assert read_every_text(path) == ["a", "", "a", "b"]
    rows = b'{"text": "a", "title": "T"}\n\n{"text": " "}\n'
    path = written(tmp_path, f"t.jsonl{ending}", compress(ending, rows))
    assert read_every_text(path) == ["T a", "", ""]


def test_a_limit_of_lines_reads_no_further(tmp_path: Path) -> None:
    assert read_every_text(written(tmp_path, "t.txt", b"\na\nb\n\xff\n"), limit=2) == ["", "a"]


def test_lines_that_are_all_blank_or_none_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "t.txt", b" \n\n")
    with pytest.raises(BadInput, match=r"holds no text \(2 blank lines\)"):
        read_every_text(path)
    with pytest.raises(BadParameter, match="limit=0"):
        read_every_text(path, limit=0)


def test_the_hash_is_of_the_texts_and_not_of_how_they_are_stored(tmp_path: Path) -> None:
    expected = hashlib.sha256(b"one\ntwo\n").hexdigest()
    plain = written(tmp_path, "a.txt", b"one\r\n\ntwo")
    rows = written(tmp_path, "b.jsonl.gz", gzip.compress(b'{"text": "one"}\n{"text": "two"}\n'))
    assert read_texts(plain).sha256 == read_texts(rows).sha256 == expected


def test_only_a_line_feed_ends_a_text(tmp_path: Path) -> None:
    path = written(tmp_path, "t.txt", "a\u2028b\x85c\x0cd\n".encode())
    assert read_texts(path).texts == ["a\u2028b\x85c\x0cd"]


def test_a_byte_order_mark_is_no_part_of_the_first_text(tmp_path: Path) -> None:
    assert read_texts(written(tmp_path, "t.txt", b"\xef\xbb\xbfone\n")).texts == ["one"]


def test_a_zstd_file_may_have_several_frames(tmp_path: Path) -> None:
    frames = zstandard.compress(b"one\nt") + zstandard.compress(b"wo\n")
    assert read_texts(written(tmp_path, "t.txt.zst", frames)).texts == ["one", "two"]


def test_a_limit_counts_usable_texts_and_reads_no_further(tmp_path: Path) -> None:
    path = written(tmp_path, "t.txt", b"a\n\na\nb\n\xff\n")
    assert read_texts(path, limit=2).texts == ["a", "b"]


def test_a_limit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="limit=0"):
        read_texts(written(tmp_path, "t.txt", b"a\n"), limit=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"fine\nb\xe9te\n", "t.txt:2: byte 2 of the line is not UTF-8"),
        ("t.txt", b"a\nb\0c\n", "t.txt:2: holds a NUL byte"),
        ("t.txt", b"\x89PNG\r\n\x1a\n", "t.txt:1: byte 1 of the line is not UTF-8"),
        ("t.txt", b"", "t.txt: holds no text (0 blank lines)"),
        ("t.txt", b"\n \n", "t.txt: holds no text (2 blank lines)"),
        ("t.txt.gz", b"", "t.txt.gz: holds no text (0 blank lines)"),
        ("t.jsonl", b'{"text": "a"}\n{"text": \n', "t.jsonl:2: malformed JSON"),
        ("t.jsonl", b'{"text": "a"}\n["b"]\n', "t.jsonl:2: holds a JSON list"),
        ("t.jsonl", b"[" * 100_000, "t.jsonl:1: malformed JSON"),
        ("t.jsonl", b'{"text": ' + b"1" * 5000 + b"}", "t.jsonl:1: malformed JSON"),
        (
            "t.jsonl",
            b'{"body": "a", "id": 1}\n',
            "t.jsonl:1: has no field 'text'; expected a string there (fields: 'body', 'id')",
        ),
        ("t.jsonl", b"\n{}\n", "t.jsonl:2: has no field 'text'"),
        ("t.jsonl", b'{"text": null}\n', "t.jsonl:1: field 'text' is a null"),
        ("t.jsonl", b'{"text": 5}\n', "t.jsonl:1: field 'text' is a number"),
        ("t.jsonl", b'{"text": true}\n', "t.jsonl:1: field 'text' is a boolean"),
        ("t.jsonl", b'{"text": "a", "title": []}\n', "t.jsonl:1: field 'title' is a list"),
        ("t.jsonl", b'{"text": "a\\ud800"}\n', "t.jsonl:1: field 'text' holds half of a surrogate"),
        ("t.txt.gz", b"plain\n", "t.txt.gz:1: the compressed stream is damaged"),
        ("t.txt.zst", b"plain\n", "t.txt.zst:1: the compressed stream is damaged"),
        ("t.csv", b"a\n", "t.csv: is of no known kind; expected a name that ends in .txt"),
        ("t", b"a\n", "t: is of no known kind"),
        ("t.txt.bak", b"a\n", "t.txt.bak: is of no known kind"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    refused: Callable[[str, bytes], str], name: str, content: bytes, message: str
) -> None:
    assert refused(name, content).startswith(message)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("lost", [1, 4, 200])
def test_a_truncated_file_is_refused_by_line(
    refused: Callable[[str, bytes], str], ending: str, lost: int
) -> None:
    lines = b"".join(hashlib.sha256(bytes([i])).hexdigest().encode() + b"\n" for i in range(100))
    message = refused(f"t.txt{ending}", compress(ending, lines)[:-lost])
    assert re.match(rf"t\.txt\{ending}:\d+: the compressed stream ends too early", message)


def test_a_damaged_gzip_file_is_refused_by_line(refused: Callable[[str, bytes], str]) -> None:
    damaged = bytearray(gzip.compress(b"one\ntwo\n"))
    damaged[-8] ^= 1  # the checksum
    assert re.match(
        r"t\.txt\.gz:\d+: the compressed stream is damaged", refused("t.txt.gz", bytes(damaged))
    )


def test_a_line_as_long_as_a_binary_file_is_refused(
    refused: Callable[[str, bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("v2t_bench.lines.MAX_LINE_BYTES", 10)
    assert refused("t.txt", b"a\n" + b"b" * 11).startswith("t.txt:2: the line is longer than 10")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"t\.txt: there is no such file"):
        read_texts(tmp_path / "t.txt")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").mkdir()
    with pytest.raises(BadInput, match=r"t\.txt: is a folder; expected a file"):
        read_texts(tmp_path / "t.txt")


@pytest.mark.data
def test_the_first_training_sentences_are_read_without_the_rest(shared_data: Path) -> None:
    found = read_texts(shared_data / "wiki" / "train_sentences.txt.zst", limit=1000)
    assert len(found.texts) == 1000
    assert all(6 <= len(text.split()) <= 32 for text in found.texts)

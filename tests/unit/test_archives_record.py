"""The record of what was unpacked, and what is found by comparing with it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from v2t_bench.corpora.archives import MANIFEST, damage, read_manifest, unpack
from v2t_bench.errors import CorruptArtifact

FILES = {"scifact/corpus.jsonl": "one\n", "scifact/qrels/test.tsv": "two\n"}


def write_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return path


def test_damage_is_told_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    files = {**FILES, "scifact/queries.jsonl": "three\n"}
    unpack(write_zip(tmp_path / "a.zip", files), folder, origin={})
    assert damage(folder) == []
    (folder / "corpus.jsonl").write_text("ONE\n")
    (folder / "queries.jsonl").write_text("longer than three\n")
    (folder / "qrels" / "test.tsv").unlink()
    assert sorted(damage(folder) or []) == [
        f"{folder / 'corpus.jsonl'}: has another sha256 than when it was unpacked",
        f"{folder / 'qrels' / 'test.tsv'}: is missing",
        f"{folder / 'queries.jsonl'}: has 18 bytes; expected 6",
    ]


def test_a_folder_that_nobody_recorded_cannot_be_verified(tmp_path: Path) -> None:
    assert damage(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"files": {}}',
        '{"files": {"../x": {"bytes": 1, "sha256": "0"}}}',
        '{"files": {"a\\ud800b": {"bytes": 1, "sha256": "0"}}}',
        '{"files": {"a\\nb": {"bytes": 1, "sha256": "0"}}}',
        "[" * 200_000,
    ],
    ids=range(8),
)
def test_a_damaged_record_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(CorruptArtifact, match=MANIFEST):
        read_manifest(tmp_path)


def test_a_record_that_is_no_file_is_told(tmp_path: Path) -> None:
    for target in (MANIFEST, "nothing", "."):
        folder = tmp_path / f"link to {target}"
        folder.mkdir()
        (folder / MANIFEST).symlink_to(target)
        with pytest.raises(CorruptArtifact, match=MANIFEST):
            damage(folder)


def test_a_name_that_no_file_can_have_is_damage_like_any_other(tmp_path: Path) -> None:
    unpack(write_zip(tmp_path / "a.zip", FILES), tmp_path / "here", origin={})
    path = tmp_path / "here" / MANIFEST
    manifest = json.loads(path.read_text())
    told = {"x" * 5000: {"bytes": 1, "sha256": "0"}}
    manifest["files"] = {**told, **manifest["files"], "gone": told["x" * 5000]}
    path.write_text(json.dumps(manifest))
    too_long, gone = damage(tmp_path / "here") or []
    assert "cannot be read (File name too long)" in too_long
    assert len(too_long) < 400
    assert gone == f"{tmp_path / 'here' / 'gone'}: is missing"

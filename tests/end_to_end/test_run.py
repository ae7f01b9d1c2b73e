"""``v2t-bench run`` on a small folder: rows, floors, resume, isolation."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from end_to_end.commands import Invoke
from ladder import LADDER
from v2t_bench.contracts import Embedder, Role, Vectors
from v2t_bench.leaderboard.rows import COLUMNS

GOLDEN = Path(__file__).parents[1] / "golden"


def grid(beir_folder: Path, out: Path, *more: object) -> list[object]:
    return ["run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device", "cpu",
            "--attack", "bow", "--defense", "noise:0.1", "-o", out, *more]  # fmt: skip


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "leaderboard.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.usefixtures("trained")
class TestAFinishedRun:
    def test_has_every_column_of_the_design_in_order(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        assert invoke(*grid(beir_folder, tmp_path)).status == 0
        header = (tmp_path / "leaderboard.csv").read_text().splitlines()[0]
        assert header.split(",") == list(COLUMNS)

    def test_has_undefended_rows_and_floors_that_nobody_asked_for(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        invoke(*grid(beir_folder, tmp_path))
        found = {(row["defense"].partition(":")[0], row["attack"].partition(":")[0])
                 for row in rows_of(tmp_path)}  # fmt: skip
        assert found == {
            ("none", "silent"), ("none", "nearest"), ("none", "prior"), ("none", "bow"),
            ("noise", "nearest"), ("noise", "bow"),
        }  # fmt: skip

    def test_joins_each_row_with_the_utility_of_its_defense(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        invoke(*grid(beir_folder, tmp_path))
        ndcg = {row["defense"]: {r["ndcg_at_10"] for r in rows_of(tmp_path)
                                 if r["defense"] == row["defense"]}
                for row in rows_of(tmp_path)}  # fmt: skip
        assert all(len(values) == 1 for values in ndcg.values())
        for row in rows_of(tmp_path):
            kept = float(row["ndcg_at_10"]) / float(next(iter(ndcg["none"])))
            assert float(row["ndcg_kept"]) == pytest.approx(kept, abs=1e-5)

    def test_scores_silence_as_zero(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        invoke(*grid(beir_folder, tmp_path))
        silent = next(row for row in rows_of(tmp_path) if row["attack"] == "silent")
        assert [silent[c] for c in ("bleu", "token_f1", "exact", "oracle_texts")] == [
            "0.000000", "0.000000", "0.000000", "0",
        ]  # fmt: skip

    def test_finds_undefended_texts_again_and_fewer_behind_noise(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        invoke(*grid(beir_folder, tmp_path, "--defense", "noise:1"))
        found = {row["defense"]: float(row["reid_top1"]) for row in rows_of(tmp_path)}
        assert found["none"] == 1
        assert found["noise:on=both,sigma=1"] < 0.5

    def test_infers_the_labels_that_documents_carry(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "labelled"
        shutil.copytree(beir_folder, folder)
        records = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
        for number, record in enumerate(records):
            kind = "bees" if number % 2 else "ships"
            # The text is cut at 32 tokens: the words that tell stand first.
            record |= {"title": f"{kind} {kind} {kind}", "metadata": {"label": kind}}
        lines = [json.dumps(record) for record in records]
        (folder / "corpus.jsonl").write_text("\n".join(lines))
        invoke(*grid(folder, tmp_path))
        rows = {row["attack"].partition(":")[0]: row for row in rows_of(tmp_path)
                if row["defense"] == "none"}  # fmt: skip
        assert float(rows["bow"]["label_from_vector"]) > 0.9
        assert {float(row["label_by_majority"]) for row in rows.values()} < {0.5, 0.4, 0.45, 0.55}
        assert rows["silent"]["label_from_text"] == rows["silent"]["label_by_majority"]
        before = (tmp_path / "leaderboard.csv").read_bytes()
        assert "0 changed" in invoke("score", tmp_path).err
        assert (tmp_path / "leaderboard.csv").read_bytes() == before

    def test_has_a_control_that_was_given_other_texts_vectors(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        assert invoke(*grid(beir_folder, tmp_path, "--attack", "shuffled:[bow]")).status == 0
        rows = {row["attack"].partition(":")[0]: row for row in rows_of(tmp_path)
                if row["defense"] == "none"}  # fmt: skip
        own, others = (float(rows[name]["token_f1"]) for name in ("bow", "shuffled"))
        assert own > others

    def test_is_not_run_again(self, invoke: Invoke, beir_folder: Path, tmp_path: Path) -> None:
        first = invoke(*grid(beir_folder, tmp_path))
        before = (tmp_path / "leaderboard.csv").read_bytes()
        second = invoke(*grid(beir_folder, tmp_path))
        assert first.out == second.out
        assert "8 stored" in second.err
        assert (tmp_path / "leaderboard.csv").read_bytes() == before

    def test_scores_the_same_without_a_model(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        invoke(*grid(beir_folder, tmp_path))
        before = (tmp_path / "leaderboard.csv").read_bytes()
        scored = invoke("score", tmp_path)
        assert scored.status == 0
        assert "8 cells scored, 0 changed" in scored.err
        assert (tmp_path / "leaderboard.csv").read_bytes() == before

    def test_scores_again_what_was_tampered_with(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        invoke(*grid(beir_folder, tmp_path))
        before = (tmp_path / "leaderboard.csv").read_bytes()
        path = next(p for p in sorted(tmp_path.glob("cells/*/result.json"))
                    if json.loads(p.read_text())["kind"] == "leakage")  # fmt: skip
        result = json.loads(path.read_text())
        result["scores"]["bleu"]["value"] = 99.0
        path.write_text(json.dumps(result))
        assert "1 changed" in invoke("score", tmp_path).err
        assert (tmp_path / "leaderboard.csv").read_bytes() == before

    def test_prints_rows_as_json(self, invoke: Invoke, beir_folder: Path, tmp_path: Path) -> None:
        rows = json.loads(invoke(*grid(beir_folder, tmp_path, "--json")).out)
        assert {row["cell_id"] for row in rows} == {row["cell_id"] for row in rows_of(tmp_path)}

    def test_takes_its_options_from_a_grid_file(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        config = tmp_path / "grid.toml"
        config.write_text(
            f'dataset = "beir:{beir_folder}"\nembedder = "hashed"\nattack = ["bow"]\n'
            f'defense = "noise:0.1"\ndevice = "cpu"\noutput = "{tmp_path / "a"}"\n'
        )
        from_file = invoke("run", "--config", config)
        from_flags = invoke(*grid(beir_folder, tmp_path / "b"))
        assert from_file.status == 0
        assert from_file.out == from_flags.out

    def test_marks_rows_of_a_shortened_sample_unofficial(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        invoke(*grid(beir_folder, tmp_path, "--limit", 5))
        assert all("unofficial" in row["flags"] for row in rows_of(tmp_path))
        assert {row["n_texts"] for row in rows_of(tmp_path)} == {"5"}

    def test_dry_run_counts_and_writes_nothing(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        done = invoke(*grid(beir_folder, tmp_path / "new", "--dry-run"))
        assert done.status == 0
        assert "8 cells, 0 stored, 8 to run" in done.out
        assert not (tmp_path / "new").exists()

    def test_works_on_whole_documents_in_pieces(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        done = invoke(*grid(beir_folder, tmp_path, "--track", "chunks", "--max-tokens", 32))
        assert done.status == 0
        assert {row["track"] for row in rows_of(tmp_path)} == {"chunks"}


@pytest.mark.usefixtures("trained")
def test_a_cell_damaged_on_disk_is_run_again(
    invoke: Invoke, beir_folder: Path, tmp_path: Path
) -> None:
    invoke(*grid(beir_folder, tmp_path))
    before = (tmp_path / "leaderboard.csv").read_bytes()
    samples = sorted(tmp_path.glob("cells/*/samples.parquet"))[0]
    samples.write_bytes(samples.read_bytes()[:100])
    done = invoke(*grid(beir_folder, tmp_path))
    assert done.status == 0
    assert "changed after it was written" in done.err
    assert (tmp_path / "leaderboard.csv").read_bytes() == before


@pytest.mark.usefixtures("trained")
def test_of_two_fitting_checkpoints_the_named_one_is_used_and_is_the_floor(
    invoke: Invoke, beir_folder: Path, tmp_path: Path, cache: Path
) -> None:
    source = next((cache / "checkpoints").glob("nearest-*"))
    for name in ("a", "b"):
        shutil.copytree(source, tmp_path / "ck" / name)
    words: list[object] = ["run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed"]
    words += ["--cache", tmp_path / "cache", "--checkpoints", tmp_path / "ck", "-o", tmp_path / "r"]
    refused = invoke(*words, "--attack", "nearest")
    assert refused.status == 2
    assert "several checkpoints of nearest fit" in refused.err
    assert invoke(*words, "--attack", f"nearest:checkpoint={tmp_path / 'ck' / 'a'}").status == 0
    assert {row["attack"].partition("@")[0] for row in rows_of(tmp_path / "r")} == {
        "silent", 'nearest:checkpoint="a',
    }  # fmt: skip


@pytest.mark.usefixtures("trained", "plugin")
class TestAFastOracle:
    @pytest.fixture
    def words(self, beir_folder: Path, tmp_path: Path) -> list[object]:
        return [*grid(beir_folder, tmp_path, "--attack", "ladder"), "--limit", 3]

    def test_makes_cells_of_their_own_and_embeds_nothing_but_questions_in_bfloat16(
        self, invoke: Invoke, words: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert invoke(*words).status == 0
        exact = {row["cell_id"]: row for row in rows_of(tmp_path)}
        asked: list[str] = []

        def noted(embedder: Embedder, texts: Sequence[str], role: Role) -> Vectors:
            asked.extend(texts)
            return embedder.embed(texts, role)

        monkeypatch.setattr("v2t_bench.vectors.embed_fast", noted)
        monkeypatch.setattr("v2t_bench.environment.has_fast_bfloat16", lambda device: True)
        done = invoke(*words, "--fast-oracle")
        assert done.status == 0, done.err
        assert "no effect" not in done.err
        assert asked == list(LADDER) * 6
        # The utility of two defenses; no leakage.
        assert "2 stored" in done.err
        fast = [row for row in rows_of(tmp_path) if row["cell_id"] not in exact]
        assert len(fast) == len(exact)
        flagged = {row["attack"] for row in fast if "fast-oracle" in row["flags"].split()}
        assert flagged == {"ladder:steps=3"}
        assert not any("fast-oracle" in row["flags"] for row in exact.values())
        released = json.loads((GOLDEN / "result-v1.json").read_text())["identity"]
        for rows, added in ((exact.values(), {}), (fast, {"oracle_arithmetic": "bfloat16"})):
            for row in rows:
                stored = tmp_path / "cells" / row["cell_id"] / "result.json"
                identity = json.loads(stored.read_text())["identity"]
                assert {key: identity[key] for key in identity.keys() - released.keys()} == added
                assert released.keys() <= identity.keys()

    def test_has_no_effect_where_bfloat16_is_not_faster_and_says_so_in_a_line(
        self, invoke: Invoke, words: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert invoke(*words).status == 0
        before = rows_of(tmp_path)
        monkeypatch.setattr("v2t_bench.environment.has_fast_bfloat16", lambda device: False)
        done = invoke(*words, "--fast-oracle")
        assert done.err.count("--fast-oracle has no effect: cpu is not faster in bfloat16\n") == 1
        assert f"{len(before) + 2} stored" in done.err
        assert rows_of(tmp_path) == before

    def test_answers_what_invert_asks_and_is_told_in_its_json(
        self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ("invert", "a red door", "--attack", "ladder", "--embedder", "hashed", "--device",
                 "cpu", "--json")  # fmt: skip
        monkeypatch.setattr("v2t_bench.environment.has_fast_bfloat16", lambda device: True)
        assert "fast_oracle" not in json.loads(invoke(*words).out)
        assert json.loads(invoke(*words, "--fast-oracle").out)["fast_oracle"] is True


@pytest.mark.usefixtures("trained", "plugin")
class TestTraces:
    def test_are_stored_where_they_are_asked_for_and_kept_when_rescored(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        asked = ("run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device",
                 "cpu", "--attack", "ladder", "--limit", 3, "--keep-text", "--trace",
                 "-o", out)  # fmt: skip
        done = invoke(*asked)
        assert done.status == 0, done.err
        (path,) = out.glob("cells/*/traces.parquet")
        traced = pq.read_table(path)
        assert traced["step"].to_pylist() == [0, 1, 2, 3] * 3
        assert traced["guess"].to_pylist() == list(LADDER) * 3
        samples = pq.read_table(path.parent / "samples.parquet")
        assert list(dict.fromkeys(traced["id"].to_pylist())) == samples["id"].to_pylist()
        stored = path.parent / "result.json"
        changed = json.loads(stored.read_text())
        changed["scores"]["bleu"]["value"] = 99.0
        stored.write_text(json.dumps(changed))
        assert invoke("score", out).status == 0
        assert pq.read_table(path) == traced

    def test_of_texts_that_may_not_be_passed_on_hold_no_guess(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        done = invoke("run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device",
                      "cpu", "--attack", "ladder", "--limit", 3, "--trace", "-o", out)  # fmt: skip
        assert done.status == 0, done.err
        (path,) = out.glob("cells/*/traces.parquet")
        assert pq.read_table(path).column_names == ["id", "step", "cosine"]

"""The inverters of MiniLM as they are shipped: whole, of the right texts, and worth running."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from end_to_end.commands import ROOT, Invoke
from v2t_bench.canonical import hash_texts
from v2t_bench.checkpoints import read_checkpoint, read_record
from v2t_bench.contracts import BuildContext, Embedder
from v2t_bench.corpora.demo import demo_training_texts
from v2t_bench.registry import Registry
from v2t_bench.scoring.overlap import token_f1_per_text
from v2t_bench.spelling import parse
from v2t_bench.vectors import oracle_of
from v2t_plugins.attacks.vec2text.networks import Networks

WEIGHTS = ROOT / "plugins" / "v2t-minilm-inverters" / "v2t_minilm_inverters" / "weights"
NAMES = ("minilm-demo", "minilm-wiki-32")
# Written for this test.
TEXTS = (
    "The river flows north through three provinces before it reaches the sea.",
    "She studied medicine in Vienna and became a professor in 1932.",
    "The album was released in March and reached number four on the charts.",
    "Most species of this family live in tropical forests of South America.",
    "The battle ended with the retreat of the imperial army.",
    "He was elected to parliament as a member of the Labour party.",
    "The station was closed after the railway line had been electrified.",
    "Iron is smelted in blast furnaces with coke and limestone.",
    "The church was rebuilt in the gothic style in the fifteenth century.",
    "The team won the championship twice under its new coach.",
)


@pytest.fixture(scope="module")
def minilm(registry: Registry, context: BuildContext) -> Embedder:
    built: Embedder = registry.build("embedders", parse("minilm"), context)
    return built


def test_are_two_of_which_every_file_is_as_it_was_trained() -> None:
    assert tuple(sorted(path.name for path in WEIGHTS.iterdir())) == NAMES
    for name in NAMES:
        record = read_record(WEIGHTS / name)
        lying = {path.name for path in (WEIGHTS / name).iterdir()}
        assert lying == {*record.files, "checkpoint.json", "README.md"}


@pytest.mark.parametrize("name", NAMES)
def test_invert_the_default_embedder_on_clean_vectors(name: str, minilm: Embedder) -> None:
    checkpoint = read_checkpoint(WEIGHTS / name)
    assert (checkpoint.attack, checkpoint.space) == ("vec2text", minilm.space)
    assert checkpoint.defense == ""
    assert checkpoint.serves(32)


def test_the_one_of_the_demo_learned_the_present_demo_texts() -> None:
    checkpoint = read_checkpoint(WEIGHTS / "minilm-demo")
    assert checkpoint.trained_on == "demo"
    assert checkpoint.texts_sha256 == hash_texts(demo_training_texts())


def test_the_one_of_wikipedia_serves_short_texts_and_says_where_its_texts_are_from() -> None:
    record = read_record(WEIGHTS / "minilm-wiki-32")
    assert (record.min_tokens, record.max_tokens) == (4, 32)
    assert record.text_licence == "CC BY-SA 3.0"
    assert "Wikipedia" in record.text_source
    assert "ngrams.safetensors" in record.files


@pytest.mark.parametrize(
    "text", ["naïve Ærøskøbing", "北京市 Москва", "🦆 x²≤y", "a\\b{c}|~`^", "MiXeD CaSe"]
)
def test_can_spell_any_string(text: str) -> None:
    assert Networks.load(WEIGHTS / "minilm-wiki-32").draft(text).text == text


def test_the_one_of_wikipedia_reads_far_more_than_it_knows_without_the_vector(
    minilm: Embedder,
) -> None:
    networks = Networks.load(WEIGHTS / "minilm-wiki-32")
    vectors = minilm.embed(TEXTS, "document")
    guesses = networks.first_guesses(vectors)
    unlike = networks.first_guesses(np.roll(vectors, 1, axis=0))
    found = token_f1_per_text(TEXTS, guesses).mean()
    assert found > token_f1_per_text(TEXTS, unlike).mean() + 0.1
    oracle = oracle_of(minilm)
    own = (oracle.embed(guesses) * vectors).sum(axis=1)
    other = (oracle.embed(unlike) * vectors).sum(axis=1)
    assert own.mean() > other.mean() + 0.2


def test_the_first_run_trains_no_inverter(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("run", "--attack", "vec2text", "--dry-run", "-o", tmp_path / "out")
    assert done.status == 0, done.err
    assert "minilm-demo@" in done.out + done.err
    assert "to train: vec2text" not in done.out

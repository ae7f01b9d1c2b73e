"""Static vectors: a folder read, and a model distilled."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from static_folder import random_rows, write_static_folder
from v2t_bench.contracts import BuildContext
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact
from v2t_bench.registry import Registry
from v2t_plugins.embedders import static as module
from v2t_plugins.embedders.distilling import principal_components, sif_weights, token_vectors
from v2t_plugins.embedders.sentence_transformer import from_folder
from v2t_plugins.embedders.static import static
from v2t_plugins.embedders.whole_tokenizer import whole_tokenizer

WORDS = ["fox", "hare", "runs"]
# Two rows for four tokens: unknown and fox share the first, hare and runs the second.
SHARED: dict[str, NDArray[Any]] = {
    "embeddings": np.array([[3, 0], [0, 4]], dtype=np.float32),
    "mapping": np.array([0, 0, 1, 1], dtype=np.int32),
    "weights": np.array([9, 1, 0.5, 2], dtype=np.float64),
}


# A folder.
def test_a_text_is_the_mean_of_its_weighted_token_vectors(
    context: BuildContext, tmp_path: Path
) -> None:
    folder = write_static_folder(tmp_path / "m", WORDS, SHARED, normalize=False)
    embedder = static(str(folder), context=context)
    # Weighted, fox is (3, 0), hare is (0, 2) and runs is (0, 8).
    np.testing.assert_allclose(
        embedder.embed(["fox", "Fox hare", "hare runs runs"], "query"),
        np.array([[3, 0], [1.5, 1], [0, 6]]),
    )


def test_unknown_words_are_left_out_of_the_mean(context: BuildContext, tmp_path: Path) -> None:
    folder = write_static_folder(tmp_path / "m", WORDS, SHARED, normalize=False)
    embedder = static(str(folder), context=context)
    np.testing.assert_allclose(embedder.embed(["the fox of yore"], "document"), [[3, 0]])


def test_vectors_have_length_one_where_the_folder_says_so(
    context: BuildContext, tmp_path: Path
) -> None:
    embedder = static(str(write_static_folder(tmp_path / "m", WORDS, SHARED)), context=context)
    np.testing.assert_allclose(
        embedder.embed(["fox fox hare", "nothing known", ""], "document"),
        [[6 / 40**0.5, 2 / 40**0.5], [0.5**0.5, 0.5**0.5], [0.5**0.5, 0.5**0.5]],
        rtol=1e-6,
    )


def test_a_folder_without_shared_vectors_has_one_row_a_token(
    context: BuildContext, tmp_path: Path
) -> None:
    rows = random_rows(4, 5)
    folder = write_static_folder(tmp_path / "m", WORDS, {"embeddings": rows}, normalize=False)
    embedder = static(str(folder), context=context)
    np.testing.assert_allclose(embedder.embed(["hare"], "document"), rows[2:3])


@pytest.mark.parametrize(("config", "read"), [({}, 512), ({"max_length": 7}, 7)])
def test_a_text_is_read_as_far_as_model2vec_reads_it(
    config: dict[str, Any], read: int, context: BuildContext, tmp_path: Path
) -> None:
    folder = write_static_folder(tmp_path / "m", WORDS, SHARED, normalize=False, **config)
    embedder = static(str(folder), context=context)
    assert embedder.space.max_tokens == read
    vector = embedder.embed(["fox " * read + "runs " * read], "document")
    np.testing.assert_allclose(vector, [[3, 0]], rtol=1e-6)


def test_other_vectors_or_another_tokenizer_are_another_space(
    context: BuildContext, tmp_path: Path
) -> None:
    rows = random_rows(4, 5)
    folders = [
        write_static_folder(tmp_path / "a", WORDS, {"embeddings": rows}),
        write_static_folder(tmp_path / "b", WORDS, {"embeddings": rows + 1}),
        write_static_folder(tmp_path / "c", WORDS[::-1], {"embeddings": rows}),
    ]
    assert len({static(str(folder), context=context).space for folder in folders}) == 3


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"rows": random_rows(4, 5)}, r"no tensor 'embeddings'.*tensors: rows"),
        ({"embeddings": random_rows(3, 5)}, "tokenizer of 4 tokens, vectors for 3"),
        (SHARED | {"weights": np.ones(3)}, "weights for 3"),
        (SHARED | {"mapping": np.array([0, 0, 1, 2])}, "row 2 of 2"),
        ({"embeddings": np.full((4, 2), np.nan, np.float32)}, "NaN"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tensors: dict[str, NDArray[Any]], said: str, context: BuildContext, tmp_path: Path
) -> None:
    folder = write_static_folder(tmp_path / "m", WORDS, tensors)
    with pytest.raises(BadInput, match=said):
        static(str(folder), context=context)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(name: str, context: BuildContext, tmp_path: Path) -> None:
    folder = write_static_folder(tmp_path / "m", WORDS, SHARED)
    (folder / name).unlink()
    with pytest.raises(BadInput, match=f"holds no {name}"):
        static(str(folder), context=context)


def test_truncated_weights_are_a_corrupt_artifact(context: BuildContext, tmp_path: Path) -> None:
    folder = write_static_folder(tmp_path / "m", WORDS, SHARED)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(CorruptArtifact, match="damaged"):
        static(str(folder), context=context)


def test_a_folder_is_not_given_dimensions(context: BuildContext, tmp_path: Path) -> None:
    folder = write_static_folder(tmp_path / "m", WORDS, SHARED)
    with pytest.raises(BadParameter, match="leave dim=2 out"):
        static(str(folder), context=context, dim=2)


# Distilling.
def test_a_token_alone_has_the_vector_that_the_model_gives_it_as_a_text(
    tiny_model: Path, context: BuildContext
) -> None:
    teacher = from_folder(tiny_model, context=context)
    tokenizer = whole_tokenizer(teacher.model.tokenizer, who="tiny")
    letters = ["a", "Q", "7"]
    tokens = [tokenizer.token_to_id(letter) for letter in letters]
    np.testing.assert_allclose(
        token_vectors(teacher, tokenizer, tokens), teacher.embed(letters, "document"), atol=1e-6
    )


def test_principal_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    vectors = (random_rows(50, 8) * np.arange(1, 9) + 3).astype(np.float32)
    ours, theirs = principal_components(vectors, 3), PCA(3).fit_transform(vectors)
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, atol=1e-4)


def test_the_weights_are_those_of_model2vec() -> None:
    # The first of the weights that model2vec 0.10.0 stored for a vocabulary of 29,524 tokens.
    np.testing.assert_allclose(sif_weights(29524)[:3], [0.00197016, 0.00295233, 0.00393256], 1e-5)


def test_distilled_vectors_know_which_letters_a_text_has(
    tiny_model: Path, context: BuildContext
) -> None:
    embedder = static(str(tiny_model), context=context, dim=8)
    one, same, other = embedder.embed(["a b c a", "c a b a", "X Y Z Z"], "document")
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert one @ other < 0.9
    assert embedder.dim == 8


def test_the_space_of_distilled_vectors_names_their_model(
    tiny_model: Path, context: BuildContext
) -> None:
    teacher = from_folder(tiny_model, context=context)
    space = static(str(tiny_model), context=context, dim=8).space
    assert f"of {teacher.space.weights}" in space.weights
    assert space != static(str(tiny_model), context=context, dim=7).space


def test_what_was_distilled_is_read_from_the_cache_folder(
    tiny_model: Path, context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = replace(context, cache=tmp_path)
    first = static(str(tiny_model), context=keeping, dim=4).embed(["a fox"], "document")

    def again(*args: Any, **settings: Any) -> None:
        raise AssertionError("distilled twice")

    monkeypatch.setattr(module, "distill", again)
    second = static(str(tiny_model), context=keeping, dim=4).embed(["a fox"], "document")
    np.testing.assert_array_equal(first, second)
    with pytest.raises(AssertionError, match="twice"):
        static(str(tiny_model), context=keeping, dim=5)


@pytest.mark.parametrize(("dim", "said"), [(0, "at least 1"), (33, "at most 32")])
def test_dimensions_that_cannot_be_are_refused(
    dim: int, said: str, tiny_model: Path, context: BuildContext
) -> None:
    with pytest.raises(BadParameter, match=said):
        static(str(tiny_model), context=context, dim=dim)


def test_what_is_no_transformer_cannot_be_distilled(context: BuildContext, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    source = write_static_folder(tmp_path / "m", WORDS, SHARED)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    words = StaticEmbedding(tokenizer, embedding_weights=random_rows(4, 5))
    SentenceTransformer(modules=[words], device="cpu").save(str(tmp_path / "st"))
    shutil.rmtree(source)
    with pytest.raises(BadInput, match="no transformer"):
        static(str(tmp_path / "st"), context=context, dim=2)


def test_info_says_that_minilm_and_what_is_distilled_from_it_are_one_family() -> None:
    from click.testing import CliRunner

    from v2t_bench.cli.info_verb import command

    told = CliRunner().invoke(command, ["embedders", "static"])
    assert told.exit_code == 0
    assert "same_family" in told.output


def test_the_command_line_offers_its_cache_folder(registry: Registry, tmp_path: Path) -> None:
    from v2t_bench.cli.options import make_context

    machine: dict[str, Any] = {"device": "cpu", "batch_size": None, "offline": True}
    made = make_context(registry, **machine, trust_remote_code=(), cache_dir=tmp_path)
    assert made.cache == tmp_path

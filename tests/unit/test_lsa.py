"""Latent semantic analysis, fitted on a file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from v2t_bench.contracts import BuildContext
from v2t_bench.errors import BadInput, BadParameter
from v2t_plugins.embedders.lsa import lsa, tokens_of

# "ship" and "boat" never meet, and share their company.
CORPUS = [
    "a ship sails the ocean",
    "a boat sails the ocean",
    "the ship crosses the ocean",
    "the boat crosses the ocean",
    "my wood burns in the oven",
    "dry wood burns in an oven",
    "trees give wood for ovens",
    "green trees give no dry wood",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(CORPUS), encoding="utf-8")
    return path


def test_vectors_are_those_of_scikit_learn(file: Path, context: BuildContext) -> None:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Lower-case words of the corpus have no mark, so scikit-learn's own words will do.
    counts = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")
    svd = TruncatedSVD(3, random_state=0)
    expected = svd.fit_transform(counts.fit_transform(CORPUS))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    vectors = lsa(file, context=context, dim=3).embed(CORPUS, "document")
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_words_with_common_company_are_close_though_they_never_meet(
    file: Path, context: BuildContext
) -> None:
    ship, boat, oven = lsa(file, context=context, dim=3).embed(["Ship", "boat", "oven"], "query")
    assert ship @ boat > 0.9
    assert ship @ oven < 0.5


def test_a_text_of_unknown_words_has_a_vector_of_length_one(
    file: Path, context: BuildContext
) -> None:
    vectors = lsa(file, context=context, dim=4).embed(["unheard", ""], "document")
    np.testing.assert_allclose(vectors, np.full((2, 4), 0.5))


def test_the_vocabulary_is_the_most_frequent_words(file: Path, context: BuildContext) -> None:
    embedder = lsa(file, context=context, dim=2, words=2)
    rare, empty = embedder.embed(["green", ""], "document")
    np.testing.assert_array_equal(rare, empty)


def test_words_and_marks_are_tokens() -> None:
    assert tokens_of("Ann's a_b, 5.20") == ["ann", "'", "s", "a", "_", "b", ",", "5", ".", "20"]


def test_other_texts_or_settings_are_another_space(
    file: Path, context: BuildContext, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("\n".join(CORPUS[:-1]), encoding="utf-8")
    spaces = {
        lsa(file, context=context, dim=3).space,
        lsa(file, context=context, dim=2).space,
        lsa(file, context=context, dim=3, words=9).space,
        lsa(other, context=context, dim=3).space,
    }
    assert len(spaces) == 4


def test_the_same_texts_under_another_name_are_the_same_space(
    file: Path, context: BuildContext, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_bytes(file.read_bytes())
    assert lsa(copy, context=context, dim=3).space == lsa(file, context=context, dim=3).space


def test_what_was_fitted_is_read_from_the_cache_folder(
    file: Path, context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.decomposition import TruncatedSVD

    keeping = replace(context, cache=tmp_path / "cache")
    first = lsa(file, context=keeping, dim=3).embed(CORPUS, "document")

    def again(*args: object, **settings: object) -> None:
        raise AssertionError("fitted twice")

    monkeypatch.setattr(TruncatedSVD, "fit", again)
    second = lsa(file, context=keeping, dim=3).embed(CORPUS, "document")
    np.testing.assert_array_equal(first, second)
    kept = {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert kept == {".safetensors", ".json"}


def test_fewer_texts_than_dimensions_are_refused(file: Path, context: BuildContext) -> None:
    with pytest.raises(BadInput, match=r"8 texts of 20 different words.*dim=9"):
        lsa(file, context=context, dim=9).embed(["a ship"], "query")


@pytest.mark.parametrize(
    ("dim", "words", "said"), [(0, 9, "dim is 0"), (5, 4, "words is 4; expected at least dim=5")]
)
def test_sizes_that_cannot_be_are_refused(
    dim: int, words: int, said: str, file: Path, context: BuildContext
) -> None:
    with pytest.raises(BadParameter, match=said):
        lsa(file, context=context, dim=dim, words=words)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, context: BuildContext) -> None:
    with pytest.raises(BadInput, match="no such file"):
        lsa(tmp_path / "none.txt", context=context)

"""How far float32 products may lie from the scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from plain_search import SIMILARITIES, plain_search, some_rows
from v2t_bench.search import Similarity, top_k
from v2t_bench.search.scores import (
    Scale,
    document_side,
    document_side_float32,
    error_bound,
    error_bound_float64,
    pair_scores,
    query_side,
)


@pytest.fixture
def coarse_products() -> Iterator[None]:
    """Matrix products of float32 that some processors cut to 8 bits, as a caller may allow."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("coarse_products")
def test_products_that_are_allowed_to_be_coarse_change_nothing() -> None:
    documents = some_rows(np.random.default_rng(3), "plain", 9000, 48)
    keys = np.arange(9000, dtype=np.uint64)

    hits = top_k(documents[:64], documents, k=30, similarity="cosine", tie_keys=keys)

    expected = plain_search(documents[:64], documents, keys, 30, "cosine", [None] * 64)
    np.testing.assert_array_equal(hits.indices, expected)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", ["plain", "lengths", "ascending"])
@pytest.mark.parametrize("d", [3, 384, 2000])
def test_no_float32_product_misses_the_score_by_more_than_the_bound(
    similarity: Similarity, kind: str, d: int
) -> None:
    import torch

    rng = np.random.default_rng(d)
    # Sums of terms of one sign, ever larger, round worst.
    ascending = np.sort(np.abs(rng.standard_normal((30, d))), axis=1).astype(np.float32)
    rows = ascending if kind == "ascending" else some_rows(rng, kind, 30, d)
    scale = Scale(similarity, float(np.linalg.norm(rows.astype(np.float64), axis=1).max()))
    here = torch.device("cpu")
    left = query_side(rows, scale, here).to(torch.float32)
    right = torch.empty_like(left)
    document_side_float32(rows, scale, right)

    one_by_one = torch.zeros(len(rows), len(rows))
    for at in range(left.shape[1]):
        one_by_one += left[:, at, None] * right[None, :, at]

    every = np.indices((30, 30)).reshape(2, -1)
    exact = pair_scores(rows[every[0]], rows[every[1]], scale).reshape(30, 30)
    bound = error_bound(left.shape[1])
    for sums in (left @ right.T, one_by_one):
        assert np.abs(sums.numpy() - exact).max() < bound
    apart = (query_side(rows, scale, here) @ document_side(rows, scale, here).T).numpy() - exact
    assert np.abs(apart).max() < error_bound_float64(left.shape[1])

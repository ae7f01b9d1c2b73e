"""How close two vectors lie."""

import numpy as np

from v2t_bench.scoring.cosine import cosine_per_pair


def test_it_is_the_product_of_directions_whatever_the_lengths() -> None:
    a = np.array([[3, 4], [1, 0], [0, 2], [1, 1]], np.float32)
    b = np.array([[4, 3], [-9, 0], [5, 0], [0, 0]], np.float32)
    # (3*4 + 4*3) / (5 * 5), opposite, at right angles, and no direction.
    np.testing.assert_allclose(cosine_per_pair(a, b), [0.96, -1, 0, 0], atol=1e-12)


def test_it_never_passes_one_by_rounding() -> None:
    rows = np.random.Generator(np.random.PCG64(0)).normal(size=(500, 7)).astype(np.float32)
    assert cosine_per_pair(rows, rows).max() <= 1.0

"""Streams made many at once are those that numpy starts one by one."""

from __future__ import annotations

import hashlib

import numpy as np

from v2t_bench.contracts import Secret
from v2t_bench.streams import generators

DIGESTS = [hashlib.sha256(str(number).encode()).digest() for number in range(5000)]


def plain(digest: bytes) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def test_every_stream_is_numpys_own() -> None:
    for digest, fast in zip(DIGESTS, generators(DIGESTS), strict=True):
        assert fast.bit_generator.state == plain(digest).bit_generator.state


def test_draws_of_every_kind_are_numpys_own() -> None:
    for digest, fast in zip(DIGESTS[:20], generators(DIGESTS[:20]), strict=True):
        own = plain(digest)
        for draw in ("standard_normal", "standard_exponential", "random"):
            for kind in (np.float32, np.float64):
                # An odd number leaves half a word behind, which the next stream must not see.
                np.testing.assert_array_equal(
                    getattr(fast, draw)(7, dtype=kind), getattr(own, draw)(7, dtype=kind)
                )
        assert fast.gamma(384.0) == own.gamma(384.0)
        assert fast.integers(1000) == own.integers(1000)


def test_seeds_that_end_in_zeros_are_hashed_as_numpy_does() -> None:
    for zeros in (1, 4, 5, 31, 32):
        digest = bytes([7] * (32 - zeros) + [0] * zeros)
        (fast,) = generators([digest])
        assert fast.bit_generator.state == plain(digest).bit_generator.state


def test_a_secrets_streams_are_those_of_its_single_generators() -> None:
    secret, ids = Secret.from_seed(3), ["a", "", "ä", "a" * 1000]
    for name, fast in zip(ids, secret.generators("ball", "query", ids), strict=True):
        own = secret.generator("ball", "query", name)
        assert fast.bit_generator.state == own.bit_generator.state

"""Many generators quickly: for each of many seeds the stream that numpy's PCG64 starts.

``np.random.PCG64(seed)`` spends more time on hashing its seed than 384 normal draws take. The
hash is O'Neill's seed_seq as numpy documents it for `SeedSequence`, whose results are fixed by
NEP 19; done for many seeds at once it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

# Of numpy's SeedSequence, and the multiplier of PCG64.
_INIT_A, _MULT_A = 0x43B0D7E5, 0x931E8875
_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED
_MIX_L, _MIX_R = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_HALF = np.uint32(16)
_POOL = 4
_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
_MASK = 2**128 - 1

# Rows hashed at once.
_ROWS = 4096
DIGEST = 32


def generators(digests: Sequence[bytes]) -> Iterator[np.random.Generator]:
    """Yield for each digest of 32 bytes the generator ``PCG64(int.from_bytes(it, "little"))``.

    It is one and the same object, set anew at every turn: use it before asking for the next.
    """
    bits = np.random.PCG64(0)
    generator = np.random.Generator(bits)
    for start in range(0, len(digests), _ROWS):
        block = digests[start : start + _ROWS]
        words = np.frombuffer(b"".join(block), "<u4").reshape(len(block), -1)
        seeds = _states(_pool(words)).tolist()
        for digest, top, (high, low, stream_high, stream_low) in zip(
            block, words[:, -1].tolist(), seeds, strict=True
        ):
            if top == 0:
                # numpy leaves out leading zeros, so that the hash has another length.
                bits.state = np.random.PCG64(int.from_bytes(digest, "little")).state
            else:
                increment = ((stream_high << 64 | stream_low) << 1 | 1) & _MASK
                state = ((increment + (high << 64 | low)) * _MULTIPLIER + increment) & _MASK
                bits.state = {
                    "bit_generator": "PCG64",
                    "state": {"state": state, "inc": increment},
                    "has_uint32": 0,
                    "uinteger": 0,
                }
            yield generator


def _pool(entropy: Words) -> list[Words]:
    """Return the four words that a seed of (n, 8) words is mixed into, (n,) each."""
    constant = _INIT_A

    def hashed(value: Words) -> Words:
        nonlocal constant
        value = value ^ np.uint32(constant)
        constant = constant * _MULT_A & 0xFFFFFFFF
        value *= np.uint32(constant)
        return value ^ value >> _HALF

    def mixed(x: Words, y: Words) -> Words:
        both: Words = _MIX_L * x - _MIX_R * y
        return both ^ both >> _HALF

    pool = [hashed(entropy[:, word]) for word in range(_POOL)]
    for source in range(_POOL):
        for target in range(_POOL):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source]))
    for word in range(_POOL, entropy.shape[1]):
        for target in range(_POOL):
            pool[target] = mixed(pool[target], hashed(entropy[:, word]))
    return pool


def _states(pool: Sequence[Words]) -> NDArray[np.uint64]:
    """Return the four words of 64 bits that PCG64 is seeded with, (n, 4)."""
    constant = _INIT_B
    made = np.empty((len(pool[0]), 2 * _POOL), "<u4")
    for word in range(2 * _POOL):
        value = pool[word % _POOL] ^ np.uint32(constant)
        constant = constant * _MULT_B & 0xFFFFFFFF
        value = value * np.uint32(constant)
        made[:, word] = value ^ value >> _HALF
    return made.view("<u8")

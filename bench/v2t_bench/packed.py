"""Many texts in little memory: compressed in blocks, unpacked where they are read.

A Python string costs some 50 bytes beside its characters, so that the 8.8 million passages of
MS MARCO take 5 GB as records and 1.5 GB so. Nothing is written anywhere, which texts that
must not outlive a run depend on.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

BLOCK = 256
"""Texts compressed together: enough to find what they share, few enough to unpack for one."""

LEVEL = 1
"""Of zstd: higher ones take three times as long for a tenth of the size."""


class PackedTexts(Sequence[str]):
    """Texts in a fixed order; read one by one in that order, or a few anywhere.

    Args:
        texts: Read once; any string that UTF-8 can spell, half a surrogate pair too.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        import zstandard

        self._pack = zstandard.ZstdCompressor(level=LEVEL).compress
        self._unpack = zstandard.ZstdDecompressor().decompress
        self._blocks: list[tuple[bytes, bytes]] = []
        self._n = 0
        self._last: tuple[int, list[str]] = (-1, [])
        rest = iter(texts)
        while self._add(rest):
            pass

    @classmethod
    def side_by_side(cls, columns: Sequence[Iterable[str]]) -> list[PackedTexts]:
        """Return one list a column, all read at the same pace, so that they may share a source."""
        packed = [cls() for _ in columns]
        rests = [iter(column) for column in columns]
        while all(texts._add(rest) for texts, rest in zip(packed, rests, strict=True)):
            pass
        return packed

    def _add(self, texts: Iterator[str]) -> bool:
        """Pack the next block of texts, and return whether there was any."""
        block = [text.encode("utf-8", "surrogatepass") for text in islice(texts, BLOCK)]
        if block:
            lengths = array("I", map(len, block)).tobytes()
            packed = self._pack(lengths), self._pack(b"".join(block))
            # Copied: what zstd returns was cut down from room for the worst case, and what lies
            # behind it is too small for the next block and lost.
            self._blocks.append((bytes(memoryview(packed[0])), bytes(memoryview(packed[1]))))
            self._n += len(block)
        return bool(block)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[str]:
        for number in range(len(self._blocks)):
            yield from self._block(number)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return one text, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(self._n))]
        row = range(self._n)[index]
        if self._last[0] != row // BLOCK:
            self._last = (row // BLOCK, self._block(row // BLOCK))
        return self._last[1][row % BLOCK]

    def _block(self, number: int) -> list[str]:
        lengths = array("I")
        lengths.frombytes(self._unpack(self._blocks[number][0]))
        joined = self._unpack(self._blocks[number][1])
        texts, start = [], 0
        for length in lengths:
            texts.append(joined[start : start + length].decode("utf-8", "surrogatepass"))
            start += length
        return texts

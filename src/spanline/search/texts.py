"""Many texts at once: slices by character, stripped of whitespace, told apart by fingerprints.

Legend: P texts, K slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spanline.dataset.records import WHITESPACE
from spanline.search.string_views import slices
from spanline.storage.ragged import Array, bounds_of

_IS_SPACE = np.isin(np.arange(0x3002), [ord(space) for space in WHITESPACE])
_BASE = 0x9E3779B97F4A7C15  # any odd number with bits all over


@dataclass(frozen=True)
class Texts:
    """P texts that can be cut by characters (code points), as Python's strings are, many slices at a time."""

    joined: str  # all texts, one after another
    _bounds: Array  # (P + 1,) characters of each text
    codes: Array  # the code point of each character
    data: Array  # bytes: what slices are made of
    byte_of: Array  # the byte at which each character begins, and the end
    _sums: Array  # uint64; before each character, and at the end: the sum of (code + 1) x BASE^position so far
    _powers: Array  # uint64; BASE^position, all modulo 2^64

    @staticmethod
    def of(texts: Sequence[str]) -> Texts:
        """UnicodeEncodeError when one holds half of a surrogate pair."""
        joined = "".join(texts)
        codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
        odd = np.flatnonzero(codes > 0x7F)
        more = 1 + (codes[odd] > 0x7FF).astype(np.int64) + (codes[odd] > 0xFFFF)  # bytes beyond the first
        byte_of = np.arange(len(codes) + 1) + sums_before(len(codes), odd, more)
        bounds = bounds_of(np.fromiter(map(len, texts), np.int64, len(texts)))
        powers = np.full(len(codes) + 1, _BASE, np.uint64)
        powers[0] = 1
        np.cumprod(powers, out=powers)
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum((codes + np.uint32(1)) * powers[:-1], out=sums[1:])  # so that U+0000 counts
        return Texts(joined, bounds, codes, np.frombuffer(joined.encode(), np.uint8), byte_of, sums, powers)

    def strip(self, rows: Array, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(K,) `starts` and `ends` moved inwards past whitespace, as `str.strip()` does; a slice of whitespace alone
        ends where it starts."""
        base = self._bounds[rows]
        first, last = base + starts, base + ends
        moving = np.flatnonzero(first < last)
        while len(moving := moving[self._is_space(first[moving])]):
            first[moving] += 1
            moving = moving[first[moving] < last[moving]]
        moving = np.flatnonzero(first < last)
        while len(moving := moving[self._is_space(last[moving] - 1)]):
            last[moving] -= 1
        first, last = first - base, last - base
        is_empty = first >= last
        first[is_empty] = last[is_empty] = starts[is_empty]
        return first, last

    def _is_space(self, characters: Array) -> Array:
        flags: Array = _IS_SPACE[np.minimum(self.codes[characters], len(_IS_SPACE) - 1)]
        return flags

    def fingerprints(self, rows: Array, starts: Array, ends: Array) -> Array:
        """(K,) uint64, equal for equal slices, hardly ever equal for different ones (Karp and Rabin 1987).

        A text is a polynomial in _BASE whose coefficients are its characters, modulo 2^64. `_sums` holds the values of
        all its beginnings, so that of a slice is the difference of two of them; multiplied up to the power of the last
        character, it no longer depends on where the slice stands.
        """
        base = self._bounds[rows]
        first = base + starts
        prints: Array = (self._sums[base + ends] - self._sums[first]) * self._powers[len(self.codes) - first]
        return prints

    def cut(self, rows: Array, starts: Array, ends: Array) -> pa.StringArray:
        """(K,) the characters from `starts` to `ends` (exclusive) of the texts numbered `rows`."""
        base = self._bounds[rows]
        first = self.byte_of[base + starts]
        return slices(self.data, first, self.byte_of[base + ends] - first)


def sums_before(count: int, places: Array, values: Array) -> Array:
    """(count + 1,): result[i] = sum of values[j] with places[j] < i. No place comes twice.

    count 4, places 0 2, values 5 7 -> 0 5 5 12 12
    """
    sums = np.zeros(count + 1, np.int64)
    sums[places + 1] = values
    return np.cumsum(sums, out=sums)

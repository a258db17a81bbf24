"""Many texts at once: slices by character, blanks at their ends.

Legend: P texts, K slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from spanline.blanks import BLANKS
from spanline.ragged import bounds_of

Array = np.ndarray[Any, Any]
_IS_BLANK = np.isin(np.arange(0x3002), [ord(blank) for blank in BLANKS])
_BASE = 0x9E3779B97F4A7C15  # any odd number with bits all over
_ESCAPES = np.array([len(orjson.dumps(chr(code))) - 3 for code in range(0x80)])  # bytes that JSON adds to a character


@dataclass(frozen=True)
class Texts:
    """P texts that can be cut by characters (code points), as Python's strings are, many slices at a time."""

    _joined: str  # all texts in a row
    _bounds: Array  # (P + 1,) characters of each text
    _codes: Array  # the code point of each character
    _data: Array  # bytes: what slices are made of
    _byte_of: Array  # the byte at which each character begins, and the end
    _sums: Array  # uint64; before each character, and at the end: the sum of (code + 1) x BASE^position so far
    _powers: Array  # uint64; BASE^position, all modulo 2^64

    @staticmethod
    def of(texts: Sequence[str]) -> Texts:
        """UnicodeEncodeError when one holds half of a surrogate pair."""
        joined = "".join(texts)
        codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
        odd = np.flatnonzero(codes > 0x7F)
        more = 1 + (codes[odd] > 0x7FF).astype(np.int64) + (codes[odd] > 0xFFFF)  # bytes beyond the first
        byte_of = np.arange(len(codes) + 1) + _sums_before(len(codes), odd, more)
        bounds = bounds_of(np.fromiter(map(len, texts), np.int64, len(texts)))
        powers = np.full(len(codes) + 1, _BASE, np.uint64)
        powers[0] = 1
        np.cumprod(powers, out=powers)
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum((codes + np.uint32(1)) * powers[:-1], out=sums[1:])  # so that U+0000 counts
        return Texts(joined, bounds, codes, np.frombuffer(joined.encode(), np.uint8), byte_of, sums, powers)

    def escaped(self) -> Texts:
        """The same texts, whose slices come out as they stand between the quotes of a JSON string. They are still cut
        by the characters of the texts themselves."""
        codes = self._codes
        odd = np.flatnonzero((codes < 0x20) | (codes == ord('"')) | (codes == ord("\\")))
        byte_of = self._byte_of + _sums_before(len(codes), odd, _ESCAPES[codes[odd]])
        return replace(self, _data=np.frombuffer(orjson.dumps(self._joined)[1:-1], np.uint8), _byte_of=byte_of)

    def strip(self, rows: Array, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(K,) `starts` and `ends` moved inwards past blanks, as `str.strip()` does; one of blanks alone ends where it
        starts."""
        base = self._bounds[rows]
        first, last = base + starts, base + ends
        moving = np.flatnonzero(first < last)
        while len(moving := moving[self._is_blank(first[moving])]):
            first[moving] += 1
            moving = moving[first[moving] < last[moving]]
        moving = np.flatnonzero(first < last)
        while len(moving := moving[self._is_blank(last[moving] - 1)]):
            last[moving] -= 1
        first, last = first - base, last - base
        is_blank = first >= last
        first[is_blank] = last[is_blank] = starts[is_blank]
        return first, last

    def _is_blank(self, characters: Array) -> Array:
        flags: Array = _IS_BLANK[np.minimum(self._codes[characters], len(_IS_BLANK) - 1)]
        return flags

    def fingerprints(self, rows: Array, starts: Array, ends: Array) -> Array:
        """(K,) uint64, equal for equal slices, hardly ever for two different ones: a polynomial in the characters,
        which for a slice is a difference of two sums, brought to the same power (Karp and Rabin 1987)."""
        base = self._bounds[rows]
        first = base + starts
        prints: Array = (self._sums[base + ends] - self._sums[first]) * self._powers[len(self._codes) - first]
        return prints

    def cut(self, rows: Array, starts: Array, ends: Array) -> pa.StringArray:
        """(K,) the characters from `starts` to `ends` (exclusive) of the texts numbered `rows`."""
        base = self._bounds[rows]
        first = self._byte_of[base + starts]
        return _slices(self._data, first, self._byte_of[base + ends] - first)


def _sums_before(count: int, places: Array, values: Array) -> Array:
    """(count + 1,) the sum of the values whose places are before each."""
    sums = np.zeros(count + 1, np.int64)
    sums[places + 1] = values
    return np.cumsum(sums, out=sums)


_INLINE = 12  # bytes of a string view that hold a short string
# by length: which bytes of a view's three last words are the string's
_MASKS = np.packbits(np.tri(_INLINE + 1, _INLINE, -1, bool).repeat(8, axis=1), axis=1).view("<u4")


def _slices(data: Array, starts: Array, lengths: Array) -> pa.StringArray:
    """(K,) strings of these bytes. Written down as Arrow's string views (length, then either the string itself or its
    first bytes, buffer and place), which Arrow turns into strings much faster than numpy gathers single bytes."""
    words = np.ndarray(len(data) + 1, "<u4", np.append(data, np.zeros(4, np.uint8)), strides=(1,))  # at each byte
    views = np.zeros((len(starts), 4), "<u4")
    views[:, 0], views[:, 1], views[:, 3] = lengths, words[starts], starts
    short = np.flatnonzero(lengths <= _INLINE)
    places = np.minimum(starts[short, None] + (0, 4, 8), len(data))
    views[short, 1:] = words[places] & _MASKS[lengths[short]]
    array = pa.Array.from_buffers(pa.string_view(), len(starts), [None, pa.py_buffer(views), pa.py_buffer(data)])
    return pc.cast(array, pa.string())

"""Many texts at once: slices by character, blanks at their ends.

Legend: P texts, K slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from spanline.ragged import bounds_of, ranges

Array = np.ndarray[Any, Any]
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())  # what str.strip() takes off
_IS_BLANK = np.array([chr(code).isspace() for code in range(0x3002)])


class Texts:
    """P texts that can be cut by characters (code points), as Python's strings are, many slices at a time."""

    def __init__(self, texts: Sequence[str]) -> None:
        joined = "".join(texts)
        self._data = np.frombuffer(joined.encode(), np.uint8)
        is_first = (self._data & 0xC0) != 0x80  # of a character's bytes
        self._byte_of = np.append(np.flatnonzero(is_first), len(self._data))  # of each character of all texts
        self._bounds = bounds_of(np.fromiter(map(len, texts), np.int64, len(texts)))  # characters
        codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
        solid = ~_IS_BLANK[np.minimum(codes, len(_IS_BLANK) - 1)]
        numbers = np.arange(len(codes))
        self._next_solid = np.minimum.accumulate(np.where(solid, numbers, len(codes))[::-1])[::-1]
        self._last_solid = np.maximum.accumulate(np.where(solid, numbers, -1))

    def strip(self, rows: Array, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(K,) `starts` and `ends` moved inwards past blanks, as `str.strip()` does; one of blanks alone ends where it
        starts."""
        base = self._bounds[rows]
        some = np.flatnonzero(starts < ends)
        new_starts, new_ends = starts.astype(np.int64), starts.astype(np.int64)
        first = self._next_solid[(base + starts)[some]]
        last = self._last_solid[(base + ends)[some] - 1]
        solid = first <= last
        new_starts[some[solid]] = (first - base[some])[solid]
        new_ends[some[solid]] = (last + 1 - base[some])[solid]
        return new_starts, new_ends

    def cut(self, rows: Array, starts: Array, ends: Array) -> pa.StringArray:
        """(K,) the characters from `starts` to `ends` (exclusive) of the texts numbered `rows`."""
        first = self._byte_of[self._bounds[rows] + starts]
        lengths = self._byte_of[self._bounds[rows] + ends] - first
        data = self._data[ranges(first, lengths)]
        offsets = bounds_of(lengths).astype(np.int32)
        return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(data))

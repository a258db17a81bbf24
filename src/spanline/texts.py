"""Many texts at once: slices by character, blanks at their ends.

Legend: P texts, K slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spanline.ragged import bounds_of, ranges

Array = np.ndarray[Any, Any]
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())  # what str.strip() takes off


class Texts:
    """P texts that can be cut by characters (code points), as Python's strings are, many slices at a time."""

    def __init__(self, texts: Sequence[str]) -> None:
        encoded = [text.encode() for text in texts]
        self._data = np.frombuffer(b"".join(encoded), np.uint8)
        is_first = (self._data & 0xC0) != 0x80  # of a character's bytes
        self._byte_of = np.append(np.flatnonzero(is_first), len(self._data))  # of each character of all texts
        self._bounds = bounds_of(np.fromiter(map(len, texts), np.int64, len(texts)))  # characters

    def cut(self, rows: Array, starts: Array, ends: Array) -> pa.StringArray:
        """(K,) the characters from `starts` to `ends` (exclusive) of the texts numbered `rows`."""
        first = self._byte_of[self._bounds[rows] + starts]
        lengths = self._byte_of[self._bounds[rows] + ends] - first
        data = self._data[ranges(first, lengths)]
        offsets = bounds_of(lengths).astype(np.int32)
        return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(data))


def without_blanks(texts: pa.StringArray) -> tuple[pa.StringArray, Array]:
    """The texts (K,) as `str.strip()` leaves them, and how many characters (K,) went at their starts."""
    trimmed = pc.utf8_ltrim(texts, characters=BLANKS)
    lost = pc.subtract(pc.utf8_length(texts), pc.utf8_length(trimmed))
    return pc.utf8_rtrim(trimmed, characters=BLANKS), lost.to_numpy(zero_copy_only=False)

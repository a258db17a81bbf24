"""Many slices of one byte array as an Arrow string column, fast.

Arrow's *string view* (Arrow Columnar Format, "Variable-size Binary View Layout") describes a string by 16 bytes, four
32-bit words, and need not copy it:

    word        0        1                   2               3
    long        length   its first 4 bytes   buffer number   offset in that buffer
    up to 12    length   the string itself, followed by zeros

So K slices are K views that numpy fills in column by column, and one call of Arrow turns the views into an ordinary
string column. Gathering the bytes one by one with numpy takes several times as long.

Legend: K slices.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spanline.storage.ragged import Array

_INLINE = 12  # bytes: a string of up to so many lies in the view itself
# _MASKS[n]: the three words that keep the first n of 12 bytes. For n = 5: 0xFFFFFFFF, 0x000000FF, 0 (little-endian).
_MASKS = np.packbits(np.tri(_INLINE + 1, _INLINE, -1, bool).repeat(8, axis=1), axis=1).view("<u4")


def slices(data: Array, starts: Array, lengths: Array) -> pa.StringArray:
    """(K,) the strings `data[start : start + length]`; `data` is UTF-8 (uint8), and no slice cuts a character.

    data b"one two", starts 0 4, lengths 3 3 -> "one", "two"
    """
    # words[i]: bytes i to i + 3 of the data as one number, so that a string's first four bytes are words[start]
    words = np.ndarray(len(data) + 1, "<u4", np.append(data, np.zeros(4, np.uint8)), strides=(1,))
    views = np.zeros((len(starts), 4), "<u4")
    views[:, 0], views[:, 1], views[:, 3] = (
        lengths,
        words[starts],
        starts,
    )  # as if all were long; the buffer is number 0
    short = np.flatnonzero(lengths <= _INLINE)
    first_bytes = np.minimum(starts[short, None] + (0, 4, 8), len(data))  # of the three words; never beyond the data
    views[short, 1:] = words[first_bytes] & _MASKS[lengths[short]]
    array = pa.Array.from_buffers(pa.string_view(), len(starts), [None, pa.py_buffer(views), pa.py_buffer(data)])
    return pc.cast(array, pa.string())

"""Texts cut at spaces into pieces, most of which occur again and again: the unit that is tokenized once.

Legend: P texts, Q pieces, D distinct pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spanline.storage.ragged import Array, bounds_of

SPACE = ord(" ")
FIRST_SOLID, LAST_SOLID = ord("!"), ord("~")  # ASCII that is neither a space nor a control character


@dataclass(frozen=True)
class Pieces:
    """The pieces of P texts: put together again, they are the texts."""

    distinct: pa.StringArray  # (D,)
    rows: Array  # (Q,) row of `distinct`, in the order of the texts
    starts: Array  # (Q,) characters of its text before the piece
    bounds: Array  # (P + 1,) where each text's pieces begin


def cut_at_spaces(texts: pa.StringArray) -> Pieces:
    """Cut before every single space (U+0020) between two ASCII characters that are neither spaces nor controls.

        "in 1902 at  Orvel" -> "in", " 1902", " at  Orvel"

    An empty text has no piece.
    """
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if not len(offsets) or offsets[0] == offsets[-1]:
        none = np.zeros(0, np.int64)
        return Pieces(pa.array([], pa.string()), none, none, np.zeros(len(texts) + 1, np.int64))
    data = np.frombuffer(texts.buffers()[2], np.uint8)
    is_start = np.zeros(offsets[-1], dtype=bool)
    is_start[offsets[0] :] = _is_cut(data[offsets[0] : offsets[-1]])
    filled = offsets[:-1] < offsets[1:]
    is_start[offsets[1:][filled] - 1] = False  # a space at a text's end, before the next text's first character
    is_start[offsets[:-1][filled]] = True
    starts = np.flatnonzero(is_start).astype(np.int32)
    pieces = _slices(np.append(starts, offsets[-1]), texts.buffers()[2])
    encoded = pieces.dictionary_encode()
    bounds = np.searchsorted(starts, offsets)
    lengths = pc.utf8_length(pieces).to_numpy(zero_copy_only=False).astype(np.int64)
    return Pieces(
        distinct=encoded.dictionary,
        rows=encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64),
        starts=_before_in_row(lengths, bounds),
        bounds=bounds,
    )


def _is_cut(data: Array) -> Array:
    solid = (data >= FIRST_SOLID) & (data <= LAST_SOLID)
    is_cut = np.zeros(len(data), dtype=bool)
    is_cut[1:-1] = (data[1:-1] == SPACE) & solid[:-2] & solid[2:]
    return is_cut


def _slices(offsets: Array, data: pa.Buffer) -> pa.StringArray:
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets.astype(np.int32)), data)


def _before_in_row(lengths: Array, bounds: Array) -> Array:
    """(Q,) for each piece the total length of the pieces before it in the same text."""
    before = bounds_of(lengths)
    result: Array = before[:-1] - np.repeat(before[bounds[:-1]], np.diff(bounds))
    return result

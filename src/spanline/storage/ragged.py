"""Rows of different lengths as one flat array and bounds, the form that both numpy and parquet like.

Legend: R rows, V values. Row r of a ragged array is `values_V[bounds_R1[r]:bounds_R1[r + 1]]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray[Any, Any]  # a legend or a comment says shape and type


@dataclass(frozen=True)
class Ragged:
    """`values` (V,) of any dtype; `bounds` (R + 1,) int64, rising from 0 to V."""

    values: Array
    bounds: Array

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> Array:
        return self.values[self.bounds[row] : self.bounds[row + 1]]

    @property
    def lengths(self) -> Array:
        """(R,) int64."""
        return np.diff(self.bounds)

    def take(self, rows: Array) -> Ragged:
        """The ragged array of the rows `rows`, in that order."""
        lengths = self.lengths[rows]
        return Ragged(self.values[ranges(self.bounds[:-1][rows], lengths)], bounds_of(lengths))

    @staticmethod
    def from_arrow(column: pa.ChunkedArray) -> Ragged:
        """A list column without nulls, without copying the values of a single chunk."""
        array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(array, pa.ChunkedArray):  # combine_chunks of no chunk at all
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
        bounds = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        values = array.values.slice(bounds[0], bounds[-1] - bounds[0]).to_numpy(zero_copy_only=False)
        return Ragged(values, bounds - bounds[0])

    def to_arrow(self, value_type: pa.DataType) -> pa.ListArray:
        """A list column of `value_type`."""
        values = pa.array(np.ascontiguousarray(self.values), type=value_type)
        return pa.ListArray.from_arrays(pa.array(self.bounds.astype(np.int32)), values)


def bounds_of(lengths: Array) -> Array:
    """(R,) lengths -> (R + 1,) int64 bounds."""
    bounds = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def ranges(starts: Array, lengths: Array) -> Array:
    """The concatenation of `arange(start, start + length)` over the rows, (V,) int64.

    `ranges([5, 9], [3, 2])` is `[5, 6, 7, 9, 10]`.
    """
    bounds = bounds_of(lengths)
    shifts = np.asarray(starts, dtype=np.int64) - bounds[:-1]
    result: Array = np.arange(bounds[-1]) + np.repeat(shifts, lengths)
    return result


def padded(values: Array, starts: Array, lengths: Array, width: int, fill: Any) -> Array:
    """(R, width) matrix: row r begins with `values[starts[r] : starts[r] + lengths[r]]` and goes on with `fill`."""
    if len(values) < width:
        values = np.append(values, np.zeros(width - len(values), values.dtype))
    last = len(values) - width
    # whole rows are copied, which is several times faster than single values; those near the end follow below
    matrix: Array = sliding_window_view(values, width)[np.minimum(starts, last)]
    late = np.flatnonzero(starts > last)
    matrix[late] = values.take(starts[late, None] + np.arange(width), mode="clip")
    np.copyto(matrix, fill, where=np.arange(width) >= lengths[:, None])
    return matrix

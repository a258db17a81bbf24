"""Ragged arrays hold rows of any lengths, also none, and survive parquet's columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.storage.ragged import Ragged, bounds_of, padded, ranges
from tests.make.project import ragged

ROWS = st.lists(st.lists(st.integers(-1000, 1000), max_size=6), max_size=12)


def rows_of(value: Ragged) -> list[list[int]]:
    return [value[row].tolist() for row in range(len(value))]


@settings(deadline=None)
@given(ROWS)
def test_holds_its_rows(rows: list[list[int]]) -> None:
    value = ragged(rows, np.int32)
    assert rows_of(value) == rows
    assert value.lengths.tolist() == [len(row) for row in rows]


@settings(deadline=None)
@given(ROWS.filter(bool), st.data())
def test_take_repeats_and_reorders_rows(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    found = ragged(rows, np.int32).take(np.array(chosen, np.int64))
    assert rows_of(found) == [rows[row] for row in chosen]


@settings(deadline=None)
@given(ROWS, st.integers(1, 5), st.integers(0, 3))
def test_arrow_and_back_however_it_is_chunked(rows: list[list[int]], size: int, skip: int) -> None:
    whole = ragged(rows, np.int32).to_arrow(pa.int32())
    assert whole.to_pylist() == rows
    pieces = [whole.slice(start, size) for start in range(0, len(whole), size)]
    found = Ragged.from_arrow(pa.chunked_array(pieces, whole.type).slice(skip))
    assert rows_of(found) == rows[skip:]
    assert found.bounds[0] == 0
    assert found.bounds.dtype == np.int64


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=10))
def test_ranges_are_concatenated_aranges(pairs: list[tuple[int, int]]) -> None:
    starts, lengths = np.array(pairs, np.int64).reshape(-1, 2).T
    expected = [value for start, length in pairs for value in range(start, start + length)]
    assert ranges(starts, lengths).tolist() == expected


def test_ranges_of_unsigned_starts_do_not_wrap() -> None:
    assert ranges(np.array([0, 9], np.uint16), np.array([4, 2])).tolist() == [0, 1, 2, 3, 9, 10]


def test_bounds_of_no_rows() -> None:
    assert bounds_of(np.zeros(0, np.int64)).tolist() == [0]


def test_booleans_survive() -> None:
    value = ragged([[True, False], [], [True]], np.bool_)
    found = Ragged.from_arrow(pa.chunked_array([value.to_arrow(pa.bool_())]))
    assert found.values.dtype == np.bool_
    assert [found[row].tolist() for row in range(3)] == [[True, False], [], [True]]


@settings(deadline=None)
@given(ROWS, st.integers(0, 9), st.data())
def test_padded_is_a_row_each_filled_up(rows: list[list[int]], more: int, data: st.DataObject) -> None:
    value = ragged(rows, np.int32)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10)) if rows else [], np.int64)
    width = max((len(row) for row in rows), default=0) + more
    found = padded(value.values, value.bounds[:-1][chosen], value.lengths[chosen], width, -7)
    assert found.dtype == np.int32
    assert found.shape == (len(chosen), width)
    assert found.tolist() == [[*rows[row], *[-7] * (width - len(rows[row]))] for row in chosen]

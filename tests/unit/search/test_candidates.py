"""The parts of the search by logits, each against a plain loop. That the whole is exact, test_nbest.py shows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.search import candidates
from spanline.search.candidates import Candidates
from spanline.storage.ragged import bounds_of

ROWS = st.integers(0, 12).flatmap(
    lambda width: st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0, float("-inf")]), min_size=width, max_size=width), min_size=1
    )
)


@settings(deadline=None)
@given(ROWS, st.integers(1, 15))
def test_running_max_equals_a_loop(rows: list[list[float]], width: int) -> None:
    expected = [[max(row[i : i + width]) for i in range(len(row))] for row in rows]
    assert candidates.running_max(np.array(rows, np.float32), width).tolist() == expected


@given(st.lists(st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0]), min_size=2))
def test_sortable_bits_rise_as_the_values_fall(values: list[float]) -> None:
    """Equal values, of which -0.0 and 0.0 are two, have equal bits."""
    in_order = sorted(values, reverse=True)
    bits = candidates.sortable_bits(np.array(in_order, np.float32)).tolist()
    for (value, following), (low, high) in zip(pairwise(in_order), pairwise(bits), strict=True):
        assert (low < high) == (value > following)
        assert (low == high) == (value == following)


@given(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=5), st.data())
def test_rows_are_taken_and_joined(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)) if rows else []
    made = of_rows(rows)
    assert to_rows(made.take(np.array(chosen, np.int64))) == [rows[number] for number in chosen]
    assert to_rows(Candidates.joined([made, Candidates.none(), made])) == rows + rows


def of_rows(rows: list[list[int]]) -> Candidates:
    """Spans whose four columns say the same number."""
    values = np.array([value for row in rows for value in row], np.int64)
    logits = values.astype(np.float32)
    return Candidates(bounds_of(np.array([len(row) for row in rows], np.int64)), values, values, logits, logits)


def to_rows(given_: Candidates) -> list[list[int]]:
    columns = (given_.start, given_.end, given_.start_logit, given_.end_logit)
    as_lists = [[column[low:high].tolist() for low, high in pairwise(given_.bounds.tolist())] for column in columns]
    assert as_lists[0] == as_lists[1] == as_lists[2] == as_lists[3]
    return as_lists[0]

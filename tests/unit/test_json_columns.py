"""What is put together by columns reads back as what Python's own encoder would have written."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from spanline.json_columns import lists, numbers, quoted, records

TEXTS = st.lists(st.text(st.sampled_from('ab"\\/\n\t\x00\x1f\x7f\u2028é馆🎉')) | st.text())


@given(TEXTS)
def test_quoted(texts: list[str]) -> None:
    found = quoted(pa.array(texts, pa.string())).to_pylist()
    assert found == [json.dumps(text, ensure_ascii=False) for text in texts]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_numbers_read_back_as_the_same(values: list[float]) -> None:
    for dtype in (np.float32, np.float64):
        column = np.array(values, dtype)
        found = [json.loads(text) for text in numbers(column).to_pylist()]
        assert np.array(found, dtype).tolist() == column.tolist()


def test_a_number_is_as_short_as_can_be() -> None:
    assert numbers(np.array([0.1, 3.660937], np.float32)).to_pylist() == ["0.1", "3.660937"]
    assert numbers(np.array([-3, 12])).to_pylist() == ["-3", "12"]


def test_records_and_lists() -> None:
    made = records(text=quoted(pa.array(["a", 'b"', "c"])), start=numbers(np.array([1, 2, 3])))
    rows = lists(np.array([0, 2, 2, 3]), made).to_pylist()
    assert [json.loads(row) for row in rows] == [
        [{"text": "a", "start": 1}, {"text": 'b"', "start": 2}],
        [],
        [{"text": "c", "start": 3}],
    ]

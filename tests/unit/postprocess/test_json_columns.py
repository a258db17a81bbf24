"""What is put together by columns reads back as what Python's own encoder would have written."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from spanline.postprocess.json_columns import joined, numbers, one_after_another, quoted, with_comma

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
    assert numbers(np.array([0.1, 3.660937, 2.0], np.float32)).to_pylist() == ["0.1", "3.660937", "2.0"]
    assert numbers(np.array([-3, 12])).to_pylist() == ["-3", "12"]
    assert with_comma(np.array([0.1, -4.0])).to_pylist() == ["0.1,", "-4.0,"]
    assert with_comma(np.zeros(0)).to_pylist() == numbers(np.zeros(0)).to_pylist() == []


def test_joined_and_one_after_another() -> None:
    made = joined('{"text": ', quoted(pa.array(["a", 'b"', "é"])), ', "start": ', numbers(np.array([1, 2, 3])), "}\n")
    rows = [{"text": "a", "start": 1}, {"text": 'b"', "start": 2}, {"text": "é", "start": 3}]
    assert [json.loads(row) for row in made.to_pylist()] == rows
    for part in (made, made[1:], made[1:2], made[:0]):
        assert one_after_another(part).to_pybytes().decode() == "".join(part.to_pylist())

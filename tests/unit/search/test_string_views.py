"""Slices of bytes by way of string views are Python's slices, short and long, also at the end of the data."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spanline.search.string_views import slices


@given(st.text(st.characters(max_codepoint=0x7F), max_size=60), st.data())
def test_equals_slicing(text: str, data: st.DataObject) -> None:
    starts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    lengths = [data.draw(st.integers(0, len(text) - start)) for start in starts]
    made = slices(np.frombuffer(text.encode(), np.uint8), np.array(starts, np.int64), np.array(lengths, np.int64))
    expected = [text[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    assert made.to_pylist() == expected


def test_the_longest_inline_string_and_one_byte_more() -> None:
    data = np.frombuffer(b"abcdefghijklmnop", np.uint8)
    made = slices(data, np.array([0, 0, 3, 4]), np.array([12, 13, 13, 12]))
    assert made.to_pylist() == ["abcdefghijkl", "abcdefghijklm", "defghijklmnop", "efghijklmnop"]

"""Slices of many texts are Python's slices, stripped as Python strips."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spanline.dataset.records import WHITESPACE
from spanline.search.texts import Texts

TEXTS = st.lists(
    st.text(st.sampled_from('ab"\\ \n\x00\u00a0\u3000\x1cé馆🎉'), max_size=8) | st.text(max_size=4), min_size=1
)


def test_all_whitespace_of_python_is_known() -> None:
    assert set(WHITESPACE) == {chr(code) for code in range(0x110000) if chr(code).isspace()}


@given(TEXTS, st.data())
def test_cut_is_slicing_and_strip_is_stripping(given_texts: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(given_texts) - 1), max_size=10))
    ends = [data.draw(st.integers(0, len(given_texts[row]))) for row in rows]
    starts = [data.draw(st.integers(0, end)) for end in ends]
    cutter, slices = Texts.of(given_texts), [np.array(part, np.int64) for part in (rows, starts, ends)]
    expected = [given_texts[row][start:end] for row, start, end in zip(rows, starts, ends, strict=True)]
    assert cutter.cut(*slices).to_pylist() == expected
    bare_starts, bare_ends = cutter.strip(*slices)
    assert cutter.cut(slices[0], bare_starts, bare_ends).to_pylist() == [text.strip() for text in expected]
    prints = cutter.fingerprints(*slices).tolist()
    assert len(set(zip(prints, expected, strict=True))) == len(set(prints)) == len(set(expected))
    lost = [len(text) - len(text.lstrip()) if text.strip() else 0 for text in expected]
    assert (bare_starts - slices[1]).tolist() == lost


def test_no_texts() -> None:
    none = np.zeros(0, np.int64)
    assert Texts.of([]).cut(none, none, none).to_pylist() == []
    assert [part.tolist() for part in Texts.of([]).strip(none, none, none)] == [[], []]
    assert Texts.of([]).fingerprints(none, none, none).tolist() == []


def test_a_long_run_of_whitespace_is_stripped() -> None:
    text = "a" + " " * 300 + "b" + "\t" * 300
    starts, ends = np.array([1, 1, 0, 250]), np.array([301, 602, 602, 302])
    found = Texts.of(["x", text]).strip(np.ones(4, np.int64), starts, ends)
    assert [part.tolist() for part in found] == [[1, 301, 0, 301], [1, 302, 302, 302]]

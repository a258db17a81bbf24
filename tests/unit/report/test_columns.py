"""Packed columns come out again as they went in, by the layout that columns.py describes; the same bytes each time."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.report import columns


def unpacked(text: str) -> tuple[dict[str, list[int]], dict[str, object]]:
    """The definition, number by number."""
    content = gzip.decompress(base64.b64decode(text))
    length = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + length])
    place, found = 4 + length, {}
    for name, count, planes, is_signed in header.pop("columns"):
        numbers = [0] * count
        for plane in range(planes):
            for at in range(count):
                numbers[at] |= content[place + plane * count + at] << (8 * plane)
        place += planes * count
        found[name] = [-(n + 1) // 2 if n % 2 else n // 2 for n in numbers] if is_signed else numbers
    assert place == len(content)
    return found, header


columns_ = st.dictionaries(
    st.text(max_size=5), st.lists(st.integers(-(2**31) + 1, 2**31 - 1) | st.integers(-3, 300), max_size=20), max_size=4
)


@given(columns_)
def test_comes_out_as_it_went_in(given_: dict[str, list[int]]) -> None:
    header = {"texts": ["</script>", "é😀\u2028"]}
    text = columns.pack(given_, header)
    assert unpacked(text) == (given_, header)
    assert columns.pack(given_, header) == text
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def test_a_number_of_33_bits_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        columns.pack({"x": [1 << 32]}, {})


def test_the_header_of_gzip_knows_neither_time_nor_system() -> None:
    """No flags, no time, the most compression, Unix: whatever Python, whatever system."""
    packed = base64.b64decode(columns.pack({"n": [1, 2, 3]}, {}))
    assert packed[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3])

"""JSON text put together by columns: a quarter of a million small records faster than one by one.

Legend: K values.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array = np.ndarray[Any, Any]
CONTROL = "[\\x00-\\x1f]"


def quoted(texts: pa.StringArray) -> pa.StringArray:
    """(K,) JSON strings, UTF-8."""
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    strings = pc.binary_join_element_wise('"', escaped, '"', "")
    odd = pc.match_substring_regex(texts, CONTROL)
    if not pc.any(odd).as_py():
        return strings
    ours = [json.dumps(text, ensure_ascii=False) for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(strings, odd, pa.array(ours, pa.string()))


def numbers(values: Array) -> pa.StringArray:
    """(K,) JSON numbers of finite values, the shortest that read back as the same (float32 as float32)."""
    return pc.cast(pa.array(values), pa.string())


def records(**columns: pa.StringArray) -> pa.StringArray:
    """(K,) JSON objects with these keys; the columns hold JSON."""
    parts: list[Any] = []
    for number, (name, column) in enumerate(columns.items()):
        parts += [f'{", " if number else "{"}"{name}": ', column]
    return pc.binary_join_element_wise(*parts, "}", "")


def lists(bounds: Array, values: pa.StringArray) -> pa.StringArray:
    """JSON arrays: the values from `bounds[i]` to `bounds[i + 1]` are those of the i-th."""
    rows = pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), values)
    return pc.binary_join_element_wise("[", pc.binary_join(rows, ", "), "]", "")

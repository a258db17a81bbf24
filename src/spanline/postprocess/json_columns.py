"""JSON text put together by columns: a quarter of a million small records faster than one by one.

Legend: K values.
"""

from __future__ import annotations

import json

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from spanline.storage.ragged import Array

CONTROL = "[\\x00-\\x1f]"


def quoted(texts: pa.StringArray) -> pa.StringArray:
    """(K,) JSON strings, UTF-8."""
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    strings = joined('"', escaped, '"')
    odd = pc.match_substring_regex(texts, CONTROL)
    if not pc.any(odd).as_py():
        return strings
    ours = [json.dumps(text, ensure_ascii=False) for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(strings, odd, pa.array(ours, pa.string()))


def with_comma(values: Array) -> pa.StringArray:
    """(K,) JSON numbers, the shortest that read back as the same (float32 as float32), each with a comma behind it."""
    if not len(values):
        return pa.array([], pa.string())
    listed = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
    data = np.frombuffer(listed, np.uint8)
    bounds = np.append(0, np.flatnonzero(data == ord(",")) + 1).astype(np.int32)
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(bounds), pa.py_buffer(data))


def numbers(values: Array) -> pa.StringArray:
    """(K,) as `with_comma`, without the comma."""
    return pc.binary_slice(with_comma(values).cast(pa.binary()), 0, -1).cast(pa.string())


def joined(*columns: pa.StringArray | str) -> pa.StringArray:
    """(K,) the columns' strings one after another, row by row; a `str` is in every row."""
    return pc.binary_join_element_wise(*columns, "")


def one_after_another(strings: pa.StringArray) -> pa.Buffer:
    """The UTF-8 of all strings in a row, without copying."""
    first, last = (strings.offset + at for at in (0, len(strings)))
    _, offsets, data = strings.buffers()
    bounds = np.frombuffer(offsets, np.int32)
    return data.slice(bounds[first], bounds[last] - bounds[first])

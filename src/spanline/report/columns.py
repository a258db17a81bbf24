"""Columns of whole numbers and lists of texts as one text that a page can carry: packed, gzip, base64.

    4 bytes  length of the header, little endian
    header   JSON (UTF-8): {"texts": {name: [...]}, "columns": [[name, count, planes, is_signed], ...], ...}
    planes   of each column in turn: the lowest byte of every number, then the next byte of every number, ...

Bytes of the same weight lie together, which makes them compress; a column has as many planes as its largest number
needs. A signed number n is kept as 2n, or as -2n - 1 where it is negative. page.js unpacks it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]


def pack(columns: Mapping[str, Sequence[int] | Whole], header: Mapping[str, Any]) -> str:
    """The base64 text; the same bytes each time (no clock and no system in the gzip header)."""
    described, planes = [], []
    for name, values in columns.items():
        numbers = np.asarray(values, np.int64)
        is_signed = bool((numbers < 0).any())
        bytes_of = _planes(np.where(numbers < 0, -2 * numbers - 1, 2 * numbers) if is_signed else numbers)
        described.append([name, len(numbers), len(bytes_of), is_signed])
        planes += bytes_of
    head = json.dumps({**header, "columns": described}, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()
    content = b"".join([len(head).to_bytes(4, "little"), head, *planes])
    return base64.b64encode(_packed(content)).decode("ascii")


def _packed(content: bytes) -> bytes:
    """gzip without a clock. Byte 9 names the system that packed it: 3 (Unix) everywhere, for gzip.compress says other
    things on other versions of Python (RFC 1952)."""
    packed = zlib.compress(content, 9, wbits=31)
    return packed[:9] + b"\x03" + packed[10:]


def _planes(numbers: Whole) -> list[bytes]:
    """The bytes of numbers of at most 32 bits, by weight; at least one plane."""
    largest = int(numbers.max(initial=0))
    assert largest < 1 << 32, "a column holds 32 bits"
    return [
        ((numbers >> shift) & 0xFF).astype(np.uint8).tobytes() for shift in range(0, max(largest, 1).bit_length(), 8)
    ]

"""Ways to damage a file or a folder as disks, copies, people and attackers do."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

JUNK: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    1 << 31,
    1 << 63,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "abc",
    "0",
    "\x00",
    "\ud800",
    "x" * 5000,
    [],
    [None],
    {},
    {"": {}},
]  # 25 kinds


def flipped(content: bytes, generator: random.Random) -> bytes:
    at = generator.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << generator.randrange(8))]) + content[at + 1 :]


def truncated(content: bytes, generator: random.Random) -> bytes:
    return content[: generator.randrange(len(content))]


def foreign(content: bytes, generator: random.Random) -> bytes:
    return generator.randbytes(200)


def empty(content: bytes, generator: random.Random) -> bytes:
    return b""


OF_BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped": flipped,
    "truncated": truncated,
    "foreign": foreign,
    "empty": empty,
}


def with_junk(content: Any) -> Iterator[tuple[str, Any]]:
    """The parsed JSON or YAML `content` with each kind of JUNK in the place of each node, and without each node. The
    text says where and what."""
    for place in _places(content):
        for junk in JUNK:
            yield f"{place} = {junk!r}"[:200], _changed(content, place, partial(_put, junk))
        if place:
            yield f"{place} missing", _changed(content, place, lambda parent, key: parent.pop(key))


def _places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from _places(value, (*place, key))


def _put(new: Any, parent: Any, key: Any) -> None:
    parent[key] = new


def _changed(content: Any, place: tuple[Any, ...], change: Callable[[Any, Any], Any]) -> Any:
    holder = json.loads(json.dumps({"root": content}))
    parent = holder
    for key in ("root", *place)[:-1]:
        parent = parent[key]
    change(parent, ("root", *place)[-1])
    return holder["root"]


def every_truncation(content: bytes, most: int, generator: random.Random) -> Iterator[bytes]:
    """`content` cut at every length, or at `most` lengths of it."""
    lengths = range(len(content))
    for length in lengths if len(content) <= most else sorted(generator.sample(lengths, most)):
        yield content[:length]


def files_of(folder: Path) -> dict[str, bytes]:
    """Name -> bytes, of all files in `folder`, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

"""Whatever stands in a file: a refusal in one line, or examples that hold what every stage relies on."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.download import formats
from spanline.download.checking.anchor import shows
from spanline.download.checking.checks import Checker, checked
from spanline.download.checking.flaws import Policy
from tests.make.foreign import GOOD, record

POLICIES: tuple[Policy, ...] = ("refuse", "repair", "drop", "repair_or_drop")
JUNK: list[Any] = [
    *(None, True, False, 0, -1, 7, 10**40, 1.5, "", " ", "\u200b", "x", "\ud83d", "\x00", "a" * 5000, "7"),
    *([], {}, [[]], [None], [1, 2], {"a": 1}, [{"text": "x"}], {"text": [], "answer_start": []}),
    {"text": ["x"], "answer_start": [None]},
]
ROWS = [record(), record(id="q2", answers={"text": [], "answer_start": []})]


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from nodes(value[key], (*path, key))


def with_junk(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = junk
    return changed


def variants(base: Any, generator: random.Random) -> Iterator[bytes]:
    """Junk at every node, every truncation, and single bytes replaced."""
    for path in nodes(base):
        for junk in JUNK:
            yield json.dumps(with_junk(base, path, junk)).encode()
    text = json.dumps(base).encode()
    yield from (text[:cut] for cut in range(len(text)))
    for _ in range(300):
        at = generator.randrange(len(text))
        yield text[:at] + bytes([generator.randrange(256)]) + text[at + 1 :]


@pytest.mark.parametrize(
    ("format_", "base"), [("squad", GOOD), ("flat", {"data": ROWS}), ("jsonl", ROWS[0])], ids=["squad", "flat", "jsonl"]
)
def test_junk_anywhere(tmp_path: Path, format_: str, base: Any) -> None:
    generator = random.Random(17)
    path = tmp_path / "data"
    good = 0
    for content in variants(base, generator):
        path.write_bytes(content)
        checker = Checker("data", generator.choice(POLICIES))
        try:
            examples = list(checked(formats.READERS[format_](path, "data"), checker))
        except SpanlineError:
            continue
        good += 1
        splits.to_table(examples)  # every text can be written
        assert len({example.id for example in examples}) == len(examples) > 0
        for example in examples:
            assert all(map(shows, (example.id, example.title, example.context, example.question)))
            for answer in example.answers:
                assert example.context[answer.start :].startswith(answer.text)
                assert shows(answer.text)
    assert good > 40

"""Files with questions that somebody else wrote: good ones to be changed, and what the readers make of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example
from spanline.download import formats
from tests.paths import TINY

GOOD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Orvel",
            "paragraphs": [
                {
                    "context": "Lake Orvel is cold.",
                    "qas": [
                        {
                            "id": "q1",
                            "question": "What is cold?",
                            "answers": [{"text": "Lake Orvel", "answer_start": 0}],
                            "is_impossible": False,
                        },
                        {"id": "q2", "question": "What is warm?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}


def tiny_again(folder: Path) -> Path:
    """The tiny set in a file of other bytes: train and validation may not be one file."""
    path = folder / "tiny-again.json"
    path.write_bytes(TINY.read_bytes() + b"\n")
    return path


def read_official(tmp_path: Path, content: Any) -> list[Example]:
    path = tmp_path / "data.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return list(formats.read_official(path, "data.json"))


def read_jsonl(tmp_path: Path, *lines: Any) -> list[Example]:
    path = tmp_path / "data.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return list(formats.read_jsonl(path, "data.jsonl"))


def record(**changes: Any) -> dict[str, Any]:
    """A good line of JSONL, with changes; None removes a field."""
    fields = {
        "id": "q1",
        "title": "Orvel",
        "context": "Lake Orvel is cold.",
        "question": "What is cold?",
        "answers": {"text": ["Lake Orvel"], "answer_start": [0]},
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def change(*keys: Any, to: Any = ...) -> Callable[[Any], None]:
    """Set (or, without `to`, delete) the value under `keys`."""

    def apply(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        if to is ...:
            del content[keys[-1]]
        else:
            content[keys[-1]] = to

    return apply


def official_refusal(tmp_path: Path, edit: Callable[[Any], None]) -> str:
    """What is said of the good official file after this edit."""
    content = copy.deepcopy(GOOD)
    edit(content)
    with pytest.raises(SpanlineError) as refusal:
        read_official(tmp_path, content)
    return str(refusal.value)


def jsonl_refusal(tmp_path: Path, line: Any) -> str:
    """What is said of JSON lines whose second is this one."""
    with pytest.raises(SpanlineError) as refusal:
        read_jsonl(tmp_path, record(id="first"), line)
    return str(refusal.value)

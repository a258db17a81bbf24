"""Readers of the formats that SQuAD comes in, each record checked: the official JSON (v1.1 and v2.0), run_qa's flat
JSON, JSONL, CSV and parquet in the hub's layout.

An error names the place of a mistake: file, article, paragraph or line or row (counted from 1), question. `origin` is
what the user knows the file by.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from spanline.dataset.records import Example
from spanline.download.checking.checks import strict
from spanline.download.checking.flaws import Flaw
from spanline.download.checking.raw import Raw, no_garbage_collection, parse
from spanline.download.readers import flat, official, tables

Reader = Callable[[Path, str], Iterator[Raw | Flaw]]


def _official(path: Path, origin: str) -> Iterator[Raw | Flaw]:
    return official.records(_content(path, origin), origin)


def _flat(path: Path, origin: str) -> Iterator[Raw | Flaw]:
    return flat.listed(_content(path, origin), origin)


def _content(path: Path, origin: str) -> Any:
    todo = "fetch it anew, or set its format: for one example a line that is jsonl"
    with no_garbage_collection():
        return parse(path.read_bytes(), origin, todo)


READERS: dict[str, Reader] = {  # by the names that download.files.format takes
    "squad": _official,
    "flat": _flat,
    "jsonl": flat.jsonl,
    "csv": flat.rows_of_csv,
    "parquet": tables.parquet,
}


def read_official(path: Path, origin: str) -> Iterator[Example]:
    """The examples of an official SQuAD JSON file, in file order; SpanlineError at the first mistake."""
    return strict(_official(path, origin), origin)


def read_jsonl(path: Path, origin: str) -> Iterator[Example]:
    """The examples of a JSONL file, streamed; SpanlineError at the first mistake."""
    return strict(flat.jsonl(path, origin), origin)


def read_parquet(path: Path, origin: str) -> Iterator[Example]:
    """The examples of a parquet file, a row group in memory at a time; SpanlineError at the first mistake."""
    return strict(tables.parquet(path, origin), origin)


def records_sha256(examples: Iterable[Example]) -> str:
    """SHA-256 of the examples as JSON lines: says what was read, however a cache stored it."""
    digest = hashlib.sha256()
    for example in examples:
        answers = [[answer.text, answer.start] for answer in example.answers]
        record = [example.id, example.title, example.context, example.question, answers]
        digest.update(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()

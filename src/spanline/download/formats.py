"""Readers of the formats that SQuAD comes in (official JSON v1.1 and v2.0, JSONL, parquet in the hub's layout), each
record checked.

An error names the place of the first mistake: file, article, paragraph or line or row (counted from 1), question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.dataset.records import Example
from spanline.dataset.splits import SCHEMA
from spanline.download.checks import checked_context, checked_example, field, from_record, short


def read_official(path: Path, origin: str) -> Iterator[Example]:
    """The examples of an official SQuAD JSON file (v1.1 or v2.0), in file order; plausible answers are not read.

    Raises SpanlineError that names `origin` (what the user knows the file by), article, paragraph (counted from 1) and
    question of the first mistake.
    """
    content = _parse(
        path.read_bytes(), origin, "fetch it anew, or set its format: for one example a line that is jsonl"
    )
    return unique(_official_examples(content, origin), origin)


def read_jsonl(path: Path, origin: str) -> Iterator[Example]:
    """The examples of a JSONL file in the hub's field names, one per line, streamed; blank lines are skipped.

    Raises SpanlineError that names `origin`, line (counted from 1) and question of the first mistake.
    """
    return unique(_jsonl_examples(path, origin), origin)


def unique(examples: Iterable[Example], origin: str) -> Iterator[Example]:
    """The same examples; SpanlineError when an id comes twice or when there is no example at all."""
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            place = f"{origin}, article {short(example.title)}, question {short(example.id)}"
            raise SpanlineError(place, "this id has come before", "give each question an id of its own, or drop one")
        seen.add(example.id)
        yield example
    if not seen:
        raise SpanlineError(origin, "holds no example at all", "point to a file with questions")


def records_sha256(examples: Iterable[Example]) -> str:
    """SHA-256 of the examples as JSON lines: says what was read, however a cache stored it."""
    digest = hashlib.sha256()
    for example in examples:
        answers = [[answer.text, answer.start] for answer in example.answers]
        record = [example.id, example.title, example.context, example.question, answers]
        digest.update(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def _official_examples(content: Any, origin: str) -> Iterator[Example]:
    for number, article in enumerate(field(content, "data", list, origin), start=1):
        title = field(article, "title", str, f"{origin}, article {number}")
        place = f"{origin}, article {short(title)}"
        for paragraph_number, paragraph in enumerate(field(article, "paragraphs", list, place), start=1):
            yield from _paragraph_examples(paragraph, title, f"{place}, paragraph {paragraph_number}")


def _paragraph_examples(paragraph: Any, title: str, place: str) -> Iterator[Example]:
    context = checked_context(field(paragraph, "context", str, place), place)
    for number, record in enumerate(field(paragraph, "qas", list, place), start=1):
        qid = field(record, "id", str, f"{place}, question {number}")
        question_place = f"{place}, question {short(qid)}"
        answers = field(record, "answers", list, question_place)
        yield checked_example(qid, title, context, answers, record, question_place)


def _jsonl_examples(path: Path, origin: str) -> Iterator[Example]:
    with path.open("rb") as lines:  # bytes: only a line feed ends a line, never U+2028 or a form feed inside a text
        for number, line in enumerate(lines, start=1):
            if line.strip():
                place = f"{origin}, line {number}"
                todo = "write one JSON object a line, or set its format: for the official JSON that is squad"
                yield from_record(_parse(line.strip(), place, todo), place)


def _parse(content: bytes, place: str, todo: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise SpanlineError(place, f"not JSON: {error.msg} at character {error.pos}", todo) from None
    except UnicodeDecodeError as error:
        raise SpanlineError(place, f"not UTF-8 at byte {error.start}", todo) from None


# Parquet, and whatever else comes as Arrow batches.


def read_parquet(path: Path, origin: str) -> Iterator[Example]:
    """The examples of a parquet file in the hub's layout that somebody else wrote, every record checked.

    Other columns are ignored. Raises SpanlineError that names `origin` (what the user knows the file by), row (counted
    from 1) and question of the first mistake.
    """
    todo = "fetch it anew, or set its format"
    with splits.open_parquet(path, origin, "check the path", todo) as file:
        check_columns(file.schema_arrow.names, origin)
        yield from from_batches(splits.batches(file, SCHEMA.names, origin, todo), origin)


def from_batches(batches: Iterable[Any], origin: str) -> Iterator[Example]:
    """The checked examples of Arrow batches (or tables) in the hub's layout; `origin` names them in errors."""
    return unique(_records(batches, origin), origin)


def _records(batches: Iterable[Any], origin: str) -> Iterator[Example]:
    number = 0
    for batch in batches:
        for record in batch.select(SCHEMA.names).to_pylist():
            number += 1
            yield from_record(record, f"{origin}, row {number}")


def check_columns(names: list[str], origin: str) -> None:
    """SpanlineError that names the first column of the hub's layout that is not among `names`."""
    for name in SCHEMA.names:
        if name not in names:
            todo = f"it has {', '.join(names)}; rename or add, as in the hub's squad_v2"
            raise SpanlineError(origin, f"column '{name}' is missing", todo)

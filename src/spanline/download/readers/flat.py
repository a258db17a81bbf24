"""One record per question in the hub's field names: JSONL, run_qa's JSON, CSV, and rows of parquet or Arrow.

`title` and `is_impossible` are optional; a file whose first record has no title has none by its layout. Other fields
are ignored.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.download.checking.flaws import Flaw
from spanline.download.checking.raw import Malformed, Raw, no_list, no_object, parse, short
from spanline.download.readers.literal import literal
from spanline.download.readers.official import pairs

FIELDS = ("id", "title", "context", "question", "answers")
OPTIONAL = ("title", "is_impossible")
_LINE_TODO = "write one JSON object a line, or set its format: for the official JSON that is squad"


def records(rows: Iterable[tuple[Any, str]]) -> Iterator[Raw | Flaw]:
    """The questions of records, each with its place."""
    has_titles: bool | None = None
    for row, place in rows:
        if isinstance(row, Flaw):
            yield row
        elif type(row) is not dict:
            yield Flaw("record_form", place, *no_object(row, "id"))
        else:
            get = row.get
            title, context = get("title"), get("context")
            if has_titles is None:
                has_titles = title is not None
            answers = _answers(get("answers"))
            yield Raw(
                place,
                None,
                get("id"),
                title,
                context,
                get("question"),
                answers,
                get("is_impossible"),
                context,
                has_titles,
            )


def _answers(answers: Any) -> list[tuple[Any, Any]] | Malformed:
    """Of {text: [...], answer_start: [...]}, or of a list of {text, answer_start}."""
    if type(answers) is list:
        return pairs(answers, "answers")
    if isinstance(answers, Malformed):
        return answers
    if type(answers) is not dict:
        return Malformed(*no_list(answers, "answers", "an object"))
    for name in ("text", "answer_start"):
        if type(answers.get(name)) is not list:
            return Malformed(*no_list(answers.get(name), name), ", answers")
    texts, starts = answers["text"], answers["answer_start"]
    if len(texts) != len(starts):
        what = f"answers have {len(texts)} 'text' but {len(starts)} 'answer_start'"
        return Malformed(what, "give each answer both")
    return list(zip(texts, starts, strict=True))


def jsonl(path: Path, origin: str) -> Iterator[Raw | Flaw]:
    """One record a line, streamed; blank lines are skipped. A line that is no JSON is a Flaw."""
    return records(_lines(path, origin))


def _lines(path: Path, origin: str) -> Iterator[tuple[Any, str]]:
    with path.open("rb") as lines:  # bytes: only a line feed ends a line, never U+2028 or a form feed inside a text
        for number, line in enumerate(lines, start=1):
            if line.strip():
                place = f"{origin}, line {number}"
                try:
                    yield parse(line.strip(), place, _LINE_TODO), place
                except SpanlineError as error:
                    yield Flaw("not_json", error.where, error.what, error.todo), place


def listed(content: Any, origin: str) -> Iterator[Raw | Flaw]:
    """The records of a parsed file: a list, or run_qa's {"data": [...]}."""
    rows = content.get("data") if isinstance(content, dict) else content
    if type(rows) is not list:
        raise SpanlineError(origin, *no_list(rows, "data"))
    return records((row, f"{origin}, record {number}") for number, row in enumerate(rows, start=1))


def rows_of_csv(path: Path, origin: str) -> Iterator[Raw | Flaw]:
    """The rows of a CSV with these columns; `answers` is JSON, or what Python or pandas print of the hub's answers.

    Raises SpanlineError for a file that is no UTF-8 or lacks a column.
    """
    return records(_csv_rows(path, origin))


def _csv_rows(path: Path, origin: str) -> Iterator[tuple[Any, str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter(file.readline()))
            file.seek(0)
            check_columns([*(reader.fieldnames or [])], origin)
            for number, row in enumerate(reader, start=1):
                yield _csv_record(row), f"{origin}, row {number}"
    except UnicodeDecodeError as error:
        raise SpanlineError(origin, f"not UTF-8 at byte {error.start}", "save it as UTF-8") from None
    except csv.Error as error:
        raise SpanlineError(origin, f"not CSV: {error}", "quote texts that hold line ends or quotes") from None


def delimiter(header: str) -> str:
    """Of a CSV with this first line: a comma, a semicolon or a tab."""
    return max(",;\t", key=header.count)


def _csv_record(row: dict[str | None, Any]) -> dict[str, Any]:
    """Texts as they are; an empty cell of another field is a missing one."""
    record: dict[str, Any] = {name: row.get(name) for name in (*FIELDS, "is_impossible")}
    for name in ("id", *OPTIONAL):
        record[name] = record[name] or None
    record["answers"] = _csv_answers(record["answers"])
    impossible = record["is_impossible"]
    if impossible is not None:
        record["is_impossible"] = {"true": True, "false": False}.get(impossible.strip().lower(), impossible)
    return record


def _csv_answers(cell: str | None) -> Any:
    if not cell:
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return literal(cell)
    except ValueError:
        todo = """write them as JSON: {"text": ["..."], "answer_start": [0]}"""
        return Malformed(f"'answers' is {short(cell)}", todo)


def check_columns(names: list[str], origin: str) -> None:
    """SpanlineError that names the first column of the hub's layout that is not among `names`."""
    for name in FIELDS:
        if name not in names and name not in OPTIONAL:
            todo = f"it has {', '.join(names)}; rename or add, as in the hub's squad_v2"
            raise SpanlineError(origin, f"column '{name}' is missing", todo)

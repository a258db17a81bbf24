"""Questions from a file, with or without gold answers, which are not looked at: SQuAD's JSON, run_qa's, JSON lines,
CSV, parquet. What a file is, is told as the download stage tells it.

What answers nothing is not asked for: a title may be missing, an id may be a number, and where no record has an id the
questions are numbered from 1. A mistake names file, record and field.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.common.files import parse_json
from spanline.dataset import splits
from spanline.dataset.records import Example
from spanline.download.readers import kind as kinds
from spanline.download.readers.flat import delimiter

Record = tuple[str, Any]  # where it stands, and what stands there
_COLUMNS = ("id", "title", "context", "question")


def read(path: Path, kind: str) -> Iterator[Example]:
    """The questions of the file, in its order, without answers. `kind`: a key of FORMATS, or auto: by content, else by
    the name's end.

    SpanlineError for what is missing or empty, for an id that comes twice and for a file without a question.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise SpanlineError(path, what, "give a file of questions")
    seen: set[str] = set()
    for number, (place, record) in enumerate(FORMATS[_kind(path, kind)](path), 1):
        example = _example(record, number, place)
        if example.id in seen:
            raise SpanlineError(place, f"the id {example.id!r} has come before", "give each question an id of its own")
        seen.add(example.id)
        yield example
    if not seen:
        raise SpanlineError(path, "holds no question", "give a file of questions with their contexts")


def _kind(path: Path, kind: str) -> str:
    kinds.check_is_data(path, str(path))
    if kind != "auto":
        return kind
    found = kinds.by_content(path, columns=(b"context", b"question")) or kinds.by_name(path)
    if found is None:
        raise SpanlineError(path, kinds.UNKNOWN, f"say --format {'|'.join(FORMATS)}")
    return found


def _example(record: Any, number: int, place: str) -> Example:
    if not isinstance(record, dict):
        raise SpanlineError(place, "is no record with a question and a context", "give each question both")
    qid = record.get("id")
    context, question = (_text(record, name, place) for name in ("context", "question"))
    title = record.get("title")
    return Example(str(number if qid is None else qid), title if isinstance(title, str) else "", context, question, ())


def _text(record: dict[str, Any], name: str, place: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        what = f"has no '{name}'" if value is None else f"'{name}' is {value!r:.40}, no text with words"
        raise SpanlineError(place, what, "give each question a text for both 'question' and 'context'")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        what = f"'{name}' has half a surrogate pair at character {error.start}"
        raise SpanlineError(place, what, "write the whole character") from None
    return value


def _decoded(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # a byte order mark is no text
    except UnicodeDecodeError as error:
        raise SpanlineError(path, f"not UTF-8 at byte {error.start}", "convert it, with iconv say") from None


def _squad(path: Path) -> Iterator[Record]:
    """Articles of paragraphs, as SQuAD has them; or a plain list of records."""
    try:
        content = parse_json(_decoded(path))
    except ValueError as error:
        raise SpanlineError(path, f"not JSON: {error}", "for one question a line say --format jsonl") from None
    articles = content.get("data") if isinstance(content, dict) else content
    if not isinstance(articles, list):
        raise SpanlineError(path, "has no list 'data'", "compare with SQuAD's files, or say its --format")
    for number, article in enumerate(articles, 1):
        place = f"{path}, article {number}"
        if isinstance(article, dict) and "paragraphs" in article:
            yield from _paragraphs(article, place)
        else:
            yield f"{path}, record {number}", article


def _paragraphs(article: dict[str, Any], place: str) -> Iterator[Record]:
    for number, paragraph in enumerate(_listed(article, "paragraphs", place), 1):
        where = f"{place}, paragraph {number}"
        if not isinstance(paragraph, dict):
            raise SpanlineError(where, "is no object", "compare with SQuAD's files")
        for question_number, question in enumerate(_listed(paragraph, "qas", where), 1):
            shared = {"title": article.get("title"), "context": paragraph.get("context")}
            record = shared | question if isinstance(question, dict) else question
            yield f"{where}, question {question_number}", record


def _listed(record: dict[str, Any], name: str, place: str) -> list[Any]:
    value = record.get(name)
    if not isinstance(value, list):
        raise SpanlineError(place, f"has no list '{name}'", "compare with SQuAD's files")
    return value


def _jsonl(path: Path) -> Iterator[Record]:
    for number, line in enumerate(_decoded(path).split("\n"), 1):  # only a line feed ends a line
        if line.strip():
            place = f"{path}, line {number}"
            try:
                yield place, parse_json(line)
            except ValueError as error:
                raise SpanlineError(place, f"not JSON: {error}", "write one JSON object a line") from None


def _csv(path: Path) -> Iterator[Record]:
    """With a header, separated as download.files has it; a cell that is empty is a field that is missing."""
    csv.field_size_limit(1 << 30)  # characters of a cell: a context may be a book
    text = _decoded(path)
    separator = delimiter(text.partition("\n")[0])
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in rows:
            yield f"{path}, line {rows.line_num}", {name: value for name, value in row.items() if value}
    except csv.Error as error:
        place = f"{path}, after line {rows.line_num}"
        raise SpanlineError(place, f"not CSV: {error}", "quote it as RFC 4180 says") from None


def _parquet(path: Path) -> Iterator[Record]:
    with splits.open_parquet(path, str(path), "check the path", "make or fetch it anew") as file:
        names = [name for name in _COLUMNS if name in file.schema_arrow.names]
        number = 0
        for batch in splits.batches(file, names, str(path), "make or fetch it anew"):
            for number, record in enumerate(batch.to_pylist(), number + 1):  # noqa: B020
                yield f"{path}, row {number}", record


FORMATS: dict[str, Callable[[Path], Iterable[Record]]] = {
    "squad": _squad,
    "flat": _squad,
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
}

"""SQuAD records, and the readers of the official JSON (v1.1, v2.0) and of JSONL, checked record by record.

Text is never stripped, lower-cased or re-encoded: every offset counts Python characters (code points) of the context.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from spanline.errors import SpanlineError


@dataclass(frozen=True, slots=True)
class Answer:
    """A gold answer: `context[start:start + len(text)] == text`."""

    text: str
    start: int  # characters of the context


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its context and gold answers. No answers means unanswerable (`is_impossible: true`)."""

    id: str  # unique in a split
    title: str  # the article's
    context: str
    question: str
    answers: tuple[Answer, ...]  # training uses the first; scoring takes the best over all

    @property
    def is_answerable(self) -> bool:
        """Decided by the presence of answers, as in the official script, even if they normalize to nothing."""
        return bool(self.answers)


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
    """The examples of a JSONL file in the hub's field names, one a line, streamed; blank lines are skipped.

    Raises SpanlineError that names `origin`, line (counted from 1) and question of the first mistake.
    """
    return unique(_jsonl_examples(path, origin), origin)


def unique(examples: Iterable[Example], origin: str) -> Iterator[Example]:
    """The same examples; SpanlineError when an id comes twice or when there is no example at all."""
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            place = f"{origin}, article {_short(example.title)}, question {_short(example.id)}"
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


def from_record(record: Any, place: str) -> Example:
    """An Example of the hub's fields: id, title, context, question, answers {text, answer_start}; all but those and
    is_impossible (optional) are ignored. `place` names file and line or row for the SpanlineError."""
    qid = _field(record, "id", str, place)
    place = f"{place}, question {_short(qid)}"
    answers = _field(record, "answers", dict, place)
    texts = _field(answers, "text", list, f"{place}, answers")
    starts = _field(answers, "answer_start", list, f"{place}, answers")
    if len(texts) != len(starts):
        what = f"answers have {len(texts)} 'text' but {len(starts)} 'answer_start'"
        raise SpanlineError(place, what, "give each answer both")
    return _example(
        qid,
        _field(record, "title", str, place),
        _checked_context(_field(record, "context", str, place), place),
        [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)],
        record,
        place,
    )


def _official_examples(content: Any, origin: str) -> Iterator[Example]:
    for number, article in enumerate(_field(content, "data", list, origin), start=1):
        title = _field(article, "title", str, f"{origin}, article {number}")
        place = f"{origin}, article {_short(title)}"
        for paragraph_number, paragraph in enumerate(_field(article, "paragraphs", list, place), start=1):
            yield from _paragraph_examples(paragraph, title, f"{place}, paragraph {paragraph_number}")


def _paragraph_examples(paragraph: Any, title: str, place: str) -> Iterator[Example]:
    context = _checked_context(_field(paragraph, "context", str, place), place)
    for number, record in enumerate(_field(paragraph, "qas", list, place), start=1):
        qid = _field(record, "id", str, f"{place}, question {number}")
        question_place = f"{place}, question {_short(qid)}"
        answers = _field(record, "answers", list, question_place)
        yield _example(qid, title, context, answers, record, question_place)


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


def _example(qid: str, title: str, context: str, answers: list[Any], record: Any, place: str) -> Example:
    example = Example(
        id=_encodable(qid, "id", place),
        title=_encodable(title, "title", place),
        context=context,
        question=_encodable(_field(record, "question", str, place), "question", place),
        answers=tuple(_answer(answer, context, f"{place}, answer {n}") for n, answer in enumerate(answers, start=1)),
    )
    _check_is_impossible(record, example, place)
    return example


def _answer(record: Any, context: str, place: str) -> Answer:
    """The checked answer. Where it differs from the context, the message shows both texts."""
    text, start = _field(record, "text", str, place), _field(record, "answer_start", int, place)
    if not text:
        raise SpanlineError(place, "'text' is empty", "drop it: a question without answers is an unanswerable one")
    found = context[start : start + len(text)] if start >= 0 else ""
    if found != text:
        what = f"'text' is {_short(text)} but the context has {_short(found)} at 'answer_start' {start}"
        raise SpanlineError(place, what, _offset_hint(text, context))
    return Answer(text, start)


def _offset_hint(text: str, context: str) -> str:
    first = context.find(text)
    if first < 0:
        return "that text stands nowhere in the context: mend or drop the answer"
    return f"the text first stands at {first}: offsets count characters (code points) of the context, not bytes"


def _check_is_impossible(record: Any, example: Example, place: str) -> None:
    """v1.1 and the hub do not have the field; where it is there, it must agree with the presence of answers."""
    if record.get("is_impossible") is None:
        return
    is_impossible = _field(record, "is_impossible", bool, place)
    if is_impossible == example.is_answerable:
        what = f"'is_impossible' is {str(is_impossible).lower()} but it has {'an' if is_impossible else 'no'} answer"
        todo = "drop the answers or set it to false" if is_impossible else "add an answer or set it to true"
        raise SpanlineError(place, what, todo)


def _checked_context(context: str, place: str) -> str:
    if not context.strip():
        raise SpanlineError(place, "'context' is empty", "drop its questions, or give it a text")
    return _encodable(context, "context", place)


def _encodable(text: str, name: str, place: str) -> str:
    """JSON's escapes can spell half of a surrogate pair, which no UTF-8 file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = f"'{name}' has half a surrogate pair at character {error.start}"
        raise SpanlineError(place, what, "write the whole character") from None
    return text


T = TypeVar("T")
_KIND_NAMES = {str: "a text", int: "a whole number", list: "a list", dict: "an object", bool: "true or false"}


def _field(record: Any, name: str, kind: type[T], place: str) -> T:
    """`record[name]`, which must be there and be exactly of that kind (true is no number)."""
    if not isinstance(record, dict):
        raise SpanlineError(
            place, f"is {_short(record)}, not an object with '{name}'", "compare with the official files"
        )
    value = record.get(name)
    if value is None:
        raise SpanlineError(place, f"field '{name}' is missing", f"add it: {_KIND_NAMES[kind]}")
    if type(value) is not kind:
        raise SpanlineError(place, f"'{name}' is {_short(value)}", f"write {_KIND_NAMES[kind]}")
    return value


def _short(value: Any, length: int = 40) -> str:
    """The value as Python shows it, cut to about `length` characters; blanks that do not show are escaped."""
    shown = repr(value if not isinstance(value, str) else value[: length + 1])
    return shown if len(shown) <= length + 2 else f"{shown[:length]}..."

"""One foreign record -> a checked Example, or a SpanlineError that says which field of which question is wrong.

`place` names file, line (or row, or article and paragraph) and question in the errors.
"""

from __future__ import annotations

from typing import Any, TypeVar

from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example, GoldAnswer

T = TypeVar("T")
_KIND_NAMES = {str: "a text", int: "a whole number", list: "a list", dict: "an object", bool: "true or false"}


def from_record(record: Any, place: str) -> Example:
    """An Example of the hub's fields: id, title, context, question, answers {text, answer_start}; all but those and
    is_impossible (optional) are ignored. `place` names file and line or row for the SpanlineError."""
    qid = field(record, "id", str, place)
    place = f"{place}, question {short(qid)}"
    answers = field(record, "answers", dict, place)
    texts = field(answers, "text", list, f"{place}, answers")
    starts = field(answers, "answer_start", list, f"{place}, answers")
    if len(texts) != len(starts):
        what = f"answers have {len(texts)} 'text' but {len(starts)} 'answer_start'"
        raise SpanlineError(place, what, "give each answer both")
    return checked_example(
        qid,
        field(record, "title", str, place),
        checked_context(field(record, "context", str, place), place),
        [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)],
        record,
        place,
    )


def checked_example(qid: str, title: str, context: str, answers: list[Any], record: Any, place: str) -> Example:
    example = Example(
        id=_encodable(qid, "id", place),
        title=_encodable(title, "title", place),
        context=context,
        question=_encodable(field(record, "question", str, place), "question", place),
        answers=tuple(_answer(answer, context, f"{place}, answer {n}") for n, answer in enumerate(answers, start=1)),
    )
    _check_is_impossible(record, example, place)
    return example


def _answer(record: Any, context: str, place: str) -> GoldAnswer:
    """The checked answer. Where it differs from the context, the message shows both texts."""
    text, start = field(record, "text", str, place), field(record, "answer_start", int, place)
    if not text:
        raise SpanlineError(place, "'text' is empty", "drop it: a question without answers is an unanswerable one")
    found = context[start : start + len(text)] if start >= 0 else ""
    if found != text:
        what = f"'text' is {short(text)} but the context has {short(found)} at 'answer_start' {start}"
        raise SpanlineError(place, what, _offset_hint(text, context))
    return GoldAnswer(text, start)


def _offset_hint(text: str, context: str) -> str:
    first = context.find(text)
    if first < 0:
        return "the text occurs nowhere in the context: fix or drop the answer"
    return f"the text first occurs at {first}: offsets count characters (code points) of the context, not bytes"


def _check_is_impossible(record: Any, example: Example, place: str) -> None:
    """v1.1 and the hub do not have the field; where it is there, it must agree with the presence of answers."""
    if record.get("is_impossible") is None:
        return
    is_impossible = field(record, "is_impossible", bool, place)
    if is_impossible == example.is_answerable:
        what = f"'is_impossible' is {str(is_impossible).lower()} but it has {'an' if is_impossible else 'no'} answer"
        todo = "drop the answers or set it to false" if is_impossible else "add an answer or set it to true"
        raise SpanlineError(place, what, todo)


def checked_context(context: str, place: str) -> str:
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


def field(record: Any, name: str, kind: type[T], place: str) -> T:
    """`record[name]`, which must be there and be exactly of that kind (true is no number)."""
    if not isinstance(record, dict):
        raise SpanlineError(
            place, f"is {short(record)}, not an object with '{name}'", "compare with the official files"
        )
    value = record.get(name)
    if value is None:
        raise SpanlineError(place, f"field '{name}' is missing", f"add it: {_KIND_NAMES[kind]}")
    if type(value) is not kind:
        raise SpanlineError(place, f"'{name}' is {short(value)}", f"write {_KIND_NAMES[kind]}")
    return value


def short(value: Any, length: int = 40) -> str:
    """The value as Python shows it, cut to about `length` characters; characters that do not show are escaped."""
    shown = repr(value if not isinstance(value, str) else value[: length + 1])
    return shown if len(shown) <= length + 2 else f"{shown[:length]}..."

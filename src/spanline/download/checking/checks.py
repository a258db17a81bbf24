"""One question as a file has it -> a checked Example, or its flaws: which field of which question is wrong, and how.

Whatever can be repaired surely is repaired here; whether the repair is taken is the policy's choice (`flaws.Found`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example, GoldAnswer
from spanline.download.checking.anchor import locate, shows, spelled_spans
from spanline.download.checking.flaws import Flaw, Found, Policy, RefusedError
from spanline.download.checking.raw import Malformed, Raw, short


class Checker:
    """Takes the records of one reading of a split, one after the other."""

    def __init__(self, origin: str, policy: Policy = "refuse") -> None:
        self.found = Found(policy)
        self._origin = origin
        self._ids: set[str] = set()

    def take(self, record: Raw | Flaw) -> Example | None:
        """The example, repaired where the policy has it so; None if it is refused or dropped."""
        if isinstance(record, Flaw):
            self.found.decide([record])
            return None
        example, flaws = examine(record)
        if example.id in self._ids:
            example = self._with_another_id(example, record, flaws)
        if flaws and not self.found.decide(flaws):
            return None
        self.found.made_titles += record.title is None and not record.has_titles
        self._ids.add(example.id)
        return example

    def finish(self) -> None:
        """Behind the last record: RefusedError if any was refused, SpanlineError if none was good."""
        if self.found.questions["refused"]:
            raise RefusedError(self._origin, "has flawed questions")
        if not self._ids:
            what, todo = "holds no example at all", "point to a file with questions"
            if self.found.flaws:
                what, todo = "holds no example without a flaw", "mend the file, or repair instead of dropping"
            raise SpanlineError(self._origin, what, todo)

    def _with_another_id(self, example: Example, raw: Raw, flaws: list[Flaw]) -> Example:
        number = 2
        while (qid := f"{example.id}-{number}") in self._ids:
            number += 1
        todo = "give each question an id of its own, or drop one"
        flaws.append(Flaw("id_repeated", _place(raw), "this id has come before", todo, f"id {qid!r}"))
        return Example(qid, example.title, example.context, example.question, example.answers)


def checked(records: Iterable[Raw | Flaw], checker: Checker) -> Iterator[Example]:
    """The examples that the checker takes, then its `finish`."""
    for record in records:
        example = checker.take(record)
        if example is not None:
            yield example
    checker.finish()


def strict(records: Iterable[Raw | Flaw], origin: str) -> Iterator[Example]:
    """The examples; SpanlineError at the first flaw."""
    checker = Checker(origin)
    for record in records:
        example = checker.take(record)
        if example is None:
            flaw = checker.found.refused()[0]
            raise SpanlineError(flaw.place, flaw.what, flaw.todo)
        yield example
    checker.finish()


def examine(raw: Raw) -> tuple[Example, list[Flaw]]:
    """The example with every repair that is sure, and the flaws. Where a flaw can't be repaired, the example is not
    to be used."""
    flaws: list[Flaw] = []
    qid = raw.id if is_text(raw.id) else _mended_id(raw, flaws)
    title = raw.title if is_text(raw.title) else _mended_title(raw, flaws)
    context = raw.context if is_text(raw.context) else _unusable(raw, "context", flaws)
    question = raw.question if is_text(raw.question) else _unusable(raw, "question", flaws)
    answers = _answers(raw, context, flaws)
    if raw.is_impossible is not None and type(raw.answers) is list:
        _check_is_impossible(raw, flaws)
    return Example(qid, title, context, question, answers), flaws


def is_text(value: Any) -> bool:
    """A text that shows something and that a UTF-8 file can hold."""
    if type(value) is not str:
        return False
    if value.isascii() and value[:1].isalnum():  # nearly all, and then there is nothing more to see
        return True
    return shows(value) and _bad_character(value) is None


def _bad_character(text: str) -> int | None:
    """Where half a surrogate pair is: JSON's escapes can spell it, and no UTF-8 file can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def _place(raw: Raw) -> str:
    """Down to the question, by its id if it has one."""
    if isinstance(raw.id, str) and raw.id:
        return f"{raw.place}, question {short(raw.id)}"
    return raw.place if raw.number is None else f"{raw.place}, question {raw.number}"


def _wrong_text(value: Any, name: str) -> tuple[str, str, str]:
    """What is wrong with a value that is not `is_text`, as kind, what and todo."""
    if value is None:
        return f"{name}_missing", f"field '{name}' is missing", "add it: a text"
    if type(value) is not str:
        return f"{name}_no_text", f"'{name}' is {short(value)}", "write a text"
    if (at := _bad_character(value)) is not None:
        what = f"'{name}' has half a surrogate pair at character {at}"
        return f"{name}_half_character", what, "write the whole character"
    how = "is empty" if not value.strip() else "has nothing that shows"
    return f"{name}_empty", f"'{name}' {how}", _EMPTY[name]


_EMPTY = {
    "id": "give each question an id of its own",
    "title": "give the article a title",
    "context": "drop its questions, or give it a text",
    "question": "drop it, or give it a text",
    "text": "drop it: a question without answers is an unanswerable one",
}


def _unusable(raw: Raw, name: str, flaws: list[Flaw]) -> str:
    kind, what, todo = _wrong_text(getattr(raw, name), name)
    flaws.append(Flaw(kind, _place(raw), what, todo))
    return ""


def _mended_id(raw: Raw, flaws: list[Flaw]) -> str:
    """A whole number as its digits; where there is none, one made of title, context and question."""
    kind, what, todo = _wrong_text(raw.id, "id")
    mended = None
    if type(raw.id) in (int, float) and raw.id == raw.id and abs(raw.id) < 1e300 and int(raw.id) == raw.id:
        kind, mended = "id_number", str(int(raw.id))
    elif kind in ("id_missing", "id_empty"):
        mended = made("id", raw.title, raw.context, raw.question)
    flaws.append(Flaw(kind, _place(raw), what, todo, None if mended is None else f"id {mended!r}"))
    return mended or ""


def _mended_title(raw: Raw, flaws: list[Flaw]) -> str:
    """One made of the article's first context, so that an article stays one."""
    mended = made("untitled", raw.first_context)
    if raw.has_titles or raw.title is not None:
        kind, what, todo = _wrong_text(raw.title, "title")
        can = kind in ("title_missing", "title_empty")
        flaws.append(Flaw(kind, _place(raw), what, todo, f"title {mended!r}" if can else None))
    return mended


def made(prefix: str, *parts: Any) -> str:
    """A made-up name: the prefix and the first 12 hex digits of the SHA-256 of the parts' JSON list."""
    return f"{prefix}-{hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]}"


def _answers(raw: Raw, context: str, flaws: list[Flaw]) -> tuple[GoldAnswer, ...]:
    if isinstance(raw.answers, Malformed):
        flaws.append(_malformed("answers_form", _place(raw), raw.answers))
        return ()
    found = []
    for number, (text, start) in enumerate(raw.answers, start=1):
        if type(start) is int and start >= 0 and is_text(text) and context.startswith(text, start):
            found.append(GoldAnswer(text, start))
        else:
            found.append(_mended_answer(text, start, context, f"{_place(raw)}, answer {number}", flaws))
    return tuple(found)


def _malformed(kind: str, place: str, what: Malformed) -> Flaw:
    return Flaw(kind, f"{place}{what.where}", what.what, what.todo)


def _mended_answer(text: Any, start: Any, context: str, place: str, flaws: list[Flaw]) -> GoldAnswer:
    """The answer where the context has it; not to be used where the flaw says that this is not sure."""
    if isinstance(text, Malformed):
        flaws.append(_malformed("answer_form", place, text))
    elif not is_text(text):
        kind, what, todo = _wrong_text(text, "text")
        flaws.append(Flaw(f"answer_{kind}", place, what, todo))
    elif context:  # else the context's own flaw says it all
        span = locate(text, _number(start), context)
        mended = None if span is None else context[span.start : span.end]
        repair = None if span is None else f"{short(mended)} at {span.start}"
        flaws.append(Flaw(*_wrong_answer(text, start, context, place), repair))
        if span is not None and mended is not None:
            return GoldAnswer(mended, span.start)
    return GoldAnswer("", 0)


def _number(start: Any) -> int | None:
    """The offset that a number in another form means: 12.0, "12"."""
    try:
        number = float(start)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and type(start) is not bool else None


def _wrong_answer(text: str, start: Any, context: str, place: str) -> tuple[str, str, str, str]:
    """Kind, place, what and todo of a text that is not at its offset. The message shows both texts."""
    if start is None:
        return "answer_start_missing", place, "field 'answer_start' is missing", "add it: a whole number"
    if type(start) is not int:
        return "answer_start_no_number", place, f"'answer_start' is {short(start)}", "write a whole number"
    found = context[start : start + len(text)] if start >= 0 else ""
    what = f"'text' is {short(text)} but the context has {short(found)} at 'answer_start' {start}"
    if (first := context.find(text)) >= 0:
        todo = f"the text first occurs at {first}: offsets count characters (code points) of the context, not bytes"
        return "answer_elsewhere", place, what, todo
    if spans := spelled_spans(text, context):
        first, end = spans[0]
        todo = (
            f"the context has {short(context[first:end])} at {first}, in other white space or Unicode form: copy that"
        )
        return "answer_spelling", place, what, todo
    return "answer_nowhere", place, what, "the text occurs nowhere in the context: fix or drop the answer"


def _check_is_impossible(raw: Raw, flaws: list[Flaw]) -> None:
    """v1.1 and the hub do not have the field; where it is there, it must agree with the presence of answers."""
    value = raw.is_impossible
    if type(value) is not bool:
        what, todo = f"'is_impossible' is {short(value)}", "write true or false"
        flaws.append(Flaw("is_impossible_form", _place(raw), what, todo))
    elif value == bool(raw.answers):
        what = f"'is_impossible' is {str(value).lower()} but it has {'an' if value else 'no'} answer"
        todo = "drop the answers or set it to false" if value else "add an answer or set it to true"
        flaws.append(Flaw("is_impossible_contradicts", _place(raw), what, todo))

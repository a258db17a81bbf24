"""One question as a file has it, before anything is checked."""

from __future__ import annotations

import gc
import json
from typing import Any, NamedTuple

from spanline.common.errors import SpanlineError
from spanline.common.files import parse_json


class Malformed(NamedTuple):
    """What stands where answers, or the text of one, should be."""

    what: str  # is wrong
    todo: str
    where: str = ""  # behind the question's place


class Raw(NamedTuple):
    """Values of any type; None where the file has none."""

    place: str  # file and line, row, or article and paragraph
    number: int | None  # of the question in its paragraph, from 1; None where `place` holds one question
    id: Any
    title: Any
    context: Any
    question: Any
    answers: list[tuple[Any, Any]] | Malformed  # text and answer_start of each
    is_impossible: Any
    first_context: Any  # of the article: a made-up title comes from it
    has_titles: bool = True  # False: the file's layout has none, so one that is missing is no flaw


def short(value: Any, length: int = 40) -> str:
    """The value as Python shows it, cut to about `length` characters; characters that do not show are escaped."""
    shown = repr(value if not isinstance(value, str) else value[: length + 1])
    return shown if len(shown) <= length + 2 else f"{shown[:length]}..."


def no_object(value: Any, name: str) -> tuple[str, str]:
    """What is wrong with a value that should be an object with the field `name`, and the todo."""
    return f"is {short(value)}, not an object with '{name}'", "compare with the official files"


def no_list(value: Any, name: str, kind: str = "a list") -> tuple[str, str]:
    """What is wrong with the value of field `name`, which should be a list (or what `kind` says), and the todo."""
    if value is None:
        return f"field '{name}' is missing", f"add it: {kind}"
    return f"'{name}' is {short(value)}", f"write {kind}"


def parse(content: bytes, place: str, todo: str) -> Any:
    """The JSON; SpanlineError for what is none, what has a key twice, and what is beyond any sane size."""
    try:
        return parse_json(content)
    except json.JSONDecodeError as error:
        raise SpanlineError(place, f"not JSON: {error.msg} at character {error.pos}", todo) from None
    except UnicodeDecodeError as error:
        raise SpanlineError(place, f"not UTF-8 at byte {error.start}", todo) from None
    except ValueError as error:
        raise SpanlineError(place, f"not JSON that can be read: {error}", todo) from None


class no_garbage_collection:
    """Data have no circles: looking for some while a million objects come to be is half of the time."""

    def __enter__(self) -> None:
        self._was = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was:
            gc.enable()

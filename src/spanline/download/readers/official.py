"""The official SQuAD JSON (v1.1 and v2.0): articles of paragraphs of questions. Plausible answers are not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.download.checking.flaws import Flaw
from spanline.download.checking.raw import Malformed, Raw, no_list, no_object, short


def records(content: Any, origin: str) -> Iterator[Raw | Flaw]:
    """The questions of a parsed file, in its order; a Flaw for what can't be read as questions.

    SpanlineError that names `origin` when there is no list of articles at all.
    """
    articles = content.get("data") if isinstance(content, dict) else None
    if type(articles) is not list:
        raise SpanlineError(
            origin, *(no_list(articles, "data") if isinstance(content, dict) else no_object(content, "data"))
        )
    for number, article in enumerate(articles, start=1):
        if type(article) is not dict:
            yield Flaw("article_form", f"{origin}, article {number}", *no_object(article, "title"))
        else:
            yield from _article(article, f"{origin}, article {number}", origin)


def _article(article: dict[str, Any], numbered: str, origin: str) -> Iterator[Raw | Flaw]:
    title, paragraphs = article.get("title"), article.get("paragraphs")
    place = f"{origin}, article {short(title)}" if type(title) is str and title.strip() else numbered
    if type(paragraphs) is not list:
        yield Flaw("article_form", place, *no_list(paragraphs, "paragraphs"))
        return
    first_context = next((p.get("context") for p in paragraphs if type(p) is dict), None)
    for number, paragraph in enumerate(paragraphs, start=1):
        where = f"{place}, paragraph {number}"
        if type(paragraph) is not dict:
            yield Flaw("paragraph_form", where, *no_object(paragraph, "context"))
        elif type(paragraph.get("qas")) is not list:
            yield Flaw("paragraph_form", where, *no_list(paragraph.get("qas"), "qas"))
        else:
            yield from _questions(paragraph, where, title, first_context)


def _questions(paragraph: dict[str, Any], place: str, title: Any, first_context: Any) -> Iterator[Raw | Flaw]:
    context = paragraph.get("context")
    for number, record in enumerate(paragraph["qas"], start=1):
        if type(record) is not dict:
            yield Flaw("question_form", f"{place}, question {number}", *no_object(record, "id"))
            continue
        get = record.get
        answers = pairs(get("answers"), "answers")
        yield Raw(
            place, number, get("id"), title, context, get("question"), answers, get("is_impossible"), first_context
        )


def pairs(answers: Any, name: str) -> list[tuple[Any, Any]] | Malformed:
    """Text and answer_start of a list of answer objects."""
    if type(answers) is not list:
        return Malformed(*no_list(answers, name))
    return [
        (answer.get("text"), answer.get("answer_start"))
        if type(answer) is dict
        else (Malformed(*no_object(answer, "text")), None)
        for answer in answers
    ]

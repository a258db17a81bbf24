"""Every broken record is refused with one line that finds it: file, article, paragraph or line, question, answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.make.foreign import change, jsonl_refusal, official_refusal, record

PARAGRAPH = ("data", 0, "paragraphs", 0)
Q1, Q2 = (*PARAGRAPH, "qas", 0), (*PARAGRAPH, "qas", 1)
ANSWER = (*Q1, "answers", 0)
IN_PARAGRAPH = "data.json, article 'Orvel', paragraph 1"
OFFICIAL_REFUSALS = [
    (change("data"), "data.json: field 'data' is missing; add it: a list"),
    (change("data", to={}), "data.json: 'data' is {}; write a list"),
    (
        change("data", 0, to=7),
        "data.json, article 1: is 7, not an object with 'title'; compare with the official files",
    ),
    (
        change("data", 0, "title"),
        "data.json, article 1, paragraph 1, question 'q1': field 'title' is missing; add it: a text",
    ),
    (change("data", 0, "paragraphs"), "data.json, article 'Orvel': field 'paragraphs' is missing; add it: a list"),
    (change(*PARAGRAPH, "context"), f"{IN_PARAGRAPH}, question 'q1': field 'context' is missing; add it: a text"),
    (
        change(*PARAGRAPH, "context", to=" \n"),
        f"{IN_PARAGRAPH}, question 'q1': 'context' is empty; drop its questions, or give it a text",
    ),
    (change(*PARAGRAPH, "qas"), f"{IN_PARAGRAPH}: field 'qas' is missing; add it: a list"),
    (change(*Q2, "id"), f"{IN_PARAGRAPH}, question 2: field 'id' is missing; add it: a text"),
    (change(*Q2, "id", to=7), f"{IN_PARAGRAPH}, question 2: 'id' is 7; write a text"),
    (change(*Q1, "question"), f"{IN_PARAGRAPH}, question 'q1': field 'question' is missing; add it: a text"),
    (change(*Q1, "answers"), f"{IN_PARAGRAPH}, question 'q1': field 'answers' is missing; add it: a list"),
    (change(*ANSWER, "text"), f"{IN_PARAGRAPH}, question 'q1', answer 1: field 'text' is missing; add it: a text"),
    (
        change(*ANSWER, "text", to=""),
        f"{IN_PARAGRAPH}, question 'q1', answer 1: 'text' is empty; "
        "drop it: a question without answers is an unanswerable one",
    ),
    (
        change(*ANSWER, "answer_start", to=True),
        f"{IN_PARAGRAPH}, question 'q1', answer 1: 'answer_start' is True; write a whole number",
    ),
    (
        change(*ANSWER, "answer_start", to="0"),
        f"{IN_PARAGRAPH}, question 'q1', answer 1: 'answer_start' is '0'; write a whole number",
    ),
    (
        change(*ANSWER, "answer_start", to=1),
        f"{IN_PARAGRAPH}, question 'q1', answer 1: 'text' is 'Lake Orvel' but the context has 'ake Orvel ' at "
        "'answer_start' 1; the text first occurs at 0: "
        "offsets count characters (code points) of the context, not bytes",
    ),
    (
        change(*ANSWER, to={"text": "cold.", "answer_start": -5}),
        f"{IN_PARAGRAPH}, question 'q1', answer 1: 'text' is 'cold.' but the context has '' at 'answer_start' -5; "
        "the text first occurs at 14: offsets count characters (code points) of the context, not bytes",
    ),
    (
        change(*ANSWER, "text", to="Lake Orvel is warm, " * 9),
        f"{IN_PARAGRAPH}, question 'q1', answer 1: 'text' is 'Lake Orvel is warm, Lake Orvel is warm,... but the "
        "context has 'Lake Orvel is cold.' at 'answer_start' 0; "
        "the text occurs nowhere in the context: fix or drop the answer",
    ),
    (
        change(*Q1, "is_impossible", to=True),
        f"{IN_PARAGRAPH}, question 'q1': 'is_impossible' is true but it has an answer; "
        "drop the answers or set it to false",
    ),
    (
        change(*Q2, "is_impossible", to=False),
        f"{IN_PARAGRAPH}, question 'q2': 'is_impossible' is false but it has no answer; "
        "add an answer or set it to true",
    ),
    (
        change(*Q2, "is_impossible", to="yes"),
        f"{IN_PARAGRAPH}, question 'q2': 'is_impossible' is 'yes'; write true or false",
    ),
    (
        change(*Q2, "question", to="half \ud83d"),
        f"{IN_PARAGRAPH}, question 'q2': 'question' has half a surrogate pair at character 5; "
        "write the whole character",
    ),
]


@pytest.mark.parametrize(("edit", "line"), OFFICIAL_REFUSALS, ids=[line[:90] for _, line in OFFICIAL_REFUSALS])
def test_official_refusals(tmp_path: Path, edit: Callable[[Any], None], line: str) -> None:
    assert official_refusal(tmp_path, edit) == line


JSONL_REFUSALS = [
    ([], "data.jsonl, line 2: is [], not an object with 'id'; compare with the official files"),
    (record(id=None), "data.jsonl, line 2: field 'id' is missing; add it: a text"),
    (record(title=None), "data.jsonl, line 2, question 'q1': field 'title' is missing; add it: a text"),
    (
        record(context=""),
        "data.jsonl, line 2, question 'q1': 'context' is empty; drop its questions, or give it a text",
    ),
    (record(answers="cold"), "data.jsonl, line 2, question 'q1': 'answers' is 'cold'; write an object"),
    (
        record(answers={"text": ["cold"]}),
        "data.jsonl, line 2, question 'q1', answers: field 'answer_start' is missing; add it: a list",
    ),
    (
        record(answers={"text": ["cold"], "answer_start": []}),
        "data.jsonl, line 2, question 'q1': answers have 1 'text' but 0 'answer_start'; give each answer both",
    ),
    (
        record(answers={"text": ["cold"], "answer_start": [0]}),
        "data.jsonl, line 2, question 'q1', answer 1: 'text' is 'cold' but the context has 'Lake' at "
        "'answer_start' 0; the text first occurs at 14: "
        "offsets count characters (code points) of the context, not bytes",
    ),
    (
        record(is_impossible=True),
        "data.jsonl, line 2, question 'q1': 'is_impossible' is true but it has an answer; "
        "drop the answers or set it to false",
    ),
]


@pytest.mark.parametrize(("second", "line"), JSONL_REFUSALS, ids=[line[:90] for _, line in JSONL_REFUSALS])
def test_jsonl_refusals(tmp_path: Path, second: Any, line: str) -> None:
    assert jsonl_refusal(tmp_path, second) == line

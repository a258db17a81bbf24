"""The readers take official JSON and JSONL as they are, and refuse with one line a file that is broken as a whole."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example, GoldAnswer
from spanline.download import formats
from tests.make.foreign import GOOD, change, jsonl_refusal, official_refusal, read_jsonl, read_official, record
from tests.paths import TINY


def to_record(example: Example) -> dict[str, Any]:
    answers = {"text": [a.text for a in example.answers], "answer_start": [a.start for a in example.answers]}
    return record(
        id=example.id,
        title=example.title,
        context=example.context,
        question=example.question,
        answers=answers,
    )


def test_official_v2(tmp_path: Path) -> None:
    first, second = read_official(tmp_path, GOOD)
    assert first == Example("q1", "Orvel", "Lake Orvel is cold.", "What is cold?", (GoldAnswer("Lake Orvel", 0),))
    assert first.is_answerable
    assert second.answers == ()
    assert not second.is_answerable


def test_official_v1_has_no_is_impossible(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    content["version"] = "1.1"
    qas = content["data"][0]["paragraphs"][0]["qas"]  # type: ignore[index]
    del qas[1], qas[0]["is_impossible"]
    assert [example.is_answerable for example in read_official(tmp_path, content)] == [True]


def test_tiny_squad_is_read_without_a_change_to_any_text() -> None:
    content = json.loads(TINY.read_text(encoding="utf-8"))
    expected = [
        (q["id"], a["title"], p["context"], q["question"], [(x["text"], x["answer_start"]) for x in q["answers"]])
        for a in content["data"]
        for p in a["paragraphs"]
        for q in p["qas"]
    ]
    found = [
        (e.id, e.title, e.context, e.question, [(a.text, a.start) for a in e.answers])
        for e in formats.read_official(TINY, str(TINY))
    ]
    assert found == expected
    assert len(found) == 39
    assert sum(bool(answers) for *_, answers in found) == 32


def test_tiny_squad_holds_the_hard_cases() -> None:
    by_id = {example.id: example for example in formats.read_official(TINY, str(TINY))}
    whole = by_id["whole-context"]
    assert whole.answers[0].text == whole.context
    last = by_id["last-character"]
    assert last.context.endswith(last.answers[0].text)
    assert "\u00a0" in by_id["no-break-space"].answers[0].text
    assert "\u0303" in by_id["combining-mark"].answers[0].text
    after_emoji = by_id["after-an-emoji"]
    assert "\U0001f389" in after_emoji.context[: after_emoji.answers[0].start]
    assert by_id["leading-blanks"].question.startswith("   ")
    assert len(by_id["long-question"].question.split()) > 64
    assert len(by_id["long-context-late"].context.split()) > 500
    assert len(by_id["several-answers"].answers) == 3


def test_jsonl_equals_official(tmp_path: Path) -> None:
    expected = list(formats.read_official(TINY, str(TINY)))
    assert read_jsonl(tmp_path, *map(to_record, expected)) == expected


def test_jsonl_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    odd = "One.\u2028Two.\x85Three.\x0cFour."
    line = json.dumps(record(context=odd, answers={"text": [], "answer_start": []}), ensure_ascii=False)
    assert read_jsonl(tmp_path, "", line + "\r", "")[0].context == odd


def test_jsonl_takes_a_byte_order_mark_and_other_fields(tmp_path: Path) -> None:
    assert len(read_jsonl(tmp_path, "\ufeff" + json.dumps(record(is_impossible=False, extra=1)))) == 1


def test_jsonl_streams(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(record()) + "\nbroken\n", encoding="utf-8")
    examples = formats.read_jsonl(path, "data.jsonl")
    assert next(examples).id == "q1"
    with pytest.raises(SpanlineError, match="line 2"):
        next(examples)


OFFICIAL_REFUSALS = [
    (change("data", to=[]), "data.json: holds no example at all; point to a file with questions"),
    (
        change("data", 0, "paragraphs", 0, "qas", 1, "id", to="q1"),
        "data.json, article 'Orvel', paragraph 1, question 'q1': this id has come before; "
        "give each question an id of its own, or drop one",
    ),
]


@pytest.mark.parametrize(("edit", "line"), OFFICIAL_REFUSALS, ids=[line[:90] for _, line in OFFICIAL_REFUSALS])
def test_official_refusals(tmp_path: Path, edit: Callable[[Any], None], line: str) -> None:
    assert official_refusal(tmp_path, edit) == line


def test_malformed_json(tmp_path: Path) -> None:
    with pytest.raises(SpanlineError) as refusal:
        read_official(tmp_path, '{"data": [}')
    assert str(refusal.value) == (
        "data.json: not JSON: Expecting value at character 10; "
        "fetch it anew, or set its format: for one example a line that is jsonl"
    )


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_bytes('{"data": "é"}'.encode("latin-1"))
    with pytest.raises(SpanlineError, match=r"^data\.json: not UTF-8 at byte 10; fetch it anew"):
        list(formats.read_official(path, "data.json"))


JSONL_REFUSALS = [
    (
        "{",
        "data.jsonl, line 2: not JSON: Expecting property name enclosed in double quotes at character 1; "
        "write one JSON object a line, or set its format: for the official JSON that is squad",
    ),
    (
        record(id="first"),
        "data.jsonl, line 2, question 'first': this id has come before; "
        "give each question an id of its own, or drop one",
    ),
]


@pytest.mark.parametrize(("second", "line"), JSONL_REFUSALS, ids=[line[:90] for _, line in JSONL_REFUSALS])
def test_jsonl_refusals(tmp_path: Path, second: Any, line: str) -> None:
    assert jsonl_refusal(tmp_path, second) == line


def test_records_sha256_sees_every_field() -> None:
    example = Example("q", "t", "c d", "w", (GoldAnswer("c", 0),))
    variants = [
        example,
        Example("r", "t", "c d", "w", (GoldAnswer("c", 0),)),
        Example("q", "u", "c d", "w", (GoldAnswer("c", 0),)),
        Example("q", "t", "c e", "w", (GoldAnswer("c", 0),)),
        Example("q", "t", "c d", "x", (GoldAnswer("c", 0),)),
        Example("q", "t", "c d", "w", (GoldAnswer("d", 2),)),
        Example("q", "t", "c d", "w", ()),
    ]
    assert len({formats.records_sha256([variant]) for variant in variants}) == len(variants)
    assert formats.records_sha256(variants) != formats.records_sha256(variants[::-1])


@pytest.mark.parametrize(
    ("name", "questions", "answerable"),
    [("dev-v2.0.json", 11_873, 5_928), ("train-v2.0-reconstructed.json", 130_221, 87_367)],
)
def test_real_files(shared: Path, name: str, questions: int, answerable: int) -> None:
    answers = [example.is_answerable for example in formats.read_official(shared / "squad_v2" / name, name)]
    assert (len(answers), sum(answers)) == (questions, answerable)

"""Every question falls into one slice of each slicing, at the edges too; the table shows counts and percent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spanline.dataset.records import Example, GoldAnswer
from spanline.score import slices
from spanline.slicing import kinds
from spanline.squad_v2.scores import QuestionScore


def no_interval(examples: Sequence[Example], scores: Sequence[QuestionScore]) -> dict[str, float]:
    return {}


def example(qid: str, question: str = "What?", context: str = "x" * 100, start: int | None = None) -> Example:
    answers = () if start is None else (GoldAnswer("one two", start), GoldAnswer("other", 0))
    return Example(qid, "Title", context, question, answers)


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("What is it?", "what"),
        ("In WHAT year?", "what"),
        ("What's that?", "what"),
        ("Who?", "who"),
        ("By whom was it built?", "who"),
        ("Whose bridge?", "who"),
        ("How  many arches?", "how many/much"),
        ("for how much", "how many/much"),
        ("How did what happen?", "how"),
        ("When did who leave?", "when"),
        ("Name the somewhat showy whatnot", "other"),
        ("In which river?", "which"),
        ("", "other"),
    ],
)
def test_question_word(question: str, word: str) -> None:
    assert kinds.question_word(question) == word


def test_counts_and_means() -> None:
    examples = [example("a", start=0), example("b", start=99), example("c")]
    rows = slices.slices(examples, {"a": (1, 1.0), "b": (0, 0.5), "c": (1, 1.0)}, {"a": 1, "b": 7, "c": 1}, no_interval)
    assert [row[:2] for row in rows] == [
        ("answerable: yes", 2),
        ("answerable: no", 1),
        ("question word: what", 3),
        ("gold answer words: 2-3", 2),
        ("context words: 1-100", 3),
        ("features: 1", 2),
        ("features: over 3", 1),
        ("answer position: 0-20 %", 1),
        ("answer position: 80-100 %", 1),
    ]
    assert rows[0] == ("answerable: yes", 2, 50.0, 75.0, None, None, None, None)
    assert len({row.slice for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("start", "slice_"), [(0, "0-20 %"), (19, "0-20 %"), (20, "20-40 %"), (79, "60-80 %"), (80, "80-100 %")]
)
def test_position_at_the_edges(start: int, slice_: str) -> None:
    rows = slices.slices([example("a", start=start)], {"a": (1, 1.0)}, {"a": 1}, no_interval)
    assert rows[-1].slice == f"answer position: {slice_}"


@pytest.mark.parametrize(("words", "slice_"), [(1, "1-100"), (100, "1-100"), (101, "101-150"), (301, "over 300")])
def test_context_length_at_the_edges(words: int, slice_: str) -> None:
    rows = slices.slices([example("a", context="w " * words)], {"a": (1, 1.0)}, {"a": 1}, no_interval)
    assert f"context words: {slice_}" in {row.slice for row in rows}


def test_the_interval_is_of_the_slice_s_own_questions() -> None:
    def count(examples: Sequence[Example], scores: Sequence[QuestionScore]) -> dict[str, float]:
        return {"exact_low": len(examples), "exact_high": sum(pair[0] for pair in scores), "f1_low": 0.123456}

    scores = {"a": (1, 1.0), "b": (0, 0.5)}
    row = slices.slices([example("a", start=0), example("b", start=99)], scores, {"a": 1, "b": 2}, count)[0]
    assert row == ("answerable: yes", 2, 50.0, 75.0, 2, 1, 0.1235, None)


def test_table() -> None:
    ends = (1.0, 2.0, 3.0, None)
    lines = slices.table(
        [slices.Slice("answerable: yes", 5928, 49.1734, 57.5684, *ends), slices.Slice("x: y", 1, 0, 100, *ends)]
    )
    assert lines.splitlines() == [
        "slice            questions   exact      f1",
        "answerable: yes      5,928   49.17   57.57",
        "x: y                     1    0.00  100.00",
    ]

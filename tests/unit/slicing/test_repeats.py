"""Repeated questions are found whatever their letter case; labels contradict when no answer could serve both."""

from __future__ import annotations

import json
from pathlib import Path

from spanline.dataset.records import Example, GoldAnswer
from spanline.download import formats
from spanline.slicing.kinds import members
from spanline.slicing.repeats import repeats


def example(qid: str, question: str, start: int | None, context: str = "one two three") -> Example:
    answers = () if start is None else (GoldAnswer(context[start : start + 3], start),)
    return Example(qid, "T", context, question, answers)


def test_repeats() -> None:
    examples = [
        example("a", "Who?", 0),
        example("b", " WHO? ", None),
        example("c", "Where?", 0),
        example("d", "where?", 1),  # overlaps
        example("e", "When?", 0),
        example("f", "When?", 4),  # does not
        example("g", "Who?", 0, "another context"),
        example("h", "Alone?", None),
    ]
    assert repeats(examples) == {"a": True, "b": True, "c": False, "d": False, "e": True, "f": True}


def test_without_counts_no_slice_by_features() -> None:
    examples = [example("a", "Who?", 0)]
    assert "features: 1" in members(examples, {"a": 1})
    assert not any(name.startswith("features") for name in members(examples, None))


def test_the_real_dev_set_has_14_repeated_questions_7_of_them_with_both_labels(shared: Path) -> None:
    path = shared / "squad_v2/dev-v2.0.json"
    found = repeats(formats.read_official(path, "dev"))
    labels = {
        qa["id"]: qa["is_impossible"]
        for a in json.loads(path.read_text())["data"]
        for p in a["paragraphs"]
        for qa in p["qas"]
    }
    assert len(found) == 28
    assert sum(found.values()) >= 14
    assert {labels[qid] for qid, contradicts in found.items() if contradicts} == {True, False}

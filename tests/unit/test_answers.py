"""The folder data/answers is read as it is declared; files of another form are one line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from spanline.answers import FILES, Answers, Limits, Thresholds
from spanline.common.errors import SpanlineError
from spanline.common.files import to_json, write_text

ANSWERS = Answers(
    predictions={"a": "Ash Ferry", "b": ""},
    best_spans={"a": "Ash Ferry", "b": "Holm"},
    score_diff={"a": -1.0, "b": None},
    na_prob={"a": 0.25, "b": 1.0},
    num_features={"a": 1, "b": 2},
    thresholds=Thresholds(applied=0.5, calibrated=1.0),
)


def test_every_field_has_a_file() -> None:
    assert set(FILES) == {field.name for field in dataclasses.fields(Answers)}
    assert ANSWERS.contents()["null_odds.json"] == ANSWERS.score_diff
    assert ANSWERS.contents()["thresholds.json"] == {"applied": 0.5, "calibrated": 1.0}


def write_answers(folder: Path, **changed: Any) -> Path:
    named = {"null_odds": ANSWERS.score_diff, "thresholds": {"applied": 0.5, "calibrated": None}}
    same = {name: getattr(ANSWERS, name) for name in ("predictions", "best_spans", "na_prob", "num_features")}
    for name, content in {**named, **same, **changed}.items():
        write_text(folder / f"{name}.json", to_json(content))
    return folder


def test_reads_the_folder(tmp_path: Path) -> None:
    expected = dataclasses.replace(ANSWERS, thresholds=Thresholds(0.5, None))
    assert Answers.read(write_answers(tmp_path)) == expected


def test_what_the_search_leaves_out_is_read_where_it_was_counted(tmp_path: Path) -> None:
    known = dataclasses.replace(ANSWERS, limits=Limits(max_answer_length=30, answers_longer=2))
    assert "limits.json" not in ANSWERS.contents()
    assert known.contents()["limits.json"] == {"max_answer_length": 30, "answers_longer": 2}
    folder = write_answers(tmp_path, limits=known.contents()["limits.json"])
    assert Answers.read(folder).limits == known.limits


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("limits", {"max_answer_length": 30}, "limits.json: does not say what the answer search leaves out; make it"),
        ("na_prob", [], "na_prob.json: is not a JSON object; make it anew: dvc repro -s -f postprocess"),
        ("thresholds", {"calibrated": 1.0}, "thresholds.json: has no thresholds in logits; make it anew"),
        ("thresholds", {"applied": 0.0, "calibrated": "1"}, "thresholds.json: has no thresholds in logits"),
    ],
)
def test_refuses_other_files(name: str, content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpanlineError, match=message):
        Answers.read(write_answers(tmp_path, **{name: content}))

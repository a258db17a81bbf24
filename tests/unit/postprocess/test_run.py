"""Postprocess writes the official formats; one threshold rule; na_prob sorts exactly as score_diff does."""

from __future__ import annotations

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.answers import Answers
from spanline.no_answer.calibration import Calibration
from spanline.no_answer.rule import apply_threshold
from spanline.postprocess import nbest_json, run
from spanline.search.nbest import Found, Span
from tests.make.found import found, in_columns

CALIBRATION = Calibration(null_score_diff_threshold=0.5, slope=0.7, intercept=-0.2)


def written(
    rows: list[Found], threshold: float, calibration: Calibration = CALIBRATION, workers: int = 1
) -> dict[str, Any]:
    """File name -> what a reader of the JSON gets."""
    columns = in_columns(rows)
    with TemporaryDirectory() as folder:
        result = run.answers(columns, {f.id: 1 for f in rows}, threshold, calibration)
        run.write(Path(folder), result, columns, workers)
        return {path.name: json.loads(path.read_bytes()) for path in Path(folder).iterdir()}


FOUND = [found("sure", -3.0, 4.0, 1.0), found("at", 2.5, 2.0), found("above", 2.75, 2.0), found("none", 1.0)]


def test_the_files_and_their_formats() -> None:
    contents = written(FOUND, 0.5)
    names = ("predictions", "best_spans", "null_odds", "na_prob", "nbest", "num_features", "thresholds")
    assert set(contents) == {f"{name}.json" for name in names}
    assert contents["predictions.json"] == {"sure": "text 0", "at": "text 0", "above": "", "none": ""}
    assert contents["best_spans.json"] == {"sure": "text 0", "at": "text 0", "above": "text 0", "none": ""}
    assert contents["null_odds.json"] == {"sure": -7.0, "at": 0.5, "above": 0.75, "none": None}
    assert contents["thresholds.json"] == {"applied": 0.5, "calibrated": 0.5}
    na_prob = contents["na_prob.json"]
    assert set(na_prob) == {"sure", "at", "above", "none"}
    assert na_prob["none"] == 1.0
    assert 0 < na_prob["sure"] < na_prob["at"] < na_prob["above"] < 1
    assert na_prob["at"] == pytest.approx(1 / (1 + math.exp(-(0.7 * 0.5 - 0.2))), abs=1e-6)


def test_texts_of_any_script_come_back_and_the_bytes_are_utf_8() -> None:
    text = 'Zoë "🎉"\u2028\n馆'
    rows = [Found("qü", 0.0, [Span(text, 0, len(text), 1.0, 1.0)])]
    contents = written(rows, 0.0)
    assert contents["nbest.json"]["qü"][0]["text"] == contents["predictions.json"]["qü"] == text
    raw = b"".join(nbest_json.nbest_json(in_columns(rows))).decode()
    assert "馆" in raw
    assert raw.endswith("}\n")


def test_no_questions_give_empty_files() -> None:
    contents = written([], 0.0)
    assert contents.pop("thresholds.json") == {"applied": 0.0, "calibrated": 0.5}
    assert all(content == {} for content in contents.values())


def test_nbest_of_a_question_without_a_span_is_the_null_answer_alone() -> None:
    nbest = written([found("q", -2.0)], 0.0)["nbest.json"]["q"]
    assert nbest == [{"text": "", "score": -2.0, "probability": 1.0}]


LOGITS = st.floats(-1e4, 1e4, width=32)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(LOGITS, LOGITS), min_size=2, max_size=20), st.floats(0.01, 5), st.floats(-3, 3))
def test_na_prob_sorts_as_score_diff(pairs: list[tuple[float, float]], slope: float, intercept: float) -> None:
    rows = [found(f"q{n}", null, score) for n, (null, score) in enumerate(pairs)]
    contents = written(rows, 0.0, Calibration(0.0, slope, intercept))
    diffs, probs = ([contents[name][f.id] for f in rows] for name in ("null_odds.json", "na_prob.json"))
    assert all(0 <= prob <= 1 for prob in probs)
    order = sorted(range(len(rows)), key=diffs.__getitem__)
    assert [probs[n] for n in order] == sorted(probs)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(LOGITS, LOGITS), min_size=1, max_size=20), LOGITS, st.floats(0, 10))
def test_a_higher_threshold_blanks_no_answer(pairs: list[tuple[float, float]], low: float, more: float) -> None:
    rows = [found(f"q{n}", null, score) for n, (null, score) in enumerate(pairs)]
    before, after = (written(rows, at) for at in (low, low + more))
    for qid, text in before["predictions.json"].items():
        assert not text or after["predictions.json"][qid] == text
    # the rule that score applies to the same files
    assert before["predictions.json"] == apply_threshold(before["best_spans.json"], before["null_odds.json"], low)


def test_the_last_line() -> None:
    result = run.answers(in_columns(FOUND), {}, 0.5, CALIBRATION)
    expected = '4 questions: 2 answered with "" at threshold 0.5000 logits'
    assert run.summary(result) == expected


def test_a_reader_gets_what_was_written(tmp_path: Path) -> None:
    columns = in_columns(FOUND)
    made = run.answers(columns, {f.id: 1 for f in FOUND}, 0.5, CALIBRATION)
    run.write(tmp_path, made, columns, 1)
    assert Answers.read(tmp_path) == made

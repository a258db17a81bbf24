"""One run's scores at each threshold, under the right name, and equal to the official script's numbers."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.answers import Thresholds
from spanline.common.errors import SpanlineError
from spanline.score import report
from spanline.squad_v2 import scores, sweep
from tests.make.scored import TO_THE_DIGIT, answers_at, assert_same, read, read_gold, real_files, runs
from tests.paths import SHARED

REPORT_GOLD = {"sure": ["x"], "unsure": ["y"], "none": [], "no_span": [], "wrong": []}
BEST_SPANS = {"sure": "x", "unsure": "y", "none": "z", "no_span": "", "wrong": "v"}
SCORE_DIFF = {"sure": -4.0, "unsure": 1.0, "none": 3.0, "no_span": None, "wrong": -1.0}
NA_PROB = {"sure": 0.02, "unsure": 0.7, "none": 0.9, "no_span": 1.0, "wrong": 0.3}


def report_of(
    gold: Any, best_spans: Any, score_diff: Any, na_prob: Any, applied: float = 0.0, calibrated: float | None = None
) -> dict[str, dict[str, float]]:
    answers = answers_at(best_spans, score_diff, na_prob, applied, calibrated)
    return report.sections(report.checked_run(gold, answers), answers.thresholds)


def report_at(applied: float, calibrated: float | None) -> dict[str, dict[str, float]]:
    return report_of(REPORT_GOLD, BEST_SPANS, SCORE_DIFF, NA_PROB, applied, calibrated)


def test_report_has_each_threshold_under_its_name() -> None:
    sections = report_at(-2.0, 1.0)
    exact = {name: (part["exact"], part.get("null_score_diff_threshold")) for name, part in sections.items()}
    assert exact == {
        "answers": (80.0, -2.0),  # only `unsure` is wrong: its answer is ""
        "at_threshold_0": (60.0, 0.0),  # `wrong` is given as well
        "at_calibrated_threshold": (80.0, 1.0),  # 1.0 is not above 1.0: `unsure` is given
        "at_oracle_threshold": (80.0, None),
    }
    assert sections["at_oracle_threshold"] == {
        "exact": 80.0,
        "exact_null_score_diff_threshold": -4.0,
        "exact_na_prob_thresh": 0.02,
        "exact_reached": 80.0,
        "f1": 80.0,
        "f1_null_score_diff_threshold": -4.0,
        "f1_na_prob_thresh": 0.02,
        "f1_reached": 80.0,
    }


def test_report_without_calibration_and_as_strict_json() -> None:
    sections = report_at(0.0, None)
    assert "at_calibrated_threshold" not in sections
    assert sections["answers"].items() >= sections["at_threshold_0"].items()
    assert json.loads(json.dumps(sections, allow_nan=False)) == sections


def test_report_sweeps_best_spans_and_not_answers() -> None:
    """At threshold -9 every answer is "", on which a sweep sees nothing to win; best_* must not know."""
    nothing, given_ = report_at(-9.0, None)["answers"], report_at(9.0, None)["answers"]
    assert nothing["exact"] == given_["exact"] == 60.0
    assert nothing["best_exact"] == given_["best_exact"] == 80.0


@pytest.mark.parametrize(
    ("score_diff", "best_spans", "threshold", "reached"),
    [
        ({"a": 2.0, "b": 5.0}, {"a": "wrong", "b": "x"}, 1.0, 50.0),  # answering nothing is best: a logit below
        ({"a": None, "b": None}, {"a": "", "b": ""}, 0.0, 50.0),  # no legal span anywhere: no threshold matters
        ({"a": math.inf, "b": 2.0}, {"a": "", "b": "y"}, 2.0, 100.0),
    ],
)
def test_oracle_threshold_at_the_ends(score_diff: Any, best_spans: Any, threshold: float, reached: float) -> None:
    gold = {"a": [], "b": ["y"]}
    prob = {"a": 0.1 if score_diff["a"] == 2.0 else 1.0, "b": 0.9}
    oracle = report_of(gold, best_spans, score_diff, prob)["at_oracle_threshold"]
    assert (oracle["exact_null_score_diff_threshold"], oracle["exact_reached"]) == (threshold, reached)


def test_oracle_threshold_where_a_question_without_a_span_comes_last() -> None:
    """Its gold answer is an article, so "" is right, which the sweep counts only when it gets there."""
    gold, spans = {"a": ["the"], "b": ["y"], "c": ["z"]}, {"a": "", "b": "y", "c": "z"}
    diff, prob = {"a": None, "b": 1.0, "c": 2.0}, {"a": 1.0, "b": 0.3, "c": 0.6}
    oracle = report_of(gold, spans, diff, prob)["at_oracle_threshold"]
    assert (oracle["exact_na_prob_thresh"], oracle["exact_null_score_diff_threshold"]) == (1.0, 2.0)
    assert oracle["exact_reached"] == oracle["exact"] == 100.0


def test_report_refuses_answers_of_another_run() -> None:
    answers = answers_at(BEST_SPANS, SCORE_DIFF, NA_PROB, 0.0, None)
    other = dataclasses.replace(answers, thresholds=Thresholds(2.0, None))
    with pytest.raises(SpanlineError, match=r"predictions: 1 values are not what .* at threshold 2.0, .* is 'unsure'"):
        report.checked_run(REPORT_GOLD, other)


def test_report_refuses_missing_score_diffs() -> None:
    answers = dataclasses.replace(answers_at(BEST_SPANS, SCORE_DIFF, NA_PROB, 0.0, None), score_diff={})
    with pytest.raises(SpanlineError, match="score_diff: 5 questions are missing"):
        report.checked_run(REPORT_GOLD, answers)


@real_files
def test_report_of_the_dev_set_agrees_with_the_official_script() -> None:
    expected = read(SHARED / "official_scores/dev/expected.json")["predictions_with_na_prob"]
    best_spans, na_prob, written = (
        read(SHARED / f"official_scores/dev/{name}.json") for name in ("best_spans", "na_prob", "predictions")
    )
    diff = {qid: math.log(prob / (1 - prob)) for qid, prob in na_prob.items()}
    gold = read_gold(SHARED / "squad_v2/dev-v2.0.json")
    answers = dataclasses.replace(answers_at(best_spans, diff, na_prob, 0.0, None), predictions=written)
    sections = report.sections(report.checked_run(gold, answers), answers.thresholds)
    assert_same({key: sections["answers"][key] for key in expected}, expected)
    oracle = sections["at_oracle_threshold"]
    assert oracle["exact_reached"] == pytest.approx(expected["best_exact"], rel=0, abs=TO_THE_DIGIT)
    assert oracle["f1_reached"] == pytest.approx(expected["best_f1"], rel=0, abs=TO_THE_DIGIT)


@given(runs(), st.floats(-3, 3))
def test_report_answers_equal_the_official_scores_of_the_answers(run: Any, threshold: float) -> None:
    gold, best_spans, na_prob = run
    diff = {qid: None if prob == 1.0 else 8 * prob - 4 for qid, prob in na_prob.items()}
    answers = {qid: "" if na_prob[qid] == 1.0 or (diff[qid] or 0.0) > threshold else best_spans[qid] for qid in gold}
    sections = report_of(gold, best_spans, diff, na_prob, threshold, threshold)
    plain = sweep.official_scores(gold, answers, None, sweep.NEVER)
    assert_same(sections["at_calibrated_threshold"], plain | {"null_score_diff_threshold": threshold})
    swept = sweep.official_scores(gold, best_spans, na_prob, sweep.NEVER)
    assert sections["answers"].items() >= {key: swept[key] for key in swept if key.startswith("best_")}.items()


@given(runs())
def test_oracle_is_reached_without_ties_and_articles(run: Any) -> None:
    gold, predictions, na_prob = run
    distinct = {qid: (rank + 1) / (len(gold) + 1) for rank, qid in enumerate(na_prob)}
    spans = {qid: text if scores.normalize(text) else "x" for qid, text in predictions.items()}
    gold = {qid: [text for text in texts if scores.normalize(text)] for qid, texts in gold.items()}
    diff = {qid: 10 * prob - 5 for qid, prob in distinct.items()}
    oracle = report_of(gold, spans, diff, distinct)["at_oracle_threshold"]
    assert oracle["exact_reached"] == pytest.approx(oracle["exact"], abs=TO_THE_DIGIT)
    assert oracle["f1_reached"] == pytest.approx(oracle["f1"], abs=TO_THE_DIGIT)

"""calibration.json: a threshold that earns the most on its own questions, and why the probability is what it is."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.calibrate import run
from spanline.no_answer.rule import is_null
from spanline.search.nbest import Found, Span
from spanline.squad_v2 import sweep


def content_of(rows: list[Found], gold: dict[str, list[str]], metric: str) -> dict[str, Any]:
    """What calibration.json says."""
    return run.calibrate(rows, gold, metric).to_content()


def found(qid: str, score_diff: float, text: str) -> Found:
    return Found(qid, score_diff, [Span(text, 0, len(text), 0.0, 0.0)])


def earned(rows: list[Found], gold: dict[str, list[str]], metric: str, threshold: float) -> float:
    """The official mean over the questions, 0..100, when the threshold is applied."""
    answers = {f.id: "" if is_null(f.score_diff, threshold) else f.spans[0].text for f in rows}
    return sweep.official_scores(gold, answers, None, sweep.NEVER)[metric]


@given(st.integers(0, 2**32), st.integers(1, 30), st.sampled_from(["f1", "exact"]))
@settings(max_examples=150, deadline=None)
def test_no_threshold_earns_more(seed: int, count: int, metric: str) -> None:
    generator = Random(seed)
    rows, gold = [], {}
    for number in range(count):
        qid = f"q{number}"
        rows.append(found(qid, float(generator.randint(-4, 4)), generator.choice(["red boat", "boat", "the", "lamp"])))
        gold[qid] = generator.choice([[], ["red boat"], ["boat"], ["a"], ["lamp", "red lamp"]])
    result = content_of(rows, gold, metric)
    threshold = result["null_score_diff_threshold"]
    best = earned(rows, gold, metric, threshold)
    assert best == pytest.approx(result[f"{metric}_at_threshold"])
    assert earned(rows, gold, metric, 0.0) == pytest.approx(result[f"{metric}_at_0"])
    assert best >= max(earned(rows, gold, metric, at) for at in np.arange(-5, 5.5, 0.5)) - 1e-9
    assert (result["questions"], result["metric"]) == (count, metric)


def test_the_threshold_parts_what_can_be_parted() -> None:
    rows = [found("a", -2.0, "boat"), found("b", 1.0, "lamp"), found("c", 3.0, "boat"), found("d", 4.0, "x")]
    gold = {"a": ["boat"], "b": ["lamp"], "c": [], "d": []}
    result = content_of(rows, gold, "exact")
    assert result["null_score_diff_threshold"] == 2.0
    assert (result["exact_at_threshold"], result["exact_at_0"]) == (100.0, 75.0)
    assert (result["slope"], result["intercept"]) == (1.0, 0.0)
    assert "fewer than 10 of a kind" in result["fallback_reason"]
    expected = "threshold 2.0000 logits: exact 100.00 on 4 calibration questions, against 75.00 at 0"
    assert run.summary(run.calibrate(rows, gold, "exact")) == expected


def test_enough_questions_fit_a_probability() -> None:
    generator = Random(1)
    rows = [found(f"q{n}", generator.gauss(2 if n % 2 else -2, 2), "boat") for n in range(200)]
    result = content_of(rows, {f"q{n}": [] if n % 2 else ["boat"] for n in range(200)}, "f1")
    assert result["fallback_reason"] is None
    assert 0.3 < result["slope"] < 3


def test_questions_without_a_span_take_no_part() -> None:
    rows = [found("a", -2.0, "boat"), Found("none", 0.0, [])]
    assert content_of(rows, {"a": ["boat"], "none": ["lamp"]}, "f1")["questions"] == 1


def test_no_questions_give_no_threshold_and_the_plain_curve() -> None:
    for rows in ([], [Found("none", 0.0, [])]):
        result = content_of(rows, {"none": []}, "f1")
        assert result == {
            "questions": 0,
            "metric": "f1",
            "null_score_diff_threshold": None,
            "slope": 1.0,
            "intercept": 0.0,
            "fallback_reason": "no questions",
        }
        assert run.summary(run.calibrate(rows, {"none": []}, "f1")) == "no calibration questions: no threshold"


def test_gold_that_normalizes_to_nothing_is_earned_by_no_answer() -> None:
    """The official script counts "" as right for a question whose only gold answer is an article."""
    rows = [found("a", 1.0, "boat"), found("b", -1.0, "boat")]
    result = content_of(rows, {"a": ["The"], "b": ["boat"]}, "exact")
    assert (result["exact_at_threshold"], result["null_score_diff_threshold"]) == (100.0, 0.0)


def test_the_order_of_questions_changes_nothing() -> None:
    generator = Random(3)
    rows = [found(f"q{n}", float(generator.randint(-3, 3)), generator.choice(["boat", "lamp"])) for n in range(60)]
    gold = {f"q{n}": generator.choice([[], ["boat"], ["red boat"]]) for n in range(60)}
    shuffled = generator.sample(rows, len(rows))
    assert content_of(shuffled, gold, "f1") == content_of(rows, gold, "f1")

"""calibration.json: a threshold that earns the most on its own questions, and why the probability is what it is."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.calibrate import run
from spanline.calibrate.params import CalibrateParams
from spanline.common.errors import SpanlineError
from spanline.no_answer.rule import is_null
from spanline.search.nbest import Found, Span
from spanline.squad_v2 import sweep


def how(metric: Any, share: float | None = None) -> CalibrateParams:
    return CalibrateParams(metric=metric, unanswerable_share=share)


def content_of(
    rows: list[Found], gold: dict[str, list[str]], metric: str, share: float | None = None
) -> dict[str, Any]:
    """What calibration.json says."""
    return run.calibrate(rows, gold, how(metric, share)).to_content()


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
    assert run.summary(run.calibrate(rows, gold, how("exact"))) == expected


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
            "unanswerable_share": None,
            "null_score_diff_threshold": None,
            "slope": 1.0,
            "intercept": 0.0,
            "fallback_reason": "no questions",
        }
        assert run.summary(run.calibrate(rows, {"none": []}, how("f1"))) == "no calibration questions: no threshold"


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


def mixed(seed: int, answerable: int, unanswerable: int) -> tuple[list[Found], dict[str, list[str]]]:
    generator = Random(seed)
    gold = {f"a{n}": [generator.choice(["boat", "red boat"])] for n in range(answerable)}
    gold |= {f"u{n}": [] for n in range(unanswerable)}
    return [found(qid, generator.gauss(0 if gold[qid] else 1, 2), "boat") for qid in gold], gold


@pytest.mark.parametrize("metric", ["f1", "exact"])
@pytest.mark.parametrize("seed", range(8))
def test_a_share_weights_the_questions_as_more_of_them_would(seed: int, metric: str) -> None:
    """Twice as many answerable questions as others: at a share of a half, an unanswerable one counts for two."""
    rows, gold = mixed(seed, 40, 20)
    again = [Found(f"{f.id} again", f.score_diff, f.spans) for f in rows if not gold[f.id]]
    doubled = content_of(rows + again, gold | {f.id: [] for f in again}, metric)
    weighted = content_of(rows, gold, metric, 0.5)
    assert weighted["unanswerable_share"] == 0.5
    assert weighted["questions"] == 60
    assert weighted["null_score_diff_threshold"] == doubled["null_score_diff_threshold"]
    for name in (f"{metric}_at_threshold", f"{metric}_at_0"):
        assert weighted[name] == pytest.approx(doubled[name])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_moves_the_odds_by_its_own(share: float) -> None:
    rows, gold = mixed(1, 60, 20)
    plain, moved = content_of(rows, gold, "f1"), content_of(rows, gold, "f1", share)
    odds = math.log(share / (1 - share)) - math.log(20 / 60)
    assert moved["slope"] == plain["slope"]
    assert moved["intercept"] - plain["intercept"] == pytest.approx(odds, abs=1e-8)


def test_more_unanswerable_questions_to_expect_never_raise_the_threshold() -> None:
    rows, gold = mixed(2, 40, 40)
    found_at = [content_of(rows, gold, "f1", share)["null_score_diff_threshold"] for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert found_at == sorted(found_at, reverse=True)
    assert found_at[2] == content_of(rows, gold, "f1")["null_score_diff_threshold"]  # as they are
    assert found_at[0] > found_at[-1]


@pytest.mark.parametrize(("gold", "kind"), [(["boat"], "unanswerable"), ([], "answerable")])
def test_a_share_of_what_is_not_there_is_one_line(gold: list[str], kind: str) -> None:
    with pytest.raises(SpanlineError) as refused:
        content_of([found("q", 1.0, "boat")], {"q": gold}, "f1", 0.5)
    assert str(refused.value) == (
        f"params.yaml: 'calibrate.unanswerable_share' is 0.5, but no calibration question is {kind}; "
        "set it to null, or calibrate on questions of both kinds"
    )


def test_the_summary_says_what_it_was_weighted_to() -> None:
    rows, gold = mixed(1, 4, 2)
    assert ", weighted to 12.5 % unanswerable, against " in run.summary(run.calibrate(rows, gold, how("f1", 0.125)))

"""The fit is the minimum of Platt's objective, whatever the order of rows and the scale of logits."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spanline.calibrate import platt


def sample(slope: float, intercept: float, rows: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    diff = random.normal(0, 4, rows)
    return diff, random.random(rows) < 1 / (1 + np.exp(-(slope * diff + intercept)))


def platt_loss(slope: float, intercept: float, diff: Any, unanswerable: Any) -> float:
    """Platt's objective, term by term from the paper: targets (n+ + 1)/(n+ + 2) and 1/(n- + 2)."""
    positive = int(sum(unanswerable))
    high, low = (positive + 1) / (positive + 2), 1 / (len(diff) - positive + 2)
    probs = [1 / (1 + math.exp(-(slope * d + intercept))) for d in diff]
    targets = [high if flag else low for flag in unanswerable]
    return -math.fsum(t * math.log(p) + (1 - t) * math.log(1 - p) for t, p in zip(targets, probs, strict=True))


def test_fit_recovers_the_map_that_made_the_data() -> None:
    fit = platt.fit_no_answer_probability(*sample(0.4, -0.7, 50_000, seed=1))
    assert fit.fallback_reason is None
    assert (fit.slope, fit.intercept) == pytest.approx((0.4, -0.7), abs=0.03)


@given(st.floats(0.2, 3), st.floats(-2, 2), st.integers(0, 1000))
def test_fit_is_the_minimum_of_platts_objective(slope: float, intercept: float, seed: int) -> None:
    diff, unanswerable = sample(slope, intercept, 60, seed)
    fit = platt.fit_no_answer_probability(diff, unanswerable)
    assume(fit.fallback_reason is None)
    lowest = platt_loss(fit.slope, fit.intercept, diff, unanswerable)
    for d_slope, d_intercept in [(1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3), (1e-3, 1e-3), (-1e-3, 1e-3)]:
        assert lowest < platt_loss(fit.slope + d_slope, fit.intercept + d_intercept, diff, unanswerable)


def test_fit_does_not_depend_on_the_order_of_rows_and_ignores_questions_without_a_span() -> None:
    diff, unanswerable = sample(1.0, 0.5, 999, seed=2)
    fit = platt.fit_no_answer_probability(diff, unanswerable)
    order = np.random.default_rng(0).permutation(999)
    assert platt.fit_no_answer_probability(diff[order], unanswerable[order]) == fit
    longer = np.append(diff, [math.inf] * 5), np.append(unanswerable, [True] * 5)
    assert platt.fit_no_answer_probability(*longer) == fit


def test_fit_scales_with_the_logits() -> None:
    diff, unanswerable = sample(1.0, 0.5, 999, seed=3)
    fit = platt.fit_no_answer_probability(diff, unanswerable)
    tenth = platt.fit_no_answer_probability(10 * diff + 3, unanswerable)
    assert tenth.slope == pytest.approx(fit.slope / 10, rel=1e-6)
    assert tenth.intercept == pytest.approx(fit.intercept - 0.3 * fit.slope, rel=1e-6)


def test_separable_data_have_a_finite_slope() -> None:
    diff = np.linspace(-3, 3, 40)
    fit = platt.fit_no_answer_probability(diff, diff > 0)
    assert fit.fallback_reason is None
    assert 1 < fit.slope < 1000


@pytest.mark.parametrize(
    ("diff", "unanswerable", "reason"),
    [
        (np.linspace(-3, 3, 40), np.linspace(-3, 3, 40) < 0, "does not rise"),
        (np.linspace(-3, 3, 40), np.ones(40, bool), "0 answerable and 40 unanswerable"),
        (np.linspace(-3, 3, 12), np.arange(12) % 2 == 0, "fewer than 10 of a kind"),
        (np.ones(40), np.arange(40) % 2 == 0, "all score_diffs are equal"),
        (np.linspace(-3e6, 3e6, 40), np.linspace(-3, 3, 40) > 0, "does not rise"),  # rises, but flatter than MIN_SLOPE
        (np.full(40, math.inf), np.ones(40, bool), "0 answerable and 0 unanswerable"),
    ],
)
def test_fit_falls_back_and_says_why(diff: Any, unanswerable: Any, reason: str) -> None:
    fit = platt.fit_no_answer_probability(diff, unanswerable)
    assert fit[:2] == (1.0, 0.0)
    assert fit.fallback_reason is not None
    assert reason in fit.fallback_reason


def test_ten_questions_of_a_kind_are_enough() -> None:
    diff = np.linspace(-3, 3, 20)
    assert platt.fit_no_answer_probability(diff, diff > 0).fallback_reason is None
    assert platt.fit_no_answer_probability(diff[1:], diff[1:] > 0).fallback_reason == (
        "9 answerable and 10 unanswerable questions with a legal span, fewer than 10 of a kind"
    )
    equal = platt.fit_no_answer_probability(np.ones(20), diff > 0)
    assert equal.fallback_reason == "all score_diffs are equal"


def test_a_fit_that_stops_early_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platt, "root", partial(platt.root, options={"maxfev": 1}))
    assert platt.fit_no_answer_probability(*sample(1.0, 0.5, 999, seed=2)) == (1.0, 0.0, "the fit did not converge")


@given(st.integers(0, 1000), st.floats(-3, 3), st.sampled_from(["normal", "separable", "ties", "outlier"]))
def test_all_the_digits_that_are_kept_are_right(seed: int, log_slope: float, kind: str) -> None:
    """A step of Newton's method from there, which squares the error, moves neither number by a unit of its ninth digit
    (half a unit is lost by rounding)."""
    diff, unanswerable = sample(math.exp(log_slope), 0.3, 200, seed)
    if kind == "separable":
        unanswerable = diff > 0.1
    if kind == "ties":
        diff = np.round(diff)
    if kind == "outlier":
        diff[0] = 1e4
    fit = platt.fit_no_answer_probability(diff, unanswerable)
    assume(fit.fallback_reason is None)
    for value, step in zip(fit, newton_step(fit.slope, fit.intercept, diff, unanswerable), strict=False):
        assert abs(step) < 10.0 ** (math.floor(math.log10(abs(value))) - 8)


def newton_step(slope: float, intercept: float, diff: Any, unanswerable: Any) -> tuple[float, float]:
    """For `platt_loss`, its derivatives summed without rounding."""
    positive = int(sum(unanswerable))
    high, low = (positive + 1) / (positive + 2), 1 / (len(diff) - positive + 2)
    probs = [1 / (1 + math.exp(-(slope * d + intercept))) for d in diff]
    errors = [p - (high if flag else low) for p, flag in zip(probs, unanswerable, strict=True)]
    weights = [p * (1 - p) for p in probs]
    by_slope, by_intercept = math.fsum(e * d for e, d in zip(errors, diff, strict=True)), math.fsum(errors)
    xx, x, one = (math.fsum(w * d**k for w, d in zip(weights, diff, strict=True)) for k in (2, 1, 0))
    determinant = xx * one - x * x
    return (one * by_slope - x * by_intercept) / determinant, (xx * by_intercept - x * by_slope) / determinant

"""The threshold is the brute-force optimum, ties included."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.calibrate.threshold import best_threshold
from spanline.common.errors import SpanlineError


def mean_score(threshold: float, diff: Any, score: Any, answerable: Any) -> float:
    """The definition: "" exactly when score_diff > threshold."""
    rows = zip(diff, score, answerable, strict=True)
    return math.fsum(float(not able) if d > threshold else s for d, s, able in rows) / len(diff)


def thresholds_by_rule(diff: list[float]) -> list[float]:
    """Every candidate that the docstring names."""
    levels = sorted({d for d in diff if d < math.inf})
    middles = [(low + high) / 2 for low, high in pairwise(levels)]
    return [levels[0] - 1, *middles, levels[-1] + 1]


def brute_force(diff: list[float], score: list[float], answerable: list[bool]) -> float:
    if all(d == math.inf for d in diff):
        return 0.0
    tried = [(mean_score(t, diff, score, answerable), t) for t in thresholds_by_rule(diff)]
    best = max(mean for mean, _ in tried)
    return min((t for mean, t in tried if mean > best - 1e-9), key=lambda t: (abs(t), t))


rows = st.lists(
    st.tuples(
        st.integers(-8, 8).map(lambda n: n / 4) | st.just(math.inf),  # many ties; eighths have exact middles
        st.sampled_from([0.0, 1.0, 1 / 3, 2 / 3, 0.5, 0.8, 4 / 7]),
        st.booleans(),
    ),
    min_size=1,
    max_size=14,
)


@given(rows)
def test_best_threshold_equals_brute_force(table: Any) -> None:
    diff, score, answerable = map(list, zip(*table, strict=True))
    assert best_threshold(diff, score, answerable) == brute_force(diff, score, answerable)


@given(rows, st.randoms())
def test_best_threshold_does_not_depend_on_the_order_of_rows(table: Any, random: Any) -> None:
    shuffled = random.sample(table, len(table))
    one, other = (best_threshold(*map(list, zip(*each, strict=True))) for each in (table, shuffled))
    assert one == other


@given(st.lists(st.tuples(st.floats(-1e300, 1e300, width=64), st.floats(0, 1), st.booleans()), min_size=1, max_size=12))
def test_no_threshold_beats_the_best_on_any_floats(table: Any) -> None:
    diff, score, answerable = map(list, zip(*table, strict=True))
    ours = mean_score(best_threshold(diff, score, answerable), diff, score, answerable)
    assert ours >= max(mean_score(t, diff, score, answerable) for t in [*diff, -math.inf]) - 1e-9


@pytest.mark.parametrize("low", [1.0, math.nextafter(1.0, 2)])  # their middles round down and up
def test_best_threshold_separates_neighbouring_floats(low: float) -> None:
    high = math.nextafter(low, 2)
    assert low <= best_threshold([low, high], [1, 0], [True, False]) < high


@pytest.mark.parametrize(
    ("diff", "score", "answerable", "threshold"),
    [
        ([-2.0, 1.0], [1, 0], [True, False], -0.5),  # midway
        ([3.0, 4.0], [0, 0], [False, False], 2.0),  # nothing answered: a logit below the lowest
        ([3.0, 4.0], [1, 1], [True, True], 5.0),  # everything answered: a logit above the highest
        ([1.0, 1.0, 1.0], [1, 1, 0], [True, True, False], 2.0),  # a tie is one group: 2 of 3 right, with all answered
        ([-6.0, -2.0, 4.0, 9.0], [1, 0, 0, 0], [True, True, True, False], 1.0),  # -4, 1, 6.5 as good: nearest 0
        ([-4.0, 4.0, 8.0], [1, 0, 0], [True, True, True], 0.0),
        ([-3.0, -1.0, 1.0, 3.0], [1, 0, 0, 0], [True, True, True, False], 0.0),
        ([-1.0, 3.0], [0.5, 0.0], [False, False], -2.0),
        ([-2.0, 0.0, 2.0], [1, 0, 0], [True, False, True], -1.0),
        ([math.inf, math.inf], [0, 0], [True, False], 0.0),  # no legal span
        ([-1.0, math.inf], [0, 0], [True, True], 0.0),  # nothing to win: -2 and 0 as good
    ],
)
def test_best_threshold_rules(diff: Any, score: Any, answerable: Any, threshold: float) -> None:
    assert best_threshold(diff, score, answerable) == threshold


def test_of_two_optima_as_near_to_zero_the_lower() -> None:
    assert best_threshold([0.0], [0.5], [True]) == 1.0
    assert best_threshold([0.0], [0.0], [True]) == -1.0


def test_thirds_do_not_break_a_tie() -> None:
    """1 lost and three thirds won is nothing lost, though a third is not a whole number of units: -4 and -7 tie."""
    diff, score = [-6.0, -5.0, -5.0, -5.0], [0.0, 1 / 3, 1 / 3, 1 / 3]
    assert best_threshold(diff, score, [False, True, True, True]) == -4.0


def test_float32_columns_give_the_threshold_of_float64() -> None:
    diff = np.array([0.1, 0.2], np.float32)
    assert best_threshold(diff, [1, 0], [True, False]) == (float(diff[0]) + float(diff[1])) / 2


@pytest.mark.parametrize(
    ("diff", "score", "message"),
    [
        ([], [], "score_diff: there are no questions; give some, or turn calibration off"),
        ([0.0, math.nan], [0.0, 0.0], "score_diff: 1 values are NaN or -inf, the first in row 1; check the logits"),
        (
            [0.0, 1.0],
            [-math.inf, math.nan],
            "span_score: 2 values are NaN or -inf, the first in row 0; check the logits",
        ),
    ],
)
def test_best_threshold_refuses(diff: list[float], score: list[float], message: str) -> None:
    with pytest.raises(SpanlineError) as caught:
        best_threshold(diff, score, [True] * len(diff))
    assert str(caught.value) == message

"""na_prob is a logistic function within its tail, and keeps neighbouring score_diffs apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.no_answer import probability


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=20), st.floats(0.01, 5), st.floats(-5, 5))
def test_probability_is_the_logistic_function_within_its_tail(diff: Any, slope: float, intercept: float) -> None:
    prob = probability.no_answer_probability(diff, slope, intercept)
    z = [slope * d + intercept for d in diff]
    logistic = [1 / (1 + math.exp(-v)) if v > -700 else 0.0 for v in z]
    assert prob == pytest.approx(np.array(logistic), rel=0, abs=probability.TAIL_WEIGHT)
    assert ((prob >= 0) & (prob <= 1)).all()
    assert (np.diff(probability.no_answer_probability(np.sort(diff), slope, intercept)) >= 0).all()


@pytest.mark.parametrize("slope", [0.1, 1.0, 8.0])
def test_neighbouring_float32_score_diffs_stay_apart_up_to_30_log_odds(slope: float) -> None:
    starts = (np.linspace(-30, 29.99, 500) / slope).astype(np.float32)
    nexts = np.nextafter(starts, np.float32(np.inf))
    below, above = (probability.no_answer_probability(each, slope, 0.0) for each in (starts, nexts))
    assert (below < above).all()


def test_probability_at_the_ends() -> None:
    assert probability.no_answer_probability([-math.inf, 0.0, math.inf], 1.0, 0.0).tolist() == [0.0, 0.5, 1.0]

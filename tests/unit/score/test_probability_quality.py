"""Brier score and calibration error, by hand and within their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.score.probability_quality import brier_score, expected_calibration_error


def test_brier_score_by_hand() -> None:
    assert brier_score([0.5, 1.0, 0.0], [True, True, True]) == pytest.approx((0.25 + 0 + 1) / 3)


def test_expected_calibration_error_by_hand() -> None:
    """Bins [0, 1/2) and [1/2, 1]: 2 rows of mean 0.2 and rate 1/2; 3 of mean 0.7 and rate 1."""
    prob, outcome = [0.1, 0.3, 0.5, 0.6, 1.0], [False, True, True, True, True]
    assert expected_calibration_error(prob, outcome, 2) == pytest.approx((2 * 0.3 + 3 * 0.3) / 5)


def test_a_bins_lower_edge_belongs_to_it() -> None:
    """0.29 * 100 is 28.99... in float64; the bins must be cut at 0.29 all the same."""
    prob, outcome = [0.29, 0.285], [True, False]
    assert expected_calibration_error(prob, outcome, 100) == pytest.approx((0.71 + 0.285) / 2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30), st.integers(1, 20))
def test_calibration_error_is_at_least_that_of_one_bin_and_at_most_one(table: Any, bins: int) -> None:
    prob, outcome = map(list, zip(*table, strict=True))
    one_bin = abs(np.mean(prob) - np.mean(outcome))
    error = expected_calibration_error(prob, outcome, bins)
    assert one_bin - 1e-12 <= error <= 1 + 1e-12

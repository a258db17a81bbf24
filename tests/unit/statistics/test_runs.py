"""Variance between runs and the least detectable difference equal their formulas, worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest

from spanline.statistics.estimates import Estimate
from spanline.statistics.runs import error_between_runs, least_detectable, p_value, with_runs

# 35 articles: t(34) is 2.032245 at 97.5 % and 0.852321 at 80 %
ESTIMATE = Estimate(mean=1.5, num_clusters=35, error=0.8, margin=0.8 * 2.032245, freedom=34.0)


def test_error_between_runs_by_hand() -> None:
    """Squares 2 x 1 and 2 x 4 around 11 and 22 over 1 + 1 degrees of freedom: variance 5, of each mean 5 / 2."""
    assert error_between_runs([10.0, 12.0], [20.0, 24.0]) == pytest.approx((math.sqrt(5.0), 2))


def test_a_set_of_one_run_takes_the_variance_of_the_other() -> None:
    assert error_between_runs([10.0], [20.0, 24.0]) == pytest.approx((math.sqrt(8 * 1.5), 1))
    assert error_between_runs([10.0], [20.0]) is None


def test_the_least_detectable_difference() -> None:
    assert least_detectable(ESTIMATE) == pytest.approx(0.8 * (2.032245 + 0.852321), abs=1e-5)
    assert least_detectable(Estimate(1.5, 9, None, None, 0.0)) is None


def test_variances_and_squared_margins_add_up() -> None:
    """0.64 + 0.36 = 1; t(4) is 2.776445 at 97.5 %. Satterthwaite: 1 / (0.64^2 / 34 + 0.36^2 / 4) = 22.5."""
    found = with_runs(ESTIMATE, (0.6, 4.0))
    assert found.error == pytest.approx(1.0)
    assert found.freedom == pytest.approx(1 / (0.64**2 / 34 + 0.36**2 / 4))
    assert found.margin == pytest.approx(math.hypot(0.8 * 2.032245, 0.6 * 2.776445), abs=1e-5)
    assert with_runs(ESTIMATE, None) is ESTIMATE
    assert with_runs(ESTIMATE, (0.0, 4.0)).margin == pytest.approx(ESTIMATE.margin, rel=1e-9)


@pytest.mark.parametrize("run_error", [0.0, 0.3, 2.0])
def test_p_is_5_percent_where_the_interval_just_reaches_0(run_error: float) -> None:
    margin = with_runs(ESTIMATE, (run_error, 4.0)).margin
    for mean in (margin, -margin):
        assert p_value(dataclasses.replace(ESTIMATE, mean=mean), (run_error, 4.0)) == pytest.approx(0.05, abs=1e-6)
    assert p_value(dataclasses.replace(ESTIMATE, mean=0.0), (run_error, 4.0)) == pytest.approx(1.0, abs=1e-6)
    assert p_value(dataclasses.replace(ESTIMATE, mean=3 * margin), (run_error, 4.0)) < 0.05


def test_too_few_clusters_have_no_p() -> None:
    assert p_value(Estimate(1.5, 9, None, None, 0.0), (0.3, 4.0)) is None

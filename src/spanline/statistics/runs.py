"""What an estimate could have shown, and what it is with the variance between runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from spanline.statistics.estimates import Estimate

POWER = 0.8
_HALVINGS = 50


def least_detectable(estimate: Estimate) -> float | None:
    """The difference whose interval would leave out 0 in 80 % of such sets; None with too few clusters.

    Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 2, with this set's own error.
    """
    if estimate.error is None or estimate.margin is None:
        return None
    return estimate.margin + float(special.stdtrit(estimate.freedom, POWER)) * estimate.error


def error_between_runs(*sets: Sequence[float]) -> tuple[float, float] | None:
    """Standard error of a difference between two sets' means (or of one set's mean), from how their runs differ.

    Also its degrees of freedom. The runs of all sets are taken to vary alike, so their variances are pooled; a set may
    then have a single run. None: no set has two.
    """
    freedom = sum(len(means) - 1 for means in sets)
    if freedom == 0:
        return None
    squares = 0.0
    for means in sets:
        mean = math.fsum(means) / len(means)
        squares += math.fsum((value - mean) ** 2 for value in means)
    return math.sqrt(squares / freedom * math.fsum(1 / len(means) for means in sets)), float(freedom)


def with_runs(estimate: Estimate, between_runs: tuple[float, float] | None) -> Estimate:
    """The estimate with the variance between runs in its error and margin.

    The two variances add up, and so do the squares of the two margins (the method of variance estimates recovery: Zou
    and Donner, "Construction of Confidence Limits about Effect Measures", Statistics in Medicine 2008), so that a few
    runs that differ much widen the interval by *their* Student's t. Degrees of freedom of the sum: Satterthwaite 1946.
    """
    if between_runs is None or estimate.error is None or estimate.margin is None:
        return estimate
    run_error, run_freedom = between_runs
    variance = estimate.error**2 + run_error**2
    if variance == 0.0:
        return estimate
    freedom = variance**2 / (estimate.error**4 / estimate.freedom + run_error**4 / run_freedom)
    margin = math.hypot(estimate.margin, float(special.stdtrit(run_freedom, 0.975)) * run_error)
    return Estimate(estimate.mean, estimate.num_clusters, math.sqrt(variance), margin, freedom)


def p_value(estimate: Estimate, between_runs: tuple[float, float]) -> float | None:
    """Two-sided, of "the mean is 0": 1 - the level at which the interval of `with_runs` just reaches 0.

    `estimate`: of the clusters alone. None with too few clusters.
    """
    if estimate.error is None or estimate.margin is None:
        return None
    error, (run_error, run_freedom) = estimate.error, between_runs
    beyond = 1.0  # what the bootstrap found beyond Student's t of the clusters
    if error > 0.0:
        beyond = estimate.margin / error / float(special.stdtrit(estimate.freedom, 0.975))

    def reach(p: float) -> float:
        clusters = beyond * float(special.stdtrit(estimate.freedom, 1 - p / 2)) * error
        return math.hypot(clusters, float(special.stdtrit(run_freedom, 1 - p / 2)) * run_error)

    low, high = 0.0, 1.0  # reach falls from infinity to 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if reach(middle) > abs(estimate.mean) else (low, middle)
    return high

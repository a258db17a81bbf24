"""What an estimate could have shown, and what it is with the variance between runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from spanline.statistics.estimates import Estimate

POWER = 0.8


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
        mean = sum(means) / len(means)
        squares += sum((value - mean) ** 2 for value in means)
    return math.sqrt(squares / freedom * sum(1 / len(means) for means in sets)), float(freedom)


def with_runs(estimate: Estimate, between_runs: tuple[float, float] | None) -> Estimate:
    """The estimate with the variance between runs in its error and margin.

    The two variances add up. The degrees of freedom are Satterthwaite's ("An Approximate Distribution of Estimates of
    Variance Components", 1946). The interval keeps what the bootstrap found beyond Student's t of the clusters alone.
    """
    if between_runs is None or estimate.error is None or estimate.margin is None:
        return estimate
    run_error, run_freedom = between_runs
    variance = estimate.error**2 + run_error**2
    if variance == 0.0:
        return estimate
    freedom = variance**2 / (estimate.error**4 / estimate.freedom + run_error**4 / run_freedom)
    beyond = 1.0
    if estimate.error > 0.0:
        beyond = estimate.margin / estimate.error / float(special.stdtrit(estimate.freedom, 0.975))
    error = math.sqrt(variance)
    margin = float(special.stdtrit(freedom, 0.975)) * beyond * error
    return Estimate(estimate.mean, estimate.num_clusters, error, margin, freedom)

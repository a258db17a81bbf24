"""A mean with its 95 % interval, from clusters."""

from __future__ import annotations

from dataclasses import dataclass

from spanline.statistics import studentised
from spanline.statistics.clusters import MIN_CLUSTERS, Clusters

_NORMAL_95 = 1.959963984540054  # 97.5th percentile of the standard normal


@dataclass(frozen=True)
class Estimate:
    """A mean, and how far it may be off: in the unit of the values."""

    mean: float
    num_clusters: int
    error: float | None  # standard error if clusters (and runs) were drawn anew; None: too few clusters
    margin: float | None  # half of the 95 % interval's length
    freedom: float  # degrees of freedom of `error`

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval; None with too few clusters."""
        return None if self.margin is None else (self.mean - self.margin, self.mean + self.margin)


def estimates(clusters: Clusters, resamples: int, seed: int) -> list[Estimate]:
    """One per set of values. Fewer than MIN_CLUSTERS clusters give a mean without an interval."""
    count = len(clusters.sums_GK)
    if count < MIN_CLUSTERS:
        return [Estimate(float(mean), count, None, None, 0.0) for mean in clusters.means_K]
    critical_K = studentised.critical_values(clusters, studentised.draws(count, resamples, seed))
    rows = zip(clusters.means_K, clusters.standard_errors_K, critical_K, strict=True)
    return [Estimate(float(mean), count, float(e), float(c * e), count - 1.0) for mean, e, c in rows]


def margin_within(error: float) -> float:
    """Half of the 95 % interval if the clusters stay and their many rows are drawn anew."""
    return _NORMAL_95 * error

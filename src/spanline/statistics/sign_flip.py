"""Is a mean difference more than chance? A test that flips the sign of whole clusters.

If neither of two systems were better on any kind of cluster, a cluster's difference could as well have come out with
the other sign. The test flips all of them at random many times and counts how often the flipped set looks at least as
far from 0 as the one found, in units of its own standard error: its share is the p-value. The set as found counts as
one of the flips, so no p-value is 0. It assumes that a cluster's difference is as often above its mean as below.

Sources: Fisher, "The Design of Experiments", 1935, section 21; Canay, Romano and Shaikh, "Randomization Tests under an
Approximate Symmetry Assumption", Econometrica 2017 (few clusters).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from spanline.statistics.clusters import Clusters, Floats

_TIE = 1e-9  # relative; sums that are equal in truth differ by their rounding

# F flips, G clusters, K sets of values


@lru_cache(maxsize=64)
def flips(num_clusters: int, count: int, seed: int) -> Floats:
    """(F, G) of +1 and -1; the same for the same arguments."""
    drawn = np.random.default_rng(seed).integers(0, 2, (count, num_clusters)).astype(np.float64) * 2 - 1
    drawn.flags.writeable = False
    return drawn


def p_values(clusters: Clusters, signs_FG: Floats) -> Floats:
    """(K,) two-sided, of "the mean is 0"."""
    found_K = _distances(clusters, np.ones((1, len(clusters.sums_GK))))[0]
    flipped_FK = _distances(clusters, signs_FG)
    as_far_K = (flipped_FK >= found_K * (1 - _TIE)).sum(axis=0)
    values: Floats = (1 + as_far_K) / (1 + len(signs_FG))
    return values


def _distances(clusters: Clusters, signs_FG: Floats) -> Floats:
    """(F, K) |mean| / standard error of each flipped set, but for a factor that all have."""
    sums_GK, sizes_GK = clusters.sums_GK, clusters.sizes_GK
    means_FK = (signs_FG @ sums_GK) / sizes_GK.sum(axis=0)
    squares_K = (sums_GK**2).sum(axis=0)
    around_FK = squares_K - 2 * means_FK * (signs_FG @ (sums_GK * sizes_GK)) + means_FK**2 * (sizes_GK**2).sum(axis=0)
    around_FK[around_FK <= _TIE * squares_K] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        distances_FK: Floats = np.where(means_FK == 0.0, 0.0, np.abs(means_FK) / np.sqrt(around_FK))
    return distances_FK

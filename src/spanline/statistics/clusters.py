"""Values that come in clusters, as a set's questions come in articles: sums by cluster, the mean and what it varies by.

The questions of an article share its text, its topic and often its mistakes, so they are not independent draws. All
that this room computes therefore goes by clusters; docs/STATISTICS.md has the methods, their sources and a simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_CLUSTERS = 10  # with fewer, no interval holds what it promises: docs/STATISTICS.md

# G clusters, K sets of values (each with sizes of its own), R rows, N the rows of all clusters


@dataclass(frozen=True)
class Clusters:
    """K sets of values, added up by cluster. A cluster has rows in each of them."""

    sums_GK: Floats
    sizes_GK: Floats  # rows

    @property
    def means_K(self) -> Floats:
        """Over all rows: a large cluster weighs more."""
        means: Floats = self.sums_GK.sum(axis=0) / self.sizes_GK.sum(axis=0)
        return means

    @property
    def residuals_GK(self) -> Floats:
        """What a cluster's rows have together above the mean."""
        return self.sums_GK - self.means_K * self.sizes_GK

    @property
    def standard_errors_K(self) -> Floats:
        """Of the means, if the clusters were drawn anew: the linearised error of a ratio of two sums, known as CR1."""
        num_clusters = len(self.sums_GK)
        squares_K = (self.residuals_GK**2).sum(axis=0) * num_clusters / (num_clusters - 1)
        errors: Floats = np.sqrt(squares_K) / self.sizes_GK.sum(axis=0)
        return errors


def numbered(names: Sequence[str]) -> NDArray[np.intp]:
    """(R,) each row's cluster as 0, 1, ... in order of its first row."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.intp)


def add_up(cluster_R: NDArray[np.intp], *values_R: Floats) -> Clusters:
    """Each of `values_R` by cluster; a cluster without a row is left out."""
    sizes_G = np.bincount(cluster_R)
    held = sizes_G > 0
    sums = [np.bincount(cluster_R, weights=values)[held] for values in values_R]
    sizes = [sizes_G[held].astype(np.float64)] * len(values_R)
    return Clusters(np.stack(sums, axis=1), np.stack(sizes, axis=1))


def error_within(cluster_R: NDArray[np.intp], values_R: Floats) -> float:
    """Standard error of the mean if each cluster's rows were drawn anew and the clusters stayed: a stratified sample's.

    Cochran, "Sampling Techniques", 1977, section 5.3. The only row of a cluster is taken with its distance from the
    mean of all.
    """
    sizes_G = np.bincount(cluster_R)
    means_G = np.bincount(cluster_R, weights=values_R) / np.maximum(sizes_G, 1)
    is_alone_R = sizes_G[cluster_R] == 1
    distances_R = values_R - np.where(is_alone_R, values_R.mean(), means_G[cluster_R])
    freedom_R = np.where(is_alone_R, 1.0, sizes_G[cluster_R] / np.maximum(sizes_G[cluster_R] - 1, 1))
    return float(np.sqrt((distances_R**2 * freedom_R).sum()) / len(values_R))

"""The studentised bootstrap equals a plain loop, does not depend on rounding, and covers about as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from spanline.statistics import studentised
from spanline.statistics.clusters import Clusters, add_up
from spanline.statistics.estimates import estimates

RANDOM = np.random.default_rng(5)
ARTICLE = np.repeat(np.arange(12), RANDOM.integers(3, 40, 12))
VALUES = RANDOM.uniform(0.1, 0.9, 12)[ARTICLE] + RANDOM.normal(0, 0.3, len(ARTICLE))


def by_loop(resamples: int, seed: int) -> list[float]:
    """|mean of the resample - mean| / standard error of the resample, each from its articles put together again."""
    mean, distances = VALUES.mean(), []
    for draw in np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12), size=resamples):
        drawn = [VALUES[article == ARTICLE] for article, times in enumerate(draw) for _ in range(times)]
        total = sum(len(values) for values in drawn)
        center = sum(values.sum() for values in drawn) / total
        squares = sum((values.sum() - center * len(values)) ** 2 for values in drawn)
        distances.append(abs(center - mean) / (np.sqrt(squares * 12 / 11) / total))
    return distances


def test_equals_a_plain_loop_over_resamples() -> None:
    clusters = add_up(ARTICLE, VALUES)
    found = studentised.critical_values(clusters, studentised.draws(12, 300, 7))
    assert found[0] == pytest.approx(sorted(by_loop(300, 7))[284], rel=1e-9)  # 285 of 300 are no farther
    (estimate,) = estimates(clusters, 300, 7)
    assert estimate.margin == pytest.approx(found[0] * clusters.standard_errors_K[0])
    assert estimate.interval == pytest.approx((VALUES.mean() - estimate.margin, VALUES.mean() + estimate.margin))


def test_a_shift_moves_the_interval_and_a_factor_stretches_it() -> None:
    (plain,) = estimates(add_up(ARTICLE, VALUES), 300, 7)
    (moved,) = estimates(add_up(ARTICLE, 1000 + 3 * VALUES), 300, 7)
    assert moved.mean == pytest.approx(1000 + 3 * plain.mean)
    assert moved.margin == pytest.approx(3 * plain.margin)


def test_values_all_alike_have_an_interval_of_no_length() -> None:
    (estimate,) = estimates(add_up(ARTICLE, np.full(len(ARTICLE), 0.1)), 300, 7)
    assert estimate.margin == pytest.approx(0.0, abs=1e-12)


def test_too_few_clusters_have_no_interval() -> None:
    kept = ARTICLE < 9
    (estimate,) = estimates(add_up(ARTICLE[kept], VALUES[kept]), 300, 7)
    assert (estimate.num_clusters, estimate.interval, estimate.error) == (9, None, None)
    assert estimate.mean == pytest.approx(VALUES[kept].mean())


def test_where_few_clusters_hold_all_that_differs_it_is_students_t() -> None:
    """Two of 35 clusters: one resample in nine has neither, and its error is 0. t(34) is 2.0322 at 97.5 %."""
    sums = np.zeros((35, 1))
    sums[3:5] = 4.0
    clusters = Clusters(sums, np.full((35, 1), 20.0))
    assert studentised.critical_values(clusters, studentised.draws(35, 500, 1))[0] == pytest.approx(2.0322, abs=1e-4)
    (estimate,) = estimates(clusters, 500, 1)
    assert estimate.interval[0] < 0 < estimate.interval[1]


def test_covers_the_truth_about_as_often_as_it_says() -> None:
    """20 clusters of unequal size, 1,000 times: 950 hits wanted, 4 standard deviations allowed.

    The percentile bootstrap holds the truth of similar draws 937 times.
    """
    random = np.random.default_rng(11)
    sizes = random.integers(5, 50, (20, 1000)).astype(float)
    clusters = Clusters(random.normal(0, 1, sizes.shape) * sizes, sizes)
    critical = studentised.critical_values(clusters, studentised.draws(20, 500, 1))
    hits = int((np.abs(clusters.means_K) <= critical * clusters.standard_errors_K).sum())
    assert 922 <= hits <= 978

"""The sign-flip test equals an enumeration of all flips; nothing to see gives 1."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from spanline.statistics import sign_flip
from spanline.statistics.clusters import Clusters

SUMS, SIZES = np.array([3.0, 1.0, -1.0, 4.0, 2.0, 2.5]), np.array([5.0, 3.0, 4.0, 8.0, 2.0, 6.0])


def clusters(sums: np.ndarray) -> Clusters:
    return Clusters(sums[:, None], SIZES[:, None])


def distance(sums: np.ndarray) -> float:
    mean = sums.sum() / SIZES.sum()
    return float(abs(mean) / np.sqrt(((sums - mean * SIZES) ** 2).sum()))


def test_equals_an_enumeration_of_all_flips() -> None:
    signs = np.array(list(product((1.0, -1.0), repeat=6)))
    expected = np.mean([distance(row * SUMS) >= distance(SUMS) - 1e-12 for row in signs])
    found = sign_flip.p_values(clusters(SUMS), signs)[0]
    assert found == pytest.approx((1 + 64 * expected) / 65)
    assert expected < 0.2


def test_the_sign_of_the_difference_does_not_matter() -> None:
    signs = sign_flip.flips(6, 200, 3)
    assert sign_flip.p_values(clusters(SUMS), signs) == sign_flip.p_values(clusters(-SUMS), signs)


def test_no_difference_anywhere_is_1() -> None:
    assert sign_flip.p_values(clusters(np.zeros(6)), sign_flip.flips(6, 200, 3)).tolist() == [1.0]


def test_the_same_difference_everywhere_is_as_rare_as_a_flip_can_be() -> None:
    """Only all signs alike look as far off: 2 of 64."""
    signs = np.array(list(product((1.0, -1.0), repeat=6)))
    assert sign_flip.p_values(clusters(0.5 * SIZES), signs)[0] == pytest.approx(3 / 65)

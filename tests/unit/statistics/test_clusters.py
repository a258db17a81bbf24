"""Means and standard errors by cluster equal their textbook sums, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spanline.statistics.clusters import add_up, error_within, numbered

NAMES = ["a", "b", "a", "c", "c", "c", "b", "a"]
VALUES = np.array([1.0, 0.0, 2.0, 4.0, 3.0, 8.0, 1.0, 5.0])
BY_NAME = {"a": [1.0, 2.0, 5.0], "b": [0.0, 1.0], "c": [4.0, 3.0, 8.0]}


def test_clusters_are_numbered_by_their_first_row() -> None:
    assert numbered(NAMES).tolist() == [0, 1, 0, 2, 2, 2, 1, 0]


def test_sums_and_sizes() -> None:
    clusters = add_up(numbered(NAMES), VALUES, 2 * VALUES)
    assert clusters.sums_GK.tolist() == [[8, 16], [1, 2], [15, 30]]
    assert clusters.sizes_GK.tolist() == [[3, 3], [2, 2], [3, 3]]
    assert clusters.means_K.tolist() == [3, 6]


def test_a_cluster_without_rows_is_left_out() -> None:
    clusters = add_up(np.array([4, 1, 4]), np.array([1.0, 2.0, 3.0]))
    assert clusters.sums_GK.tolist() == [[2], [4]]


def test_standard_error_of_the_clusters() -> None:
    """Residuals 8 - 9, 1 - 6, 15 - 9; their squares times 3 / 2, the root by the 8 rows."""
    expected = math.sqrt((1 + 25 + 36) * 3 / 2) / 8
    assert add_up(numbered(NAMES), VALUES).standard_errors_K[0] == pytest.approx(expected)


def test_error_within_clusters() -> None:
    squares = 0.0
    for values in BY_NAME.values():
        mean = sum(values) / len(values)
        squares += sum((value - mean) ** 2 for value in values) * len(values) / (len(values) - 1)
    assert error_within(numbered(NAMES), VALUES) == pytest.approx(math.sqrt(squares) / 8)


def test_the_only_row_of_a_cluster_counts_with_its_distance_from_the_mean_of_all() -> None:
    """Mean 3; the rows of "a" are 1 from theirs, doubled for two rows; the lone 7 is 4 from 3."""
    found = error_within(numbered(["a", "a", "b"]), np.array([0.0, 2.0, 7.0]))
    assert found == pytest.approx(math.sqrt(2 * 2 + 16) / 3)

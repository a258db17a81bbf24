"""Holm's correction, by hand."""

from __future__ import annotations

import pytest

from spanline.statistics.correction import holm


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # 4 x .005, 3 x .01, 2 x .03, then never less
        ([0.6, 0.7], [1.0, 1.0]),
    ],
)
def test_by_hand(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected)

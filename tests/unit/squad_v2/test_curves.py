"""Precision and recall equal the official rule: worked by hand, and by a plain restatement on random runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.squad_v2 import curves

GOLD: dict[str, tuple[str, ...]] = {"a": ("x",), "b": (), "c": ("y",), "d": ("z",)}
SCORES = {"a": (1, 1.0), "b": (0, 0.0), "c": (0, 0.5), "d": (1, 1.0)}


def test_by_hand() -> None:
    found = curves.precision_recall(GOLD, SCORES, {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4})
    assert found["pr_exact"].points == [(0, 1), (1 / 3, 1), (1 / 3, 1 / 2), (1 / 3, 1 / 3), (2 / 3, 1 / 2)]
    assert found["pr_f1"].points == [(0, 1), (1 / 3, 1), (1 / 3, 1 / 2), (0.5, 0.5), (2.5 / 3, 2.5 / 4)]
    assert found["pr_oracle"].points == [(0, 1), (1 / 3, 1), (1 / 3, 1 / 2), (2 / 3, 2 / 3), (1, 3 / 4)]
    expected = 100 * (1 / 3 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 4)
    assert curves.average_precisions(found)["pr_oracle_ap"] == pytest.approx(expected, abs=1e-9)


def test_no_point_between_equal_na_prob() -> None:
    found = curves.precision_recall(GOLD, SCORES, dict.fromkeys(GOLD, 0.5))
    assert found["pr_oracle"].points == [(0, 1), (1, 3 / 4)]


def test_nothing_without_answerable_questions() -> None:
    assert curves.precision_recall({"b": ()}, {"b": (0, 0.0)}, {"b": 0.2}) == {}


def slow_average_precision(rows: list[tuple[bool, float, float]]) -> float:
    """Of (answerable, earned, na_prob): the area of the steps over all thresholds, each counted from the start."""
    total, recall_before = 0.0, 0.0
    for threshold in sorted({row[2] for row in rows}):
        answered = [row for row in rows if row[2] <= threshold]
        earned = sum(row[1] for row in answered if row[0])
        recall = earned / sum(row[0] for row in rows)
        total += earned / len(answered) * (recall - recall_before)
        recall_before = recall
    return 100 * total


rows = st.tuples(st.booleans(), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.1, 0.2, 0.9]) | st.floats(0, 1))


@given(st.lists(rows, min_size=1, max_size=20).filter(lambda drawn: any(row[0] for row in drawn)))
def test_average_precision_equals_a_slow_restatement(drawn: list[Any]) -> None:
    gold = {str(number): ("x",) if row[0] else () for number, row in enumerate(drawn)}
    scores = {str(number): (int(row[1]), row[1]) for number, row in enumerate(drawn)}
    found = curves.precision_recall(gold, scores, {str(number): row[2] for number, row in enumerate(drawn)})
    assert found["pr_f1"].average_precision == pytest.approx(slow_average_precision(drawn), abs=1e-9)
    recalls = [recall for recall, _ in found["pr_f1"].points]
    assert recalls == sorted(recalls)

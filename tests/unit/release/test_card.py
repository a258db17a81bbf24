"""The card's sentences: on intervals, where there are some and where there are too few articles; on what the threshold
is tuned to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spanline.release import card


def test_intervals() -> None:
    bounds = {"exact_low": 82.57, "exact_high": 87.36, "f1_low": 82.81, "f1_high": 87.5, "articles": 1051}
    expected = "on new articles like the 1,051 here: exact 82.6 to 87.4, f1 82.8 to 87.5."
    assert card._intervals(bounds).strip() == f"95 % intervals of the answers as written, {expected}"


def test_too_few_articles() -> None:
    line = "No 95 % intervals: 9 articles are too few to tell how the scores move with new ones."
    assert card._intervals({"articles": 9, "resamples": 100}).strip() == line


@pytest.mark.parametrize(
    ("calibrate", "expected"),
    [
        (
            {"metric": "f1", "unanswerable_share": 0.125},
            "the calibration split weighted to 12.5 % unanswerable questions",
        ),
        ({"metric": "f1", "unanswerable_share": None}, "the share of unanswerable questions in the calibration split"),
        ({"metric": "f1"}, "the share of unanswerable questions in the calibration split"),  # an older dvc.lock
    ],
)
def test_what_the_threshold_is_tuned_to(calibrate: dict[str, Any], expected: str) -> None:
    facts: Any = SimpleNamespace(params={"calibrate": calibrate})
    assert card._expected(facts) == expected

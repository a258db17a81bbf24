"""The intervals are the studentised bootstrap's over articles, in percent; too few articles give none."""

from __future__ import annotations

import numpy as np
import pytest

from spanline.score.intervals import article_intervals
from spanline.statistics.clusters import add_up
from spanline.statistics.estimates import estimates

# 12 articles of 20 questions; every other question is answerable; articles differ a lot
RANDOM = np.random.default_rng(5)
ARTICLE = np.repeat(np.arange(12), 20)
TITLES = [f"article {number}" for number in ARTICLE]
ANSWERABLE = [number % 2 == 0 for number in range(240)]
LEVEL = np.repeat(RANDOM.uniform(0.1, 0.9, 12), 20)
SCORES = [(int(value), float(value)) for value in RANDOM.uniform(0, 1, 240) < LEVEL]


@pytest.mark.parametrize(("prefix", "kept"), [("", slice(None)), ("HasAns_", slice(0, None, 2))])
def test_are_those_of_the_statistics(prefix: str, kept: slice) -> None:
    found = article_intervals(TITLES, ANSWERABLE, SCORES, 300, 7)
    (expected,) = estimates(add_up(ARTICLE[kept], 100 * np.array([pair[1] for pair in SCORES[kept]])), 300, 7)
    assert (found[f"{prefix}f1_low"], found[f"{prefix}f1_high"]) == pytest.approx(expected.interval, abs=1e-6)


def test_what_it_returns() -> None:
    found = article_intervals(TITLES, ANSWERABLE, SCORES, 300, 7)
    names = [f"{part}{key}" for part in ("", "HasAns_", "NoAns_") for key in ("exact", "f1")]
    assert list(found) == ["articles", "resamples", *(f"{name}_{end}" for name in names for end in ("low", "high"))]
    assert (found["articles"], found["resamples"]) == (12, 300)
    assert article_intervals(TITLES, ANSWERABLE, SCORES, 300, 7) == found
    assert article_intervals(TITLES, ANSWERABLE, SCORES, 300, 8) != found


def test_wider_than_over_questions() -> None:
    """Articles differ, so their questions are no independent draws."""
    articles = article_intervals(TITLES, ANSWERABLE, SCORES, 500, 7)
    questions = article_intervals([str(number) for number in range(240)], ANSWERABLE, SCORES, 500, 7)
    assert articles["f1_high"] - articles["f1_low"] > 1.5 * (questions["f1_high"] - questions["f1_low"])


def test_no_bound_is_beyond_the_scale() -> None:
    scores = [(int(number > 0), float(number > 0)) for number in range(240)]
    found = article_intervals(TITLES, ANSWERABLE, scores, 300, 7)
    assert found["f1_high"] == 100.0
    assert found["f1_low"] < 100 * 239 / 240


def test_few_articles_give_no_bounds() -> None:
    assert article_intervals(TITLES[:180], ANSWERABLE[:180], SCORES[:180], 100, 1) == {"articles": 9, "resamples": 100}


def test_a_part_in_few_articles_has_no_bounds() -> None:
    """Unanswerable questions in 9 of 12 articles; a part without questions leaves no keys either."""
    answerable = [number % 2 == 0 or number >= 180 for number in range(240)]
    found = article_intervals(TITLES, answerable, SCORES, 100, 1)
    assert "HasAns_f1_low" in found
    assert not any(key.startswith("NoAns_") for key in found)
    found = article_intervals(TITLES, [True] * 240, SCORES, 100, 1)
    assert not any(key.startswith("NoAns_") for key in found)

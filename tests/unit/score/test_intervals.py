"""The intervals resample articles: equal to a plain loop, the same from the same seed, wider than over questions."""

from __future__ import annotations

import numpy as np
import pytest

from spanline.score import intervals
from spanline.score.intervals import article_intervals

# 12 articles of 20 questions; every other question is answerable; articles differ a lot
RANDOM = np.random.default_rng(5)
TITLES = [f"article {number}" for number in range(12) for _ in range(20)]
ANSWERABLE = [number % 2 == 0 for number in range(240)]
LEVEL = np.repeat(RANDOM.uniform(0.1, 0.9, 12), 20)
SCORES = [(int(value), float(value)) for value in RANDOM.uniform(0, 1, 240) < LEVEL]


def test_equals_a_plain_loop_over_resamples() -> None:
    """The same draws, the articles' questions put together again and averaged."""
    found = article_intervals(TITLES, ANSWERABLE, SCORES, 300, 7)
    draws = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), size=300)
    means = []
    for draw in draws:
        chosen = [a * 20 + q for a, times in enumerate(draw) for _ in range(times) for q in range(20)]
        means.append(100 * np.mean([SCORES[q][1] for q in chosen if ANSWERABLE[q]]))
    low, high = np.percentile(means, [2.5, 97.5])
    assert found["HasAns_f1_low"] == pytest.approx(low, abs=1e-6)
    assert found["HasAns_f1_high"] == pytest.approx(high, abs=1e-6)


def test_what_it_returns() -> None:
    found = article_intervals(TITLES, ANSWERABLE, SCORES, 300, 7)
    names = [f"{part}{key}" for part in ("", "HasAns_", "NoAns_") for key in ("exact", "f1")]
    assert list(found) == ["articles", "resamples", *(f"{name}_{end}" for name in names for end in ("low", "high"))]
    assert (found["articles"], found["resamples"]) == (12, 300)
    mean = 100 * np.mean([pair[1] for pair in SCORES])
    assert found["f1_low"] < mean < found["f1_high"]


def test_same_seed_same_numbers_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = article_intervals(TITLES, ANSWERABLE, SCORES, 300, 7)
    assert article_intervals(TITLES, ANSWERABLE, SCORES, 300, 8) != expected
    monkeypatch.setattr(intervals, "_CELLS", 100)
    assert article_intervals(TITLES, ANSWERABLE, SCORES, 300, 7) == expected


def test_wider_than_over_questions() -> None:
    """Articles differ, so their questions are no independent draws."""
    articles = article_intervals(TITLES, ANSWERABLE, SCORES, 500, 7)
    questions = article_intervals([str(number) for number in range(240)], ANSWERABLE, SCORES, 500, 7)
    assert articles["f1_high"] - articles["f1_low"] > 1.5 * (questions["f1_high"] - questions["f1_low"])


def test_covers_the_truth_about_as_often_as_it_says() -> None:
    """40 articles of a known mean score, 200 times over: a 95 % interval misses it about ten times."""
    random, hits = np.random.default_rng(11), 0
    for _ in range(200):
        values = np.repeat(random.uniform(0, 1, 40), 3)
        scores = [(0, float(value)) for value in values]
        found = article_intervals([str(number // 3) for number in range(120)], [True] * 120, scores, 200, 1)
        hits += found["f1_low"] <= 50.0 <= found["f1_high"]
    assert 178 <= hits <= 198


def test_one_article_gives_no_bounds() -> None:
    assert article_intervals(["a", "a"], [True, False], [(1, 1.0), (0, 0.0)], 100, 1) == {
        "articles": 1,
        "resamples": 100,
    }


def test_a_part_without_questions_and_resamples_without_them() -> None:
    """Only one of two articles has unanswerable questions: resamples without it leave NoAns out, no NaN comes out."""
    found = article_intervals(["a", "b"], [True, False], [(1, 1.0), (0, 0.0)], 100, 1)
    assert (found["NoAns_f1_low"], found["NoAns_f1_high"]) == (0.0, 0.0)
    assert (found["f1_low"], found["f1_high"]) == (0.0, 100.0)
    found = article_intervals(["a", "b"], [True, True], [(1, 1.0), (0, 0.0)], 100, 1)
    assert not any(key.startswith("NoAns_") for key in found)

"""95 % intervals of the scores on new articles like these: how they would move with other articles of the kind.

They say nothing of another training run. docs/STATISTICS.md has the method and how often it holds what it promises.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spanline.squad_v2.scores import QuestionScore
from spanline.statistics.clusters import add_up, numbered
from spanline.statistics.estimates import Estimate, estimates

_DECIMALS = 6  # of percent: the last digits of a matrix product differ between processors, and files must not


def article_intervals(
    titles: Sequence[str], is_answerable: Sequence[bool], scores: Sequence[QuestionScore], resamples: int, seed: int
) -> dict[str, float]:
    """`exact_low`, `exact_high`, `f1_low` ... in percent, also of HasAns_ and NoAns_, with what they were made from.

    One row per question: its article, whether it is HasAns, its (exact, f1), 0..1. A part whose questions come from
    fewer than `MIN_CLUSTERS` articles has no bounds.
    """
    article_Q, answerable_Q = numbered(titles), np.array(is_answerable, bool)
    scores_Q2 = 100.0 * np.array(scores, np.float64).reshape(-1, 2)
    found: dict[str, float] = {"articles": len(set(titles)), "resamples": resamples}
    for prefix, of_part_Q in (("", answerable_Q | True), ("HasAns_", answerable_Q), ("NoAns_", ~answerable_Q)):
        if of_part_Q.any():
            found |= _of_part(prefix, article_Q[of_part_Q], scores_Q2[of_part_Q], resamples, seed)
    return found


def slice_interval(
    titles: Sequence[str], scores: Sequence[QuestionScore], resamples: int, seed: int
) -> dict[str, float]:
    """`exact_low`, `exact_high`, `f1_low`, `f1_high` of these questions, in percent; nothing with too few articles."""
    return _of_part("", numbered(titles), 100.0 * np.array(scores, np.float64).reshape(-1, 2), resamples, seed)


def _of_part(
    prefix: str, article_Q: NDArray[np.intp], scores_Q2: NDArray[np.float64], resamples: int, seed: int
) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, estimate in zip(("exact", "f1"), estimates(add_up(article_Q, *scores_Q2.T), resamples, seed), strict=True):
        found |= _bounds(prefix + key, estimate)
    return found


def _bounds(name: str, estimate: Estimate) -> dict[str, float]:
    """No score is below 0 or above 100, so neither are its bounds."""
    if estimate.interval is None:
        return {}
    low, high = estimate.interval
    return {f"{name}_low": round(max(low, 0.0), _DECIMALS), f"{name}_high": round(min(high, 100.0), _DECIMALS)}

"""95 % intervals of the scores, from resampled articles.

The questions of an article share its text, its topic and often its mistakes, so they are not independent draws: a
bootstrap over questions would promise too narrow an interval. Articles are drawn instead, with replacement, as many
as there are (cluster bootstrap: Davison & Hinkley 1997, section 3.8), each with all of its questions; the interval
reaches from the 2.5th to the 97.5th percentile of the resampled scores (percentile method: Efron & Tibshirani, "An
Introduction to the Bootstrap", 1993, chapter 13). It says how much the score would move with other articles of the
kind, not with another training run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spanline.squad_v2.scores import QuestionScore

Floats = NDArray[np.float64]

PERCENTILES = (2.5, 97.5)  # of the resampled scores: the ends of a 95 % interval
_CELLS = 1 << 20  # (resample, article) counts in memory at a time: 8 MiB
_DECIMALS = 6  # of percent: the last digits of a matrix product differ between processors, and files must not

# B resamples, A articles, Q questions, K scores


def article_intervals(
    titles: Sequence[str], is_answerable: Sequence[bool], scores: Sequence[QuestionScore], resamples: int, seed: int
) -> dict[str, float]:
    """`exact_low`, `exact_high`, `f1_low` ... in percent, also of HasAns_ and NoAns_, with what they were made from.

    One row per question: its article, whether it is HasAns, its (exact, f1), 0..1. With a single article there is
    nothing to resample and the bounds are left out; so are those of a part without questions. A resample that happens
    to hold no question of a part takes no part in that part's interval.
    """
    article_Q = _numbered(titles)
    names, sums_AK, counts_AK = _by_article(article_Q, np.array(is_answerable, bool), np.array(scores, np.float64))
    made_from = {"articles": len(sums_AK), "resamples": resamples}
    if len(sums_AK) < 2:
        return dict(made_from)
    means_BK = _resampled_means(sums_AK, counts_AK, resamples, seed)
    bounds = {name: _percentiles(means_B) for name, means_B in zip(names, means_BK.T, strict=True)}
    ends = {f"{name}_{end}": value for name, pair in bounds.items() for end, value in zip(_ENDS, pair, strict=True)}
    return {**made_from, **ends}


_ENDS = ("low", "high")


def _numbered(titles: Sequence[str]) -> NDArray[np.intp]:
    """(Q,) the articles as 0, 1, ... in order of their first question."""
    numbers = {title: number for number, title in enumerate(dict.fromkeys(titles))}
    return np.array([numbers[title] for title in titles], np.intp)


def _by_article(
    article_Q: NDArray[np.intp], is_answerable_Q: NDArray[np.bool_], scores_Q2: Floats
) -> tuple[list[str], Floats, Floats]:
    """Names of the K scores, and per article what its questions earn and how many they are."""
    parts = {"": np.ones_like(is_answerable_Q), "HasAns_": is_answerable_Q, "NoAns_": ~is_answerable_Q}
    names, sums, counts = [], [], []
    for prefix, of_part_Q in parts.items():
        if not of_part_Q.any():
            continue
        for column, key in enumerate(("exact", "f1")):
            names.append(prefix + key)
            sums.append(np.bincount(article_Q, weights=scores_Q2[:, column] * of_part_Q))
            counts.append(np.bincount(article_Q, weights=of_part_Q))
    return names, np.stack(sums, axis=1), np.stack(counts, axis=1)


def _resampled_means(sums_AK: Floats, counts_AK: Floats, resamples: int, seed: int) -> Floats:
    """(B, K) the scores of each resample, 0..1; NaN where it holds no question of the part."""
    random = np.random.default_rng(seed)
    num_articles = len(sums_AK)
    evenly_A = np.full(num_articles, 1 / num_articles)
    step = max(1, _CELLS // num_articles)
    blocks = []
    for start in range(0, resamples, step):
        drawn_BA = random.multinomial(num_articles, evenly_A, size=min(step, resamples - start)).astype(np.float64)
        with np.errstate(invalid="ignore"):  # 0 / 0
            blocks.append((drawn_BA @ sums_AK) / (drawn_BA @ counts_AK))
    return np.concatenate(blocks)


def _percentiles(means_B: Floats) -> list[float]:
    usable = means_B[~np.isnan(means_B)]
    return [round(100.0 * float(value), _DECIMALS) for value in np.percentile(usable, PERCENTILES)]

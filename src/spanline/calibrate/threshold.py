"""The no-answer threshold that scores best on a set of questions.

score_diff is in logits (null score - best span score; higher means less answerable). A question without a legal span
has score_diff inf: it is always answered "" and takes no part here. Everything is computed in float64, whatever comes
in, and depends on the set of rows, not on their order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spanline.common.errors import SpanlineError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_UNITS = 2.0**40  # of a question's score: sums in whole units are exact below 8 million questions


def best_threshold(
    score_diff: ArrayLike, span_score: ArrayLike, is_answerable: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """The null_score_diff_threshold (logits) of the highest mean score when "" is given exactly for score_diff > it.

    `span_score` is what a question earns with its best span (exact or f1, 0..1), for unanswerable ones as well: 0, or
    1 if the span normalizes to nothing. `is_answerable` is False where "" is right, which then earns 1. `weight`: of
    each question in the mean, 0..1; None: all alike.

    Equal score_diffs are answered together or not at all. Between two neighbouring score_diffs the threshold lies
    midway; to answer nothing it is one logit below the lowest, to answer everything one above the highest. Of several
    optima the one nearest 0 is taken, of -t and +t the lower; 0 if no question has a legal span.
    """
    diff, score = _floats("score_diff", score_diff), _floats("span_score", span_score)
    answerable = _flags(is_answerable, diff)
    legal = diff < np.inf
    if not legal.any():
        return 0.0
    levels, level_of_row = np.unique(diff[legal], return_inverse=True)
    gain = score[legal] - ~answerable[legal]
    if weight is not None:
        gain = gain * _floats("weight", weight)[legal]
    is_best = _best_cuts(level_of_row, gain, len(levels))
    candidates = _cut_thresholds(levels)[is_best]
    return float(candidates[np.argmin(np.abs(candidates))])


def _best_cuts(level_of_row: NDArray[np.intp], gain: Floats, num_levels: int) -> Flags:
    """For each number of levels answered, 0 to all: is the total gain the highest?

    Counted in integers, so that neither the order of rows nor rounding decides. Scores such as 2/3
    are rounded to the nearest unit, so totals that differ by at most one unit per row are treated as ties.
    """
    units = np.rint(gain * _UNITS).astype(np.int64)
    by_level = np.zeros(num_levels, np.int64)
    np.add.at(by_level, level_of_row, units)
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(by_level)])
    is_best: Flags = total >= total.max() - len(gain)
    return is_best


def _cut_thresholds(levels: Floats) -> Floats:
    """The threshold that answers the lowest 0, 1, ... all of the levels (distinct, rising)."""
    low, high = levels[:-1], levels[1:]
    middle = low + (high - low) / 2
    middle = np.where(middle < high, middle, low)  # neighbouring floats have no middle; low itself is answered
    return np.concatenate([_step(levels[:1], -1.0), middle, _step(levels[-1:], 1.0)])


def _step(level: Floats, logits: float) -> Floats:
    """A logit away, or to the next float where a logit is too small to move a huge value."""
    moved = level + logits
    return np.where(moved != level, moved, np.nextafter(level, logits * np.inf))


def _floats(name: str, values: ArrayLike) -> Floats:
    column = np.asarray(values, np.float64)
    if column.size == 0:
        raise SpanlineError(name, "there are no questions", "give some, or turn calibration off")
    bad = np.flatnonzero(~(column > -np.inf))  # NaN compares false
    if bad.size:
        raise SpanlineError(name, f"{bad.size:,} values are NaN or -inf, the first in row {bad[0]}", "check the logits")
    return column


def _flags(values: ArrayLike, like: Floats) -> Flags:
    column = np.asarray(values).astype(bool)
    assert column.shape == like.shape == (len(like),), f"columns of shape {column.shape} and {like.shape}"
    return column

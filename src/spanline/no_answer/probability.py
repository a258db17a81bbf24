"""The map from score_diff to a probability of "no answer": na_prob, the number that the official script sorts by.

score_diff is in logits (null score - best span score; higher means less answerable); inf where no span is legal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TAIL_WEIGHT = 2.0**-20  # of the arctan in `no_answer_probability`: the most it moves a probability


def no_answer_probability(score_diff: ArrayLike, slope: float, intercept: float) -> Floats:
    """na_prob: P(no answer) in [0, 1], strictly rising in score_diff; 1 for inf (no legal span).

    A logistic function alone runs out of float64 near 1: from 24 log odds on, neighbouring float32 score_diffs
    share a value, and the sweep cannot tell them apart. A trace (TAIL_WEIGHT, 1e-6) of an arctan, whose tails are
    long, keeps them apart beyond 30 and moves no probability by more than that.
    """
    z = slope * np.asarray(score_diff, np.float64) + intercept
    return np.asarray((1 - TAIL_WEIGHT) * _sigmoid(z) + TAIL_WEIGHT * (0.5 + np.arctan(z) / np.pi))


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))  # never overflows

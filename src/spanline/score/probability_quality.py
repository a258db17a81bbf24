"""How good na_prob is as a probability of "no answer"."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def probability_bins(prob: Floats, bins: int) -> NDArray[np.intp]:
    """(Q,) the bin of each probability: `bins` of equal width over [0, 1], each with its lower edge, the last with 1
    too."""
    return np.searchsorted(np.arange(1, bins) / bins, prob, side="right")


def brier_score(prob: ArrayLike, outcome: ArrayLike) -> float:
    """Mean squared difference between probability and outcome (0 or 1): 0 is perfect, 0.25 a constant 1/2.

    At least one question; no NaN (`squad_v2.scores.refuse_other_qids` refuses it).
    """
    return float(np.mean((np.asarray(prob, np.float64) - np.asarray(outcome, bool)) ** 2))


def expected_calibration_error(prob: ArrayLike, outcome: ArrayLike, bins: int) -> float:
    """Mean over questions of |mean probability - rate of outcomes| in their bin; 0 is perfect.

    Guo et al., "On calibration of modern neural networks" (2017), but for the edges of the bins. At least one question.
    """
    p, happened = np.asarray(prob, np.float64), np.asarray(outcome, bool)
    excess = np.bincount(probability_bins(p, bins), weights=p - happened, minlength=bins)  # = rows * (mean p - rate)
    return float(np.abs(excess).sum() / len(p))

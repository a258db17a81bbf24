"""The map from score_diff to a probability of "no answer", fitted: Platt scaling.

Platt, "Probabilistic outputs for support vector machines" (1999): a logistic function of two parameters, with smoothed
targets. The minimum of its loss, which is strictly convex, is the one place where the gradient is 0: SciPy finds it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import root
from scipy.special import expit, logit

from spanline.calibrate.threshold import Flags, Floats

MIN_ROWS_PER_CLASS = 10  # questions; fewer of either kind do not determine a slope worth using
MIN_SLOPE = 1e-3  # per logit; flatter, and neighbouring score_diffs would share a float64 probability
GRADIENT_TOLERANCE = 1e-12  # of the mean loss, per standard deviation of score_diff


class NoAnswerFit(NamedTuple):
    """P(no answer) = 1 / (1 + exp(-(slope * score_diff + intercept))): slope per logit, intercept in log odds."""

    slope: float  # > 0
    intercept: float
    fallback_reason: str | None  # None: fitted. Else: why slope 1 and intercept 0 were taken instead


def fit_no_answer_probability(
    score_diff: ArrayLike, is_unanswerable: ArrayLike, share: float | None = None
) -> NoAnswerFit:
    """Slope and intercept of P(no answer) as a logistic function of score_diff; questions without a legal span
    (score_diff inf) take no part.

    `share`: of unanswerable questions where it will be used, if that is another than here. The fit's odds are taken
    times the ratio of the odds of the two shares (Saerens, Latinne & Decaestecker 2002), which is right where the
    questions of either kind are alike in both places.

    The slope must rise, for na_prob has to sort as score_diff does. Slope 1 and intercept 0, with the reason, where
    either class has fewer than MIN_ROWS_PER_CLASS questions with a legal span, where all score_diffs are equal, where
    the fit does not converge, or where the fitted slope is below MIN_SLOPE.
    """
    diff, flags = np.asarray(score_diff, np.float64), np.asarray(is_unanswerable, np.bool_)
    legal = diff < np.inf
    x, y = diff[legal], flags[legal]
    reason = _why_not_fit(x, y)
    if reason is not None:
        return NoAnswerFit(1.0, 0.0, reason)
    fit = _fit(x, y)
    if fit is None:
        return NoAnswerFit(1.0, 0.0, "the fit did not converge")
    slope, intercept = fit
    if slope < MIN_SLOPE:
        return NoAnswerFit(1.0, 0.0, f"the fitted slope, {slope:.3g} per logit, does not rise")
    if share is not None:
        intercept = _rounded(intercept + float(logit(share) - logit(y.mean())))
    return NoAnswerFit(slope, intercept, None)


def _why_not_fit(x: Floats, y: Flags) -> str | None:
    num_unanswerable = int(y.sum())
    num_answerable = len(y) - num_unanswerable
    if min(num_unanswerable, num_answerable) < MIN_ROWS_PER_CLASS:
        counts = f"{num_answerable:,} answerable and {num_unanswerable:,} unanswerable questions"
        return f"{counts} with a legal span, fewer than {MIN_ROWS_PER_CLASS} of a kind"
    return "all score_diffs are equal" if x.min() == x.max() else None


def _fit(x: Floats, y: Flags) -> tuple[float, float] | None:
    """Where the gradient of the mean cross-entropy is 0; x is standardized, so that tolerances have a meaning. None if
    the search for it ended elsewhere, which SciPy's own flag does not tell: it also doubts fits that are exact."""
    target, mean, scale = _smoothed_targets(y), x.mean(), x.std()
    design = np.stack([(x - mean) / scale, np.ones_like(x)], axis=1)

    def gradient(weights: Floats) -> Floats:
        return np.asarray(design.T @ (expit(design @ weights) - target) / len(target))

    def hessian(weights: Floats) -> Floats:
        prob = expit(design @ weights)
        return np.asarray((design.T * (prob * (1 - prob))) @ design / len(target))

    found = root(gradient, np.zeros(2), jac=hessian, tol=1e-12)
    if not np.abs(found.fun).max() < GRADIENT_TOLERANCE:
        return None
    slope = found.x[0] / scale
    return _rounded(slope), _rounded(found.x[1] - slope * mean)


def _rounded(value: float) -> float:
    """Nine significant digits: the last ones differ between processors and orders of rows, and files must not."""
    return float(f"{value:.9g}")


def _smoothed_targets(y: Flags) -> Floats:
    """Platt's targets: (n + 1) / (n + 2) and 1 / (n + 2) of each class's own n, which keep the slope finite."""
    num_positive = int(y.sum())
    num_negative = len(y) - num_positive
    return np.where(y, (num_positive + 1) / (num_positive + 2), 1 / (num_negative + 2))

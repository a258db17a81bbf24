"""The calibrate stage's work: from the calibration split's best spans to a threshold and a probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from spanline.calibration import best_threshold
from spanline.metrics import normalize, question_scores
from spanline.params import Section
from spanline.platt import fit_no_answer_probability
from spanline.spans import Found


class CalibrateParams(Section):
    """Section `calibrate` of params.yaml."""

    metric: Literal["f1", "exact"]  # what the threshold maximises, as a mean over the calibration split


def calibrate(found: Sequence[Found], gold: Mapping[str, Sequence[str]], metric: str) -> dict[str, Any]:
    """The content of calibration.json. Without questions: no threshold, and the plain logistic curve as probability."""
    usable = [f for f in found if f.spans]  # a question without a legal span is answered "" at any threshold
    if not usable:
        return {
            "questions": 0,
            "metric": metric,
            "null_score_diff_threshold": None,
            "slope": 1.0,
            "intercept": 0.0,
            "fallback_reason": "no questions",
        }
    score_diff = np.array([f.score_diff for f in usable])
    # "" earns 1 also for an answerable question whose gold answers all normalize to nothing
    is_answerable = np.array([any(map(normalize, gold[f.id])) for f in usable])
    earned = _earned(usable, gold, metric)
    threshold = best_threshold(score_diff, earned, is_answerable)
    fit = fit_no_answer_probability(score_diff, ~is_answerable)
    at_threshold = np.where(score_diff > threshold, ~is_answerable, earned)
    return {
        "questions": len(usable),
        "metric": metric,
        f"{metric}_at_threshold": 100.0 * float(at_threshold.mean()),
        f"{metric}_at_0": 100.0 * float(np.where(score_diff > 0, ~is_answerable, earned).mean()),
        "null_score_diff_threshold": threshold,
        "slope": fit.slope,
        "intercept": fit.intercept,
        "fallback_reason": fit.fallback_reason,  # why slope and intercept are the plain curve's, if they are
    }


def _earned(found: Sequence[Found], gold: Mapping[str, Sequence[str]], metric: str) -> np.ndarray[Any, Any]:
    """(Q,) what each best span would score, 0..1."""
    scores = question_scores({f.id: gold[f.id] for f in found}, {f.id: f.spans[0].text for f in found})
    return np.array([scores[f.id][metric == "f1"] for f in found], dtype=np.float64)


def summary(result: Mapping[str, Any]) -> str:
    """The stage's last line."""
    if result["null_score_diff_threshold"] is None:
        return "no calibration questions: no threshold"
    metric = result["metric"]
    return (
        f"threshold {result['null_score_diff_threshold']:.4f} logits: {metric} {result[f'{metric}_at_threshold']:.2f} "
        f"on {result['questions']:,} calibration questions, against {result[f'{metric}_at_0']:.2f} at 0"
    )

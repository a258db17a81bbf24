"""The calibrate stage's work: from the calibration split's best spans to a threshold and a probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spanline.calibrate.platt import fit_no_answer_probability
from spanline.calibrate.threshold import best_threshold
from spanline.no_answer.calibration import UNKNOWN, Calibration, CalibrationReport
from spanline.search.nbest import Found
from spanline.squad_v2.scores import normalize, question_scores
from spanline.storage.ragged import Array


def calibrate(found: Sequence[Found], gold: Mapping[str, Sequence[str]], metric: str) -> CalibrationReport:
    """The threshold with the best `metric` (f1 or exact) on these questions, and the fitted probability.

    `gold`: the gold answers of each question id. Without questions: no threshold, and the plain logistic curve.
    """
    usable = [f for f in found if f.spans]  # a question without a legal span is answered "" at any threshold
    if not usable:
        return CalibrationReport(UNKNOWN, 0, metric, None, None, "no questions")
    score_diff = np.array([f.score_diff for f in usable])
    # "" earns 1 also for an answerable question whose gold answers all normalize to nothing
    is_answerable = np.array([any(map(normalize, gold[f.id])) for f in usable])
    earned = _earned(usable, gold, metric)
    threshold = best_threshold(score_diff, earned, is_answerable)
    fit = fit_no_answer_probability(score_diff, ~is_answerable)

    def percent_at(applied: float) -> float:
        return 100.0 * float(np.where(score_diff > applied, ~is_answerable, earned).mean())

    calibration = Calibration(threshold, fit.slope, fit.intercept)
    at_threshold, at_0 = percent_at(threshold), percent_at(0.0)
    return CalibrationReport(calibration, len(usable), metric, at_threshold, at_0, fit.fallback_reason)


def _earned(found: Sequence[Found], gold: Mapping[str, Sequence[str]], metric: str) -> Array:
    """(Q,) what each best span would score, 0..1."""
    scores = question_scores({f.id: gold[f.id] for f in found}, {f.id: f.spans[0].text for f in found})
    return np.array([scores[f.id][metric == "f1"] for f in found], dtype=np.float64)


def summary(report: CalibrationReport) -> str:
    """The stage's last line."""
    threshold = report.calibration.null_score_diff_threshold
    if threshold is None:
        return "no calibration questions: no threshold"
    return (
        f"threshold {threshold:.4f} logits: {report.metric} {report.at_threshold:.2f} "
        f"on {report.questions:,} calibration questions, against {report.at_0:.2f} at 0"
    )

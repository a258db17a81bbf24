"""The calibrate stage's work: from the calibration split's best spans to a threshold and a probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spanline.calibrate.params import CalibrateParams
from spanline.calibrate.platt import fit_no_answer_probability
from spanline.calibrate.threshold import best_threshold
from spanline.common.errors import SpanlineError
from spanline.no_answer.calibration import UNKNOWN, Calibration, CalibrationReport
from spanline.search.nbest import Found
from spanline.squad_v2.scores import normalize, question_scores
from spanline.storage.ragged import Array


def calibrate(found: Sequence[Found], gold: Mapping[str, Sequence[str]], p: CalibrateParams) -> CalibrationReport:
    """The threshold with the best `p.metric` on these questions, weighted to `p.unanswerable_share`, and the fitted
    probability.

    `gold`: the gold answers of each question id. Without questions: no threshold, and the plain logistic curve.
    SpanlineError where a share is wanted and all questions are of one kind.
    """
    usable = [f for f in found if f.spans]  # a question without a legal span is answered "" at any threshold
    if not usable:
        return CalibrationReport(UNKNOWN, 0, p.metric, p.unanswerable_share, None, None, "no questions")
    score_diff = np.array([f.score_diff for f in usable])
    # "" earns 1 also for an answerable question whose gold answers all normalize to nothing
    is_answerable = np.array([any(map(normalize, gold[f.id])) for f in usable])
    earned = _earned(usable, gold, p.metric)
    weight = _weights(is_answerable, p.unanswerable_share)
    threshold = best_threshold(score_diff, earned, is_answerable, weight)
    fit = fit_no_answer_probability(score_diff, ~is_answerable, p.unanswerable_share)

    def percent_at(applied: float) -> float:
        return 100.0 * float(np.average(np.where(score_diff > applied, ~is_answerable, earned), weights=weight))

    calibration = Calibration(threshold, fit.slope, fit.intercept)
    scores = percent_at(threshold), percent_at(0.0)
    return CalibrationReport(calibration, len(usable), p.metric, p.unanswerable_share, *scores, fit.fallback_reason)


def _weights(is_answerable: Array, unanswerable_share: float | None) -> Array | None:
    """(Q,) 0..1, of each question, so that the unanswerable ones weigh that share of all; None: all alike."""
    if unanswerable_share is None:
        return None
    found = 1.0 - float(is_answerable.mean())
    if found in (0.0, 1.0):
        what = f"is {unanswerable_share:g}, but no calibration question is {'' if found else 'un'}answerable"
        todo = "set it to null, or calibrate on questions of both kinds"
        raise SpanlineError("params.yaml", f"'calibrate.unanswerable_share' {what}", todo)
    weight = np.where(is_answerable, (1.0 - unanswerable_share) / (1.0 - found), unanswerable_share / found)
    relative: Array = weight / weight.max()
    return relative


def _earned(found: Sequence[Found], gold: Mapping[str, Sequence[str]], metric: str) -> Array:
    """(Q,) what each best span would score, 0..1."""
    scores = question_scores({f.id: gold[f.id] for f in found}, {f.id: f.spans[0].text for f in found})
    return np.array([scores[f.id][metric == "f1"] for f in found], dtype=np.float64)


def summary(report: CalibrationReport) -> str:
    """The stage's last line."""
    threshold = report.calibration.null_score_diff_threshold
    if threshold is None:
        return "no calibration questions: no threshold"
    share = report.unanswerable_share
    mixed = "" if share is None else f", weighted to {100 * share:g} % unanswerable"
    return (
        f"threshold {threshold:.4f} logits: {report.metric} {report.at_threshold:.2f} "
        f"on {report.questions:,} calibration questions{mixed}, against {report.at_0:.2f} at 0"
    )

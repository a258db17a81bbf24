"""The score stage's work: what postprocess wrote, with the gold, becomes scores, intervals, slices and plot data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from spanline.answers import Answers, Thresholds
from spanline.common.files import to_csv
from spanline.dataset.records import Example
from spanline.score import intervals, plots, report, slices
from spanline.score.params import ScoreParams
from spanline.score.probability_quality import Flags, Floats, brier_score, expected_calibration_error
from spanline.squad_v2 import curves
from spanline.squad_v2.scores import QuestionScore, refuse_other_qids
from spanline.statistics.clusters import MIN_CLUSTERS


@dataclass(frozen=True)
class Scored:
    """What the score stage writes."""

    sections: dict[str, dict[str, float]]  # metrics/scores.json
    slices: list[slices.Slice]  # metrics/slices.csv
    plots: dict[str, str]  # file name -> CSV


DAILY = ("exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1")  # of the answers as written


def daily(sections: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """metrics/validation.json, what people compare every day: few numbers with short names, for DVC's tables."""
    answers = sections["answers"]
    return {
        **{key: answers[key] for key in DAILY if key in answers},
        "threshold": answers["null_score_diff_threshold"],
        "brier_score": sections["no_answer_probability"]["brier_score"],
        "calibration_error": sections["no_answer_probability"]["expected_calibration_error"],
    }


def score_run(examples: Sequence[Example], answers: Answers, params: ScoreParams) -> Scored:
    """Everything about one run. Refuses missing and unknown qids in any of the answers' files, and mixed-up files."""
    run = report.checked_run(examples, answers)
    refuse_other_qids("num_features", run.gold, answers.num_features)
    scores = run.scores_at(answers.thresholds.applied)
    curves_ = curves.precision_recall(run.gold, run.as_span, run.na_prob)
    sections: dict[str, dict[str, float]] = {
        **report.sections(run, answers.thresholds),
        "intervals_95_percent": _intervals(examples, [scores[example.id] for example in examples], params),
        "no_answer_probability": _calibration(run, params),
        "precision_recall": curves.average_precisions(curves_),
    }
    if answers.limits:
        sections["answer_search"] = asdict(answers.limits)
    slices_ = slices.slices(examples, scores, answers.num_features, partial(_slice_interval, params))
    return Scored(sections, slices_, _plots(run, curves_, answers.thresholds, params.calibration_bins))


def plots_of(examples: Sequence[Example], answers: Answers, bins: int) -> dict[str, str]:
    """The plots' data alone: file name -> CSV. `bins`: of the no-answer probability."""
    run = report.checked_run(examples, answers)
    return _plots(run, curves.precision_recall(run.gold, run.as_span, run.na_prob), answers.thresholds, bins)


def _intervals(examples: Sequence[Example], scores: Sequence[QuestionScore], params: ScoreParams) -> dict[str, float]:
    titles, is_answerable = zip(*((example.title, example.is_answerable) for example in examples), strict=True)
    return intervals.article_intervals(titles, is_answerable, scores, params.bootstrap_resamples, params.seed)


def _slice_interval(
    params: ScoreParams, examples: Sequence[Example], scores: Sequence[QuestionScore]
) -> dict[str, float]:
    titles = [example.title for example in examples]
    return intervals.slice_interval(titles, scores, params.bootstrap_resamples, params.seed)


def _calibration(run: report.Run, params: ScoreParams) -> dict[str, float]:
    """How good na_prob is as a probability of "unanswerable", on the very questions that are reported."""
    na_prob, is_unanswerable = _outcomes(run)
    return {
        "brier_score": round(brier_score(na_prob, is_unanswerable), 9),
        "expected_calibration_error": round(
            expected_calibration_error(na_prob, is_unanswerable, params.calibration_bins), 9
        ),
    }


def _outcomes(run: report.Run) -> tuple[Floats, Flags]:
    """(Q,) na_prob and whether the question is unanswerable, in file order."""
    na_prob = np.array([run.na_prob[qid] for qid in run.gold], np.float64)
    return na_prob, np.array([not texts for texts in run.gold.values()])


def _plots(
    run: report.Run, curves_: Mapping[str, curves.PrecisionRecall], thresholds: Thresholds, bins: int
) -> dict[str, str]:
    """Without an answerable question the precision-recall curves are their first point."""
    marks = plots.marks(thresholds, report.oracle_f1_threshold(run))
    rows: dict[str, Sequence[Any]] = {
        "precision_recall": plots.precision_recall_points(run, curves_, marks),
        "threshold_sweep": plots.threshold_sweep(run, marks),
        "reliability": plots.reliability(*_outcomes(run), bins),
        "score_diff_histogram": plots.score_diff_histogram(run),
    }
    return {f"{name}.csv": to_csv(rows_[0]._fields, rows_) for name, rows_ in rows.items()}


def summary(scored: Scored) -> str:
    """The stage's last lines: the slices, then the scores at each threshold, their interval and na_prob's quality."""
    interval, quality = scored.sections["intervals_95_percent"], scored.sections["no_answer_probability"]
    lines = [slices.table(scored.slices), report.summary(scored.sections)]
    if "f1_low" in interval:
        bounds = (f"{key} {interval[f'{key}_low']:.2f} to {interval[f'{key}_high']:.2f}" for key in ("exact", "f1"))
        lines.append(
            f"{'95 % interval':<22} {', '.join(bounds)}, on new articles like the {interval['articles']:,} here"
        )
    else:
        few = f"of {interval['articles']:,} articles; fewer than {MIN_CLUSTERS} do not tell how articles differ"
        lines.append(f"{'95 % interval':<22} none {few}")
    numbers = f"Brier score {quality['brier_score']:.4f}, calibration error {quality['expected_calibration_error']:.4f}"
    lines.append(f"{'no-answer probability':<22} {numbers}")
    return "\n".join(lines)

"""The score stage's work: what postprocess wrote, with the gold, becomes scores, intervals, slices and plot data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from spanline import bootstrap, curves, metrics, plots, slices
from spanline.calibration import brier_score, expected_calibration_error
from spanline.errors import SpanlineError
from spanline.files import read_json
from spanline.params import Section
from spanline.squad import Example


class ScoreParams(Section):
    """Section `score` of params.yaml."""

    seed: Annotated[int, Field(ge=0)]  # of the bootstrap
    bootstrap_resamples: Annotated[int, Field(ge=100)]  # resamples of the articles
    calibration_bins: Annotated[int, Field(ge=1)]  # bins of na_prob


@dataclass(frozen=True)
class Answers:
    """The folder that postprocess wrote, each mapping by qid."""

    predictions: Mapping[str, str]  # at the applied threshold
    best_spans: Mapping[str, str]
    score_diff: Mapping[str, float | None]  # logits; None: no legal span
    na_prob: Mapping[str, float]
    num_features: Mapping[str, int]
    applied_threshold: float  # logits
    calibrated_threshold: float | None  # logits; None: no calibration split

    @staticmethod
    def read(folder: Path) -> Answers:
        """SpanlineError where a file is missing or is no JSON of its kind."""
        predictions, best_spans, score_diff, na_prob, num_features, thresholds = (
            _read_object(folder / f"{name}.json") for name in _NAMES
        )
        applied, calibrated = (thresholds.get(name) for name in ("applied", "calibrated"))
        if not isinstance(applied, float | int) or not isinstance(calibrated, float | int | None):
            raise SpanlineError(folder / "thresholds.json", "has no thresholds in logits", _MAKE_ANEW)
        return Answers(predictions, best_spans, score_diff, na_prob, num_features, applied, calibrated)


_NAMES = ("predictions", "best_spans", "null_odds", "na_prob", "num_features", "thresholds")
_MAKE_ANEW = "make it anew: dvc repro -s -f postprocess"


def _read_object(path: Path) -> dict[str, Any]:
    content = read_json(path, "run the stage that makes it: dvc repro postprocess")
    if not isinstance(content, dict):
        raise SpanlineError(path, "is not a JSON object", _MAKE_ANEW)
    return content


@dataclass(frozen=True)
class Scored:
    """What the score stage writes."""

    sections: dict[str, dict[str, float]]  # metrics/validation.json
    slices: list[slices.Slice]  # metrics/slices.csv
    plots: dict[str, str]  # file name -> CSV


def score(examples: Sequence[Example], answers: Answers, params: ScoreParams) -> Scored:
    """Everything about one run. Refuses missing and unknown qids in any of the answers' files, and mixed-up files."""
    run = metrics.checked_run(
        examples,
        answers.predictions,
        answers.best_spans,
        answers.score_diff,
        answers.na_prob,
        answers.applied_threshold,
    )
    metrics.refuse_other_qids("num_features", run.gold, answers.num_features)
    scores = run.scores_at(answers.applied_threshold)
    curves_ = curves.precision_recall(run.gold, run.as_span, run.na_prob)
    sections = {
        **metrics.sections(run, answers.applied_threshold, answers.calibrated_threshold),
        "intervals_95_percent": _intervals(examples, scores, params),
        "no_answer_probability": _calibration(run, params),
        "precision_recall": curves.average_precisions(curves_),
    }
    return Scored(
        sections, slices.slices(examples, scores, answers.num_features), _plots(run, curves_, answers, params)
    )


def _intervals(
    examples: Sequence[Example], scores: Mapping[str, metrics.QuestionScore], params: ScoreParams
) -> dict[str, float]:
    titles, is_answerable = zip(*((example.title, example.is_answerable) for example in examples), strict=True)
    in_order = [scores[example.id] for example in examples]
    return bootstrap.article_intervals(titles, is_answerable, in_order, params.bootstrap_resamples, params.seed)


def _calibration(run: metrics.Run, params: ScoreParams) -> dict[str, float]:
    """How good na_prob is as a probability of "unanswerable", on the very questions that are reported."""
    na_prob, is_unanswerable = _outcomes(run)
    return {
        "brier_score": round(brier_score(na_prob, is_unanswerable), 9),
        "expected_calibration_error": round(
            expected_calibration_error(na_prob, is_unanswerable, params.calibration_bins), 9
        ),
    }


def _outcomes(run: metrics.Run) -> tuple[plots.Floats, plots.Flags]:
    """(Q,) na_prob and whether the question is unanswerable, in file order."""
    na_prob = np.array([run.na_prob[qid] for qid in run.gold], np.float64)
    return na_prob, np.array([not texts for texts in run.gold.values()])


def _plots(
    run: metrics.Run, curves_: Mapping[str, curves.PrecisionRecall], answers: Answers, params: ScoreParams
) -> dict[str, str]:
    """Without an answerable question the precision-recall curves are their first point."""
    nothing = curves.PrecisionRecall([(0.0, 1.0)])
    marks = (0.0, answers.applied_threshold, answers.calibrated_threshold or 0.0)
    rows: dict[str, Sequence[Any]] = {
        **{name: plots.precision_recall(curves_.get(name, nothing)) for name in ("pr_exact", "pr_f1", "pr_oracle")},
        "threshold_sweep": plots.threshold_sweep(run, marks),
        "reliability": plots.reliability(*_outcomes(run), params.calibration_bins),
        "score_diff_histogram": plots.score_diff_histogram(run),
    }
    return {f"{name}.csv": plots.to_csv(rows_) for name, rows_ in rows.items()}


def summary(scored: Scored) -> str:
    """The stage's last lines: the slices, then the scores at each threshold, their interval and na_prob's quality."""
    interval, quality = scored.sections["intervals_95_percent"], scored.sections["no_answer_probability"]
    lines = [slices.table(scored.slices), metrics.summary(scored.sections)]
    if "f1_low" in interval:
        bounds = (f"{key} {interval[f'{key}_low']:.2f} to {interval[f'{key}_high']:.2f}" for key in ("exact", "f1"))
        lines.append(f"{'95 % interval':<22} {', '.join(bounds)}, over {interval['articles']:,} articles")
    numbers = f"Brier score {quality['brier_score']:.4f}, calibration error {quality['expected_calibration_error']:.4f}"
    lines.append(f"{'no-answer probability':<22} {numbers}")
    return "\n".join(lines)

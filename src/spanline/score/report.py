"""One run's scores at the thresholds that people compare, each under a name that says which it is.

Thresholds of score_diff are logits, those of na_prob probabilities; scores of a set are percent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from spanline.answers import Answers, Thresholds
from spanline.no_answer.rule import apply_threshold, is_null
from spanline.squad_v2.scores import Gold, GoldTexts, gold_texts, question_scores, refuse, refuse_other_qids, totals
from spanline.squad_v2.sweep import Optimum, best_keys, na_prob_thresh_of, sweep_both


@dataclass(frozen=True, slots=True)
class Run:
    """What postprocess wrote, with the two scores that each question can have: as its best span, and as ""."""

    gold: GoldTexts
    best_spans: Mapping[str, str]
    score_diff: Mapping[str, float | None]  # logits; None: no legal span
    na_prob: Mapping[str, float]
    as_span: dict[str, tuple[int, float]]
    as_null: dict[str, tuple[int, float]]

    def scores_at(self, threshold: float) -> dict[str, tuple[int, float]]:
        """(exact, f1) of each question, 0..1, answered at this threshold (logits); in file order."""
        return {
            qid: self.as_null[qid] if is_null(self.score_diff[qid], threshold) else self.as_span[qid]
            for qid in self.gold
        }

    def at(self, threshold: float) -> dict[str, float]:
        """Official numbers of the answers at this threshold (logits), with the threshold itself."""
        return totals(self.gold, self.scores_at(threshold)) | {"null_score_diff_threshold": threshold}


def checked_run(examples: Gold, answers: Answers) -> Run:
    """What postprocess wrote, checked against the gold and scored.

    A score_diff of None (null in JSON) or inf says that a question has no legal span: always "". Answers that are not
    what best_spans, score_diff and the applied threshold give are refused: the files are not of one run.
    """
    gold = gold_texts(examples)
    for name in ("predictions", "best_spans", "score_diff", "na_prob"):
        refuse_other_qids(name, gold, getattr(answers, name))
    best_spans, score_diff, threshold = answers.best_spans, answers.score_diff, answers.thresholds.applied
    _refuse_other_answers(answers.predictions, apply_threshold(best_spans, score_diff, threshold), threshold)
    as_span, as_null = question_scores(gold, best_spans), question_scores(gold, dict.fromkeys(gold, ""))
    return Run(gold, best_spans, score_diff, answers.na_prob, as_span, as_null)


def _refuse_other_answers(answers: Mapping[str, str], expected: Mapping[str, str], threshold: float) -> None:
    what = f"values are not what best_spans and score_diff give at threshold {threshold}"
    refuse("predictions", what, [qid for qid, text in answers.items() if text != expected[qid]])


def sections(run: Run, thresholds: Thresholds) -> dict[str, dict[str, float]]:
    """One run's scores at the thresholds that people compare, each section under a name that says which it is.

    `answers`: the answers as written, at the applied threshold; their best_* come from the sweep on best spans.
    `at_threshold_0`: a span is given where it scores at least as high as the null answer; nothing tuned.
    `at_calibrated_threshold`: tuned on questions that are not reported here; absent when calibration is off (None).
    `at_oracle_threshold`: AN ORACLE, the sweep's optimum on this very set. Never quote it instead of the others.
    """
    by_exact, by_f1 = sweep_both(run.gold, run.best_spans, run.as_span, run.na_prob)
    parts = {
        "answers": run.at(thresholds.applied) | best_keys(by_exact, by_f1, run.na_prob),
        "at_threshold_0": run.at(0.0),
    }
    if thresholds.calibrated is not None:
        parts["at_calibrated_threshold"] = run.at(thresholds.calibrated)
    parts["at_oracle_threshold"] = _oracle(run, "exact", by_exact) | _oracle(run, "f1", by_f1)
    return parts


def _oracle(run: Run, key: str, optimum: Optimum) -> dict[str, float]:
    """The sweep's optimum, its threshold on both scales, and the score that the threshold in logits really reaches.

    `KEY_reached` differs from KEY only through the odd corners of the sweep: ties, and articles given as answers.
    """
    threshold = _oracle_threshold(run.score_diff, optimum.qid)
    return {
        key: optimum.score,
        f"{key}_null_score_diff_threshold": threshold,
        f"{key}_na_prob_thresh": na_prob_thresh_of(optimum, run.na_prob),
        f"{key}_reached": run.at(threshold)[key],
    }


def oracle_f1_threshold(run: Run) -> float:
    """The threshold in logits at which f1 is highest on this very set: AN ORACLE."""
    return _oracle_threshold(run.score_diff, sweep_both(run.gold, run.best_spans, run.as_span, run.na_prob)[1].qid)


def _oracle_threshold(score_diff: Mapping[str, float | None], last_answered: str | None) -> float:
    """The score_diff of the last question answered, in logits.

    One logit below the lowest when nothing is answered; the highest when the last one has no legal span, for the sweep
    has then passed all that have one; 0 when no question has a legal span, for no threshold matters then.
    """
    legal = [diff for diff in score_diff.values() if diff is not None and math.isfinite(diff)]
    if not legal:
        return 0.0
    if last_answered is None:
        return min(legal) - 1.0
    diff = score_diff[last_answered]
    return max(legal) if diff is None or diff == math.inf else diff


def summary(report: Mapping[str, Mapping[str, float]]) -> str:
    """A line per threshold, for people: exact and f1 over all, answerable and unanswerable questions."""
    lines = []
    for name in ("at_threshold_0", "at_calibrated_threshold"):
        if name in report:
            lines.append(_line(name.removeprefix("at_").replace("_", " "), report[name]))
    oracle = report["at_oracle_threshold"]
    lines.append(
        f"{'oracle threshold':<22} exact {oracle['exact']:6.2f}  f1 {oracle['f1']:6.2f}  (tuned on this very set)"
    )
    return "\n".join([*lines, _line("answers as written", report["answers"])])


def _line(name: str, scores: Mapping[str, float]) -> str:
    parts = [f"{name:<22} exact {scores['exact']:6.2f}  f1 {scores['f1']:6.2f}"]
    parts += [f"{key} f1 {scores[f'{key}_f1']:6.2f}" for key in ("HasAns", "NoAns") if f"{key}_f1" in scores]
    return "  ".join([*parts, f"threshold {scores['null_score_diff_threshold']:.4f}"])

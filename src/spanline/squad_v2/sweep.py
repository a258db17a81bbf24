"""The official script's threshold sweep, and its whole output.

Questions are answered one by one in rising na_prob, and the best total on the way is kept. Two odd corners belong to
it: it looks for a best after every question, also between questions of equal na_prob, which no threshold can tell apart
(with ties, best_exact and best_f1 may be out of reach); and a NoAns question answered "the", which earns 1, costs it 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spanline.squad_v2.scores import (
    Gold,
    GoldTexts,
    QuestionScore,
    gold_texts,
    question_scores,
    refuse_other_qids,
    totals,
)

NEVER = 1.0  # the official default of na_prob_thresh: no probability is above 1, so no answer becomes ""


def official_scores(
    examples: Gold, predictions: Mapping[str, str], na_prob: Mapping[str, float] | None, na_prob_thresh: float
) -> dict[str, float]:
    """The official script's output, key by key and in its order; the totals are counts, all else percent.

    A question of na_prob > na_prob_thresh counts as answered ""; `NEVER` (1.0) is the official default. With na_prob
    come best_exact and best_f1, which look at the predictions as given: give best spans, not thresholded answers.
    Refuses missing and unknown qids first; the official script scores the rest or dies.
    """
    gold = gold_texts(examples)
    refuse_other_qids("predictions", gold, predictions)
    if na_prob is not None:
        refuse_other_qids("na_prob", gold, na_prob)
    raw = question_scores(gold, predictions)
    prob = na_prob if na_prob is not None else dict.fromkeys(gold, 0.0)
    thresholded = {qid: (float(not gold[qid]),) * 2 if prob[qid] > na_prob_thresh else raw[qid] for qid in gold}
    best = {} if na_prob is None else best_keys(*sweep_both(gold, predictions, raw, na_prob), na_prob)
    return totals(gold, thresholded) | best


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the sweep was at its best."""

    score: float  # percent, as the sweep counts; an oracle: it is tuned on the set that it reports
    qid: str | None  # the last question answered, in rising na_prob; None when to answer nothing is best


def _sweep(
    gold: GoldTexts, predictions: Mapping[str, str], earned: Mapping[str, float], na_prob: Mapping[str, float]
) -> Optimum:
    """Answer one question more at a time, in rising na_prob (ties in the mapping's order); the first best wins."""
    total: float = sum(not texts for texts in gold.values())  # nothing answered: every unanswerable one is right
    best, best_qid = total, None
    for qid in sorted(na_prob, key=na_prob.__getitem__):
        total += earned[qid] if gold[qid] else -bool(predictions[qid])
        if total > best:
            best, best_qid = total, qid
    return Optimum(100.0 * best / len(gold), best_qid)


def sweep_both(
    gold: GoldTexts,
    predictions: Mapping[str, str],
    scores: Mapping[str, QuestionScore],
    na_prob: Mapping[str, float],
) -> tuple[Optimum, Optimum]:
    """The optimum of exact and that of f1; their thresholds differ as a rule."""
    by_exact = {qid: pair[0] for qid, pair in scores.items()}
    by_f1 = {qid: pair[1] for qid, pair in scores.items()}
    return _sweep(gold, predictions, by_exact, na_prob), _sweep(gold, predictions, by_f1, na_prob)


def best_keys(by_exact: Optimum, by_f1: Optimum, na_prob: Mapping[str, float]) -> dict[str, float]:
    return {
        "best_exact": by_exact.score,
        "best_exact_thresh": na_prob_thresh_of(by_exact, na_prob),
        "best_f1": by_f1.score,
        "best_f1_thresh": na_prob_thresh_of(by_f1, na_prob),
    }


def na_prob_thresh_of(optimum: Optimum, na_prob: Mapping[str, float]) -> float:
    return 0.0 if optimum.qid is None else na_prob[optimum.qid]

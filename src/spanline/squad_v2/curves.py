"""Precision and recall of answering, as the official SQuAD v2 script computes them, digit for digit.

Questions are answered one by one in rising na_prob. Precision is what the answers earn on answerable questions, over
the answers given; recall is the same over the answerable questions. There is a point only where a threshold can be:
never between two questions of equal na_prob. Average precision is the area under the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum

from spanline.squad_v2.scores import GoldTexts, QuestionScore


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """One curve: points of (recall, precision), both 0..1, from (0, 1) on in rising recall."""

    points: list[tuple[float, float]]

    @property
    def average_precision(self) -> float:
        """Percent."""
        return 100.0 * fsum(after[1] * (after[0] - before[0]) for before, after in pairwise(self.points))


def precision_recall(
    gold: GoldTexts, scores: Mapping[str, QuestionScore], na_prob: Mapping[str, float]
) -> dict[str, PrecisionRecall]:
    """The official script's three curves by its names, of the best spans' (exact, f1), 0..1; none without HasAns.

    `pr_exact` and `pr_f1` count what a span earns; `pr_oracle` counts 1 for every answerable question that is answered,
    so it judges only the decision whether to answer.
    """
    if not any(gold.values()):
        return {}
    columns = {
        "pr_exact": {qid: pair[0] for qid, pair in scores.items()},
        "pr_f1": {qid: pair[1] for qid, pair in scores.items()},
        "pr_oracle": dict.fromkeys(gold, 1.0),
    }
    in_order = sorted(na_prob, key=na_prob.__getitem__)
    return {name: _curve(gold, earned, na_prob, in_order) for name, earned in columns.items()}


def _curve(
    gold: GoldTexts, earned: Mapping[str, float], na_prob: Mapping[str, float], in_order: Sequence[str]
) -> PrecisionRecall:
    num_answerable = sum(map(bool, gold.values()))
    points, true_positives = [(0.0, 1.0)], 0.0
    for num_answered, (qid, following) in enumerate(zip(in_order, [*in_order[1:], None], strict=True), start=1):
        true_positives += earned[qid] if gold[qid] else 0.0
        if following is None or na_prob[qid] != na_prob[following]:
            points.append((true_positives / num_answerable, true_positives / num_answered))
    return PrecisionRecall(points)


def average_precisions(curves: Mapping[str, PrecisionRecall]) -> dict[str, float]:
    """Percent, under the official script's names: pr_exact_ap, pr_f1_ap, pr_oracle_ap."""
    return {f"{name}_ap": curve.average_precision for name, curve in curves.items()}

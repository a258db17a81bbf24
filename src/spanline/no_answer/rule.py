"""The one rule that turns a best span into an answer: postprocess, score and ask share it."""

from __future__ import annotations

from collections.abc import Mapping


def is_null(score_diff: float | None, threshold: float) -> bool:
    """Whether the answer is "": score_diff (logits) is above the threshold, or there is no legal span at all (None)."""
    return score_diff is None or score_diff > threshold


def apply_threshold(
    best_spans: Mapping[str, str], score_diff: Mapping[str, float | None], threshold: float
) -> dict[str, str]:
    """The answers by qid: the best span, or "" exactly when score_diff > threshold (logits) or it is None."""
    return {qid: "" if is_null(score_diff[qid], threshold) else text for qid, text in best_spans.items()}

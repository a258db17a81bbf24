"""What postprocess writes, in the formats that the official script and the old Hugging Face tools read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from spanline.calibration import no_answer_probability
from spanline.errors import SpanlineError
from spanline.features import Features
from spanline.files import read_json
from spanline.logits import Logits
from spanline.params import Section
from spanline.spans import Found, search
from spanline.threshold import is_blank


class AnswerSearchParams(Section):
    """Section `answer_search` of params.yaml: which spans are legal. calibrate and postprocess must agree on it."""

    max_answer_length: Annotated[int, Field(ge=1)]  # tokens
    max_context: bool  # a span may start only at the max-context occurrence of its first token


class PostprocessParams(Section):
    """Section `postprocess` of params.yaml."""

    n_best_size: Annotated[int, Field(ge=1)]  # candidates kept a question
    null_score_diff_threshold: Literal["calibrated"] | float  # logits


@dataclass(frozen=True)
class Calibration:
    """calibration.json: what the calibration split taught. The threshold is None when that split is empty."""

    null_score_diff_threshold: float | None  # logits
    slope: float  # per logit; P(no answer) = 1 / (1 + exp(-(slope * score_diff + intercept)))
    intercept: float  # log odds

    @staticmethod
    def read(path: Path) -> Calibration:
        """Of a file that the calibrate stage wrote."""
        content = read_json(path, "run the stage that makes it: dvc repro calibrate")
        try:
            return Calibration(content["null_score_diff_threshold"], content["slope"], content["intercept"])
        except (KeyError, TypeError):
            raise SpanlineError(path, "is no calibration", "make it anew: dvc repro -s -f calibrate") from None


def find(
    features: Features, logits: Logits, contexts: dict[str, str], n_best_size: int, params: AnswerSearchParams
) -> list[Found]:
    """The search over all questions; SpanlineError when a question has no context in the squad file."""
    ids = features.ids.filter(np.asarray(features.window) == 0).to_pylist()
    missing = [qid for qid in ids if qid not in contexts]
    if missing or len(contexts) != len(ids):
        what = f"are of other questions than the squad file ({len(ids):,} and {len(contexts):,} questions)"
        raise SpanlineError("features", what, "make them anew: dvc repro featurize")
    texts = [contexts[qid] for qid in ids]
    found = search(features, logits, texts, n_best_size, params.max_answer_length, params.max_context)
    return list(found)


def threshold_of(params: PostprocessParams, calibration: Calibration) -> float:
    """The threshold to apply, in logits: the number of params.yaml or the calibrated one."""
    if params.null_score_diff_threshold != "calibrated":
        return float(params.null_score_diff_threshold)
    if calibration.null_score_diff_threshold is None:
        what = "is 'calibrated', but there is no calibration split (download.calibration_fraction is 0)"
        raise SpanlineError(
            "params.yaml", f"postprocess.null_score_diff_threshold {what}", "set it to a number, as 0.0"
        )
    return calibration.null_score_diff_threshold


def files(found: Sequence[Found], threshold: float, calibration: Calibration) -> dict[str, Any]:
    """File name -> JSON content. A question without a legal span has best span "", score difference null, na_prob 1."""
    best = {f.id: f.spans[0].text if f.spans else "" for f in found}
    score_diff = {f.id: f.score_diff for f in found}
    return {
        "predictions.json": {qid: "" if is_blank(score_diff[qid], threshold) else text for qid, text in best.items()},
        "best_spans.json": best,
        "null_odds.json": score_diff,
        "na_prob.json": _na_prob(score_diff, calibration),
        "nbest.json": {f.id: _nbest(f) for f in found},
        "thresholds.json": {
            "applied": threshold,
            "calibrated": calibration.null_score_diff_threshold,
        },
    }


def summary(predictions: dict[str, str], threshold: float) -> str:
    """The stage's last line."""
    num_blank = sum(not text for text in predictions.values())
    return f'{len(predictions):,} questions: {num_blank:,} answered with "" at threshold {threshold:.4f} logits'


def _na_prob(score_diff: dict[str, float | None], calibration: Calibration) -> dict[str, float]:
    """qid -> probability of no answer, the number that the official script sorts by."""
    known = {qid: value for qid, value in score_diff.items() if value is not None}
    values = np.fromiter(known.values(), np.float64, len(known))
    probabilities = no_answer_probability(values, calibration.slope, calibration.intercept).tolist()
    by_id = dict(zip(known, probabilities, strict=True))
    return {qid: by_id.get(qid, 1.0) for qid in score_diff}


def _nbest(found: Found) -> list[dict[str, Any]]:
    """The candidates and the null answer, best first, with the softmax of their scores: Hugging Face's nbest format."""
    entries = [
        {"text": s.text, "start_logit": s.start_logit, "end_logit": s.end_logit, "start": s.start, "end": s.end}
        for s in found.spans
    ]
    scores = [span.score for span in found.spans]
    at = sum(score >= found.null_score for score in scores)
    entries.insert(at, {"text": "", "score": found.null_score})
    scores.insert(at, found.null_score)
    for entry, probability in zip(entries, softmax(scores), strict=True):
        entry["probability"] = probability
    return entries


def softmax(scores: Iterable[float]) -> list[float]:
    """exp(score) / sum of exp, shifted by the largest score so that nothing overflows."""
    values = list(scores)
    exps = [math.exp(value - max(values)) for value in values]
    return [value / sum(exps) for value in exps]

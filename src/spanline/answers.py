"""What postprocess writes, in the formats that the official script and the old Hugging Face tools read."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import neg
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from pydantic import Field

from spanline.calibration import no_answer_probability
from spanline.errors import SpanlineError
from spanline.features import Features, example_bounds
from spanline.files import read_json, to_json
from spanline.logits import Logits
from spanline.params import Section
from spanline.spans import Found, search
from spanline.threshold import apply_threshold


class AnswerSearchParams(Section):
    """Section `answer_search` of params.yaml: which spans are legal. calibrate and postprocess must agree on it."""

    max_answer_length: Annotated[int, Field(ge=1)]  # tokens
    max_context: bool  # a span may start only at the max-context occurrence of its first token
    top_n: Annotated[int, Field(ge=1)] | None  # null: exact; else only the best starts x the best ends of a feature


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
        return Calibration.of(content, path, "make it anew: dvc repro -s -f calibrate")

    @staticmethod
    def of(content: Any, origin: Path, todo: str) -> Calibration:
        """Of the parsed content of the file `origin`."""
        try:
            return Calibration(content["null_score_diff_threshold"], content["slope"], content["intercept"])
        except (KeyError, TypeError):
            raise SpanlineError(origin, "is no calibration", todo) from None


@dataclass(frozen=True)
class Files:
    """The answers as files, and the thresholded answers for the stage's last line."""

    contents: dict[str, bytes]  # file name -> JSON, UTF-8
    predictions: dict[str, str]  # qid -> answer


def num_features(features: Features) -> dict[str, int]:
    """qid -> how many features the question was cut into."""
    bounds = example_bounds(features)
    ids = features.ids.take(bounds[:-1]).to_pylist()
    return dict(zip(ids, np.diff(bounds).tolist(), strict=True))


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
    return search(features, logits, texts, n_best_size, params.max_answer_length, params.max_context, params.top_n)


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


def files(found: Sequence[Found], num_features: dict[str, int], threshold: float, calibration: Calibration) -> Files:
    """What postprocess writes. A question without a legal span has best span "", score difference null, na_prob 1."""
    best = {f.id: f.spans[0].text if f.spans else "" for f in found}
    score_diff = {f.id: f.score_diff for f in found}
    predictions = apply_threshold(best, score_diff, threshold)
    contents = {
        "predictions.json": predictions,
        "best_spans.json": best,
        "null_odds.json": score_diff,
        "na_prob.json": _na_prob(score_diff, calibration),
        "num_features.json": num_features,
        "thresholds.json": {"applied": threshold, "calibrated": calibration.null_score_diff_threshold},
    }
    encoded = {name: to_json(content).encode() for name, content in contents.items()}
    return Files({**encoded, "nbest.json": _nbest_json(found)}, predictions)


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


def _nbest_json(found: Sequence[Found]) -> bytes:
    """nbest.json, a question a line: the candidates and the null answer, best first, as Hugging Face's tools read them.

    By far the largest file, so it is written by orjson: Python's own encoder takes several times as long.
    """
    lines = (orjson.dumps(f.id) + b": " + orjson.dumps(nbest(f)) for f in found)
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def nbest(found: Found) -> list[dict[str, Any]]:
    """The candidates and the null answer, best first (the null answer last among equals), with the softmax of their
    scores."""
    entries: list[dict[str, Any]] = [
        {"text": s.text, "start_logit": s.start_logit, "end_logit": s.end_logit, "start": s.start, "end": s.end}
        for s in found.spans
    ]
    scores = [span.score for span in found.spans]
    at = bisect_right(scores, -found.null_score, key=neg)
    entries.insert(at, {"text": "", "score": found.null_score})
    scores.insert(at, found.null_score)
    for entry, probability in zip(entries, softmax(scores), strict=True):
        entry["probability"] = probability
    return entries


def softmax(scores: Sequence[float]) -> list[float]:
    """exp(score) / sum of exp, shifted by the largest score so that nothing overflows."""
    highest = max(scores)
    exps = [math.exp(score - highest) for score in scores]
    total = sum(exps)
    return [value / total for value in exps]

"""What postprocess writes, in the formats that the official script and the old Hugging Face tools read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from spanline.calibration import no_answer_probability
from spanline.errors import SpanlineError
from spanline.features import Features, example_bounds
from spanline.files import read_json
from spanline.json_columns import lists, numbers, quoted, records
from spanline.logits import Logits
from spanline.params import Section
from spanline.ragged import bounds_of
from spanline.runtime import in_threads
from spanline.spans import NBest, Rules, search
from spanline.threshold import apply_threshold

Array = np.ndarray[Any, Any]
QUESTIONS_AT_A_TIME = 1000  # of nbest.json: bounds memory


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
    features: Features,
    logits: Logits,
    contexts: dict[str, str],
    n_best_size: int,
    params: AnswerSearchParams,
    workers: int = 1,
) -> NBest:
    """The search over all questions; SpanlineError when a question has no context in the squad file. `workers` counts
    threads."""
    ids = features.ids.filter(np.asarray(features.window) == 0).to_pylist()
    missing = [qid for qid in ids if qid not in contexts]
    if missing or len(contexts) != len(ids):
        what = f"are of other questions than the squad file ({len(ids):,} and {len(contexts):,} questions)"
        raise SpanlineError("features", what, "make them anew: dvc repro featurize")
    texts = [contexts[qid] for qid in ids]
    rules = Rules(n_best_size, params.max_answer_length, params.max_context, params.top_n)
    return search(features, logits, texts, rules, workers)


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


def files(
    found: NBest, num_features: dict[str, int], threshold: float, calibration: Calibration, workers: int = 1
) -> Files:
    """What postprocess writes. A question without a legal span has best span "", score difference null, na_prob 1.
    `workers` counts threads."""
    best = dict(zip(found.ids, found.best_texts(), strict=True))
    score_diff = dict(zip(found.ids, found.score_diffs(), strict=True))
    predictions = apply_threshold(best, score_diff, threshold)
    contents = {
        "predictions.json": predictions,
        "best_spans.json": best,
        "null_odds.json": score_diff,
        "na_prob.json": _na_prob(score_diff, calibration),
        "num_features.json": num_features,
        "thresholds.json": {"applied": threshold, "calibrated": calibration.null_score_diff_threshold},
    }
    how = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE  # tens of times faster than json
    encoded = {name: orjson.dumps(content, option=how) for name, content in contents.items()}
    return Files({**encoded, "nbest.json": _nbest_json(found, workers)}, predictions)


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


def _nbest_json(found: NBest, workers: int) -> bytes:
    """nbest.json, a question a line: the candidates and the null answer, best first, as Hugging Face's tools read them.

    By far the largest file, so it is put together by columns.
    """
    parts = in_threads(partial(_nbest_lines, found), range(0, len(found.ids), QUESTIONS_AT_A_TIME), workers)
    return b"".join([b"{\n", b",\n".join(parts), b"\n}\n"])


def nbest(found: NBest) -> dict[str, list[dict[str, Any]]]:
    """What nbest.json says, by question id: the candidates and the null answer, best first, with the softmax of their
    scores."""
    return orjson.loads(_nbest_json(found, 1))  # type: ignore[no-any-return]


def _nbest_lines(found: NBest, low: int) -> pa.Buffer:
    """The lines of QUESTIONS_AT_A_TIME questions from `low` on."""
    high = min(low + QUESTIONS_AT_A_TIME, len(found.ids))
    bounds = found.bounds[low : high + 1]
    spans = slice(bounds[0], bounds[-1])
    sizes, score, null_score = np.diff(bounds), found.score[spans], found.null_score[low:high]
    at, bounds = _with_null(sizes, score, null_score)
    is_null = np.ones(bounds[-1], dtype=bool)
    is_null[at] = False
    all_scores = np.empty(bounds[-1])
    all_scores[at], all_scores[is_null] = score, null_score
    probability = softmax(all_scores, bounds).astype(np.float32)
    columns = [found.start_logit, found.end_logit, found.start, found.end]
    texts = found.text.slice(spans.start, spans.stop - spans.start)
    span_entries = records(
        text=quoted(texts),
        **{name: numbers(column[spans]) for name, column in zip(_NUMBERS, columns, strict=True)},
        probability=numbers(probability[at]),
    )
    empty = pa.array(['""']).take(pa.array(np.zeros(len(sizes), np.int64)))
    null_entries = records(text=empty, score=numbers(null_score), probability=numbers(probability[is_null]))
    order = np.empty(bounds[-1], np.int64)
    order[at], order[is_null] = np.arange(len(at)), len(at) + np.arange(len(sizes))
    entries = pa.concat_arrays([span_entries, null_entries]).take(pa.array(order))
    ids = quoted(pa.array(found.ids[low:high], pa.string()))
    lines = pc.binary_join_element_wise(ids, lists(bounds, entries), ": ")
    return pc.binary_join(pa.scalar(lines, pa.list_(pa.string())), ",\n").as_buffer()


_NUMBERS = ("start_logit", "end_logit", "start", "end")


def _with_null(sizes: Array, score: Array, null_score: Array) -> tuple[Array, Array]:
    """Where each span stands when the null answer joins the spans of its question, last among equals; and the bounds of
    the questions then."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    at = np.arange(len(score)) + owner + (score < null_score[owner])
    return at, bounds_of(sizes + 1)


def softmax(scores: Array, bounds: Array) -> Array:
    """exp(score) / sum of exp over each row, shifted by the row's largest score so that nothing overflows."""
    sizes = np.diff(bounds)
    exps = np.exp(scores - np.repeat(np.maximum.reduceat(scores, bounds[:-1]), sizes))
    result: Array = exps / np.repeat(np.add.reduceat(exps, bounds[:-1]), sizes)
    return result

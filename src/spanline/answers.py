"""What postprocess writes, in the formats that the official script and the old Hugging Face tools read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import orjson
import pyarrow as pa
from pydantic import Field

from spanline.calibration import no_answer_probability
from spanline.errors import SpanlineError
from spanline.features import Features, example_bounds
from spanline.files import read_json
from spanline.json_columns import joined, numbers, one_after_another, quoted, with_comma
from spanline.logits import Logits
from spanline.params import Section
from spanline.ragged import bounds_of
from spanline.runtime import in_threads
from spanline.spans import NBest, Rules, search
from spanline.texts import Texts
from spanline.threshold import apply_threshold

Array = np.ndarray[Any, Any]
SPANS_AT_A_TIME = 40_000  # of nbest.json, more or less: bounds memory


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


def files(found: NBest, num_features: dict[str, int], threshold: float, calibration: Calibration) -> Files:
    """What postprocess writes beside nbest.json. A question without a legal span has best span "", score difference
    null, na_prob 1."""
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
    return Files({name: orjson.dumps(content, option=how) for name, content in contents.items()}, predictions)


def summary(predictions: dict[str, str], threshold: float) -> str:
    """The stage's last line."""
    num_blank = sum(not text for text in predictions.values())
    return f'{len(predictions):,} questions: {num_blank:,} answered with "" at threshold {threshold:.4f} logits'


def _na_prob(score_diff: dict[str, float | None], calibration: Calibration) -> dict[str, float]:
    """qid -> probability of no answer, the number that the official script sorts by."""
    values = [np.inf if value is None else value for value in score_diff.values()]
    probabilities = no_answer_probability(values, calibration.slope, calibration.intercept).tolist()
    return dict(zip(score_diff, probabilities, strict=True))


def nbest_json(found: NBest, workers: int = 1) -> Iterator[bytes | pa.Buffer]:
    """nbest.json in pieces, a question a line: the candidates and the null answer, best first, as Hugging Face's tools
    read them. `workers` counts threads.

    By far the largest file, so it is put together by columns, and its text is copied as rarely as can be.
    """
    ends = pa.array(np.arange(found.end.max(initial=0) + 1)).cast(pa.string())
    starts = joined(' "start": ', ends, ', "end": ')
    lines = partial(_nbest_lines, found, found.texts.escaped(), _heads(found.ids), starts, ends)
    at_a_time = max(1, SPANS_AT_A_TIME * len(found.ids) // max(1, len(found.start)))  # questions
    parts = [slice(low, low + at_a_time) for low in range(0, len(found.ids), at_a_time)]
    yield from in_threads(lines, parts, workers)
    yield f"{_END}\n}}\n".encode() if found.ids else b"{\n}\n"


_END = "}]"  # of a question


def _heads(ids: list[str]) -> pa.StringArray:
    """(Q,) the end of the question before and the question's line up to its first text."""
    before = ["{\n", *[f"{_END},\n"] * (len(ids) - 1)][: len(ids)]
    return joined(pa.array(before, pa.string()), quoted(pa.array(ids, pa.string())), ': [{"text": "')


def _nbest_lines(
    found: NBest, texts: Texts, heads: pa.StringArray, starts: pa.StringArray, ends: pa.StringArray, part: slice
) -> pa.Buffer:
    """The lines of the questions `part`, the last one without its end. Slices of `texts` are JSON already; `starts` and
    `ends` are what an entry says of its characters, for each number from 0 on."""
    spans = slice(found.bounds[part][0], found.bounds[1:][part][-1])
    sizes, null_score = np.diff(found.bounds)[part], found.null_score[part]
    score = found.start_logit[spans].astype(np.float64) + found.end_logit[spans]
    at, null_at, bounds = _with_null(sizes, score, null_score)
    probability = softmax(_merged(at, score, null_at, null_score), bounds).astype(np.float32)
    which = np.zeros(bounds[-1], np.int64)
    which[bounds[:-1]] = np.arange(1, len(sizes) + 1)
    before = pa.concat_arrays([pa.array(['}, {"text": "']), heads[part]]).take(pa.array(which))
    span_entries = joined(
        before.take(pa.array(at)),
        texts.cut(np.repeat(found.text_of[part], sizes), found.start[spans], found.end[spans]),
        '", "probability": ',
        with_comma(probability[at]),
        ' "start_logit": ',
        with_comma(found.start_logit[spans]),
        ' "end_logit": ',
        with_comma(found.end_logit[spans]),
        starts.take(pa.array(found.start[spans])),
        ends.take(pa.array(found.end[spans])),
    )
    null_entries = joined(
        before.take(pa.array(null_at)),
        '", "score": ',
        with_comma(null_score),
        ' "probability": ',
        numbers(probability[null_at]),
    )
    order = _merged(at, np.arange(len(at)), null_at, len(at) + np.arange(len(null_at)))
    return one_after_another(pa.concat_arrays([span_entries, null_entries]).take(pa.array(order)))


def _with_null(sizes: Array, score: Array, null_score: Array) -> tuple[Array, Array, Array]:
    """Where the spans stand when the null answer joins those of its question, last among equals; where the null answers
    stand; and the bounds of the questions then."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    at = np.arange(len(score)) + owner + (score < null_score[owner])
    return at, np.delete(np.arange(len(score) + len(sizes)), at), bounds_of(sizes + 1)


def _merged(at: Array, values: Array, other_at: Array, others: Array) -> Array:
    """The values, each at its place."""
    result = np.empty(len(values) + len(others), values.dtype)
    result[at], result[other_at] = values, others
    return result


def nbest(found: NBest) -> dict[str, list[dict[str, Any]]]:
    """What nbest.json says, by question id: the candidates and the null answer, best first, with the softmax of their
    scores."""
    return orjson.loads(b"".join(nbest_json(found)))  # type: ignore[no-any-return]


def softmax(scores: Array, bounds: Array) -> Array:
    """exp(score) / sum of exp over each row, shifted by the row's largest score so that nothing overflows."""
    sizes = np.diff(bounds)
    exps = np.exp(scores - np.repeat(np.maximum.reduceat(scores, bounds[:-1]), sizes))
    result: Array = exps / np.repeat(np.add.reduceat(exps, bounds[:-1]), sizes)
    return result

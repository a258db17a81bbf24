"""nbest.json: for each question the candidates and the null answer, best first, as Hugging Face's tools read them.

    {
    "56be": [{"text": "Ada", "probability": 0.9, "start_logit": 4.5, "end_logit": 3.5, "start": 10, "end": 13},
             {"text": "", "score": 5.75, "probability": 0.1}],
    "56bf": ...
    }

(a question is one line). `entries` is the definition, for one question; the file, by far the largest of all, is put
together from whole columns of text, which is many times faster and copies its text as rarely as can be.

Legend: Q questions, K spans, E = K + Q entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from spanline.postprocess.json_columns import joined, numbers, one_after_another, quoted, with_comma
from spanline.runtime import in_threads
from spanline.search.nbest import Found, NBest
from spanline.search.texts import Texts, sums_before
from spanline.storage.ragged import Array, bounds_of

SPANS_AT_A_TIME = 40_000  # of nbest.json, more or less: bounds memory
_END = "}]"  # of a question
_NEXT = '}, {"text": "'  # from one entry of a question to the next
_ESCAPES = np.array([len(orjson.dumps(chr(code))) - 3 for code in range(0x80)])  # bytes that JSON adds to a character


def entries(found: Found) -> list[dict[str, Any]]:
    """What nbest.json says of one question. The null answer comes after spans of the same score."""
    scored: list[tuple[float, dict[str, Any]]] = []
    for span in found.spans:
        logits = {"start_logit": _shortest(span.start_logit), "end_logit": _shortest(span.end_logit)}
        scored.append((span.score, {"text": span.text, **logits, "start": span.start, "end": span.end}))
    scored.append((found.null_score, {"text": "", "score": found.null_score}))
    scored.sort(key=lambda pair: -pair[0])  # stable
    probabilities = softmax(np.array([score for score, _ in scored]), np.array([0, len(scored)]))
    return [
        entry | {"probability": _shortest(probability)}
        for (_, entry), probability in zip(scored, probabilities, strict=True)
    ]


def _shortest(value: float) -> float:
    """The float32 next to the value, as the shortest decimal number that reads back as that float32."""
    return float(str(np.float32(value)))


def softmax(scores: Array, bounds: Array) -> Array:
    """exp(score) / sum of exp over each row, shifted by the row's largest score so that nothing overflows."""
    sizes = np.diff(bounds)
    exps = np.exp(scores - np.repeat(np.maximum.reduceat(scores, bounds[:-1]), sizes))
    result: Array = exps / np.repeat(np.add.reduceat(exps, bounds[:-1]), sizes)
    return result


def nbest_json(found: NBest, workers: int = 1) -> Iterator[bytes | pa.Buffer]:
    """The file in pieces. `workers` counts threads."""
    ends = pa.array(np.arange(found.spans.end.max(initial=0) + 1)).cast(pa.string())
    starts = joined(' "start": ', ends, ', "end": ')
    columns = _Columns(found, escaped(found.texts), _heads(found.ids), starts, ends)
    at_a_time = max(1, SPANS_AT_A_TIME * len(found.ids) // max(1, len(found.spans.start)))  # questions
    parts = [slice(low, low + at_a_time) for low in range(0, len(found.ids), at_a_time)]
    yield from in_threads(partial(_question_lines, columns), parts, workers)
    yield f"{_END}\n}}\n".encode() if found.ids else b"{\n}\n"


def escaped(texts: Texts) -> Texts:
    """The same texts, whose slices come out as they are written between the quotes of a JSON string. They are still cut
    by the characters of the texts themselves.

        the text a"b is kept as the bytes a\\"b; its characters 1 to 3 are the bytes \\"b
    """
    codes = texts.codes
    odd = np.flatnonzero((codes < 0x20) | (codes == ord('"')) | (codes == ord("\\")))
    byte_of = texts.byte_of + sums_before(len(codes), odd, _ESCAPES[codes[odd]])
    return replace(texts, data=np.frombuffer(orjson.dumps(texts.joined)[1:-1], np.uint8), byte_of=byte_of)


def _heads(ids: list[str]) -> pa.StringArray:
    """(Q,) the end of the question before, and the question's line up to its first text."""
    before = ["{\n", *[f"{_END},\n"] * (len(ids) - 1)][: len(ids)]
    return joined(pa.array(before, pa.string()), quoted(pa.array(ids, pa.string())), ': [{"text": "')


@dataclass(frozen=True)
class _Columns:
    """What all parts of the file are made from."""

    found: NBest
    texts: Texts  # `escaped`
    heads: pa.StringArray  # (Q,)
    starts: pa.StringArray  # what an entry says of a start at character 0, 1, ...
    ends: pa.StringArray  # the same of an end


def _question_lines(columns: _Columns, part: slice) -> pa.Buffer:
    """The lines of the questions `part`, the last one without its end.

    First all span entries and all null entries are put together, then they are brought in order. An entry is written
    from the text before it on, which is the head of a question for its first entry and _NEXT for all others.
    """
    found, spans = columns.found, columns.found.spans
    rows = slice(spans.bounds[part][0], spans.bounds[1:][part][-1])  # of the spans
    null_score = found.null_score[part]
    score = spans.start_logit[rows].astype(np.float64) + spans.end_logit[rows]
    places = _Places.of(spans.sizes[part], score, null_score)
    probability = softmax(places.merged(score, null_score), places.bounds).astype(np.float32)

    before_of_entry = np.zeros(places.bounds[-1], np.int64)  # 0: _NEXT; n: the head of question n - 1
    before_of_entry[places.bounds[:-1]] = np.arange(1, len(null_score) + 1)
    before = pa.concat_arrays([pa.array([_NEXT]), columns.heads[part]]).take(pa.array(before_of_entry))
    span_entries = joined(
        before.take(pa.array(places.of_span)),
        columns.texts.cut(np.repeat(found.text_of[part], spans.sizes[part]), spans.start[rows], spans.end[rows]),
        '", "probability": ',
        with_comma(probability[places.of_span]),
        ' "start_logit": ',
        with_comma(spans.start_logit[rows]),
        ' "end_logit": ',
        with_comma(spans.end_logit[rows]),
        columns.starts.take(pa.array(spans.start[rows])),
        columns.ends.take(pa.array(spans.end[rows])),
    )
    null_entries = joined(
        before.take(pa.array(places.of_null)),
        '", "score": ',
        with_comma(null_score),
        ' "probability": ',
        numbers(probability[places.of_null]),
    )
    made = np.arange(len(score) + len(null_score))  # number of an entry as they were put together
    order = places.merged(made[: len(score)], made[len(score) :])
    return one_after_another(pa.concat_arrays([span_entries, null_entries]).take(pa.array(order)))


@dataclass(frozen=True)
class _Places:
    """The places of spans and null answers among the entries of their questions, best first.

    One question with spans of score 5 and 3 and null score 4: entries 5 4 3, of_span 0 2, of_null 1, bounds 0 3.
    """

    of_span: Array  # (K,)
    of_null: Array  # (Q,)
    bounds: Array  # (Q + 1,) entries of each question

    @staticmethod
    def of(sizes: Array, score: Array, null_score: Array) -> _Places:
        """`sizes` (Q,): spans of each question. The null answer comes after spans of the same score."""
        question = np.repeat(np.arange(len(sizes)), sizes)
        # before a span come the spans before it, the null answers of the questions before, perhaps that of its own
        of_span = np.arange(len(score)) + question + (score < null_score[question])
        of_null = np.delete(np.arange(len(score) + len(sizes)), of_span)
        return _Places(of_span, of_null, bounds_of(sizes + 1))

    def merged(self, of_spans: Array, of_nulls: Array) -> Array:
        """(E,) the values of spans (K,) and of null answers (Q,), each at its place."""
        result = np.empty(len(of_spans) + len(of_nulls), of_spans.dtype)
        result[self.of_span], result[self.of_null] = of_spans, of_nulls
        return result

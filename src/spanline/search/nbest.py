"""The answer search of a split: for each question its n best answers with different texts.

`candidates` finds the best spans by logits; here their texts are cut, stripped of whitespace and merged where they are
equal. Merging may leave a question with fewer than n texts; such questions are searched again, twice as deep.

Legend: Q questions, K candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from spanline.common.errors import SpanlineError
from spanline.runtime import in_threads
from spanline.search.candidates import Candidates, best_candidates, question_null_scores
from spanline.search.params import AnswerSearchParams
from spanline.search.texts import Texts
from spanline.storage.features import Features, example_bounds
from spanline.storage.logits import Logits
from spanline.storage.ragged import Array, bounds_of, padded, ranges

BLOCK_CELLS = 1 << 17  # searched at a time by a thread: bounds memory


class Span(NamedTuple):
    """A candidate answer: `context[start:end] == text`, without whitespace at its ends."""

    text: str
    start: int  # characters of the context
    end: int  # exclusive
    start_logit: float
    end_logit: float

    @property
    def score(self) -> float:
        return self.start_logit + self.end_logit


@dataclass(frozen=True)
class Found:
    """What the search found for one question."""

    id: str
    null_score: float  # minimum over the features of start + end logit at the null position
    spans: list[Span]  # best first, texts all different; empty when no span is legal

    @property
    def score_diff(self) -> float | None:
        """Null score - best span score; None when there is no span to compare with."""
        return self.null_score - self.spans[0].score if self.spans else None


@dataclass(frozen=True)
class NBest:
    """What the search found for Q questions, in columns; the spans of a question as in `Found`."""

    ids: list[str]  # (Q,)
    null_score: Array  # (Q,) float64, as in Found
    texts: Texts  # the contexts, each distinct one once
    text_of: Array  # (Q,) number of the question's context
    spans: Candidates

    def best_texts(self) -> list[str]:
        """(Q,) the best span's text, "" where no span is legal."""
        has = self.spans.sizes > 0
        best = self.spans.bounds[:-1][has]
        texts = np.full(len(has), "", object)
        texts[has] = self.texts.cut(self.text_of[has], self.spans.start[best], self.spans.end[best]).to_pylist()
        return texts.tolist()

    def score_diffs(self) -> list[float | None]:
        """(Q,) null score - best span score; None where no span is legal."""
        has = self.spans.sizes > 0
        best = self.spans.score[self.spans.bounds[:-1][has]]
        diffs: list[float | None] = [None] * len(has)
        for question, diff in zip(np.flatnonzero(has).tolist(), (self.null_score[has] - best).tolist(), strict=True):
            diffs[question] = diff
        return diffs

    def rows(self) -> list[Found]:
        """Question by question, for whoever wants to look at spans one at a time."""
        columns = self.spans
        texts = self.texts.cut(np.repeat(self.text_of, columns.sizes), columns.start, columns.end).to_pylist()
        numbers = (c.tolist() for c in (columns.start, columns.end, columns.start_logit, columns.end_logit))
        spans = list(map(Span, texts, *numbers))
        parts = [spans[low:high] for low, high in pairwise(columns.bounds.tolist())]
        return list(map(Found, self.ids, self.null_score.tolist(), parts))


def search_split(
    features: Features,
    logits: Logits,
    contexts: Mapping[str, str],
    n_best_size: int,
    params: AnswerSearchParams,
    workers: int = 1,
) -> NBest:
    """`search` over all questions of a split, `contexts` by question id.

    SpanlineError when the features are of other questions.
    """
    ids = features.ids.filter(np.asarray(features.window) == 0).to_pylist()
    missing = [qid for qid in ids if qid not in contexts]
    if missing or len(contexts) != len(ids):
        what = f"are of other questions than the squad file ({len(ids):,} and {len(contexts):,} questions)"
        raise SpanlineError("features", what, "make them anew: dvc repro featurize")
    if not np.array_equal(logits.start.bounds, features.input_ids.bounds):
        raise SpanlineError("logits", "are not one for each token of the features", "make them anew: dvc repro predict")
    return search(features, logits, [contexts[qid] for qid in ids], n_best_size, params, workers)


def search(
    features: Features,
    logits: Logits,
    contexts: Sequence[str],
    n_best_size: int,
    params: AnswerSearchParams,
    workers: int = 1,
) -> NBest:
    """The `n_best_size` best spans of each question with different texts (the best span of each text), in the features'
    order. `contexts` holds one text per question; `workers` counts threads."""
    bounds = example_bounds(features)
    numbers: dict[str, int] = {}
    text_of = np.array([numbers.setdefault(context, len(numbers)) for context in contexts], np.int64)
    task = _Task(features, logits, bounds, Texts.of(list(numbers)), text_of, n_best_size, params)
    questions, spans = _deeper_and_deeper(task, workers)
    return NBest(
        features.ids.take(pa.array(bounds[:-1])).to_pylist(),
        question_null_scores(features, logits, bounds),
        task.texts,
        text_of,
        spans.take(np.argsort(questions)),
    )


@dataclass(frozen=True)
class _Task:
    """What a thread must know to search some of the questions."""

    features: Features
    logits: Logits
    bounds: Array  # (Q + 1,) the feature rows of each question
    texts: Texts
    text_of: Array  # (Q,)
    n_best_size: int
    params: AnswerSearchParams


def _deeper_and_deeper(task: _Task, workers: int) -> tuple[Array, Candidates]:
    """All question numbers, in any order, and the spans of each."""
    waiting = np.arange(len(task.text_of))
    depth = task.n_best_size + task.n_best_size // 20  # a few spans to spare for texts that occur twice
    parts = [(waiting[:0], Candidates.none())]
    while len(waiting):
        blocks = _blocks(task.features.context_lengths, task.bounds, waiting, workers)
        found = list(in_threads(partial(_distinct, task, depth), blocks, workers))
        parts += [(done, spans) for done, spans, _ in found]
        waiting, depth = np.concatenate([short for _, _, short in found]), depth * 2
    questions, spans = zip(*parts, strict=True)
    return np.concatenate(questions), Candidates.joined(spans)


def _blocks(context_lengths: Array, bounds: Array, questions: Array, workers: int) -> Iterator[Array]:
    """The question numbers in blocks of BLOCK_CELLS or so, or smaller ones so that each worker gets some; questions of
    as many features and similar length go together, so that padding wastes little."""
    counts = np.diff(bounds)[questions]
    longest = np.maximum.reduceat(context_lengths, bounds[:-1])[questions]
    order = np.lexsort((longest, counts))
    cells = np.cumsum((counts * longest)[order])
    number = cells // min(BLOCK_CELLS, 1 + cells[-1] // (2 * workers))
    yield from np.split(questions[order], np.flatnonzero(np.diff(number) | np.diff(counts[order])) + 1)


def _distinct(task: _Task, depth: int, questions: Array) -> tuple[Array, Candidates, Array]:
    """The questions that are done and their n best spans with different texts; and the questions for which `depth`
    spans were not enough to find n different texts: they are searched again, deeper."""
    candidates = best_candidates(task.features, task.logits, task.bounds, questions, depth, task.params)
    merged = _merge(candidates, task.text_of[questions], task.texts, task.n_best_size)
    is_short = (merged.sizes < task.n_best_size) & (candidates.sizes == depth)
    return questions[~is_short], merged.take(np.flatnonzero(~is_short)), questions[is_short]


def _merge(candidates: Candidates, text_of: Array, texts: Texts, n_best_size: int) -> Candidates:
    """The candidates' texts, each once with its best span, at most `n_best_size` per question. Outer whitespace is left
    off: some tokenizers count the space before a word to the word."""
    rows = np.repeat(text_of, candidates.sizes)
    start, end = texts.strip(rows, candidates.start, candidates.end)
    is_kept = start < end
    is_kept[_repeated(candidates.bounds, texts, rows, start, end)] = False  # candidates come best first
    kept = np.flatnonzero(is_kept)
    sizes = np.diff(np.searchsorted(kept, candidates.bounds))
    kept = kept[ranges(np.zeros(len(sizes), np.int64), sizes) < n_best_size]
    bounds = bounds_of(np.minimum(sizes, n_best_size))
    return Candidates(bounds, start[kept], end[kept], candidates.start_logit[kept], candidates.end_logit[kept])


def _repeated(bounds: Array, texts: Texts, rows: Array, start: Array, end: Array) -> Array:
    """The numbers of those of K slices whose text an earlier slice of the same question has."""
    before, repeated = _equal_neighbours(texts.fingerprints(rows, start, end), bounds)
    found, other = (texts.cut(rows[k], start[k], end[k]) for k in (repeated, before))
    if not found.equals(other):  # two different texts have the same fingerprint
        codes = texts.cut(rows, start, end).dictionary_encode().indices.to_numpy()
        _, repeated = _equal_neighbours(codes, bounds)
    return repeated


def _equal_neighbours(keys: Array, bounds: Array) -> tuple[Array, Array]:
    """Pairs of places in `keys`: the nearest earlier place of the same row with the same key, and the place that
    repeats it.

        one row of keys 7 9 7 7 -> earlier 0 2, repeating 2 3
    """
    sizes = np.diff(bounds)
    matrix = padded(keys, bounds[:-1], sizes, sizes.max(initial=0), 0)
    order = np.argsort(matrix, axis=1, kind="stable")  # padding comes after an equal key
    in_order = np.take_along_axis(matrix, order, axis=1)
    row, at = np.nonzero(in_order[:, 1:] == in_order[:, :-1])
    first, second = order[row, at], order[row, at + 1]
    is_key = second < sizes[row]
    return (bounds[row] + first)[is_key], (bounds[row] + second)[is_key]

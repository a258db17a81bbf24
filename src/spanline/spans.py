"""The answer search: from the logits of a question's features to its best spans and its null score, exactly.

A *legal span* of a feature is a pair of context tokens, start <= end, at most `max_answer_length` tokens long; under
the max-context rule its start must also be the max-context occurrence of that token. Its score is start logit + end
logit. The search is over all legal spans, not over the best starts x the best ends.

Order of candidates, best first: higher score, then earlier feature, earlier start, earlier end.

How it is exact without looking at every pair: let best(s) be the best score of the spans that start at s, a running
maximum over the next `max_answer_length` end logits. If k starts have best(s) >= b, then the k best spans score >= b
and so start where best(s) >= b. Only those starts are paired with their ends.

With `top_n`, for comparison with the usual search: only spans from one of a feature's `top_n` best starts to one of its
`top_n` best ends are legal, the best taken among all its tokens, ties included.

Legend: Q questions, N features, C context tokens, K candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from spanline.features import Features, example_bounds
from spanline.logits import Logits
from spanline.ragged import Ragged, bounds_of, ranges

Array = np.ndarray[Any, Any]

BLOCK_TOKENS = 1 << 18  # context tokens searched at a time: bounds memory


@dataclass(frozen=True)
class Candidates:
    """The best legal spans of Q questions, best first, a ragged row a question: `bounds` (Q + 1,)."""

    bounds: Array  # (Q + 1,) of the arrays below
    start_char: Array  # (K,) characters of the context
    end_char: Array  # (K,) exclusive
    start_logit: Array  # (K,) float32
    end_logit: Array  # (K,) float32
    exhausted: Array  # (Q,) bool: these are all the legal spans that the question has

    @property
    def score(self) -> Array:
        """(K,) float64: the sum of two float32, which float64 holds without rounding in any usual range."""
        return self.start_logit.astype(np.float64) + self.end_logit


class Span(NamedTuple):
    """A candidate answer: `context[start:end] == text`, blanks at its ends left off."""

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


def search(
    features: Features,
    logits: Logits,
    contexts: Sequence[str],
    n_best_size: int,
    max_answer_length: int,
    max_context: bool,
    top_n: int | None,
) -> list[Found]:
    """The `n_best_size` best spans of each question with different texts (the best of each text), in the features'
    order. `contexts` holds one text a question. `top_n`: None, or see the module's docstring."""
    bounds = example_bounds(features)
    null_scores = question_null_scores(features, logits, bounds).tolist()
    ids = features.ids.take(bounds[:-1]).to_pylist() if len(bounds) > 1 else []
    spans: dict[int, list[Span]] = {}
    for block in _blocks(features.offset_starts.bounds[bounds]):
        spans |= _distinct(
            features, logits, bounds, block, contexts, n_best_size, max_answer_length, max_context, top_n
        )
    return [Found(qid, null_scores[question], spans[question]) for question, qid in enumerate(ids)]


def _blocks(token_bounds: Array) -> Iterator[Array]:
    """Question numbers in blocks of about BLOCK_TOKENS context tokens; questions of similar length go together, so that
    a block padded to a matrix wastes little."""
    lengths = np.diff(token_bounds)
    order = np.argsort(lengths, kind="stable")
    number = np.cumsum(lengths[order]) // BLOCK_TOKENS
    yield from np.split(order, np.flatnonzero(np.diff(number)) + 1) if len(order) else []


def question_null_scores(features: Features, logits: Logits, bounds: Array) -> Array:
    """(Q,) float64: the minimum over a question's features, since each of them must agree that there is no answer."""
    at = logits.start.bounds[:-1] + features.null_position
    scores = logits.start.values[at].astype(np.float64) + logits.end.values[at]
    return np.minimum.reduceat(scores, bounds[:-1]) if len(scores) else scores


def _distinct(
    features: Features,
    logits: Logits,
    bounds: Array,
    questions: Array,
    contexts: Sequence[str],
    n_best_size: int,
    max_answer_length: int,
    max_context: bool,
    top_n: int | None,
) -> dict[int, list[Span]]:
    """The n best texts of each question. Merging equal texts may leave fewer; then look deeper, for those only."""
    found: dict[int, list[Span]] = {}
    depth = n_best_size
    while len(questions):
        candidates = best_candidates(features, logits, bounds, questions, depth, max_answer_length, max_context, top_n)
        spans = _merge(candidates, [contexts[question] for question in questions], n_best_size)
        short = np.array([len(row) < n_best_size for row in spans], dtype=bool) & ~candidates.exhausted
        found.update((q, row) for q, row, again in zip(questions.tolist(), spans, short, strict=True) if not again)
        questions, depth = questions[short], depth * 4
    return found


def _merge(candidates: Candidates, contexts: list[str], n_best_size: int) -> list[list[Span]]:
    """The candidates' texts, each once with its best span, at most `n_best_size` a question."""
    columns = (candidates.start_char, candidates.end_char, candidates.start_logit, candidates.end_logit)
    starts, ends, start_logits, end_logits = (column.tolist() for column in columns)
    merged = []
    for context, low, high in zip(
        contexts, candidates.bounds[:-1].tolist(), candidates.bounds[1:].tolist(), strict=True
    ):
        spans: dict[str, Span] = {}
        for k in range(low, high):
            text, start = without_blanks(context, starts[k], ends[k])
            if text and text not in spans:
                spans[text] = Span(text, start, start + len(text), start_logits[k], end_logits[k])
                if len(spans) == n_best_size:
                    break
        merged.append(list(spans.values()))
    return merged


def without_blanks(context: str, start: int, end: int) -> tuple[str, int]:
    """The text and its start, outer blanks left off: some tokenizers count the blank before a word to the word."""
    text = context[start:end]
    bare = text.lstrip()
    return bare.rstrip(), start + len(text) - len(bare)


def best_candidates(
    features: Features,
    logits: Logits,
    bounds: Array,
    questions: Array,
    depth: int,
    max_answer_length: int,
    max_context: bool,
    top_n: int | None,
) -> Candidates:
    """The `depth` best legal spans of each of the questions numbered `questions`, texts not looked at.

    `bounds` (all questions + 1,) are the feature rows of each question.
    """
    rows = ranges(bounds[:-1][questions], np.diff(bounds)[questions])
    lengths = features.context_lengths[rows]
    tokens = bounds_of(lengths)
    stop = np.repeat(tokens[1:], lengths)  # (tokens,) end of the token's feature
    question = np.repeat(np.repeat(np.arange(len(questions)), np.diff(bounds)[questions]), lengths)
    at = ranges(logits.start.bounds[:-1][rows] + features.context_start[rows], lengths)
    start, end = logits.start.values[at].astype(np.float64), logits.end.values[at].astype(np.float64)
    if max_context:
        start[~features.max_context.values[ranges(features.max_context.bounds[:-1][rows], lengths)]] = -np.inf

    if top_n is not None:
        at_in_rows = ranges(bounds_of(logits.start.lengths[rows])[:-1] + features.context_start[rows], lengths)
        start[~_among_best(logits.start, rows, top_n)[at_in_rows]] = -np.inf
        end[~_among_best(logits.end, rows, top_n)[at_in_rows]] = -np.inf

    best = start + running_max(end, stop, max_answer_length)
    floor = kth_largest(best, np.bincount(question, minlength=len(questions)), depth)
    chosen = np.flatnonzero((best >= floor[question]) & (best > -np.inf))
    first, last, score = _pairs(chosen, start, end, stop, floor[question[chosen]], max_answer_length)
    keep = _first_of_each(np.lexsort((last, first, -score, question[first])), question[first], len(questions), depth)
    first, last = first[keep], last[keep]

    offsets = features.offset_starts.bounds[:-1][rows]
    to_flat = ranges(offsets, lengths)
    num_legal = np.bincount(question, np.where(start > -np.inf, _widths(stop, max_answer_length), 0), len(questions))
    return Candidates(
        bounds=bounds_of(np.bincount(question[first], minlength=len(questions))),
        start_char=features.offset_starts.values[to_flat[first]],
        end_char=features.offset_ends.values[to_flat[last]],
        start_logit=logits.start.values[at[first]],
        end_logit=logits.end.values[at[last]],
        exhausted=num_legal <= depth,
    )


def running_max(values: Array, stop: Array, width: int) -> Array:
    """(V,) the maximum of `values[i : min(i + width, stop[i])]`, in log2(width) passes.

    A pass doubles the width: the maximum over 2 w values is that over w and that over w, w further on.
    """
    result, done, width = values, 1, min(width, len(values))
    positions = np.arange(len(values))
    while done < width:
        shift = min(done, width - done)
        inside = (positions + shift < stop)[: len(values) - shift]
        shifted = np.where(inside, result[shift:], -np.inf)
        result = np.append(np.maximum(result[: len(values) - shift], shifted), result[len(values) - shift :])
        done += shift
    return result


def kth_largest(values: Array, sizes: Array, k: int) -> Array:
    """(groups,) the k-th largest value of each group; -inf where the group has fewer. `values` (V,) lie group by group,
    `sizes` (groups,)."""
    width = int(sizes.max(initial=0))
    if width < k:
        return np.full(len(sizes), -np.inf)
    if width * len(sizes) > 4 * len(values) + BLOCK_TOKENS:  # very different sizes: a matrix would be mostly padding
        order = np.lexsort((-values, np.repeat(np.arange(len(sizes)), sizes)))
        at = np.minimum(bounds_of(sizes)[:-1] + k - 1, len(values) - 1)
        return np.where(sizes >= k, values[order[at]], -np.inf)
    matrix = np.full((len(sizes), width), -np.inf)
    matrix[np.arange(width) < sizes[:, None]] = values
    kth: Array = np.partition(matrix, width - k, axis=1)[:, width - k]
    return kth


def _among_best(logits: Ragged, rows: Array, top_n: int) -> Array:
    """(tokens of the rows,) whether a token's logit is one of the `top_n` best of its feature."""
    taken = logits.take(rows)
    return taken.values >= np.repeat(kth_largest(taken.values, taken.lengths, top_n), taken.lengths)


def _widths(stop: Array, max_answer_length: int) -> Array:
    """(tokens,) how many ends each start may be paired with."""
    return np.minimum(max_answer_length, stop - np.arange(len(stop)))


def _pairs(
    chosen: Array, start: Array, end: Array, stop: Array, floor: Array, max_answer_length: int
) -> tuple[Array, Array, Array]:
    """Start, end (flat token numbers) and score of the chosen starts' legal spans that score at least `floor`."""
    widths = np.minimum(max_answer_length, stop[chosen] - chosen)
    first, last = np.repeat(chosen, widths), ranges(chosen, widths)
    score = start[first] + end[last]
    keep = (score >= np.repeat(floor, widths)) & (score > -np.inf)
    return first[keep], last[keep], score[keep]


def _first_of_each(order: Array, group: Array, num_groups: int, count: int) -> Array:
    """Of `order`, which sorts by group, the first `count` entries of each group."""
    sizes = np.bincount(group, minlength=num_groups)
    rank = ranges(np.zeros(num_groups, np.int64), sizes)
    return order[rank < count]

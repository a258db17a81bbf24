"""The answer search: from the logits of a question's features to its best spans and its null score, exactly.

A *legal span* of a feature is a pair of context tokens, start <= end, at most `max_answer_length` tokens long; under
the max-context rule its start must also be the max-context occurrence of that token. Its score is start logit + end
logit. The search is over all legal spans, not over the best starts x the best ends.

Order of candidates, best first: higher score, then earlier feature, earlier start, earlier end.

How it is exact without looking at every pair: let best(s) be the best score of the spans that start at s, a running
maximum over the next `max_answer_length` end logits. If k starts have best(s) >= b, then the k best spans score >= b
and so start where best(s) >= b, and end where the end logit and the highest start logit make b together. Only those
starts and ends are paired.

With `top_n`, for comparison with the usual search: only spans from one of a feature's `top_n` best starts to one of its
`top_n` best ends are legal, the best taken among all its tokens, ties included.

Legend: Q questions, N features, C context tokens, K candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spanline.features import Features, example_bounds
from spanline.logits import Logits
from spanline.ragged import Ragged, bounds_of, ranges
from spanline.runtime import in_threads
from spanline.texts import Texts

Array = np.ndarray[Any, Any]

BLOCK_TOKENS = 1 << 17  # context tokens searched at a time by a thread: bounds memory


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


@dataclass(frozen=True)
class NBest:
    """What the search found for Q questions, in columns; the spans of a question as in `Found`."""

    ids: list[str]  # (Q,)
    null_score: Array  # (Q,) float64, as in Found
    bounds: Array  # (Q + 1,) of the arrays below
    text: pa.StringArray  # (K,)
    start: Array  # (K,) characters of the context
    end: Array  # (K,) exclusive
    start_logit: Array  # (K,) float32
    end_logit: Array  # (K,) float32

    @property
    def score(self) -> Array:
        """(K,) float64."""
        return self.start_logit.astype(np.float64) + self.end_logit

    def best_texts(self) -> list[str]:
        """(Q,) the best span's text, "" where no span is legal."""
        has = np.diff(self.bounds) > 0
        rows = pa.array(self.bounds[:-1], mask=~has)
        return pc.fill_null(self.text.take(rows), "").to_pylist()  # type: ignore[no-any-return]

    def score_diffs(self) -> list[float | None]:
        """(Q,) null score - best span score; None where no span is legal."""
        has = np.diff(self.bounds) > 0
        best = self.score[self.bounds[:-1][has]]
        diffs: list[float | None] = [None] * len(has)
        for question, diff in zip(np.flatnonzero(has).tolist(), (self.null_score[has] - best).tolist(), strict=True):
            diffs[question] = diff
        return diffs

    def rows(self) -> list[Found]:
        """Question by question, for whoever wants to look at spans one at a time."""
        columns = (
            self.text.to_pylist(),
            *(c.tolist() for c in (self.start, self.end, self.start_logit, self.end_logit)),
        )
        spans = list(map(Span, *columns))
        parts = [spans[low:high] for low, high in pairwise(self.bounds.tolist())]
        return list(map(Found, self.ids, self.null_score.tolist(), parts))


@dataclass(frozen=True)
class Rules:
    """Which spans are legal, and how many are wanted."""

    n_best_size: int
    max_answer_length: int  # tokens
    max_context: bool
    top_n: int | None  # None, or see the module's docstring


def search(features: Features, logits: Logits, contexts: Sequence[str], rules: Rules, workers: int = 1) -> NBest:
    """The `n_best_size` best spans of each question with different texts (the best of each text), in the features'
    order. `contexts` holds one text a question; `workers` counts threads."""
    bounds = example_bounds(features)
    rows: dict[str, int] = {}
    text_of = np.array([rows.setdefault(context, len(rows)) for context in contexts], np.int64)
    texts = Texts(list(rows))
    blocks = _blocks(features.offset_starts.bounds[bounds])
    in_block = partial(_distinct, features, logits, bounds, texts, text_of, rules)
    parts = [_none(), *chain.from_iterable(in_threads(in_block, blocks, workers))]
    ids = features.ids.take(bounds[:-1]).to_pylist() if len(bounds) > 1 else []
    return _in_order(ids, question_null_scores(features, logits, bounds), parts)


@dataclass(frozen=True)
class _Part:
    """The best spans of some questions, a ragged row each."""

    questions: Array  # their numbers
    sizes: Array  # how many spans each has
    text: pa.StringArray
    numbers: dict[str, Array]  # the other columns of NBest


def _none() -> _Part:
    """No question at all, with the columns' types."""
    none = np.zeros(0, np.int64)
    numbers: dict[str, Array] = {
        "start": none,
        "end": none,
        "start_logit": none.astype(np.float32),
        "end_logit": none.astype(np.float32),
    }
    return _Part(none, none, pa.array([], pa.string()), numbers)


def _in_order(ids: list[str], null_scores: Array, parts: list[_Part]) -> NBest:
    """The parts, which hold each question once, by question number."""
    questions, sizes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("questions", "sizes"))
    order = np.argsort(questions)
    rows = ranges(bounds_of(sizes)[:-1][order], sizes[order])
    return NBest(
        ids=ids,
        null_score=null_scores,
        bounds=bounds_of(sizes[order]),
        text=pa.concat_arrays([part.text for part in parts]).take(pa.array(rows)),
        **{name: np.concatenate([part.numbers[name] for part in parts])[rows] for name in parts[0].numbers},
    )


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
    texts: Texts,
    text_of: Array,
    rules: Rules,
    questions: Array,
) -> list[_Part]:
    """The n best texts of each question. Merging equal texts may leave fewer; then look deeper, for those only."""
    parts = []
    depth = rules.n_best_size
    while len(questions):
        candidates = best_candidates(features, logits, bounds, questions, depth, rules)
        merged = _merge(candidates, questions, texts, text_of, rules.n_best_size)
        is_short = (merged.sizes < rules.n_best_size) & ~candidates.exhausted
        parts.append(_only(merged, ~is_short))
        questions, depth = questions[is_short], depth * 4
    return parts


def _merge(candidates: Candidates, questions: Array, texts: Texts, text_of: Array, n_best_size: int) -> _Part:
    """The candidates' texts, each once with its best span, at most `n_best_size` a question. Outer blanks are left off:
    some tokenizers count the blank before a word to the word."""
    owner = np.repeat(np.arange(len(questions)), np.diff(candidates.bounds))
    rows = text_of[questions][owner]
    start, end = texts.strip(rows, candidates.start_char, candidates.end_char)
    text = texts.cut(rows, start, end)
    codes = text.dictionary_encode()
    key = owner * (len(codes.dictionary) + 1) + codes.indices.to_numpy(zero_copy_only=False)
    is_first = np.zeros(len(text), dtype=bool)
    is_first[np.unique(key, return_index=True)[1]] = True  # candidates come best first
    kept = np.flatnonzero(is_first & (start < end))
    sizes = np.bincount(owner[kept], minlength=len(questions))
    kept = kept[ranges(np.zeros(len(sizes), np.int64), sizes) < n_best_size]
    return _Part(
        questions,
        np.minimum(sizes, n_best_size),
        text.take(pa.array(kept)),
        {
            "start": start[kept],
            "end": end[kept],
            "start_logit": candidates.start_logit[kept],
            "end_logit": candidates.end_logit[kept],
        },
    )


def _only(part: _Part, chosen: Array) -> _Part:
    """The questions where `chosen` is true."""
    if chosen.all():
        return part
    rows = np.flatnonzero(np.repeat(chosen, part.sizes))
    numbers = {name: column[rows] for name, column in part.numbers.items()}
    return _Part(part.questions[chosen], part.sizes[chosen], part.text.take(pa.array(rows)), numbers)


def best_candidates(
    features: Features, logits: Logits, bounds: Array, questions: Array, depth: int, rules: Rules
) -> Candidates:
    """The `depth` best legal spans of each of the questions numbered `questions`, texts not looked at.

    `bounds` (all questions + 1,) are the feature rows of each question. Up to the last step sums are rounded to
    float32, which keeps the order of any two but may make them equal: nothing is lost, a little too much is kept.
    """
    rows = ranges(bounds[:-1][questions], np.diff(bounds)[questions])
    lengths = features.context_lengths[rows]
    tokens = bounds_of(lengths)
    stop = np.repeat(tokens[1:], lengths)  # (tokens,) end of the token's feature
    sizes = np.add.reduceat(lengths, bounds_of(np.diff(bounds)[questions])[:-1])  # (Q,) tokens of each question
    at = ranges(logits.start.bounds[:-1][rows] + features.context_start[rows], lengths)
    start, end = logits.start.values[at], logits.end.values[at]
    if rules.max_context:
        start[~features.max_context.values[ranges(features.max_context.bounds[:-1][rows], lengths)]] = -np.inf
    if rules.top_n is not None:
        at_in_rows = ranges(bounds_of(logits.start.lengths[rows])[:-1] + features.context_start[rows], lengths)
        start[~_among_best(logits.start, rows, rules.top_n)[at_in_rows]] = -np.inf
        end[~_among_best(logits.end, rows, rules.top_n)[at_in_rows]] = -np.inf

    question = np.repeat(np.arange(len(questions)), sizes)
    first, last = _pairs(start, end, stop, sizes, depth, rules.max_answer_length)
    score = start[first].astype(np.float64) + end[last]
    # the pairs lie by start and end, which a stable sort keeps among equals
    order = np.lexsort((-score, question[first]))
    keep = _first_of_each(order, question[first], len(questions), depth)
    first, last = first[keep], last[keep]

    to_flat = ranges(features.offset_starts.bounds[:-1][rows], lengths)
    widths = np.where(start > -np.inf, _widths(stop, rules.max_answer_length), 0)
    num_legal = np.bincount(question, widths, len(questions))
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
        shifted = np.where(inside, result[shift:], np.float32(-np.inf))
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
    matrix = np.full((len(sizes), width), -np.inf, values.dtype)
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
    start: Array, end: Array, stop: Array, sizes: Array, depth: int, max_answer_length: int
) -> tuple[Array, Array]:
    """First and last token (flat numbers, by first, then by last) of legal spans, the `depth` best of each question
    among them. `start` and `end` (tokens,) float32, -inf where no span may start or end; `sizes` (Q,) tokens."""
    with np.errstate(over="ignore"):  # an infinite sum keeps its place too
        best = start + running_max(end, stop, max_answer_length)
        floor = kth_largest(best, sizes, depth)
        floor_of = np.repeat(floor, sizes)  # of each token
        firsts = np.flatnonzero((best >= floor_of) & (start > -np.inf))
        some = sizes > 0
        highest = np.repeat(np.maximum.reduceat(start, bounds_of(sizes)[:-1][some]), sizes[some])
        # rounding keeps the order: what is too low beside the highest start is so beside any
        is_last = (end + highest >= floor_of) & (end > -np.inf)
    num_before = bounds_of(is_last)  # such lasts before a token
    low = num_before[firsts]
    counts = num_before[np.minimum(firsts + max_answer_length, stop[firsts])] - low
    first, last = np.repeat(firsts, counts), np.flatnonzero(is_last)[ranges(low, counts)]
    with np.errstate(over="ignore"):
        score = start[first] + end[last]
    keep = np.flatnonzero(score >= floor_of[first])
    first, last, score = first[keep], last[keep], score[keep]
    num_pairs = np.diff(np.searchsorted(first, bounds_of(sizes)))
    keep = np.flatnonzero(
        score >= np.repeat(kth_largest(score, num_pairs, depth), num_pairs)
    )  # now with the pairs' own
    return first[keep], last[keep]


def _first_of_each(order: Array, group: Array, num_groups: int, count: int) -> Array:
    """Of `order`, which sorts by group, the first `count` entries of each group."""
    sizes = np.bincount(group, minlength=num_groups)
    rank = ranges(np.zeros(num_groups, np.int64), sizes)
    return order[rank < count]

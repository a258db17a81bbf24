"""The answer search: from the logits of a question's features to its best spans and its null score, exactly.

A *legal span* of a feature is a pair of context tokens, start <= end, at most `max_answer_length` tokens long; under
the max-context rule its start must also be the max-context occurrence of that token. Its score is start logit + end
logit. The search is over all legal spans, not over the best starts x the best ends.

Order of candidates, best first: higher score, then earlier feature, earlier start, earlier end.

How it is exact without looking at every pair: let best(s) be the best score of the spans that start at s, a running
maximum over the next `max_answer_length` end logits. If k starts have best(s) >= b, then the k best spans score >= b
and so start where best(s) >= b. Only the spans from there are looked at one by one.

With `top_n`, for comparison with the usual search: only spans from one of a feature's `top_n` best starts to one of its
`top_n` best ends are legal, the best taken among all its tokens, ties included.

Legend: Q questions, N features, K candidates. Questions are searched in blocks of rows of equal length: W rows a
question, a feature each, of L context tokens. A *cell* is a token's number among the Q x W x L of a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from spanline.features import Features, example_bounds
from spanline.logits import Logits
from spanline.ragged import bounds_of, padded, ranges
from spanline.runtime import in_threads
from spanline.texts import Texts

Array = np.ndarray[Any, Any]

BLOCK_CELLS = 1 << 17  # searched at a time by a thread: bounds memory


@dataclass(frozen=True)
class Candidates:
    """The best legal spans of Q questions, best first, a ragged row a question: `bounds` (Q + 1,)."""

    bounds: Array  # (Q + 1,) of the arrays below
    start_char: Array  # (K,) characters of the context
    end_char: Array  # (K,) exclusive
    start_logit: Array  # (K,) float32
    end_logit: Array  # (K,) float32

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
    texts: Texts  # the contexts
    text_of: Array  # (Q,) number of the question's context
    bounds: Array  # (Q + 1,) of the arrays below
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
        best = self.bounds[:-1][has]
        texts = np.full(len(has), "", object)
        texts[has] = self.texts.cut(self.text_of[has], self.start[best], self.end[best]).to_pylist()
        return texts.tolist()

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
        texts = self.texts.cut(np.repeat(self.text_of, np.diff(self.bounds)), self.start, self.end).to_pylist()
        numbers = (column.tolist() for column in (self.start, self.end, self.start_logit, self.end_logit))
        spans = list(map(Span, texts, *numbers))
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
    texts = Texts.of(list(rows))
    # merging equal texts may leave too few: a few spans to spare, and a deeper look for those questions only
    depth = rules.n_best_size + rules.n_best_size // 20
    questions, parts = np.arange(len(contexts)), [_none()]
    while len(questions):
        in_block = partial(_distinct, features, logits, bounds, texts, text_of, rules, depth)
        found = list(in_threads(in_block, _blocks(features.context_lengths, bounds, questions, workers), workers))
        parts += [part for part, _ in found]
        questions, depth = np.concatenate([rest for _, rest in found]), depth * 2
    questions, sizes, *numbers = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(questions)
    in_order = ranges(bounds_of(sizes)[:-1][order], sizes[order])
    return NBest(
        features.ids.take(pa.array(bounds[:-1])).to_pylist(),
        question_null_scores(features, logits, bounds),
        texts,
        text_of,
        bounds_of(sizes[order]),
        *(column[in_order] for column in numbers),
    )


class _Part(NamedTuple):
    """The best spans of some questions, a ragged row each."""

    questions: Array  # their numbers
    sizes: Array  # how many spans each has
    start: Array  # these columns as in NBest
    end: Array
    start_logit: Array
    end_logit: Array


def _none() -> _Part:
    """No question at all, with the columns' types."""
    return _Part(*(np.zeros(0, kind) for kind in (np.int64, np.int64, np.int64, np.int64, np.float32, np.float32)))


def _blocks(context_lengths: Array, bounds: Array, questions: Array, workers: int) -> Iterator[Array]:
    """The question numbers in blocks of BLOCK_CELLS or so, or smaller ones so that each worker gets some; questions of
    as many features and similar length go together, so that padding wastes little."""
    counts = np.diff(bounds)[questions]
    longest = np.maximum.reduceat(context_lengths, bounds[:-1])[questions]
    order = np.lexsort((longest, counts))
    cells = np.cumsum((counts * longest)[order])
    number = cells // min(BLOCK_CELLS, 1 + cells[-1] // (2 * workers))
    yield from np.split(questions[order], np.flatnonzero(np.diff(number) | np.diff(counts[order])) + 1)


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
    depth: int,
    questions: Array,
) -> tuple[_Part, Array]:
    """The n best texts of the questions, and the numbers of those whose `depth` best spans do not tell."""
    candidates = best_candidates(features, logits, bounds, questions, depth, rules)
    merged = _merge(candidates, questions, texts, text_of, rules.n_best_size)
    is_short = (merged.sizes < rules.n_best_size) & (np.diff(candidates.bounds) == depth)
    return _only(merged, ~is_short), questions[is_short]


def _merge(candidates: Candidates, questions: Array, texts: Texts, text_of: Array, n_best_size: int) -> _Part:
    """The candidates' texts, each once with its best span, at most `n_best_size` a question. Outer blanks are left off:
    some tokenizers count the blank before a word to the word."""
    sizes = np.diff(candidates.bounds)
    rows = np.repeat(text_of[questions], sizes)
    start, end = texts.strip(rows, candidates.start_char, candidates.end_char)
    is_kept = start < end
    is_kept[_repeated(candidates.bounds, texts, rows, start, end)] = False  # candidates come best first
    kept = np.flatnonzero(is_kept)
    sizes = np.diff(np.searchsorted(kept, candidates.bounds))
    kept = kept[_ranks(sizes) < n_best_size]
    sizes = np.minimum(sizes, n_best_size)
    return _Part(questions, sizes, start[kept], end[kept], candidates.start_logit[kept], candidates.end_logit[kept])


def _repeated(bounds: Array, texts: Texts, rows: Array, start: Array, end: Array) -> Array:
    """Those of K slices whose text an earlier one in the same row of `bounds` has."""
    before, repeated = _equal_neighbours(texts.fingerprints(rows, start, end), bounds)
    found, other = (texts.cut(rows[k], start[k], end[k]) for k in (repeated, before))
    if not found.equals(other):  # two texts have the same fingerprint
        codes = texts.cut(rows, start, end).dictionary_encode().indices.to_numpy()
        _, repeated = _equal_neighbours(codes, bounds)
    return repeated


def _equal_neighbours(keys: Array, bounds: Array) -> tuple[Array, Array]:
    """Places in `keys`: each that repeats a key of its row of `bounds`, and (first) the place of that key before."""
    sizes = np.diff(bounds)
    matrix = padded(keys, bounds[:-1], sizes, sizes.max(initial=0), 0)
    order = np.argsort(matrix, axis=1, kind="stable")  # padding comes after an equal key
    in_order = np.take_along_axis(matrix, order, axis=1)
    row, at = np.nonzero(in_order[:, 1:] == in_order[:, :-1])
    first, second = order[row, at], order[row, at + 1]
    is_key = second < sizes[row]
    return (bounds[row] + first)[is_key], (bounds[row] + second)[is_key]


def _only(part: _Part, chosen: Array) -> _Part:
    """The questions where `chosen` is true."""
    of_span = np.repeat(chosen, part.sizes)
    questions, sizes, *numbers = part
    return _Part(questions[chosen], sizes[chosen], *(column[of_span] for column in numbers))


def best_candidates(
    features: Features, logits: Logits, bounds: Array, questions: Array, depth: int, rules: Rules
) -> Candidates:
    """The `depth` best legal spans of each of the questions numbered `questions`, texts not looked at; all that there
    are if they are fewer. `bounds` (all questions + 1,) are the feature rows of each question."""
    rows, lengths = _rows(features.context_lengths, bounds, questions)
    num_tokens = max(1, lengths.max())
    longest = min(rules.max_answer_length, num_tokens)
    at = logits.start.bounds[:-1][rows] + features.context_start[rows]
    width = num_tokens + longest - 1  # the ends that a start may be paired with lie in its own row
    start, end = (padded(part.values, at, lengths, width, -np.inf) for part in (logits.start, logits.end))
    if rules.max_context:
        flags = features.max_context
        start[~padded(flags.values, flags.bounds[:-1][rows], lengths, width, False)] = -np.inf
    if rules.top_n is not None:
        for part, values in ((logits.start, start), (logits.end, end)):
            counts = part.lengths[rows]
            every = padded(part.values, part.bounds[:-1][rows], counts, counts.max(), -np.inf)
            values[values < _kth_largest(every, rules.top_n)[:, None]] = -np.inf

    first, last, sizes = _pairs(start, end, len(questions), depth, longest)
    row = first // width
    offsets = features.offset_starts.bounds[:-1][rows[row]] + first - row * width
    return Candidates(
        bounds=bounds_of(sizes),
        start_char=features.offset_starts.values[offsets],
        end_char=features.offset_ends.values[offsets + (last - first)],
        start_logit=start.ravel()[first],
        end_logit=end.ravel()[last],
    )


def _rows(context_lengths: Array, bounds: Array, questions: Array) -> tuple[Array, Array]:
    """(Q x W,) the feature rows of each question, and their context tokens; past a question's last feature, any row
    with no token."""
    counts = np.diff(bounds)[questions]
    window = np.arange(counts.max(initial=0))
    is_one = window < counts[:, None]
    rows = np.where(is_one, bounds[:-1][questions][:, None] + window, 0)
    return rows.ravel(), np.where(is_one, context_lengths[rows], 0).ravel()


def _pairs(start: Array, end: Array, num_questions: int, depth: int, longest: int) -> tuple[Array, Array, Array]:
    """First and last cell of the `depth` best legal spans of each question, best first, and how many each question has.
    `start` and `end` (Q x W, L) float32, -inf where no span may start or end, among these the last `longest` - 1 of L.

    Sums are rounded to float32 at first, which keeps the order of any two but may make them equal: nothing is lost.
    """
    cells = start.size // num_questions  # of a question
    with np.errstate(over="ignore"):  # an infinite sum keeps its place too
        best = (start + running_max(end, longest)).reshape(num_questions, cells)
        floor = _kth_largest(best, depth)
        first = np.flatnonzero((best >= floor[:, None]).ravel() & (start.ravel() > -np.inf))
        ends = sliding_window_view(end.ravel(), longest)[first]
        score = start.ravel()[first, None] + ends
    question = first // cells
    pair = np.flatnonzero((score >= floor[question, None]) & (ends > -np.inf))
    number = pair // longest
    first, question = first[number], question[number]
    last = first + pair - number * longest
    order = _best_first(question, score.ravel()[pair], start.ravel(), end.ravel(), first, last)
    sizes = np.bincount(question, minlength=num_questions)
    order = order[_ranks(sizes) < depth]
    return first[order], last[order], np.minimum(sizes, depth)


def _best_first(group: Array, rounded: Array, start: Array, end: Array, first: Array, last: Array) -> Array:
    """The order by group, then by falling `start[first] + end[last]`; of equals the first comes first. `rounded` is
    that sum as float32: sorting one integer of group and score is ten times as fast as sorting by two columns, and
    leaves little to do."""
    bits = (rounded + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
    falling = (bits ^ (~(bits >> 31) & 0x7FFFFFFF)).view(np.uint32)  # as integers: the higher a float, the lower
    key = group.astype(np.uint64) << np.uint64(32) | falling
    order = np.argsort(key, kind="stable")
    is_tie = key[order[1:]] == key[order[:-1]]
    places = np.flatnonzero(np.append(is_tie, False) | np.append(False, is_tie))
    tied = order[places]
    exact = start[first[tied]].astype(np.float64) + end[last[tied]]
    order[places] = tied[np.lexsort((-exact, key[tied]))]
    return order


def running_max(values: Array, width: int) -> Array:
    """(rows, L) the maximum of `values[row, i : i + width]`, in log2(width) passes.

    A pass doubles the width: the maximum over 2 w values is that over w and that over w, w further on.
    """
    result, done, width = values.copy(), 1, min(width, values.shape[1])
    while done < width:
        shift = min(done, width - done)
        result[:, :-shift] = np.maximum(result[:, :-shift], result[:, shift:])
        done += shift
    return result


def _kth_largest(values: Array, k: int) -> Array:
    """(rows,) the k-th largest value of each row; -inf where it has fewer."""
    width = values.shape[1]
    if width < k:
        return np.full(len(values), -np.inf, np.float32)
    kth: Array = np.partition(values, width - k, axis=1)[:, width - k]
    return kth


def _ranks(sizes: Array) -> Array:
    """0, 1, 2, ... within each group."""
    return ranges(np.zeros(len(sizes), np.int64), sizes)

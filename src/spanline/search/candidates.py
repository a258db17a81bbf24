"""From the logits of a question's features to its best spans and its null score, exactly.

A *legal span* of a feature is a pair of context tokens, start <= end, at most `max_answer_length` tokens long; under
the max-context rule its start must also be the max-context occurrence of that token. Its score is start logit + end
logit. The search is over all legal spans, not over the best starts x the best ends.

Order of candidates, best first: higher score, then earlier feature, earlier start, earlier end.

How it is exact without looking at every pair: let best(s) be the best score of the spans that start at s, a running
maximum over the next `max_answer_length` end logits. If k starts have best(s) >= b, then the k best spans score >= b
and so start where best(s) >= b. Only the spans from there are looked at one by one.

With `top_n`, for comparison with the usual search, a span is legal only if its start is among the feature's `top_n`
highest start logits and its end among the `top_n` highest end logits. All tokens of the feature are ranked, not only
the context; ties at the cut-off are kept.

Legend: Q questions, N features, K candidates. Three numberings occur: a *row* is a feature of a block of questions (W
rows per question, L cells long), a *cell* is a token among the Q x W x L of the block, a *pair* is a start cell with
one of the `longest` cells that a span from there may end in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spanline.search.params import AnswerSearchParams
from spanline.storage.features import Features
from spanline.storage.logits import Logits
from spanline.storage.ragged import Array, bounds_of, padded, ranges


@dataclass(frozen=True)
class Candidates:
    """Spans of Q questions, best first, a ragged row per question."""

    bounds: Array  # (Q + 1,) of the arrays below
    start: Array  # (K,) characters of the context
    end: Array  # (K,) exclusive
    start_logit: Array  # (K,) float32
    end_logit: Array  # (K,) float32

    @property
    def score(self) -> Array:
        """(K,) float64: the sum of two float32, which float64 holds without rounding in any usual range."""
        return self.start_logit.astype(np.float64) + self.end_logit

    @property
    def sizes(self) -> Array:
        """(Q,) how many spans each question has."""
        return np.diff(self.bounds)

    def take(self, questions: Array) -> Candidates:
        """The spans of these questions (numbers among the Q), in that order."""
        sizes = self.sizes[questions]
        spans = ranges(self.bounds[:-1][questions], sizes)
        columns = (self.start, self.end, self.start_logit, self.end_logit)
        return Candidates(bounds_of(sizes), *(column[spans] for column in columns))

    @staticmethod
    def none() -> Candidates:
        """Of no question at all, with the columns' types."""
        types = (np.int64, np.int64, np.float32, np.float32)
        return Candidates(np.zeros(1, np.int64), *(np.zeros(0, kind) for kind in types))

    @staticmethod
    def joined(parts: Sequence[Candidates]) -> Candidates:
        """The questions of all parts, one after another."""
        sizes, *columns = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("sizes", "start", "end", "start_logit", "end_logit")
        )
        return Candidates(bounds_of(sizes), *columns)


def question_null_scores(features: Features, logits: Logits, bounds: Array) -> Array:
    """(Q,) float64: the minimum over a question's features, since each of them must agree that there is no answer."""
    at = logits.start.bounds[:-1] + features.null_position
    scores = logits.start.values[at].astype(np.float64) + logits.end.values[at]
    return np.minimum.reduceat(scores, bounds[:-1]) if len(scores) else scores


def best_candidates(
    features: Features, logits: Logits, bounds: Array, questions: Array, depth: int, params: AnswerSearchParams
) -> Candidates:
    """The `depth` best legal spans of each of the questions numbered `questions`, texts not looked at; all that there
    are if they are fewer. `bounds` (all questions + 1,) are the feature rows of each question."""
    rows, lengths = _rows(features.context_lengths, bounds, questions)
    block = _block(features, logits, rows, lengths, len(questions), params)
    start_cell, end_cell, sizes = _best_pairs(block, depth)
    row, token = np.divmod(start_cell, block.width)
    offset = features.offset_starts.bounds[:-1][rows[row]] + token
    return Candidates(
        bounds=bounds_of(sizes),
        start=features.offset_starts.values[offset],
        end=features.offset_ends.values[offset + (end_cell - start_cell)],
        start_logit=block.start.ravel()[start_cell],
        end_logit=block.end.ravel()[end_cell],
    )


def _rows(context_lengths: Array, bounds: Array, questions: Array) -> tuple[Array, Array]:
    """(Q x W,) the feature of each row, and its context tokens. Questions with fewer than W features are padded with
    feature 0 and length 0.

        features per question 2 1, so W = 2 -> features 0 1 | 2 0, the last of length 0
    """
    counts = np.diff(bounds)[questions]
    window = np.arange(counts.max(initial=0))
    is_feature = window < counts[:, None]
    rows = np.where(is_feature, bounds[:-1][questions][:, None] + window, 0)
    return rows.ravel(), np.where(is_feature, context_lengths[rows], 0).ravel()


@dataclass(frozen=True)
class _Block:
    """The logits of some questions' context tokens as matrices, (Q x W, L) float32.

    -inf where no span may start or end: behind a feature's last token, and where the params forbid it. The last
    `longest` - 1 cells of each row are always -inf, so that `longest` cells from any token on lie in its own row.
    """

    start: Array
    end: Array
    num_questions: int
    longest: int  # tokens of the longest span that fits

    @property
    def width(self) -> int:
        """L, cells per row."""
        return int(self.start.shape[1])


def _block(
    features: Features, logits: Logits, rows: Array, lengths: Array, num_questions: int, params: AnswerSearchParams
) -> _Block:
    num_tokens = max(1, lengths.max())
    longest = min(params.max_answer_length, num_tokens)
    width = num_tokens + longest - 1
    first = logits.start.bounds[:-1][rows] + features.context_start[rows]
    start, end = (padded(part.values, first, lengths, width, -np.inf) for part in (logits.start, logits.end))
    if params.max_context:
        flags = features.max_context
        start[~padded(flags.values, flags.bounds[:-1][rows], lengths, width, False)] = -np.inf
    if params.top_n is not None:
        for part, values in ((logits.start, start), (logits.end, end)):
            counts = part.lengths[rows]
            every = padded(part.values, part.bounds[:-1][rows], counts, counts.max(), -np.inf)
            values[values < _kth_largest(every, params.top_n)[:, None]] = -np.inf
    return _Block(start, end, num_questions, longest)


def _best_pairs(block: _Block, depth: int) -> tuple[Array, Array, Array]:
    """Start and end cell of the `depth` best legal spans of each question, best first, and how many each question has.

    One question, one feature with tokens a b c, longest = 2, depth = 2; the cell behind the bar is always -inf:

        start   1  5  2 | -inf
        end     0  3  4 | -inf
        best    4  9  6           best[s] = start[s] + max(end[s], end[s + 1])
        floor   6                 the 2nd largest of best: the 2 best spans start at b or c
        pairs   b-b 8, b-c 9, c-c 6       all from b and c that reach the floor
        result  b-c 9, b-b 8

    Sums are compared in float32 first. Rounding never reverses the order of two sums, it can only make them equal;
    `_best_first` settles those ties in float64.
    """
    start, end = block.start.ravel(), block.end.ravel()
    cells_per_question = len(start) // block.num_questions
    with np.errstate(over="ignore"):  # an infinite sum keeps its place too
        best = (block.start + running_max(block.end, block.longest)).reshape(block.num_questions, -1)
        floor = _kth_largest(best, depth)
        start_cell = np.flatnonzero((best >= floor[:, None]).ravel() & (start > -np.inf))
        ends = sliding_window_view(end, block.longest)[start_cell]  # (starts, longest): the ends of each one's pairs
        score = start[start_cell, None] + ends
    floor_of_start = floor[start_cell // cells_per_question, None]
    pair = np.flatnonzero((score >= floor_of_start) & (ends > -np.inf))
    which_start, tokens_on = np.divmod(pair, block.longest)
    start_cell = start_cell[which_start]
    end_cell = start_cell + tokens_on
    question = start_cell // cells_per_question
    order = _best_first(question, score.ravel()[pair], start[start_cell], end[end_cell])
    sizes = np.bincount(question, minlength=block.num_questions)
    order = order[ranges(np.zeros(len(sizes), np.int64), sizes) < depth]
    return start_cell[order], end_cell[order], np.minimum(sizes, depth)


def _best_first(question: Array, score: Array, start: Array, end: Array) -> Array:
    """The order of K pairs by question, then by falling `start + end`; of equals the first comes first. `score` is that
    sum rounded to float32.

    Question (upper 32 bits) and score (lower 32 bits, the highest score as the lowest number) make one integer key:
    sorting by it is ten times as fast as sorting by two columns. What has the same key is tied in float32 only, and is
    sorted again by the exact sum.

        question 0 0 0, score 2.0 3.0 2.0, exact 2.0 3.0 2.00000001 -> order by key 1 0 2, in the end 1 2 0
    """
    key = question.astype(np.uint64) << np.uint64(32) | sortable_bits(score)
    order = np.argsort(key, kind="stable")
    equals_next = key[order[1:]] == key[order[:-1]]
    places = np.flatnonzero(np.append(equals_next, False) | np.append(False, equals_next))
    tied = order[places]
    exact = start[tied].astype(np.float64) + end[tied]
    order[places] = tied[np.lexsort((-exact, key[tied]))]
    return order


def sortable_bits(values: Array) -> Array:
    """float32 -> uint32 that rise as the values fall: 2.0, 0.0, -1.0 become rising numbers, and -0.0 equals 0.0.

    The bits of a float, read as an integer, rise with positive values and fall with negative ones: the 31 lower bits of
    positive values are turned over.
    """
    bits = (values + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
    is_negative = bits >> 31  # all ones or all zeros
    turned: Array = (bits ^ (~is_negative & 0x7FFFFFFF)).view(np.uint32)
    return turned


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

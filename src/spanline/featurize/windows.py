"""Cuts examples into overlapping features by array arithmetic, from questions and contexts tokenized apart.

A *window* is a slice of a context; a *feature* is the model input that shows it.

Legend: E examples, N features, T tokens of a feature, C context tokens of a feature.

    room  = max_length - question tokens - special tokens         context tokens that fit
    step  = room - doc_stride                                     from one feature's start to the next
    windows of an example: context tokens [0, room), [step, step + room), ... until the context's end is reached
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spanline.featurize.tokenizer import EncodedTexts, Template
from spanline.storage.features import Features
from spanline.storage.ragged import Array, Ragged, bounds_of, ranges

MOST_WINDOWS = 65_535  # of an example: what the features' column `window` can number


@dataclass(frozen=True)
class Encoded:
    """E examples with their texts tokenized: questions one each, contexts shared."""

    ids: pa.StringArray  # (E,) question ids
    questions: Ragged  # (E rows) token ids, cut already
    contexts: EncodedTexts
    context_of: Array  # (E,) row of `contexts`
    answer_starts: Array  # (E,) characters of the context; -1 for unanswerable
    answer_ends: Array  # (E,) exclusive; -1 for unanswerable


@dataclass(frozen=True)
class _Windows:
    """Which slice of which example's context each of N features shows."""

    example: Array  # (N,)
    number: Array  # (N,) within the example
    begin: Array  # (N,) first context token shown, counted in the context
    length: Array  # (N,) C, context tokens shown
    count: Array  # (E,) features of each example


def cut(encoded: Encoded, template: Template, max_length: int, doc_stride: int) -> Features:
    """The features of the examples, in order: one for each window of an example's context. Every example has at least
    one, also with an empty context.

    The caller has made sure that `doc_stride` is smaller than the room of every example, and that no example has more
    than MOST_WINDOWS.
    """
    windows = _place(encoded, template, max_length, doc_stride)
    shown = encoded.contexts.ids.bounds[encoded.context_of[windows.example]] + windows.begin  # in the flat contexts
    tokens_C = Ragged(ranges(shown, windows.length), bounds_of(windows.length))
    input_ids, types, context_start = _assemble(encoded, template, windows, tokens_C)
    null = _null_positions(template, encoded.questions.lengths[windows.example], windows.length)
    starts, ends = (
        Ragged(offsets.values[tokens_C.values], tokens_C.bounds)
        for offsets in (encoded.contexts.offset_starts, encoded.contexts.offset_ends)
    )
    start_position, end_position = _label(encoded, windows, context_start, null)
    return Features(
        ids=encoded.ids.take(pa.array(windows.example)),
        window=windows.number.astype(np.uint16),
        input_ids=input_ids,
        token_type_ids=types,
        context_start=context_start.astype(np.uint16),
        offset_starts=starts,
        offset_ends=ends,
        max_context=Ragged(_max_context(windows, tokens_C.bounds), tokens_C.bounds),
        null_position=null.astype(np.uint16),
        start_position=start_position.astype(np.uint16),
        end_position=end_position.astype(np.uint16),
    )


def num_windows(encoded: Encoded, template: Template, max_length: int, doc_stride: int) -> Array:
    """(E,) windows of each example's context; `doc_stride` is smaller than the room of every example."""
    room = max_length - template.num_special - encoded.questions.lengths
    total = encoded.contexts.ids.lengths[encoded.context_of]
    count: Array = 1 + np.maximum(0, -(-(total - room) // (room - doc_stride)))
    return count


def _place(encoded: Encoded, template: Template, max_length: int, doc_stride: int) -> _Windows:
    room = max_length - template.num_special - encoded.questions.lengths
    step = room - doc_stride
    total = encoded.contexts.ids.lengths[encoded.context_of]
    count = num_windows(encoded, template, max_length, doc_stride)
    example = np.repeat(np.arange(len(count)), count)
    number = ranges(np.zeros(len(count), np.int64), count)
    begin = number * step[example]
    length = np.minimum(room[example], total[example] - begin)
    return _Windows(example, number, begin, length, count)


def _assemble(
    encoded: Encoded, template: Template, windows: _Windows, tokens_C: Ragged
) -> tuple[Ragged, Ragged, Array]:
    """Token ids and type ids of each feature, and where its context starts."""
    q_lengths = encoded.questions.lengths[windows.example]
    bounds = bounds_of(q_lengths + windows.length + template.num_special)
    ids = np.empty(bounds[-1], dtype=np.uint32)
    types = np.empty(bounds[-1], dtype=np.uint8)
    at = bounds[:-1]

    at = _put_special(ids, types, at, template.before, template.before_types)
    where = ranges(at, q_lengths)
    ids[where] = encoded.questions.values[ranges(encoded.questions.bounds[:-1][windows.example], q_lengths)]
    types[where] = template.question_type
    at = _put_special(ids, types, at + q_lengths, template.between, template.between_types)
    where = ranges(at, windows.length)
    ids[where] = encoded.contexts.ids.values[tokens_C.values]
    types[where] = template.context_type
    _put_special(ids, types, at + windows.length, template.after, template.after_types)
    return Ragged(ids, bounds), Ragged(types, bounds), at - bounds[:-1]


def _put_special(ids: Array, types: Array, at: Array, tokens: Array, token_types: Array) -> Array:
    """Write the same special tokens at each position of `at`; return the positions after them."""
    for index, (token, token_type) in enumerate(zip(tokens, token_types, strict=True)):
        ids[at + index] = token
        types[at + index] = token_type
    return at + len(tokens)


def _null_positions(template: Template, question_lengths: Array, context_lengths: Array) -> Array:
    """(N,) position of the token that means "no answer"."""
    slot_starts = {
        "before": np.zeros_like(question_lengths),
        "between": len(template.before) + question_lengths,
        "after": len(template.before) + question_lengths + len(template.between) + context_lengths,
    }
    return slot_starts[template.null_slot] + template.null_index


def _label(encoded: Encoded, windows: _Windows, context_start: Array, null: Array) -> tuple[Array, Array]:
    """(N,) first and last answer token of each feature, or the null position where the answer is not wholly inside.

    Of the window's context tokens the last that starts at or before the answer (as in run_qa), and the last that starts
    before its end, after characters that belong to no token were left off the answer's ends.
    """
    found = answer_tokens(encoded.contexts, encoded.context_of, encoded.answer_starts, encoded.answer_ends)
    first, last, answer_start, answer_end = (column[windows.example] for column in found)
    begin, stop = windows.begin, windows.begin + windows.length - 1
    base = encoded.contexts.ids.bounds[encoded.context_of[windows.example]]
    inside = (answer_start < answer_end) & (windows.length > 0)
    starts, ends = encoded.contexts.offset_starts.values, encoded.contexts.offset_ends.values
    rows = np.flatnonzero(inside)
    inside[rows] = starts[(base + begin)[rows]] <= answer_start[rows]
    inside[rows] &= ends[(base + stop)[rows]] >= answer_end[rows]
    shift = context_start - begin
    first, last = np.clip(first, begin, stop), np.clip(last, begin, stop)
    return np.where(inside, first + shift, null), np.where(inside, last + shift, null)


def answer_tokens(
    contexts: EncodedTexts, context_of: Array, answer_starts: Array, answer_ends: Array
) -> tuple[Array, Array, Array, Array]:
    """(E,) first and last token of each answer, counted in its context, and the characters from its first to its last
    one that belongs to a token. Where no character does, and for unanswerable questions (-1 to -1), these characters
    are none (start >= end) and the tokens have no meaning.

    Offsets rise within a context, so a binary search finds a token. One search serves all contexts if the characters of
    context number n are counted from n x `characters_per_context` on, which is more than any context has:

        contexts "a bc" and "d e", 10 characters each     starts 0 2 | 10 12      ends 1 4 | 11 13
        the answer "e", characters 2 to 3 of the second   12 to 13 -> the fourth token of all, number 1 in its context
    """
    highest = int(contexts.offset_ends.values.max(initial=0))
    characters_per_context = max(highest, int(answer_ends.max(initial=0))) + 2
    shift_of_token = np.repeat(np.arange(len(contexts.ids)), contexts.ids.lengths) * characters_per_context
    shift = context_of * characters_per_context
    never = len(contexts.ids) * characters_per_context  # starts and ends of a token behind all others
    starts = np.append(contexts.offset_starts.values + shift_of_token, never)
    ends = np.append(contexts.offset_ends.values + shift_of_token, never)
    start, end = answer_starts + shift, answer_ends + shift
    before = np.searchsorted(starts, start, side="right") - 1  # the last that starts at or before the answer
    covers = (before >= contexts.ids.bounds[context_of]) & (ends[before] > start)
    start = np.where(covers, start, starts[before + 1])
    first = np.searchsorted(starts, start, side="right") - 1
    last = np.searchsorted(starts, end, side="left") - 1  # the last that starts before the answer's end
    end = np.minimum(end, ends[last])
    base = contexts.ids.bounds[context_of]
    return first - base, last - base, start - shift, end - shift


def _max_context(windows: _Windows, bounds: Array) -> Array:
    """(sum of C,) whether no other window of the example shows the token with more context around it.

    The context around a token is the smaller of its distances to the window's ends; of equal windows the earlier wins.

        tokens    a b c d e f g h        a token of   window 0   window 1
        window 0  a b c d e . . .        d            1          1   -> 0, the earlier
        window 1  . . c d e f g h        e            0          2   -> 1
    """
    best = np.ones(bounds[-1], dtype=bool)
    rows = np.flatnonzero(windows.count[windows.example] > 1)  # the other windows have no rival
    lengths = windows.length[rows]
    token = ranges(windows.begin[rows], lengths)  # position in the context of every token of these rows
    row = np.repeat(rows, lengths)
    own = _context_around(windows, row, token)
    winner = np.ones(len(token), dtype=bool)
    for distance in range(1, int(windows.count.max(initial=1))):
        of_earlier = _context_in_neighbour(windows, row, token, -distance)
        of_later = _context_in_neighbour(windows, row, token, distance)
        if max(of_earlier.max(initial=-1), of_later.max(initial=-1)) < 0:
            break  # windows this far apart share no token
        winner &= (of_earlier < own) & (of_later <= own)
    best[ranges(bounds[:-1][rows], lengths)] = winner
    return best


def _context_in_neighbour(windows: _Windows, row: Array, token: Array, distance: int) -> Array:
    """`_context_around` the token in the window `distance` further on in the same example; negative where there is no
    such window, or it does not show the token."""
    number = windows.number[row] + distance
    exists = (number >= 0) & (number < windows.count[windows.example[row]])
    neighbour = np.where(exists, row + distance, row)
    return np.where(exists, _context_around(windows, neighbour, token), -1)


def _context_around(windows: _Windows, row: Array, token: Array) -> Array:
    """Tokens to the nearer end of window `row` from the context's token `token`; negative when it lies outside."""
    left = token - windows.begin[row]
    around: Array = np.minimum(left, windows.length[row] - 1 - left)
    return around

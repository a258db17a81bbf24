"""Rows of a split -> tokenized examples -> features, and the check that this equals the tokenizer's own way.

Legend: E examples.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spanline.common.errors import SpanlineError
from spanline.dataset.records import WHITESPACE
from spanline.dataset.splits import from_rows
from spanline.dataset.splits import to_table as to_rows
from spanline.featurize.params import FeaturizeParams
from spanline.featurize.reference import cut_by_tokenizer
from spanline.featurize.tokenizer import PairTokenizer
from spanline.featurize.windows import MOST_WINDOWS, Encoded, cut, num_windows
from spanline.storage.features import Features, example_bounds, to_table
from spanline.storage.ragged import Array, Ragged, bounds_of, ranges

CHECK_FIRST, CHECK_EVERY = 16, 1000  # examples that are also cut by the tokenizer itself
CHECKED_CHARACTERS = 10_000  # of a context; a longer one is cut short for the check, which takes as long as 200 others


class PairsAreNotConcatenatedError(Exception):
    """The tokenizer encodes a pair otherwise than as its parts put together, so that the fast way would be wrong."""


def encode(questions: pa.Table, tokenizer: PairTokenizer, params: FeaturizeParams) -> tuple[Encoded, int]:
    """Rows of splits.SCHEMA, each column one chunk, tokenized: each distinct context once. Also the number of
    questions that were cut."""
    columns = {name: questions.column(name).combine_chunks() for name in ("id", "question", "context", "answers")}
    contexts = columns["context"].dictionary_encode()
    tokens = tokenizer.questions(columns["question"])
    num_cut = _refuse_or_count_long(columns["id"], tokens, params)
    answer_starts, answer_ends = _first_answers(columns["answers"])
    encoded = Encoded(
        ids=columns["id"],
        questions=_keep_first(tokens, params.max_question_length),
        contexts=tokenizer.contexts(contexts.dictionary),
        context_of=contexts.indices.to_numpy().astype(np.int64),
        answer_starts=answer_starts,
        answer_ends=answer_ends,
    )
    return encoded, num_cut


def _first_answers(answers: pa.StructArray) -> tuple[Array, Array]:
    """(E,) characters where each question's first gold answer, the one that training uses, starts and ends, whitespace
    at its ends left out; -1 and -1 for an unanswerable question."""
    starts, ends = gold_answers(answers)
    has = starts.lengths > 0
    answer_starts = np.full(len(answers), -1, np.int64)
    answer_ends = answer_starts.copy()
    first = starts.bounds[:-1][has]
    answer_starts[has], answer_ends[has] = starts.values[first], ends.values[first]
    return answer_starts, answer_ends


def gold_answers(answers: pa.StructArray) -> tuple[Ragged, Ragged]:
    """(E rows) the characters where all gold answers start and end (exclusive), whitespace at their ends left out."""
    texts, starts = answers.flatten()
    starts, texts = (Ragged.from_arrow(pa.chunked_array([starts])), texts.flatten())
    bare = pc.utf8_ltrim(texts, characters=WHITESPACE)
    lost = _lengths(texts) - _lengths(bare)
    first = starts.values + lost
    length = _lengths(pc.utf8_rtrim(bare, characters=WHITESPACE))
    return Ragged(first, starts.bounds), Ragged(first + length, starts.bounds)


def _lengths(texts: pa.StringArray) -> Array:
    lengths: Array = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _refuse_or_count_long(ids: pa.StringArray, questions: Ragged, params: FeaturizeParams) -> int:
    long = np.flatnonzero(questions.lengths > params.max_question_length)
    if len(long) and params.long_questions == "refuse":
        first, length = ids[int(long[0])].as_py(), questions.lengths[long[0]]
        what = f"has {length} tokens, more than featurize.max_question_length {params.max_question_length}"
        raise SpanlineError(f"question {first}", what, "raise that number or set featurize.long_questions: cut")
    return len(long)


def _keep_first(rows: Ragged, limit: int) -> Ragged:
    lengths = np.minimum(rows.lengths, limit)
    return Ragged(rows.values[ranges(rows.bounds[:-1], lengths)], bounds_of(lengths))


def cut_group(
    questions: pa.Table, encoded: Encoded, tokenizer: PairTokenizer, params: FeaturizeParams, slow: bool
) -> Features:
    """The features of rows of splits.SCHEMA, `encoded` by `encode`. `slow`: the tokenizer itself cuts each pair.
    SpanlineError for a question with more windows than features can number."""
    counts = num_windows(encoded, tokenizer.template, params.max_length, params.doc_stride)
    many = np.flatnonzero(counts > MOST_WINDOWS)
    if len(many):
        what = f"has a context of {counts[many[0]]:,} windows, more than {MOST_WINDOWS:,}, the most that are numbered"
        todo = "raise featurize.max_length, lower featurize.doc_stride, or part the context"
        raise SpanlineError(f"question {encoded.ids[int(many[0])].as_py()}", what, todo)
    if slow:
        return _cut_by_tokenizer(questions, tokenizer, params)
    return cut(encoded, tokenizer.template, params.max_length, params.doc_stride)


def _cut_by_tokenizer(questions: pa.Table, tokenizer: PairTokenizer, params: FeaturizeParams) -> Features:
    given, p = list(from_rows(questions)), params
    return cut_by_tokenizer(given, tokenizer, p.max_length, p.doc_stride, p.max_question_length)


def check_cut(
    questions: pa.Table, features: Features, tokenizer: PairTokenizer, params: FeaturizeParams, first: int
) -> None:
    """Compare the first CHECK_FIRST examples of all and then each CHECK_EVERY-th with what the tokenizer itself makes
    of them; PairsAreNotConcatenatedError if they differ. Examples with a truncated question are skipped: tokenizers
    cannot truncate a question this way. Of a long context the first CHECKED_CHARACTERS are cut both ways.

    `first` is the group's place in the split: which examples are looked at does not depend on the grouping.
    """
    bounds = example_bounds(features)
    number = first + np.arange(len(questions))
    for row in np.flatnonzero((number < CHECK_FIRST) | (number % CHECK_EVERY == 0)).tolist():
        one = questions.slice(row, 1)
        if tokenizer.question_length(one.column("question")[0].as_py()) <= params.max_question_length:
            fast = features.take(np.arange(bounds[row], bounds[row + 1]))
            if len(one.column("context")[0].as_py()) > CHECKED_CHARACTERS:
                one = _cut_short(one)
                fast = cut_group(one, encode(one, tokenizer, params)[0], tokenizer, params, slow=False)
            if not _comparable(fast).equals(_comparable(_cut_by_tokenizer(one, tokenizer, params))):
                raise PairsAreNotConcatenatedError(one.column("id")[0].as_py())


def _cut_short(questions: pa.Table) -> pa.Table:
    """With the first CHECKED_CHARACTERS of each context, and without answers."""
    return to_rows([replace(one, context=one.context[:CHECKED_CHARACTERS], answers=()) for one in from_rows(questions)])


def _comparable(features: Features) -> pa.Table:
    """The columns compared. Start offsets and labels are left out: byte-level tokenizers include a leading space in the
    first token's offsets, but only in windows after the first."""
    return to_table(features, 1 << 32).drop_columns(["offset_starts", "start_position", "end_position"])

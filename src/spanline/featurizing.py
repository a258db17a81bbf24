"""The featurize stage's work: a split in, feature shards out, a row group at a time, with counts of everything odd."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from spanline import examples, workers
from spanline import features as features_module
from spanline.console import Progress
from spanline.errors import SpanlineError
from spanline.features import Features, example_bounds, to_table
from spanline.params import Section
from spanline.ragged import Ragged, bounds_of, ranges
from spanline.shards import ShardWriter
from spanline.slow_windows import cut_by_tokenizer
from spanline.tokenizer import PairTokenizer
from spanline.windows import Encoded, cut

CHECK_FIRST, CHECK_EVERY = 16, 1000  # examples that are also cut by the tokenizer itself
Array = np.ndarray[Any, Any]


class FeaturizeParams(Section):
    """Section `featurize` of params.yaml."""

    max_length: Annotated[int, Field(ge=8, le=65535)]  # tokens of a feature, everything included
    doc_stride: Annotated[int, Field(ge=0)]  # context tokens that neighbouring features share
    max_question_length: Annotated[int, Field(ge=1)]  # tokens
    long_questions: Literal["cut", "refuse"]
    rows_per_shard: Annotated[int, Field(ge=1)]  # features


def check_room(params: FeaturizeParams, tokenizer: PairTokenizer, config: Path) -> None:
    """Refuse, before any work, lengths that leave no room for context or that the model has no positions for."""
    room = params.max_length - tokenizer.template.num_special - params.max_question_length
    if params.doc_stride >= room:
        question = f"a question of {params.max_question_length} tokens"
        what = f"featurize.doc_stride is {params.doc_stride}, but beside {question}"
        todo = f"choose less than {max(room, 0)}" if room > 0 else "raise max_length or lower max_question_length"
        raise SpanlineError("params.yaml", f"{what} a feature has room for {max(room, 0)} context tokens", todo)
    positions = model_positions(config)
    if positions is not None and params.max_length > positions:
        what = f"featurize.max_length is {params.max_length}, but the model of {config} has {positions} positions"
        raise SpanlineError("params.yaml", what, f"choose {positions} or less")


def model_positions(config: Path) -> int | None:
    """Tokens that the model of a config.json can take; None where positions are relative and set no limit."""
    try:
        content = json.loads(config.read_bytes())
    except ValueError as error:
        raise SpanlineError(config, f"not JSON: {error}", "make the checkpoint anew: dvc repro checkpoint") from None
    positions = content.get("max_position_embeddings")
    if positions is None or content.get("position_biased_input") is False:
        return None
    offset = (content.get("pad_token_id") or 0) + 1 if content.get("model_type") in _POSITIONS_AFTER_PADDING else 0
    return int(positions) - offset


# These count positions from the padding id + 1, so that many of their position embeddings are never used for text.
_POSITIONS_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "mpnet",
    "longformer",
    "esm",
    "mra",
}


class PairsAreNotConcatenatedError(Exception):
    """The tokenizer encodes a pair otherwise than as its parts put together, so that the fast way would be wrong."""


@dataclass(frozen=True)
class Job:
    """What a worker must know; `slow` lets the tokenizer itself cut each pair."""

    squad: Path
    tokenizer: Path
    params: FeaturizeParams
    slow: bool = False


@dataclass(frozen=True)
class Group:
    """What became of one row group of the split."""

    rows: pa.Table  # features
    counts: Counter[str]
    lost: list[str]  # ids of answers in no feature


def featurize(job: Job, writer: ShardWriter, progress: Progress, processes: int) -> dict[str, Any]:
    """Write the features of all examples to `writer`; return the counts for the manifest.

    Without `job.slow`, every CHECK_EVERY-th example is cut both ways, and PairsAreNotConcatenatedError is raised where
    they differ: the caller then begins again with `slow`.
    """
    counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
    lost: list[str] = []
    sizes = examples.group_sizes(job.squad)
    for group in workers.in_order(partial(Featurizer, job), range(len(sizes)), processes):
        writer.write(group.rows)
        counts += group.counts
        lost += group.lost
        progress.add(group.counts["questions"])
    if not counts["questions"]:
        writer.write(features_module.empty_table(PairTokenizer(job.tokenizer).vocab_size))
    counts["answers_in_no_feature"] = len(lost)
    return {**{name: counts[name] for name in _COUNTS}, "answers_in_no_feature_ids": lost}


class Featurizer:
    """Cuts the row groups of a split, one at a time; each worker has one."""

    def __init__(self, job: Job) -> None:
        self._job, self._tokenizer = job, PairTokenizer(job.tokenizer)
        self._firsts = bounds_of(np.array(examples.group_sizes(job.squad), np.int64))

    def __call__(self, index: int) -> Group:
        questions = examples.read_group(self._job.squad, index)
        encoded, num_cut = encode(questions, self._tokenizer, self._job.params)
        features = cut_group(questions, encoded, self._tokenizer, self._job.params, self._job.slow)
        if not self._job.slow:
            check_cut(questions, features, self._tokenizer, self._job.params, first=int(self._firsts[index]))
        counts, lost = _count(encoded, features)
        rows = to_table(features, self._tokenizer.vocab_size)
        return Group(rows, counts + Counter(questions_cut=num_cut), lost)


def cut_group(
    questions: pa.Table, encoded: Encoded, tokenizer: PairTokenizer, params: FeaturizeParams, slow: bool
) -> Features:
    """The features of rows of examples.SCHEMA, `encoded` by `encode`. `slow`: the tokenizer itself cuts each pair."""
    if slow:
        return _cut_by_tokenizer(questions, tokenizer, params)
    return cut(encoded, tokenizer.template, params.max_length, params.doc_stride)


def _cut_by_tokenizer(questions: pa.Table, tokenizer: PairTokenizer, params: FeaturizeParams) -> Features:
    given, p = list(examples.from_rows(questions)), params
    return cut_by_tokenizer(given, tokenizer, p.max_length, p.doc_stride, p.max_question_length)


def check_cut(
    questions: pa.Table, features: Features, tokenizer: PairTokenizer, params: FeaturizeParams, first: int
) -> None:
    """Compare the first CHECK_FIRST examples of all and then each CHECK_EVERY-th with the tokenizer's own, but for
    those whose question is cut, which no tokenizer does by itself; PairsAreNotConcatenatedError if they differ.

    `first` is the group's place in the split: which examples are looked at does not depend on the grouping.
    """
    bounds = example_bounds(features)
    number = first + np.arange(len(questions))
    for row in np.flatnonzero((number < CHECK_FIRST) | (number % CHECK_EVERY == 0)).tolist():
        one = questions.slice(row, 1)
        if tokenizer.question_length(one.column("question")[0].as_py()) <= params.max_question_length:
            fast = features.take(np.arange(bounds[row], bounds[row + 1]))
            if not _comparable(fast).equals(_comparable(_cut_by_tokenizer(one, tokenizer, params))):
                raise PairsAreNotConcatenatedError(one.column("id")[0].as_py())


def _comparable(features: Features) -> pa.Table:
    """All but what may rightly differ: where a byte-level tokenizer counts the blank before a word to the word, it does
    so for the first token of a later window only, and the label goes by these offsets."""
    return to_table(features, 1 << 32).drop_columns(["offset_starts", "start_position", "end_position"])


_COUNTS = (
    "questions",
    "features",
    "tokens",
    "questions_with_several_features",
    "questions_cut",
    "answerable",
    "features_with_answer",
    "answers_in_no_feature",
    "answers_widened",
)


def encode(questions: pa.Table, tokenizer: PairTokenizer, params: FeaturizeParams) -> tuple[Encoded, int]:
    """Rows of examples.SCHEMA, each column one chunk, tokenized: each distinct context once. Also the number of
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
    """(E,) characters where each question's first gold answer, the one that training uses, starts and ends; -1 and -1
    for an unanswerable question."""
    texts, starts = answers.flatten()
    has = pc.list_value_length(texts).to_numpy(zero_copy_only=False) > 0
    of_texts, of_starts = (part.offsets.to_numpy()[:-1][has] for part in (texts, starts))
    first = starts.values.take(pa.array(of_starts)).to_numpy().astype(np.int64)
    length = pc.utf8_length(texts.values.take(pa.array(of_texts))).to_numpy(zero_copy_only=False)
    answer_starts = np.full(len(answers), -1, np.int64)
    answer_ends = answer_starts.copy()
    answer_starts[has], answer_ends[has] = first, first + length
    return answer_starts, answer_ends


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


def _count(encoded: Encoded, features: Features) -> tuple[Counter[str], list[str]]:
    """The counts, and the ids of answerable questions whose answer stands wholly inside no feature: train learns
    "no answer" from them."""
    is_answerable = encoded.answer_starts >= 0
    is_labelled = features.start_position != features.null_position
    example_of = np.cumsum(features.window == 0) - 1
    is_found = np.zeros(len(is_answerable), dtype=bool)
    is_found[example_of[is_labelled]] = True
    counts = Counter(
        questions=len(is_answerable),
        features=len(features),
        tokens=int(features.lengths.sum()),
        questions_with_several_features=int((features.window == 1).sum()),
        answerable=int(is_answerable.sum()),
        features_with_answer=int(is_labelled.sum()),
        answers_widened=_num_widened(encoded, features, np.flatnonzero(is_labelled), example_of),
    )
    return counts, encoded.ids.filter(pa.array(is_answerable & ~is_found)).to_pylist()


def _num_widened(encoded: Encoded, features: Features, labelled: Array, example_of: Array) -> int:
    """Answers whose label covers more than the gold text, because a gold end falls inside a token ("Japan" in
    "Japanese")."""
    rows = labelled[np.unique(example_of[labelled], return_index=True)[1]]  # the first labelled feature of each example
    first, last = (
        values.values[values.bounds[rows] + position[rows].astype(np.int64) - features.context_start[rows]]
        for values, position in (
            (features.offset_starts, features.start_position),
            (features.offset_ends, features.end_position),
        )
    )
    examples_of_rows = example_of[rows]
    is_wider = (first != encoded.answer_starts[examples_of_rows]) | (last != encoded.answer_ends[examples_of_rows])
    return int(is_wider.sum())


def summary(counts: dict[str, Any]) -> str:
    """The stage's last line: what became of every question."""
    n = counts
    tokens = n["tokens"] / max(n["features"], 1)
    return (
        f"{n['questions']:,} questions -> {n['features']:,} features of {tokens:.1f} tokens on average "
        f"({n['questions_with_several_features']:,} questions have several); {n['questions_cut']:,} questions cut; "
        f"of {n['answerable']:,} answers {n['answers_widened']:,} widened to whole tokens, "
        f"{n['answers_in_no_feature']:,} wholly inside no feature"
    )

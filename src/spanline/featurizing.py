"""The featurize stage's work: examples in, feature shards out, streamed in groups, with counts of everything odd."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from spanline import features as features_module
from spanline.console import Progress
from spanline.errors import SpanlineError
from spanline.features import Features, example_bounds, to_table
from spanline.params import Section
from spanline.ragged import Ragged, bounds_of, ranges
from spanline.shards import ShardWriter
from spanline.slow_windows import cut_by_tokenizer
from spanline.squad import Example
from spanline.tokenizer import PairTokenizer
from spanline.windows import Encoded, cut

CHECK_FIRST, CHECK_EVERY = 16, 1000  # examples that are also cut by the tokenizer itself
GROUP = 4096  # questions tokenized and cut at a time: bounds memory; the bytes do not depend on it


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


def featurize(
    examples: Iterable[Example],
    tokenizer: PairTokenizer,
    params: FeaturizeParams,
    writer: ShardWriter,
    progress: Progress,
    slow: bool,
) -> dict[str, Any]:
    """Write the features of all examples to `writer`; return the counts for the manifest.

    `slow`: let the tokenizer itself cut each pair. Without it, every CHECK_EVERY-th example is cut both ways, and
    PairsAreNotConcatenatedError is raised where they differ: the caller then begins again with `slow`.
    """
    counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
    lost: list[str] = []
    for group in _groups(examples, GROUP):
        encoded, num_cut = encode(group, tokenizer, params)
        features = cut_group(group, encoded, tokenizer, params, slow)
        if not slow:
            check_cut(group, features, tokenizer, params, first=counts["questions"])
        writer.write(to_table(features, tokenizer.vocab_size))
        counts["questions_cut"] += num_cut
        counts += _count(group, features)
        lost += _lost_answers(group, features)
        progress.add(len(group))
    if not counts["questions"]:
        writer.write(features_module.empty_table(tokenizer.vocab_size))
    counts["answers_in_no_feature"] = len(lost)
    return {**{name: counts[name] for name in _COUNTS}, "answers_in_no_feature_ids": lost}


def cut_group(
    group: list[Example], encoded: Encoded, tokenizer: PairTokenizer, params: FeaturizeParams, slow: bool
) -> Features:
    """The features of a group of examples, `encoded` by `encode`. `slow`: let the tokenizer itself cut each pair."""
    if slow:
        return _cut_by_tokenizer(group, tokenizer, params)
    return cut(encoded, tokenizer.template, params.max_length, params.doc_stride)


def _cut_by_tokenizer(examples: list[Example], tokenizer: PairTokenizer, params: FeaturizeParams) -> Features:
    return cut_by_tokenizer(examples, tokenizer, params.max_length, params.doc_stride, params.max_question_length)


def check_cut(
    group: list[Example], features: Features, tokenizer: PairTokenizer, params: FeaturizeParams, first: int
) -> None:
    """Compare the first CHECK_FIRST examples of all, and from then on each CHECK_EVERY-th, with the tokenizer's own,
    but for those whose question is cut, which no tokenizer does by itself; PairsAreNotConcatenatedError if they differ.

    `first` is the group's place in the stream: which examples are looked at does not depend on the grouping.
    """
    bounds = example_bounds(features)
    for index, example in enumerate(group):
        looked_at = first + index < CHECK_FIRST or (first + index) % CHECK_EVERY == 0
        if looked_at and tokenizer.question_length(example.question) <= params.max_question_length:
            fast = features.take(np.arange(bounds[index], bounds[index + 1]))
            slow = _cut_by_tokenizer([example], tokenizer, params)
            if not _comparable(fast).equals(_comparable(slow)):
                raise PairsAreNotConcatenatedError(example.id)


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


def _groups(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    iterator = iter(examples)
    while group := list(islice(iterator, size)):
        yield group


def encode(group: list[Example], tokenizer: PairTokenizer, params: FeaturizeParams) -> tuple[Encoded, int]:
    """Tokenize each distinct question-free context once; also the number of questions that were cut."""
    rows: dict[str, int] = {}
    context_of = np.array([rows.setdefault(example.context, len(rows)) for example in group], np.int64)
    questions = tokenizer.questions([example.question for example in group])
    num_cut = _refuse_or_count_long(group, questions, params)
    spans = [(a.start, a.start + len(a.text)) for a in (_first_answer(example) for example in group)]
    starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    encoded = Encoded(
        ids=[example.id for example in group],
        questions=_keep_first(questions, params.max_question_length),
        contexts=tokenizer.contexts(list(rows)),
        context_of=context_of,
        answer_starts=starts,
        answer_ends=ends,
    )
    return encoded, num_cut


class _NoAnswer:
    start, text = -1, ""


def _first_answer(example: Example) -> Any:
    """Training uses the first gold answer; an unanswerable question gets the span (-1, -1)."""
    return example.answers[0] if example.answers else _NoAnswer


def _refuse_or_count_long(group: list[Example], questions: Ragged, params: FeaturizeParams) -> int:
    long = np.flatnonzero(questions.lengths > params.max_question_length)
    if len(long) and params.long_questions == "refuse":
        first, length = group[long[0]].id, questions.lengths[long[0]]
        what = f"has {length} tokens, more than featurize.max_question_length {params.max_question_length}"
        raise SpanlineError(f"question {first}", what, "raise that number or set featurize.long_questions: cut")
    return len(long)


def _keep_first(rows: Ragged, limit: int) -> Ragged:
    lengths = np.minimum(rows.lengths, limit)
    return Ragged(rows.values[ranges(rows.bounds[:-1], lengths)], bounds_of(lengths))


def _count(group: list[Example], features: Features) -> Counter[str]:
    labelled = _labelled(features)
    return Counter(
        questions=len(group),
        features=len(features),
        tokens=int(features.lengths.sum()),
        questions_with_several_features=int((features.window == 1).sum()),
        answerable=sum(example.is_answerable for example in group),
        features_with_answer=int(labelled.sum()),
        answers_widened=_num_widened(group, features, labelled),
    )


def _labelled(features: Features) -> Any:
    """(N,) whether the feature's label is a span."""
    return features.start_position != features.null_position


def _num_widened(group: list[Example], features: Features, labelled: Any) -> int:
    """Answers whose label covers more than the gold text, because a gold end falls inside a token ("Japan" in
    "Japanese")."""
    example_of = np.cumsum(features.window == 0) - 1
    rows = np.flatnonzero(labelled)
    rows = rows[np.unique(example_of[rows], return_index=True)[1]]  # the first labelled feature of each example
    first, last = (
        values.values[values.bounds[rows] + position[rows].astype(np.int64) - features.context_start[rows]]
        for values, position in (
            (features.offset_starts, features.start_position),
            (features.offset_ends, features.end_position),
        )
    )
    golds = (group[index].answers[0] for index in example_of[rows])
    return sum(
        start != gold.start or end != gold.start + len(gold.text)
        for start, end, gold in zip(first.tolist(), last.tolist(), golds, strict=True)
    )


def _lost_answers(group: list[Example], features: Features) -> list[str]:
    """Ids of answerable questions whose answer stands wholly inside no feature: train learns "no answer" from them."""
    example_of = np.cumsum(features.window == 0) - 1
    found = np.zeros(len(group), dtype=bool)
    found[example_of[_labelled(features)]] = True
    return [example.id for example, ok in zip(group, found, strict=True) if example.answers and not ok]


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

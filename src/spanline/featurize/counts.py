"""What became of every question of a split: the counts of the manifest, and the stage's last line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from spanline.featurize.encoding import gold_answers
from spanline.featurize.windows import Encoded, answer_tokens
from spanline.storage.features import Features
from spanline.storage.ragged import Array, Ragged

COUNTS = (
    "questions",
    "features",
    "tokens",
    "questions_with_several_features",
    "questions_cut",
    "answerable",
    "features_with_answer",
    "answers_in_no_feature",
    "answers_widened",
    "answers_narrowed",
    "characters_in_no_token",
)

_NONE = np.iinfo(np.int64).max  # tokens of an answer that has none: never the least number


def count(encoded: Encoded, features: Features) -> tuple[Counter[str], list[str]]:
    """The counts, and the ids of answerable questions whose answer is wholly inside no feature: train learns
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
        characters_in_no_token=int(encoded.contexts.num_uncovered[encoded.context_of].sum()),
    )
    counts += _label_counts(encoded, features, np.flatnonzero(is_labelled), example_of)
    return counts, encoded.ids.filter(pa.array(is_answerable & ~is_found)).to_pylist()


def _label_counts(encoded: Encoded, features: Features, labelled: Array, example_of: Array) -> Counter[str]:
    """Answers whose label covers more than the gold text, because a gold end falls inside a token ("Japan" in
    "Japanese"); and those whose label covers less, because the gold text has a character at its end that belongs to no
    token. `labelled`: the rows of features with a label; `example_of`: the example of each feature."""
    rows = labelled[np.unique(example_of[labelled], return_index=True)[1]]  # the first labelled feature of each example
    start_char = _at_token(features.offset_starts, rows, features.start_position[rows], features)
    end_char = _at_token(features.offset_ends, rows, features.end_position[rows], features)
    gold_start, gold_end = encoded.answer_starts[example_of[rows]], encoded.answer_ends[example_of[rows]]
    return Counter(
        answers_widened=int(((start_char < gold_start) | (end_char > gold_end)).sum()),
        answers_narrowed=int(((start_char > gold_start) | (end_char < gold_end)).sum()),
    )


def _at_token(offsets: Ragged, rows: Array, position: Array, features: Features) -> Array:
    """The offsets of the tokens at `position` (counted in the feature) of the features `rows`."""
    context_token = position.astype(np.int64) - features.context_start[rows]
    found: Array = offsets.values[offsets.bounds[rows] + context_token]
    return found


def answer_lengths(answers: pa.StructArray, encoded: Encoded) -> Counter[int]:
    """How many answerable questions have a shortest gold answer of so many tokens; 0: no gold answer has any token.

    Whoever knows answer_search.max_answer_length sees here how many questions can never be answered in full.
    """
    starts, ends = gold_answers(answers)
    context_of = np.repeat(encoded.context_of, starts.lengths)
    first, last, begin, end = answer_tokens(encoded.contexts, context_of, starts.values, ends.values)
    tokens = np.where(begin < end, last - first + 1, _NONE)
    answerable = np.flatnonzero(starts.lengths)
    shortest = np.minimum.reduceat(tokens, starts.bounds[:-1][answerable]) if len(answerable) else tokens
    lengths, counts = np.unique(np.where(shortest == _NONE, 0, shortest), return_counts=True)
    return Counter(dict(zip(lengths.tolist(), counts.tolist(), strict=True)))


def longest(answers_by_tokens: Mapping[str, int], share: float) -> int:
    """The least number of tokens that so large a share of the answers does not exceed; 0 without answers."""
    wanted = share * sum(answers_by_tokens.values())
    reached = 0
    for tokens, count in sorted((int(tokens), count) for tokens, count in answers_by_tokens.items()):
        reached += count
        if reached >= wanted:
            return tokens
    return 0


def summary(counts: dict[str, Any]) -> str:
    """The stage's last line: what became of every question."""
    n = counts
    tokens = n["tokens"] / max(n["features"], 1)
    by_tokens = n["answers_by_tokens"]
    most, longest_of_all = longest(by_tokens, 0.99), longest(by_tokens, 1.0)
    line = (
        f"{n['questions']:,} questions -> {n['features']:,} features of {tokens:.1f} tokens on average "
        f"({n['questions_with_several_features']:,} questions have several); {n['questions_cut']:,} questions cut; "
        f"of {n['answerable']:,} answers {n['answers_widened']:,} widened to whole tokens, "
        f"{n['answers_in_no_feature']:,} wholly inside no feature; 99 % have up to {most} tokens, all {longest_of_all}"
    )
    if n["answers_narrowed"]:
        line += f"; {n['answers_narrowed']:,} end in characters that belong to no token"
    if n["characters_in_no_token"]:
        line += f"; {n['characters_in_no_token']:,} characters of contexts belong to no token"
    return line

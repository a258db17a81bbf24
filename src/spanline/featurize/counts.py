"""What became of every question of a split: the counts of the manifest, and the stage's last line."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from spanline.featurize.windows import Encoded
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

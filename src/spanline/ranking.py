"""Answers ranked by probability, as the question-answering pipeline ranked them that transformers had up to 5.2.

In each feature the start logits become probabilities by a softmax over the allowed positions (context tokens and the
null position), and the end logits likewise. A span's *probability* is P(start) x P(end), that of the null answer
P(start) x P(end) at the null position. The features of a long context are softmaxed each by itself.

The best spans of each feature are widened to whole words, and equal texts (whatever their case) become one answer with
the sum of their probabilities: "Mr. Smith" from two tokens on and from three on is one answer. Because windows overlap,
a sum can exceed 1. The evaluated answers (`spans.search`) do none of that: they go by logits and by the best window.

Legend: Q questions, N features, W words of a context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from spanline.features import Features, example_bounds
from spanline.logits import Logits
from spanline.ragged import Ragged, bounds_of, ranges
from spanline.spans import Candidates, Rules, best_candidates, question_null_scores
from spanline.tokenizer import Words

Array = np.ndarray[Any, Any]


@dataclass
class Answer:
    """An answer: `context[start:end] == text`, or the null answer, "" from 0 to 0."""

    score: float  # probability; of equal texts the sum
    start: int  # characters of the context
    end: int  # exclusive
    text: str


@dataclass(frozen=True)
class Ranked:
    """What the model says of one question."""

    answers: list[Answer]  # best first; without the null answer
    null_probability: float  # the least over the features of P(start) x P(end) at the null position
    score_diff: float  # null score - best span score, logits: as the evaluated answers have it


def rank(
    features: Features,
    logits: Logits,
    contexts: Sequence[str],
    words: Sequence[Words | None] | None,
    top_k: int,
    max_answer_length: int,
) -> list[Ranked]:
    """The answers of each question, in the features' order; at least the `top_k` best, if there are so many.

    `contexts` holds one text a question, `words` its words to widen spans to, None where it has none; None leaves all
    spans as they are. Every feature has context tokens. Candidates: the 2 x top_k + 10 best spans of a feature, for
    several may become one answer, or the `top_k` best when spans are left as they are: which are looked at shows in the
    sums.
    """
    depth = top_k if words is None else 2 * top_k + 10
    rows = np.arange(len(features))
    rules = Rules(depth, max_answer_length, max_context=False, top_n=None)
    found = best_candidates(features, logits, np.arange(len(features) + 1), rows, depth, rules)
    probability = _probabilities(features, logits, found)
    bounds = example_bounds(features)
    null_probability = np.minimum.reduceat(null_probabilities(features, logits), bounds[:-1]).tolist()
    null_score = question_null_scores(features, logits, bounds)
    best_score = np.maximum.reduceat(found.score[found.bounds[:-1]], bounds[:-1])
    score_diff = (null_score - best_score).tolist()
    shown = _shown(features)
    ranked = []
    for question, (first, last) in enumerate(pairwise(bounds.tolist())):
        starts, ends = _widened(found, range(first, last), shown, words[question] if words else None)
        low = found.bounds[first]
        part = probability[low : found.bounds[last]].tolist()
        answers = _merged(contexts[question], starts.tolist(), ends.tolist(), part)
        ranked.append(Ranked(answers, null_probability[question], score_diff[question]))
    return ranked


def log_normalizers(features: Features, column: Ragged) -> Array:
    """(N,) float64: the logarithm of the sum of exp(logit) over each feature's allowed positions."""
    lengths = features.context_lengths
    at = ranges(column.bounds[:-1] + features.context_start, lengths)
    context = column.values[at].astype(np.float64)
    null = column.values[column.bounds[:-1] + features.null_position].astype(np.float64)
    begins = bounds_of(lengths)[:-1]
    highest = np.maximum(np.maximum.reduceat(context, begins), null)
    total = np.add.reduceat(np.exp(context - np.repeat(highest, lengths)), begins) + np.exp(null - highest)
    normalizers: Array = highest + np.log(total)
    return normalizers


def null_probabilities(features: Features, logits: Logits) -> Array:
    """(N,) float64: P(start) x P(end) at each feature's null position."""
    at = logits.start.bounds[:-1] + features.null_position
    scores = logits.start.values[at].astype(np.float64) + logits.end.values[at]
    probabilities: Array = np.exp(scores - _pair_normalizers(features, logits))
    return probabilities


def _probabilities(features: Features, logits: Logits, found: Candidates) -> Array:
    """(K,) float64: P(start) x P(end) of the candidates, a row of them a feature."""
    normalizer = np.repeat(_pair_normalizers(features, logits), np.diff(found.bounds))
    probabilities: Array = np.exp(found.score - normalizer)
    return probabilities


def _pair_normalizers(features: Features, logits: Logits) -> Array:
    normalizers: Array = log_normalizers(features, logits.start) + log_normalizers(features, logits.end)
    return normalizers


def _shown(features: Features) -> tuple[Array, Array]:
    """(N,) the characters of the context that each feature shows: from, to."""
    bounds = features.offset_starts.bounds
    return features.offset_starts.values[bounds[:-1]], features.offset_ends.values[bounds[1:] - 1]


def _widened(found: Candidates, rows: range, shown: tuple[Array, Array], words: Words | None) -> tuple[Array, Array]:
    """First and last characters of the candidates of the features `rows`, widened to the words that they touch.

    A word that the feature's edge cuts through counts as far as the feature shows it.
    """
    part = slice(found.bounds[rows.start], found.bounds[rows.stop])
    starts, ends = found.start_char[part], found.end_char[part]
    if words is None:
        return starts, ends
    counts = np.diff(found.bounds[rows.start : rows.stop + 1])
    first_shown, last_shown = (np.repeat(edge[rows.start : rows.stop], counts) for edge in shown)
    first_word = np.searchsorted(words.starts, starts, side="right") - 1
    last_word = np.searchsorted(words.starts, np.maximum(ends - 1, starts), side="right") - 1
    return np.maximum(words.starts[first_word], first_shown), np.minimum(words.ends[last_word], last_shown)


def _merged(context: str, starts: list[int], ends: list[int], probabilities: list[float]) -> list[Answer]:
    """The candidates as answers, best first; equal texts become one, which stands where the first of them stood."""
    answers: dict[str, Answer] = {}
    for start, end, probability in zip(starts, ends, probabilities, strict=True):
        text = context[start:end].rstrip()
        start, text = start + len(text) - len(text.lstrip()), text.lstrip()
        known = answers.get(text.lower())
        if known:
            known.score += probability
        elif text:
            answers[text.lower()] = Answer(probability, start, start + len(text), text)
    return sorted(answers.values(), key=lambda answer: -answer.score)

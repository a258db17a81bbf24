"""Answers ranked by probability, as the question-answering pipeline ranked them that transformers had up to 5.2.

In each feature the start logits become probabilities by a softmax over the allowed positions (context tokens and the
null position), and the end logits likewise. A span's *probability* is P(start) x P(end), that of the null answer
P(start) x P(end) at the null position. The features of a long context are softmaxed each by itself.

The best spans of each feature are widened to whole words, and equal texts (whatever their case) become one answer with
the sum of their probabilities: "Mr. Smith" from two tokens on and from three on is one answer. Because windows overlap,
a sum can exceed 1. The evaluated answers (`search`) do none of that: they go by logits and by the best window.

Legend: Q questions, N features, W words of a context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spanline.featurize.tokenizer import Words
from spanline.search.candidates import Candidates, best_candidates, question_null_scores
from spanline.search.params import AnswerSearchParams
from spanline.storage.features import Features, example_bounds
from spanline.storage.logits import Logits
from spanline.storage.ragged import Array, Ragged, bounds_of, ranges


@dataclass
class RankedAnswer:
    """An answer: `context[start:end] == text`, or the null answer, "" from 0 to 0."""

    score: float  # probability; of equal texts the sum
    start: int  # characters of the context
    end: int  # exclusive
    text: str


@dataclass(frozen=True)
class Ranked:
    """What the model says of one question."""

    answers: list[RankedAnswer]  # best first; without the null answer
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

    `contexts` holds one text per question; `words` the words of each, to widen spans to, or None where a text has none.
    `words` None leaves all spans as they are. Every feature has context tokens.

    Candidates are the 2 x top_k + 10 best spans of a feature, because several candidates may merge into one answer;
    without widening, the `top_k` best suffice. The number of candidates affects the summed scores.
    """
    depth = top_k if words is None else 2 * top_k + 10
    params = AnswerSearchParams(max_answer_length=max_answer_length, max_context=False, top_n=None)
    each = np.arange(len(features) + 1)  # every feature is searched by itself
    candidates = best_candidates(features, logits, each, each[:-1], depth, params)
    numbers = _numbers(features, logits, candidates)
    probability = _probabilities(features, logits, candidates)
    shown = _shown(features)
    ranked = []
    for question, (first, last) in enumerate(pairwise(example_bounds(features).tolist())):
        starts, ends = _widened(candidates, range(first, last), shown, words[question] if words else None)
        part = probability[candidates.bounds[first] : candidates.bounds[last]].tolist()
        answers = _merged(contexts[question], starts.tolist(), ends.tolist(), part)
        ranked.append(Ranked(answers, *numbers[question]))
    return ranked


def _numbers(features: Features, logits: Logits, candidates: Candidates) -> list[tuple[float, float]]:
    """Null probability and score_diff of each question, as in `Ranked`."""
    bounds = example_bounds(features)
    null_probability = np.minimum.reduceat(null_probabilities(features, logits), bounds[:-1])
    best_score = np.maximum.reduceat(candidates.score[candidates.bounds[:-1]], bounds[:-1])
    score_diff = question_null_scores(features, logits, bounds) - best_score
    return list(zip(null_probability.tolist(), score_diff.tolist(), strict=True))


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
    """(K,) float64: P(start) x P(end) of the candidates, a row of them per feature."""
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
    starts, ends = found.start[part], found.end[part]
    if words is None:
        return starts, ends
    counts = np.diff(found.bounds[rows.start : rows.stop + 1])
    first_shown, last_shown = (np.repeat(edge[rows.start : rows.stop], counts) for edge in shown)
    first_word = np.searchsorted(words.starts, starts, side="right") - 1
    last_word = np.searchsorted(words.starts, np.maximum(ends - 1, starts), side="right") - 1
    return np.maximum(words.starts[first_word], first_shown), np.minimum(words.ends[last_word], last_shown)


def _merged(context: str, starts: list[int], ends: list[int], probabilities: list[float]) -> list[RankedAnswer]:
    """The candidates as answers, best first; equal texts become one, at the place of the first of them."""
    answers: dict[str, RankedAnswer] = {}
    for start, end, probability in zip(starts, ends, probabilities, strict=True):
        text = context[start:end].rstrip()
        start, text = start + len(text) - len(text.lstrip()), text.lstrip()
        known = answers.get(text.lower())
        if known:
            known.score += probability
        elif text:
            answers[text.lower()] = RankedAnswer(probability, start, start + len(text), text)
    return sorted(answers.values(), key=lambda answer: -answer.score)

"""Answers by probability equal what the definitions in `steps` give, matrix by matrix, window by window.

The reference sums, widens and sorts in plain loops over the full score matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.ask.ranking import Ranked, rank
from spanline.featurize.tokenizer import Words
from spanline.featurize.windows import cut
from spanline.search.nbest import search
from spanline.search.params import AnswerSearchParams
from spanline.storage.features import Features, example_bounds
from spanline.storage.logits import Logits
from spanline.walkthrough import steps
from tests.make.project import encoded, random_logits, template

SYLLABLES = ["ba", "BA", "no", "x", "Ho"]


@dataclass(frozen=True)
class Case:
    contexts: list[str]
    words: list[Words]
    features: Features
    logits: Logits
    top_k: int
    max_answer_length: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Contexts of words of one to three tokens, with repeated texts, cut into windows that may cut words."""
    texts, all_words, all_offsets = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        text, offsets, bounds = "", [], []
        for syllables in draw(
            st.lists(st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=3), min_size=1, max_size=8)
        ):
            text += " " if text else ""
            bounds.append((len(text), len(text) + sum(map(len, syllables))))
            for syllable in syllables:
                offsets.append((len(text), len(text) + len(syllable)))
                text += syllable
        texts.append(text)
        all_offsets.append(offsets)
        starts, ends = np.array(bounds).T
        all_words.append(Words(starts, ends))
    rows = encoded([2] * len(texts), all_offsets)
    data = cut(rows, template(), max_length=draw(st.integers(8, 16)), doc_stride=draw(st.integers(0, 2)))
    logits = random_logits(data, draw(st.integers(0, 1000)))
    return Case(texts, all_words, data, logits, draw(st.integers(1, 4)), draw(st.integers(1, 5)))


def by_definition(case: Case, question: int, align: bool) -> tuple[list[tuple[str, int, int, float]], float]:
    """(text, start, end, score) best first, and the null answer's score."""
    data, bounds = case.features, example_bounds(case.features)
    merged: dict[str, list[object]] = {}
    null = np.inf
    for row in range(bounds[question], bounds[question + 1]):
        first, count = int(data.context_start[row]), int(data.context_lengths[row])
        may = np.zeros(int(data.lengths[row]), dtype=bool)
        may[[*range(first, first + count), int(data.null_position[row])]] = True
        start, end = (
            steps.probabilities(steps.masked_logits(column[row], may))
            for column in (case.logits.start, case.logits.end)
        )
        null = min(null, start[data.null_position[row]] * end[data.null_position[row]])
        start[data.null_position[row]] = end[data.null_position[row]] = 0
        matrix = steps.score_matrix(start, end, case.max_answer_length)
        pairs = sorted(((-matrix[s, e], s, e) for s, e in zip(*matrix.nonzero(), strict=True)))
        offsets = list(zip(data.offset_starts[row].tolist(), data.offset_ends[row].tolist(), strict=True))
        for score, s, e in pairs[: 2 * case.top_k + 10 if align else case.top_k]:
            low, high = offsets[s - first][0], offsets[e - first][1]
            if align:
                low, high = widened(case.words[question], low, high, offsets[0][0], offsets[-1][1])
            text = case.contexts[question][low:high]
            entry = merged.setdefault(text.lower(), [text, low, high, 0.0])
            entry[3] += -score  # type: ignore[operator]
    answers = [tuple(entry) for entry in merged.values()]
    return sorted(answers, key=lambda entry: -entry[3]), null  # type: ignore[operator, return-value, misc]


def widened(words: Words, low: int, high: int, first_shown: int, last_shown: int) -> tuple[int, int]:
    touched = [(s, e) for s, e in zip(words.starts.tolist(), words.ends.tolist(), strict=True) if s < high and e > low]
    return max(touched[0][0], first_shown), min(touched[-1][1], last_shown)


def ranked(case: Case, align: bool) -> list[Ranked]:
    words = case.words if align else None
    return rank(case.features, case.logits, case.contexts, words, case.top_k, case.max_answer_length)


@given(cases(), st.booleans())
@settings(max_examples=150)
def test_equals_the_definitions(case: Case, align: bool) -> None:
    for question, found in enumerate(ranked(case, align)):
        expected, null = by_definition(case, question, align)
        assert [(a.text, a.start, a.end) for a in found.answers] == [entry[:3] for entry in expected]
        assert [a.score for a in found.answers] == pytest.approx([entry[3] for entry in expected], abs=1e-9)
        assert found.null_probability == pytest.approx(null, abs=1e-9)


@given(cases())
@settings(max_examples=50)
def test_score_diff_is_the_evaluated_one(case: Case) -> None:
    params = AnswerSearchParams(max_answer_length=case.max_answer_length, max_context=False, top_n=None)
    evaluated = search(case.features, case.logits, case.contexts, 1, params)
    assert [found.score_diff for found in ranked(case, align=True)] == evaluated.score_diffs()

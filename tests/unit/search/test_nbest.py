"""The answer search is exact: it equals an enumeration of every legal span, ties, equal texts and all."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.common.errors import SpanlineError
from spanline.featurize.windows import cut
from spanline.search import candidates, nbest
from spanline.search.nbest import Found, NBest, Span
from spanline.search.params import AnswerSearchParams
from spanline.search.texts import Texts
from spanline.storage import features
from spanline.storage.features import Features
from spanline.storage.logits import Logits
from spanline.storage.ragged import Ragged
from tests.make.project import encoded, template


@dataclass(frozen=True)
class Case:
    """Questions with their features, logits and contexts, and the params of the search."""

    features: Features
    logits: Logits
    contexts: list[str]
    n_best_size: int
    max_answer_length: int
    max_context: bool
    top_n: int | None

    def search(self, workers: int = 1) -> list[Found]:
        return self.columns(workers).rows()

    def columns(self, workers: int = 1) -> NBest:
        return nbest.search(self.features, self.logits, self.contexts, self.n_best_size, self.params, workers)

    @property
    def params(self) -> AnswerSearchParams:
        return search_params(self.max_answer_length, self.max_context, self.top_n)


def search_params(max_answer_length: int, max_context: bool = False, top_n: int | None = None) -> AnswerSearchParams:
    return AnswerSearchParams(max_answer_length=max_answer_length, max_context=max_context, top_n=top_n)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    generator = Random(draw(st.integers(0, 2**32)))
    room = draw(st.integers(1, 9))
    alphabet = draw(st.sampled_from(["ab ", "a ", "abcdefghij ", " "]))
    texts = [pieces(generator, alphabet, generator.randint(0, 14)) for _ in range(draw(st.integers(1, 6)))]
    kind = draw(st.sampled_from(["ties", "equal", "rising", "normal", "huge", "absorbed"]))
    null_slot = draw(st.sampled_from(["before", "after"]))
    data = features_of([row for _, row in texts], room, generator.randrange(room), null_slot)
    n_best_size, longest = draw(st.integers(1, 30)), draw(st.integers(1, 40))
    contexts = [text for text, _ in texts]
    max_context, top_n = draw(st.booleans()), draw(st.none() | st.integers(1, 12))
    return Case(data, logits_of(data, generator, kind), contexts, n_best_size, longest, max_context, top_n)


def pieces(generator: Random, alphabet: str, count: int) -> tuple[str, list[tuple[int, int]]]:
    """A text and the characters of its tokens, which may be blank and may leave characters out."""
    text, row = "", []
    for _ in range(count):
        text += generator.choice(["", "", " ", "x"])
        token = "".join(generator.choices(alphabet, k=generator.randint(1, 2)))
        row.append((len(text), len(text) + len(token)))
        text += token
    return text, row


def features_of(offsets: list[list[tuple[int, int]]], room: int, doc_stride: int, null_slot: str) -> Features:
    return cut(encoded([1] * len(offsets), offsets), template(null_slot), room + 4, doc_stride)


def logits_of(data: Features, generator: Random, kind: str) -> Logits:
    count = len(data.input_ids.values)
    draws = {
        "ties": lambda: generator.choice([-1.0, 0.0, 1.0]),
        "equal": lambda: 0.5,
        "rising": lambda: generator.choice([0.0, 0.25]),
        "normal": lambda: generator.gauss(0, 3),
        # sums with 1e8 differ in float64 only: in float32 they are all 1e8
        "absorbed": lambda: generator.choice([1e8, 0.25, 0.5, 0.75, 1.0]),
        "huge": lambda: generator.choice([-3e38, -1e-30, 0.0, 1e-30, 3e38, generator.gauss(0, 1)]),
    }
    start, end = (np.array([draws[kind]() for _ in range(count)], np.float32) for _ in range(2))
    if kind == "rising":
        start, end = start + np.arange(count, dtype=np.float32), end - np.arange(count, dtype=np.float32)
    return Logits(Ragged(start, data.input_ids.bounds), Ragged(end, data.input_ids.bounds))


def lowest(values: list[float], top_n: int | None) -> float:
    """The lowest logit that is still among the `top_n` best of a feature."""
    return float("-inf") if top_n is None or top_n > len(values) else sorted(values)[-top_n]


def by_enumeration(case: Case, question: int) -> Found:
    """Every legal span, sorted by the stated order; the first of each text that is not blank."""
    data, bounds = case.features, features.example_bounds(case.features)
    rows = range(bounds[question], bounds[question + 1])
    legal, null_scores = [], []
    for row in rows:
        start_logits, end_logits = case.logits.start[row].tolist(), case.logits.end[row].tolist()
        null = int(data.null_position[row])
        null_scores.append(start_logits[null] + end_logits[null])
        first, count = int(data.context_start[row]), len(data.offset_starts[row])
        lowest_start, lowest_end = (lowest(values, case.top_n) for values in (start_logits, end_logits))
        for start in range(count):
            if case.max_context and not data.max_context[row][start]:
                continue
            for end in range(start, min(start + case.max_answer_length, count)):
                scores = (start_logits[first + start], end_logits[first + end])
                if scores[0] >= lowest_start and scores[1] >= lowest_end:
                    legal.append((-sum(scores), row, start, end, *scores))
    found: dict[str, Span] = {}
    for _, row, start, end, start_logit, end_logit in sorted(legal):
        begin, stop = int(data.offset_starts[row][start]), int(data.offset_ends[row][end])
        text = case.contexts[question][begin:stop]
        begin += len(text) - len(text.lstrip())
        if text.strip() and text.strip() not in found:
            span = Span(text.strip(), begin, begin + len(text.strip()), start_logit, end_logit)
            found[span.text] = span
    return Found(f"q{question}", min(null_scores), list(found.values())[: case.n_best_size])


@given(cases())
@settings(max_examples=1000, deadline=None)
def test_equals_an_enumeration(case: Case) -> None:
    found = case.search()
    columns = case.columns()
    assert columns.best_texts() == [row.spans[0].text if row.spans else "" for row in found]
    assert columns.score_diffs() == [row.score_diff for row in found]
    assert found == [by_enumeration(case, question) for question in range(len(case.contexts))]
    for question, row in enumerate(found):
        for span in row.spans:
            assert case.contexts[question][span.start : span.end] == span.text
        scores = [span.score for span in row.spans]
        assert scores == sorted(scores, reverse=True)
        assert row.score_diff == (row.null_score - scores[0] if scores else None)


@given(cases(), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_the_questions_searched_together_and_the_threads_change_nothing(case: Case, block: int, workers: int) -> None:
    found = case.search()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nbest, "BLOCK_CELLS", block)
        assert case.search(workers) == found


@given(cases())
@settings(max_examples=200, deadline=None)
def test_texts_with_the_same_fingerprint_are_told_apart(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Texts, "fingerprints", lambda self, rows, starts, ends: (ends - starts).astype(np.uint64) % 2)
        assert case.search() == [by_enumeration(case, question) for question in range(len(case.contexts))]


@given(cases())
@settings(max_examples=100, deadline=None)
def test_fewer_asked_for_are_the_first_of_more(case: Case) -> None:
    fewer = dataclasses.replace(case, n_best_size=1).search()
    assert [row.spans for row in fewer] == [row.spans[:1] for row in case.search()]


@given(cases(), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_as_many_candidates_as_asked_for_or_all_legal_spans(case: Case, depth: int) -> None:
    bounds = features.example_bounds(case.features)
    questions = np.arange(len(case.contexts))
    params = dataclasses.replace(case, top_n=None).params
    found = candidates.best_candidates(case.features, case.logits, bounds, questions, depth, params)
    num_legal = [num_legal_spans(case, question) for question in questions]
    assert np.diff(found.bounds).tolist() == [min(count, depth) for count in num_legal]
    assert (found.score == found.start_logit.astype(np.float64) + found.end_logit).all()


def num_legal_spans(case: Case, question: int) -> int:
    bounds, total = features.example_bounds(case.features), 0
    for row in range(bounds[question], bounds[question + 1]):
        flags = case.features.max_context[row].tolist()
        widths = [min(case.max_answer_length, len(flags) - start) for start in range(len(flags))]
        total += sum(w for w, flag in zip(widths, flags, strict=True) if flag or not case.max_context)
    return total


def one_question(text: str, row: list[tuple[int, int]], start: list[float], end: list[float]) -> Case:
    """One feature, its context logits given, 0 elsewhere."""
    data = features_of([row], 50, 0, "before")
    first = int(data.context_start[0])
    values = [np.zeros(len(data.input_ids.values), np.float32) for _ in range(2)]
    for target, logits in zip(values, (start, end), strict=True):
        target[first : first + len(row)] = logits
    start_logits, end_logits = (Ragged(value, data.input_ids.bounds) for value in values)
    return Case(data, Logits(start_logits, end_logits), [text], 2, 30, False, None)


def test_looks_deeper_when_the_best_spans_are_all_one_text() -> None:
    """Twenty tokens "a" score above the one "b", and two texts are asked for."""
    row = [(2 * i, 2 * i + 1) for i in range(21)]
    case = one_question("a " * 20 + "b", row, [5.0] * 20 + [1.0], [5.0] * 20 + [1.0])
    found = dataclasses.replace(case, max_answer_length=1).search()
    assert [(span.text, span.start, span.score) for span in found[0].spans] == [("a", 0, 10.0), ("b", 40, 2.0)]


def test_a_feature_of_few_tokens_and_a_long_limit() -> None:
    """Only blanks at first, so that the search comes back to this one short question alone."""
    row = [(i, i + 1) for i in range(9)]
    case = one_question("        z", row, [1.0] * 9, [1.0] * 8 + [0.0])
    case = dataclasses.replace(case, n_best_size=1)
    assert [span.text for span in case.search()[0].spans] == ["z"]


def test_whitespace_at_the_ends_is_left_off() -> None:
    case = one_question(" one two ", [(0, 4), (4, 9)], [1.0, 0.0], [0.0, 1.0])
    found = case.search()[0].spans
    assert [(span.text, span.start, span.end) for span in found] == [("one two", 1, 8), ("one", 1, 4)]


def test_the_null_score_is_the_minimum_over_the_windows() -> None:
    data = features_of([[(i, i + 1) for i in range(6)], []], 3, 0, "before")
    assert data.window.tolist() == [0, 1, 0]
    start, end = (np.zeros(len(data.input_ids.values), np.float32) for _ in range(2))
    start[data.input_ids.bounds[:-1]] = [4.0, -2.0, 7.0]
    end[data.input_ids.bounds[:-1]] = [1.0, 1.5, 1.0]
    values = Logits(Ragged(start, data.input_ids.bounds), Ragged(end, data.input_ids.bounds))
    first, second = nbest.search(data, values, ["abcdef", ""], 1, search_params(1)).rows()
    assert (first.null_score, first.score_diff) == (-0.5, -0.5)
    assert second == Found("q1", 8.0, [])
    assert second.score_diff is None


def test_of_equal_scores_the_earlier_feature_start_and_end_win() -> None:
    data = features_of([[(i, i + 1) for i in range(4)]], 3, 2, "before")  # abc, bcd
    zeros = Ragged(np.zeros(len(data.input_ids.values), np.float32), data.input_ids.bounds)
    found = nbest.search(data, Logits(zeros, zeros), ["abcd"], 20, search_params(2)).rows()[0]
    assert [span.text for span in found.spans] == ["a", "ab", "b", "bc", "c", "cd", "d"]


def test_spans_that_only_float64_can_tell_apart_come_in_their_exact_order() -> None:
    """Each of the three sums is 1e8 in float32; the earliest span has the lowest exact sum."""
    case = one_question("a b c", [(0, 1), (2, 3), (4, 5)], [1e8] * 3, [0.25, 0.5, 0.75])
    found = dataclasses.replace(case, n_best_size=3, max_answer_length=1).search()[0].spans
    assert [(span.text, span.score) for span in found] == [("c", 1e8 + 0.75), ("b", 1e8 + 0.5), ("a", 1e8 + 0.25)]


def test_no_questions() -> None:
    data = features_of([], 3, 0, "before")
    nothing = Ragged(np.zeros(0, np.float32), np.zeros(1, np.int64))
    assert nbest.search(data, Logits(nothing, nothing), [], 1, search_params(1)).rows() == []


def test_a_split_is_searched_by_question_id_and_other_questions_are_refused() -> None:
    data = features_of([[(0, 2), (3, 5)], [(0, 1)]], 12, 0, "before")
    values = logits_of(data, Random(0), "normal")
    result = nbest.search_split(
        data, values, {"q1": "x", "q0": "ab cd"}, 20, search_params(2)
    )  # the squad file in another order
    assert [(row.id, {span.text for span in row.spans}) for row in result.rows()] == [
        ("q0", {"ab", "cd", "ab cd"}),
        ("q1", {"x"}),
    ]
    for contexts in ({"q0": "ab cd"}, {"q0": "ab cd", "q2": "x"}, {"q0": "ab cd", "q1": "x", "q2": "y"}):
        with pytest.raises(SpanlineError) as caught:
            nbest.search_split(data, values, contexts, 20, search_params(2))
        what = f"are of other questions than the squad file (2 and {len(contexts)} questions)"
        assert str(caught.value) == f"features: {what}; make them anew: dvc repro featurize"

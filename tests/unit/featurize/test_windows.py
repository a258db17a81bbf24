"""Cutting by array arithmetic keeps the promises of the glossary, for any lengths: nothing lost, doc_stride tokens
shared, one max-context occurrence of every token, and the labels of the usual loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from spanline.featurize.windows import Encoded, answer_tokens, cut
from spanline.storage.ragged import Array
from tests.make.project import encoded, template
from tests.make.windows import Case, cases, covered, rows_of_examples, usual_label


@given(cases())
@settings(max_examples=300, deadline=None)
def test_windows_are_those_of_the_usual_loop(case: Case) -> None:
    data = case.features()
    ids = data.ids.to_pylist()
    assert len(rows_of_examples(data)) == len(case.questions)
    for example, rows in enumerate(rows_of_examples(data)):
        slices = case.slices(example)
        assert len(rows) == len(slices)
        assert [ids[row] for row in rows] == [f"q{example}"] * len(slices)
        assert data.window[rows.start : rows.stop].tolist() == list(range(len(slices)))
        for row, shown in zip(rows, slices, strict=True):
            question = [7] * case.questions[example]
            tokens = [10 + index for index in shown]
            if case.null_slot == "before":
                whole, types = [2, *question, 3, *tokens, 3], [0] * (len(question) + 2) + [1] * (len(tokens) + 1)
                null, start = 0, len(question) + 2
            else:
                whole, types = [*question, 3, *tokens, 3, 2], [0] * (len(question) + 1) + [1] * (len(tokens) + 2)
                null, start = len(whole) - 1, len(question) + 1
            assert data.input_ids[row].tolist() == whole
            assert data.token_type_ids[row].tolist() == types
            assert (data.null_position[row], data.context_start[row]) == (null, start)
            pairs = zip(data.offset_starts[row].tolist(), data.offset_ends[row].tolist(), strict=True)
            assert list(pairs) == [case.offsets[example][index] for index in shown]


@given(cases())
@settings(max_examples=300, deadline=None)
def test_labels_are_those_of_the_usual_loop(case: Case) -> None:
    data = case.features()
    for example, rows in enumerate(rows_of_examples(data)):
        answer = covered(case.answers[example], case.offsets[example])
        for row, shown in zip(rows, case.slices(example), strict=True):
            tokens = [case.offsets[example][index] for index in shown]
            null, start = int(data.null_position[row]), int(data.context_start[row])
            expected = usual_label(tokens, answer, start, null)
            assert (data.start_position[row], data.end_position[row]) == expected


@given(cases())
@settings(max_examples=300, deadline=None)
def test_answer_tokens_are_those_of_a_loop_over_each_context(case: Case) -> None:
    """One search serves all contexts: no token of another context may get in the way, before it is cut to windows."""
    found = of_answers(encoded(case.questions, case.offsets, case.answers))
    for example, (answer, offsets) in enumerate(zip(case.answers, case.offsets, strict=True)):
        expected = covered(answer, offsets)
        first, last, *characters = (column[example] for column in found)
        if expected == (-1, -1):
            assert characters[0] >= characters[1]
        else:
            assert tuple(characters) == expected
            assert first == sum(start <= expected[0] for start, _ in offsets) - 1
            assert last == sum(start < expected[1] for start, _ in offsets) - 1


def of_answers(given: Encoded) -> tuple[Array, ...]:
    return answer_tokens(given.contexts, given.context_of, given.answer_starts, given.answer_ends)


def test_the_answer_of_the_docstring() -> None:
    """The contexts "a bc" and "d e", the answer "e" of the second."""
    given = encoded([1, 1], [[(0, 1), (2, 4)], [(0, 1), (2, 3)]], [(0, 4), (2, 3)])
    first, last, start, end = of_answers(given)
    assert (first.tolist(), last.tolist()) == ([0, 1], [1, 1])
    assert (start.tolist(), end.tolist()) == ([0, 2], [4, 3])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((0, 3), (0, 0)),  # the third character belongs to no token
        ((2, 5), (1, 1)),
        ((2, 3), None),
        ((5, 9), (2, 2)),  # nothing belongs to a token behind the sixth
        ((6, 9), None),
    ],
)
def test_characters_of_no_token_at_the_ends_take_in_no_neighbour(
    answer: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    data = cut(encoded([1], [[(0, 2), (3, 5), (5, 6)]], [answer]), template(), 16, 0)
    null, start = int(data.null_position[0]), int(data.context_start[0])
    label = (int(data.start_position[0]), int(data.end_position[0]))
    assert label == ((null, null) if expected is None else (start + expected[0], start + expected[1]))


@given(cases())
@settings(max_examples=300, deadline=None)
def test_a_label_holds_the_whole_answer_inside_the_context(case: Case) -> None:
    data = case.features()
    for example, rows in enumerate(rows_of_examples(data)):
        for row in rows:
            first, last = int(data.start_position[row]), int(data.end_position[row])
            if first == data.null_position[row]:
                assert last == first
                continue
            begin = int(data.context_start[row])
            assert begin <= first <= last < begin + len(data.offset_starts[row])
            start_char, end_char = covered(case.answers[example], case.offsets[example])
            assert data.offset_starts[row][first - begin] <= start_char
            assert data.offset_ends[row][last - begin] >= end_char


@given(cases())
@settings(max_examples=300, deadline=None)
def test_max_context_is_its_definition(case: Case) -> None:
    data = case.features()
    for example, rows in enumerate(rows_of_examples(data)):
        slices = case.slices(example)
        times = [0] * len(case.offsets[example])
        for number, (row, shown) in enumerate(zip(rows, slices, strict=True)):
            for index, flag in zip(shown, data.max_context[row].tolist(), strict=True):
                around = [min(index - s.start, s.stop - 1 - index) if index in s else -1 for s in slices]
                assert flag == (around.index(max(around)) == number)
                times[index] += flag
        assert times == [1] * len(times)  # so each token stands in some window, and counts in exactly one


@given(cases())
@settings(max_examples=200, deadline=None)
def test_neighbours_share_doc_stride_tokens_and_no_more(case: Case) -> None:
    data = case.features()
    for rows in rows_of_examples(data):
        shown = [data.input_ids[row][data.input_ids[row] >= 10].tolist() for row in rows]
        for left, right in pairwise(shown):
            assert len(set(left) & set(right)) == case.doc_stride
            assert right[: case.doc_stride] == left[len(left) - case.doc_stride :]
            assert right[-1] > left[-1]  # each window shows something new


def test_the_sentence_of_the_docstring() -> None:
    data = cut(encoded([0], [[(i, i + 1) for i in range(8)]]), template(), 8, 2)  # room for 5 tokens, step 3
    assert [part.tolist() for part in (data.max_context[0], data.max_context[1])] == [
        [True, True, True, True, False],
        [False, True, True, True, True],
    ]


def test_one_character_of_several_byte_tokens_is_labelled_in_order() -> None:
    """run_qa's start is the last byte's token; its end would be the first one's."""
    offsets = [[(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]]
    data = cut(encoded([1], offsets, [(1, 2)]), template(), 16, 0)
    assert (data.start_position[0], data.end_position[0]) == (6, 6)


def test_an_answer_in_the_last_token_stays_off_the_separator() -> None:
    """run_qa's loop walks on into [SEP], whose offsets are (0, 0)."""
    data = cut(encoded([1], [[(0, 3), (4, 8)]], [(4, 8)]), template(), 16, 0)
    assert (data.start_position[0], data.end_position[0]) == (4, 4)


@pytest.mark.parametrize("null_slot", ["before", "after"])
def test_a_context_without_tokens_has_one_feature(null_slot: str) -> None:
    data = cut(encoded([2, 1], [[], [(0, 1)]], [(0, 1), (0, 1)]), template(null_slot), 8, 1)
    assert data.window.tolist() == [0, 0]
    assert data.context_lengths.tolist() == [0, 1]
    assert data.start_position[0] == data.end_position[0] == data.null_position[0]
    assert data.start_position[1] == data.context_start[1]


def test_examples_share_a_context() -> None:
    both = encoded([1, 3], [[(i, i + 1) for i in range(20)], []], [(2, 3), (19, 20)])
    both.context_of[:] = 0
    data = cut(both, template(), 12, 3)
    alone = cut(encoded([1], [[(i, i + 1) for i in range(20)]], [(2, 3)]), template(), 12, 3)
    rows = range(len(alone))
    assert [data.input_ids[row].tolist() for row in rows] == [alone.input_ids[row].tolist() for row in rows]
    assert data.start_position[: len(alone)].tolist() == alone.start_position.tolist()
    last = len(data) - 1
    assert data.end_position[last] == data.context_start[last] + data.context_lengths[last] - 1


def test_types_are_those_of_the_schema() -> None:
    data = cut(encoded([1], [[(0, 1)]]), template(), 8, 0)
    assert data.window.dtype == data.null_position.dtype == data.start_position.dtype == np.uint16
    assert data.input_ids.values.dtype == np.uint32
    assert data.max_context.values.dtype == np.bool_

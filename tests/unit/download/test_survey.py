"""What a split repeats, contradicts and shares, against a count over all pairs."""

from __future__ import annotations

import random

import pytest

from spanline.dataset.records import Example, GoldAnswer
from spanline.download.survey import Survey


def surveyed(examples: list[Example]) -> Survey:
    survey = Survey()
    assert list(survey.watch(examples)) == examples
    return survey


def example(context: str, question: str, *spans: tuple[int, int], title: str = "t") -> Example:
    answers = tuple(GoldAnswer(context[start:end], start) for start, end in spans)
    return Example("q", title, context, question, answers)


CONTEXT = "one two three four"


@pytest.mark.parametrize(
    ("first", "second", "contradicting"),
    [
        (((0, 3),), ((0, 3),), 0),
        (((0, 3),), ((0, 7),), 0),  # the same place, longer
        (((0, 3),), ((4, 7),), 1),
        (((0, 4),), ((3, 7),), 0),
        (((0, 3),), ((3, 7),), 1),
        (((0, 3),), (), 1),
        ((), ((0, 3),), 1),
        ((), (), 0),
        (((0, 3), (4, 7)), ((4, 7),), 1),  # training uses the first answer
    ],
)
def test_labels(first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...], contradicting: int) -> None:
    survey = surveyed([example(CONTEXT, "Who?", *first), example(CONTEXT, " who? ", *second)])
    assert survey.counts() == {"repeated_questions": 1, "contradicting_questions": contradicting}


def test_another_context_is_no_repeat_and_neighbours_are_not_needed() -> None:
    survey = surveyed([example("a b", "Who?"), example("a c", "Who?"), example("a b", "WHO?"), example("a b", "Why?")])
    assert survey.counts() == {"repeated_questions": 1, "contradicting_questions": 0}


def test_shared_against_sets() -> None:
    generator = random.Random(17)
    splits = []
    for _ in range(2):
        numbers = [generator.randrange(60) for _ in range(40)]
        splits.append([example(f"context {n}", f"w {i}", title=f"title {n % 25}") for i, n in enumerate(numbers)])
    one, other = splits
    expected = {
        "articles": len({e.title for e in one} & {e.title for e in other}),
        "contexts": len({e.context for e in one} & {e.context for e in other}),
    }
    assert surveyed(one).shared(surveyed(other)) == surveyed(other).shared(surveyed(one)) == expected
    assert expected["contexts"] > 1


def test_two_articles_with_one_context() -> None:
    survey = surveyed([example("a", "x", title="A"), example("a", "y", title="B")])
    assert survey.shared(surveyed([example("b", "x", title="B")])) == {"articles": 1, "contexts": 0}

"""The kinds of questions that scores are told apart by: each *slicing* puts a question into one of its values, or none.

A word is what lies between whitespace; lengths and positions are the first gold answer's. An unanswerable question has
no gold answer, so the slicings by it hold answerable questions only; all other slicings hold every question once.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from spanline.dataset.records import Example

Slicing = tuple[str, Sequence[str], Callable[[Example], str | None]]  # name, its values in order, an example's value

_QUESTION_WORD = re.compile(r"\b(?:(how\s+(?:many|much))|(who(?:m|se)?)|(what|when|where|which|how|why))\b", re.I)
_QUESTION_WORDS = ("what", "who", "when", "where", "which", "how many/much", "how", "why", "other")
_ANSWER_WORDS = (1, 3, 5, 10)  # the upper ends of the bins; the last bin is open
_CONTEXT_WORDS = (100, 150, 200, 300)
_NUM_FEATURES = (1, 2, 3)
_POSITION_PERCENT = (0, 20, 40, 60, 80, 100)


def question_word(question: str) -> str:
    """The first question word in the question, wherever it is ("In which year ..."); whom and whose are who.

    The first is nearly always the asking one; "When Rollo came, who ruled?" is counted under when.
    """
    match = _QUESTION_WORD.search(question)
    if match is None:
        return "other"
    many, who, word = match.groups()
    return "how many/much" if many else "who" if who else str(word).lower()


def members(examples: Sequence[Example], num_features: Mapping[str, int] | None) -> dict[str, list[int]]:
    """The numbers of the examples in every slice (`slicing: value`) that has some, in the order of the table; without
    `num_features` none by it."""
    found: dict[str, list[int]] = {}
    for name, values, value_of in slicings(examples, num_features):
        of_value: dict[str, list[int]] = {value: [] for value in values}
        for number, example in enumerate(examples):
            value = value_of(example)
            if value is not None:
                of_value[value].append(number)
        found |= {f"{name}: {value}": numbers for value, numbers in of_value.items() if numbers}
    return found


def slicings(examples: Iterable[Example], num_features: Mapping[str, int] | None) -> list[Slicing]:
    """Every slicing, in the order of the table. `num_features`: by question id."""
    counts = num_features or {}
    context_words = {context: len(context.split()) for context in {example.context for example in examples}}
    return [
        ("answerable", ("yes", "no"), lambda example: "yes" if example.is_answerable else "no"),
        ("question word", _QUESTION_WORDS, lambda example: question_word(example.question)),
        _binned("gold answer words", _ANSWER_WORDS, _gold_answer_words),
        _binned("context words", _CONTEXT_WORDS, lambda example: context_words[example.context]),
        _binned("features", _NUM_FEATURES, lambda example: counts[example.id] if counts else None),
        ("answer position", _POSITIONS, _answer_position),
    ]


def _binned(name: str, upper_ends: Sequence[int], number_of: Callable[[Example], int | None]) -> Slicing:
    """Bins of whole numbers from 1 on: `1`, `2-3`, ... `over 10`."""
    lower_ends = [1, *(end + 1 for end in upper_ends[:-1])]
    labels = [str(low) if low == high else f"{low}-{high}" for low, high in zip(lower_ends, upper_ends, strict=True)]
    labels.append(f"over {upper_ends[-1]}")

    def value_of(example: Example) -> str | None:
        number = number_of(example)
        return None if number is None else labels[bisect_left(upper_ends, number)]

    return name, labels, value_of


def _gold_answer_words(example: Example) -> int | None:
    return len(example.answers[0].text.split()) if example.answers else None


_POSITIONS = [f"{low}-{high} %" for low, high in pairwise(_POSITION_PERCENT)]


def _answer_position(example: Example) -> str | None:
    """Where the first gold answer starts, as a share of the context's characters."""
    if not example.answers:
        return None
    share = example.answers[0].start / len(example.context)
    return _POSITIONS[min(int(share * len(_POSITIONS)), len(_POSITIONS) - 1)]

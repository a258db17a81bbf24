"""How long the texts of a split are and what its questions ask, for people: a wrong file shows before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from spanline.dataset.records import Example
from spanline.slicing.kinds import question_word

Lengths = Counter[int]  # length -> how many have it


class Statistics:
    """Watches the examples of one split go by."""

    def __init__(self) -> None:
        self._paragraphs = 0
        self._words: dict[str, Lengths] = {"context": Counter(), "question": Counter(), "answer": Counter()}
        self._question_words: Counter[str] = Counter()

    def watch(self, examples: Iterable[Example]) -> Iterator[Example]:
        """The same examples."""
        context = None
        for example in examples:
            if example.context != context:  # the questions of a paragraph are neighbours
                context = example.context
                self._paragraphs += 1
                self._words["context"][len(context.split())] += 1
            self._words["question"][len(example.question.split())] += 1
            self._question_words[question_word(example.question)] += 1
            if example.answers:
                self._words["answer"][len(example.answers[0].text.split())] += 1
            yield example

    def summary(self) -> dict[str, Any]:
        """For statistics.json. Words are what lies between whitespace; an answer's are the first gold answer's."""
        return {
            "paragraphs": self._paragraphs,
            "words": {name: _quantiles(lengths) for name, lengths in self._words.items() if lengths},
            "question_words": dict(self._question_words),
        }


_SHARES = {"least": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "most": 1.0}


def _quantiles(lengths: Lengths) -> dict[str, int]:
    """The least length that this share of the texts do not exceed."""
    found, seen, names = {}, 0, list(_SHARES)
    for length in sorted(lengths):
        seen += lengths[length]
        while names and seen >= _SHARES[names[0]] * lengths.total():
            found[names.pop(0)] = length
    return found

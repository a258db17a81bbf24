"""What a split says about itself: questions that come again, with which labels, and what it shares with another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from spanline.dataset.records import Example, GoldAnswer


class Survey:
    """Watches the examples of one split go by."""

    def __init__(self) -> None:
        self.repeated = 0  # questions that have come before in their context, but for case and white space
        self.contradicting = 0  # of these, those whose label is another than the first one's
        self._titles: set[str] = set()
        self._contexts: set[bytes] = set()
        self._labels: dict[bytes, tuple[int, int] | None] = {}  # of the first one of each question of each context

    def watch(self, examples: Iterable[Example]) -> Iterator[Example]:
        """The same examples."""
        context, title, digest = None, None, b""
        for example in examples:
            if example.context != context:  # the questions of a paragraph are neighbours as a rule
                context, digest = example.context, _digest(example.context.encode())
                self._contexts.add(digest)
            if example.title != title:
                title = example.title
                self._titles.add(title)
            self._note(example, digest)
            yield example

    def _note(self, example: Example, context: bytes) -> None:
        key = _digest(context + " ".join(example.question.casefold().split()).encode())
        label = _label(example.answers)
        if key not in self._labels:
            self._labels[key] = label
            return
        self.repeated += 1
        self.contradicting += _contradict(self._labels[key], label)

    def shared(self, other: Survey) -> dict[str, int]:
        """How many articles (by title) and contexts (letter by letter) both splits hold."""
        return {
            "articles": len(self._titles & other._titles),
            "contexts": len(self._contexts & other._contexts),
        }

    def counts(self) -> dict[str, Any]:
        return {"repeated_questions": self.repeated, "contradicting_questions": self.contradicting}


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=12).digest()  # 96 bits: no two of a billion texts are taken for one


def _label(answers: tuple[GoldAnswer, ...]) -> tuple[int, int] | None:
    """What training learns from: the first answer's half-open characters, None for an unanswerable question."""
    return (answers[0].start, answers[0].start + len(answers[0].text)) if answers else None


def _contradict(one: tuple[int, int] | None, other: tuple[int, int] | None) -> bool:
    """One has an answer and the other none, or the two have no character in common."""
    if one is None or other is None:
        return one is not other
    return max(one[0], other[0]) >= min(one[1], other[1])

"""Questions that are asked more than once of the same context, and whether their labels can all be right."""

from __future__ import annotations

from collections.abc import Iterable

from spanline.dataset.records import Example


def repeats(examples: Iterable[Example]) -> dict[str, bool]:
    """Ids of the questions that are asked again of the same context, letter case and whitespace aside -> whether their
    labels contradict: one has an answer and another none, or their first answers have no character in common."""
    asked: dict[tuple[str, str], list[Example]] = {}
    for example in examples:
        asked.setdefault((example.context, _plain(example.question)), []).append(example)
    several = [same for same in asked.values() if len(same) > 1]
    return {e.id: any(_contradict(same[0], other) for other in same[1:]) for same in several for e in same}


def _plain(question: str) -> str:
    return " ".join(question.casefold().split())


def _contradict(one: Example, other: Example) -> bool:
    if not one.answers or not other.answers:
        return one.is_answerable != other.is_answerable
    (a, b), (c, d) = ((e.answers[0].start, e.answers[0].start + len(e.answers[0].text)) for e in (one, other))
    return max(a, c) >= min(b, d)

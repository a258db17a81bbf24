"""Choosing whole articles, reproducibly: for limits on the size of a split and for the calibration split.

The order of articles depends only on their titles and a seed (SHA-256), so neither the order of the file nor
other articles change who comes first, and a larger limit keeps every article that a smaller one chose.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from spanline.dataset.records import Example

Purpose = Literal["calibration", "limit"]  # each has an order of its own
Unit = Literal["article", "context"]  # what is never parted
_FIELD = {"article": "title", "context": "context"}
FEW_QUESTIONS = 20_000  # up to here the best part is sought among all


def sizes(examples: Iterable[Example], unit: Unit = "article") -> Counter[str]:
    """Questions per title, or per context."""
    name = _FIELD[unit]
    return Counter(getattr(example, name) for example in examples)


def choose_articles(sizes: Mapping[str, int], limit: int, seed: int, purpose: Purpose) -> frozenset[str]:
    """Titles in seeded order as long as their questions do not exceed `limit` together; at least one, where any is."""
    chosen: set[str] = set()
    total = 0
    for title in _in_order(sizes, seed, purpose):
        total += sizes[title]
        if total > limit and chosen:
            break
        chosen.add(title)
    return frozenset(chosen)


def choose_part(sizes: Mapping[str, int], questions: float, seed: int) -> frozenset[str]:
    """The units (articles or contexts) of the calibration split: as near `questions` together as whole units allow,
    at most twice as many, and never all units; empty where that can't be.

    Of several choices that are equally near, it is the one that needs the fewest units of the seeded order; of one
    question too few and one too many, the former.
    """
    order = _in_order(sizes, seed, "calibration")
    counts = [sizes[unit] for unit in order]
    front, missing = 0, questions
    while missing > FEW_QUESTIONS and front < len(counts) and counts[front] < missing / 100:
        missing -= counts[front]
        front += 1
    chosen = [*range(front), *(front + number for number in _nearest(counts[front:], missing))]
    if abs(sum(counts[number] for number in chosen) - questions) > 0.5:  # else no other choice is nearer
        chosen = _nearest(counts, questions)
    return frozenset(order[number] for number in chosen)


def _nearest(counts: list[int], questions: float) -> list[int]:
    """Which counts (not all) add up to what is nearest `questions`, at most twice that; none where nothing does."""
    most = min(int(2 * questions), sum(counts) - 1)
    if most < 1:
        return []
    reached_by = _reachable(counts, most, round(questions))
    total = min(reached_by, key=lambda n: (abs(n - questions), n), default=0)
    chosen = []
    while total:
        chosen.append(reached_by[total])
        total -= counts[chosen[-1]]
    return chosen


def _reachable(counts: list[int], most: int, wanted: int) -> dict[int, int]:
    """Every sum of some of the counts from 1 to `most` -> which count was the last that its first way took.

    Bit n of an integer stands for the sum n. It stops when the wanted sum is there: later counts can't come nearer.
    """
    mask = (1 << (most + 1)) - 1
    bits = 1
    reached_by: dict[int, int] = {}
    for number, count in enumerate(counts):
        new = (bits << count) & mask & ~bits
        bits |= new
        while new:
            lowest = new & -new
            reached_by[lowest.bit_length() - 1] = number
            new ^= lowest
        if wanted in reached_by:
            break
    return reached_by


def _in_order(sizes: Mapping[str, int], seed: int, purpose: Purpose) -> list[str]:
    return sorted(sizes, key=lambda unit: hashlib.sha256(f"{purpose} {seed} {unit}".encode()).digest())


def keep(examples: Iterable[Example], chosen: frozenset[str], unit: Unit = "article") -> Iterator[Example]:
    """The examples of these articles or contexts, in their order."""
    name = _FIELD[unit]
    return (example for example in examples if getattr(example, name) in chosen)


def leave(examples: Iterable[Example], chosen: frozenset[str], unit: Unit = "article") -> Iterator[Example]:
    """The examples of all others, in their order."""
    name = _FIELD[unit]
    return (example for example in examples if getattr(example, name) not in chosen)

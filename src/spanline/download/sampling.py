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


def article_sizes(examples: Iterable[Example]) -> Counter[str]:
    """Questions per title."""
    return Counter(example.title for example in examples)


def choose_articles(sizes: Mapping[str, int], limit: int, seed: int, purpose: Purpose) -> frozenset[str]:
    """Titles in seeded order as long as their questions do not exceed `limit` together; at least one, where any is."""
    chosen: set[str] = set()
    total = 0
    for title in sorted(sizes, key=lambda title: _rank(title, seed, purpose)):
        total += sizes[title]
        if total > limit and chosen:
            break
        chosen.add(title)
    return frozenset(chosen)


def _rank(title: str, seed: int, purpose: Purpose) -> bytes:
    return hashlib.sha256(f"{purpose} {seed} {title}".encode()).digest()


def keep(examples: Iterable[Example], titles: frozenset[str]) -> Iterator[Example]:
    """The examples of these articles, in their order."""
    return (example for example in examples if example.title in titles)


def leave(examples: Iterable[Example], titles: frozenset[str]) -> Iterator[Example]:
    """The examples of all other articles, in their order."""
    return (example for example in examples if example.title not in titles)

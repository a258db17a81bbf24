"""Whole articles, chosen by title and seed alone."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from spanline.dataset.records import Example
from spanline.download import sampling

SIZES = {f"article {number}": 3 + number % 11 for number in range(60)}


def examples(sizes: dict[str, int]) -> list[Example]:
    return [Example(f"{t} {n}", t, "context", "question", ()) for t, size in sizes.items() for n in range(size)]


def test_article_sizes() -> None:
    assert sampling.article_sizes(examples(SIZES)) == Counter(SIZES)


@pytest.mark.parametrize("limit", [20, 100, 200, 10_000])
def test_the_limit_holds_and_is_used(limit: int) -> None:
    chosen = sampling.choose_articles(SIZES, limit, 17, "limit")
    total = sum(SIZES[title] for title in chosen)
    assert total <= limit
    assert total > limit - max(SIZES.values()) or len(chosen) == len(SIZES)


def test_a_limit_below_every_article_takes_one() -> None:
    assert len(sampling.choose_articles(SIZES, 1, 17, "limit")) == 1
    assert sampling.choose_articles({}, 1, 17, "limit") == frozenset()


def test_a_larger_limit_keeps_what_a_smaller_one_chose() -> None:
    chosen = [sampling.choose_articles(SIZES, limit, 17, "limit") for limit in range(1, 400, 7)]
    assert all(small <= large for small, large in pairwise(chosen))
    assert len(set(chosen)) > 20


def test_the_order_of_the_file_does_not_matter() -> None:
    titles = list(SIZES)
    random.Random(1).shuffle(titles)
    shuffled = {title: SIZES[title] for title in titles}
    assert sampling.choose_articles(shuffled, 100, 17, "limit") == sampling.choose_articles(SIZES, 100, 17, "limit")


def test_seed_and_purpose_matter() -> None:
    chosen = {
        sampling.choose_articles(SIZES, 100, 17, "limit"),
        sampling.choose_articles(SIZES, 100, 18, "limit"),
        sampling.choose_articles(SIZES, 100, 17, "calibration"),
    }
    assert len(chosen) == 3


def test_the_choice_is_pinned() -> None:
    """Another choice for the same seed would change every result without a change of params."""
    chosen = sampling.choose_articles(dict.fromkeys("abcdefghij", 1), 4, 17, "limit")
    assert "".join(sorted(chosen)) == "acgi"


def test_keep_and_leave_share_out_in_file_order() -> None:
    titles = sampling.choose_articles(SIZES, 100, 17, "limit")
    everything = examples(SIZES)
    kept, left = list(sampling.keep(everything, titles)), list(sampling.leave(everything, titles))
    assert {example.title for example in kept} == titles
    assert not {example.title for example in left} & titles
    assert sorted(kept + left, key=everything.index) == everything
    assert kept == sorted(kept, key=everything.index)

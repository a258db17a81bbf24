"""Whole articles, chosen by title and seed alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.dataset.records import Example
from spanline.download import sampling

SIZES = {f"article {number}": 3 + number % 11 for number in range(60)}


def examples(sizes: dict[str, int]) -> list[Example]:
    return [Example(f"{t} {n}", t, "context", "question", ()) for t, size in sizes.items() for n in range(size)]


def test_sizes() -> None:
    assert sampling.sizes(examples(SIZES)) == Counter(SIZES)


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


def subsets(sizes: dict[str, int]) -> Iterator[frozenset[str]]:
    names = list(sizes)
    return (frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=9),
    st.floats(0.01, 0.99),
)
def test_a_part_is_the_nearest_of_all_and_at_most_twice(counts: list[int], fraction: float) -> None:
    """The definition: all choices of whole units but none and all, tried one by one."""
    sizes = {f"t{number}": count for number, count in enumerate(counts)}
    wanted = fraction * sum(counts)
    totals = {sum(sizes[name] for name in chosen) for chosen in subsets(sizes) if 0 < len(chosen) < len(sizes)}
    allowed = [total for total in totals if total <= 2 * wanted]
    part = sampling.choose_part(sizes, wanted, 17)
    found = sum(sizes[name] for name in part)
    if not allowed:
        assert part == frozenset()
        return
    assert found in allowed
    assert abs(found - wanted) == min(abs(total - wanted) for total in allowed)


def test_a_part_of_many_articles_is_exact_and_mostly_the_front_of_the_order() -> None:
    sizes = {f"article {number}": 3 + number * 7 % 50 for number in range(4_000)}
    wanted = 0.3 * sum(sizes.values())
    part = sampling.choose_part(sizes, wanted, 17)
    assert abs(sum(sizes[name] for name in part) - wanted) <= 0.5
    front = sampling.choose_articles(sizes, round(wanted), 17, "calibration")
    assert len(part & front) > 0.99 * len(front)


def test_a_part_does_not_hang_on_the_order_of_the_file_but_on_the_seed() -> None:
    sizes = dict(sorted(SIZES.items(), reverse=True))
    assert sampling.choose_part(sizes, 50, 17) == sampling.choose_part(SIZES, 50, 17)
    assert sampling.choose_part(SIZES, 50, 18) != sampling.choose_part(SIZES, 50, 17)


def test_the_part_is_pinned() -> None:
    """Another choice for the same seed would change every result without a change of params."""
    sizes = {name: 1 + number % 4 for number, name in enumerate("abcdefghij")}
    assert "".join(sorted(sampling.choose_part(sizes, 7, 17))) == "cfj"


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


def test_contexts_are_units_too() -> None:
    given_ = [Example(f"{n}", "t", f"context {n % 3}", "question", ()) for n in range(10)]
    assert sampling.sizes(given_, "context") == {"context 0": 4, "context 1": 3, "context 2": 3}
    kept = list(sampling.keep(given_, frozenset({"context 1"}), "context"))
    assert [example.id for example in kept] == ["1", "4", "7"]
    assert len(list(sampling.leave(given_, frozenset({"context 1"}), "context"))) == 7


def test_keep_and_leave_share_out_in_file_order() -> None:
    titles = sampling.choose_articles(SIZES, 100, 17, "limit")
    everything = examples(SIZES)
    kept, left = list(sampling.keep(everything, titles)), list(sampling.leave(everything, titles))
    assert {example.title for example in kept} == titles
    assert not {example.title for example in left} & titles
    assert sorted(kept + left, key=everything.index) == everything
    assert kept == sorted(kept, key=everything.index)

"""Scores by kind of question (`spanline.slicing`): where the model is good, and where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import fsum
from typing import NamedTuple

from spanline.dataset.records import Example
from spanline.slicing.kinds import members
from spanline.squad_v2.scores import QuestionScore

# The 95 % interval of such examples with these scores: exact_low, exact_high, f1_low, f1_high in percent, or nothing.
IntervalOf = Callable[[Sequence[Example], Sequence[QuestionScore]], Mapping[str, float]]


class Slice(NamedTuple):
    """One row of the table."""

    slice: str  # `slicing: value`, unique
    questions: int
    exact: float  # percent
    f1: float  # percent
    exact_low: float | None  # ends of the 95 % interval, percent; None where there is none (a single article)
    exact_high: float | None
    f1_low: float | None
    f1_high: float | None


def slices(
    examples: Sequence[Example],
    scores: Mapping[str, QuestionScore],
    num_features: Mapping[str, int],
    interval_of: IntervalOf,
) -> list[Slice]:
    """A row for every slice that has questions, in a fixed order. `scores`: (exact, f1) by qid, 0..1."""
    rows = []
    for name, numbers in members(examples, num_features).items():
        inside = [examples[number] for number in numbers]
        scores_inside = [scores[example.id] for example in inside]
        rows.append(_slice(name, scores_inside, interval_of(inside, scores_inside)))
    return rows


def _slice(name: str, scores: Sequence[QuestionScore], interval: Mapping[str, float]) -> Slice:
    total = len(scores)
    exact, f1 = (100.0 * fsum(pair[key] for pair in scores) / total for key in (0, 1))
    bounds = [interval.get(key) for key in ("exact_low", "exact_high", "f1_low", "f1_high")]
    ends = [None if bound is None else round(bound, 4) for bound in bounds]
    return Slice(name, total, round(exact, 4), round(f1, 4), *ends)


def table(rows: Sequence[Slice]) -> str:
    """The slices for people: aligned columns."""
    width = max(len(row.slice) for row in rows)
    lines = [f"{'slice':<{width}}  questions   exact      f1"]
    lines += [f"{row.slice:<{width}}  {row.questions:>9,}  {row.exact:6.2f}  {row.f1:6.2f}" for row in rows]
    return "\n".join(lines)

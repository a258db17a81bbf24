"""Is B better than A? The paired difference of their scores, what it may be off by, and what the set could have shown.

Each question was answered by both, so its difference is taken first; the questions of an article vary together, so
articles are the units. docs/STATISTICS.md explains the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spanline.statistics import runs as between
from spanline.statistics import sign_flip
from spanline.statistics.clusters import MIN_CLUSTERS, Floats, add_up, error_within
from spanline.statistics.correction import holm
from spanline.statistics.estimates import Estimate, estimates, margin_within

SIGNIFICANT = 0.05
KEYS = ("exact", "f1")
DECIMALS = 6  # of percent and of p: the last digits of a sum differ between processors
Metric = Literal["exact", "f1"]
Split = Literal["validation", "calibration"]

# M runs, Q questions


@dataclass(frozen=True)
class Chance:
    """How what is random is drawn."""

    resamples: int
    seed: int


@dataclass(frozen=True)
class Difference:
    """B's score minus A's, of all questions or of a slice, in percent."""

    questions: int
    articles: int
    a: float
    b: float
    difference: float
    on_these: tuple[float, float]  # 95 % interval on these questions and articles
    on_new: tuple[float, float] | None  # on new articles like these; None: too few articles
    p: float | None  # of "no difference on new articles"; None: too few articles
    least_detectable: float | None  # the difference that the set would have shown 4 times in 5
    run_sd_a: float | None  # standard deviation between the runs of A; None: one run
    run_sd_b: float | None


@dataclass(frozen=True)
class Slice:
    """A part of the questions."""

    name: str
    exact: float  # difference, percent
    of_metric: Difference
    corrected_p: float | None  # Holm's, for the number of slices that have a p; None: too few articles


@dataclass(frozen=True)
class Flips:
    """How single questions came out, by exact."""

    only_a: int  # right in A and wrong in B
    only_b: int
    same_answer: int  # the two texts are equal


Outcome = Literal["same", "better", "worse", "not shown", "too few articles"]


@dataclass(frozen=True)
class Comparison:
    """All that `spanline compare` says, for one metric."""

    metric: Metric
    runs: tuple[int, int]
    exact: Difference
    f1: Difference
    flips: Flips | None  # None: a side has several runs
    slices: list[Slice]
    outcome: Outcome
    on: Split = "validation"  # the questions: those reported, or those to choose by
    changes: list[str] | None = None  # of parameters and code; None: files, or sets of runs

    @property
    def of_metric(self) -> Difference:
        return self.exact if self.metric == "exact" else self.f1


def difference(a_MQ: Floats, b_MQ: Floats, article_Q: NDArray[np.intp], chance: Chance) -> Difference:
    """`a_MQ`, `b_MQ`: what each run of a side earns on each question, in percent."""
    a_Q, b_Q = a_MQ.mean(axis=0), b_MQ.mean(axis=0)
    lead_Q = b_Q - a_Q
    clusters = add_up(article_Q, lead_Q)
    (alone,) = estimates(clusters, chance.resamples, chance.seed)
    means = [[float(mean) for mean in side.mean(axis=1)] for side in (a_MQ, b_MQ)]
    run_error = between.error_between_runs(*means)
    new = between.with_runs(alone, run_error)
    within = error_within(article_Q, lead_Q)
    these = Estimate(alone.mean, alone.num_clusters, within, margin_within(within), float(len(lead_Q)))
    these = between.with_runs(these, run_error)
    p = None
    if new.error is not None:
        signs = sign_flip.flips(alone.num_clusters, chance.resamples, chance.seed)
        p = float(sign_flip.p_values(clusters, signs)[0])
        if run_error is not None:
            p = between.p_value(alone, run_error)
    sds = [float(np.std(values, ddof=1)) if len(values) > 1 else None for values in means]
    return Difference(
        questions=len(lead_Q),
        articles=alone.num_clusters,
        a=_rounded(a_Q.mean()),
        b=_rounded(b_Q.mean()),
        difference=_rounded(alone.mean),
        on_these=_bounds(these) or (0.0, 0.0),
        on_new=_bounds(new),
        p=None if p is None else _rounded(p),
        least_detectable=_or_none(between.least_detectable(new)),
        run_sd_a=_or_none(sds[0]),
        run_sd_b=_or_none(sds[1]),
    )


def _bounds(estimate: Estimate) -> tuple[float, float] | None:
    """No difference of two scores is beyond 100."""
    if estimate.interval is None:
        return None
    low, high = estimate.interval
    return _rounded(max(low, -100.0)), _rounded(min(high, 100.0))


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0  # no -0.0


def _or_none(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def compare(
    a: Sequence[Floats],
    b: Sequence[Floats],
    article_Q: NDArray[np.intp],
    slices: Mapping[str, Sequence[int]],
    num_same: int | None,
    metric: Metric,
    chance: Chance,
) -> Comparison:
    """`a`, `b`: per run the (Q, 2) exact and f1 of each question, 0..1. `num_same`: questions with the same text as
    answer; None when a side has several runs. `slices`: name -> numbers of its questions."""
    sides = [100.0 * np.stack(runs) for runs in (a, b)]  # (M, Q, 2)
    exact, f1 = (difference(sides[0][:, :, key], sides[1][:, :, key], article_Q, chance) for key in (0, 1))
    flips = None
    if num_same is not None:
        right_a, right_b = (side[0, :, 0] > 0 for side in sides)
        flips = Flips(int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum()), num_same)
    found = _slices(sides, article_Q, slices, metric, chance)
    chosen = exact if metric == "exact" else f1
    is_same = num_same == len(article_Q) or all(bool((side == sides[0][0]).all()) for side in sides)
    return Comparison(metric, (len(a), len(b)), exact, f1, flips, found, "same" if is_same else outcome(chosen))


def _slices(
    sides: Sequence[Floats],
    article_Q: NDArray[np.intp],
    slices: Mapping[str, Sequence[int]],
    metric: Metric,
    chance: Chance,
) -> list[Slice]:
    key = KEYS.index(metric)
    rows = []
    for name, numbers in slices.items():
        a, b = (side[:, numbers] for side in sides)
        exact = _rounded(b[:, :, 0].mean() - a[:, :, 0].mean())
        rows.append((name, exact, difference(a[:, :, key], b[:, :, key], article_Q[numbers], chance)))
    corrected = iter(holm([row[2].p for row in rows if row[2].p is not None]))
    return [Slice(*row, None if row[2].p is None else _rounded(next(corrected))) for row in rows]


def outcome(found: Difference) -> Outcome:
    """A difference is shown where the interval on new articles leaves out 0 and p is small: both."""
    if found.on_new is None or found.p is None:
        return "too few articles"
    low, high = found.on_new
    if found.p > SIGNIFICANT or low <= 0.0 <= high:
        return "not shown"
    return "better" if low > 0 else "worse"


__all__ = ["MIN_CLUSTERS", "Chance", "Comparison", "Difference", "Flips", "Slice", "compare", "difference", "outcome"]

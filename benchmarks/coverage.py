"""How often do 95 % intervals hold the truth, and how often is a difference "shown" where there is none?

    python -m benchmarks.coverage

Draws many paired comparisons on articles of dev's sizes, in which the true difference is known to be 0, and prints the
tables of docs/STATISTICS.md. Everything is seeded; the scored code is spanline.statistics itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks import machine
from spanline.statistics import estimates, runs, sign_flip, studentised
from spanline.statistics.clusters import Clusters, Floats

SEED = 17
RESAMPLES = 1999  # bootstrap resamples and flips of each comparison
CHUNK = 250  # comparisons at a time
# Questions of each of dev-v2.0.json's 35 articles.
DEV = [208, 418, 324, 210, 247, 424, 444, 415, 255, 421, 284, 325, 275, 373, 219, 362, 244, 327, 232, 240, 262, 192]
DEV += [515, 356, 445, 458, 222, 308, 498, 357, 384, 364, 486, 402, 377]
CHANGED = 0.16  # share of questions on which two systems differ, one right and one wrong: sd 40 points a question

# G articles, K comparisons


@dataclass(frozen=True)
class Drawn:
    """K comparisons: per article what B has more than A, its questions, and how much more it has in truth."""

    sums_GK: Floats
    sizes_GK: Floats
    changed_GK: Floats  # questions that differ
    effects_GK: Floats  # B's true lead on the article, 0..1


def draw(case: str, num_articles: int, count: int, random: np.random.Generator) -> Drawn:
    """`count` comparisons. The lead of B on new articles is 0 in truth."""
    dev = np.array(DEV, np.float64)
    shape = (num_articles, count)
    if num_articles == len(DEV) and case != "sd 4, tied to size":
        sizes = np.repeat(dev[:, None], count, axis=1)
    else:  # sizes of new articles
        sizes = dev[random.integers(0, len(DEV), shape)]
    effects = _effects(case, sizes, random)
    plus = random.binomial(sizes.astype(int), np.clip((CHANGED + effects) / 2, 0, 1))
    rest = np.clip((CHANGED - effects) / 2, 0, 1) / (1 - np.clip((CHANGED + effects) / 2, 0, 1))
    minus = random.binomial(sizes.astype(int) - plus, np.clip(rest, 0, 1))
    return Drawn((plus - minus).astype(np.float64), sizes, (plus + minus).astype(np.float64), effects)


CASES = ("no article effect", "sd 2", "sd 4", "sd 4, skewed", "sd 4, tied to size")


def _effects(case: str, sizes: Floats, random: np.random.Generator) -> Floats:
    """B's lead by article, with the sd of the case in points; its mean over the questions of new articles is 0."""
    if case == "no article effect":
        return np.zeros_like(sizes)
    if case == "sd 4, skewed":  # an exponential's skewness: 2
        skewed: Floats = 0.04 * (random.exponential(size=sizes.shape) - 1)
        return skewed
    if case == "sd 4, tied to size":  # wholly
        mean, deviation = np.mean(DEV), np.std(DEV)
        tied: Floats = 0.04 * ((sizes - mean) / deviation - deviation / mean)
        return tied
    normal: Floats = random.normal(0, 0.02 if case == "sd 2" else 0.04, sizes.shape)
    return normal


# Each method: does its interval hold 0? (K,)


def by_question(drawn: Drawn) -> Floats:
    total = drawn.sizes_GK.sum(axis=0)
    mean = drawn.sums_GK.sum(axis=0) / total
    error = np.sqrt((drawn.changed_GK.sum(axis=0) / total - mean**2) / total)
    return np.abs(mean) <= 1.96 * error


def percentile(drawn: Drawn) -> Floats:
    draws = studentised.draws(len(drawn.sums_GK), RESAMPLES, SEED)
    low, high = np.percentile((draws @ drawn.sums_GK) / (draws @ drawn.sizes_GK), [2.5, 97.5], axis=0)
    return (low <= 0) & (high >= 0)


def _student(drawn: Drawn, errors_K: Floats) -> Floats:
    critical = stats.t.ppf(0.975, len(drawn.sums_GK) - 1)
    return np.abs(_clusters(drawn).means_K) <= critical * errors_K


def cr1(drawn: Drawn) -> Floats:
    return _student(drawn, _clusters(drawn).standard_errors_K)


def cr3(drawn: Drawn) -> Floats:
    """The jackknife: each article left out once."""
    sums, sizes = drawn.sums_GK, drawn.sizes_GK
    without = (sums.sum(axis=0) - sums) / (sizes.sum(axis=0) - sizes)
    squares = ((without - _clusters(drawn).means_K) ** 2).sum(axis=0)
    return _student(drawn, np.sqrt((len(sums) - 1) / len(sums) * squares))


def equal_tailed(drawn: Drawn) -> Floats:
    clusters = _clusters(drawn)
    found = studentised.studentised(clusters, studentised.draws(len(drawn.sums_GK), RESAMPLES, SEED))
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    distance = clusters.means_K / clusters.standard_errors_K
    return (low <= distance) & (distance <= high)


def symmetric(drawn: Drawn) -> Floats:
    """What Spanline prints."""
    clusters = _clusters(drawn)
    critical = studentised.critical_values(clusters, studentised.draws(len(drawn.sums_GK), RESAMPLES, SEED))
    return np.abs(clusters.means_K) <= critical * clusters.standard_errors_K


def flipped(drawn: Drawn) -> Floats:
    """The wild cluster bootstrap-t with Rademacher weights and the null imposed: a sign-flip test turned round."""
    signs = sign_flip.flips(len(drawn.sums_GK), RESAMPLES, SEED)
    return sign_flip.p_values(_clusters(drawn), signs) > 0.05


def not_shown(drawn: Drawn) -> Floats:
    """Spanline's verdict: a difference is shown where the interval leaves out 0 and p is at most 0.05."""
    return symmetric(drawn) | flipped(drawn)


METHODS: dict[str, Callable[[Drawn], Floats]] = {
    "by question": by_question,
    "percentile bootstrap": percentile,
    "CR1, t(G-1)": cr1,
    "jackknife CR3, t(G-1)": cr3,
    "wild bootstrap-t (sign flip)": flipped,
    "studentised, equal-tailed": equal_tailed,
    "studentised, symmetric": symmetric,
    "verdict": not_shown,
}


def _clusters(drawn: Drawn) -> Clusters:
    return Clusters(drawn.sums_GK, drawn.sizes_GK)


def coverage(case: str, num_articles: int, repetitions: int, names: list[str]) -> dict[str, float]:
    """Percent of the comparisons in which each method's interval holds the truth."""
    random = np.random.default_rng([SEED, CASES.index(case), num_articles])
    held = dict.fromkeys(names, 0)
    for _ in range(0, repetitions, CHUNK):
        drawn = draw(case, num_articles, CHUNK, random)
        for name in names:
            held[name] += int(METHODS[name](drawn).sum())
    return {name: 100 * count / repetitions for name, count in held.items()}


def within(case: str, repetitions: int) -> float:
    """The interval for the articles that were asked: how often it holds B's true mean lead on these very articles."""
    random, held = np.random.default_rng([SEED, CASES.index(case)]), 0
    for _ in range(0, repetitions, CHUNK):
        drawn = draw(case, len(DEV), CHUNK, random)
        sums, sizes, total = drawn.sums_GK, drawn.sizes_GK, drawn.sizes_GK.sum(axis=0)
        squares = (drawn.changed_GK - sums**2 / sizes) * sizes / (sizes - 1)
        error = np.sqrt(squares.sum(axis=0)) / total
        truth = (drawn.effects_GK * sizes).sum(axis=0) / total
        held += int((np.abs(sums.sum(axis=0) / total - truth) <= estimates.margin_within(1.0) * error).sum())
    return 100 * held / repetitions


# Sets of runs.

RUN_NOISE = 28.0  # points: how much the score of one question moves from run to run


def sets_of_runs(num_a: int, num_b: int, run_deviation: float, repetitions: int) -> tuple[float, float]:
    """Percent coverage of a difference between two sets' means, without and with the variance between runs."""
    random = np.random.default_rng([SEED, num_a, num_b, round(10 * run_deviation)])
    sizes = np.array(DEV, np.float64)
    held = np.zeros(2)
    for _ in range(repetitions):
        leads = random.normal(0, 2.0, len(DEV))
        totals = [_runs(random, number, run_deviation, sizes) for number in (num_a, num_b)]
        sums_G = totals[1].mean(axis=0) - totals[0].mean(axis=0) + leads * sizes
        clusters = Clusters(sums_G[:, None], sizes[:, None])
        estimate = estimates.estimates(clusters, RESAMPLES, SEED)[0]
        means = [list(total.sum(axis=1) / sizes.sum()) for total in totals]
        for place, found in enumerate((estimate, runs.with_runs(estimate, runs.error_between_runs(*means)))):
            low, high = found.interval or (0.0, 0.0)
            held[place] += low <= 0 <= high
    without, with_ = 100 * held / repetitions
    return float(without), float(with_)


def _runs(random: np.random.Generator, number: int, deviation: float, sizes: Floats) -> Floats:
    """(number, G) what each run earns on each article, in points, but for what all runs have in common."""
    whole = random.normal(0, deviation, (number, 1)) * sizes
    noise: Floats = whole + random.normal(0, RUN_NOISE, (number, len(sizes))) * np.sqrt(sizes)
    return noise


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=20_000)
    repetitions = parser.parse_args().repetitions
    for part in (print_methods, print_false_positives, print_numbers_of_articles, print_sets_of_runs):
        part(repetitions)
    print(json.dumps(machine.facts("numpy", "scipy")))


def print_methods(repetitions: int) -> None:
    names = [name for name in METHODS if name != "verdict"]
    rows = ([case, *_cells(case, len(DEV), repetitions, names)] for case in CASES)
    table(f"Coverage on new articles, percent, {repetitions:,} repetitions", ["article effect", *names], rows)


def print_false_positives(repetitions: int) -> None:
    names = ["studentised, symmetric", "wild bootstrap-t (sign flip)", "verdict"]
    header = ["article effect", "interval", "sign flip", "verdict: both", "coverage on these articles"]
    rows = (
        [case, *(f"{100 - float(cell):.1f}" for cell in _cells(case, len(DEV), repetitions, names)), within_]
        for case, within_ in ((case, f"{within(case, repetitions):.1f}") for case in CASES)
    )
    table("False positives, percent, and coverage of the interval on these articles", header, rows)


def print_numbers_of_articles(repetitions: int) -> None:
    few = (6, 8, 10, 12, 15, 20, 51)
    names = ("percentile bootstrap", "studentised, symmetric")
    rows = (
        [f"{case}: {name}", *(_cells(case, count, repetitions, [name])[0] for count in few)]
        for case in CASES[2:]
        for name in names
    )
    table("Coverage by number of articles", ["articles", *map(str, few)], rows)


def print_sets_of_runs(repetitions: int) -> None:
    repetitions //= 4  # one comparison at a time
    settings = [(a, b, deviation) for deviation in (0.3, 1.0) for a, b in ((2, 2), (3, 3), (5, 5), (1, 5))]
    rows = (
        [f"{a} and {b}", f"{deviation}", *(f"{v:.1f}" for v in sets_of_runs(a, b, deviation, repetitions))]
        for a, b, deviation in settings
    )
    header = ["runs", "sd between runs", "articles only", "articles and runs"]
    table(f"Difference of two sets of runs, article sd 2, {repetitions:,} repetitions", header, rows)


def _cells(case: str, num_articles: int, repetitions: int, names: list[str]) -> list[str]:
    return [f"{value:.1f}" for value in coverage(case, num_articles, repetitions, names).values()]


def table(title: str, header: list[str], rows: Iterator[list[str]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(header)} |\n|---|{'---:|' * (len(header) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
